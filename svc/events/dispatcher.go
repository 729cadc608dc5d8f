package events

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tule-cloud/tule/store"
)

// How many deliveries run at once: to one target, and of those that stay within this
// process together.
const (
	perTarget      = 16
	withinTogether = 256
)

// A job is one delivery.
type job struct {
	f        *flight
	rule, id string
	due      time.Time
}

// laneKey is whose deliveries wait for each other.
type laneKey struct {
	bus      busRef
	rule, id string
}

// A lane is the deliveries to one target.
type lane struct {
	key     laneKey
	queue   []*job
	running int
}

// The dispatcher runs deliveries. The store has the truth; the dispatcher knows what to
// do next.
type dispatcher struct {
	s    *Service
	wake chan struct{}
	slot chan struct{} // one for each delivery within
	wg   sync.WaitGroup

	mu     sync.Mutex
	ctx    context.Context // nil until run has found what an earlier process left
	early  []*flight
	lanes  map[laneKey]*lane
	delays delayed
	ended  []flightKey // to be forgotten
}

func newDispatcher(s *Service) *dispatcher {
	return &dispatcher{s: s, wake: make(chan struct{}, 1), slot: make(chan struct{}, withinTogether), lanes: map[laneKey]*lane{}}
}

// add takes a flight that is in the store.
func (d *dispatcher) add(f *flight) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil {
		d.early = append(d.early, f)
		return
	}
	d.launch(f)
}

// launch puts a flight's deliveries into their lanes. The caller holds mu.
func (d *dispatcher) launch(f *flight) {
	now := d.s.Clock.Now()
	f.mu.Lock()
	list := slices.Clone(f.targets)
	f.mu.Unlock()
	for _, t := range list {
		j := &job{f, t.Rule, t.ID, t.Due}
		l := d.lane(j)
		if t.Due.After(now) {
			heap.Push(&d.delays, j)
			d.poke()
			continue
		}
		l.queue = append(l.queue, j)
		d.advance(l)
	}
}

// lane is where a job waits. The caller holds mu.
func (d *dispatcher) lane(j *job) *lane {
	key := laneKey{busRef{j.f.key.scope, j.f.bus}, j.rule, j.id}
	l := d.lanes[key]
	if l == nil {
		l = &lane{key: key}
		d.lanes[key] = l
	}
	return l
}

// advance starts what a lane may start. The caller holds mu.
func (d *dispatcher) advance(l *lane) {
	for len(l.queue) > 0 && l.running < perTarget && d.ctx.Err() == nil {
		j := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		l.running++
		d.wg.Go(func() { d.fly(l, j) })
	}
	if len(l.queue) == 0 && l.running == 0 {
		delete(d.lanes, l.key)
	}
}

// fly makes one delivery, and starts what waited for it.
func (d *dispatcher) fly(l *lane, j *job) {
	wait, again := d.s.attempt(d.ctx, j)
	d.mu.Lock()
	defer d.mu.Unlock()
	l.running--
	if again {
		j.due = d.s.Clock.Now().Add(wait)
		heap.Push(&d.delays, j)
		d.poke()
	}
	d.advance(l)
}

// poke wakes run. It never waits.
func (d *dispatcher) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends.
func (d *dispatcher) run(ctx context.Context) error {
	defer d.wg.Wait()
	for {
		err := d.load(ctx)
		if err == nil || ctx.Err() != nil {
			break
		}
		d.s.Logger.Warn("events: find what is still to be delivered; trying again", "error", err)
		again, stop := d.s.Clock.After(time.Second)
		select {
		case <-again:
		case <-ctx.Done():
			stop()
		}
	}
	for ctx.Err() == nil {
		d.forget(ctx)
		next, any := d.release()
		var due <-chan time.Time
		stop := func() {}
		if any {
			due, stop = d.s.Clock.After(next.Sub(d.s.Clock.Now()))
		}
		select {
		case <-ctx.Done():
		case <-d.wake:
		case <-due:
		}
		stop()
	}
	return nil
}

