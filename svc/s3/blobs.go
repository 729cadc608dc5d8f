package s3

import (
	"context"
	"errors"
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
	for {
		if err := s.sweepDoomed(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Warn("blobs of deleted objects could not be removed", "error", err)
		}
		again, stop := s.Clock.After(every)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-changed:
		case <-again:
		}
		stop()
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
