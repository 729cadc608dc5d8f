package cloudwatch

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	api "github.com/tule-cloud/tule/api/cloudwatch"
)

// shape is how a message is to be read: its parts by number, with their names; "" is a
// text, "#" a number, "." a floating one.
type shape map[protowire.Number]struct {
	name string
	in   any // a shape, or what is above
}

// written is a message as text, part by part.
func written(t *testing.T, b []byte, s shape) string {
	t.Helper()
	var out []string
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal("no message: ", protowire.ParseError(n))
		}
		b = b[n:]
		f, ok := s[field]
		if !ok {
			t.Fatalf("a field %d, which %v has not", field, s)
		}
		var text string
		if kind == protowire.Fixed64Type {
			v, n := protowire.ConsumeFixed64(b)
			b = b[n:]
			if text = fmt.Sprint(v); f.in == "." {
				text = fmt.Sprint(math.Float64frombits(v))
			}
		} else {
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				t.Fatal("no message: ", protowire.ParseError(n))
			}
			b = b[n:]
			if text = string(v); f.in != "" {
				text = "{" + written(t, v, f.in.(shape)) + "}"
			}
		}
		out = append(out, f.name+"="+text)
	}
	return strings.Join(out, " ")
}

// shapes are OpenTelemetry's messages, as opentelemetry/proto has them: 0.7 and 1.0.
func shapes() (old, today shape) {
	text := shape{1: {"string", ""}}
	pair := shape{1: {"key", ""}, 2: {"value", text}}
	deep := shape{1: {"key", ""}, 2: {"value", shape{1: {"string", ""}, 6: {"list", shape{1: {"values", pair}}}}}}
	request := func(group, kind string, labels protowire.Number, what shape, name string) shape {
		point := shape{2: {"start", "#"}, 3: {"time", "#"}, 4: {"count", "#"}, 5: {"sum", "."}, 6: {"q", shape{1: {"at", "."}, 2: {"is", "."}}}}
		point[labels] = struct {
			name string
			in   any
		}{name, what}
		metric := shape{1: {"name", ""}, 3: {"unit", ""}, 11: {kind, shape{1: {"points", point}}}}
		return shape{1: {"resource_metrics", shape{1: {"resource", shape{1: {"attributes", pair}}}, 2: {group, shape{2: {"metrics", metric}}}}}}
	}
	return request("library", "double_summary", 1, shape{1: {"key", ""}, 2: {"value", ""}}, "labels"),
		request("scope", "summary", 7, deep, "attributes")
}

// TestStreamsOfOpenTelemetry reads what streams pass on in both versions.
func TestStreamsOfOpenTelemetry(t *testing.T) {
	old, today := shapes()
	const resource = "resource_metrics={resource={attributes={key=cloud.provider value={string=aws}} attributes={key=cloud.account.id value={string=000000000000}} " +
		"attributes={key=cloud.region value={string=us-east-1}} attributes={key=aws.exporter.arn value={string=arn:aws:cloudwatch:us-east-1:000000000000:metric-stream/s}}} "
	const numbers = "start=1767323040000000000 time=1767323100000000000 count=3 sum=9 q={at=0 is=1} q={at=0.5 is=2} q={at=1 is=6}"
	for _, c := range []struct {
		format string
		shape  shape
		want   string
	}{
		{"opentelemetry0.7", old, resource + "library={metrics={name=amazonaws.com/shop/wanted unit=1 double_summary={points={" +
			"labels={key=Namespace value=shop} labels={key=MetricName value=wanted} " + numbers + "}}}}}"},
		{"opentelemetry1.0", today, resource + "scope={metrics={name=amazonaws.com/shop/wanted unit=1 summary={points={" + numbers +
			" attributes={key=Namespace value={string=shop}} attributes={key=MetricName value={string=wanted}}}}}}}"},
	} {
		b := newBench(t)
		to := &deliveries{}
		b.Peers = to
		_, err := b.putMetricStream(b.ctx(), &api.PutMetricStreamInput{Name: new("s"), OutputFormat: &c.format, FirehoseArn: new("arn:aws:firehose:us-east-1:000000000000:deliverystream/f"),
			RoleArn:                  new("arn:aws:iam::000000000000:role/r"),
			StatisticsConfigurations: []api.MetricStreamStatisticsConfiguration{{AdditionalStatistics: []string{"p50"}, IncludeMetrics: []api.MetricStreamStatisticsMetric{{Namespace: new("shop"), MetricName: new("wanted")}}}}})
		b.try(err)
		b.put("wanted", 1, 2, 6)
		b.house.Clock.Advance(2 * time.Minute)
		b.try(b.passOn(b.Context()))
		if len(to.lines) != 1 {
			t.Fatalf("%s: %d records", c.format, len(to.lines))
		}
		body, n := protowire.ConsumeBytes([]byte(to.lines[0]))
		if n != len(to.lines[0]) {
			t.Fatalf("%s: a record of %d bytes says that it has %d", c.format, len(to.lines[0]), n)
		}
		if got := written(t, body, c.shape); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.format, got, c.want)
		}
		_, err = b.putMetricStream(b.ctx(), &api.PutMetricStreamInput{Name: new("s"), OutputFormat: &c.format, FirehoseArn: new("arn:aws:firehose:us-east-1:000000000000:deliverystream/f"),
			RoleArn:                  new("arn:aws:iam::000000000000:role/r"),
			StatisticsConfigurations: []api.MetricStreamStatisticsConfiguration{{AdditionalStatistics: []string{"tm90"}, IncludeMetrics: []api.MetricStreamStatisticsMetric{{Namespace: new("shop"), MetricName: new("wanted")}}}}})
		if err == nil {
			t.Errorf("%s: a trimmed mean, which it cannot tell, was taken", c.format)
		}
	}
	// What has dimensions tells them in a list of its own.
	s := &stream{Config: api.PutMetricStreamInput{OutputFormat: new("opentelemetry1.0")}}
	m := metric{Namespace: "shop", Name: "wanted"}
	m.Dimensions = append(m.Dimensions, dimension{Name: "Service", Value: "web"})
	if got := written(t, s.point(m, &reading{}), today[1].in.(shape)[2].in.(shape)[2].in.(shape)[11].in.(shape)[1].in.(shape)); !strings.HasSuffix(got, " attributes={key=Dimensions value={list={values={key=Service value={string=web}}}}}") {
		t.Error(got)
	}
}

func TestUnitCodes(t *testing.T) {
	for unit, want := range map[string]string{"Seconds": "s", "Bytes/Second": "By/s", "Count": "{Count}", "Count/Second": "{Count}/s", "None": "1", "Percent": "%", "Terabits": "Tbit"} {
		if got := unitCode(unit); got != want {
			t.Errorf("%s is %s, want %s", unit, got, want)
		}
	}
	for _, unit := range []string{"None", "Seconds", "Gigabytes/Second"} {
		if got := unitCode(unit); slices.Contains([]string{"", unit}, got) {
			t.Errorf("%s has no code", unit)
		}
	}
}
