package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// fromQueue is a change of a function that may read queues, and takes a second at most.
func (c *cloud) fromQueue(role string) func(*lambda.CreateFunctionInput) {
	c.Helper()
	return func(in *lambda.CreateFunctionInput) {
		in.Role, in.Timeout = aws.String(c.role(role, "lambda.amazonaws.com", queueExecution)), aws.Int32(1)
	}
}

// onQueue takes back from a mapping what is said of streams.
func onQueue(in *lambda.CreateEventSourceMappingInput) { in.StartingPosition = "" }

// All that a mapping of a queue may be told, at once: how many messages at a time and for how long to
// wait for them, what to keep back, how many batches at once, and which messages failed.
func TestMappingOfQueueSettings(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	q := sqs.NewFromConfig(c.config)
	dead, deadARN := c.queue(q, "dead", nil)
	_, short := c.queue(q, "short", map[string]string{"VisibilityTimeout": "0"})
	url, arn := c.queue(q, "orders", map[string]string{"VisibilityTimeout": "2", "RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":2}`, *deadARN)})
	c.function("pick", types.RuntimeNodejs22x, `exports.handler = async (event) => {
		const batchItemFailures = [];
		for (const r of event.Records) {
			const d = JSON.parse(r.body);
			console.log("saw " + d.n + " " + r.attributes.ApproximateReceiveCount + " " + r.messageAttributes.by.stringValue + " " + r.eventSourceARN);
			if (d.bad) batchItemFailures.push({ itemIdentifier: r.messageId });
		}
		console.log("batch " + event.Records.length);
		return { batchItemFailures };
	}`, c.fromQueue("pick-role"))
	for text, change := range map[string]func(*lambda.CreateEventSourceMappingInput){
		"Queue visibility timeout: 0 seconds is less than Function timeout: 1 seconds":                    func(in *lambda.CreateEventSourceMappingInput) { in.EventSourceArn = short },
		"Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10": func(in *lambda.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(11) },
		"Unsupported BisectBatchOnFunctionError parameter for given event source mapping type.":           func(in *lambda.CreateEventSourceMappingInput) { in.BisectBatchOnFunctionError = aws.Bool(true) },
		"StartingPosition is not valid for SQS event sources.":                                            func(in *lambda.CreateEventSourceMappingInput) { in.StartingPosition = types.EventSourcePositionLatest },
		"Invalid filter pattern definition.": func(in *lambda.CreateEventSourceMappingInput) {
			in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"body":`)}}}
		},
	} {
		in := &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("pick"), EventSourceArn: arn}
		change(in)
		_, err := c.lambda.CreateEventSourceMapping(ctx, in)
		fails[*types.InvalidParameterValueException](t, err, text)
	}
	id := c.mapping("pick", *arn, onQueue, func(in *lambda.CreateEventSourceMappingInput) {
		in.BatchSize, in.MaximumBatchingWindowInSeconds = aws.Int32(20), aws.Int32(1)
		in.FunctionResponseTypes = []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}
		in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"body":{"kind":["buy"]}}`)}}}
		in.ScalingConfig = &types.ScalingConfig{MaximumConcurrency: aws.Int32(2)}
		in.MetricsConfig = &types.EventSourceMappingMetricsConfig{Metrics: []types.EventSourceMappingMetric{types.EventSourceMappingMetricEventCount}}
	})
	var want []string
	for n := range 15 {
		for _, kind := range []string{"buy", "look"} {
			must(q.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String(fmt.Sprintf(`{"kind":%q,"n":"%s%02d","bad":%t}`, kind, kind, n, n == 7)),
				MessageAttributes: map[string]sqstypes.MessageAttributeValue{"by": {DataType: aws.String("String"), StringValue: aws.String("me")}}}))(t)
		}
		want = append(want, fmt.Sprintf("buy%02d 1 me %s", n, *arn))
	}
	want = append(want, "buy07 2 me "+*arn)
	comes(t, "the bad message among the dead", func() bool {
		got := must(q.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: dead, WaitTimeSeconds: 1}))(t).Messages
		return len(got) == 1 && strings.Contains(*got[0].Body, `"buy07"`)
	})
	comes(t, "every line", func() bool { return len(c.lines("pick", "saw")) >= len(want) })
	saw := c.lines("pick", "saw")
	slices.Sort(saw)
	slices.Sort(want)
	equal(t, "what it saw", strings.Join(saw, "\n"), strings.Join(want, "\n"))
	if n := len(c.lines("pick", "batch")); n > 8 {
		t.Errorf("16 messages came in %d batches, of up to 20 that wait a second for each other", n)
	}
	got := must(c.lambda.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &id}))(t)
	if *got.ScalingConfig.MaximumConcurrency != 2 || *got.MaximumBatchingWindowInSeconds != 1 || got.StartingPosition != "" || got.ParallelizationFactor != nil {
		t.Errorf("the mapping is %+v", got)
	}
	c.counts("EventSourceMappingUUID", id, map[string]float64{"FilteredOutEventCount": 15, "InvokedEventCount": 16, "FailedInvokeEventCount": 2, "DeletedEventCount": 14})
}

// A FIFO queue's groups are each in order, whatever fails in between.
func TestMappingOfFIFOQueue(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	q := sqs.NewFromConfig(c.config)
	url, arn := c.queue(q, "steps.fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true", "VisibilityTimeout": "1"})
	c.function("walk", types.RuntimeNodejs22x, `exports.handler = async (event) => {
		for (const r of event.Records) {
			if (r.body === "a3" && r.attributes.ApproximateReceiveCount === "1") throw new Error("not yet");
			console.log("saw " + r.attributes.MessageGroupId + " " + r.body);
		}
	}`, c.fromQueue("walk-role"))
	c.mapping("walk", *arn, onQueue, func(in *lambda.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(1) })
	for n := range 8 {
		for _, group := range []string{"a", "b", "c"} {
			must(q.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageGroupId: &group, MessageBody: aws.String(fmt.Sprint(group, n))}))(t)
		}
	}
	comes(t, "the last step", func() bool { return len(c.lines("walk", "saw")) >= 24 })
	of := map[string][]string{}
	for _, line := range c.lines("walk", "saw") {
		group, step, _ := strings.Cut(line, " ")
		of[group] = append(of[group], step)
	}
	for _, group := range []string{"a", "b", "c"} {
		var want []string
		for n := range 8 {
			want = append(want, fmt.Sprint(group, n))
		}
		equal(t, "group "+group, strings.Join(of[group], " "), strings.Join(want, " "))
	}
}
