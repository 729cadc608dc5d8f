package cloudwatch

import (
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/store"
)

// A message is one of protocol buffers, as far as it is written.
type message []byte

func (m message) text(field protowire.Number, s string) message {
	return protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), s)
}

func (m message) part(field protowire.Number, p message) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), p)
}

func (m message) fixed(field protowire.Number, v uint64) message {
	return protowire.AppendFixed64(protowire.AppendTag(m, field, protowire.Fixed64Type), v)
}

func (m message) double(field protowire.Number, v float64) message {
	return m.fixed(field, math.Float64bits(v))
}

// attribute is a KeyValue whose value is a text.
func attribute(key, value string) message {
	return message{}.text(1, key).part(2, message{}.text(1, value))
}

// export is a metric's data points as an ExportMetricsServiceRequest of OpenTelemetry,
// behind its length. In version 0.7 labels say whose they are, and in 1.0 attributes.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-metric-streams-formats-opentelemetry-100.html
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-metric-streams-formats-opentelemetry-translation-100.html
func (t *stream) export(scope store.Scope, name string, m metric, list []reading) []byte {
	var units []string
	points := map[string]message{} // the data points of each unit
	for i := range list {
		r := &list[i]
		if !slices.Contains(units, r.unit) {
			units = append(units, r.unit)
		}
		points[r.unit] = points[r.unit].part(1, t.point(m, r))
	}
	var scoped message
	for _, unit := range units {
		scoped = scoped.part(2, message{}.text(1, "amazonaws.com/"+m.Namespace+"/"+m.Name).text(3, unitCode(unit)).part(11, points[unit]))
	}
	var resource message
	for _, a := range [...][2]string{{"cloud.provider", "aws"}, {"cloud.account.id", scope.Account}, {"cloud.region", scope.Region},
		{"aws.exporter.arn", streamARN(scope, name)}} {
		resource = resource.part(1, attribute(a[0], a[1]))
	}
	request := message{}.part(1, message{}.part(1, resource).part(2, scoped))
	return protowire.AppendBytes(nil, request)
}

// point is a summary: the sum, the number, and the quantiles from the least value to the
// greatest.
func (t *stream) point(m metric, r *reading) message {
	const second = 1_000_000_000
	var p message
	if *t.Config.OutputFormat == api.MetricStreamOutputFormatOpentelemetry07 {
		label := func(key, value string) { p = p.part(1, message{}.text(1, key).text(2, value)) }
		label("Namespace", m.Namespace)
		label("MetricName", m.Name)
		for _, d := range m.Dimensions {
			label(d.Name, d.Value)
		}
	}
	p = p.fixed(2, uint64(r.at)*second).fixed(3, uint64(r.at+60)*second).fixed(4, uint64(math.Round(r.sample.Count))).double(5, r.sample.Sum)
	type quantile struct{ part, value float64 }
	list := []quantile{{0, r.sample.Min}, {1, r.sample.Max}}
	for _, stat := range t.additional(m) {
		if v, ok := stat.of(&r.sample); ok && 0 < stat.to && stat.to < 1 {
			list = append(list, quantile{stat.to, v})
		}
	}
	slices.SortFunc(list, func(a, b quantile) int { return int(math.Copysign(1, a.part-b.part)) })
	for _, q := range list {
		p = p.part(6, message{}.double(1, q.part).double(2, q.value))
	}
	if *t.Config.OutputFormat == api.MetricStreamOutputFormatOpentelemetry07 {
		return p
	}
	p = p.part(7, attribute("Namespace", m.Namespace)).part(7, attribute("MetricName", m.Name))
	if len(m.Dimensions) == 0 {
		return p
	}
	var dims message
	for _, d := range m.Dimensions {
		dims = dims.part(1, attribute(d.Name, d.Value))
	}
	return p.part(7, message{}.text(1, "Dimensions").part(2, message{}.part(6, dims)))
}

// unitCode is a unit as the Unified Code for Units of Measure has it, in AWS's spelling.
func unitCode(unit string) string {
	if one, ok := strings.CutSuffix(unit, "/Second"); ok {
		return unitCode(one) + "/s"
	}
	code, ok := map[string]string{"Seconds": "s", "Microseconds": "us", "Milliseconds": "ms",
		"Bytes": "By", "Kilobytes": "kBy", "Megabytes": "MBy", "Gigabytes": "GBy", "Terabytes": "TBy",
		"Bits": "bit", "Kilobits": "kbit", "Megabits": "MBit", "Gigabits": "GBit", "Terabits": "Tbit",
		"Percent": "%", "Count": "{Count}"}[unit]
	if !ok {
		return "1"
	}
	return code
}
