package expression

import (
	"cmp"
	"slices"

	"github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// A tree is a set of paths that do not overlap, by their steps. At a path's end
// may be what to do there.
type tree struct {
	children map[Step]*tree
	remove   bool
	v        dynamodb.AttributeValue
}

// at is the end of a path, which it adds to the tree.
func (t *tree) at(p Path) *tree {
	for _, s := range p {
		c := t.children[s]
		if c == nil {
			c = &tree{}
			if t.children == nil {
				t.children = map[Step]*tree{}
			}
			t.children[s] = c
		}
		t = c
	}
	return t
}

// steps are the first steps of the tree's paths, indexes in their order.
func (t *tree) steps() []Step {
	steps := make([]Step, 0, len(t.children))
	for s := range t.children {
		steps = append(steps, s)
	}
	slices.SortFunc(steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Name, b.Name))
	})
	return steps
}

func (t *tree) end() bool { return len(t.children) == 0 }

func noSuchPath() error {
	return value.Invalid("The document path provided in the update expression is invalid for update")
}

// change makes the tree's changes to an item, of which it keeps what is not
// changed. Paths must lead through maps and lists that are there.
func (t *tree) change(it dynamodb.Item) (dynamodb.Item, error) {
	it = slices.Clone(it)
	for _, s := range t.steps() {
		c := t.children[s]
		switch {
		case s.Index >= 0:
			return nil, noSuchPath()
		case !c.end():
			v, ok := it.Get(s.Name)
			if !ok {
				return nil, noSuchPath()
			}
			v, err := c.changeValue(v)
			if err != nil {
				return nil, err
			}
			it.Set(s.Name, v)
		case c.remove:
			it.Remove(s.Name)
		default:
			it.Set(s.Name, c.v)
		}
	}
	return it, nil
}

func (t *tree) changeValue(v dynamodb.AttributeValue) (dynamodb.AttributeValue, error) {
	switch v.Type() {
	case dynamodb.TypeM:
		fields, err := t.change(v.Fields())
		return dynamodb.Map(fields), err
	case dynamodb.TypeL:
		list, err := t.changeList(v.List())
		return dynamodb.List(list), err
	}
	return v, noSuchPath()
}

// changeList makes the tree's changes to a list. Indexes mean the elements of the
// list as it was; what is set beyond its end is appended, in the order of indexes.
func (t *tree) changeList(list []dynamodb.AttributeValue) ([]dynamodb.AttributeValue, error) {
	out := make([]dynamodb.AttributeValue, 0, len(list)+len(t.children))
	next := 0
	for _, s := range t.steps() {
		c := t.children[s]
		if s.Index < 0 {
			return nil, noSuchPath()
		}
		there := s.Index < len(list)
		out = append(out, list[next:min(s.Index, len(list))]...)
		next = min(s.Index+1, len(list))
		switch {
		case c.end() && c.remove:
		case c.end():
			out = append(out, c.v)
		case !there:
			return nil, noSuchPath()
		default:
			v, err := c.changeValue(list[s.Index])
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	}
	return append(out, list[next:]...), nil
}

// pick is what the tree's paths lead to in an item, and whether they lead to
// anything. Of a list it keeps the elements picked, in their order.
func (t *tree) pick(it dynamodb.Item) (dynamodb.Item, bool) {
	out := dynamodb.Item{}
	for _, s := range t.steps() {
		if v, ok := it.Get(s.Name); ok && s.Index < 0 {
			if v, ok = t.children[s].pickValue(v); ok {
				out.Set(s.Name, v)
			}
		}
	}
	return out, len(out) > 0
}

func (t *tree) pickValue(v dynamodb.AttributeValue) (dynamodb.AttributeValue, bool) {
	switch {
	case t.end():
		return v, true
	case v.Type() == dynamodb.TypeM:
		fields, ok := t.pick(v.Fields())
		return dynamodb.Map(fields), ok
	case v.Type() == dynamodb.TypeL:
		var out []dynamodb.AttributeValue
		for _, s := range t.steps() {
			if s.Index < 0 || s.Index >= len(v.List()) {
				continue
			}
			if e, ok := t.children[s].pickValue(v.List()[s.Index]); ok {
				out = append(out, e)
			}
		}
		return dynamodb.List(out), len(out) > 0
	}
	return v, false
}
