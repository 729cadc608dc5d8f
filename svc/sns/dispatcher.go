package sns

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tule-cloud/tule/store"
)

// How many deliveries run at once: to one endpoint, and of those that stay within this
// process together.
const (
	perSubscription = 16
	withinTogether  = 256
)

// flightKey is where a message and its targets are kept.
type flightKey struct {
	at     topicRef
	number int64
	id     string
}

// A flight is a message that is being delivered.
type flight struct {
	key flightKey

	mu      sync.Mutex
	message *message // nil: it is read again when it is needed
	targets []target // those left
}

// A job is one delivery.
type job struct {
	f   *flight
	sub string
	due time.Time
}

// laneKey is whose deliveries wait for each other.
type laneKey struct {
	at         topicRef
	sub, group string
}

// A lane is the deliveries to one subscription, or of one group of a FIFO topic to it.
type lane struct {
	key     laneKey
	queue   []*job
	running int
	ordered bool
	paused  bool // of an ordered lane: its first waits to be tried again
}

// The dispatcher runs deliveries. The store has the truth; the dispatcher knows what to
// do next.
type dispatcher struct {
	s    *Service
	wake chan struct{}
	slot chan struct{} // one for each delivery within
	wg   sync.WaitGroup

	mu     sync.Mutex
	ctx    context.Context // nil until Run has found what an earlier process left
	early  []*flight
	lanes  map[laneKey]*lane
	delays delayed
	ended  []flightKey          // to be forgotten
	next   map[string]time.Time // when a throttled subscription may get its next message
}

func newDispatcher(s *Service) *dispatcher {
	return &dispatcher{s: s, wake: make(chan struct{}, 1), slot: make(chan struct{}, withinTogether), lanes: map[laneKey]*lane{}}
}

// add takes a message that is in the store.
func (d *dispatcher) add(key flightKey, m *message, targets []target) {
	f := &flight{key: key, message: m, targets: append([]target(nil), targets...)}
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
	for _, t := range f.targets {
		j := &job{f: f, sub: t.Sub, due: t.Due}
		l := d.lane(f, t.Sub)
		if t.Due.After(now) && !l.ordered {
			heap.Push(&d.delays, delay{j, l})
			d.poke()
			continue
		}
		l.queue = append(l.queue, j)
		d.advance(l)
	}
}

func (d *dispatcher) lane(f *flight, sub string) *lane {
	key := laneKey{at: f.key.at, sub: sub}
	ordered := len(key.at.name) > 5 && key.at.name[len(key.at.name)-5:] == ".fifo" && f.message != nil && f.message.Type == notification
	if ordered {
		key.group = f.message.Group
	}
	l := d.lanes[key]
	if l == nil {
		l = &lane{key: key, ordered: ordered}
		d.lanes[key] = l
	}
	return l
}

// advance starts what a lane may start. The caller holds mu.
func (d *dispatcher) advance(l *lane) {
	most := perSubscription
	if l.ordered {
		most = 1
	}
	for len(l.queue) > 0 && l.running < most && !l.paused && d.ctx.Err() == nil {
		j := l.queue[0]
		if l.ordered && j.due.After(d.s.Clock.Now()) {
			l.paused = true
			heap.Push(&d.delays, delay{j, l})
			d.poke()
			return
		}
		l.queue[0] = nil
		l.queue = l.queue[1:]
		l.running++
		d.wg.Go(func() { d.work(l, j) })
	}
	if len(l.queue) == 0 && l.running == 0 {
		delete(d.lanes, l.key)
	}
}

// work makes one attempt, and settles what becomes of it.
func (d *dispatcher) work(l *lane, j *job) {
	d.mu.Lock()
	ctx := d.ctx
	d.mu.Unlock()
	wait, again := d.s.attempt(ctx, j)
	for again && wait == 0 && ctx.Err() == nil {
		wait, again = d.s.attempt(ctx, j)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	l.running--
	switch {
	case ctx.Err() != nil:
		return // the next process has it
	case again && l.ordered:
		j.due = d.s.Clock.Now().Add(wait)
		l.queue = append([]*job{j}, l.queue...)
	case again:
		j.due = d.s.Clock.Now().Add(wait)
		heap.Push(&d.delays, delay{j, l})
		d.poke()
	}
	d.lanes[l.key] = l
	d.advance(l)
}

func (d *dispatcher) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// run finds what an earlier process has left, and delivers until ctx ends.
func (d *dispatcher) run(ctx context.Context) error {
	if err := d.load(ctx); err != nil {
		return err
	}
	for {
		next, any := d.release()
		d.forget(ctx)
		var due <-chan time.Time
		stop := func() {}
		if any {
			due, stop = d.s.Clock.After(next.Sub(d.s.Clock.Now()))
		}
		select {
		case <-ctx.Done():
			stop()
			d.wg.Wait()
			d.forget(context.WithoutCancel(ctx))
			return ctx.Err()
		case <-d.wake:
			stop()
		case <-due:
		}
	}
}

// load launches the flights in the store, in the order of their numbers, and those that
// were added meanwhile.
func (d *dispatcher) load(ctx context.Context) error {
	var found []*flight
	err := d.s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range fans.All(ctx, r) {
			if err != nil {
				return err
			}
			key := flightKey{topicRef{e.Scope, e.Key.String(0)}, e.Key.Int(1), e.Key.String(2)}
			m, err := messages.Get(ctx, r, e.Scope, e.Key.Parts()...)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			found = append(found, &flight{key: key, message: &m, targets: e.Record.Targets})
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
	for len(d.delays) > 0 && !d.delays[0].job.due.After(now) {
		x := heap.Pop(&d.delays).(delay)
		if x.lane.ordered {
			x.lane.paused = false
		} else {
			x.lane.queue = append(x.lane.queue, x.job)
		}
		if have := d.lanes[x.lane.key]; have != nil && have != x.lane {
			have.queue = append(have.queue, x.lane.queue...) // the lane was made anew
			x.lane = have
		}
		d.lanes[x.lane.key] = x.lane
		d.advance(x.lane)
	}
	if len(d.delays) == 0 {
		return time.Time{}, false
	}
	return d.delays[0].job.due, true
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
				if err := messages.Delete(tx, k.at.scope, k.at.name, k.number, k.id); err != nil {
					return err
				}
				if err := fans.Delete(tx, k.at.scope, k.at.name, k.number, k.id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			if ctx.Err() == nil {
				d.s.Logger.Warn("sns: forget what was delivered", "error", err) // it is delivered again after a restart
			}
			return
		}
	}
}

// delay is a job that waits for its time.
type delay struct {
	job  *job
	lane *lane
}

// delayed has the job that is due first on top.
type delayed []delay

var _ heap.Interface = (*delayed)(nil)

func (h delayed) Len() int           { return len(h) }
func (h delayed) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h delayed) Less(i, j int) bool { return h[i].job.due.Before(h[j].job.due) }

// Push implements heap.Interface.
func (h *delayed) Push(x any) { *h = append(*h, x.(delay)) }

// Pop implements heap.Interface.
func (h *delayed) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
