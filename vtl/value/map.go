package value

import (
	"math/big"
	"reflect"
	"slices"
)

// Map is a LinkedHashMap: it remembers the order in which keys came.
type Map struct {
	entries []*Entry // nil where one was removed
	room    []Entry  // allocated at once, for entries to come
	live    int
	index   map[any]int // from key to entry; nil while the map is small
	lenient bool        // a property that is not there is Absent, not null
}

// Entry is a key and its value. It stays the map's own: SetValue shows there.
type Entry struct {
	Key, Value any
}

// smallMap is how many entries are searched one by one before an index pays.
const smallMap = 16

// NewMap makes an empty map with room for n entries.
func NewMap(n int) *Map {
	if n == 0 {
		return &Map{}
	}
	return &Map{entries: make([]*Entry, 0, n), room: make([]Entry, 0, n)}
}

func mapOf[V any](in map[string]V) *Map {
	m := NewMap(len(in))
	keys := make([]string, 0, len(in))
	for k := range in {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		m.Put(k, Of(in[k]))
	}
	return m
}

type bigKey string

// hashable makes a key that Go compares as Java would.
func hashable(k any) any {
	switch k := k.(type) {
	case *big.Int:
		return bigKey(k.String())
	case Object:
		if !reflect.TypeOf(k).Comparable() {
			return Class(k)
		}
	}
	return k
}

func (m *Map) find(key any) int {
	key = hashable(key)
	if m.index != nil {
		if i, ok := m.index[key]; ok {
			return i
		}
		return -1
	}
	for i, e := range m.entries {
		if e != nil && hashable(e.Key) == key {
			return i
		}
	}
	return -1
}

// Lenient makes properties that are not there Absent instead of null, and those
// of the maps within.
func (m *Map) Lenient() *Map {
	if m.lenient {
		return m
	}
	m.lenient = true
	for _, e := range m.Entries() {
		if in, ok := e.Value.(*Map); ok {
			in.Lenient()
		}
	}
	return m
}

// Len is the number of entries.
func (m *Map) Len() int { return m.live }

// Get is the value of key and whether there is one.
func (m *Map) Get(key any) (any, bool) {
	if i := m.find(key); i >= 0 {
		return m.entries[i].Value, true
	}
	return nil, false
}

// Put sets the value of key and returns the one before.
func (m *Map) Put(key, v any) any {
	if i := m.find(key); i >= 0 {
		old := m.entries[i].Value
		m.entries[i].Value = v
		return old
	}
	m.entries = append(m.entries, m.entry(key, v))
	m.live++
	if m.index != nil {
		m.index[hashable(key)] = len(m.entries) - 1
	} else if len(m.entries) > smallMap {
		m.reindex()
	}
	return nil
}

func (m *Map) entry(key, v any) *Entry {
	if len(m.room) < cap(m.room) {
		m.room = append(m.room, Entry{key, v})
		return &m.room[len(m.room)-1]
	}
	return &Entry{key, v}
}

// Delete removes key and returns its value.
func (m *Map) Delete(key any) any {
	i := m.find(key)
	if i < 0 {
		return nil
	}
	old := m.entries[i].Value
	m.entries[i] = nil
	m.live--
	delete(m.index, hashable(key))
	if len(m.entries) > 2*m.live+smallMap {
		m.entries = slices.DeleteFunc(m.entries, func(e *Entry) bool { return e == nil })
		m.reindex()
	}
	return old
}

func (m *Map) reindex() {
	m.index = make(map[any]int, len(m.entries))
	for i, e := range m.entries {
		if e != nil {
			m.index[hashable(e.Key)] = i
		}
	}
}

// Clear removes all entries.
func (m *Map) Clear() { *m = Map{lenient: m.lenient} }

// Entries are the entries in order.
func (m *Map) Entries() []*Entry {
	if m.live == len(m.entries) {
		return m.entries
	}
	return slices.DeleteFunc(slices.Clone(m.entries), func(e *Entry) bool { return e == nil })
}

func (m *Map) list(kind Kind, of func(*Entry) any) *List {
	l := &List{items: make([]any, 0, m.live), kind: kind}
	for _, e := range m.Entries() {
		l.items = append(l.items, of(e))
	}
	return l
}

// Keys are the keys in order, as a Set.
func (m *Map) Keys() *List { return m.list(Set, func(e *Entry) any { return e.Key }) }

// Values are the values in order.
func (m *Map) Values() *List { return m.list(Collection, func(e *Entry) any { return e.Value }) }

func (m *Map) append(mt *Meter, dst []byte, depth int) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for i, e := range m.Entries() {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = e.append(mt, dst, depth); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (e *Entry) append(m *Meter, dst []byte, depth int) ([]byte, error) {
	dst, err := appendDeep(m, dst, e.Key, depth-1)
	if err != nil {
		return dst, err
	}
	return appendDeep(m, append(dst, '='), e.Value, depth-1)
}
