package expression

import (
	"strings"
	"unicode/utf8"
)

// A kind of token is the byte it may begin with, or one of these.
const (
	end    = 0   // of the expression
	word   = 'a' // a name or a keyword
	digits = '0'
	name   = '#' // #name
	param  = ':' // :value
	le     = 'l' // <=
	ge     = 'g' // >=
	ne     = 'n' // <>
)

type token struct {
	kind     byte
	from, to int // its bytes in the text
	text     string
}

// is reports whether t is the keyword, in any case.
func (t token) is(keyword string) bool {
	return t.kind == word && strings.EqualFold(t.text, keyword)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

func isWord(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' }

// lex cuts a text into tokens. Whatever is no part of the language becomes a token
// of its own, for the parser to stumble over.
func lex(text string) []token {
	var tokens []token
	for i := 0; i < len(text); {
		c := text[i]
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			i++
			continue
		}
		kind, n := c, 1
		switch {
		case isLetter(c):
			kind, n = word, run(text[i:], isWord)
		case c >= '0' && c <= '9':
			kind, n = digits, run(text[i:], func(c byte) bool { return c >= '0' && c <= '9' })
		case c == name || c == param:
			if n += run(text[i+1:], isWord); n == 1 {
				kind = '?'
			}
		case strings.HasPrefix(text[i:], "<="):
			kind, n = le, 2
		case strings.HasPrefix(text[i:], ">="):
			kind, n = ge, 2
		case strings.HasPrefix(text[i:], "<>"):
			kind, n = ne, 2
		case strings.IndexByte("()[],.=<>+-", c) < 0:
			kind = '?'
			_, n = utf8.DecodeRuneInString(text[i:])
		}
		tokens = append(tokens, token{kind, i, i + n, text[i : i+n]})
		i += n
	}
	return append(tokens, token{end, len(text), len(text), "<EOF>"})
}

func run(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}
