package apigatewayv2

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// An answer is what a function behind AWS_PROXY may answer.
type answer struct {
	StatusCode      json.RawMessage  `json:"statusCode"`
	Headers         map[string]any   `json:"headers"`
	MultiHeaders    map[string][]any `json:"multiValueHeaders"`
	Cookies         []string         `json:"cookies"`
	Body            json.RawMessage  `json:"body"`
	IsBase64Encoded bool             `json:"isBase64Encoded"`
}

func isNull(b []byte) bool {
	b = bytes.TrimSpace(b)
	return len(b) == 0 || string(b) == "null"
}

// readAnswer makes a reply of what a function has returned; false for what is none. In
// the payload format 2.0 what has no status code is the body itself: a string as it is,
// anything else as JSON.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html#http-api-develop-integrations-lambda.response
func readAnswer(payload []byte, format string) (*reply, bool) {
	payload = bytes.TrimSpace(payload)
	var probe struct {
		StatusCode json.RawMessage `json:"statusCode"`
	}
	object := len(payload) > 0 && payload[0] == '{' && json.Unmarshal(payload, &probe) == nil
	if !object || isNull(probe.StatusCode) {
		if format != "2.0" || !json.Valid(payload) {
			return nil, false
		}
		return inferred(payload), true
	}
	var a answer
	if json.Unmarshal(payload, &a) != nil {
		return nil, false
	}
	n, err := strconv.Atoi(strings.Trim(string(a.StatusCode), `"`))
	if err != nil || n < 100 || n > 599 {
		return nil, false
	}
	out := &reply{status: n}
	if !a.headers(out, format) || !a.content(out) {
		return nil, false
	}
	if len(out.body) > 0 && !slices.ContainsFunc(out.header, func(p param) bool { return strings.EqualFold(p.name, "Content-Type") }) {
		out.header = append(out.header, param{"Content-Type", "text/plain;charset=UTF-8"})
	}
	return out, true
}

// inferred is the reply that is nothing but a body.
func inferred(payload []byte) *reply {
	out := &reply{status: 200, body: payload, header: []param{{"Content-Type", "application/json"}}}
	var text string
	if payload[0] == '"' && json.Unmarshal(payload, &text) == nil {
		out.body = []byte(text)
	}
	if isNull(payload) {
		out.body = []byte("null")
	}
	return out
}

func (a *answer) content(out *reply) bool {
	if isNull(a.Body) {
		return true
	}
	var text string
	if json.Unmarshal(a.Body, &text) != nil {
		text = string(a.Body) // an object or a number goes out as it is
	}
	out.body = []byte(text)
	if a.IsBase64Encoded {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return false
		}
		out.body = b
	}
	return true
}

func (a *answer) headers(out *reply, format string) bool {
	add := func(name string, v any) bool {
		text, ok := textOf(v)
		switch v.(type) {
		case map[string]any, []any:
			return false
		}
		if ok && passes(name) {
			out.header = append(out.header, param{name, strings.NewReplacer("\r", " ", "\n", " ").Replace(text)})
		}
		return true
	}
	seen := map[string]bool{}
	if format == "1.0" {
		for _, name := range slices.Sorted(maps.Keys(a.MultiHeaders)) {
			seen[strings.ToLower(name)] = true
			for _, v := range a.MultiHeaders[name] {
				if !add(name, v) {
					return false
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
		if seen[strings.ToLower(name)] {
			continue
		}
		if !add(name, a.Headers[name]) {
			return false
		}
	}
	if format == "2.0" {
		for _, c := range a.Cookies {
			out.header = append(out.header, param{"Set-Cookie", strings.NewReplacer("\r", " ", "\n", " ").Replace(c)})
		}
	}
	return true
}

// kept are headers that no back end sets: they are the gateway's and the connection's.
var kept = []string{"connection", "content-length", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	"apigw-requestid", "date", "server"}

// passes reports whether a back end's header goes to the caller.
func passes(name string) bool {
	return name != "" && !strings.ContainsAny(name, " \t\r\n:\"(),/;<=>?@[\\]{}") && !slices.Contains(kept, strings.ToLower(name))
}
