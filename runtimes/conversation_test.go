package runtimes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// A puppet is a runtime whose lines a test speaks.
type puppet struct {
	*Environment
	far   net.Conn
	in    *bufio.Reader
	clock *aws.ManualClock
	lines []Line
	exit  Exit
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func newPuppet(t testing.TB, runtime string) *puppet {
	near, far := net.Pipe()
	p := &puppet{far: far, in: bufio.NewReader(far), clock: aws.NewManualClock(noon), exit: Exit{Code: 1}}
	p.Environment = New(near, Config{Runtime: runtime, Handler: "index.handler", Clock: p.clock, InitID: "init-id",
		Sink:   func(l Line) { p.lines = append(p.lines, l) },
		Exited: func(context.Context) Exit { return p.exit }})
	t.Cleanup(func() {
		p.Close()
		far.Close()
	})
	return p
}

// speak reads one frame and answers with others, on the side.
func (p *puppet) speak(frames ...[]byte) {
	go func() {
		if _, err := readFrame(p.in); err != nil {
			return
		}
		for _, f := range frames {
			if f == nil {
				p.far.Close()
				return
			}
			if _, err := p.far.Write(f); err != nil {
				return
			}
		}
	}()
}

// ready takes the puppet through its init.
func (p *puppet) ready(t testing.TB) {
	t.Helper()
	p.speak(makeFrame(frameReady, string(rune(Protocol))))
	if in, err := p.Init(context.Background()); err != nil || in.Failure != nil {
		t.Fatalf("init: %+v, %v", in, err)
	}
}

func event(id string) Invocation {
	return Invocation{RequestID: id, Payload: []byte("{}"), Deadline: noon.Add(3 * time.Second), Timeout: 3 * time.Second}
}

func TestOrderOfCalls(t *testing.T) {
	p := newPuppet(t, "nodejs20.x")
	if _, err := p.Invoke(context.Background(), event("x")); !errors.Is(err, ErrState) {
		t.Errorf("an invoke before init: %v", err)
	}
	p.ready(t)
	if _, err := p.Init(context.Background()); !errors.Is(err, ErrState) {
		t.Errorf("a second init: %v", err)
	}
	if got := p.State(); got != Ready {
		t.Errorf("the state is %v", got)
	}
	p.Close()
	if _, err := p.Invoke(context.Background(), event("x")); !errors.Is(err, ErrState) {
		t.Errorf("an invoke after the end: %v", err)
	}
}

func TestLinesComeBeforeTheResult(t *testing.T) {
	p := newPuppet(t, "nodejs20.x")
	p.ready(t)
	p.speak(makeFrame(frameLog, "one"), makeFrame(frameLog, "two\nthree"), finished(frameResult, "42"))
	r, err := p.Invoke(context.Background(), event("x"))
	if err != nil || string(r.Payload) != "42" || r.FunctionError != "" {
		t.Fatalf("%+v %v", r, err)
	}
	if len(p.lines) != 2 || p.lines[1] != (Line{"x", "two\nthree"}) {
		t.Errorf("lines: %q", p.lines)
	}
}

func TestOutcomes(t *testing.T) {
	large := strings.Repeat("x", MaxResponse+1)
	for _, c := range []struct {
		name, runtime string
		frames        [][]byte
		want, kind    string
		dead          bool
	}{
		{"handled", "nodejs4.3", [][]byte{finished(frameError, `H{"errorMessage":"a"}`)}, `{"errorMessage":"a"}`, Handled, false},
		{"unhandled", "nodejs20.x", [][]byte{finished(frameError, `U{"errorMessage":"a"}`)}, `{"errorMessage":"a"}`, Unhandled, false},
		{"exiting", "nodejs20.x", [][]byte{finished(frameError, `X{"errorMessage":"a"}`)}, `{"errorMessage":"a"}`, Unhandled, true},
		{"exit", "python3.9", [][]byte{nil},
			`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: x Error: Runtime exited with error: exit status 1"}`, Unhandled, true},
		{"exit, legacy", "nodejs4.3", [][]byte{nil},
			`{"errorMessage":"RequestId: x Process exited before completing request"}`, Unhandled, true},
		{"exit within a frame", "python3.9", [][]byte{[]byte("\x00\x00"), nil},
			`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: x Error: Runtime exited with error: exit status 1"}`, Unhandled, true},
		{"too large", "nodejs20.x", [][]byte{finished(frameResult, large)},
			`{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes)."}`, Unhandled, false},
		{"too large, legacy", "nodejs6.10", [][]byte{finished(frameResult, large)}, `{"errorMessage":"body size is too long"}`, Unhandled, false},
		{"too large for a frame", "nodejs20.x", [][]byte{finished(frameResult, large+large)},
			`{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size (12583114 bytes) exceeded maximum allowed payload size (6291556 bytes)."}`, Unhandled, false},
		{"a log line too large", "nodejs20.x", [][]byte{makeFrame(frameLog, large+large), finished(frameResult, "1")}, `1`, "", false},
		{"just not too large", "nodejs20.x", [][]byte{finished(frameResult, large[1:])}, large[1:], "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPuppet(t, c.runtime)
			p.ready(t)
			p.speak(c.frames...)
			r, err := p.Invoke(context.Background(), event("x"))
			if err != nil || string(r.Payload) != c.want || r.FunctionError != c.kind {
				t.Errorf("got %.200s %q %v, want %.200s %q", r.Payload, r.FunctionError, err, c.want, c.kind)
			}
			if dead := p.State() == Dead; dead != c.dead {
				t.Errorf("the state is %v", p.State())
			}
		})
	}
}

