package expression

import (
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/api/dynamodb"
)

// An op is what a node of an expression does.
type op byte

const (
	opPath op = iota
	opValue
	opCall
	opAnd
	opOr
	opNot
	opCompare // name is = <> < <= > >=
	opBetween
	opIn
	opSum // name is + or -
)

// A node is an operand, a condition or a call.
type node struct {
	op     op
	name   string // of a function, a comparator or a :value
	args   []*node
	path   Path
	value  dynamodb.AttributeValue
	parens bool // stands in parentheses
}

func (n *node) operand() bool { return n.op == opPath || n.op == opValue || n.op == opCall }

// A syntaxError is where a parser stumbled.
type syntaxError struct{ problem string }

// A parser turns one expression into nodes. It panics with a syntaxError, which
// parse catches. What else is wrong, it notes: which of it is told is for the
// checks to decide.
type parser struct {
	scope    *Scope
	text     string
	tokens   []token
	pos      int
	keywords []string // words that are no names here
	ops      int

	reserved, unknownName, unknownValue, parens string // the first of each
	paths                                       []Path
}

// parse runs read over the whole of an expression.
func (s *Scope) parse(kind Kind, text string, keywords []string, read func(p *parser)) (p *parser, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, kind.invalid("The expression can not be empty;")
	}
	if len(text) > maxSize {
		return nil, kind.invalid("Expression size has exceeded the maximum allowed size; expression size: " + strconv.Itoa(len(text)))
	}
	p = &parser{scope: s, text: text, tokens: lex(text), keywords: keywords}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(syntaxError)
			if !ok {
				panic(r)
			}
			err = kind.invalid(e.problem)
		}
	}()
	read(p)
	if p.peek().kind != end {
		p.fail()
	}
	if p.ops > maxOperators {
		return nil, kind.invalid("The expression contains too many operators; operator count: " + strconv.Itoa(p.ops))
	}
	return p, nil
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != end {
		p.pos++
	}
	return t
}

// accept takes the next token if it is of the kind.
func (p *parser) accept(kind byte) bool {
	if p.peek().kind != kind {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(kind byte) token {
	if p.peek().kind != kind {
		p.fail()
	}
	return p.next()
}

// keyword takes the next token if it is the keyword.
func (p *parser) keyword(k string) bool {
	if !p.peek().is(k) {
		return false
	}
	p.next()
	return true
}

// fail ends the parse at the next token, which AWS shows between its neighbours.
func (p *parser) fail() {
	t := p.peek()
	from, to := t.from, t.to
	if p.pos > 0 {
		from = p.tokens[p.pos-1].from
	}
	if p.pos+1 < len(p.tokens) {
		to = p.tokens[p.pos+1].to
	}
	near := strings.TrimSpace(p.text[from:to])
	panic(syntaxError{`Syntax error; token: "` + t.text + `", near: "` + near + `"`})
}

func note(problem *string, text string) {
	if *problem == "" {
		*problem = text
	}
}

// isKeyword reports whether t has a meaning of its own in this expression.
func (p *parser) isKeyword(t token) bool {
	for _, k := range p.keywords {
		if t.is(k) {
			return true
		}
	}
	return false
}

// identifier reads a name or a #name.
func (p *parser) identifier() string {
	t := p.peek()
	switch {
	case t.kind == word && !p.isKeyword(t):
		p.next()
		if reserved(t.text) {
			note(&p.reserved, "Attribute name is a reserved keyword; reserved keyword: "+t.text)
		}
		return t.text
	case t.kind == name:
		p.next()
		n, ok := p.scope.names[t.text]
		if !ok {
			note(&p.unknownName, "An expression attribute name used in the document path is not defined; attribute name: "+t.text)
			return t.text
		}
		p.scope.used[t.text] = true
		return n
	}
	p.fail()
	return ""
}

// readPath reads name[.name|[index]]*.
func (p *parser) readPath() Path {
	path := Name(p.identifier())
	for {
		switch {
		case p.accept('.'):
			path = append(path, Name(p.identifier())...)
		case p.accept('['):
			t := p.expect(digits)
			i, err := strconv.Atoi(t.text)
			if err != nil || i > 1<<31-1 {
				panic(syntaxError{"List index is not within the allowable range; index: [" + t.text + "]"})
			}
			path = append(path, Step{Index: i})
			p.expect(']')
		default:
			p.paths = append(p.paths, path)
			return path
		}
	}
}

// readOperand reads a path, a :value or a call, without parentheses.
func (p *parser) readOperand() *node {
	t := p.peek()
	switch {
	case t.kind == param:
		p.next()
		v, ok := p.scope.values.Get(t.text)
		if !ok {
			note(&p.unknownValue, "An expression attribute value used in expression is not defined; attribute value: "+t.text)
		}
		p.scope.used[t.text] = true
		return &node{op: opValue, name: t.text, value: v}
	case t.kind == word && !p.isKeyword(t) && p.tokens[p.pos+1].kind == '(':
		p.next()
		p.next()
		p.ops++
		call := &node{op: opCall, name: t.text}
		for {
			call.args = append(call.args, p.readGrouped())
			if !p.accept(',') {
				break
			}
		}
		p.expect(')')
		return call
	}
	return &node{op: opPath, path: p.readPath()}
}

// readGrouped reads an operand that may stand in parentheses.
func (p *parser) readGrouped() *node {
	if !p.accept('(') {
		return p.readOperand()
	}
	n := p.readGrouped()
	p.expect(')')
	return p.group(n)
}

// group puts n in parentheses.
func (p *parser) group(n *node) *node {
	if n.parens {
		note(&p.parens, "The expression has redundant parentheses;")
	}
	n.parens = true
	return n
}
