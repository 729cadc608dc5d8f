package lambda

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/tule-cloud/tule/runtimes"
)

// Where Options.Debugger is set, functions in Node and Python start with a debugger's port
// open, within their own network. Whoever connects to the listener is led to the
// environment that was started or invoked last. Then functions have all the time that a
// person takes, are not frozen between invokes, and start the usual way.

// thinking is a function's time-out while somebody may be debugging it.
const thinking = time.Hour

// debuggers is the environment that is debugged.
type debuggers struct {
	mu      sync.Mutex
	last    *environment
	changed chan struct{} // closed, and made anew, when last is set
}

// debugs reports whether a version's functions have a debugger's port.
func (s *Service) debugs(v *version) bool {
	return s.Debugger != nil && runtimes.Debugs(v.Runtime)
}

// patience is how long an invoke or a start of v may take that has a limit.
func (s *Service) patience(v *version, limit time.Duration) time.Duration {
	if s.debugs(v) {
		return max(limit, thinking)
	}
	return limit
}

// debug makes e the environment that is debugged. Nil is none.
func (d *debuggers) debug(e *environment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = e
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

// forget is called when e ends.
func (d *debuggers) forget(e *environment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == e {
		d.last = nil
	}
}

// target is the environment that is debugged. Who comes before the function waits for it.
func (d *debuggers) target(ctx context.Context) (*environment, error) {
	for {
		d.mu.Lock()
		e := d.last
		if d.changed == nil {
			d.changed = make(chan struct{})
		}
		changed := d.changed
		d.mu.Unlock()
		if e != nil {
			return e, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// serveDebuggers leads who connects to the environment that is debugged, until ctx ends.
func (s *Service) serveDebuggers(ctx context.Context) {
	if s.Debugger == nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { s.warn("close the debuggers' port", s.Debugger.Close()) })
	defer stop()
	for {
		conn, err := s.Debugger.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.warn("wait for debuggers", err)
			}
			return
		}
		wg.Go(func() { s.serveDebugger(ctx, conn) })
	}
}

func (s *Service) serveDebugger(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	e, err := s.debuggers.target(ctx)
	if err != nil {
		return
	}
	inside, err := e.sandbox.Dial(runtimes.DebugPort)
	if err != nil {
		s.warn("reach a function's debugger", err)
		return
	}
	defer inside.Close()
	unhook := context.AfterFunc(ctx, func() { inside.Close() })
	defer unhook()
	go func() {
		// Either end's end is the other's: debuggers speak no half-closed connections.
		_, _ = io.Copy(inside, conn)
		inside.Close()
	}()
	_, _ = io.Copy(conn, inside)
}
