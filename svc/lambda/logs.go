package lambda

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	logsapi "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

const (
	// flushEvery is how long log events are gathered.
	flushEvery = 100 * time.Millisecond
	// maxPending is how many bytes of events may wait to be written. A function may have as
	// many of them as are still free for others: one alone half, one of two a third each.
	maxPending = 64 << 20
	// maxRound is how many bytes of a stream are written before it is others' turn.
	maxRound = 4 << 20
	// Limits of PutLogEvents; each event counts 26 bytes more than its text.
	maxBatch       = 1 << 20
	maxBatchEvents = 10000
	eventOverhead  = 26
	maxMessage     = 256<<10 - eventOverhead
	// deniedFor is how long a function that may not write its log is left alone.
	deniedFor = time.Minute
	// writers is how many streams are written at once.
	writers = 8
)

// The logWriter writes what environments log, to Logs, each under its function's role.
// Functions never wait for it.
type logWriter struct {
	s    *Service
	wake chan struct{}

	mu     sync.Mutex
	dirty  []*stream       // with events that wait
	size   int             // bytes of these
	sizes  map[ref]int     // the same by function
	more   bool            // some of them have more than was taken
	after  []chan struct{} // closed when all is written that waits
	warned map[ref]bool
}

func newLogWriter(s *Service) logWriter {
	return logWriter{s: s, wake: make(chan struct{}, 1), sizes: map[ref]int{}, warned: map[ref]bool{}}
}

// A stream is one environment's log stream.
type stream struct {
	w           *logWriter
	at          ref
	role        string
	group, name string

	// Under the writer's mutex.
	events  []logsapi.InputLogEvent
	queued  bool
	dropped int
	last    int64 // the newest event's time; they go in order

	// Of whoever writes the stream: one at a time.
	made        bool
	deniedUntil time.Time
}

func (w *logWriter) stream(at ref, role, group, name string) *stream {
	return &stream{w: w, at: at, role: role, group: group, name: name}
}

// append adds an event, cut where it is too long for one. When too much of the function
// waits, what does not fit is counted instead.
func (st *stream) append(now time.Time, text string) {
	w := st.w
	w.mu.Lock()
	for len(text) > 0 {
		n := min(len(text), maxMessage)
		for n < len(text) && n > maxMessage-utf8.UTFMax && !utf8.RuneStart(text[n]) {
			n--
		}
		part := strings.ToValidUTF8(text[:n], "\uFFFD")
		size := len(part) + eventOverhead
		if w.sizes[st.at]+size > maxPending-w.size {
			st.dropped++
			break
		}
		st.last = max(st.last, now.UnixMilli())
		at := st.last
		st.events = append(st.events, logsapi.InputLogEvent{Timestamp: &at, Message: &part})
		w.grow(st, size)
		text = text[n:]
	}
	first := !st.queued
	if first {
		st.queued = true
		w.dirty = append(w.dirty, st)
	}
	w.mu.Unlock()
	if first {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// grow counts bytes that wait, or if n is negative no longer do. The caller holds mu.
func (w *logWriter) grow(st *stream, n int) {
	w.size += n
	if w.sizes[st.at] += n; w.sizes[st.at] == 0 {
		delete(w.sizes, st.at)
	}
}

// run writes until ctx ends.
func (w *logWriter) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		due, stop := w.s.Clock.After(flushEvery)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-due:
		}
		_, err := w.round(ctx)
		for err == nil && w.unfinished() {
			_, err = w.round(ctx)
		}
		if err != nil && ctx.Err() == nil {
			w.s.warn("write functions' logs; trying again", err)
			due, stop := w.s.Clock.After(time.Second)
			select {
			case <-ctx.Done():
				stop()
			case <-due:
			}
			w.poke()
		}
	}
}

// unfinished reports whether a stream had more than the last round could write.
func (w *logWriter) unfinished() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.more
}

func (w *logWriter) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// settled is closed when all that has been logged until now is written, or cannot be.
func (w *logWriter) settled() <-chan struct{} {
	done := make(chan struct{})
	w.mu.Lock()
	w.after = append(w.after, done)
	w.mu.Unlock()
	w.poke()
	return done
}

// flush writes all that waits. After an error what could not be written waits on.
func (w *logWriter) flush(ctx context.Context) error {
	for {
		if n, err := w.round(ctx); err != nil || n == 0 {
			return err
		}
	}
}

// round writes what waits at present, and returns of how many streams.
func (w *logWriter) round(ctx context.Context) (int, error) {
	w.mu.Lock()
	round, after := w.dirty, w.after
	w.dirty, w.after, w.more = nil, nil, false
	w.mu.Unlock()
	defer func() { w.tell(after) }()
	errs := make([]error, len(round))
	var wg sync.WaitGroup
	slots := make(chan struct{}, writers)
	for i, st := range round {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = w.write(ctx, st)
			<-slots
		})
	}
	wg.Wait()
	return len(round), errors.Join(errs...)
}

// tell closes the channels of those who wait, unless a stream has more.
func (w *logWriter) tell(after []chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more {
		w.after = append(w.after, after...)
		return
	}
	for _, done := range after {
		close(done)
	}
}

