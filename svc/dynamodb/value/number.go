package value

import (
	"math/big"
	"strings"
)

// What a number holds.
const (
	maxDigits   = 38
	maxExponent = 125
	minExponent = -130
)

// A Number is a decimal: 0.d₁d₂d₃… × 10^(exp+1). The zero value is zero.
type Number struct {
	negative bool
	exp      int    // the power of ten of the first digit
	digits   string // significant ones only: neither the first nor the last is 0
}

// Plain checks the text of a number and returns it in plain notation.
func Plain(text string) (string, error) {
	if plainInteger(text) {
		return text, nil
	}
	n, err := ParseNumber(text)
	if err != nil {
		return "", err
	}
	return n.String(), nil
}

// plainInteger reports whether text is the plain notation of a not too long
// integer, as most numbers are.
func plainInteger(text string) bool {
	if len(text) == 0 || len(text) > maxDigits || text[0] == '0' && len(text) > 1 {
		return false
	}
	for i := range len(text) {
		if text[i]-'0' > 9 {
			return false
		}
	}
	return true
}

// ParseNumber reads the text of a number, in AWS's words if it is none.
func ParseNumber(text string) (Number, error) {
	n, ok := scan(text)
	switch {
	case text == "":
		return n, Invalid("The parameter cannot be converted to a numeric value")
	case !ok:
		return n, Invalid("The parameter cannot be converted to a numeric value: %s", text)
	}
	return n, n.check()
}

func (n Number) check() error {
	switch {
	case n.digits == "":
		return nil
	case n.exp > maxExponent:
		return Invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case n.exp < minExponent:
		return Invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	case len(n.digits) > maxDigits:
		return Invalid("Attempting to store more than 38 significant digits in a Number")
	}
	return nil
}

// scan reads [+-]digits[.digits][e[+-]digits].
func scan(text string) (n Number, ok bool) {
	s := text
	if s != "" && (s[0] == '+' || s[0] == '-') {
		n.negative = s[0] == '-'
		s = s[1:]
	}
	whole := run(s)
	s = s[len(whole):]
	fraction := ""
	if s != "" && s[0] == '.' {
		fraction = run(s[1:])
		s = s[1+len(fraction):]
	}
	if whole == "" && fraction == "" {
		return Number{}, false
	}
	exp, ok := exponent(s)
	if !ok {
		return Number{}, false
	}
	n.exp = exp + len(whole) - 1
	digits := whole
	if fraction != "" {
		digits = whole + fraction
	}
	trimmed := strings.TrimLeft(digits, "0")
	n.exp -= len(digits) - len(trimmed)
	n.digits = strings.TrimRight(trimmed, "0")
	if n.digits == "" {
		n = Number{}
	}
	return n, true
}

func run(s string) string {
	i := 0
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	return s[:i]
}

// exponent reads e[+-]digits or nothing. An exponent that is out of any range
// stays so, whatever digits come with it.
func exponent(s string) (int, bool) {
	if s == "" {
		return 0, true
	}
	if s[0]|0x20 != 'e' {
		return 0, false
	}
	s = s[1:]
	negative := false
	if s != "" && (s[0] == '+' || s[0] == '-') {
		negative = s[0] == '-'
		s = s[1:]
	}
	if s == "" || run(s) != s {
		return 0, false
	}
	const far = 1 << 40
	exp := 0
	for i := range len(s) {
		exp = min(exp*10+int(s[i]-'0'), far)
	}
	if negative {
		exp = -exp
	}
	return exp, true
}

// String is the number in plain notation.
func (n Number) String() string {
	if n.digits == "" {
		return "0"
	}
	b := make([]byte, 0, len(n.digits)+max(n.exp, -n.exp)+3)
	if n.negative {
		b = append(b, '-')
	}
	whole := n.exp + 1 // digits before the point
	if whole <= 0 {
		b = append(b, "0."...)
		for range -whole {
			b = append(b, '0')
		}
		return string(append(b, n.digits...))
	}
	if whole >= len(n.digits) {
		b = append(b, n.digits...)
		for range whole - len(n.digits) {
			b = append(b, '0')
		}
		return string(b)
	}
	b = append(append(b, n.digits[:whole]...), '.')
	return string(append(b, n.digits[whole:]...))
}

// Compare is less than, equal to or greater than zero as n is less than, equal to
// or greater than m.
func (n Number) Compare(m Number) int {
	if s := n.sign() - m.sign(); s != 0 {
		return s
	}
	c := n.exp - m.exp
	if c == 0 {
		c = strings.Compare(n.digits, m.digits)
	}
	if n.negative {
		return -c
	}
	return c
}

func (n Number) sign() int {
	switch {
	case n.digits == "":
		return 0
	case n.negative:
		return -1
	}
	return 1
}

// Add is n + m. A sum that a number cannot hold is an error.
func (n Number) Add(m Number) (Number, error) {
	low := min(n.last(), m.last())
	sum := new(big.Int).Add(n.scaled(low), m.scaled(low))
	r := Number{negative: sum.Sign() < 0}
	text := sum.Abs(sum).String()
	r.digits = strings.TrimRight(text, "0")
	if r.digits == "" {
		return Number{}, nil
	}
	r.exp = len(text) - 1 + low
	return r, r.check()
}

// Subtract is n − m.
func (n Number) Subtract(m Number) (Number, error) {
	m.negative = !m.negative
	return n.Add(m)
}

// last is the power of ten of the last digit.
func (n Number) last() int { return n.exp - len(n.digits) + 1 }

// scaled is n as an integer in units of 10^low, which is no higher than n's last
// digit.
func (n Number) scaled(low int) *big.Int {
	i, ok := new(big.Int).SetString("0"+n.digits, 10)
	if !ok {
		return new(big.Int)
	}
	if n.digits != "" {
		i.Mul(i, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n.last()-low)), nil))
	}
	if n.negative {
		i.Neg(i)
	}
	return i
}
