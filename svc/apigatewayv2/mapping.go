package apigatewayv2

import (
	"regexp"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
)

// A mapping changes one parameter of a request or of a response.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
type mapping struct {
	action string // append, overwrite or remove
	place  string // header, querystring, path or statuscode
	name   string
	from   expression
}

var (
	requestKey  = regexp.MustCompile(`^(append|overwrite|remove):(header|querystring)\.([^\s:]+)$`)
	responseKey = regexp.MustCompile(`^(append|overwrite|remove):(header)\.([^\s:]+)$`)
)

// parseMapping reads one entry of an integration's parameters.
func parseMapping(to, from string, request bool) (mapping, error) {
	var m mapping
	switch found := requestKey.FindStringSubmatch(to); {
	case request && found != nil:
		m.action, m.place, m.name = found[1], found[2], found[3]
	case request && to == "overwrite:path":
		m.action, m.place = "overwrite", "path"
	case !request && to == "overwrite:statuscode":
		m.action, m.place = "overwrite", "statuscode"
	case !request && responseKey.MatchString(to):
		found = responseKey.FindStringSubmatch(to)
		m.action, m.place, m.name = found[1], found[2], found[3]
	default:
		return m, api.BadRequestException("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", to)
	}
	if m.place == "header" && isReserved(m.name) {
		return m, api.BadRequestException("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Operations on header %s are restricted]", m.name)
	}
	if m.action == "remove" {
		return m, nil
	}
	var err error
	if m.from, err = parseExpression(from); err != nil {
		return m, api.BadRequestException("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", from)
	}
	return m, nil
}

// compileMappings are the mappings of an integration in the order in which they run:
// removals first, so that what is appended stays.
func compileMappings(in map[string]string, request bool) []mapping {
	var out []mapping
	for to, from := range in {
		if m, err := parseMapping(to, from, request); err == nil {
			out = append(out, m)
		}
	}
	order := []string{"remove", "overwrite", "append"}
	slices.SortFunc(out, func(a, b mapping) int {
		if a.action != b.action {
			return slices.Index(order, a.action) - slices.Index(order, b.action)
		}
		return strings.Compare(a.place+"."+a.name, b.place+"."+b.name)
	})
	return out
}

// A param is a named text: a header or a query parameter, of which there may be several
// of one name.
type param struct{ name, value string }

// apply changes parameters: of headers, whose names have no case, or of a query.
func (m *mapping) apply(ps []param, text string, present bool) []param {
	same := func(p param) bool {
		return p.name == m.name || m.place == "header" && strings.EqualFold(p.name, m.name)
	}
	if m.action != "append" && (present || m.action == "remove") {
		ps = slices.DeleteFunc(ps, same)
	}
	if m.action != "remove" && present {
		ps = append(ps, param{m.name, text})
	}
	return ps
}
