package lambda

import (
	"context"
	"sync"
	"time"
)

// places are how many batches of a queue may be under way at once. As with AWS there are
// a few at first, and more while all of them are taken; throttles halve them.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
type places struct {
	s     *Service
	most  int
	mu    sync.Mutex
	open  int // how many there are now
	taken int
	freed chan struct{}
}

const (
	placesFirst = 5
	placesEvery = 200 * time.Millisecond // one more
	// placesMost is for mappings that say nothing. AWS would start a thousand
	// environments; this machine has to hold them.
	placesMost = 64
	// perPoller is how many invokes at once one provisioned poller stands for.
	perPoller = 10
)

func newPlaces(s *Service, most int) *places {
	return &places{s: s, most: most, open: min(placesFirst, most), freed: make(chan struct{}, 1)}
}

// take waits for a place; false when ctx ends before.
func (p *places) take(ctx context.Context) bool {
	for ctx.Err() == nil {
		p.mu.Lock()
		if p.taken < p.open {
			p.taken++
			p.mu.Unlock()
			return true
		}
		var due <-chan time.Time
		stop := func() {}
		if p.open < p.most {
			due, stop = p.s.Clock.After(placesEvery)
		}
		p.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-p.freed:
		case <-due:
			p.mu.Lock()
			p.open = min(p.open+1, p.most)
			p.mu.Unlock()
		}
		stop()
	}
	return false
}

func (p *places) give() {
	p.mu.Lock()
	p.taken--
	p.mu.Unlock()
	select {
	case p.freed <- struct{}{}:
	default:
	}
}

func (p *places) halve() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = max(p.open/2, 1)
}
