package events

import (
	"crypto/rand"
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
)

func newTest(h *script.House, o Options) *Service {
	var root [32]byte
	o.Store, o.Clock, o.Random, o.Secrets = h.Store, h.Clock, h.Random, seal.New(root, rand.Reader).For("test")
	if o.Peers == nil {
		o.Peers = h
	}
	return New(o)
}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(_ *testing.T, h *script.House) []aws.Route {
		return newTest(h, Options{}).Routes()
	})
}
