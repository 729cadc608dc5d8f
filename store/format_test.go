package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func TestMigrations(t *testing.T) {
	fs := vfs.NewMem()
	var ran []int
	broken := true
	step := func(n int) store.Migration {
		return func(ctx context.Context, st store.Store) error {
			ran = append(ran, n)
			if n == 2 && broken {
				return errors.New("interrupted")
			}
			return put(ctx, st, n, 10)
		}
	}
	try := func(steps ...store.Migration) error {
		st, err := store.Open("store", store.Options{Clock: aws.NewManualClock(time.Unix(0, 0)), FS: fs, Migrations: steps})
		if err != nil {
			return err
		}
		return st.Close()
	}
	for i, c := range []struct {
		steps []store.Migration
		ran   []int
		fails bool
	}{
		{nil, nil, false}, // made in format 1
		{[]store.Migration{step(1)}, []int{1}, false},          // to 2
		{[]store.Migration{step(1)}, nil, false},               // once is enough
		{nil, nil, true},                                       // too old a program
		{[]store.Migration{step(1), step(2)}, []int{2}, true},  // interrupted
		{[]store.Migration{step(1)}, nil, true},                // it had begun
		{[]store.Migration{step(1), step(2)}, []int{2}, false}, // again, to 3
		{[]store.Migration{step(1), step(2), step(3)}, []int{3}, false},
	} {
		ran, broken = nil, i < 6
		if err := try(c.steps...); (err != nil) != c.fails || len(c.steps) < 2 && c.fails && !errors.Is(err, store.ErrNewerFormat) {
			t.Errorf("%d: %v", i, err)
		}
		if !slices.Equal(ran, c.ran) {
			t.Errorf("%d: ran %v, want %v", i, ran, c.ran)
		}
	}
}

// TestMigrateNothing: a new store is made in the newest format.
func TestMigrateNothing(t *testing.T) {
	fs := vfs.NewMem()
	never := func(context.Context, store.Store) error { return errors.New("ran") }
	for range 2 {
		st, err := store.Open("store", store.Options{Clock: aws.NewManualClock(time.Unix(0, 0)), FS: fs, Migrations: []store.Migration{never}})
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
