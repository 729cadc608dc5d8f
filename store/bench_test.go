package store_test

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// item is the size of what the benchmarks write.
const item = 256

// writers runs fn from 32 goroutines, n times in all, and returns how long it took.
func writers(b *testing.B, n int, fn func() error) time.Duration {
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range 32 {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				if err := fn(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// BenchmarkCommit32 is 32 writers that each read a record and write it, durably:
// on bare pebble without the reading, and in a transaction, by turns.
func BenchmarkCommit32(b *testing.B) {
	value := make([]byte, item)
	db, err := pebble.Open(b.TempDir(), &pebble.Options{MemTableSize: 8 << 20, CacheSize: 16 << 20, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{}})
	if err != nil {
		b.Fatal(err)
	}
	st, err := store.Open(b.TempDir(), store.Options{Clock: aws.NewManualClock(time.Unix(0, 0))})
	if err != nil {
		b.Fatal(err)
	}
	items := store.NewTable[[]byte]("dynamodb", "item")
	var n atomic.Uint64
	var bare, ours time.Duration
	for done := 0; done < b.N; done += 2000 {
		bare += writers(b, 2000, func() error {
			return db.Set(binary.BigEndian.AppendUint64(nil, n.Add(1)*0x9e3779b97f4a7c15), value, pebble.Sync)
		})
		ours += writers(b, 2000, func() error {
			n := n.Add(1) * 0x9e3779b97f4a7c15
			return st.Update(b.Context(), func(tx store.Tx) error {
				if _, err := items.Get(b.Context(), tx, here, "table", n); !errors.Is(err, store.ErrNotFound) {
					return err
				}
				return items.Put(tx, here, value, "table", n)
			})
		})
	}
	if err := errors.Join(db.Close(), st.Close()); err != nil {
		b.Fatal(err)
	}
	rounds := float64((b.N + 1999) / 2000 * 2000)
	b.ReportMetric(rounds/bare.Seconds(), "pebble/s")
	b.ReportMetric(rounds/ours.Seconds(), "store/s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "ratio")
}

// BenchmarkOpen is the time to open an empty store.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		st, err := store.Open(b.TempDir(), store.Options{Clock: aws.NewManualClock(time.Unix(0, 0))})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// quiet is a pebble logger that says nothing.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) {}
