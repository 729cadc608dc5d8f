// Package maths is CloudWatch's language of metric maths: numbers, series of numbers over
// time, lists of such series, and what can be done with them. It knows no service: what
// an expression names, an Env finds.
//
// Where two series meet, the result has the times that both have. What is no number, such
// as a quotient by zero, has no place in a series.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
package maths

import (
	"fmt"
	"math"
)

// A Series is numbers over time, the oldest first.
type Series struct {
	ID     string // of the query that gave it
	Label  string
	Period int64   // between its times at least, in seconds
	Times  []int64 // in seconds since 1970
	Values []float64
	// Facts are what labels may name of where the series is from: "MetricName", "Dim.Queue".
	Facts map[string]string
}

// A Value is a number, a series or a list of series: float64, *Series or []*Series; or a
// string, or a Word such as REPEAT, as arguments of functions alone.
type Value any

// A Word is a bare word that is no query's id.
type Word string

// An Env is what an expression is about.
type Env interface {
	// Query is the result of another query of the request.
	Query(id string) (Value, error)
	// Metrics are the series of all queries that are metrics, whose ids contain part.
	Metrics(part string) ([]*Series, error)
	// Search finds metrics; the period is 0 where the expression has none.
	Search(expression, statistic string, period int64) ([]*Series, error)
	// Span is from when to when, in seconds, series are asked for, and the period of
	// those that have none of their own.
	Span() (from, to, period int64)
}

// An Expression is one that was parsed.
type Expression struct{ root node }

// Eval is the value of the expression.
func (e *Expression) Eval(env Env) (Value, error) { return e.root.eval(env) }

// IDs are the queries that the expression names.
func (e *Expression) IDs() []string {
	var ids []string
	e.root.walk(func(n node) {
		if i, ok := n.(name); ok && 'a' <= i[0] && i[0] <= 'z' {
			ids = append(ids, string(i))
		}
	})
	return ids
}

// Uses reports whether the expression calls a function.
func (e *Expression) Uses(function string) bool {
	used := false
	e.root.walk(func(n node) {
		if c, ok := n.(*call); ok && c.function == function {
			used = true
		}
	})
	return used
}

// A node is a part of an expression.
type node interface {
	eval(Env) (Value, error)
	walk(func(node))
}

type (
	literal float64
	text    string
	name    string
	array   []node
	unary   struct{ x node }
	binary  struct {
		op   string
		x, y node
	}
	call struct {
		function string
		args     []node
	}
)

func (n literal) walk(f func(node)) { f(n) }
func (n text) walk(f func(node))    { f(n) }
func (n name) walk(f func(node))    { f(n) }
func (n array) walk(f func(node)) {
	f(n)
	for _, x := range n {
		x.walk(f)
	}
}
func (n *unary) walk(f func(node))  { f(n); n.x.walk(f) }
func (n *binary) walk(f func(node)) { f(n); n.x.walk(f); n.y.walk(f) }
func (n *call) walk(f func(node)) {
	f(n)
	for _, x := range n.args {
		x.walk(f)
	}
}

func (n literal) eval(Env) (Value, error) { return float64(n), nil }
func (n text) eval(Env) (Value, error)    { return string(n), nil }

func (n name) eval(env Env) (Value, error) {
	if n[0] < 'a' || n[0] > 'z' {
		return Word(n), nil
	}
	return env.Query(string(n))
}

func (n array) eval(env Env) (Value, error) {
	out := []*Series{}
	for _, x := range n {
		v, err := x.eval(env)
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case *Series:
			out = append(out, v)
		case []*Series:
			out = append(out, v...)
		default:
			return nil, fmt.Errorf("an array holds time series only")
		}
	}
	return out, nil
}

func (n *unary) eval(env Env) (Value, error) {
	v, err := n.x.eval(env)
	if err != nil {
		return nil, err
	}
	return each(v, func(f float64) float64 { return -f })
}

func (n *binary) eval(env Env) (Value, error) {
	x, err := n.x.eval(env)
	if err != nil {
		return nil, err
	}
	y, err := n.y.eval(env)
	if err != nil {
		return nil, err
	}
	return join(x, y, operators[n.op])
}

