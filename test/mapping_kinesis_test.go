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
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const kinesisExecution = "service-role/AWSLambdaKinesisExecutionRole"

// clicks is a stream of two shards, and its ARN.
func (c *cloud) clicks() (*kinesis.Client, string) {
	c.Helper()
	k := kinesis.NewFromConfig(c.config)
	must(k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("clicks"), ShardCount: aws.Int32(2)}))(c)
	return k, *must(k.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("clicks")}))(c).StreamDescriptionSummary.StreamARN
}

func (c *cloud) click(k *kinesis.Client, key, data string) {
	c.Helper()
	must(k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("clicks"), PartitionKey: &key, Data: []byte(data)}))(c)
}

const clickWatcher = `exports.handler = async (event) => {
	for (const r of event.Records) console.log("saw " + Buffer.from(r.kinesis.data, "base64") + " " + (Date.now() - 1000 * r.kinesis.approximateArrivalTimestamp));
}`

// A function hears of each record once, of a key's in their order; a mapping that is deleted and
// made again at TRIM_HORIZON begins at the oldest.
func TestMappingOfStream(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	k, arn := c.clicks()
	c.function("watch", types.RuntimeNodejs22x, clickWatcher, func(in *lambda.CreateFunctionInput) {
		in.Role = aws.String(c.role("watch-role", "lambda.amazonaws.com", kinesisExecution))
	})
	const n = 20
	want := map[string]int{}
	for i := range n {
		key := fmt.Sprint("k", i%4)
		c.click(k, key, fmt.Sprintf("%s/%02d", key, i))
		want[fmt.Sprintf("%s/%02d", key, i)]++
	}
	id := c.mapping("watch", arn)
	saw := func() []string {
		lines := c.lines("watch", "saw")
		for i := range lines {
			lines[i], _, _ = strings.Cut(lines[i], " ")
		}
		return lines
	}
	each := func(times int) {
		t.Helper()
		comes(t, "the last record", func() bool { return len(saw()) >= n*times })
		of, last := map[string]int{}, map[string]string{}
		for _, line := range saw() {
			of[line]++
			key, _, _ := strings.Cut(line, "/")
			if of[line] == times {
				if line < last[key] {
					t.Errorf("%s came after %s", line, last[key])
				}
				last[key] = line
			}
		}
		for line := range want {
			if of[line] != times {
				t.Errorf("%s came %d times, want %d", line, of[line], times)
			}
		}
	}
	each(1)
	must(c.lambda.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: &id}))(t)
	c.mapping("watch", arn)
	each(2)
}

// A record reaches its function within a moment: nobody polls.
func TestMappingIsPrompt(t *testing.T) {
	c := newCloud(t)
	k, arn := c.clicks()
	c.function("watch", types.RuntimeNodejs22x, clickWatcher, func(in *lambda.CreateFunctionInput) {
		in.Role = aws.String(c.role("watch-role", "lambda.amazonaws.com", kinesisExecution))
	})
	c.mapping("watch", arn)
	const warm, n = 10, 100
	for i := range warm + n {
		c.click(k, "k", strconv.Itoa(i))
		time.Sleep(10 * time.Millisecond)
	}
	var lines []string
	comes(t, "the last record", func() bool { lines = c.lines("watch", "saw"); return len(lines) == warm+n })
	var lags []float64
	for _, line := range lines[warm:] {
		_, lag, _ := strings.Cut(line, " ")
		lags = append(lags, must(strconv.ParseFloat(lag, 64))(t))
	}
	slices.Sort(lags)
	t.Logf("from record to function: p50 %.1f ms, p99 %.1f ms", lags[n/2], lags[n*99/100])
	if lags[n/2] > 100 {
		t.Errorf("half of the records take %v ms or more to their function", lags[n/2])
	}
}

