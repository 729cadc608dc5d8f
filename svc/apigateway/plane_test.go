package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// A stand is an API Gateway with fake functions and logs, as the scenarios in
// testdata/plane drive it:
//
//	import stage=prod            a Swagger document, imported and deployed
//	function name=movies         what a function answers
//	patch stage=prod             a line each: op path value, for UpdateStage
//	invoke GET /prod/movies      header lines, an empty line, and a body
//	authorizer stage=prod        an authorizer, as JSON, for all methods, and deployed
//	plan stage=prod key=k        a usage plan, as JSON, for the stage and a new API key
//	usage                        what the plan's key used yesterday and today, and has left
//	clock advance=1s
//	deploy                       CreateDeployment, as JSON
//	group name=access            makes a log group
//	flush stage=prod             empties the stage's cache
//	calls                        what functions were called with since
//	logs                         what the execution log holds since
type stand struct {
	*Service
	house   *script.House
	lambda  *fakeLambda
	logs    *fakeLogs
	apiID   string
	handler http.Handler
	caller  aws.Caller
	plan    string   // the last
	key     string   // the id of its key
	masks   []string // pairs
	ids     int
}

func newStand(t testing.TB) *stand {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	st := &stand{house: h, lambda: newFakeLambda(), logs: newFakeLogs(), caller: aws.Caller{Kind: aws.Anonymous}}
	t.Cleanup(func() { close(st.lambda.hang) })
	st.Service = newTest(h)
	st.Allow = func(ctx context.Context, needs ...aws.Access) error {
		for _, n := range needs {
			policy := ""
			if n.Policy != nil {
				policy, _ = n.Policy(ctx)
			}
			c := aws.RequestOf(ctx).Caller
			if strings.HasSuffix(c.ARN, "user/nobody") || policy != "" && !strings.Contains(policy, n.Resource) {
				return aws.AccessDenied("User: %s is not authorized to perform: %s on resource: %s", c.ARN, n.Action, n.Resource)
			}
		}
		return nil
	}
	st.HTTP, st.Forward = backEnd{}, describeCall
	h.Add(fakeRoles())
	h.Add(st.lambda.routes())
	h.Add(st.logs.routes())
	h.Add(fakeFirehose(st.logs))
	h.Add(st.Routes())
	st.handler = st.Planes()[0].Handler
	return st
}

func (st *stand) must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// backEnd answers every request with its description, or the status and body that
// its path names: /status/404/body.
type backEnd struct{}

func (backEnd) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Server", "fake")
	body, _ := io.ReadAll(r.Body)
	parts := strings.Split(r.URL.Path, "/")
	switch {
	case parts[1] == "hang":
		<-r.Context().Done()
		return nil, r.Context().Err()
	case parts[1] == "down":
		return nil, errors.New("connection refused")
	case parts[1] == "large":
		_, _ = w.Write(make([]byte, maxPayload+1))
	case parts[1] == "status":
		w.Header().Set("X-Back", "end")
		code, _ := strconv.Atoi(parts[2])
		w.WriteHeader(code)
		_, _ = w.WriteString(parts[3])
	default:
		fmt.Fprintf(w, "%s %s %s\n", r.Method, r.Host, r.URL.RequestURI())
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			fmt.Fprintf(w, "%s: %s\n", name, strings.Join(r.Header[name], " | "))
		}
		_, _ = w.Write(body)
	}
	return w.Result(), nil
}

// deploy imports a document and shows it on a stage.
func (st *stand) deploy(t testing.TB, document, stage string) error {
	ctx := st.house.Context(t.Context())
	a, err := api.ImportRestApi.Do(ctx, st.house, &api.ImportRestApiRequest{Body: []byte(document)})
	if err != nil {
		return err
	}
	st.apiID = *a.Id
	st.masks = append(st.masks, *a.Id, "{{api}}")
	_, err = api.CreateDeployment.Do(ctx, st.house, &api.CreateDeploymentRequest{RestApiId: a.Id, StageName: &stage})
	return err
}

var header = regexp.MustCompile(`^[A-Za-z-]+: `)

