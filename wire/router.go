package wire

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// Params are the captures of a path pattern, still escaped.
type Params []Param

// A Param is what stands in a path at a pattern's {Name}.
type Param struct{ Name, Value string }

// Get is the value of the param called name.
func (p Params) Get(name string) (string, bool) {
	for _, param := range p {
		if param.Name == name {
			return param.Value, true
		}
	}
	return "", false
}

// A Router finds the operation of a REST request by its method, path and fixed query
// parameters. A literal segment goes before {x}, and that before {x+}; of two
// operations on the same path, the one with more fixed parameters goes first, and then
// the one with more demands.
//
// A path is bytes: segments may be empty, are not cleaned and are compared unescaped
// only with literals. A Router does not change and is safe for concurrent use.
type Router struct{ methods map[string]*branch }

// A branch is the patterns that share their beginning.
type branch struct {
	literals map[string]*branch
	label    *branch // what follows {x}
	greedy   []*leaf // patterns that end in {x+}, or have more after it
	leaves   []*leaf // patterns that end here
}

type leaf struct {
	op    *aws.Operation
	names []string // of the pattern's labels, in order
	tail  []string // segments after the greedy label
	query []fixed
	// demands are query parameters, with a question mark, and headers
	demands []string
}

type fixed struct {
	name, value string
	any         bool // the pattern gives no value: presence counts
}

// NewRouter makes the router of ops, those of one service.
func NewRouter(ops []*aws.Operation) *Router {
	r := &Router{methods: map[string]*branch{}}
	for _, op := range ops {
		r.add(op, op.Method, op.URI)
		for _, address := range op.Also {
			method, uri, _ := strings.Cut(address, " ")
			r.add(op, method, uri)
		}
	}
	return r
}

func (r *Router) add(op *aws.Operation, method, uri string) {
	b := r.methods[method]
	if b == nil {
		b = &branch{}
		r.methods[method] = b
	}
	b.add(op, uri)
}

func (b *branch) add(op *aws.Operation, uri string) {
	path, rawQuery, _ := strings.Cut(uri, "?")
	l := &leaf{op: op, demands: op.Demands}
	for _, part := range strings.Split(rawQuery, "&") {
		if name, value, ok := strings.Cut(part, "="); name != "" {
			l.query = append(l.query, fixed{name, value, !ok})
		}
	}
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, s := range segments {
		name, isLabel := strings.CutPrefix(s, "{")
		name = strings.TrimSuffix(name, "}")
		if greedy, ok := strings.CutSuffix(name, "+"); ok && isLabel {
			l.names, l.tail = append(l.names, greedy), segments[i+1:]
			b.greedy = insert(b.greedy, l)
			return
		}
		if isLabel {
			l.names = append(l.names, name)
			if b.label == nil {
				b.label = &branch{}
			}
			b = b.label
			continue
		}
		if b.literals == nil {
			b.literals = map[string]*branch{}
		}
		if b.literals[s] == nil {
			b.literals[s] = &branch{}
		}
		b = b.literals[s]
	}
	b.leaves = insert(b.leaves, l)
}

// insert keeps leaves with more demands before those with fewer.
func insert(leaves []*leaf, l *leaf) []*leaf {
	leaves = append(leaves, l)
	slices.SortStableFunc(leaves, func(a, b *leaf) int {
		if len(a.tail) != len(b.tail) {
			return len(b.tail) - len(a.tail)
		}
		if len(a.query) != len(b.query) {
			return len(b.query) - len(a.query)
		}
		return len(b.demands) - len(a.demands)
	})
	return leaves
}

// Match finds the operation for a request with an escaped path, as
// url.URL.EscapedPath gives it. If none matches, a slash at the path's end is taken
// off, or put there, as AWS does.
func (r *Router) Match(method, path string, values url.Values, header http.Header) (*aws.Operation, Params, bool) {
	root := r.methods[method]
	if root == nil {
		return nil, nil, false
	}
	query := asked{values, header}
	l, found := root.match(strings.TrimPrefix(path, "/"), query, nil)
	if l == nil {
		other := path + "/"
		if strings.HasSuffix(path, "/") {
			other = path[:len(path)-1]
		}
		if l, found = root.match(strings.TrimPrefix(other, "/"), query, nil); l == nil {
			return nil, nil, false
		}
	}
	params := make(Params, len(found))
	for i, v := range found {
		params[i] = Param{l.names[i], v}
	}
	return l.op, params, true
}

// match follows rest, the segments that are left, down the branches. Depth and work
// are bounded by the patterns: at each there are at most three ways on.
func (b *branch) match(rest string, query asked, values []string) (*leaf, []string) {
	segment, after, more := strings.Cut(rest, "/")
	literal := segment
	if strings.IndexByte(segment, '%') >= 0 {
		if u, err := url.PathUnescape(segment); err == nil {
			literal = u
		}
	}
	if next := b.literals[literal]; next != nil {
		if l, v := next.step(after, more, query, values); l != nil {
			return l, v
		}
	}
	if b.label != nil && segment != "" {
		if l, v := b.label.step(after, more, query, append(values, segment)); l != nil {
			return l, v
		}
	}
	for _, l := range b.greedy {
		value, ok := cutTail(rest, l.tail)
		if ok && value != "" && l.accepts(query) {
			return l, append(values, value)
		}
	}
	return nil, nil
}

// step goes on below b, or ends there if no segment is left.
func (b *branch) step(after string, more bool, query asked, values []string) (*leaf, []string) {
	if more {
		return b.match(after, query, values)
	}
	for _, l := range b.leaves {
		if l.accepts(query) {
			return l, values
		}
	}
	return nil, nil
}

// asked is what a request says beside its path.
type asked struct {
	url.Values
	header http.Header
}

func (l *leaf) accepts(r asked) bool {
	for _, f := range l.query {
		if !r.Has(f.name) || !f.any && !slices.Contains(r.Values[f.name], f.value) {
			return false
		}
	}
	for _, d := range l.demands {
		if name, ok := strings.CutPrefix(d, "?"); ok && !r.Has(name) || !ok && len(r.header[d]) == 0 {
			return false
		}
	}
	return true
}

// cutTail takes the literal segments that follow a greedy label off rest.
func cutTail(rest string, tail []string) (string, bool) {
	if len(tail) == 0 {
		return rest, true
	}
	return strings.CutSuffix(rest, "/"+strings.Join(tail, "/"))
}
