package dynamodb

import (
	"context"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

func (s *Service) query(ctx context.Context, in *api.QueryInput) (*api.QueryOutput, error) {
	at, err := s.reach(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	p, conditions, err := parseQuery(at, in)
	if err != nil {
		return nil, err
	}
	var t *table
	err = s.view(ctx, func(r store.Reader) (err error) {
		if t, err = s.open(ctx, r, at); err != nil {
			return err
		}
		k, err := t.keyspace(in.IndexName, aws.Value(in.ConsistentRead))
		if err != nil {
			return err
		}
		o, err := k.bounds(conditions)
		if err != nil {
			return err
		}
		if err := k.checkQueryStart(in.ExclusiveStartKey, conditions); err != nil {
			return err
		}
		if err := k.checkFilter(p.filter, in.FilterExpression != nil); err != nil {
			return err
		}
		o.Reverse = in.ScanIndexForward != nil && !*in.ScanIndexForward
		if err := s.admitRead(at, k); err != nil {
			return err
		}
		return p.read(ctx, r, k, o, aws.Value(in.ConsistentRead))
	})
	if err != nil {
		return nil, err
	}
	s.spent(at, t, p.used, false)
	s.measure(at.scope, "ReturnedItemCount", float64(p.matched), "TableName", at.name, "Operation", "Query")
	return &api.QueryOutput{Items: p.result(), Count: &p.matched, ScannedCount: &p.scanned, LastEvaluatedKey: p.last,
		ConsumedCapacity: consumed(at, in.ReturnConsumedCapacity, p.used)}, nil
}

// parseQuery makes the checks that need no table.
func parseQuery(at ref, in *api.QueryInput) (*page, map[string]expression.KeyCondition, error) {
	expressions := []parameter{{"ProjectionExpression", in.ProjectionExpression != nil}, {"FilterExpression", in.FilterExpression != nil},
		{"KeyConditionExpression", in.KeyConditionExpression != nil}}
	legacy := []parameter{{"AttributesToGet", in.AttributesToGet != nil}, {"QueryFilter", in.QueryFilter != nil},
		{"ConditionalOperator", in.ConditionalOperator != nil}}
	if in.KeyConditionExpression != nil {
		legacy = append(legacy, parameter{"KeyConditions", in.KeyConditions != nil})
	}
	if err := checkMix(in.ExpressionAttributeNames, in.ExpressionAttributeValues, expressions, legacy); err != nil {
		return nil, nil, err
	}
	p := &page{at: at, limit: int(aws.Value(in.Limit)), start: in.ExclusiveStartKey, projection: attributesToGet(in.AttributesToGet), selected: aws.Value(in.Select)}
	err := checkSelect(in.Select, in.ProjectionExpression, in.AttributesToGet, in.IndexName)
	if err != nil {
		return nil, nil, err
	}
	if p.filter, err = filters(in.QueryFilter, in.ConditionalOperator); err != nil {
		return nil, nil, err
	}
	if err := checkAttributes(in.AttributesToGet); err != nil {
		return nil, nil, err
	}
	if err := checkStart(in.ExclusiveStartKey); err != nil {
		return nil, nil, err
	}
	if in.KeyConditions == nil && in.KeyConditionExpression == nil {
		return nil, nil, value.Invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	scope, err := expression.NewScope(in.ExpressionAttributeNames, in.ExpressionAttributeValues)
	if err != nil {
		return nil, nil, err
	}
	conditions, err := keyConditions(scope, in)
	if err != nil {
		return nil, nil, err
	}
	if err := p.express(scope, in.FilterExpression, in.ProjectionExpression); err != nil {
		return nil, nil, err
	}
	if len(conditions) != 1 && len(conditions) != 2 {
		return nil, nil, value.Invalid("Conditions can be of length 1 or 2 only")
	}
	return p, conditions, nil
}

// express parses a page's expressions, each of which may be absent.
func (p *page) express(scope *expression.Scope, filter, projection *string) (err error) {
	if filter != nil {
		if p.filter, err = scope.Condition(expression.FilterExpression, *filter); err != nil {
			return err
		}
	}
	if projection != nil {
		if p.projection, err = scope.Projection(*projection); err != nil {
			return err
		}
	}
	return scope.Unused()
}

// queryKeys are a query's key conditions, for its guard.
func queryKeys(in *api.QueryInput) (map[string]expression.KeyCondition, error) {
	scope, err := expression.NewScope(in.ExpressionAttributeNames, in.ExpressionAttributeValues)
	if err != nil {
		return nil, err
	}
	return keyConditions(scope, in)
}

// keyConditions are the bounds of the key, from either parameter.
func keyConditions(scope *expression.Scope, in *api.QueryInput) (map[string]expression.KeyCondition, error) {
	var out map[string]expression.KeyCondition
	if in.KeyConditionExpression != nil {
		c, err := scope.Condition(expression.KeyConditionExpression, *in.KeyConditionExpression)
		if err != nil {
			return nil, err
		}
		if out, err = c.Keys(); err != nil {
			return nil, err
		}
	} else {
		out = map[string]expression.KeyCondition{}
		for name, c := range in.KeyConditions {
			out[name] = expression.KeyCondition{Operator: aws.Value(c.ComparisonOperator), Values: c.AttributeValueList}
		}
	}
	for _, c := range out {
		if err := checkOperator(c.Operator, c.Values); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// bounds is the range of items that key conditions mean.
func (k keyspace) bounds(conditions map[string]expression.KeyCondition) (o store.ListOptions, err error) {
	keys := k.keys()
	hash, ok := conditions[keys[0].Name]
	if !ok {
		return o, value.Invalid("Query condition missed key schema element: %s", keys[0].Name)
	}
	if err := keys[0].checkCondition(hash); err != nil {
		return o, err
	}
	if hash.Operator != "EQ" {
		return o, value.Invalid("Query key condition not supported")
	}
	if err := checkPart(hash.Values[0], keys[0].Name, true); err != nil {
		return o, err
	}
	o.Prefix = k.partition(hash.Values[0])
	if len(conditions) == 1 {
		return o, nil
	}
	if len(keys) == 1 {
		return o, value.Invalid("Query key condition not supported")
	}
	c, ok := conditions[keys[1].Name]
	if !ok {
		return o, value.Invalid("Query condition missed key schema element: %s", keys[1].Name)
	}
	if err := keys[1].checkCondition(c); err != nil {
		return o, err
	}
	for _, v := range c.Values {
		if err := checkPart(v, keys[1].Name, false); err != nil {
			return o, err
		}
	}
	return narrow(o, c), nil
}

// checkPart refuses a value that no key can have.
func checkPart(v api.AttributeValue, name string, hash bool) error {
	if v.Text() == "" {
		return value.Invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", long(v), name)
	}
	return checkKeySize(v, hash)
}

func (k keyAttribute) checkCondition(c expression.KeyCondition) error {
	switch c.Operator {
	case "NULL", "NOT_NULL", "NE", "CONTAINS", "NOT_CONTAINS", "IN":
		return value.Invalid("Attempted conditional constraint is not an indexable operation")
	}
	for _, v := range c.Values {
		if v.Type().String() != k.Type {
			return value.Invalidf("Condition parameter type does not match schema type")
		}
	}
	return nil
}

// narrow bounds the sort keys of a range of items.
func narrow(o store.ListOptions, c expression.KeyCondition) store.ListOptions {
	key := func(i int, suffix string) []any {
		b := value.AppendKey(nil, c.Values[i])
		return append(o.Prefix[:len(o.Prefix):len(o.Prefix)], append(b, suffix...))
	}
	const next = "\x00" // makes a key the very next one
	switch c.Operator {
	case "EQ":
		o.From, o.To = key(0, ""), key(0, next)
	case "LT":
		o.To = key(0, "")
	case "LE":
		o.To = key(0, next)
	case "GT":
		o.From = key(0, next)
	case "GE":
		o.From = key(0, "")
	case "BETWEEN":
		o.From, o.To = key(0, ""), key(1, next)
	case "BEGINS_WITH":
		o.From = key(0, "")
		if end := prefixEnd([]byte(c.Values[0].Text())); end != nil {
			o.To = append(o.Prefix[:len(o.Prefix):len(o.Prefix)], end)
		}
	}
	return o
}

// prefixEnd is the first key behind all that begin with b, nil if there is none.
func prefixEnd(b []byte) []byte {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0xff {
			b[i]++
			return b[:i+1]
		}
	}
	return nil
}

// checkQueryStart refuses a starting key outside of what the query is about.
func (k keyspace) checkQueryStart(start api.Item, conditions map[string]expression.KeyCondition) error {
	if start == nil {
		return nil
	}
	if err := k.checkStartKey(start); err != nil {
		return err
	}
	keys := k.keys()
	hash, _ := start.Get(keys[0].Name)
	same := value.Equal(hash, conditions[keys[0].Name].Values[0])
	if len(keys) == 1 || len(conditions) == 1 {
		if !same {
			return value.Invalid("The provided starting key is outside query boundaries based on provided conditions")
		}
		return nil
	}
	c := conditions[keys[1].Name]
	if !expression.Compare(keys[1].Name, c.Operator, c.Values).Matches(start) {
		return value.Invalid("The provided starting key does not match the range key predicate")
	}
	if !same {
		return value.Invalid("The query can return at most one row and cannot be restarted")
	}
	return nil
}

// checkStartKey refuses a starting key that is not one of the keyspace.
func (k keyspace) checkStartKey(start api.Item) error {
	if len(start) != len(k.fullKey()) {
		return value.Invalid("The provided starting key is invalid")
	}
	if k.ix != nil && !k.ix.holds(start) {
		return value.Invalid("The provided starting key is invalid")
	}
	return badStart(k.t.checkKey(k.t.key(start)))
}

// checkFilter refuses a query's filter on key attributes, which conditions are for.
func (k keyspace) checkFilter(filter *expression.Condition, expressed bool) error {
	if filter == nil {
		return nil
	}
	parameter := "QueryFilter"
	if expressed {
		parameter = "Filter Expression"
	}
	for _, key := range k.keys() {
		for _, h := range filter.Heads() {
			if h == key.Name {
				return value.Invalid("%s can only contain non-primary key attributes: Primary key attribute: %s", parameter, key.Name)
			}
		}
	}
	return nil
}
