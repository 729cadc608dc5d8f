// Package jsonpath selects from JSON documents by JSONPath expressions, in the
// dialect of Jayway's json-path 2, which API Gateway uses:
//
//	$  .name  ['name']  ['a','b']  [0]  [-1]  [0,2]  [1:3]  [*]  .*  ..name  ..*
//	[?(@.price < 10 && @.title =~ /.*x/i)]  .length()  .min()  .max()  .sum()  .avg()
//
// A path is definite where it can lead to one place only: then Eval gives what is
// there, or says that there is nothing. An indefinite one (a wildcard, a scan, a
// slice, a filter) gives a list, which may be empty, unless already the part before
// its first such step leads nowhere.
//
// What differs on purpose: functions come last in a path and take no arguments;
// after an indefinite path they apply to the list of what was found.
//
// https://github.com/json-path/JsonPath
package jsonpath

import (
	"fmt"

	"github.com/tule-cloud/tule/vtl/value"
)

// Path is a compiled path, safe for concurrent use.
type Path struct {
	steps []step
	fn    string // function at the end, or ""
}

// MaxLength is the longest path in bytes.
const MaxLength = 8 << 10

// Eval selects from doc. ok is false where the path is definite and leads
// nowhere. What it finds is shared with doc.
func (p *Path) Eval(m *value.Meter, doc any) (v any, ok bool, err error) {
	e := eval{m: m, root: doc}
	v, ok, err = e.path(p, doc)
	if !ok || err != nil || p.fn == "" {
		return v, ok, err
	}
	return call(m, p.fn, v)
}

// Definite reports whether the path leads to one place at most.
func (p *Path) Definite() bool {
	for _, s := range p.steps {
		if !s.definite() {
			return false
		}
	}
	return true
}

type kind uint8

const (
	names   kind = iota // .name, ['a','b']
	indexes             // [0], [0,2]
	slice               // [1:3]
	all                 // *
	filter              // [?(…)]
)

type step struct {
	kind     kind
	scan     bool // ..
	names    []string
	indexes  []int
	from, to *int
	test     test
	last     bool
}

func (s *step) definite() bool {
	return !s.scan && (s.kind == names && (len(s.names) == 1 || s.last) || s.kind == indexes && len(s.indexes) == 1)
}

type eval struct {
	m    *value.Meter
	root any
}

func (e *eval) path(p *Path, doc any) (any, bool, error) {
	var found []any
	err := e.walk(p.steps, doc, 0, func(v any) error {
		found = append(found, v)
		return e.m.Grow(16)
	})
	if err != nil {
		return nil, false, err
	}
	if !p.Definite() {
		if len(found) == 0 && !e.prefix(p, doc) {
			return nil, false, nil
		}
		return value.NewList(value.FromJSON, found...), true, nil
	}
	if len(found) == 0 {
		return nil, false, nil
	}
	return found[0], true, nil
}

// prefix reports whether the definite beginning of an indefinite path leads
// anywhere: $.missing[*] is not there, while $.empty[*] is an empty list.
func (e *eval) prefix(p *Path, doc any) bool {
	n := 0
	for n < len(p.steps) && p.steps[n].definite() {
		n++
	}
	there := false
	err := e.walk(p.steps[:n], doc, 0, func(any) error {
		there = true
		return nil
	})
	return there && err == nil
}

// walk yields all that steps lead to from v.
func (e *eval) walk(steps []step, v any, depth int, yield func(any) error) error {
	if err := e.m.Step(1); err != nil {
		return err
	}
	if len(steps) == 0 {
		return yield(v)
	}
	s := &steps[0]
	next := func(v any) error { return e.walk(steps[1:], v, depth, yield) }
	if s.scan {
		return e.scan(s, v, depth, next)
	}
	return e.one(s, v, next)
}

// scan applies s to v and to all within it, the outer before the inner.
func (e *eval) scan(s *step, v any, depth int, next func(any) error) error {
	if depth > e.m.MaxDepth {
		return fmt.Errorf("%w: document nested too deeply", value.ErrLimit)
	}
	if err := e.m.Step(1); err != nil {
		return err
	}
	// A scan with a filter tests each object itself, not also as a list's element.
	if _, list := v.(*value.List); !list || s.kind != filter {
		if err := e.one(s, v, next); err != nil {
			return err
		}
	}
	return children(v, func(c any) error { return e.scan(s, c, depth+1, next) })
}

func children(v any, f func(any) error) error {
	switch v := v.(type) {
	case *value.Map:
		for _, e := range v.Entries() {
			if err := f(e.Value); err != nil {
				return err
			}
		}
	case *value.List:
		for _, x := range v.Items() {
			if err := f(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// one applies a step to v itself.
func (e *eval) one(s *step, v any, next func(any) error) error {
	switch s.kind {
	case names:
		return e.names(s, v, next)
	case all:
		return children(v, next)
	case filter:
		return e.filter(s, v, next)
	}
	l, ok := v.(*value.List)
	if !ok {
		return nil
	}
	if s.kind == slice {
		from, to := bounds(s, l.Len())
		for i := from; i < to; i++ {
			if err := next(l.At(i)); err != nil {
				return err
			}
		}
		return nil
	}
	for _, i := range s.indexes {
		if i < 0 {
			i += l.Len()
		}
		if i >= 0 && i < l.Len() {
			if err := next(l.At(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func bounds(s *step, n int) (from, to int) {
	to = n
	if s.from != nil {
		if from = *s.from; from < 0 {
			from = max(from+n, 0)
		}
	}
	if s.to != nil {
		if to = *s.to; to < 0 {
			to += n
		}
	}
	return from, min(to, n)
}

// names selects a property, or, of several, an object of those that are there
// at the end of the path and each in turn before it.
func (e *eval) names(s *step, v any, next func(any) error) error {
	m, ok := v.(*value.Map)
	if !ok {
		return nil
	}
	if len(s.names) > 1 && s.last {
		some := value.NewMap(len(s.names))
		for _, n := range s.names {
			if x, ok := m.Get(n); ok {
				some.Put(n, x)
			}
		}
		return next(some)
	}
	for _, n := range s.names {
		if x, ok := m.Get(n); ok {
			if err := next(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// filter keeps the elements of a list, or the object itself, that pass.
func (e *eval) filter(s *step, v any, next func(any) error) error {
	var items []any
	switch v := v.(type) {
	case *value.List:
		items = v.Items()
	case *value.Map:
		items = []any{v}
	}
	for _, x := range items {
		ok, err := s.test(e, x)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := next(x); err != nil {
			return err
		}
	}
	return nil
}