// operators by how they are written.
var operators = map[string]func(a, b float64) float64{
	"+":  func(a, b float64) float64 { return a + b },
	"-":  func(a, b float64) float64 { return a - b },
	"*":  func(a, b float64) float64 { return a * b },
	"/":  func(a, b float64) float64 { return a / b },
	"^":  math.Pow,
	"==": func(a, b float64) float64 { return truth(a == b) },
	"!=": func(a, b float64) float64 { return truth(a != b) },
	"<":  func(a, b float64) float64 { return truth(a < b) },
	"<=": func(a, b float64) float64 { return truth(a <= b) },
	">":  func(a, b float64) float64 { return truth(a > b) },
	">=": func(a, b float64) float64 { return truth(a >= b) },
	"&&": func(a, b float64) float64 { return truth(a != 0 && b != 0) },
	"||": func(a, b float64) float64 { return truth(a != 0 || b != 0) },
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// like is a series without numbers that is from where s is.
func (s *Series) like() *Series {
	return &Series{ID: s.ID, Label: s.Label, Period: s.Period, Facts: s.Facts}
}

// put appends a number, if it is one.
func (s *Series) put(at int64, v float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		s.Times, s.Values = append(s.Times, at), append(s.Values, v)
	}
}

// each applies f to every number of a value.
func each(v Value, f func(float64) float64) (Value, error) {
	switch v := v.(type) {
	case float64:
		return f(v), nil
	case *Series:
		out := v.like()
		for i, t := range v.Times {
			out.put(t, f(v.Values[i]))
		}
		return out, nil
	case []*Series:
		return eachOf(v, func(s *Series) (Value, error) { return each(s, f) })
	}
	return nil, fmt.Errorf("a number or time series is needed, and not %v", v)
}

// eachOf is the list of what f makes of each series.
func eachOf(list []*Series, f func(*Series) (Value, error)) (Value, error) {
	out := make([]*Series, 0, len(list))
	for _, s := range list {
		v, err := f(s)
		if err != nil {
			return nil, err
		}
		one, ok := v.(*Series)
		if !ok {
			return nil, fmt.Errorf("each time series of an array must give a time series")
		}
		out = append(out, one)
	}
	return out, nil
}

// join applies f to the numbers of two values that belong together.
func join(x, y Value, f func(a, b float64) float64) (Value, error) {
	switch a := x.(type) {
	case float64:
		return each(y, func(b float64) float64 { return f(a, b) })
	case *Series:
		switch b := y.(type) {
		case float64:
			return each(a, func(v float64) float64 { return f(v, b) })
		case *Series:
			return meet(a, b, f), nil
		case []*Series:
			return eachOf(b, func(s *Series) (Value, error) {
				out := meet(a, s, f)
				out.ID, out.Label, out.Facts = s.ID, s.Label, s.Facts
				return out, nil
			})
		}
	case []*Series:
		b, ok := y.([]*Series)
		if !ok {
			return eachOf(a, func(s *Series) (Value, error) { return join(s, y, f) })
		}
		if len(a) != len(b) {
			return nil, fmt.Errorf("the arrays have %d and %d time series; an operator needs as many in both", len(a), len(b))
		}
		out := make([]*Series, len(a))
		for i := range a {
			out[i] = meet(a[i], b[i], f)
		}
		return out, nil
	}
	return nil, fmt.Errorf("an operator needs numbers or time series")
}

// meet joins two series where both have a number.
func meet(a, b *Series, f func(a, b float64) float64) *Series {
	out := a.like()
	out.Period = max(a.Period, b.Period)
	for i, j := 0, 0; i < len(a.Times) && j < len(b.Times); {
		switch {
		case a.Times[i] < b.Times[j]:
			i++
		case a.Times[i] > b.Times[j]:
			j++
		default:
			out.put(a.Times[i], f(a.Values[i], b.Values[j]))
			i, j = i+1, j+1
		}
	}
	return out
}

// at is the number of a series at a time.
func (s *Series) at(t int64) (float64, bool) {
	low, high := 0, len(s.Times)
	for low < high {
		if mid := (low + high) / 2; s.Times[mid] < t {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low < len(s.Times) && s.Times[low] == t {
		return s.Values[low], true
	}
	return 0, false
}
