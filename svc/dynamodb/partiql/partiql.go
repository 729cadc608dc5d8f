// Package partiql reads the statements of PartiQL that DynamoDB knows: SELECT, INSERT, UPDATE
// and DELETE of one table, and EXISTS.
//
// A statement becomes what the operations of DynamoDB work with: conditions and updates as
// expressions, in their own language, over placeholders for names and values.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
package partiql

import (
	"fmt"
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
)

// A Verb is what a statement does.
type Verb string

// The verbs.
const (
	Select Verb = "Select"
	Insert Verb = "Insert"
	Update Verb = "Update"
	Delete Verb = "Delete"
	Exists Verb = "Exists"
)

// A Statement is a statement with its parameters in place.
type Statement struct {
	Verb  Verb
	Table string // a name or an ARN
	Index string // of SELECT; empty for none
	// Paths are what SELECT wants; nil for all.
	Paths []expression.Path
	// Where is what must be true, all of it; nil for anything.
	Where []Term
	// Order is the attribute of ORDER BY; empty for none.
	Order      string
	Descending bool
	Item       api.Item // of INSERT
	Sets       []string // of UPDATE: what follows SET, REMOVE, ADD and DELETE in an expression
	Removes    []string
	Adds       []string
	Deletes    []string
	Returning  string // ALL_OLD and so on; empty for nothing

	names  map[string]string
	values api.Item
}

// A Term is one of the conditions that AND joins.
type Term struct {
	Text string // as an expression
	// Attribute, if not empty, is compared with values alone; Operator is a legacy one,
	// such as EQ or BETWEEN.
	Attribute string
	Operator  string
	Values    []api.AttributeValue
}

// Names and Values are what the placeholders in expressions stand for; each is nil if there
// are none.
func (s *Statement) Names() map[string]string { return s.names }

// Values are what value placeholders stand for.
func (s *Statement) Values() api.Item { return s.values }

// Condition joins terms, as an expression; nil for none.
func Condition(terms []Term) *string {
	if len(terms) == 0 {
		return nil
	}
	var all []string
	for _, t := range terms {
		all = append(all, "("+t.Text+")")
	}
	text := strings.Join(all, " AND ")
	return &text
}

// Change is what an UPDATE changes, as an expression.
func (s *Statement) Change() string {
	var out []string
	for _, part := range []struct {
		verb string
		list []string
	}{{"SET", s.Sets}, {"REMOVE", s.Removes}, {"ADD", s.Adds}, {"DELETE", s.Deletes}} {
		if len(part.list) > 0 {
			out = append(out, part.verb+" "+strings.Join(part.list, ", "))
		}
	}
	return strings.Join(out, " ")
}

// name is the placeholder of a name.
func (s *Statement) name(n string) string {
	for placeholder, have := range s.names {
		if have == n {
			return placeholder
		}
	}
	if s.names == nil {
		s.names = map[string]string{}
	}
	placeholder := fmt.Sprintf("#n%d", len(s.names))
	s.names[placeholder] = n
	return placeholder
}

// value is the placeholder of a value.
func (s *Statement) value(v api.AttributeValue) string {
	placeholder := fmt.Sprintf(":v%d", len(s.values))
	s.values.Set(placeholder, v)
	return placeholder
}

// path is a path as expressions write it.
func (s *Statement) path(p expression.Path) string {
	var b strings.Builder
	for i, step := range p {
		switch {
		case step.Name == "":
			fmt.Fprintf(&b, "[%d]", step.Index)
		case i > 0:
			b.WriteString("." + s.name(step.Name))
		default:
			b.WriteString(s.name(step.Name))
		}
	}
	return b.String()
}
