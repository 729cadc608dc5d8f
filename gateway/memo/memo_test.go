package memo

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// A value is read once, and again after each signal; an error every time.
func TestMemo(t *testing.T) {
	a, b := make(chan struct{}, 1), make(chan struct{}, 1)
	m := New[string, int](10, a, b)
	reads := 0
	get := func(want int) {
		t.Helper()
		got, err := m.Get("k", func() (int, error) { reads++; return reads, nil })
		if err != nil || got != want {
			t.Errorf("%d, %v; want %d", got, err, want)
		}
	}
	get(1)
	get(1)
	a <- struct{}{}
	get(2)
	b <- struct{}{}
	get(3)
	get(3)
	bad := errors.New("bad")
	for range 2 {
		if _, err := m.Get("e", func() (int, error) { reads++; return 0, bad }); err != bad {
			t.Error(err)
		}
	}
	if reads != 5 {
		t.Errorf("%d reads", reads)
	}
}

// What changes while it is read is not kept.
func TestChangeWhileReading(t *testing.T) {
	signal := make(chan struct{}, 1)
	m := New[string, string](10, signal)
	got, _ := m.Get("k", func() (string, error) {
		signal <- struct{}{}
		// Another reader takes the signal, and finds what is new.
		if now, _ := m.Get("k", func() (string, error) { return "new", nil }); now != "new" {
			t.Error(now)
		}
		return "old", nil
	})
	if got != "old" {
		t.Error(got)
	}
	if got, _ := m.Get("k", func() (string, error) { return "again", nil }); got != "new" {
		t.Errorf("%s: what was read before the change is kept", got)
	}
}

// A Memo forgets all rather than to grow.
func TestMost(t *testing.T) {
	m := New[int, int](3)
	for i := range 100 {
		_, _ = m.Get(i, func() (int, error) { return i, nil })
	}
	if len(m.kept) > 3 {
		t.Errorf("%d values", len(m.kept))
	}
}

// However readers and writers meet, no reader gets what is older than the last change that
// was acknowledged before it asked.
func TestNeverStale(t *testing.T) {
	signal := make(chan struct{}, 1)
	m := New[int, int64](10, signal)
	var stored, acknowledged atomic.Int64
	var readers, writer sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := acknowledged.Load()
				if got, _ := m.Get(1, func() (int64, error) { return stored.Load(), nil }); got < least {
					t.Errorf("%d, where %d was acknowledged", got, least)
					return
				}
			}
		})
	}
	writer.Go(func() {
		for i := int64(1); i <= 20_000; i++ {
			stored.Store(i)
			select {
			case signal <- struct{}{}:
			default:
			}
			acknowledged.Store(i)
		}
	})
	writer.Wait()
	close(stop)
	readers.Wait()
}
