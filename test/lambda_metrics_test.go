package test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// measured is a metric of the last hour, with one dimension or none.
func (c *cloud) measured(metric, dimension, value string) (sum, most float64) {
	c.Helper()
	in := &cloudwatch.GetMetricStatisticsInput{Namespace: aws.String("AWS/Lambda"), MetricName: &metric, StartTime: aws.Time(time.Now().Add(-time.Hour)),
		EndTime: aws.Time(time.Now().Add(time.Hour)), Period: aws.Int32(60), Statistics: []cwtypes.Statistic{cwtypes.StatisticSum, cwtypes.StatisticMaximum}}
	if dimension != "" {
		in.Dimensions = []cwtypes.Dimension{{Name: &dimension, Value: &value}}
		if dimension == "Resource" {
			in.Dimensions = append(in.Dimensions, cwtypes.Dimension{Name: aws.String("FunctionName"), Value: aws.String("f")})
		}
	}
	for _, p := range must(metricsOf(c).GetMetricStatistics(ctx, in))(c).Datapoints {
		sum, most = sum+*p.Sum, max(most, *p.Maximum)
	}
	return sum, most
}

// counts waits until metrics have come to their sums.
func (c *cloud) counts(dimension, value string, want map[string]float64) {
	c.Helper()
	for metric, n := range want {
		eventually(c, func() error {
			if sum, _ := c.measured(metric, dimension, value); sum != n {
				return fmt.Errorf("%s of %s is %v, want %v", metric, value, sum, n)
			}
			return nil
		})
	}
}

// What becomes of invokes is in CloudWatch: of a function, of its alias, and of all functions.
func TestLambdaMetrics(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.function("f", types.RuntimeNodejs22x, `exports.handler = async (e) => { if (e.fail) throw new Error("no") }`)
	must(c.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: aws.String("f")}))(t)
	must(c.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: aws.String("f"), Name: aws.String("live"), FunctionVersion: aws.String("1")}))(t)
	must(c.lambda.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("f"), MaximumRetryAttempts: aws.Int32(0)}))(t)
	c.invoke("f", `{}`)
	c.invoke("f", `{"fail":1}`)
	c.invoke("f:live", `{}`)
	for range 2 {
		must(c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"fail":1}`)}))(t)
	}
	c.counts("FunctionName", "f", map[string]float64{"Invocations": 5, "Errors": 3, "AsyncEventsReceived": 2, "AsyncEventsDropped": 2})
	must(c.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("f"), ReservedConcurrentExecutions: aws.Int32(0)}))(t)
	_, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("f")}, func(o *lambda.Options) { o.RetryMaxAttempts = 1 })
	fails[*types.TooManyRequestsException](t, err, "Rate Exceeded.")
	c.counts("FunctionName", "f", map[string]float64{"Throttles": 1})
	c.counts("Resource", "f:live", map[string]float64{"Invocations": 1, "Errors": 0})
	c.counts("", "all functions", map[string]float64{"Invocations": 5, "Throttles": 1, "AsyncEventsReceived": 2})
	for _, level := range [][2]string{{"ConcurrentExecutions", "FunctionName"}, {"ConcurrentExecutions", "Resource"}, {"ConcurrentExecutions", ""}, {"UnreservedConcurrentExecutions", ""}, {"ClaimedAccountConcurrency", ""}} {
		if _, most := c.measured(level[0], level[1], map[string]string{"FunctionName": "f", "Resource": "f:live"}[level[1]]); most < 1 || most > 2 {
			t.Errorf("the most of %s by %q is %v", level[0], level[1], most)
		}
	}
	if sum, most := c.measured("Duration", "FunctionName", "f"); sum <= 0 || most > 3000 {
		t.Errorf("it took %v ms, at most %v", sum, most)
	}
	if _, most := c.measured("AsyncEventAge", "FunctionName", "f"); most <= 0 || most > 60000 {
		t.Errorf("events were %v ms old", most)
	}
}
