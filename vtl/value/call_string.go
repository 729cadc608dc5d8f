package value

import (
	"strings"
	"unicode"
	"unicode/utf16"
)

func callString(m *Meter, s, name string, args []any) (any, error) {
	if err := m.Step(1 + len(s)/bytesPerStep); err != nil {
		return nil, err
	}
	switch len(args) {
	case 0:
		return string0(m, s, name)
	case 1:
		return string1(m, s, name, args[0])
	case 2:
		return string2(m, s, name, args[0], args[1])
	}
	if name == "format" {
		return nil, ErrNoMethod
	}
	return stringMore(s, name, args)
}

func string0(m *Meter, s, name string) (any, error) {
	switch name {
	case "length":
		return int32(units(s)), nil
	case "isEmpty":
		return s == "", nil
	case "isBlank":
		return strings.TrimFunc(s, unicode.IsSpace) == "", nil
	case "trim":
		return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }), nil
	case "strip":
		return strings.TrimFunc(s, unicode.IsSpace), nil
	case "toLowerCase":
		return strings.ToLower(s), m.Grow(len(s))
	case "toUpperCase":
		return strings.ToUpper(s), m.Grow(len(s))
	case "intern":
		return s, nil
	case "toCharArray":
		return chars(m, s)
	}
	return callAny(m, s, name, nil)
}

func chars(m *Meter, s string) (any, error) {
	if err := m.Grow(slot * len(s)); err != nil {
		return nil, err
	}
	l := &List{kind: Array}
	for _, u := range utf16.Encode([]rune(s)) {
		l.items = append(l.items, Char(u))
	}
	return l, nil
}

func string1(m *Meter, s, name string, a any) (any, error) {
	if n, ok := asInt(a); ok {
		if v, err := stringAt(m, s, name, n); err != ErrNoMethod {
			return v, err
		}
	}
	switch name {
	case "equals":
		return a == any(s), nil
	case "valueOf", "copyValueOf":
		return String(m, a)
	}
	o, ok := a.(string)
	if !ok {
		return nil, ErrNoMethod
	}
	switch name {
	case "concat":
		return s + o, m.Grow(len(s) + len(o))
	case "contains":
		return strings.Contains(s, o), nil
	case "startsWith":
		return strings.HasPrefix(s, o), nil
	case "endsWith":
		return strings.HasSuffix(s, o), nil
	case "equalsIgnoreCase":
		return equalFold(s, o), nil
	case "contentEquals":
		return s == o, nil
	case "compareTo":
		return compareUnits(s, o), nil
	case "compareToIgnoreCase":
		return compareUnits(fold(s), fold(o)), nil
	case "indexOf":
		return int32(unitIndex(s, strings.Index(s, o))), nil
	case "lastIndexOf":
		return int32(unitIndex(s, strings.LastIndex(s, o))), nil
	case "matches":
		return matches(m, s, o)
	case "split":
		return split(m, s, o, 0)
	}
	return nil, ErrNoMethod
}

// stringAt is the methods that take one int.
func stringAt(m *Meter, s, name string, n int) (any, error) {
	switch name {
	case "charAt", "codePointAt":
		u := newUTF16(s)
		if n < 0 || n >= u.len() {
			return nil, throw("StringIndexOutOfBoundsException", "index "+itoa(n)+", length "+itoa(u.len()))
		}
		if name == "codePointAt" {
			return u.codePoint(n), nil
		}
		return u.at(n), nil
	case "substring":
		return substring(s, n, -1)
	case "indexOf":
		return int32(unitIndex(s, strings.IndexRune(s, rune(n)))), nil
	case "lastIndexOf":
		return int32(unitIndex(s, strings.LastIndex(s, string(rune(n))))), nil
	case "repeat":
		if n < 0 {
			return nil, throw("IllegalArgumentException", "count is negative: "+itoa(n))
		}
		if err := growProduct(m, n, len(s)); err != nil {
			return nil, err
		}
		return strings.Repeat(s, n), nil
	}
	return nil, ErrNoMethod
}

func string2(m *Meter, s, name string, a, b any) (any, error) {
	switch x := a.(type) {
	case string:
		return string2s(m, s, name, x, b)
	case int32:
		if y, ok := asInt(b); ok && (name == "substring" || name == "subSequence") {
			if y < 0 {
				return nil, throw("StringIndexOutOfBoundsException", "begin "+itoa(int(x))+", end "+itoa(y)+", length "+itoa(units(s)))
			}
			return substring(s, int(x), y)
		}
	case Char:
		if y, ok := b.(Char); ok && name == "replace" {
			return strings.ReplaceAll(s, string(rune(x)), string(rune(y))), m.Grow(3 * len(s))
		}
	}
	return nil, ErrNoMethod
}

func string2s(m *Meter, s, name, x string, b any) (any, error) {
	if n, ok := asInt(b); ok {
		switch name {
		case "split":
			return split(m, s, x, n)
		case "indexOf":
			return indexFrom(s, x, n), nil
		case "lastIndexOf":
			return lastIndexFrom(s, x, n), nil
		case "startsWith":
			u := newUTF16(s)
			return n >= 0 && n <= u.len() && strings.HasPrefix(u.sub(n, u.len()), x), nil
		}
		return nil, ErrNoMethod
	}
	y, ok := b.(string)
	if !ok {
		return nil, ErrNoMethod
	}
	switch name {
	case "replace":
		return replace(m, s, x, y)
	case "replaceAll":
		return replacePattern(m, s, x, y, -1)
	case "replaceFirst":
		return replacePattern(m, s, x, y, 1)
	}
	return nil, ErrNoMethod
}

func stringMore(s, name string, args []any) (any, error) {
	if name != "regionMatches" || len(args) < 4 || len(args) > 5 {
		return nil, ErrNoMethod
	}
	ignore := false
	if len(args) == 5 {
		var ok bool
		if ignore, ok = args[0].(bool); !ok {
			return nil, ErrNoMethod
		}
		args = args[1:]
	}
	at, ok1 := asInt(args[0])
	o, ok2 := args[1].(string)
	from, ok3 := asInt(args[2])
	n, ok4 := asInt(args[3])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return nil, ErrNoMethod
	}
	u, w := newUTF16(s), newUTF16(o)
	if at < 0 || from < 0 || at > u.len()-n || from > w.len()-n {
		return false, nil
	}
	if n <= 0 {
		return true, nil
	}
	x, y := u.sub(at, at+n), w.sub(from, from+n)
	return x == y || ignore && equalFold(x, y), nil
}
