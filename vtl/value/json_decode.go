package value

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"unicode/utf8"
)

// MaxJSONDepth is how deeply arrays and objects may nest in JSON.
const MaxJSONDepth = 500

// DecodeJSON reads one JSON document strictly (RFC 8259). Objects keep their key
// order (a key that comes twice keeps its first place and its last value),
// integers stay exact, other numbers keep their text.
func DecodeJSON(text string) (any, error) {
	d := decoder{text: text}
	d.space()
	v, err := d.value(MaxJSONDepth)
	if err != nil {
		return nil, err
	}
	d.space()
	if d.pos < len(text) {
		return nil, d.fail("unexpected text after the value")
	}
	return v, nil
}

type decoder struct {
	text string
	pos  int
}

func (d *decoder) fail(what string) error {
	return fmt.Errorf("JSON: %s at offset %d", what, d.pos)
}

func (d *decoder) space() {
	for d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

func (d *decoder) peek() byte {
	if d.pos < len(d.text) {
		return d.text[d.pos]
	}
	return 0
}

func (d *decoder) value(depth int) (any, error) {
	if depth == 0 {
		return nil, d.fail("nested too deeply")
	}
	switch c := d.peek(); {
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == '"':
		return d.str()
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	case d.word("true"):
		return true, nil
	case d.word("false"):
		return false, nil
	case d.word("null"):
		return nil, nil
	}
	return nil, d.fail("a value was expected")
}

func (d *decoder) word(w string) bool {
	if len(d.text)-d.pos < len(w) || d.text[d.pos:d.pos+len(w)] != w {
		return false
	}
	d.pos += len(w)
	return true
}

func (d *decoder) object(depth int) (any, error) {
	m := NewMap(4)
	d.pos++
	d.space()
	if d.peek() == '}' {
		d.pos++
		return m, nil
	}
	for {
		d.space()
		if d.peek() != '"' {
			return nil, d.fail("a key was expected")
		}
		k, err := d.str()
		if err != nil {
			return nil, err
		}
		d.space()
		if d.peek() != ':' {
			return nil, d.fail("':' was expected")
		}
		d.pos++
		d.space()
		v, err := d.value(depth - 1)
		if err != nil {
			return nil, err
		}
		m.Put(k, v)
		if done, err := d.next('}'); done || err != nil {
			return m, err
		}
	}
}

func (d *decoder) array(depth int) (any, error) {
	l := &List{kind: FromJSON}
	d.pos++
	d.space()
	if d.peek() == ']' {
		d.pos++
		return l, nil
	}
	for {
		d.space()
		v, err := d.value(depth - 1)
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, v)
		if done, err := d.next(']'); done || err != nil {
			return l, err
		}
	}
}

// next reads a comma or the closing bracket.
func (d *decoder) next(end byte) (done bool, err error) {
	d.space()
	switch d.peek() {
	case end:
		d.pos++
		return true, nil
	case ',':
		d.pos++
		return false, nil
	}
	return false, d.fail("',' or '" + string(end) + "' was expected")
}

func (d *decoder) str() (string, error) {
	start := d.pos
	for i := d.pos + 1; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case c == '"':
			d.pos = i + 1
			if raw := d.text[start+1 : i]; utf8.ValidString(raw) {
				return raw, nil
			}
			return d.unquote(start, i+1)
		case c == '\\':
			return d.escaped(start, i)
		case c < ' ':
			d.pos = i
			return "", d.fail("a control character in a string")
		}
	}
	return "", d.fail("a string does not end")
}

func (d *decoder) escaped(start, i int) (string, error) {
	for ; i < len(d.text); i++ {
		switch d.text[i] {
		case '\\':
			i++
		case '"':
			d.pos = i + 1
			return d.unquote(start, i+1)
		}
	}
	return "", d.fail("a string does not end")
}

func (d *decoder) unquote(start, end int) (string, error) {
	var s string
	if err := json.Unmarshal([]byte(d.text[start:end]), &s); err != nil {
		d.pos = start
		return "", d.fail("a bad string")
	}
	return s, nil
}

func (d *decoder) number() (any, error) {
	start := d.pos
	digits := func() bool {
		from := d.pos
		for c := d.peek(); c >= '0' && c <= '9'; c = d.peek() {
			d.pos++
		}
		return d.pos > from
	}
	if d.peek() == '-' {
		d.pos++
	}
	zero := d.peek() == '0'
	first := d.pos
	ok := digits() && (!zero || d.pos == first+1)
	whole := true
	if d.peek() == '.' {
		d.pos++
		whole, ok = false, digits() && ok
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		d.pos++
		if c := d.peek(); c == '+' || c == '-' {
			d.pos++
		}
		whole, ok = false, digits() && ok
	}
	if !ok {
		return nil, d.fail("a bad number")
	}
	text := d.text[start:d.pos]
	if !whole || text == "-0" {
		return Number(text), nil
	}
	return ParseInt(text), nil
}

// maxDigits is the longest integer that is calculated with; a longer one keeps
// its text and calculates as a double.
const maxDigits = 1000

// ParseInt is the Integer, Long or BigInteger of decimal digits.
func ParseInt(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Int(n)
	}
	if b, ok := new(big.Int).SetString(text, 10); ok && len(text) <= maxDigits {
		return b
	}
	return Number(text)
}
