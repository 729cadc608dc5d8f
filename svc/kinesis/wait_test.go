package kinesis

import (
	"context"
	"runtime"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
)

// waitingRead reads for a service that would wait for a minute.
func (s *Service) waitingRead(ctx context.Context, it *string) <-chan *api.GetRecordsOutput {
	r := *aws.RequestOf(ctx)
	r.Wait = time.Minute
	out := make(chan *api.GetRecordsOutput, 1)
	go func() {
		got, err := s.getRecords(aws.WithRequest(ctx, &r), &api.GetRecordsInput{ShardIterator: it})
		if err != nil {
			got = &api.GetRecordsOutput{}
		}
		out <- got
	}()
	return out
}

// A read that waits has what comes as it comes, however many reads there are in a second.
func TestReadWaits(t *testing.T) {
	s, _, ctx := streaming(t, 1)
	it := s.begin(t, ctx, "shardId-000000000000")
	for range 20 {
		got := s.waitingRead(ctx, &it)
		if _, err := s.putRecord(ctx, &api.PutRecordInput{StreamName: ptr("s"), PartitionKey: ptr("k"), Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		out := <-got
		if len(out.Records) != 1 {
			t.Fatalf("%d records", len(out.Records))
		}
		it = *out.NextShardIterator
	}
}

// It waits for numbers that are held, without which nothing behind them can be read.
func TestReadSettles(t *testing.T) {
	s, _, ctx := streaming(t, 1)
	it := s.begin(t, ctx, "shardId-000000000000")
	slow := s.numbering.Begin()
	if _, err := slow.Take(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.putRecord(ctx, &api.PutRecordInput{StreamName: ptr("s"), PartitionKey: ptr("k"), Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	got := s.waitingRead(ctx, &it)
	slow.Release(ctx, s.Store, nil)
	if out := <-got; len(out.Records) != 1 {
		t.Errorf("%d records", len(out.Records))
	}
}

// It ends with its time, with its caller, and with its shard.
func TestReadWaitEnds(t *testing.T) {
	s, h, ctx := streaming(t, 1)
	it := s.begin(t, ctx, "shardId-000000000000")
	got := s.waitingRead(ctx, &it)
	for h.Clock.Timers() == 0 {
		runtime.Gosched()
	}
	h.Clock.Advance(time.Minute)
	if out := <-got; len(out.Records) != 0 || out.NextShardIterator == nil {
		t.Errorf("after a minute: %+v", out)
	}
	short, cancel := context.WithCancel(ctx)
	got = s.waitingRead(short, &it)
	cancel()
	<-got
	got = s.waitingRead(ctx, &it)
	if _, err := s.splitShard(ctx, &api.SplitShardInput{StreamName: ptr("s"), ShardToSplit: ptr("shardId-000000000000"), NewStartingHashKey: ptr("5")}); err != nil {
		t.Fatal(err)
	}
	if out := <-got; out.NextShardIterator != nil || len(out.ChildShards) != 2 {
		t.Errorf("of a shard that was closed: %+v", out)
	}
}
