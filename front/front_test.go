package front

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/wire/sigv4"
)

const secret = "a secret"

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

var compiled = policy.NewCache(0)

// people are the keys that the test's identity has issued, and their policies.
type people map[string]string

func (p people) Key(_ context.Context, id, _ string) (string, aws.Caller, error) {
	if id == "AKIAEXPIRED000000000" {
		return "", aws.Caller{}, aws.Errorf(403, "ExpiredTokenException", "The security token included in the request is expired")
	}
	if _, ok := p[id]; !ok {
		return "", aws.Caller{}, aws.ErrUnknownKey
	}
	return secret, aws.Caller{Kind: aws.User, Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/" + strings.ToLower(id), UserID: "AIDA" + id}, nil
}

func (p people) Policies(_ context.Context, c *aws.Caller) (policy.Set, error) {
	doc := p[c.AccessKeyID]
	if doc == "" {
		return policy.Set{}, nil
	}
	compiled, err := compiled.Get(doc)
	return policy.Set{Identity: []policy.Source{{ID: "inline", Policy: compiled}}}, err
}

const onlyA = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"logs:*","Resource":"arn:aws:logs:*:*:log-group:a","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}}`

// door is a front with a few operations behind it, and its log.
func door(t testing.TB, change func(*Options)) (*Front, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	o := Options{Clock: aws.NewManualClock(now), Random: rand.Reader, Mode: Enforce, TrustUnknown: true, Version: "test",
		Logger: slog.New(slog.NewJSONHandler(&out, nil)), Identity: people{"AKIANOBODY0000000000": "", "AKIAONLYA00000000000": onlyA}}
	if change != nil {
		change(&o)
	}
	f := New(o)
	group := func(_ context.Context, in *logs.CreateLogGroupRequest) ([]aws.Access, error) {
		return []aws.Access{{Resource: "arn:aws:logs:eu-west-1:111111111111:log-group:" + *in.LogGroupName}}, nil
	}
	create := func(_ context.Context, in *logs.CreateLogGroupRequest) (*aws.Empty, error) {
		switch *in.LogGroupName {
		case "panic":
			panic("on purpose")
		case "full":
			return nil, fmt.Errorf("writing: %w", aws.ErrFull)
		case "taken":
			return nil, logs.ResourceAlreadyExistsException("The specified log group already exists")
		}
		return nil, nil
	}
	who := func(ctx context.Context, _ *sts.GetCallerIdentityRequest) (*sts.GetCallerIdentityResponse, error) {
		c := aws.RequestOf(ctx).Caller
		return &sts.GetCallerIdentityResponse{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
	}
	get := func(_ context.Context, in *lambda.GetFunctionRequest) (*lambda.GetFunctionResponse, error) {
		return nil, lambda.ResourceNotFoundException("Function not found: %s", *in.FunctionName)
	}
	f.Add(Service{Model: logs.Service, Operations: logs.Operations(), Routes: []aws.Route{logs.CreateLogGroup.To(create, group)}})
	f.Add(Service{Model: sts.Service, Operations: sts.Operations(), Routes: []aws.Route{sts.GetCallerIdentity.To(who, aws.Nothing)}})
	f.Add(Service{Model: lambda.Service, Operations: lambda.Operations(), Routes: []aws.Route{lambda.GetFunction.To(get, aws.Anywhere)}},
		aws.Plane{Name: "execute-api", SigningName: "execute-api", Match: func(r *http.Request) bool { return strings.HasPrefix(r.Host, "x.execute-api.") },
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, string(aws.RequestOf(r.Context()).Caller.Kind))
			})})
	f.Add(Service{Model: iam.Service, Operations: iam.Operations()})
	return f, &out
}

// ask describes a request, signed unless key is empty.
type ask struct {
	method, target, body string
	header               map[string]string
	key, service, region string
	secret               string
	at                   time.Time
}

