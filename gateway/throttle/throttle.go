// Package throttle holds the requests to APIs to their limits, each a token bucket.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
package throttle

import (
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// Buckets are token buckets by what they limit. They are in memory: after a start all are
// full. They are safe for concurrent use.
type Buckets[K comparable] struct {
	clock aws.Clock
	mu    sync.Mutex
	of    map[K]*bucket
	many  int // at how many the full ones are forgotten
}

// few is how many buckets are kept in any case.
const few = 10_000

// New returns no buckets yet.
func New[K comparable](clock aws.Clock) *Buckets[K] {
	return &Buckets[K]{clock: clock, of: map[K]*bucket{}, many: few}
}

// Take takes a token of a bucket, if it has one. Rate is in tokens a second, burst how many
// it holds; without burst, as many as come in a second. A bucket whose limit is another one
// than before is full.
func (b *Buckets[K]) Take(of K, rate float64, burst *int32) bool {
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	have := b.of[of]
	if have == nil {
		if len(b.of) >= b.many {
			b.forget(now)
		}
		have = &bucket{}
		b.of[of] = have
	}
	full := rate
	if burst != nil {
		full = float64(*burst)
	}
	return have.take(now, rate, full)
}

// forget drops the buckets that are as new ones would be. Where that leaves most, there have
// to be twice as many before it looks again.
func (b *Buckets[K]) forget(now time.Time) {
	for k, old := range b.of {
		if old.full(now) {
			delete(b.of, k)
		}
	}
	b.many = max(few, 2*len(b.of))
}

// A bucket holds tokens, of which each request takes one. It fills at a rate, up to the burst.
type bucket struct {
	tokens, rate, burst float64
	at                  time.Time
}

func (b *bucket) take(now time.Time, rate, burst float64) bool {
	if b.rate != rate || b.burst != burst { // the limit is new, or another one now
		b.tokens, b.rate, b.burst = burst, rate, burst
	} else if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = min(burst, b.tokens+passed*rate)
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (b *bucket) full(now time.Time) bool {
	return b.tokens+now.Sub(b.at).Seconds()*b.rate >= b.burst
}
