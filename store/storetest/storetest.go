// Package storetest is the contract of store.Store: every driver passes it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Run checks a driver. open returns an empty store that goes by clock and is
// closed when the test ends.
func Run(t *testing.T, open func(t *testing.T, clock aws.Clock) store.Store) {
	for _, c := range []struct {
		name string
		test func(*house)
	}{
		{"ReadOwnWrites", readOwnWrites},
		{"Range", ranges},
		{"RangeOverlay", rangeOverlay},
		{"RangeWhileWriting", rangeWhileWriting},
		{"Error", failing},
		{"Panic", panicking},
		{"Values", values},
		{"Snapshot", snapshots},
		{"Counter", counters},
		{"Expiry", expiries},
		{"Watch", watches},
		{"Context", contexts},
		{"Conflict", conflicts},
		{"WriteSkew", writeSkew},
		{"Phantom", phantoms},
		{"Starving", starving},
		{"Bank", bank},
		{"History", histories},
		{"Closed", closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := aws.NewManualClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
			c.test(&house{t, t.Context(), open(t, clock), clock})
		})
	}
}

// A house is what each test works with.
type house struct {
	*testing.T
	ctx   context.Context
	st    store.Store
	clock *aws.ManualClock
}

func (h *house) update(fn func(tx store.Tx) error) {
	h.Helper()
	if err := h.st.Update(h.ctx, fn); err != nil {
		h.Fatal(err)
	}
}

// write does what each word says: k=v, or -k to delete, or -a..b for a range.
func (h *house) write(words ...string) {
	h.Helper()
	h.update(func(tx store.Tx) error {
		do(tx, words...)
		return nil
	})
}

func do(tx store.Tx, words ...string) {
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok {
			tx.Set([]byte(k), []byte(v))
		} else if a, b, ok := strings.Cut(w[1:], ".."); ok {
			tx.DeleteRange([]byte(a), []byte(b))
		} else {
			tx.Delete([]byte(w[1:]))
		}
	}
}

