package apigateway

import (
	"log/slog"
	"testing"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
)

func newTest(h *script.House) *Service {
	return New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Logger: slog.New(slog.DiscardHandler), Peers: h, Rate: 10_000,
		Box: seal.New([32]byte{}, h.Random).For("gateway")})
}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata/control", func(t *testing.T, h *script.House) []aws.Route {
		h.Add(fakeRoles())
		h.Add(fakeObjects())
		functions := newFakeLambda()
		functions.functions["answer"] = `{"statusCode": 201, "body": "made"}`
		functions.functions["guard"] = `{"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}}`
		h.Add(functions.routes())
		return newTest(h).Routes()
	})
}

// Every route is of this service, once, and says what it needs.
func TestRoutes(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	seen := map[string]bool{}
	for _, r := range newTest(h).Routes() {
		if r.Op.Service != api.Service || seen[r.Op.Name] {
			t.Errorf("%s: twice, or of another service", r.Op.Name)
		}
		seen[r.Op.Name] = true
		needs, err := r.Guard(h.Context(t.Context()), r.New())
		if err != nil || len(needs) == 0 || needs[0].Action != "apigateway:"+r.Op.Method {
			t.Errorf("%s needs %v, %v", r.Op.Name, needs, err)
		}
	}
}
