package lambda

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Asynchronous invokes.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
const (
	maxEventAge = 6 * time.Hour
	maxRetries  = 2 // after errors of the function
	// Throttled events are tried again after a second, then after longer and longer.
	throttleFirst = time.Second
	throttleMost  = 5 * time.Minute
	// How many events run at once, of one function and together.
	eventsPerFunction = 16
	eventsTogether    = 256
)

// event is an asynchronous invoke that waits or runs. It is under its request's id.
type event struct {
	Function      string
	Qualifier     string `json:",omitempty"`
	Payload       []byte
	ClientContext []byte `json:",omitempty"`
	Received      time.Time
	Due           time.Time
	Failed        int `json:",omitempty"` // times that the function has failed
	Throttled     int `json:",omitempty"` // times in a row that it could not run
}

// waiting is an event's place in the queue.
type waiting struct {
	at  ref
	id  string
	due time.Time
	seq uint64 // of two that are due, the one that came first
}

// The queue runs events that are due. What is in the store is the truth; the queue
// in memory says what to look at next.
type queue struct {
	s    *Service
	wake chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	heap    waitingHeap
	seq     uint64
	running map[ref]int
	all     int
	parked  map[ref][]waiting // due, but their function runs enough already
}

func newQueue(s *Service) queue {
	return queue{s: s, wake: make(chan struct{}, 1), running: map[ref]int{}, parked: map[ref][]waiting{}}
}

// add takes an event; when it returns, it is on disk.
func (q *queue) add(ctx context.Context, t *target, c call) error {
	now := q.s.Clock.Now()
	ev := event{Function: t.at.name, Qualifier: t.qualifier, Payload: c.payload, ClientContext: c.clientContext, Received: now, Due: now}
	err := q.s.Store.Update(ctx, func(tx store.Tx) error { return eventRecords.Put(tx, t.at.scope, ev, c.id) })
	if err == nil {
		q.push(waiting{at: t.at, id: c.id, due: now})
	}
	return err
}

func (q *queue) push(w waiting) {
	q.mu.Lock()
	w.seq = q.seq
	q.seq++
	heap.Push(&q.heap, w)
	q.mu.Unlock()
	q.poke()
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// load finds the events that an earlier process has left.
func (q *queue) load(ctx context.Context) error {
	var found []waiting
	err := q.s.Store.View(ctx, func(r store.Reader) error {
		found = nil
		for e, err := range eventRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			found = append(found, waiting{at: ref{e.Scope, e.Record.Function}, id: e.Key.String(0), due: e.Record.Due})
		}
		return nil
	})
	q.mu.Lock()
	known := map[string]bool{} // added before Run
	for _, w := range q.heap {
		known[w.id] = true
	}
	q.mu.Unlock()
	for _, w := range found {
		if !known[w.id] {
			q.push(w)
		}
	}
	return err
}

// run runs events as they become due, until ctx ends. Those under way go on, until
// Service.Close ends their environments; then they are the next process's.
func (q *queue) run(ctx context.Context) {
	for {
		next, any := q.dispatch(ctx)
		var due <-chan time.Time
		stop := func() {}
		if any {
			due, stop = q.s.Clock.After(next.Sub(q.s.Clock.Now()))
		}
		select {
		case <-ctx.Done():
			stop()
			return
		case <-q.wake:
			stop()
		case <-due:
		}
	}
}

// dispatch starts what is due and may run, and says when to look again.
func (q *queue) dispatch(ctx context.Context) (next time.Time, any bool) {
	now := q.s.Clock.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.heap) > 0 && q.all < eventsTogether {
		if q.heap[0].due.After(now) {
			return q.heap[0].due, true
		}
		w := heap.Pop(&q.heap).(waiting)
		if q.running[w.at] >= eventsPerFunction {
			q.parked[w.at] = append(q.parked[w.at], w)
			continue
		}
		q.start(ctx, w)
	}
	return time.Time{}, false
}

