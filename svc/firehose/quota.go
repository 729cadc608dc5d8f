package firehose

import (
	"sync"
	"time"
)

// What a stream takes in a second beside bytes, as AWS's largest regions have it.
// https://docs.aws.amazon.com/firehose/latest/dev/limits.html
const (
	quotaRecords  = 500000
	quotaRequests = 2000
)

// maxQuotas bounds how many streams are remembered; when it is full it starts anew.
const maxQuotas = 10000

// quotas are what is left to each stream of this second. They begin anew with the process.
type quotas struct {
	mu sync.Mutex
	of map[ref]*quota
}

// A quota is what a stream has left. Bytes may be overdrawn by one call, which the next
// pay back: a batch is as large as almost a second's bytes.
type quota struct {
	at                       time.Time
	bytes, records, requests float64
}

func (q *quotas) take(at ref, now time.Time, mib int, sizes []int) (taken int) {
	most := float64(mib << 20)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.of == nil || len(q.of) >= maxQuotas {
		q.of = map[ref]*quota{}
	}
	have := q.of[at]
	if have == nil {
		have = &quota{now, most, quotaRecords, quotaRequests}
		q.of[at] = have
	}
	if d := now.Sub(have.at).Seconds(); d > 0 {
		have.bytes = min(most, have.bytes+d*most)
		have.records = min(quotaRecords, have.records+d*quotaRecords)
		have.requests = min(quotaRequests, have.requests+d*quotaRequests)
		have.at = now
	}
	if have.requests < 1 {
		return 0
	}
	have.requests--
	for _, size := range sizes {
		if have.bytes <= 0 || have.records < 1 {
			break
		}
		have.bytes -= float64(size)
		have.records--
		taken++
	}
	return taken
}
