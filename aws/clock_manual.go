package aws

import (
	"sync"
	"time"
)

// ManualClock is a Clock that moves only when told to. Safe for concurrent use.
type ManualClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*manualTimer]struct{}
}

type manualTimer struct {
	at time.Time
	c  chan time.Time
}

var _ Clock = (*ManualClock)(nil)

// NewManualClock returns a clock that stands still at now.
func NewManualClock(now time.Time) *ManualClock {
	return &ManualClock{now: now.UTC(), timers: map[*manualTimer]struct{}{}}
}

// Now implements Clock.
func (m *ManualClock) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// After implements Clock. A d of zero or less is due at once.
func (m *ManualClock) After(d time.Duration) (<-chan time.Time, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &manualTimer{at: m.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		t.c <- m.now
		return t.c, func() {}
	}
	m.timers[t] = struct{}{}
	return t.c, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.timers, t)
	}
}

// Advance moves the clock by d and fires every timer that has become due.
func (m *ManualClock) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
	for t := range m.timers {
		if !t.at.After(m.now) {
			t.c <- m.now
			delete(m.timers, t)
		}
	}
}

// Timers is the number of timers that wait, so that a test can move the clock
// when the code under test has come to rest.
func (m *ManualClock) Timers() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.timers)
}
