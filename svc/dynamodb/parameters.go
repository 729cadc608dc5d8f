package dynamodb

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// parameter is one that a request has or not.
type parameter struct {
	name string
	set  bool
}

// checkMix refuses a request that has both expressions and the parameters that
// they replace, or names and values without an expression that could use them.
func checkMix(names map[string]string, values api.Item, expressions, legacy []parameter) error {
	given := func(ps []parameter) (out []string) {
		for _, p := range ps {
			if p.set {
				out = append(out, p.name)
			}
		}
		return out
	}
	have := given(expressions)
	if old := given(legacy); len(have) > 0 && len(old) > 0 {
		return value.Invalid("Can not use both expression and non-expression parameters in the same request: "+
			"Non-expression parameters: {%s} Expression parameters: {%s}", strings.Join(old, ", "), strings.Join(have, ", "))
	}
	if names != nil && len(have) == 0 {
		return value.Invalid("ExpressionAttributeNames can only be specified when using expressions")
	}
	if values == nil {
		return nil
	}
	var takers []string
	for _, e := range expressions {
		if e.name == string(expression.ProjectionExpression) {
			continue
		}
		if e.set {
			return nil
		}
		takers = append(takers, e.name)
	}
	verb := "is"
	if len(takers) > 1 {
		verb = "are"
	}
	return value.Invalid("ExpressionAttributeValues can only be specified when using expressions: %s %s null", strings.Join(takers, " and "), verb)
}

// conditional is the condition of a write.
type conditional struct {
	expression *string
	names      map[string]string
	values     api.Item
	expected   map[string]api.ExpectedAttributeValue
	operator   *string
}

func (c conditional) checkMix() error {
	return checkMix(c.names, c.values, []parameter{{"ConditionExpression", c.expression != nil}},
		[]parameter{{"Expected", c.expected != nil}, {"ConditionalOperator", c.operator != nil}})
}

// parse is the condition, nil for none.
func (c conditional) parse() (*expression.Condition, error) {
	old, err := expected(c.expected, c.operator)
	if err != nil {
		return nil, err
	}
	if c.expression == nil {
		return old, nil
	}
	scope, err := expression.NewScope(c.names, c.values)
	if err != nil {
		return nil, err
	}
	cond, err := scope.Condition(expression.ConditionExpression, *c.expression)
	if err != nil {
		return nil, err
	}
	return cond, scope.Unused()
}

// updating is what an UpdateItem wants.
type updating struct{ *api.UpdateItemInput }

func (u updating) checkMix() error {
	return checkMix(u.ExpressionAttributeNames, u.ExpressionAttributeValues,
		[]parameter{{"UpdateExpression", u.UpdateExpression != nil}, {"ConditionExpression", u.ConditionExpression != nil}},
		[]parameter{{"AttributeUpdates", u.AttributeUpdates != nil}, {"Expected", u.Expected != nil}, {"ConditionalOperator", u.ConditionalOperator != nil}})
}

func (u updating) parse() (*expression.Update, *expression.Condition, error) {
	up, err := attributeUpdates(u.AttributeUpdates)
	if err != nil {
		return nil, nil, err
	}
	cond, err := expected(u.Expected, u.ConditionalOperator)
	if err != nil || u.UpdateExpression == nil && u.ConditionExpression == nil {
		return up, cond, err
	}
	return expressed(u.ExpressionAttributeNames, u.ExpressionAttributeValues, u.UpdateExpression, u.ConditionExpression)
}

// expressed parses the expressions of an update, each of which may be absent.
func expressed(names map[string]string, values api.Item, update, condition *string) (*expression.Update, *expression.Condition, error) {
	scope, err := expression.NewScope(names, values)
	if err != nil {
		return nil, nil, err
	}
	var up *expression.Update
	var cond *expression.Condition
	if update != nil {
		if up, err = scope.Update(*update); err != nil {
			return nil, nil, err
		}
	}
	if condition != nil {
		if cond, err = scope.Condition(expression.ConditionExpression, *condition); err != nil {
			return nil, nil, err
		}
	}
	return up, cond, scope.Unused()
}

// projecting is what a read of single items keeps.
type projecting struct {
	expression *string
	names      map[string]string
	attributes []string
}

func (p projecting) checkMix() error {
	err := checkMix(p.names, nil, []parameter{{"ProjectionExpression", p.expression != nil}}, []parameter{{"AttributesToGet", p.attributes != nil}})
	if err != nil {
		return err
	}
	return checkAttributes(p.attributes)
}

// parse is the projection, nil for all.
func (p projecting) parse() (*expression.Projection, error) {
	if p.expression == nil {
		return attributesToGet(p.attributes), nil
	}
	scope, err := expression.NewScope(p.names, nil)
	if err != nil {
		return nil, err
	}
	out, err := scope.Projection(*p.expression)
	if err != nil {
		return nil, err
	}
	return out, scope.Unused()
}

func attributesToGet(names []string) *expression.Projection {
	if names == nil {
		return nil
	}
	return expression.Attributes(names)
}

func checkAttributes(names []string) error {
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			return value.Invalidf("Duplicate value in attribute name: %s", n)
		}
		seen[n] = true
	}
	return nil
}

// The legacy parameters of 2012, which the SDKs of 2016 still send.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LegacyConditionalParameters.html

