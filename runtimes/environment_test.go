package runtimes

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// realClock is the machine's clock, for tests with real processes.
type realClock struct{}

func (realClock) Now() time.Time { return time.Now().UTC() }

func (realClock) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// machine is the Set of the machine that runs the tests, found once.
var machine = sync.OnceValues(func() (*Set, error) {
	dir, err := os.MkdirTemp("", "tule-runtimes-")
	if err != nil {
		return nil, err
	}
	machineDir = dir
	return Find(context.Background(), FindOptions{Dir: dir})
})

// machineDir is below where machine lays the bootstraps out.
var machineDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if machineDir != "" {
		os.RemoveAll(machineDir)
	}
	os.Exit(code)
}

func interpreters(t testing.TB) *Set {
	t.Helper()
	s, err := machine()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A process is a bootstrap that runs, and the conversation with it.
type process struct {
	*Environment
	cmd   *exec.Cmd
	ended chan struct{}
	mu    sync.Mutex
	lines []Line
}

// start runs the bootstrap for runtime on the code in task.
func start(t testing.TB, runtime, handler, task string, user map[string]string) *process {
	t.Helper()
	return launch(t, interpreters(t), Config{Runtime: runtime, Handler: handler, TaskRoot: task}, user, CommandOptions{})
}

func launch(t testing.TB, set *Set, cfg Config, user map[string]string, opt CommandOptions) *process {
	t.Helper()
	opt.Unmounted = true
	command, err := set.Command(cfg.Runtime, opt)
	if err != nil {
		t.Skipf("the machine lacks the interpreter: %v", err)
	}
	host, child, err := Socketpair()
	if err != nil {
		t.Fatal(err)
	}
	cfg.FunctionName, cfg.Version, cfg.MemoryMB = "fn", "$LATEST", 128
	cfg.LogGroup, cfg.LogStream, cfg.InitID = "/aws/lambda/fn", "stream", "init-id"
	p := &process{ended: make(chan struct{})}
	cfg.Clock = realClock{}
	cfg.Sink = func(l Line) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.lines = append(p.lines, l)
	}
	cfg.Exited = p.exit
	p.cmd = exec.Command(command.Argv[0], command.Argv[1:]...)
	p.cmd.Dir = cfg.TaskRoot
	p.cmd.Env = Environ{Runtime: cfg.Runtime, Handler: cfg.Handler, FunctionName: "fn", Version: "$LATEST", Region: "eu-west-1",
		MemoryMB: 128, LogGroup: cfg.LogGroup, LogStream: cfg.LogStream, TaskRoot: cfg.TaskRoot,
		RuntimeRoot: command.RuntimeRoot, ModulePath: command.ModulePath, User: user}.List()
	if opt.Waiting {
		cfg.Environ = p.cmd.Env
		p.cmd.Dir = t.TempDir()
		p.cmd.Env = Environ{Runtime: cfg.Runtime, RuntimeRoot: command.RuntimeRoot, ModulePath: command.ModulePath}.List()
	}
	p.cmd.ExtraFiles = []*os.File{child}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child.Close()
	p.Environment = New(host, cfg)
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	p.Close()
	p.cmd.Process.Kill()
	<-p.ended
}

func (p *process) exit(ctx context.Context) Exit {
	<-p.ended
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return Exit{Signal: status.Signal().String()}
	}
	return Exit{Code: status.ExitStatus()}
}

func (p *process) drain() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lines
	p.lines = nil
	return l
}

func (p *process) invoke(t testing.TB, id, event string) Result {
	t.Helper()
	r, err := p.Invoke(context.Background(), Invocation{RequestID: id, Payload: []byte(event),
		Deadline: time.Now().Add(20 * time.Second), Timeout: 20 * time.Second, FunctionARN: "arn:aws:lambda:eu-west-1:000000000000:function:fn"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// function writes the files of a function.
func function(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// echoes is a handler that returns its event, for each runtime.
var echoes = []struct {
	runtime string
	files   map[string]string
}{
	{"nodejs20.x", nodeEcho}, {"nodejs4.3", oldEcho}, {"python3.6", pythonEcho}, {"python3.7", pythonEcho},
	{"python3.8", pythonEcho}, {"python3.9", pythonEcho}, {"python3.10", pythonEcho}, {"python3.11", pythonEcho},
	{"python3.12", pythonEcho}, {"python3.13", pythonEcho}, {"python2.7", pythonEcho},
}

// The events come back whole, whatever their size, in every runtime that is here.
func TestSizes(t *testing.T) {
	for _, c := range echoes {
		t.Run(c.runtime, func(t *testing.T) {
			p := begin(t, c.runtime, c.files)
			for _, n := range []int{0, 1, 65520, 65536, 70000, 6_000_000, 10, 300_000} {
				event := `"` + strings.Repeat("x", n) + `"`
				if r := p.invoke(t, "id", event); string(r.Payload) != event || r.FunctionError != "" {
					t.Fatalf("%d bytes: got %d bytes %.100q %q", n, len(r.Payload), r.Payload, r.FunctionError)
				}
			}
		})
	}
}

// A child that outlives the runtime's process does not keep the conversation open.
func TestChildrenDoNotInheritTheSocket(t *testing.T) {
	for _, c := range []struct {
		runtime string
		files   map[string]string
	}{
		{"nodejs20.x", map[string]string{"index.js": `exports.handler = async () => {
			const c = require('child_process').spawn('/bin/sleep', ['30'], { detached: true, stdio: 'ignore' });
			console.log(c.pid); process.exit(5); };`}},
		{"python3.9", map[string]string{"index.py": pythonChild}},
		{"python2.7", map[string]string{"index.py": pythonChild}},
	} {
		t.Run(c.runtime, func(t *testing.T) {
			p := begin(t, c.runtime, c.files)
			r := p.invoke(t, "id", "{}")
			for _, l := range p.drain() {
				fields := strings.Fields(l.Text)
				if pid, err := strconv.Atoi(fields[len(fields)-1]); err == nil {
					syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			if r.ErrorType != ExitErrorType {
				t.Errorf("got %s %s", r.Payload, r.ErrorType)
			}
		})
	}
}

const pythonChild = `
import os, subprocess
def handler(event, context):
    with open(os.devnull, 'r+') as null:
        c = subprocess.Popen(['/bin/sleep', '30'], stdin=null, stdout=null, stderr=null, close_fds=False)
    print(c.pid)
    os._exit(5)
`

// begin starts an environment and takes it through its init.
func begin(t testing.TB, runtime string, files map[string]string) *process {
	t.Helper()
	p := start(t, runtime, "index.handler", function(t, files), nil)
	if in, err := p.Init(context.Background()); err != nil || in.Failure != nil {
		t.Fatalf("init: %v %+v %v", err, in.Failure, p.drain())
	}
	return p
}
