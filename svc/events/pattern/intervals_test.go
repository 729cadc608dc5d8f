package pattern

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestIntervals holds the tree against asking each range, as ranges come and go.
func TestIntervals(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	end := func() float64 {
		switch chance.IntN(20) {
		case 0:
			return math.Inf(-1)
		case 1:
			return math.Inf(1)
		}
		return float64(chance.IntN(50))
	}
	type held struct {
		low, high float64
		e         *entry
	}
	var tree intervals
	var all []held
	for step := range 5000 {
		if len(all) > 0 && chance.IntN(5) < 2 {
			i := chance.IntN(len(all))
			tree.remove(all[i].low, all[i].high, all[i].e)
			all = append(all[:i], all[i+1:]...)
		} else {
			a, b := end(), end()
			h := held{min(a, b), max(a, b), &entry{name: fmt.Sprint(step)}}
			tree.add(h.low, h.high, h.e)
			all = append(all, h)
		}
		for _, n := range []float64{end(), float64(chance.IntN(50)) + 0.5, math.NaN()} {
			want := map[*entry]bool{}
			for _, h := range all {
				if h.low <= n && n <= h.high {
					want[h.e] = true
				}
			}
			tree.root.visit(n, func(e *entry) {
				if !want[e] {
					t.Fatalf("step %d: %v leads to %s, or twice", step, n, e.name)
				}
				delete(want, e)
			})
			if len(want) > 0 {
				t.Fatalf("step %d: %v does not lead to %d entries", step, n, len(want))
			}
		}
	}
	for _, h := range all {
		tree.remove(h.low, h.high, h.e)
	}
	if tree.root != nil {
		t.Error("the tree is not empty")
	}
}

// TestManyRanges counts which of 10,000 ranges are asked about a number: not all.
func TestManyRanges(t *testing.T) {
	x := NewIndex()
	for n := range 10_000 {
		p, err := Parse(fmt.Sprintf(`{"detail":{"n":[{"numeric":[">=",%d,"<",%d]}]}}`, n*10, n*10+10))
		if err != nil {
			t.Fatal(err)
		}
		x.Put(fmt.Sprint(n), p)
	}
	asked := 0
	x.paths["detail.n"].ranges.root.visit(5015, func(*entry) { asked++ })
	e, err := ParseEvent(`{"detail":{"n":5015}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := x.Match(e); len(got) != 1 || got[0] != "501" || asked > 2 {
		t.Errorf("matched %v, of %d that were asked", got, asked)
	}
}

// BenchmarkRanges matches an event against 10,000 rules that ask for ranges of one number.
func BenchmarkRanges(b *testing.B) {
	for _, rules := range []int{10, 10_000} {
		x := NewIndex()
		for n := range rules {
			p, err := Parse(fmt.Sprintf(`{"detail":{"n":[{"numeric":[">=",%d,"<",%d]}]}}`, n*10, n*10+10))
			if err != nil {
				b.Fatal(err)
			}
			x.Put(fmt.Sprint(n), p)
		}
		e, err := ParseEvent(`{"detail":{"n":55}}`)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(rules), func(b *testing.B) {
			for b.Loop() {
				x.Match(e)
			}
		})
	}
}
