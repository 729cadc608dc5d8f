package store

import (
	"context"
	"time"
)

const (
	// sweepEvery is how often expired records are removed, on the store's clock.
	sweepEvery = time.Second
	// sweepStep is the most records that one transaction removes.
	sweepStep = 256
)

// Run removes expired records and keeps the witness of the log current, until ctx
// ends. It returns ctx's error, or why the store cannot go on.
func (p *Pebble) Run(ctx context.Context) error {
	for {
		if _, err := p.Sweep(ctx); err != nil && p.writable() == nil {
			return err
		}
		if err := p.noteLog(); err != nil {
			return err
		}
		c, stop := p.clock.After(sweepEvery)
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-p.failed:
			stop()
			return p.failure()
		case <-c:
		}
	}
}

// Sweep removes every record that has expired by now, and returns how many.
func (p *Pebble) Sweep(ctx context.Context) (int, error) {
	swept := 0
	for {
		var n, notes int
		err := p.Update(ctx, func(tx Tx) (err error) {
			n, notes, err = tx.(*transaction).sweep(ctx)
			return err
		})
		swept += n
		if err != nil || notes < sweepStep {
			return swept, err
		}
	}
}

// sweep goes through the first notes of what expires. A note may be out of date:
// the record may have been deleted, or written again.
func (t *transaction) sweep(ctx context.Context) (swept, notes int, err error) {
	if err := t.s.open(); err != nil {
		return 0, 0, err
	}
	due := span{[]byte{spaceExpiry}, expiryKey(t.s.now+1, nil)}
	for k, err := range t.s.keys(ctx, due, sweepStep) {
		if err != nil {
			return 0, 0, err
		}
		at, full, err := parseExpiryKey(k)
		if err != nil {
			return 0, 0, err
		}
		found, err := t.s.expiry(full)
		if err != nil {
			return 0, 0, err
		}
		if found == at {
			t.deleteFull(full)
			swept++
		}
		t.deleteFull(k)
		notes++
	}
	return swept, notes, nil
}

func (p *Pebble) noteLog() error {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()
	if p.writable() != nil {
		return nil
	}
	return p.disk.vital(p.disk.witness.note)
}
