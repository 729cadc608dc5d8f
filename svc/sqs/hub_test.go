package sqs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// A yard is a service with an open queue.
type yard struct {
	*Service
	t   testing.TB
	h   *script.House
	ctx context.Context
	url string
}

func newYard(t testing.TB, name string, attributes map[string]string) *yard {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	y := &yard{Service: New(Options{Store: h.Store, Clock: h.Clock, Random: &lockedRandom{r: rand.NewChaCha8([32]byte{})}}), t: t, h: h, ctx: h.Context(context.Background())}
	y.url = y.open(name, attributes)
	return y
}

// lockedRandom is chance for many at once.
type lockedRandom struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedRandom) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(b)
}

func (y *yard) open(name string, attributes map[string]string) string {
	out, err := y.createQueue(y.ctx, &api.CreateQueueRequest{QueueName: &name, Attributes: attributes})
	if err != nil {
		y.t.Fatal(err)
	}
	return *out.QueueUrl
}

func (y *yard) send(url, body, group string) {
	in := &api.SendMessageRequest{QueueUrl: &url, MessageBody: &body}
	if group != "" {
		in.MessageGroupId, in.MessageDeduplicationId = &group, &body
	}
	if _, err := y.sendMessage(y.ctx, in); err != nil {
		y.t.Error(err)
	}
}

func (y *yard) receive(url string, n, wait int32) []api.Message {
	out, err := y.receiveMessage(y.ctx, &api.ReceiveMessageRequest{QueueUrl: &url, MaxNumberOfMessages: &n, WaitTimeSeconds: &wait, AttributeNames: []string{"All"}})
	if err != nil {
		y.t.Error(err)
		return nil
	}
	return out.Messages
}

func (y *yard) remove(url, handle string) {
	if _, err := y.deleteMessage(y.ctx, &api.DeleteMessageRequest{QueueUrl: &url, ReceiptHandle: &handle}); err != nil {
		y.t.Error(err)
	}
}

func (y *yard) number(url, attribute string) int {
	out, err := y.getQueueAttributes(y.ctx, &api.GetQueueAttributesRequest{QueueUrl: &url, AttributeNames: []string{attribute}})
	if err != nil {
		y.t.Fatal(err)
	}
	n, _ := strconv.Atoi(out.Attributes[attribute])
	return n
}

// until waits for something that other goroutines do.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		ticker := time.NewTimer(time.Millisecond)
		<-ticker.C
	}
}

// TestEachOnce lets many send, receive and delete at once: every message comes to
// somebody, and to nobody else while it is invisible.
func TestEachOnce(t *testing.T) {
	for _, attributes := range []map[string]string{nil, {"FifoQueue": "true"}} {
		name := "q"
		if attributes != nil {
			name = "q.fifo"
		}
		t.Run(name, func(t *testing.T) {
			y := newYard(t, name, attributes)
			const senders, each = 8, 120
			var wg sync.WaitGroup
			for s := range senders {
				wg.Go(func() {
					for i := range each {
						group := ""
						if attributes != nil {
							group = fmt.Sprint("g", s%3)
						}
						y.send(y.url, fmt.Sprintf("%d/%d", s, i), group)
					}
				})
			}
			seen := make([]int, senders) // the next number of each sender, in FIFO queues
			var mu sync.Mutex
			got := map[string]int{}
			var n atomic.Int64
			for range 8 {
				wg.Go(func() {
					for n.Load() < senders*each {
						for _, m := range y.receive(y.url, int32(1+rand.IntN(10)), 0) {
							mu.Lock()
							got[*m.Body]++
							s, i := numbers(*m.Body)
							if attributes != nil && i != seen[s] {
								t.Errorf("message %s came, and %d of that sender was next", *m.Body, seen[s])
							}
							seen[s] = i + 1
							mu.Unlock()
							y.remove(y.url, *m.ReceiptHandle)
							n.Add(1)
						}
					}
				})
			}
			wg.Wait()
			for body, times := range got {
				if times != 1 {
					t.Errorf("%s came %d times", body, times)
				}
			}
			if len(got) != senders*each || y.number(y.url, "ApproximateNumberOfMessages") != 0 {
				t.Errorf("%d messages came, %d are left", len(got), y.number(y.url, "ApproximateNumberOfMessages"))
			}
		})
	}
}

func numbers(body string) (sender, n int) {
	a, b, _ := strings.Cut(body, "/")
	sender, _ = strconv.Atoi(a)
	n, _ = strconv.Atoi(b)
	return sender, n
}

