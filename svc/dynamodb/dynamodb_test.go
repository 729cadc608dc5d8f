package dynamodb

import (
	"testing"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(t *testing.T, h *script.House) []aws.Route {
		s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random})
		return append(s.Routes(), s.Streams().Routes()...)
	})
}

// Every route says what it needs permission for, and names a table in the account
// and region of the caller or, where the action has none, every resource.
func TestRoutes(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	seen := map[string]bool{}
	for _, r := range New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random}).Routes() {
		if r.Op.Service != api.Service || seen[r.Op.Name] {
			t.Errorf("%s: twice, or of another service", r.Op.Name)
		}
		seen[r.Op.Name] = true
		if r.Guard == nil || r.Call == nil {
			t.Errorf("%s has no guard or handler", r.Op.Name)
		}
	}
}
