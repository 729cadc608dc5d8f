package apigatewayv2

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	manage "github.com/tule-cloud/tule/api/apigatewaymanagementapi"
	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// A stand is a service with its data plane behind an HTTP server.
type stand struct {
	*testing.T
	h      *script.House
	s      *Service
	lambda *fakeLambda
	server *httptest.Server
	caller aws.Caller
}

func newStand(t *testing.T) *stand {
	h := script.New()
	b := &stand{T: t, h: h, s: newTest(h), lambda: &fakeLambda{functions: map[string]func([]byte) string{}}, caller: aws.Caller{Kind: aws.Anonymous}}
	h.Add(b.lambda.routes())
	h.Add(b.s.Routes())
	h.Add(b.s.Connections())
	b.s.HTTP = http.DefaultTransport
	plane := b.s.Planes()[0]
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := aws.WithRequest(r.Context(), &aws.Request{ID: "00000000-0000-4000-8000-000000000001", Caller: b.caller, Region: "us-east-1", SourceIP: "192.0.2.1"})
		if r = r.WithContext(ctx); !plane.Match(r) {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		if r.Header.Get("Upgrade") == "" {
			w = struct{ http.ResponseWriter }{w} // whose deadlines, by a clock that stands, are none
		}
		plane.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		b.server.Close()
		h.Store.Close()
	})
	return b
}

func do[In, Out any](b *stand, op *aws.Op[In, Out], in *In) *Out {
	b.Helper()
	out, err := op.Do(b.h.Context(b.Context()), b.h, in)
	if err != nil {
		b.Fatalf("%s: %v", op.Name, err)
	}
	return out
}

func arnOf(function string) *string {
	return ptr("arn:aws:lambda:us-east-1:000000000000:function:" + function)
}

// api makes an API with a stage that deploys by itself.
func (b *stand) api(in *api.CreateApiRequest, stage string) string {
	b.Helper()
	id := do(b, &api.CreateApi, in).ApiId
	do(b, &api.CreateStage, &api.CreateStageRequest{ApiId: id, StageName: &stage, AutoDeploy: ptr(true), StageVariables: map[string]string{"color": "red"}})
	return *id
}

func (b *stand) route(id, key string, i *api.CreateIntegrationRequest, more ...func(*api.CreateRouteRequest)) {
	b.Helper()
	i.ApiId = &id
	made := do(b, &api.CreateIntegration, i)
	r := &api.CreateRouteRequest{ApiId: &id, RouteKey: &key, Target: ptr("integrations/" + *made.IntegrationId)}
	for _, m := range more {
		m(r)
	}
	do(b, &api.CreateRoute, r)
}

func toFunction(name, format string) *api.CreateIntegrationRequest {
	return &api.CreateIntegrationRequest{IntegrationType: ptr("AWS_PROXY"), IntegrationUri: arnOf(name), PayloadFormatVersion: &format}
}

