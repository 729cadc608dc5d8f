package sql

import (
	"math"
	"strings"
)

// env is what an expression is worked out for.
type env struct {
	query  *Query
	record any
}

// A node is an expression. Where logic is asked for, NULL and missing are neither true
// nor false.
type node interface{ eval(e *env) (any, error) }

type literal struct{ value any }

func (n literal) eval(*env) (any, error) { return n.value, nil }

type pathNode []step

func (n pathNode) eval(e *env) (any, error) {
	v := e.record
	for _, s := range n {
		v = s.of(v)
	}
	return v, nil
}

type notNode struct{ of node }

func (n notNode) eval(e *env) (any, error) {
	v, err := n.of.eval(e)
	if b, ok := boolean(v); ok && err == nil {
		return !b, nil
	}
	return nil, err
}

type logicNode struct {
	or   bool
	a, b node
}

func logical(op string, a, b node) node { return logicNode{op == "OR", a, b} }

func (n logicNode) eval(e *env) (any, error) {
	v, err := n.a.eval(e)
	if err != nil {
		return nil, err
	}
	a, known := boolean(v)
	if known && a == n.or {
		return a, nil
	}
	w, err := n.b.eval(e)
	if err != nil {
		return nil, err
	}
	b, also := boolean(w)
	switch {
	case also && b == n.or:
		return b, nil
	case known && also:
		return !n.or, nil
	}
	return nil, nil
}

type compareNode struct {
	op   string
	a, b node
}

func (n compareNode) eval(e *env) (any, error) {
	a, err := n.a.eval(e)
	if err != nil {
		return nil, err
	}
	b, err := n.b.eval(e)
	if err != nil || absent(a) || absent(b) {
		return nil, err
	}
	c, ok := compare(a, b)
	if !ok { // values without an order are not equal, and nothing else
		return n.op == "<>" || n.op == "!=", nil
	}
	switch n.op {
	case "=":
		return c == 0, nil
	case "<":
		return c < 0, nil
	case ">":
		return c > 0, nil
	case "<=":
		return c <= 0, nil
	case ">=":
		return c >= 0, nil
	}
	return c != 0, nil
}

type isNode struct {
	of      node
	missing bool
}

func (n isNode) eval(e *env) (any, error) {
	v, err := n.of.eval(e)
	if n.missing {
		return v == any(missing), err
	}
	return absent(v), err
}

type inNode struct {
	of    node
	among []node
	list  node
}

func (n inNode) eval(e *env) (any, error) {
	v, err := n.of.eval(e)
	if err != nil || absent(v) {
		return nil, err
	}
	if n.list != nil {
		w, err := n.list.eval(e)
		list, _ := w.([]any)
		for _, x := range list {
			if c, ok := compare(v, x); ok && c == 0 {
				return true, err
			}
		}
		return false, err
	}
	for _, m := range n.among {
		w, err := m.eval(e)
		if err != nil {
			return nil, err
		}
		if c, ok := compare(v, w); ok && c == 0 {
			return true, nil
		}
	}
	return false, nil
}

type likeNode struct{ subject, pattern, escape node }

func (n likeNode) eval(e *env) (any, error) {
	subject, err := n.subject.eval(e)
	if err != nil {
		return nil, err
	}
	pattern, err := n.pattern.eval(e)
	if err != nil {
		return nil, err
	}
	var escape any = ""
	if n.escape != nil {
		if escape, err = n.escape.eval(e); err != nil {
			return nil, err
		}
	}
	if absent(subject) || absent(pattern) {
		return nil, nil
	}
	p, ok := pattern.(string)
	x, also := escape.(string)
	if !ok || !also || len([]rune(x)) > 1 {
		return nil, fault("LikeInvalidInputs", "Invalid argument given to the LIKE clause in the SQL expression.")
	}
	s, ok := subject.(string)
	if !ok {
		s = text(subject)
	}
	return like([]rune(s), likePattern(p, x)), nil
}

// likePattern is a pattern with its % and _ apart from the characters.
const anyRun, anyOne = -1, -2

func likePattern(p, escape string) (out []rune) {
	escaped := false
	for _, r := range p {
		switch {
		case escaped:
			out, escaped = append(out, r), false
		case escape != "" && string(r) == escape:
			escaped = true
		case r == '%':
			if len(out) == 0 || out[len(out)-1] != anyRun {
				out = append(out, anyRun)
			}
		case r == '_':
			out = append(out, anyOne)
		default:
			out = append(out, r)
		}
	}
	return out
}

