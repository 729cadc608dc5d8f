package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// stream makes a log stream with lines that are a second apart, the last one now.
func (c *cloud) stream(group, name string, lines ...string) (first time.Time) {
	c.Helper()
	must(c.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &name}))(c)
	first = time.Now().Add(-time.Duration(len(lines)) * time.Second)
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &name}
	for i, line := range lines {
		in.LogEvents = append(in.LogEvents, types.InputLogEvent{Message: &line, Timestamp: aws.Int64(first.Add(time.Duration(i) * time.Second).UnixMilli())})
	}
	must(c.logs.PutLogEvents(ctx, in))(c)
	return first
}

func (c *cloud) group(name string) {
	c.Helper()
	must(c.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name}))(c)
}

func TestLogsGroups(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for _, n := range []string{"/app/a", "/app/b", "/other"} {
		c.group(n)
	}
	_, err := c.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/other")})
	fails[*types.ResourceAlreadyExistsException](t, err, "The specified log group already exists")
	var names []string
	for p := cloudwatchlogs.NewDescribeLogGroupsPaginator(c.logs, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/app"), Limit: aws.Int32(1)}); p.HasMorePages(); {
		for _, g := range must(p.NextPage(ctx))(t).LogGroups {
			names = append(names, *g.LogGroupName)
		}
	}
	equal(t, "the groups", strings.Join(names, " "), "/app/a /app/b")
	must(c.logs.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: aws.String("/other"), RetentionInDays: aws.Int32(7)}))(t)
	_, err = c.logs.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: aws.String("/other"), RetentionInDays: aws.Int32(8)})
	fails[*types.InvalidParameterException](t, err, "retentionInDays")
	other := must(c.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/other")}))(t).LogGroups[0]
	equal(t, "the days", *other.RetentionInDays, 7)
	must(c.logs.DeleteRetentionPolicy(ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: aws.String("/other")}))(t)

	arn := aws.String(c.arn("logs", "log-group:/other"))
	must(c.logs.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "1", "b": "2"}}))(t)
	must(c.logs.UntagResource(ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}}))(t)
	equal(t, "the tags", fmt.Sprint(must(c.logs.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: arn}))(t).Tags), "map[b:2]")
	must(c.logs.TagLogGroup(ctx, &cloudwatchlogs.TagLogGroupInput{LogGroupName: aws.String("/other"), Tags: map[string]string{"c": "3"}}))(t)
	must(c.logs.UntagLogGroup(ctx, &cloudwatchlogs.UntagLogGroupInput{LogGroupName: aws.String("/other"), Tags: []string{"b"}}))(t)
	equal(t, "the tags", fmt.Sprint(must(c.logs.ListTagsLogGroup(ctx, &cloudwatchlogs.ListTagsLogGroupInput{LogGroupName: aws.String("/other")}))(t).Tags), "map[c:3]")

	must(c.logs.PutLogGroupDeletionProtection(ctx, &cloudwatchlogs.PutLogGroupDeletionProtectionInput{LogGroupIdentifier: aws.String("/other"), DeletionProtectionEnabled: aws.Bool(true)}))(t)
	if _, err = c.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("/other")}); err == nil {
		t.Error("a protected group was deleted")
	}
	must(c.logs.PutLogGroupDeletionProtection(ctx, &cloudwatchlogs.PutLogGroupDeletionProtectionInput{LogGroupIdentifier: aws.String("/other"), DeletionProtectionEnabled: aws.Bool(false)}))(t)
	must(c.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("/other")}))(t)
	_, err = c.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("/other")})
	fails[*types.ResourceNotFoundException](t, err, "The specified log group does not exist.")
}