// write writes what waits in one stream, or as much of it as a round may.
func (w *logWriter) write(ctx context.Context, st *stream) error {
	events, dropped := st.take()
	if dropped > 0 {
		w.s.Logger.Warn("lambda: log events were dropped, since Logs does not keep up", "function", st.at.name, "events", dropped)
		at, text := w.s.Clock.Now().UnixMilli(), fmt.Sprintf("[tule] %d log events were dropped here, since Logs did not keep up\n", dropped)
		events = append(events, logsapi.InputLogEvent{Timestamp: &at, Message: &text})
	}
	if w.s.Clock.Now().Before(st.deniedUntil) {
		return nil
	}
	rest, err := w.send(ctx, st, events)
	if err == nil {
		return nil
	}
	var e *aws.Error
	if errors.As(err, &e) && (!e.Server() || e.Status == 501) {
		w.deny(st, err)
		return nil
	}
	st.giveBack(rest)
	return err
}

// take takes the events that wait, up to maxRound; with the last one what was dropped
// behind it. A stream with more is dirty again.
func (st *stream) take() (events []logsapi.InputLogEvent, dropped int) {
	w := st.w
	w.mu.Lock()
	defer w.mu.Unlock()
	n, size := 0, 0
	for n < len(st.events) && (n == 0 || size < maxRound) {
		size += len(*st.events[n].Message) + eventOverhead
		n++
	}
	events, st.events = st.events[:n:n], st.events[n:]
	w.grow(st, -size)
	if len(st.events) > 0 {
		w.dirty, w.more = append(w.dirty, st), true
		return events, 0
	}
	dropped = st.dropped
	st.events, st.dropped, st.queued = nil, 0, false
	return events, dropped
}

// giveBack puts events that could not be written in front of those that wait.
func (st *stream) giveBack(events []logsapi.InputLogEvent) {
	w := st.w
	w.mu.Lock()
	defer w.mu.Unlock()
	st.events = append(slices.Clip(events), st.events...)
	for _, e := range events {
		w.grow(st, len(*e.Message)+eventOverhead)
	}
	if !st.queued {
		st.queued = true
		w.dirty = append(w.dirty, st)
	}
}

// deny drops the log of a function that may not write one, as AWS does, and says so
// once.
func (w *logWriter) deny(st *stream, err error) {
	st.deniedUntil = w.s.Clock.Now().Add(deniedFor)
	st.made = false
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.warned) >= maxRemembered {
		clear(w.warned)
	}
	if !w.warned[st.at] {
		w.warned[st.at] = true
		w.s.Logger.Warn("lambda: a function's role does not let it write its log", "function", st.at.arn(""), "role", st.role, "error", err)
	}
}

// send writes events in as many calls as it takes, and returns those not written.
func (w *logWriter) send(ctx context.Context, st *stream, events []logsapi.InputLogEvent) ([]logsapi.InputLogEvent, error) {
	role, err := w.s.roles.session(ctx, st.at, st.role)
	if err != nil {
		return events, err
	}
	ctx = w.s.acting(ctx, st.at, role.caller)
	for len(events) > 0 {
		n := batch(events)
		err := w.put(ctx, st, events[:n])
		if err != nil {
			return events, err
		}
		events = events[n:]
	}
	return nil, nil
}

// batch is how many events go into one call.
func batch(events []logsapi.InputLogEvent) int {
	size := 0
	for i, e := range events[:min(len(events), maxBatchEvents)] {
		if size += len(*e.Message) + eventOverhead; size > maxBatch && i > 0 {
			return i
		}
	}
	return min(len(events), maxBatchEvents)
}

// put writes one batch, making stream and group where they are missing.
func (w *logWriter) put(ctx context.Context, st *stream, events []logsapi.InputLogEvent) error {
	in := &logsapi.PutLogEventsRequest{LogGroupName: &st.group, LogStreamName: &st.name, LogEvents: events}
	for try := 0; ; try++ {
		if !st.made {
			if err := w.create(ctx, st); err != nil {
				return err
			}
			st.made = true
		}
		_, err := logsapi.PutLogEvents.Do(ctx, w.s.Peers, in)
		if aws.CodeOf(err) == "ResourceNotFoundException" && try == 0 {
			st.made = false // somebody has deleted it
			continue
		}
		return err
	}
}

func (w *logWriter) create(ctx context.Context, st *stream) error {
	stream := func() error {
		_, err := logsapi.CreateLogStream.Do(ctx, w.s.Peers, &logsapi.CreateLogStreamRequest{LogGroupName: &st.group, LogStreamName: &st.name})
		return there(err)
	}
	err := stream()
	if aws.CodeOf(err) != "ResourceNotFoundException" {
		return err
	}
	_, err = logsapi.CreateLogGroup.Do(ctx, w.s.Peers, &logsapi.CreateLogGroupRequest{LogGroupName: &st.group})
	if err := there(err); err != nil {
		return err
	}
	return stream()
}

// there takes it for done what somebody else has done.
func there(err error) error {
	if slices.Contains([]string{"ResourceAlreadyExistsException", "OperationAbortedException"}, aws.CodeOf(err)) {
		return nil
	}
	return err
}
