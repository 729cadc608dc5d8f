package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// item is the size of what the benchmarks write, turn how many operations one side
// does before it is the other's turn.
const (
	item = 256
	turn = 2000
)

// A cost is what some operations took: time on the wall, and time that the
// process spent computing, in itself and in the kernel. The latter depends less on
// what else the machine does.
type cost struct {
	wall, cpu time.Duration
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// work runs fn turn times from some goroutines and adds what it took.
func (c *cost) work(b *testing.B, goroutines int, fn func(n uint64) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	start, used := time.Now(), cpu()
	for range goroutines {
		wg.Go(func() {
			for next.Add(1) <= turn {
				if err := fn(number.Add(1) * 0x9e3779b97f4a7c15); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	c.wall += time.Since(start)
	c.cpu += cpu() - used
}

var number atomic.Uint64

// The sides are a bare pebble and a store.
type sides struct {
	db    *pebble.DB
	st    *store.Pebble
	items store.Table[[]byte]
	value []byte
}

func newSides(b *testing.B) sides {
	o := &pebble.Options{MemTableSize: 8 << 20, CacheSize: 16 << 20, FormatMajorVersion: pebble.FormatNewest, Logger: quiet{}}
	db, err := pebble.Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	st, err := store.Open(b.TempDir(), store.Options{Clock: aws.NewManualClock(time.Unix(0, 0))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(db.Close(), st.Close()); err != nil {
			b.Error(err)
		}
	})
	return sides{db, st, store.NewTable[[]byte]("dynamodb", "item"), make([]byte, item)}
}

// byTurns lets the two work by turns and reports what both took.
func byTurns(b *testing.B, goroutines int, bare, ours func(n uint64) error) {
	var of, to cost
	b.ReportAllocs()
	for done := 0; done < b.N; done += turn {
		b.StopTimer()
		of.work(b, goroutines, bare)
		b.StartTimer()
		to.work(b, goroutines, ours)
	}
	n := float64((b.N + turn - 1) / turn * turn)
	b.ReportMetric(n/of.wall.Seconds(), "pebble/s")
	b.ReportMetric(n/to.wall.Seconds(), "store/s")
	b.ReportMetric(of.wall.Seconds()/to.wall.Seconds(), "ratio")
	b.ReportMetric(float64(of.cpu.Nanoseconds())/n, "pebble-cpu-ns")
	b.ReportMetric(float64(to.cpu.Nanoseconds())/n, "store-cpu-ns")
}

// BenchmarkCommit is writers that set a record durably: on bare pebble, in a
// transaction, and in one that reads the record first.
func BenchmarkCommit(b *testing.B) {
	for name, goroutines := range map[string]int{"1": 1, "32": 32} {
		b.Run(name, func(b *testing.B) {
			b.Run("blind", func(b *testing.B) { commits(b, goroutines, false) })
			b.Run("read", func(b *testing.B) { commits(b, goroutines, true) })
		})
	}
}

func commits(b *testing.B, goroutines int, read bool) {
	p := newSides(b)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	byTurns(b, goroutines, func(n uint64) error {
		return p.db.Set(binary.BigEndian.AppendUint64(nil, n), p.value, pebble.Sync)
	}, func(n uint64) error {
		return p.st.Update(ctx, func(tx store.Tx) error {
			if read {
				if _, err := p.items.Get(ctx, tx, here, "table", n); !errors.Is(err, store.ErrNotFound) {
					return err
				}
			}
			return p.items.Put(tx, here, p.value, "table", n)
		})
	})
}

// BenchmarkGet is readers of a record that lies in memory.
func BenchmarkGet(b *testing.B) {
	p := newSides(b)
	key := binary.BigEndian.AppendUint64(nil, 7)
	err := errors.Join(
		p.db.Set(key, p.value, pebble.Sync),
		p.st.Update(b.Context(), func(tx store.Tx) error { return p.items.Put(tx, here, p.value, "table", 7) }),
	)
	if err != nil {
		b.Fatal(err)
	}
	byTurns(b, 2, func(uint64) error {
		v, c, err := p.db.Get(key)
		if err != nil || len(v) != item {
			return errors.Join(errNotYet, err)
		}
		return c.Close()
	}, func(uint64) error {
		return p.st.View(b.Context(), func(r store.Reader) error {
			_, err := p.items.Get(b.Context(), r, here, "table", 7)
			return err
		})
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
