package wire

import (
	"cmp"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// maxFormDepth is how many dots the name of a form field may have.
const maxFormDepth = 64

// A pair is one field of a form. Fields that belong together share the beginning of
// their keys: "Tags.member.1.Key", "Tags.member.1.Value". Once sorted they stand
// side by side, and a value is decoded from the run of pairs below it: what is held
// in memory depends on how many pairs there are, and never on the numbers in them.
type pair struct{ key, value string }

// A run is the sorted pairs whose keys begin with the same at bytes.
type run struct {
	pairs []pair
	at    int
	name  string // the last segment
}

// query reads the form in the body of a request, or in its URL.
func (d *decoder) query(r *http.Request, v reflect.Value) error {
	body, err := d.inflated(r)
	if err != nil {
		return err
	}
	if v.Type() == emptyType {
		return nil
	}
	pairs, ok := parseForm(nil, r.URL.RawQuery)
	if ok {
		pairs, ok = parseForm(pairs, string(body))
	}
	if !ok {
		return d.malformed("The form of the request could not be parsed")
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return compareKeys(a.key, b.key) })
	return d.formStruct(planOf(v.Type()), run{pairs: pairs}, v)
}

// parseForm appends the fields of the form s; false if one is badly escaped or
// nested too deep.
func parseForm(pairs []pair, s string) ([]pair, bool) {
	for s != "" {
		var field string
		field, s, _ = strings.Cut(s, "&")
		if field == "" {
			continue
		}
		k, v, _ := strings.Cut(field, "=")
		key, err1 := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if err1 != nil || err2 != nil || strings.Count(key, ".") > maxFormDepth {
			return nil, false
		}
		pairs = append(pairs, pair{key, value})
	}
	return pairs, true
}

// compareKeys orders keys so that a dot comes before all else: then all that begins
// with "a." directly follows "a".
func compareKeys(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := a[i], b[i]; x != y {
			if x == '.' {
				return -1
			}
			if y == '.' {
				return 1
			}
			return cmp.Compare(x, y)
		}
	}
	return len(a) - len(b)
}

// parts yields the runs one segment below r.
func (r run) parts(yield func(run) bool) {
	for i := 0; i < len(r.pairs); {
		rest := r.rest(i)
		if rest == "" {
			i++
			continue
		}
		name, _, _ := strings.Cut(rest, ".")
		at := len(r.pairs[i].key) - len(rest) + len(name)
		end := i + 1
		for end < len(r.pairs) {
			next, _, _ := strings.Cut(r.rest(end), ".")
			if next != name {
				break
			}
			end++
		}
		if !yield(run{r.pairs[i:end], at, name}) {
			return
		}
		i = end
	}
}

// rest is what follows r's prefix, and its dot, in the i-th key. Before the first
// segment there is no dot; a key that begins with one has an empty first segment.
func (r run) rest(i int) string {
	if r.at == 0 {
		return r.pairs[i].key
	}
	return strings.TrimPrefix(r.pairs[i].key[r.at:], ".")
}

// text is the value given for exactly r's prefix.
func (r run) text() (string, bool) {
	text, ok := "", false
	for _, p := range r.pairs {
		if len(p.key) == r.at {
			text, ok = p.value, true
		}
	}
	return text, ok
}

// elements are the runs of a list's or map's entries, in the order of their numbers.
// Below names, which clients and models do not always agree on, numbers count too.
func (r run) elements(names ...string) []run {
	var out []run
	for part := range r.parts {
		switch {
		case index(part.name) >= 0:
			out = append(out, part)
		case slices.Contains(names, part.name):
			out = append(out, part.elements()...)
		}
	}
	slices.SortStableFunc(out, func(a, b run) int { return index(a.name) - index(b.name) })
	return out
}

func index(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

func (d *decoder) formStruct(p *plan, r run, v reflect.Value) error {
	names := p.byQuery
	if d.protocol == aws.EC2 {
		names = p.byEC2
	}
	for part := range r.parts {
		f := names[part.name]
		if f == nil {
			continue
		}
		if err := d.formValue(&f.node, part, f.pointer(v.Field(f.index))); err != nil {
			return err
		}
	}
	if p.union {
		return d.checkUnion(p, v)
	}
	return nil
}

func (d *decoder) formValue(n *node, r run, v reflect.Value) error {
	switch n.kind {
	case kStruct:
		return d.formStruct(n.plan, r, v)
	case kList:
		parts := r.elements(n.elemName, "member")
		list := reflect.MakeSlice(n.typ, len(parts), len(parts))
		for i, part := range parts {
			if err := d.formValue(n.elem, part, n.elem.pointer(list.Index(i))); err != nil {
				return err
			}
		}
		v.Set(list)
		return nil
	case kMap:
		return d.formMap(n, r, v)
	}
	text, ok := r.text()
	if !ok {
		return d.malformed("Unexpected complex element at '%s'", lowerFirst(r.name))
	}
	if !n.parseText(text, v) {
		return d.badText(n, text, r.name)
	}
	return nil
}

func (d *decoder) formMap(n *node, r run, v reflect.Value) error {
	m := reflect.MakeMap(n.typ)
	v.Set(m)
	for _, entry := range r.elements("entry", n.elemName) {
		slot := reflect.New(n.typ.Elem()).Elem()
		key := ""
		for part := range entry.parts {
			switch part.name {
			case n.keyName:
				key, _ = part.text()
			case n.valName:
				if err := d.formValue(n.elem, part, n.elem.pointer(slot)); err != nil {
					return err
				}
			}
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(n.typ.Key()), slot)
	}
	return nil
}
