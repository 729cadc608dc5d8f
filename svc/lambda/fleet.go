package lambda

import (
	"context"
	"slices"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// freezeAfter is how long an environment runs on after an invoke. Freezing costs more
// than a short invoke; one that is called again at once is not frozen at all.
const freezeAfter = 10 * time.Millisecond

// reapEvery is how often the fleet looks for environments that nobody needs.
const reapEvery = 30 * time.Second

// The fleet is all environments on this machine.
type fleet struct {
	s  *Service
	wg sync.WaitGroup // environments that end

	mu        sync.Mutex
	functions map[ref]*crew
	busy      map[store.Scope]int // invokes of functions without a reservation
	running   map[store.Scope]int // all invokes
	lined     map[store.Scope]int // callers in line
	reserved  map[store.Scope]int // what functions reserve together; absent is unknown
	count     int                 // environments
	freezing  bool                // the goroutine that freezes is there
	closed    bool
	stopped   chan struct{} // closed with it
}

// A crew is a function's environments.
type crew struct {
	busy        int
	provisioned int            // of all
	idle        []*environment // the one used last at the end
	all         map[*environment]struct{}
	waiting     []*environment // of all, for their turn to start
	handed      int            // how often one that came free was given to one of those
	line        []*caller      // who waits for one that is busy, the first first
	least       time.Duration  // what invokes took of late at least; 0 is unknown
}

// throttled is the refusal of an invoke for want of concurrency.
func throttled(reason string) error {
	return api.TooManyRequestsException("Rate Exceeded.").With(&api.TooManyRequestsExceptionDetail{Reason: &reason, Type: ptr("User")})
}

// acquire gives the caller an environment for the target: the one used last, or a new
// one, which is still to be started. The caller gives it back by release.
func (f *fleet) acquire(ctx context.Context, t *target) (e *environment, fresh bool, err error) {
	spare := f.s.Concurrency
	if t.shares() {
		if spare, err = f.unreserved(ctx, t.at.scope); err != nil {
			return nil, false, err
		}
	}
	f.mu.Lock()
	c, err := f.admit(t, spare)
	if err != nil {
		f.mu.Unlock()
		return nil, false, err
	}
	if f.lines(c) {
		if e = f.stand(c, t); e != nil {
			f.mu.Unlock()
			return e, false, nil
		}
		if c, err = f.admit(t, spare); err != nil { // much may have changed
			f.mu.Unlock()
			return nil, false, err
		}
	}
	e = f.reuse(c, t)
	if e == nil {
		if err := f.room(c); err != nil {
			f.tidy(t.at, c)
			f.mu.Unlock()
			return nil, false, err
		}
		e, fresh = f.s.newEnvironment(t), true
		c.all[e] = struct{}{}
		f.count++
	}
	e.busy.Store(true)
	e.counted, e.target = t.shares() && !e.provisioned, t
	f.begin(e, c)
	f.mu.Unlock()
	if !fresh {
		if err := e.thaw(); err != nil {
			f.release(e, true)
			return nil, false, err
		}
	}
	return e, fresh, nil
}

// shares reports whether invokes share the account's concurrency with others.
func (t *target) shares() bool { return t.function.Reserved == nil && t.version.Provider == nil }

// admit holds an invoke to the function's and the account's concurrency.
func (f *fleet) admit(t *target, spare int) (*crew, error) {
	if f.closed {
		return nil, aws.Unavailable("Tule is stopping.")
	}
	c := f.functions[t.at]
	if c == nil {
		c = &crew{all: map[*environment]struct{}{}}
		f.functions[t.at] = c
	}
	if r := t.function.Reserved; r != nil && c.busy+len(c.line) >= int(*r) {
		f.tidy(t.at, c)
		return nil, throttled(api.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded)
	}
	if c.full(t.version) {
		f.tidy(t.at, c)
		return nil, throttled(api.ThrottleReasonConcurrentInvocationLimitExceeded)
	}
	ready := slices.ContainsFunc(c.idle, func(e *environment) bool { return e.provisioned && e.version.Number == t.version.Number })
	if t.shares() && f.busy[t.at.scope]+f.lined[t.at.scope] >= spare && !ready {
		f.tidy(t.at, c)
		return nil, throttled(api.ThrottleReasonConcurrentInvocationLimitExceeded)
	}
	return c, nil
}

// reuse takes the idle environment of the target's version that was used last; first
// of those that are provisioned, so that the others can end. Those of a version or an egress that
// has changed, or whose credentials end soon, are ended instead.
func (f *fleet) reuse(c *crew, t *target) *environment {
	if e := f.reuseOf(c, t, true); e != nil {
		return e
	}
	return f.reuseOf(c, t, false)
}

func (f *fleet) reuseOf(c *crew, t *target, provisioned bool) *environment {
	for i := len(c.idle) - 1; i >= 0; i-- {
		e := c.idle[i]
		if e.version.Number != t.version.Number || e.provisioned != provisioned {
			continue
		}
		c.idle = slices.Delete(c.idle, i, i+1)
		if f.fits(e, t) {
			return e
		}
		f.end(e)
	}
	return nil
}

// fits reports whether an environment is what the target is now, and its credentials last.
func (f *fleet) fits(e *environment, t *target) bool {
	last := f.s.Clock.Now().Add(time.Duration(t.version.Timeout)*time.Second + time.Minute)
	return e.version.Number == t.version.Number && e.version.Revision == t.version.Revision && e.egress == f.s.egressOf(t.function) && e.hot == t.hot && e.until.After(last)
}

// room makes room for one more environment, if need be by ending the one that nobody
// has needed longest. The crew that grows stays, even if it was that one's.
func (f *fleet) room(grows *crew) error {
	if f.count < f.s.Environments {
		return nil
	}
	var oldest *environment
	for _, c := range f.functions {
		for _, e := range c.idle {
			if !e.provisioned && (oldest == nil || e.idleSince.Before(oldest.idleSince)) {
				oldest = e
			}
		}
	}
	if oldest == nil {
		return throttled(api.ThrottleReasonConcurrentInvocationLimitExceeded)
	}
	c := f.functions[oldest.at]
	at := slices.Index(c.idle, oldest)
	c.idle = slices.Delete(c.idle, at, at+1)
	f.end(oldest)
	if c != grows {
		f.tidy(oldest.at, c)
	}
	return nil
}

// release gives an environment back, broken if it cannot serve again.
func (f *fleet) release(e *environment, broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over(e)
	f.functions[e.at].learn(e)
	f.rest(e, broken)
}

// begin counts an invoke that e is to serve. The caller holds mu.
func (f *fleet) begin(e *environment, c *crew) {
	c.busy++
	e.serving = true
	f.running[e.at.scope]++
	if e.counted {
		f.busy[e.at.scope]++
	}
	f.measure(e, c)
	f.provision(e, c)
}

// over counts it no more. The caller holds mu.
func (f *fleet) over(e *environment) {
	c := f.functions[e.at]
	c.busy--
	e.serving = false
	decrease(f.running, e.at.scope)
	if e.counted {
		decrease(f.busy, e.at.scope)
	}
	f.measure(e, c)
}

func decrease(m map[store.Scope]int, of store.Scope) {
	if m[of]--; m[of] == 0 {
		delete(m, of)
	}
}

// rest lets an environment wait for its next invoke, or ends it. The caller holds mu.
func (f *fleet) rest(e *environment, broken bool) {
	c := f.functions[e.at]
	if broken || e.doomed || f.closed {
		e.busy.Store(false)
		f.end(e)
		f.tidy(e.at, c)
		return
	}
	if w := f.waiter(e, c); w != nil {
		f.handOver(e, w)
		return
	}
	if f.next(e, c) {
		return
	}
	e.busy.Store(false)
	e.idleSince, e.rests = f.s.Clock.Now(), false
	c.idle = append(c.idle, e)
	if !f.freezing && !f.s.Thawed {
		f.freezing = true
		f.wg.Go(f.freeze)
	}
}

// await waits until a new environment may start. If another of the same version comes free
// before, that one is given to the caller instead, and the new one ended: many first invokes at
// once are served by as many environments as they keep busy.
func (f *fleet) await(e *environment) (serves *environment, fresh bool) {
	e.handover = make(chan *environment, 1)
	f.mu.Lock()
	c := f.functions[e.at]
	c.waiting = append(c.waiting, e)
	for {
		handed := c.handed
		if c.enough() {
			wait := c.patience()
			f.mu.Unlock()
			due, stop := f.s.Clock.After(wait)
			select {
			case other := <-e.handover:
				stop()
				return other, false
			case <-due:
			}
			f.mu.Lock()
			if c.handed > handed {
				continue
			}
		}
		f.mu.Unlock()
		select {
		case other := <-e.handover:
			return other, false
		case f.s.starts <- struct{}{}:
		}
		f.mu.Lock()
		i := slices.Index(c.waiting, e)
		if i < 0 { // both at once
			f.mu.Unlock()
			<-f.s.starts
			return <-e.handover, false
		}
		if c.handed == handed || !c.enough() {
			c.waiting = slices.Delete(c.waiting, i, i+1)
			e.turn = f.s.turn()
			f.mu.Unlock()
			return e, true
		}
		<-f.s.starts // others have served meanwhile
	}
}

// waiter is the first environment that waits for its turn in whose place e can serve; nil for
// none. The caller holds mu.
func (f *fleet) waiter(e *environment, c *crew) *environment {
	for i, w := range c.waiting {
		last := f.s.Clock.Now().Add(time.Duration(w.version.Timeout)*time.Second + time.Minute)
		if w.version.Number == e.version.Number && w.version.Revision == e.version.Revision && w.egress == e.egress && !w.provisioned && e.until.After(last) {
			c.waiting = slices.Delete(c.waiting, i, i+1)
			return w
		}
	}
	return nil
}

// handOver lets e serve the invoke for which w has waited. The caller holds mu.
func (f *fleet) handOver(e, w *environment) {
	e.target, e.counted, e.serving = w.target, w.counted, true
	w.serving = false
	f.functions[e.at].handed++
	f.end(w)
	w.handover <- e
}

// end ends an environment that is neither busy nor idle any more. The caller holds mu.
func (f *fleet) end(e *environment) {
	c := f.functions[e.at]
	if _, there := c.all[e]; !there {
		return
	}
	delete(c.all, e)
	f.count--
	e.busy.Store(true) // nobody freezes it any more
	if e.provisioned {
		c.provisioned--
		f.s.provisioner.wake()
	}
	f.wg.Go(e.close)
}

// tidy forgets a crew without members.
func (f *fleet) tidy(at ref, c *crew) {
	if len(c.all) == 0 && c.busy == 0 {
		delete(f.functions, at)
	}
}

// freeze freezes environments that have been idle for a moment, as long as there are
// any that run.
func (f *fleet) freeze() {
	for {
		due, stop := f.s.Clock.After(freezeAfter)
		select {
		case <-due:
		case <-f.stopped:
			stop()
			return
		}
		ripe, more := f.ripe()
		for _, e := range ripe {
			e.freeze()
		}
		if !more {
			return
		}
	}
}

// ripe are the environments to be frozen now; more tells whether others will be.
func (f *fleet) ripe() (list []*environment, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.s.Clock.Now().Add(-freezeAfter)
	for _, c := range f.functions {
		for _, e := range slices.Backward(c.idle) {
			switch {
			case e.rests:
			case e.idleSince.After(before):
				more = true
			default:
				e.rests = true
				list = append(list, e)
			}
		}
	}
	f.freezing = more && !f.closed
	return list, f.freezing
}

// reap ends environments that nobody has needed for Options.KeepAlive.
func (f *fleet) reap(ctx context.Context) {
	for {
		due, stop := f.s.Clock.After(min(reapEvery, f.s.KeepAlive))
		select {
		case <-ctx.Done():
			stop()
			return
		case <-due:
			f.reapIdle()
			f.s.spares.reap()
		}
	}
}

func (f *fleet) reapIdle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.s.Clock.Now().Add(-f.s.KeepAlive)
	for at, c := range f.functions {
		c.idle = slices.DeleteFunc(c.idle, func(e *environment) bool {
			if e.provisioned || e.idleSince.After(before) {
				return false
			}
			f.end(e)
			return true
		})
		f.tidy(at, c)
	}
}