// call sends a request to an API, and gives status, body and headers.
func (b *stand) call(id, verb, path, body string, header ...string) (int, string, http.Header) {
	b.Helper()
	r, err := http.NewRequest(verb, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Host = id + ".execute-api.us-east-1.amazonaws.com"
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func (b *stand) want(id, verb, path string, status int, body string, header ...string) http.Header {
	b.Helper()
	got, text, h := b.call(id, verb, path, "", header...)
	if got != status || text != body {
		b.Errorf("%s %s: %d %s; want %d %s", verb, path, got, text, status, body)
	}
	return h
}

func TestRoutesOfRequests(t *testing.T) {
	b := newStand(t)
	id := b.api(&api.CreateApiRequest{Name: ptr("pets"), ProtocolType: ptr("HTTP")}, "$default")
	for _, key := range []string{"GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "GET /", "$default", "POST /pets/{a}/x"} {
		b.lambda.functions[strings.Map(func(r rune) rune {
			if strings.ContainsRune("/{}+ $", r) {
				return '_'
			}
			return r
		}, key)] = func([]byte) string { return `"` + key + `"` }
		b.route(id, key, toFunction(strings.NewReplacer("/", "_", "{", "_", "}", "_", "+", "_", " ", "_", "$", "_").Replace(key), "2.0"))
	}
	for _, c := range [][3]string{
		{"GET", "/pets/dog/1", "GET /pets/dog/1"}, {"GET", "/pets/dog/2", "GET /pets/dog/{id}"}, {"GET", "/pets/cat/1", "GET /pets/{proxy+}"},
		{"POST", "/test/5", "ANY /{proxy+}"}, {"GET", "/", "GET /"}, {"POST", "/", "$default"}, {"POST", "/pets/dog/x", "POST /pets/{a}/x"},
		{"GET", "/pets", "ANY /{proxy+}"}, {"GET", "/pets/dog%2F1/2", "GET /pets/{proxy+}"},
	} {
		b.want(id, c[0], c[1], 200, c[2])
	}
}

func TestEvent2(t *testing.T) {
	b := newStand(t)
	id := b.api(&api.CreateApiRequest{Name: ptr("pets"), ProtocolType: ptr("HTTP")}, "dev")
	b.route(id, "POST /pets/{id}", toFunction("echo", "2.0"))
	status, text, h := b.call(id, "POST", "/dev/pets/a%20b?x=1&y=2&x=3", `{"a":1}`, "Content-Type", "application/json", "X-Two", "a", "X-Two", "b", "Cookie", "c=1; d=2")
	var e event2
	if err := json.Unmarshal([]byte(text), &e); err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, text, err)
	}
	equal(t, "path", e.RawPath, "/dev/pets/a b")
	equal(t, "query", e.RawQueryString, "x=1&y=2&x=3")
	equal(t, "x", e.Query["x"], "1,3")
	equal(t, "header", e.Headers["x-two"], "a,b")
	equal(t, "no cookie header", e.Headers["cookie"], "")
	equal(t, "cookies", strings.Join(e.Cookies, "|"), "c=1|d=2")
	equal(t, "parameter", e.Path["id"], "a b")
	equal(t, "stage variable", e.StageVariables["color"], "red")
	equal(t, "body", *e.Body, `{"a":1}`)
	equal(t, "route", e.Context.RouteKey, "POST /pets/{id}")
	equal(t, "stage", e.Context.Stage, "dev")
	equal(t, "source", e.Context.HTTP.SourceIP, "192.0.2.1")
	equal(t, "time", e.Context.Time, "02/Jan/2026:03:04:05 +0000")
	if h.Get("Apigw-Requestid") == "" {
		t.Error("no apigw-requestid")
	}
	equal(t, "call", b.lambda.calls[0], "echo by apigateway.amazonaws.com for arn:aws:execute-api:us-east-1:000000000000:"+id+"/dev/POST/pets/*")
	_, text, _ = b.call(id, "POST", "/dev/pets/1", "\x00\xff", "Content-Type", "image/png")
	if err := json.Unmarshal([]byte(text), &e); err != nil || !e.Base64 || *e.Body != "AP8=" {
		t.Errorf("binary: %s", text)
	}
}

func TestEvent1(t *testing.T) {
	b := newStand(t)
	id := b.api(&api.CreateApiRequest{Name: ptr("pets"), ProtocolType: ptr("HTTP")}, "$default")
	b.route(id, "GET /pets/{id}", toFunction("echo", "1.0"))
	_, text, _ := b.call(id, "GET", "/pets/7?x=1&x=3", "", "X-Two", "a", "X-Two", "b")
	var e event1
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	equal(t, "version", e.Version, "1.0")
	equal(t, "resource", e.Resource, "/pets/{id}")
	equal(t, "x", e.Query["x"], "3")
	equal(t, "all x", strings.Join(e.MultiQuery["x"], "|"), "1|3")
	equal(t, "header", e.Headers["X-Two"], "b")
	equal(t, "headers", strings.Join(e.MultiHeaders["X-Two"], "|"), "a|b")
	if e.Body != nil || !strings.Contains(text, `"body":null`) {
		t.Errorf("a body: %s", text)
	}
}

