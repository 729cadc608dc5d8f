package apigateway

import (
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

// say writes what the stage's documentation says of a thing into it.
func (e *export) say(to *ordered.Object, of api.DocumentationPartLocation) {
	if e.docs != nil {
		to.Merge(told(e.docs.Parts, &of))
	}
}

// told is all that parts say of a thing: what is said of all paths, methods or
// statuses holds until something narrower says otherwise.
func told(all []api.DocumentationPart, of *api.DocumentationPartLocation) *ordered.Object {
	var parts []api.DocumentationPart
	for _, p := range all {
		if covers(p.Location, of) {
			parts = append(parts, p)
		}
	}
	slices.SortStableFunc(parts, func(a, b api.DocumentationPart) int { return narrowness(a.Location) - narrowness(b.Location) })
	out := ordered.New()
	for _, p := range parts {
		v, err := ordered.Parse([]byte(aws.Value(p.Properties)))
		if o, ok := v.(*ordered.Object); err == nil && ok {
			out.Merge(o)
		}
	}
	return out
}

// covers reports whether a part at l speaks of what is at of.
func covers(l, of *api.DocumentationPartLocation) bool {
	if *l.Type != *of.Type || aws.Value(l.Name) != aws.Value(of.Name) {
		return false
	}
	if l.Path != nil {
		above := strings.TrimSuffix(*l.Path, "/")
		if *l.Path != *of.Path && !strings.HasPrefix(*of.Path, above+"/") {
			return false
		}
	}
	fits := func(have, want *string) bool { return have == nil || *have == "*" || *have == aws.Value(want) }
	return fits(l.Method, of.Method) && fits(l.StatusCode, of.StatusCode)
}

// narrowness orders locations: a longer path before a method before a status.
func narrowness(l *api.DocumentationPartLocation) int {
	n := 4 * len(strings.Trim(aws.Value(l.Path), "/"))
	if l.Method != nil && *l.Method != "*" {
		n += 2
	}
	if l.StatusCode != nil && *l.StatusCode != "*" {
		n++
	}
	return n
}

// documentation is x-amazon-apigateway-documentation.
func (e *export) documentation() *ordered.Object {
	all, parts := slices.Clone(e.docs.Parts), []any{}
	slices.SortFunc(all, func(a, b api.DocumentationPart) int {
		return strings.Compare(describePlace(a.Location), describePlace(b.Location))
	})
	for _, p := range all {
		at := ordered.New().Set("type", *p.Location.Type)
		for _, m := range []struct {
			name  string
			value *string
			all   string
		}{{"path", p.Location.Path, "/"}, {"method", p.Location.Method, "*"}, {"statusCode", p.Location.StatusCode, "*"}, {"name", p.Location.Name, ""}} {
			if m.value != nil && *m.value != m.all {
				at.Set(m.name, *m.value)
			}
		}
		properties, err := ordered.Parse([]byte(aws.Value(p.Properties)))
		if err != nil {
			continue
		}
		parts = append(parts, ordered.New().Set("location", at).Set("properties", properties))
	}
	return ordered.New().Set("version", e.docs.Version).Set("documentationParts", parts)
}
