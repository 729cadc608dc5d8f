package resource

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

//go:generate go run ./gen -wheel ../../../.cache/cfn-lint/cfn_lint-1.58.0-py3-none-any.whl -out schemas.json

//go:embed schemas.json
var schemas []byte

// A Schema is what AWS publishes of a type.
type Schema struct {
	Name        string
	Properties  map[string]*Form
	Open        bool
	Definitions map[string]*Form
	Required    []string
	CreateOnly  []string
	ReadOnly    []string
	Identifier  []string
	Tags        string // the property that holds tags
	SystemTags  bool   // the resource also gets those of CloudFormation itself
}

// A Form is what a value looks like.
type Form struct {
	Type       kinds
	Ref        string
	Items      *Form
	Properties map[string]*Form
	Required   []string
	Open       bool
}

// kinds are the types that a value may have: JSON schema's names.
type kinds []string

// UnmarshalJSON implements json.Unmarshaler: one name, or several.
func (k *kinds) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*k = kinds{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(k))
}

// lines are the schemas' texts by their names; each is read when it is first asked for.
var lines = sync.OnceValue(func() map[string][]byte {
	out := map[string][]byte{}
	for line := range bytes.Lines(schemas) {
		if rest, ok := bytes.CutPrefix(line, []byte(`{"name":"`)); ok {
			name, _, _ := bytes.Cut(rest, []byte(`"`))
			out[string(name)] = bytes.TrimRight(line, ",\n")
		}
	}
	return out
})

var read sync.Map // of *Schema by name

// SchemaOf is the schema of a type; false where AWS publishes none, or none is kept.
func SchemaOf(name string) (*Schema, bool) {
	if s, ok := read.Load(name); ok {
		return s.(*Schema), true
	}
	line, ok := lines()[name]
	if !ok {
		return nil, false
	}
	s := new(Schema)
	if err := json.Unmarshal(line, s); err != nil {
		panic("resource: schemas.json: " + name + ": " + err.Error())
	}
	read.Store(name, s)
	return s, true
}

// Schema is the row's schema, an open one where AWS has none.
func (t *Type) Schema() *Schema {
	if s, ok := SchemaOf(t.Name); ok {
		return s
	}
	return &Schema{Name: t.Name, Open: true}
}

// Check holds properties against the schema, in AWS's words.
func (t *Type) Check(p *ordered.Object) error {
	s := t.Schema()
	for _, name := range s.Required {
		if !p.Has(name) {
			return invalid("Property %s cannot be empty.", name)
		}
	}
	if t.Free {
		return nil
	}
	for _, name := range p.Names() {
		f, ok := s.Properties[name]
		if !ok && s.Open {
			continue
		}
		if !ok || slices.Contains(s.ReadOnly, name) {
			return invalid("Encountered unsupported property %s", name)
		}
		if err := s.check(f, p.Get(name), name, 0); err != nil {
			return err
		}
	}
	return nil
}

// maxNested bounds the walk through forms that contain themselves.
const maxNested = 64

func (s *Schema) check(f *Form, v any, name string, depth int) error {
	for f != nil && f.Ref != "" {
		f = s.Definitions[f.Ref]
	}
	if f == nil || depth > maxNested || v == (template.Unknown{}) {
		return nil
	}
	switch v := v.(type) {
	case *ordered.Object:
		if len(f.Type) > 0 && !slices.Contains(f.Type, "object") {
			return wrong(name, f)
		}
		for _, need := range f.Required {
			if !v.Has(need) {
				return invalid("Property %s.%s cannot be empty.", name, need)
			}
		}
		for _, member := range v.Names() {
			in, ok := f.Properties[member]
			if !ok && !f.Open && len(f.Properties) > 0 {
				return invalid("Encountered unsupported property %s", member)
			}
			if err := s.check(in, v.Get(member), member, depth+1); err != nil {
				return err
			}
		}
	case []any:
		if len(f.Type) > 0 && !slices.Contains(f.Type, "array") {
			return wrong(name, f)
		}
		for _, item := range v {
			if err := s.check(f.Items, item, name, depth+1); err != nil {
				return err
			}
		}
	default:
		if !scalarFits(f, template.Text(v)) {
			return wrong(name, f)
		}
	}
	return nil
}

// scalarFits reports whether a text may stand for a form: CloudFormation takes numbers
// and booleans as text, and the other way round.
func scalarFits(f *Form, text string) bool {
	if len(f.Type) == 0 {
		return true
	}
	return slices.ContainsFunc(f.Type, func(kind string) bool {
		switch kind {
		case "string":
			return true
		case "boolean":
			_, err := strconv.ParseBool(text)
			return err == nil
		case "integer", "number":
			_, err := strconv.ParseFloat(text, 64)
			return err == nil
		}
		return false
	})
}

func wrong(name string, f *Form) error {
	kind := map[string]string{"object": "Object", "array": "List", "string": "String", "boolean": "Boolean", "integer": "Integer", "number": "Double"}[f.Type[0]]
	return invalid("Value of property %s must be of type %s", name, kind)
}

// Replaces are the changed properties that replace the resource.
func (t *Type) Replaces(old, now *ordered.Object) []string {
	s := t.Schema()
	var out []string
	for _, name := range changed(old, now) {
		if t.Update == nil || t.replaces(s, name, old, now) {
			out = append(out, name)
		}
	}
	return out
}

func (t *Type) replaces(s *Schema, name string, old, now *ordered.Object) bool {
	if slices.Contains(t.Replace, name) || slices.Contains(s.CreateOnly, name) {
		return true
	}
	return slices.ContainsFunc(s.CreateOnly, func(path string) bool {
		first, rest, nested := strings.Cut(path, "/")
		return nested && first == name && !template.Equal(at(old.Get(name), rest), at(now.Get(name), rest))
	})
}

// at is what lies at a path within a value.
func at(v any, path string) any {
	for part := range strings.SplitSeq(path, "/") {
		o, ok := v.(*ordered.Object)
		if !ok {
			return nil
		}
		v = o.Get(part)
	}
	return v
}

// changed are the properties that differ.
func changed(old, now *ordered.Object) []string {
	var out []string
	for _, name := range now.Names() {
		if !template.Equal(old.Get(name), now.Get(name)) {
			out = append(out, name)
		}
	}
	for _, name := range old.Names() {
		if !now.Has(name) {
			out = append(out, name)
		}
	}
	return out
}

// Attribute reports whether the type has an attribute.
func (t *Type) Attribute(name string) bool {
	s := t.Schema()
	if t.Free || s.Open && len(s.Properties) == 0 || slices.Contains(s.ReadOnly, name) || slices.Contains(s.ReadOnly, strings.ReplaceAll(name, ".", "/")) ||
		slices.ContainsFunc(t.Hidden, func(h string) bool {
			some, all := strings.CutSuffix(h, "*")
			return h == name || all && strings.HasPrefix(name, some)
		}) {
		return true
	}
	_, ok := s.Properties[name]
	return ok
}
