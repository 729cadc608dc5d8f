package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// brook is a source in memory. An iterator is "shard index".
type brook struct {
	clock   aws.Clock
	mu      sync.Mutex
	list    []shard
	records map[string][]record
	trimmed map[string]int   // how many of the first records are gone
	expired bool             // the next read finds its iterator expired
	broken  error            // of the next call
	opened  map[string]int   // iterators made, by shard
	asked   map[string][]int // limits of reads
}

func newBrook(clock aws.Clock, shards ...shard) *brook {
	return &brook{clock: clock, list: shards, records: map[string][]record{}, trimmed: map[string]int{}, opened: map[string]int{}, asked: map[string][]int{}}
}

var _ eventSource = (*brook)(nil)

// add puts records into a shard: "id" or "id/partition".
func (b *brook) add(shard string, names ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range names {
		id, partition, _ := strings.Cut(n, "/")
		b.records[shard] = append(b.records[shard], record{id: id, partition: partition, at: b.clock.Now(), event: json.RawMessage(fmt.Sprintf(`{"id":%q}`, id))})
	}
}

func (b *brook) batchInfo() string           { return "DDBStreamBatchInfo" }
func (b *brook) arrival(t time.Time) string  { return eventTime(t) }
func (b *brook) needs() string               { return "GetRecords" }
func (b *brook) mostRecords() int            { return 1000 }
func (b *brook) leave(string)                {}
func (b *brook) probe(context.Context) error { return nil }

func (b *brook) lets(f filters, r *record) bool { return f.let(r.event) }

func (b *brook) shards(context.Context) ([]shard, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.list), nil
}

func (b *brook) seek(_ context.Context, shard string, at position) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened[shard]++
	i := b.trimmed[shard]
	switch {
	case at.start == startLatest:
		i = len(b.records[shard])
	case at.after != "":
		i = 1 + slices.IndexFunc(b.records[shard], func(r record) bool { return r.id == at.after })
		if i <= b.trimmed[shard] && b.trimmed[shard] > 0 {
			return "", aws.Errorf(400, codeTrimmed, "trimmed")
		}
	}
	return fmt.Sprint(shard, " ", i), nil
}

func (b *brook) read(_ context.Context, _, iterator string, limit int, _ time.Duration) ([]record, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.broken; err != nil {
		b.broken = nil
		return nil, "", err
	}
	if b.expired {
		b.expired = false
		return nil, "", aws.Errorf(400, codeExpired, "expired")
	}
	var id string
	var i int
	fmt.Sscan(iterator, &id, &i)
	b.asked[id] = append(b.asked[id], limit)
	all := b.records[id]
	end := min(len(all), i+limit)
	next := fmt.Sprint(id, " ", end)
	if s := slices.IndexFunc(b.list, func(s shard) bool { return s.id == id }); end == len(all) && b.list[s].closed {
		next = ""
	}
	return all[i:end], next, nil
}

// A pollStand is a poller of a brook, with a Go function to call.
type pollStand struct {
	t     *testing.T
	house *script.House
	s     *Service
	src   *brook
	other eventSource // instead of src
	scope store.Scope
	m     mapping

	mu    sync.Mutex
	calls []string // the ids of the records of each call, or all of its event
	plain bool     // keep whole events
	fn    func(ids []string) outcome
	work  context.Context // of the last call
	stop  func()
}

func newPollStand(t *testing.T, m mapping, shards ...shard) *pollStand {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	st := &pollStand{t: t, house: h, scope: store.Scope{Account: "000000000000", Region: "us-east-1"}, m: m,
		s: New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})}
	if len(shards) == 0 {
		shards = []shard{{id: "s"}}
	}
	st.src = newBrook(h.Clock, shards...)
	if st.m.UUID == "" {
		st.m.UUID, st.m.Function, st.m.Source = "u", "f", "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/l"
	}
	if st.m.Batch == 0 {
		st.m.Batch = 100
	}
	if st.m.Parallel == 0 {
		st.m.Parallel = 1
	}
	if st.m.Start == "" {
		st.m.Start = startOldest
	}
	st.fn = func([]string) outcome { return fine("") }
	st.update(func(tx store.Tx) error { return mappingRecords.Put(tx, st.scope, st.m, st.m.UUID) })
	return st
}

