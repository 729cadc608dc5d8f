//go:build linux

package sandbox

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// started starts the spec and returns the sandbox and what it prints.
func started(t *testing.T, h *Host, spec Spec) (*Sandbox, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	spec.Stdout, spec.Stderr = w, w
	s, err := h.Start(t.Context(), spec)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, bufio.NewReader(r)
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(s, err)
	}
	return strings.TrimSuffix(s, "\n")
}

// wait waits for the end, which must come soon.
func wait(t *testing.T, s *Sandbox) Exit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e, err := s.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// echo answers "ping" with what it hears, in upper case.
func echo(t *testing.T, s *Sandbox) error {
	l, err := s.Listen("tcp", "127.0.0.1:443")
	if err != nil {
		return err
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b, _ := bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, strings.ToUpper(b))
			c.Close()
		}
	}()
	p, err := s.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		return err
	}
	t.Cleanup(func() { p.Close() })
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = p.WriteTo([]byte(strings.ToUpper(string(b[:n]))), from)
		}
	}()
	return nil
}

// A sandbox reaches Tule on its own loopback, from its first instruction on, and two sandboxes'
// ports are not each other's.
func TestListen(t *testing.T) {
	h := openHost(t)
	for _, id := range []string{"one", "two"} {
		spec := payload(t, id, "ask")
		spec.Env = append(spec.Env, "SANDBOX_ARGS=tcp/127.0.0.1:443 udp/127.0.0.1:53 tcp/127.0.0.1:444")
		spec.Prepare = func(s *Sandbox) error { return echo(t, s) }
		if r := run(t, h, spec); r.out != "tcp PING ok\nudp PING ok\nconnection refused\n" {
			t.Error(r)
		}
	}
	if c, err := net.Dial("tcp", "127.0.0.1:443"); err == nil {
		c.Close()
		t.Error("the listener is on the host's loopback")
	}
}

func TestListenRefusesNames(t *testing.T) {
	h := openHost(t)
	s, _ := started(t, h, payload(t, "f", "wait"))
	if _, err := s.Listen("tcp", "localhost:1"); err == nil || !strings.Contains(err.Error(), "not an IP address") {
		t.Error(err)
	}
	if _, err := s.Listen("tcp", "192.0.2.1:1"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Error(err)
	}
}

