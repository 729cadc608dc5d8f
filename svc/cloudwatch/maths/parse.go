package maths

import (
	"fmt"
	"strconv"
	"strings"
)

// maxDepth bounds how deep an expression goes.
const maxDepth = 64

// Parse reads an expression. The error is a sentence for whoever wrote it.
func Parse(s string) (*Expression, error) {
	p := &parser{rest: s}
	p.next()
	root, err := p.or()
	if err == nil && p.token != "" {
		err = fmt.Errorf("unexpected %q", p.token)
	}
	if err == nil {
		err = p.err
	}
	if err != nil {
		return nil, err
	}
	return &Expression{root}, nil
}

// A parser reads a token at a time; "" is the end.
type parser struct {
	rest  string
	token string
	kind  byte // 'n' a number, 'w' a word, 's' a text, 'o' an operator
	depth int
	err   error
}

const spaces = " \t\r\n"

func (p *parser) next() {
	p.rest = strings.TrimLeft(p.rest, spaces)
	p.token, p.kind = "", 0
	if p.rest == "" {
		return
	}
	n := 1
	switch c := p.rest[0]; {
	case c >= '0' && c <= '9' || c == '.':
		p.kind, n = 'n', digits(p.rest)
	case letter(c):
		p.kind = 'w'
		for n < len(p.rest) && (letter(p.rest[n]) || p.rest[n] >= '0' && p.rest[n] <= '9') {
			n++
		}
	case c == '"' || c == '\'':
		end := strings.IndexByte(p.rest[1:], c)
		if end < 0 {
			p.err, p.rest = fmt.Errorf("a text has no end"), ""
			return
		}
		p.kind, p.token, p.rest = 's', p.rest[:end+2], p.rest[end+2:]
		return
	default:
		p.kind = 'o'
		for _, two := range []string{"==", "!=", "<=", ">=", "&&", "||"} {
			if strings.HasPrefix(p.rest, two) {
				n = 2
			}
		}
	}
	p.token, p.rest = p.rest[:n], p.rest[n:]
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

// digits is how long the number is that s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) {
		c := s[n]
		exponent := (c == 'e' || c == 'E') && n+1 < len(s) && (s[n+1] >= '0' && s[n+1] <= '9' || (s[n+1] == '-' || s[n+1] == '+') && n+2 < len(s) && s[n+2] >= '0' && s[n+2] <= '9')
		switch {
		case exponent:
			n += 2
		case c >= '0' && c <= '9' || c == '.':
			n++
		default:
			return n
		}
	}
	return n
}

// is reports whether the token is one of some, and if so which operator it is.
func (p *parser) is(tokens ...string) (string, bool) {
	if p.kind != 'o' && p.kind != 'w' {
		return "", false
	}
	op := p.token
	switch strings.ToUpper(op) {
	case "AND":
		op = "&&"
	case "OR":
		op = "||"
	}
	for _, t := range tokens {
		if op == t {
			return op, true
		}
	}
	return "", false
}

// left reads operators of one rank that bind to the left.
func (p *parser) left(inner func() (node, error), ops ...string) (node, error) {
	x, err := inner()
	for err == nil {
		op, ok := p.is(ops...)
		if !ok {
			return x, nil
		}
		p.next()
		var y node
		if y, err = inner(); err == nil {
			x = &binary{op, x, y}
		}
	}
	return nil, err
}

func (p *parser) or() (node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("the expression is nested too deep")
	}
	defer func() { p.depth-- }()
	return p.left(p.and, "||")
}

func (p *parser) and() (node, error) { return p.left(p.comparison, "&&") }

func (p *parser) comparison() (node, error) {
	return p.left(p.sum, "==", "!=", "<", "<=", ">", ">=")
}

func (p *parser) sum() (node, error) { return p.left(p.product, "+", "-") }

func (p *parser) product() (node, error) { return p.left(p.signed, "*", "/") }

func (p *parser) signed() (node, error) {
	negative, signs := false, 0
	for p.kind == 'o' && (p.token == "-" || p.token == "+") {
		if signs++; signs > maxDepth {
			return nil, fmt.Errorf("the expression has too many signs")
		}
		negative = negative != (p.token == "-")
		p.next()
	}
	x, err := p.power()
	if err == nil && negative {
		x = &unary{x}
	}
	return x, err
}

func (p *parser) power() (node, error) {
	x, err := p.operand()
	if err != nil || p.kind != 'o' || p.token != "^" {
		return x, err
	}
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("the expression is nested too deep")
	}
	defer func() { p.depth-- }()
	p.next()
	y, err := p.signed()
	return &binary{"^", x, y}, err
}

func (p *parser) operand() (node, error) {
	token, kind := p.token, p.kind
	p.next()
	switch {
	case p.err != nil:
		return nil, p.err
	case kind == 0:
		return nil, fmt.Errorf("the expression ends too early")
	case kind == 'n':
		f, err := strconv.ParseFloat(token, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", token)
		}
		return literal(f), nil
	case kind == 's':
		return text(token[1 : len(token)-1]), nil
	case kind == 'w' && p.kind == 'o' && p.token == "(":
		return p.call(strings.ToUpper(token))
	case kind == 'w':
		return name(token), nil
	case token == "(":
		x, err := p.or()
		if err != nil {
			return nil, err
		}
		return x, p.expect(")")
	case token == "[":
		list, err := p.list("]")
		return array(list), err
	}
	return nil, fmt.Errorf("unexpected %q", token)
}

func (p *parser) expect(token string) error {
	if p.token != token || p.kind != 'o' {
		return fmt.Errorf("%q is missing", token)
	}
	p.next()
	return p.err
}

// list reads what is between here and end, with commas between.
func (p *parser) list(end string) ([]node, error) {
	var out []node
	if p.kind == 'o' && p.token == end {
		p.next()
		return out, nil
	}
	for {
		x, err := p.or()
		if err != nil {
			return nil, err
		}
		out = append(out, x)
		if p.kind == 'o' && p.token == "," {
			p.next()
			continue
		}
		return out, p.expect(end)
	}
}

func (p *parser) call(function string) (node, error) {
	p.next()
	args, err := p.list(")")
	if err != nil {
		return nil, err
	}
	f, ok := functions[function]
	if !ok {
		return nil, fmt.Errorf("%s is not a function", function)
	}
	if len(args) < f.least || len(args) > f.most {
		return nil, fmt.Errorf("the function %s takes %d to %d arguments, and has %d", function, f.least, f.most, len(args))
	}
	return &call{function, args}, nil
}
