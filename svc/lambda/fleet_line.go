package lambda

import (
	"runtime"
	"slices"
	"time"
)

// Invokes that take a moment are better done one after the other, by environments whose code and
// data the processors still have, than all at once: a machine with two processors does twice
// as many of them so. Who calls a function of which as many run as the machine has hands therefore
// stands in line for one that comes free, for a while: a function that turns out to wait for
// something else, rather than to compute, gets its environments.

// briefly is what an invoke takes at most of a function that is waited for.
const briefly = 3 * time.Millisecond

// lineTime is how long a caller stands in line.
const lineTime = 25 * time.Millisecond

// unknownTime is how long those wait who have nobody's figures to go by: about as long as as many starts take as
// there are hands, which fill the processors anyway.
const unknownTime = 100 * time.Millisecond

// hands is how many invokes of a function run at once before others stand in line.
func hands() int { return 2 * runtime.GOMAXPROCS(0) }

// A caller stands in line for an environment.
type caller struct {
	target *target
	given  chan *environment
}

// learn notes what the environment's last invoke took. What is least is believed longest: on a
// busy machine all else says more of the machine. The caller holds the fleet's mu.
func (c *crew) learn(e *environment) {
	switch took := e.took; {
	case took <= 0:
	case c.least == 0:
		c.least = took
	default:
		c.least = min(c.least+c.least/16+1, took)
	}
	e.took = 0
}

// lines reports whether an invoke is better served by an environment that is busy. The caller
// holds mu.
func (f *fleet) lines(c *crew) bool {
	return c.least > 0 && c.least < briefly && c.busy >= hands() && c.provisioned == 0 && f.s.Debugger == nil
}

// enough reports whether so many of the crew have started, or are about to, that who waits for another
// start had better wait for them: each start takes the processors from those that could serve by then. That
// holds as long as they do come free. The caller holds the fleet's mu.
func (c *crew) enough() bool {
	return len(c.all)-len(c.waiting) >= hands() && c.least < briefly
}

// patience is how long to wait for one of them.
func (c *crew) patience() time.Duration {
	if c.least == 0 {
		return unknownTime
	}
	return lineTime
}

// stand waits in line for an environment, which is then the caller's; nil if none came free in
// time. The caller holds mu, but not while it waits.
func (f *fleet) stand(c *crew, t *target) *environment {
	me := &caller{t, make(chan *environment, 1)}
	c.line = append(c.line, me)
	f.lined[t.at.scope]++
	f.mu.Unlock()
	due, stop := f.s.Clock.After(lineTime)
	select {
	case e := <-me.given:
		stop()
		f.mu.Lock()
		return e
	case <-due:
	case <-f.stopped:
		stop()
	}
	f.mu.Lock()
	if i := slices.Index(c.line, me); i >= 0 {
		c.line = slices.Delete(c.line, i, i+1)
		decrease(f.lined, t.at.scope)
		return nil
	}
	return <-me.given // both at once
}

// next gives an environment that has come free to the first in line whom it can serve. The caller
// holds mu.
func (f *fleet) next(e *environment, c *crew) bool {
	for i, w := range c.line {
		if !f.fits(e, w.target) {
			continue
		}
		c.line = slices.Delete(c.line, i, i+1)
		decrease(f.lined, e.at.scope)
		e.counted, e.target = w.target.shares() && !e.provisioned, w.target
		f.begin(e, c)
		w.given <- e
		return true
	}
	return false
}
