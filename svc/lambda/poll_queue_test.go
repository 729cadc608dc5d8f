package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// A queueStand is a poller of a small queue, with a Go function to call.
type queueStand struct {
	t     *testing.T
	house *script.House
	s     *Service
	post  *post
	m     mapping

	mu     sync.Mutex
	calls  []string // the bodies of each call
	now    int      // calls under way
	most   int
	fn     func(bodies, ids []string) outcome
	before func(bodies []string) // is called when a call begins
	event  string                // the last
	stop   func()
	takes  time.Duration // of the function
	// parked are the receipts of messages that wait for the clock. Unless hasty, it stands while others are
	// under way: a busy machine must not look like a slow function.
	parked map[string]bool
	hasty  bool
}

const queueName = "q"

func newQueueStand(t *testing.T, m mapping) *queueStand {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	st := &queueStand{t: t, house: h, post: newPost(h.Clock), m: m, parked: map[string]bool{}}
	h.Add(st.post.routes())
	st.s = New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	st.m.UUID, st.m.Function = "u", "f"
	if st.m.Source == "" {
		st.m.Source = "arn:aws:sqs:eu-west-1:000000000000:" + queueName
	}
	if st.m.Batch == 0 {
		st.m.Batch = 10
	}
	st.fn = func([]string, []string) outcome { return fine("") }
	err := h.Store.Update(t.Context(), func(tx store.Tx) error { return mappingRecords.Put(tx, st.scope(), st.m, st.m.UUID) })
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func (st *queueStand) scope() store.Scope {
	return store.Scope{Account: "000000000000", Region: "us-east-1"}
}

func (st *queueStand) name() string { return st.m.Source[strings.LastIndexByte(st.m.Source, ':')+1:] }

func (st *queueStand) start() {
	st.t.Helper()
	f, err := parseFilters(st.m.Filters)
	if err != nil {
		st.t.Fatal(err)
	}
	p := newQueuePoller(&poller{s: st.s, scope: st.scope(), m: st.m, filters: f, call: st.call,
		as: func(context.Context) (context.Context, error) {
			st.mu.Lock() // the house counts calls, one at a time
			defer st.mu.Unlock()
			return st.house.Context(context.Background()), nil
		}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.run(ctx) }()
	st.stop = sync.OnceFunc(func() { cancel(); <-done })
	st.t.Cleanup(func() { st.stop() })
}

func (st *queueStand) call(_ context.Context, event []byte) outcome {
	var in struct {
		Records []struct{ Body, MessageID, ReceiptHandle string }
	}
	if err := json.Unmarshal(event, &in); err != nil {
		st.t.Error(err)
	}
	var bodies, ids, handles []string
	for _, r := range in.Records {
		bodies, ids, handles = append(bodies, r.Body), append(ids, r.MessageID), append(handles, r.ReceiptHandle)
	}
	st.mu.Lock()
	st.calls = append(st.calls, strings.Join(bodies, " "))
	st.event = string(event)
	st.now++
	st.most = max(st.most, st.now)
	st.mu.Unlock()
	if st.before != nil {
		st.before(bodies)
	}
	if st.takes > 0 {
		st.work(handles)
	}
	out := st.fn(bodies, ids)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.now--
	for i, id := range ids {
		if !out.reached || out.failure != "" || strings.Contains(string(out.answer), id) {
			st.park(handles[i:i+1], true)
		}
	}
	return out
}

// park notes whether messages wait for the clock. The caller holds mu.
func (st *queueStand) park(handles []string, so bool) {
	for _, h := range handles {
		st.parked[h] = so
	}
}

// work is what a function does for as long as it takes.
func (st *queueStand) work(handles []string) {
	due, stop := st.house.Clock.After(st.takes)
	defer stop()
	st.mu.Lock()
	st.park(handles, true)
	st.mu.Unlock()
	<-due
	st.mu.Lock()
	st.park(handles, false)
	st.mu.Unlock()
}

// resting reports whether every message that was received waits for the clock.
func (st *queueStand) resting() bool {
	st.post.mu.Lock()
	defer st.post.mu.Unlock()
	st.mu.Lock()
	defer st.mu.Unlock()
	now := st.house.Clock.Now()
	return st.hasty || !slices.ContainsFunc(st.post.messages[st.name()], func(l *letter) bool { return l.visible.After(now) && !st.parked[l.handle] })
}

func (st *queueStand) called() []string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Clone(st.calls)
}

// until moves the clock on, whenever all wait, until something is so.
func (st *queueStand) until(what string, so func() bool) {
	st.t.Helper()
	limit := time.Now().Add(20 * time.Second)
	for !so() {
		if time.Now().After(limit) {
			st.t.Fatalf("%s does not come; the calls are %q", what, st.called())
		}
		if st.house.Clock.Timers() > 0 && st.resting() {
			st.house.Clock.Advance(100 * time.Millisecond)
		}
		runtime.Gosched()
	}
}

// still waits until something is so while the clock stands.
func (st *queueStand) still(what string, so func() bool) {
	st.t.Helper()
	for limit := time.Now().Add(20 * time.Second); !so(); runtime.Gosched() {
		if time.Now().After(limit) {
			st.t.Fatalf("%s does not come; the calls are %q", what, st.called())
		}
	}
}

// empty waits until all messages are dealt with.
func (st *queueStand) empty() {
	st.t.Helper()
	st.until("the end of the queue", func() bool { return len(st.post.left(st.name())) == 0 })
}

func (st *queueStand) result() (text string) {
	err := st.house.Store.View(context.Background(), func(r store.Reader) (err error) {
		_, text, err = st.s.mapping(context.Background(), r, st.scope(), st.m.UUID)
		return err
	})
	if err != nil {
		st.t.Error(err)
	}
	return text
}

func bodies(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint("m", i))
	}
	return out
}

