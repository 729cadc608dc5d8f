package kinesis

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

func ptr[T any](v T) *T { return &v }

// streaming is a service with the stream "s" of so many shards.
func streaming(t testing.TB, shards int32) (*Service, *script.House, context.Context) {
	t.Helper()
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random})
	ctx := aws.WithRequest(t.Context(), &aws.Request{Region: "us-east-1", Caller: aws.Caller{Kind: aws.Root, Account: "000000000000"}})
	if _, err := s.createStream(ctx, &api.CreateStreamInput{StreamName: ptr("s"), ShardCount: &shards, StreamModeDetails: nil}); err != nil {
		t.Fatal(err)
	}
	return s, h, ctx
}

func (s *Service) begin(t testing.TB, ctx context.Context, shard string) string {
	t.Helper()
	out, err := s.getShardIterator(ctx, &api.GetShardIteratorInput{StreamName: ptr("s"), ShardId: &shard, ShardIteratorType: ptr(api.ShardIteratorTypeTrimHorizon)})
	if err != nil {
		t.Fatal(err)
	}
	return *out.ShardIterator
}

// drain reads a shard to its present end, past the limits of reading.
func (s *Service) drain(t testing.TB, ctx context.Context, text string) (records []api.Record, next string, ended bool) {
	t.Helper()
	it, err := parseIterator(text)
	if err != nil {
		t.Fatal(err)
	}
	for {
		p := stretch{limit: 100, bytes: maxReadBytes}
		if err := s.read(ctx, &it, &p); err != nil {
			t.Fatal(err)
		}
		records = append(records, p.records...)
		if p.ended || len(p.records) == 0 {
			return records, aws.Token(it), p.ended
		}
	}
}