// retire ends the environments of a function's version, since it has changed; those
// in the middle of an invoke end after it.
func (f *fleet) retire(at ref, number int64) {
	f.retireIf(at, func(e *environment) bool { return e.version.Number == number })
}

// retireAll is retire for all versions.
func (f *fleet) retireAll(at ref) {
	f.retireIf(at, func(*environment) bool { return true })
	f.forgetReserved(at.scope)
}

func (f *fleet) retireIf(at ref, is func(*environment) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.functions[at]
	if c == nil {
		return
	}
	c.idle = slices.DeleteFunc(c.idle, func(e *environment) bool {
		if is(e) {
			f.end(e)
			return true
		}
		return false
	})
	for e := range c.all {
		if is(e) {
			e.doomed = true
		}
	}
	f.tidy(at, c)
}

// manned are the functions that have environments.
func (f *fleet) manned() map[ref]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[ref]bool{}
	for at := range f.functions {
		out[at] = true
	}
	return out
}

// close ends all environments, and waits until they have ended.
func (f *fleet) close() {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.stopped)
	}
	for at, c := range f.functions {
		for _, e := range c.idle {
			f.end(e)
		}
		c.idle = nil
		for e := range c.all {
			e.doomed = true
			e.hangUp()
		}
		f.tidy(at, c)
	}
	f.mu.Unlock()
	f.wg.Wait()
}

// unreserved is the concurrency that functions without a reservation share.
func (f *fleet) unreserved(ctx context.Context, scope store.Scope) (int, error) {
	f.mu.Lock()
	sum, known := f.reserved[scope]
	f.mu.Unlock()
	if known {
		return f.s.Concurrency - sum, nil
	}
	var u usage
	err := f.s.Store.View(ctx, func(r store.Reader) (err error) {
		u, err = f.s.usage(ctx, r, scope)
		return err
	})
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	f.reserved[scope] = u.reserved
	f.mu.Unlock()
	return f.s.Concurrency - u.reserved, nil
}

// forgetReserved is called when reservations have changed.
func (f *fleet) forgetReserved(scope store.Scope) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.reserved, scope)
}

// replace puts a new environment in the place of one that a caller has, and ends that.
func (f *fleet) replace(old *environment, t *target) *environment {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.functions[old.at]
	e := f.s.newEnvironment(t)
	e.counted, e.doomed = old.counted, old.doomed && old.version.Revision == e.version.Revision
	e.busy.Store(true)
	e.target, e.serving = t, true
	c.all[e] = struct{}{}
	f.count++
	f.end(old)
	return e
}
