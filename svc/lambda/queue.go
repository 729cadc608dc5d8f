package lambda

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/runtimes"
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
	Failed        int    `json:",omitempty"` // times that the function has failed
	Throttled     int    `json:",omitempty"` // times in a row that it could not run
	Runs          int    `json:",omitempty"` // times that the function has run
	Trace         string `json:",omitempty"` // the trace header that it came with

	// Once it is decided what became of it, whom to tell of that, under which role.
	To      string          `json:",omitempty"` // ARN
	Role    string          `json:",omitempty"`
	Record  json.RawMessage `json:",omitempty"`
	Key     string          `json:",omitempty"` // of an object
	Decided time.Time       `json:",omitzero"`
	// Whose events they are that a mapping has given up, and how many, if it has them counted.
	Mapping string `json:",omitempty"`
	Records int    `json:",omitempty"`
	// The dead-letter queue is told after the destination, of the Payload and of these.
	Dead     string `json:",omitempty"` // ARN
	DeadCode int    `json:",omitempty"`
	DeadText string `json:",omitempty"`
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
	ready   map[ref][]waiting // due
	turn    []ref             // the functions with such, in the order in which they may start one
}

func newQueue(s *Service) queue {
	return queue{s: s, wake: make(chan struct{}, 1), running: map[ref]int{}, ready: map[ref][]waiting{}}
}

