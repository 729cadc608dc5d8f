package pattern

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A kind is what sort of token a scanner found.
type kind byte

const (
	endOfInput  kind = 0
	beginObject kind = '{'
	endObject   kind = '}'
	beginArray  kind = '['
	endArray    kind = ']'
	fieldName   kind = 'f'
	stringValue kind = 's'
	numberValue kind = 'n'
	wordValue   kind = 'w' // true, false, null
)

// maxDepth is how deep objects and arrays may lie in each other.
const maxDepth = 1000

// A scanner pulls JSON apart token by token, and knows where it is, since AWS's errors
// say so.
type scanner struct {
	src   string
	pos   int
	kind  kind   // of the present token
	text  string // of a name, string, number or word
	start int    // where the present token begins
	read  bool   // a string's text was asked for: its place is behind it
	stack []kind // open objects and arrays
	comma bool   // a value was read: a comma or an end comes next
	begun bool
}

// An Error is why a pattern or event is none: in AWS's words, with the place at the end
// if it has one.
type Error struct{ Text string }

// Error implements error.
func (e *Error) Error() string { return e.Text }

// errorAt is an error with the place pos.
func (s *scanner) errorAt(pos int, format string, args ...any) error {
	return &Error{fmt.Sprintf(format, args...) + s.place(pos)}
}

// shownSource is how much of a source an error shows.
const shownSource = 500

// place is how AWS's parser says where it was.
func (s *scanner) place(pos int) string {
	line, column := 1, 1
	for i, r := range s.src {
		if i >= pos {
			break
		}
		if column++; r == '\n' {
			line, column = line+1, 1
		}
	}
	shown, rest := s.src, ""
	if units := []rune(shown); len(units) > shownSource {
		shown, rest = string(units[:shownSource]), fmt.Sprintf("[truncated %d chars]", len(units)-shownSource)
	}
	return fmt.Sprintf("\n at [Source: (String)\"%s\"%s; line: %d, column: %d]", shown, rest, line, column)
}

// fail is an error at the present token.
func (s *scanner) fail(format string, args ...any) error {
	pos := s.pos
	switch {
	case s.kind == stringValue && !s.read:
		pos = s.start + 1
	case s.kind == fieldName:
		// AWS's parser has looked at the value's beginning by then.
		ahead := *s
		if err := ahead.next(); err != nil {
			return err
		}
		if pos = ahead.pos; ahead.kind == stringValue {
			pos = ahead.start + 1
		}
	}
	return s.errorAt(pos, format, args...)
}

// value is the present string's or number's text.
func (s *scanner) value() string {
	s.read = true
	return s.text
}

func (s *scanner) skipSpace() {
	for s.pos < len(s.src) && strings.IndexByte(" \t\r\n", s.src[s.pos]) >= 0 {
		s.pos++
	}
}

// next goes to the next token.
func (s *scanner) next() error {
	s.skipSpace()
	s.read, s.text, s.start = false, "", s.pos
	var within kind
	if n := len(s.stack); n > 0 {
		within = s.stack[n-1]
	}
	if within == 0 && s.begun {
		s.kind = endOfInput
		if s.pos < len(s.src) {
			return s.errorAt(s.pos+1, "Unexpected character ('%c' (code %d)): expected end of input", s.src[s.pos], s.src[s.pos])
		}
		return nil
	}
	s.begun = true
	if s.pos >= len(s.src) {
		if within == 0 {
			s.kind = endOfInput
			return nil
		}
		return s.errorAt(s.pos, "Unexpected end-of-input: expected close marker for %s", map[kind]string{beginObject: "Object", beginArray: "Array"}[within])
	}
	c := s.src[s.pos]
	if c == '}' && within == beginObject && s.kind != fieldName || c == ']' && within == beginArray {
		s.pos++
		s.kind, s.stack, s.comma = kind(c), s.stack[:len(s.stack)-1], true
		return nil
	}
	if s.comma && within != 0 {
		if c != ',' {
			return s.errorAt(s.pos+1, "Unexpected character ('%s' (code %d)): was expecting comma to separate %s entries", s.runeAt(), c, map[kind]string{beginObject: "Object", beginArray: "Array"}[within])
		}
		s.pos++
		s.skipSpace()
		s.start, s.comma = s.pos, false
	}
	if within == beginObject && s.kind != fieldName {
		return s.scanName()
	}
	return s.scanValue()
}

// runeAt is the character at the present place.
func (s *scanner) runeAt() string {
	r, _ := utf8.DecodeRuneInString(s.src[s.pos:])
	return string(r)
}

func (s *scanner) scanName() error {
	if s.pos >= len(s.src) {
		return s.errorAt(s.pos, "Unexpected end-of-input within/between Object entries")
	}
	if c := s.src[s.pos]; c != '"' {
		return s.errorAt(s.pos+1, "Unexpected character ('%s' (code %d)): was expecting double-quote to start field name", s.runeAt(), c)
	}
	if err := s.scanString(); err != nil {
		return err
	}
	s.skipSpace()
	if s.pos >= len(s.src) || s.src[s.pos] != ':' {
		if s.pos >= len(s.src) {
			return s.errorAt(s.pos, "Unexpected end-of-input within/between Object entries")
		}
		return s.errorAt(s.pos+1, "Unexpected character ('%s' (code %d)): was expecting a colon to separate field name and value", s.runeAt(), s.src[s.pos])
	}
	s.pos++
	s.kind = fieldName
	return nil
}