func (a ask) send(f http.Handler) *httptest.ResponseRecorder {
	if a.method == "" {
		a.method = "POST"
	}
	if a.target == "" {
		a.target = "/"
	}
	r := httptest.NewRequest(a.method, "http://localhost:4566"+a.target, strings.NewReader(a.body))
	for k, v := range a.header {
		if k == "Host" {
			r.Host = v
		} else {
			r.Header.Set(k, v)
		}
	}
	if a.key != "" {
		sum := sha256.Sum256([]byte(a.body))
		if a.region == "" {
			a.region = "eu-west-1"
		}
		if a.secret == "" {
			a.secret = secret
		}
		if a.at.IsZero() {
			a.at = now
		}
		sigv4.Sign(r, sigv4.Credentials{AccessKeyID: a.key, Secret: a.secret}, a.region, a.service, hex.EncodeToString(sum[:]), a.at)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

func createGroup(name, key string) ask {
	return ask{body: `{"logGroupName":"` + name + `"}`, key: key, service: "logs",
		header: map[string]string{"X-Amz-Target": "Logs_20140328.CreateLogGroup", "Content-Type": "application/x-amz-json-1.1"}}
}

func with(a ask, change func(*ask)) ask {
	change(&a)
	return a
}

// TestDoor goes through what can be wrong with a request, step by step.
func TestDoor(t *testing.T) {
	f, _ := door(t, nil)
	query := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for _, c := range []struct {
		name   string
		ask    ask
		status int
		want   string // in the body
	}{
		{"a root of its account", createGroup("b", "111111111111"), 200, ""},
		{"an allowed user", createGroup("a", "AKIAONLYA00000000000"), 200, ""},
		{"another resource", createGroup("b", "AKIAONLYA00000000000"), 400, `User: arn:aws:iam::111111111111:user/akiaonlya00000000000 is not authorized to perform: logs:CreateLogGroup on resource: arn:aws:logs:eu-west-1:111111111111:log-group:b because no identity-based policy allows the logs:CreateLogGroup action`},
		{"another region", with(createGroup("a", "AKIAONLYA00000000000"), func(a *ask) { a.region = "us-east-1" }), 400, "AccessDeniedException"},
		{"a user without policies", createGroup("a", "AKIANOBODY0000000000"), 400, "AccessDeniedException"},
		{"a wrong secret", with(createGroup("a", "AKIAONLYA00000000000"), func(a *ask) { a.secret = "x" }), 400, "InvalidSignatureException"},
		{"an old signature", with(createGroup("a", "AKIAONLYA00000000000"), func(a *ask) { a.at = now.Add(-time.Hour) }), 400, "Signature expired: 20260102T020405Z is now earlier than 20260102T024905Z (20260102T030405Z - 15 min.)"},
		{"an old signature of a stranger", with(createGroup("a", "test"), func(a *ask) { a.at = now.Add(-time.Hour) }), 400, "Signature expired"},
		{"a scope of another service", with(createGroup("a", "AKIAONLYA00000000000"), func(a *ask) { a.service = "sqs" }), 400, "Credential should be scoped to correct service: 'logs'."},
		{"a key that looks real", createGroup("a", "AKIA1234567890123456"), 400, "was not issued by this Tule"},
		{"a session that is over", createGroup("a", "AKIAEXPIRED000000000"), 400, "ExpiredTokenException"},
		{"no signature", createGroup("a", ""), 400, "MissingAuthenticationTokenException"},
		{"the service's own error", createGroup("taken", "111111111111"), 400, "The specified log group already exists"},
		{"a panic", createGroup("panic", "111111111111"), 500, "InternalFailure"},
		{"a full disk", createGroup("full", "111111111111"), 503, "The disk of this Tule is full"},
		{"a broken constraint", createGroup("", "test"), 400, "Value '' at 'logGroupName' failed to satisfy constraint"},
		{"a body that is no JSON", with(createGroup("a", "test"), func(a *ask) { a.body = `{"logGroupName":` }), 400, "SerializationException"},
		{"an operation that is not answered", with(createGroup("a", "test"), func(a *ask) { a.header["X-Amz-Target"] = "Logs_20140328.PutLogEvents" }), 501, "PutLogEvents"},
		{"an operation that is none", with(createGroup("a", "test"), func(a *ask) { a.header["X-Amz-Target"] = "Logs_20140328.Nonsense" }), 400, "UnknownOperationException"},
		{"a service that is not there", ask{key: "test", service: "braket"}, 501, "braket"},
		{"query", ask{body: "Action=GetCallerIdentity&Version=2011-06-15", key: "111122223333", service: "sts", header: query}, 200, "<Account>111122223333</Account>"},
		{"query in gzip", ask{body: zipped("Action=GetCallerIdentity&Version=2011-06-15"), key: "111122223333", service: "sts", header: map[string]string{"Content-Type": query["Content-Type"], "Content-Encoding": "gzip"}}, 200, "<Account>111122223333</Account>"},
		{"query in broken gzip", ask{body: zipped("Action=GetCallerIdentity&Version=2011-06-15")[:20], key: "111122223333", service: "sts", header: map[string]string{"Content-Type": query["Content-Type"], "Content-Encoding": "gzip"}}, 400, "MissingAction"},
		{"query in the URL", ask{method: "GET", target: "/?Action=GetCallerIdentity&Version=2011-06-15", key: "test", service: "sts"}, 200, "arn:aws:iam::000000000000:root"},
		{"query by a stranger's secret", ask{body: "Action=GetCallerIdentity", key: "AKIAONLYA00000000000", secret: "x", service: "sts", header: query}, 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"query without an action", ask{body: "Version=2011-06-15", key: "test", service: "sts", header: query}, 400, "MissingAction"},
		{"query of nonsense", ask{body: "Action=Nonsense", key: "test", service: "sts", header: query}, 400, "Could not find operation Nonsense for version 2011-06-15"},
		{"query that is not answered", ask{body: "Action=CreateUser&UserName=x", key: "test", service: "iam", header: query}, 501, "CreateUser"},
		{"rest", ask{method: "GET", target: "/2015-03-31/functions/f", key: "test", service: "lambda"}, 404, "Function not found: f"},
		{"rest, denied", ask{method: "GET", target: "/2015-03-31/functions/f", key: "AKIANOBODY0000000000", service: "lambda"}, 403, "lambda:GetFunction"},
		{"rest, unsigned", ask{method: "GET", target: "/2015-03-31/functions/f"}, 403, "Missing Authentication Token"},
		{"rest that is no operation", ask{method: "GET", target: "/2015-03-31/nonsense", key: "test", service: "lambda"}, 404, "UnknownOperationException"},
		{"nothing at all", ask{method: "GET", target: "/nonsense"}, 404, "names no service"},
		{"a plane, unsigned", ask{method: "GET", header: map[string]string{"Host": "x.execute-api.localhost:4566"}}, 200, "Anonymous"},
		{"a plane, signed", ask{method: "GET", key: "test", service: "execute-api", header: map[string]string{"Host": "x.execute-api.localhost:4566"}}, 200, "Account"},
		{"a plane, badly signed", ask{method: "GET", key: "AKIAONLYA00000000000", secret: "x", service: "execute-api", header: map[string]string{"Host": "x.execute-api.localhost:4566"}}, 403, "signature we calculated"},
		{"a plane, signed for another service", ask{method: "GET", key: "AKIAONLYA00000000000", service: "logs", header: map[string]string{"Host": "x.execute-api.localhost:4566"}}, 403, "Credential should be scoped to correct service: 'execute-api'."},
		{"a plane, signed for another service by a stranger", ask{method: "GET", key: "test", service: "logs", header: map[string]string{"Host": "x.execute-api.localhost:4566"}}, 200, "Account"},
		{"rest of a service that is not here", ask{method: "GET", target: "/2015-03-31/functions/f", key: "test", service: "iot"}, 501, "The service 'iot' is not available"},
		{"health", ask{method: "GET", target: "/_localstack/health"}, 200, `"logs":"running"`},
		{"health by its short name", ask{method: "GET", target: "/health"}, 200, `"logs":"running"`},
		{"a tool's name in a service", ask{method: "GET", target: "/health", key: "test", service: "lambda"}, 404, "UnknownOperationException"},
		{"reset of what keeps its state", ask{target: "/_localstack/state/reset"}, 403, "--test"},
		{"moving the machine's clock", ask{target: "/_tule/clock?advance=900s"}, 403, "--test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.ask.send(f)
			if w.Code != c.status || !strings.Contains(w.Body.String()+w.Header().Get("X-Amzn-Errortype"), c.want) {
				t.Errorf("answered %d %s\nwant %d with %q", w.Code, w.Body, c.status, c.want)
			}
			if w.Code >= 400 && w.Header().Get("X-Amzn-Requestid") == "" && !strings.HasPrefix(c.ask.target, "/_") {
				t.Error("the answer carries no request id")
			}
		})
	}
}

func TestModes(t *testing.T) {
	for mode, want := range map[Mode]int{Enforce: 400, Audit: 200, Off: 200} {
		f, log := door(t, func(o *Options) { o.Mode = mode })
		if w := createGroup("a", "AKIANOBODY0000000000").send(f); w.Code != want {
			t.Errorf("%s answered %d", mode, w.Code)
		}
		if mode == Audit && !strings.Contains(log.String(), "would be denied") {
			t.Errorf("audit logged %s", log)
		}
	}
	f, _ := door(t, func(o *Options) { o.TrustUnknown = false })
	if w := createGroup("a", "test").send(f); w.Code != 400 || !strings.Contains(w.Body.String(), "UnrecognizedClientException") {
		t.Errorf("a stranger was answered %d %s", w.Code, w.Body)
	}
}

func TestAccounts(t *testing.T) {
	f, _ := door(t, nil)
	// The second and third are what generators of such keys make of their accounts.
	for key, account := range map[string]string{"test": "000000000000", "123456789012": "123456789012",
		"LKIAQAAAAAABAAAAAAAA": "000000000002", "LSIAQAAAAAADQAAAAAAA": "000000000007"} {
		w := ask{body: "Action=GetCallerIdentity", key: key, service: "sts", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}.send(f)
		if !strings.Contains(w.Body.String(), "<Account>"+account+"</Account>") {
			t.Errorf("%s: %s", key, w.Body)
		}
	}
}

// TestPeers shows that a call from within is held to the same rules.
func TestPeers(t *testing.T) {
	f, _ := door(t, nil)
	caller := aws.Caller{Kind: aws.User, Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/u", AccessKeyID: "AKIAONLYA00000000000"}
	ctx := aws.WithRequest(t.Context(), &aws.Request{Caller: caller, Region: "eu-west-1"})
	for name, want := range map[string]string{"a": "", "b": "AccessDeniedException", "": "InvalidParameterException", "taken": "AccessDeniedException"} {
		_, err := logs.CreateLogGroup.Do(ctx, f, &logs.CreateLogGroupRequest{LogGroupName: &name})
		if aws.CodeOf(err) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := logs.PutLogEvents.Do(ctx, f, &logs.PutLogEventsRequest{}); aws.CodeOf(err) != "NotImplemented" {
		t.Errorf("an operation that is not answered: %v", err)
	}
	if _, err := logs.CreateLogGroup.Do(t.Context(), f, &logs.CreateLogGroupRequest{LogGroupName: new("a")}); aws.CodeOf(err) != "AccessDeniedException" {
		t.Errorf("a call on nobody's behalf: %v", err)
	}
}

func TestRecord(t *testing.T) {
	f, log := door(t, nil)
	createGroup("a", "AKIANOBODY0000000000").send(f)
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]any{"service": "logs", "operation": "CreateLogGroup", "status": 400.0, "account": "111111111111", "error": "AccessDeniedException"} {
		if line[k] != want {
			t.Errorf("%s = %v, want %v", k, line[k], want)
		}
	}
}

func TestReset(t *testing.T) {
	var got string
	f, _ := door(t, func(o *Options) {
		o.Reset = func(_ context.Context, account, service string) error { got = account + "/" + service; return nil }
	})
	if w := (ask{target: "/_localstack/state/reset?account=111111111111&service=logs"}).send(f); w.Code != 200 || got != "111111111111/logs" {
		t.Errorf("%d, reset %q", w.Code, got)
	}
}

// A test's clock is moved; callers go on signing by their own.
func TestClock(t *testing.T) {
	clock := aws.NewManualClock(now)
	f, _ := door(t, func(o *Options) {
		o.Clock, o.Signers = clock, aws.NewManualClock(now)
		o.Advance = func(d time.Duration) (time.Time, error) {
			if d > time.Hour {
				return time.Time{}, errors.New("too far")
			}
			clock.Advance(d)
			return clock.Now(), nil
		}
	})
	for _, c := range []struct {
		method, target string
		status         int
		want           string
	}{
		{"GET", "/_tule/clock", 200, `{"now":"2026-01-02T03:04:05Z"}`},
		{"GET", "/_tule/clock?advance=900s", 200, `{"now":"2026-01-02T03:04:05Z"}`},
		{"POST", "/_tule/clock?advance=3600s", 200, `{"now":"2026-01-02T04:04:05Z"}`},
		{"POST", "/_tule/clock?advance=2h", 400, "too far"},
		{"POST", "/_tule/clock?advance=soon", 400, "invalid duration"},
	} {
		if w := (ask{method: c.method, target: c.target}).send(f); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.target, w.Code, w.Body, c.status, c.want)
		}
	}
	if w := createGroup("a", "AKIAONLYA00000000000").send(f); w.Code != 200 {
		t.Errorf("signed by a clock that stayed: %d %s", w.Code, w.Body)
	}
}

