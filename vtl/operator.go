package vtl

import "github.com/tule-cloud/tule/vtl/value"

// op is a binary operator.
type op uint8

const (
	opOr op = iota + 1
	opAnd
	opEQ
	opNE
	opLT
	opGT
	opLE
	opGE
	opAdd
	opSub
	opMul
	opDiv
	opMod
)

// precedence of each operator, loosest first.
var precedence = [...]int{
	opOr: 1, opAnd: 2, opEQ: 3, opNE: 3, opLT: 4, opGT: 4, opLE: 4, opGE: 4,
	opAdd: 5, opSub: 5, opMul: 6, opDiv: 6, opMod: 6,
}

var arithSign = [...]byte{opAdd: '+', opSub: '-', opMul: '*', opDiv: '/', opMod: '%'}

type binary struct {
	op          op
	left, right expr
	src         string
}

func (b *binary) source() string { return b.src }

func (b *binary) eval(st *state, sc *scope) (any, error) {
	if b.op < opAdd {
		return b.truth(st, sc)
	}
	l, r, err := b.both(st, sc)
	if err != nil {
		return nil, err
	}
	if b.op == opAdd {
		if isText(l) || isText(r) {
			return b.concat(st, l, r)
		}
	}
	if !value.IsNumber(l) || !value.IsNumber(r) {
		return nil, nil
	}
	return value.Arith(&st.meter, arithSign[b.op], l, r)
}

func (b *binary) both(st *state, sc *scope) (l, r any, err error) {
	if err = st.meter.Step(1); err != nil {
		return nil, nil, err
	}
	if l, err = b.left.eval(st, sc); err == nil {
		r, err = b.right.eval(st, sc)
	}
	return l, r, err
}

func isText(v any) bool {
	switch v.(type) {
	case string, value.Absent:
		return true
	}
	return false
}

// concat joins texts; null stands as it was written.
func (b *binary) concat(st *state, l, r any) (any, error) {
	if l == nil {
		l = b.left.source()
	}
	if r == nil {
		r = b.right.source()
	}
	x, err := value.String(&st.meter, l)
	if err != nil {
		return nil, err
	}
	y, err := value.String(&st.meter, r)
	if err != nil {
		return nil, err
	}
	if err := st.meter.Grow(len(x) + len(y)); err != nil {
		return nil, err
	}
	return x + y, nil
}

func (b *binary) truth(st *state, sc *scope) (bool, error) {
	switch b.op {
	case opAnd, opOr:
		ok, err := b.left.truth(st, sc)
		if err != nil || ok == (b.op == opOr) {
			return ok, err
		}
		return b.right.truth(st, sc)
	case opAdd, opSub, opMul, opDiv, opMod:
		return false, nil
	}
	l, r, err := b.both(st, sc)
	if err != nil {
		return false, err
	}
	if b.op == opEQ || b.op == opNE {
		eq, err := value.Equal(&st.meter, l, r)
		return eq == (b.op == opEQ), err
	}
	if !value.IsNumber(l) || !value.IsNumber(r) {
		return false, nil
	}
	c := value.Compare(l, r)
	switch b.op {
	case opLT:
		return c < 0, nil
	case opGT:
		return c > 0, nil
	case opLE:
		return c <= 0, nil
	}
	return c >= 0, nil
}
