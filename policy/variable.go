package policy

import "strings"

// readVariable reads "${key}", "${key, 'default'}" or one of the escapes "${*}",
// "${?}" and "${$}" at the start of the text. What does not have that form is
// literal text.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
func readVariable(text string) (t token, size int, ok bool) {
	if !strings.HasPrefix(text, "${") {
		return token{}, 0, false
	}
	end := variableEnd(text)
	if end < 0 {
		return token{}, 0, false
	}
	inner, size := text[2:end], end+1
	switch inner {
	case "*", "?", "$":
		return token{kind: tokenLiteral, text: inner}, size, true
	}
	key, rest, hasDefault := strings.Cut(inner, ",")
	t = token{kind: tokenVariable, text: lowerASCII(strings.TrimSpace(key))}
	if t.text == "" || strings.ContainsAny(t.text, "*?${'") {
		return token{}, 0, false
	}
	if hasDefault {
		rest = strings.TrimSpace(rest)
		if len(rest) < 2 || rest[0] != '\'' || rest[len(rest)-1] != '\'' {
			return token{}, 0, false
		}
		t.fallback, t.has = rest[1:len(rest)-1], true
	}
	return t, size, true
}

// maxVariable is the longest variable, in bytes. Looking no further keeps a text of
// nothing but "${" from being read over and over.
const maxVariable = 1024

// variableEnd is the index of the brace that closes "${", -1 if there is none. A
// brace inside a quoted default does not close.
func variableEnd(text string) int {
	quoted := false
	for i := 2; i < min(len(text), maxVariable); i++ {
		switch text[i] {
		case '\'':
			quoted = !quoted
		case '}':
			if !quoted {
				return i
			}
		}
	}
	return -1
}

// variable is the value of a variable in a request. A key with several values
// has none: AWS allows single-valued keys alone.
func (e *env) variable(t *token) (string, bool) {
	if v := e.lookup(t.text); v.len() == 1 {
		return v.at(0), true
	} else if v.len() == 0 && t.has {
		return t.fallback, true
	}
	return "", false
}