// What a function gets, to the letter.
func TestQueueEvent(t *testing.T) {
	st := newQueueStand(t, mapping{})
	st.post.put(queueName, `{"a": "<1>"}`)
	st.post.messages[queueName][0].custom = map[string]sqsapi.MessageAttributeValue{"k": {DataType: ptr("String"), StringValue: ptr("v")}, "b": {DataType: ptr("Binary"), BinaryValue: []byte("x")}}
	st.start()
	st.empty()
	want := `{"Records":[{"messageId":"00000000-0000-4000-a000-000000000000","receiptHandle":"00000000-0000-4000-a000-000000000000 1","body":"{\"a\": \"<1>\"}",` +
		`"attributes":{"ApproximateReceiveCount":"1"},"messageAttributes":{"b":{"binaryValue":"eA==","stringListValues":[],"binaryListValues":[],"dataType":"Binary"},` +
		`"k":{"stringValue":"v","stringListValues":[],"binaryListValues":[],"dataType":"String"}},` +
		`"md5OfBody":"4f808d29d07b283b650e3640f56addb3","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:eu-west-1:000000000000:q","awsRegion":"eu-west-1"}]}`
	if st.event != want {
		t.Errorf("the event is\n%s\nwant\n%s", st.event, want)
	}
	st.until("the result", func() bool { return st.result() == resultOK })
}

// Batches are as large as they may be, wait no longer than they must, and each message is
// deleted once its batch has succeeded.
func TestQueueBatches(t *testing.T) {
	st := newQueueStand(t, mapping{Batch: 3})
	st.post.put(queueName, bodies(8)...)
	st.start()
	st.empty()
	calls := st.called()
	slices.Sort(calls)
	if !slices.Equal(calls, []string{"m0 m1 m2", "m3 m4 m5", "m6 m7"}) {
		t.Errorf("the calls are %q", calls)
	}
	st = newQueueStand(t, mapping{Batch: 25, Window: 5})
	st.post.put(queueName, bodies(23)...)
	st.start()
	st.still("three receives", func() bool {
		st.post.mu.Lock()
		defer st.post.mu.Unlock()
		return st.post.messages[queueName][22].received == 1
	})
	st.still("the fourth", func() bool { return st.house.Clock.Timers() > 0 })
	for range 4 {
		st.house.Clock.Advance(time.Second)
		st.still("its going on", func() bool { return st.house.Clock.Timers() > 0 })
	}
	if n := len(st.called()); n != 0 {
		t.Errorf("%d calls before the window's end", n)
	}
	st.house.Clock.Advance(time.Second)
	st.still("the end of the queue", func() bool { return len(st.post.left(queueName)) == 0 })
	if len(st.called()) != 1 {
		t.Errorf("the calls are %q", st.called())
	}
}

