package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// streamingTable makes a table with a stream, whose ARN it gives.
func (c *cloud) streamingTable(table string, view ddb.StreamViewType) string {
	c.Helper()
	out := must(c.dynamo.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: &table, BillingMode: ddb.BillingModePayPerRequest,
		AttributeDefinitions: []ddb.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: ddb.ScalarAttributeTypeS}},
		KeySchema:            []ddb.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: ddb.KeyTypeHash}},
		StreamSpecification:  &ddb.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: view}}))(c)
	return *out.TableDescription.LatestStreamArn
}

func (c *cloud) putN(table, id, n string) {
	c.Helper()
	must(c.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: map[string]ddb.AttributeValue{
		"id": &ddb.AttributeValueMemberS{Value: id}, "n": &ddb.AttributeValueMemberN{Value: n}}}))(c)
}

func (c *cloud) removeItem(table, id string) {
	c.Helper()
	must(c.dynamo.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &table, Key: map[string]ddb.AttributeValue{"id": &ddb.AttributeValueMemberS{Value: id}}}))(c)
}

func TestStreams(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	client := dynamodbstreams.NewFromConfig(c.config)
	arn := c.streamingTable("songs", ddb.StreamViewTypeNewAndOldImages)
	c.putN("songs", "a", "1")
	c.putN("songs", "a", "1") // changes nothing
	c.putN("songs", "a", "2")
	c.removeItem("songs", "a")
	listed := must(client.ListStreams(ctx, &dynamodbstreams.ListStreamsInput{TableName: aws.String("songs")}))(t)
	equal(t, "the stream", *listed.Streams[0].StreamArn, arn)
	d := must(client.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: &arn}))(t).StreamDescription
	equal(t, "the status", d.StreamStatus, streamtypes.StreamStatusEnabled)
	it := must(client.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{StreamArn: &arn, ShardId: d.Shards[0].ShardId, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon}))(t)
	got := must(client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: it.ShardIterator}))(t)
	var told []string
	for _, r := range got.Records {
		n := func(image map[string]streamtypes.AttributeValue) string {
			if v, ok := image["n"].(*streamtypes.AttributeValueMemberN); ok {
				return v.Value
			}
			return "-"
		}
		told = append(told, fmt.Sprintf("%s %s %s", r.EventName, n(r.Dynamodb.OldImage), n(r.Dynamodb.NewImage)))
		equal(t, "the version", *r.EventVersion, "1.1")
		if age := time.Since(*r.Dynamodb.ApproximateCreationDateTime); age < 0 || age > time.Hour {
			t.Errorf("a record is %v old", age)
		}
	}
	equal(t, "the records", strings.Join(told, ", "), "INSERT - 1, MODIFY 1 2, REMOVE 2 -")
	_, err := client.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: aws.String(arn[:len(arn)-1] + "x")})
	fails[*streamtypes.ResourceNotFoundException](t, err, "not found")
}

const streamExecution = "service-role/AWSLambdaDynamoDBExecutionRole"

// mapping feeds a function from a stream, and waits until it does.
func (c *cloud) mapping(function, stream string, change ...func(*lambda.CreateEventSourceMappingInput)) string {
	c.Helper()
	in := &lambda.CreateEventSourceMappingInput{FunctionName: &function, EventSourceArn: &stream, StartingPosition: types.EventSourcePositionTrimHorizon}
	for _, f := range change {
		f(in)
	}
	out := must(c.lambda.CreateEventSourceMapping(ctx, in))(c)
	equal(c, "the state", *out.State, "Creating")
	return *out.UUID
}

// lines are the lines of a function's log that begin with a word, without it.
func (c *cloud) lines(function, word string) (out []string) {
	c.Helper()
	events, err := c.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/" + function)})
	if err != nil {
		return nil // nothing was logged yet
	}
	for _, e := range events.Events {
		if _, text, ok := strings.Cut(strings.TrimSpace(*e.Message), word+" "); ok {
			out = append(out, text)
		}
	}
	return out
}

// comes waits until something is so.
func comes(t testing.TB, what string, so func() bool) {
	t.Helper()
	eventually(t, func() error {
		if so() {
			return nil
		}
		return fmt.Errorf("%s does not come", what)
	})
}

