package scheduler

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	eventsapi "github.com/tule-cloud/tule/api/events"
	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	api "github.com/tule-cloud/tule/api/scheduler"
	snsapi "github.com/tule-cloud/tule/api/sns"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
)

// TestRole assumes the target's role for a group's schedules, and acts as it.
func TestRole(t *testing.T) {
	r := newRoom(t)
	r.schedule("s", "at(2026-01-02T03:30:00)")
	r.after(time.Hour)
	got := r.taken("q")
	if len(got) != 1 || got[0].caller.Role != roleARN || got[0].caller.ARN != "arn:aws:sts::000000000000:assumed-role/r/"+sessionName {
		t.Errorf("the queue got %+v", got)
	}
	for _, c := range r.asked { // when it was made, and when it was called
		if c.ARN != principal || c.SourceARN != "arn:aws:scheduler:us-east-1:000000000000:schedule-group/default" || c.SourceAccount != "000000000000" {
			t.Errorf("the role was assumed by %+v", c)
		}
	}
	if len(r.asked) != 2 {
		t.Errorf("the role was asked for %d times", len(r.asked))
	}
}

// denied is a role that cannot be assumed n times.
func denied(n int) func() error {
	return func() error {
		if n == 0 {
			return nil
		}
		n--
		return aws.Errorf(403, "AccessDenied", "not authorized to perform: sts:AssumeRole")
	}
}

// TestRoleRefused makes no schedule whose role does not let the scheduler in.
func TestRoleRefused(t *testing.T) {
	r := newRoom(t)
	r.deny = denied(endless)
	_, err := r.createSchedule(r.h.Context(context.Background()), newSchedule("s", "rate(1 minute)"))
	if !api.ValidationException("").Is(err) || !strings.Contains(err.Error(), "must allow AWS EventBridge Scheduler to assume the role") || r.there("default", "s") {
		t.Errorf("the answer is %v", err)
	}
	r.deny = nil
	r.schedule("s", "rate(1 hour)")
	r.deny = denied(endless)
	in := api.UpdateScheduleInput(*newSchedule("s", "rate(1 minute)"))
	if _, err := r.updateSchedule(r.h.Context(context.Background()), &in); !api.ValidationException("").Is(err) {
		t.Errorf("the answer is %v", err)
	}
	if got := do(r, r.getSchedule, &api.GetScheduleInput{Name: new("s")}); *got.ScheduleExpression != "rate(1 hour)" {
		t.Errorf("the schedule became %s", *got.ScheduleExpression)
	}
}

// TestRoleLost takes the role away: for a while, until the tries end, and for good.
func TestRoleLost(t *testing.T) {
	r := newRoom(t)
	r.schedule("s", "at(2026-01-02T03:30:00)", retries(3, 86400))
	r.deny = denied(3)
	r.after(time.Hour)
	r.check("2026-01-02T03:30:00Z")

	r.schedule("ends", "at(2026-01-02T05:00:00)", retries(3, 86400))
	r.deny = denied(4)
	r.after(2 * time.Hour)
	dead := r.taken("dead")
	if r.check(); len(dead) != 1 || dead[0].attributes["ERROR_CODE"] != "AccessDenied" || dead[0].attributes["RETRY_ATTEMPTS"] != "3" || dead[0].attributes["EXHAUSTED_RETRY_CONDITION"] != "MaximumRetryAttempts" {
		t.Errorf("the dead-letter queue got %v", dead)
	}

	// The dead-letter queue is reached as the same role.
	r.schedule("lost", "at(2026-01-02T08:00:00)", retries(3, 86400))
	r.deny = denied(endless)
	r.after(24 * time.Hour)
	r.quiet()
	if r.counted["InvocationsFailedToBeSentToDeadLetterCount"] != 1 || len(r.taken("dead")) > 0 {
		t.Errorf("measured %v", r.counted)
	}
}

// world are doubles of the services that templated targets are of.
type world struct {
	got    []string
	failed bool // events are refused one by one
}

func (w *world) routes() []aws.Route {
	return []aws.Route{
		lambdaapi.Invoke.To(func(_ context.Context, in *lambdaapi.InvocationRequest) (*lambdaapi.InvocationResponse, error) {
			w.got = append(w.got, *in.FunctionName+" "+*in.InvocationType+" "+string(in.Payload))
			return &lambdaapi.InvocationResponse{}, nil
		}, aws.Nothing),
		snsapi.Publish.To(func(_ context.Context, in *snsapi.PublishInput) (*snsapi.PublishResponse, error) {
			w.got = append(w.got, *in.TopicArn+" "+*in.Message)
			return &snsapi.PublishResponse{}, nil
		}, aws.Nothing),
		kinesisapi.PutRecord.To(func(_ context.Context, in *kinesisapi.PutRecordInput) (*kinesisapi.PutRecordOutput, error) {
			w.got = append(w.got, *in.StreamARN+" "+*in.PartitionKey+" "+string(in.Data))
			return &kinesisapi.PutRecordOutput{}, nil
		}, aws.Nothing),
		firehoseapi.PutRecord.To(func(_ context.Context, in *firehoseapi.PutRecordInput) (*firehoseapi.PutRecordOutput, error) {
			w.got = append(w.got, *in.DeliveryStreamName+" "+string(in.Record.Data))
			return &firehoseapi.PutRecordOutput{}, nil
		}, aws.Nothing),
		eventsapi.PutEvents.To(func(ctx context.Context, in *eventsapi.PutEventsRequest) (*eventsapi.PutEventsResponse, error) {
			e := in.Entries[0]
			w.got = append(w.got, strings.Join([]string{*e.EventBusName, aws.RequestOf(ctx).Region, *e.Source, *e.DetailType, *e.Detail, e.Resources[0]}, " "))
			if w.failed {
				return &eventsapi.PutEventsResponse{FailedEntryCount: new(int32(1)), Entries: []eventsapi.PutEventsResultEntry{{ErrorCode: new("NotAuthorizedForSourceException"), ErrorMessage: new("no")}}}, nil
			}
			return &eventsapi.PutEventsResponse{FailedEntryCount: new(int32(0))}, nil
		}, aws.Nothing),
	}
}