// load takes up what an earlier process left in the store, and what came meanwhile.
func (d *dispatcher) load(ctx context.Context) error {
	var found []*flight
	err := d.s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range waiting.All(ctx, r) {
			if err != nil {
				return err
			}
			found = append(found, &flight{key: flightKey{e.Scope, e.Key.Time(0), e.Key.String(1)}, bus: e.Record.Bus, hops: e.Record.Hops, targets: e.Record.Aims})
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ctx = ctx
	known := map[flightKey]bool{}
	for _, f := range found {
		known[f.key] = true
		d.launch(f)
	}
	for _, f := range d.early {
		if !known[f.key] {
			d.launch(f)
		}
	}
	d.early = nil
	return nil
}

// release moves what is due back into its lane, and says when to look again.
func (d *dispatcher) release() (next time.Time, any bool) {
	now := d.s.Clock.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.delays) > 0 && !d.delays[0].due.After(now) {
		j := heap.Pop(&d.delays).(*job)
		l := d.lane(j)
		l.queue = append(l.queue, j)
		d.advance(l)
	}
	if len(d.delays) == 0 {
		return time.Time{}, false
	}
	return d.delays[0].due, true
}

// end notes that a flight has no targets any more.
func (d *dispatcher) end(key flightKey) {
	d.mu.Lock()
	d.ended = append(d.ended, key)
	d.mu.Unlock()
	d.poke()
}

// forgetStep is the most flights that one transaction forgets.
const forgetStep = 500

// forget removes the flights that have ended from the store.
func (d *dispatcher) forget(ctx context.Context) {
	for {
		d.mu.Lock()
		list := d.ended[:min(len(d.ended), forgetStep)]
		d.ended = d.ended[len(list):]
		d.mu.Unlock()
		if len(list) == 0 {
			return
		}
		err := d.s.Store.Update(ctx, func(tx store.Tx) error {
			for _, k := range list {
				if err := waiting.Delete(tx, k.scope, k.at, k.id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			if ctx.Err() == nil {
				d.s.Logger.Warn("events: forget what was delivered", "error", err) // it is delivered again after a restart
			}
			return
		}
	}
}

// settle ends a delivery; with the last, the flight is over. Where others wait to be tried
// again, it is noted that this one need not be.
func (d *dispatcher) settle(ctx context.Context, j *job) {
	f := j.f
	f.mu.Lock()
	f.targets = slices.DeleteFunc(f.targets, j.is)
	left, later := len(f.targets), slices.ContainsFunc(f.targets, func(t aim) bool { return !t.Due.IsZero() })
	f.mu.Unlock()
	if left == 0 {
		d.end(f.key)
	} else if later {
		d.note(context.WithoutCancel(ctx), f)
	}
}

// postpone notes when a delivery is tried again, and which others are done. The event is
// read again then.
func (d *dispatcher) postpone(ctx context.Context, j *job, wait time.Duration) {
	f := j.f
	f.mu.Lock()
	if i := slices.IndexFunc(f.targets, j.is); i >= 0 {
		f.targets[i].Due = d.s.Clock.Now().Add(wait)
	}
	f.mu.Unlock()
	d.note(ctx, f)
	f.mu.Lock()
	f.event = nil
	f.mu.Unlock()
}

// note writes down what is left of a flight.
func (d *dispatcher) note(ctx context.Context, f *flight) {
	k := f.key
	err := d.s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := waiting.Get(ctx, tx, k.scope, k.at, k.id)
		if errors.Is(err, store.ErrNotFound) {
			return nil // the account was emptied
		}
		if err != nil {
			return err
		}
		f.mu.Lock()
		have.Aims = slices.Clone(f.targets)
		f.mu.Unlock()
		return waiting.Put(tx, k.scope, have, k.at, k.id)
	})
	if err != nil && ctx.Err() == nil {
		d.s.Logger.Warn("events: note a delivery that is tried again", "error", err) // it is tried from the beginning after a restart
	}
}

func (j *job) is(t aim) bool { return t.Rule == j.rule && t.ID == j.id }

// delayed has the job that is due first on top.
type delayed []*job

var _ heap.Interface = (*delayed)(nil)

func (h delayed) Len() int           { return len(h) }
func (h delayed) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h delayed) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

// Push implements heap.Interface.
func (h *delayed) Push(x any) { *h = append(*h, x.(*job)) }

// Pop implements heap.Interface.
func (h *delayed) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
