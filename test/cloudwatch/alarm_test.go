// Package cloudwatch watches metrics of the real binary, by aws-sdk-go-v2, while its clock
// is moved and while it is killed.
package cloudwatch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tule-cloud/tule/test/tule"
)

const account = "111122223333"

var ctx = context.Background()

// A cloud is a Tule of a test's own, and clients of it.
type cloud struct {
	testing.TB
	house   *tule.Tule
	metrics *cloudwatch.Client
	topics  *sns.Client
	queues  *sqs.Client
	apis    *apigateway.Client
}

func start(t testing.TB, data string) *cloud {
	t.Helper()
	house, err := tule.Start(tule.Options{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	config := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(house.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient, Credentials: credentials.NewStaticCredentialsProvider(account, "any", "")}
	return &cloud{t, house, cloudwatch.NewFromConfig(config), sns.NewFromConfig(config), sqs.NewFromConfig(config), apigateway.NewFromConfig(config)}
}

func must[T any](out T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// pass moves Tule's clock, and gives the time then.
func (c *cloud) pass(d time.Duration) time.Time {
	c.Helper()
	r := must(http.Post(c.house.URL()+"/_tule/clock?advance="+d.String(), "", nil))(c)
	defer r.Body.Close()
	var out struct{ Now time.Time }
	if err := json.NewDecoder(r.Body).Decode(&out); err != nil || r.StatusCode != http.StatusOK || out.Now.IsZero() {
		c.Fatalf("the clock: %s, %v", r.Status, err)
	}
	return out.Now
}

// watch makes a queue behind a topic, and an alarm that tells the topic.
func (c *cloud) watch(name string) (queue string) {
	c.Helper()
	topic := must(c.topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name}))(c)
	arn := "arn:aws:sqs:us-east-1:" + account + ":" + name
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `"}}`
	made := must(c.queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"Policy": policy}}))(c)
	must(c.topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: &arn, Attributes: map[string]string{"RawMessageDelivery": "true"}}))(c)
	must(c.metrics.PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{AlarmName: &name, Namespace: aws.String("functions"), MetricName: aws.String("Errors"),
		Dimensions: []types.Dimension{{Name: aws.String("FunctionName"), Value: &name}}, Statistic: types.StatisticSum, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1),
		Threshold: aws.Float64(1), ComparisonOperator: types.ComparisonOperatorGreaterThanOrEqualToThreshold, TreatMissingData: aws.String("notBreaching"),
		AlarmActions: []string{*topic.TopicArn}}))(c)
	return *made.QueueUrl
}

// fail puts an error of a function.
func (c *cloud) fail(name string) {
	c.Helper()
	must(c.metrics.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("functions"), MetricData: []types.MetricDatum{
		{MetricName: aws.String("Errors"), Unit: types.StandardUnitCount, Value: aws.Float64(1), Dimensions: []types.Dimension{{Name: aws.String("FunctionName"), Value: &name}}}}}))(c)
}

// told waits for a message of an alarm in a queue.
func (c *cloud) told(queue string) (message struct{ AlarmName, NewStateValue, NewStateReason, Region string }) {
	c.Helper()
	for range 6 {
		got := must(c.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue, WaitTimeSeconds: 5}))(c)
		if len(got.Messages) > 0 {
			if err := json.Unmarshal([]byte(*got.Messages[0].Body), &message); err != nil {
				c.Fatal(err)
			}
			return message
		}
	}
	c.Fatalf("nothing came to %s", queue)
	return message
}

// TestAlarmReachesQueue follows a function's error to an alarm, its topic and a queue.
func TestAlarmReachesQueue(t *testing.T) {
	c := start(t, "")
	defer func() {
		if err := c.house.Stop(); err != nil {
			t.Error(err)
		}
	}()
	queue := c.watch("shop")
	c.fail("shop")
	c.pass(time.Minute)
	if got := c.told(queue); got.AlarmName != "shop" || got.NewStateValue != "ALARM" || got.Region != "US East (N. Virginia)" || !strings.HasPrefix(got.NewStateReason, "Threshold Crossed: 1 out of the last 1 datapoints [1.0 (") {
		t.Errorf("the queue was told %+v", got)
	}
	c.pass(5 * time.Minute)
	for range 50 {
		got := must(c.metrics.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"shop"}}))(t)
		if got.MetricAlarms[0].StateValue == types.StateValueOk {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	history := must(c.metrics.DescribeAlarmHistory(ctx, &cloudwatch.DescribeAlarmHistoryInput{AlarmName: aws.String("shop"), ScanBy: types.ScanByTimestampAscending}))(t)
	var all []string
	for _, h := range history.AlarmHistoryItems {
		all = append(all, *h.HistorySummary)
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{`Alarm "shop" created`, " to ALARM", "Successfully executed action arn:aws:sns:us-east-1:" + account + ":shop", "Alarm updated from ALARM to OK"} {
		if !strings.Contains(text, want) {
			t.Errorf("the history lacks %q:\n%s", want, text)
		}
	}
}

// TestKilled kills Tule while values are put: what was acknowledged is there afterwards,
// and the alarm tells its topic.
func TestKilled(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	c := start(t, data)
	queue := c.watch("shop")
	acknowledged := make(chan int)
	go func() {
		n := 0
		for {
			_, err := c.metrics.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("functions"), MetricData: []types.MetricDatum{
				{MetricName: aws.String("Errors"), Value: aws.Float64(1), Dimensions: []types.Dimension{{Name: aws.String("FunctionName"), Value: aws.String("shop")}}}}})
			if err != nil {
				acknowledged <- n
				return
			}
			n++
		}
	}()
	time.Sleep(500 * time.Millisecond)
	c.house.Kill()
	n := <-acknowledged
	c = start(t, data)
	defer func() {
		if err := c.house.Stop(); err != nil {
			t.Error(err)
		}
	}()
	got := must(c.metrics.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{Namespace: aws.String("functions"), MetricName: aws.String("Errors"),
		Dimensions: []types.Dimension{{Name: aws.String("FunctionName"), Value: aws.String("shop")}}, Period: aws.Int32(3600), Statistics: []types.Statistic{types.StatisticSum},
		StartTime: aws.Time(time.Now().Add(-time.Hour)), EndTime: aws.Time(time.Now().Add(time.Hour))}))(t)
	sum := 0.0
	for _, d := range got.Datapoints {
		sum += *d.Sum
	}
	if n == 0 || int(sum) < n || int(sum) > n+1 {
		t.Errorf("%d values were acknowledged, and %v are there", n, sum)
	}
	c.fail("shop")
	c.pass(time.Minute)
	if got := c.told(queue); got.NewStateValue != "ALARM" {
		t.Errorf("the queue was told %+v", got)
	}
}