// TestWait: who waits is woken by what is sent, by the end of a visibility timeout and
// of a delay, and by nothing else.
func TestWait(t *testing.T) {
	y := newYard(t, "q", map[string]string{"VisibilityTimeout": "5"})
	came := make(chan []api.Message, 100)
	wait := func() { came <- y.receive(y.url, 1, 20) }
	waiters := func() int {
		q, err := y.view(y.ctx, &y.url)
		if err != nil {
			t.Fatal(err)
		}
		b := y.hubs.of(q)
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.waiting)
	}
	const many = 50
	for range many {
		go wait()
	}
	until(t, "waiters", func() bool { return waiters() == many })
	y.send(y.url, "one", "")
	first := <-came
	if len(first) != 1 || *first[0].Body != "one" {
		t.Fatalf("got %+v", first)
	}
	until(t, "the others to wait on", func() bool { return waiters() == many-1 })
	advance := func(d time.Duration) { // when the watch has come to rest
		until(t, "a timer", func() bool { return y.h.Clock.Timers() >= waiters()+1 })
		y.h.Clock.Advance(d)
	}
	advance(4 * time.Second)
	if n := waiters(); n != many-1 {
		t.Fatalf("%d wait, of %d", n, many-1)
	}
	advance(time.Second)
	if again := <-came; len(again) != 1 || again[0].Attributes["ApproximateReceiveCount"] != "2" {
		t.Fatalf("got %+v", again)
	}
	until(t, "the others to wait on", func() bool { return waiters() == many-2 })
	y.h.Clock.Advance(30 * time.Second)
	for range many - 2 {
		got := <-came
		for _, m := range got {
			if m.Attributes["ApproximateReceiveCount"] != "3" {
				t.Errorf("got %+v", m)
			}
		}
	}
	until(t, "nobody to watch", func() bool {
		q, _ := y.view(y.ctx, &y.url)
		b := y.hubs.of(q)
		b.mu.Lock()
		defer b.mu.Unlock()
		return !b.watched && len(b.waiting) == 0
	})
}

// TestHangUp: who goes away while waiting takes nothing along.
func TestHangUp(t *testing.T) {
	y := newYard(t, "q", nil)
	ctx, hangUp := context.WithCancel(y.ctx)
	gone := make(chan error)
	go func() {
		_, err := y.receiveMessage(ctx, &api.ReceiveMessageRequest{QueueUrl: &y.url, WaitTimeSeconds: aws32(20)})
		gone <- err
	}()
	until(t, "a waiter", func() bool { return y.h.Clock.Timers() > 0 })
	hangUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ended with %v", err)
	}
	y.send(y.url, "x", "")
	if got := y.receive(y.url, 1, 0); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
}

func aws32(n int32) *int32 { return &n }

// TestDeletedWhileWaiting: who waits at a queue hears that it is gone.
func TestDeletedWhileWaiting(t *testing.T) {
	y := newYard(t, "q", nil)
	gone := make(chan error)
	go func() {
		_, err := y.receiveMessage(y.ctx, &api.ReceiveMessageRequest{QueueUrl: &y.url, WaitTimeSeconds: aws32(20)})
		gone <- err
	}()
	until(t, "a waiter", func() bool { return y.h.Clock.Timers() > 0 })
	if _, err := y.deleteQueue(y.ctx, &api.DeleteQueueRequest{QueueUrl: &y.url}); err != nil {
		t.Fatal(err)
	}
	if err := <-gone; aws.CodeOf(err) != "QueueDoesNotExist" {
		t.Errorf("the wait ended with %v", err)
	}
}

// TestModel holds a queue against a simple model of it: any order of operations, with
// the clock moving.
func TestModel(t *testing.T) {
	for seed := range uint64(30) {
		model(t, rand.New(rand.NewPCG(seed, 7)), seed%2 == 1)
	}
}

type modelled struct {
	body, group string
	due         time.Time
	count       int
	handle      string
}

