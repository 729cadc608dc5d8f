package sqs

import (
	"hash/maphash"
	"slices"
	"sync"
)

// serial gives out sequence numbers.
type serial struct {
	mu   sync.Mutex
	last uint64
}

// perMicro is how many sequence numbers there are in a microsecond, so that they have
// twenty digits, as AWS's.
const perMicro = 8192

// next is a sequence number greater than all before it, given the time in
// microseconds.
func (s *serial) next(now int64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last+1, uint64(now)*perMicro)
	return s.last
}

// lanes keep those who work on one message group from getting in each other's way:
// messages of a group get their sequence numbers in the order in which they become
// durable, and no transaction on the group runs twice for another.
type lanes [256]sync.Mutex

var laneSeed = maphash.MakeSeed()

// enter waits until nobody else works on the groups of a queue; leave lets the next.
func (l *lanes) enter(q *queue, groups ...string) (leave func()) {
	var at []int
	for _, g := range groups {
		at = append(at, int((maphash.String(laneSeed, g)+q.Number)%uint64(len(l))))
	}
	slices.Sort(at)
	at = slices.Compact(at)
	for _, i := range at {
		l[i].Lock()
	}
	return func() {
		for _, i := range at {
			l[i].Unlock()
		}
	}
}
