package value

import (
	"fmt"
	"math/big"
	"unicode/utf16"
)

// Equal is Velocity's ==: numbers by value, values of one class by equals, all
// else by their text. Null equals null alone.
func Equal(m *Meter, a, b any) (bool, error) {
	switch x := a.(type) {
	case nil:
		_, absent := b.(Absent)
		return b == nil || absent, nil
	case string:
		if y, ok := b.(string); ok {
			return x == y, m.Step(len(x) / bytesPerStep)
		}
	case bool:
		if y, ok := b.(bool); ok {
			return x == y, nil
		}
	case int32:
		if y, ok := b.(int32); ok {
			return x == y, nil
		}
	}
	if _, ok := a.(Absent); ok {
		a, b = b, a
	}
	if _, ok := b.(Absent); ok {
		return a == nil || a == any("") || a == any(Absent{}), nil
	}
	if b == nil {
		return false, nil
	}
	if IsNumber(a) && IsNumber(b) {
		return Compare(a, b) == 0, nil
	}
	if Class(a) == Class(b) {
		return Equals(m, a, b)
	}
	x, err := String(m, a)
	if err != nil {
		return false, err
	}
	y, err := String(m, b)
	return x == y, err
}

// Equals is Java's equals: 1 and 1.0 differ, and so do an Integer and a Long.
func Equals(m *Meter, a, b any) (bool, error) { return equalDeep(m, a, b, m.MaxDepth) }

func equalDeep(m *Meter, a, b any, depth int) (bool, error) {
	if depth <= 0 {
		return false, fmt.Errorf("%w: value nested too deeply", ErrLimit)
	}
	if err := m.Step(1); err != nil {
		return false, err
	}
	switch x := a.(type) {
	case *List:
		y, ok := b.(*List)
		if !ok || x.Len() != y.Len() {
			return false, nil
		}
		if x == y {
			return true, nil
		}
		for i, v := range x.items {
			if eq, err := equalDeep(m, v, y.items[i], depth-1); !eq || err != nil {
				return false, err
			}
		}
		return true, nil
	case *Map:
		y, ok := b.(*Map)
		if !ok || x.Len() != y.Len() {
			return false, nil
		}
		return x.equal(m, y, depth)
	case *Entry:
		y, ok := b.(*Entry)
		if !ok {
			return false, nil
		}
		if eq, err := equalDeep(m, x.Key, y.Key, depth-1); !eq || err != nil {
			return false, err
		}
		return equalDeep(m, x.Value, y.Value, depth-1)
	case *big.Int:
		y, ok := b.(*big.Int)
		return ok && x.Cmp(y) == 0, nil
	case Number, float64:
		switch b.(type) {
		case Number, float64:
			return toDouble(a) == toDouble(b), nil
		}
		return false, nil
	case string:
		return a == b, m.Step(len(x) / bytesPerStep)
	case nil, bool, int32, int64, Char, *Iterator:
		return a == b, nil
	}
	return false, nil
}

func (m *Map) equal(mt *Meter, o *Map, depth int) (bool, error) {
	if m == o {
		return true, nil
	}
	for _, e := range m.Entries() {
		v, ok := o.Get(e.Key)
		if !ok {
			return false, nil
		}
		if eq, err := equalDeep(mt, e.Value, v, depth-1); !eq || err != nil {
			return false, err
		}
	}
	return true, nil
}

// hashCode of scalars; lists, maps and host values have none here.
func hashCode(v any) (int32, bool) {
	switch v := v.(type) {
	case string:
		var h int32
		for _, r := range v {
			if r > 0xffff {
				hi, lo := utf16.EncodeRune(r)
				h, r = 31*h+hi, lo
			}
			h = 31*h + r
		}
		return h, true
	case bool:
		if v {
			return 1231, true
		}
		return 1237, true
	case int32:
		return v, true
	case int64:
		return int32(v ^ int64(uint64(v)>>32)), true
	case Char:
		return int32(v), true
	}
	return 0, false
}
