package events

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// queues are a double of SQS that keeps what it is sent.
type queues struct {
	sent chan *sqsapi.SendMessageRequest
	err  func(in *sqsapi.SendMessageRequest) error
}

func (q *queues) routes() []aws.Route {
	assume := func(_ context.Context, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
		return &stsapi.AssumeRoleResponse{AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: new("AROA:s"), Arn: in.RoleArn}}, nil
	}
	send := func(_ context.Context, in *sqsapi.SendMessageRequest) (*sqsapi.SendMessageResult, error) {
		if q.err != nil {
			if err := q.err(in); err != nil {
				return nil, err
			}
		}
		q.sent <- in
		return &sqsapi.SendMessageResult{}, nil
	}
	return []aws.Route{sqsapi.SendMessage.To(send, aws.Nothing), stsapi.AssumeRole.To(assume, aws.Nothing)}
}

// A room is a service with its queues, in a house.
type room struct {
	t *testing.T
	h *script.House
	*queues
	*Service
}

func newRoom(t *testing.T, o Options) *room {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	r := &room{t: t, h: h, queues: &queues{sent: make(chan *sqsapi.SendMessageRequest, 1000)}}
	h.Add(r.routes())
	r.Service = newTest(h, o)
	return r
}

// run runs the service until the test ends, or stop is called.
func (r *room) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { r.Service.Run(ctx); close(done) }()
	stop = func() { cancel(); <-done }
	r.t.Cleanup(stop)
	return stop
}

