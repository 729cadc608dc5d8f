package main

import (
	"os"
	"testing"

	"github.com/tule-cloud/tule/sandbox"
	"github.com/tule-cloud/tule/steer"
)

var self sandbox.Self

func TestMain(m *testing.M) {
	self = sandbox.MaybeInit()
	steer.MaybeChild()
	os.Exit(m.Run())
}
