package value

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

func growProduct(m *Meter, a, b int) error {
	if b != 0 && a > math.MaxInt32/b {
		return m.Grow(-1)
	}
	return m.Grow(a * b)
}

func replace(m *Meter, s, old, by string) (any, error) {
	n := strings.Count(s, old)
	if err := growProduct(m, n, len(by)); err != nil {
		return nil, err
	}
	return strings.ReplaceAll(s, old, by), m.Grow(len(s))
}

// scan pays for a run of a pattern over s.
func scan(m *Meter, s, expr string) (*regexp.Regexp, error) {
	if err := m.Step(1 + len(s)*(1+len(expr)/64)/4); err != nil {
		return nil, err
	}
	return m.pattern(expr)
}

func matches(m *Meter, s, expr string) (any, error) {
	if _, err := m.pattern(expr); err != nil { // so that the message shows the pattern as written
		return nil, err
	}
	re, err := scan(m, s, `\A(?:`+expr+`)\z`)
	if err != nil {
		return nil, err
	}
	return re.MatchString(s), nil
}

// split is String.split: limit 0 drops empty strings at the end, a positive one
// bounds the number of pieces, a negative one keeps everything. An empty match
// at the beginning gives no piece, and an unmatched string is its only piece.
func split(m *Meter, s, expr string, limit int) (any, error) {
	var cuts [][]int
	if lit, ok := literal(expr); ok {
		cuts = literalCuts(s, lit, m.most())
	} else {
		re, err := scan(m, s, expr)
		if err != nil {
			return nil, err
		}
		cuts = re.FindAllStringIndex(s, m.most())
	}
	if err := m.Grow((len(cuts) + 1) * matchSize); err != nil {
		return nil, err
	}
	if err := m.Step(1 + len(cuts)/16); err != nil {
		return nil, err
	}
	var parts []any
	at := 0
	for _, c := range cuts {
		if limit > 0 && len(parts) == limit-1 {
			break
		}
		if c[1] == 0 || c[0] == c[1] && c[0] == len(s) {
			continue
		}
		parts = append(parts, s[at:c[0]])
		at = c[1]
	}
	if parts == nil {
		return &List{items: []any{s}, kind: Array}, nil
	}
	parts = append(parts, s[at:])
	for limit == 0 && len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return &List{items: parts, kind: Array}, nil
}

// literal is a pattern that is plain text: one character, or one escaped.
func literal(expr string) (string, bool) {
	if len(expr) == 2 && expr[0] == '\\' && regexp.QuoteMeta(expr[1:]) == expr {
		return expr[1:], true
	}
	return expr, expr != "" && regexp.QuoteMeta(expr) == expr
}

func literalCuts(s, sep string, most int) [][]int {
	var cuts [][]int
	for at := 0; ; {
		i := strings.Index(s[at:], sep)
		if i < 0 || len(cuts) == most {
			return cuts
		}
		cuts = append(cuts, []int{at + i, at + i + len(sep)})
		at += i + len(sep)
	}
}

// replacePattern is replaceAll and replaceFirst: in by, $1 is a group, ${name}
// a named one, and a backslash takes the next character as it is.
func replacePattern(m *Meter, s, expr, by string, n int) (any, error) {
	re, err := scan(m, s, expr)
	if err != nil {
		return nil, err
	}
	var out []byte
	at := 0
	if most := m.most(); n < 0 {
		n = most
	}
	for _, loc := range re.FindAllStringSubmatchIndex(s, n) {
		was := len(out)
		out = append(out, s[at:loc[0]]...)
		if out, err = expand(re, out, by, s, loc); err != nil {
			return nil, err
		}
		if err := m.Grow(len(out) - was + matchSize); err != nil {
			return nil, err
		}
		if err := m.Step(1); err != nil {
			return nil, err
		}
		at = loc[1]
	}
	return string(append(out, s[at:]...)), m.Grow(2 * len(s))
}

func expand(re *regexp.Regexp, dst []byte, by, s string, loc []int) ([]byte, error) {
	for i := 0; i < len(by); i++ {
		switch by[i] {
		case '\\':
			if i++; i == len(by) {
				return dst, throw("IllegalArgumentException", "character to be escaped is missing")
			}
			dst = append(dst, by[i])
		case '$':
			g, next, err := group(re, by, i+1)
			if err != nil {
				return dst, err
			}
			if loc[2*g] >= 0 {
				dst = append(dst, s[loc[2*g]:loc[2*g+1]]...)
			}
			i = next - 1
		default:
			dst = append(dst, by[i])
		}
	}
	return dst, nil
}

// group reads a group's number or name at by[i:], and where it ends. Further
// digits belong to the number only while there is such a group.
func group(re *regexp.Regexp, by string, i int) (g, next int, err error) {
	if i < len(by) && by[i] == '{' {
		end := strings.IndexByte(by[i:], '}')
		if end > 0 {
			if g := re.SubexpIndex(by[i+1 : i+end]); g >= 0 {
				return g, i + end + 1, nil
			}
		}
		return 0, 0, throw("IllegalArgumentException", "No such named group")
	}
	if i == len(by) || by[i] < '0' || by[i] > '9' {
		return 0, 0, throw("IllegalArgumentException", "Illegal group reference")
	}
	g = int(by[i] - '0')
	if g > re.NumSubexp() {
		return 0, 0, throw("IndexOutOfBoundsException", fmt.Sprintf("No group %d", g))
	}
	for i++; i < len(by) && by[i] >= '0' && by[i] <= '9' && g*10+int(by[i]-'0') <= re.NumSubexp(); i++ {
		g = g*10 + int(by[i]-'0')
	}
	return g, i, nil
}
