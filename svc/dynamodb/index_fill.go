package dynamodb

import (
	"context"
	"errors"
	"time"

	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// A fill is how far the filling of an index has come that was added to a table with items
// in it, under the names of the table and the index. Who writes an item meanwhile brings the
// index up to date with it, so that the filling may take its time, and be taken up by
// another process: an item is entered as the transaction that enters it sees it.
type fill struct {
	Space uint64 // of the index
	// The place behind which it goes on.
	Spread      uint64
	Hash, Range []byte `json:",omitempty"`
}

const (
	fillBatch = 100       // items that one transaction enters
	fillBytes = 256 << 10 // bytes of items after which it ends
	// fillPause is how long a filling that failed waits.
	fillPause = time.Second
)

// fillSome enters some items behind where f says, and moves f; done says that these were
// the last.
func (f *fill) some(ctx context.Context, tx store.Tx, at ref, t *table, ix *index) (done bool, err error) {
	o := store.ListOptions{Prefix: []any{t.Space}, Limit: fillBatch}
	if f.Hash != nil {
		o.After = []any{t.Space, f.Spread, f.Hash}
		if t.Range != nil {
			o.After = append(o.After, f.Range)
		}
	}
	n, size := 0, 0
	for e, err := range itemRecords.List(ctx, tx, at.scope, o) {
		if err != nil {
			return false, err
		}
		it, bytes, err := value.Decode(e.Record)
		if err != nil {
			return false, err
		}
		if in := ix.entry(t, it); in.place != nil {
			if err := entryRecords.Put(tx, at.scope, in.raw, in.place...); err != nil {
				return false, err
			}
		}
		f.Spread, f.Hash, f.Range = e.Key.Uint(1), e.Key.Bytes(2), e.Key.Bytes(3)
		n++
		if size += bytes; size >= fillBytes {
			return false, nil
		}
	}
	return n < fillBatch, nil
}

// runFills fills indexes, those of a process before first, until ctx ends.
func (s *Service) runFills(ctx context.Context) {
	more := fillRecords.WatchAll(ctx, s.store)
	for {
		err := s.fillAll(ctx)
		stop, again := func() {}, (<-chan time.Time)(nil)
		if err != nil && ctx.Err() == nil {
			s.logger.Error("dynamodb: indexes are not filled", "err", err)
			again, stop = s.clock.After(fillPause)
		}
		select {
		case <-ctx.Done():
			stop()
			return
		case <-more:
		case <-again:
		}
		stop()
	}
}

// fillAll fills the indexes that wait for it, one after another.
func (s *Service) fillAll(ctx context.Context) error {
	type job struct {
		at   ref
		name string
	}
	var jobs []job
	err := s.store.View(ctx, func(r store.Reader) error {
		jobs = nil
		for e, err := range fillRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			jobs = append(jobs, job{ref{e.Scope, e.Key.String(0)}, e.Key.String(1)})
		}
		return nil
	})
	for _, j := range jobs {
		err = errors.Join(err, s.fillIndex(ctx, j.at, j.name))
	}
	return err
}

// fillIndex fills one index, to its end.
func (s *Service) fillIndex(ctx context.Context, at ref, name string) error {
	var space uint64
	for done := false; !done; {
		err := s.update(ctx, func(tx store.Tx, _ *store.Numbers) error {
			t, ix, f, err := s.filling(ctx, tx, at, name)
			if done = ix == nil; done || err != nil {
				return err
			}
			space = f.Space
			if done, err = f.some(ctx, tx, at, t, ix); err != nil {
				return err
			}
			return fillRecords.Put(tx, at.scope, f, at.name, name)
		})
		if err != nil {
			return err
		}
	}
	return s.alter(ctx, func(tx store.Tx) error {
		t, ix, _, err := s.filling(ctx, tx, at, name)
		switch {
		case err != nil:
			return err
		case ix != nil && ix.Space != space:
			return nil // another of the same name, which has its own turn
		case ix != nil:
			changed := t.clone()
			changed.index(name).Filling = false
			if err := changed.save(tx, at); err != nil {
				return err
			}
		}
		return fillRecords.Delete(tx, at.scope, at.name, name)
	})
}

// filling is the index to be filled; nil if it, or the table, is gone.
func (s *Service) filling(ctx context.Context, r store.Reader, at ref, name string) (*table, *index, fill, error) {
	f, err := fillRecords.Get(ctx, r, at.scope, at.name, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, f, nil
	}
	if err != nil {
		return nil, nil, f, err
	}
	t, err := s.lookup(ctx, r, at)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, f, nil
	}
	if err != nil {
		return nil, nil, f, err
	}
	ix := t.index(name)
	if ix == nil || ix.Space != f.Space || !ix.Filling {
		return nil, nil, f, nil
	}
	return t, ix, f, nil
}