// callAPI makes an API that answers by itself, and calls it some times, and once where it
// has no method.
func (c *cloud) callAPI(name string, times int) {
	c.Helper()
	made := must(c.apis.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: &name}))(c)
	must(c.apis.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: made.Id, ResourceId: made.RootResourceId, HttpMethod: aws.String("GET"), AuthorizationType: aws.String("NONE")}))(c)
	must(c.apis.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: made.Id, ResourceId: made.RootResourceId, HttpMethod: aws.String("GET"),
		Type: gatewaytypes.IntegrationTypeMock, RequestTemplates: map[string]string{"application/json": `{"statusCode": 200}`}}))(c)
	must(c.apis.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: made.Id, ResourceId: made.RootResourceId, HttpMethod: aws.String("GET"), StatusCode: aws.String("200")}))(c)
	must(c.apis.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{RestApiId: made.Id, ResourceId: made.RootResourceId, HttpMethod: aws.String("GET"), StatusCode: aws.String("200")}))(c)
	must(c.apis.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: made.Id, StageName: aws.String("v1")}))(c)
	for i := range times + 1 {
		path := "/"
		if i == times {
			path = "/none"
		}
		r := must(http.Get(c.house.URL() + "/_aws/execute-api/" + *made.Id + "/v1" + path))(c)
		r.Body.Close()
		if i < times && r.StatusCode != http.StatusOK {
			c.Fatalf("the API answered %s", r.Status)
		}
	}
}

// TestServicesMeasureThemselves looks for what queues and topics say of themselves.
func TestServicesMeasureThemselves(t *testing.T) {
	c := start(t, "")
	defer func() {
		if err := c.house.Stop(); err != nil {
			t.Error(err)
		}
	}()
	queue := c.watch("shop")
	for i := range 3 {
		must(c.topics.Publish(ctx, &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:us-east-1:" + account + ":shop"), Message: aws.String(fmt.Sprintf("message %d", i))}))(t)
	}
	for n := 0; n < 3; {
		got := must(c.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue, WaitTimeSeconds: 10}))(t)
		for _, m := range got.Messages {
			n++
			must(c.queues.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle}))(t)
		}
	}
	c.callAPI("shop", 2)
	now := c.pass(6 * time.Minute)
	for _, want := range []struct {
		namespace, name, dimension string
		sum                        float64
	}{
		{"AWS/SQS", "NumberOfMessagesSent", "QueueName", 3},
		{"AWS/SQS", "NumberOfMessagesReceived", "QueueName", 3},
		{"AWS/SQS", "NumberOfMessagesDeleted", "QueueName", 3},
		{"AWS/SQS", "SentMessageSize", "QueueName", 27},
		{"AWS/SNS", "NumberOfMessagesPublished", "TopicName", 3},
		{"AWS/SNS", "PublishSize", "TopicName", 27},
		{"AWS/SNS", "NumberOfNotificationsDelivered", "TopicName", 3},
		{"AWS/ApiGateway", "Count", "ApiName", 3},
		{"AWS/ApiGateway", "4XXError", "ApiName", 1},
		{"AWS/ApiGateway", "5XXError", "ApiName", 0},
	} {
		var sum float64
		for range 50 {
			sum = 0
			got := must(c.metrics.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{Namespace: &want.namespace, MetricName: &want.name,
				Dimensions: []types.Dimension{{Name: &want.dimension, Value: aws.String("shop")}}, Period: aws.Int32(60), Statistics: []types.Statistic{types.StatisticSum},
				StartTime: aws.Time(now.Add(-time.Hour)), EndTime: aws.Time(now.Add(time.Minute))}))(t)
			for _, d := range got.Datapoints {
				sum += *d.Sum
			}
			if sum == want.sum {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if sum != want.sum {
			t.Errorf("%s %s is %v, want %v", want.namespace, want.name, sum, want.sum)
		}
	}
	// What a queue holds is counted each minute, and written some seconds after that.
	n := 0
	for range 50 {
		listed := must(c.metrics.ListMetrics(ctx, &cloudwatch.ListMetricsInput{Namespace: aws.String("AWS/SQS"), MetricName: aws.String("ApproximateNumberOfMessagesVisible")}))(t)
		if n = len(listed.Metrics); n > 0 {
			break
		}
		c.pass(10 * time.Second)
		time.Sleep(100 * time.Millisecond)
	}
	if n != 1 {
		t.Errorf("the queue's messages are in %d metrics", n)
	}
}
