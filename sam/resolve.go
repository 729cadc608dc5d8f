package sam

import (
	"regexp"
	"slices"
	"strings"
)

// Intrinsic functions are resolved three times: references to parameters, where SAM must
// know a value; references to what a resource makes, as Ref: Api.Stage; and references to
// resources whose logical id the transform changes.

// walk gives each value of a tree to visit, before its parts, and puts in its place what
// visit returns. Dicts and lists are changed where they are.
func walk(v any, visit func(any) any) any {
	v = visit(v)
	switch v := v.(type) {
	case *dict:
		for _, n := range v.names() {
			v.put(n, walk(v.get(n.text), visit))
		}
	case []any:
		for i, e := range v {
			v[i] = walk(e, visit)
		}
	}
	return v
}

// call is the function that v is a call of, with its argument.
func call(v any) (d *dict, function string, argument any) {
	d, ok := v.(*dict)
	if !ok || d.size() != 1 {
		return nil, "", nil
	}
	n, argument := d.first()
	return d, n.text, argument
}

// A resolver knows parameters and mappings.
type resolver struct{ parameters, mappings *dict }

// simple reports whether v can be a parameter's value, or a mapping's: one without members,
// or a list of such.
func simple(v any) bool {
	if list, ok := v.([]any); ok {
		return !slices.ContainsFunc(list, func(e any) bool { return !simple(e) })
	}
	_, ok := v.(*dict)
	return !ok
}

// parameter is the value of a parameter; values that are functions are none.
func (r *resolver) parameter(name string) (any, bool) {
	v := r.parameters.get(name)
	if !r.parameters.has(name) || !simple(v) {
		return nil, false
	}
	if strings.HasPrefix(text(v), "{{IntrinsicFunction:") {
		return nil, false
	}
	return v, true
}

// resolve puts parameters' values in the place of references to them.
func (r *resolver) resolve(v any) any {
	if r.parameters.size() == 0 {
		return v
	}
	return walk(v, func(v any) any {
		d, function, argument := call(v)
		switch function {
		case fnRef:
			if name, ok := textOf(argument); ok {
				if value, ok := r.parameter(name); ok {
					return value
				}
			}
		case fnSub:
			substitute(d, func(whole, name string) any {
				if value, ok := r.parameter(name); ok {
					return value
				}
				return whole
			})
		}
		return v
	})
}

// find puts mappings' values in the place of Fn::FindInMap.
func (r *resolver) find(v any) any {
	if r.mappings.size() == 0 {
		return v
	}
	return walk(v, func(v any) any {
		_, function, argument := call(v)
		if function != fnMap {
			return v
		}
		return r.mapped(v, argument)
	})
}

func (r *resolver) mapped(whole, argument any) any {
	path, ok := argument.([]any)
	if !ok || len(path) != 3 {
		badStructure("Invalid FindInMap value %s. FindInMap expects an array with 3 values.", str(argument))
	}
	at := r.mappings
	for i, step := range path {
		if _, function, inner := call(step); function == fnMap {
			step = r.mapped(step, inner)
		}
		key, ok := textOf(step)
		if !ok || !at.has(key) {
			return whole
		}
		if i == 2 {
			if v := at.get(key); simple(v) {
				return v
			}
			return whole
		}
		if at, ok = at.get(key).(*dict); !ok {
			badStructure("Cannot use Fn::FindInMap on Mapping '%s' which is not a a two-level map.", text(path[0]))
		}
	}
	return whole
}

// both resolves parameters and mappings.
func (r *resolver) both(v any) any { return r.find(r.resolve(v)) }

var reference = regexp.MustCompile(`\$\{([A-Za-z0-9.]+|AWS::[A-Z][A-Za-z]*)\}`)