// request makes an HTTP request of the text of a scenario.
func (st *stand) request(t testing.TB, verb, url, text string) *http.Request {
	head, body, _ := strings.Cut(text, "\n\n")
	if !header.MatchString(text) {
		head, body = "", text
	}
	r := httptest.NewRequest(verb, "http://x.execute-api.us-east-1.amazonaws.com/", strings.NewReader(strings.TrimSuffix(body, "\n")))
	u, err := r.URL.Parse(strings.ReplaceAll(url, "{{api}}", st.apiID))
	st.must(t, err)
	r.URL, r.Host = u, st.apiID+".execute-api.us-east-1.amazonaws.com"
	for line := range strings.Lines(head) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			if r.Header.Add(name, value); name == "Host" {
				r.Host = strings.ReplaceAll(value, "{{api}}", st.apiID)
				r.Header.Del("Host")
			}
		}
	}
	st.ids++
	id := fmt.Sprintf("0000000%d-aaaa-4000-8000-000000000000", st.ids)
	return r.WithContext(aws.WithRequest(t.Context(), &aws.Request{ID: id, Caller: st.caller, Region: "us-east-1", Time: st.house.Clock.Now(), SourceIP: "203.0.113.7"}))
}

func (st *stand) invoke(t testing.TB, d *datadriven.TestData) string {
	r := st.request(t, d.CmdArgs[0].Key, d.CmdArgs[1].String(), d.Input)
	if !st.Planes()[0].Match(r) {
		return "not an invoke URL\n"
	}
	w := httptest.NewRecorder()
	st.handler.ServeHTTP(w, r)
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", w.Code)
	h := w.Header()
	for _, name := range slices.Sorted(maps.Keys(h)) {
		switch name {
		case "X-Amz-Apigw-Id", "X-Amzn-Trace-Id":
			continue // random
		}
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(h[name], " | "))
	}
	body, _ := io.ReadAll(w.Body)
	text := string(body)
	if strings.Contains(text, "\x00") || strings.Contains(text, "\ufffd") {
		text = strconv.Quote(text)
	}
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return b.String()
}

func (st *stand) patchStage(t testing.TB, stage, input string) error {
	in := &api.UpdateStageRequest{RestApiId: &st.apiID, StageName: &stage}
	for line := range strings.Lines(input) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		o := api.PatchOperation{Op: &f[0], Path: &f[1]}
		switch {
		case f[0] == "copy":
			o.From = &f[2]
		case len(f) > 2:
			o.Value = &f[2]
		}
		in.PatchOperations = append(in.PatchOperations, o)
	}
	_, err := api.UpdateStage.Do(st.house.Context(t.Context()), st.house, in)
	return err
}

// subscribe makes a plan for a stage, with a key of its own.
func (st *stand) subscribe(t testing.TB, stage, value, plan string) error {
	ctx := st.house.Context(t.Context())
	var in api.CreateUsagePlanRequest
	st.must(t, json.Unmarshal([]byte(plan), &in))
	in.Name = ptr("plan")
	for i := range in.ApiStages {
		in.ApiStages[i].ApiId, in.ApiStages[i].Stage = &st.apiID, &stage
	}
	if in.ApiStages == nil {
		in.ApiStages = []api.ApiStage{{ApiId: &st.apiID, Stage: &stage}}
	}
	p, err := api.CreateUsagePlan.Do(ctx, st.house, &in)
	if err != nil {
		return err
	}
	k, err := api.CreateApiKey.Do(ctx, st.house, &api.CreateApiKeyRequest{Name: ptr("key"), Value: &value, Enabled: ptr(true), CustomerId: ptr("customer")})
	if err != nil {
		return err
	}
	st.plan, st.key = *p.Id, *k.Id
	st.masks = append(st.masks, st.plan, "{{plan}}", st.key, "{{key}}")
	_, err = api.CreateUsagePlanKey.Do(ctx, st.house, &api.CreateUsagePlanKeyRequest{UsagePlanId: p.Id, KeyId: k.Id, KeyType: ptr("API_KEY")})
	return err
}

// account sets the role that logs are written under.
func (st *stand) account(t testing.TB, role string) error {
	_, err := api.UpdateAccount.Do(st.house.Context(t.Context()), st.house, &api.UpdateAccountRequest{PatchOperations: []api.PatchOperation{
		{Op: ptr("replace"), Path: ptr("/cloudwatchRoleArn"), Value: &role}}})
	return err
}