func (s *scanner) scanValue() error {
	if s.pos >= len(s.src) {
		return s.errorAt(s.pos, "Unexpected end-of-input within/between Object entries")
	}
	s.comma = true
	switch c := s.src[s.pos]; {
	case c == '{' || c == '[':
		if len(s.stack) >= maxDepth {
			return s.errorAt(s.pos+1, "Document nesting depth (%d) exceeds the maximum allowed (%d, from `StreamReadConstraints.getMaxNestingDepth()`)", maxDepth+1, maxDepth)
		}
		s.pos++
		s.kind, s.comma = kind(c), false
		s.stack = append(s.stack, kind(c))
		return nil
	case c == '"':
		s.kind = stringValue
		return s.scanString()
	case c == '-' || c >= '0' && c <= '9':
		s.kind = numberValue
		return s.scanNumber()
	default:
		s.kind = wordValue
		return s.scanWord()
	}
}

func (s *scanner) scanWord() error {
	end := s.pos
	for end < len(s.src) && (s.src[end] >= 'a' && s.src[end] <= 'z' || s.src[end] >= 'A' && s.src[end] <= 'Z' || s.src[end] >= '0' && s.src[end] <= '9' || s.src[end] == '_' || s.src[end] == '$') {
		end++
	}
	const expected = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
	if end == s.pos {
		return s.errorAt(s.pos+1, "Unexpected character ('%s' (code %d)): expected a valid value %s", s.runeAt(), s.src[s.pos], expected)
	}
	s.text = s.src[s.pos:end]
	s.pos = end
	if s.text != "true" && s.text != "false" && s.text != "null" {
		return s.errorAt(end, "Unrecognized token '%s': was expecting %s", s.text, expected)
	}
	return nil
}

func (s *scanner) scanNumber() error {
	at := s.pos
	digits := func() bool {
		from := s.pos
		for s.pos < len(s.src) && s.src[s.pos] >= '0' && s.src[s.pos] <= '9' {
			s.pos++
		}
		return s.pos > from
	}
	if s.src[s.pos] == '-' {
		s.pos++
	}
	whole := s.pos
	ok := digits() && (s.src[whole] != '0' || s.pos == whole+1)
	if ok && s.pos < len(s.src) && s.src[s.pos] == '.' {
		s.pos++
		ok = digits()
	}
	if ok && s.pos < len(s.src) && s.src[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.src) && (s.src[s.pos] == '+' || s.src[s.pos] == '-') {
			s.pos++
		}
		ok = digits()
	}
	if ok && s.pos < len(s.src) && strings.IndexByte(" \t\r\n,]}", s.src[s.pos]) < 0 {
		ok = false
	}
	if !ok {
		return s.errorAt(s.pos+1, "Invalid numeric value")
	}
	s.text = s.src[at:s.pos]
	return nil
}

// scanString reads a string from its opening quote to its closing one.
func (s *scanner) scanString() error {
	s.pos++
	from := s.pos
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			s.text = s.src[from:s.pos]
			s.pos++
			return nil
		case c == '\\':
			return s.scanEscaped(from)
		case c < ' ':
			return s.errorAt(s.pos+1, "Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in string value", c)
		}
		s.pos++
	}
	return s.errorAt(s.pos, "Unexpected end-of-input: was expecting closing quote for a string value")
}

var simpleEscapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// scanEscaped goes on with a string that has a backslash at the present place.
func (s *scanner) scanEscaped(from int) error {
	b := []byte(s.src[from:s.pos])
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case c == '"':
			s.text = string(b)
			s.pos++
			return nil
		case c < ' ':
			return s.errorAt(s.pos+1, "Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in string value", c)
		case c != '\\':
			b = append(b, c)
			s.pos++
			continue
		}
		if s.pos+1 >= len(s.src) {
			break
		}
		e := s.src[s.pos+1]
		if plain, ok := simpleEscapes[e]; ok {
			b = append(b, plain)
			s.pos += 2
			continue
		}
		r, n := s.unicodeEscape(s.pos)
		if n == 0 {
			return s.errorAt(s.pos+2, "Unrecognized character escape '%c' (code %d)", e, e)
		}
		b = utf8.AppendRune(b, r)
		s.pos += n
	}
	s.pos = len(s.src)
	return s.errorAt(s.pos, "Unexpected end-of-input: was expecting closing quote for a string value")
}

// unicodeEscape reads \uXXXX, or two of them that make one character.
func (s *scanner) unicodeEscape(at int) (rune, int) {
	one := func(at int) rune {
		if at+6 > len(s.src) || s.src[at] != '\\' || s.src[at+1] != 'u' {
			return -1
		}
		n, err := strconv.ParseUint(s.src[at+2:at+6], 16, 16)
		if err != nil {
			return -1
		}
		return rune(n)
	}
	r := one(at)
	if r < 0 {
		return 0, 0
	}
	if utf16.IsSurrogate(r) {
		if low := one(at + 6); low >= 0 {
			if whole := utf16.DecodeRune(r, low); whole != utf8.RuneError {
				return whole, 12
			}
		}
	}
	return r, 6
}
