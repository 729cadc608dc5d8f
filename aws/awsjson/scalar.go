package awsjson

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// String consumes a string and returns a copy of it.
func (r *Reader) String() (string, error) {
	b, err := r.StringBytes()
	return string(b), err
}

// StringBytes consumes a string. The result is valid until the next call of a
// method of r, and lies in the Reader's buffer if the string has no escapes.
func (r *Reader) StringBytes() ([]byte, error) {
	if r.peek() != '"' {
		return nil, r.mismatch(String)
	}
	start := r.pos + 1
	ascii := true
	for i := start + plainRun(r.buf[start:]); i < len(r.buf); i++ {
		switch c := r.buf[i]; {
		case plain[c]:
		case c == '"':
			r.pos = i + 1
			if !ascii && !utf8.Valid(r.buf[start:i]) {
				return nil, r.notUTF8(start)
			}
			return r.buf[start:i:i], nil
		case c == '\\':
			return r.unescape(start, i)
		case c >= utf8.RuneSelf:
			ascii = false
		default:
			r.pos = i
			return nil, r.syntax("a control character in a string")
		}
	}
	r.pos = len(r.buf)
	return nil, r.syntax("")
}

// plain marks the bytes that stand for themselves within a string, be it read or
// written. Bytes from 0x80 on do too, once they are known to be UTF-8.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// plainRun is the length of a run of plain bytes that s begins with; it looks at
// eight at a time and stops short of the end of the run.
func plainRun(s []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; n+8 <= len(s); n += 8 {
		w := binary.LittleEndian.Uint64(s[n:])
		control := w - ' '*ones
		quote := (w ^ '"'*ones) - ones
		slash := (w ^ '\\'*ones) - ones
		if (w|control|quote|slash)&high != 0 {
			break
		}
	}
	return n
}

// unescape goes on with the string that begins at start and has its first escape
// at i, into the scratch buffer.
func (r *Reader) unescape(start, i int) ([]byte, error) {
	out := append(r.scratch[:0], r.buf[start:i]...)
	for i < len(r.buf) {
		switch c := r.buf[i]; {
		case c == '"':
			r.pos = i + 1
			r.scratch = out
			if !utf8.Valid(out) {
				return nil, r.notUTF8(start)
			}
			return out, nil
		case c == '\\':
			var n int
			if out, n = appendEscape(out, r.buf[i:]); n == 0 {
				r.pos = i
				return nil, r.syntax("a bad escape in a string")
			}
			i += n
		case c < ' ':
			r.pos = i
			return nil, r.syntax("a control character in a string")
		default:
			out = append(out, c)
			i++
		}
	}
	r.pos = len(r.buf)
	return nil, r.syntax("")
}

// notUTF8 is the error for the string that begins at start.
func (r *Reader) notUTF8(start int) error {
	for i := start; i < len(r.buf); {
		c, n := utf8.DecodeRune(r.buf[i:])
		if c == utf8.RuneError && n == 1 {
			start = i
			break
		}
		i += n
	}
	return &Error{Offset: start, Reason: "a string that is not UTF-8"}
}

// appendEscape appends what the escape at the start of s stands for, and returns
// the escape's length, 0 if it is none.
func appendEscape(out, s []byte) ([]byte, int) {
	if len(s) < 2 {
		return out, 0
	}
	switch s[1] {
	case '"', '\\', '/':
		return append(out, s[1]), 2
	case 'b':
		return append(out, '\b'), 2
	case 'f':
		return append(out, '\f'), 2
	case 'n':
		return append(out, '\n'), 2
	case 'r':
		return append(out, '\r'), 2
	case 't':
		return append(out, '\t'), 2
	case 'u':
		c := hex4(s)
		if c < 0 {
			return out, 0
		}
		if utf16.IsSurrogate(c) {
			if pair := utf16.DecodeRune(c, hex4(s[6:])); pair != utf8.RuneError {
				return utf8.AppendRune(out, pair), 12
			}
		}
		return utf8.AppendRune(out, c), 6 // half a pair becomes U+FFFD
	}
	return out, 0
}

// hex4 is the code of the \uXXXX at the start of s, -1 if there is none.
func hex4(s []byte) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	var v rune
	for _, c := range s[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		v = v<<4 | rune(c)
	}
	return v
}

// Number consumes a number and returns its text, which is part of the Reader's
// buffer: what precision means is for the caller to say.
func (r *Reader) Number() ([]byte, error) {
	if r.Kind() != Number {
		return nil, r.mismatch(Number)
	}
	start := r.pos
	if r.buf[r.pos] == '-' {
		r.pos++
	}
	if r.pos < len(r.buf) && r.buf[r.pos] == '0' {
		r.pos++
	} else if !r.digits() {
		return nil, r.syntax("a number without digits")
	}
	if r.pos < len(r.buf) && r.buf[r.pos] == '.' {
		r.pos++
		if !r.digits() {
			return nil, r.syntax("a fraction without digits")
		}
	}
	if r.pos < len(r.buf) && r.buf[r.pos]|0x20 == 'e' {
		r.pos++
		if r.pos < len(r.buf) && (r.buf[r.pos] == '+' || r.buf[r.pos] == '-') {
			r.pos++
		}
		if !r.digits() {
			return nil, r.syntax("an exponent without digits")
		}
	}
	return r.buf[start:r.pos:r.pos], nil
}

func (r *Reader) digits() bool {
	start := r.pos
	for r.pos < len(r.buf) && r.buf[r.pos]-'0' <= 9 {
		r.pos++
	}
	return r.pos > start
}

// Integral reports whether the text of a number has neither fraction nor exponent.
func Integral(number []byte) bool {
	for _, c := range number {
		if c == '.' || c|0x20 == 'e' {
			return false
		}
	}
	return true
}
