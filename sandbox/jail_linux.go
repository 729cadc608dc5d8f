//go:build amd64 || arm64

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/tule-cloud/tule/sandbox/inside"
	"github.com/tule-cloud/tule/sandbox/nat"
	"github.com/tule-cloud/tule/sandbox/plan"
	"golang.org/x/sys/unix"
)

// jail is one sandbox of the engine namespaces: its first process, the socket to it, its group.
type jail struct {
	engine  *namespaces
	group   *group
	control *net.UnixConn
	netns   *os.File
	nat     *nat.NAT        // where there is egress
	events  chan plan.Frame // ready, started, error

	mu      sync.Mutex
	sandbox *Sandbox // once it has one
	end     *Exit    // as the first process reported it
	peak    int64    // memory, once dead
	status  syscall.WaitStatus

	first int           // pid of the first process
	dead  chan struct{} // closed when it is gone and reaped, and with it all others
	kills sync.Mutex    // held to signal first, and to reap it: no pid is used after that
	gone  bool
	ours  bool // kill was called before it was gone

	asking  sync.Mutex // one Listen at a time
	sockets chan socketReply
}

type socketReply struct {
	err  error
	file *os.File
}

// spawn starts the first process, in the group.
func (j *jail) spawn() error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return err
	}
	j.control = conn.(*net.UnixConn)
	var born *os.File
	if dir := j.group.v2(); dir != "" {
		if born, err = os.Open(dir); err != nil {
			j.control.Close()
			return err
		}
		defer born.Close()
	}
	if j.first, err = j.engine.spawner.start(theirs, born); err != nil {
		j.control.Close()
		return explain(err, j.engine.found.User)
	}
	if j.netns, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", j.first)); err == nil {
		err = j.group.attach(j.first)
	}
	if err != nil {
		j.control.Close()
		_ = syscall.Kill(j.first, syscall.SIGKILL)
		var ws syscall.WaitStatus
		_, _ = syscall.Wait4(j.first, &ws, 0, nil)
		err = ended(ws, err)
		if j.netns != nil {
			j.netns.Close()
		}
		return err
	}
	return nil
}

// ended says what the end of a first process before its time means, or err.
func ended(ws syscall.WaitStatus, err error) error {
	if !ws.Exited() {
		return err
	}
	hint := ""
	if ws.ExitStatus() == inside.ExitControl {
		hint = "; it does not understand this program"
	}
	return fmt.Errorf("its first process ended with status %d%s: build it again (go run ./sandbox/build)", ws.ExitStatus(), hint)
}

// explain says what a refused clone means.
func explain(err error, user bool) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EPERM) && user:
		hint = " (user namespaces are forbidden to this user: kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, or a container's seccomp filter)"
	case errors.Is(err, syscall.EPERM):
		hint = " (root, but without CAP_SYS_ADMIN: in a container, run it --privileged)"
	case errors.Is(err, syscall.ENOSPC):
		hint = " (the limits in /proc/sys/user/max_*_namespaces are reached)"
	case errors.Is(err, syscall.EINVAL):
		hint = " (the kernel lacks a kind of namespace)"
	}
	return fmt.Errorf("making namespaces: %w%s", err, hint)
}

// begin sends the first half of the plan and waits until it is carried out; from then on a
// goroutine listens to the first process.
func (j *jail) begin(ctx context.Context, common []byte) error {
	go j.attend()
	if err := j.send(plan.Frame{Type: plan.FramePlan, A: uint32(len(common)), B: plan.Version}, common); err != nil {
		return j.lost(err)
	}
	return j.await(ctx, plan.FrameReady, common)
}

// run sends the second half and waits until the program runs.
func (j *jail) run(ctx context.Context, s *Sandbox) error {
	if err := j.group.limit(s.spec); err != nil {
		return err
	}
	if s.spec.Prepare != nil {
		if err := s.spec.Prepare(s); err != nil {
			return fmt.Errorf("preparing: %w", err)
		}
	}
	layout := j.engine.layout
	user := layout.user(s.spec, j.first)
	files := append([]*os.File{s.spec.Stdout, s.spec.Stderr}, s.spec.Inherit...)
	if len(s.spec.Companions) == 0 {
		return j.carryOut(ctx, layout.own(s.spec, user), files, plan.FrameStarted)
	}
	var theirs []*os.File
	for _, c := range s.spec.Companions {
		theirs = append(theirs, c.Stdout, c.Stderr)
	}
	walls := append(layout.walls(s.spec, user), companions(s.spec)...)
	if err := j.carryOut(ctx, walls, theirs, plan.FrameReady); err != nil {
		return err
	}
	if s.spec.Accompanied != nil {
		if err := s.spec.Accompanied(s); err != nil {
			return fmt.Errorf("preparing: %w", err)
		}
	}
	return j.carryOut(ctx, program(s.spec), files, plan.FrameStarted)
}

