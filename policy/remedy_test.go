package policy_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tule-cloud/tule/policy"
)

// TestRemedy applies remedy after remedy to random requests: each must take its
// reason away, until the request is allowed or only an explicit deny is left.
func TestRemedy(t *testing.T) {
	remedied := 0
	for seed := range 3000 {
		g := generator{rand.New(rand.NewPCG(uint64(seed), 13))}
		req, set := g.request(), g.set()
		last := policy.Kind(0)
		for {
			d := policy.Evaluate(req, set)
			text := d.Remedy(req)
			if d.Allowed || d.Explicit {
				if text != "" {
					t.Fatalf("seed %d: a remedy for %v: %s", seed, d, text)
				}
				break
			}
			if d.By == last {
				t.Fatalf("seed %d: %v in spite of the remedy\nrequest %+v\n%s", seed, d, *req, describe(set))
			}
			last = d.By
			p, err := policy.ParseAndCompile(fmt.Sprintf(`{"Version":"2012-10-17","Statement":%s}`, text))
			if err != nil {
				t.Fatal(err)
			}
			add(set, d.By, policy.Source{ID: "remedy", Policy: p})
			remedied++
		}
	}
	if remedied < 1000 {
		t.Errorf("only %d remedies", remedied)
	}
}

func add(set *policy.Set, k policy.Kind, src policy.Source) {
	everyLevel := func(levels [][]policy.Source) [][]policy.Source {
		if len(levels) == 0 {
			return [][]policy.Source{{src}}
		}
		for i := range levels {
			levels[i] = append(levels[i], src)
		}
		return levels
	}
	switch k {
	case policy.Identity:
		set.Identity = append(set.Identity, src)
	case policy.Resource, policy.Trust:
		set.Resource = append(set.Resource, src)
	case policy.Boundary:
		set.Boundary = append(set.Boundary, src)
	case policy.Session:
		set.Session = append(set.Session, src)
	case policy.ServiceControl:
		set.SCPs = everyLevel(set.SCPs)
	case policy.ResourceControl:
		set.RCPs = everyLevel(set.RCPs)
	}
}
