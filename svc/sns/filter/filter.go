// Package filter is the language of SNS's filter policies: which messages a subscription
// wants, by their attributes or by their bodies.
// https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
//
// A policy is compiled into alternatives, of which one must hold: in each, every key has
// patterns, of which one must match one of the values there. Keys of nested objects are
// paths with dots; as on AWS a name with a dot in it is the same as nested ones.
package filter

import (
	"encoding/json"
	"strings"
)

// A Scope says what of a message a policy is about.
type Scope string

// The scopes.
const (
	Attributes Scope = "MessageAttributes"
	Body       Scope = "MessageBody"
)

// AWS's limits.
// https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
const (
	maxKeys         = 5
	maxCombinations = 150
	maxSize         = 256 << 10
)

// An Error says, in AWS's words, what is wrong with a policy.
type Error struct{ Text string }

// Error implements error.
func (e *Error) Error() string { return e.Text }

// A Policy is a compiled filter policy. It is never changed; nil lets all through.
type Policy struct {
	scope        Scope
	alternatives []conjunction
	// prefixes are the paths that lead to keys, and the keys.
	prefixes map[string]bool
}

// A conjunction has patterns by key.
type conjunction map[string][]pattern

// An Attribute is one of a message's: its type, such as "String.Array", and its text.
type Attribute struct{ Type, Value string }

// MatchAttributes reports whether a message with these attributes is wanted.
func (p *Policy) MatchAttributes(attribute func(name string) (Attribute, bool)) bool {
	if p == nil {
		return true
	}
	have := map[string][]value{}
	for _, c := range p.alternatives {
		for key := range c {
			if _, done := have[key]; done {
				continue
			}
			if a, ok := attribute(key); ok {
				have[key] = attributeValues(a)
			}
		}
	}
	return p.match(have)
}

// attributeValues are the values of an attribute; those of types that policies do not
// look at are there, and match nothing.
func attributeValues(a Attribute) []value {
	base, _, _ := strings.Cut(a.Type, ".")
	switch {
	case a.Type == "String.Array":
		var list []any
		dec := json.NewDecoder(strings.NewReader(a.Value))
		dec.UseNumber()
		if dec.Decode(&list) != nil {
			return []value{}
		}
		out := []value{}
		for _, x := range list {
			if v, ok := scalar(x); ok {
				out = append(out, v)
			}
		}
		return out
	case base == "Number":
		return []value{{kind: tokNumber, text: a.Value}}
	case base == "String":
		return []value{{kind: tokString, text: a.Value}}
	}
	return []value{}
}

// MatchBody reports whether a message with this body is wanted. One that is no JSON
// object is not.
func (p *Policy) MatchBody(body string) bool {
	if p == nil {
		return true
	}
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	var tree map[string]any
	if dec.Decode(&tree) != nil || tree == nil {
		return false
	}
	have := map[string][]value{}
	p.collect(have, "", tree)
	return p.match(have)
}

// collect notes the values below x at the paths that the policy asks for.
func (p *Policy) collect(have map[string][]value, path string, x any) {
	switch x := x.(type) {
	case map[string]any:
		for k, sub := range x {
			if path != "" {
				k = path + "." + k
			}
			if p.prefixes[k] {
				p.collect(have, k, sub)
			}
		}
	case []any:
		for _, sub := range x {
			p.collect(have, path, sub)
		}
	default:
		if v, ok := scalar(x); ok {
			have[path] = append(have[path], v)
		}
	}
}

func (p *Policy) match(have map[string][]value) bool {
	for _, c := range p.alternatives {
		if c.match(have) {
			return true
		}
	}
	return false
}

func (c conjunction) match(have map[string][]value) bool {
	for key, patterns := range c {
		values, exists := have[key]
		if !matchAny(patterns, values, exists) {
			return false
		}
	}
	return true
}

func matchAny(patterns []pattern, values []value, exists bool) bool {
	for i := range patterns {
		p := &patterns[i]
		if p.op == opExists {
			if p.exists == exists {
				return true
			}
			continue
		}
		for j := range values {
			if p.match(&values[j]) {
				return true
			}
		}
	}
	return false
}
