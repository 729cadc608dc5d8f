package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

// allowed is an Options.Allow that notes what it was asked, and refuses what deny is
// part of.
type allowed struct{ asked, deny string }

func (a *allowed) allow(ctx context.Context, needs ...aws.Access) error {
	for _, n := range needs {
		text := fmt.Sprintf("%s %s %s %v", aws.RequestOf(ctx).Caller.Kind, n.Action, n.Resource, n.Keys)
		a.asked += text + "\n"
		if a.deny != "" && strings.Contains(text, a.deny) {
			return aws.AccessDenied("no")
		}
	}
	return nil
}

// urlStand is a stand with a function that has an address.
func urlStand(t *testing.T, a *allowed, source string, in *api.CreateFunctionUrlConfigRequest) (*stand, string) {
	st := newStand(t, func(o *Options) { o.Allow = a.allow })
	st.create("f", "nodejs20.x", source)
	in.FunctionName = ptr("f")
	out, err := st.createURL(st.ctx(), in)
	if err != nil {
		t.Fatal(err)
	}
	return st, *out.FunctionUrl
}

// visit sends a request to an address, from a caller, with headers in pairs.
func (st *stand) visit(method, url, body string, caller aws.Caller, headers ...string) *http.Response {
	st.t.Helper()
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	req := *aws.RequestOf(st.ctx())
	req.Caller, req.SourceIP = caller, "203.0.113.7"
	p := st.Planes()[1]
	if !p.Match(r) {
		st.t.Fatalf("%s is not for the plane", url)
	}
	w := httptest.NewRecorder()
	p.Handler.ServeHTTP(w, r.WithContext(aws.WithRequest(st.t.Context(), &req)))
	return w.Result()
}

func text(r *http.Response) string {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

var nobody = aws.Caller{Kind: aws.Anonymous}

// What a function gets of a request, and the headers that the caller gets back.
func TestURLEvent(t *testing.T) {
	a := &allowed{}
	st, url := urlStand(t, a, `exports.handler = async (e) => e;`, &api.CreateFunctionUrlConfigRequest{AuthType: ptr("NONE")})
	res := st.visit("POST", url+"a%20b/c?x=1&y=%26&x=2", `{"a":1}`, nobody, "Content-Type", "application/json", "X-Many", "1", "X-Many", "2",
		"Cookie", "a=b; c=d", "User-Agent", "tester", "Connection", "close")
	var e urlEvent
	said := text(res)
	if err := json.Unmarshal([]byte(said), &e); err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" {
		t.Fatal(err, res, said)
	}
	id, region, _ := parseURLHost(e.Context.DomainName)
	now := e.Context.Time
	if e.Version != "2.0" || e.RouteKey != "$default" || e.RawPath != "/a%20b/c" || e.RawQuery != "x=1&y=%26&x=2" || *e.Body != `{"a":1}` || e.IsBase64Encoded ||
		!maps.Equal(e.Query, map[string]string{"x": "1,2", "y": "&"}) || !slices.Equal(e.Cookies, []string{"a=b", "c=d"}) ||
		e.Context.AccountID != "anonymous" || e.Context.APIID != id || region != "us-east-1" || e.Context.Authorizer != nil || e.Context.RequestID != res.Header.Get("x-amzn-RequestId") ||
		e.Context.HTTP != (urlHTTP{"POST", "/a%20b/c", "HTTP/1.1", "203.0.113.7", "tester"}) || !strings.HasSuffix(now, " +0000") {
		t.Error(said)
	}
	delete(e.Headers, "host")
	delete(e.Headers, "x-amzn-trace-id")
	if fmt.Sprint(e.Headers) != "map[content-length:7 content-type:application/json user-agent:tester x-forwarded-for:203.0.113.7 x-forwarded-port:4566 x-forwarded-proto:http x-many:1,2]" {
		t.Error(e.Headers)
	}
	if !strings.HasPrefix(res.Header.Get("X-Amzn-Trace-Id"), "Root=1-") {
		t.Error(res.Header)
	}
	if want := "Anonymous lambda:InvokeFunctionUrl arn:aws:lambda:us-east-1:000000000000:function:f map[lambda:FunctionUrlAuthType:[NONE]]\n" +
		"Anonymous lambda:InvokeFunction arn:aws:lambda:us-east-1:000000000000:function:f map[lambda:InvokedViaFunctionUrl:[true]]\n"; a.asked != want {
		t.Errorf("it was asked:\n%s", a.asked)
	}
	// Forms come in Base64, as on AWS.
	res = st.visit("POST", url, "a=b", nobody, "Content-Type", "application/x-www-form-urlencoded")
	if said = text(res); !strings.Contains(said, `"body":"YT1i","isBase64Encoded":true`) || strings.Contains(said, "cookies") || strings.Contains(said, "queryString") {
		t.Error(said)
	}
}

