package resource

import (
	"slices"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// texts are the items of a list property, as texts.
func texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	out := make([]string, len(list))
	for i := range list {
		out[i] = Texted(list[i])
	}
	return out
}

// objects are the items of a list property that are objects.
func objects(v any) []*ordered.Object {
	list, _ := v.([]any)
	var out []*ordered.Object
	for _, item := range list {
		if o, ok := item.(*ordered.Object); ok {
			out = append(out, o)
		}
	}
	return out
}

// without are the items of a that are not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// member is the text of an object's member.
func member(o *ordered.Object, name string) string { return template.Text(o.Get(name)) }

// lastPart is what follows the last separator.
func lastPart(s, separator string) string { return s[strings.LastIndex(s, separator)+1:] }

// hasMember reports whether one of the objects has a member of a value.
func hasMember(list []*ordered.Object, name, value string) bool {
	return slices.ContainsFunc(list, func(o *ordered.Object) bool { return member(o, name) == value })
}

// pages asks a list for one page after the other. next looks at a page, and sets in to
// ask for the one that follows; it is false once there is no more to ask.
func pages[In, Out any](c *Call, op *aws.Op[In, Out], in *In, next func(out *Out) bool) error {
	for {
		out, err := op.Do(c, c.Peers, in)
		if err != nil {
			return err
		}
		if !next(out) {
			return nil
		}
	}
}

// more sets where a list goes on, and reports whether it does.
func more(at **string, next *string) bool {
	*at = next
	return aws.Value(next) != ""
}
