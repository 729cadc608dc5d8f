package sam

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// str is a value as Python prints it: what the ids of deployments hash, and what SAM's
// errors show of a template.
func str(v any) string {
	if t, ok := textOf(v); ok {
		return t
	}
	return repr(v)
}

// repr is a value as Python shows it within another.
func repr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return quote(v)
	case marked:
		return "u" + quoteMarked(string(v))
	case int:
		return strconv.Itoa(v)
	case json.Number:
		return numeral(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = repr(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *dict:
		parts := make([]string, 0, v.size())
		for _, n := range v.names() {
			parts = append(parts, repr(n.value())+": "+repr(v.get(n.text)))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// numeral is a number as Python prints it.
func numeral(n json.Number) string {
	if !strings.ContainsAny(n.String(), ".eE") {
		return n.String()
	}
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	out := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(out, ".") {
		out += ".0"
	}
	return out
}

// around puts a text, escaped but for quotes, between the quotes that Python chooses.
func around(text string) string {
	if !strings.Contains(text, "'") {
		return "'" + text + "'"
	}
	if !strings.Contains(text, `"`) {
		return `"` + text + `"`
	}
	return "'" + strings.ReplaceAll(text, "'", `\'`) + "'"
}

// quote is a text as Python 3 shows it: what one can see stays.
func quote(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r < 0x7f, !unicode.IsPrint(r):
			escape(&b, r)
		default:
			b.WriteRune(r)
		}
	}
	return around(b.String())
}

// quoteMarked is a text as Python 2.7 showed it: in ASCII.
func quoteMarked(text string) string {
	var b strings.Builder
	for _, r := range text {
		escape(&b, r)
	}
	return around(b.String())
}

func escape(b *strings.Builder, r rune) {
	switch {
	case r == '\\':
		b.WriteString(`\\`)
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r >= 0x20 && r < 0x7f:
		b.WriteRune(r)
	case r < 0x100:
		fmt.Fprintf(b, `\x%02x`, r)
	case r < 0x10000:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		fmt.Fprintf(b, `\U%08x`, r)
	}
}

// A style is how Python's json module was told to print.
type style struct {
	comma, colon string
	sorted       bool
	indent       int
}

var (
	compact = style{comma: ",", colon: ":", sorted: true} // what logical ids hash
	loose   = style{comma: ", ", colon: ": "}             // the module's own
	lines   = style{comma: ",", colon: ": ", sorted: true, indent: 4}
)

// dump is a value as Python's json module prints it.
func (s style) dump(v any) string {
	var b strings.Builder
	s.write(&b, v, 0)
	return b.String()
}

func (s style) write(b *strings.Builder, v any, level int) {
	switch v := v.(type) {
	case []any:
		s.members(b, '[', ']', len(v), level, func(i int) { s.write(b, v[i], level+1) })
	case *dict:
		names := v.names()
		if s.sorted {
			slices.SortStableFunc(names, func(a, b name) int { return strings.Compare(a.text, b.text) })
		}
		s.members(b, '{', '}', len(names), level, func(i int) {
			writeText(b, names[i].text)
			b.WriteString(s.colon)
			s.write(b, v.get(names[i].text), level+1)
		})
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	default:
		if t, ok := textOf(v); ok {
			writeText(b, t)
			return
		}
		b.WriteString(repr(v))
	}
}

func (s style) members(b *strings.Builder, open, end byte, n, level int, member func(i int)) {
	b.WriteByte(open)
	for i := range n {
		if i > 0 {
			b.WriteString(s.comma)
		}
		if s.indent > 0 {
			b.WriteString("\n" + strings.Repeat(" ", s.indent*(level+1)))
		}
		member(i)
	}
	if s.indent > 0 && n > 0 {
		b.WriteString("\n" + strings.Repeat(" ", s.indent*level))
	}
	b.WriteByte(end)
}

// writeText writes a text of JSON, in ASCII.
func writeText(b *strings.Builder, text string) {
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < 0x20 || r > 0x7e && r < 0x10000:
			fmt.Fprintf(b, `\u%04x`, r)
		case r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(b, `\u%04x\u%04x`, high, low)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}