// A function sees what happens to a table, in order, as AWS tells it.
func TestMappingOfTable(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	arn := c.streamingTable("songs", ddb.StreamViewTypeNewAndOldImages)
	c.function("watch", types.RuntimeNodejs22x, `exports.handler = async (event) => { for (const r of event.Records) console.log("saw " + JSON.stringify(r)) }`,
		func(in *lambda.CreateFunctionInput) {
			in.Role = aws.String(c.role("watch-role", "lambda.amazonaws.com", streamExecution))
		})
	id := c.mapping("watch", arn)
	c.putN("songs", "a", "1")
	c.putN("songs", "a", "2")
	c.removeItem("songs", "a")
	comes(t, "the third record", func() bool { return len(c.lines("watch", "saw")) >= 3 })
	type record struct {
		EventID, EventName, EventVersion, EventSource, AwsRegion, EventSourceARN string
		Dynamodb                                                                 struct {
			ApproximateCreationDateTime int64
			Keys, NewImage, OldImage    map[string]map[string]string
			SequenceNumber              string
			SizeBytes                   int
			StreamViewType              string
		}
	}
	var names []string
	for i, line := range c.lines("watch", "saw") {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		names = append(names, r.EventName)
		if r.EventSourceARN != arn || r.EventSource != "aws:dynamodb" || r.EventVersion != "1.1" || r.AwsRegion != region || r.Dynamodb.Keys["id"]["S"] != "a" {
			t.Errorf("record %d is %s", i, line)
		}
		if i == 1 && (r.Dynamodb.OldImage["n"]["N"] != "1" || r.Dynamodb.NewImage["n"]["N"] != "2") {
			t.Errorf("the images are %s", line)
		}
	}
	equal(t, "the records", strings.Join(names, " "), "INSERT MODIFY REMOVE")
	comes(t, "the result", func() bool {
		m := must(c.lambda.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &id}))(t)
		return *m.State == "Enabled" && *m.LastProcessingResult == "OK"
	})

	// Who is off is not called; back on, it hears what it has missed.
	must(c.lambda.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: &id, Enabled: aws.Bool(false)}))(t)
	comes(t, "the end", func() bool {
		return *must(c.lambda.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &id}))(t).State == "Disabled"
	})
	c.putN("songs", "b", "1")
	time.Sleep(1500 * time.Millisecond) // more than a poll
	equal(t, "the records while it is off", len(c.lines("watch", "saw")), 3)
	must(c.lambda.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: &id, Enabled: aws.Bool(true)}))(t)
	comes(t, "what was missed", func() bool { return len(c.lines("watch", "saw")) == 4 })
	must(c.lambda.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: &id}))(t)
	_, err := c.lambda.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &id})
	fails[*types.ResourceNotFoundException](t, err, "The resource you requested does not exist.")
}

