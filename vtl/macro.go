package vtl

import (
	"fmt"

	"github.com/tule-cloud/tule/vtl/value"
)

// macro is what #macro defines.
type macro struct {
	name   string
	params []string
	body   *block
}

// callNode is #name(args), or #@name(args) body #end. Where no macro of that
// name is known when it renders, it is text.
type callNode struct {
	name string
	args []expr
	bad  string // an argument that is a bare word, which only text may have
	body *block
	src  string
	at   pos
}

func (n *callNode) render(st *state, sc *scope) error {
	mac := st.macros[n.name]
	if mac == nil {
		return st.write(n.src)
	}
	if n.bad != "" {
		return st.fail(n.at, "invalid argument %q of macro #%s", n.bad, n.name)
	}
	if st.calls++; st.calls > macroDepth {
		return st.fail(n.at, "%w: macro #%s is called more than %d deep", ErrLimit, n.name, macroDepth)
	}
	defer func() { st.calls-- }()
	inner, err := n.bind(st, sc, mac)
	if err != nil {
		return err
	}
	if err = mac.body.render(st, inner); isFor(err, nil) {
		return nil
	}
	return err
}

// bind lays the arguments over the caller's scope. Missing ones stay unset,
// those too many are ignored.
func (n *callNode) bind(st *state, sc *scope, mac *macro) (*scope, error) {
	inner := &scope{up: sc, vars: map[string]any{}, args: map[string]expr{}}
	if err := st.meter.Grow(256); err != nil {
		return nil, err
	}
	for i, p := range mac.params {
		if i >= len(n.args) {
			break
		}
		if l, ok := n.args[i].(*literal); ok && !isString(l.v) {
			inner.vars[p] = l.v
		} else {
			inner.args[p] = n.args[i]
		}
	}
	if n.body != nil {
		inner.vars["bodyContent"] = &blockRef{st: st, sc: sc, body: n.body, max: macroDepth}
	}
	return inner, nil
}

func isString(v any) bool {
	_, ok := v.(string)
	return ok
}

// defineNode is #define($name) … #end.
type defineNode struct {
	name string
	body *block
	at   pos
}

func (n *defineNode) render(st *state, sc *scope) error {
	return sc.put(st, n.name, &blockRef{st: st, sc: sc, body: n.body, max: defineDepth})
}

// blockRef is a block that a variable stands for; it renders where it is used.
type blockRef struct {
	st    *state
	sc    *scope // where it was defined: the scope of its toString
	body  *block
	max   int
	depth int
}

// renderIn renders the block in sc. It reports false where the block is already
// rendering itself too deeply: then it is null.
func (b *blockRef) renderIn(st *state, sc *scope) (bool, error) {
	if b.depth >= b.max {
		return false, nil
	}
	b.depth++
	defer func() { b.depth-- }()
	err := b.body.render(st, sc)
	if isFor(err, nil) {
		err = nil
	}
	return true, err
}

// Call implements value.Object: a block has its text, and nothing else.
func (b *blockRef) Call(_ *value.Meter, name string, args []any) (any, error) {
	if name != "toString" || len(args) > 0 {
		return nil, value.ErrNoMethod
	}
	var done bool
	text, err := b.st.capture(renderFunc(func(st *state, sc *scope) (err error) {
		done, err = b.renderIn(st, sc)
		return err
	}), b.sc)
	if !done || err != nil {
		return nil, err
	}
	return text, nil
}

type renderFunc func(*state, *scope) error

func (f renderFunc) render(st *state, sc *scope) error { return f(st, sc) }

// evaluateNode is #evaluate(text).
type evaluateNode struct {
	arg expr
	at  pos
}

func (n *evaluateNode) render(st *state, sc *scope) error {
	v, err := n.arg.eval(st, sc)
	if v == nil || err != nil {
		return err
	}
	text, err := value.String(&st.meter, v)
	if err != nil {
		return st.wrap(err, n.at)
	}
	// A parsed template is some twenty times as large as its text.
	if err := st.meter.Grow(20 * len(text)); err != nil {
		return st.wrap(err, n.at)
	}
	if err := st.meter.Step(1 + len(text)); err != nil {
		return st.wrap(err, n.at)
	}
	t, err := Parse(st.name, text)
	if err != nil {
		return st.fail(n.at, "#evaluate: %w", err)
	}
	st.define(t.macros)
	if err = t.body.render(st, sc); isFor(err, nil) {
		return nil
	}
	return err
}

// stopNode is #stop, with a message that nobody reads.
type stopNode struct{}

func (stopNode) render(*state, *scope) error { return errStop }

// breakNode is #break, or #break($foreach.parent).
type breakNode struct {
	what expr
	at   pos
}

func (n *breakNode) render(st *state, sc *scope) error {
	if n.what == nil {
		return &leave{}
	}
	v, err := n.what.eval(st, sc)
	if err != nil {
		return err
	}
	l, ok := v.(*loop)
	if !ok {
		return st.wrap(fmt.Errorf("#break: %s is not a loop", n.what.source()), n.at)
	}
	return &leave{what: l}
}
