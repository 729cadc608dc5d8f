package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tule-cloud/tule/store"
)

func TestSweep(t *testing.T) {
	st, clock := memory(t)
	at := clock.Now().Add(time.Hour)
	update(t, st, func(tx store.Tx) error {
		for i := range 600 {
			if err := films.PutExpiring(tx, here, film{Year: i}, at, i); err != nil {
				return err
			}
		}
		return films.Put(tx, here, film{"stays", 1}, 1000)
	})
	update(t, st, func(tx store.Tx) error {
		return errors.Join(
			films.Put(tx, here, film{"stays", 2}, 0),
			films.PutExpiring(tx, here, film{"later", 3}, at.Add(time.Hour), 1),
			films.Delete(tx, here, 2),
		)
	})
	for i, want := range []int{0, 597, 0, 1} {
		if i == 1 || i == 3 {
			clock.Advance(time.Hour)
		}
		if n, err := st.Sweep(t.Context()); n != want || err != nil {
			t.Errorf("sweep %d removed %d, %v; want %d", i, n, err, want)
		}
	}
	if got := titles(t, st, here, store.ListOptions{}); !slices.Equal(got, []string{"stays", "stays"}) {
		t.Errorf("left: %q", got)
	}
}

// TestRun: the sweeper runs with the clock, and tells who watches.
func TestRun(t *testing.T) {
	st, clock := memory(t)
	update(t, st, func(tx store.Tx) error {
		return films.PutExpiring(tx, here, film{}, clock.Now().Add(time.Minute), "a")
	})
	c := films.Watch(t.Context(), st, here, "a")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- st.Run(ctx) }()
	eventually(t, func() error {
		if clock.Timers() == 0 {
			return errNotYet
		}
		return nil
	})
	clock.Advance(time.Minute)
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Error("nobody was told")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
}

func TestReset(t *testing.T) {
	iam := store.NewTable[film]("iam", "user")
	global := store.Scope{Account: here.Account}
	count := func(st store.Store) (got string) {
		view(t, st, func(r store.Reader) error {
			n := map[string]int{}
			for e, err := range films.All(t.Context(), r) {
				if err != nil {
					return err
				}
				n["movies"+e.Scope.Account[:1]]++
			}
			for e, err := range iam.All(t.Context(), r) {
				if err != nil {
					return err
				}
				n["iam"+e.Scope.Account[:1]]++
			}
			got = fmt.Sprint(n)
			return nil
		})
		return got
	}
	for _, c := range []struct{ account, service, want string }{
		{"", "", "map[]"},
		{here.Account, "", "map[movies1:4]"},
		{"", "movies", "map[iam0:1]"},
		{here.Account, "movies", "map[iam0:1 movies1:4]"},
		{"222222222222", "", "map[iam0:1 movies0:4 movies1:4]"},
		{"", "movie", "map[iam0:1 movies0:4 movies1:4]"},
	} {
		st, _ := memory(t)
		fill(t, st, here)
		fill(t, st, there)
		update(t, st, func(tx store.Tx) error { return iam.Put(tx, global, film{"Ann", 1}, "ann") })
		if err := store.Reset(t.Context(), st, c.account, c.service); err != nil {
			t.Fatal(err)
		}
		if got := count(st); got != c.want {
			t.Errorf("reset %q %q leaves %s, want %s", c.account, c.service, got, c.want)
		}
	}
}

func TestCounter(t *testing.T) {
	st, _ := memory(t)
	for want := int64(1); want <= 3; want++ {
		update(t, st, func(tx store.Tx) error {
			n, err := seen.Next(t.Context(), tx, here, "Alien")
			if n != want {
				t.Errorf("%d, want %d", n, want)
			}
			return err
		})
	}
	is := func(want int64, s store.Scope, key string) {
		t.Helper()
		view(t, st, func(r store.Reader) error {
			n, err := seen.Value(t.Context(), r, s, key)
			if n != want {
				t.Errorf("%s: %d, want %d", key, n, want)
			}
			return err
		})
	}
	is(3, here, "Alien")
	is(0, there, "Alien")
	is(0, here, "Tron")
	update(t, st, func(tx store.Tx) error {
		_, err := seen.Add(t.Context(), tx, here, -5, "Tron")
		return errors.Join(err, seen.Delete(tx, here, "Alien"))
	})
	is(0, here, "Alien")
	is(-5, here, "Tron")
	update(t, st, func(tx store.Tx) error { return seen.DeleteAll(tx, here) })
	is(0, here, "Tron")
}

// A pair writes itself.
type pair struct{ a, b uint32 }

func (p pair) MarshalBinary() ([]byte, error) {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, p.a), p.b), nil
}

func (p *pair) UnmarshalBinary(b []byte) error {
	if len(b) != 8 {
		return errors.New("no pair")
	}
	p.a, p.b = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	return nil
}

func TestCodecs(t *testing.T) {
	st, _ := memory(t)
	pairs := store.NewTable[pair]("test", "pair")
	raw := store.NewTable[[]byte]("test", "pair")
	all := pairs.WatchAll(t.Context(), st)
	update(t, st, func(tx store.Tx) error { return pairs.Put(tx, here, pair{1, 2}, "k") })
	select {
	case <-all:
	case <-time.After(10 * time.Second):
		t.Error("nobody was told")
	}
	view(t, st, func(r store.Reader) error {
		p, err := pairs.Get(t.Context(), r, here, "k")
		if p != (pair{1, 2}) || err != nil {
			t.Errorf("%v, %v", p, err)
		}
		b, err := raw.Get(t.Context(), r, here, "k")
		if string(b) != "\x00\x00\x00\x01\x00\x00\x00\x02" {
			t.Errorf("%q", b)
		}
		has, errHas := pairs.Has(t.Context(), r, here, "k")
		hasNot, errHasNot := pairs.Has(t.Context(), r, there, "k")
		if !has || hasNot {
			t.Errorf("has %t, %t", has, hasNot)
		}
		return errors.Join(err, errHas, errHasNot)
	})
	update(t, st, func(tx store.Tx) error { return raw.Put(tx, here, []byte("short"), "k") })
	view(t, st, func(r store.Reader) error {
		if _, err := pairs.Get(t.Context(), r, here, "k"); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("a record that is none: %v", err)
		}
		return nil
	})
}

// TestReadAfterEnd: a reader that outlives its transaction is of no use.
func TestReadAfterEnd(t *testing.T) {
	st, _ := memory(t)
	var left store.Reader
	view(t, st, func(r store.Reader) error {
		left = r
		return nil
	})
	if _, err := left.Get(t.Context(), []byte("a")); err == nil {
		t.Error("a read after the end of the transaction")
	}
}
