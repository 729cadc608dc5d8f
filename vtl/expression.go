package vtl

import "github.com/tule-cloud/tule/vtl/value"

// literal is a constant: a number, a plain string, true or false.
type literal struct {
	v   any
	src string
}

func (l *literal) eval(*state, *scope) (any, error) { return l.v, nil }
func (l *literal) source() string                   { return l.src }
func (l *literal) truth(*state, *scope) (bool, error) {
	b, ok := l.v.(bool)
	return ok && b, nil
}

// interpolated is a string in double quotes: a template within the template.
type interpolated struct {
	body    *block
	comment bool // it has a ## in it, so no blank was added to its end
	src     string
}

func (s *interpolated) source() string                     { return s.src }
func (s *interpolated) truth(*state, *scope) (bool, error) { return false, nil }
func (s *interpolated) eval(st *state, sc *scope) (any, error) {
	text, err := st.capture(s.body, sc)
	if n := len(text); n > 0 && !s.comment {
		text = text[:n-1]
	}
	return text, err
}

type listExpr struct {
	items []expr
	src   string
}

func (l *listExpr) source() string                     { return l.src }
func (l *listExpr) truth(*state, *scope) (bool, error) { return false, nil }
func (l *listExpr) eval(st *state, sc *scope) (any, error) {
	if err := st.meter.Grow(64 + 16*len(l.items)); err != nil {
		return nil, err
	}
	items := make([]any, len(l.items))
	for i, e := range l.items {
		var err error
		if items[i], err = e.eval(st, sc); err != nil {
			return nil, err
		}
	}
	return value.NewList(value.ArrayList, items...), nil
}

type mapExpr struct {
	pairs []expr // key, value, key, value …
	src   string
}

func (m *mapExpr) source() string                     { return m.src }
func (m *mapExpr) truth(*state, *scope) (bool, error) { return false, nil }
func (m *mapExpr) eval(st *state, sc *scope) (any, error) {
	out := value.NewMap(len(m.pairs) / 2)
	for i := 0; i < len(m.pairs); i += 2 {
		k, err := m.pairs[i].eval(st, sc)
		if err != nil {
			return nil, err
		}
		v, err := m.pairs[i+1].eval(st, sc)
		if err != nil {
			return nil, err
		}
		if _, err := out.PutFor(&st.meter, k, v); err != nil {
			return nil, err
		}
	}
	return out, st.meter.Grow(64)
}

type rangeExpr struct {
	from, to expr
	src      string
}

func (r *rangeExpr) source() string                     { return r.src }
func (r *rangeExpr) truth(*state, *scope) (bool, error) { return false, nil }
func (r *rangeExpr) eval(st *state, sc *scope) (any, error) {
	a, err := r.from.eval(st, sc)
	if err != nil {
		return nil, err
	}
	b, err := r.to.eval(st, sc)
	if err != nil || !value.IsNumber(a) || !value.IsNumber(b) {
		return nil, err
	}
	from, to := value.IntValue(a), value.IntValue(b)
	n, step := int(to)-int(from), int32(1)
	if n <= 0 {
		n, step = -n, -1
	}
	if err := st.meter.Grow(16 * (n + 1)); err != nil {
		return nil, err
	}
	items := make([]any, n+1)
	for i := range items {
		items[i] = from
		from += step
	}
	return value.NewList(value.ArrayList, items...), st.meter.Step(1 + n/16)
}

type notExpr struct {
	of  expr
	src string
}

func (n *notExpr) source() string { return n.src }
func (n *notExpr) truth(st *state, sc *scope) (bool, error) {
	ok, err := n.of.truth(st, sc)
	return !ok, err
}
func (n *notExpr) eval(st *state, sc *scope) (any, error) { return n.truth(st, sc) }

// parens keeps (…) in the source; it is what it holds.
type parens struct {
	expr
	src string
}

func (p *parens) source() string { return p.src }
