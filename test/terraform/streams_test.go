package terraform

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
)

func TestStreams(t *testing.T) {
	s := start(t, "streams", "numberless=true")
	s.applies(false)
	s.reads(map[string]any{"retention": 24.0, "open": 2.0, "groups": []any{"/app/web"}})
	s.applies(true)
	s.reads(map[string]any{"retention": 72.0, "open": 4.0, "groups": []any{"/app/web"}})
	arn := func(service, name string) string {
		return "arn:aws:" + service + ":eu-west-1:" + s.account + ":" + name
	}
	s.imports(map[string]string{
		"aws_kinesis_firehose_delivery_stream.parted":   arn("firehose", "deliverystream/parted"),
		"aws_cloudwatch_log_group.app":                  "/app/web",
		"aws_cloudwatch_log_metric_filter.errors":       "/app/web:errors",
		"aws_cloudwatch_log_subscription_filter.stream": "/app/web|stream",
		"aws_cloudwatch_log_destination.shared":         "shared",
		"aws_cloudwatch_metric_alarm.errors":            "errors",
		"aws_cloudwatch_composite_alarm.both":           "both",
		"aws_cloudwatch_dashboard.app":                  "app",
		"aws_cloudwatch_metric_stream.all":              "all",
	})
	s.destroys()

	c := aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(s.house.URL()), RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(s.account, "test", "")}
	streams, err := firehose.NewFromConfig(c).ListDeliveryStreams(t.Context(), &firehose.ListDeliveryStreamsInput{})
	try(t, err)
	groups, err := cloudwatchlogs.NewFromConfig(c).DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	try(t, err)
	alarms, err := cloudwatch.NewFromConfig(c).DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{})
	try(t, err)
	boards, err := cloudwatch.NewFromConfig(c).ListDashboards(t.Context(), &cloudwatch.ListDashboardsInput{})
	try(t, err)
	if n := len(streams.DeliveryStreamNames) + len(groups.LogGroups) + len(alarms.MetricAlarms) + len(alarms.CompositeAlarms) + len(boards.DashboardEntries); n > 0 {
		t.Errorf("left in the account: %v, %v, %v, %v", streams.DeliveryStreamNames, groups.LogGroups, alarms, boards.DashboardEntries)
	}
}
