package kinesis

import (
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
)

// The units of what is measured.
const (
	unitCount        = "Count"
	unitBytes        = "Bytes"
	unitMilliseconds = "Milliseconds"
)

// measure gives CloudWatch a value of a stream, or of what further dimensions name.
// https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
func (s *Service) measure(at ref, name, unit string, value float64, dimensions ...string) {
	s.Meter.Measure(aws.Measurement{Account: at.scope.Account, Region: at.scope.Region, Namespace: "AWS/Kinesis", Name: name, Unit: unit,
		Dimensions: append([]string{"StreamName", at.name}, dimensions...), Value: value})
}

// measureCall measures what every call on records has.
func (s *Service) measureCall(at ref, call string, began time.Time, ok bool) {
	success := 0.0
	if ok {
		success = 1
	}
	s.measure(at, call+".Success", unitCount, success)
	s.measure(at, call+".Latency", unitMilliseconds, float64(s.Clock.Now().Sub(began).Microseconds())/1000)
}

// A flow is what goes into or out of a stream or a shard.
type flow struct{ records, bytes, refused int }

func (f *flow) add(e *entry) {
	if e.refused != nil {
		f.refused++
		return
	}
	f.records++
	f.bytes += e.size()
}

// measurePut measures a call that puts.
func (s *Service) measurePut(at ref, call string, began time.Time, list []entry, err error) {
	var all flow
	for i := range list {
		all.add(&list[i])
	}
	s.measureCall(at, call, began, err == nil && all.records > 0)
	if err != nil {
		return
	}
	s.measure(at, call+".Bytes", unitBytes, float64(all.bytes))
	if call == "PutRecords" {
		s.measure(at, "PutRecords.TotalRecords", unitCount, float64(len(list)))
		s.measure(at, "PutRecords.SuccessfulRecords", unitCount, float64(all.records))
		s.measure(at, "PutRecords.ThrottledRecords", unitCount, float64(all.refused))
		s.measure(at, "PutRecords.FailedRecords", unitCount, 0)
	}
}

// measureIncoming measures what came into a stream, and into those of its shards that the
// stream's enhanced monitoring asks for.
func (s *Service) measureIncoming(at ref, st *stream, list []entry) {
	var all flow
	shards := map[int]*flow{}
	for i := range list {
		e := &list[i]
		all.add(e)
		if len(st.Metrics) == 0 {
			continue
		}
		if shards[e.shard] == nil {
			shards[e.shard] = &flow{}
		}
		shards[e.shard].add(e)
	}
	s.measure(at, api.MetricsNameIncomingRecords, unitCount, float64(all.records))
	s.measure(at, api.MetricsNameIncomingBytes, unitBytes, float64(all.bytes))
	s.measure(at, api.MetricsNameWriteProvisionedThroughputExceeded, unitCount, float64(all.refused))
	for index, f := range shards {
		s.measureShard(at, st, index, api.MetricsNameIncomingRecords, unitCount, float64(f.records))
		s.measureShard(at, st, index, api.MetricsNameIncomingBytes, unitBytes, float64(f.bytes))
		s.measureShard(at, st, index, api.MetricsNameWriteProvisionedThroughputExceeded, unitCount, float64(f.refused))
	}
}

// measureShard measures a shard, if the stream's enhanced monitoring has the metric.
func (s *Service) measureShard(at ref, st *stream, index int, name, unit string, value float64) {
	if slices.Contains(st.Metrics, name) {
		s.measure(at, name, unit, value, "ShardId", shardID(index))
	}
}

// size is how many bytes the records of a stretch have.
func (p *stretch) size() (bytes int) {
	for i := range p.records {
		bytes += len(p.records[i].Data) + len(*p.records[i].PartitionKey)
	}
	return bytes
}

// measureRead measures a call of GetRecords.
func (s *Service) measureRead(it *iterator, p *stretch, began time.Time, err error) {
	at, exceeded := it.ref(), 0.0
	if aws.CodeOf(err) == "ProvisionedThroughputExceededException" {
		exceeded = 1
	}
	s.measureCall(at, "GetRecords", began, err == nil)
	s.measure(at, api.MetricsNameReadProvisionedThroughputExceeded, unitCount, exceeded)
	s.measureShard(at, &p.stream, it.Shard, api.MetricsNameReadProvisionedThroughputExceeded, unitCount, exceeded)
	if err != nil {
		return
	}
	records, bytes := float64(len(p.records)), float64(p.size())
	s.measure(at, "GetRecords.Records", unitCount, records)
	s.measure(at, "GetRecords.Bytes", unitBytes, bytes)
	s.measure(at, "GetRecords.IteratorAgeMilliseconds", unitMilliseconds, float64(p.behind))
	s.measureShard(at, &p.stream, it.Shard, api.MetricsNameOutgoingRecords, unitCount, records)
	s.measureShard(at, &p.stream, it.Shard, api.MetricsNameOutgoingBytes, unitBytes, bytes)
	s.measureShard(at, &p.stream, it.Shard, api.MetricsNameIteratorAgeMilliseconds, unitMilliseconds, float64(p.behind))
}

// measurePush measures an event of a subscription.
func (s *Service) measurePush(it *iterator, p *stretch, consumer string) {
	at, of := it.ref(), []string{"ConsumerName", consumer}
	records, bytes := float64(len(p.records)), float64(p.size())
	s.measure(at, "SubscribeToShardEvent.Success", unitCount, 1, of...)
	s.measure(at, "SubscribeToShardEvent.Records", unitCount, records, of...)
	s.measure(at, "SubscribeToShardEvent.Bytes", unitBytes, bytes, of...)
	s.measure(at, "SubscribeToShardEvent.MillisBehindLatest", unitMilliseconds, float64(p.behind), of...)
	s.measureShard(at, &p.stream, it.Shard, api.MetricsNameOutgoingRecords, unitCount, records)
	s.measureShard(at, &p.stream, it.Shard, api.MetricsNameOutgoingBytes, unitBytes, bytes)
}