func TestAnswers(t *testing.T) {
	b := newStand(t)
	id := b.api(&api.CreateApiRequest{Name: ptr("pets"), ProtocolType: ptr("HTTP")}, "$default")
	for _, c := range []struct {
		format, says string
		status       int
		body, kind   string
	}{
		{"2.0", `{"message": "hi"}`, 200, `{"message": "hi"}`, "application/json"},
		{"2.0", `"text"`, 200, `text`, "application/json"},
		{"2.0", `[1]`, 200, `[1]`, "application/json"},
		{"2.0", `{"statusCode": 201, "body": "made"}`, 201, `made`, "text/plain;charset=UTF-8"},
		{"2.0", `{"statusCode": "404", "headers": {"content-type": "a/b"}, "body": "aGk=", "isBase64Encoded": true}`, 404, `hi`, "a/b"},
		{"2.0", `{"statusCode": 9}`, 500, `{"message":"Internal Server Error"}`, "application/json"},
		{"2.0", `fail`, 500, `{"message":"Internal Server Error"}`, "application/json"},
		{"1.0", `{"message": "hi"}`, 500, `{"message":"Internal Server Error"}`, "application/json"},
		{"1.0", `{"statusCode": 200, "multiValueHeaders": {"Content-Type": ["x/y"]}, "body": "b"}`, 200, `b`, "x/y"},
	} {
		b.lambda.functions["f"] = func([]byte) string { return c.says }
		key := "GET /" + strings.ReplaceAll(url.PathEscape(c.format+c.says), "%", "")
		b.route(id, key, toFunction("f", c.format))
		h := b.want(id, "GET", strings.TrimPrefix(key, "GET "), c.status, c.body)
		equal(t, c.says, h.Get("Content-Type"), c.kind)
	}
	b.lambda.functions["cookies"] = func([]byte) string { return `{"statusCode": 200, "cookies": ["a=1", "b=2"]}` }
	b.route(id, "GET /cookies", toFunction("cookies", "2.0"))
	h := b.want(id, "GET", "/cookies", 200, "")
	equal(t, "cookies", strings.Join(h.Values("Set-Cookie"), "|"), "a=1|b=2")
	b.route(id, "GET /denied", toFunction("none", "2.0"))
	b.want(id, "GET", "/denied", 500, `{"message":"Internal Server Error"}`)
	b.want(id, "GET", "/nowhere", 404, `{"message":"Not Found"}`)
	status, body, _ := b.call(id, "GET", "/cookies", strings.Repeat("x", maxPayload+1))
	if status != 413 || body != `{"message":"Request Entity Too Large"}` {
		t.Errorf("too large: %d %s", status, body)
	}
}

func TestCORS(t *testing.T) {
	b := newStand(t)
	id := b.api(&api.CreateApiRequest{Name: ptr("pets"), ProtocolType: ptr("HTTP"), CorsConfiguration: &api.Cors{AllowOrigins: []string{"https://example.com", "https://*.test"},
		AllowMethods: []string{"GET", "POST"}, AllowHeaders: []string{"x-a"}, AllowCredentials: ptr(true), ExposeHeaders: []string{"date"}, MaxAge: ptr(int32(300))}}, "$default")
	b.lambda.functions["f"] = func([]byte) string { return `{"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "mine"}}` }
	b.route(id, "GET /", toFunction("f", "2.0"))
	h := b.want(id, "OPTIONS", "/any", 204, "", "Origin", "https://example.com", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "x-a")
	for name, want := range map[string]string{"Allow-Origin": "https://example.com", "Allow-Methods": "GET,POST", "Allow-Headers": "x-a", "Allow-Credentials": "true", "Max-Age": "300"} {
		equal(t, name, h.Get("Access-Control-"+name), want)
	}
	h = b.want(id, "OPTIONS", "/", 204, "", "Origin", "https://evil.com", "Access-Control-Request-Method", "GET")
	equal(t, "evil", h.Get("Access-Control-Allow-Origin"), "")
	h = b.want(id, "GET", "/", 200, "", "Origin", "https://a.test")
	equal(t, "wildcard", h.Get("Access-Control-Allow-Origin"), "https://a.test")
	h = b.want(id, "GET", "/", 200, "")
	equal(t, "the function's own", h.Get("Access-Control-Allow-Origin"), "")
}