// What no bootstrap says, the function has said: it has the descriptor, too. The fault is the
// function's, and its process is not to be talked to again.
func TestBrokenProtocol(t *testing.T) {
	for name, c := range map[string]struct {
		said []byte
		want string
	}{
		"an unknown frame":      {makeFrame('?', ""), "frame '?' during an invoke"},
		"ready in an invoke":    {makeFrame(frameReady, "\x01"), "frame 'r' during an invoke"},
		"an error without kind": {finished(frameError, ""), "an empty error"},
		"an error of no kind":   {finished(frameError, "?{}"), "an error of kind '?'"},
		"a fault in an invoke":  {makeFrame(frameFault, "{}"), "frame 'x' during an invoke"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPuppet(t, "nodejs20.x")
			p.ready(t)
			p.speak(c.said)
			r, err := p.Invoke(context.Background(), event("x"))
			want := `{"errorType":"Runtime.Unknown","errorMessage":"RequestId: x Error: the runtime broke the protocol: ` + c.want + `"}`
			if err != nil || string(r.Payload) != want || r.FunctionError != Unhandled || r.ErrorType != UnknownErrorType {
				t.Errorf("got %s %+v %v, want %s", r.Payload, r, err, want)
			}
			if p.State() != Dead {
				t.Errorf("the state is %v", p.State())
			}
		})
	}
}

func TestEndlessStream(t *testing.T) {
	p := newPuppet(t, "nodejs20.x")
	p.ready(t)
	p.speak(bytes.Repeat(makeFrame(frameChunk, strings.Repeat("x", 1<<20)), 7))
	if r, err := p.Invoke(context.Background(), event("x")); err != nil || r.ErrorType != TooLargeErrorType {
		t.Errorf("got %+v %v", r, err)
	}
	if p.State() != Dead {
		t.Errorf("the state is %v", p.State())
	}
}

