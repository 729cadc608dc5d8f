package value

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

func itoa(n int) string { return strconv.Itoa(n) }

// text16 is a string by its UTF-16 units; ASCII, which is nearly everything,
// is not copied.
type text16 struct {
	ascii string
	wide  []uint16
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func newUTF16(s string) text16 {
	if isASCII(s) {
		return text16{ascii: s}
	}
	return text16{wide: utf16.Encode([]rune(s))}
}

func (t text16) len() int {
	if t.wide != nil {
		return len(t.wide)
	}
	return len(t.ascii)
}

func (t text16) at(i int) Char {
	if t.wide != nil {
		return Char(t.wide[i])
	}
	return Char(t.ascii[i])
}

func (t text16) codePoint(i int) int32 {
	if t.wide != nil && i+1 < len(t.wide) {
		if r := utf16.DecodeRune(rune(t.wide[i]), rune(t.wide[i+1])); r != unicode.ReplacementChar {
			return r
		}
	}
	return int32(t.at(i))
}

func (t text16) sub(i, j int) string {
	if t.wide != nil {
		return string(utf16.Decode(t.wide[i:j]))
	}
	return t.ascii[i:j]
}

func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// unitIndex turns a byte offset into an index of UTF-16 units.
func unitIndex(s string, i int) int {
	if i <= 0 {
		return i
	}
	return units(s[:i])
}

// substring is s.substring(i, j); j < 0 stands for the end.
func substring(s string, i, j int) (any, error) {
	u := newUTF16(s)
	end := j
	if j < 0 {
		end = u.len()
	}
	if i < 0 || end > u.len() || i > end {
		return nil, throw("StringIndexOutOfBoundsException", "begin "+itoa(i)+", end "+itoa(end)+", length "+itoa(u.len()))
	}
	return u.sub(i, end), nil
}

func indexFrom(s, x string, from int) int32 {
	u := newUTF16(s)
	from = min(max(from, 0), u.len())
	rest := u.sub(from, u.len())
	i := strings.Index(rest, x)
	if i < 0 {
		return -1
	}
	return int32(from + unitIndex(rest, i))
}

func lastIndexFrom(s, x string, from int) int32 {
	if from < 0 {
		return -1
	}
	u := newUTF16(s)
	head := u.sub(0, min(from+units(x), u.len()))
	if from > u.len() {
		head = s
	}
	return int32(unitIndex(head, strings.LastIndex(head, x)))
}

func compareUnits(a, b string) int32 {
	x, y := newUTF16(a), newUTF16(b)
	for i := range min(x.len(), y.len()) {
		if x.at(i) != y.at(i) {
			return int32(x.at(i)) - int32(y.at(i))
		}
	}
	return int32(x.len() - y.len())
}

func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
