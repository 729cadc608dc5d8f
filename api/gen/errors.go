package main

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// errors writes one constructor per error of the model, and per error that
// patches.json adds.
func (g *generator) errors() {
	g.printf("import \"github.com/tule-cloud/tule/aws\"\n\n")
	for _, n := range slices.Sorted(maps.Keys(g.m.Shapes)) {
		if s := g.m.Shapes[n]; s.Exception {
			g.errorFunc(exported(n), g.errorModel(n, s))
		}
	}
	for _, code := range slices.Sorted(maps.Keys(g.p.Errors)) {
		g.errorFunc(exported(code), []string{"Status: " + strconv.Itoa(g.p.Errors[code]), "Code: " + strconv.Quote(code)})
	}
}

func (g *generator) errorFunc(name string, fields []string) {
	if g.ops[name] {
		name += "Error"
	}
	g.printf("// %s makes the error of that name.\n", name)
	g.printf("func %s(format string, args ...any) *aws.Error {\nreturn aws.ErrorModel{%s}.Errorf(format, args...)\n}\n\n", name, strings.Join(fields, ", "))
}

func (g *generator) errorModel(name string, s *shape) []string {
	status, code, query := 400, name, ""
	if s.Fault {
		status = 500
	}
	if s.Error != nil {
		if s.Error.HTTPStatusCode != 0 {
			status = s.Error.HTTPStatusCode
		}
		if c := s.Error.Code; c != "" && c != name {
			if g.isXML() {
				code = c
			} else {
				query = c
			}
		}
	}
	query = cmp.Or(query, g.p.QueryCodes[name])
	out := []string{"Status: " + strconv.Itoa(status), "Code: " + strconv.Quote(code)}
	if query != "" {
		out = append(out, "QueryCode: "+strconv.Quote(query))
	}
	for member, r := range s.Members {
		wire := member
		if r.LocationName != "" {
			wire = r.LocationName
		}
		if strings.EqualFold(member, "message") && wire != "message" {
			out = append(out, "MessageName: "+strconv.Quote(wire))
		}
	}
	return out
}
