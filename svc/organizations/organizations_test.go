package organizations

import (
	"testing"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/svc/iam"
)

// furnish makes a house's Organizations, with the IAM that makes roles.
func furnish(h *script.House) (*Service, []aws.Route) {
	people := iam.New(iam.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Keys: seal.New([32]byte{1}, h.Random)})
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Pin: true})
	return s, append(s.Routes(), people.Routes()...)
}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(_ *testing.T, h *script.House) []aws.Route {
		_, routes := furnish(h)
		return routes
	})
}

// Every route is Organizations', is there once, and has a guard.
func TestRoutes(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s, _ := furnish(h)
	seen := map[string]bool{}
	for _, r := range s.Routes() {
		if r.Op.Service != api.Service || seen[r.Op.Name] {
			t.Errorf("%s: twice, or of another service", r.Op.Name)
		}
		seen[r.Op.Name] = true
		if r.Guard == nil || r.Call == nil {
			t.Errorf("%s has no guard or handler", r.Op.Name)
		}
	}
	if len(seen) != 53 {
		t.Errorf("%d routes", len(seen))
	}
}
