package jsonpath

import (
	"strings"

	"github.com/tule-cloud/tule/vtl/value"
)

// compare is l op r, both being there. Values of different types are unequal and
// have no order, but numbers and texts of numbers compare as numbers.
func compare(m *value.Meter, op string, l, r any) (bool, error) {
	switch op {
	case "==", "!=":
		eq, err := equal(m, l, r, false)
		return eq == (op == "=="), err
	case "===", "!==":
		eq, err := equal(m, l, r, true)
		return eq == (op == "==="), err
	case "<", "<=", ">", ">=":
		return order(op, l, r), nil
	case "size":
		n, ok := size(l)
		return ok && value.IsNumber(r) && value.Compare(int32(n), r) == 0, nil
	case "empty":
		n, ok := size(l)
		want, isBool := r.(bool)
		return ok && isBool && (n == 0) == want, nil
	case "exists":
		want, isBool := r.(bool)
		return isBool && want, nil
	case "contains":
		if s, ok := l.(string); ok {
			x, ok := r.(string)
			return ok && strings.Contains(s, x), nil
		}
		return member(m, r, l)
	case "in", "nin":
		in, err := member(m, l, r)
		return in == (op == "in"), err
	}
	return sets(m, op, l, r)
}

func equal(m *value.Meter, l, r any, strict bool) (bool, error) {
	if value.IsNumber(l) && value.IsNumber(r) {
		return value.Compare(l, r) == 0, nil
	}
	if !strict {
		if a, b, ok := bothNumbers(l, r); ok {
			return value.Compare(a, b) == 0, nil
		}
	}
	return value.Equals(m, l, r)
}

// bothNumbers takes a text for the number that it writes where the other side is
// a number.
func bothNumbers(l, r any) (a, b any, ok bool) {
	read := func(v any) (any, bool) {
		s, ok := v.(string)
		if !ok {
			return v, value.IsNumber(v)
		}
		n, err := value.DecodeJSON(s)
		return n, err == nil && value.IsNumber(n)
	}
	if !value.IsNumber(l) && !value.IsNumber(r) {
		return nil, nil, false
	}
	a, okA := read(l)
	b, okB := read(r)
	return a, b, okA && okB
}

func order(op string, l, r any) bool {
	var n int
	if a, b, ok := bothNumbers(l, r); ok {
		n = value.Compare(a, b)
	} else {
		a, okA := l.(string)
		b, okB := r.(string)
		if !okA || !okB {
			return false
		}
		n = strings.Compare(a, b)
	}
	switch op {
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n > 0
	}
	return n >= 0
}

func size(v any) (int, bool) {
	switch v := v.(type) {
	case *value.List:
		return v.Len(), true
	case *value.Map:
		return v.Len(), true
	case string:
		return len([]rune(v)), true
	}
	return 0, false
}

func member(m *value.Meter, v, list any) (bool, error) {
	l, ok := list.(*value.List)
	if !ok {
		return false, nil
	}
	for _, x := range l.Items() {
		if eq, err := equal(m, v, x, true); eq || err != nil {
			return eq, err
		}
	}
	return false, nil
}

// sets is the operators on two lists.
func sets(m *value.Meter, op string, l, r any) (bool, error) {
	a, okA := l.(*value.List)
	b, okB := r.(*value.List)
	if !okA || !okB {
		return false, nil
	}
	if op == "all" {
		a, b = b, a // every one of r is in l
	}
	in := 0
	for _, x := range a.Items() {
		ok, err := member(m, x, b)
		if err != nil {
			return false, err
		}
		if ok {
			in++
		}
	}
	switch op {
	case "anyof":
		return in > 0, nil
	case "noneof":
		return in == 0, nil
	}
	return in == a.Len(), nil
}
