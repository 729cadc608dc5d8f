package sam

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// A property is one that a resource or an event of SAM may have.
type property struct {
	name     string
	required bool
	plain    bool // functions are not let pass as what they may return
	kind     string
}

// properties reads a table: a line a property, its name (with ! if it must be there), then
// what its value may be. A = before that says that a function is not taken for it.
//
// Kinds are any, str, map, bool, int, list, [kind] for a list of it, {kind} for a map of it,
// alternatives between |, and one of some texts as "a,b".
func properties(table string) []property {
	var out []property
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, required := strings.CutSuffix(f[0], "!")
		kind, plain := strings.CutPrefix(f[1], "=")
		out = append(out, property{n, required, plain || kind == "any", kind})
	}
	return out
}

// propertiesAny is a table of properties that may be anything.
func propertiesAny(names string) []property {
	var out []property
	for n := range strings.FieldsSeq(names) {
		out = append(out, property{name: n, plain: true, kind: "any"})
	}
	return out
}

// check holds an item's properties against its table. id is the item's in errors.
func check(table []property, given *dict, id, itemType string) {
	for _, n := range given.names() {
		if !slices.ContainsFunc(table, func(p property) bool { return p.name == n.text }) {
			badResource(id, "property %s not defined for resource of type %s", n.text, itemType)
		}
	}
	for _, p := range table {
		v := given.get(p.name)
		if d, ok := v.(*dict); ok && d.size() == 1 && !p.plain {
			continue
		}
		if v == nil {
			if p.required {
				badResource(id, "Missing required property '%s'.", p.name)
			}
			continue
		}
		if fits(v, p.kind) {
			continue
		}
		switch {
		case p.kind == "map":
			badResource(id, "Property '%s' should be a map.", p.name)
		case p.kind == "str":
			badResource(id, "Property '%s' should be a string.", p.name)
		case p.kind[0] == '"':
			badResource(id, "Property '%s' should be a %s.", p.name, choice(p.kind))
		}
		badResource(id, "Type of property '%s' is invalid.", p.name)
	}
}

// choice says in words what texts a property takes.
func choice(kind string) string {
	words := strings.Split(strings.Trim(kind, `"`), ",")
	for i := range words {
		words[i] = "'" + words[i] + "'"
	}
	return fmt.Sprintf("one of the strings: %s or %s", strings.Join(words[:len(words)-1], ", "), words[len(words)-1])
}

// fits reports whether v is of a kind.
func fits(v any, kind string) bool {
	if first, rest, more := cutKind(kind); more {
		return fits(v, first) || rest != "" && fits(v, rest)
	}
	switch kind[0] {
	case '[':
		list, ok := v.([]any)
		inner := kind[1 : len(kind)-1]
		return ok && !slices.ContainsFunc(list, func(e any) bool { return !fits(e, inner) })
	case '{':
		d, ok := v.(*dict)
		if !ok {
			return false
		}
		for _, e := range d.values {
			if !fits(e, kind[1:len(kind)-1]) {
				return false
			}
		}
		return true
	case '"':
		t, ok := textOf(v)
		return ok && slices.Contains(strings.Split(strings.Trim(kind, `"`), ","), t)
	}
	switch kind {
	case "any":
		return true
	case "str":
		_, ok := textOf(v)
		return ok
	case "map":
		_, ok := v.(*dict)
		return ok
	case "bool":
		_, ok := v.(bool)
		return ok
	case "list":
		_, ok := v.([]any)
		return ok
	case "int":
		return isInt(v)
	}
	return false
}

// cutKind parts alternatives; those within brackets stay together.
func cutKind(kind string) (first, rest string, more bool) {
	depth := 0
	for i, r := range kind {
		switch r {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '|':
			if depth == 0 {
				return kind[:i], kind[i+1:], true
			}
		}
	}
	return kind, "", false
}

// isInt reports whether Python takes v for an int: truth values are, too.
func isInt(v any) bool {
	switch v := v.(type) {
	case int, bool:
		return true
	case json.Number:
		return !strings.ContainsAny(v.String(), ".eE")
	}
	return false
}
