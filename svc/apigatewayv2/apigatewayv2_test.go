package apigatewayv2

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	lambda "github.com/tule-cloud/tule/api/lambda"
	sts "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

func newTest(h *script.House) *Service {
	return New(Options{Store: h.Store, Clock: h.Clock, Random: aws.SharedReader(h.Random), Logger: slog.New(slog.DiscardHandler), Peers: h})
}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata/control", func(t *testing.T, h *script.House) []aws.Route { return newTest(h).Routes() })
}

// Every route is of this service, once, and says what it needs.
func TestRoutes(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	seen := map[string]bool{}
	for _, r := range newTest(h).Routes() {
		if r.Op.Service != api.Service || seen[r.Op.Name] {
			t.Errorf("%s: twice, or of another service", r.Op.Name)
		}
		seen[r.Op.Name] = true
		needs, err := r.Guard(h.Context(t.Context()), r.New())
		if err != nil || len(needs) == 0 || needs[0].Action != "apigateway:"+r.Op.Method || strings.Contains(needs[0].Resource, "/v2/") {
			t.Errorf("%s needs %v, %v", r.Op.Name, needs, err)
		}
	}
}

// fakeLambda has the functions that a test gives it. "echo" answers what it got.
type fakeLambda struct {
	mu        sync.Mutex
	functions map[string]func(in []byte) string
	calls     []string
}

func (f *fakeLambda) routes() []aws.Route {
	return []aws.Route{lambda.Invoke.To(f.invoke, aws.Anywhere), sts.AssumeRole.To(func(_ context.Context, in *sts.AssumeRoleRequest) (*sts.AssumeRoleResponse, error) {
		return &sts.AssumeRoleResponse{AssumedRoleUser: &sts.AssumedRoleUser{AssumedRoleId: ptr("AROAEXAMPLE:" + *in.RoleSessionName)}}, nil
	}, aws.Anywhere)}
}

func (f *fakeLambda) invoke(ctx context.Context, in *lambda.InvocationRequest) (*lambda.InvocationResponse, error) {
	arn, _ := aws.ParseARN(*in.FunctionName)
	name := strings.TrimPrefix(arn.Resource, "function:")
	f.mu.Lock()
	fn := f.functions[name]
	c := aws.RequestOf(ctx).Caller
	f.calls = append(f.calls, fmt.Sprintf("%s by %s for %s", name, c.ARN, c.SourceARN))
	f.mu.Unlock()
	switch {
	case name == "echo":
		b, _ := json.Marshal(string(in.Payload))
		return &lambda.InvocationResponse{StatusCode: ptr(int32(200)), Payload: []byte(`{"statusCode": 200, "body": ` + string(b) + `}`)}, nil
	case fn == nil:
		return nil, aws.AccessDenied("not authorized to perform: lambda:InvokeFunction")
	}
	out := &lambda.InvocationResponse{StatusCode: ptr(int32(200)), Payload: []byte(fn(in.Payload))}
	if strings.HasPrefix(string(out.Payload), "fail") {
		out.FunctionError, out.Payload = ptr("Unhandled"), []byte(`{"errorMessage": "bad"}`)
	}
	return out, nil
}

func httpAPI() *api.Api { return &api.Api{ProtocolType: ptr("HTTP")} }
