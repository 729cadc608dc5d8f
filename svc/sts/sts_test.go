package sts

import (
	"testing"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/svc/iam"
)

// build furnishes a house with STS and with the IAM behind it.
func build(_ *testing.T, h *script.House) []aws.Route {
	keys := seal.New([32]byte{1}, h.Random)
	id := iam.New(iam.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Keys: keys})
	s := New(Options{Clock: h.Clock, Random: h.Random, Keys: keys, Roles: id, Providers: id})
	return append(s.Routes(), id.Routes()...)
}

func TestScripts(t *testing.T) { script.Run(t, "testdata", build) }

// Every route is STS's, is there once, and has a guard.
func TestRoutes(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range New(Options{Keys: testKeys(0)}).Routes() {
		if r.Op.Service != api.Service || seen[r.Op.Name] {
			t.Errorf("%s: twice, or of another service", r.Op.Name)
		}
		seen[r.Op.Name] = true
		if r.Guard == nil || r.Call == nil {
			t.Errorf("%s has no guard or handler", r.Op.Name)
		}
	}
}
