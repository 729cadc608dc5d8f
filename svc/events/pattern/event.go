package pattern

import (
	"fmt"
	"slices"
	"strings"
)

// An Event is a JSON object taken apart: its leaves, by the path of names to each.
type Event struct {
	leaves map[string][]value
}

// ParseEvent takes an event apart. Errors are of type *Error.
func ParseEvent(text string) (*Event, error) {
	r := &reader{scanner: scanner{src: text}, leaves: map[string][]value{}}
	if err := r.next(); err != nil {
		return nil, err
	}
	if r.kind != beginObject {
		return nil, r.fail("Event must be a JSON object")
	}
	if err := r.object("", nil); err != nil {
		return nil, err
	}
	if err := r.next(); err != nil {
		return nil, err
	}
	return &Event{r.leaves}, nil
}

// A reader takes apart what its scanner finds.
type reader struct {
	scanner
	leaves map[string][]value
	arrays int
}

func (r *reader) object(path string, within []step) error {
	for {
		if err := r.next(); err != nil || r.kind == endObject {
			return err
		}
		name := join(path, r.text)
		if err := r.next(); err != nil {
			return err
		}
		if err := r.member(name, within); err != nil {
			return err
		}
	}
}

// member reads the present value. What lies in an object or array within an array keeps
// in which element that is: fields that match must not be of different ones.
func (r *reader) member(path string, within []step) error {
	switch r.kind {
	case beginObject:
		return r.object(path, within)
	case beginArray:
		return r.array(path, within)
	}
	r.leaves[path] = append(r.leaves[path], value{r.kind, r.text, within})
	return nil
}

func (r *reader) array(path string, within []step) error {
	id := r.arrays
	r.arrays++
	for i := 0; ; i++ {
		if err := r.next(); err != nil || r.kind == endArray {
			return err
		}
		in := within
		if r.kind == beginObject || r.kind == beginArray {
			in = append(slices.Clip(within), step{id, i})
		}
		if err := r.member(path, in); err != nil {
			return err
		}
	}
}

// Matches reports whether the pattern matches the event.
func (p *Pattern) Matches(e *Event) bool {
	return slices.ContainsFunc(p.alternatives, func(a *alternative) bool { return a.matches(e) })
}

func (a *alternative) matches(e *Event) bool {
	// Most that do not match have a field that nothing fits, in whatever element.
	for i := range a.fields {
		if !a.fields[i].fits(e) {
			return false
		}
	}
	s := search{e: e, fields: a.fields}
	return s.from(0, nil)
}

// fits reports whether any leaf, or the absence of all, satisfies the field.
func (f *field) fits(e *Event) bool {
	list := e.leaves[f.path]
	if len(list) == 0 {
		return f.allowsAbsence()
	}
	return slices.ContainsFunc(list, func(v value) bool { return f.accepts(&v) })
}

func (f *field) allowsAbsence() bool {
	return slices.ContainsFunc(f.matchers, func(m matcher) bool { return m.op == opAbsent })
}

func (f *field) accepts(v *value) bool {
	for i := range f.matchers {
		if f.matchers[i].matches(v) {
			return true
		}
	}
	return false
}

// A search looks for one leaf for each field, so that no two lie in different elements of
// the same array.
type search struct {
	e      *Event
	fields []field
	tried  int
	failed map[string]bool // from where, with what chosen, nothing was found
}

// patience is how many steps a search takes before it notes where it failed.
const patience = 64

func (s *search) from(i int, chosen []step) bool {
	if i == len(s.fields) {
		return true
	}
	f := &s.fields[i]
	list := s.e.leaves[f.path]
	if len(list) == 0 {
		return f.allowsAbsence() && s.from(i+1, chosen)
	}
	note := ""
	if s.tried++; s.tried > patience {
		if note = s.note(i, chosen); s.failed[note] {
			return false
		}
	}
	free := false // a leaf that binds nothing was tried: another such leads nowhere else
	for j := range list {
		v := &list[j]
		next, ok := merge(chosen, v.within)
		if !ok || free && len(next) == len(chosen) || !f.accepts(v) {
			continue
		}
		if s.from(i+1, next) {
			return true
		}
		free = free || len(next) == len(chosen)
	}
	if note != "" {
		if s.failed == nil {
			s.failed = map[string]bool{}
		}
		s.failed[note] = true
	}
	return false
}

// note says where a search is: the field, and those choices that later fields share.
func (s *search) note(i int, chosen []step) string {
	var b strings.Builder
	fmt.Fprint(&b, i)
	for _, c := range chosen {
		if s.concerns(i, c.array) {
			fmt.Fprintf(&b, ",%d:%d", c.array, c.index)
		}
	}
	return b.String()
}

// concerns reports whether a leaf of field i or a later one lies in the array.
func (s *search) concerns(i, array int) bool {
	for ; i < len(s.fields); i++ {
		for _, v := range s.e.leaves[s.fields[i].path] {
			if slices.ContainsFunc(v.within, func(w step) bool { return w.array == array }) {
				return true
			}
		}
	}
	return false
}

// merge adds steps to those that were chosen; false if they contradict.
func merge(chosen, more []step) ([]step, bool) {
	out := chosen
	for _, m := range more {
		i := slices.IndexFunc(chosen, func(c step) bool { return c.array == m.array })
		if i < 0 {
			out = append(slices.Clip(out), m)
		} else if chosen[i].index != m.index {
			return nil, false
		}
	}
	return out, true
}

// Has reports whether the event has a leaf at a path.
func (e *Event) Has(path string) bool { return len(e.leaves[path]) > 0 }
