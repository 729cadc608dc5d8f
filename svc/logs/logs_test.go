package logs

import (
	"context"
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

func house(h *script.House) *Service {
	return New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h})
}

// TestScripts runs the scenarios. What goes on in the background of queries and exports
// is done when their calls have been answered.
func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(_ *testing.T, h *script.House) []aws.Route {
		s := house(h)
		h.Add(newWorld().routes())
		routes := s.Routes()
		for i, r := range routes {
			if r.Op.Name == "StartQuery" || r.Op.Name == "CreateExportTask" {
				routes[i].Call = func(ctx context.Context, in any) (any, error) {
					out, err := r.Call(ctx, in)
					if err == nil {
						err = s.finish(ctx)
					}
					return out, err
				}
			}
		}
		return routes
	})
}
