package ecr

import (
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(_ *testing.T, h *script.House) []aws.Route {
		return New(Options{Store: h.Store, Clock: h.Clock}).Routes()
	})
}
