package value

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf16"
)

func goString(v any) string { return fmt.Sprint(v) }

// Append writes v as Java's toString would. Lists print [a, b], maps {a=b};
// lists that came from JSON print as JSON, since JSONPath's array type does so.
func Append(m *Meter, dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return append(dst, v...), nil
	case int32:
		return strconv.AppendInt(dst, int64(v), 10), nil
	}
	return appendDeep(m, dst, v, m.MaxDepth)
}

// String is Append into a string, paid for.
func String(m *Meter, v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int32:
		return strconv.Itoa(int(v)), nil
	}
	b, err := appendDeep(m, nil, v, m.MaxDepth)
	return string(b), err
}

func appendDeep(m *Meter, dst []byte, v any, depth int) ([]byte, error) {
	if depth <= 0 {
		return dst, fmt.Errorf("%w: value nested too deeply", ErrLimit)
	}
	if err := m.Step(1); err != nil {
		return dst, err
	}
	if err := m.Grow(textSize(v)); err != nil {
		return dst, err
	}
	switch v := v.(type) {
	case *List:
		if v.kind == FromJSON {
			return appendJSON(m, dst, v, depth)
		}
		return v.append(m, dst, depth)
	case *Map:
		return v.append(m, dst, depth)
	case *Entry:
		return v.append(m, dst, depth)
	case Object:
		r, err := v.Call(m, "toString", nil)
		if s, ok := r.(string); ok && err == nil {
			return append(dst, s...), m.Grow(len(s))
		}
		if err == nil || err == ErrNoMethod {
			return append(dst, "java.lang.Object"...), nil
		}
		return dst, err
	}
	return appendScalar(dst, v), nil
}

// textSize is what printing v is charged, its elements apart.
func textSize(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case Number:
		return len(v)
	case *big.Int:
		return v.BitLen()
	}
	return 8
}

func appendScalar(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int32:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case *big.Int:
		return v.Append(dst, 10)
	case float64:
		return AppendDouble(dst, v)
	case Number:
		return append(dst, v...)
	case Char:
		return append(dst, string(utf16.Decode([]uint16{uint16(v)}))...)
	case string:
		return append(dst, v...)
	case Absent:
		return dst
	}
	return append(dst, Class(v)...)
}

// AppendDouble writes d as Double.toString does: 1.0, 1.0E10, 1.0E-4, NaN.
func AppendDouble(dst []byte, d float64) []byte {
	switch a := math.Abs(d); {
	case math.IsNaN(d):
		return append(dst, "NaN"...)
	case math.IsInf(d, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(d, -1):
		return append(dst, "-Infinity"...)
	case a == 0 || a >= 1e-3 && a < 1e7:
		n := len(dst)
		dst = strconv.AppendFloat(dst, d, 'f', -1, 64)
		for _, c := range dst[n:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, ".0"...)
	}
	s := strconv.FormatFloat(d, 'e', -1, 64)
	e := len(s) - 1
	for s[e] != 'e' {
		e--
	}
	exp, _ := strconv.Atoi(s[e+1:])
	mant := s[:e]
	dst = append(dst, mant...)
	if len(mant) < 3 {
		dst = append(dst, ".0"...)
	}
	return strconv.AppendInt(append(dst, 'E'), int64(exp), 10)
}
