package value

import (
	"strings"

	"github.com/tule-cloud/tule/api/dynamodb"
)

// AppendKey appends bytes that sort as key attributes do: strings by their UTF-8,
// binaries by their bytes, numbers by their value.
//
// A number begins with 0x80 if it is zero, with a higher byte if it is positive
// and a lower one if it is negative. A positive one goes on with its exponent and
// its digits, two to a byte; a negative one with the complements of these and FF.
func AppendKey(b []byte, v dynamodb.AttributeValue) []byte {
	if v.Type() != dynamodb.TypeN {
		return append(b, v.Text()...)
	}
	n, err := ParseNumber(v.Text())
	if err != nil || n.digits == "" {
		return append(b, 0x80)
	}
	start := len(b) + 1
	b = append(b, 0x81, byte(n.exp-minExponent))
	for i := 0; i < len(n.digits); i += 2 {
		pair := (n.digits[i] - '0') * 10
		if i+1 < len(n.digits) {
			pair += n.digits[i+1] - '0'
		}
		b = append(b, pair+1)
	}
	if n.negative {
		b[start-1] = 0x7f
		for i := start; i < len(b); i++ {
			b[i] = ^b[i]
		}
		b = append(b, 0xff)
	}
	return b
}

// Compare is less than, equal to or greater than zero as a sorts before, with or
// after b; not ok if they are not of one type that has an order.
func Compare(a, b dynamodb.AttributeValue) (order int, ok bool) {
	if a.Type() != b.Type() {
		return 0, false
	}
	switch a.Type() {
	case dynamodb.TypeS, dynamodb.TypeB:
		return strings.Compare(a.Text(), b.Text()), true
	case dynamodb.TypeN:
		return compareNumbers(a.Text(), b.Text()), true
	}
	return 0, false
}

func compareNumbers(a, b string) int {
	if a == b {
		return 0
	}
	n, _ := ParseNumber(a)
	m, _ := ParseNumber(b)
	return n.Compare(m)
}

// Equal reports whether two values are the same. Sets have no order, numbers are
// in plain notation.
func Equal(a, b dynamodb.AttributeValue) bool {
	if a.Type() != b.Type() {
		return false
	}
	switch a.Type() {
	case dynamodb.TypeBOOL:
		return a.Truth() == b.Truth()
	case dynamodb.TypeSS, dynamodb.TypeNS, dynamodb.TypeBS:
		return len(a.Elements()) == len(b.Elements()) && len(Subtract(a.Elements(), b.Elements())) == 0
	case dynamodb.TypeL:
		x, y := a.List(), b.List()
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if !Equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case dynamodb.TypeM:
		return EqualItems(a.Fields(), b.Fields())
	}
	return a.Text() == b.Text()
}

// EqualItems reports whether two items have the same attributes.
func EqualItems(a, b dynamodb.Item) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || !Equal(a[i].Value, b[i].Value) {
			return false
		}
	}
	return true
}

// Subtract are the elements of a set that are not in another, in their order.
func Subtract(set, other []string) []string {
	in := make(map[string]bool, len(other))
	for _, e := range other {
		in[e] = true
	}
	var out []string
	for _, e := range set {
		if !in[e] {
			out = append(out, e)
		}
	}
	return out
}
