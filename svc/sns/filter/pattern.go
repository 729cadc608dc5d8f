package filter

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
)

// A value is a scalar of a message.
type value struct {
	kind kind
	text string
}

// scalar is a decoded JSON value as one.
func scalar(x any) (value, bool) {
	switch x := x.(type) {
	case nil:
		return value{tokNull, ""}, true
	case bool:
		if x {
			return value{tokTrue, ""}, true
		}
		return value{tokFalse, ""}, true
	case string:
		return value{tokString, x}, true
	case json.Number:
		return value{tokNumber, x.String()}, true
	}
	return value{}, false
}

// An op is how a pattern matches.
type op byte

const (
	opEquals op = iota
	opAnythingBut
	opAnythingButPrefix
	opPrefix
	opSuffix
	opIgnoreCase
	opNumeric
	opExists
	opCIDR
)

// A pattern is one of those that a key's values are held against.
type pattern struct {
	op      op
	one     value   // equals
	texts   string  // prefix, suffix, equals-ignore-case
	not     []value // anything-but
	exists  bool
	ranges  [2]bound // numeric
	network netip.Prefix
}

// A bound is one end of a range of numbers; op "" is none.
type bound struct {
	op string
	n  float64
}

func (p *pattern) match(v *value) bool {
	switch p.op {
	case opEquals:
		return p.one.equals(v)
	case opAnythingBut:
		if v.kind == tokNull {
			return false
		}
		for i := range p.not {
			if p.not[i].equals(v) {
				return false
			}
		}
		return true
	case opNumeric:
		n, ok := v.number()
		return ok && p.ranges[0].holds(n) && p.ranges[1].holds(n)
	}
	if v.kind != tokString {
		return false
	}
	switch p.op {
	case opAnythingButPrefix:
		return !strings.HasPrefix(v.text, p.texts)
	case opPrefix:
		return strings.HasPrefix(v.text, p.texts)
	case opSuffix:
		return strings.HasSuffix(v.text, p.texts)
	case opIgnoreCase:
		return strings.EqualFold(v.text, p.texts)
	case opCIDR:
		ip, err := netip.ParseAddr(v.text)
		return err == nil && p.network.Contains(ip)
	}
	return false
}

func (v *value) equals(w *value) bool {
	if v.kind != w.kind {
		return false
	}
	if v.kind != tokNumber || v.text == w.text {
		return v.text == w.text
	}
	a, ok := v.number()
	b, ok2 := w.number()
	return ok && ok2 && a == b
}

func (v *value) number() (float64, bool) {
	if v.kind != tokNumber {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(v.text), 64)
	return n, err == nil
}

func (b *bound) holds(n float64) bool {
	switch b.op {
	case "=":
		return n == b.n
	case "<":
		return n < b.n
	case "<=":
		return n <= b.n
	case ">":
		return n > b.n
	case ">=":
		return n >= b.n
	}
	return true
}
