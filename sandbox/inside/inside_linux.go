// Package inside is what happens inside a sandbox before and around the function's program: the
// interpreter of plans, and the life of process 1.
//
// It is linked into the init command and, for builds without that, into the program that uses
// package sandbox. It may use neither fmt nor os: their start-up is paid by every sandbox.
package inside

import (
	"runtime"
	"syscall"

	"github.com/tule-cloud/tule/sandbox/plan"
	"golang.org/x/sys/unix"
)

// ControlFD is the descriptor of the socket to Tule.
const ControlFD = 3

// The exit codes of the first process itself. Tule reads frames; these say the rest.
const (
	ExitOK      = 0
	ExitPlan    = 101 // an operation failed; reported by frame
	ExitControl = 102 // Tule is gone, or speaks another version
)

// builder is the state of one interpretation. It has exactly one life: that of the process.
type builder struct {
	root  string // host path of the new root; "" once entered
	argv  []string
	env   []string
	files []int // sent along with the last plan
	kids  children
	allow []plan.Op
}

// Run is the whole life of the sandbox's first process. It does not return.
func Run() {
	// What is given up is given up by this thread, and the program is forked from it.
	runtime.LockOSThread()
	closeOnExec()
	unix.Umask(0o022)
	dieWithParent()
	b := &builder{}
	for {
		if !b.readPlan() {
			syscall.Exit(ExitControl)
		}
	}
}

// readPlan takes one frame with its plan and carries it out. The last plan ends in Exec, which
// does not return.
func (b *builder) readPlan() bool {
	f, files, ok := readFrame()
	if ok && f.Type == plan.FrameListen {
		return answerListen(f)
	}
	if !ok || f.Type != plan.FramePlan || f.B != plan.Version || f.A > plan.MaxSize {
		return false
	}
	b.files = files
	buf := make([]byte, f.A)
	if !readFull(buf) {
		return false
	}
	ops, err := plan.Decode(buf)
	if err != nil {
		return false
	}
	for i, op := range ops {
		if err := b.do(op); err != nil {
			sendFrame(plan.Frame{Type: plan.FrameError, A: uint32(i), B: errnoOf(err)})
			syscall.Exit(ExitPlan)
		}
	}
	return true
}

// do carries out one operation.
func (b *builder) do(o plan.Op) error {
	switch o.Kind {
	case plan.Slave:
		return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
	case plan.Root, plan.Dir, plan.Symlink, plan.File, plan.Device, plan.Bind, plan.Rebind, plan.Tmpfs,
		plan.Proc, plan.Overlay, plan.Move, plan.Enter, plan.Pivot:
		return b.mount(o)
	case plan.Hostname:
		return unix.Sethostname([]byte(o.A))
	case plan.Loopback:
		return loopbackUp()
	case plan.Tun:
		fd, err := tun(o.A, uint32(o.N), int(o.M))
		if err == nil {
			sendFrame(plan.Frame{Type: plan.FrameSocket}, fd)
			err = unix.Close(fd)
		}
		return err
	case plan.Ports:
		return writeFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", itoa(o.N), unix.O_WRONLY, 0)
	case plan.Await:
		sendFrame(plan.Frame{Type: plan.FrameReady, B: plan.Version})
		return nil
	case plan.Limit:
		return syscall.Setrlimit(int(o.N), &syscall.Rlimit{Cur: o.M, Max: o.K})
	case plan.Allow:
		b.allow = append(b.allow, o)
		return nil
	case plan.Landlock:
		return landlock(o.N, o.M, b.allow)
	case plan.Drop:
		return drop(int(o.N), int(o.M))
	case plan.Seccomp:
		return seccomp(o.A)
	case plan.Cwd:
		return unix.Chdir(o.A)
	case plan.Arg:
		b.argv = append(b.argv, o.A)
		return nil
	case plan.Env:
		b.env = append(b.env, o.A)
		return nil
	case plan.Exec:
		return b.exec(int(o.N))
	case plan.Spawn:
		return b.spawn(int(o.N))
	}
	return unix.ENOSYS
}

func errnoOf(err error) uint32 {
	if e, ok := err.(syscall.Errno); ok {
		return uint32(e)
	}
	return uint32(unix.EINVAL)
}

func itoa(n uint64) string {
	var b [20]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(b[i:])
		}
	}
}

// closeOnExec keeps from the program whatever Tule had inherited itself.
func closeOnExec() {
	if unix.CloseRange(ControlFD, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	for fd := ControlFD; fd < 4096; fd++ { // before Linux 5.11
		unix.CloseOnExec(fd)
	}
}
