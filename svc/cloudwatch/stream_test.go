package cloudwatch

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// deliveries is a delivery stream, which a role may put into.
type deliveries struct {
	fail  error
	lines []string
	as    aws.Caller
}

func (d *deliveries) Call(ctx context.Context, op *aws.Operation, in any) (any, error) {
	if assume, ok := in.(*stsapi.AssumeRoleRequest); ok {
		return &stsapi.AssumeRoleResponse{AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: new("AROA:" + *assume.RoleSessionName)}}, nil
	}
	if d.fail != nil {
		return nil, d.fail
	}
	put := in.(*firehoseapi.PutRecordBatchInput)
	if *put.DeliveryStreamName != "f" || len(put.Records) > batch {
		return nil, aws.Errorf(400, "Bad", "%d records for %s", len(put.Records), *put.DeliveryStreamName)
	}
	d.as = aws.RequestOf(ctx).Caller
	for _, r := range put.Records {
		d.lines = append(d.lines, string(r.Data))
	}
	return &firehoseapi.PutRecordBatchOutput{}, nil
}

// TestStream passes metrics on: each minute once, those that are wanted, and none is lost
// while Firehose refuses or the process is another.
func TestStream(t *testing.T) {
	b := newBench(t)
	to := &deliveries{}
	b.Peers = to
	_, err := b.putMetricStream(b.ctx(), &api.PutMetricStreamInput{Name: new("s"), OutputFormat: new("json"), FirehoseArn: new("arn:aws:firehose:us-east-1:000000000000:deliverystream/f"),
		RoleArn: new("arn:aws:iam::000000000000:role/r"), IncludeFilters: []api.MetricStreamFilter{{Namespace: new("shop"), MetricNames: []string{"wanted"}}},
		StatisticsConfigurations: []api.MetricStreamStatisticsConfiguration{{AdditionalStatistics: []string{"p50"}, IncludeMetrics: []api.MetricStreamStatisticsMetric{{Namespace: new("shop"), MetricName: new("wanted")}}}}})
	b.try(err)
	b.put("wanted", 1, 2, 6)
	b.put("unwanted", 1)
	b.house.Clock.Advance(time.Minute)
	b.try(b.passOn(b.Context()))
	if len(to.lines) != 0 {
		t.Errorf("a minute was passed on before it was over for one: %q", to.lines)
	}
	b.house.Clock.Advance(time.Minute)
	to.fail = aws.Unavailable("later")
	if err := b.passOn(b.Context()); err == nil {
		t.Error("what Firehose refuses is no error")
	}
	b.restart()
	b.Peers, to.fail = to, nil
	for range 2 {
		b.try(b.passOn(b.Context()))
	}
	if len(to.lines) != 1 || !strings.HasSuffix(to.lines[0], "}\n") {
		t.Fatalf("passed on: %q", to.lines)
	}
	var got struct {
		Stream    string `json:"metric_stream_name"`
		Name      string `json:"metric_name"`
		Timestamp int64
		Unit      string
		Value     map[string]float64
	}
	b.try(json.Unmarshal([]byte(to.lines[0]), &got))
	if got.Stream != "s" || got.Name != "wanted" || got.Timestamp != 1767323040000 || got.Unit != "None" || got.Value["sum"] != 9 || got.Value["p50"] != 2 || got.Value["count"] != 3 {
		t.Errorf("passed on: %+v", got)
	}
	if to.as.Role != "arn:aws:iam::000000000000:role/r" {
		t.Errorf("passed on as %+v", to.as)
	}
	// A stream that rests misses what comes meanwhile.
	_, err = b.stopMetricStreams(b.ctx(), &api.StopMetricStreamsInput{Names: []string{"s"}})
	b.try(err)
	b.put("wanted", 1)
	b.house.Clock.Advance(10 * time.Minute)
	b.try(b.passOn(b.Context()))
	_, err = b.startMetricStreams(b.ctx(), &api.StartMetricStreamsInput{Names: []string{"s"}})
	b.try(err)
	b.put("wanted", 5)
	b.house.Clock.Advance(10 * time.Minute)
	b.try(b.passOn(b.Context()))
	if len(to.lines) != 2 || !strings.Contains(to.lines[1], `"sum":5`) {
		t.Errorf("passed on: %q", to.lines)
	}
}
