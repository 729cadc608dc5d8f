package value

import (
	"fmt"
	"unicode/utf8"
)

// AppendJSON writes v as compact JSON: keys in their order, numbers as they are.
// Characters are escaped as net.minidev's json-smart does for JSONPath.
func AppendJSON(m *Meter, dst []byte, v any) ([]byte, error) {
	e := encoder{m: m}
	return e.value(dst, v, m.MaxDepth)
}

// appendJSON is what json-smart's own toString writes: it also escapes slashes.
func appendJSON(m *Meter, dst []byte, v any, depth int) ([]byte, error) {
	e := encoder{m: m, slash: true}
	return e.value(dst, v, depth)
}

type encoder struct {
	m     *Meter
	slash bool
}

func (e *encoder) value(dst []byte, v any, depth int) ([]byte, error) {
	if depth <= 0 {
		return dst, fmt.Errorf("%w: value nested too deeply", ErrLimit)
	}
	if err := e.m.Step(1); err != nil {
		return dst, err
	}
	if err := e.m.Grow(textSize(v)); err != nil {
		return dst, err
	}
	switch v := v.(type) {
	case string:
		return e.str(dst, v), nil
	case *List:
		return e.list(dst, v, depth)
	case *Map:
		return e.object(dst, v, depth)
	case nil, bool, int32, int64, float64, Number:
		return appendScalar(dst, v), nil
	}
	if IsNumber(v) {
		return appendScalar(dst, v), nil
	}
	s, err := String(e.m, v)
	return e.str(dst, s), err
}

func (e *encoder) list(dst []byte, l *List, depth int) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, v := range l.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = e.value(dst, v, depth-1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func (e *encoder) object(dst []byte, m *Map, depth int) ([]byte, error) {
	dst = append(dst, '{')
	for i, en := range m.Entries() {
		if i > 0 {
			dst = append(dst, ',')
		}
		k, err := String(e.m, en.Key)
		if err != nil {
			return dst, err
		}
		dst = append(e.str(dst, k), ':')
		if dst, err = e.value(dst, en.Value, depth-1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

const hex = "0123456789ABCDEF"

func (e *encoder) str(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf && c != 0x7f {
			i++
			dst = e.ascii(dst, c)
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r >= 0x7f && r <= 0x9f || r >= 0x2000 && r <= 0x20ff {
			dst = appendUnicode(dst, uint16(r))
		} else {
			dst = utf8.AppendRune(dst, r)
		}
		i += n
	}
	return append(dst, '"')
}

func (e *encoder) ascii(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '/':
		if e.slash {
			return append(dst, '\\', c)
		}
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	if c < ' ' {
		return appendUnicode(dst, uint16(c))
	}
	return append(dst, c)
}

func appendUnicode(dst []byte, u uint16) []byte {
	return append(dst, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
}
