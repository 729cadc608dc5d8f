package pattern

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// An op is how a matcher compares.
type op byte

const (
	opExact op = iota // a string, number or word
	opPrefix
	opPrefixFold
	opSuffix
	opSuffixFold
	opFold
	opWildcard
	opRange
	opNetwork
	opNot // none of all
	opExists
	opAbsent
)

// A matcher is one element of a list in a pattern.
type matcher struct {
	op    op
	kind  kind   // of an exact value
	text  string // folded, where case does not count
	addr  netip.Addr
	net   netip.Prefix
	num   float64 // of an exact number, NaN if it is none that can be compared
	parts []string
	low   float64
	high  float64
	open  [2]bool   // whether the ends of a range are outside of it
	all   []matcher // what opNot refuses
}

// fold is s as it is compared where case does not count.
func fold(s string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, s)
}

// number is the number that a text says, NaN if no double is exactly that.
func number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	if n == 0 {
		n = 0 // -0 is 0
	}
	if len(text) > 15 && !sameNumber(n, text) {
		return math.NaN()
	}
	return n
}

// sameNumber reports whether the shortest text of n says the same number as text.
func sameNumber(n float64, text string) bool {
	a, x := digitsOf(strconv.FormatFloat(n, 'e', -1, 64))
	b, y := digitsOf(text)
	return a == b && x == y
}

// digitsOf are the digits of a number that count, and the power of ten of the last.
func digitsOf(text string) (digits string, power int) {
	text, negative := strings.CutPrefix(text, "-")
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		power, _ = strconv.Atoi(strings.TrimPrefix(text[i+1:], "+"))
		text = text[:i]
	}
	if i := strings.IndexByte(text, '.'); i >= 0 {
		power -= len(text) - i - 1
		text = text[:i] + text[i+1:]
	}
	short := strings.TrimRight(text, "0")
	power += len(text) - len(short)
	if short = strings.TrimLeft(short, "0"); short == "" {
		return "", 0
	}
	if negative {
		short = "-" + short
	}
	return short, power
}

// address is the IP address that a text says, the zero Addr if none.
func address(text string) netip.Addr {
	if len(text) < 2 || len(text) > 45 || strings.IndexByte(text, '%') >= 0 {
		return netip.Addr{}
	}
	if c := text[0]; c != ':' && !(c >= '0' && c <= '9') && !(c|0x20 >= 'a' && c|0x20 <= 'f') {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a
}

// A value is a leaf of an event.
type value struct {
	kind   kind
	text   string
	within []step // the elements of arrays that it lies in
}

// A step is an element of one of an event's arrays.
type step struct{ array, index int }

// matches reports whether m accepts v. It says nothing of absent values.
func (m *matcher) matches(v *value) bool {
	isText := v.kind == stringValue
	switch m.op {
	case opExact:
		return m.equals(v)
	case opPrefix:
		return isText && strings.HasPrefix(v.text, m.text)
	case opPrefixFold:
		return isText && strings.HasPrefix(fold(v.text), m.text)
	case opSuffix:
		return isText && strings.HasSuffix(v.text, m.text)
	case opSuffixFold:
		return isText && strings.HasSuffix(fold(v.text), m.text)
	case opFold:
		return isText && fold(v.text) == m.text
	case opWildcard:
		return isText && wild(m.parts, v.text)
	case opRange:
		return v.kind == numberValue && m.within(number(v.text))
	case opNetwork:
		if !isText {
			return false
		}
		a := address(v.text)
		return a.IsValid() && m.net.Contains(a)
	case opNot:
		return !slices.ContainsFunc(m.all, func(no matcher) bool { return no.matches(v) })
	case opExists:
		return true
	}
	return false
}

func (m *matcher) equals(v *value) bool {
	if m.kind != v.kind {
		return false
	}
	if m.text == v.text {
		return true
	}
	if m.kind == numberValue {
		return m.num == number(v.text) // never for NaN
	}
	return m.addr.IsValid() && m.addr == address(v.text)
}

func (m *matcher) within(n float64) bool {
	return (n > m.low || n == m.low && !m.open[0]) && (n < m.high || n == m.high && !m.open[1])
}

// wild matches a text against the parts between a pattern's wildcards.
func wild(parts []string, text string) bool {
	if len(parts) == 1 {
		return text == parts[0]
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, last)
}

// maxAlike is how many wildcards of one pattern may be followed by the same character.
// AWS counts the states that its automaton needs and gives no number; what its guide
// calls too complex is refused by this, and what it recommends is not.
const maxAlike = 4

const tooComplex = "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character"

// splitWildcard reads a wildcard pattern. AWS counts places with the quote in front.
func splitWildcard(text string) (parts []string, problem string) {
	var part []byte
	alike := map[byte]int{}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '*':
			if i+1 < len(text) && text[i+1] == '*' {
				return nil, "Consecutive wildcard characters at pos " + strconv.Itoa(i+1)
			}
			if i+1 < len(text) {
				if alike[text[i+1]]++; alike[text[i+1]] > maxAlike {
					return nil, tooComplex
				}
			}
			parts = append(parts, string(part))
			part = part[:0]
		case '\\':
			if i+1 >= len(text) || text[i+1] != '*' && text[i+1] != '\\' {
				return nil, "Invalid escape character at pos " + strconv.Itoa(i+1)
			}
			i++
			part = append(part, text[i])
		default:
			part = append(part, c)
		}
	}
	return append(parts, string(part)), ""
}
