package apigatewayv2

import (
	"strings"
	"testing"
)

type noValues struct{}

func (noValues) variable(name string) (string, bool) { return name, true }
func (noValues) body() *document                     { return &document{text: `{"a": [1, {"b": "c"}]}`} }

func FuzzExpression(f *testing.F) {
	for _, seed := range []string{"$request.method $request.path", "${request.body.a[1].b}", `\$default`, "$request.body.a..b", "${", "$", "x$request.header.x-y z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseExpression(text)
		if err == nil {
			e.eval(noValues{})
		}
		if !strings.Contains(text, "$") {
			if out, ok := e.eval(noValues{}); err != nil || !ok || out != text {
				t.Errorf("%q: %q, %v", text, out, err)
			}
		}
	})
}

func FuzzDocument(f *testing.F) {
	f.Add(`{"openapi": "3.0.1", "info": {"title": "a"}, "paths": {"/": {"get": {"x-amazon-apigateway-integration": {"type": "http_proxy"}}}}}`)
	f.Add("openapi: 3.0.0\ninfo: {title: cats}\npaths: {/a: {get: {}}}")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDocument(text)
		if (d == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{`{"statusCode": 200, "headers": {"a": 1}, "body": {}}`, `"x"`, `null`, `{"statusCode": "200", "isBase64Encoded": true, "body": "!"}`, ``, `{`} {
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, payload []byte, newer bool) {
		format := "1.0"
		if newer {
			format = "2.0"
		}
		if out, ok := readAnswer(payload, format); ok && (out.status < 100 || out.status > 599) {
			t.Errorf("%q: %d", payload, out.status)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("/a/{b}/{c+}", "/a/x/y/z")
	f.Fuzz(func(t *testing.T, path, request string) {
		a := httpAPI()
		if checkRouteKey(a, "GET "+path) != nil {
			return
		}
		var root node
		r := &route{verb: "GET", path: path, key: "GET " + path}
		root.insert(r)
		segments := strings.Split(strings.TrimPrefix(request, "/"), "/")
		if found := root.find("GET", segments); found != nil {
			found.params(segments, same)
		}
	})
}
