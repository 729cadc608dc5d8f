package policy

import (
	"strings"
	"unicode/utf8"
)

// pattern is a compiled string with wildcards ('*' any run, '?' any one
// character) and, in Version2012, policy variables. Matching takes at most
// len(pattern)·len(text) steps and no memory.
type pattern struct {
	shape  shape
	text   string // of exact: the literal; of prefix: what comes before the '*'
	tokens []token
	vars   int // variables among the tokens
	fold   bool
	lead   byte // the first byte of whatever matches, lower case if fold; 0 if any may
}

type shape uint8

const (
	shapeExact   shape = iota // no wildcard, no variable
	shapeAny                  // "*"
	shapePrefix               // "text*"
	shapeGeneral              // anything else
)

type tokenKind uint8

const (
	tokenLiteral tokenKind = iota
	tokenOne
	tokenMany
	tokenVariable
)

type token struct {
	kind     tokenKind
	text     string // of a literal; of a variable: its key, lower case
	fallback string // of a variable: its default
	has      bool   // a default is given
}

// patternRules says what is special in a text besides literal characters.
type patternRules struct {
	wildcards bool // '*' and '?'
	variables bool // "${…}"
	fold      bool // match ASCII letters of either case
}

func compilePattern(text string, rules patternRules) pattern {
	p := pattern{fold: rules.fold}
	if rules.fold {
		text = lowerASCII(text)
	}
	p.tokens = tokenize(text, rules)
	for _, t := range p.tokens {
		if t.kind == tokenVariable {
			p.vars++
		}
	}
	if len(p.tokens) > 0 && p.tokens[0].kind == tokenLiteral {
		p.lead = p.tokens[0].text[0]
	}
	p.shape = shapeGeneral
	switch t := p.tokens; {
	case len(t) == 0:
		p.shape = shapeExact
	case len(t) == 1 && t[0].kind == tokenLiteral:
		p.shape, p.text = shapeExact, t[0].text
	case len(t) == 1 && t[0].kind == tokenMany:
		p.shape = shapeAny
	case len(t) == 2 && t[0].kind == tokenLiteral && t[1].kind == tokenMany:
		p.shape, p.text = shapePrefix, t[0].text
	}
	return p
}

// tokenize cuts a text into literals, wildcards and variables. Runs of '*' become
// one; neighbouring literals become one.
func tokenize(text string, rules patternRules) []token {
	if text != "" && !strings.ContainsAny(text, "*?$") {
		return []token{{kind: tokenLiteral, text: text}}
	}
	var tokens []token
	var literal strings.Builder
	add := func(t token) {
		if literal.Len() > 0 {
			tokens = append(tokens, token{kind: tokenLiteral, text: literal.String()})
			literal.Reset()
		}
		if n := len(tokens); t.kind != tokenMany || n == 0 || tokens[n-1].kind != tokenMany {
			tokens = append(tokens, t)
		}
	}
	for text != "" {
		size := 1
		switch c := text[0]; {
		case c == '*' && rules.wildcards:
			add(token{kind: tokenMany})
		case c == '?' && rules.wildcards:
			add(token{kind: tokenOne})
		case c == '$' && rules.variables:
			v, n, ok := readVariable(text)
			switch {
			case !ok:
				literal.WriteByte(c)
			case v.kind == tokenLiteral:
				literal.WriteString(v.text)
				size = n
			default:
				add(v)
				size = n
			}
		default:
			literal.WriteByte(c)
		}
		text = text[size:]
	}
	if literal.Len() > 0 {
		tokens = append(tokens, token{kind: tokenLiteral, text: literal.String()})
	}
	return tokens
}

// maxFastVariables is how many variables of one pattern are resolved without
// allocating.
const maxFastVariables = 4

// match reports whether the text matches. resolved is false when a variable has
// no value; then nothing matches, and a negated test must not read that as "no".
func (p *pattern) match(text string, e *env) (matched, resolved bool) {
	switch p.shape {
	case shapeAny:
		return true, true
	case shapeExact:
		return len(text) == len(p.text) && p.hasPrefix(text, p.text), true
	case shapePrefix:
		return p.hasPrefix(text, p.text), true
	}
	if p.vars == 0 {
		return p.run(text, nil), true
	}
	var few [maxFastVariables]string
	values := few[:0]
	if p.vars > maxFastVariables {
		values = make([]string, 0, p.vars)
	}
	for i := range p.tokens {
		if p.tokens[i].kind != tokenVariable {
			continue
		}
		v, ok := e.variable(&p.tokens[i])
		if !ok {
			return false, false
		}
		values = append(values, v)
	}
	return p.run(text, values), true
}

// run matches token by token, remembering only the last '*': if a later token
// fails, that '*' takes one character more. Since an earlier '*' never needs to
// be reconsidered, there is no exponential case.
func (p *pattern) run(text string, values []string) bool {
	at, tok, val := 0, 0, 0
	star, starAt, starVal := -1, 0, 0 // the token after the last '*', and what it tried last
	for {
		if tok == len(p.tokens) {
			if at == len(text) {
				return true
			}
		} else {
			t := &p.tokens[tok]
			switch t.kind {
			case tokenMany:
				if tok++; tok == len(p.tokens) {
					return true
				}
				star, starAt, starVal = tok, at, val
				continue
			case tokenOne:
				if at < len(text) {
					_, size := utf8.DecodeRuneInString(text[at:])
					at, tok = at+size, tok+1
					continue
				}
			case tokenLiteral:
				if p.hasPrefix(text[at:], t.text) {
					at, tok = at+len(t.text), tok+1
					continue
				}
			case tokenVariable:
				if p.hasPrefix(text[at:], values[val]) {
					at, tok, val = at+len(values[val]), tok+1, val+1
					continue
				}
			}
		}
		if star < 0 || starAt >= len(text) {
			return false
		}
		_, size := utf8.DecodeRuneInString(text[starAt:])
		starAt += size
		at, tok, val = starAt, star, starVal
	}
}

func (p *pattern) hasPrefix(text, prefix string) bool {
	if !p.fold {
		return strings.HasPrefix(text, prefix)
	}
	if len(text) < len(prefix) {
		return false
	}
	for i := 0; i < len(prefix); i++ {
		if lower(text[i]) != lower(prefix[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// lowerASCII lowers ASCII letters and leaves every other byte: condition keys and
// actions are ASCII, and Unicode folding would let other letters through.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lower(b[i])
			}
			return string(b)
		}
	}
	return s
}
