package expression

import (
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// matches evaluates a condition.
func (n *node) matches(it dynamodb.Item) bool {
	switch n.op {
	case opAnd:
		return n.args[0].matches(it) && n.args[1].matches(it)
	case opOr:
		return n.args[0].matches(it) || n.args[1].matches(it)
	case opNot:
		return !n.args[0].matches(it)
	}
	v, ok := n.args[0].resolve(it)
	switch n.op {
	case opCompare:
		w, also := n.args[1].resolve(it)
		return compare(n.name, v, w, ok && also)
	case opBetween:
		low, okLow := n.args[1].resolve(it)
		high, okHigh := n.args[2].resolve(it)
		return compare(">=", v, low, ok && okLow) && compare("<=", v, high, ok && okHigh)
	case opIn:
		for _, a := range n.args[1:] {
			if w, also := a.resolve(it); ok && also && value.Equal(v, w) {
				return true
			}
		}
		return false
	}
	return n.called(it, v, ok)
}

// called evaluates a function that is a condition, its first operand resolved.
func (n *node) called(it dynamodb.Item, v dynamodb.AttributeValue, ok bool) bool {
	switch n.name {
	case "attribute_exists":
		return ok
	case "attribute_not_exists":
		return !ok
	}
	w, also := n.args[1].resolve(it)
	if !ok || !also {
		return false
	}
	switch n.name {
	case "attribute_type":
		return v.Type().String() == w.Text()
	case "begins_with":
		return v.Type() == w.Type() && (v.Type() == dynamodb.TypeS || v.Type() == dynamodb.TypeB) && strings.HasPrefix(v.Text(), w.Text())
	case "contains":
		return contains(v, w)
	}
	return false
}

// compare evaluates a comparator on two values that are both there, or not. What
// is not there is unequal to everything.
func compare(comparator string, v, w dynamodb.AttributeValue, both bool) bool {
	switch comparator {
	case "=":
		return both && value.Equal(v, w)
	case "<>":
		return !both || !value.Equal(v, w)
	}
	if !both {
		return false
	}
	order, ok := value.Compare(v, w)
	if !ok {
		return false
	}
	switch comparator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func contains(v, w dynamodb.AttributeValue) bool {
	switch v.Type() {
	case dynamodb.TypeS, dynamodb.TypeB:
		return v.Type() == w.Type() && strings.Contains(v.Text(), w.Text())
	case dynamodb.TypeSS:
		return w.Type() == dynamodb.TypeS && in(v.Elements(), w.Text())
	case dynamodb.TypeNS:
		return w.Type() == dynamodb.TypeN && in(v.Elements(), w.Text())
	case dynamodb.TypeBS:
		return w.Type() == dynamodb.TypeB && in(v.Elements(), w.Text())
	case dynamodb.TypeL:
		for _, e := range v.List() {
			if value.Equal(e, w) {
				return true
			}
		}
	}
	return false
}

func in(set []string, e string) bool {
	for _, s := range set {
		if s == e {
			return true
		}
	}
	return false
}

// resolve is the value of an operand of a condition, if it has one.
func (n *node) resolve(it dynamodb.Item) (dynamodb.AttributeValue, bool) {
	switch n.op {
	case opPath:
		return n.path.Find(it)
	case opValue:
		return n.value, true
	case opCall:
		if v, ok := n.args[0].resolve(it); ok {
			if size := sizeOf(v); size >= 0 {
				return dynamodb.Number(strconv.Itoa(size)), true
			}
		}
	}
	return dynamodb.AttributeValue{}, false
}

// sizeOf is what the function size makes of a value, -1 if it has no size.
func sizeOf(v dynamodb.AttributeValue) int {
	switch v.Type() {
	case dynamodb.TypeS, dynamodb.TypeB:
		return len(v.Text())
	case dynamodb.TypeSS, dynamodb.TypeNS, dynamodb.TypeBS:
		return len(v.Elements())
	case dynamodb.TypeL:
		return len(v.List())
	case dynamodb.TypeM:
		return len(v.Fields())
	}
	return -1
}
