package lambda

import (
	"math"
	"testing"

	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
)

// Processors come with memory, to sandboxes that start for a function and to those that waited.
func TestPower(t *testing.T) {
	s := &Service{Options: Options{}}
	for _, c := range []struct {
		memory     int32
		processors float64
		weight     int
	}{
		{128, 2, 7}, {1024, 2, 57}, {1769, 2, 100}, {3008, 2, 170}, {3538, 2, 200}, {5307, 3, 300}, {10240, 5.79, 578},
	} {
		e := &environment{s: s, version: &version{Memory: c.memory, Storage: 512}}
		started := e.spec(runtimes.Command{}, "/code", false)
		late := e.furnishing("/code")
		for how, got := range map[string]sandbox.Spec{"started": started, "furnished": {CPU: late.CPU, CPUWeight: late.CPUWeight}} {
			if math.Abs(got.CPU-c.processors) > 0.01 || got.CPUWeight != c.weight {
				t.Errorf("%d MB, %s: %v processors, weight %d", c.memory, how, got.CPU, got.CPUWeight)
			}
		}
	}
}