// forever is a mapping without limits.
func forever() mapping { return mapping{Retries: -1, Age: -1} }

func fine(answer string) outcome {
	return outcome{reached: true, answer: []byte(answer), version: "$LATEST"}
}
func failed() outcome { return outcome{reached: true, failure: "Unhandled", version: "$LATEST"} }

func (st *pollStand) update(fn func(tx store.Tx) error) {
	st.t.Helper()
	if err := st.house.Store.Update(st.t.Context(), fn); err != nil {
		st.t.Fatal(err)
	}
}

// poller is one that reads the brook and calls the Go function.
func (st *pollStand) poller(scope store.Scope, m mapping) (runner, error) {
	f, err := parseFilters(m.Filters)
	p := &poller{s: st.s, scope: scope, m: m, filters: f, src: st.src, as: func(ctx context.Context) (context.Context, error) { return ctx, nil }, call: st.call}
	if st.other != nil {
		p.src, p.as = st.other, func(ctx context.Context) (context.Context, error) { return st.as(ctx), nil }
	}
	return p, err
}

// as is the context of calls by the function's role.
func (st *pollStand) as(ctx context.Context) context.Context {
	return aws.WithRequest(ctx, &aws.Request{Region: st.scope.Region, Time: st.house.Clock.Now(), Caller: aws.RoleSession("arn:aws:iam::000000000000:role/reader", "AROATEST", "f")})
}

// start runs a poller; stop ends it.
func (st *pollStand) start() {
	st.t.Helper()
	p, err := st.poller(st.scope, st.m)
	if err != nil {
		st.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.run(ctx) }()
	st.stop = sync.OnceFunc(func() { cancel(); <-done })
	st.t.Cleanup(func() { st.stop() })
}

func (st *pollStand) call(ctx context.Context, event []byte) outcome {
	var in struct {
		Records []struct {
			ID      string
			Kinesis struct{ Data []byte }
		}
	}
	if err := json.Unmarshal(event, &in); err != nil {
		st.t.Error(err)
	}
	var ids []string
	for _, r := range in.Records {
		ids = append(ids, r.ID+string(r.Kinesis.Data))
	}
	st.mu.Lock()
	text := strings.Join(ids, " ")
	if st.plain {
		text = string(event)
	}
	st.calls = append(st.calls, text)
	st.work = ctx
	st.mu.Unlock()
	return st.fn(ids)
}

func (st *pollStand) called() []string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.calls)
}

// until moves the clock on, whenever all wait, until something is so.
func (st *pollStand) until(what string, so func() bool) {
	st.t.Helper()
	limit := time.Now().Add(20 * time.Second)
	for !so() {
		if time.Now().After(limit) {
			st.t.Fatalf("%s does not come; the calls are %q", what, st.called())
		}
		if st.house.Clock.Timers() > 1 { // the poller's, and those of workers at rest
			st.house.Clock.Advance(100 * time.Millisecond)
		}
		runtime.Gosched()
	}
}

// expect waits for the calls, and that no others come.
func (st *pollStand) expect(want ...string) {
	st.t.Helper()
	st.until(fmt.Sprintf("call %d", len(want)), func() bool { return len(st.called()) >= len(want) })
	st.until("the checkpoint", func() bool { return st.dealt() })
	if got := st.called(); !slices.Equal(got, want) {
		st.t.Errorf("the calls are\n%q, want\n%q", got, want)
	}
}

// dealt reports whether all records of all shards are dealt with.
func (st *pollStand) dealt() bool {
	st.src.mu.Lock()
	defer st.src.mu.Unlock()
	for id, records := range st.src.records {
		if c := st.point(id); len(records) > 0 && c.Sequence != records[len(records)-1].id {
			return false
		}
	}
	return true
}

