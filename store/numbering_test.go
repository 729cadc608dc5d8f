package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Numbers grow from life to life, whatever floor the clock gives, and over resets where
// the floor has grown.
func TestNumbersGrow(t *testing.T) {
	st := store.Memory(aws.NewManualClock(time.Unix(0, 0)))
	t.Cleanup(func() { st.Close() })
	var last uint64
	life := func(floor uint64) {
		t.Helper()
		g := store.NewNumbering("test", "n")
		if err := g.Start(t.Context(), st, floor); err != nil {
			t.Fatal(err)
		}
		n, err := g.Single()
		if err != nil || n <= last || n < floor {
			t.Errorf("number %d comes after %d, %v", n, last, err)
		}
		last = n
	}
	for _, floor := range []uint64{1 << 40, 1 << 40, 1 << 39, 0, 1 << 50} {
		life(floor)
	}
	if err := store.Reset(t.Context(), st, "", ""); err != nil {
		t.Fatal(err)
	}
	life(1 << 51)
}

// A floor may run ahead of the ceiling, which follows; without a Start there is nothing.
func TestNumbersRise(t *testing.T) {
	st := store.Memory(aws.NewManualClock(time.Unix(0, 0)))
	t.Cleanup(func() { st.Close() })
	g := store.NewNumbering("test", "n")
	if _, err := g.Single(); !errors.Is(err, store.ErrUnnumbered) {
		t.Errorf("before Start: %v", err)
	}
	if _, err := g.Begin().Take(); !errors.Is(err, store.ErrUnnumbered) {
		t.Errorf("before Start, in a transaction: %v", err)
	}
	if g.Limit() != 0 {
		t.Errorf("a limit of %d before Start", g.Limit())
	}
	for floor := uint64(1); floor < 1<<60; floor <<= 3 {
		if err := g.Start(t.Context(), st, floor); err != nil {
			t.Fatal(err)
		}
		if n, err := g.Single(); err != nil || n < floor {
			t.Errorf("%d, %v for the floor %d", n, err, floor)
		}
	}
	before := g.Limit()
	if err := g.Start(t.Context(), st, 0); err != nil || g.Limit() != before {
		t.Errorf("a lower floor makes %d of %d, %v", g.Limit(), before, err)
	}
}

// Readers stop below what is under way, also where its caller has gone.
func TestNumbersLimit(t *testing.T) {
	st := store.Memory(aws.NewManualClock(time.Unix(0, 0)))
	t.Cleanup(func() { st.Close() })
	g := store.NewNumbering("test", "n")
	if err := g.Start(t.Context(), st, 100); err != nil {
		t.Fatal(err)
	}
	a, b := g.Begin(), g.Begin()
	first, _ := a.Take()
	second, _ := b.Take()
	if _, err := a.Take(); err != nil {
		t.Fatal(err)
	}
	if g.Limit() != first {
		t.Errorf("limit %d, want %d", g.Limit(), first)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	a.Release(gone, st, context.Canceled)
	if g.Limit() != second {
		t.Errorf("limit %d, want %d", g.Limit(), second)
	}
	b.Release(t.Context(), st, nil)
	g.Begin().Release(t.Context(), st, nil)
	if n, err := g.Single(); err != nil || g.Limit() != n+1 {
		t.Errorf("limit %d after %d, %v", g.Limit(), n, err)
	}
}

// Whoever settles waits for what is under way.
func TestNumbersSettle(t *testing.T) {
	st := store.Memory(aws.NewManualClock(time.Unix(0, 0)))
	t.Cleanup(func() { st.Close() })
	g := store.NewNumbering("test", "n")
	if err := g.Start(t.Context(), st, 100); err != nil {
		t.Fatal(err)
	}
	if err := g.Settle(t.Context()); err != nil {
		t.Error(err)
	}
	a := g.Begin()
	first, err := a.Take()
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Settle(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("settled with a number held: %v", err)
	}
	settled := make(chan uint64)
	for range 2 {
		go func() {
			if err := g.Settle(t.Context()); err != nil {
				t.Error(err)
			}
			settled <- g.Limit()
		}()
	}
	a.Release(t.Context(), st, nil)
	for range 2 {
		if limit := <-settled; limit <= first {
			t.Errorf("settled at %d, with %d held", limit, first)
		}
	}
}

// Numbers are given once, however many take them while the ceiling rises.
func TestNumbersOnce(t *testing.T) {
	st := store.Memory(aws.NewManualClock(time.Unix(0, 0)))
	t.Cleanup(func() { st.Close() })
	g := store.NewNumbering("test", "n")
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for i := range 200 {
				if err := g.Start(t.Context(), st, uint64(w*i)<<34); err != nil {
					t.Error(err)
					return
				}
				n, err := g.Single()
				mu.Lock()
				if err != nil || seen[n] {
					t.Errorf("%d again, %v", n, err)
				}
				seen[n] = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
}