// start runs an event. The caller holds mu.
func (q *queue) start(ctx context.Context, w waiting) {
	q.running[w.at]++
	q.all++
	q.wg.Go(func() {
		q.handle(ctx, w)
		q.mu.Lock()
		defer q.mu.Unlock()
		q.all--
		if q.running[w.at]--; q.running[w.at] == 0 {
			delete(q.running, w.at)
		}
		if p := q.parked[w.at]; len(p) > 0 && ctx.Err() == nil {
			q.parked[w.at] = p[1:]
			if len(p) == 1 {
				delete(q.parked, w.at)
			}
			q.start(ctx, p[0])
		}
		q.poke()
	})
}

// handle runs an event once and settles what becomes of it.
func (q *queue) handle(ctx context.Context, w waiting) {
	if ctx.Err() != nil {
		return // the next process has it
	}
	// From here on the event is run to its end, even if Run is told to stop.
	work := context.WithoutCancel(ctx)
	var ev event
	err := q.s.Store.View(work, func(r store.Reader) (err error) {
		ev, err = eventRecords.Get(work, r, w.at.scope, w.id)
		return err
	})
	if err == nil {
		err = q.attempt(work, w, &ev)
	}
	if errors.Is(err, store.ErrNotFound) {
		return // the state was reset
	}
	if err != nil {
		q.s.warn("run an asynchronous invoke; trying again", err)
		w.due = q.s.Clock.Now().Add(throttleFirst)
		q.push(w)
	}
}

// attempt runs the event and writes down the outcome.
func (q *queue) attempt(ctx context.Context, w waiting, ev *event) error {
	s := q.s
	ctx = s.acting(ctx, w.at, aws.ServiceCaller(principal, w.at.scope.Account, w.at.arn("")))
	t, err := s.findBy(ctx, ptr(w.at.arn("")), optional(ev.Qualifier), s.route)
	failed := false
	var rules eventConfig
	if err == nil {
		if rules, err = s.eventConfig(ctx, w.at, ev.Qualifier); err != nil {
			return err
		}
		res, runErr := s.execute(ctx, t, call{id: w.id, payload: ev.Payload, clientContext: ev.ClientContext})
		err, failed = runErr, res.FunctionError != ""
	}
	now := s.Clock.Now()
	var e *aws.Error
	switch {
	case err == nil && !failed:
		return q.settle(ctx, w)
	case failed && ev.Failed >= rules.retries():
		s.Logger.Warn("lambda: an asynchronous invoke has failed for good", "function", w.at.arn(""), "id", w.id, "times", ev.Failed+1)
		return q.settle(ctx, w)
	case failed:
		ev.Failed++
		ev.Throttled = 0
		ev.Due = now.Add(time.Duration(ev.Failed) * time.Minute)
	case errors.As(err, &e) && e.Code == "ResourceNotFoundException":
		s.Logger.Warn("lambda: an asynchronous invoke's function is gone", "function", w.at.arn(""), "id", w.id)
		return q.settle(ctx, w)
	default: // throttled, or Tule's own failure
		ev.Due = now.Add(min(throttleFirst<<min(ev.Throttled, 20), throttleMost))
		ev.Throttled++
	}
	if ev.Due.Sub(ev.Received) > rules.age() {
		s.Logger.Warn("lambda: an asynchronous invoke has become too old", "function", w.at.arn(""), "id", w.id, "error", err)
		return q.settle(ctx, w)
	}
	if err := s.Store.Update(ctx, func(tx store.Tx) error { return eventRecords.Put(tx, w.at.scope, *ev, w.id) }); err != nil {
		return err
	}
	w.due = ev.Due
	q.push(w)
	return nil
}

// settle forgets an event.
func (q *queue) settle(ctx context.Context, w waiting) error {
	return q.s.Store.Update(ctx, func(tx store.Tx) error { return eventRecords.Delete(tx, w.at.scope, w.id) })
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// waitingHeap has the event that is due first on top.
type waitingHeap []waiting

var _ heap.Interface = (*waitingHeap)(nil)

func (h waitingHeap) Len() int      { return len(h) }
func (h waitingHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h waitingHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].seq < h[j].seq
	}
	return h[i].due.Before(h[j].due)
}

// Push implements heap.Interface.
func (h *waitingHeap) Push(x any) { *h = append(*h, x.(waiting)) }

// Pop implements heap.Interface.
func (h *waitingHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
