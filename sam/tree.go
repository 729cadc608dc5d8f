package sam

import (
	"encoding/json"
	"maps"
	"math/big"
	"slices"

	"github.com/tule-cloud/tule/ordered"
)

// A template is a tree of *dict, []any, string, marked, bool, int, json.Number and nil.
//
// marked is a text that Python 2.7 would have kept as Unicode: one that stood in the
// template. The ids of deployments hash what Python 2.7 printed of an API's definition,
// and it printed such texts with a u before them.
type marked string

// A name is a member's name.
type name struct {
	text   string
	marked bool
}

// nameOf is a text of the tree as a member's name.
func nameOf(v any) name {
	if m, ok := v.(marked); ok {
		return name{string(m), true}
	}
	text, _ := textOf(v)
	return name{text: text}
}

// value is a name as a text of the tree.
func (n name) value() any { return like(n.marked, n.text) }

// like is a text, marked or not.
func like(mark bool, text string) any {
	if mark {
		return marked(text)
	}
	return text
}

// isMarked reports whether v is a text of the template.
func isMarked(v any) bool {
	_, ok := v.(marked)
	return ok
}

// textOf is v where it is a text.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case marked:
		return string(v), true
	}
	return "", false
}

// text is v where it is a text, else "".
func text(v any) string {
	t, _ := textOf(v)
	return t
}

// A dict is an object: its members are in the order in which they were set, or, where it
// has a table, in that of a dictionary of Python 2.7. The nil dict has no members.
type dict struct {
	list   []name
	values map[string]any
	table  *table
}

// pair is a member for object.
type pair struct {
	name  string
	value any
}

// object is a dict of these members, in their order.
func object(members ...pair) *dict {
	d := &dict{values: make(map[string]any, len(members))}
	for _, m := range members {
		d.set(m.name, m.value)
	}
	return d
}

// hashed is a dict in the order of Python 2.7.
func hashed(members ...pair) *dict {
	d := &dict{values: map[string]any{}, table: newTable()}
	for _, m := range members {
		d.set(m.name, m.value)
	}
	return d
}

func (d *dict) get(n string) any {
	if d == nil {
		return nil
	}
	return d.values[n]
}

func (d *dict) has(n string) bool {
	if d == nil {
		return false
	}
	_, ok := d.values[n]
	return ok
}

func (d *dict) size() int {
	if d == nil {
		return 0
	}
	return len(d.values)
}

// set gives a member its value.
func (d *dict) set(n string, v any) *dict { return d.put(name{text: n}, v) }

// put gives a member its value; a member that is there keeps its name as it is.
func (d *dict) put(n name, v any) *dict {
	if !d.has(n.text) {
		if d.table == nil {
			d.list = append(d.list, n)
		}
	}
	d.values[n.text] = v
	if d.table != nil {
		d.table.add(n)
	}
	return d
}

// add gives a member its value, unless it has one. It returns what the member is then.
func (d *dict) add(n name, v any) any {
	if !d.has(n.text) {
		d.put(n, v)
	}
	return d.get(n.text)
}

func (d *dict) drop(n string) {
	if !d.has(n) {
		return
	}
	delete(d.values, n)
	if d.table != nil {
		d.table.remove(n)
		return
	}
	d.list = slices.DeleteFunc(slices.Clone(d.list), func(m name) bool { return m.text == n })
}

// names are the members' names, in their order. They may change while a caller goes
// through them.
func (d *dict) names() []name {
	if d == nil {
		return nil
	}
	if d.table != nil {
		return d.table.names()
	}
	return slices.Clone(d.list)
}

// first is the first member; only for dicts that have one.
func (d *dict) first() (name, any) {
	n := d.names()[0]
	return n, d.get(n.text)
}

// clone has the same members; their values are shared.
func (d *dict) clone() *dict {
	c := &dict{values: maps.Clone(d.values), list: slices.Clone(d.list)}
	if d.table != nil {
		c.table = newTable()
		c.table.merge(d.names())
	}
	return c
}

// update sets what other has.
func (d *dict) update(other *dict) {
	if d.table != nil {
		d.table.merge(other.names())
	}
	for _, n := range other.names() {
		d.put(n, other.get(n.text))
	}
}

// deepCopy shares nothing with v.
func deepCopy(v any) any {
	switch v := v.(type) {
	case *dict:
		return copyOf(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = deepCopy(e)
		}
		return out
	}
	return v
}

func copyOf(d *dict) *dict {
	if d == nil {
		return nil
	}
	c := &dict{values: make(map[string]any, len(d.values)), list: slices.Clone(d.list)}
	if d.table != nil {
		c.table = d.table.copy()
	}
	for n, v := range d.values {
		c.values[n] = deepCopy(v)
	}
	return c
}

// mark is v as Python 2.7 would hold what it read of a template: its texts marked, its
// dicts in the order of their hashes.
func mark(v any) any {
	switch v := v.(type) {
	case string:
		return marked(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = mark(e)
		}
		return out
	case *dict:
		out := hashed()
		for _, n := range v.names() {
			out.put(name{n.text, true}, mark(v.get(n.text)))
		}
		return out
	}
	return v
}

// fromOrdered is a value of package ordered as this package holds it.
func fromOrdered(v any) any {
	switch v := v.(type) {
	case *ordered.Object:
		if v == nil {
			return nil
		}
		d := object()
		for _, n := range v.Names() {
			d.set(n, fromOrdered(v.Get(n)))
		}
		return d
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = fromOrdered(e)
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = e
		}
		return out
	}
	return v
}

// toOrdered is the opposite of fromOrdered; marks are gone.
func toOrdered(v any) any {
	switch v := v.(type) {
	case *dict:
		if v == nil {
			return nil
		}
		o := ordered.New()
		for _, n := range v.names() {
			o.Set(n.text, toOrdered(v.get(n.text)))
		}
		return o
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = toOrdered(e)
		}
		return out
	case marked:
		return string(v)
	}
	return v
}

// equal compares two values; marks do not count, nor does the order of members.
func equal(a, b any) bool {
	if s, ok := textOf(a); ok {
		t, also := textOf(b)
		return also && s == t
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case bool:
		t, ok := b.(bool)
		return ok && a == t
	case *dict:
		other, ok := b.(*dict)
		if !ok || a.size() != other.size() {
			return false
		}
		for n, v := range a.values {
			if !other.has(n) || !equal(v, other.get(n)) {
				return false
			}
		}
		return true
	case []any:
		other, ok := b.([]any)
		return ok && slices.EqualFunc(a, other, equal)
	}
	x, y := number(a), number(b)
	return x != nil && y != nil && x.Cmp(y) == 0
}

// number is v where it is a number of a size that one may count with.
func number(v any) *big.Rat {
	switch v := v.(type) {
	case int:
		return new(big.Rat).SetInt64(int64(v))
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil
		}
		if i, err := v.Int64(); err == nil {
			return new(big.Rat).SetInt64(i)
		}
		return new(big.Rat).SetFloat64(f)
	}
	return nil
}

// contains reports whether list has a value equal to v.
func contains(list []any, v any) bool {
	return slices.ContainsFunc(list, func(e any) bool { return equal(e, v) })
}

// truthy is what Python takes for true.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case marked:
		return v != ""
	case []any:
		return len(v) > 0
	case *dict:
		return v.size() > 0
	}
	n := number(v)
	return n == nil || n.Sign() != 0
}

// asList is v where it is a list, else a list of v.
func asList(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// is reports whether v is the text t.
func is(v any, t string) bool {
	s, ok := textOf(v)
	return ok && s == t
}
