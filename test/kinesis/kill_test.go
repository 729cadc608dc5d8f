package kinesis

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/tule-cloud/tule/test/tule"
)

// TestKill kills Tule TULE_KILLS times, 15 without, while some put records and others read
// them: every record that was
// acknowledged arrives once, at every reader in the order of the shard, which is that in
// which each writer has put them.
func TestKill(t *testing.T) {
	lives, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "15"))
	try(t, err)
	const writers, shards = 4, 2
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	_, err = client(house).CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("s"), ShardCount: aws.Int32(shards)})
	try(t, err)
	acked := make([][]string, writers) // by writer
	readers := make([]*reader, shards)
	for i := range readers {
		readers[i] = &reader{shard: fmt.Sprintf("shardId-%012d", i)}
	}
	for life := range lives {
		var writing, reading sync.WaitGroup
		for w := range writers {
			writing.Go(func() { acked[w] = append(acked[w], write(house, life, w)...) })
		}
		for _, r := range readers {
			reading.Go(func() {
				for r.read(house, 20*time.Millisecond) == nil {
				}
			})
		}
		time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond)
		house.Kill()
		writing.Wait()
		reading.Wait()
		house = start(t, data)
	}
	place, count := map[string]int{}, 0
	for _, r := range readers {
		eventually(t, func() error {
			if err := r.read(house, 250*time.Millisecond); err != nil || r.behind {
				return fmt.Errorf("%s is not read to its end: %v", r.shard, err)
			}
			return nil
		})
		for i, text := range r.got {
			if _, twice := place[text]; twice {
				t.Errorf("%s has come twice", text)
			}
			place[text] = i
			count++
		}
		if r.disorder != "" {
			t.Error(r.disorder)
		}
	}
	all := 0
	for w, list := range acked {
		before := map[string]int{} // by shard's parity: keys spread a writer's records
		for _, text := range list {
			at, ok := place[text]
			if !ok {
				t.Fatalf("%s was acknowledged to writer %d, and has not come", text, w)
			}
			shard, _, _ := strings.Cut(text, "/")
			if last, ok := before[shard]; ok && at <= last {
				t.Errorf("%s has come too early", text)
			}
			before[shard] = at
			all++
		}
	}
	t.Logf("%d records, %d of them acknowledged", count, all)
	try(t, house.Stop())
}

func start(t *testing.T, data string) *tule.Tule {
	t.Helper()
	house, err := tule.Start(tule.Options{Data: data})
	try(t, err)
	return house
}

// write puts records, one to each shard in a call, until Tule is gone, and gives those that
// were acknowledged.
func write(house *tule.Tule, life, w int) (acked []string) {
	c := client(house)
	for n := 0; ; n++ {
		in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
		for shard, hash := range []string{"0", "340282366920938463463374607431768211455"} {
			text := fmt.Sprintf("%d/%d-%d-%d", shard, life, w, n)
			in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: []byte(text), PartitionKey: aws.String("k"), ExplicitHashKey: &hash})
		}
		out, err := c.PutRecords(ctx, in)
		if err != nil {
			return acked
		}
		for i, r := range out.Records {
			if r.ErrorCode == nil {
				acked = append(acked, string(in.Records[i].Data))
			}
		}
	}
}

// A reader reads one shard, and goes on behind the last record that it has got.
type reader struct {
	shard    string
	last     string // sequence number
	got      []string
	behind   bool
	disorder string
}

// read reads once, after a pause.
func (r *reader) read(house *tule.Tule, pause time.Duration) error {
	time.Sleep(pause)
	in := &kinesis.GetShardIteratorInput{StreamName: aws.String("s"), ShardId: &r.shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	if r.last != "" {
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &r.last
	}
	it, err := client(house).GetShardIterator(ctx, in)
	if err != nil {
		return err
	}
	out, err := client(house).GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
	if err != nil {
		if strings.Contains(err.Error(), "ProvisionedThroughputExceeded") {
			return nil
		}
		return err
	}
	for _, x := range out.Records {
		if r.last != "" && !grows(r.last, *x.SequenceNumber) {
			r.disorder = fmt.Sprintf("%s: %s comes after %s", r.shard, *x.SequenceNumber, r.last)
		}
		r.last = *x.SequenceNumber
		r.got = append(r.got, string(x.Data))
	}
	r.behind = len(out.Records) > 0 || *out.MillisBehindLatest > 0
	return nil
}

// grows reports whether b, a long decimal, is greater than a.
func grows(a, b string) bool {
	if len(a) != len(b) {
		return len(b) > len(a)
	}
	_, err := strconv.Atoi(b[:1])
	return err == nil && b > a
}