// list is the records of a range, as "k=v k=v".
func (h *house) list(r store.Reader, start, end string, o store.RangeOptions) string {
	h.Helper()
	var got []string
	for kv, err := range r.Range(h.ctx, []byte(start), []byte(end), o) {
		if err != nil {
			h.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s=%s", kv.Key, kv.Value))
	}
	return strings.Join(got, " ")
}

// is checks the whole store.
func (h *house) is(want string) {
	h.Helper()
	err := h.st.View(h.ctx, func(r store.Reader) error {
		if got := h.list(r, "", "", store.RangeOptions{}); got != want {
			h.Errorf("the store has %q, want %q", got, want)
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) get(r store.Reader, key string) string {
	h.Helper()
	v, err := r.Get(h.ctx, []byte(key))
	if errors.Is(err, store.ErrNotFound) {
		return ""
	}
	if err != nil {
		h.Fatal(err)
	}
	return string(v)
}

func readOwnWrites(h *house) {
	h.write("a=1", "b=1")
	h.update(func(tx store.Tx) error {
		do(tx, "b=2", "c=2", "-a")
		if a, b, c := h.get(tx, "a"), h.get(tx, "b"), h.get(tx, "c"); a != "" || b != "2" || c != "2" {
			h.Errorf("in the transaction: %q %q %q", a, b, c)
		}
		do(tx, "-b..d", "b=3")
		if b, c := h.get(tx, "b"), h.get(tx, "c"); b != "3" || c != "" {
			h.Errorf("after a range: %q %q", b, c)
		}
		return nil
	})
	h.is("b=3")
}

func ranges(h *house) {
	h.write("a=1", "b=2", "c=3", "d=4", "\xff\xff=5")
	for _, c := range []struct {
		start, end string
		o          store.RangeOptions
		want       string
	}{
		{"", "", store.RangeOptions{}, "a=1 b=2 c=3 d=4 \xff\xff=5"},
		{"b", "d", store.RangeOptions{}, "b=2 c=3"},
		{"b", "d", store.RangeOptions{Reverse: true}, "c=3 b=2"},
		{"aa", "cc", store.RangeOptions{Limit: 1}, "b=2"},
		{"aa", "cc", store.RangeOptions{Limit: 1, Reverse: true}, "c=3"},
		{"c", "b", store.RangeOptions{}, ""},
		{"c", "c", store.RangeOptions{}, ""},
		{"e", "", store.RangeOptions{Reverse: true, Limit: 9}, "\xff\xff=5"},
	} {
		check := func(r store.Reader) error {
			if got := h.list(r, c.start, c.end, c.o); got != c.want {
				h.Errorf("%q to %q %+v: %q, want %q", c.start, c.end, c.o, got, c.want)
			}
			return nil
		}
		if err := h.st.View(h.ctx, check); err != nil {
			h.Error(err)
		}
		h.update(func(tx store.Tx) error { return check(tx) })
	}
}

func rangeOverlay(h *house) {
	h.write("a=1", "b=1", "c=1", "d=1", "e=1")
	h.update(func(tx store.Tx) error {
		do(tx, "aa=2", "b=2", "-c", "-d..e", "dd=2", "f=2")
		if got, want := h.list(tx, "", "", store.RangeOptions{}), "a=1 aa=2 b=2 dd=2 e=1 f=2"; got != want {
			h.Errorf("%q, want %q", got, want)
		}
		if got, want := h.list(tx, "aa", "f", store.RangeOptions{Reverse: true}), "e=1 dd=2 b=2 aa=2"; got != want {
			h.Errorf("%q, want %q", got, want)
		}
		if got, want := h.list(tx, "b", "", store.RangeOptions{Limit: 2}), "b=2 dd=2"; got != want {
			h.Errorf("%q, want %q", got, want)
		}
		return nil
	})
	h.is("a=1 aa=2 b=2 dd=2 e=1 f=2")
}

func rangeWhileWriting(h *house) {
	h.write("a=1", "b=1", "c=1")
	h.update(func(tx store.Tx) error {
		n := 0
		for kv, err := range tx.Range(h.ctx, nil, nil, store.RangeOptions{}) {
			if err != nil {
				return err
			}
			n++
			tx.Delete(kv.Key)
			tx.Set(append(kv.Key, 'x'), []byte("2"))
			tx.DeleteRange([]byte("c"), []byte("d"))
		}
		if n != 3 {
			h.Errorf("%d records, want 3", n)
		}
		return nil
	})
	h.is("ax=2 bx=2")
}

func failing(h *house) {
	h.write("a=1")
	boom := errors.New("boom")
	err := h.st.Update(h.ctx, func(tx store.Tx) error {
		do(tx, "a=2", "b=2")
		return boom
	})
	if !errors.Is(err, boom) {
		h.Errorf("Update: %v", err)
	}
	if err := h.st.View(h.ctx, func(store.Reader) error { return boom }); !errors.Is(err, boom) {
		h.Errorf("View: %v", err)
	}
	h.is("a=1")
}

func panicking(h *house) {
	func() {
		defer func() {
			if recover() == nil {
				h.Error("the panic is gone")
			}
		}()
		_ = h.st.Update(h.ctx, func(tx store.Tx) error {
			do(tx, "a=1")
			panic("boom")
		})
	}()
	h.write("b=1")
	h.is("b=1")
}

// values checks that what goes in and out is nobody else's.
func values(h *house) {
	key, value := []byte("k"), []byte("v")
	h.update(func(tx store.Tx) error {
		tx.Set(key, value)
		value[0] = 'x'
		got, err := tx.Get(h.ctx, key)
		if err != nil || string(got) != "v" {
			h.Errorf("%q, %v", got, err)
		}
		got[0] = 'y'
		if s := h.get(tx, "k"); s != "v" {
			h.Errorf("%q", s)
		}
		value[0] = 'v'
		tx.Set([]byte("empty"), nil)
		tx.Set([]byte{}, []byte("no key"))
		return nil
	})
	h.is("=no key empty= k=v")
	big := strings.Repeat("big", 1<<20)
	h.write("big=" + big)
	err := h.st.View(h.ctx, func(r store.Reader) error {
		if got := h.get(r, "big"); got != big {
			h.Errorf("%d bytes", len(got))
		}
		return nil
	})
	if err != nil {
		h.Error(err)
	}
}

func snapshots(h *house) {
	h.write("a=1", "b=1")
	err := h.st.View(h.ctx, func(r store.Reader) error {
		first := h.get(r, "a")
		done := make(chan error)
		go func() {
			done <- h.st.Update(h.ctx, func(tx store.Tx) error {
				do(tx, "a=2", "b=2", "c=2")
				return nil
			})
		}()
		if err := <-done; err != nil {
			return err
		}
		if got := h.list(r, "", "", store.RangeOptions{}); first != "1" || got != "a=1 b=1" {
			h.Errorf("first %q, then %q", first, got)
		}
		return nil
	})
	if err != nil {
		h.Error(err)
	}
	h.is("a=2 b=2 c=2")
}

func counters(h *house) {
	var last int64
	for range 3 {
		h.update(func(tx store.Tx) (err error) {
			if _, err = tx.Add(h.ctx, []byte("n"), 5); err == nil {
				last, err = tx.Add(h.ctx, []byte("n"), -1)
			}
			return err
		})
	}
	if last != 12 {
		h.Errorf("%d, want 12", last)
	}
	h.write("text=abc")
	err := h.st.Update(h.ctx, func(tx store.Tx) error {
		_, err := tx.Add(h.ctx, []byte("text"), 1)
		return err
	})
	if err == nil {
		h.Error("a text was counted")
	}
	each(h, 8, 25, func(int, int) {
		h.update(func(tx store.Tx) error {
			_, err := tx.Add(h.ctx, []byte("n"), 1)
			return err
		})
	})
	h.update(func(tx store.Tx) (err error) {
		last, err = tx.Add(h.ctx, []byte("n"), 0)
		return err
	})
	if last != 212 {
		h.Errorf("%d, want 212", last)
	}
}

func expiries(h *house) {
	at := h.clock.Now().Add(time.Minute)
	h.update(func(tx store.Tx) error {
		for _, k := range []string{"a", "b", "c", "d"} {
			tx.SetExpiring([]byte(k), []byte("1"), at)
		}
		tx.SetExpiring([]byte("past"), []byte("1"), h.clock.Now())
		if got := h.list(tx, "", "", store.RangeOptions{}); got != "a=1 b=1 c=1 d=1" {
			h.Errorf("in the transaction: %q", got)
		}
		return nil
	})
	h.update(func(tx store.Tx) error {
		do(tx, "b=stays", "-d")
		tx.SetExpiring([]byte("c"), []byte("later"), at.Add(time.Minute))
		return nil
	})
	h.clock.Advance(time.Minute - time.Microsecond)
	h.is("a=1 b=stays c=later")
	h.clock.Advance(time.Microsecond)
	h.is("b=stays c=later")
	h.update(func(tx store.Tx) error {
		if a := h.get(tx, "a"); a != "" {
			h.Errorf("a is %q", a)
		}
		if n, err := tx.Add(h.ctx, []byte("a"), 1); n != 1 || err != nil {
			h.Errorf("an expired counter: %d, %v", n, err)
		}
		do(tx, "-a")
		return nil
	})
	h.clock.Advance(time.Minute)
	h.is("b=stays")
}

func watches(h *house) {
	ctx, cancel := context.WithCancel(h.ctx)
	c := h.st.Watch(ctx, []byte("a/"))
	all := h.st.Watch(h.ctx, nil)
	signalled := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		case <-time.After(20 * time.Millisecond):
			return false
		}
	}
	for _, s := range []struct {
		words []string
		want  bool
	}{
		{[]string{"b/1=1", "a=1"}, false},
		{[]string{"b/1=1", "a/1=1"}, true},
		{[]string{"-a/1"}, true},
		{[]string{"-a..b"}, true},
		{[]string{"-c..d"}, false},
	} {
		h.write(s.words...)
		if !signalled(all) {
			h.Errorf("%q: the whole store did not signal", s.words)
		}
		if got := signalled(c); got != s.want {
			h.Errorf("%q: signalled %t", s.words, got)
		}
	}
	h.write("a/2=1")
	h.write("a/3=1")
	if !signalled(c) || signalled(c) {
		h.Error("two commits did not become one signal")
	}
	cancel()
	ok := slices.ContainsFunc(make([]int, 100), func(int) bool {
		h.write("a/4=1")
		return !signalled(c)
	})
	if !ok {
		h.Error("signalled after the end")
	}
}

func contexts(h *house) {
	h.write("a=1")
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	if err := h.st.Update(ctx, func(tx store.Tx) error { do(tx, "a=2"); return nil }); !errors.Is(err, context.Canceled) {
		h.Errorf("Update: %v", err)
	}
	err := h.st.View(h.ctx, func(r store.Reader) error {
		if _, err := r.Get(ctx, []byte("a")); !errors.Is(err, context.Canceled) {
			h.Errorf("Get: %v", err)
		}
		for _, err := range r.Range(ctx, nil, nil, store.RangeOptions{}) {
			if !errors.Is(err, context.Canceled) {
				h.Errorf("Range: %v", err)
			}
		}
		return nil
	})
	if err != nil {
		h.Error(err)
	}
	h.is("a=1")
}

// closed closes the store a first time; closing it again is an error, no more.
func closed(h *house) {
	h.write("a=1")
	if err := h.st.Close(); err != nil {
		h.Error(err)
	}
	if err := h.st.View(h.ctx, func(store.Reader) error { return nil }); !errors.Is(err, store.ErrClosed) {
		h.Errorf("View: %v", err)
	}
	if err := h.st.Update(h.ctx, func(store.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
		h.Errorf("Update: %v", err)
	}
}
