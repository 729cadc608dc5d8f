package expression

import (
	"github.com/tule-cloud/tule/api/dynamodb"
)

// A Condition is a condition, filter or key condition.
type Condition struct {
	root  *node
	paths []Path
}

var conditionWords = []string{"AND", "OR", "NOT", "BETWEEN", "IN"}

// Condition parses a condition, a filter or a key condition.
func (s *Scope) Condition(kind Kind, text string) (*Condition, error) {
	var root *node
	p, err := s.parse(kind, text, conditionWords, func(p *parser) {
		if root = p.readOr(false); !root.condition() {
			p.fail()
		}
	})
	if err != nil {
		return nil, err
	}
	if problem := checkCondition(p, root); problem != "" {
		return nil, kind.invalid(problem)
	}
	return &Condition{root: root, paths: p.paths}, nil
}

// Heads are the top-level attributes that the condition reads, sorted.
func (c *Condition) Heads() []string { return heads(c.paths) }

// Nested are the top-level attributes into which the condition's paths lead.
func (c *Condition) Nested() []string { return nested(c.paths) }

// condition reports whether n can be true or false, as operands are not.
func (n *node) condition() bool { return n.op != opPath && n.op != opValue }

// The readers of conditions take loose, which says that an operand will do since
// a parenthesis is open.

func (p *parser) readOr(loose bool) *node {
	n := p.readAnd(loose)
	if p.peek().is("OR") {
		p.need(n)
		p.next()
		p.ops++
		return &node{op: opOr, args: []*node{n, p.need(p.readOr(false))}}
	}
	return n
}

func (p *parser) readAnd(loose bool) *node {
	n := p.readNot(loose)
	if p.peek().is("AND") {
		p.need(n)
		p.next()
		p.ops++
		return &node{op: opAnd, args: []*node{n, p.need(p.readAnd(false))}}
	}
	return n
}

// need stumbles over the next token if n is no condition.
func (p *parser) need(n *node) *node {
	if !n.condition() {
		p.fail()
	}
	return n
}

func (p *parser) readNot(loose bool) *node {
	if p.keyword("NOT") {
		p.ops++
		return &node{op: opNot, args: []*node{p.need(p.readNot(false))}}
	}
	return p.readComparison(loose)
}

func (p *parser) readComparison(loose bool) *node {
	var n *node
	if p.accept('(') {
		n = p.readOr(true)
		p.expect(')')
		n = p.group(n)
	} else {
		n = p.readOperand()
	}
	if !n.operand() {
		return n
	}
	switch t := p.peek(); {
	case t.kind == '=' || t.kind == '<' || t.kind == '>' || t.kind == le || t.kind == ge || t.kind == ne:
		p.next()
		p.ops++
		return &node{op: opCompare, name: t.text, args: []*node{n, p.readGrouped()}}
	case p.keyword("BETWEEN"):
		p.ops++
		low := p.readGrouped()
		if !p.keyword("AND") {
			p.fail()
		}
		return &node{op: opBetween, name: "BETWEEN", args: []*node{n, low, p.readGrouped()}}
	case p.keyword("IN"):
		p.ops++
		in := &node{op: opIn, name: "IN", args: []*node{n}}
		p.expect('(')
		for {
			in.args = append(in.args, p.readGrouped())
			if !p.accept(',') {
				break
			}
		}
		p.expect(')')
		return in
	}
	if !n.condition() && !(loose && p.peek().kind == ')') {
		p.fail()
	}
	return n
}

// Matches reports whether an item, nil for none, meets the condition. A nil
// condition is met by every item.
func (c *Condition) Matches(it dynamodb.Item) bool {
	return c == nil || c.root.matches(it)
}

// Both is the condition that a and b are met; either may be nil.
func Both(a, b *Condition) *Condition {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return join(opAnd, a, b)
}

func join(by op, a, b *Condition) *Condition {
	return &Condition{root: &node{op: by, args: []*node{a.root, b.root}}, paths: append(a.paths[:len(a.paths):len(a.paths)], b.paths...)}
}

// Either is the condition that a or b is met; a may be nil, which stands for none.
func Either(a, b *Condition) *Condition {
	if a == nil {
		return b
	}
	return join(opOr, a, b)
}

// Not is the condition that c is not met.
func Not(c *Condition) *Condition {
	return &Condition{root: &node{op: opNot, args: []*node{c.root}}, paths: c.paths}
}

// Compare is the condition of a legacy operator, such as EQ or BEGINS_WITH, on a
// top-level attribute. The values must be as many as the operator takes.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.Conditions.html
func Compare(attribute, operator string, values []dynamodb.AttributeValue) *Condition {
	path := Name(attribute)
	n := &node{op: opCall, args: []*node{{op: opPath, path: path}}}
	for _, v := range values {
		n.args = append(n.args, &node{op: opValue, value: v})
	}
	c := &Condition{root: n, paths: []Path{path}}
	switch operator {
	case "EQ":
		n.op, n.name = opCompare, "="
	case "NE":
		n.op, n.name = opCompare, "<>"
	case "LT":
		n.op, n.name = opCompare, "<"
	case "LE":
		n.op, n.name = opCompare, "<="
	case "GT":
		n.op, n.name = opCompare, ">"
	case "GE":
		n.op, n.name = opCompare, ">="
	case "BETWEEN":
		n.op = opBetween
	case "IN":
		n.op = opIn
	case "NULL":
		n.name = "attribute_not_exists"
	case "NOT_NULL":
		n.name = "attribute_exists"
	case "BEGINS_WITH":
		n.name = "begins_with"
	case "CONTAINS":
		n.name = "contains"
	case "NOT_CONTAINS":
		n.name = "contains"
		return Not(c)
	}
	return c
}
