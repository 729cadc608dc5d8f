package cloudformation

import (
	"context"
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/svc/iam"
	"github.com/tule-cloud/tule/svc/sns"
	"github.com/tule-cloud/tule/svc/sqs"
)

// settled is the routes of a service whose stacks come to rest before a call returns.
func settled(s *Service) []aws.Route {
	routes := s.Routes()
	for i, r := range routes {
		routes[i].Call = func(ctx context.Context, in any) (any, error) {
			out, err := r.Call(ctx, in)
			keys, e := s.pending(context.Background())
			if e != nil {
				return nil, e
			}
			for _, k := range keys {
				if e := s.drive(context.Background(), k); e != nil {
					return nil, e
				}
			}
			return out, err
		}
	}
	return routes
}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(t *testing.T, h *script.House) []aws.Route {
		s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Together: 1})
		routes := settled(s)
		keys, err := seal.Open(t.TempDir()+"/key", h.Random)
		if err != nil {
			t.Fatal(err)
		}
		h.Add(sqs.New(sqs.Options{Store: h.Store, Clock: h.Clock, Random: h.Random}).Routes())
		h.Add(sns.New(sns.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h}).Routes())
		h.Add(iam.New(iam.Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Keys: keys}).Routes())
		return routes
	})
}