// do calls an operation.
func do[In, Out any](r *room, h aws.Handler[In, Out], in *In) *Out {
	r.t.Helper()
	out, err := h(r.h.Context(context.Background()), in)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// rule makes a rule for everything, with a target.
func (r *room) rule(t api.Target) {
	r.t.Helper()
	t.Id = new("t")
	do(r, r.putRule, &api.PutRuleRequest{Name: new("r"), EventPattern: new(`{"source":["s"]}`)})
	do(r, r.putTargets, &api.PutTargetsRequest{Rule: new("r"), Targets: []api.Target{t}})
}

func (r *room) put(detail string) string {
	r.t.Helper()
	out := do(r, r.putEvents, &api.PutEventsRequest{Entries: []api.PutEventsRequestEntry{{Source: new("s"), DetailType: new("d"), Detail: &detail}}})
	return *out.Entries[0].EventId
}

// next is what was sent, while the clock moves on as long as nothing is.
func (r *room) next(step time.Duration) *sqsapi.SendMessageRequest {
	r.t.Helper()
	for range 2000 {
		select {
		case m := <-r.sent:
			return m
		case <-time.After(5 * time.Millisecond):
			r.h.Clock.Advance(step)
		}
	}
	r.t.Fatal("nothing was sent")
	return nil
}

var queueARN = "arn:aws:sqs:us-east-1:000000000000:q"

// TestRestart puts events while nobody delivers: the next process does.
func TestRestart(t *testing.T) {
	r := newRoom(t, Options{})
	r.rule(api.Target{Arn: &queueARN})
	id := r.put(`{"n":1}`)
	r.Service = newTest(r.h, Options{}) // another process
	stop := r.run()
	if m := r.next(0); !strings.Contains(*m.MessageBody, id) {
		t.Errorf("sent %s", *m.MessageBody)
	}
	stop()
	r.Service = newTest(r.h, Options{})
	r.run()
	second := r.put(`{"n":2}`)
	if m := r.next(0); !strings.Contains(*m.MessageBody, second) {
		t.Errorf("sent %s", *m.MessageBody)
	}
}

// TestRetries lets a target fail for a while, and another for good.
func TestRetries(t *testing.T) {
	r := newRoom(t, Options{})
	failures := 3
	r.err = func(in *sqsapi.SendMessageRequest) error {
		if strings.HasSuffix(*in.QueueUrl, "/q") && failures > 0 {
			failures--
			return aws.Unavailable("not now")
		}
		return nil
	}
	r.rule(api.Target{Arn: &queueARN})
	r.run()
	began := r.h.Clock.Now()
	r.put(`{"n":1}`)
	if m := r.next(time.Second); !strings.HasSuffix(*m.QueueUrl, "/q") || r.h.Clock.Now().Sub(began) < 5*time.Second {
		t.Errorf("sent to %s after %v", *m.QueueUrl, r.h.Clock.Now().Sub(began))
	}
	dead := "arn:aws:sqs:us-east-1:000000000000:dead"
	r.rule(api.Target{Arn: &queueARN, RetryPolicy: &api.RetryPolicy{MaximumRetryAttempts: new(int32(2))}, DeadLetterConfig: &api.DeadLetterConfig{Arn: &dead}, Input: new(`"x"`)})
	failures = 1000
	id := r.put(`{"n":2}`)
	m := r.next(time.Second)
	if !strings.HasSuffix(*m.QueueUrl, "/dead") || !strings.Contains(*m.MessageBody, id) {
		t.Errorf("sent %s to %s", *m.MessageBody, *m.QueueUrl)
	}
	for name, want := range map[string]string{"ERROR_CODE": "ERROR_FROM_TARGET", "ERROR_MESSAGE": "not now", "RETRY_ATTEMPTS": "2", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts", "TARGET_ARN": queueARN} {
		if got := aws.Value(m.MessageAttributes[name].StringValue); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestSchedule fires by the clock, and makes not up for what a stop missed.
func TestSchedule(t *testing.T) {
	r := newRoom(t, Options{})
	do(r, r.putRule, &api.PutRuleRequest{Name: new("r"), ScheduleExpression: new("rate(5 minutes)")})
	do(r, r.putTargets, &api.PutTargetsRequest{Rule: new("r"), Targets: []api.Target{{Id: new("t"), Arn: &queueARN, InputPath: new("$.time")}}})
	stop := r.run()
	for _, want := range []string{`"2026-01-02T03:09:05Z"`, `"2026-01-02T03:14:05Z"`} {
		if m := r.next(time.Minute); *m.MessageBody != want {
			t.Errorf("sent %s, want %s", *m.MessageBody, want)
		}
	}
	stop()
	now := r.h.Clock.Now()
	r.h.Clock.Advance(30 * time.Minute)
	r.Service = newTest(r.h, Options{})
	r.run()
	m := r.next(time.Minute)
	var at time.Time
	if err := json.Unmarshal([]byte(*m.MessageBody), &at); err != nil || at.Before(now.Add(29*time.Minute)) {
		t.Errorf("sent %s, which was missed", *m.MessageBody)
	}
}

// state is how far a replay is.
func (r *room) state(replay string) string {
	r.t.Helper()
	return *do(r, r.describeReplay, &api.DescribeReplayRequest{ReplayName: &replay}).State
}

// TestReplay replays what is in an archive, to the rules that were chosen.
func TestReplay(t *testing.T) {
	r := newRoom(t, Options{})
	bus := "arn:aws:events:us-east-1:000000000000:event-bus/default"
	made := do(r, r.createArchive, &api.CreateArchiveRequest{ArchiveName: new("a"), EventSourceArn: &bus})
	for range 250 {
		r.put(`{"n":1}`)
	}
	r.rule(api.Target{Arn: &queueARN, InputPath: new("$.replay-name")})
	now := r.h.Clock.Now()
	start := func(name string, rules ...string) {
		do(r, r.startReplay, &api.StartReplayRequest{ReplayName: &name, EventSourceArn: made.ArchiveArn, EventStartTime: new(now.Add(-time.Hour)), EventEndTime: new(now.Add(time.Hour)),
			Destination: &api.ReplayDestination{Arn: &bus, FilterArns: rules}})
	}
	start("none", bus+"/no")
	start("all", "arn:aws:events:us-east-1:000000000000:rule/r")
	r.run()
	for range 250 {
		if m := r.next(0); *m.MessageBody != `"all"` {
			t.Fatalf("sent %s", *m.MessageBody)
		}
	}
	if d := do(r, r.describeArchive, &api.DescribeArchiveRequest{ArchiveName: new("a")}); *d.EventCount != 250 {
		t.Errorf("the archive has %d events: replays are kept", *d.EventCount)
	}
	for r.state("none") != api.ReplayStateCompleted { // replays take turns: the other's last event may come first
		if t.Context().Err() != nil {
			t.Fatalf("the replay is %s", r.state("none"))
		}
		runtime.Gosched()
	}
}

// endpoint is a double of the world that keeps what it is asked.
type endpoint struct {
	asked  chan *http.Request
	bodies chan string
	status int
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	text := `{"access_token":"tok","token_type":"bearer","expires_in":3600}`
	if !strings.Contains(r.URL.Path, "token") {
		e.asked <- r
		e.bodies <- string(body)
		text = "{}"
	} else if string(body) != "client_id=id&client_secret=secret&grant_type=client_credentials" {
		return &http.Response{StatusCode: 400, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
	}
	return &http.Response{StatusCode: e.status, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// TestDestination calls an HTTP endpoint by a client's credentials, with parameters.
func TestDestination(t *testing.T) {
	e := &endpoint{make(chan *http.Request, 10), make(chan string, 10), 200}
	r := newRoom(t, Options{HTTP: e})
	conn := do(r, r.createConnection, &api.CreateConnectionRequest{Name: new("c"), AuthorizationType: new(api.ConnectionAuthorizationTypeOauthClientCredentials), AuthParameters: &api.CreateConnectionAuthRequestParameters{
		OAuthParameters: &api.CreateConnectionOAuthRequestParameters{AuthorizationEndpoint: new("https://id.example.com/token"), HttpMethod: new("POST"),
			ClientParameters: &api.CreateConnectionOAuthClientRequestParameters{ClientID: new("id"), ClientSecret: new("secret")}},
		InvocationHttpParameters: &api.ConnectionHttpParameters{HeaderParameters: []api.ConnectionHeaderParameter{{Key: new("X-A"), Value: new("conn")}}, BodyParameters: []api.ConnectionBodyParameter{{Key: new("more"), Value: new("b")}}}}})
	dest := do(r, r.createDestination, &api.CreateApiDestinationRequest{Name: new("d"), ConnectionArn: conn.ConnectionArn, HttpMethod: new("PUT"), InvocationEndpoint: new("https://example.com/x/*?q=1")})
	r.rule(api.Target{Arn: dest.ApiDestinationArn, RoleArn: new("arn:aws:iam::000000000000:role/r"), InputPath: new("$.detail"),
		HttpParameters: &api.HttpParameters{PathParameterValues: []string{"a b"}, HeaderParameters: map[string]string{"X-A": "target"}, QueryStringParameters: map[string]string{"r": "2"}}})
	r.run()
	r.put(`{"n":1}`)
	q := <-e.asked
	if q.Method != "PUT" || q.URL.String() != "https://example.com/x/a%20b?q=1&r=2" || q.Header.Get("Authorization") != "Bearer tok" || q.Header.Get("X-A") != "conn" {
		t.Errorf("%s %s %v", q.Method, q.URL, q.Header)
	}
	if body := <-e.bodies; body != `{"more":"b","n":1}` {
		t.Errorf("the body is %s", body)
	}
}