// carryOut sends a plan with files, and waits until the first process says that it is carried out.
func (j *jail) carryOut(ctx context.Context, ops []plan.Op, files []*os.File, want byte) error {
	encoded := plan.Append(nil, ops)
	if len(encoded) > plan.MaxSize {
		return fmt.Errorf("%d bytes of generated files, arguments and variables; %d at most", len(encoded), plan.MaxSize)
	}
	fds, closeNull, err := descriptors(files)
	if err != nil {
		return err
	}
	defer closeNull()
	j.asking.Lock() // a Tun is answered as a Listen is
	defer j.asking.Unlock()
	if err := j.send(plan.Frame{Type: plan.FramePlan, A: uint32(len(encoded)), B: plan.Version}, encoded, fds...); err != nil {
		return j.lost(err)
	}
	if err := j.await(ctx, want, encoded); err != nil || ops[0].Kind != plan.Tun {
		return err
	}
	return j.translate()
}

// translate begins to carry what comes by the sandbox's device to the outside. The program may have
// begun; its first packets wait.
func (j *jail) translate() error {
	select {
	case r := <-j.sockets:
		if r.err != nil {
			return fmt.Errorf("the device for egress: %w", r.err)
		}
		var err error
		j.nat, err = nat.New(r.file, nat.Options{Clock: j.engine.opts.Clock})
		return err
	default:
		return errors.New("its first process sent no device for egress")
	}
}

// descriptors are those of files that go along with a plan; nil is where nothing is kept. They are
// made to block: Go's pipes do not, and hardly any program expects to be told to try again.
func descriptors(files []*os.File) ([]int, func(), error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	var fds []int
	for _, f := range files {
		if f == nil {
			f = null
		}
		c, err := f.SyscallConn()
		if err == nil {
			var failed error
			err = c.Control(func(fd uintptr) {
				fds = append(fds, int(fd))
				failed = unix.SetNonblock(int(fd), false)
			})
			err = errors.Join(err, failed)
		}
		if err != nil {
			null.Close()
			return nil, nil, fmt.Errorf("file for the program: %w", err)
		}
	}
	return fds, func() { null.Close() }, nil
}

// send writes one frame, what follows it, and files.
func (j *jail) send(f plan.Frame, body []byte, files ...int) error {
	head := f.Encode()
	var oob []byte
	if len(files) > 0 {
		oob = unix.UnixRights(files...)
	}
	if _, _, err := j.control.WriteMsgUnix(append(head[:], body...), oob, nil); err != nil {
		return err
	}
	return nil
}

// startLimit is how long a sandbox may take to come up, by the host's clock.
const startLimit = 30 * time.Second

// await waits for the frame that says that the plan was carried out.
func (j *jail) await(ctx context.Context, want byte, ops []byte) error {
	var late <-chan time.Time
	if j.engine.opts.Clock != nil {
		c, stop := j.engine.opts.Clock.After(startLimit)
		defer stop()
		late = c
	}
	var f plan.Frame
	select {
	case f = <-j.events:
	case <-j.dead:
		select {
		case f = <-j.events: // what it said last
		default:
			return j.lost(errors.New("its first process died"))
		}
	case <-ctx.Done():
		return ctx.Err()
	case <-late:
		return fmt.Errorf("not up after %s", startLimit)
	}
	switch {
	case f.Type == plan.FrameError:
		list, _ := plan.Decode(ops)
		what := fmt.Sprintf("operation %d", f.A)
		if int(f.A) < len(list) {
			what = list[f.A].String()
			switch list[f.A].Kind {
			case plan.Exec:
				return &ProgramError{syscall.Errno(f.B)}
			case plan.Spawn:
				return &CompanionError{countSpawns(list[:f.A]), syscall.Errno(f.B)}
			case plan.Cwd:
				return &FolderError{list[f.A].A, syscall.Errno(f.B)}
			}
		}
		return fmt.Errorf("%s: %w", what, syscall.Errno(f.B))
	case f.Type != want:
		return fmt.Errorf("its first process said %q, not %q", f.Type, want)
	case want == plan.FrameReady && f.B != plan.Version:
		return fmt.Errorf("the init program speaks version %d, not %d: build it again (go run ./sandbox/build)", f.B, plan.Version)
	}
	return nil
}

// lost explains a first process that went away.
func (j *jail) lost(err error) error {
	j.kill()
	<-j.dead
	if j.group.oomKills() > 0 {
		return errors.New("its memory limit is too small to start in")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return ended(j.status, fmt.Errorf("talking to its first process: %w", err))
}

// attend listens to the first process until it is gone, then reaps it and knows the end.
func (j *jail) attend() {
	var buf [plan.FrameSize]byte
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := j.control.ReadMsgUnix(buf[:], oob)
		if err != nil || n == 0 {
			break
		}
		if n < len(buf) { // frames are written whole, so this is one cut by its end
			break
		}
		switch f := plan.ParseFrame(buf); f.Type {
		case plan.FrameSocket:
			j.answered(f, oob[:oobn])
		case plan.FrameExit:
			j.programEnded(Exit{Code: int(f.A), Signal: syscall.Signal(f.B)})
		case plan.FrameGone:
			j.companionEnded(int(f.A), syscall.WaitStatus(f.B))
		default:
			select {
			case j.events <- f:
			default:
			}
		}
	}
	j.reap()
}

