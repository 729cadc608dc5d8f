package store

import (
	"context"
	"errors"
)

// Verify reads everything that is stored and returns ErrDamaged if some of it is
// not what was written. The store stays in use meanwhile. It takes as long as the
// disk takes to read the folder.
func (p *Pebble) Verify(ctx context.Context) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()
	return p.verify(ctx)
}

// verify reads everything, so that pebble checks every block.
func (p *Pebble) verify(ctx context.Context) error {
	it, err := p.db.NewIterWithContext(ctx, nil)
	if err != nil {
		return readError(err)
	}
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if n++; n%ctxEvery == 0 && ctx.Err() != nil {
			return errors.Join(ctx.Err(), it.Close())
		}
		if _, err := it.ValueAndErr(); err != nil {
			return readError(errors.Join(err, it.Close()))
		}
	}
	return readError(it.Close())
}
