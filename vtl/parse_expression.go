package vtl

import (
	"strings"
)

// expression reads operators and what they join, blanks around it included.
func (p *parser) expression() (expr, error) { return p.binary(1) }

func (p *parser) binary(min int) (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	p.space()
	start := p.at
	left, err := p.unary()
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		p.space()
		o, size := operator(p.rest())
		if o == 0 || precedence[o] < min {
			return left, nil
		}
		if n == maxChain {
			return nil, p.fail(p.at, "%w: more than %d operators in a row", ErrLimit, maxChain)
		}
		p.at += size
		right, err := p.binary(precedence[o] + 1)
		if err != nil {
			return nil, err
		}
		left = &binary{op: o, left: left, right: right, src: strings.TrimSpace(p.src[start:p.at])}
	}
}

// maxChain is how many operators of one precedence may follow each other: a
// chain nests to the left as it is evaluated.
const maxChain = 1000

// operator is the binary operator at the start of s and its length.
func operator(s string) (op, int) {
	if len(s) >= 2 {
		switch s[:2] {
		case "&&":
			return opAnd, 2
		case "||":
			return opOr, 2
		case "==":
			return opEQ, 2
		case "!=":
			return opNE, 2
		case "<=":
			return opLE, 2
		case ">=":
			return opGE, 2
		}
	}
	if s == "" {
		return 0, 0
	}
	switch s[0] {
	case '<':
		return opLT, 1
	case '>':
		return opGT, 1
	case '+':
		return opAdd, 1
	case '-':
		if len(s) > 1 && (isDigit(s[1]) || s[1] == '.') {
			return 0, 0 // 1 -1 is two numbers
		}
		return opSub, 1
	case '*':
		return opMul, 1
	case '/':
		return opDiv, 1
	case '%':
		return opMod, 1
	}
	n := word(s, true)
	switch s[:n] {
	case "and":
		return opAnd, n
	case "or":
		return opOr, n
	case "eq":
		return opEQ, n
	case "ne":
		return opNE, n
	case "lt":
		return opLT, n
	case "gt":
		return opGT, n
	case "le":
		return opLE, n
	case "ge":
		return opGE, n
	}
	return 0, 0
}

func (p *parser) unary() (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	p.space()
	start := p.at
	if n := word(p.rest(), true); p.peek(0) == '!' && p.peek(1) != '=' || p.rest()[:n] == "not" {
		p.at += max(n, 1)
		of, err := p.unary()
		return &notExpr{of: of, src: p.src[start:p.at]}, err
	}
	if p.take("(") {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.unexpected("an operator or )")
		}
		return &parens{expr: e, src: p.src[start:p.at]}, nil
	}
	return p.value(false)
}

// value reads a string, number, list, range, map, boolean or reference. In a
// method's arguments a bare word is a reference to nothing.
func (p *parser) value(inMethod bool) (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	start := p.at
	switch c := p.peek(0); {
	case c == '"' || c == '\'':
		return p.str(c)
	case c == '[':
		return p.list(inMethod)
	case c == '{':
		return p.mapping(inMethod)
	case c == '$':
		r, err := p.reference()
		if r == nil && err == nil {
			err = p.unexpected("a reference")
		}
		return r, err
	case isDigit(c) || (c == '-' || c == '.') && numberLen(p.rest()) > 0:
		return p.number()
	}
	n := word(p.rest(), true)
	switch w := p.rest()[:n]; {
	case w == "true" || w == "false":
		p.at += n
		return &literal{v: w == "true", src: w}, nil
	case inMethod && identifier(p.rest()) > 0:
		p.at += identifier(p.rest())
		return &reference{runt: true, src: p.src[start:p.at], at: p.pos(start)}, nil
	}
	return nil, p.unexpected("a value")
}
