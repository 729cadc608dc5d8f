package jsonpath

import (
	"math"

	"github.com/tule-cloud/tule/vtl/value"
)

func known(name string) bool {
	switch name {
	case "length", "size", "keys", "min", "max", "sum", "avg", "stddev", "first", "last":
		return true
	}
	return false
}

// call applies a path's function to what the path found. Where the value is none
// that the function takes, the path leads nowhere.
func call(m *value.Meter, name string, v any) (any, bool, error) {
	switch name {
	case "length", "size":
		n, ok := size(v)
		return int32(n), ok, nil
	case "keys":
		o, ok := v.(*value.Map)
		if !ok {
			return nil, false, nil
		}
		return value.NewList(value.FromJSON, o.Keys().Items()...), true, m.Grow(16 * o.Len())
	}
	l, ok := v.(*value.List)
	if !ok || l.Len() == 0 {
		return nil, false, nil
	}
	switch name {
	case "first":
		return l.At(0), true, nil
	case "last":
		return l.At(l.Len() - 1), true, nil
	}
	return aggregate(name, l)
}

// aggregate calculates over the numbers of a list, as doubles.
func aggregate(name string, l *value.List) (any, bool, error) {
	n, sum, squares := 0.0, 0.0, 0.0
	least, most := math.Inf(1), math.Inf(-1)
	for _, x := range l.Items() {
		if !value.IsNumber(x) {
			continue
		}
		d := value.DoubleValue(x)
		n, sum, squares = n+1, sum+d, squares+d*d
		least, most = min(least, d), max(most, d)
	}
	if n == 0 {
		return nil, false, nil
	}
	switch name {
	case "min":
		return least, true, nil
	case "max":
		return most, true, nil
	case "sum":
		return sum, true, nil
	case "avg":
		return sum / n, true, nil
	}
	return math.Sqrt(squares/n - sum*sum/n/n), true, nil
}