// A web page that somebody has open sends what its author likes from this machine: by a
// key that was not issued it gets nowhere, nor do tools answer it.
func TestPages(t *testing.T) {
	resets := 0
	f, _ := door(t, func(o *Options) {
		o.Origins = []string{"https://console.example"}
		o.Reset = func(context.Context, string, string) error { resets++; return nil }
	})
	for _, c := range []struct {
		origin, host string
		good         bool
	}{
		{"", "localhost:4566", true},
		{"", "127.0.0.1:4566", true},
		{"", "[::1]:4566", true},
		{"", "tule", true},
		{"", "host.docker.internal:4566", true},
		{"", "logs.eu-west-1.amazonaws.com", true},
		{"", "logs.localhost.localstack.cloud:4566", true},
		{"", "console.example:4566", true},
		{"http://localhost:3000", "localhost:4566", true},
		{"https://console.example", "localhost:4566", true},
		{"https://evil.example", "localhost:4566", false},
		{"null", "localhost:4566", false},
		{"http://localhost.evil.example", "localhost:4566", false},
		{"", "evil.example:4566", false},
		{"", "amazonaws.com.evil.example.", false},
		{"", "127.0.0.1.evil.example", false},
		{"http://evil.example:4566", "evil.example:4566", false},
	} {
		header := map[string]string{"Host": c.host}
		if c.origin != "" {
			header["Origin"] = c.origin
		}
		named := func(a ask) int {
			for k, v := range header {
				a.header[k] = v
			}
			return a.send(f).Code
		}
		stranger, owner := named(createGroup("a", "111111111111")), named(createGroup("a", "AKIAONLYA00000000000"))
		before := resets
		reset := named(ask{target: "/_localstack/state/reset", header: map[string]string{}})
		want := map[bool]int{true: 200, false: 400}[c.good]
		if stranger != want || owner != 200 || (reset == 200) != c.good || (resets > before) != c.good {
			t.Errorf("a page of %q by the host %q: a stranger got %d, who has a key %d, a reset %d", c.origin, c.host, stranger, owner, reset)
		}
	}
}

