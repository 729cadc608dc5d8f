package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// check is the text of the check tag for a use of shape name: what the model
// says of its length, range, pattern and values, and of its elements'. The form
// is documented in wire, which reads it.
func (g *generator) check(name string, depth int) string {
	s := g.m.Shapes[name]
	if s == nil || depth > 4 || g.p.Types[name] != "" {
		return ""
	}
	var parts []string
	if s.Min != nil || s.Max != nil {
		word := "len"
		switch s.Type {
		case "integer", "long", "float", "double":
			word = "range"
		}
		parts = append(parts, word+":"+bound(s.Min)+".."+bound(s.Max))
	}
	if len(s.Enum) > 0 && !slices.Contains(g.p.Unchecked, name) {
		parts = append(parts, "enum:"+strings.Join(s.Enum, "|"))
	}
	if s.Pattern != "" {
		parts = append(parts, g.pattern(name, s.Pattern)...)
	}
	switch s.Type {
	case "list":
		if c := g.check(s.Member.Shape, depth+1); c != "" {
			parts = append(parts, "["+c+"]")
		}
	case "map":
		if c := g.check(s.Value.Shape, depth+1); c != "" {
			parts = append(parts, "["+c+"]")
		}
		if c := g.check(s.Key.Shape, depth+1); c != "" {
			parts = append(parts, "{"+c+"}")
		}
	}
	return strings.Join(parts, " ")
}

func bound(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'f', -1, 64)
}

var (
	surrogates = strings.NewReplacer(
		`\ud800\udc00-\udbff\udfff`, `\x{10000}-\x{10FFFF}`,
		`\uD800\uDC00-\uDBFF\uDFFF`, `\x{10000}-\x{10FFFF}`,
		`\u10000-\u10FFFF`, `\x{10000}-\x{10FFFF}`,
		`\p{IsAlphabetic}`, `\p{L}`, `\-`, `\x2D`)
	javaClass     = regexp.MustCompile(`\\p\{(Alnum|Alpha|ASCII|Blank|Digit|Graph|Lower|Print|Punct|Space|Upper)\}`)
	unicodeEscape = regexp.MustCompile(`\\u([0-9a-fA-F]{4})`)
	repetition    = regexp.MustCompile(`\{(\d+),(\d+)\}`)
	exactly       = regexp.MustCompile(`\{([1-9]\d{3,})\}`)
)

// pattern is the match part for a Java pattern, with its original text where Go's
// differs. Go repeats at most 1,000 times, which is fine: a pattern with a larger
// count stands beside a length.
func (g *generator) pattern(name, java string) []string {
	re := java
	if replaced, ok := g.p.Patterns[name]; ok {
		re = replaced
	} else {
		re = exactly.ReplaceAllString(re, "{1000,}")
		re = repetition.ReplaceAllStringFunc(re, func(m string) string {
			lo, hi, _ := strings.Cut(strings.Trim(m, "{}"), ",")
			if n, _ := strconv.Atoi(hi); n <= 1000 {
				return m
			}
			if n, _ := strconv.Atoi(lo); n > 1000 {
				lo = "1000"
			}
			return "{" + lo + ",}"
		})
		re = unicodeEscape.ReplaceAllString(surrogates.Replace(re), `\x{$1}`)
		re = posix(re)
	}
	if re == "" {
		return nil
	}
	if _, err := regexp.Compile("^(?:" + re + ")$"); err != nil {
		// Nested counts may still multiply past Go's bound.
		loose := repetition.ReplaceAllString(re, "{$1,}")
		if _, err := regexp.Compile("^(?:" + loose + ")$"); err != nil {
			g.problems = append(g.problems, fmt.Sprintf("pattern of %s: %v", name, err))
			return nil
		}
		re = loose
	}
	out := []string{"match:" + strconv.Quote(re)}
	if re != java {
		out = append(out, "src:"+strconv.Quote(java))
	}
	return out
}

// posix puts Java's \p{Print} and its like into Go's words, which stand within
// brackets only.
func posix(re string) string {
	var b strings.Builder
	last := 0
	for _, m := range javaClass.FindAllStringSubmatchIndex(re, -1) {
		b.WriteString(re[last:m[0]])
		class := "[:" + strings.ToLower(re[m[2]:m[3]]) + ":]"
		if !inBrackets(re[:m[0]]) {
			class = "[" + class + "]"
		}
		b.WriteString(class)
		last = m[1]
	}
	return b.String() + re[last:]
}

// inBrackets reports whether a character class is open at the end of head.
func inBrackets(head string) bool {
	open := false
	for i := 0; i < len(head); i++ {
		switch head[i] {
		case '\\':
			i++
		case '[':
			open = true
		case ']':
			open = false
		}
	}
	return open
}