func TestInitOutcomes(t *testing.T) {
	for _, c := range []struct {
		name, runtime string
		frame         []byte
		want, kind    string
	}{
		{"fault", "nodejs20.x", makeFrame(frameFault, `{"errorType":"a"}`), `{"errorType":"a"}`, Unhandled},
		{"fault, legacy", "nodejs4.3", makeFrame(frameFault, `{"errorMessage":"a"}`), `{"errorMessage":"a"}`, Handled},
		{"exit", "nodejs20.x", nil, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: init-id Error: Runtime exited with error: exit status 1"}`, Unhandled},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPuppet(t, c.runtime)
			p.speak(c.frame)
			in, err := p.Init(context.Background())
			if err != nil || in.Failure == nil || string(in.Failure.Payload) != c.want || in.Failure.FunctionError != c.kind {
				t.Errorf("got %+v %v", in.Failure, err)
			}
			if p.State() != Dead {
				t.Errorf("the state is %v", p.State())
			}
		})
	}
	for name, c := range map[string]struct {
		said []byte
		want string
	}{
		"another version":  {makeFrame(frameReady, "\x02"), UnknownErrorType},
		"no version":       {makeFrame(frameReady, ""), UnknownErrorType},
		"a result":         {finished(frameResult, "1"), UnknownErrorType},
		"a fault too long": {makeFrame(frameFault, strings.Repeat("x", maxFrame+1)), TooLargeErrorType},
	} {
		p := newPuppet(t, "nodejs20.x")
		p.speak(c.said)
		in, err := p.Init(context.Background())
		if err != nil || in.Failure == nil || in.Failure.ErrorType != c.want || p.State() != Dead {
			t.Errorf("%s: %+v %v", name, in.Failure, err)
		}
	}
}

