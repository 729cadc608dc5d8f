package pattern

import (
	"bytes"
	"regexp"
	"strings"
)

// Needs are texts that every wanted message has: of each list one. No list means that
// nothing is known.
type Needs struct {
	Texts [][]string
	// Escaped says that the messages are JSON, in which a text may be spelt in another
	// way; then it is only missed by messages without HasEscape.
	Escaped bool
}

// HasEscape reports whether a JSON text may spell a character by its number.
func HasEscape(text []byte) bool { return bytes.Contains(text, unicodeEscape) }

var unicodeEscape = []byte(`\u`)

// may reports whether a message has what is needed.
func may(n *Needs, message string) bool {
	for _, any := range n.Texts {
		found := false
		for i := 0; i < len(any) && !found; i++ {
			found = strings.Contains(message, any[i])
		}
		if !found {
			return n.Escaped && strings.Contains(message, `\u`)
		}
	}
	return true
}

// mayBytes reports whether a text may have a message that has what is needed.
func mayBytes(n *Needs, text []byte) bool {
	for _, any := range n.Texts {
		found := false
		for i := 0; i < len(any) && !found; i++ {
			found = bytes.Contains(text, []byte(any[i]))
		}
		if !found {
			return n.Escaped && HasEscape(text)
		}
	}
	return true
}

// needsOf are the lists of one text each that a regular expression says its matches
// begin with.
func needsOf(re *regexp.Regexp) [][]string {
	if text, _ := re.LiteralPrefix(); text != "" {
		return [][]string{{text}}
	}
	return nil
}

// both are the needs of what needs a and b.
func both(a, b [][]string) [][]string { return append(a[:len(a):len(a)], b...) }

// either is what remains to be needed where it is a or b.
func either(a, b [][]string) [][]string {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	x, y := longest(a), longest(b)
	return [][]string{append(x[:len(x):len(x)], y...)}
}

// longest is the list whose shortest text is the longest: it says most.
func longest(lists [][]string) (best []string) {
	most := -1
	for _, list := range lists {
		least := len(list[0])
		for _, text := range list {
			least = min(least, len(text))
		}
		if least > most {
			best, most = list, least
		}
	}
	return best
}

// plainParts are the parts of a text that JSON spells as they are, or by their numbers.
func plainParts(text string) (out [][]string) {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool {
		return r < ' ' || r == '"' || r == '\\' || r == '/' || r == 0x7f || r == '\uFFFD'
	}) {
		out = append(out, []string{part})
	}
	return out
}