// Consumers have records pushed; on failure, a queue is told.
func TestMappingOfConsumer(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	k, arn := c.clicks()
	consumer := *must(k.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: &arn, ConsumerName: aws.String("fan")}))(t).Consumer.ConsumerARN
	c.function("watch", types.RuntimeNodejs22x, `exports.handler = async (event) => {
		for (const r of event.Records) console.log("saw " + Buffer.from(r.kinesis.data, "base64") + " by " + r.eventSourceARN);
	}`, func(in *lambda.CreateFunctionInput) {
		in.Role = aws.String(c.role("watch-role", "lambda.amazonaws.com", kinesisExecution))
	})
	_, err := c.lambda.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("watch"), EventSourceArn: &consumer, StartingPosition: types.EventSourcePositionLatest})
	fails[*types.InvalidParameterValueException](t, err, "Cannot access stream "+consumer+". Please ensure the role can perform the")
	must(c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("watch-role"), PolicyName: aws.String("push"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kinesis:SubscribeToShard","kinesis:DescribeStreamConsumer"],"Resource":"*"}]}`)}))(t)
	c.click(k, "a", "one")
	c.mapping("watch", consumer)
	c.click(k, "a", "two")
	comes(t, "the second record", func() bool { return len(c.lines("watch", "saw")) == 2 })
	equal(t, "the records", strings.Join(c.lines("watch", "saw"), ", "), "one by "+consumer+", two by "+consumer)
	must(k.PutRecords(ctx, &kinesis.PutRecordsInput{StreamARN: &arn, Records: []kinesistypes.PutRecordsRequestEntry{{PartitionKey: aws.String("b"), Data: []byte("three")}}}))(t)
	comes(t, "the third record", func() bool { return len(c.lines("watch", "saw")) == 3 })
}

// All that a mapping of a stream may be told, at once: where to begin, what to keep back, how many
// batches at a time, how often to try, which records failed, and whom to tell.
func TestMappingOfStreamSettings(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	k, arn := c.clicks()
	q := sqs.NewFromConfig(c.config)
	queue := must(q.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("lost")}))(t).QueueUrl
	c.function("pick", types.RuntimeNodejs22x, `exports.handler = async (event) => {
		const batchItemFailures = [];
		for (const r of event.Records) {
			const d = JSON.parse(Buffer.from(r.kinesis.data, "base64"));
			console.log("saw " + r.kinesis.partitionKey + "/" + d.n);
			if (d.bad) batchItemFailures.push({ itemIdentifier: r.kinesis.sequenceNumber });
		}
		return { batchItemFailures };
	}`, func(in *lambda.CreateFunctionInput) {
		in.Role = aws.String(c.role("pick-role", "lambda.amazonaws.com", kinesisExecution))
	})
	must(c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("pick-role"), PolicyName: aws.String("tell"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}]}`)}))(t)
	c.click(k, "a", `{"kind":"buy","n":"too early"}`)
	time.Sleep(1100 * time.Millisecond) // SDKs tell times in seconds
	since := time.Now()
	time.Sleep(time.Until(since.Truncate(time.Second).Add(time.Second)))
	for i := range 12 {
		c.click(k, fmt.Sprint("k", i%3), fmt.Sprintf(`{"kind":"buy","n":"%02d","bad":%v}`, i, i == 4))
		c.click(k, fmt.Sprint("k", i%3), `{"kind":"look","n":"kept back"}`)
	}
	id := c.mapping("pick", arn, func(in *lambda.CreateEventSourceMappingInput) {
		in.StartingPosition, in.StartingPositionTimestamp = types.EventSourcePositionAtTimestamp, aws.Time(since.Truncate(time.Second).Add(time.Second))
		in.FilterCriteria = &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"data":{"kind":["buy"]}}`)}}}
		in.FunctionResponseTypes = []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}
		in.ParallelizationFactor, in.BatchSize, in.BisectBatchOnFunctionError = aws.Int32(2), aws.Int32(50), aws.Bool(true)
		in.MaximumRetryAttempts, in.MaximumRecordAgeInSeconds = aws.Int32(1), aws.Int32(600)
		in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String(c.arn("sqs", "lost"))}}
	})
	var told struct {
		RequestContext   struct{ Condition string }
		KinesisBatchInfo struct {
			BatchSize int
			StreamArn string
		}
	}
	comes(t, "word of the bad record", func() bool {
		got := must(q.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue, WaitTimeSeconds: 1}))(t).Messages
		return len(got) == 1 && json.Unmarshal([]byte(*got[0].Body), &told) == nil
	})
	equal(t, "why", told.RequestContext.Condition, "RetryAttemptsExhausted")
	equal(t, "how many", told.KinesisBatchInfo.BatchSize, 1)
	equal(t, "whose", told.KinesisBatchInfo.StreamArn, arn)
	comes(t, "all records", func() bool {
		seen := map[string]bool{}
		for _, line := range c.lines("pick", "saw") {
			seen[line] = true
		}
		return len(seen) == 12
	})
	last, tries := map[string]string{}, map[string]int{}
	for _, line := range c.lines("pick", "saw") {
		key, n, _ := strings.Cut(line, "/")
		if tries[line]++; tries[line] > 1 {
			continue // with the rest of its batch
		}
		if n < last[key] {
			t.Errorf("%s came after %s", line, last[key])
		}
		last[key] = n
	}
	if n := tries["k1/04"]; n < 2 || n > 4 {
		t.Errorf("the bad record came %d times", n)
	}
	equal(t, "the last result", *must(c.lambda.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &id}))(t).LastProcessingResult, "OK")
}

// Windows hand on what the function returns, to their end.
func TestMappingWindowsOfStream(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	k, arn := c.clicks()
	c.function("sum", types.RuntimeNodejs22x, `exports.handler = async (event) => {
		const state = { sum: event.state.sum || 0 };
		for (const r of event.Records) state.sum += Number(Buffer.from(r.kinesis.data, "base64"));
		if (event.isFinalInvokeForWindow) console.log("saw " + state.sum + " " + (Date.parse(event.window.end) - Date.parse(event.window.start)));
		return { state };
	}`, func(in *lambda.CreateFunctionInput) {
		in.Role = aws.String(c.role("sum-role", "lambda.amazonaws.com", kinesisExecution))
	})
	c.mapping("sum", arn, func(in *lambda.CreateEventSourceMappingInput) {
		in.TumblingWindowInSeconds, in.BatchSize = aws.Int32(2), aws.Int32(2)
	})
	for i := range 30 {
		c.click(k, "k", strconv.Itoa(i))
		time.Sleep(100 * time.Millisecond)
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
	if n := len(c.lines("sum", "saw")); n < 2 || n > 3 {
		t.Errorf("three seconds are %d windows of two", n)
	}
}