func TestLogsEvents(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.group("app")
	first := c.stream("app", "one", "GET / 200", "ERROR no such thing", `{"level": "warn", "ms": 12}`, "GET /x 404", "ERROR again")
	c.stream("app", "two", "GET / 500")
	_, err := c.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String("app"), LogStreamName: aws.String("one")})
	fails[*types.ResourceAlreadyExistsException](t, err, "The specified log stream already exists")
	_, err = c.logs.PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String("app"), LogStreamName: aws.String("none"), LogEvents: []types.InputLogEvent{{Message: aws.String("x"), Timestamp: aws.Int64(first.UnixMilli())}}})
	fails[*types.ResourceNotFoundException](t, err, "The specified log stream does not exist.")

	one := must(c.logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String("app"), LogStreamNamePrefix: aws.String("one")}))(t).LogStreams[0]
	equal(t, "the first event's time", aws.ToInt64(one.FirstEventTimestamp), first.UnixMilli())
	equal(t, "the last event's time", aws.ToInt64(one.LastEventTimestamp), first.Add(4*time.Second).UnixMilli())

	page := must(c.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("app"), LogStreamName: aws.String("one"), StartFromHead: aws.Bool(true), Limit: aws.Int32(3)}))(t)
	equal(t, "the first line", *page.Events[0].Message, "GET / 200")
	next := must(c.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("app"), LogStreamName: aws.String("one"), StartFromHead: aws.Bool(true), NextToken: page.NextForwardToken}))(t)
	equal(t, "the number of lines that follow", len(next.Events), 2)
	end := must(c.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("app"), LogStreamName: aws.String("one"), StartFromHead: aws.Bool(true), NextToken: next.NextForwardToken}))(t)
	equal(t, "the token at the end, which stays", *end.NextForwardToken, *next.NextForwardToken)

	for pattern, want := range map[string]int{"": 6, "ERROR": 2, "?ERROR ?500": 3, "-GET": 3, `"no such"`: 1, "{ $.ms > 10 }": 1, `[method=GET, path, status=4*]`: 1} {
		var got []string
		for p := cloudwatchlogs.NewFilterLogEventsPaginator(c.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("app"), FilterPattern: &pattern, Limit: aws.Int32(2)}); p.HasMorePages(); {
			for _, e := range must(p.NextPage(ctx))(t).Events {
				got = append(got, *e.Message)
			}
		}
		if len(got) != want {
			t.Errorf("%q finds %q, want %d", pattern, got, want)
		}
	}
	_, err = c.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("app"), FilterPattern: aws.String("{ $.ms > ")})
	fails[*types.InvalidParameterException](t, err, "pattern")
	_, err = c.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("none")})
	fails[*types.ResourceNotFoundException](t, err, "The specified log group does not exist.")
	must(c.logs.DeleteLogStream(ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: aws.String("app"), LogStreamName: aws.String("two")}))(t)
	equal(t, "the number of streams", len(must(c.logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String("app")}))(t).LogStreams), 1)
}

func TestLogsMetricFilters(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.group("app")
	errors := aws.String("errors")
	must(c.logs.PutMetricFilter(ctx, &cloudwatchlogs.PutMetricFilterInput{LogGroupName: aws.String("app"), FilterName: errors, FilterPattern: aws.String("ERROR"),
		MetricTransformations: []types.MetricTransformation{{MetricName: errors, MetricNamespace: aws.String("App"), MetricValue: aws.String("1")}}}))(t)
	filters := must(c.logs.DescribeMetricFilters(ctx, &cloudwatchlogs.DescribeMetricFiltersInput{LogGroupName: aws.String("app")}))(t).MetricFilters
	if len(filters) != 1 || *filters[0].FilterPattern != "ERROR" {
		t.Errorf("filters %v", filters)
	}
	matches := must(c.logs.TestMetricFilter(ctx, &cloudwatchlogs.TestMetricFilterInput{FilterPattern: aws.String("[ip, code=5*]"), LogEventMessages: []string{"1.2.3.4 200", "1.2.3.4 503"}}))(t).Matches
	if len(matches) != 1 || *matches[0].EventMessage != "1.2.3.4 503" || matches[0].ExtractedValues["$code"] != "503" {
		t.Errorf("matches %+v", matches)
	}
	must(c.logs.DeleteMetricFilter(ctx, &cloudwatchlogs.DeleteMetricFilterInput{LogGroupName: aws.String("app"), FilterName: errors}))(t)
	_, err := c.logs.DeleteMetricFilter(ctx, &cloudwatchlogs.DeleteMetricFilterInput{LogGroupName: aws.String("app"), FilterName: errors})
	fails[*types.ResourceNotFoundException](t, err, "The specified metric filter does not exist.")
}
