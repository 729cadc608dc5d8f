package sandbox

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// A Sandbox is one running program and its walls. Safe for concurrent use.
type Sandbox struct {
	host     *Host
	spec     Spec
	cell     cell
	starting sync.WaitGroup

	furnished atomic.Bool

	done chan struct{} // closed when exit is known
	exit Exit

	over     chan struct{} // closed when the program has ended, before done where it has companions
	overOnce sync.Once
	overExit Exit

	closing sync.Once
	closed  error
}

// cell is what an engine knows to do with one sandbox.
type cell interface {
	listen(network, addr string) (net.Listener, error)
	listenPacket(network, addr string) (net.PacketConn, error)
	enter(fn func() error) error
	freeze(frozen bool) error // begins it
	frozen() error            // waits until none runs, after freeze
	signal(sig syscall.Signal) error
	kill()
	memoryPeak() (int64, error)
	pid() int
	furnish(s Spec) error
	socket() (*os.File, error) // a stream in its network, not connected
	release() error            // after the end
}

// ID is the spec's.
func (s *Sandbox) ID() string { return s.spec.ID }

// Listen opens a listener inside the sandbox's network: "tcp", "127.0.0.1:9001". It works from
// here like any other, and outlives neither its Close nor the sandbox's use. The address is an IP
// address and a port. In Mode Process it is on the host's loopback, on a port of the system's choice.
func (s *Sandbox) Listen(network, addr string) (net.Listener, error) {
	return s.cell.listen(network, addr)
}

// ListenPacket is Listen for datagrams: "udp", "127.0.0.1:53".
func (s *Sandbox) ListenPacket(network, addr string) (net.PacketConn, error) {
	return s.cell.listenPacket(network, addr)
}

// Dial connects to what listens at port of the sandbox's own loopback. It returns at once: whether
// anybody listens is found out by the first Write. In Mode Process it is the host's loopback.
func (s *Sandbox) Dial(port int) (net.Conn, error) {
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("sandbox: %d is no port", port)
	}
	f, err := s.cell.socket()
	if err != nil {
		return nil, err
	}
	defer f.Close() // FileConn has its own copy
	if err := connect(f, port); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

// Enter runs fn on a thread that is inside the sandbox's network, and returns its error: what fn
// listens on is the sandbox's, as with Listen, at the price of one entry for all of it. fn starts no
// goroutine that opens sockets: it would not be inside. Where the network cannot be entered (Tule is
// not root, or Mode Process) the error is errors.ErrUnsupported and fn was not run; Listen works there.
func (s *Sandbox) Enter(fn func() error) error { return s.cell.enter(fn) }

// Freeze stops every process in the sandbox until Thaw. When it returns, none runs.
func (s *Sandbox) Freeze() error {
	if err := s.BeginFreeze(); err != nil {
		return err
	}
	return s.cell.frozen()
}

// BeginFreeze is Freeze without waiting. Each process stops when it is next to run: on a busy machine
// that takes a while, in which Thaw need not wait for it either.
func (s *Sandbox) BeginFreeze() error { return s.cell.freeze(true) }

// Thaw lets a frozen sandbox go on. It does not wait until its processes have run.
func (s *Sandbox) Thaw() error { return s.cell.freeze(false) }

// Signal sends sig to the program, not to its children.
func (s *Sandbox) Signal(sig syscall.Signal) error {
	select {
	case <-s.done:
		return syscall.ESRCH
	default:
		return s.cell.signal(sig)
	}
}

// Kill ends every process in the sandbox, at once, frozen or not. Done tells when that is so.
func (s *Sandbox) Kill() { s.cell.kill() }

// Done is closed when no process of the sandbox is left.
func (s *Sandbox) Done() <-chan struct{} { return s.done }

// Wait waits for Done and says how the program ended. Its error is the context's.
func (s *Sandbox) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-s.done:
		return s.exit, nil
	case <-ctx.Done():
		return Exit{}, ctx.Err()
	}
}

// WaitProgram waits until the program has ended, which is before Done where it has companions, and says how.
func (s *Sandbox) WaitProgram(ctx context.Context) (Exit, error) {
	select {
	case <-s.over:
		return s.overExit, nil
	case <-ctx.Done():
		return Exit{}, ctx.Err()
	}
}

// ProgramDone is closed when WaitProgram has an answer.
func (s *Sandbox) ProgramDone() <-chan struct{} { return s.over }

// MemoryPeak is the most memory the sandbox has used, in bytes.
func (s *Sandbox) MemoryPeak() (int64, error) { return s.cell.memoryPeak() }

// PID is the sandbox's first process, by the host's count.
func (s *Sandbox) PID() int { return s.cell.pid() }

// Close kills what runs and frees all the sandbox had: mounts, /tmp, network, cgroup. It returns
// when that is done. Listeners are their openers' to close.
func (s *Sandbox) Close() error {
	s.closing.Do(func() {
		s.cell.kill()
		<-s.done
		s.closed = s.cell.release()
		s.host.forget(s)
	})
	return s.closed
}

// ended is called once by the engine.
func (s *Sandbox) ended(e Exit) {
	s.programOver(e)
	s.exit = e
	close(s.done)
}

// programOver is called by the engine when the program has ended and companions live on, with what is
// known by then.
func (s *Sandbox) programOver(e Exit) {
	s.overOnce.Do(func() {
		s.overExit = e
		close(s.over)
	})
}
