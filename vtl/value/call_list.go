package value

import "slices"

func (l *List) call(m *Meter, name string, args []any) (any, error) {
	switch len(args) {
	case 0:
		return l.call0(m, name)
	case 1:
		return l.call1(m, name, args[0])
	case 2:
		return l.call2(m, name, args)
	}
	return nil, ErrNoMethod
}

func (l *List) indexed() bool { return l.kind < Set }

func (l *List) call0(m *Meter, name string) (any, error) {
	switch name {
	case "size":
		return int32(len(l.items)), nil
	case "isEmpty":
		return len(l.items) == 0, nil
	case "iterator", "listIterator":
		return &Iterator{list: l}, nil
	case "clear":
		if l.kind >= Array {
			return nil, &Exception{Class: "java.lang.UnsupportedOperationException"}
		}
		l.items = nil
		return "", nil
	case "toArray":
		return l.slice(m, 0, len(l.items), Array)
	case "clone":
		return l.slice(m, 0, len(l.items), l.kind)
	}
	return callAny(m, l, name, nil)
}

func (l *List) slice(m *Meter, from, to int, kind Kind) (any, error) {
	if from < 0 || to > len(l.items) || from > to {
		return nil, throw("IndexOutOfBoundsException", "fromIndex or toIndex out of bounds")
	}
	if err := m.Grow(slot * (to - from)); err != nil {
		return nil, err
	}
	return &List{items: slices.Clone(l.items[from:to]), kind: kind}, nil
}

func (l *List) call1(m *Meter, name string, a any) (any, error) {
	n, isInt := asInt(a)
	switch {
	case name == "get" && isInt && l.indexed():
		return l.Get(n)
	case name == "remove" && isInt && l.indexed():
		return l.removeAt(n)
	case name == "remove":
		i, err := l.index(m, a, false)
		if i < 0 || err != nil {
			return false, err
		}
		_, err = l.removeAt(i)
		return err == nil, err
	case name == "add":
		return true, l.insert(m, len(l.items), []any{a})
	case name == "contains":
		i, err := l.index(m, a, false)
		return i >= 0, err
	case name == "indexOf" && l.indexed(), name == "lastIndexOf" && l.indexed():
		i, err := l.index(m, a, name == "lastIndexOf")
		return int32(i), err
	case name == "equals":
		return Equals(m, l, a)
	}
	if o, ok := a.(*List); ok {
		return l.bulk(m, name, o)
	}
	return nil, ErrNoMethod
}

// bulk is the methods that take a collection.
func (l *List) bulk(m *Meter, name string, o *List) (any, error) {
	switch name {
	case "addAll":
		return o.Len() > 0, l.insert(m, len(l.items), slices.Clone(o.items))
	case "containsAll":
		for _, v := range o.items {
			if i, err := l.index(m, v, false); i < 0 || err != nil {
				return false, err
			}
		}
		return true, nil
	case "removeAll", "retainAll":
		if l.kind >= Array {
			return nil, &Exception{Class: "java.lang.UnsupportedOperationException"}
		}
		kept := make([]any, 0, len(l.items))
		for _, v := range l.items {
			i, err := o.index(m, v, false)
			if err != nil {
				return nil, err
			}
			if (i >= 0) == (name == "retainAll") {
				kept = append(kept, v)
			}
		}
		changed := len(kept) != len(l.items)
		l.items = kept
		return changed, nil
	}
	return nil, ErrNoMethod
}

func (l *List) call2(m *Meter, name string, args []any) (any, error) {
	n, ok := asInt(args[0])
	if !ok || !l.indexed() {
		return nil, ErrNoMethod
	}
	switch name {
	case "set":
		return l.Put(n, args[1])
	case "add":
		return "", l.insert(m, n, args[1:])
	case "addAll":
		if o, ok := args[1].(*List); ok {
			return o.Len() > 0, l.insert(m, n, slices.Clone(o.items))
		}
	case "subList":
		if to, ok := asInt(args[1]); ok {
			return l.slice(m, n, to, ArrayList)
		}
	}
	return nil, ErrNoMethod
}

// Iterator walks a list.
type Iterator struct {
	list *List
	next int
}

// Next is the next element and whether there is one.
func (it *Iterator) Next() (any, bool) {
	if it.next >= len(it.list.items) {
		return nil, false
	}
	it.next++
	return it.list.items[it.next-1], true
}

// HasNext reports whether Next will find an element.
func (it *Iterator) HasNext() bool { return it.next < len(it.list.items) }

func (it *Iterator) call(m *Meter, name string, args []any) (any, error) {
	if len(args) == 0 {
		switch name {
		case "hasNext":
			return it.HasNext(), nil
		case "next":
			v, ok := it.Next()
			if !ok {
				return nil, &Exception{Class: "java.util.NoSuchElementException"}
			}
			return v, nil
		}
	}
	return callAny(m, it, name, args)
}

// Iterate is what #foreach walks: lists, the values of a map, iterators. It is
// nil for what cannot be walked.
func Iterate(v any) *Iterator {
	switch v := v.(type) {
	case *List:
		return &Iterator{list: v}
	case *Map:
		return &Iterator{list: v.Values()}
	case *Iterator:
		return v
	}
	return nil
}
