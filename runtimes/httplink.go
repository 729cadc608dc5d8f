package runtimes

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
)

// NewHTTP is the conversation with a runtime that speaks AWS's HTTP Runtime API:
// what the process finds at AWS_LAMBDA_RUNTIME_API is to be answered by the
// handler. The owner reports the end of the process by ProcessEnded.
func NewHTTP(cfg Config) (*Environment, http.Handler) {
	l := &httpLink{
		events:  make(chan *Invocation),
		frames:  make(chan frame),
		stopped: make(chan struct{}),
		ended:   make(chan struct{}),
		changed: make(chan struct{}),
	}
	if cfg.Extensions == nil {
		cfg.Extensions = NewExtensions(ExtensionsConfig{FunctionName: cfg.FunctionName, Version: cfg.Version,
			Handler: cfg.Handler, MemoryMB: cfg.MemoryMB, Clock: cfg.Clock, Random: cfg.Random})
	}
	l.cfg = cfg
	return newEnvironment(l, cfg), l.routes()
}

// ProcessEnded tells an Environment of NewHTTP that its process is gone. One of
// New finds out by itself.
func (e *Environment) ProcessEnded() {
	if l, ok := e.link.(*httpLink); ok {
		l.endOnce.Do(func() { close(l.ended) })
	}
}

// A runtimeState is where the user's bootstrap stands, by the names that AWS's
// error texts give.
type runtimeState string

const (
	runtimeStarted   runtimeState = "Started"
	runtimeInitError runtimeState = "InitError"
	runtimeReady     runtimeState = "Ready" // asked for the next event
	runtimeRunning   runtimeState = "Running"
	runtimeResponse  runtimeState = "InvocationResponse"
	runtimeError     runtimeState = "InvocationErrorResponse"
	runtimeSent      runtimeState = "ResponseSent"
)

// runtimeMoves is every step that the Runtime API allows. Asking again for the
// next event is allowed: a client whose connection broke does.
var runtimeMoves = map[runtimeState][]runtimeState{
	runtimeStarted:  {runtimeReady, runtimeInitError},
	runtimeReady:    {runtimeReady, runtimeRunning},
	runtimeRunning:  {runtimeResponse, runtimeError},
	runtimeResponse: {runtimeSent},
	runtimeError:    {runtimeSent},
	runtimeSent:     {runtimeReady},
}

// A httpLink is the HTTP Runtime API as an Environment's link.
type httpLink struct {
	cfg     Config
	events  chan *Invocation
	frames  chan frame
	stopped chan struct{} // closed by interrupt
	ended   chan struct{} // closed by ProcessEnded

	stopOnce, endOnce sync.Once

	mu        sync.Mutex
	state     runtimeState
	announced bool          // frameReady was sent
	current   *Invocation   // given out and not answered
	changed   chan struct{} // closed and made anew when the runtime asks for the next event
}

var _ link = (*httpLink)(nil)

func (l *httpLink) sendInit([]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == "" {
		l.state = runtimeStarted
	}
	return nil
}

func (l *httpLink) sendInvoke(in *Invocation) error {
	select {
	case l.events <- in:
		return nil
	case <-l.stopped:
		return os.ErrDeadlineExceeded
	case <-l.ended:
		return io.EOF
	}
}

func (l *httpLink) receive() (frame, error) {
	select {
	case f := <-l.frames:
		return f, nil
	case <-l.stopped:
		return frame{}, os.ErrDeadlineExceeded
	case <-l.ended:
		return frame{}, io.EOF
	}
}

// rest waits until the runtime asks for the next event.
func (l *httpLink) rest(ctx context.Context) error {
	for {
		l.mu.Lock()
		ready, changed := l.state == runtimeReady, l.changed
		l.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-changed:
		case <-l.stopped:
			return os.ErrDeadlineExceeded
		case <-l.ended:
			return io.EOF
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *httpLink) rests() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state == runtimeReady
}

func (l *httpLink) interrupt() { l.stopOnce.Do(func() { close(l.stopped) }) }

func (l *httpLink) Close() error {
	l.interrupt()
	return nil
}

// deliver gives the Environment a frame; false when nobody waits for it any more.
func (l *httpLink) deliver(f frame) bool {
	select {
	case l.frames <- f:
		return true
	case <-l.stopped:
		return false
	}
}

// move takes a step if it is allowed.
func (l *httpLink) move(to runtimeState) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moveLocked(to)
}

func (l *httpLink) moveLocked(to runtimeState) error {
	from := l.state
	if from == "" {
		from = runtimeStarted
	}
	for _, allowed := range runtimeMoves[from] {
		if to == allowed {
			l.state = to
			if to == runtimeReady {
				close(l.changed)
				l.changed = make(chan struct{})
			}
			return nil
		}
	}
	return fmt.Errorf("State transition from %s to %s failed for runtime. Error: State transition is not allowed", from, to) //nolint:staticcheck // AWS's text
}

// answer takes the step to an answer for request id, and is the invocation.
func (l *httpLink) answer(id string, to runtimeState) (*Invocation, int, *apiError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil || l.current.RequestID != id {
		return nil, http.StatusBadRequest, &apiError{"Invalid request ID", "InvalidRequestID"}
	}
	if err := l.moveLocked(to); err != nil {
		return nil, http.StatusForbidden, &apiError{err.Error(), "InvalidStateTransition"}
	}
	return l.current, 0, nil
}

// answered ends the invocation.
func (l *httpLink) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = nil
	l.state = runtimeSent
}
