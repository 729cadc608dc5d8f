package dynamodb

import (
	"context"
	"errors"

	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// A fill is how far the filling of an index has come that was added to a table with items
// in it, under the names of the table and the index. Who writes an item meanwhile brings the
// index up to date with it, so that the filling may take its time, and be taken up by
// another process: an item is entered as the transaction that enters it sees it.
type fill struct {
	Space uint64 // of the index
	walk
}

// enter enters some items behind where f says, and moves f; done says that these were the
// last.
func (f *fill) enter(ctx context.Context, tx store.Tx, at ref, t *table, ix *index) (done bool, err error) {
	return f.some(ctx, tx, at, itemRecords, t.Space, func(_ []any, raw []byte) error {
		it, _, err := value.Decode(raw)
		if err != nil {
			return err
		}
		in := ix.entry(t, it)
		if in.place == nil {
			return nil
		}
		return entryRecords.Put(tx, at.scope, in.raw, in.place...)
	})
}

// runFills fills indexes, those of a process before first, until ctx ends.
func (s *Service) runFills(ctx context.Context) {
	s.background(ctx, "indexes are not filled", s.fillAll, fillRecords.WatchAll(ctx, s.store), nil)
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
			if done, err = f.enter(ctx, tx, at, t, ix); err != nil {
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