// Writers and a reader at once, while shards split: the reader, who goes from each shard
// to its children, sees each writer's records in their order, and each once.
func TestOrder(t *testing.T) {
	s, _, ctx := streaming(t, 1)
	const writers, each = 4, 60
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				// The clock stands still: the limits of writing are not what this is about.
				list := []entry{{key: strconv.Itoa(w), data: fmt.Append(nil, i)}}
				list[0].at, _ = parseHash(fmt.Sprint(w * 1000))
				if err := s.putUnmetered(ctx, list); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Go(func() {
		for i := range 3 {
			_, err := s.splitShard(ctx, &api.SplitShardInput{StreamName: ptr("s"), ShardToSplit: ptr(shardID(2 * i)), NewStartingHashKey: ptr(strconv.Itoa(1 << (20 + i)))})
			if err != nil && i == 0 {
				t.Error(err)
			}
		}
	})
	group.Wait()
	last := map[string]int{}
	seen := map[int]bool{}
	queue := []int{0}
	for len(queue) > 0 {
		index := queue[0]
		queue = queue[1:]
		if seen[index] {
			continue
		}
		seen[index] = true
		records, _, ended := s.drain(t, ctx, s.begin(t, ctx, shardID(index)))
		for _, r := range records {
			n, _ := strconv.Atoi(string(r.Data))
			if before, ok := last[*r.PartitionKey]; ok && n != before+1 || !ok && n != 0 {
				t.Errorf("writer %s: %d after %d", *r.PartitionKey, n, before)
			}
			last[*r.PartitionKey] = n
		}
		if ended {
			it, _ := parseIterator(s.begin(t, ctx, shardID(index)))
			err := s.Store.View(ctx, func(r store.Reader) error {
				st, err := it.ref().find(ctx, r)
				if err != nil {
					return err
				}
				children, err := s.childrenOf(ctx, r, it.ref().scope, &st, index)
				for _, c := range children {
					i, _ := shardIndex(*c.ShardId)
					queue = append(queue, i)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for w := range writers {
		if last[strconv.Itoa(w)] != each-1 {
			t.Errorf("writer %d ends at %d", w, last[strconv.Itoa(w)])
		}
	}
}

// putUnmetered is put without the limits of shards.
func (s *Service) putUnmetered(ctx context.Context, list []entry) error {
	at, err := target{name: ptr("s")}.ref(ctx)
	if err != nil {
		return err
	}
	for {
		st, err := s.assign(ctx, at, list)
		if err != nil {
			return err
		}
		if err = s.write(ctx, at, &st, list); err != errResharded {
			return err
		}
	}
}

// A reader does not pass a number that is taken, until its transaction is over.
func TestReadersWait(t *testing.T) {
	s, _, ctx := streaming(t, 1)
	slow := s.numbering.Begin()
	if _, err := slow.Take(); err != nil {
		t.Fatal(err)
	}
	if err := s.putUnmetered(ctx, []entry{{key: "a"}}); err != nil {
		t.Fatal(err)
	}
	records, next, _ := s.drain(t, ctx, s.begin(t, ctx, shardID(0)))
	if len(records) != 0 {
		t.Errorf("%d records beyond one that may yet come", len(records))
	}
	slow.Release(ctx, s.Store, nil)
	if records, _, _ = s.drain(t, ctx, next); len(records) != 1 {
		t.Errorf("%d records, want 1", len(records))
	}
}

// What a shard takes in a second, and after it.
func TestWriteLimits(t *testing.T) {
	s, h, ctx := streaming(t, 1)
	batch := &api.PutRecordsInput{StreamName: ptr("s")}
	for range 400 {
		batch.Records = append(batch.Records, api.PutRecordsRequestEntry{PartitionKey: ptr("a"), Data: []byte{1}})
	}
	for i, want := range []int32{0, 0, 200} {
		out, err := s.putRecords(ctx, batch)
		if err != nil || *out.FailedRecordCount != want {
			t.Fatalf("batch %d: %d failed, want %d; %v", i, *out.FailedRecordCount, want, err)
		}
		if want > 0 && aws.Value(out.Records[399].ErrorCode) != "ProvisionedThroughputExceededException" {
			t.Errorf("the last record: %v", aws.Value(out.Records[399].ErrorCode))
		}
	}
	one := &api.PutRecordInput{StreamName: ptr("s"), PartitionKey: ptr("a"), Data: make([]byte, 600<<10)}
	if _, err := s.putRecord(ctx, one); aws.CodeOf(err) != "ProvisionedThroughputExceededException" {
		t.Errorf("beyond the limit: %v", err)
	}
	h.Clock.Advance(time.Second)
	if _, err := s.putRecord(ctx, one); err != nil {
		t.Error(err)
	}
	if _, err := s.putRecord(ctx, one); aws.CodeOf(err) != "ProvisionedThroughputExceededException" {
		t.Errorf("beyond a megabyte: %v", err)
	}
	one.Data = make([]byte, 1<<20)
	if _, err := s.putRecord(ctx, one); aws.CodeOf(err) != "InvalidArgumentException" {
		t.Errorf("a record larger than the stream takes: %v", err)
	}
}

// Push: records as they come, a pulse where none do, and an end after five minutes.
func TestSubscribe(t *testing.T) {
	s, h, ctx := streaming(t, 1)
	arn := "arn:aws:kinesis:us-east-1:000000000000:stream/s"
	c, err := s.registerStreamConsumer(ctx, &api.RegisterStreamConsumerInput{StreamARN: &arn, ConsumerName: ptr("c")})
	if err != nil {
		t.Fatal(err)
	}
	in := &api.SubscribeToShardInput{ConsumerARN: c.Consumer.ConsumerARN, ShardId: ptr(shardID(0)), StartingPosition: &api.StartingPosition{Type: ptr(api.ShardIteratorTypeLatest)}}
	out, err := s.subscribeToShard(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.subscribeToShard(ctx, in); aws.CodeOf(err) != "ResourceInUseException" {
		t.Errorf("a second subscription at once: %v", err)
	}
	step := 0
	for e, err := range out.EventStream {
		if err != nil {
			t.Fatal(err)
		}
		records := e.SubscribeToShardEvent.Records
		switch step++; step {
		case 1:
			if len(records) != 0 {
				t.Errorf("the first event has %d records", len(records))
			}
			if err := s.putUnmetered(ctx, []entry{{key: "a", data: []byte("x")}}); err != nil {
				t.Fatal(err)
			}
		case 2:
			if len(records) != 1 || string(records[0].Data) != "x" || e.SubscribeToShardEvent.ContinuationSequenceNumber == nil {
				t.Errorf("the second event: %+v", e.SubscribeToShardEvent)
			}
			go advance(h.Clock, pulse)
		case 3:
			if len(records) != 0 {
				t.Errorf("a pulse with %d records", len(records))
			}
			go advance(h.Clock, subscription)
		}
	}
	if step < 3 {
		t.Errorf("%d events", step)
	}
}

// advance moves the clock once somebody waits on it twice: for the pulse and the end.
func advance(clock *aws.ManualClock, d time.Duration) {
	for clock.Timers() < 2 {
		runtime.Gosched()
	}
	clock.Advance(d)
}

// Old records and shards leave the store.
func TestSweep(t *testing.T) {
	s, h, ctx := streaming(t, 1)
	put := func() {
		if err := s.putUnmetered(ctx, []entry{{key: "a", data: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (records, shards int) {
		err := s.Store.View(ctx, func(r store.Reader) error {
			for _, err := range dataRecords.All(ctx, r) {
				if err != nil {
					return err
				}
				records++
			}
			for _, err := range shardRecords.All(ctx, r) {
				if err != nil {
					return err
				}
				shards++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return records, shards
	}
	put()
	if _, err := s.splitShard(ctx, &api.SplitShardInput{StreamName: ptr("s"), ShardToSplit: ptr(shardID(0)), NewStartingHashKey: ptr("1000")}); err != nil {
		t.Fatal(err)
	}
	put()
	h.Clock.Advance(23 * time.Hour)
	put()
	for _, step := range []struct{ records, shards int }{{3, 3}, {1, 2}, {0, 2}} {
		if err := s.sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if records, shards := count(); records != step.records || shards != step.shards {
			t.Errorf("%d records in %d shards, want %d in %d", records, shards, step.records, step.shards)
		}
		h.Clock.Advance(22 * time.Hour)
	}
}

func FuzzNames(f *testing.F) {
	f.Add(sequence(3, 1<<60), shardID(7), "340282366920938463463374607431768211455", "arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:1")
	f.Add("49", "shardId--1", "-0", "arn:aws:kinesis:::stream//consumer/:")
	f.Fuzz(func(t *testing.T, number, shard, key, arn string) {
		if index, n, ok := parseSequence(number); ok && sequence(index, n) != number {
			t.Errorf("%s is read as %s", number, sequence(index, n))
		}
		if index, ok := shardIndex(shard); ok && shardID(index) != shard {
			t.Errorf("%s is read as %s", shard, shardID(index))
		}
		if h, ok := parseHash(key); ok {
			if again, ok := parseHash(h.String()); !ok || again != h {
				t.Errorf("%s is read as %s", key, h)
			}
		}
		parseConsumer(arn)
		parseIterator(arn)
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(encodeRecord(1, "a", []byte("b")))
	f.Fuzz(func(t *testing.T, b []byte) {
		ms, key, data, err := decodeRecord(b)
		if err != nil {
			return
		}
		if again, k, d, err := decodeRecord(encodeRecord(ms, key, data)); err != nil || again != ms || k != key || string(d) != string(data) {
			t.Errorf("%q comes back as %d %q %q", b, again, k, d)
		}
	})
}

// evenly leaves no hash out.
func TestEvenly(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 100, 1000} {
		next := hash{}
		for i, sh := range evenly(n) {
			if sh.Low != next || sh.High.compare(sh.Low) <= 0 {
				t.Fatalf("%d shards: the %dth is %v", n, i, sh)
			}
			if i == n-1 {
				if sh.High != lastHash {
					t.Errorf("%d shards end at %s", n, sh.High)
				}
				break
			}
			next = sh.High.after()
		}
	}
}
