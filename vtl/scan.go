package vtl

import (
	"fmt"
	"sort"
	"strings"
)

// scanner reads a template's characters.
type scanner struct {
	name  string
	src   string
	at    int
	base  pos   // where src begins in the outermost template
	lines []int // offsets at which lines begin
}

func newScanner(name, src string, base pos) scanner {
	s := scanner{name: name, src: src, base: base, lines: []int{0}}
	for i := range len(src) {
		if src[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// pos is the line and column of an offset; columns count bytes.
func (s *scanner) pos(at int) pos {
	line := sort.SearchInts(s.lines, at+1) - 1
	p := pos{line: s.base.line + int32(line), col: int32(at-s.lines[line]) + 1}
	if line == 0 {
		p.col += s.base.col - 1
	}
	return p
}

func (s *scanner) fail(at int, format string, args ...any) error {
	p := s.pos(at)
	return &Error{Name: s.name, Line: int(p.line), Col: int(p.col), Err: fmt.Errorf(format, args...)}
}

// unexpected names what is at hand where want should be.
func (s *scanner) unexpected(want string) error {
	if s.end() {
		return s.fail(s.at, "unexpected end of the template; expected %s", want)
	}
	rest := s.rest()
	if i := strings.IndexAny(rest, " \t\r\n"); i > 0 {
		rest = rest[:i]
	}
	if len(rest) > 20 {
		rest = rest[:20]
	}
	return s.fail(s.at, "unexpected %q; expected %s", rest, want)
}

func (s *scanner) end() bool    { return s.at >= len(s.src) }
func (s *scanner) rest() string { return s.src[s.at:] }

// peek is the i-th byte from here, 0 past the end.
func (s *scanner) peek(i int) byte {
	if s.at+i < len(s.src) {
		return s.src[s.at+i]
	}
	return 0
}

func (s *scanner) has(prefix string) bool { return strings.HasPrefix(s.rest(), prefix) }

// take skips prefix where it is next.
func (s *scanner) take(prefix string) bool {
	if !s.has(prefix) {
		return false
	}
	s.at += len(prefix)
	return true
}

func (s *scanner) space() {
	for !s.end() && isSpace(s.src[s.at]) {
		s.at++
	}
}

// gobble skips blanks and one line break after a directive, where nothing else
// is on the line.
func (s *scanner) gobble() {
	i := s.at
	for i < len(s.src) && (s.src[i] == ' ' || s.src[i] == '\t') {
		i++
	}
	switch {
	case strings.HasPrefix(s.src[i:], "\r\n"):
		s.at = i + 2
	case i < len(s.src) && (s.src[i] == '\n' || s.src[i] == '\r'):
		s.at = i + 1
	}
}

func isSpace(c byte) bool  { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// identifier is the length of a reference's name at the start of s: a letter or
// underscore, then also digits and hyphens.
func identifier(s string) int {
	if s == "" || !isLetter(s[0]) && s[0] != '_' {
		return 0
	}
	n := 1
	for n < len(s) && (isLetter(s[n]) || isDigit(s[n]) || s[n] == '_' || s[n] == '-') {
		n++
	}
	return n
}

// word is the length of a directive's name at the start of s.
func word(s string, at bool) int {
	if s == "" || !isLetter(s[0]) && s[0] != '_' && (!at || s[0] != '@') {
		return 0
	}
	n := 1
	for n < len(s) && (isLetter(s[n]) || isDigit(s[n]) || s[n] == '_' || s[n] == '@') {
		n++
	}
	return n
}

// directive is the name at the start of s, which begins with a #, and its length
// with # and braces. It is empty where there is none.
func directive(s string) (name string, n int) {
	if len(s) > 2 && s[1] == '{' {
		if w := word(s[2:], false); w > 0 && strings.HasPrefix(s[2+w:], "}") {
			return s[2 : 2+w], w + 3
		}
		return "", 0
	}
	if w := word(s[1:], true); w > 0 {
		return s[1 : 1+w], w + 1
	}
	return "", 0
}
