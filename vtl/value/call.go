package value

import (
	"strconv"
)

// Call runs a Java method of recv. It returns ErrNoMethod where Java has none of
// that name for these arguments, and an *Exception where the method throws. A
// void method returns "".
func Call(m *Meter, recv any, name string, args []any) (any, error) {
	if err := m.Step(1); err != nil {
		return nil, err
	}
	switch r := recv.(type) {
	case string:
		return callString(m, r, name, args)
	case Absent:
		return callString(m, "", name, args)
	case *List:
		return r.call(m, name, args)
	case *Map:
		return r.call(m, name, args)
	case *Entry:
		return r.call(m, name, args)
	case *Iterator:
		return r.call(m, name, args)
	case Object:
		return r.Call(m, name, args)
	case nil:
		return nil, ErrNoMethod
	}
	return callScalar(m, recv, name, args)
}

// callAny is what every object has: toString, equals, hashCode.
func callAny(m *Meter, recv any, name string, args []any) (any, error) {
	switch {
	case name == "toString" && len(args) == 0:
		return String(m, recv)
	case name == "equals" && len(args) == 1:
		return Equals(m, recv, args[0])
	case name == "hashCode" && len(args) == 0:
		if h, ok := hashCode(recv); ok {
			return h, nil
		}
	}
	return nil, ErrNoMethod
}

func callScalar(m *Meter, recv any, name string, args []any) (any, error) {
	if v, ok := parse(name, args); ok {
		return v()
	}
	if len(args) == 0 {
		switch v := recv.(type) {
		case bool:
			if name == "booleanValue" {
				return v, nil
			}
		case Char:
			if name == "charValue" {
				return v, nil
			}
		default:
			if r, ok := convert(recv, name); ok {
				return r, nil
			}
		}
	}
	if s, ok := first(args).(string); ok && name == "valueOf" && len(args) == 1 {
		return valueOf(recv, s)
	}
	if name == "compareTo" && len(args) == 1 && Class(recv) == Class(args[0]) && IsNumber(recv) {
		return int32(Compare(recv, args[0])), nil
	}
	return callAny(m, recv, name, args)
}

// convert is Number's intValue, longValue and so on.
func convert(n any, name string) (any, bool) {
	switch name {
	case "intValue":
		if isInteger(n) {
			return int32(toLong(n)), true
		}
		return doubleToInt(toDouble(n)), true
	case "longValue":
		return toLong(n), true
	case "shortValue":
		return int32(int16(toLong(n))), true
	case "byteValue":
		return int32(int8(toLong(n))), true
	case "doubleValue", "floatValue":
		return toDouble(n), true
	case "isNaN":
		d := toDouble(n)
		return d != d, !isInteger(n)
	case "isInfinite":
		d := toDouble(n)
		return d-d != 0 && d == d, !isInteger(n)
	}
	return nil, false
}

func doubleToInt(d float64) int32 {
	n := doubleToLong(d)
	return int32(max(min(n, 1<<31-1), -1<<31))
}

// parse is the static methods that templates reach through a number at hand, as
// in $n.parseInt("12"), and valueOf.
func parse(name string, args []any) (func() (any, error), bool) {
	if len(args) != 1 {
		return nil, false
	}
	s, ok := args[0].(string)
	if !ok {
		return nil, false
	}
	switch name {
	case "parseInt":
		return func() (any, error) {
			n, err := strconv.ParseInt(s, 10, 32)
			return int32(n), numberFormat(s, err)
		}, true
	case "parseLong":
		return func() (any, error) {
			n, err := strconv.ParseInt(s, 10, 64)
			return n, numberFormat(s, err)
		}, true
	case "parseDouble", "parseFloat":
		return func() (any, error) {
			n, err := strconv.ParseFloat(s, 64)
			if e, ok := err.(*strconv.NumError); ok && e.Err == strconv.ErrRange {
				err = nil
			}
			return n, numberFormat(s, err)
		}, true
	case "parseBoolean":
		return func() (any, error) { return len(s) == 4 && equalFold(s, "true"), nil }, true
	}
	return nil, false
}

func numberFormat(s string, err error) error {
	if err == nil {
		return nil
	}
	return throw("NumberFormatException", "For input string: "+strconv.Quote(s))
}

// valueOf is the boxed type's own valueOf(String).
func valueOf(recv any, s string) (any, error) {
	name := map[string]string{
		"java.lang.Integer": "parseInt", "java.lang.Long": "parseLong",
		"java.lang.Double": "parseDouble", "java.lang.Boolean": "parseBoolean",
	}[Class(recv)]
	if p, ok := parse(name, []any{s}); ok {
		return p()
	}
	return nil, ErrNoMethod
}

func first(args []any) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

func asInt(v any) (int, bool) {
	n, ok := v.(int32)
	return int(n), ok
}

func outOfBounds(i, n int) error {
	return throw("IndexOutOfBoundsException", "Index "+strconv.Itoa(i)+" out of bounds for length "+strconv.Itoa(n))
}
