// Package gateway is what API Gateway lends to a mapping template: $input,
// $util, $context and $stageVariables.
//
// What differs from AWS on purpose, or where AWS does not say:
//
//   - $input.json('$') of an empty body is {}, and of any other path "".
//   - A path that is not in the body, a missing $context or $stageVariables
//     name prints as nothing, is false, and equals both "" and null.
//   - Lists from JSON print as JSON with escaped slashes, and maps as {a=b}: so
//     does the JSONPath library that AWS uses.
//   - A body that is not JSON is a string: $input.path('$') gives it back.
//   - $util.escapeJavaScript takes any value, by its text.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
package gateway

import (
	"bytes"
	"context"
	"strconv"

	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/value"
)

// Iterations is how often API Gateway runs the body of one #foreach at most.
const Iterations = 1000

// Param is a named text: a header, a query or path parameter. Their order is
// what keySet shows.
type Param struct{ Name, Value string }

// Event is what a template is run on: a request, or an integration's response.
type Event struct {
	Body           string
	Path           []Param
	Query          []Param
	Header         []Param
	Context        map[string]any // of $context: texts, numbers and maps of them
	StageVariables map[string]string
}

// Override is what a template assigned below $context.requestOverride or
// $context.responseOverride, in the order of assignment.
type Override struct {
	Header []Param
	Query  []Param // of requests
	Path   []Param // of requests
	Status int     // of responses; 0 where it was not assigned
}

// Result is what a template made.
type Result struct {
	Body     []byte
	Request  Override
	Response Override
}

// Render runs t on ev. The event is not changed.
func Render(ctx context.Context, t *vtl.Template, ev *Event, lim vtl.Limits) (*Result, error) {
	if lim.Iterations == 0 {
		lim.Iterations = Iterations
	}
	vars := vtl.Vars{"input": newInput(ev), "util": util{}}
	if t.Mentions("stageVariables") {
		vars["stageVariables"] = value.Of(ev.StageVariables).(*value.Map).Lenient()
	}
	if !t.Mentions("context") {
		var out bytes.Buffer
		if err := t.Execute(ctx, &out, vars, lim); err != nil {
			return nil, err
		}
		return &Result{Body: out.Bytes()}, nil
	}
	about := contextMap(ev.Context)
	vars["context"] = about
	var out bytes.Buffer
	if err := t.Execute(ctx, &out, vars, lim); err != nil {
		return nil, err
	}
	return &Result{
		Body:     out.Bytes(),
		Request:  override(about, requestOverride),
		Response: override(about, responseOverride),
	}, nil
}

const (
	requestOverride  = "requestOverride"
	responseOverride = "responseOverride"
)

func contextMap(in map[string]any) *value.Map {
	m, _ := value.Of(in).(*value.Map)
	req, resp := value.NewMap(3), value.NewMap(1)
	for _, k := range [...]string{"header", "querystring", "path"} {
		req.Put(k, value.NewMap(0))
	}
	resp.Put("header", value.NewMap(0))
	m.Put(requestOverride, req)
	m.Put(responseOverride, resp)
	return m.Lenient()
}

func override(about *value.Map, name string) (o Override) {
	v, _ := about.Get(name)
	m, ok := v.(*value.Map)
	if !ok {
		return o
	}
	o.Header, o.Query, o.Path = params(m, "header"), params(m, "querystring"), params(m, "path")
	status, _ := m.Get("status")
	o.Status, _ = strconv.Atoi(plain(status))
	return o
}

func params(m *value.Map, name string) (out []Param) {
	v, _ := m.Get(name)
	in, ok := v.(*value.Map)
	if !ok {
		return nil
	}
	for _, e := range in.Entries() {
		out = append(out, Param{plain(e.Key), plain(e.Value)})
	}
	return out
}

// plain is a scalar's text; lists and maps have none.
func plain(v any) string {
	switch v.(type) {
	case nil, *value.List, *value.Map, value.Object:
		return ""
	}
	m := value.Meter{Ctx: context.Background(), Steps: 100, Bytes: 16 << 20, MaxDepth: 2}
	s, _ := value.String(&m, v)
	return s
}
