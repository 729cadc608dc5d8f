package apigateway

import (
	"regexp"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/vtl/jsonpath"
)

// Where a parameter mapping reads from.
type sourceKind uint8

const (
	fromStatic sourceKind = iota
	fromContext
	fromStageVariable
	fromPath
	fromQuery
	fromMultiQuery
	fromHeader
	fromMultiHeader
	fromBody // whole, or by path
)

// A source is the right side of a parameter mapping.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
type source struct {
	kind sourceKind
	name string // or the static text
	path *jsonpath.Path
}

// places are the parts of a request and of a response that mappings read.
var places = map[string]sourceKind{"path": fromPath, "querystring": fromQuery, "multivaluequerystring": fromMultiQuery,
	"header": fromHeader, "multivalueheader": fromMultiHeader}

// parseSource reads an expression whose own parameters begin with own:
// "method.request." or "integration.response.".
func parseSource(expr, own string) (source, bool) {
	if text, ok := strings.CutPrefix(expr, "'"); ok {
		text, ok = strings.CutSuffix(text, "'")
		return source{kind: fromStatic, name: text}, ok
	}
	if name, ok := strings.CutPrefix(expr, "context."); ok {
		return source{kind: fromContext, name: name}, name != ""
	}
	if name, ok := strings.CutPrefix(expr, "stageVariables."); ok {
		return source{kind: fromStageVariable, name: name}, name != ""
	}
	rest, ok := strings.CutPrefix(expr, own)
	if !ok {
		return source{}, false
	}
	if rest == "body" {
		return source{kind: fromBody}, true
	}
	where, name, ok := strings.Cut(rest, ".")
	if !ok || name == "" {
		return source{}, false
	}
	if where == "body" {
		p, err := jsonpath.Compile("$." + name)
		return source{kind: fromBody, path: p}, err == nil
	}
	kind, ok := places[where]
	if own == integrationResponse && kind != fromHeader && kind != fromMultiHeader {
		return source{}, false
	}
	return source{kind: kind, name: name}, ok
}

const (
	methodRequest       = "method.request."
	integrationResponse = "integration.response."
)

var requestTarget = regexp.MustCompile(`^integration\.request\.(path|querystring|header)\.([^\s]+)$`)

func badMapping(format string, args ...any) error {
	text := api.BadRequestException(format, args...).Message
	return api.BadRequestException("Invalid mapping expression specified: Validation Result: warnings : [], errors : [%s]", text)
}

// checkRequestMapping holds one of an integration's requestParameters against its
// method, which must declare what is read.
func checkRequestMapping(m api.Method, to, from string) error {
	if !requestTarget.MatchString(to) {
		return badMapping("Invalid mapping expression specified: %s", to)
	}
	src, ok := parseSource(from, methodRequest)
	if !ok {
		return badMapping("Invalid mapping expression specified: %s", from)
	}
	declared := ""
	switch src.kind {
	case fromPath:
		declared = "method.request.path." + src.name
	case fromQuery, fromMultiQuery:
		declared = "method.request.querystring." + src.name
	case fromHeader, fromMultiHeader:
		declared = "method.request.header." + src.name
	default:
		return nil
	}
	if _, ok := m.RequestParameters[declared]; !ok {
		return badMapping("Invalid mapping expression parameter specified: %s", from)
	}
	return nil
}

// checkResponseSource refuses an expression that an integration response cannot read.
func checkResponseSource(from string) error {
	if _, ok := parseSource(from, integrationResponse); !ok {
		return badMapping("Invalid mapping expression specified: %s", from)
	}
	return nil
}