// What a function fails at is received again when the visibility timeout is over, and
// only what it reports, if it reports.
func TestQueueFailures(t *testing.T) {
	st := newQueueStand(t, mapping{})
	begin := st.house.Clock.Now()
	var once sync.Once
	st.fn = func([]string, []string) (out outcome) {
		out = fine("")
		once.Do(func() { out = failed() })
		return out
	}
	st.post.put(queueName, "a")
	st.start()
	st.until("the result", func() bool { return st.result() == resultFailed })
	st.empty()
	if waited := st.house.Clock.Now().Sub(begin); waited < 30*time.Second || waited > 35*time.Second || len(st.called()) != 2 {
		t.Errorf("after %v the calls are %q", waited, st.called())
	}
	st.stop()

	st = newQueueStand(t, mapping{Partial: true})
	st.fn = func(bodies, ids []string) outcome {
		if len(bodies) > 1 {
			return fine(fmt.Sprintf(`{"batchItemFailures":[{"itemIdentifier":%q}]}`, ids[1]))
		}
		return fine(`{"batchItemFailures":[]}`)
	}
	st.post.put(queueName, bodies(3)...)
	st.start()
	st.empty()
	if got := st.called(); !slices.Equal(got, []string{"m0 m1 m2", "m1"}) || !slices.Equal(st.post.gone(), []string{"m0", "m2", "m1"}) {
		t.Errorf("the calls are %q, deleted is %q", got, st.post.gone())
	}
}

func TestDealtWith(t *testing.T) {
	batch := []queued{{id: "a"}, {id: "b"}, {id: "c"}}
	for answer, want := range map[string]string{
		``: "abc", `null`: "abc", `{}`: "abc", `{"batchItemFailures":null}`: "abc", `{"batchItemFailures":[]}`: "abc", `"text"`: "", `{`: "",
		`{"batchItemFailures":[{"itemIdentifier":"b"}]}`: "ac", `{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"}]}`: "b",
		`{"batchItemFailures":[{"itemIdentifier":""}]}`: "", `{"batchItemFailures":[{"itemIdentifier":null}]}`: "", `{"batchItemFailures":[{"x":"b"}]}`: "",
		`{"batchItemFailures":[{"itemIdentifier":"z"}]}`: "", `{"batchItemFailures":7}`: "",
	} {
		got := ""
		for _, m := range dealtWith([]byte(answer), batch) {
			got += m.id
		}
		if got != want {
			t.Errorf("%s: %q is done, want %q", answer, got, want)
		}
	}
}

// A function that is throttled is called again while its messages are invisible; then they
// are received once more.
func TestQueueThrottles(t *testing.T) {
	st := newQueueStand(t, mapping{})
	begin := st.house.Clock.Now()
	st.fn = func([]string, []string) outcome {
		if st.house.Clock.Now().Sub(begin) < 70*time.Second {
			return outcome{problem: problemThrottled}
		}
		return fine("")
	}
	st.post.put(queueName, "a")
	st.start()
	st.until("the result", func() bool { return st.result() == problemThrottled })
	st.empty()
	st.post.mu.Lock()
	defer st.post.mu.Unlock()
	if n := len(st.called()); n < 8 || n > 40 || st.post.calls["ReceiveMessage"] < 3 {
		t.Errorf("%d calls, %d receives", n, st.post.calls["ReceiveMessage"])
	}
}

// The most there are at once is MaximumConcurrency; without, there are more and more.
func TestQueueConcurrency(t *testing.T) {
	for most, want := range map[int32]int{2: 2, 0: 12} {
		st := newQueueStand(t, mapping{Batch: 1, Concurrency: most})
		st.takes = 2 * time.Second
		st.post.put(queueName, bodies(24)...)
		st.start()
		st.empty()
		st.stop()
		if st.most < min(want, 8) || st.most > max(want, int(most)) && most > 0 {
			t.Errorf("with %d at most there were %d at once", most, st.most)
		}
	}
}

