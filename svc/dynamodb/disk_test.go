package dynamodb

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// BenchmarkPutItem32 puts items of 1 KB on disk with 32 callers, and the same bytes
// with 32 writers of bare Pebble, in turns, and reports the ratio of their rates.
func BenchmarkPutItem32(b *testing.B) { benchmarkPuts(b, false) }

// BenchmarkPutItemStream32 is the same with a stream.
func BenchmarkPutItemStream32(b *testing.B) { benchmarkPuts(b, true) }

func benchmarkPuts(b *testing.B, stream bool) {
	db, err := pebble.Open(b.TempDir(), &pebble.Options{MemTableSize: 8 << 20, CacheSize: 16 << 20, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{}})
	if err != nil {
		b.Fatal(err)
	}
	clock := aws.NewManualClock(time.Unix(0, 0))
	st, err := store.Open(b.TempDir(), store.Options{Clock: clock})
	if err != nil {
		b.Fatal(err)
	}
	s := New(Options{Store: st, Clock: clock, Random: rand.Reader})
	ctx := script.New().Context(b.Context())
	movies(b, s, ctx)
	if stream {
		streaming(b, s, ctx)
	}
	text := strings.Repeat("x", 900)
	bytes := make([]byte, 1000)
	var n atomic.Uint64
	var bare, ours time.Duration
	const round = 4000
	for done := 0; done < b.N; done += round {
		bare += writers(b, round, func() error {
			return db.Set(binary.BigEndian.AppendUint64(nil, n.Add(1)*0x9e3779b97f4a7c15), bytes, pebble.Sync)
		})
		ours += writers(b, round, func() error {
			it := movieKey(int(n.Add(1)), "The Big New Movie")
			it.Set("info", api.String(text))
			_, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: it})
			return err
		})
	}
	if err := errors.Join(db.Close(), st.Close()); err != nil {
		b.Fatal(err)
	}
	rounds := float64((b.N + round - 1) / round * round)
	b.ReportMetric(rounds/bare.Seconds(), "bare/s")
	b.ReportMetric(rounds/ours.Seconds(), "puts/s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "ratio")
}

// writers is how long 32 goroutines need for n calls of write.
func writers(b *testing.B, n int, write func() error) time.Duration {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	start := time.Now()
	for range 32 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := write(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// quiet is a pebble logger that says nothing.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) {}
