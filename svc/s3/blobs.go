package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/tule-cloud/tule/store"
)

// hold counts one more record that refers to a blob.
func hold(ctx context.Context, tx store.Tx, b *bucket, blob string) error {
	n, err := held.Get(ctx, tx, b.scope(), blob)
	if none(err) != nil {
		return err
	}
	return held.Put(tx, b.scope(), n+1, blob)
}

// release counts one record less, and dooms the blob with the last.
func release(ctx context.Context, tx store.Tx, b *bucket, blob string) error {
	if blob == "" {
		return nil
	}
	n, err := held.Get(ctx, tx, b.scope(), blob)
	if none(err) != nil {
		return err
	}
	if n > 1 {
		return held.Put(tx, b.scope(), n-1, blob)
	}
	return errors.Join(held.Delete(tx, b.scope(), blob), doomed.Put(tx, b.scope(), nil, blob))
}

// every is how often the blobs are compared with what the store knows of them.
const every = 24 * time.Hour

// sweep removes doomed blobs as they come, and now and then those that nobody knows of,
// until ctx ends.
func (s *Service) sweep(ctx context.Context) error {
	changed := doomed.WatchAll(ctx, s.Store)
	all, stop := s.Clock.After(0)
	defer func() { stop() }()
	for {
		retry, stopRetry := s.Clock.After(time.Minute) // what was being read, and is not now
		select {
		case <-ctx.Done():
			stopRetry()
			return nil
		case <-changed:
		case <-retry:
		case <-all:
			all, stop = s.Clock.After(every)
			if err := s.sweepUnknown(ctx); err != nil && ctx.Err() == nil {
				s.Logger.Warn("blobs could not be compared with what the store knows", "error", err)
			}
		}
		stopRetry()
		if err := s.sweepDoomed(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Warn("blobs of deleted objects could not be removed", "error", err)
		}
	}
}

// sweepUnknown keeps what was committed and not kept before its process died, and removes
// what no record names: what was staged then, and what an account had that was emptied.
func (s *Service) sweepUnknown(ctx context.Context) error {
	var stale []string
	err := s.Blobs.Stale(ctx, func(blob string) error {
		stale = append(stale, blob)
		return nil
	})
	if err != nil {
		return err
	}
	for _, blob := range stale {
		known, err := s.known(ctx, blob, blob)
		if err != nil {
			return err
		}
		if known[blob] {
			err = s.Blobs.Keep(ctx, blob)
		} else {
			err = s.Blobs.Delete(ctx, blob)
		}
		if err != nil {
			return err
		}
	}
	for i := range 256 {
		if err := s.sweepKept(ctx, fmt.Sprintf("%02x", i)); err != nil {
			return err
		}
	}
	return nil
}

// sweepKept removes those of the blobs of a beginning that no record names. What is kept
// was committed before, so the records that are read after the list know it.
func (s *Service) sweepKept(ctx context.Context, prefix string) error {
	var kept []string
	err := s.Blobs.Kept(ctx, prefix, func(blob string) error {
		kept = append(kept, blob)
		return nil
	})
	if err != nil || len(kept) == 0 {
		return err
	}
	known, err := s.known(ctx, kept[0], kept[len(kept)-1])
	if err != nil {
		return err
	}
	for _, blob := range kept {
		if !known[blob] {
			if err := s.Blobs.Delete(ctx, blob); err != nil {
				return err
			}
		}
	}
	return nil
}

// known are the blobs from first to last that records name, in whatever account.
func (s *Service) known(ctx context.Context, first, last string) (map[string]bool, error) {
	found := map[string]bool{}
	return found, s.Store.View(ctx, func(r store.Reader) error {
		for account, err := range accounts(ctx, r) {
			if err != nil {
				return err
			}
			o := store.ListOptions{From: []any{first}, To: []any{last + "\x00"}}
			for e, err := range held.List(ctx, r, store.Scope{Account: account}, o) {
				if err != nil {
					return err
				}
				found[e.Key.String(0)] = true
			}
		}
		return nil
	})
}

// accounts are those that own buckets.
func accounts(ctx context.Context, r store.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		seen := map[string]bool{}
		for e, err := range names.List(ctx, r, store.Scope{}, store.ListOptions{}) {
			if err == nil && seen[e.Record.Account] {
				continue
			}
			seen[e.Record.Account] = true
			if !yield(e.Record.Account, err) || err != nil {
				return
			}
		}
	}
}

// sweepDoomed removes blobs that nothing refers to any more.
func (s *Service) sweepDoomed(ctx context.Context) error {
	for {
		var batch []store.Entry[[]byte]
		err := s.Store.View(ctx, func(r store.Reader) error {
			batch = batch[:0]
			for e, err := range doomed.All(ctx, r) {
				if err != nil {
					return err
				}
				if s.pins.has(e.Key.String(0)) {
					continue
				}
				if batch = append(batch, e); len(batch) == 1000 {
					break
				}
			}
			return nil
		})
		if err != nil || len(batch) == 0 {
			return err
		}
		for _, e := range batch {
			if err := s.Blobs.Delete(ctx, e.Key.String(0)); err != nil {
				return err
			}
		}
		err = s.Store.Update(ctx, func(tx store.Tx) error {
			for _, e := range batch {
				if err := doomed.Delete(tx, e.Scope, e.Key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}
