package template

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/tule-cloud/tule/ordered"
)

// What a YAML document may hold: aliases are written out, so that a few lines of them can
// be millions of values.
const (
	maxValues = 100_000
	maxDepth  = 200
)

func parseYAML(body []byte) (any, error) {
	var n yaml.Node
	if err := yaml.Unmarshal(body, &n); err != nil {
		return nil, fmt.Errorf("Template format error: YAML not well-formed. (%s)", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(n.Content) == 0 {
		return nil, nil
	}
	r := reader{left: maxValues}
	return r.value(n.Content[0], 0)
}

// A reader turns YAML's nodes into values.
type reader struct{ left int }

func (r *reader) value(n *yaml.Node, depth int) (any, error) {
	if r.left--; r.left < 0 || depth > maxDepth {
		return nil, fmt.Errorf("Template format error: YAML not well-formed. (line %d, column %d)", n.Line, n.Column)
	}
	if n.Kind == yaml.AliasNode {
		return r.value(n.Alias, depth+1)
	}
	v, err := r.plain(n, depth)
	if err != nil || !strings.HasPrefix(n.Tag, "!") || strings.HasPrefix(n.Tag, "!!") || n.Tag == "!" {
		return v, err
	}
	return short(n, v)
}

// short writes out the short form of an intrinsic function: !GetAtt a.b is
// {"Fn::GetAtt": ["a", "b"]}.
func short(n *yaml.Node, v any) (any, error) {
	name := strings.TrimPrefix(n.Tag, "!")
	switch name {
	case "Ref", "Condition":
	case "GetAtt":
		if text, ok := v.(string); ok {
			if resource, attribute, dotted := strings.Cut(text, "."); dotted {
				v = []any{resource, attribute}
			}
		}
		name = "Fn::GetAtt"
	case "And", "Base64", "Cidr", "Contains", "EachMemberEquals", "EachMemberIn", "Equals", "FindInMap", "ForEach", "GetAZs", "If",
		"ImportValue", "Join", "Length", "Not", "Or", "RefAll", "Select", "Split", "Sub", "ToJsonString", "Transform", "ValueOf",
		"ValueOfAll":
		name = "Fn::" + name
	default:
		return nil, fmt.Errorf("Template format error: Unrecognized tag %s at line %d, column %d", n.Tag, n.Line, n.Column)
	}
	return ordered.New().Set(name, v), nil
}

// plain is a node's value without regard to its tag.
func (r *reader) plain(n *yaml.Node, depth int) (any, error) {
	switch n.Kind {
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := r.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		return r.object(n, depth)
	}
	return scalar(n), nil
}

func (r *reader) object(n *yaml.Node, depth int) (any, error) {
	o := ordered.New()
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("Template format error: YAML not well-formed. (line %d, column %d)", key.Line, key.Column)
		}
		v, err := r.value(value, depth+1)
		if err != nil {
			return nil, err
		}
		if from, ok := v.(*ordered.Object); ok && key.Tag == "!!merge" {
			for _, name := range from.Names() {
				if !o.Has(name) {
					o.Set(name, from.Get(name))
				}
			}
			continue
		}
		o.Set(key.Value, v)
	}
	return o, nil
}

// scalar is a scalar's value. Dates stay the text that they were written as.
func scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		b, err := strconv.ParseBool(strings.ToLower(n.Value))
		if err == nil {
			return b
		}
	case "!!int":
		var i int64
		if n.Decode(&i) == nil {
			return json.Number(strconv.FormatInt(i, 10))
		}
	case "!!float":
		var f float64
		if n.Decode(&f) == nil {
			if json.Valid([]byte(n.Value)) {
				return json.Number(n.Value)
			}
			if text, err := json.Marshal(f); err == nil {
				return json.Number(text)
			}
		}
	}
	return n.Value
}
