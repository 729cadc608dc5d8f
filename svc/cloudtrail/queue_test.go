package cloudtrail

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	iamapi "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// safeBuffer is a log that several write to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// list is an allowed management event.
func list(h *script.House, id string) *aws.Event {
	return &aws.Event{Request: request(h, id, userAnn()), Op: &iamapi.ListUsers.Operation, Decisions: []aws.Decision{allowed("iam:ListUsers", "*")}}
}

// stored is how many events the store has for the account.
func stored(t *testing.T, st store.Store) (n int) {
	t.Helper()
	err := st.View(t.Context(), func(r store.Reader) error {
		n = 0
		for _, err := range events.List(t.Context(), r, store.Scope{Account: account, Region: "us-east-1"}, store.ListOptions{}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// until runs other goroutines until cond holds.
func until(cond func() bool) {
	for !cond() {
		runtime.Gosched()
	}
}

// Run writes a batch after batchEvery, goes on after the store failed, and writes the
// rest when it ends.
func TestRun(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	var log safeBuffer
	st := &failing{Store: h.Store}
	s := New(Options{Store: st, Clock: h.Clock, Random: h.Random, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	until(func() bool { return h.Clock.Timers() == 2 }) // of the activity and of trails
	for range 3 {
		s.Record(ctx, list(h, "r"))
	}
	until(func() bool { return h.Clock.Timers() == 3 }) // of the batch
	if n := stored(t, h.Store); n != 0 {
		t.Errorf("%d events before their time", n)
	}
	h.Clock.Advance(batchEvery)
	until(func() bool { return stored(t, h.Store) == 3 })

	st.fail(store.ErrFull)
	s.Record(ctx, list(h, "r"))
	until(func() bool { return h.Clock.Timers() == 3 })
	h.Clock.Advance(batchEvery)
	until(func() bool { return strings.Contains(log.String(), "not written") && h.Clock.Timers() == 3 })
	st.fail(nil)
	h.Clock.Advance(retryEvery)
	until(func() bool { return h.Clock.Timers() == 3 })
	h.Clock.Advance(batchEvery)
	until(func() bool { return stored(t, h.Store) == 4 })

	s.Record(ctx, list(h, "r"))
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := stored(t, h.Store); n != 5 {
		t.Errorf("%d events in the end", n)
	}
	if h.Clock.Timers() != 0 {
		t.Error("timers are left")
	}
	again := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random})
	if got := uses(t, again, ann); !strings.Contains(got, "iam:ListUsers * x5") {
		t.Errorf("%s", got)
	}
}

// A full queue makes callers wait a moment. Then an allowed call is counted as lost, and
// a denied one, which finds places of its own for long, is in the log in full.
func TestFull(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	var log safeBuffer
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	e, denial := list(h, "r"), list(h, "r-denied")
	denial.Decisions = []aws.Decision{refused("iam:ListUsers", "*")}
	for range maxWaiting {
		s.Record(t.Context(), e)
	}
	late := func(e *aws.Event, act func()) {
		t.Helper()
		done := make(chan struct{})
		go func() { s.Record(t.Context(), e); close(done) }()
		until(func() bool { return h.Clock.Timers() == 1 })
		act()
		<-done
	}
	late(e, func() { h.Clock.Advance(patience) })
	if s.queue.lost != 1 || log.String() != "" {
		t.Errorf("%d lost, logged %q", s.queue.lost, log.String())
	}
	for range spareWaiting {
		s.Record(t.Context(), denial)
	}
	late(denial, func() { h.Clock.Advance(longPatience) })
	if !strings.Contains(log.String(), "a denial is not in the audit log") || !strings.Contains(log.String(), "r-denied") {
		t.Errorf("logged %q", log.String())
	}
	late(denial, func() { // there is room in time
		if err := s.write(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if err := s.write(t.Context()); err != nil {
		t.Error(err)
	}
	if n := stored(t, h.Store); n != maxWaiting+spareWaiting+1 {
		t.Errorf("%d events", n)
	}
	if !strings.Contains(log.String(), "events=2") || s.queue.size != 0 {
		t.Errorf("%d bytes are left; logged %q", s.queue.size, log.String())
	}
}

// Whoever looks finds what was recorded before.
func TestReadYourWrites(t *testing.T) {
	s, h := house(t)
	for i := range 120 {
		s.Record(t.Context(), list(h, "r"))
		if i == 60 {
			h.Clock.Advance(1) // several of one moment on each page
		}
	}
	seen := map[string]bool{}
	in := &api.LookupEventsRequest{}
	for pages := 1; ; pages++ {
		out, err := s.lookupEvents(h.Context(t.Context()), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			seen[*e.EventId] = true
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			if len(seen) != 120 || pages != 3 {
				t.Errorf("%d events on %d pages", len(seen), pages)
			}
			return
		}
	}
}
