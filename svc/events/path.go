package events

import (
	"encoding/json"
	"strconv"
	"strings"
)

// A path leads into an event: $.detail.items[0].name. It is the part of JSONPath that
// EventBridge has: names, indexes, and asterisks for all of them.
type path []pathStep

// A pathStep is a name, an index, or all.
type pathStep struct {
	name  string
	index int
	kind  pathKind
}

type pathKind byte

const (
	stepName pathKind = iota
	stepIndex
	stepAll
)

// parsePath reads a path; false if text is none.
func parsePath(text string) (path, bool) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, false
	}
	var p path
	for rest != "" {
		var st pathStep
		switch rest[0] {
		case '.':
			end := strings.IndexAny(rest[1:], ".[") + 1
			if end == 0 {
				end = len(rest)
			}
			st.name, rest = rest[1:end], rest[end:]
			if st.name == "" || strings.ContainsAny(st.name, "]'\" ") {
				return nil, false
			}
			if st.name == "*" {
				st.kind = stepAll
			}
		case '[':
			var ok bool
			if st, rest, ok = parseBracket(rest[1:]); !ok {
				return nil, false
			}
		default:
			return nil, false
		}
		p = append(p, st)
	}
	return p, true
}

// parseBracket reads what stands behind an opening bracket: 0], *], or 'name'].
func parseBracket(text string) (st pathStep, rest string, ok bool) {
	if text != "" && (text[0] == '\'' || text[0] == '"') {
		end := strings.Index(text[1:], text[:1]+"]")
		if end < 1 {
			return st, "", false
		}
		return pathStep{name: text[1 : 1+end]}, text[end+3:], true
	}
	inner, rest, ok := strings.Cut(text, "]")
	if !ok {
		return st, "", false
	}
	if inner == "*" {
		return pathStep{kind: stepAll}, rest, true
	}
	n, err := strconv.ParseUint(inner, 10, 31)
	return pathStep{kind: stepIndex, index: int(n)}, rest, err == nil
}

// find is what lies at the path; false if nothing does. Behind an asterisk it is the list
// of all that do.
func (p path) find(raw json.RawMessage) (json.RawMessage, bool) {
	for i, st := range p {
		switch st.kind {
		case stepName:
			var o map[string]json.RawMessage
			if json.Unmarshal(raw, &o) != nil || o[st.name] == nil {
				return nil, false
			}
			raw = o[st.name]
		case stepIndex:
			var l []json.RawMessage
			if json.Unmarshal(raw, &l) != nil || st.index >= len(l) {
				return nil, false
			}
			raw = l[st.index]
		case stepAll:
			found := []json.RawMessage{}
			for _, child := range children(raw) {
				if x, ok := p[i+1:].find(child); ok {
					found = append(found, x)
				}
			}
			if len(found) == 0 {
				return nil, false
			}
			out, err := json.Marshal(found)
			return out, err == nil
		}
	}
	return raw, true
}

// children are the elements of a list, or the values of an object in the order of its text.
func children(raw json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for dec.More() {
		if _, err := dec.Token(); err != nil {
			return list
		}
		var v json.RawMessage
		if dec.Decode(&v) != nil {
			return list
		}
		list = append(list, v)
	}
	return list
}
