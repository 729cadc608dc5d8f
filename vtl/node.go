package vtl

// node is a piece of a template that renders itself.
type node interface {
	render(st *state, sc *scope) error
}

// expr is an expression.
type expr interface {
	eval(st *state, sc *scope) (any, error)
	// truth is the expression as a condition. Only references, true and false,
	// comparisons and logic can be true in Velocity 1.7; literals and sums are false.
	truth(st *state, sc *scope) (bool, error)
	source() string
}

type block struct{ nodes []node }

func (b *block) render(st *state, sc *scope) error {
	if err := st.enter(); err != nil {
		return err
	}
	defer st.leave()
	for _, n := range b.nodes {
		if err := st.meter.Step(1); err != nil {
			return err
		}
		if err := n.render(st, sc); err != nil {
			return err
		}
	}
	return nil
}

type text string

func (t text) render(st *state, _ *scope) error { return st.write(string(t)) }

// branch is one arm of an #if; cond is nil for #else.
type branch struct {
	cond expr
	body *block
	at   pos
}

type ifNode struct{ branches []branch }

func (n *ifNode) render(st *state, sc *scope) error {
	for i := range n.branches {
		b := &n.branches[i]
		if b.cond != nil {
			ok, err := b.cond.truth(st, sc)
			if err != nil {
				return st.wrap(err, b.at)
			}
			if !ok {
				continue
			}
		}
		return b.body.render(st, sc)
	}
	return nil
}

type setNode struct {
	left  *reference
	right expr
	at    pos
}

// render assigns; null on the right leaves everything as it was.
func (n *setNode) render(st *state, sc *scope) error {
	v, err := n.right.eval(st, sc)
	if v == nil || err != nil {
		return st.wrap(err, n.at)
	}
	return st.wrap(n.left.assign(st, sc, v), n.at)
}
