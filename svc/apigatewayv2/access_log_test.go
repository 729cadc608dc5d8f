package apigatewayv2

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	logs "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

// fakeLogs keeps policies, and lines with who wrote them.
type fakeLogs struct {
	mu       sync.Mutex
	policies []logs.ResourcePolicy
	lines    []string
	streams  []string
}

func (f *fakeLogs) routes() []aws.Route {
	return []aws.Route{
		logs.DescribeResourcePolicies.To(func(context.Context, *logs.DescribeResourcePoliciesRequest) (*logs.DescribeResourcePoliciesResponse, error) {
			return &logs.DescribeResourcePoliciesResponse{ResourcePolicies: f.policies}, nil
		}, aws.Anywhere),
		logs.PutResourcePolicy.To(func(_ context.Context, in *logs.PutResourcePolicyRequest) (*logs.PutResourcePolicyResponse, error) {
			f.policies = []logs.ResourcePolicy{{PolicyName: in.PolicyName, PolicyDocument: in.PolicyDocument}}
			return &logs.PutResourcePolicyResponse{}, nil
		}, aws.Anywhere),
		logs.CreateLogStream.To(func(_ context.Context, in *logs.CreateLogStreamRequest) (*aws.Empty, error) {
			f.streams = append(f.streams, *in.LogStreamName)
			return nil, nil
		}, aws.Anywhere),
		logs.PutLogEvents.To(func(ctx context.Context, in *logs.PutLogEventsRequest) (*logs.PutLogEventsResponse, error) {
			if !slices.Contains(f.streams, *in.LogStreamName) {
				return nil, logs.ResourceNotFoundException("The specified log stream does not exist.")
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, e := range in.LogEvents {
				f.lines = append(f.lines, *in.LogGroupName+": "+*e.Message+" by "+aws.RequestOf(ctx).Caller.ARN)
			}
			return &logs.PutLogEventsResponse{}, nil
		}, aws.Anywhere),
	}
}

// Each request to an HTTP API, and each event of a WebSocket API, is a line in the log
// group that the stage names, whose policy lets the deliverer write there.
func TestAccessLogs(t *testing.T) {
	b, f := newStand(t), &fakeLogs{}
	b.h.Add(f.routes())
	settings := func(group, format string) *api.AccessLogSettings {
		return &api.AccessLogSettings{DestinationArn: ptr("arn:aws:logs:us-east-1:000000000000:log-group:" + group + ":*"), Format: &format}
	}
	id := b.api(&api.CreateApiRequest{Name: ptr("h"), ProtocolType: ptr("HTTP")}, "$default")
	b.route(id, "GET /pets/{id}", toFunction("answer", "2.0"))
	b.lambda.functions["answer"] = func([]byte) string { return `"hi"` }
	do(b, &api.UpdateStage, &api.UpdateStageRequest{ApiId: &id, StageName: ptr("$default"),
		AccessLogSettings: settings("pets", `$context.httpMethod $context.path $context.routeKey $context.status $context.responseLength $context.integrationStatus $context.error.message ($context.requestId) $context.nothing`)})
	b.want(id, "GET", "/pets/1", 200, "hi")
	b.want(id, "GET", "/dogs", 404, `{"message":"Not Found"}`)

	ws := b.api(&api.CreateApiRequest{Name: ptr("w"), ProtocolType: ptr("WEBSOCKET"), RouteSelectionExpression: ptr("$request.body.action")}, "prod")
	b.route(ws, "say", toFunction("answer", "1.0"))
	do(b, &api.UpdateStage, &api.UpdateStageRequest{ApiId: &ws, StageName: ptr("prod"),
		AccessLogSettings: settings("talks", `$context.eventType $context.routeKey $context.status $context.requestId`)})
	conn, _, err := b.dial(ws, "/prod")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{"action":"say"}`, `{"action":"shout"}`} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	b.read(conn) // that the second is forbidden
	_ = conn.Close(websocket.StatusNormalClosure, "")
	for n := 0; n < 5; {
		b.s.logs.Flush(b.h.Context(t.Context()))
		f.mu.Lock()
		n = len(f.lines)
		f.mu.Unlock()
	}
	all := strings.Join(f.lines, "\n")
	for _, want := range []string{"pets: GET /pets/1 GET /pets/{id} 200 2 200 - (", ") - by delivery.logs.amazonaws.com", "pets: GET /dogs - 404 23 - Not Found (",
		"talks: CONNECT - 200 ", "talks: MESSAGE say 200 ", "talks: MESSAGE - 403 "} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in\n%s", want, all)
		}
	}
	for _, group := range []string{"pets", "talks"} {
		if doc := *f.policies[0].PolicyDocument; !strings.Contains(doc, `"arn:aws:logs:us-east-1:000000000000:log-group:`+group+`:log-stream:*"`) || !strings.Contains(doc, deliverer) {
			t.Error(doc)
		}
	}
	for _, bad := range []*api.AccessLogSettings{settings("", "$context.requestId"), settings("g", "no id"), settings("g", ""),
		{DestinationArn: ptr("arn:aws:firehose:us-east-1:000000000000:deliverystream/amazon-apigateway-x"), Format: ptr("$context.requestId")}} {
		if _, err := api.UpdateStage.Do(b.h.Context(t.Context()), b.h, &api.UpdateStageRequest{ApiId: &id, StageName: ptr("$default"), AccessLogSettings: bad}); err == nil {
			t.Errorf("%s, %s were taken", *bad.DestinationArn, *bad.Format)
		}
	}
}
