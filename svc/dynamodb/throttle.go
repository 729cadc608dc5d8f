package dynamodb

import (
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
)

// burst is for how long a provisioned table, or index, saves up capacity that it does not
// use. A table that nobody has used for so long, or that is new, has all of it.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
const burst = 300 * time.Second

// An allowance is what is left of a provisioned capacity. It may be overdrawn by one
// request, and is paid back before the next.
type allowance struct {
	left float64
	at   time.Time // zero for one that was never used
}

// fill adds what has come since, at a rate of units each second.
func (a *allowance) fill(rate int64, now time.Time) {
	most := float64(rate) * burst.Seconds()
	if a.at.IsZero() {
		a.left = most
	} else if d := now.Sub(a.at); d > 0 {
		a.left += d.Seconds() * float64(rate)
	}
	a.left = min(a.left, most)
	a.at = now
}

// allowances are those of the provisioned tables and indexes in use, by their spaces. They
// begin anew with the process, whole.
type allowances struct {
	mu sync.Mutex
	of map[allowanceID]*allowance
}

type allowanceID struct {
	space uint64
	write bool
}

// get is an allowance as it is now, under the lock of s.
func (s *Service) allowance(space uint64, h *throughput, write bool) *allowance {
	if s.allowances.of == nil || len(s.allowances.of) >= maxCached {
		s.allowances.of = map[allowanceID]*allowance{}
	}
	id := allowanceID{space, write}
	a := s.allowances.of[id]
	if a == nil {
		a = &allowance{}
		s.allowances.of[id] = a
	}
	rate := h.Read
	if write {
		rate = h.Write
	}
	a.fill(rate, s.clock.Now())
	return a
}

// admitWrite refuses a write for which the table, or one of its global indexes, has no
// capacity left, once others have taken so many units of each.
func (s *Service) admitWrite(at ref, t *table, pending float64) error {
	if t.OnDemand {
		return nil
	}
	s.allowances.mu.Lock()
	defer s.allowances.mu.Unlock()
	if s.allowance(t.Space, &t.Throughput, true).left <= pending {
		return s.throttled(at, nil, true)
	}
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; !ix.Local && s.allowance(ix.Space, &ix.Throughput, true).left <= pending {
			return s.throttled(at, ix, true)
		}
	}
	return nil
}

// admitRead refuses a read for which the table or the index has no capacity left.
func (s *Service) admitRead(at ref, k keyspace) error {
	if k.t.OnDemand {
		return nil
	}
	s.allowances.mu.Lock()
	defer s.allowances.mu.Unlock()
	if k.ix != nil && !k.ix.Local {
		if s.allowance(k.ix.Space, &k.ix.Throughput, false).left <= 0 {
			return s.throttled(at, k.ix, false)
		}
		return nil
	}
	if s.allowance(k.t.Space, &k.t.Throughput, false).left <= 0 {
		return s.throttled(at, nil, false)
	}
	return nil
}

// throttled is the error of a request without capacity, which is measured.
func (s *Service) throttled(at ref, ix *index, write bool) error {
	name := "ReadThrottleEvents"
	if write {
		name = "WriteThrottleEvents"
	}
	if ix != nil {
		s.measure(at.scope, name, 1, "TableName", at.name, "GlobalSecondaryIndexName", ix.Name)
		return api.ProvisionedThroughputExceededException("The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. " +
			"Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API")
	}
	s.measure(at.scope, name, 1, "TableName", at.name)
	return api.ProvisionedThroughputExceededException("The level of configured provisioned throughput for the table was exceeded. " +
		"Consider increasing your provisioning level with the UpdateTable API.")
}

// spent takes what a request has consumed off the allowances, and measures it.
func (s *Service) spent(at ref, t *table, u usage, write bool) {
	own := u.table
	for _, units := range u.local {
		own += units
	}
	s.measureConsumed(at, t, own, u.global, write)
	if t.OnDemand {
		return
	}
	s.allowances.mu.Lock()
	defer s.allowances.mu.Unlock()
	s.allowance(t.Space, &t.Throughput, write).left -= own
	for name, units := range u.global {
		if ix := t.index(name); ix != nil {
			s.allowance(ix.Space, &ix.Throughput, write).left -= units
		}
	}
}