// The groups of a FIFO queue are handled beside each other, the messages of one in order
// and never two batches at once, with failures and all.
func TestQueueGroups(t *testing.T) {
	st := newQueueStand(t, mapping{Batch: 2, Source: "arn:aws:sqs:us-east-1:000000000000:q.fifo", Partial: true})
	st.takes = 300 * time.Millisecond
	var mu sync.Mutex
	busy, done, tries := map[string]string{}, map[string][]string{}, map[string]int{}
	st.before = func(bodies []string) {
		mu.Lock()
		defer mu.Unlock()
		for _, b := range bodies {
			if by := busy[b[:1]]; by != "" && by != bodies[0] {
				t.Errorf("group %s is handled twice at once", b[:1])
			}
			busy[b[:1]] = bodies[0]
		}
	}
	st.fn = func(bodies, ids []string) outcome {
		mu.Lock()
		defer mu.Unlock()
		var failures []string
		broken := map[string]bool{} // a group's later messages must not overtake
		for i, b := range bodies {
			if tries[b]++; broken[b[:1]] || b == "b2" && tries[b] < 3 {
				broken[b[:1]] = true
				failures = append(failures, fmt.Sprintf(`{"itemIdentifier":%q}`, ids[i]))
				continue
			}
			done[b[:1]] = append(done[b[:1]], b)
		}
		for _, b := range bodies {
			delete(busy, b[:1])
		}
		return fine(`{"batchItemFailures":[` + strings.Join(failures, ",") + `]}`)
	}
	for i := range 5 {
		st.post.put("q.fifo", fmt.Sprintf("a/a%d", i), fmt.Sprintf("b/b%d", i), fmt.Sprintf("c/c%d", i))
	}
	st.start()
	st.empty()
	for g, got := range done {
		if want := []string{g + "0", g + "1", g + "2", g + "3", g + "4"}; !slices.Equal(got, want) {
			t.Errorf("group %s: %q", g, got)
		}
	}
}

// Messages that no filter wants are deleted; bodies are JSON to patterns of objects, and
// texts to patterns of texts.
func TestQueueFilters(t *testing.T) {
	for pattern, want := range map[string]string{
		`{"body":{"n":[{"numeric":[">",1]}]}}`:       `{"n":2}`,
		`{"body":["text"]}`:                          `text`,
		`{"body":[{"prefix":"4"}]}`:                  `42`,
		`{"eventSource":["aws:sqs"]}`:                `{"n":1} {"n":2} text 42 {"n"`,
		`{"body":{"n":[1]},"eventSource":["other"]}`: "",
	} {
		st := newQueueStand(t, mapping{Filters: []string{pattern}})
		st.post.put(queueName, `{"n":1}`, `{"n":2}`, `text`, `42`, `{"n"`)
		st.start()
		st.empty()
		if got := strings.Join(st.called(), ""); got != want {
			t.Errorf("%s lets through %q, want %q", pattern, got, want)
		}
		st.stop()
	}
}

// A queue that cannot be read is tried again, and the mapping says why.
func TestQueueTrouble(t *testing.T) {
	st := newQueueStand(t, mapping{})
	st.hasty = true
	st.post.missing[queueName] = true
	st.start()
	st.until("the result", func() bool { return st.result() == "PROBLEM: Queue not found" })
	st.post.mu.Lock()
	st.post.missing[queueName], st.post.denied["ReceiveMessage"] = false, true
	st.post.mu.Unlock()
	st.until("the result", func() bool { return strings.HasPrefix(st.result(), "PROBLEM: Access denied") })
	st.post.mu.Lock()
	st.post.denied["ReceiveMessage"], st.post.broken = false, aws.Unavailable("not now")
	st.post.mu.Unlock()
	st.until("the result", func() bool { return st.result() == "PROBLEM: Internal error" })
	st.post.mu.Lock()
	before := st.post.calls["ReceiveMessage"]
	st.post.mu.Unlock()
	st.house.Clock.Advance(2 * time.Second)
	st.post.mu.Lock()
	if n := st.post.calls["ReceiveMessage"] - before; n > 3 {
		t.Errorf("%d calls of a broken queue in a moment", n)
	}
	st.post.broken, st.post.denied["DeleteMessage"] = nil, true
	st.post.mu.Unlock()
	st.post.put(queueName, "a")
	st.until("two calls", func() bool { return len(st.called()) >= 2 }) // it could not be deleted
	st.post.mu.Lock()
	st.post.denied["DeleteMessage"] = false
	st.post.mu.Unlock()
	st.empty()
}

// A poller at its end gives back what it has gathered, and does not wait out its long poll.
func TestQueueStops(t *testing.T) {
	st := newQueueStand(t, mapping{Batch: 100, Window: 300})
	st.post.put(queueName, "a", "b")
	st.start()
	st.still("a receive", func() bool {
		st.post.mu.Lock()
		defer st.post.mu.Unlock()
		return st.post.messages[queueName][0].received == 1
	})
	st.stop()
	if len(st.called()) != 0 || len(st.post.left(queueName)) != 2 {
		t.Errorf("the calls are %q, and %q is left", st.called(), st.post.left(queueName))
	}
	for _, l := range st.post.messages[queueName] {
		if l.visible.After(st.house.Clock.Now()) {
			t.Errorf("%s is not given back", l.body)
		}
	}
}
