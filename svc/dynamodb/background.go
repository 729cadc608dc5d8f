package dynamodb

import (
	"context"
	"time"
)

// How long work in the background waits that failed: at first, then longer and longer.
const (
	pauseFirst = time.Second
	pauseMost  = time.Minute
)

// background does work whenever one of two channels receives, at once first, until ctx ends.
// Work that fails is tried again.
func (s *Service) background(ctx context.Context, failure string, work func(ctx context.Context) error, more, also <-chan struct{}) {
	for pause := pauseFirst; ; {
		stop, again := func() {}, (<-chan time.Time)(nil)
		if err := work(ctx); err == nil {
			pause = pauseFirst
		} else if ctx.Err() == nil {
			s.logger.Error("dynamodb: "+failure, "err", err)
			again, stop = s.clock.After(pause)
			pause = min(2*pause, pauseMost)
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