// attributeUpdates is the update of AttributeUpdates, nil for none.
func attributeUpdates(updates map[string]api.AttributeValueUpdate) (*expression.Update, error) {
	if updates == nil {
		return nil, nil
	}
	u := &expression.Update{}
	for _, name := range slices.Sorted(maps.Keys(updates)) {
		change := updates[name]
		action := aws.Value(change.Action)
		if change.Value == nil {
			if action != api.AttributeActionDelete {
				return nil, value.Invalidf("Only DELETE action is allowed when no attribute value is specified")
			}
			u.Remove(name)
			continue
		}
		if err := value.Check(change.Value); err != nil {
			return nil, err
		}
		v := *change.Value
		set := v.Type() == api.TypeSS || v.Type() == api.TypeNS || v.Type() == api.TypeBS
		switch {
		case action == api.AttributeActionDelete && !set:
			return nil, value.Invalidf("DELETE action with value is not supported for the type %s", v.Type())
		case action == api.AttributeActionDelete:
			u.Delete(name, v)
		case action == api.AttributeActionAdd && !set && v.Type() != api.TypeN && v.Type() != api.TypeL:
			return nil, value.Invalidf("ADD action is not supported for the type %s", v.Type())
		case action == api.AttributeActionAdd:
			u.Add(name, v)
		default:
			u.Put(name, v)
		}
	}
	return u, nil
}

// expected is the condition of Expected, nil for none.
func expected(all map[string]api.ExpectedAttributeValue, operator *string) (*expression.Condition, error) {
	if len(all) == 0 {
		if operator != nil {
			return nil, value.Invalidf("ConditionalOperator cannot be used without Filter or Expected")
		}
		return nil, nil
	}
	var out *expression.Condition
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c, err := expectedOne(name, all[name])
		if err != nil {
			return nil, err
		}
		out = combine(out, c, operator)
	}
	return out, nil
}

func combine(all, one *expression.Condition, operator *string) *expression.Condition {
	if aws.Value(operator) == api.ConditionalOperatorOr {
		return expression.Either(all, one)
	}
	return expression.Both(all, one)
}

func expectedOne(name string, e api.ExpectedAttributeValue) (*expression.Condition, error) {
	values := e.AttributeValueList
	if e.Value != nil {
		values = []api.AttributeValue{*e.Value}
	}
	switch {
	case e.AttributeValueList != nil && e.Value != nil:
		return nil, value.Invalidf("Value and AttributeValueList cannot be used together for Attribute: %s", name)
	case e.ComparisonOperator != nil:
		op := *e.ComparisonOperator
		if e.Exists != nil {
			return nil, value.Invalidf("Exists and ComparisonOperator cannot be used together for Attribute: %s", name)
		}
		if values == nil && op != "NULL" && op != "NOT_NULL" {
			return nil, value.Invalidf("Value or AttributeValueList must be used with ComparisonOperator: %s for Attribute: %s", op, name)
		}
		if err := checkOperator(op, values); err != nil {
			return nil, err
		}
		return expression.Compare(name, op, values), nil
	case e.AttributeValueList != nil:
		return nil, value.Invalidf("AttributeValueList can only be used with a ComparisonOperator for Attribute: %s", name)
	}
	exists := e.Exists == nil || *e.Exists
	given := "null"
	if e.Exists != nil {
		given = fmt.Sprint(*e.Exists)
	}
	switch {
	case exists && e.Value == nil:
		return nil, value.Invalidf("Value must be provided when Exists is %s for Attribute: %s", given, name)
	case !exists && e.Value != nil:
		return nil, value.Invalidf("Value cannot be used when Exists is false for Attribute: %s", name)
	case !exists:
		return expression.Compare(name, "NULL", nil), nil
	}
	if err := value.Check(&values[0]); err != nil {
		return nil, err
	}
	return expression.Compare(name, "EQ", values), nil
}

// filters is the condition of QueryFilter or ScanFilter, nil for none.
func filters(all map[string]api.Condition, operator *string) (*expression.Condition, error) {
	var out *expression.Condition
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := all[name]
		op := aws.Value(c.ComparisonOperator)
		if err := checkOperator(op, c.AttributeValueList); err != nil {
			return nil, err
		}
		out = combine(out, expression.Compare(name, op, c.AttributeValueList), operator)
	}
	return out, nil
}

// checkOperator checks the values of a legacy comparison.
func checkOperator(op string, values []api.AttributeValue) error {
	for i := range values {
		if err := value.Check(&values[i]); err != nil {
			return err
		}
	}
	least, most := 1, 1
	switch op {
	case "NULL", "NOT_NULL":
		least, most = 0, 0
	case "BETWEEN":
		least, most = 2, 2
	case "IN":
		most = len(values)
	}
	if len(values) < least || len(values) > most {
		return value.Invalidf("Invalid number of argument(s) for the %s ComparisonOperator", op)
	}
	for _, v := range values {
		if v.Type() != values[0].Type() {
			return value.Invalidf("AttributeValues inside AttributeValueList must be of same type")
		}
	}
	for _, v := range values {
		if !comparable(op, v.Type()) {
			return value.Invalidf("ComparisonOperator %s is not valid for %s AttributeValue type", op, v.Type())
		}
	}
	if op == "BETWEEN" {
		if order, ok := value.Compare(values[0], values[1]); ok && order > 0 {
			return value.Invalid("The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")
		}
	}
	return nil
}

// comparable reports whether a legacy operator takes values of a type.
func comparable(op string, t api.ValueType) bool {
	switch t {
	case api.TypeS, api.TypeB:
		return true
	case api.TypeN:
		return op != "BEGINS_WITH"
	}
	return op == "EQ" || op == "NE"
}
