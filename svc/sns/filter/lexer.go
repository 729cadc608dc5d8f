package filter

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A kind is what sort of token it is.
type kind byte

const (
	tokEnd    kind = 0
	tokString kind = '"'
	tokNumber kind = '0'
	tokTrue   kind = 't'
	tokFalse  kind = 'f'
	tokNull   kind = 'n'
	// The others are their own characters.
	tokObject kind = '{'
	tokArray  kind = '['
	tokEndObj kind = '}'
	tokEndArr kind = ']'
	tokName   kind = ':' // a name of an object, with its colon
)

// A token is what is read at a time. Its text is that of a string or name, unescaped,
// else as it stands.
type token struct {
	kind kind
	text string
	end  int // the byte behind it
	// seen is how far AWS's reader has come when it has this token: it looks into
	// strings no further than their quotation marks, and behind names to the value.
	seen int
}

// A lexer takes the JSON text of a policy apart, and knows where in it what was found:
// AWS's errors say so.
type lexer struct {
	text string
	at   int
	// stack has the brackets that are open, and whether a member came before.
	stack []frame
	after bool // a name was read, and its value not yet
}

type frame struct {
	open kind
	some bool
}

// maxDepth is how deep a policy may nest.
const maxDepth = 128

// A syntaxError says that a text is not JSON.
type syntaxError struct {
	text string
	at   int
}

func (e *syntaxError) Error() string { return e.text }

// next reads a token.
func (l *lexer) next() (token, error) {
	if l.after {
		l.after = false
		return l.value()
	}
	if len(l.stack) == 0 {
		return l.value()
	}
	l.space()
	top := &l.stack[len(l.stack)-1]
	c := l.peek()
	if c == '}' && top.open == tokObject || c == ']' && top.open == tokArray {
		l.at++
		l.stack = l.stack[:len(l.stack)-1]
		return token{kind: kind(c), text: string(c), end: l.at, seen: l.at}, nil
	}
	if top.some {
		if c != ',' {
			return token{}, l.unexpected("was expecting comma to separate " + map[kind]string{tokObject: "Object", tokArray: "Array"}[top.open] + " entries")
		}
		l.at++
		l.space()
	}
	top.some = true
	if top.open == tokArray {
		return l.value()
	}
	return l.name()
}

// name reads the name of a member, and its colon.
func (l *lexer) name() (token, error) {
	if l.peek() != '"' {
		return token{}, l.unexpected("was expecting double-quote to start field name")
	}
	t, err := l.quoted()
	if err != nil {
		return t, err
	}
	l.space()
	if l.peek() != ':' {
		return t, l.unexpected("was expecting a colon to separate field name and value")
	}
	l.at++
	t.kind, l.after = tokName, true
	// Its reader has the beginning of the value by then.
	ahead := lexer{text: l.text, at: l.at}
	v, err := ahead.value()
	t.seen = v.seen
	return t, err
}

func (l *lexer) value() (token, error) {
	l.space()
	switch c := l.peek(); {
	case c == '{' || c == '[':
		if len(l.stack) >= maxDepth {
			return token{}, &syntaxError{"too deep", l.at}
		}
		l.at++
		l.stack = append(l.stack, frame{open: kind(c)})
		return token{kind: kind(c), text: string(c), end: l.at, seen: l.at}, nil
	case c == '"':
		return l.quoted()
	case c == '-' || c >= '0' && c <= '9':
		return l.number()
	case l.at >= len(l.text):
		return token{}, &syntaxError{"Unexpected end-of-input", l.at}
	}
	start := l.at
	for l.at < len(l.text) && (l.text[l.at] >= 'a' && l.text[l.at] <= 'z' || l.text[l.at] >= 'A' && l.text[l.at] <= 'Z') {
		l.at++
	}
	word := l.text[start:l.at]
	switch word {
	case "true", "false", "null":
		return token{kind: kind(word[0]), text: word, end: l.at, seen: l.at}, nil
	case "":
		return token{}, l.unexpected("expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')")
	}
	return token{}, &syntaxError{"Unrecognized token '" + clip(word) + "': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", l.at}
}

// quoted reads a string.
func (l *lexer) quoted() (token, error) {
	start := l.at
	for l.at++; l.at < len(l.text); l.at++ {
		switch c := l.text[l.at]; {
		case c == '\\':
			l.at++
		case c == '"':
			l.at++
			var s string
			if err := json.Unmarshal([]byte(l.text[start:l.at]), &s); err != nil {
				return token{}, &syntaxError{"Unrecognized character escape", l.at}
			}
			return token{kind: tokString, text: s, end: l.at, seen: start + 1}, nil
		case c < ' ':
			return token{}, &syntaxError{fmt.Sprintf("Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in string value", c), l.at}
		}
	}
	return token{}, &syntaxError{"Unexpected end-of-input: was expecting closing quote for a string value", len(l.text)}
}

func (l *lexer) number() (token, error) {
	start := l.at
	for l.at < len(l.text) && strings.IndexByte("+-.eE0123456789", l.text[l.at]) >= 0 {
		l.at++
	}
	text := l.text[start:l.at]
	if !json.Valid([]byte(text)) {
		return token{}, &syntaxError{"Invalid numeric value: " + clip(text), l.at}
	}
	return token{kind: tokNumber, text: text, end: l.at, seen: l.at}, nil
}

func (l *lexer) space() {
	for l.at < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0 {
		l.at++
	}
}

// peek is the next byte, 0 at the end.
func (l *lexer) peek() byte {
	if l.at < len(l.text) {
		return l.text[l.at]
	}
	return 0
}

func (l *lexer) unexpected(wanted string) error {
	if l.at >= len(l.text) {
		return &syntaxError{"Unexpected end-of-input", l.at}
	}
	r, _ := utf8.DecodeRuneInString(l.text[l.at:])
	return &syntaxError{fmt.Sprintf("Unexpected character ('%c' (code %d)): %s", r, r, wanted), l.at}
}

// place is where a byte of the text is: its line, and its column, from 1.
func place(text string, at int) string {
	at = min(at, len(text))
	line := 1 + strings.Count(text[:at], "\n")
	column := 1 + utf8.RuneCountInString(text[strings.LastIndexByte(text[:at], '\n')+1:at])
	return "line: " + strconv.Itoa(line) + ", column: " + strconv.Itoa(column)
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "[truncated]"
	}
	return s
}