// target makes a schedule's target another.
func target(arn string, f func(*api.Target)) change {
	return func(in *api.CreateScheduleInput) {
		in.Target.Arn = &arn
		if f != nil {
			f(in.Target)
		}
	}
}

// TestTargets calls each kind of templated target.
func TestTargets(t *testing.T) {
	for _, c := range []struct {
		arn  string
		set  func(*api.Target)
		want string
	}{
		{"arn:aws:lambda:us-east-1:000000000000:function:f", nil, "arn:aws:lambda:us-east-1:000000000000:function:f Event hello"},
		{"arn:aws:sns:us-east-1:000000000000:t", nil, "arn:aws:sns:us-east-1:000000000000:t hello"},
		{"arn:aws:kinesis:us-east-1:000000000000:stream/s", func(t *api.Target) { t.KinesisParameters = &api.KinesisParameters{PartitionKey: new("k")} }, "arn:aws:kinesis:us-east-1:000000000000:stream/s k hello"},
		{"arn:aws:firehose:us-east-1:000000000000:deliverystream/d", nil, "d hello"},
		{"arn:aws:events:eu-west-1:000000000000:event-bus/b", func(t *api.Target) {
			t.Input = new(`{"a":1}`)
			t.EventBridgeParameters = &api.EventBridgeParameters{Source: new("my.app"), DetailType: new("Tick")}
		}, `arn:aws:events:eu-west-1:000000000000:event-bus/b eu-west-1 my.app Tick {"a":1} arn:aws:scheduler:us-east-1:000000000000:schedule/default/s`},
		{"arn:aws:events:us-east-1:000000000000:event-bus/b", func(t *api.Target) {
			t.Input = nil
			t.EventBridgeParameters = &api.EventBridgeParameters{Source: new("my.app"), DetailType: new("Tick")}
		}, `arn:aws:events:us-east-1:000000000000:event-bus/b us-east-1 my.app Tick {} arn:aws:scheduler:us-east-1:000000000000:schedule/default/s`},
	} {
		r, w := newRoom(t), &world{}
		r.h.Add(w.routes())
		r.schedule("s", "at(2026-01-02T03:30:00)", input("hello"), target(c.arn, c.set))
		r.after(time.Hour)
		if !slices.Equal(w.got, []string{c.want}) {
			t.Errorf("%s got %q, want %q", c.arn, w.got, c.want)
		}
		r.quiet()
	}
	r := newRoom(t)
	r.schedule("s", "at(2026-01-02T03:30:00)", target("arn:aws:sqs:us-east-1:000000000000:q.fifo", func(t *api.Target) { t.SqsParameters = &api.SqsParameters{MessageGroupId: new("g")} }))
	r.after(time.Hour)
	if got := r.taken("q.fifo"); len(got) != 1 || got[0].group != "g" {
		t.Errorf("the FIFO queue got %v", got)
	}
}

// TestTargetsAbsent gives up at once what no retry brings about.
func TestTargetsAbsent(t *testing.T) {
	for code, arn := range map[string]string{"NotImplemented": "arn:aws:states:us-east-1:000000000000:stateMachine:m", "NotAuthorizedForSourceException": "arn:aws:events:us-east-1:000000000000:event-bus/b"} {
		r, w := newRoom(t), &world{failed: true}
		r.h.Add(w.routes())
		r.schedule("s", "at(2026-01-02T03:30:00)", retries(185, 86400), input("{}"), target(arn, func(t *api.Target) {
			t.EventBridgeParameters = &api.EventBridgeParameters{Source: new("my.app"), DetailType: new("Tick")}
		}))
		r.pass(instant("2026-01-02T03:30:00Z"))
		r.quiet()
		if dead := r.taken("dead"); len(dead) != 1 || dead[0].attributes["ERROR_CODE"] != code || dead[0].attributes["RETRY_ATTEMPTS"] != "0" {
			t.Errorf("%s: the dead-letter queue got %v", code, dead)
		}
	}
}

