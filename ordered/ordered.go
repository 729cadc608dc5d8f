// Package ordered is JSON values whose members keep the order in which they were
// set: what API Gateway exports, and what CloudFormation is given, reads from its
// head to its end.
package ordered

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// An Object is the members of a JSON object. Their values are *Object, []any,
// string, bool, int, json.Number, or nil.
type Object struct {
	names  []string
	values map[string]any
}

// New returns an Object without members.
func New() *Object { return &Object{values: map[string]any{}} }

// Set gives a member its value; a new one is the last.
func (o *Object) Set(name string, value any) *Object {
	if _, ok := o.values[name]; !ok {
		o.names = append(o.names, name)
	}
	o.values[name] = value
	return o
}

// Object is the member name, which is made an object if it is none.
func (o *Object) Object(name string) *Object {
	in, ok := o.values[name].(*Object)
	if !ok {
		in = New()
		o.Set(name, in)
	}
	return in
}

// Get is the value of a member, nil where there is none.
func (o *Object) Get(name string) any { return o.values[name] }

// Has reports whether there is a member.
func (o *Object) Has(name string) bool {
	_, ok := o.values[name]
	return ok
}

// Names are the members, in their order.
func (o *Object) Names() []string { return o.names }

// Len is how many members there are.
func (o *Object) Len() int { return len(o.names) }

// Delete removes a member.
func (o *Object) Delete(name string) {
	if !o.Has(name) {
		return
	}
	delete(o.values, name)
	kept := make([]string, 0, len(o.names))
	for _, n := range o.names {
		if n != name {
			kept = append(kept, n)
		}
	}
	o.names = kept
}

// Merge sets what other has: objects member by member, all else as a whole.
func (o *Object) Merge(other *Object) {
	for _, name := range other.names {
		from, ok := other.values[name].(*Object)
		to, also := o.values[name].(*Object)
		if ok && also {
			to.Merge(from)
			continue
		}
		o.Set(name, other.values[name])
	}
}

// maxDepth is how deep what Parse reads may be nested.
const maxDepth = 200

// Parse reads one JSON value.
func Parse(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := parse(dec, 0)
	if err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, fmt.Errorf("ordered: more than one value")
	}
	if _, err := dec.Token(); err == nil {
		return nil, fmt.Errorf("ordered: more than one value")
	}
	return v, nil
}

func parse(dec *json.Decoder, depth int) (any, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("ordered: nested deeper than %d", maxDepth)
	}
	switch t {
	case json.Delim('{'):
		o := New()
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := parse(dec, depth+1)
			if err != nil {
				return nil, err
			}
			o.Set(name.(string), v)
		}
		_, err = dec.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := parse(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = dec.Token()
		return list, err
	}
	return t, nil
}

// JSON writes a value as API Gateway prints it: a space on both sides of a colon,
// two spaces a level, a list's items on its own line.
func JSON(v any) []byte {
	var b bytes.Buffer
	write(&b, v, 0)
	return b.Bytes()
}

// Compact writes a value as JSON without spaces.
func Compact(v any) []byte {
	var b bytes.Buffer
	compact(&b, v)
	return b.Bytes()
}

func compact(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case *Object:
		b.WriteByte('{')
		for i, name := range v.names {
			if i > 0 {
				b.WriteByte(',')
			}
			scalar(b, name)
			b.WriteByte(':')
			compact(b, v.values[name])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			compact(b, e)
		}
		b.WriteByte(']')
	default:
		scalar(b, v)
	}
}

func write(b *bytes.Buffer, v any, level int) {
	switch v := v.(type) {
	case *Object:
		if v.Len() == 0 {
			b.WriteString("{ }")
			return
		}
		b.WriteString("{\n")
		for i, name := range v.names {
			b.WriteString(strings.Repeat("  ", level+1))
			scalar(b, name)
			b.WriteString(" : ")
			write(b, v.values[name], level+1)
			if i < len(v.names)-1 {
				b.WriteByte(',')
			}
			b.WriteByte('\n')
		}
		b.WriteString(strings.Repeat("  ", level) + "}")
	case []any:
		if len(v) == 0 {
			b.WriteString("[ ]")
			return
		}
		b.WriteString("[ ")
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			write(b, e, level)
		}
		b.WriteString(" ]")
	default:
		scalar(b, v)
	}
}

// scalar writes a value without members; < and & stay as they are.
func scalar(b *bytes.Buffer, v any) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) == nil {
		b.Truncate(b.Len() - 1) // the encoder's newline
	}
}

// YAML writes a value as a YAML document whose texts stand in double quotes.
func YAML(v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("---\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(node(v)); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

func node(v any) *yaml.Node {
	switch v := v.(type) {
	case *Object:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, name := range v.names {
			key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}
			n.Content = append(n.Content, key, node(v.values[name]))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, e := range v {
			n.Content = append(n.Content, node(e))
		}
		return n
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v, Style: yaml.DoubleQuotedStyle}
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	switch v := v.(type) {
	case json.Number:
		n.Tag, n.Value = "!!int", v.String()
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case bool, int:
		_ = n.Encode(v)
	}
	return n
}
