package events

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// TestTargets sends one event to a queue, a stream, a function that tells another bus, a
// bus of another account, and to nowhere, whose dead-letter queue says why.
func TestTargets(t *testing.T) {
	c := start(t, "")
	defer func() { try(t, c.house.Stop()) }()
	role, q, dead := c.role("r"), c.queue("q"), c.queue("dead")

	_, err := c.kinesis.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(1)})
	try(t, err)
	code := `import { writeFileSync } from "node:fs";
		export const handler = async (event) => { if (event.source !== "shop") throw new Error(JSON.stringify(event)); return "seen " + event.detail.n; };`
	f, err := c.lambda.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: aws.String("f"), Runtime: lambdatypes.RuntimeNodejs22x, Handler: aws.String("index.handler"), Role: role,
		Code: &lambdatypes.FunctionCode{ZipFile: zipped(t, code)}})
	try(t, err)
	seen := c.queue("seen")
	_, err = c.lambda.PutFunctionEventInvokeConfig(t.Context(), &lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("f"),
		DestinationConfig: &lambdatypes.DestinationConfig{OnSuccess: &lambdatypes.OnSuccess{Destination: seen.arn}}})
	try(t, err)
	_, err = c.lambda.AddPermission(t.Context(), &lambda.AddPermissionInput{FunctionName: aws.String("f"), StatementId: aws.String("e"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("events.amazonaws.com"), SourceArn: aws.String("arn:aws:events:us-east-1:000000000000:rule/shop")})
	try(t, err)

	other := as(t, c.house, "111111111111")
	far := other.queue("far")
	_, err = other.events.PutPermission(t.Context(), &eventbridge.PutPermissionInput{Action: aws.String("events:PutEvents"), Principal: aws.String("000000000000"), StatementId: aws.String("s")})
	try(t, err)
	other.rule("shop", `{"account":["000000000000"]}`, types.Target{Id: aws.String("q"), Arn: far.arn})

	c.rule("shop", `{"source":["shop"],"detail":{"n":[{"numeric":[">",0]}]}}`,
		types.Target{Id: aws.String("q"), Arn: q.arn, InputTransformer: &types.InputTransformer{InputPathsMap: map[string]string{"n": "$.detail.n", "none": "$.detail.none"}, InputTemplate: aws.String(`{"n": <n>, "text": "n is <n>, <none>", "rule": "<aws.events.rule-name>"}`)}},
		types.Target{Id: aws.String("k"), Arn: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/s"), RoleArn: role, KinesisParameters: &types.KinesisParameters{PartitionKeyPath: aws.String("$.source")}},
		types.Target{Id: aws.String("f"), Arn: f.FunctionArn},
		types.Target{Id: aws.String("b"), Arn: aws.String("arn:aws:events:us-east-1:111111111111:event-bus/default"), RoleArn: role},
		types.Target{Id: aws.String("n"), Arn: aws.String("arn:aws:sqs:us-east-1:000000000000:nowhere"), DeadLetterConfig: &types.DeadLetterConfig{Arn: dead.arn}})
	c.put("shop", `{"n":0}`)
	id := c.put("shop", `{"n":7}`)

	if got := *q.next().Body; got != `{"n": 7, "text": "n is 7, ", "rule": "shop"}` {
		t.Errorf("the queue got %s", got)
	}
	m := dead.next()
	if got := event(t, m.Body); got["id"] != id {
		t.Errorf("the dead-letter queue got %s", *m.Body)
	}
	for name, want := range map[string]string{"RULE_ARN": "arn:aws:events:us-east-1:000000000000:rule/shop", "TARGET_ARN": "arn:aws:sqs:us-east-1:000000000000:nowhere", "RETRY_ATTEMPTS": "0"} {
		if v, ok := m.MessageAttributes[name]; !ok || *v.StringValue != want {
			t.Errorf("the dead letter's %s is %v", name, v.StringValue)
		}
	}
	if code := *m.MessageAttributes["ERROR_CODE"].StringValue; code != "NO_RESOURCE" && code != "NO_PERMISSIONS" {
		t.Errorf("ERROR_CODE is %s", code)
	}
	if got := event(t, far.next().Body); got["id"] != id || got["account"] != "000000000000" {
		t.Errorf("the other account got %v", got)
	}
	if got := *seen.next().Body; !strings.Contains(got, "seen 7") {
		t.Errorf("the function's destination got %s", got)
	}
	records(t, c, id)
	if more := append(q.some(1), far.some(1)...); len(more) > 0 {
		t.Errorf("more came: %v", more)
	}
}

// records looks for the event in the stream.
func records(t *testing.T, c *cloud, id string) {
	t.Helper()
	it, err := c.kinesis.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon})
	try(t, err)
	next := it.ShardIterator
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		got, err := c.kinesis.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
		try(t, err)
		if next = got.NextShardIterator; len(got.Records) == 0 {
			continue
		}
		var e struct{ ID string }
		try(t, json.Unmarshal(got.Records[0].Data, &e))
		if e.ID != id || *got.Records[0].PartitionKey != "shop" {
			t.Errorf("the stream got %s under %s", got.Records[0].Data, *got.Records[0].PartitionKey)
		}
		return
	}
	t.Error("nothing came to the stream")
}

