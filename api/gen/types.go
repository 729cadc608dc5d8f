package main

import (
	"maps"
	"slices"
	"strings"
)

// types writes one Go structure per structure of the model.
func (g *generator) types() {
	body := g.buf.String()
	g.buf.Reset()
	for _, n := range g.structs {
		g.structure(g.typeName(n), n, "")
	}
	for _, n := range g.detailed() {
		g.structure(exported(n)+"Detail", n, "error")
	}
	rest := g.buf.String()
	g.buf.Reset()
	g.printf("%simport (\n", body)
	for _, i := range []struct{ use, path string }{{" io.", "io"}, {"iter.", "iter"}, {"time.Time", "time"}, {"aws.Error", "github.com/tule-cloud/tule/aws"}} {
		if strings.Contains(rest, i.use) {
			g.printf("%q\n", i.path)
		}
	}
	g.printf(")\n\n%s", rest)
}

// detailed lists the errors that say more than a message.
func (g *generator) detailed() []string {
	var out []string
	for _, n := range slices.Sorted(maps.Keys(g.m.Shapes)) {
		if s := g.m.Shapes[n]; s.Exception {
			for member := range s.Members {
				if !strings.EqualFold(member, "message") {
					out = append(out, n)
					break
				}
			}
		}
	}
	return out
}

func (g *generator) structure(goName, name, kind string) {
	s := g.m.Shapes[name]
	what := "structure " + name
	if kind == "error" {
		what = "members of the error " + name + " beside its message"
	}
	g.printf("// %s is the %s.\ntype %s struct {\n", goName, what, goName)
	if facts := structFacts(name, kind, s); facts != "" {
		g.printf("_ struct{} `aws:%q`\n", facts)
	}
	taken := map[string]bool{}
	for _, member := range slices.Sorted(maps.Keys(s.Members)) {
		if kind == "error" && strings.EqualFold(member, "message") {
			continue
		}
		field := exported(member)
		for taken[field] {
			field += "_"
		}
		taken[field] = true
		g.field(field, member, name, s)
	}
	g.printf("}\n\n")
}

func structFacts(name, kind string, s *shape) string {
	var facts []string
	if kind != "" {
		facts = append(facts, kind)
	}
	if s.Union {
		facts = append(facts, "union")
	}
	if s.EventStream {
		facts = append(facts, "events")
	}
	if s.Wrapper {
		facts = append(facts, "wrapper")
	}
	if s.XMLNamespace != nil {
		facts = append(facts, "ns:"+s.XMLNamespace.URI)
		if s.XMLNamespace.Prefix != "" {
			facts = append(facts, "nsprefix:"+s.XMLNamespace.Prefix)
		}
	}
	if len(facts) == 0 {
		return ""
	}
	if s.LocationName != "" {
		name = s.LocationName
	}
	return strings.Join(append([]string{name}, facts...), ",")
}

func (g *generator) field(field, member, owner string, s *shape) {
	r := s.Members[member]
	target := g.m.Shapes[r.Shape]
	typ := g.goType(r, target, owner)
	g.printf("%s %s %s\n", field, typ, structTag(
		pair("aws", strings.Join(g.facts(member, s, r, target), ",")),
		pair("check", g.fieldCheck(owner, r)),
	))
}

func (g *generator) fieldCheck(owner string, r *ref) string {
	if !g.inputs[owner] {
		return ""
	}
	return g.check(r.Shape, 0)
}

func (g *generator) goType(r *ref, s *shape, owner string) string {
	switch {
	case s.Exception:
		return "*aws.Error" // an error that a stream can end with
	case s.EventStream:
		return "iter.Seq2[*" + g.typeName(r.Shape) + ", error]"
	case s.Type == "blob" && (s.Streaming || r.Streaming):
		if g.inputs[owner] {
			return "io.Reader"
		}
		return "io.ReadCloser"
	}
	t := g.elemType(r.Shape)
	switch s.Type {
	case "list", "map", "blob":
		return t
	}
	if s.Document || g.p.Types[r.Shape] != "" && strings.HasPrefix(t, "[]") || t == "any" {
		return t
	}
	return "*" + t
}

