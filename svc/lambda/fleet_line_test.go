package lambda

import (
	"runtime"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// lineStand is a fleet whose function f is called as often as there are hands, by environments that
// need no process.
type lineStand struct {
	*Service
	t     *testing.T
	house *script.House
	of    *target
	busy  []*environment
}

func newLineStand(t *testing.T, least time.Duration) *lineStand {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	st := &lineStand{Service: New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random}), t: t, house: h,
		of: &target{at: ref{store.Scope{Account: "000000000000", Region: "us-east-1"}, "f"}, function: &function{Name: "f"}, version: &version{Timeout: 3, Revision: "a"}}}
	t.Cleanup(st.fleet.close)
	for range hands() {
		st.busy = append(st.busy, st.get(true))
	}
	st.fleet.functions[st.of.at].least = least
	return st
}

func (st *lineStand) get(fresh bool) *environment {
	e, made, err := st.fleet.acquire(st.t.Context(), st.of)
	if err != nil || made != fresh {
		st.t.Errorf("acquired, new: %t, %v", made, err)
	}
	e.until = st.Clock.Now().Add(time.Hour)
	return e
}

// come is a caller that stands in line.
func (st *lineStand) come(fresh bool) <-chan *environment {
	st.t.Helper()
	n := st.inLine()
	got := make(chan *environment, 1)
	go func() { got <- st.get(fresh) }()
	for st.inLine() == n {
		runtime.Gosched()
	}
	return got
}

func (st *lineStand) inLine() int {
	st.fleet.mu.Lock()
	defer st.fleet.mu.Unlock()
	return len(st.fleet.functions[st.of.at].line)
}

// Who calls a function that takes a moment, and of which many run, gets one of their environments,
// in the order of coming.
func TestLine(t *testing.T) {
	st := newLineStand(t, time.Millisecond)
	first := st.come(false)
	second := st.come(false)
	st.busy[1].took = 2 * time.Millisecond
	st.fleet.release(st.busy[1], false)
	if e := <-first; e != st.busy[1] {
		t.Error("the first in line got another environment")
	}
	st.fleet.release(st.busy[0], false)
	if e := <-second; e != st.busy[0] {
		t.Error("the second in line got another environment")
	}
	st.fleet.mu.Lock()
	c := st.fleet.functions[st.of.at]
	if c.busy != hands() || len(c.idle) != 0 || len(st.fleet.lined) != 0 || c.least >= 2*time.Millisecond || c.least < time.Millisecond {
		t.Errorf("%d are busy, %d idle, %v in line; at least %v", c.busy, len(c.idle), st.fleet.lined, c.least)
	}
	st.fleet.mu.Unlock()
}

// Nobody stands in line for long, nor for a function that takes long, nor where too many do.
func TestLineEnds(t *testing.T) {
	st := newLineStand(t, time.Millisecond)
	late := st.come(true)
	st.house.Clock.Advance(lineTime)
	if e := <-late; e == nil || st.inLine() != 0 {
		t.Errorf("%d in line", st.inLine())
	}
	st.of.function.Reserved = ptr(int32(hands() + 2))
	st.come(true)
	if _, _, err := st.fleet.acquire(t.Context(), st.of); aws.CodeOf(err) != "TooManyRequestsException" {
		t.Errorf("beyond what is reserved: %v", err)
	}
	st.house.Clock.Advance(lineTime)
	slow := newLineStand(t, time.Second)
	slow.get(true)
}

// start is a caller whose environment waits for its turn to start.
func (st *lineStand) start() (e *environment, got <-chan *environment) {
	f := &st.fleet
	f.mu.Lock()
	c := f.functions[st.of.at]
	e = st.newEnvironment(st.of)
	c.all[e] = struct{}{}
	f.count++
	e.target = st.of
	f.begin(e, c)
	f.mu.Unlock()
	out := make(chan *environment, 1)
	go func() {
		serves, fresh := f.await(e)
		if fresh != (serves == e) {
			st.t.Error("it is told the wrong way")
		}
		out <- serves
	}()
	return e, out
}

// until waits until n environments wait for their turn, and so many timers with them.
func (st *lineStand) until(n, timers int) {
	for {
		st.fleet.mu.Lock()
		there := len(st.fleet.functions[st.of.at].waiting)
		st.fleet.mu.Unlock()
		if there == n && st.house.Clock.Timers() == timers {
			return
		}
		runtime.Gosched()
	}
}

// While others of a function that takes a moment come free, no more of its environments start; when none
// does, one starts.
func TestStartsEnough(t *testing.T) {
	st := newLineStand(t, time.Millisecond)
	_, first := st.start()
	st.until(1, 1)
	_, second := st.start()
	st.until(2, 2)
	st.fleet.release(st.busy[0], false)
	if e := <-first; e != st.busy[0] {
		t.Error("the first did not get the one that came free")
	}
	st.until(1, 1)
	st.house.Clock.Advance(lineTime) // one has come free since: it waits on
	st.until(1, 1)
	if n := len(st.starts); n != 0 {
		t.Errorf("%d start", n)
	}
	st.fleet.release(st.busy[1], false)
	if e := <-second; e != st.busy[1] {
		t.Error("the second did not get the one that came free")
	}
	e, third := st.start()
	st.until(1, 1)
	st.house.Clock.Advance(lineTime)
	if got := <-third; got != e || len(st.starts) != 1 {
		t.Error("it waits for those that do not come free")
	}
	unknown := newLineStand(t, 0)
	e, got := unknown.start()
	unknown.until(1, 1)
	unknown.house.Clock.Advance(lineTime)
	unknown.until(1, 1)
	unknown.house.Clock.Advance(unknownTime)
	if <-got != e {
		t.Error("it waits for those of whom nothing is known")
	}
	slow := newLineStand(t, time.Second)
	e, got = slow.start()
	if <-got != e {
		t.Error("it waits for those that take long")
	}
}