// TestDefaultInput is the notification of a schedule without an input.
func TestDefaultInput(t *testing.T) {
	r := newRoom(t)
	r.schedule("s", "at(2026-01-02T04:30:00)", zone("Europe/Berlin"), func(in *api.CreateScheduleInput) { in.Target.Input = nil })
	r.after(time.Hour)
	got := r.bodies("q")
	var event map[string]any
	if len(got) != 1 || json.Unmarshal([]byte(got[0]), &event) != nil {
		t.Fatalf("the queue got %q", got)
	}
	for name, want := range map[string]string{"version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": "000000000000", "region": "us-east-1", "time": "2026-01-02T03:30:00Z", "detail": "{}"} {
		if event[name] != want {
			t.Errorf("%s is %v, want %s", name, event[name], want)
		}
	}
	if list, _ := event["resources"].([]any); len(list) != 1 || list[0] != "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s" {
		t.Errorf("the resources are %v", event["resources"])
	}
}

// operations let universal targets send messages, and nothing else.
func operations(o *Options) {
	o.Operation = func(service, action string) (*aws.Operation, any, bool) {
		if service != "sqs" || action != "sendMessage" {
			return nil, nil, false
		}
		return &sqsapi.SendMessage.Operation, &sqsapi.SendMessageRequest{}, true
	}
}

// TestUniversal calls any operation, with what the input says, as the role.
func TestUniversal(t *testing.T) {
	r := newRoom(t, operations)
	r.schedule("s", "at(2026-01-02T03:30:00)", target("arn:aws:scheduler:::aws-sdk:sqs:sendMessage", nil),
		input(`{"QueueUrl": "https://sqs.us-east-1.amazonaws.com/000000000000/q", "messageBody": "<aws.scheduler.scheduled-time>", "MessageGroupId": null,
			"MessageAttributes": {"a": {"DataType": "String", "stringValue": "x"}}, "DelaySeconds": 7}`))
	r.after(time.Hour)
	got := r.taken("q")
	if len(got) != 1 || got[0].body != "2026-01-02T03:30:00Z" || got[0].attributes["a"] != "x" || got[0].caller.Role != roleARN {
		t.Errorf("the queue got %+v", got)
	}
}

// TestUniversalRefused gives up what no operation takes, at once.
func TestUniversalRefused(t *testing.T) {
	for _, c := range []struct{ action, input, code, message string }{
		{"sendMessage", `{"QueueUrl": "u", "Body": "x"}`, "SerializationException", "SendMessageRequest has no member Body"},
		{"sendMessage", `{"QueueUrl": 1}`, "SerializationException", "QueueUrl is of another type in the input"},
		{"sendMessage", `{"DelaySeconds": "1"}`, "SerializationException", "DelaySeconds is of another type in the input"},
		{"sendMessage", `{"DelaySeconds": 4294967296}`, "SerializationException", "DelaySeconds is of another type in the input"},
		{"sendMessage", `{"MessageAttributes": []}`, "SerializationException", "MessageAttributes is of another type in the input"},
		{"sendMessage", `{"MessageAttributes": {"a": "b"}}`, "SerializationException", "MessageAttributes.a is of another type in the input"},
		{"sendMessage", `[]`, "SerializationException", "The input is no JSON object"},
		{"sendMessage", `{"MessageBody": "x"}`, "", "QueueUrl"}, // what the operation demands itself
		{"purgeQueue", `{"QueueUrl": "u"}`, "NotImplemented", "The operation purgeQueue of sqs is not available"},
	} {
		r := newRoom(t, operations)
		r.schedule("s", "at(2026-01-02T03:30:00)", retries(185, 86400), target("arn:aws:scheduler:::aws-sdk:sqs:"+c.action, nil), input(c.input))
		r.after(time.Hour)
		r.quiet()
		dead := r.taken("dead")
		if len(dead) != 1 || c.code != "" && dead[0].attributes["ERROR_CODE"] != c.code || !strings.Contains(dead[0].attributes["ERROR_MESSAGE"], c.message) || dead[0].attributes["RETRY_ATTEMPTS"] != "0" || dead[0].body != c.input {
			t.Errorf("%s: the dead-letter queue got %+v", c.input, dead)
		}
	}
}

// FuzzUniversal puts any input into an operation's: it is refused, or says what it said.
func FuzzUniversal(f *testing.F) {
	for _, text := range []string{`{"QueueUrl": "u", "messageBody": "x"}`, `{"MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "eA==", "stringListValues": ["x", null]}}}`, `{"DelaySeconds": 1e9}`, `{"delayseconds": -7}`, `[]`, `{"a": {}}`, `{"MessageBody": null}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var tree map[string]any
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		if dec.Decode(&tree) != nil {
			return
		}
		var in sqsapi.SendMessageRequest
		if fill(reflect.ValueOf(&in).Elem(), tree, "") != nil {
			return
		}
		for name, value := range tree {
			if body, ok := value.(string); ok && name == "MessageBody" && len(tree) == 1 && *in.MessageBody != body {
				t.Errorf("%q became %q", body, *in.MessageBody)
			}
		}
	})
}
