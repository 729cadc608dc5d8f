package cloudwatch

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	firehosetypes "github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/tule-cloud/tule/test/tule"
)

// config is the cloud's, for a client of any service.
func (c *cloud) config() aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(c.house.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient, Credentials: credentials.NewStaticCredentialsProvider(account, "any", "")}
}

// role makes a role that services assume, with a policy.
func (c *cloud) role(name, statement string) *string {
	c.Helper()
	people := iam.NewFromConfig(c.config())
	made := must(people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Service":["lambda.amazonaws.com","firehose.amazonaws.com","streams.metrics.cloudwatch.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`)}))(c)
	must(people.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + statement + `]}`)}))(c)
	return made.Role.Arn
}

// eventually waits until f has nothing to say against how things are.
func (c *cloud) eventually(f func() error) {
	c.Helper()
	var err error
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	c.Fatalf("%v\n%s", err, c.house.Failures())
}

// hears logs what it is called with.
const hears = `exports.handler = async (event) => console.log("heard", JSON.stringify(event));`

// hearer is a function that alarms may call.
func (c *cloud) hearer() (arn *string) {
	c.Helper()
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	w := must(z.Create("index.js"))(c)
	must(io.WriteString(w, hears))(c)
	must(0, z.Close())(c)
	role := c.role("hearer", `{"Effect":"Allow","Action":"logs:*","Resource":"*"}`)
	functions := lambda.NewFromConfig(c.config())
	made := must(functions.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("hearer"), Role: role, Runtime: lambdatypes.RuntimeNodejs22x, Handler: aws.String("index.handler"),
		Code: &lambdatypes.FunctionCode{ZipFile: code.Bytes()}}))(c)
	must(functions.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: aws.String("hearer"), StatementId: aws.String("alarms"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("lambda.alarms.cloudwatch.amazonaws.com"), SourceAccount: aws.String(account)}))(c)
	return made.FunctionArn
}

// ruled is a queue behind a rule for changes of alarms.
func (c *cloud) ruled() (queue string) {
	c.Helper()
	rules := eventbridge.NewFromConfig(c.config())
	arn := "arn:aws:sqs:us-east-1:" + account + ":changes"
	made := must(c.queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("changes"), Attributes: map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `"}}`}}))(c)
	must(rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("changes"), EventPattern: aws.String(`{"source":["aws.cloudwatch"],"detail-type":["CloudWatch Alarm State Change"],"detail":{"state":{"value":["ALARM"]}}}`)}))(c)
	must(rules.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("changes"), Targets: []eventtypes.Target{{Id: aws.String("q"), Arn: &arn}}}))(c)
	return *made.QueueUrl
}

// TestAlarmReachesFunctionAndRule has an alarm, and one made of two alarms, call a
// function, tell a topic, and match a rule of EventBridge.
func TestAlarmReachesFunctionAndRule(t *testing.T) {
	c := start(t, "")
	defer func() {
		if err := c.house.Stop(); err != nil {
			t.Error(err)
		}
	}()
	topic, changes, function := c.watch("shop"), c.ruled(), c.hearer()
	c.watch("quiet")
	must(c.metrics.PutCompositeAlarm(ctx, &cloudwatch.PutCompositeAlarmInput{AlarmName: aws.String("both"), AlarmRule: aws.String(`ALARM("shop") AND NOT ALARM("quiet")`), AlarmActions: []string{*function}}))(t)
	c.fail("shop")
	c.pass(time.Minute)
	if got := c.told(topic); got.AlarmName != "shop" {
		t.Errorf("the topic was told of %s", got.AlarmName)
	}
	seen := map[string]bool{}
	c.eventually(func() error {
		c.pass(time.Second)
		got := must(c.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &changes, MaxNumberOfMessages: 10, WaitTimeSeconds: 1}))(t)
		for _, m := range got.Messages {
			var event struct {
				Account   string
				Resources []string
				Detail    struct{ AlarmName string }
			}
			must(0, json.Unmarshal([]byte(*m.Body), &event))(t)
			if event.Account != account || len(event.Resources) != 1 || !strings.HasSuffix(event.Resources[0], ":alarm:"+event.Detail.AlarmName) {
				t.Errorf("the rule was told %s", *m.Body)
			}
			seen[event.Detail.AlarmName] = true
		}
		if !seen["shop"] || !seen["both"] {
			return fmt.Errorf("the rule has heard of %v", seen)
		}
		return nil
	})
	logs := cloudwatchlogs.NewFromConfig(c.config())
	c.eventually(func() error {
		found, err := logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/hearer"), FilterPattern: aws.String("heard")})
		if err != nil || len(found.Events) != 1 {
			return fmt.Errorf("the function has not been called: %v", err)
		}
		_, text, _ := strings.Cut(*found.Events[0].Message, "heard ")
		var event struct {
			Source, AlarmArn, AccountID string
			AlarmData                   struct {
				AlarmName     string
				State         struct{ Value string }
				Configuration struct{ AlarmRule string }
			}
		}
		must(0, json.Unmarshal([]byte(text), &event))(t)
		if event.Source != "aws.cloudwatch" || event.AlarmData.AlarmName != "both" || event.AlarmData.State.Value != "ALARM" || event.AlarmData.Configuration.AlarmRule == "" || !strings.HasSuffix(event.AlarmArn, ":alarm:both") {
			t.Errorf("the function was called with %s", text)
		}
		return nil
	})
}

