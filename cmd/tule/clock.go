package main

import (
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