func (st *pollStand) point(shard string) (c checkpoint) {
	err := st.house.Store.View(context.Background(), func(r store.Reader) (err error) {
		c, err = checkpointRecords.Get(context.Background(), r, st.scope, st.m.UUID, shard)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		st.t.Error(err)
	}
	return c
}

func (st *pollStand) result() (text string) {
	err := st.house.Store.View(context.Background(), func(r store.Reader) (err error) {
		_, text, err = st.s.mapping(context.Background(), r, st.scope, st.m.UUID)
		return err
	})
	if err != nil {
		st.t.Error(err)
	}
	return text
}

func (st *pollStand) given() (events []string) {
	err := st.house.Store.View(context.Background(), func(r store.Reader) error {
		for e, err := range eventRecords.List(context.Background(), r, st.scope, store.ListOptions{}) {
			if err != nil {
				return err
			}
			events = append(events, string(e.Record.Record))
		}
		return nil
	})
	if err != nil {
		st.t.Error(err)
	}
	return events
}

func TestPollInOrder(t *testing.T) {
	m := forever()
	m.Batch = 3
	st := newPollStand(t, m)
	st.src.add("s", "a", "b", "c", "d", "e", "f", "g")
	st.start()
	st.expect("a b c", "d e f", "g")
	st.src.add("s", "h")
	st.expect("a b c", "d e f", "g", "h")
	if st.result() != "OK" {
		t.Errorf("the result is %q", st.result())
	}
	st.stop()
	st.src.add("s", "i")
	st.start() // another life goes on where this one ended
	st.expect("a b c", "d e f", "g", "h", "i")
}

func TestPollBatchingWindow(t *testing.T) {
	m := forever()
	m.Batch, m.Window = 3, 5
	st := newPollStand(t, m)
	st.src.add("s", "a")
	begin := st.house.Clock.Now()
	st.start()
	st.expect("a")
	if waited := st.house.Clock.Now().Sub(begin); waited < 5*time.Second || waited > 8*time.Second {
		t.Errorf("a record waited %v for others", waited)
	}
	begin = st.house.Clock.Now()
	st.src.add("s", "b", "c", "d")
	st.expect("a", "b c d")
	if waited := st.house.Clock.Now().Sub(begin); waited > 3*time.Second {
		t.Errorf("a full batch waited %v", waited)
	}
}

func TestPollLatest(t *testing.T) {
	m := forever()
	m.Start = startLatest
	st := newPollStand(t, m)
	st.src.add("s", "a")
	st.house.Clock.Advance(2 * time.Second)
	st.start()
	st.until("the beginning", func() bool { return st.point("s").Iterator != "" })
	st.stop()
	st.src.mu.Lock()
	st.src.expired = true // more than a quarter of an hour went by
	st.src.mu.Unlock()
	st.house.Clock.Advance(time.Hour)
	st.src.add("s", "b")
	st.start()
	st.src.mu.Lock()
	st.src.list = append(st.src.list, shard{id: "later"})
	st.src.mu.Unlock()
	st.src.add("later", "c")
	st.until("the end", st.dealt)
	got := st.called()
	if slices.Sort(got); !slices.Equal(got, []string{"b", "c"}) { // shards that come later are read from their beginning
		t.Errorf("the calls are %q", got)
	}
}

// A batch that fails keeps its shard, and no other, until it is given up.
func TestPollRetries(t *testing.T) {
	m := forever()
	m.Batch, m.Retries, m.OnFailure = 2, 2, "arn:aws:sqs:us-east-1:000000000000:q"
	st := newPollStand(t, m, shard{id: "s"}, shard{id: "other"})
	st.fn = func(ids []string) outcome {
		if ids[0] == "a" {
			return failed()
		}
		return fine("")
	}
	st.src.add("s", "a", "b", "c")
	st.src.add("other", "z")
	st.start()
	st.until("the end", st.dealt)
	got := st.called()
	slices.Sort(got[:2]) // z comes sooner or later
	i := slices.Index(got, "z")
	if got = slices.Delete(got, i, i+1); !slices.Equal(got, []string{"a b", "a b", "a b", "c"}) {
		t.Errorf("the calls are %q", got)
	}
	lost := st.given()
	if len(lost) != 1 || !strings.Contains(lost[0], `"condition":"RetryAttemptsExhausted"`) || !strings.Contains(lost[0], `"approximateInvokeCount":3`) ||
		!strings.Contains(lost[0], `"DDBStreamBatchInfo":{"approximateArrivalOfFirstRecord":"2026-01-02T03:04:05Z","approximateArrivalOfLastRecord":"2026-01-02T03:04:05Z","batchSize":2,"endSequenceNumber":"b","shardId":"s","startSequenceNumber":"a","streamArn":"`) ||
		!strings.Contains(lost[0], `"responseContext":{"executedVersion":"$LATEST","functionError":"Unhandled","statusCode":200}`) {
		t.Errorf("what was given up is %s", lost)
	}
}

// What keeps a function from running is no failure of a batch.
func TestPollThrottled(t *testing.T) {
	m := forever()
	m.Retries = 0
	st := newPollStand(t, m)
	n := 0
	st.fn = func([]string) outcome {
		if n++; n < 5 {
			return outcome{problem: "PROBLEM: Function call throttled"}
		}
		return fine("")
	}
	st.src.add("s", "a")
	st.start()
	st.expect("a", "a", "a", "a", "a")
	if len(st.given()) != 0 {
		t.Error("a throttled batch was given up")
	}
}

func TestPollBisect(t *testing.T) {
	m := forever()
	m.Retries, m.Bisect = 1, true
	st := newPollStand(t, m)
	st.fn = func(ids []string) outcome {
		if slices.Contains(ids, "c") {
			return failed()
		}
		return fine("")
	}
	st.src.add("s", "a", "b", "c", "d")
	st.start()
	st.expect("a b c d", "a b", "c d", "c", "c", "d")
}

func TestPollPartial(t *testing.T) {
	m := forever()
	m.Retries, m.Partial = 1, true
	st := newPollStand(t, m)
	st.fn = func(ids []string) outcome {
		if slices.Contains(ids, "c") {
			return fine(`{"batchItemFailures": [{"itemIdentifier": "d"}, {"itemIdentifier": "c"}]}`)
		}
		return fine(`{"batchItemFailures": []}`)
	}
	st.src.add("s", "a", "b", "c", "d")
	st.start()
	// c d fails twice as a batch of its own, and is given up.
	st.expect("a b c d", "c d")
	if st.result() != resultFailed {
		t.Errorf("the result is %q", st.result())
	}
}

func TestFirstFailed(t *testing.T) {
	records := []record{{id: "1"}, {id: "2"}, {id: "3"}}
	for answer, want := range map[string]int{
		``: 3, `null`: 3, `{}`: 3, `{"batchItemFailures": null}`: 3, `{"batchItemFailures": []}`: 3,
		`{"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "2"}]}`: 1,
		`{"batchItemFailures": [{"itemIdentifier": "1"}]}`:                          0,
		`{"batchItemFailures": [{"itemIdentifier": ""}]}`:                           0,
		`{"batchItemFailures": [{"itemIdentifier": null}]}`:                         0,
		`{"batchItemFailures": [{"wrong": "2"}]}`:                                   0,
		`{"batchItemFailures": [{"itemIdentifier": "9"}]}`:                          0,
		`{"batchItemFailures": "2"}`:                                                0,
		`"text"`:                                                                    0,
		`{`:                                                                         0,
	} {
		if got := firstFailed([]byte(answer), records); got != want {
			t.Errorf("%s: %d, want %d", answer, got, want)
		}
	}
}

func FuzzFirstFailed(f *testing.F) {
	f.Add(`{"batchItemFailures": [{"itemIdentifier": "2"}]}`)
	f.Fuzz(func(t *testing.T, answer string) {
		if n := firstFailed([]byte(answer), []record{{id: "1"}, {id: "2"}}); n < 0 || n > 2 {
			t.Errorf("%q: %d", answer, n)
		}
		if state := stateOf([]byte(answer)); !json.Valid(state) {
			t.Errorf("%q: the state is %s", answer, state)
		}
	})
}

func TestPollFilters(t *testing.T) {
	m := forever()
	m.Filters = []string{`{"id": [{"prefix": "a"}]}`, `{"id": ["b"]}`}
	st := newPollStand(t, m)
	st.src.add("s", "a1", "x", "b", "y", "a2", "z")
	st.start()
	st.expect("a1 b a2")
	st.src.add("s", "x2")
	st.expect("a1 b a2") // what nobody wants is dealt with, too
}

func TestPollAge(t *testing.T) {
	m := forever()
	m.Age, m.OnFailure = 60, "arn:aws:sns:us-east-1:000000000000:topic"
	st := newPollStand(t, m)
	st.src.add("s", "a", "b")
	st.house.Clock.Advance(2 * time.Minute)
	st.src.add("s", "c")
	st.house.Clock.Advance(30 * time.Second)
	h := &heard{}
	st.s.Measures = h
	st.start()
	st.expect("c")
	if age := h.sum("IteratorAge f"); age != 30000 || h.units["IteratorAge"] != "Milliseconds" {
		t.Errorf("the iterator's age is %v", age)
	}
	if lost := st.given(); len(lost) != 1 || !strings.Contains(lost[0], ageExceeded) || strings.Contains(lost[0], "responseContext") {
		t.Errorf("what was given up is %s", lost)
	}
}

// The children of a shard wait until it has been read to its end.
func TestPollChildren(t *testing.T) {
	st := newPollStand(t, forever(), shard{id: "p", closed: true}, shard{id: "c", parents: []string{"p"}}, shard{id: "orphan", parents: []string{"gone"}, closed: true})
	st.src.add("p", "a")
	st.src.add("c", "b")
	first := true
	st.fn = func(ids []string) outcome {
		if ids[0] == "a" && first {
			first = false
			return failed()
		}
		return fine("")
	}
	st.start()
	st.expect("a", "a", "b")
	st.until("the parent's end", func() bool { return st.point("p").Done && st.point("orphan").Done })
}

func TestPollTrouble(t *testing.T) {
	st := newPollStand(t, forever())
	st.src.broken = aws.AccessDenied("no")
	st.start()
	st.until("the trouble", func() bool { return strings.HasPrefix(st.result(), "PROBLEM: Access denied.") })
	st.src.add("s", "a", "b")
	st.expect("a b")
	st.stop()
	st.src.add("s", "c", "d")
	st.src.mu.Lock()
	st.src.trimmed["s"] = 3
	st.src.expired = true
	st.src.mu.Unlock()
	st.start()
	st.expect("a b", "d") // c is gone; what is left is read
}

// Up to as many invokes as the mapping allows, and in order within a partition.
func TestPollParallel(t *testing.T) {
	m := forever()
	m.Parallel, m.Batch = 4, 5
	st := newPollStand(t, m)
	var names []string
	for i := range 60 {
		names = append(names, fmt.Sprintf("%02d/p%d", i, i%7))
	}
	st.src.add("s", names...)
	var mu sync.Mutex
	now, most := 0, 0
	gate := make(chan struct{})
	var open sync.Once
	st.fn = func([]string) outcome {
		mu.Lock()
		if now++; now > most {
			most = now
		}
		if now >= 2 {
			open.Do(func() { close(gate) })
		}
		mu.Unlock()
		<-gate // the first waits for company
		mu.Lock()
		defer mu.Unlock()
		now--
		return fine("")
	}
	st.start()
	st.until("the end", st.dealt)
	last, seen := map[int]int{}, 0
	for _, c := range st.called() {
		for _, id := range strings.Fields(c) {
			var i int
			fmt.Sscan(strings.TrimLeft(id, "0")+" ", &i)
			if seen++; i < last[i%7] {
				t.Errorf("%d comes behind %d", i, last[i%7])
			}
			last[i%7] = i
		}
	}
	if seen != 60 || most > 4 {
		t.Errorf("%d records, up to %d at once", seen, most)
	}
}

func TestPollTumblingWindows(t *testing.T) {
	m := forever()
	m.Tumbling, m.Batch = 60, 2
	st := newPollStand(t, m)
	st.plain = true
	n := 0
	st.fn = func([]string) outcome {
		n++
		return fine(fmt.Sprintf(`{"state": {"n": %d}}`, n))
	}
	st.src.add("s", "a", "b", "c") // at 03:04:05
	st.start()
	st.until("the first", st.dealt)
	st.until("its end", func() bool { return len(st.called()) == 3 })
	st.src.add("s", "d")
	st.until("the second", st.dealt)
	event := func(records, state string, final bool, minute int) string {
		return fmt.Sprintf(`{"Records":[%s],"window":{"start":"2026-01-02T03:%02d:00Z","end":"2026-01-02T03:%02d:00Z"},"state":%s,"shardId":"s","eventSourceARN":%q,"isFinalInvokeForWindow":%v,"isWindowTerminatedEarly":false}`,
			records, minute, minute+1, state, st.m.Source, final)
	}
	want := []string{
		event(`{"id":"a"},{"id":"b"}`, `{}`, false, 4), event(`{"id":"c"}`, `{"n":1}`, false, 4), event("", `{"n":2}`, true, 4),
		event(`{"id":"d"}`, `{}`, false, 5),
	}
	for i, got := range st.called() {
		if i < len(want) && strings.ReplaceAll(got, `": `, `":`) != want[i] {
			t.Errorf("call %d is\n%s, want\n%s", i, got, want[i])
		}
	}
}

// A mapping that is gone is not run any more, and leaves nothing behind.
func TestPollDeleted(t *testing.T) {
	st := newPollStand(t, forever())
	st.src.add("s", "a")
	st.fn = func([]string) outcome {
		st.update(func(tx store.Tx) error { return mappingRecords.Delete(tx, st.scope, st.m.UUID) })
		return fine("")
	}
	st.start()
	st.until("the call", func() bool { return len(st.called()) == 1 })
	st.stop()
	if c := st.point("s"); c != (checkpoint{}) {
		t.Errorf("a checkpoint is left: %v", c)
	}
}

// Pollers follow the records: who is off is not called, and who changes is called by
// one poller at a time.
func TestPollersFollow(t *testing.T) {
	m := forever()
	m.Enabled, m.Revision = true, "1"
	st := newPollStand(t, m)
	st.s.pollers.make = st.poller
	entered, leave := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	now := 0
	st.fn = func([]string) outcome {
		mu.Lock()
		if now++; now > 1 {
			t.Error("two calls at once for one shard")
		}
		mu.Unlock()
		entered <- struct{}{}
		<-leave
		mu.Lock()
		defer mu.Unlock()
		now--
		return fine("")
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); st.s.pollers.run(ctx) }()
	change := func(fn func(m *mapping)) {
		t.Helper()
		fn(&st.m)
		st.m.Revision += "+"
		st.update(func(tx store.Tx) error { return mappingRecords.Put(tx, st.scope, st.m, st.m.UUID) })
	}
	state := func() string { return st.s.mappingState(st.scope, &st.m) }

	st.src.add("s", "a")
	<-entered
	change(func(m *mapping) { m.Batch = 1 })       // another poller waits for this one
	change(func(m *mapping) { m.Enabled = false }) // and is called off
	if state() != mappingDisabling {
		t.Errorf("the state is %s", state())
	}
	leave <- struct{}{}
	st.until("the end", func() bool { return state() == mappingDisabled })
	st.src.add("s", "b", "c")
	change(func(m *mapping) { m.Enabled = true })
	for range 2 {
		<-entered
		leave <- struct{}{}
		st.until("the clock", func() bool { return st.house.Clock.Timers() > 0 })
	}
	st.expect("a", "b", "c")

	// What was under way when all ends, and fails, is not judged.
	st.src.add("s", "d")
	st.until("the call", func() bool {
		select {
		case <-entered:
			return true
		default:
			return false
		}
	})
	cancel()
	<-done
	leave <- struct{}{}
	st.s.pollers.wg.Wait()
	if got := st.point("s").Sequence; got != "d" { // it succeeded, and that is noted
		t.Errorf("the checkpoint is %q", got)
	}
}

// A call that fails while all ends is the next process's.
func TestPollStopped(t *testing.T) {
	m := forever()
	m.Retries = 0
	st := newPollStand(t, m)
	st.src.add("s", "a")
	entered := make(chan struct{})
	st.fn = func([]string) outcome {
		close(entered)
		<-st.work.Done()
		return failed()
	}
	st.start()
	<-entered
	st.stop()
	if c := st.point("s"); c.Sequence != "" {
		t.Errorf("the checkpoint is %v", c)
	}
}