// TestSchedules moves the clock over a rule's schedule and over schedules of the scheduler.
func TestSchedules(t *testing.T) {
	c := start(t, "")
	defer func() { try(t, c.house.Stop()) }()
	role, q := c.role("r"), c.queue("q")
	_, err := c.events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("hourly"), ScheduleExpression: aws.String("rate(1 hour)")})
	try(t, err)
	_, err = c.events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("hourly"), Targets: []types.Target{{Id: aws.String("q"), Arn: q.arn}}})
	try(t, err)
	c.pass(59 * time.Minute)
	if got := q.some(1); len(got) > 0 {
		t.Errorf("too early: %s", *got[0].Body)
	}
	for range 2 {
		c.pass(time.Hour)
		if got := event(t, q.next().Body); got["detail-type"] != "Scheduled Event" || got["source"] != "aws.events" {
			t.Errorf("the queue got %v", got)
		}
	}
	_, err = c.events.DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: aws.String("hourly")})
	try(t, err)

	at := time.Now().UTC().Add(5 * time.Hour)
	_, err = c.scheduler.CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{Name: aws.String("once"), ScheduleExpression: aws.String("at(" + at.Format("2006-01-02T15:04:05") + ")"),
		FlexibleTimeWindow: &schedulertypes.FlexibleTimeWindow{Mode: schedulertypes.FlexibleTimeWindowModeOff}, ActionAfterCompletion: schedulertypes.ActionAfterCompletionDelete,
		Target: &schedulertypes.Target{Arn: q.arn, RoleArn: role, Input: aws.String(`{"at":"<aws.scheduler.scheduled-time>"}`)}})
	try(t, err)
	_, err = c.scheduler.CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{Name: aws.String("any"), ScheduleExpression: aws.String("at(" + at.Format("2006-01-02T15:04:05") + ")"),
		FlexibleTimeWindow: &schedulertypes.FlexibleTimeWindow{Mode: schedulertypes.FlexibleTimeWindowModeOff},
		Target:             &schedulertypes.Target{Arn: aws.String("arn:aws:scheduler:::aws-sdk:sqs:createQueue"), RoleArn: role, Input: aws.String(`{"QueueName":"made"}`)}})
	try(t, err)
	c.pass(5 * time.Hour)
	if got := *q.next().Body; got != `{"at":"`+at.Format("2006-01-02T15:04:05Z")+`"}` {
		t.Errorf("the queue got %s", got)
	}
	if _, err := c.scheduler.GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: aws.String("once")}); err == nil {
		t.Error("a schedule that deletes itself is still there")
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := c.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("made")}); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the universal target was not called: %v\n%s", err, c.house.Log())
		}
	}
}
