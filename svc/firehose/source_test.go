package firehose

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/firehose"
	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
)

// A tap is a double of Kinesis: one shard, whose records are numbered.
type tap struct {
	mu      sync.Mutex
	records []kinesisapi.Record
	starts  []string // how iterators were asked for
	errs    []error  // of GetRecords, the next first
	closed  bool
}

func (k *tap) routes() []aws.Route {
	return []aws.Route{
		kinesisapi.ListShards.To(func(ctx context.Context, in *kinesisapi.ListShardsInput) (*kinesisapi.ListShardsOutput, error) {
			if c := aws.RequestOf(ctx).Caller; c.Role != role || *in.StreamARN != "arn:aws:kinesis:us-east-1:000000000000:stream/k" {
				return nil, aws.AccessDenied("read by %s", c.ARN)
			}
			return &kinesisapi.ListShardsOutput{Shards: []kinesisapi.Shard{{ShardId: new("shard")}}}, nil
		}, aws.Nothing),
		kinesisapi.GetShardIterator.To(func(_ context.Context, in *kinesisapi.GetShardIteratorInput) (*kinesisapi.GetShardIteratorOutput, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.starts = append(k.starts, *in.ShardIteratorType+" "+aws.Value(in.StartingSequenceNumber))
			at := 0
			if in.StartingSequenceNumber != nil {
				_, _ = fmt.Sscan(*in.StartingSequenceNumber, &at)
			}
			return &kinesisapi.GetShardIteratorOutput{ShardIterator: new(fmt.Sprint(at))}, nil
		}, aws.Nothing),
		kinesisapi.GetRecords.To(func(_ context.Context, in *kinesisapi.GetRecordsInput) (*kinesisapi.GetRecordsOutput, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if len(k.errs) > 0 {
				err := k.errs[0]
				k.errs = k.errs[1:]
				return nil, err
			}
			at := 0
			_, _ = fmt.Sscan(*in.ShardIterator, &at)
			out := &kinesisapi.GetRecordsOutput{Records: k.records[at:], MillisBehindLatest: new(int64(0))}
			if !k.closed {
				out.NextShardIterator = new(fmt.Sprint(len(k.records)))
			}
			return out, nil
		}, aws.Nothing),
	}
}

// add adds a record that came a day ago.
func (k *tap) add(w *world, data string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.records = append(k.records, kinesisapi.Record{Data: []byte(data), PartitionKey: new("key"), SequenceNumber: new(fmt.Sprint(len(k.records) + 1)),
		ApproximateArrivalTimestamp: new(w.house.Clock.Now().Add(-24 * time.Hour))})
}

func TestKinesisSource(t *testing.T) {
	w, k := newWorld(t, nil), &tap{}
	w.house.Add(k.routes())
	var event transformEvent
	inner := transforming(func(data string) (string, string) { return "Ok", data })
	w.invoke = func(payload []byte) ([]byte, error) {
		if err := json.Unmarshal(payload, &event); err != nil {
			return nil, err
		}
		return inner(payload)
	}
	k.add(w, "a")
	k.add(w, string(aggregate([]string{"k", "l"}, "b", "c")))
	call(t, w, api.CreateDeliveryStream, &api.CreateDeliveryStreamInput{DeliveryStreamName: new("s"), DeliveryStreamType: new("KinesisStreamAsSource"),
		KinesisStreamSourceConfiguration: &api.KinesisStreamSourceConfiguration{KinesisStreamARN: new("arn:aws:kinesis:us-east-1:000000000000:stream/k"), RoleARN: new(role)},
		ExtendedS3DestinationConfiguration: &api.ExtendedS3DestinationConfiguration{BucketARN: new("arn:aws:s3:::b"), RoleARN: new(role),
			ProcessingConfiguration: processing(processor("Lambda", "LambdaArn", function))}})
	until(t, func() bool { return w.meter.sum("DataReadFromKinesisStream.Records") == 2 })
	w.none(t) // however old the records are
	k.mu.Lock()
	k.errs = []error{kinesisapi.ProvisionedThroughputExceededException("Rate exceeded"), kinesisapi.ExpiredIteratorException("Iterator expired")}
	k.mu.Unlock()
	k.add(w, "d")
	for w.meter.sum("DataReadFromKinesisStream.Records") < 3 {
		w.pass(t, time.Second)
		time.Sleep(time.Millisecond)
	}
	for len(w.written) == 0 {
		w.pass(t, 10*time.Second)
		time.Sleep(time.Millisecond)
	}
	if p := w.next(t); string(p.body) != "abcd" {
		t.Errorf("%q", p.body)
	}
	if event.Source != "arn:aws:kinesis:us-east-1:000000000000:stream/k" || len(event.Records) != 4 || event.Records[2].Kinesis.Key != "l" || event.Records[2].Kinesis.Subsequence != 1 ||
		event.Records[2].Kinesis.Sequence != "2" || event.Records[0].Kinesis.Shard != "shard" {
		t.Errorf("%+v", event)
	}
	w.empty(t)

	// The next process goes on where this one was.
	w.stop()
	k.add(w, "e")
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	w.start(t, nil)
	until(t, func() bool { return w.meter.sum("DataReadFromKinesisStream.Records") == 4 })
	for len(w.written) == 0 {
		w.pass(t, 100*time.Second)
		time.Sleep(time.Millisecond)
	}
	if p := w.next(t); string(p.body) != "e" {
		t.Errorf("%q", p.body)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if want := "[AT_TIMESTAMP  AFTER_SEQUENCE_NUMBER 2 AFTER_SEQUENCE_NUMBER 3]"; fmt.Sprint(k.starts) != want {
		t.Errorf("%v", k.starts)
	}
}