// A record that fails blocks what comes behind it, until it is given up.
func TestMappingRetries(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	arn := c.streamingTable("songs", ddb.StreamViewTypeKeysOnly)
	c.function("picky", types.RuntimeNodejs22x, `exports.handler = async (event) => {
		const ids = event.Records.map((r) => r.dynamodb.Keys.id.S);
		console.log("saw " + ids);
		if (ids.includes("bad")) throw new Error("not this one");
	}`, func(in *lambda.CreateFunctionInput) {
		in.Role = aws.String(c.role("picky-role", "lambda.amazonaws.com", streamExecution))
	})
	for _, id := range []string{"a", "bad", "b", "other"} {
		c.putN("songs", id, "1")
	}
	c.mapping("picky", arn, func(in *lambda.CreateEventSourceMappingInput) {
		in.BatchSize, in.MaximumRetryAttempts = aws.Int32(1), aws.Int32(2)
		in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"dynamodb": {"Keys": {"id": {"S": [{"anything-but": ["other"]}]}}}}`)}}}
	})
	comes(t, "the last", func() bool { return slices.Contains(c.lines("picky", "saw"), "b") })
	equal(t, "the calls", strings.Join(c.lines("picky", "saw"), " "), "a bad bad bad b")
}

// All that a mapping of a table's stream may be told, at once.
func TestMappingOfTableSettings(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	q := sqs.NewFromConfig(c.config)
	queue, lost := c.queue(q, "lost", nil)
	arn := c.streamingTable("songs", ddb.StreamViewTypeNewImage)
	c.function("pick", types.RuntimeNodejs22x, `exports.handler = async (event) => {
		const batchItemFailures = [];
		for (const r of event.Records) {
			console.log("saw " + r.dynamodb.Keys.id.S + "/" + r.dynamodb.NewImage.n.N);
			if (r.dynamodb.NewImage.n.N === "13") batchItemFailures.push({ itemIdentifier: r.dynamodb.SequenceNumber });
		}
		return { batchItemFailures };
	}`, func(in *lambda.CreateFunctionInput) {
		in.Role = aws.String(c.role("pick-role", "lambda.amazonaws.com", streamExecution))
	})
	c.may("pick-role", `"sqs:SendMessage"`)
	for n := 10; n < 22; n++ {
		c.putN("songs", fmt.Sprint("k", n%3), fmt.Sprint(n))
		c.putN("songs", "other", fmt.Sprint(n))
	}
	id := c.mapping("pick", arn, func(in *lambda.CreateEventSourceMappingInput) {
		in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"dynamodb":{"Keys":{"id":{"S":[{"prefix":"k"}]}}}}`)}}}
		in.FunctionResponseTypes = []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}
		in.ParallelizationFactor, in.BatchSize, in.BisectBatchOnFunctionError = aws.Int32(3), aws.Int32(50), aws.Bool(true)
		in.MaximumRetryAttempts, in.MaximumRecordAgeInSeconds, in.MaximumBatchingWindowInSeconds = aws.Int32(1), aws.Int32(600), aws.Int32(1)
		in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: lost}}
		in.MetricsConfig = &types.EventSourceMappingMetricsConfig{Metrics: []types.EventSourceMappingMetric{types.EventSourceMappingMetricEventCount}}
	})
	var told struct {
		RequestContext     struct{ Condition string }
		DDBStreamBatchInfo struct {
			BatchSize int
			StreamArn string
		}
	}
	comes(t, "word of the bad record", func() bool {
		got := must(q.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue, WaitTimeSeconds: 1}))(t).Messages
		return len(got) == 1 && json.Unmarshal([]byte(*got[0].Body), &told) == nil
	})
	equal(t, "what it is told", fmt.Sprint(told), fmt.Sprint("{{RetryAttemptsExhausted} {1 ", arn, "}}"))
	of := map[string][]string{}
	comes(t, "all records", func() bool {
		clear(of)
		seen := 0
		for _, line := range c.lines("pick", "saw") {
			if key, n, _ := strings.Cut(line, "/"); !slices.Contains(of[key], n) { // what failed is seen again
				of[key] = append(of[key], n)
				seen++
			}
		}
		return seen == 12
	})
	equal(t, "what it saw, by key", fmt.Sprint(of), "map[k0:[12 15 18 21] k1:[10 13 16 19] k2:[11 14 17 20]]")
	c.counts("EventSourceMappingUUID", id, map[string]float64{"PolledEventCount": 24, "FilteredOutEventCount": 12, "DroppedEventCount": 0, "OnFailureDestinationDeliveredEventCount": 1})
}

// Windows of a table's stream hand on what the function returns, to their end.
func TestMappingWindowsOfTable(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	arn := c.streamingTable("songs", ddb.StreamViewTypeNewImage)
	c.function("sum", types.RuntimeNodejs22x, `exports.handler = async (event) => {
		const state = { sum: event.state.sum || 0 };
		for (const r of event.Records) state.sum += Number(r.dynamodb.NewImage.n.N);
		if (event.isFinalInvokeForWindow) console.log("saw " + state.sum + " " + (Date.parse(event.window.end) - Date.parse(event.window.start)));
		return { state };
	}`, func(in *lambda.CreateFunctionInput) {
		in.Role = aws.String(c.role("sum-role", "lambda.amazonaws.com", streamExecution))
	})
	c.mapping("sum", arn, func(in *lambda.CreateEventSourceMappingInput) {
		in.TumblingWindowInSeconds, in.BatchSize = aws.Int32(2), aws.Int32(2)
	})
	for i := range 30 {
		c.putN("songs", "k", fmt.Sprint(i))
		time.Sleep(50 * time.Millisecond)
	}
	comes(t, "the last window's end", func() bool {
		all := 0
		for _, line := range c.lines("sum", "saw") {
			sum, size, _ := strings.Cut(line, " ")
			equal(t, "the window's length", size, "2000")
			all += must(strconv.Atoi(sum))(t)
		}
		return all == 30*29/2
	})
}

// A role that may not read a stream cannot have a mapping of it.
func TestMappingNeedsItsRole(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	arn := c.streamingTable("songs", ddb.StreamViewTypeKeysOnly)
	c.function("blind", types.RuntimeNodejs22x, echo)
	_, err := c.lambda.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("blind"), EventSourceArn: &arn, StartingPosition: types.EventSourcePositionLatest})
	fails[*types.InvalidParameterValueException](t, err, "Cannot access stream "+arn+". Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM.")
}