// Who may not, and what cannot be.
func TestURLRefusals(t *testing.T) {
	a := &allowed{deny: "InvokedViaFunctionUrl"}
	st, url := urlStand(t, a, `exports.handler = async (e) => { if (e.rawPath === "/fail") throw new Error("no"); return e.requestContext; };`,
		&api.CreateFunctionUrlConfigRequest{AuthType: ptr("AWS_IAM")})
	user := aws.Caller{Kind: aws.User, Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/ann", UserID: "AIDAX", AccessKeyID: "AKIAX"}
	refused := func(r *http.Response, status int, code, part string) {
		t.Helper()
		if said := text(r); r.StatusCode != status || r.Header.Get("x-amzn-ErrorType") != code || !strings.Contains(said, part) {
			t.Error(r.Status, r.Header, said)
		}
	}
	refused(st.visit("GET", url, "", nobody), 403, "AccessDeniedException", `{"Message":"Forbidden`)
	refused(st.visit("GET", url, "", user), 403, "AccessDeniedException", `{"Message":"Forbidden`)
	a.deny = ""
	res := st.visit("GET", url, "", user)
	if said := text(res); !strings.Contains(said, `"accountId":"111111111111"`) || !strings.Contains(said, `"authorizer":{"iam":{"accessKey":"AKIAX","accountId":"111111111111","callerId":"AIDAX",`+
		`"cognitoIdentity":null,"principalOrgId":null,"userArn":"arn:aws:iam::111111111111:user/ann","userId":"AIDAX"}}`) {
		t.Error(said)
	}
	refused(st.visit("GET", url+"fail", "", user), 502, "InternalServerException", "Internal Server Error")
	refused(st.visit("PUT", url, strings.Repeat("x", maxEvent+1), user), 413, "RequestEntityTooLargeException", "6291456")
	refused(st.visit("PUT", url, strings.Repeat("x", maxEvent-99), user), 413, "RequestEntityTooLargeException", "6291456")
	refused(st.visit("GET", "http://nosuch.lambda-url.us-east-1.on.aws/", "", user), 403, "AccessDeniedException", `{"Message":null}`)
	refused(st.visit("GET", strings.Replace(url, "us-east-1", "eu-west-1", 1), "", user), 403, "AccessDeniedException", `{"Message":null}`)
	if _, err := st.putFunctionConcurrency(st.ctx(), &api.PutFunctionConcurrencyRequest{FunctionName: ptr("f"), ReservedConcurrentExecutions: ptr(int32(0))}); err != nil {
		t.Fatal(err)
	}
	refused(st.visit("GET", url, "", user), 429, "TooManyRequestsException", `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`)
	if _, err := st.deleteFunction(st.ctx(), &api.DeleteFunctionRequest{FunctionName: ptr("f")}); err != nil {
		t.Fatal(err)
	}
	refused(st.visit("GET", url, "", user), 403, "AccessDeniedException", `{"Message":null}`)
}

// What browsers are told, and that the function does not see their preflights.
func TestURLCors(t *testing.T) {
	st, url := urlStand(t, &allowed{}, `exports.handler = async () => ({ statusCode: 201, headers: { "access-control-allow-origin": "own", "X-A": "b" }, body: "ran" });`,
		&api.CreateFunctionUrlConfigRequest{AuthType: ptr("NONE"), Cors: &api.Cors{AllowOrigins: []string{"https://a.example"}, AllowMethods: []string{"GET", "PUT"},
			AllowHeaders: []string{"x-one", "x-two"}, ExposeHeaders: []string{"x-a"}, AllowCredentials: ptr(true), MaxAge: ptr(int32(7))}})
	show := func(r *http.Response) string {
		var b strings.Builder
		fmt.Fprintf(&b, "%d %q", r.StatusCode, text(r))
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			if strings.HasPrefix(name, "Access-") || name == "Vary" {
				fmt.Fprintf(&b, " %s=%s", strings.TrimPrefix(name, "Access-Control-"), r.Header.Get(name))
			}
		}
		return b.String()
	}
	expect := func(r *http.Response, want string) {
		t.Helper()
		if got := show(r); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	const known, foreign = "https://a.example", "https://b.example"
	expect(st.visit("OPTIONS", url, "", nobody, "Origin", known, "Access-Control-Request-Method", "PUT"),
		`200 "" Allow-Credentials=true Allow-Headers=x-one,x-two Allow-Methods=GET,PUT Allow-Origin=https://a.example Expose-Headers=x-a Max-Age=7 Vary=Origin`)
	expect(st.visit("OPTIONS", url, "", nobody, "Origin", foreign, "Access-Control-Request-Method", "PUT"), `200 ""`)
	expect(st.visit("GET", url, "", nobody, "Origin", known), `201 "ran" Allow-Credentials=true Allow-Origin=https://a.example Expose-Headers=x-a Vary=Origin`)
	expect(st.visit("GET", url, "", nobody), `201 "ran" Allow-Origin=own`)
	if _, err := st.updateURL(st.ctx(), &api.UpdateFunctionUrlConfigRequest{FunctionName: ptr("f"), Cors: &api.Cors{AllowOrigins: []string{"*"}}}); err != nil {
		t.Fatal(err)
	}
	expect(st.visit("GET", url, "", nobody, "Origin", foreign), `201 "ran" Allow-Origin=*`)
}

// A response that streams through an address: its head, its pieces, and its end.
func TestURLStream(t *testing.T) {
	st, url := urlStand(t, &allowed{}, `exports.handler = awslambda.streamifyResponse(async (e, out) => {
		switch (e.rawPath) {
		case "/head":
			out = awslambda.HttpResponseStream.from(out, { statusCode: 207, headers: { "X-A": "b", "Date": "then" }, cookies: ["a=b"] });
			break;
		case "/type": out.setContentType("text/plain"); break;
		case "/fail": throw new Error("early");
		}
		out.write("one,");
		if (e.rawPath === "/cut") { await new Promise(r => setTimeout(r, 50)); throw new Error("late"); }
		out.end("two");
	});`, &api.CreateFunctionUrlConfigRequest{AuthType: ptr("NONE"), InvokeMode: ptr("RESPONSE_STREAM")})
	for path, want := range map[string]string{
		"head": "207 application/octet-stream b a=b then one,two", "type": "200 text/plain    one,two", "": "200 application/octet-stream    one,two",
		"fail": "502 text/plain; charset=utf-8    Internal Server Error",
	} {
		res := st.visit("GET", url+path, "", nobody)
		h := res.Header
		got := fmt.Sprintf("%d %s %s %s %s %s", res.StatusCode, h.Get("Content-Type"), h.Get("X-A"), h.Get("Set-Cookie"), h.Get("X-Amzn-Remapped-Date"), text(res))
		if got != want {
			t.Errorf("/%s: got  %q\nwant %q", path, got, want)
		}
	}
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("a response that failed in the middle ended well")
			}
		}()
		st.visit("GET", url+"cut", "", nobody)
	}()
	// Gathered, the same is read the same.
	if _, err := st.updateURL(st.ctx(), &api.UpdateFunctionUrlConfigRequest{FunctionName: ptr("f"), InvokeMode: ptr("BUFFERED")}); err != nil {
		t.Fatal(err)
	}
	if res := st.visit("GET", url+"head", "", nobody); res.StatusCode != 207 || text(res) != "one,two" {
		t.Error(res)
	}
}

