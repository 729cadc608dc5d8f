package inside

import (
	"syscall"

	"github.com/tule-cloud/tule/sandbox/plan"
	"golang.org/x/sys/unix"
)

// exec starts the program with the files that came along, from descriptor 1 on, and lives as
// process 1 from then on. It returns only when the program could not be started.
func (b *builder) exec(files int) error {
	if len(b.argv) == 0 || files != len(b.files) {
		return unix.EINVAL
	}
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	fds := make([]uintptr, 1, 1+len(b.files))
	fds[0] = uintptr(null)
	for _, f := range b.files {
		fds = append(fds, uintptr(f))
	}
	pid, err := syscall.ForkExec(b.argv[0], b.argv, &syscall.ProcAttr{
		Env: b.env, Files: fds, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return err
	}
	// Whoever reads the program's output sees its end when the program ends.
	for _, f := range fds {
		unix.Close(int(f))
	}
	sendFrame(plan.Frame{Type: plan.FrameStarted, A: uint32(pid)})
	go reap(pid)
	obey(pid) // on this thread: it has the program's user, and so may signal it
	return nil
}

// reap waits for every process that ends, the program's orphans included; the program's own end is
// reported and ends the sandbox: the kernel kills all others with process 1.
func reap(program int) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			syscall.Exit(ExitControl)
		}
		if pid != program {
			continue
		}
		f := plan.Frame{Type: plan.FrameExit}
		if ws.Signaled() {
			f.B = uint32(ws.Signal())
		} else {
			f.A = uint32(ws.ExitStatus())
		}
		sendFrame(f)
		syscall.Exit(ExitOK)
	}
}

// obey does what Tule asks for while the program runs. When Tule is gone, so is the sandbox.
func obey(program int) {
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
			_ = unix.Kill(program, unix.Signal(f.A))
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