func TestHTTPProxy(t *testing.T) {
	b := newStand(t)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Back", "yes")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.String()+" "+r.Header.Get("X-New")+" "+r.Header.Get("X-Old")+" "+string(body))
	}))
	defer back.Close()
	id := b.api(&api.CreateApiRequest{Name: ptr("pets"), ProtocolType: ptr("HTTP")}, "$default")
	b.route(id, "ANY /a/{proxy+}", &api.CreateIntegrationRequest{IntegrationType: ptr("HTTP_PROXY"), IntegrationMethod: ptr("ANY"), IntegrationUri: ptr(back.URL + "/x/{proxy}?k=1")})
	b.route(id, "GET /m/{id}", &api.CreateIntegrationRequest{IntegrationType: ptr("HTTP_PROXY"), IntegrationMethod: ptr("PUT"), IntegrationUri: ptr(back.URL),
		RequestParameters:  map[string]string{"overwrite:path": "/by/${request.path.id}", "append:header.x-new": "${stageVariables.color}-$context.stage", "remove:header.x-old": "''", "overwrite:querystring.q": "$request.querystring.p", "remove:querystring.p": ""},
		ResponseParameters: map[string]map[string]string{"202": {"overwrite:statuscode": "201", "append:header.x-id": "$request.path.id", "remove:header.x-back": "''"}}})
	h := b.want(id, "DELETE", "/a/b%20c/d?q=1", 202, "DELETE /x/b%20c/d?k=1&q=1   ")
	equal(t, "header", h.Get("X-Back"), "yes")
	h = b.want(id, "GET", "/m/7?p=9", 201, "PUT /by/7?q=9 red-$default  ", "X-Old", "old")
	equal(t, "mapped", h.Get("X-Id"), "7")
	equal(t, "removed", h.Get("X-Back"), "")
	back.Close()
	b.want(id, "GET", "/m/7", 503, `{"message":"Service Unavailable"}`)
}

func TestThrottle(t *testing.T) {
	b := newStand(t)
	id := b.api(&api.CreateApiRequest{Name: ptr("pets"), ProtocolType: ptr("HTTP")}, "$default")
	b.lambda.functions["f"] = func([]byte) string { return `"ok"` }
	b.route(id, "GET /", toFunction("f", "2.0"))
	do(b, &api.UpdateStage, &api.UpdateStageRequest{ApiId: &id, StageName: ptr("$default"), DefaultRouteSettings: &api.RouteSettings{ThrottlingRateLimit: ptr(1.0), ThrottlingBurstLimit: ptr(int32(2))}})
	b.want(id, "GET", "/", 200, "ok")
	b.want(id, "GET", "/", 200, "ok")
	b.want(id, "GET", "/", 429, `{"message":"Too Many Requests"}`)
	b.h.Clock.Advance(time.Second)
	b.want(id, "GET", "/", 200, "ok")
}

func TestAuthorizers(t *testing.T) {
	b := newStand(t)
	id := b.api(&api.CreateApiRequest{Name: ptr("pets"), ProtocolType: ptr("HTTP")}, "$default")
	asked := 0
	b.lambda.functions["auth"] = func(in []byte) string {
		asked++
		if strings.Contains(string(in), `"identitySource":["good"]`) {
			return `{"isAuthorized": true, "context": {"who": "ann", "n": 1}}`
		}
		return `{"isAuthorized": false}`
	}
	auth := do(b, &api.CreateAuthorizer, &api.CreateAuthorizerRequest{ApiId: &id, Name: ptr("f"), AuthorizerType: ptr("REQUEST"), AuthorizerUri: arnOf("auth"),
		IdentitySource: []string{"$request.header.X-Key"}, AuthorizerPayloadFormatVersion: ptr("2.0"), EnableSimpleResponses: ptr(true), AuthorizerResultTtlInSeconds: ptr(int32(60))})
	b.route(id, "GET /", toFunction("echo", "2.0"), func(r *api.CreateRouteRequest) {
		r.AuthorizationType, r.AuthorizerId = ptr("CUSTOM"), auth.AuthorizerId
	})
	b.route(id, "GET /iam", toFunction("echo", "2.0"), func(r *api.CreateRouteRequest) { r.AuthorizationType = ptr("AWS_IAM") })
	b.want(id, "GET", "/", 401, `{"message":"Unauthorized"}`)
	b.want(id, "GET", "/", 403, `{"message":"Forbidden"}`, "X-Key", "bad")
	for range 2 {
		_, text, _ := b.call(id, "GET", "/", "", "X-Key", "good")
		if !strings.Contains(text, `"authorizer":{"lambda":{"n":1,"who":"ann"}}`) {
			t.Errorf("passed on: %s", text)
		}
	}
	equal(t, "questions", asked, 2)
	b.h.Clock.Advance(61 * time.Second)
	b.call(id, "GET", "/", "", "X-Key", "good")
	equal(t, "questions later", asked, 3)
	b.want(id, "GET", "/iam", 403, `{"message":"Forbidden"}`)
	b.caller = aws.Caller{Kind: aws.User, Account: "000000000000", ARN: "arn:aws:iam::000000000000:user/ann", UserID: "AIDA"}
	var needs []aws.Access
	b.s.Allow = func(_ context.Context, n ...aws.Access) error { needs = n; return nil }
	_, text, _ := b.call(id, "GET", "/iam", "")
	if !strings.Contains(text, `"userArn":"arn:aws:iam::000000000000:user/ann"`) {
		t.Errorf("passed on: %s", text)
	}
	equal(t, "needs", needs[0].Action+" "+needs[0].Resource, "execute-api:Invoke arn:aws:execute-api:us-east-1:000000000000:"+id+"/$default/GET/iam")
}

