package store

import (
	"context"
	"errors"
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
	s := &snapshot{p: p}
	defer func() { err = joined(err, s.close()) }()
	err = fn(view{s})
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
	t := newTransaction(p)
	mine := alone // the turn
	defer func() {
		err = joined(err, t.s.close())
		if mine {
			p.release()
		}
	}()
	if err := fn(t); err != nil {
		return firstError(t.s.settle(ctx), err)
	}
	if len(t.writes) == 0 && len(t.deleted) == 0 {
		return t.s.settle(ctx)
	}
	if t.size > maxTx {
		return ErrTooLarge
	}
	// What is lost already need not stand in line.
	if t.lost(p.last.Load()) {
		return errConflict
	}
	if err := t.s.close(); err != nil {
		return err
	}
	c, err := p.submit(t, alone)
	if err != nil {
		return err
	}
	mine = false
	if err := p.wait(ctx, c); err != nil {
		return err
	}
	return t.outcome
}

// wait returns when a commit is on disk.
func (p *Pebble) wait(ctx context.Context, c *commit) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
	}
	select {
	case <-c.done: // both: then the outcome is known
		return c.err
	default:
		return ctx.Err()
	}
}

// acquire keeps everybody else from committing until release. It is a channel
// because a waiting transaction may be given up.
func (p *Pebble) acquire(ctx context.Context) error {
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

// joined is errors.Join for two errors of which the second is rare.
func joined(err, rare error) error {
	if rare == nil {
		return err
	}
	return errors.Join(err, rare)
}