// TestMetricStreamOfOpenTelemetry has metrics passed on to Firehose and a bucket, where
// OpenTelemetry's own types read them.
func TestMetricStreamOfOpenTelemetry(t *testing.T) {
	c := start(t, "")
	defer func() {
		if err := c.house.Stop(); err != nil {
			t.Error(err)
		}
	}()
	objects := s3.NewFromConfig(c.config(), func(o *s3.Options) { o.UsePathStyle = true })
	must(objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("measures")}))(t)
	role := c.role("pass", `{"Effect":"Allow","Action":["firehose:PutRecord*","s3:PutObject"],"Resource":"*"}`)
	made := must(firehose.NewFromConfig(c.config()).CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("metrics"),
		ExtendedS3DestinationConfiguration: &firehosetypes.ExtendedS3DestinationConfiguration{RoleARN: role, BucketARN: aws.String("arn:aws:s3:::measures"),
			BufferingHints: &firehosetypes.BufferingHints{IntervalInSeconds: aws.Int32(60), SizeInMBs: aws.Int32(1)}}}))(t)
	must(c.metrics.PutMetricStream(ctx, &cloudwatch.PutMetricStreamInput{Name: aws.String("all"), OutputFormat: types.MetricStreamOutputFormatOpenTelemetry10, FirehoseArn: made.DeliveryStreamARN, RoleArn: role,
		IncludeFilters: []types.MetricStreamFilter{{Namespace: aws.String("functions")}}}))(t)
	c.fail("shop")
	var body []byte
	c.eventually(func() error {
		c.pass(61 * time.Second)
		list := must(objects.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("measures")}))(t)
		if len(list.Contents) == 0 {
			return fmt.Errorf("nothing has been delivered")
		}
		got := must(objects.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("measures"), Key: list.Contents[0].Key}))(t)
		defer got.Body.Close()
		body = must(io.ReadAll(got.Body))(t)
		return nil
	})
	text, n := protowire.ConsumeBytes(body)
	if n != len(body) {
		t.Fatalf("%d bytes of %d are one request", n, len(body))
	}
	var data metricspb.MetricsData // of the same form as an ExportMetricsServiceRequest
	must(0, proto.Unmarshal(text, &data))(t)
	m := data.ResourceMetrics[0].ScopeMetrics[0].Metrics[0]
	p := m.GetSummary().GetDataPoints()[0]
	if m.Name != "amazonaws.com/functions/Errors" || m.Unit != "{Count}" || p.Count != 1 || p.Sum != 1 || p.TimeUnixNano-p.StartTimeUnixNano != uint64(time.Minute) || len(p.QuantileValues) != 2 {
		t.Errorf("delivered: %v", &data)
	}
	if list := p.Attributes[2].Value.GetKvlistValue().GetValues(); p.Attributes[2].Key != "Dimensions" || len(list) != 1 || list[0].Key != "FunctionName" || list[0].Value.GetStringValue() != "shop" {
		t.Errorf("delivered: %v", p.Attributes)
	}
}
