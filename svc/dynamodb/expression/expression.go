// Package expression is DynamoDB's expression language: conditions and filters,
// key conditions, projections and updates, over document paths, #names and :values.
//
// A Scope is made of a request's names and values; it parses the request's
// expressions and says at the end which names and values nobody used. What an
// expression means is fixed once it is parsed: evaluating it looks at an item
// alone. Errors are DynamoDB's, in its order of precedence.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
package expression

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// What an expression may measure.
const (
	maxSize      = 4096
	maxOperators = 300
	maxOperands  = 100 // of IN
)

// A Kind is the name of the parameter that an expression came in.
type Kind string

// The kinds.
const (
	ConditionExpression    Kind = "ConditionExpression"
	FilterExpression       Kind = "FilterExpression"
	KeyConditionExpression Kind = "KeyConditionExpression"
	ProjectionExpression   Kind = "ProjectionExpression"
	UpdateExpression       Kind = "UpdateExpression"
)

// A Scope is what the expressions of one request may refer to.
type Scope struct {
	names  map[string]string
	values dynamodb.Item
	used   map[string]bool
}

// NewScope checks the names and values of a request. Those that are absent are nil.
func NewScope(names map[string]string, values dynamodb.Item) (*Scope, error) {
	s := &Scope{names: names, values: values, used: map[string]bool{}}
	if names != nil && len(names) == 0 {
		return nil, value.Invalid("ExpressionAttributeNames must not be empty")
	}
	for _, n := range sortedKeys(names) {
		if !placeholder(n, '#') {
			return nil, value.Invalid(`ExpressionAttributeNames contains invalid key: Syntax error; key: "%s"`, n)
		}
	}
	if values != nil && len(values) == 0 {
		return nil, value.Invalid("ExpressionAttributeValues must not be empty")
	}
	for i := range values {
		if !placeholder(values[i].Name, ':') {
			return nil, value.Invalid(`ExpressionAttributeValues contains invalid key: Syntax error; key: "%s"`, values[i].Name)
		}
	}
	for i := range values {
		if err := value.Check(&values[i].Value); err != nil {
			text := strings.TrimPrefix(err.Error(), "ValidationException: ")
			return nil, value.Invalid("ExpressionAttributeValues contains invalid value: %s for key %s", text, values[i].Name)
		}
	}
	return s, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func placeholder(s string, mark byte) bool {
	if len(s) < 2 || s[0] != mark {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isWord(s[i]) {
			return false
		}
	}
	return true
}

// Unused is the error for names and values that no expression used.
func (s *Scope) Unused() error {
	var names, values []string
	for _, n := range sortedKeys(s.names) {
		if !s.used[n] {
			names = append(names, n)
		}
	}
	if len(names) > 0 {
		return value.Invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", strings.Join(names, ", "))
	}
	for i := range s.values {
		if n := s.values[i].Name; !s.used[n] {
			values = append(values, n)
		}
	}
	if len(values) > 0 {
		return value.Invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", strings.Join(values, ", "))
	}
	return nil
}

// invalid is the error for what is wrong with an expression.
func (k Kind) invalid(problem string) error {
	return value.Invalid("Invalid %s: %s", string(k), problem)
}

// A Path leads to a value in an item: a name and further names and indexes.
type Path []Step

// A Step is a name, or an index if Name is "" and Index is not negative.
type Step struct {
	Name  string
	Index int // -1 for a name
}

// Name is the path of a top-level attribute.
func Name(attribute string) Path { return Path{{Name: attribute, Index: -1}} }

// String is the path as AWS prints it: [a, [0], b].
func (p Path) String() string {
	parts := make([]string, len(p))
	for i, s := range p {
		parts[i] = s.Name
		if s.Index >= 0 {
			parts[i] = "[" + strconv.Itoa(s.Index) + "]"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// Find is the value at the path, if there is one.
func (p Path) Find(it dynamodb.Item) (dynamodb.AttributeValue, bool) {
	v, ok := it.Get(p[0].Name)
	for _, s := range p[1:] {
		if !ok {
			break
		}
		if s.Index < 0 {
			v, ok = v.Fields().Get(s.Name)
		} else if list := v.List(); s.Index < len(list) {
			v = list[s.Index]
		} else {
			ok = false
		}
	}
	return v, ok
}

// overlap says what is wrong if two paths of one expression meet: one leads to or
// through the other, or they take one list for a map.
func overlap(paths []Path) (overlaps, conflicts string) {
	for i, p := range paths {
		for _, q := range paths[:i] {
			problem := meet(q, p)
			if problem == "" {
				continue
			}
			text := "; must remove or rewrite one of these paths; path one: " + q.String() + ", path two: " + p.String()
			if problem == "overlap" {
				return "Two document paths overlap with each other" + text, ""
			}
			if conflicts == "" {
				conflicts = "Two document paths conflict with each other" + text
			}
		}
	}
	return "", conflicts
}

func meet(p, q Path) string {
	for i := range min(len(p), len(q)) {
		if (p[i].Index < 0) != (q[i].Index < 0) {
			return "conflict"
		}
		if p[i] != q[i] {
			return ""
		}
	}
	return "overlap"
}

// heads are the top-level attributes of paths, sorted.
func heads(paths []Path) []string {
	var names []string
	for _, p := range paths {
		names = append(names, p[0].Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// nested are the top-level attributes that paths lead into, sorted.
func nested(paths []Path) []string {
	var names []string
	for _, p := range paths {
		if len(p) > 1 {
			names = append(names, p[0].Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