// reap waits for the first process, which is ending, and with which all others have ended.
func (j *jail) reap() {
	j.kills.Lock()
	_ = syscall.Kill(j.first, syscall.SIGKILL)
	j.thawOld()
	var ws syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(j.first, &ws, 0, nil); err != syscall.EINTR {
			break
		}
	}
	j.gone = true
	ours := j.ours
	j.kills.Unlock()
	peak, _ := j.group.memoryPeak()
	oomKills := j.group.oomKills()
	j.mu.Lock()
	j.peak, j.status = peak, ws
	s, end := j.sandbox, j.end
	// A kill of Tule's own is not the kernel's, should a child have been before; where the kernel kills
	// all or none, it was.
	byKernel := end != nil || !ours || j.group.oomWhole()
	if end == nil { // killed from outside, or with the whole group for want of memory
		end = &Exit{Code: ws.ExitStatus()}
		if ws.Signaled() {
			end = &Exit{Signal: ws.Signal()}
		}
	}
	end.OOMKills = oomKills
	end.OOM = oomKills > 0 && end.Signal == syscall.SIGKILL && byKernel
	j.mu.Unlock()
	close(j.dead)
	if s != nil {
		s.ended(*end)
	}
}

// adopt ties the jail to the sandbox that it is to become.
func (j *jail) adopt(s *Sandbox) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sandbox = s
	s.cell = j
}

// kill implements cell.
func (j *jail) kill() {
	j.kills.Lock()
	defer j.kills.Unlock()
	if j.gone {
		return
	}
	j.ours = true
	_ = syscall.Kill(j.first, syscall.SIGKILL)
	j.thawOld()
}

// thawOld lets go of a version 1 freezer, in which no signal is delivered, not even SIGKILL. With
// one pending, not one instruction of the program is run.
func (j *jail) thawOld() {
	if j.engine.found.Freezer == "cgroup v1" {
		for _, d := range j.group.dirs {
			if d.base.freeze {
				_ = d.write("freezer.state", "THAWED")
			}
		}
	}
}

// freeze implements cell.
func (j *jail) freeze(frozen bool) error {
	err := j.group.freeze(frozen)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	f := plan.Frame{Type: plan.FrameStop}
	if frozen {
		f.A = 1
	}
	return j.send(f, nil)
}

// frozen implements cell.
func (j *jail) frozen() error { return j.group.frozen(j.dead) }

// signal implements cell. The first process passes it on: the program's pid is known only to it.
func (j *jail) signal(sig syscall.Signal) error {
	return j.send(plan.Frame{Type: plan.FrameSignal, A: uint32(sig)}, nil)
}

// memoryPeak implements cell.
func (j *jail) memoryPeak() (int64, error) {
	select {
	case <-j.dead:
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.peak, nil
	default:
		return j.group.memoryPeak()
	}
}

// pid implements cell.
func (j *jail) pid() int { return j.first }

// release implements cell. The mounts, /tmp among them, went with the last process.
func (j *jail) release() error {
	j.control.Close()
	var err error
	if j.nat != nil {
		err = j.nat.Close()
	}
	select {
	case r := <-j.sockets: // came when nobody waited for it any more
		if r.file != nil {
			r.file.Close()
		}
	default:
	}
	return errors.Join(err, j.netns.Close(), j.group.remove())
}

// socketFrom has the first process open a socket in the sandbox's network and takes it over.
func (j *jail) socketFrom(kind byte, ap netip.AddrPort) (*os.File, error) {
	j.asking.Lock()
	defer j.asking.Unlock()
	name := append([]byte{kind}, ap.Addr().AsSlice()...)
	name = append(name, byte(ap.Port()>>8), byte(ap.Port()))
	if err := j.send(plan.Frame{Type: plan.FrameListen, A: uint32(len(name))}, name); err != nil {
		return nil, err
	}
	select {
	case r := <-j.sockets:
		if r.err != nil {
			return nil, fmt.Errorf("listen %s: %w", ap, r.err)
		}
		return r.file, nil
	case <-j.dead:
		return nil, ErrClosed
	}
}

// answered takes the socket out of a FrameSocket.
func (j *jail) answered(f plan.Frame, oob []byte) {
	r := socketReply{err: syscall.Errno(f.A)}
	if f.A == 0 {
		r.err = errors.New("no socket came along")
		if msgs, err := unix.ParseSocketControlMessage(oob); err == nil && len(msgs) == 1 {
			if fds, err := unix.ParseUnixRights(&msgs[0]); err == nil && len(fds) == 1 {
				r = socketReply{file: os.NewFile(uintptr(fds[0]), "socket")}
			}
		}
	}
	select {
	case j.sockets <- r:
	default: // nobody asked
		if r.file != nil {
			r.file.Close()
		}
	}
}
