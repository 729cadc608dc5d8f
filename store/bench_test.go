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

// writers runs fn from 32 goroutines, b.N times in all.
func writers(b *testing.B, fn func(n uint64) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 32 {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				if err := fn(uint64(n) * 0x9e3779b97f4a7c15); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkCommit32 is 32 writers that each read a record and write it, durably:
// on bare pebble, and in a transaction.
func BenchmarkCommit32(b *testing.B) {
	value := make([]byte, item)
	b.Run("pebble", func(b *testing.B) {
		db, err := pebble.Open(b.TempDir(), &pebble.Options{MemTableSize: 8 << 20, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{}})
		if err != nil {
			b.Fatal(err)
		}
		writers(b, func(n uint64) error {
			return db.Set(binary.BigEndian.AppendUint64(nil, n), value, pebble.Sync)
		})
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("store", func(b *testing.B) {
		st, err := store.Open(b.TempDir(), store.Options{Clock: aws.NewManualClock(time.Unix(0, 0))})
		if err != nil {
			b.Fatal(err)
		}
		items := store.NewTable[[]byte]("dynamodb", "item")
		writers(b, func(n uint64) error {
			return st.Update(b.Context(), func(tx store.Tx) error {
				if _, err := items.Get(b.Context(), tx, here, "table", n); !errors.Is(err, store.ErrNotFound) {
					return err
				}
				return items.Put(tx, here, value, "table", n)
			})
		})
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
	})
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
