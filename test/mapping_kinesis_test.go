package test

import (
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
