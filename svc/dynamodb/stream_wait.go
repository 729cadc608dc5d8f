package dynamodb

import (
	"context"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// readReady reads on from an iterator. For a service that would rather wait for something than
// read nothing it waits.
func (s *Streams) readReady(ctx context.Context, it iterator, p *stretch) error {
	read := func() error {
		p.until = s.s.numbering.Limit()
		return s.s.store.View(ctx, func(r store.Reader) error { return p.read(ctx, r, it) })
	}
	wait := aws.RequestOf(ctx).Wait
	if err := read(); err != nil || wait <= 0 || len(p.records) > 0 || p.ended {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	over, stop := s.s.clock.After(wait)
	defer stop()
	came := changeRecords.Watch(ctx, s.s.store, it.stream.scope, p.space)
	closed := streamRecords.Watch(ctx, s.s.store, it.stream.scope, it.stream.name, it.stream.label)
	for {
		// What was written is read only once all numbers below are in the store, too; what came before
		// the watch began may not have been a moment ago.
		if s.s.numbering.Settle(ctx) != nil {
			return nil // the caller has gone, or is stopping
		}
		if err := read(); err != nil || len(p.records) > 0 || p.ended {
			return err
		}
		select {
		case <-came:
		case <-closed:
		case <-over:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