func TestDisabledAndForeign(t *testing.T) {
	b := newStand(t)
	id := b.api(&api.CreateApiRequest{Name: ptr("x"), ProtocolType: ptr("HTTP"), DisableExecuteApiEndpoint: ptr(true)}, "$default")
	b.want(id, "GET", "/", 404, `{"message":"Not Found"}`)
	b.want("another", "GET", "/", http.StatusTeapot, "")
}

// dial connects to a stage of a WebSocket API.
func (b *stand) dial(id, path string) (*websocket.Conn, *http.Response, error) {
	return websocket.Dial(b.Context(), strings.Replace(b.server.URL, "http", "ws", 1)+path, &websocket.DialOptions{Host: id + ".execute-api.us-east-1.amazonaws.com"})
}

func (b *stand) read(c *websocket.Conn) string {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	_, data, err := c.Read(ctx)
	if err != nil {
		b.Fatal(err)
	}
	return string(data)
}

func (b *stand) chat() string {
	id := b.api(&api.CreateApiRequest{Name: ptr("chat"), ProtocolType: ptr("WEBSOCKET"), RouteSelectionExpression: ptr("$request.body.action")}, "dev")
	b.lambda.functions["connect"] = func(in []byte) string {
		if bytes.Contains(in, []byte(`"name":"evil"`)) {
			return `{"statusCode": 403}`
		}
		return `{"statusCode": 200}`
	}
	b.route(id, "$connect", &api.CreateIntegrationRequest{IntegrationType: ptr("AWS_PROXY"), IntegrationUri: arnOf("connect")})
	b.route(id, "echo", &api.CreateIntegrationRequest{IntegrationType: ptr("AWS_PROXY"), IntegrationUri: arnOf("echo")}, func(r *api.CreateRouteRequest) { r.RouteResponseSelectionExpression = ptr("$default") })
	b.route(id, "silent", &api.CreateIntegrationRequest{IntegrationType: ptr("AWS_PROXY"), IntegrationUri: arnOf("echo")})
	b.route(id, "broken", &api.CreateIntegrationRequest{IntegrationType: ptr("AWS_PROXY"), IntegrationUri: arnOf("none")})
	return id
}

