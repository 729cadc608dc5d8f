package main

import (
	"go/token"
	"strings"
	"unicode"
)

// exported is a model's name as a Go name: first letter upper-cased, what Go
// does not allow left out.
func exported(name string) string {
	var b strings.Builder
	upper := true
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			upper = r != '_' || upper
			if r == '_' {
				b.WriteRune(r)
			}
		case upper:
			b.WriteRune(unicode.ToUpper(r))
			upper = false
		default:
			b.WriteRune(r)
		}
	}
	out := b.String()
	if out == "" || unicode.IsDigit(rune(out[0])) || token.IsKeyword(out) {
		out = "X" + out
	}
	return out
}

// constant is an enum's value as the tail of a constant's name: "PAY_PER_REQUEST"
// becomes PayPerRequest, "nodejs4.3" becomes Nodejs43.
func constant(value string) string {
	var b strings.Builder
	words := strings.FieldsFunc(value, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	for _, w := range words {
		if w == strings.ToUpper(w) {
			w = strings.ToLower(w)
		}
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}
