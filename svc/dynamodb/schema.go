package dynamodb

import (
	"context"
	"errors"
	"sync"

	"github.com/tule-cloud/tule/store"
)

// schemas are the tables that need not be looked up again. Half of what a plain put
// costs beside its commit would be the lookup of its table, which hardly ever
// changes.
//
// Whoever trusts a schema holds the lock shared, until its transaction is over, and
// whoever changes a table holds it alone: so no item is written to a table that is
// gone, and what a change says holds from the moment at which it returns. What takes
// longer than a page of items must not hold it, for changes wait for all. Changes
// that do not come this way, such as a reset of the whole store, are noticed by
// watching the records of tables.
type schemas struct {
	sync.RWMutex
	changed <-chan struct{}

	mu    sync.Mutex
	known map[ref]*table
	epoch int // counts the times that everything was forgotten
}

func newSchemas(st store.Store) schemas {
	// The watch ends with the store; there is nothing to stop before.
	return schemas{changed: tableRecords.WatchAll(context.Background(), st), known: map[ref]*table{}}
}

// get is the table that at names, nil if it must be looked up, which then may be
// put if it still is the same epoch.
func (c *schemas) get(at ref) (t *table, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.poll()
	return c.known[at], c.epoch
}

func (c *schemas) put(at ref, t *table, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.poll()
	if c.epoch == epoch && len(c.known) < maxCached {
		c.known[at] = t
	}
}

func (c *schemas) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.known)
	c.epoch++
}

// poll forgets everything if a table has changed.
func (c *schemas) poll() {
	select {
	case <-c.changed:
		clear(c.known)
		c.epoch++
	default:
	}
}

// schema is a table for those who only want to know its key, such as guards.
func (s *Service) schema(ctx context.Context, name *string) (*table, error) {
	at, err := parseRef(ctx, name)
	if err != nil {
		return nil, err
	}
	var t *table
	if t, _ = s.schemas.get(at); t != nil {
		return t, nil
	}
	err = s.view(ctx, func(r store.Reader) (err error) {
		t, err = s.open(ctx, r, at)
		return err
	})
	return t, err
}

// update runs a transaction that writes items. What it tells streams is numbered by n.
func (s *Service) update(ctx context.Context, fn func(tx store.Tx, n *store.Numbers) error) error {
	s.schemas.RLock()
	defer s.schemas.RUnlock()
	n := s.numbering.Begin()
	err := s.store.Update(ctx, func(tx store.Tx) error { return fn(tx, n) })
	if errors.Is(err, store.ErrUnnumbered) {
		if err := s.number(ctx); err != nil {
			return err
		}
		err = s.store.Update(ctx, func(tx store.Tx) error { return fn(tx, n) })
	}
	n.Release(ctx, s.store, err)
	return err
}

// view runs a transaction that reads items.
func (s *Service) view(ctx context.Context, fn func(r store.Reader) error) error {
	s.schemas.RLock()
	defer s.schemas.RUnlock()
	return s.store.View(ctx, fn)
}

// alter runs a transaction that changes a table's record.
func (s *Service) alter(ctx context.Context, fn func(tx store.Tx) error) error {
	s.schemas.Lock()
	defer s.schemas.Unlock()
	defer s.schemas.forget()
	err := s.store.Update(ctx, fn)
	if errors.Is(err, store.ErrUnnumbered) {
		if err := s.number(ctx); err != nil {
			return err
		}
		err = s.store.Update(ctx, fn)
	}
	return err
}

// open is the table of an operation on items, within update or view.
func (s *Service) open(ctx context.Context, r store.Reader, at ref) (*table, error) {
	t, epoch := s.schemas.get(at)
	if t != nil {
		return t, nil
	}
	t, err := s.lookup(ctx, r, at)
	if errors.Is(err, store.ErrNotFound) || err == nil && t.Restore.going() {
		return nil, notFound()
	}
	if err != nil {
		return nil, err
	}
	s.schemas.put(at, t, epoch)
	return t, nil
}
