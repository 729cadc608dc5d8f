package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

var warm = store.NewTable[[]byte]("test", "warm")

// warmRead reads a record as one transaction, "" if it is not there.
func warmRead(t *testing.T, st store.Store, key string) (got string) {
	t.Helper()
	err := st.View(t.Context(), func(r store.Reader) error {
		b, err := warm.Get(t.Context(), r, here, key)
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		got = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func warmWrite(t *testing.T, st store.Store, f func(tx store.Tx) error) {
	t.Helper()
	if err := st.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// TestHot has a record that is read often stay in memory, and go with whatever changes
// it: a write, a deletion, that of a range, the time.
func TestHot(t *testing.T) {
	clock := aws.NewManualClock(time.Unix(1000, 0))
	st := store.Memory(clock)
	defer st.Close()
	put := func(value string) func(store.Tx) error {
		return func(tx store.Tx) error { return warm.Put(tx, here, []byte(value), "a") }
	}
	often := func(want string) {
		t.Helper()
		for range 4 {
			if got := warmRead(t, st, "a"); got != want {
				t.Fatalf("%q was read, want %q", got, want)
			}
		}
		if n := store.Hot(st); want != "" && n != 1 || want == "" && n != 0 {
			t.Fatalf("with %q, %d records are kept", want, n)
		}
	}
	warmWrite(t, st, put("one"))
	if warmRead(t, st, "a"); store.Hot(st) != 0 {
		t.Error("what was read once is kept")
	}
	often("one")
	warmWrite(t, st, put("two"))
	often("two")
	warmWrite(t, st, func(tx store.Tx) error { return warm.Delete(tx, here, "a") })
	often("")
	warmWrite(t, st, put("three"))
	often("three")
	warmWrite(t, st, func(tx store.Tx) error { tx.DeleteRange(nil, nil); return nil })
	often("")
	warmWrite(t, st, func(tx store.Tx) error {
		return warm.PutExpiring(tx, here, []byte("short"), clock.Now().Add(time.Minute), "a")
	})
	often("short")
	clock.Advance(time.Hour)
	if got := warmRead(t, st, "a"); got != "" {
		t.Errorf("%q was read after it expired", got)
	}
	warmWrite(t, st, func(tx store.Tx) error { return warm.Put(tx, here, make([]byte, 8<<10), "a") })
	for range 4 {
		warmRead(t, st, "a")
	}
	if store.Hot(st) != 0 {
		t.Error("a large record is kept")
	}
}

// TestHotSnapshot has a snapshot read what was there when it was taken, while others
// have long kept what came later.
func TestHotSnapshot(t *testing.T) {
	st := store.Memory(aws.NewManualClock(time.Unix(1000, 0)))
	defer st.Close()
	for _, key := range []string{"a", "b"} {
		warmWrite(t, st, func(tx store.Tx) error { return warm.Put(tx, here, []byte("old"), key) })
	}
	err := st.View(t.Context(), func(r store.Reader) error {
		if _, err := warm.Get(t.Context(), r, here, "b"); err != nil { // now it is taken
			return err
		}
		warmWrite(t, st, func(tx store.Tx) error { return warm.Put(tx, here, []byte("new"), "a") })
		for range 4 {
			if got := warmRead(t, st, "a"); got != "new" {
				t.Errorf("another reader got %q", got)
			}
		}
		for range 4 {
			b, err := warm.Get(t.Context(), r, here, "a")
			if err != nil || string(b) != "old" {
				t.Errorf("the snapshot reads %q, %v", b, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := warmRead(t, st, "a"); got != "new" {
		t.Errorf("after the snapshot, %q", got)
	}
}

// TestHotPairs has readers find two records alike, in one transaction, while writers
// change both.
func TestHotPairs(t *testing.T) {
	st := store.Memory(aws.NewManualClock(time.Unix(1000, 0)))
	defer st.Close()
	write := func(n int) {
		warmWrite(t, st, func(tx store.Tx) error {
			v := fmt.Appendf(nil, "%d", n)
			return errors.Join(warm.Put(tx, here, v, "a"), warm.Put(tx, here, v, "b"))
		})
	}
	write(0)
	var all, readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				err := st.View(t.Context(), func(r store.Reader) error {
					for range 1 + rand.IntN(3) {
						a, err1 := warm.Get(t.Context(), r, here, "a")
						b, err2 := warm.Get(t.Context(), r, here, "b")
						if err := errors.Join(err1, err2); err != nil {
							return err
						}
						if string(a) != string(b) {
							return fmt.Errorf("a is %s, and b %s", a, b)
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for w := range 2 {
		all.Go(func() {
			for n := range 400 {
				write(w*1000 + n)
				if got := warmRead(t, st, "a"); got == "" {
					t.Error("nothing there")
				}
			}
		})
	}
	all.Wait()
	close(done)
	readers.Wait()
}