// redeploy deploys the API as a CreateDeployment says.
func (st *stand) redeploy(t testing.TB, input string) error {
	var in api.CreateDeploymentRequest
	st.must(t, json.Unmarshal([]byte(input), &in))
	in.RestApiId = &st.apiID
	_, err := api.CreateDeployment.Do(st.house.Context(t.Context()), st.house, &in)
	return err
}

func (st *stand) usage(t testing.TB) string {
	now := st.house.Clock.Now().UTC()
	out, err := api.GetUsage.Do(st.house.Context(t.Context()), st.house, &api.GetUsageRequest{UsagePlanId: &st.plan, KeyId: &st.key,
		StartDate: ptr(now.AddDate(0, 0, -1).Format(dateForm)), EndDate: ptr(now.Format(dateForm))})
	if err != nil {
		return said(err)
	}
	return fmt.Sprintln(out.Items[st.key])
}

func said(err error) string {
	var e *aws.Error
	if errors.As(err, &e) {
		return e.Code + ": " + e.Message + "\n"
	}
	if err != nil {
		return err.Error() + "\n"
	}
	return "ok\n"
}

func (st *stand) step(t *testing.T, d *datadriven.TestData) string {
	arg := func(key string) (v string) {
		d.MaybeScanArgs(t, key, &v)
		return v
	}
	switch d.Cmd {
	case "import":
		return said(st.deploy(t, d.Input, arg("stage")))
	case "function":
		st.lambda.functions[arg("name")] = strings.TrimSpace(d.Input)
		return "ok\n"
	case "account":
		return said(st.account(t, arg("role")))
	case "patch":
		return said(st.patchStage(t, arg("stage"), d.Input))
	case "as":
		st.caller = aws.Caller{Kind: aws.Anonymous}
		if user := arg("user"); user != "" {
			st.caller = aws.Caller{Kind: aws.User, Account: "000000000000", ARN: "arn:aws:iam::000000000000:user/" + user, UserID: "AIDA" + user, AccessKeyID: "AKIA" + user}
		}
		return "ok\n"
	case "deploy":
		return said(st.redeploy(t, d.Input))
	case "group":
		st.logs.groups[arg("name")] = map[string][]string{}
		return "ok\n"
	case "flush":
		_, err := api.FlushStageCache.Do(st.house.Context(t.Context()), st.house, &api.FlushStageCacheRequest{RestApiId: &st.apiID, StageName: ptr(arg("stage"))})
		return said(err)
	case "invoke":
		return st.invoke(t, d)
	case "authorizer":
		return said(st.authorize(t, arg("stage"), d.Input))
	case "plan":
		return said(st.subscribe(t, arg("stage"), arg("key"), d.Input))
	case "usage":
		return st.usage(t)
	case "clock":
		by, err := time.ParseDuration(arg("advance"))
		st.must(t, err)
		st.house.Clock.Advance(by)
		return "ok\n"
	case "calls":
		out := strings.Join(st.lambda.calls, "")
		st.lambda.calls = nil
		return out
	case "logs":
		return st.readLogs(t)
	}
	d.Fatalf(t, "no directive %s", d.Cmd)
	return ""
}

func (st *stand) readLogs(t testing.TB) string {
	st.Service.logs.Flush(st.house.Context(t.Context()))
	var b strings.Builder
	for _, line := range slices.Compact(st.logs.trace) {
		b.WriteString(line + "\n")
	}
	st.logs.trace = nil
	for _, group := range slices.Sorted(maps.Keys(st.logs.groups)) {
		streams := st.logs.groups[group]
		for stream, lines := range streams {
			if len(stream) != 32 {
				t.Errorf("the stream %q has no 32 digits", stream)
			}
			for _, line := range lines {
				b.WriteString(group + " " + line + "\n")
			}
			streams[stream] = []string{}
		}
	}
	return b.String()
}

func TestPlane(t *testing.T) {
	datadriven.Walk(t, "testdata/plane", func(t *testing.T, path string) {
		st := newStand(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out := st.step(t, d)
			return strings.NewReplacer(st.masks...).Replace(out)
		})
	})
}
