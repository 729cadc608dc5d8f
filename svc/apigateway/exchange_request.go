package apigateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/gateway"
	"github.com/tule-cloud/tule/vtl/jsonpath"
	"github.com/tule-cloud/tule/vtl/value"
)

// defaultTemplate is the content type of a template that stands for all others.
const defaultTemplate = "$default"

// prepare makes the request to the back end: the body by a mapping template, the
// parameters by mappings, and what the template overrides.
func (x *exchange) prepare(ctx context.Context) error {
	i := x.method.integration
	t, err := x.requestTemplate()
	if err != nil {
		return err
	}
	body, binary, err := x.requestBody()
	if err != nil {
		return err
	}
	if binary && (t != nil || x.method.integration.function) {
		// A template works on text, and a function is sent JSON: there a blob is its base64.
		body = []byte(base64.StdEncoding.EncodeToString(body))
	}
	if x.integral.header, x.integral.query, x.integral.path, err = x.mapRequest(i.parameters); err != nil {
		return err
	}
	x.integral.body, x.requested = body, t
	if t == nil {
		return nil
	}
	out, err := x.render(ctx, t, string(body))
	if err != nil {
		return err
	}
	x.integral.body, x.responded = out.Body, out.Response
	x.integral.header = overlay(x.integral.header, out.Request.Header)
	x.integral.query = overlay(x.integral.query, out.Request.Query)
	x.integral.path = overlay(x.integral.path, out.Request.Path)
	return nil
}

// overlay replaces parameters by those of the same name.
func overlay(ps, over []gateway.Param) []gateway.Param {
	for _, o := range over {
		ps = slices.DeleteFunc(ps, func(p gateway.Param) bool { return strings.EqualFold(p.Name, o.Name) })
		ps = append(ps, o)
	}
	return ps
}

// requestTemplate is the template for the request's content type; nil to pass the
// body on as it is.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html
func (x *exchange) requestTemplate() (*template, error) {
	i := x.method.integration
	sent, ok := last(x.req.header, "Content-Type")
	if !ok || sent == "" {
		sent = "application/json"
	}
	t := i.templates[strings.ToLower(sent)]
	if t == nil {
		t = i.templates[mediaType(sent)]
	}
	if t == nil {
		t = i.templates[defaultTemplate]
	}
	if t == nil && (i.passthrough == "NEVER" || i.passthrough == "WHEN_NO_TEMPLATES" && len(i.templates) > 0) {
		return nil, unsupported(sent)
	}
	return t, nil
}

// mediaType is a content type without its parameters.
func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// isBinary reports whether a content type is among the API's binary media types.
func (p *program) isBinary(contentType string) bool {
	if len(p.binary) == 0 {
		return false
	}
	t := mediaType(contentType)
	for _, b := range p.binary {
		b = strings.ToLower(b)
		if b == "*/*" || b == t && t != "" {
			return true
		}
		if kind, ok := strings.CutSuffix(b, "/*"); ok && strings.HasPrefix(t, kind+"/") {
			return true
		}
	}
	return false
}

// requestBody is the body as the integration gets it: text, or a blob. What is no
// UTF-8 and has no binary media type is text with its faults replaced.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html
func (x *exchange) requestBody() (body []byte, binary bool, err error) {
	body = x.req.body
	sent, _ := last(x.req.header, "Content-Type")
	handling := x.method.integration.contentHandling
	if x.program.isBinary(sent) {
		if handling == "CONVERT_TO_TEXT" {
			return []byte(base64.StdEncoding.EncodeToString(body)), false, nil
		}
		return body, true, nil
	}
	if handling == "CONVERT_TO_BINARY" {
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(body)))
		if err != nil {
			return nil, false, misconfigured("Unable to base64 decode the body.")
		}
		return b, true, nil
	}
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	return body, false, nil
}

// limits bound a template; the output is bounded by the payload limit.
var limits = vtl.Limits{}

func (x *exchange) render(ctx context.Context, t *template, body string) (*gateway.Result, error) {
	if t.err != nil {
		return nil, misconfigured("Unable to transform request: " + t.err.Error())
	}
	if t.fixed != nil {
		return t.fixed, nil
	}
	ev := gateway.Event{Body: body, Path: x.req.params, Query: x.req.query, Header: x.req.header, StageVariables: x.variables}
	if t.about {
		ev.Context = x.contextVariables()
	}
	out, err := gateway.Render(ctx, t.vtl, &ev, limits)
	if err != nil {
		return nil, misconfigured("Unable to transform request: " + err.Error())
	}
	return out, nil
}

// mapRequest reads the parameters that an integration maps.
func (x *exchange) mapRequest(ms []mapping) (header, query, path []gateway.Param, err error) {
	body := payload{text: string(x.req.body)}
	for _, m := range ms {
		if !m.ok {
			continue
		}
		values, err := x.read(m.from, x.req.header, &body)
		if err != nil {
			return nil, nil, nil, badParameters("Invalid JSON in request body")
		}
		for _, v := range values {
			p := gateway.Param{Name: m.name, Value: v}
			switch m.place {
			case "header":
				header = append(header, p)
			case "querystring":
				query = append(query, p)
			case "path":
				path = append(path, p)
			}
		}
	}
	return header, query, path, nil
}

// payload is a body that mappings read by JSON path, parsed once.
type payload struct {
	text   string
	doc    any
	parsed bool
}

// read is what a source yields: nothing, one value, or the many of a multi-value
// query parameter.
func (x *exchange) read(src source, header []gateway.Param, body *payload) ([]string, error) {
	one := func(v string, ok bool) ([]string, error) {
		if !ok || v == "" {
			return nil, nil
		}
		return []string{v}, nil
	}
	switch src.kind {
	case fromStatic:
		return one(src.name, true)
	case fromContext:
		return one(contextText(x.contextVariables(), src.name))
	case fromStageVariable:
		v, ok := x.variables[src.name]
		return one(v, ok)
	case fromPath:
		return one(lastOf(all(x.req.params, src.name, false)))
	case fromQuery:
		return one(lastOf(all(x.req.query, src.name, false)))
	case fromMultiQuery:
		return all(x.req.query, src.name, false), nil
	case fromHeader:
		return one(lastOf(all(header, src.name, true)))
	case fromMultiHeader:
		return one(strings.Join(all(header, src.name, true), ","), true)
	}
	if src.path == nil {
		return one(body.text, true)
	}
	v, err := body.at(src.path)
	if err != nil {
		return nil, err
	}
	return one(v, true)
}

func lastOf(values []string) (string, bool) {
	if len(values) == 0 {
		return "", false
	}
	return values[len(values)-1], true
}

// at is the text at a path: a string as it is, anything else as JSON. A body that
// does not begin as JSON has nothing anywhere; one that does must be JSON.
func (d *payload) at(p *jsonpath.Path) (string, error) {
	if text := strings.TrimSpace(d.text); text == "" || strings.IndexByte("{[\"'", text[0]) < 0 {
		return "", nil
	}
	if !d.parsed {
		doc, err := value.DecodeJSON(d.text)
		if err != nil {
			return "", err
		}
		d.doc, d.parsed = doc, true
	}
	m := &value.Meter{Ctx: context.Background(), Steps: 1_000_000, Bytes: 64 << 20, MaxDepth: value.MaxJSONDepth}
	v, ok, err := p.Eval(m, d.doc)
	if err != nil || !ok || v == nil {
		return "", err
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	b, err := value.AppendJSON(m, nil, v)
	return string(b), err
}
