package steer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killTime is how long a command has to end by itself when the context does.
const killTime = 5 * time.Second

// An execution is one run of Exec.
type execution struct {
	opts   ExecOptions
	ground ground
	temp   string // files that are needed only until they are mounted
	socket *net.UnixConn
	cmd    *exec.Cmd
}

func run(ctx context.Context, o ExecOptions) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	temp, err := os.MkdirTemp("", "tule-exec-")
	if err != nil {
		return exitFailed, fmt.Errorf("steer: exec: %w", err)
	}
	x := &execution{opts: o, temp: temp}
	defer os.RemoveAll(temp)
	code, err := x.run(ctx)
	if err != nil {
		err = fmt.Errorf("steer: exec: %w", err)
	}
	return code, err
}

func (x *execution) run(ctx context.Context) (int, error) {
	if err := alive(ctx, x.opts.Tule); err != nil {
		return exitFailed, err
	}
	var err error
	if x.ground, err = findGround(ctx, &x.opts); err != nil {
		return exitFailed, err
	}
	defer func() { x.ground.detach() }()
	plan, err := x.plan()
	if err != nil {
		return exitFailed, err
	}
	if err := x.start(ctx); err != nil {
		return exitFailed, err
	}
	defer x.socket.Close()
	stop := passSignals(x.cmd.Process)
	defer stop()
	if code, err := x.direct(ctx, plan); err != nil {
		x.socket.Close() // the child ends by itself, if it has not
		x.cmd.Wait()
		return code, err
	}
	os.RemoveAll(x.temp) // mounted, and so kept for as long as the command needs it
	return exitCode(x.cmd.Wait(), x.cmd.ProcessState)
}

// alive makes sure that there is a Tule, since a command without one would only
// see connections that break.
func alive(ctx context.Context, addr string) error {
	d := net.Dialer{Timeout: dialTime}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("no Tule answers at %s, `tule start` starts one: %w", addr, err)
	}
	return c.Close()
}

// start starts this program anew, to become the command.
func (x *execution) start(ctx context.Context) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "child"), os.NewFile(uintptr(pair[1]), "parent")
	defer theirs.Close()
	c, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return err
	}
	x.socket = c.(*net.UnixConn)
	x.cmd = exec.CommandContext(ctx, "/proc/self/exe")
	x.cmd.Args = []string{"tule-exec"}
	x.cmd.Env = []string{childVariable + "=" + strconv.Itoa(childSocket)}
	x.cmd.ExtraFiles = []*os.File{theirs}
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = x.opts.Stdin, x.opts.Stdout, x.opts.Stderr
	x.cmd.Cancel = func() error { return x.cmd.Process.Signal(syscall.SIGTERM) }
	x.cmd.WaitDelay = killTime
	x.cmd.SysProcAttr = namespaces(x.ground.private)
	if err := x.cmd.Start(); err != nil {
		x.socket.Close()
		return explain(err)
	}
	return nil
}

// namespaces asks for a mount namespace, a network one where needed, and a user
// namespace where that is what allows them. In it the person stays who they are;
// the capabilities are for the child alone, which drops them.
func namespaces(private bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if private {
		attr.Cloneflags |= unix.CLONE_NEWNET
	}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE}
	}
	return attr
}

// explain adds what a person can do about a refusal.
func explain(err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	if os.Geteuid() == 0 {
		return fmt.Errorf("%w: the system grants no mount namespace, as in a container without CAP_SYS_ADMIN; use the variables that `tule env` prints", err)
	}
	return fmt.Errorf("%w: the system grants no user namespaces (user.max_user_namespaces, kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns rule that): run `tule exec` as root, or use the variables that `tule env` prints", err)
}

// direct has the child carry the plan out, up to the moment it is the command.
func (x *execution) direct(ctx context.Context, plan *childPlan) (int, error) {
	defer context.AfterFunc(ctx, func() { x.socket.Close() })()
	if err := json.NewEncoder(x.socket).Encode(plan); err != nil {
		return exitFailed, fmt.Errorf("instruct the child (does main call steer.MaybeChild first?): %w", err)
	}
	first := make([]byte, 1)
	oob := make([]byte, unix.CmsgSpace(4*(len(plan.Listen)+1)))
	n, oobn, _, _, err := x.socket.ReadMsgUnix(first, oob)
	if err != nil || n == 0 {
		return exitFailed, fmt.Errorf("the child ended early (does main call steer.MaybeChild first?): %w", errors.Join(err, ctx.Err()))
	}
	if first[0] != readyByte {
		return x.report(first)
	}
	if x.ground.private {
		if err := x.ground.receive(ctx, &x.opts, plan.Listen, oob[:oobn]); err != nil {
			return exitFailed, err
		}
	}
	if _, err := x.socket.Write([]byte{readyByte}); err != nil {
		return exitFailed, err
	}
	return x.report(nil)
}

// report reads the child's last words, which it has if it did not become the command.
func (x *execution) report(begun []byte) (int, error) {
	rest, err := io.ReadAll(io.LimitReader(x.socket, 64<<10))
	text := append(begun, rest...)
	if len(text) == 0 {
		return 0, err
	}
	var r childReport
	if err := json.Unmarshal(text, &r); err != nil {
		return exitFailed, fmt.Errorf("the child spoke unclearly: %w", err)
	}
	if r.Code == exitFailed {
		return r.Code, explainText(r.Error)
	}
	return r.Code, errors.New(r.Error)
}

// explainText is explain for an error that came as text.
func explainText(text string) error {
	for _, e := range []error{unix.EPERM, unix.EACCES} {
		if suffix := e.Error(); len(text) >= len(suffix) && text[len(text)-len(suffix):] == suffix {
			return explain(fmt.Errorf("%s%w", text[:len(text)-len(suffix)], e))
		}
	}
	return errors.New(text)
}

// exitCode is the status of a command that ran, as a shell would have it.
func exitCode(err error, state *os.ProcessState) (int, error) {
	if state == nil {
		return exitFailed, err
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal()), nil
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && state.ExitCode() == 0 {
		if errors.Is(err, context.Canceled) || errors.Is(err, exec.ErrWaitDelay) {
			return 0, nil // it ended well; that it was told to does not count
		}
		return exitFailed, err // its output could not be passed on
	}
	return state.ExitCode(), nil
}