func TestTimeout(t *testing.T) {
	p := newPuppet(t, "nodejs20.x")
	p.ready(t)
	p.speak(makeFrame(frameLog, "begun"))
	done := make(chan Result)
	go func() {
		r, err := p.Invoke(context.Background(), event("x"))
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	awaitTimers(p.clock, 1)
	p.clock.Advance(3 * time.Second)
	r := <-done
	if want := `{"errorMessage":"2026-03-04T12:00:03.000Z x Task timed out after 3.00 seconds"}`; string(r.Payload) != want || r.ErrorType != TimeoutErrorType {
		t.Errorf("got %s %s", r.Payload, r.ErrorType)
	}
	if r.Duration != 3*time.Second || p.State() != Dead {
		t.Errorf("after %v, %v", r.Duration, p.State())
	}
	if last := p.lines[len(p.lines)-1].Text; last != "2026-03-04T12:00:03.000Z x Task timed out after 3.00 seconds" {
		t.Errorf("logged %q", last)
	}
}

// One goroutine watches all deadlines, and goes when there is nothing to watch.
func TestDeadlinesOfManyInvokes(t *testing.T) {
	p := newPuppet(t, "nodejs20.x")
	p.ready(t)
	for _, left := range []time.Duration{10, 11, 5, 20} {
		p.speak(finished(frameResult, "1"))
		in := event("x")
		in.Deadline = p.clock.Now().Add(left * time.Second)
		if r, err := p.Invoke(context.Background(), in); err != nil || string(r.Payload) != "1" {
			t.Fatalf("%+v %v", r, err)
		}
		p.clock.Advance(time.Second)
	}
	p.clock.Advance(time.Minute)
	awaitTimers(p.clock, 0)
	p.speak()
	in := event("late")
	in.Deadline = p.clock.Now().Add(time.Second)
	done := make(chan Result)
	go func() {
		r, _ := p.Invoke(context.Background(), in)
		done <- r
	}()
	awaitTimers(p.clock, 1)
	p.clock.Advance(time.Second)
	if r := <-done; r.ErrorType != TimeoutErrorType {
		t.Errorf("got %+v", r)
	}
}

// awaitTimers waits until n timers wait on the clock.
func awaitTimers(c *aws.ManualClock, n int) {
	for c.Timers() != n {
		time.Sleep(time.Millisecond)
	}
}

func TestCancelledContext(t *testing.T) {
	p := newPuppet(t, "nodejs20.x")
	p.ready(t)
	ctx, cancel := context.WithCancel(context.Background())
	p.speak()
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := p.Invoke(ctx, event("x")); !errors.Is(err, context.Canceled) || p.State() != Dead {
		t.Errorf("%v, %v", err, p.State())
	}
	q := newPuppet(t, "nodejs20.x")
	if _, err := q.Init(ctx); !errors.Is(err, context.Canceled) || q.State() != Dead {
		t.Errorf("init: %v, %v", err, q.State())
	}
}

func TestStreamedResponse(t *testing.T) {
	for name, w := range map[string]*bytes.Buffer{"kept": nil, "passed on": {}} {
		t.Run(name, func(t *testing.T) {
			p := newPuppet(t, "nodejs20.x")
			p.ready(t)
			p.speak(makeFrame(frameMeta, "text/plain"), makeFrame(frameChunk, "a"), makeFrame(frameChunk, "b"), finished(frameResult, ""))
			in := event("x")
			if w != nil {
				in.Stream = w
			}
			r, err := p.Invoke(context.Background(), in)
			if err != nil || r.ContentType != "text/plain" {
				t.Fatalf("%+v %v", r, err)
			}
			got := string(r.Payload)
			if w != nil {
				got += w.String()
			}
			if got != "ab" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// FuzzConversation has a runtime that says anything at all.
func FuzzConversation(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add(makeFrame(frameReady, "\x01"), finished(frameResult, "1"))
	f.Add(makeFrame(frameReady, "\x01"), append(makeFrame(frameLog, "x"), finished(frameError, "H{}")...))
	f.Add(makeFrame(frameFault, "{}"), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		p := newPuppet(t, "nodejs20.x")
		go io.Copy(io.Discard, p.far)
		go func() {
			defer p.far.Close()
			p.far.Write(first)
			p.far.Write(second)
		}()
		in, err := p.Init(context.Background())
		if err != nil || in.Failure != nil {
			if p.State() != Dead {
				t.Errorf("after a failed init: %v", p.State())
			}
			return
		}
		r, err := p.Invoke(context.Background(), event("x"))
		if err == nil && r.FunctionError != "" && len(r.Payload) == 0 && r.ErrorType != "" {
			t.Errorf("a failure without a payload: %+v", r)
		}
		if s := p.State(); s != Dead && s != Ready {
			t.Errorf("after an invoke: %v", s)
		}
	})
}

// What a function writes to the socket beside the bootstrap's own answer is no other event's.
func TestSecondOutcome(t *testing.T) {
	p := newPuppet(t, "nodejs20.x")
	p.ready(t)
	p.speak(makeFrame(frameResult, `"forged"`), makeFrame(frameLog, "late"), makeFrame(frameError, `U{"errorMessage":"forged"}`), finished(frameResult, `"true"`))
	for _, want := range []string{`"forged"`, "2", "3"} {
		r, err := p.Invoke(context.Background(), event(want))
		if err != nil || string(r.Payload) != want || r.FunctionError != "" || p.State() != Ready {
			t.Errorf("%s: %+v, %v", want, r, err)
		}
		p.speak(finished(frameResult, map[string]string{`"forged"`: "2", "2": "3"}[want]))
	}
	if len(p.lines) != 1 || p.lines[0].Text != "late" {
		t.Errorf("lines: %q", p.lines)
	}
}

// A late link is one over which the runtime says that it is ready at the moment at which time is up.
type lateLink struct {
	link
	up context.CancelFunc
}

func (l lateLink) sendInit([]byte) error { return nil }
func (l lateLink) interrupt()            {}
func (l lateLink) Close() error          { return nil }
func (l lateLink) receive() (frame, error) {
	l.up()
	return frame{kind: frameReady, body: []byte{Protocol}}, nil
}

// Whoever is told that a function is loaded can invoke it: one whose conversation was cut off
// meanwhile is not.
func TestInitReadyTooLate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := newEnvironment(lateLink{up: cancel}, Config{Runtime: "nodejs20.x", Handler: "index.handler", Clock: aws.NewManualClock(noon)})
	in, err := e.Init(ctx)
	if !errors.Is(err, context.Canceled) || in.Failure != nil || e.State() != Dead {
		t.Errorf("%+v, %v: %v", in, err, e.State())
	}
}