// add takes an event; when it returns, it is on disk.
func (q *queue) add(ctx context.Context, t *target, c call) error {
	now := q.s.Clock.Now()
	ev := event{Function: t.at.name, Qualifier: t.qualifier, Payload: c.payload, ClientContext: c.clientContext, Received: now, Due: now, Trace: c.trace}
	err := q.s.Store.Update(ctx, func(tx store.Tx) error { return eventRecords.Put(tx, t.at.scope, ev, c.id) })
	if err == nil {
		t.count(q.s, "AsyncEventsReceived", 1)
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

// adopt puts what mappings had given up before their destinations could be told among the
// events, which are told.
func (q *queue) adopt(ctx context.Context) error {
	return q.s.Store.Update(ctx, func(tx store.Tx) error {
		for e, err := range discardedRecords.All(ctx, tx) {
			if err != nil {
				return err
			}
			uuid, id := e.Key.String(0), e.Key.String(1)
			m, err := mappingRecords.Get(ctx, tx, e.Scope, uuid)
			if err == nil {
				err = eventRecords.Put(tx, e.Scope, m.notice(&e.Record, id), id)
			}
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if err := discardedRecords.Delete(tx, e.Scope, uuid, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// load finds the events that an earlier process has left.
func (q *queue) load(ctx context.Context) error {
	if err := q.adopt(ctx); err != nil {
		return err
	}
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

// dispatch starts what is due and may run, one event of each function in turn, and says
// when to look again.
func (q *queue) dispatch(ctx context.Context) (next time.Time, any bool) {
	now := q.s.Clock.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.heap) > 0 && !q.heap[0].due.After(now) {
		w := heap.Pop(&q.heap).(waiting)
		if len(q.ready[w.at]) == 0 {
			q.turn = append(q.turn, w.at)
		}
		q.ready[w.at] = append(q.ready[w.at], w)
	}
	for busy := 0; busy < len(q.turn) && q.all < eventsTogether; {
		at := q.turn[0]
		q.turn = q.turn[1:]
		if q.running[at] >= eventsPerFunction {
			q.turn = append(q.turn, at)
			busy++
			continue
		}
		busy = 0
		list := q.ready[at]
		if len(list) > 1 {
			q.ready[at] = list[1:]
			q.turn = append(q.turn, at)
		} else {
			delete(q.ready, at)
		}
		q.start(ctx, list[0])
	}
	if len(q.heap) == 0 {
		return time.Time{}, false
	}
	return q.heap[0].due, true
}

// start runs an event. The caller holds mu.
func (q *queue) start(ctx context.Context, w waiting) {
	q.running[w.at]++
	q.all++
	q.wg.Go(func() {
		settle := q.handle(ctx, w)
		q.free(w.at)
		if settle != nil {
			q.again(w, settle())
		}
	})
}

// free lets another event run.
func (q *queue) free(at ref) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all--
	if q.running[at]--; q.running[at] == 0 {
		delete(q.running, at)
	}
	q.poke()
}

// again runs an event anew that Tule could not run, or settle, because of err; nil is none.
func (q *queue) again(w waiting, err error) {
	if err == nil || errors.Is(err, store.ErrNotFound) { // the state was reset
		return
	}
	q.s.warn("run an asynchronous invoke; trying again", err)
	w.due = q.s.Clock.Now().Add(throttleFirst)
	q.push(w)
}

// handle runs an event once. What becomes of it is written down by settle, once others may run;
// nil is nothing.
func (q *queue) handle(ctx context.Context, w waiting) (settle func() error) {
	if ctx.Err() != nil {
		return nil // the next process has it
	}
	// From here on the event is run to its end, even if Run is told to stop.
	work := context.WithoutCancel(ctx)
	var ev event
	err := q.s.Store.View(work, func(r store.Reader) (err error) {
		ev, err = eventRecords.Get(work, r, w.at.scope, w.id)
		return err
	})
	switch {
	case err != nil:
	case !ev.Decided.IsZero():
		err = q.deliver(work, w, &ev)
	default:
		settle, err = q.attempt(work, w, &ev)
	}
	q.again(w, err)
	return settle
}

// attempt runs the event. If the function has answered, the outcome is written down by settle.
func (q *queue) attempt(ctx context.Context, w waiting, ev *event) (settle func() error, err error) {
	s := q.s
	ctx = s.acting(ctx, w.at, aws.ServiceCaller(principal, w.at.scope.Account, w.at.arn("")))
	t, err := s.findBy(ctx, ptr(w.at.arn("")), optional(ev.Qualifier), s.route)
	if aws.CodeOf(err) == "ResourceNotFoundException" {
		s.Logger.Warn("lambda: an asynchronous invoke's function is gone", "function", w.at.arn(""), "id", w.id)
		s.measure(w.at, "AsyncEventsDropped", 1)
		return nil, q.settle(ctx, w)
	}
	if err != nil {
		return nil, err
	}
	rules, err := s.eventConfig(ctx, w.at, ev.Qualifier)
	if err != nil {
		return nil, err
	}
	if aws.Value(t.function.Reserved) == 0 && t.function.Reserved != nil && (rules.OnFailure != "" || t.version.DeadLetter != "") {
		return nil, q.decide(ctx, w, t, ev, rules, closed, nil)
	}
	age := s.Clock.Now().Sub(ev.Received)
	if age > rules.age() { // it has waited for its turn, or for this process
		return nil, q.decide(ctx, w, t, ev, rules, aged, nil)
	}
	t.put(s, "AsyncEventAge", inMilliseconds, ms(age))
	res, err := s.execute(ctx, t, call{id: w.id, payload: ev.Payload, clientContext: ev.ClientContext, trace: ev.Trace})
	if err == nil {
		ev.Runs++
		// Nobody has seen the answer: what the function logged is all there is of it. It is on disk before
		// the event is forgotten.
		logged := s.logs.settled()
		return func() error {
			select {
			case <-logged:
			case <-s.fleet.stopped: // the last logs are written soon
			}
			return q.after(ctx, w, t, ev, rules, &res)
		}, nil
	}
	if aws.CodeOf(err) == "RecursiveInvocationException" {
		return nil, q.decide(ctx, w, t, ev, rules, exhausted, nil)
	}
	// Throttled, or Tule's own failure.
	ev.Throttled++
	ev.Due = s.Clock.Now().Add(s.throttleDelay(ev.Throttled))
	if ev.Due.Sub(ev.Received) > rules.age() {
		return nil, q.decide(ctx, w, t, ev, rules, aged, nil)
	}
	return nil, q.keep(ctx, w, ev)
}

// after settles an event that the function has answered.
func (q *queue) after(ctx context.Context, w waiting, t *target, ev *event, rules eventConfig, res *runtimes.Result) error {
	if res.FunctionError == "" {
		return q.decide(ctx, w, t, ev, rules, succeeded, res)
	}
	if ev.Failed >= rules.retries() {
		return q.decide(ctx, w, t, ev, rules, exhausted, res)
	}
	ev.Failed++
	ev.Throttled = 0
	ev.Due = q.s.Clock.Now().Add(time.Duration(ev.Failed) * time.Minute)
	if ev.Due.Sub(ev.Received) > rules.age() {
		return q.decide(ctx, w, t, ev, rules, aged, res)
	}
	return q.keep(ctx, w, ev)
}

// decide ends an event for good: whom it concerns is noted in its place, and told.
func (q *queue) decide(ctx context.Context, w waiting, t *target, ev *event, rules eventConfig, condition string, res *runtimes.Result) error {
	to, dead := rules.OnFailure, t.version.DeadLetter
	if condition == succeeded {
		to, dead = rules.OnSuccess, ""
	} else {
		q.s.Logger.Warn("lambda: an asynchronous invoke is given up", "function", w.at.arn(""), "id", w.id, "condition", condition, "runs", ev.Runs)
		t.count(q.s, "AsyncEventsDropped", 1)
	}
	if to == "" && dead == "" {
		return q.settle(ctx, w)
	}
	now := q.s.Clock.Now()
	text, err := newNotice(now, w.id, t, ev, condition, res)
	if err != nil {
		return err
	}
	told := event{Function: ev.Function, Received: ev.Received, Due: now, To: to, Role: t.version.Role, Decided: now, Trace: q.s.through(ev.Trace, w.at)}
	if to != "" {
		told.Record, told.Key = text, asyncKey(ev.Function, w.id, now)
	}
	if dead != "" {
		told.Dead, told.Payload = dead, ev.Payload
		told.DeadCode, told.DeadText = 429, "Rate Exceeded." // it has not run
		if res != nil {
			told.DeadCode, told.DeadText = 200, errorMessage(res.Payload)
		}
	}
	*ev = told
	return q.keep(ctx, w, ev)
}

// keep writes an event down and puts it back in the queue.
func (q *queue) keep(ctx context.Context, w waiting, ev *event) error {
	if err := q.s.Store.Update(ctx, func(tx store.Tx) error { return eventRecords.Put(tx, w.at.scope, *ev, w.id) }); err != nil {
		return err
	}
	w.due = ev.Due
	q.push(w)
	return nil
}

// throttleDelay is how long an event waits that could not run n times in a row: a
// second, then twice as long each time, and up to a quarter more, so that events that
// were refused together do not come back together.
func (s *Service) throttleDelay(n int) time.Duration {
	d := min(throttleFirst<<min(n-1, 20), throttleMost)
	var b [1]byte
	if _, err := io.ReadFull(s.Random, b[:]); err != nil {
		return d
	}
	return d + d/4*time.Duration(b[0])/255
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
