package runtimes

import "time"

// A deadline interrupts the link when an invoke takes too long. One goroutine
// watches over all invokes of an environment: it sleeps until the earliest deadline
// it was told of, and mostly finds then that the invoke has ended and that a later
// one has a later deadline. So an invoke that is in time wakes nobody.
// Environment.mu guards it.
type deadline struct {
	at      time.Time // of the invoke under way; zero without one
	armed   time.Time // when the goroutine wakes; zero if there is none
	expired bool
	rearm   chan struct{} // closed to make the goroutine leave
}

// arm sets the deadline of the invoke that begins.
func (e *Environment) arm(request string, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.request = request
	d := &e.deadline
	d.at, d.expired = at, false
	if at.IsZero() || !d.armed.IsZero() && !d.armed.After(at) {
		return
	}
	if d.rearm != nil {
		close(d.rearm)
	}
	d.armed, d.rearm = at, make(chan struct{})
	go e.keepDeadline(at, d.rearm)
}

// disarm ends the invoke's deadline and reports whether it had passed.
func (e *Environment) disarm() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deadline.at = time.Time{}
	return e.deadline.expired
}

// stopDeadline releases the goroutine. The caller holds mu.
func (e *Environment) stopDeadline() {
	if d := &e.deadline; d.rearm != nil {
		close(d.rearm)
		d.rearm, d.armed = nil, time.Time{}
	}
}

func (e *Environment) keepDeadline(at time.Time, rearm <-chan struct{}) {
	for !at.IsZero() {
		due, stop := e.cfg.Clock.After(at.Sub(e.cfg.Clock.Now()))
		select {
		case <-rearm:
			stop()
			return
		case <-due:
			stop()
		}
		at = e.checkDeadline(rearm)
	}
}

// checkDeadline interrupts an invoke that is late, and says when to look again.
func (e *Environment) checkDeadline(rearm <-chan struct{}) time.Time {
	now := e.cfg.Clock.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	d := &e.deadline
	if d.rearm != rearm {
		return time.Time{} // replaced meanwhile
	}
	if !d.at.IsZero() && d.at.After(now) {
		d.armed = d.at
		return d.at
	}
	if !d.at.IsZero() {
		d.expired = true
		e.link.interrupt()
	}
	d.rearm, d.armed = nil, time.Time{}
	return time.Time{}
}
