package cloudwatch

import (
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

func house(h *script.House) *Service {
	return New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h})
}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(_ *testing.T, h *script.House) []aws.Route { return house(h).Routes() })
}
