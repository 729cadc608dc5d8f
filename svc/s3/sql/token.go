package sql

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd     tokenKind = iota
	tokenWord              // a keyword or a name, as written
	tokenName              // "quoted"
	tokenText              // 'text'
	tokenNumber            // 12, 1.5, 1e3
	tokenLiteral           // `ion`
	tokenSign              // operators and brackets
)

type token struct {
	kind tokenKind
	text string
	at   int
}

// is reports whether the token is the keyword or sign s, given in capitals.
func (t token) is(s string) bool {
	return t.kind == tokenSign && t.text == s || t.kind == tokenWord && strings.EqualFold(t.text, s)
}

var signs = []string{"<>", "<=", ">=", "!=", "||", "(", ")", "[", "]", ",", ".", "*", "/", "%", "+", "-", "=", "<", ">", ";"}

// tokenize takes a query apart.
func tokenize(q string) ([]token, error) {
	var out []token
	for i := 0; i < len(q); {
		r, size := utf8.DecodeRuneInString(q[i:])
		start := i
		switch {
		case unicode.IsSpace(r):
			i += size
		case strings.HasPrefix(q[i:], "--"):
			end := strings.IndexByte(q[i:], '\n')
			if end < 0 {
				return append(out, token{tokenEnd, "", len(q)}), nil
			}
			i += end + 1
		case r == '\'' || r == '"' || r == '`':
			s, n, ok := quotation(q[i:], byte(r))
			if !ok {
				return nil, fault("LexerInvalidLiteral", "The SQL token at position %d is not valid.", i+1)
			}
			i += n
			out = append(out, token{map[rune]tokenKind{'\'': tokenText, '"': tokenName, '`': tokenLiteral}[r], s, start})
		case r >= '0' && r <= '9' || r == '.' && i+1 < len(q) && q[i+1] >= '0' && q[i+1] <= '9':
			i += numberLength(q[i:])
			out = append(out, token{tokenNumber, q[start:i], start})
		case r == '_' || unicode.IsLetter(r):
			for i < len(q) {
				r, size := utf8.DecodeRuneInString(q[i:])
				if r != '_' && r != '$' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
					break
				}
				i += size
			}
			out = append(out, token{tokenWord, q[start:i], start})
		default:
			s := sign(q[i:])
			if s == "" {
				return nil, fault("LexerInvalidChar", "The SQL expression contains an invalid character at position %d.", i+1)
			}
			i += len(s)
			out = append(out, token{tokenSign, s, start})
		}
	}
	return append(out, token{tokenEnd, "", len(q)}), nil
}

func sign(q string) string {
	for _, s := range signs {
		if strings.HasPrefix(q, s) {
			return s
		}
	}
	return ""
}

// quotation reads a quoted text, in which the quote itself stands twice.
func quotation(q string, quote byte) (s string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(q); i++ {
		if q[i] != quote {
			b.WriteByte(q[i])
			continue
		}
		if i+1 < len(q) && q[i+1] == quote && quote != '`' {
			b.WriteByte(quote)
			i++
			continue
		}
		return b.String(), i + 1, true
	}
	return "", 0, false
}

func numberLength(q string) int {
	i := 0
	digits := func() {
		for i < len(q) && q[i] >= '0' && q[i] <= '9' {
			i++
		}
	}
	digits()
	if i < len(q) && q[i] == '.' {
		i++
		digits()
	}
	if i+1 < len(q) && (q[i] == 'e' || q[i] == 'E') {
		back := i
		i++
		if q[i] == '+' || q[i] == '-' {
			i++
		}
		if from := i; true {
			if digits(); i == from {
				i = back
			}
		}
	}
	return i
}
