package value

// Kind is what a List is to Java.
type Kind uint8

// The kinds of List.
const (
	ArrayList  Kind = iota
	FromJSON        // an ArrayList that prints as JSON
	Array           // of fixed length
	Set             // of a map's keys or entries: without indexes
	Collection      // of a map's values: without indexes
)

// List is an ordered collection.
type List struct {
	items []any
	kind  Kind
}

// NewList makes a list of the given kind that owns items.
func NewList(kind Kind, items ...any) *List { return &List{items: items, kind: kind} }

// Len is the number of elements.
func (l *List) Len() int { return len(l.items) }

// At is the i-th element; i must be in range.
func (l *List) At(i int) any { return l.items[i] }

// Items are the elements; the slice is the list's own.
func (l *List) Items() []any { return l.items }

// Push appends v.
func (l *List) Push(v any) { l.items = append(l.items, v) }

func (l *List) class() string {
	switch l.kind {
	case FromJSON:
		return "net.minidev.json.JSONArray"
	case Array:
		return "[Ljava.lang.String;"
	case Set:
		return "java.util.Set"
	case Collection:
		return "java.util.Collection"
	}
	return "java.util.ArrayList"
}

func (l *List) append(m *Meter, dst []byte, depth int) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, v := range l.items {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if v == any(l) {
			dst = append(dst, "(this Collection)"...)
		} else if dst, err = appendDeep(m, dst, v, depth-1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func (l *List) index(m *Meter, v any, last bool) (int, error) {
	if err := m.Step(len(l.items)); err != nil {
		return 0, err
	}
	found := -1
	for i, x := range l.items {
		eq, err := Equals(m, v, x)
		if err != nil {
			return 0, err
		}
		if eq {
			if !last {
				return i, nil
			}
			found = i
		}
	}
	return found, nil
}

// Get is $l[i] and $l.get(i): out of range, it throws as Java does.
func (l *List) Get(i int) (any, error) {
	if i < 0 || i >= len(l.items) {
		return nil, outOfBounds(i, len(l.items))
	}
	return l.items[i], nil
}

// Put replaces the i-th element and returns the one before.
func (l *List) Put(i int, v any) (any, error) {
	old, err := l.Get(i)
	if err == nil {
		l.items[i] = v
	}
	return old, err
}

func (l *List) insert(m *Meter, at int, vs []any) error {
	if at < 0 || at > len(l.items) {
		return outOfBounds(at, len(l.items))
	}
	if l.kind >= Array {
		return &Exception{Class: "java.lang.UnsupportedOperationException"}
	}
	if err := m.Grow(slot * len(vs)); err != nil {
		return err
	}
	if at == len(l.items) {
		l.items = append(l.items, vs...)
		return nil
	}
	if err := m.Step(1 + (len(l.items)-at)/64); err != nil {
		return err
	}
	tail := append([]any(nil), l.items[at:]...)
	l.items = append(append(l.items[:at], vs...), tail...)
	return nil
}

func (l *List) removeAt(i int) (any, error) {
	old, err := l.Get(i)
	if err != nil {
		return nil, err
	}
	if l.kind >= Array {
		return nil, &Exception{Class: "java.lang.UnsupportedOperationException"}
	}
	copy(l.items[i:], l.items[i+1:])
	l.items[len(l.items)-1] = nil
	l.items = l.items[:len(l.items)-1]
	return old, nil
}
