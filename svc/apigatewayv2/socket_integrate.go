package apigatewayv2

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// socketTemplates are what a WebSocket API's integration makes of messages and answers.
type socketTemplates struct {
	choose     expression
	request    map[string]*vtl.Template
	parameters map[string]string // integration.request.header.X → where from
	responses  []socketResponse  // patterns first, then $default
}

type socketResponse struct {
	pattern   *regexp.Regexp // nil for $default
	choose    expression
	templates map[string]*vtl.Template
}

func parseTemplates(in map[string]string) map[string]*vtl.Template {
	out := make(map[string]*vtl.Template, len(in))
	for key, text := range in {
		t, err := vtl.Parse(key, text)
		if err != nil {
			t = nil // which fails when it is run
		}
		out[strings.TrimPrefix(key, `\`)] = t
	}
	return out
}

func compileTemplates(i *api.Integration, responses []api.IntegrationResponse) socketTemplates {
	t := socketTemplates{request: parseTemplates(i.RequestTemplates), parameters: i.RequestParameters}
	t.choose, _ = parseExpression(aws.Value(i.TemplateSelectionExpression))
	var rest []socketResponse
	for _, r := range responses {
		one := socketResponse{templates: parseTemplates(r.ResponseTemplates)}
		one.choose, _ = parseExpression(aws.Value(r.TemplateSelectionExpression))
		key := *r.IntegrationResponseKey
		if key == defaultKey {
			rest = append(rest, one)
			continue
		}
		if p, err := regexp.Compile(`^(?:` + key[1:len(key)-1] + `)$`); err == nil {
			one.pattern = p
			t.responses = append(t.responses, one)
		}
	}
	t.responses = append(t.responses, rest...)
	return t
}

// converse has a route's back end answer an event.
func (x *exchange) converse(ctx context.Context, kind string) (*reply, error) {
	x.eventType = kind
	i := x.route.integration
	began := x.s.Clock.Now()
	defer func() { x.waited = x.s.Clock.Now().Sub(began) }()
	switch aws.Value(i.raw.IntegrationType) {
	case api.IntegrationTypeAwsProxy:
		return x.socketProxy(ctx, kind)
	case api.IntegrationTypeHttpProxy:
		return x.socketHTTP(ctx, x.req.body)
	}
	body, err := x.render(ctx)
	if err != nil {
		return nil, err
	}
	out := &reply{status: 200, body: body}
	failure := ""
	switch aws.Value(i.raw.IntegrationType) {
	case api.IntegrationTypeMock:
		out, err = mocked(body)
	case api.IntegrationTypeHttp:
		out, err = x.socketHTTP(ctx, body)
	default:
		uri, _ := i.uri.eval(x)
		got, bad := x.invoke(ctx, uri, body, i)
		if err = bad; err == nil {
			out.body = got.Payload
			var said struct {
				ErrorMessage string `json:"errorMessage"`
			}
			if json.Unmarshal(got.Payload, &said) == nil {
				failure = said.ErrorMessage
			}
			if got.FunctionError != nil && failure == "" {
				return nil, errors.New("the function failed")
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return x.renderAnswer(ctx, out, failure)
}

// mocked is what MOCK answers: the status that its template gives.
func mocked(body []byte) (*reply, error) {
	said := struct {
		StatusCode int `json:"statusCode"`
	}{200}
	if len(body) > 0 && json.Unmarshal(body, &said) != nil {
		return nil, errors.New("the template of MOCK made no JSON")
	}
	return &reply{status: said.StatusCode}, nil
}

func (x *exchange) socketProxy(ctx context.Context, kind string) (*reply, error) {
	payload, err := encode(x.socketEvent(kind, x.route.key, x.closedFor))
	if err != nil {
		return nil, err
	}
	uri, _ := x.route.integration.uri.eval(x)
	out, err := x.invoke(ctx, uri, payload, x.route.integration)
	if err != nil {
		return nil, err
	}
	if out.FunctionError != nil {
		return nil, errors.New("the function failed")
	}
	if got, ok := readAnswer(out.Payload, "1.0"); ok {
		return got, nil
	}
	if kind == "CONNECT" {
		return nil, errors.New("the function's answer has no status code")
	}
	return &reply{status: 200, body: out.Payload}, nil
}

// render makes a message what the back end gets.
func (x *exchange) render(ctx context.Context) ([]byte, error) {
	t := &x.route.integration.templates
	key := defaultKey
	if chosen, ok := t.choose.eval(x); ok && chosen != "" && len(t.choose) > 0 {
		key = chosen
	}
	found, ok := t.request[key]
	if !ok {
		found, ok = t.request[defaultKey]
	}
	if !ok {
		switch p := aws.Value(x.route.integration.raw.PassthroughBehavior); {
		case p == api.PassthroughBehaviorNever, p == api.PassthroughBehaviorWhenNoTemplates && len(t.request) > 0:
			return nil, errors.New("no template is for the message, and it does not pass through")
		}
		return x.req.body, nil
	}
	return x.run(ctx, found, string(x.req.body))
}

// renderAnswer makes a back end's answer what the client gets.
func (x *exchange) renderAnswer(ctx context.Context, out *reply, failure string) (*reply, error) {
	against := itoa(out.status)
	if failure != "" {
		against = failure
	}
	for _, r := range x.route.integration.templates.responses {
		if r.pattern != nil && !r.pattern.MatchString(against) {
			continue
		}
		key := defaultKey
		if chosen, ok := r.choose.eval(x); ok && chosen != "" && len(r.choose) > 0 {
			key = chosen
		}
		t, ok := r.templates[key]
		if !ok {
			return out, nil
		}
		body, err := x.run(ctx, t, string(out.body))
		return &reply{status: out.status, header: out.header, body: body}, err
	}
	if failure != "" {
		return nil, errors.New("the function failed: " + cut(failure))
	}
	return out, nil
}

func (x *exchange) run(ctx context.Context, t *vtl.Template, body string) ([]byte, error) {
	if t == nil {
		return nil, errors.New("a template does not parse")
	}
	ev := &gateway.Event{Body: body, Context: x.contextMap(), StageVariables: x.stage.StageVariables}
	for _, p := range x.req.query {
		ev.Query = append(ev.Query, gateway.Param{Name: p.name, Value: p.value})
	}
	for _, p := range x.req.header {
		ev.Header = append(ev.Header, gateway.Param{Name: p.name, Value: p.value})
	}
	out, err := gateway.Render(ctx, t, ev, vtl.Limits{Output: maxMessage})
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

// socketHTTP sends a message to an HTTP back end.
func (x *exchange) socketHTTP(ctx context.Context, body []byte) (*reply, error) {
	i := x.route.integration
	uri, _ := i.uri.eval(x)
	out := &outgoing{verb: aws.Value(i.raw.IntegrationMethod), uri: uri, body: body, header: []param{{"Content-Type", "application/json"}, {"User-Agent", "AmazonAPIGateway_" + *x.program.api.ApiId}}}
	for _, to := range slices.Sorted(maps.Keys(i.templates.parameters)) {
		v, ok := x.mapped(i.templates.parameters[to])
		if !ok {
			continue
		}
		if name, ok := strings.CutPrefix(to, "integration.request.header."); ok {
			out.header = append(out.header, param{name, v})
		} else if name, ok := strings.CutPrefix(to, "integration.request.querystring."); ok {
			out.query = append(out.query, param{name, v})
		} else if name, ok := strings.CutPrefix(to, "integration.request.path."); ok {
			out.uri = strings.ReplaceAll(out.uri, "{"+name+"}", v)
		}
	}
	r, err := out.request(ctx, "", false, "")
	if err != nil {
		return nil, err
	}
	return x.s.fetch(ctx, r, i)
}

// mapped is the value of a parameter's source: 'text', context.connectionId,
// route.request.body.action.
func (x *exchange) mapped(source string) (string, bool) {
	if text, ok := strings.CutPrefix(source, "'"); ok {
		return strings.TrimSuffix(text, "'"), true
	}
	p, err := variable(strings.TrimPrefix(source, "route."))
	if err != nil {
		return "", false
	}
	return expression{p}.eval(x)
}
