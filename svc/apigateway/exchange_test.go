package apigateway

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
)

// discard is a ResponseWriter that keeps nothing.
type discard struct{ status *int }

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(status int) {
	if d.status != nil {
		*d.status = status
	}
}

func proxyTo(function, extra string) string {
	return `{"swagger": "2.0", "info": {"title": "t"}, "paths": {"/{id}": {"x-amazon-apigateway-any-method": {"responses": {},
		"x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", ` + extra + `
		"uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:` + function + `/invocations"}}}}}`
}

// A function that does not answer in time gives 504, when the integration's own
// time is over and not before.
func TestTimeout(t *testing.T) {
	st := newStand(t)
	st.must(t, st.deploy(t, proxyTo("hang", `"timeoutInMillis": 1500,`), "prod"))
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		st.handler.ServeHTTP(w, st.request(t, "GET", "/prod/1", ""))
	}()
	for waiting := true; waiting; {
		st.house.Clock.Advance(100 * time.Millisecond)
		select {
		case <-done:
			waiting = false
		default:
			runtime.Gosched()
		}
	}
	if w.Code != http.StatusGatewayTimeout || w.Body.String() != `{"message":"Endpoint request timed out"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if passed := st.house.Clock.Now().Sub(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)); passed < 1500*time.Millisecond {
		t.Errorf("gave up after %v", passed)
	}
}

// A body over the payload limit is refused, one at the limit is not.
func TestPayloadLimit(t *testing.T) {
	st := newStand(t)
	st.lambda.functions["answer"] = `{"statusCode": 200}`
	st.must(t, st.deploy(t, proxyTo("answer", ""), "prod"))
	for n, want := range map[int]int{maxPayload: 200, maxPayload + 1: 413} {
		w := httptest.NewRecorder()
		st.handler.ServeHTTP(w, st.request(t, "POST", "/prod/1", strings.Repeat("x", n)))
		if w.Code != want {
			t.Errorf("%d bytes: %d %s, want %d", n, w.Code, w.Body, want)
		}
	}
}

// What the control plane changes, the next request sees; and a stage that did not
// change is not compiled again.
func TestStageChanges(t *testing.T) {
	st := newStand(t)
	st.lambda.functions["answer"] = `{"statusCode": 200}`
	st.must(t, st.deploy(t, proxyTo("answer", ""), "prod"))
	ctx := st.house.Context(t.Context())
	code := func() int {
		w := httptest.NewRecorder()
		st.handler.ServeHTTP(w, st.request(t, "GET", "/prod/1", ""))
		return w.Code
	}
	if code() != 200 {
		t.Fatal("the stage does not answer")
	}
	first, err := st.load(ctx, st.apiID, "prod")
	st.must(t, err)
	if again, _ := st.load(ctx, st.apiID, "prod"); again != first {
		t.Error("an unchanged stage was read anew")
	}
	st.must(t, st.patchStage(t, "prod", "add /variables/a 1"))
	changed, err := st.load(ctx, st.apiID, "prod")
	st.must(t, err)
	if changed == first || changed.program != first.program || changed.stage.Variables["a"] != "1" {
		t.Error("a variable's change did not show, or the deployment was compiled again")
	}
	_, err = api.UpdateRestApi.Do(ctx, st.house, &api.UpdateRestApiRequest{RestApiId: &st.apiID,
		PatchOperations: []api.PatchOperation{{Op: ptr("replace"), Path: ptr("/disableExecuteApiEndpoint"), Value: ptr("true")}}})
	st.must(t, err)
	if code() != 200 {
		t.Error("a change showed without a deployment")
	}
	_, err = api.CreateDeployment.Do(ctx, st.house, &api.CreateDeploymentRequest{RestApiId: &st.apiID, StageName: ptr("prod")})
	st.must(t, err)
	if code() != 403 {
		t.Error("the disabled endpoint answers")
	}
	_, err = api.DeleteRestApi.Do(ctx, st.house, &api.DeleteRestApiRequest{RestApiId: &st.apiID})
	st.must(t, err)
	if code() != 404 {
		t.Error("a deleted API answers")
	}
}

// Logs that were posted are written when the service stops.
func TestLastFlush(t *testing.T) {
	st := newStand(t)
	ctx := st.house.Context(t.Context())
	_, err := api.UpdateAccount.Do(ctx, st.house, &api.UpdateAccountRequest{PatchOperations: []api.PatchOperation{
		{Op: ptr("replace"), Path: ptr("/cloudwatchRoleArn"), Value: ptr("arn:aws:iam::000000000000:role/logs")}}})
	st.must(t, err)
	st.Service.logs.Line(t.Context(), executionLog(scope(ctx), "a", "prod"), "one", st.house.Clock.Now())
	stopping, stop := context.WithCancel(t.Context())
	stop()
	if err := st.Run(stopping); err != context.Canceled {
		t.Error(err)
	}
	if got := st.readLogs(t); !strings.Contains(got, "one") || strings.Count(got, "\n") != 2 {
		t.Errorf("%s", got)
	}
}

// Whatever a function answers is a reply or a 502, never a panic, and no header in
// it can be broken out of.
func FuzzProxyReply(f *testing.F) {
	f.Add([]byte(`{"statusCode": "200", "headers": {"a": "b\r\nc: d", "e": null}, "multiValueHeaders": {"f": ["g", true, 1.5]}, "body": "aGk=", "isBase64Encoded": true}`))
	f.Add([]byte(`{"statusCode": 1e2}`))
	f.Add([]byte(`{"headers": {"": "x", "a b": "y"}}`))
	x := &exchange{program: &program{binary: []string{"*/*"}}, req: &request{}}
	f.Fuzz(func(t *testing.T, payload []byte) {
		out, ok := x.proxyReply(payload)
		if !ok {
			return
		}
		if out.status < 200 || out.status > 599 {
			t.Errorf("status %d", out.status)
		}
		for _, p := range out.header {
			if !validHeader(p.Name) || strings.ContainsAny(p.Value, "\r\n") {
				t.Errorf("header %q: %q", p.Name, p.Value)
			}
		}
	})
}

// One warm request through a proxy integration, all but the function itself.
func BenchmarkProxy(b *testing.B) {
	benchmark(b, proxyTo("answer", ""), "/prod/1?a=b", "")
}

// One warm request to a MOCK integration.
func BenchmarkMock(b *testing.B) {
	benchmark(b, `{"swagger": "2.0", "info": {"title": "t"}, "paths": {"/{id}": {"post": {"responses": {}, "x-amazon-apigateway-integration": {"type": "mock",
		"requestTemplates": {"application/json": "{\"statusCode\": 200}"}, "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "{\"hello\": \"world\"}"}}}}}}}}`, "/prod/1", "")
}

// One warm request through post 5's template.
func BenchmarkTemplate(b *testing.B) {
	benchmark(b, `{"swagger": "2.0", "info": {"title": "t"}, "paths": {"/{id}": {"post": {"responses": {}, "x-amazon-apigateway-integration": {"type": "aws", "httpMethod": "POST",
		"uri": "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:answer/invocations",
		"requestTemplates": {"application/json": "{\"method\": \"$context.httpMethod\", \"body\" : $input.json('$'), \"headers\": {#foreach($param in $input.params().header.keySet())\"$param\": \"$util.escapeJavaScript($input.params().header.get($param))\" #if($foreach.hasNext),#end#end}, \"resourcePath\": \"$context.resourcePath\"}"},
		"responses": {"default": {"statusCode": "200"}}}}}}}`, "/prod/1", `{"title": "Love and Friendship", "year": "2016"}`)
}

func benchmark(b *testing.B, document, url, body string) {
	st := newStand(b)
	st.Random, st.Rate = rand.Reader, 0
	st.lambda.functions["answer"] = `{"statusCode": 200, "body": "ok"}`
	st.must(b, st.deploy(b, document, "prod"))
	about := &aws.Request{ID: "00000001-aaaa-4000-8000-000000000000", Caller: aws.Caller{Kind: aws.Anonymous}, Region: "us-east-1", SourceIP: "203.0.113.7"}
	ctx := aws.WithRequest(b.Context(), about)
	template := st.request(b, "POST", url, "")
	b.ReportAllocs()
	for b.Loop() {
		r := template.Clone(ctx)
		r.Body = http.NoBody
		if body != "" {
			r.Body = httptest.NewRequest("POST", "/", strings.NewReader(body)).Body
		}
		status := 0
		st.handler.ServeHTTP(discard{&status}, r)
		if status != 200 {
			b.Fatal(status)
		}
		st.lambda.calls = st.lambda.calls[:0]
	}
}
