package expression

import (
	"github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// A KeyCondition bounds one key attribute, by a legacy operator: EQ, LT, LE, GT,
// GE, BETWEEN or BEGINS_WITH.
type KeyCondition struct {
	Operator string
	Values   []dynamodb.AttributeValue
}

// Keys takes a key condition apart, by attribute.
func (c *Condition) Keys() (map[string]KeyCondition, error) {
	keys := map[string]KeyCondition{}
	return keys, c.root.keys(keys)
}

func (n *node) keys(into map[string]KeyCondition) error {
	switch {
	case n.op == opAnd:
		for _, a := range n.args {
			if err := a.keys(into); err != nil {
				return err
			}
		}
		return nil
	case n.op == opOr:
		return value.Invalid("Invalid operator used in KeyConditionExpression: OR")
	case n.op == opNot:
		return value.Invalid("Invalid operator used in KeyConditionExpression: NOT")
	case n.op == opIn || n.name == "<>":
		return value.Invalid("Invalid operator used in KeyConditionExpression: %s", n.name)
	case n.op == opCall && n.name != "begins_with":
		return value.Invalid("Invalid operator used in KeyConditionExpression: %s", n.name)
	case (n.op == opBetween || n.op == opCall) && n.args[0].op != opPath:
		return value.Invalid("Invalid condition in KeyConditionExpression: %s operator must have the key attribute as its first operand", n.name)
	}
	attribute, c := "", KeyCondition{Operator: keyOperators[n.name]}
	for i, a := range n.args {
		switch {
		case a.op == opCall:
			return value.Invalid("KeyConditionExpressions cannot contain nested operations")
		case a.op == opValue:
			c.Values = append(c.Values, a.value)
		case attribute != "":
			return value.Invalid("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		case len(a.path) > 1:
			return value.Invalid("KeyConditionExpressions cannot have conditions on nested attributes")
		default:
			attribute = a.path[0].Name
			if i > 0 {
				c.Operator = mirrored[c.Operator]
			}
		}
	}
	if attribute == "" {
		return value.Invalid("Invalid condition in KeyConditionExpression: No key attribute specified")
	}
	if _, taken := into[attribute]; taken {
		return value.Invalid("KeyConditionExpressions must only contain one condition per key")
	}
	into[attribute] = c
	return nil
}

var keyOperators = map[string]string{
	"=": "EQ", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE", "BETWEEN": "BETWEEN", "begins_with": "BEGINS_WITH",
}

// mirrored is each operator with its operands exchanged.
var mirrored = map[string]string{"EQ": "EQ", "LT": "GT", "LE": "GE", "GT": "LT", "GE": "LE"}