// like goes back to the last % alone, so its work is at most the product of lengths.
func like(s, p []rune) bool {
	i, j, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case j < len(p) && p[j] == anyRun:
			star, mark = j, i
			j++
		case j < len(p) && (p[j] == anyOne || p[j] == s[i]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	for j < len(p) && p[j] == anyRun {
		j++
	}
	return j == len(p)
}

type caseNode struct {
	subject    node
	when, then []node
	otherwise  node
}

func (n caseNode) eval(e *env) (any, error) {
	for i, w := range n.when {
		if n.subject != nil {
			w = compareNode{"=", n.subject, w}
		}
		v, err := w.eval(e)
		if err != nil {
			return nil, err
		}
		if b, _ := boolean(v); b {
			return n.then[i].eval(e)
		}
	}
	if n.otherwise == nil {
		return nil, nil
	}
	return n.otherwise.eval(e)
}

type arithmeticNode struct {
	op   string
	a, b node
}

func arithmetic(op string, a, b node) node { return arithmeticNode{op, a, b} }

func (n arithmeticNode) eval(e *env) (any, error) {
	a, err := n.a.eval(e)
	if err != nil {
		return nil, err
	}
	b, err := n.b.eval(e)
	if err != nil || absent(a) || absent(b) {
		return nil, err
	}
	if n.op == "||" {
		return text(a) + text(b), nil
	}
	x, ok := number(a)
	y, also := number(b)
	if !ok || !also {
		return nil, fault("EvaluatorInvalidArguments", "The operands of %s in the SQL expression are no numbers.", n.op)
	}
	return calculate(n.op, x, y)
}

func calculate(op string, x, y any) (any, error) {
	m, ok := x.(int64)
	k, also := y.(int64)
	if ok && also {
		if r, ok := whole64(op, m, k); ok {
			return r, nil
		}
		if k == 0 && (op == "/" || op == "%") {
			return nil, fault("EvaluatorInvalidArguments", "Division by zero in the SQL expression.")
		}
	}
	f, g := float(x), float(y)
	var r float64
	switch op {
	case "+":
		r = f + g
	case "-":
		r = f - g
	case "*":
		r = f * g
	case "/":
		r = f / g
	default:
		r = math.Mod(f, g)
	}
	if math.IsNaN(r) || math.IsInf(r, 0) {
		return nil, fault("IntegerOverflow", "A number in the SQL expression is out of range.")
	}
	return r, nil
}

// whole64 calculates with integers; false where that does not fit.
func whole64(op string, m, k int64) (int64, bool) {
	switch op {
	case "+":
		r := m + k
		return r, (r > m) == (k > 0)
	case "-":
		r := m - k
		return r, (r < m) == (k > 0)
	case "*":
		if m == 0 || k == 0 {
			return 0, true
		}
		r := m * k
		return r, r/k == m && (m != math.MinInt64 || k != -1) && (k != math.MinInt64 || m != -1)
	}
	if k == 0 || m == math.MinInt64 && k == -1 {
		return 0, false
	}
	if op == "/" {
		return m / k, true
	}
	return m % k, true
}

type callNode struct {
	do   func(args []any) (any, error)
	args []node
}

func (n callNode) eval(e *env) (any, error) {
	args := make([]any, len(n.args))
	for i, a := range n.args {
		v, err := a.eval(e)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	return n.do(args)
}

type castNode struct {
	of node
	to string
}

func (n castNode) eval(e *env) (any, error) {
	v, err := n.of.eval(e)
	if err != nil || absent(v) {
		return v, err
	}
	if out, ok := casts[n.to](v); ok {
		return out, nil
	}
	return nil, fault("CastFailed", "Attempt to convert from one data type to another using CAST failed in the SQL expression: %.64s to %s.", strings.ToValidUTF8(text(v), "?"), n.to)
}

// constant reports whether a node needs no record.
func constant(n node) bool {
	switch n := n.(type) {
	case literal, aggregateNode:
		return true
	case notNode:
		return constant(n.of)
	case logicNode:
		return constant(n.a) && constant(n.b)
	case compareNode:
		return constant(n.a) && constant(n.b)
	case arithmeticNode:
		return constant(n.a) && constant(n.b)
	case castNode:
		return constant(n.of)
	case isNode:
		return constant(n.of)
	case callNode:
		for _, a := range n.args {
			if !constant(a) {
				return false
			}
		}
		return true
	}
	return false
}