func TestReadAnswer(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`"text"`, `200 map[Content-Type:application/json] [] text`},
		{`null`, `200 map[Content-Type:application/json] [] null`},
		{`[1]`, `200 map[Content-Type:application/json] [] [1]`},
		{`{"body":"x"}`, `200 map[Content-Type:application/json] [] {"body":"x"}`},
		{`{"StatusCode":404}`, `200 map[Content-Type:application/json] [] {"StatusCode":404}`},
		{`{"statusCode":404}`, `404 map[Content-Type:application/json] [] `},
		{`{"statusCode":"201","body":{"a":1}}`, `201 map[Content-Type:application/json] [] {"a":1}`},
		{`{"statusCode":200,"headers":{"content-type":"text/html","x-n":1,"x-b":true,"x-z":null,"date":"d"},"cookies":["a=b","c"],"body":"PGI+","isBase64Encoded":true}`,
			`200 map[Content-Type:text/html X-Amzn-Remapped-Date:d X-B:true X-N:1] [a=b c] <b>`},
		{`{"statusCode":99}`, ``}, {`{"statusCode":{}}`, ``}, {`{"statusCode":200,"headers":[]}`, ``}, {`{"statusCode":200,"headers":{"a b":"c"}}`, ``},
		{`{"statusCode":200,"headers":{"a":"b\r\nc: d"}}`, ``}, {`{"statusCode":200,"cookies":"a"}`, ``}, {`{"statusCode":200,"body":"?","isBase64Encoded":true}`, ``},
		{`{"statusCode":101}`, `502 map[Content-Type:application/json] [] `},
	} {
		got := ""
		if a, ok := readAnswer([]byte(c.in), ""); ok {
			got = fmt.Sprintf("%d %v %v %s", a.status, a.header, a.cookies, a.body)
		}
		if got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestPublicURL(t *testing.T) {
	scope := (&stand{}).scope()
	for host, want := range map[string]string{
		"localhost:4566": "http://x.lambda-url.us-east-1.localhost.localstack.cloud:4566/", "127.0.0.1:80": "http://x.lambda-url.us-east-1.localhost.localstack.cloud:80/",
		"[::1]:80": "http://x.lambda-url.us-east-1.localhost.localstack.cloud:80/", "lambda.us-east-1.amazonaws.com": "https://x.lambda-url.us-east-1.on.aws/",
		"tule.example:4566": "http://x.lambda-url.us-east-1.tule.example:4566/", "lambda.localhost.localstack.cloud": "http://x.lambda-url.us-east-1.localhost.localstack.cloud/",
	} {
		ctx := aws.WithRequest(t.Context(), &aws.Request{Scheme: "http", Host: host})
		got := *publicURL(ctx, scope, "x")
		if got != want {
			t.Errorf("%s: %s", host, got)
		}
		if id, region, ok := parseURLHost(strings.Trim(strings.SplitAfterN(got, "/", 3)[2], "/")); id != "x" || region != "us-east-1" || !ok {
			t.Errorf("%s is not an address", got)
		}
	}
}

// FuzzReadAnswer looks for answers that HTTP cannot carry, and for a prelude that is
// read otherwise in pieces.
func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte(`{"statusCode":200,"headers":{"a":"b"},"cookies":["c"],"body":"d"}`), 3)
	f.Add([]byte("{\"statusCode\":201}\x00\x00\x00\x00\x00\x00\x00\x00body"), 20)
	f.Add([]byte(`"text"`), 0)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		if a, ok := readAnswer(in, ""); ok {
			if a.status < 200 || a.status > 599 {
				t.Error(a.status)
			}
			for name, value := range a.header {
				if !validHeader(name, value) {
					t.Errorf("%q: %q", name, value)
				}
			}
		}
		whole, ok := readAnswer(in, integrationType)
		p := prelude{contentType: integrationType}
		cut = max(0, min(cut, len(in)))
		var head *answer
		var body []byte
		for _, piece := range [][]byte{bytes.Clone(in[:cut]), bytes.Clone(in[cut:])} {
			rest, a, err := p.take(piece)
			if err != nil {
				if ok {
					t.Error(err)
				}
				return
			}
			if a != nil {
				head = a
			}
			body = append(body, rest...)
		}
		if ok != (head != nil) || ok && !bytes.Equal(body, whole.body) {
			t.Errorf("%v in one, %v in two", whole, head)
		}
	})
}
