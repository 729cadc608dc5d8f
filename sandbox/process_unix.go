//go:build unix

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// processes is the engine that does not isolate.
type processes struct {
	dir  string // temporary folders, one for each process
	jobs chan func()
}

func openProcess(o Options) (engine, error) {
	p := &processes{dir: filepath.Join(o.Dir, "tmp"), jobs: make(chan func())}
	if err := os.RemoveAll(p.dir); err != nil { // a predecessor's
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	go lockedThread(p.jobs)
	o.Logger.Warn("sandbox: functions run as plain processes, not isolated from this machine or from each other")
	return p, nil
}

func (p *processes) features() Features { return Features{Isolation: Process.String()} }

func (p *processes) close() error {
	close(p.jobs)
	return os.RemoveAll(p.dir)
}

// plain is one process of it.
type plain struct {
	cmd   *exec.Cmd
	tmp   string
	mu    sync.Mutex // held to signal the group, and when it is reaped
	ended bool
}

// start implements engine.
func (p *processes) start(_ context.Context, s *Sandbox) error {
	if len(s.spec.Companions) > 0 {
		return fmt.Errorf("%w: programs beside a function need --isolation=namespaces", errors.ErrUnsupported)
	}
	if s.spec.Root != "" {
		return fmt.Errorf("%w: a root of its own needs --isolation=namespaces", errors.ErrUnsupported)
	}
	c := &plain{tmp: filepath.Join(p.dir, s.spec.ID)}
	if err := os.Mkdir(c.tmp, 0o700); err != nil {
		return err
	}
	s.cell = c
	if s.spec.Prepare != nil {
		if err := s.spec.Prepare(s); err != nil {
			return errors.Join(fmt.Errorf("preparing: %w", err), os.RemoveAll(c.tmp))
		}
	}
	cmd := &exec.Cmd{
		Path: s.spec.Argv[0], Args: s.spec.Argv, Dir: s.spec.Dir, Stdout: s.spec.Stdout, Stderr: s.spec.Stderr,
		ExtraFiles: s.spec.Inherit, SysProcAttr: processAttr(),
	}
	if s.spec.Stdout == nil {
		cmd.Stdout = nil // not an interface that holds a nil file
	}
	if s.spec.Stderr == nil {
		cmd.Stderr = nil
	}
	if cmd.Dir == "" {
		cmd.Dir = s.spec.Code
	}
	cmd.Env = slices.DeleteFunc(slices.Clone(s.spec.Env), func(e string) bool { return strings.HasPrefix(e, "TMPDIR=") })
	cmd.Env = append(cmd.Env, "TMPDIR="+c.tmp)
	errc := make(chan error, 1)
	p.jobs <- func() { errc <- cmd.Start() }
	if err := <-errc; err != nil {
		return errors.Join(&ProgramError{err}, os.RemoveAll(c.tmp))
	}
	c.mu.Lock()
	c.cmd = cmd
	c.mu.Unlock()
	limitProcess(cmd.Process.Pid)
	go c.wait(s)
	return nil
}

// wait reaps the program and ends its group with it.
func (c *plain) wait(s *Sandbox) {
	state, err := c.cmd.Process.Wait()
	c.mu.Lock()
	// The group's id stays taken while one of its processes lives; if none does, this hits nothing.
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	c.ended = true
	c.mu.Unlock()
	e := Exit{}
	if err == nil {
		ws := state.Sys().(syscall.WaitStatus)
		if ws.Signaled() {
			e.Signal = ws.Signal()
		} else {
			e.Code = ws.ExitStatus()
		}
	}
	s.ended(e)
}

// toGroup signals all processes of the group.
func (c *plain) toGroup(sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.cmd == nil {
		return nil
	}
	return syscall.Kill(-c.cmd.Process.Pid, sig)
}

func (c *plain) signal(sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.cmd == nil {
		return syscall.ESRCH
	}
	return syscall.Kill(c.cmd.Process.Pid, sig)
}

func (c *plain) freeze(frozen bool) error {
	if frozen {
		return c.toGroup(syscall.SIGSTOP)
	}
	return c.toGroup(syscall.SIGCONT)
}

func (c *plain) frozen() error { return nil }

func (c *plain) kill() { _ = c.toGroup(syscall.SIGKILL) }

func (c *plain) pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return 0
	}
	return c.cmd.Process.Pid
}

func (c *plain) memoryPeak() (int64, error) { return 0, errors.ErrUnsupported }

func (c *plain) release() error { return os.RemoveAll(c.tmp) }

// socket is the host's: there is no other network.
func (c *plain) socket() (*os.File, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// furnish refuses: where nothing is mounted, code is at the host's own path.
func (c *plain) furnish(Spec) error { return errors.ErrUnsupported }

// enter refuses: the network is the host's, whose ports are not the sandbox's to take.
func (c *plain) enter(func() error) error { return errors.ErrUnsupported }

func (c *plain) listen(network, _ string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), network, "127.0.0.1:0")
}

func (c *plain) listenPacket(network, _ string) (net.PacketConn, error) {
	return new(net.ListenConfig).ListenPacket(context.Background(), network, "127.0.0.1:0")
}