func TestWebSocket(t *testing.T) {
	b := newStand(t)
	id := b.chat()
	gone := make(chan string, 1)
	b.lambda.functions["bye"] = func(in []byte) string {
		gone <- string(in)
		return `{"statusCode": 200}`
	}
	b.route(id, "$disconnect", &api.CreateIntegrationRequest{IntegrationType: ptr("AWS_PROXY"), IntegrationUri: arnOf("bye")})
	if _, res, err := b.dial(id, "/dev?name=evil"); err == nil || res.StatusCode != 403 {
		t.Errorf("evil: %v", err)
	}
	c, _, err := b.dial(id, "/dev?name=ann")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	send := func(text string) {
		t.Helper()
		if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	send(`{"action": "echo", "n": 1}`)
	var e socketEvent
	if err := json.Unmarshal([]byte(b.read(c)), &e); err != nil {
		t.Fatal(err)
	}
	equal(t, "route", e.Context.RouteKey, "echo")
	equal(t, "body", *e.Body, `{"action": "echo", "n": 1}`)
	equal(t, "kind", e.Context.EventType, "MESSAGE")
	send(`{"action": "silent"}`)
	send(`{"action": "broken"}`)
	if text := b.read(c); !strings.Contains(text, `"message": "Internal server error", "connectionId":"`+e.Context.ConnectionID+`"`) {
		t.Errorf("broken: %s", text)
	}
	send(`no json`)
	if text := b.read(c); !strings.Contains(text, `"message": "Forbidden"`) {
		t.Errorf("no route: %s", text)
	}
	b.connections(id, c, e.Context.ConnectionID)
	var last socketEvent
	if err := json.Unmarshal([]byte(<-gone), &last); err != nil {
		t.Fatal(err)
	}
	equal(t, "goodbye", last.Context.EventType+" "+last.Context.ConnectionID, "DISCONNECT "+e.Context.ConnectionID)
}

// connections manages a connection from a back end's side, and ends it.
func (b *stand) connections(id string, c *websocket.Conn, connection string) {
	path := "/dev/@connections/" + url.PathEscape(connection)
	b.want(id, "GET", path, 403, `{"message":"Missing Authentication Token"}`)
	b.caller = aws.Caller{Kind: aws.Root, Account: "000000000000", ARN: "arn:aws:iam::000000000000:root"}
	if status, body, _ := b.call(id, "POST", path, "hello"); status != 200 || body != "" {
		b.Errorf("post: %d %s", status, body)
	}
	equal(b.T, "message", b.read(c), "hello")
	status, body, _ := b.call(id, "GET", path, "")
	if status != 200 || !strings.Contains(body, `"connectedAt":"2026-01-02T03:04:05.000Z"`) {
		b.Errorf("get: %d %s", status, body)
	}
	if status, body, _ := b.call(id, "POST", path, strings.Repeat("x", maxMessage+1)); status != 413 {
		b.Errorf("too long: %d %s", status, body)
	}
	needs := b.s.askConnection(context.Background(), "POST", &connection)
	equal(b.T, "needs", needs[0].Action+" "+needs[0].Resource, "execute-api:ManageConnections arn:aws:execute-api:us-east-1:000000000000:"+id+"/dev/POST/@connections/"+connection)
	b.want(id, "POST", "/dev/@connections/none", 410, `{"message":""}`)
	if status, _, _ := b.call(id, "DELETE", path, ""); status != 204 {
		b.Errorf("delete: %d", status)
	}
	if _, _, err := c.Read(b.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		b.Errorf("closed with %v", err)
	}
	for range 100 {
		if b.s.sockets.get(connection) == nil {
			break
		}
		time.Sleep(10 * time.Millisecond) // until the other end has noticed
	}
	_, err := manage.GetConnection.Do(b.h.Context(b.Context()), b.h, &manage.GetConnectionRequest{ConnectionId: &connection})
	equal(b.T, "gone", aws.CodeOf(err), "GoneException")
}

func TestIdleSocket(t *testing.T) {
	b := newStand(t)
	c, _, err := b.dial(b.chat(), "/dev")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	done := make(chan error, 1)
	go func() {
		_, _, err := c.Read(context.Background())
		done <- err
	}()
	for range 200 {
		b.h.Clock.Advance(maxIdle / 100)
		select {
		case err := <-done:
			equal(t, "status", websocket.CloseStatus(err), websocket.StatusGoingAway)
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
	t.Error("the connection is still there")
}

func TestMockSocket(t *testing.T) {
	b := newStand(t)
	id := b.chat()
	made := do(b, &api.CreateIntegration, &api.CreateIntegrationRequest{ApiId: &id, IntegrationType: ptr("MOCK"), RequestTemplates: map[string]string{"$default": `{"statusCode": 200}`}})
	do(b, &api.CreateIntegrationResponse, &api.CreateIntegrationResponseRequest{ApiId: &id, IntegrationId: made.IntegrationId, IntegrationResponseKey: ptr("/200/"),
		ResponseTemplates: map[string]string{"$default": `{"you": "$context.connectionId", "color": "$stageVariables.color"}`}, TemplateSelectionExpression: ptr(`\$default`)})
	r := do(b, &api.CreateRoute, &api.CreateRouteRequest{ApiId: &id, RouteKey: ptr("mock"), Target: ptr("integrations/" + *made.IntegrationId)})
	do(b, &api.CreateRouteResponse, &api.CreateRouteResponseRequest{ApiId: &id, RouteId: r.RouteId, RouteResponseKey: ptr("$default")})
	c, _, err := b.dial(id, "/dev")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"action": "mock"}`)); err != nil {
		t.Fatal(err)
	}
	if text := b.read(c); !strings.Contains(text, `"color": "red"`) || strings.Contains(text, `"you": ""`) {
		t.Errorf("mock: %s", text)
	}
}

// What is exported imports to the same API.
func TestExport(t *testing.T) {
	b := newStand(t)
	id := b.api(&api.CreateApiRequest{Name: ptr("pets"), Version: ptr("1"), ProtocolType: ptr("HTTP"), Tags: map[string]string{"a": "b"},
		CorsConfiguration: &api.Cors{AllowOrigins: []string{"*"}, MaxAge: ptr(int32(5))}}, "$default")
	auth := do(b, &api.CreateAuthorizer, &api.CreateAuthorizerRequest{ApiId: &id, Name: ptr("j"), AuthorizerType: ptr("JWT"), IdentitySource: []string{"$request.header.Authorization"},
		JwtConfiguration: &api.JWTConfiguration{Issuer: ptr("https://id.example.com"), Audience: []string{"a"}}})
	b.route(id, "GET /pets/{id}", toFunction("f", "2.0"), func(r *api.CreateRouteRequest) {
		r.AuthorizationType, r.AuthorizerId, r.AuthorizationScopes = ptr("JWT"), auth.AuthorizerId, []string{"read"}
	})
	b.route(id, "$default", &api.CreateIntegrationRequest{IntegrationType: ptr("HTTP_PROXY"), IntegrationMethod: ptr("ANY"), IntegrationUri: ptr("https://example.com"),
		RequestParameters: map[string]string{"overwrite:path": "/x"}, ResponseParameters: map[string]map[string]string{"202": {"overwrite:statuscode": "201"}}})
	export := func(id *string, kind string) string {
		return string(do(b, &api.ExportApi, &api.ExportApiRequest{ApiId: id, OutputType: &kind, Specification: ptr("OAS30")}).Body)
	}
	first := export(&id, "JSON")
	for _, kind := range []string{"JSON", "YAML"} {
		again := do(b, &api.ImportApi, &api.ImportApiRequest{Body: ptr(export(&id, kind))})
		equal(t, kind, strings.ReplaceAll(export(again.ApiId, "JSON"), *again.ApiId, id), first)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v; want %v", what, got, want)
	}
}

// A back end's answer that is longer than an answer may be is refused, not cut.
func TestLongAnswer(t *testing.T) {
	b := newStand(t)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, maxPayload+len(r.URL.Path)-1))
	}))
	defer back.Close()
	id := b.api(&api.CreateApiRequest{Name: ptr("h"), ProtocolType: ptr("HTTP")}, "$default")
	b.route(id, "GET /{proxy+}", &api.CreateIntegrationRequest{IntegrationType: ptr("HTTP_PROXY"), IntegrationMethod: ptr("GET"), IntegrationUri: ptr(back.URL + "/{proxy}")})
	b.route(id, "GET /", &api.CreateIntegrationRequest{IntegrationType: ptr("HTTP_PROXY"), IntegrationMethod: ptr("GET"), IntegrationUri: ptr(back.URL + "/")})
	if status, text, _ := b.call(id, "GET", "/", ""); status != 200 || len(text) != maxPayload {
		t.Errorf("%d, %d bytes", status, len(text))
	}
	b.want(id, "GET", "/x", 500, `{"message":"Internal Server Error"}`)
}