// A frozen sandbox does nothing, and goes on where it was.
func TestFreeze(t *testing.T) {
	h := openHost(t)
	s, out := started(t, h, payload(t, "f", "tick"))
	for range 3 {
		if err := s.Freeze(); err != nil {
			t.Fatal(err)
		}
		before := switches(t, s)
		time.Sleep(20 * time.Millisecond) // twenty ticks, were it running
		if now := switches(t, s); now != before {
			t.Errorf("it ran while frozen: %q, %q", before, now)
		}
		if err := s.Thaw(); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if _, err := out.ReadByte(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// switches counts the context switches of all processes of the sandbox.
func switches(t *testing.T, s *Sandbox) string {
	t.Helper()
	var all string
	for _, d := range s.cell.(*jail).group.dirs {
		if !d.base.freeze {
			continue
		}
		b, err := os.ReadFile(filepath.Join(d.path, "cgroup.procs"))
		if err != nil {
			t.Fatal(err)
		}
		for pid := range strings.FieldsSeq(string(b)) {
			st, _ := os.ReadFile("/proc/" + pid + "/status")
			for l := range strings.Lines(string(st)) {
				if strings.Contains(l, "ctxt_switches") {
					all += l
				}
			}
		}
	}
	return all
}

// A frozen sandbox can be killed.
func TestCloseFrozen(t *testing.T) {
	h := openHost(t)
	s, out := started(t, h, payload(t, "f", "wait"))
	line(t, out)
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if e := wait(t, s); e.Signal != syscall.SIGKILL || e.OOM {
		t.Error(e)
	}
	if err := s.Signal(syscall.SIGTERM); err == nil {
		t.Error("signalled the dead")
	}
	if _, err := s.MemoryPeak(); err != nil {
		t.Error(err)
	}
}

// A child that was killed for want of memory is counted, and does not make a program that outlived it
// one that was; nor does killing that program.
func TestChildOutOfMemory(t *testing.T) {
	h := openHost(t)
	if h.Features().Memory == "" {
		t.Skip("no memory cgroup: ", h.Features())
	}
	spec := payload(t, "f", "child")
	spec.Memory = 64 << 20
	r := run(t, h, spec)
	if h.Features().Memory == "cgroup v2" { // which kills all
		if !r.exit.OOM || r.exit.OOMKills == 0 {
			t.Error(r)
		}
		return
	}
	if r.exit != (Exit{OOMKills: 1}) || r.out != "child: signal: killed\n" {
		t.Error(r)
	}
	spec.Env = append(spec.Env, "SANDBOX_ARGS=wait")
	s, out := started(t, h, spec)
	if got := line(t, out); got != "child: signal: killed" {
		t.Error(got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if e := wait(t, s); e != (Exit{Signal: syscall.SIGKILL, OOMKills: 1}) {
		t.Errorf("%+v", e)
	}
}

func TestSignal(t *testing.T) {
	h := openHost(t)
	s, out := started(t, h, payload(t, "f", "caught"))
	line(t, out)
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := line(t, out); got != "got terminated" {
		t.Error(got)
	}
	if e := wait(t, s); e != (Exit{}) {
		t.Error(e)
	}
}

// Nobody but the program holds its output: when it closes it, the reader sees the end.
func TestOutputEnds(t *testing.T) {
	h := openHost(t)
	spec := payload(t, "f", "bye")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	spec.Stdout = w
	s, err := h.Start(t.Context(), spec)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if b, err := io.ReadAll(r); err != nil || len(b) != 0 {
		t.Error(b, err)
	}
}

func TestInherit(t *testing.T) {
	h := openHost(t)
	r1, w1, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r2, w2, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	spec := payload(t, "f", "inherit")
	spec.Inherit = []*os.File{w1, r2}
	s, out := started(t, h, spec)
	w1.Close()
	r2.Close()
	if got, err := io.ReadAll(r1); err != nil || string(got) != "from inside\n" {
		t.Error(string(got), err)
	}
	_, _ = w2.WriteString("from outside")
	w2.Close()
	if got := line(t, out); got != "from outside ok" {
		t.Error(got)
	}
	wait(t, s)
}

// Files, mounts and layers appear where they should, files even over the host's own.
func TestFilesMountsLayers(t *testing.T) {
	h := openHost(t)
	dir := func(files ...string) string {
		d := t.TempDir()
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name, content, _ := strings.Cut(f, "=")
			if err := os.WriteFile(filepath.Join(d, name), []byte(content+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	spec := payload(t, "f", "cat")
	spec.Files = []File{{"/etc/resolv.conf", []byte("nameserver 127.0.0.1\n")}, {"/deep/in/here", []byte("deep\n")},
		{"/usr/bin/env", []byte("not the host's\n")}}
	shared := dir("both=host")
	spec.Mounts = append(spec.Mounts, Mount{Host: shared, Inside: "/mnt/shared", Writable: true},
		Mount{Host: dir("x=read-only"), Inside: "/root/.pyenv/versions/3"}, Mount{Host: shared + "/both", Inside: "/one/file"})
	want := "nameserver 127.0.0.1\ndeep\nnot the host's\nhost\nread-only\nhost\n"
	args := "/etc/resolv.conf /deep/in/here /usr/bin/env /mnt/shared/both /root/.pyenv/versions/3/x /one/file"
	spec.Layers = []string{dir("a=first", "b=first")}
	if h.Features().Overlay {
		spec.Layers = append(spec.Layers, dir("b=second"))
		args, want = args+" /opt/a /opt/b", want+"first\nsecond\n"
	}
	spec.Env = append(spec.Env, "SANDBOX_ARGS="+args)
	var got strings.Builder
	for l := range strings.Lines(run(t, h, spec).out) {
		if !strings.HasSuffix(l, ": ok\n") {
			got.WriteString(l)
		}
	}
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	spec.Env = append(payload(t, "f", "write").Env, "SANDBOX_ARGS=/mnt/shared/new /root/.pyenv/versions/3/x /one/file /opt/a")
	if r := run(t, h, spec); strings.Count(r.out, "read-only file system") != 3 || !strings.Contains(r.out, "/mnt/shared/new: ok") {
		t.Error(r)
	}
}

// What cannot be started is refused in words that say why, and leaves nothing.
func TestStartErrors(t *testing.T) {
	h := openHost(t)
	good := func() Spec { return payload(t, "f", "hello") }
	for _, c := range []struct {
		change func(*Spec)
		want   string
	}{
		{func(s *Spec) { s.ID = "../x" }, `ID "../x" does not match`},
		{func(s *Spec) { s.Argv = nil }, "no program to run"},
		{func(s *Spec) { s.Argv = []string{"/no/such"} }, "starting the program: no such file or directory"},
		{func(s *Spec) { s.Argv = []string{"/etc/passwd"} }, "starting the program: permission denied"},
		{func(s *Spec) { s.Env = []string{"A\x00B"} }, "zero byte"},
		{func(s *Spec) { s.Code = "/no/such" }, "bind /no/such /var/task: no such file or directory"},
		{func(s *Spec) { s.Code = "relative" }, "not a clean absolute path"},
		{func(s *Spec) { s.Dir = "/no/such" }, "cwd /no/such: no such file or directory"},
		{func(s *Spec) { s.Mounts = append(s.Mounts, Mount{Host: "/usr", Inside: "/var/task/../x"}) }, "not a clean absolute path"},
		{func(s *Spec) { s.Mounts = append(s.Mounts, Mount{Host: "/usr", Inside: "/var/task/link"}) }, "nothing can be mounted at"},
		{func(s *Spec) { s.Mounts = append(s.Mounts, Mount{Host: "/usr", Inside: "/bin/x"}) }, "bind /usr /bin/x:"},
		{func(s *Spec) { s.Files = []File{{"/usr/no/such", nil}} }, "rebind"},
		{func(s *Spec) { s.Egress = 7 }, "no such egress: 7"},
		{func(s *Spec) { s.Memory = -1 }, "out of range"},
		{func(s *Spec) { s.Prepare = func(*Sandbox) error { return io.ErrUnexpectedEOF } }, "preparing: unexpected EOF"},
		{func(s *Spec) { s.Memory = 64 << 10 }, ""},
	} {
		spec := good()
		c.change(&spec)
		s, err := h.Start(t.Context(), spec)
		if err == nil {
			if c.want != "" {
				t.Errorf("no error; want %q", c.want)
			}
			s.Close()
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q does not say %q", err, c.want)
		}
	}
	if r := run(t, h, good()); r.out != "hello\n" {
		t.Error(r)
	}
}

func TestStartTwice(t *testing.T) {
	h := openHost(t)
	s, _ := started(t, h, payload(t, "f", "wait"))
	if _, err := h.Start(t.Context(), payload(t, "f", "wait")); err == nil || !strings.Contains(err.Error(), "already there") {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if r := run(t, h, payload(t, "f", "hello")); r.out != "hello\n" {
		t.Error(r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	spec := payload(t, "g", "wait")
	if _, err := h.Start(ctx, spec); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// One host at a time uses a folder.
func TestOpenTwice(t *testing.T) {
	h := openHost(t)
	if _, err := Open(Options{Dir: h.opts.Dir, Self: self}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
	if _, err := Open(Options{Self: self}); err == nil {
		t.Error("opened without a folder")
	}
}

// After Close there is nothing and nothing can be started.
func TestClosed(t *testing.T) {
	h := openHost(t)
	s, out := started(t, h, payload(t, "f", "wait"))
	line(t, out)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if e := wait(t, s); e.Signal != syscall.SIGKILL {
		t.Error(e)
	}
	if _, err := h.Start(t.Context(), payload(t, "g", "wait")); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// An init program that is none is found out when the host is opened.
func TestWrongInit(t *testing.T) {
	openHost(t) // skips where there would be none anyway
	_, err := Open(Options{Dir: t.TempDir(), Init: "/usr/bin/false"})
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "status 1: build it again") {
		t.Error(err)
	}
}

// The program itself as its own first process makes the same sandbox as the embedded one.
func TestSelf(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := openHost(t, func(o *Options) { o.Init = exe })
	if r := run(t, h, payload(t, "f", "identity")); !strings.Contains(r.out, "user sbx_user1051 990 []") || !strings.Contains(r.out, "CapBnd: 0000000000000000") {
		t.Error(r)
	}
}
