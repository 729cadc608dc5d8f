package test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// told logs what a subscription sends it, as AWS's guide to subscriptions does.
const told = `const zlib = require("zlib");
exports.handler = async (input) => {
	const result = JSON.parse(zlib.gunzipSync(Buffer.from(input.awslogs.data, "base64")).toString("utf8"));
	console.log("told", result.messageType, result.owner, result.logGroup, result.logStream, result.subscriptionFilters[0], result.logEvents.map((e) => e.message).join("|"));
}`

func TestLogsToLambda(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.group("app")
	f := c.function("told", "nodejs22.x", told)
	in := &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: aws.String("app"), FilterName: aws.String("errors"), FilterPattern: aws.String(`{ $.level = "ERR*" && $.ms > 10 }`), DestinationArn: f.FunctionArn}
	_, err := c.logs.PutSubscriptionFilter(ctx, in)
	fails[*types.InvalidParameterException](t, err, "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.")
	must(c.lambda.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: aws.String("told"), StatementId: aws.String("logs"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("logs." + region + ".amazonaws.com"), SourceArn: aws.String(c.arn("logs", "log-group:app:*")), SourceAccount: &c.account}))(t)
	must(c.logs.PutSubscriptionFilter(ctx, in))(t)
	c.stream("app", "one", `{"level": "ERROR", "ms": 40}`, `{"level": "ERROR", "ms": 4}`, "plain")
	line := c.loggedLines("told", "told", 1)[0]
	want := "told DATA_MESSAGE " + c.account + ` app one errors {"level": "ERROR", "ms": 40}`
	if !strings.Contains(line, want) {
		t.Errorf("the function was %q, want %q", line, want)
	}
	equal(t, "filters", len(must(c.logs.DescribeSubscriptionFilters(ctx, &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: aws.String("app")}))(t).SubscriptionFilters), 1)
	must(c.logs.DeleteSubscriptionFilter(ctx, &cloudwatchlogs.DeleteSubscriptionFilterInput{LogGroupName: aws.String("app"), FilterName: aws.String("errors")}))(t)
}

// arrived are the messages that a stream has of log groups, and how many it was tried
// with.
func (c *cloud) arrived(stream string) (lines []string, tried int) {
	c.Helper()
	k := kinesis.NewFromConfig(c.config)
	for _, shard := range must(k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &stream}))(c).Shards {
		it := must(k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: shard.ShardId, ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon}))(c).ShardIterator
		for it != nil {
			out := must(k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it}))(c)
			for _, r := range out.Records {
				var m struct {
					MessageType, LogGroup, LogStream string
					LogEvents                        []struct{ Message string }
				}
				must(0, json.NewDecoder(must(gzip.NewReader(bytes.NewReader(r.Data)))(c)).Decode(&m))(c)
				if m.MessageType == "CONTROL_MESSAGE" {
					tried++
					continue
				}
				for _, e := range m.LogEvents {
					lines = append(lines, m.LogGroup+"/"+m.LogStream+" "+e.Message)
				}
			}
			if it = out.NextShardIterator; *out.MillisBehindLatest == 0 && len(out.Records) == 0 {
				break
			}
		}
	}
	slices.Sort(lines)
	return lines, tried
}

// TestLogsToStream subscribes a stream, and that of another account through a
// destination.
func TestLogsToStream(t *testing.T) {
	t.Parallel()
	c, other := newCloud(t), newCloud(t)
	for _, owner := range []*cloud{c, other} {
		k := kinesis.NewFromConfig(owner.config)
		must(k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("lines"), ShardCount: aws.Int32(2)}))(t)
		must(0, kinesis.NewStreamExistsWaiter(k).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String("lines")}, time.Minute))(t)
	}
	role := c.role("writer", "logs.amazonaws.com")
	c.group("app")
	in := &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: aws.String("app"), FilterName: aws.String("all"), FilterPattern: aws.String(""),
		DestinationArn: aws.String(c.arn("kinesis", "stream/lines")), RoleArn: &role, Distribution: types.DistributionRandom}
	_, err := c.logs.PutSubscriptionFilter(ctx, in)
	fails[*types.InvalidParameterException](t, err, "Could not deliver test message to specified Kinesis stream.")
	c.may("writer", `"kinesis:PutRecord*"`)
	must(c.logs.PutSubscriptionFilter(ctx, in))(t)

	theirs := other.role("writer", "logs."+region+".amazonaws.com")
	other.may("writer", `"kinesis:PutRecord*"`)
	d := must(other.logs.PutDestination(ctx, &cloudwatchlogs.PutDestinationInput{DestinationName: aws.String("d"), RoleArn: &theirs, TargetArn: aws.String(other.arn("kinesis", "stream/lines"))}))(t).Destination
	across := &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: aws.String("app"), FilterName: aws.String("across"), FilterPattern: aws.String("[ip, status=4*]"), DestinationArn: d.Arn}
	_, err = c.logs.PutSubscriptionFilter(ctx, across)
	refused(t, err, "AccessDeniedException", "logs:PutSubscriptionFilter")
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"logs:PutSubscriptionFilter","Resource":"%s"}}`, c.account, *d.Arn)
	must(other.logs.PutDestinationPolicy(ctx, &cloudwatchlogs.PutDestinationPolicyInput{DestinationName: aws.String("d"), AccessPolicy: &policy}))(t)
	must(c.logs.PutSubscriptionFilter(ctx, across))(t)

	c.stream("app", "one", "1.2.3.4 404", "1.2.3.4 200")
	for _, want := range []struct {
		in    *cloud
		lines string
	}{{c, "[app/one 1.2.3.4 200 app/one 1.2.3.4 404]"}, {other, "[app/one 1.2.3.4 404]"}} {
		eventually(t, func() error {
			got, tried := want.in.arrived("lines")
			if fmt.Sprint(got) != want.lines || tried == 0 {
				return fmt.Errorf("%q arrived, after %d tries; want %s", got, tried, want.lines)
			}
			return nil
		})
	}
	equal(t, "destinations", len(must(other.logs.DescribeDestinations(ctx, &cloudwatchlogs.DescribeDestinationsInput{}))(t).Destinations), 1)
	must(other.logs.DeleteDestination(ctx, &cloudwatchlogs.DeleteDestinationInput{DestinationName: aws.String("d")}))(t)
}
