package sql

import (
	"strconv"
	"strings"
	"time"
)

// maxDepth bounds how deep expressions may lie within each other.
const maxDepth = 200

// maxQuery is the longest query, as on AWS.
const maxQuery = 256 << 10

type parser struct {
	tokens []token
	next   int
	depth  int
	query  *Query
	within bool // an aggregate
	list   bool // the select list, where aggregates may stand
	now    time.Time
}

// Parse reads a query, for which it is now. The error is an *Error.
func Parse(text string, now time.Time) (q *Query, err error) {
	if len(text) > maxQuery {
		return nil, fault("ExpressionTooLong", "The SQL expression is too long: The maximum byte-length for the SQL expression is 256 KB.")
	}
	tokens, err := tokenize(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, query: &Query{limit: -1}, now: now.UTC()}
	if err := p.statement(); err != nil {
		return nil, err
	}
	return p.query, nil
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != tokenEnd {
		p.next++
	}
	return t
}

// accept takes the next token if it is s.
func (p *parser) accept(s string) bool {
	if !p.peek().is(s) {
		return false
	}
	p.next++
	return true
}

func (p *parser) expect(s string) error {
	if p.accept(s) {
		return nil
	}
	if strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return fault("ParseExpectedKeyword", "Did not find the expected keyword in the SQL expression: %s at position %d.", s, p.peek().at+1)
	}
	return p.unexpected()
}

func (p *parser) unexpected() error {
	t := p.peek()
	if t.kind == tokenEnd {
		return fault("ParseUnexpectedTerm", "Unexpected end of the SQL expression.")
	}
	return fault("ParseUnexpectedToken", "The SQL expression contains an unexpected token: %.64s at position %d.", t.text, t.at+1)
}

func (p *parser) statement() error {
	if err := p.expect("SELECT"); err != nil {
		return fault("ParseUnsupportedSelect", "The SQL expression contains an unsupported use of SELECT: a query begins with it.")
	}
	list := p.next
	if err := p.skipTo("FROM"); err != nil {
		return err
	}
	if err := p.from(); err != nil { // first: the list needs the alias
		return err
	}
	after := p.next
	p.next = list
	if err := p.selectList(); err != nil {
		return err
	}
	if !p.peek().is("FROM") {
		return p.unexpected()
	}
	p.next = after
	if err := p.tail(); err != nil {
		return err
	}
	for _, c := range p.query.columns {
		if len(p.query.aggregates) > 0 && (c.all || !constant(c.expr)) {
			return fault("ParseUnsupportedSyntax", "The SQL expression mixes aggregates and other columns.")
		}
	}
	if len(p.query.aggregates) > 0 && len(p.query.columns) == 0 {
		return fault("ParseUnsupportedSyntax", "The SQL expression mixes aggregates and other columns.")
	}
	return nil
}

// skipTo goes to a keyword outside of all brackets.
func (p *parser) skipTo(word string) error {
	depth := 0
	for ; p.peek().kind != tokenEnd; p.next++ {
		t := p.peek()
		switch {
		case t.is("(") || t.is("["):
			depth++
		case t.is(")") || t.is("]"):
			depth--
		case depth == 0 && t.is(word):
			p.next++
			return nil
		}
	}
	return fault("ParseSelectMissingFrom", "The SQL expression is missing a FROM after the SELECT list.")
}

// from reads S3Object[*].a.b[*] AS s.
func (p *parser) from() error {
	t := p.take()
	if !t.is("S3OBJECT") {
		return fault("InvalidTableAlias", "The SQL expression contains an invalid data source: %.64s.", t.text)
	}
	first := true
	for {
		switch {
		case p.accept("["):
			s, err := p.bracket()
			if err != nil {
				return err
			}
			if s.every && first { // S3Object[*] is every record
				first = false
				continue
			}
			p.query.from = append(p.query.from, s)
		case p.accept("."):
			t := p.take()
			if t.is("*") {
				p.query.from = append(p.query.from, step{every: true})
				break
			}
			if t.kind != tokenWord && t.kind != tokenName {
				p.next--
				return p.unexpected()
			}
			p.query.from = append(p.query.from, step{name: t.text, quoted: t.kind == tokenName})
		default:
			return p.alias()
		}
		first = false
	}
}

// closing are words behind FROM that are no alias.
var closing = map[string]bool{"WHERE": true, "LIMIT": true, "GROUP": true, "ORDER": true, "HAVING": true, "JOIN": true}

func (p *parser) alias() error {
	p.query.alias = "S3Object"
	as := p.accept("AS")
	t := p.peek()
	if t.kind == tokenName || t.kind == tokenWord && (as || !closing[strings.ToUpper(t.text)]) {
		p.next++
		p.query.alias = t.text
		return nil
	}
	if as {
		return p.unexpected()
	}
	return nil
}

// bracket reads what stands behind a "[".
func (p *parser) bracket() (s step, err error) {
	switch t := p.take(); {
	case t.is("*"):
		s.every = true
	case t.kind == tokenText:
		s.name, s.quoted = t.text, true
	case t.kind == tokenNumber:
		if s.index, err = strconv.Atoi(t.text); err != nil {
			return s, fault("ParseInvalidPathComponent", "The SQL expression contains an invalid path component: %.64s.", t.text)
		}
		s.at = true
	default:
		p.next--
		return s, p.unexpected()
	}
	return s, p.expect("]")
}

func (p *parser) selectList() error {
	if p.accept("*") {
		return nil
	}
	p.list = true
	defer func() { p.list = false }()
	for {
		c, err := p.column()
		if err != nil {
			return err
		}
		p.query.columns = append(p.query.columns, c)
		if !p.accept(",") {
			return nil
		}
	}
}

func (p *parser) column() (c column, err error) {
	if t := p.peek(); strings.EqualFold(t.text, p.query.alias) && p.tokens[min(p.next+1, len(p.tokens)-1)].is(".") &&
		p.tokens[min(p.next+2, len(p.tokens)-1)].is("*") {
		p.next += 3
		return column{all: true}, nil
	}
	if c.expr, err = p.expression(); err != nil {
		return c, err
	}
	if path, ok := c.expr.(pathNode); ok && len(path) > 0 && !path[len(path)-1].at {
		c.name = path[len(path)-1].name
	}
	as := p.accept("AS")
	if t := p.peek(); t.kind == tokenName || t.kind == tokenWord && (as || !t.is("FROM")) {
		c.name = t.text
		p.next++
	} else if as {
		return c, p.unexpected()
	}
	return c, nil
}

// tail reads WHERE and LIMIT.
func (p *parser) tail() (err error) {
	if p.accept("WHERE") {
		if p.query.where, err = p.expression(); err != nil {
			return err
		}
	}
	if p.accept("LIMIT") {
		t := p.take()
		n, err := strconv.ParseInt(t.text, 10, 64)
		if t.kind != tokenNumber || err != nil || n < 0 {
			return fault("ParseExpectedNumber", "Did not find the expected number in the SQL expression, behind LIMIT.")
		}
		p.query.limit = n
	}
	p.accept(";")
	if t := p.peek(); t.kind != tokenEnd {
		if t.is("GROUP") || t.is("ORDER") || t.is("HAVING") || t.is("JOIN") {
			return fault("ParseUnsupportedSyntax", "The SQL expression contains unsupported syntax: %s.", strings.ToUpper(t.text))
		}
		return p.unexpected()
	}
	return nil
}
