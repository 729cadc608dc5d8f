package apigatewayv2

import (
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
)

// A bucket holds tokens, of which each request takes one. It fills at a rate, up to the
// burst.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
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

// buckets are in memory: after a start all are full.
type buckets struct {
	mu sync.Mutex
	of map[bucketKey]*bucket
}

type bucketKey struct{ api, stage, route string }

func newBuckets() buckets { return buckets{of: map[bucketKey]*bucket{}} }

// manyBuckets is when full ones are forgotten.
const manyBuckets = 10_000

func (b *buckets) take(now time.Time, of bucketKey, rate float64, burst *int32) bool {
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
	full := rate // as much as comes in a second
	if burst != nil {
		full = float64(*burst)
	}
	return have.take(now, rate, full)
}

// settings are those of a route, or the stage's own.
func settings(st *api.Stage, key string) *api.RouteSettings {
	if one, ok := st.RouteSettings[key]; ok {
		return &one
	}
	return orEmpty(st.DefaultRouteSettings)
}

// admit holds a request to its route's limits.
func (x *exchange) admit() bool {
	one := settings(x.stage, x.route.key)
	if one.ThrottlingRateLimit == nil && one.ThrottlingBurstLimit == nil {
		return true
	}
	rate := aws.Value(one.ThrottlingRateLimit)
	if one.ThrottlingRateLimit == nil {
		rate = 10_000 // an account's
	}
	return x.s.buckets.take(x.s.Clock.Now(), bucketKey{*x.program.api.ApiId, *x.stage.StageName, x.route.key}, rate, one.ThrottlingBurstLimit)
}
