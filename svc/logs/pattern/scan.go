package pattern

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A scanner reads a pattern from its start to its end.
type scanner struct {
	text      string
	pos       int
	regexes   int
	wildcards int
}

func (s *scanner) rest() string { return s.text[s.pos:] }

func (s *scanner) space() {
	s.pos += len(s.rest()) - len(strings.TrimLeftFunc(s.rest(), unicode.IsSpace))
}

// take reads token, behind spaces, if it comes next.
func (s *scanner) take(token string) bool {
	s.space()
	if !strings.HasPrefix(s.rest(), token) {
		return false
	}
	s.pos += len(token)
	return true
}

// word reads a keyword in any case.
func (s *scanner) word(keyword string) bool {
	s.space()
	rest := s.rest()
	if len(rest) < len(keyword) || !strings.EqualFold(rest[:len(keyword)], keyword) {
		return false
	}
	if r, _ := utf8.DecodeRuneInString(rest[len(keyword):]); isWord(r) {
		return false
	}
	s.pos += len(keyword)
	return true
}

// run reads the characters that follow each other and satisfy is.
func (s *scanner) run(is func(rune) bool) string {
	rest := s.rest()
	n := strings.IndexFunc(rest, func(r rune) bool { return !is(r) })
	if n < 0 {
		n = len(rest)
	}
	s.pos += n
	return rest[:n]
}

func isWord(r rune) bool {
	return r != utf8.RuneError && (r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r))
}

func isName(r rune) bool { return isWord(r) || r == '-' }

// quoted reads a text between double quotes, in which a backslash takes the meaning
// from a quote or a backslash.
func (s *scanner) quoted() (string, error) {
	var b strings.Builder
	for i := s.pos + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.pos = i + 1
			return b.String(), nil
		case c == '\\' && i+1 < len(s.text) && (s.text[i+1] == '"' || s.text[i+1] == '\\'):
			i++
			b.WriteByte(s.text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", ErrInvalid
}

// regex reads a regular expression between percent signs.
func (s *scanner) regex() (*regexp.Regexp, error) {
	body, _, closed := strings.Cut(s.rest()[1:], "%")
	if !closed || body == "" {
		return nil, ErrInvalid
	}
	s.pos += len(body) + 2
	s.regexes++
	return compile(body)
}

// bad is the error for the character that comes next, and should not.
func (s *scanner) bad() error {
	if s.rest() == "" {
		return ErrInvalid
	}
	_, n := utf8.DecodeRuneInString(s.rest())
	return errTerm(s.rest()[:n])
}