// substitute replaces the references in the text of a Fn::Sub. with has a reference whole,
// and the name in it.
func substitute(d *dict, with func(whole, name string) any) {
	n, argument := d.first()
	if list, ok := argument.([]any); ok {
		if len(list) > 0 {
			if t, ok := textOf(list[0]); ok {
				list[0] = like(isMarked(list[0]), replaceAll(t, with))
			}
		}
		return
	}
	if t, ok := textOf(argument); ok {
		d.put(n, like(isMarked(argument), replaceAll(t, with)))
	}
}

func replaceAll(in string, with func(whole, name string) any) string {
	out := in
	for _, m := range reference.FindAllStringSubmatch(in, -1) {
		v := with(m[0], m[1])
		t, ok := textOf(v)
		if !ok {
			badStructure("Invalid Fn::Sub variable value %s. Fn::Sub expects all variables to be strings.", str(v))
		}
		out = strings.Replace(out, m[0], t, 1)
	}
	return out
}

// references are what resources make, by logical id and property.
type references map[string]map[string]string

func (r references) add(id, property, made string) {
	if r[id] == nil {
		r[id] = map[string]string{}
	}
	if _, twice := r[id][property]; twice {
		fail()
	}
	r[id][property] = made
}

// link puts the ids of what resources make in the place of references to it.
func (r references) link(v any) any {
	if len(r) == 0 {
		return v
	}
	return walk(v, func(v any) any {
		d, function, argument := call(v)
		switch function {
		case fnRef:
			id, property, _ := strings.Cut(text(argument), ".")
			if made := r[id][property]; made != "" {
				return ref(made)
			}
		case fnSub:
			substitute(d, func(whole, name string) any {
				parts := strings.Split(name, ".")
				if len(parts) < 2 {
					return whole
				}
				if made := r[parts[0]][parts[1]]; made != "" {
					return strings.ReplaceAll(whole, parts[0]+"."+parts[1], made)
				}
				return whole
			})
		case fnGet:
			if parts := dotted(argument); parts != nil {
				if made := r[parts[0]][parts[1]]; made != "" {
					d.put(name{text: fnGet}, joined(made, parts[2:]))
				}
			}
		}
		return v
	})
}

// renamed are logical ids that the transform changes.
type renamed map[string]string

// link puts the new ids in the place of the old ones.
func (r renamed) link(v any) any {
	if len(r) == 0 {
		return v
	}
	return walk(v, func(v any) any {
		d, function, argument := call(v)
		switch function {
		case fnRef:
			if id := r[text(argument)]; id != "" {
				return ref(id)
			}
		case fnSub:
			substitute(d, func(whole, name string) any {
				old, _, _ := strings.Cut(name, ".")
				if id := r[old]; id != "" {
					return strings.ReplaceAll(whole, old, id)
				}
				return whole
			})
		case fnGet:
			if parts := dotted(argument); parts != nil {
				if id := r[parts[0]]; id != "" {
					d.put(name{text: fnGet}, joined(id, parts[1:]))
				}
			}
		}
		return v
	})
}

// depend puts the new ids in the place of the old ones in each DependsOn.
func (r renamed) depend(v any) {
	walk(v, func(v any) any {
		d, ok := v.(*dict)
		if !ok || !d.has("DependsOn") {
			return v
		}
		switch on := d.get("DependsOn").(type) {
		case []any:
			for i, e := range on {
				if id := r[text(e)]; id != "" {
					on[i] = id
				}
			}
		default:
			if id := r[text(on)]; id != "" {
				d.set("DependsOn", id)
			}
		}
		return v
	})
}

// dotted are the parts of what Fn::GetAtt names, nil if it is not a list of two texts or more.
func dotted(argument any) []string {
	list, ok := argument.([]any)
	if !ok || len(list) < 2 {
		return nil
	}
	parts := make([]string, len(list))
	for i, e := range list {
		if parts[i], ok = textOf(e); !ok {
			return nil
		}
	}
	return strings.Split(strings.Join(parts, "."), ".")
}

func joined(id string, rest []string) []any {
	out := []any{id}
	for _, r := range rest {
		out = append(out, r)
	}
	return out
}
