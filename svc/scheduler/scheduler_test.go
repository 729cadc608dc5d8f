package scheduler

import (
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/svc/events/cron"
)

func parse(text string) (Plan, bool) {
	e, ok := cron.Parse(text)
	return e, ok
}

func newTest(h *script.House) *Service {
	return New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Parse: parse})
}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(_ *testing.T, h *script.House) []aws.Route { return newTest(h).Routes() })
}
