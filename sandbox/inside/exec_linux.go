package inside

import (
	"sync"
	"syscall"

	"github.com/tule-cloud/tule/sandbox/plan"
	"golang.org/x/sys/unix"
)

// children are the processes that were started for Tule: the program, and its companions.
type children struct {
	mu         sync.Mutex
	reaped     bool // somebody waits for them
	program    int  // 0 before and after its life
	over       bool // the program has ended
	companions map[int]uint32
	next       uint32 // number of the next companion
}

// exec starts the program with the files that came along, from descriptor 1 on, and lives as
// process 1 from then on. It returns only when the program could not be started.
func (b *builder) exec(files int) error {
	if files != len(b.files) {
		return unix.EINVAL
	}
	_, err := b.start(files, func(pid int) {
		b.kids.program = pid
		// Before its end can be told, which also ends this process.
		sendFrame(plan.Frame{Type: plan.FrameStarted, A: uint32(pid)})
	})
	if err != nil {
		return err
	}
	b.obey() // on this thread: it has the program's user, and so may signal it
	return nil
}

// spawn starts a companion with the first of the files that came along.
func (b *builder) spawn(files int) error {
	if files > len(b.files) {
		return unix.EINVAL
	}
	_, err := b.start(files, func(pid int) {
		if b.kids.companions == nil {
			b.kids.companions = map[int]uint32{}
		}
		b.kids.companions[pid] = b.kids.next
		b.kids.next++
	})
	return err
}

// start starts a process with the arguments and variables that were given since the last one, and has
// it noted before anybody can find out that it has ended.
func (b *builder) start(files int, note func(pid int)) (int, error) {
	if len(b.argv) == 0 {
		return 0, unix.EINVAL
	}
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	fds := make([]uintptr, 1, 1+files)
	fds[0] = uintptr(null)
	for _, f := range b.files[:files] {
		fds = append(fds, uintptr(f))
	}
	b.kids.mu.Lock()
	pid, err := syscall.ForkExec(b.argv[0], b.argv, &syscall.ProcAttr{
		Env: b.env, Files: fds, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err == nil {
		note(pid)
		if !b.kids.reaped {
			b.kids.reaped = true
			go b.kids.reap()
		}
	}
	b.kids.mu.Unlock()
	if err != nil {
		return 0, err
	}
	// Whoever reads the output of a process sees its end when the process ends.
	for _, f := range fds {
		unix.Close(int(f))
	}
	b.files, b.argv, b.env = b.files[files:], nil, nil
	return pid, nil
}

// reap waits for every process that ends, the program's orphans included. The ends of the program and
// its companions are reported; the last of them ends the sandbox: the kernel kills all others with process 1.
func (c *children) reap() {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err == syscall.ECHILD:
			if !c.more() {
				return
			}
		case err != nil:
			syscall.Exit(ExitControl)
		case c.ended(pid, ws):
			syscall.Exit(ExitOK)
		}
	}
}

// more reports whether there is somebody to wait for; if not, whoever starts the next process waits for it.
func (c *children) more() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reaped = c.program != 0 || len(c.companions) > 0
	return c.reaped
}

// ended notes the end of a process; true when nobody is left for whom there is a sandbox.
func (c *children) ended(pid int, ws syscall.WaitStatus) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pid == c.program {
		c.program, c.over = 0, true
		f := plan.Frame{Type: plan.FrameExit}
		if ws.Signaled() {
			f.B = uint32(ws.Signal())
		} else {
			f.A = uint32(ws.ExitStatus())
		}
		sendFrame(f)
	} else if number, ok := c.companions[pid]; ok {
		delete(c.companions, pid)
		sendFrame(plan.Frame{Type: plan.FrameGone, A: number, B: uint32(ws)})
	}
	return c.over && len(c.companions) == 0
}

// obey does what Tule asks for while the program runs. When Tule is gone, so is the sandbox.
func (b *builder) obey() {
	for {
		f, files, ok := readFrame()
		if !ok {
			syscall.Exit(ExitControl)
		}
		for _, fd := range files {
			unix.Close(fd)
		}
		switch f.Type {
		case plan.FrameSignal:
			b.kids.mu.Lock()
			if b.kids.program != 0 {
				_ = unix.Kill(b.kids.program, unix.Signal(f.A))
			}
			b.kids.mu.Unlock()
		case plan.FrameStop:
			sig := unix.SIGCONT
			if f.A == 1 {
				sig = unix.SIGSTOP
			}
			// From process 1, -1 is every other process of the sandbox, at once.
			_ = unix.Kill(-1, sig)
		case plan.FrameListen:
			if !answerListen(f) {
				syscall.Exit(ExitControl)
			}
		default:
			syscall.Exit(ExitControl)
		}
	}
}