// elemType is the type of a shape where it must be there: an element.
func (g *generator) elemType(name string) string {
	if hand := g.p.Types[name]; hand != "" {
		return hand
	}
	s := g.m.Shapes[name]
	star := ""
	if s.Sparse {
		star = "*"
	}
	switch s.Type {
	case "structure":
		if s.Document {
			return "any"
		}
		return g.typeName(name)
	case "list":
		return "[]" + star + g.elemType(s.Member.Shape)
	case "map":
		return "map[string]" + star + g.elemType(s.Value.Shape)
	case "blob":
		return "[]byte"
	case "boolean":
		return "bool"
	case "integer":
		return "int32"
	case "long", "bigInteger":
		return "int64"
	case "float":
		return "float32"
	case "double":
		return "float64"
	case "timestamp":
		return "time.Time"
	case "string", "character":
		return "string"
	}
	g.problems = append(g.problems, "no Go type for "+name+" of type "+s.Type)
	return "any"
}

// facts are the words of a field's aws tag; wire documents them.
func (g *generator) facts(member string, owner *shape, r *ref, s *shape) []string {
	name := member
	if r.LocationName != "" || r.Location == "headers" {
		name = r.LocationName // a prefix of headers may be empty: all of them
	} else if s.Flattened && s.Type == "list" && s.Member.LocationName != "" && g.isXML() {
		name = s.Member.LocationName
	}
	out := []string{name}
	add := func(is bool, word string) {
		if is {
			out = append(out, word)
		}
	}
	locations := map[string]string{"header": "header", "headers": "headers", "uri": "uri", "querystring": "query", "statusCode": "status"}
	add(r.Location != "", locations[r.Location])
	add(owner.Payload == member, "payload")
	add(s.Type == "blob" && (s.Streaming || r.Streaming), "stream")
	add(s.EventStream, "events")
	query := g.p.QueryNames[r.Shape]
	add(r.Flattened || s.Flattened || query != nil, "flat")
	add(r.XMLAttribute, "attr")
	out = append(out, g.elements(s)...)
	for i, word := range []string{"q:", "key:", "val:"}[:len(query)] {
		out = append(out, word+query[i])
	}
	switch s.Type {
	case "timestamp":
		format := r.TimestampFormat
		if format == "" {
			format = s.TimestampFormat
		}
		formats := map[string]string{"iso8601": "iso", "unixTimestamp": "unix", "rfc822": "http"}
		add(formats[format] != "", formats[format])
	}
	ns := r.XMLNamespace
	if ns != nil {
		add(true, "ns:"+ns.URI)
		add(ns.Prefix != "", "nsprefix:"+ns.Prefix)
	}
	add(r.QueryName != "", "ec2:"+r.QueryName)
	add(r.JSONValue, "json")
	add(r.HostLabel, "host")
	add(r.Token, "token")
	add(slices.Contains(owner.Required, member), "required")
	add(s.Sensitive, "sensitive")
	add(r.EventPayload, "eventpayload")
	add(r.EventHeader, "eventheader")
	return out
}

// elements are the words for the names of a list's or map's elements, and of theirs,
// from the outside in.
func (g *generator) elements(s *shape) []string {
	var out []string
	named := false
	word := func(kind, name, usual string) {
		named = named || name != ""
		if name == "" {
			name = usual
		}
		out = append(out, kind+name)
	}
	for {
		switch s.Type {
		case "list":
			word("elem:", s.Member.LocationName, "member")
			s = g.m.Shapes[s.Member.Shape]
			continue
		case "map":
			word("key:", s.Key.LocationName, "key")
			word("val:", s.Value.LocationName, "value")
			s = g.m.Shapes[s.Value.Shape]
			continue
		}
		if !named {
			return nil
		}
		return out
	}
}

func (g *generator) isXML() bool {
	p := g.m.Metadata.Protocol
	return p == "query" || p == "ec2" || p == "rest-xml"
}
