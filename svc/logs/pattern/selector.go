package pattern

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A selector says where in a JSON value to look: "$.user.roles[0]".
type selector struct {
	text  string
	steps []step
}

// A step leads from a value to one in it, or to each.
type step struct {
	name  string // of an object's member
	index int    // of an array's element, if list
	list  bool
	every bool // every element of an array if list, else every member of an object
}

func parseSelector(s *scanner) (sel selector, err error) {
	if !s.take("$") {
		s.space()
		return sel, s.bad()
	}
	from, stars := s.pos-1, s.wildcards
	for err == nil {
		switch rest := s.rest(); {
		case strings.HasPrefix(rest, ".["):
			s.pos++ // $.['a name'] is $['a name']
			err = sel.bracket(s)
		case strings.HasPrefix(rest, "["):
			err = sel.bracket(s)
		case strings.HasPrefix(rest, ".*"):
			s.pos += 2
			s.wildcards++
			sel.steps = append(sel.steps, step{every: true})
		case strings.HasPrefix(rest, "."):
			s.pos++
			name := s.run(isName)
			if name == "" {
				s.run(func(r rune) bool { return !isName(r) && r != ' ' })
				return sel, errTerm(s.text[from:s.pos])
			}
			sel.steps = append(sel.steps, step{name: name})
		default:
			sel.text = s.text[from:s.pos]
			if len(sel.steps) == 0 || s.wildcards > stars+1 {
				err = ErrInvalid
			}
			return sel, err
		}
	}
	return sel, err
}

// bracket reads an index, a star or a quoted name in brackets.
func (sel *selector) bracket(s *scanner) error {
	s.take("[")
	var st step
	switch rest := s.rest(); {
	case s.take("*"):
		s.wildcards++
		st.list, st.every = true, true
	case strings.HasPrefix(rest, "'") || strings.HasPrefix(rest, `"`):
		name, _, ok := strings.Cut(rest[1:], rest[:1])
		if !ok {
			return ErrInvalid
		}
		s.pos += len(name) + 2
		st.name = name
	default:
		digits := s.run(func(r rune) bool { return '0' <= r && r <= '9' })
		n, err := strconv.Atoi(digits)
		if err != nil {
			return ErrInvalid
		}
		st.list, st.index = true, n
	}
	if !s.take("]") {
		return ErrInvalid
	}
	sel.steps = append(sel.steps, st)
	return nil
}

// needs are what a JSON text has in which the selector selects something.
func (sel *selector) needs() (out [][]string) {
	for _, st := range sel.steps {
		out = both(out, plainParts(st.name))
	}
	return out
}

// any reports whether found accepts a value at the place that the selector names.
func (sel *selector) any(root any, found func(any) bool) bool { return walk(root, sel.steps, found) }

func walk(v any, steps []step, found func(any) bool) bool {
	if len(steps) == 0 {
		return found(v)
	}
	st, steps := steps[0], steps[1:]
	switch v := v.(type) {
	case []any:
		if !st.list {
			return false
		}
		if !st.every {
			return st.index < len(v) && walk(v[st.index], steps, found)
		}
		for _, e := range v {
			if walk(e, steps, found) {
				return true
			}
		}
	case map[string]any:
		if st.list {
			return false
		}
		if !st.every {
			e, ok := v[st.name]
			return ok && walk(e, steps, found)
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if walk(v[name], steps, found) {
				return true
			}
		}
	}
	return false
}
