package pattern

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	regexSymbols   = " :_#=@/;,-"
	regexOperators = `^$?[]{}|\*+.`
)

// compile makes a regular expression of AWS's limited syntax: no groups, no symbols
// but a few, and \d, \s, \w, \xhh and the escaped operators behind a backslash.
func compile(text string) (*regexp.Regexp, error) {
	var b strings.Builder
	class := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\':
			n, err := escape(text[i:])
			if err != nil {
				return nil, err
			}
			b.WriteString(text[i : i+n])
			i += n - 1
		case class:
			// A bracket inside is itself, not the start of a named class.
			if c == '[' {
				b.WriteByte('\\')
			}
			class = c != ']'
			b.WriteByte(c)
		case c == '[':
			class = true
			b.WriteByte(c)
			if strings.HasPrefix(text[i+1:], "^") {
				i++
				b.WriteByte('^')
			}
		case c == '{' && strings.HasPrefix(text[i+1:], ","):
			b.WriteString("{0")
		default:
			b.WriteByte(c)
		}
		if c != '\\' && !isAlnum(c) && !strings.ContainsRune(regexSymbols+regexOperators, rune(c)) {
			r, _ := utf8.DecodeRuneInString(text[i:])
			return nil, errTerm(string(r))
		}
	}
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, ErrInvalid
	}
	return re, nil
}

// escape is the length of the escape sequence with which text starts.
func escape(text string) (int, error) {
	switch {
	case len(text) < 2:
		return 0, ErrInvalid
	case strings.IndexByte("dDsSwW", text[1]) >= 0:
		return 2, nil
	case text[1] == 'x':
		if len(text) < 4 || !isHex(text[2]) || !isHex(text[3]) {
			return 0, ErrInvalid
		}
		return 4, nil
	case !isAlnum(text[1]) && text[1] > ' ' && strings.IndexByte(regexOperators+regexSymbols, text[1]) >= 0:
		return 2, nil
	}
	return 0, errTerm(text[:1])
}

func isAlnum(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' }
func isHex(c byte) bool   { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }
