package expression

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// operands is how many operands each function of conditions takes.
var operands = map[string]int{
	"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2, "size": 1,
}

// checkCondition says what is wrong with a condition that has been parsed: of all
// that is, what AWS would say.
func checkCondition(p *parser, root *node) string {
	if p.parens != "" {
		return p.parens
	}
	c := &conditionCheck{p: p}
	c.walk(root)
	if root.op == opCall && root.name == "size" {
		note(&c.misused, misuse("size"))
	}
	for _, problem := range []string{c.unknown, c.misused, p.reserved, p.unknownName, p.unknownValue, c.other} {
		if problem != "" {
			return problem
		}
	}
	return ""
}

type conditionCheck struct {
	p                       *parser
	unknown, misused, other string
}

func misuse(function string) string {
	return "The function is not allowed to be used this way in an expression; function: " + function
}

func (c *conditionCheck) walk(n *node) {
	for _, a := range n.args {
		c.walk(a)
		if a.op != opCall {
			continue
		}
		// Conditions take every function but size, operands take size alone.
		logical := n.op == opAnd || n.op == opOr || n.op == opNot
		if logical == (a.name == "size") {
			note(&c.misused, misuse(a.name))
		}
	}
	switch n.op {
	case opCall:
		c.call(n)
	case opCompare:
		c.compare(n)
	case opBetween:
		c.between(n)
	case opIn:
		if len(n.args)-1 > maxOperands {
			note(&c.other, "The IN operator is provided with too many operands; number of operands: "+strconv.Itoa(len(n.args)-1))
		}
	}
}

func (c *conditionCheck) call(n *node) {
	want, ok := operands[n.name]
	if !ok {
		note(&c.unknown, "Invalid function name; function: "+n.name)
		return
	}
	if len(n.args) != want {
		note(&c.other, wrongCount(n.name, len(n.args)))
		return
	}
	c.distinct(n)
	first := n.args[0]
	switch n.name {
	case "attribute_exists", "attribute_not_exists":
		if first.op != opPath {
			note(&c.other, "Operator or function requires a document path; operator or function: "+n.name)
		}
	case "begins_with":
		for _, a := range n.args {
			if t := a.typeOf(); t != dynamodb.NoType && t != dynamodb.TypeS && t != dynamodb.TypeB {
				note(&c.other, wrongType(n.name, t.String()))
			}
		}
	case "attribute_type":
		c.attributeType(n.args[1])
	case "size":
		switch t := first.typeOf(); t {
		case dynamodb.TypeN, dynamodb.TypeBOOL, dynamodb.TypeNULL:
			note(&c.other, wrongType(n.name, t.String()))
		}
	}
}

func (c *conditionCheck) attributeType(a *node) {
	if a.op == opValue && a.value.Type() == dynamodb.NoType {
		return // not defined, which is said elsewhere
	}
	t := a.typeOf()
	switch {
	case t == dynamodb.NoType:
		note(&c.other, wrongType("attribute_type", "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"))
	case t != dynamodb.TypeS:
		note(&c.other, wrongType("attribute_type", t.String()))
	case dynamodb.TypeOf(a.value.Text()) == dynamodb.NoType:
		note(&c.other, "Invalid attribute type name found; type: "+a.value.Text()+", valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}")
	}
}

func (c *conditionCheck) compare(n *node) {
	c.distinct(n)
	if n.name == "=" || n.name == "<>" {
		return
	}
	for _, a := range n.args {
		switch t := a.typeOf(); t {
		case dynamodb.NoType, dynamodb.TypeS, dynamodb.TypeN, dynamodb.TypeB:
		default:
			note(&c.other, wrongType(n.name, t.String()))
		}
	}
}

func (c *conditionCheck) between(n *node) {
	low, high := n.args[1], n.args[2]
	t, u := low.typeOf(), high.typeOf()
	if low.op != opValue || high.op != opValue || t == dynamodb.NoType || u == dynamodb.NoType {
		return
	}
	bounds := "lower bound operand: AttributeValue: " + low.value.String() + ", upper bound operand: AttributeValue: " + high.value.String()
	if t != u {
		note(&c.other, "The BETWEEN operator requires same data type for lower and upper bounds; "+bounds)
	} else if order, ok := value.Compare(low.value, high.value); ok && order > 0 {
		note(&c.other, "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "+bounds)
	}
}

// distinct notes two operands that are the same path.
func (c *conditionCheck) distinct(n *node) {
	if len(n.args) == 2 && n.args[0].op == opPath && n.args[1].op == opPath && slices.Equal(n.args[0].path, n.args[1].path) {
		note(&c.other, "The first operand must be distinct from the remaining operands for this operator or function; operator: "+
			n.name+", first operand: "+n.args[0].path.String())
	}
}

func wrongCount(name string, n int) string {
	return "Incorrect number of operands for operator or function; operator or function: " + name + ", number of operands: " + strconv.Itoa(n)
}

func wrongType(name, t string) string {
	return strings.Join([]string{"Incorrect operand type for operator or function; operator or function: ", name, ", operand type: ", t}, "")
}

// typeOf is the type that an operand has whatever the item, NoType if that is open.
func (n *node) typeOf() dynamodb.ValueType {
	switch {
	case n.op == opValue:
		return n.value.Type()
	case n.op == opSum, n.op == opCall && n.name == "size":
		return dynamodb.TypeN
	case n.op == opCall && n.name == "list_append":
		return dynamodb.TypeL
	case n.op == opCall && operands[n.name] > 0:
		return dynamodb.TypeBOOL
	}
	return dynamodb.NoType
}
