package store

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// patience is how often a transaction runs again because others were faster
// before it keeps all others from committing.
const patience = 3

var errConflict = errors.New("store: another transaction was faster")

// View implements Store.
func (p *Pebble) View(ctx context.Context, fn func(Reader) error) (err error) {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()
	s := snapshot{p: p}
	defer func() { err = errors.Join(err, s.close()) }()
	err = fn(view{&s})
	return firstError(s.settle(ctx), err)
}

// Update implements Store. Transactions run side by side, each on a snapshot; one
// commits if nobody changed what it read in the meantime, else it runs again.
func (p *Pebble) Update(ctx context.Context, fn func(Tx) error) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()
	for range patience {
		if err := p.attempt(ctx, fn, false); !errors.Is(err, errConflict) {
			return err
		}
	}
	return p.attempt(ctx, fn, true)
}

// attempt runs a transaction once. If alone, nobody else commits meanwhile.
func (p *Pebble) attempt(ctx context.Context, fn func(Tx) error, alone bool) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if alone {
		if err := p.acquire(ctx); err != nil {
			return err
		}
	}
	unlock := alone
	t := &transaction{s: snapshot{p: p}}
	defer func() {
		if unlock {
			p.release()
		}
		err = errors.Join(err, t.s.close())
	}()
	if err := fn(t); err != nil {
		return firstError(t.s.settle(ctx), err)
	}
	if len(t.writes) == 0 && len(t.deleted) == 0 {
		return t.s.settle(ctx)
	}
	b, c, err := t.build(p.db)
	if err != nil {
		return err
	}
	// Most of the comparing is done before the lock is taken.
	from := t.s.base
	if !alone && from != nil {
		to := p.last.Load()
		if t.s.reads.changedSince(from, to) != nil {
			return errors.Join(errConflict, b.Close())
		}
		from = to
	}
	if !alone {
		if err := p.acquire(ctx); err != nil {
			return errors.Join(err, b.Close())
		}
		unlock = true
	}
	if from != nil && t.s.reads.changedSince(from, p.last.Load()) != nil {
		return errors.Join(errConflict, b.Close())
	}
	if err := p.apply(b, c); err != nil {
		return err
	}
	p.release()
	unlock = false
	return p.wait(ctx, c)
}

// apply makes a transaction visible and sends it on its way to disk. The caller
// holds the lock.
func (p *Pebble) apply(b *pebble.Batch, c *commit) error {
	if err := p.writable(); err != nil {
		return errors.Join(err, b.Close())
	}
	last := p.last.Load()
	c.number = last.number + 1
	last.next.Store(c)
	p.last.Store(c)
	if err := p.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return p.fail(err)
	}
	p.applied.Store(c)
	p.syncing <- syncing{b, c}
	return nil
}

// syncing is a commit on its way to disk.
type syncing struct {
	b *pebble.Batch
	c *commit
}

// syncLoop waits for commits to be on disk, in their order, and says so.
func (p *Pebble) syncLoop() {
	defer close(p.synced)
	for s := range p.syncing {
		err := s.b.SyncWait()
		if err != nil {
			s.c.err = p.fail(err)
		} else {
			p.durable.Store(s.c)
			err = s.b.Close()
		}
		close(s.c.done)
		if err == nil {
			p.watchers.notify(s.c)
		}
	}
}

// wait returns when a commit is on disk.
func (p *Pebble) wait(ctx context.Context, c *commit) error {
	select {
	case <-c.done:
		return c.err
	default:
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	case <-p.failed:
		return p.failure()
	}
}

// acquire keeps everybody else from committing until release. It is a channel
// because a waiting transaction may be given up.
func (p *Pebble) acquire(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.failed:
		return p.failure()
	case <-p.disk.isFull():
		return ErrFull
	}
}

func (p *Pebble) release() { <-p.turn }

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
