package aws

import "time"

// A Clock tells the time. Everything in Tule that depends on time takes one as a
// parameter, so that tests, and the operator of a test instance, can move it.
type Clock interface {
	// Now is the current time, in UTC.
	Now() time.Time
	// After delivers once, when d has passed on this clock. The returned stop
	// function releases the timer; calling it twice is fine.
	After(d time.Duration) (c <-chan time.Time, stop func())
}
