package firehose

import (
	"time"

	"github.com/tule-cloud/tule/aws"
)

// The units of what is measured.
const (
	unitCount        = "Count"
	unitBytes        = "Bytes"
	unitSeconds      = "Seconds"
	unitMilliseconds = "Milliseconds"
)

// measure gives a value to CloudWatch.
// https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html
func (s *Service) measure(at ref, name, unit string, value float64) {
	s.Meter.Measure(aws.Measurement{Account: at.scope.Account, Region: at.scope.Region, Namespace: "AWS/Firehose", Name: name, Unit: unit,
		Dimensions: []string{"DeliveryStreamName", at.name}, Value: value})
}

// measureCall measures a call that neither puts nor delivers.
func (s *Service) measureCall(at ref, call string, began time.Time) {
	s.measure(at, call+".Requests", unitCount, 1)
	s.measure(at, call+".Latency", unitMilliseconds, float64(s.Clock.Now().Sub(began).Milliseconds()))
}

// measurePut measures a call that puts.
func (s *Service) measurePut(at ref, call string, began time.Time, records, bytes int) {
	s.measureCall(at, call, began)
	s.measure(at, call+".Bytes", unitBytes, float64(bytes))
	if call == "PutRecordBatch" {
		s.measure(at, call+".Records", unitCount, float64(records))
	}
	s.measure(at, "IncomingPutRequests", unitCount, 1)
	s.measure(at, "IncomingRecords", unitCount, float64(records))
	s.measure(at, "IncomingBytes", unitBytes, float64(bytes))
}

// measureDelivery measures what was delivered by one attempt, or nothing.
func (d *delivery) measureDelivery(name string, ok bool, records int, bytes int64) {
	s := d.s
	if !ok {
		s.measure(d.at, name+".Success", unitCount, 0)
		return
	}
	s.measure(d.at, name+".Success", unitCount, 1)
	s.measure(d.at, name+".Records", unitCount, float64(records))
	s.measure(d.at, name+".Bytes", unitBytes, float64(bytes))
	if name != "BackupToS3" || d.plan.kind == kindS3 {
		s.measure(d.at, name+".DataFreshness", unitSeconds, s.Clock.Now().Sub(d.job.batch.Oldest).Seconds())
	}
}
