package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// systemClock is the machine's clock. All other packages take one as a parameter.
type systemClock struct{}

var _ aws.Clock = systemClock{}

func (systemClock) Now() time.Time { return time.Now().UTC() }

func (systemClock) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// movedClock is the clock of an instance for tests: the machine's, and as far ahead of
// it as it was told to be. It only moves forward, and what waits for a time that it
// passes is done at once.
type movedClock struct {
	ahead atomic.Int64 // nanoseconds

	mu     sync.Mutex
	alarms map[*alarm]struct{}
}

var _ aws.Clock = (*movedClock)(nil)

// An alarm waits for a time on a clock that may be moved.
type alarm struct {
	due   time.Time
	timer *time.Timer
	c     chan time.Time
}

// maxAdvance is how far the clock moves at a time: certificates and what else goes by
// the machine's clock live longer.
const maxAdvance = 366 * 24 * time.Hour

func newMovedClock() *movedClock { return &movedClock{alarms: map[*alarm]struct{}{}} }

// Now implements aws.Clock.
func (m *movedClock) Now() time.Time {
	return systemClock{}.Now().Add(time.Duration(m.ahead.Load()))
}

// After implements aws.Clock.
func (m *movedClock) After(d time.Duration) (<-chan time.Time, func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := &alarm{due: m.Now().Add(d), c: make(chan time.Time, 1)}
	m.alarms[a] = struct{}{}
	a.timer = time.AfterFunc(d, func() {
		if m.forget(a) {
			a.c <- m.Now()
		}
	})
	return a.c, func() {
		a.timer.Stop()
		m.forget(a)
	}
}

// forget reports whether the alarm was still waiting.
func (m *movedClock) forget(a *alarm) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, waiting := m.alarms[a]
	delete(m.alarms, a)
	return waiting
}

// Advance moves the clock by d, and says what time it is then.
func (m *movedClock) Advance(d time.Duration) (time.Time, error) {
	if d < 0 || d > maxAdvance {
		return time.Time{}, fmt.Errorf("the clock moves forward, by up to %v at a time", maxAdvance)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ahead.Add(int64(d))
	now := m.Now()
	for a := range m.alarms {
		a.timer.Reset(a.due.Sub(now))
	}
	return now, nil
}