func TestCORS(t *testing.T) {
	f, _ := door(t, func(o *Options) { o.Origins = []string{"https://console.example"} })
	for origin, want := range map[string]int{"http://localhost:3000": 204, "http://127.0.0.1": 204, "https://console.example": 204, "https://evil.example": 403, "http://localhost.evil.example": 403} {
		w := ask{method: "OPTIONS", header: map[string]string{"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-amz-target"}}.send(f)
		if w.Code != want || want == 204 && w.Header().Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("%s: %d %v", origin, w.Code, w.Header())
		}
	}
}

func TestTooLarge(t *testing.T) {
	f, _ := door(t, nil)
	a := ask{body: "Action=GetCallerIdentity&x=" + strings.Repeat("y", int(sts.Service.MaxBody)), key: "test", service: "sts", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
	if w := a.send(f); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %d", w.Code)
	}
}

// FuzzDoor sends bytes at the door: whatever they are, they are answered.
func FuzzDoor(f *testing.F) {
	front, _ := door(f, nil)
	f.Add("POST", "/", "Logs_20140328.CreateLogGroup", "application/x-amz-json-1.1", "AWS4-HMAC-SHA256 Credential=test/20260102/us-east-1/logs/aws4_request, SignedHeaders=host, Signature=0", `{"logGroupName":"a"}`)
	f.Add("POST", "/", "", "application/x-www-form-urlencoded", "", "Action=GetCallerIdentity&Version=2011-06-15")
	f.Add("GET", "/2015-03-31/functions/%2F/../x?Qualifier=%zz", "", "", "", "")
	f.Fuzz(func(t *testing.T, method, target, amzTarget, content, auth, body string) {
		r, err := http.NewRequest(method, "http://localhost:4566", strings.NewReader(body))
		if err != nil {
			return
		}
		if r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?"); !strings.HasPrefix(r.URL.Path, "/") {
			return
		}
		r.RequestURI = target
		r.Header.Set("X-Amz-Date", "20260102T030405Z")
		r.Header.Set("X-Amz-Target", amzTarget)
		r.Header.Set("Content-Type", content)
		r.Header.Set("Authorization", auth)
		w := httptest.NewRecorder()
		front.ServeHTTP(w, r)
		if w.Code == 500 && !strings.Contains(body, "panic") {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
	})
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}
