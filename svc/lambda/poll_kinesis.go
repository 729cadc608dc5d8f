package lambda

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
)

// dataStream is a Kinesis stream as a source.
// https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
type dataStream struct {
	s      *Service
	source string // the mapping's, as events name it: the stream's ARN, or a consumer's
	stream string // ARN
	region string
}

var _ eventSource = (*dataStream)(nil)

// isDataStream reports whether an ARN is that of a Kinesis stream, or of a consumer of one.
func isDataStream(arn string) bool {
	stream, consumer := splitConsumer(arn)
	a, ok := aws.ParseARN(stream)
	name, isStream := strings.CutPrefix(a.Resource, "stream/")
	return ok && a.Service == "kinesis" && isStream && name != "" && !strings.ContainsAny(name, ":/") && (stream == arn || consumer != "")
}

// splitConsumer splits the ARN of a consumer into its stream's and its own end; the end is "" of
// what is no consumer.
func splitConsumer(arn string) (stream, consumer string) {
	stream, consumer, _ = strings.Cut(arn, "/consumer/")
	return stream, consumer
}

// newDataStream is the source of an ARN for which isDataStream holds.
func newDataStream(s *Service, arn string) eventSource {
	stream, consumer := splitConsumer(arn)
	a, _ := aws.ParseARN(stream)
	d := dataStream{s: s, source: arn, stream: stream, region: a.Region}
	if consumer != "" {
		return &streamConsumer{dataStream: d, pushes: map[string]*push{}}
	}
	return &d
}

func (d *dataStream) batchInfo() string { return "KinesisBatchInfo" }

func (d *dataStream) arrival(t time.Time) string { return eventMillis(t) }

func (d *dataStream) needs() string {
	return "GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams"
}

// mostRecords is the most that GetRecords gives.
func (d *dataStream) mostRecords() int { return 10000 }

// probe makes each call that polling makes.
func (d *dataStream) probe(ctx context.Context) error {
	return refuseStream(d.tryAll(ctx), d.stream, d.needs())
}

func (d *dataStream) tryAll(ctx context.Context) error {
	if _, err := kinesisapi.ListStreams.Do(ctx, d.s.Peers, &kinesisapi.ListStreamsInput{Limit: ptr(int32(1))}); err != nil {
		return err
	}
	if _, err := kinesisapi.DescribeStream.Do(ctx, d.s.Peers, &kinesisapi.DescribeStreamInput{StreamARN: &d.stream, Limit: ptr(int32(1))}); err != nil {
		return err
	}
	shards, err := d.shards(ctx)
	if err != nil || len(shards) == 0 {
		return err
	}
	it, err := d.seek(ctx, shards[len(shards)-1].id, position{start: startLatest})
	if err != nil {
		return err
	}
	if _, _, err = d.read(ctx, shards[len(shards)-1].id, it, 1, 0); busySource(err) {
		err = nil // others read it, and so may the role
	}
	return err
}

func (d *dataStream) shards(ctx context.Context) ([]shard, error) {
	var out []shard
	in := &kinesisapi.ListShardsInput{StreamARN: &d.stream}
	for {
		got, err := kinesisapi.ListShards.Do(ctx, d.s.Peers, in)
		if err != nil {
			return nil, err
		}
		for _, s := range got.Shards {
			sh := shard{id: aws.Value(s.ShardId), closed: s.SequenceNumberRange != nil && s.SequenceNumberRange.EndingSequenceNumber != nil}
			for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
				if aws.Value(parent) != "" {
					sh.parents = append(sh.parents, *parent)
				}
			}
			out = append(out, sh)
		}
		if got.NextToken == nil {
			return out, nil
		}
		in = &kinesisapi.ListShardsInput{NextToken: got.NextToken}
	}
}

// place is a position in the words of Kinesis.
func (at position) place() (kind string, sequence *string, since *time.Time) {
	switch {
	case at.after != "":
		return kinesisapi.ShardIteratorTypeAfterSequenceNumber, &at.after, nil
	case !at.since.IsZero():
		return kinesisapi.ShardIteratorTypeAtTimestamp, nil, &at.since
	}
	return at.start, nil, nil
}

func (d *dataStream) seek(ctx context.Context, shard string, at position) (string, error) {
	in := &kinesisapi.GetShardIteratorInput{StreamARN: &d.stream, ShardId: &shard}
	var kind string
	kind, in.StartingSequenceNumber, in.Timestamp = at.place()
	in.ShardIteratorType = &kind
	out, err := kinesisapi.GetShardIterator.Do(ctx, d.s.Peers, in)
	if err != nil {
		return "", err
	}
	return aws.Value(out.ShardIterator), nil
}

func (d *dataStream) read(ctx context.Context, shard, iterator string, limit int, wait time.Duration) ([]record, string, error) {
	ctx = ready(ctx, wait)
	out, err := kinesisapi.GetRecords.Do(ctx, d.s.Peers, &kinesisapi.GetRecordsInput{ShardIterator: &iterator, Limit: ptr(int32(limit)), StreamARN: &d.stream})
	if err != nil {
		return nil, "", err
	}
	records, err := d.records(ctx, shard, out.Records)
	return records, aws.Value(out.NextShardIterator), err
}

func (d *dataStream) leave(string) {}

// lets reports whether filters want a record. They see its data alone, and that must be JSON.
// https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis-filtering.html
func (d *dataStream) lets(f filters, r *record) bool {
	if len(f) == 0 {
		return true
	}
	data, err := decodeExact(r.data)
	return err == nil && f.want(map[string]any{"data": data})
}

// records are what was read from a shard, as functions get it.
func (d *dataStream) records(ctx context.Context, shard string, got []kinesisapi.Record) ([]record, error) {
	out := make([]record, 0, len(got))
	role := aws.RequestOf(ctx).Caller.Role
	for i := range got {
		r := &got[i]
		id, key, at := aws.Value(r.SequenceNumber), aws.Value(r.PartitionKey), aws.Value(r.ApproximateArrivalTimestamp)
		event, err := marshalEvent(streamEvent{
			Kinesis:     streamData{"1.0", key, id, r.Data, decimalTime(at)},
			EventSource: "aws:kinesis", EventVersion: "1.0", EventID: shard + ":" + id, EventName: "aws:kinesis:record",
			InvokeIdentityARN: role, AwsRegion: d.region, EventSourceARN: d.source,
		})
		if err != nil {
			return nil, err
		}
		out = append(out, record{id: id, partition: key, at: at, event: event, data: r.Data})
	}
	return out, nil
}

// streamEvent is a record as functions get it.
type streamEvent struct {
	Kinesis           streamData `json:"kinesis"`
	EventSource       string     `json:"eventSource"`
	EventVersion      string     `json:"eventVersion"`
	EventID           string     `json:"eventID"`
	EventName         string     `json:"eventName"`
	InvokeIdentityARN string     `json:"invokeIdentityArn"`
	AwsRegion         string     `json:"awsRegion"`
	EventSourceARN    string     `json:"eventSourceARN"`
}

type streamData struct {
	SchemaVersion  string      `json:"kinesisSchemaVersion"`
	PartitionKey   string      `json:"partitionKey"`
	SequenceNumber string      `json:"sequenceNumber"`
	Data           []byte      `json:"data"`
	Arrival        decimalTime `json:"approximateArrivalTimestamp"`
}

// decimalTime is a time in JSON as seconds since 1970, with the milliseconds behind a point.
type decimalTime time.Time

// MarshalJSON implements json.Marshaler.
func (t decimalTime) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Time(t).UnixMilli()) / 1000)
}
