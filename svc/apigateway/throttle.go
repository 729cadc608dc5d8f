package apigateway

import (
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// A bucket holds tokens, of which each request takes one. It fills at a rate, up to the burst.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
type bucket struct {
	tokens, rate, burst float64
	at                  time.Time
}

// take takes a token, if there is one.
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

// full reports whether a bucket is as a new one would be.
func (b *bucket) full(now time.Time) bool {
	return b.tokens+now.Sub(b.at).Seconds()*b.rate >= b.burst
}

// buckets are in memory: after a start all are full.
type buckets struct {
	clock aws.Clock
	mu    sync.Mutex
	of    map[bucketKey]*bucket
}

// bucketKey names what a limit is on: a key in a plan, a method for a key, or one for everybody.
type bucketKey struct{ plan, key, api, stage, method string }

// manyBuckets is when full ones are forgotten.
const manyBuckets = 10_000

// take takes a token of a bucket.
func (b *buckets) take(of bucketKey, rate *float64, burst *int32) bool {
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	have := b.of[of]
	if have == nil {
		if len(b.of) >= manyBuckets {
			for k, old := range b.of {
				if old.full(now) {
					delete(b.of, k)
				}
			}
		}
		have = &bucket{}
		b.of[of] = have
	}
	r := aws.Value(rate)
	full := float64(aws.Value(burst))
	if burst == nil {
		full = r // as much as comes in a second
	}
	return have.take(now, r, full)
}
