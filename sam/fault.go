package sam

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// What is wrong with a template is thrown as a *fault where it is seen, and caught where
// SAM goes on with the next resource, so that one answer names the faults of them all.
type fault struct {
	kind   kindOfFault
	id     string // of the resource or the event; what errors are sorted by
	says   string
	causes []*fault // of a document's
}

type kindOfFault int

const (
	ofDocument kindOfFault = iota
	ofTemplate
	ofResource
	ofAttribute // a resource's, too
	ofEvent
	ofPlan // a logical id that is taken, or the section Globals
	broken // where AWS's transform itself fails
)

// An Error is what is wrong with a template, in AWS's words.
type Error struct{ text string }

func (e *Error) Error() string { return e.text }

// internal is what AWS says where its transform fails in a way that it does not foresee.
const internal = "Internal transform failure."

func (f *fault) message() string {
	switch f.kind {
	case ofTemplate:
		return "Structure of the SAM template is invalid. " + f.says
	case ofResource, ofAttribute:
		return fmt.Sprintf("Resource with id [%s] is invalid. %s", f.id, f.says)
	case ofEvent:
		return fmt.Sprintf("Event with id [%s] is invalid. %s", f.id, f.says)
	}
	return f.says
}

// err is a fault as callers see it: all its causes, each said once.
func (f *fault) err() *Error {
	if f.kind == broken {
		return &Error{internal}
	}
	causes := f.causes
	if f.kind != ofDocument {
		causes = []*fault{f}
	}
	seen := map[string]bool{}
	var once []*fault
	for _, c := range causes {
		if m := c.message(); !seen[m] {
			seen[m] = true
			once = append(once, c)
		}
	}
	slices.SortStableFunc(once, func(a, b *fault) int { return cmp.Compare(a.order(), b.order()) })
	var b strings.Builder
	fmt.Fprintf(&b, "Invalid Serverless Application Specification document. Number of errors found: %d.", len(once))
	for _, c := range once {
		b.WriteString(" " + c.message())
	}
	return &Error{b.String()}
}

// order is what errors are sorted by.
func (f *fault) order() string {
	if f.id != "" {
		return f.id
	}
	return f.message()
}

// catch runs f and returns what it threw, nil if nothing.
func catch(f func()) (thrown *fault) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *fault:
			thrown = r
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

func badResource(id, format string, args ...any) {
	panic(&fault{kind: ofResource, id: id, says: fmt.Sprintf(format, args...)})
}

func badEvent(id, format string, args ...any) {
	panic(&fault{kind: ofEvent, id: id, says: fmt.Sprintf(format, args...)})
}

func badTemplate(format string, args ...any) {
	panic(&fault{kind: ofTemplate, says: fmt.Sprintf(format, args...)})
}

// badStructure ends the transform: what it says of the template is all that is said.
func badStructure(format string, args ...any) {
	badDocument(&fault{kind: ofTemplate, says: fmt.Sprintf(format, args...)})
}

func badDocument(causes ...*fault) { panic(&fault{kind: ofDocument, causes: causes}) }

// fail is for values that AWS's transform does not look at before it uses them.
func fail() { panic(&fault{kind: broken}) }

// members is v as a dict.
func members(v any) *dict {
	d, ok := v.(*dict)
	if !ok || d == nil {
		fail()
	}
	return d
}

// elements is v as a list.
func elements(v any) []any {
	list, ok := v.([]any)
	if !ok {
		fail()
	}
	return list
}

// word is v as a text.
func word(v any) string {
	t, ok := textOf(v)
	if !ok {
		fail()
	}
	return t
}

// A place is where in a template a value is expected to be of a type.
type place struct {
	kind     kindOfFault
	id, path string
	says     string // instead of SAM's usual words
}

// at is a property of a resource, inEvent one of an event, attribute a resource's attribute.
func at(id, path string) place        { return place{kind: ofResource, id: id, path: path} }
func inEvent(id, path string) place   { return place{kind: ofEvent, id: id, path: path} }
func attribute(id, path string) place { return place{kind: ofAttribute, id: id, path: path} }

func (p place) orSay(text string) place {
	p.says = text
	return p
}

func (p place) fail(usual string) {
	if p.says != "" {
		usual = p.says
	}
	panic(&fault{kind: p.kind, id: p.id, says: usual})
}

func (p place) wrong(kind string) {
	what := "Property"
	if p.kind == ofAttribute {
		what = "Attribute"
	}
	p.fail(fmt.Sprintf("%s '%s' should be a %s.", what, p.path, kind))
}

func (p place) object(v any) *dict {
	d, ok := v.(*dict)
	if !ok || d == nil {
		p.wrong("map")
	}
	return d
}

func (p place) list(v any) []any {
	list, ok := v.([]any)
	if !ok {
		p.wrong("list")
	}
	return list
}

func (p place) texts(v any) []any {
	list := p.list(v)
	for i, e := range list {
		item := p
		item.path = fmt.Sprintf("%s[%d]", p.path, i)
		item.text(e)
	}
	return list
}

func (p place) text(v any) string {
	t, ok := textOf(v)
	if !ok {
		p.wrong("string")
	}
	return t
}

func (p place) bool(v any) bool {
	b, ok := v.(bool)
	if !ok {
		p.wrong("boolean")
	}
	return b
}

// some is v, which must not be nil.
func (p place) some(v any) any {
	if v == nil {
		p.fail(fmt.Sprintf("Property '%s' is required.", p.path))
	}
	return v
}

// kindOf is what Python calls the type of a value.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case *dict:
		return "dict"
	case []any:
		return "list"
	}
	if _, ok := textOf(v); ok {
		return "str"
	}
	if strings.ContainsAny(repr(v), ".e") {
		return "float"
	}
	return "int"
}