func model(t *testing.T, r *rand.Rand, fifo bool) {
	name, attributes := "q", map[string]string{"VisibilityTimeout": "10"}
	if fifo {
		name, attributes["FifoQueue"] = "q.fifo", "true"
	}
	y := newYard(t, name, attributes)
	var all []*modelled
	for i := range 250 {
		now := y.h.Clock.Now()
		switch k := r.IntN(10); {
		case k < 3:
			m := &modelled{body: fmt.Sprint("m", i), due: now}
			if fifo {
				m.group = fmt.Sprint("g", r.IntN(3))
			}
			y.send(y.url, m.body, m.group)
			all = append(all, m)
		case k < 6:
			modelReceive(t, y, all, int32(1+r.IntN(4)), fifo)
		case k < 7 && len(all) > 0:
			m := all[r.IntN(len(all))]
			if m.handle != "" && m.due.After(now) {
				y.remove(y.url, m.handle)
				all = slices.DeleteFunc(all, func(x *modelled) bool { return x == m })
			}
		case k < 8 && len(all) > 0:
			m := all[r.IntN(len(all))]
			if m.handle == "" || !m.due.After(now) {
				continue
			}
			seconds := int32(r.IntN(15))
			if _, err := y.changeMessageVisibility(y.ctx, &api.ChangeMessageVisibilityRequest{QueueUrl: &y.url, ReceiptHandle: &m.handle, VisibilityTimeout: &seconds}); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			m.due = now.Add(time.Duration(seconds) * time.Second)
		default:
			y.h.Clock.Advance(time.Duration(r.IntN(6)) * time.Second)
		}
		modelCount(t, y, all, i)
	}
}

func modelCount(t *testing.T, y *yard, all []*modelled, step int) {
	t.Helper()
	visible, hidden := 0, 0
	for _, m := range all {
		if m.due.After(y.h.Clock.Now()) {
			hidden++
		} else {
			visible++
		}
	}
	if v, h := y.number(y.url, counted[0]), y.number(y.url, counted[2]); v != visible || h != hidden {
		t.Fatalf("step %d: %d visible and %d in flight, want %d and %d", step, v, h, visible, hidden)
	}
}

// modelReceive receives, and holds what comes against what may come, and how much.
func modelReceive(t *testing.T, y *yard, all []*modelled, n int32, fifo bool) {
	t.Helper()
	now := y.h.Clock.Now()
	may := 0
	free := map[string]bool{}
	for _, m := range all {
		if m.due.After(now) {
			free[m.group] = false
		} else if _, ok := free[m.group]; !ok {
			free[m.group] = true
		}
	}
	for _, m := range all {
		if !m.due.After(now) && (!fifo || free[m.group]) {
			may++
		}
	}
	got := y.receive(y.url, n, 0)
	if len(got) != min(may, int(n)) {
		q, _ := y.view(y.ctx, &y.url)
		b := y.hubs.of(q)
		t.Fatalf("%d messages came, want %d of %d; the hub has %+v, looks from %+v, next at %d, last at %d, now %d", len(got), n, may, b.window, b.cursor, b.next, b.last, now.UnixMicro())
	}
	for _, g := range got {
		i := slices.IndexFunc(all, func(m *modelled) bool { return m.body == *g.Body })
		if i < 0 || all[i].due.After(now) {
			t.Fatalf("%s came, which is not there", *g.Body)
		}
		m := all[i]
		if fifo {
			before := slices.IndexFunc(all, func(x *modelled) bool { return x.group == m.group && !x.due.After(now) })
			if !free[m.group] || before != i {
				t.Fatalf("%s came before %s, or while its group was busy", m.body, all[before].body)
			}
		}
		m.count++
		m.due, m.handle = now.Add(10*time.Second), *g.ReceiptHandle
		if g.Attributes["ApproximateReceiveCount"] != strconv.Itoa(m.count) {
			t.Fatalf("%s: receive %s, want %d", m.body, g.Attributes["ApproximateReceiveCount"], m.count)
		}
	}
}

// TestManyMessages: more messages than a hub keeps come all, in about the order in
// which they were sent.
func TestManyMessages(t *testing.T) {
	y := newYard(t, "q", nil)
	const n = 6 * maxWindow
	for i := range n {
		y.send(y.url, strconv.Itoa(i), "")
		if i == 10 {
			y.receive(y.url, 1, 0) // there is a hub from now on
		}
	}
	y.h.Clock.Advance(time.Minute)
	got := map[string]bool{}
	for {
		batch := y.receive(y.url, 10, 0)
		if len(batch) == 0 {
			break
		}
		for _, m := range batch {
			if got[*m.Body] {
				t.Errorf("%s came twice", *m.Body)
			}
			got[*m.Body] = true
		}
	}
	if len(got) != n {
		t.Errorf("%d messages came of %d", len(got), n)
	}
}
