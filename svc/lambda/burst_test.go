package lambda

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A hundred first invokes of one function are all answered, by as many environments as are
// worth their start; none waits for a start that another's end has made needless.
func TestBurst(t *testing.T) {
	const many = 100
	h := &heard{}
	st := newStand(t, func(o *Options) { o.Measures = h })
	st.create("f", "nodejs20.x", `let n = 0; exports.handler = async () => ++n;`)
	var took []time.Duration
	begun := time.Now()
	st.create("one", "nodejs20.x", `exports.handler = async () => 1;`)
	st.call("one", "{}")
	one := time.Since(begun)

	var wg sync.WaitGroup
	var mu sync.Mutex
	fresh := 0
	begun = time.Now()
	for range many {
		wg.Go(func() {
			answer, log := st.call("f", "{}")
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(begun))
			if answer == "1" {
				fresh++
			}
			if (answer == "1") != strings.Contains(log, "Init Duration") {
				t.Errorf("invoke %s of its environment:\n%s", answer, log)
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	t.Logf("%d environments; one took %v, half of %d %v, the last %v", fresh, one, many, took[many/2], took[many-1])
	if fresh > many/2 {
		t.Errorf("%d environments were started for %d invokes of less than a millisecond", fresh, many)
	}
	if n := h.sum("Invocations f"); n != many {
		t.Errorf("%v invokes were counted", n)
	}
	st.fleet.mu.Lock()
	defer st.fleet.mu.Unlock()
	c := st.fleet.functions[ref{st.scope(), "f"}]
	if c.busy != 0 || len(c.waiting) != 0 || len(c.all) != fresh || len(c.idle) != fresh || st.fleet.busy[st.scope()] != 0 {
		t.Errorf("%d are busy, %d wait, %d are there and %d idle, of %d that were started", c.busy, len(c.waiting), len(c.all), len(c.idle), fresh)
	}
}

// First invokes of many functions at once are all answered.
func TestBurstOfFunctions(t *testing.T) {
	st := newStand(t)
	const many = 24
	for n := range many {
		st.create(fmt.Sprint("f", n), "python3.11", "def handler(e, c):\n    return e\n")
	}
	var wg sync.WaitGroup
	for n := range many {
		wg.Go(func() {
			if answer, _ := st.call(fmt.Sprint("f", n), fmt.Sprint(n)); answer != fmt.Sprint(n) {
				t.Error(answer)
			}
		})
	}
	wg.Wait()
}

// What waits for its turn is not given what serves another version, nor what ends.
func TestNotHandedOver(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = async () => "old";`)
	if answer, _ := st.call("f", "{}"); answer != `"old"` {
		t.Fatal(answer)
	}
	at := ref{st.scope(), "f"}
	st.fleet.mu.Lock()
	c := st.fleet.functions[at]
	e := c.idle[0]
	old := *e.version
	for name, w := range map[string]version{"another version": {Number: 1, Revision: old.Revision}, "changed code": {Revision: "another"}, "no time": {Revision: old.Revision, Timeout: 1 << 20}} {
		c.waiting = []*environment{{at: at, version: &w}}
		if st.fleet.waiter(e, c) != nil {
			t.Errorf("handed over to %s", name)
		}
	}
	c.waiting = []*environment{{at: at, version: &old}}
	if st.fleet.waiter(e, c) == nil || len(c.waiting) != 0 {
		t.Error("not handed over to the same version")
	}
	st.fleet.mu.Unlock()
}
