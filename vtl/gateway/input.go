package gateway

import (
	"strings"

	"github.com/tule-cloud/tule/vtl/jsonpath"
	"github.com/tule-cloud/tule/vtl/value"
)

// input is $input. The body is parsed when it is first asked for, and once: what
// a template assigns below $input.path('$') shows in $input.json('$').
type input struct {
	ev     *Event
	doc    any
	parsed bool
	all    *value.Map
	paths  map[string]*jsonpath.Path // compiled in this execution
}

func newInput(ev *Event) *input { return &input{ev: ev} }

// Call implements value.Object.
func (in *input) Call(m *value.Meter, name string, args []any) (any, error) {
	switch len(args) {
	case 0:
		switch name {
		case "getBody":
			if in.ev.Body == "" {
				return "{}", nil
			}
			return in.ev.Body, nil
		case "params", "getParams":
			return in.params(), nil
		}
	case 1:
		arg, ok := args[0].(string)
		if !ok {
			return nil, value.ErrNoMethod
		}
		switch name {
		case "path":
			return in.path(m, arg)
		case "json":
			return in.json(m, arg)
		case "params":
			return in.param(arg), nil
		}
	}
	return nil, value.ErrNoMethod
}

func (in *input) document(m *value.Meter) (any, error) {
	if in.parsed {
		return in.doc, nil
	}
	// A parsed document is some eight times as large as its text.
	if err := m.Grow(8 * len(in.ev.Body)); err != nil {
		return nil, err
	}
	doc, err := value.DecodeJSON(in.ev.Body)
	if err != nil {
		doc = in.ev.Body
	}
	in.doc, in.parsed = doc, true
	return doc, nil
}

func (in *input) path(m *value.Meter, path string) (any, error) {
	p, err := in.compile(m, path)
	if err != nil {
		return nil, err
	}
	doc, err := in.document(m)
	if err != nil {
		return nil, err
	}
	if in.ev.Body == "" {
		return value.Absent{}, nil
	}
	v, ok, err := p.Eval(m, doc)
	if !ok && err == nil {
		return value.Absent{}, nil
	}
	return v, err
}

func (in *input) compile(m *value.Meter, path string) (*jsonpath.Path, error) {
	if p, ok := in.paths[path]; ok {
		return p, nil
	}
	// A pattern in a filter may compile to much more than its text.
	if err := m.Grow(256 + 64*len(path)); err != nil {
		return nil, err
	}
	if err := m.Step(1 + len(path)); err != nil {
		return nil, err
	}
	p, err := jsonpath.Compile(path)
	if err != nil {
		return nil, &value.Exception{Class: "com.jayway.jsonpath.InvalidPathException", Msg: err.Error()}
	}
	if in.paths == nil {
		in.paths = map[string]*jsonpath.Path{}
	}
	in.paths[path] = p
	return p, nil
}

func (in *input) json(m *value.Meter, path string) (any, error) {
	v, err := in.path(m, path)
	if err != nil {
		return nil, err
	}
	if in.ev.Body == "" && strings.TrimSpace(path) == "$" {
		return "{}", nil
	}
	b, err := value.AppendJSON(m, nil, v)
	return string(b), err
}

// params is $input.params(): the three maps.
func (in *input) params() *value.Map {
	if in.all == nil {
		in.all = value.NewMap(3)
		in.all.Put("path", mapOf(in.ev.Path))
		in.all.Put("querystring", mapOf(in.ev.Query))
		in.all.Put("header", mapOf(in.ev.Header))
	}
	return in.all
}

func mapOf(ps []Param) *value.Map {
	m := value.NewMap(len(ps))
	for _, p := range ps {
		m.Put(p.Name, p.Value)
	}
	return m
}

// param looks name up in the path, the query string and the headers, in this
// order. A header's name may differ in case. What is nowhere is "".
func (in *input) param(name string) string {
	for _, ps := range [...][]Param{in.ev.Path, in.ev.Query, in.ev.Header} {
		for i := len(ps) - 1; i >= 0; i-- {
			if ps[i].Name == name {
				return ps[i].Value
			}
		}
	}
	for i := len(in.ev.Header) - 1; i >= 0; i-- {
		if strings.EqualFold(in.ev.Header[i].Name, name) {
			return in.ev.Header[i].Value
		}
	}
	return ""
}
