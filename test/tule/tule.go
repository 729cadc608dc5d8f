// Package tule runs the real binary, bin/tule, for tests: on a free port and a data
// folder of its own, until it is stopped or killed.
package tule

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Limits on how long a start and a graceful stop may take on a busy machine.
const (
	startLimit = 30 * time.Second
	stopLimit  = 30 * time.Second
)

// Options say how to start a Tule. The zero value is good for tests: a port that is
// free, a fresh data folder that goes when Tule is stopped, and resets allowed.
type Options struct {
	Data      string   // the data folder; "" makes one that Stop removes
	Args      []string // further arguments of `tule start`
	Env       []string // variables beside those of this process
	Libraries bool     // give functions the libraries that AWS's runtimes provide
}

// A Tule is a running process.
type Tule struct {
	Addr string // host:port
	Data string

	own    bool // the data folder is ours to remove
	cmd    *exec.Cmd
	log    *tail
	exited chan struct{}
	err    error // how it exited; read after exited
}

// Root is the repository's root folder.
func Root() string {
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, e := os.Stat(filepath.Join(dir, "cmd", "tule")); e == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}

// Bin is the binary that is tested: bin/tule, or what TULE_BIN names.
func Bin() string { return cmp.Or(os.Getenv("TULE_BIN"), filepath.Join(Root(), "bin", "tule")) }

// Start starts Tule and waits until it says «Ready.».
func Start(o Options) (started *Tule, err error) {
	t := &Tule{Data: o.Data, log: &tail{}}
	defer func() {
		if err != nil && t.own {
			os.RemoveAll(filepath.Dir(t.Data))
		}
	}()
	if t.Data == "" {
		dir, err := os.MkdirTemp("", "tule-test-")
		if err != nil {
			return nil, err
		}
		t.Data, t.own = filepath.Join(dir, "data"), true
	}
	if o.Libraries {
		if err := libraries(t.Data); err != nil {
			return nil, err
		}
	}
	for range 5 { // another may take the port first
		if t.Addr, err = FreeAddr(); err != nil {
			return nil, err
		}
		if err = t.start(o); err == nil || !strings.Contains(err.Error(), "is taken") {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// FreeAddr is a loopback address with a port that nobody listens on.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (t *Tule) start(o Options) error {
	t.exited = make(chan struct{})
	args := append([]string{"start", "--data", t.Data, "--listen", t.Addr, "--test", "--log-format", "text"}, o.Args...)
	t.cmd = exec.Command(Bin(), args...)
	t.cmd.Env = append(os.Environ(), o.Env...)
	t.cmd.Stderr = t.log
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // a test that dies leaves nobody behind
	stdout, err := t.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := t.cmd.Start(); err != nil {
		return fmt.Errorf("%w (make build makes it)", err)
	}
	ready := make(chan bool, 1)
	go t.wait(stdout, ready)
	select {
	case ok := <-ready:
		if !ok {
			<-t.exited
			return fmt.Errorf("tule start: %w\n%s", t.err, t.Log())
		}
	case <-time.After(startLimit):
		t.Kill()
		return fmt.Errorf("tule start said nothing in %v\n%s", startLimit, t.Log())
	}
	return nil
}

// wait reads stdout to its end, says when Tule is ready, and notes how it exits.
func (t *Tule) wait(stdout io.Reader, ready chan<- bool) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if lines.Text() == "Ready." {
			ready <- true
		}
	}
	t.err = t.cmd.Wait()
	close(t.exited)
	select {
	case ready <- false:
	default:
	}
}

// URL is where Tule serves HTTP.
func (t *Tule) URL() string { return "http://" + t.Addr }

// Pid is the process.
func (t *Tule) Pid() int { return t.cmd.Process.Pid }

// Log is the end of what Tule wrote to stderr.
func (t *Tule) Log() string { return t.log.String() }

// Failures is the log without the lines of requests that were answered well.
func (t *Tule) Failures() string {
	var b strings.Builder
	for line := range strings.Lines(t.Log()) {
		if !strings.Contains(line, "msg=request") || !strings.Contains(line, " status=2") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// Alive reports whether the process is still there.
func (t *Tule) Alive() bool {
	select {
	case <-t.exited:
		return false
	default:
		return true
	}
}

// Kill ends the process as a power cut would, and waits until it is gone. The data
// folder stays.
func (t *Tule) Kill() {
	_ = t.cmd.Process.Kill() // it may be gone already
	<-t.exited
}

// Stop asks Tule to stop, and says if it did not do so cleanly: with status 0, in
// good time, and leaving no mount behind.
func (t *Tule) Stop() error {
	if t.own {
		defer os.RemoveAll(filepath.Dir(t.Data))
	}
	if err := t.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("tule was gone before it was stopped: %w\n%s", err, t.Log())
	}
	select {
	case <-t.exited:
	case <-time.After(stopLimit):
		_ = t.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines, for the log
		select {
		case <-t.exited:
		case <-time.After(5 * time.Second):
			t.Kill()
		}
		return fmt.Errorf("tule did not stop in %v\n%s", stopLimit, t.Log())
	}
	if t.err != nil {
		return fmt.Errorf("tule stopped: %w\n%s", t.err, t.Log())
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err == nil && bytes.Contains(mounts, []byte(" "+t.Data+"/")) {
		return errors.New("tule left mounts behind")
	}
	return nil
}

// Run runs a command of Tule and gives its output and exit status.
func Run(ctx context.Context, env []string, args ...string) (stdout, stderr string, status int) {
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, Bin(), args...)
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = &out, &errs
	c.WaitDelay = 5 * time.Second
	err := c.Run()
	status = c.ProcessState.ExitCode()
	if c.ProcessState == nil {
		errs.WriteString(err.Error())
	}
	return out.String(), errs.String(), status
}

// libraries links what `tule runtimes fetch` fetched into a data folder.
func libraries(data string) error {
	from := filepath.Join(Root(), ".cache", "provided", "runtimes")
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("%w (make setup fetches it)", err)
	}
	if err := os.MkdirAll(data, 0o711); err != nil {
		return err
	}
	to := filepath.Join(data, "runtimes")
	if exec.Command("cp", "-al", from, to).Run() == nil {
		return nil
	}
	_ = os.RemoveAll(to) // another file system: copy
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w: %s", err, out)
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 64 << 10

func (l *tail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, b...)
	if len(l.buf) > 2*tailSize {
		l.buf = append(l.buf[:0], l.buf[len(l.buf)-tailSize:]...)
	}
	return len(b), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.buf[max(0, len(l.buf)-tailSize):])
}
