package dynamodb

import (
	"context"
	"time"
)

// pause is how long work in the background waits that failed.
const pause = time.Second

// background does work whenever one of two channels receives, at once first, until ctx ends.
// Work that fails is tried again.
func (s *Service) background(ctx context.Context, failure string, work func(ctx context.Context) error, more, also <-chan struct{}) {
	for {
		err := work(ctx)
		stop, again := func() {}, (<-chan time.Time)(nil)
		if err != nil && ctx.Err() == nil {
			s.logger.Error("dynamodb: "+failure, "err", err)
			again, stop = s.clock.After(pause)
		}
		select {
		case <-ctx.Done():
			stop()
			return
		case <-more:
		case <-also:
		case <-again:
		}
		stop()
	}
}
