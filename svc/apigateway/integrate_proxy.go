package apigateway

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tule-cloud/tule/vtl/gateway"
)

// A proxyEvent is what a function behind AWS_PROXY gets.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format
type proxyEvent struct {
	Resource        string              `json:"resource"`
	Path            string              `json:"path"`
	HTTPMethod      string              `json:"httpMethod"`
	Headers         map[string]string   `json:"headers"`
	MultiHeaders    map[string][]string `json:"multiValueHeaders"`
	Query           map[string]string   `json:"queryStringParameters"`
	MultiQuery      map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters  map[string]string   `json:"pathParameters"`
	StageVariables  map[string]string   `json:"stageVariables"`
	RequestContext  *requestContext     `json:"requestContext"`
	Body            *string             `json:"body"`
	IsBase64Encoded bool                `json:"isBase64Encoded"`
}

func (x *exchange) event() ([]byte, error) {
	r := x.req
	e := proxyEvent{
		Resource: x.method.resourcePath, Path: r.path, HTTPMethod: r.verb, Headers: single(r.header), MultiHeaders: multi(r.header),
		Query: single(r.query), MultiQuery: multi(r.query), PathParameters: single(r.params), RequestContext: x.context(),
	}
	if len(x.variables) > 0 {
		e.StageVariables = x.variables
	}
	if len(r.body) > 0 {
		text := string(r.body)
		sent, _ := last(r.header, "Content-Type")
		// A body that is no text goes as base64 even where no media type says so:
		// nothing is lost.
		if e.IsBase64Encoded = x.program.isBinary(sent) && x.method.integration.contentHandling != "CONVERT_TO_TEXT" || !utf8.Valid(r.body); e.IsBase64Encoded {
			text = base64.StdEncoding.EncodeToString(r.body)
		}
		e.Body = &text
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(&e)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// proxy is the AWS_PROXY integration: the request as an event, the function's
// answer as the response.
func (x *exchange) proxy(ctx context.Context) (*reply, error) {
	if x.method.integration.verb != "POST" {
		return nil, misconfigured("Lambda functions are invoked by POST")
	}
	event, err := x.event()
	if err != nil {
		return nil, err
	}
	call, err := x.call(ctx, event, nil)
	if err != nil {
		return nil, err
	}
	x.answered(call)
	out, ok := x.proxyReply(call.out.Payload)
	if ok && call.out.FunctionError == nil {
		return out, nil
	}
	var failed struct {
		ErrorMessage *string `json:"errorMessage"`
	}
	if json.Unmarshal(call.out.Payload, &failed) == nil && failed.ErrorMessage != nil {
		return nil, malformed("Lambda execution failed with status 200 due to customer function error: " + cut(*failed.ErrorMessage) + ". Lambda request id: " + call.id)
	}
	return nil, malformed("Execution failed due to configuration error: Malformed Lambda proxy response")
}

// A proxyAnswer is what a function behind AWS_PROXY answers. All of it may be left
// out; nothing else may be there.
type proxyAnswer struct {
	StatusCode      json.RawMessage `json:"statusCode"`
	Headers         map[string]any  `json:"headers"`
	MultiHeaders    map[string]any  `json:"multiValueHeaders"`
	Body            *string         `json:"body"`
	IsBase64Encoded *bool           `json:"isBase64Encoded"`
}

// proxyReply reads a function's answer; false if it is none.
func (x *exchange) proxyReply(payload []byte) (*reply, bool) {
	payload = bytes.TrimSpace(payload)
	var a proxyAnswer
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields()
	if len(payload) == 0 || payload[0] != '{' || dec.Decode(&a) != nil {
		return nil, false
	}
	out := &reply{status: 200}
	if len(a.StatusCode) > 0 && string(a.StatusCode) != "null" {
		n, err := strconv.Atoi(strings.Trim(string(a.StatusCode), `"`))
		if err != nil || n < 200 || n > 599 {
			return nil, false
		}
		out.status = n
	}
	if !proxyHeaders(out, &a) {
		return nil, false
	}
	if !out.has("Content-Type") {
		out.header = append(out.header, gateway.Param{Name: "Content-Type", Value: "application/json"})
	}
	if a.Body != nil {
		out.body = []byte(*a.Body)
		if a.IsBase64Encoded != nil && *a.IsBase64Encoded && x.acceptsBinary() {
			b, err := base64.StdEncoding.DecodeString(*a.Body)
			if err != nil {
				return nil, false
			}
			out.body = b
		}
	}
	return out, true
}

// proxyHeaders collects the headers: of a name that is in both maps, all values,
// under the name that multiValueHeaders spells.
func proxyHeaders(out *reply, a *proxyAnswer) bool {
	seen := map[string]string{}
	add := func(name string, v any) bool {
		text, ok := headerText(v)
		if name = headerName(name); ok && name != "" {
			out.header = append(out.header, gateway.Param{Name: name, Value: text})
		}
		return ok
	}
	for _, name := range slices.Sorted(maps.Keys(a.MultiHeaders)) {
		values, ok := a.MultiHeaders[name].([]any)
		if !ok && a.MultiHeaders[name] != nil {
			return false
		}
		seen[strings.ToLower(name)] = name
		for _, v := range values {
			if !add(name, v) {
				return false
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
		spelt := name
		if s, ok := seen[strings.ToLower(name)]; ok {
			spelt = s
		}
		if !add(spelt, a.Headers[name]) {
			return false
		}
	}
	return true
}

// headerText is a header's value; lists and objects have none.
func headerText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return strings.NewReplacer("\r", " ", "\n", " ").Replace(v), true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case nil:
		return "", true
	}
	return "", false
}
