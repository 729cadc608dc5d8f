package store_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

type film struct {
	Title string
	Year  int
}

var (
	films = store.NewTable[film]("movies", "film")
	blobs = store.NewTable[[]byte]("movies", "blob")
	seen  = store.NewCounter("movies", "seen")
	here  = store.Scope{Account: "000000000000", Region: "us-east-1"}
	there = store.Scope{Account: "111111111111", Region: "us-east-1"}
)

func memory(t *testing.T) (*store.Pebble, *aws.ManualClock) {
	clock := aws.NewManualClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	st := store.Memory(clock)
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st, clock
}

func update(t *testing.T, st store.Store, fn func(tx store.Tx) error) {
	t.Helper()
	if err := st.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t *testing.T, st store.Store, fn func(r store.Reader) error) {
	t.Helper()
	if err := st.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func titles(t *testing.T, st store.Store, s store.Scope, o store.ListOptions) (got []string) {
	t.Helper()
	view(t, st, func(r store.Reader) error {
		got = nil
		for e, err := range films.List(t.Context(), r, s, o) {
			if err != nil {
				return err
			}
			got = append(got, e.Record.Title)
		}
		return nil
	})
	return got
}

func fill(t *testing.T, st store.Store, s store.Scope) {
	update(t, st, func(tx store.Tx) error {
		return errors.Join(
			films.Put(tx, s, film{"Alien", 1979}, 1979, "Alien"),
			films.Put(tx, s, film{"Mad Max", 1979}, 1979, "Mad Max"),
			films.Put(tx, s, film{"Blade Runner", 1982}, 1982, "Blade Runner"),
			films.Put(tx, s, film{"Tron", 1982}, 1982, "Tron"),
			blobs.Put(tx, s, []byte("raw"), []byte("a\x00b")),
		)
	})
}

func TestTable(t *testing.T) {
	st, clock := memory(t)
	fill(t, st, here)
	fill(t, st, there)
	view(t, st, func(r store.Reader) error {
		f, err := films.Get(t.Context(), r, here, 1982, "Tron")
		if err != nil || f.Year != 1982 {
			t.Errorf("Get: %v, %v", f, err)
		}
		if _, err := films.Get(t.Context(), r, here, 1983, "Tron"); err != store.ErrNotFound {
			t.Errorf("Get of nothing: %v", err)
		}
		b, err := blobs.Get(t.Context(), r, here, []byte("a\x00b"))
		if err != nil || string(b) != "raw" {
			t.Errorf("Get: %q, %v", b, err)
		}
		return nil
	})
	for _, c := range []struct {
		o    store.ListOptions
		want []string
	}{
		{store.ListOptions{}, []string{"Alien", "Mad Max", "Blade Runner", "Tron"}},
		{store.ListOptions{Reverse: true, Limit: 3}, []string{"Tron", "Blade Runner", "Mad Max"}},
		{store.ListOptions{Prefix: []any{1979}}, []string{"Alien", "Mad Max"}},
		{store.ListOptions{After: []any{1979, "Alien"}}, []string{"Mad Max", "Blade Runner", "Tron"}},
		{store.ListOptions{After: []any{1982, "Tron"}, Reverse: true}, []string{"Blade Runner", "Mad Max", "Alien"}},
		{store.ListOptions{From: []any{1979, "B"}, To: []any{1982, "C"}}, []string{"Mad Max", "Blade Runner"}},
		{store.ListOptions{From: []any{1983}, To: []any{1979}}, nil},
	} {
		if got := titles(t, st, here, c.o); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.o, got, c.want)
		}
	}
	update(t, st, func(tx store.Tx) error {
		return errors.Join(
			films.DeleteAll(tx, here, 1979),
			films.Delete(tx, here, 1982, "Tron"),
			films.PutExpiring(tx, here, film{"Brazil", 1985}, clock.Now().Add(time.Hour), 1985, "Brazil"),
		)
	})
	if got := titles(t, st, here, store.ListOptions{}); !slices.Equal(got, []string{"Blade Runner", "Brazil"}) {
		t.Errorf("after deletes: %q", got)
	}
	clock.Advance(time.Hour)
	if got := titles(t, st, here, store.ListOptions{}); !slices.Equal(got, []string{"Blade Runner"}) {
		t.Errorf("after expiry: %q", got)
	}
	var all []string
	view(t, st, func(r store.Reader) error {
		for e, err := range films.All(t.Context(), r) {
			if err != nil {
				return err
			}
			all = append(all, e.Scope.Account[:1]+e.Key.String(1))
		}
		return nil
	})
	if want := []string{"0Blade Runner", "1Alien", "1Mad Max", "1Blade Runner", "1Tron"}; !slices.Equal(all, want) {
		t.Errorf("All: %q, want %q", all, want)
	}
}

// TestListedApart shows that a record listed has nothing of the one before it, and keeps
// what it has while the list goes on.
func TestListedApart(t *testing.T) {
	type loose struct {
		Name  string            `json:",omitempty"`
		Tags  map[string]string `json:",omitempty"`
		Names []string          `json:",omitempty"`
	}
	table := store.NewTable[loose]("movies", "loose")
	want := []loose{
		{Name: "a", Tags: map[string]string{"x": "1"}, Names: []string{"p", "q"}},
		{},
		{Tags: map[string]string{"y": "2"}},
		{Names: []string{"r"}},
	}
	st, _ := memory(t)
	update(t, st, func(tx store.Tx) error {
		for i, r := range want {
			if err := table.Put(tx, here, r, i); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, st, func(r store.Reader) error {
		list := table.List(t.Context(), r, here, store.ListOptions{})
		var got, within []loose
		for e, err := range list {
			if err != nil {
				return err
			}
			for inner, err := range list { // the same list, within itself
				if err != nil {
					return err
				}
				within = append(within, inner.Record)
			}
			got = append(got, e.Record)
		}
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(within, slices.Concat(want, want, want, want)) {
			t.Errorf("listed %+v, and within %+v; want %+v", got, within, want)
		}
		return nil
	})
}
