package kinesis

import (
	"context"

	"github.com/tule-cloud/tule/aws"
)

// An ear hears that a shard has something to read, or was closed.
type ear struct {
	s            *Service
	came, closed <-chan struct{}
}

// listen hears what comes to an iterator's shard from now on, until ctx ends.
func (s *Service) listen(ctx context.Context, it *iterator) ear {
	at := it.ref().scope
	return ear{s, dataRecords.Watch(ctx, s.Store, at, it.Space, int64(it.Shard)), shardRecords.Watch(ctx, s.Store, at, it.Space, int64(it.Shard))}
}

// settle makes readable what has come: what was written is read only once all numbers below are
// in the store, too. The error is that of a context that has ended.
func (e ear) settle(ctx context.Context) error { return e.s.numbering.Settle(ctx) }

// readReady is read for a service that would rather wait for something than read nothing. Its
// reads are as many as there are records to come for, as SubscribeToShard's are, and like those
// not metered.
func (s *Service) readReady(ctx context.Context, it *iterator, p *stretch) error {
	wait := aws.RequestOf(ctx).Wait
	p.metered = p.metered && wait <= 0
	if err := s.read(ctx, it, p); err != nil || wait <= 0 || len(p.records) > 0 || p.ended || p.behind > 0 {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	over, stop := s.Clock.After(wait)
	defer stop()
	e := s.listen(ctx, it)
	for {
		// What came before the listening began may not have been readable a moment ago.
		if err := e.settle(ctx); err != nil {
			return nil // the caller has gone, or is stopping
		}
		if err := s.read(ctx, it, p); err != nil || len(p.records) > 0 || p.ended || p.behind > 0 {
			return err
		}
		select {
		case <-e.came:
		case <-e.closed:
		case <-over:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
