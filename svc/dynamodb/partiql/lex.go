package partiql

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// kind is a sort of token.
type kind byte

const (
	end    kind = iota
	word        // SELECT, or a name
	quoted      // "name"
	text        // 'text'
	number      // 12.5e3
	symbol      // ( ) [ ] { } , . : ? * = <> …
)

type token struct {
	kind kind
	text string
	at   int // byte in the statement
}

// is reports whether the token is a keyword, whatever its case.
func (t token) is(keyword string) bool { return t.kind == word && strings.EqualFold(t.text, keyword) }

func (t token) sign(s string) bool { return t.kind == symbol && t.text == s }

// malformed is the error for a statement that cannot be read.
func malformed(format string, args ...any) *aws.Error {
	return value.Invalid("Statement wasn't well formed, can't be processed: "+format, args...)
}

// symbols are the tokens made of signs, the longer ones first.
var symbols = []string{"<<", ">>", "<>", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ",", ".", ":", "?", "*", "=", "<", ">", "+", "-", ";"}

// lex cuts a statement into tokens, the last of which is end.
func lex(s string) ([]token, error) {
	var out []token
	for i := 0; ; {
		for i < len(s) && strings.IndexByte(" \t\r\n", s[i]) >= 0 {
			i++
		}
		if i == len(s) {
			return append(out, token{end, "", i}), nil
		}
		t, n, err := next(s[i:])
		if err != nil {
			return nil, malformed("%s at position %d", err.(*aws.Error).Message, i+1)
		}
		t.at = i
		out = append(out, t)
		i += n
	}
}

// next is the first token of s, and its length.
func next(s string) (token, int, error) {
	switch c := s[0]; {
	case c == '\'' || c == '"':
		body, n, ok := unquote(s)
		if !ok {
			return token{}, 0, value.Invalid("Unterminated quotation")
		}
		if c == '"' {
			return token{kind: quoted, text: body}, n, nil
		}
		return token{kind: text, text: body}, n, nil
	case c >= '0' && c <= '9':
		n := digits(s)
		return token{kind: number, text: s[:n]}, n, nil
	}
	for _, sym := range symbols {
		if strings.HasPrefix(s, sym) {
			return token{kind: symbol, text: sym}, len(sym), nil
		}
	}
	n := 0
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if r != '_' && r != '$' && !unicode.IsLetter(r) && (n == 0 || !unicode.IsDigit(r)) {
			break
		}
		n += size
	}
	if n == 0 {
		return token{}, 0, value.Invalid("Unexpected character")
	}
	return token{kind: word, text: s[:n]}, n, nil
}

// unquote reads what stands between quotation marks, in which a doubled one stands for one.
func unquote(s string) (body string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) || s[i+1] != s[0] {
			return b.String(), i + 1, true
		}
		b.WriteByte(s[i])
		i++
	}
	return "", 0, false
}

// digits is the length of the number at the beginning of s.
func digits(s string) int {
	n, exponent := 0, false
	for n < len(s) {
		c := s[n]
		switch {
		case c >= '0' && c <= '9' || c == '.' && !exponent:
		case (c == 'e' || c == 'E') && !exponent:
			exponent = true
		case (c == '+' || c == '-') && (s[n-1] == 'e' || s[n-1] == 'E'):
		default:
			return n
		}
		n++
	}
	return n
}
