package resource

import (
	"slices"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

// but is the call without some of its properties, for Do and Change: those that operations
// of their own set, or that an operation words otherwise. What it sees to, c has seen to.
func (c *Call) but(names ...string) *Call {
	c.Take()
	less := *c
	less.Properties = omit(c.Properties, names)
	if c.Old != nil {
		less.Old = omit(c.Old, names)
	}
	return &less
}

// omit is an object without some of its members.
func omit(o *ordered.Object, names []string) *ordered.Object {
	out := ordered.New()
	for _, name := range o.Names() {
		if !slices.Contains(names, name) {
			out.Set(name, o.Get(name))
		}
	}
	return out
}

// child is a property's value as an object; empty where it is none.
func child(o *ordered.Object, name string) *ordered.Object {
	if in, ok := o.Get(name).(*ordered.Object); ok {
		return in
	}
	return ordered.New()
}

// isTrue reports whether a member says so, as a boolean or as text.
func isTrue(o *ordered.Object, name string) bool { return member(o, name) == "true" }

// fresh reports whether properties are to be set: they are given to a new resource, or
// an update changes them.
func (c *Call) fresh(names ...string) bool {
	if c.Old != nil {
		return c.Changed(names...)
	}
	c.Take(names...)
	return slices.ContainsFunc(names, c.Has)
}

// none is the error for a resource that is not there, where the service's own list is what
// says so.
func (c *Call) none() error {
	return aws.Errorf(404, "NotFound", "Resource of type '%s' with identifier '%s' was not found.", c.Type.Name, c.ID)
}

// found is the error of a look for what may not be there: none, where it is not.
func found(err error) error {
	if Gone(err) {
		return nil
	}
	return err
}

// arn is the ARN of a resource in the stack's account and region.
func (s Stack) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + s.Region + ":" + s.Account + ":" + resource
}

// innerName is the name of a resource whose name is within another property: what is
// given, or one that is the same for every try of the creation.
func (c *Call) innerName(given string) string {
	if given != "" {
		return given
	}
	stack, logical := c.Stack.Name, c.Logical
	return stack[:min(len(stack), 24)] + "-" + logical[:min(len(logical), 24)] + "-" + lastPart(c.Token, "-")
}

// renamed is a tree whose objects' members of some names have others, however deep.
func renamed(tree any, names map[string]string) any {
	switch v := tree.(type) {
	case *ordered.Object:
		out := ordered.New()
		for _, name := range v.Names() {
			to, ok := names[name]
			if !ok {
				to = name
			}
			out.Set(to, renamed(v.Get(name), names))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = renamed(v[i], names)
		}
		return out
	}
	return tree
}

// isCode reports whether an error has a code.
func isCode(err error, code string) bool { return aws.CodeOf(err) == code }
