//go:build linux

package steer

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// needRoot skips what only root may do.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: binds ports 53, 80 and 443 on the loopback and makes a mount namespace")
	}
}

func needProgram(t testing.TB, path string) {
	t.Helper()
	if _, err := exec.LookPath(path); err != nil {
		t.Skipf("needs %s, which is not installed", path)
	}
}

// cleanEnv is an environment in which nothing steers but Exec.
func cleanEnv() []string {
	return []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/nonexistent", "LANG=C.UTF-8"}
}

type house struct {
	authority *Authority
	tule      string
}

func newHouse(t testing.TB) *house {
	a := newRealAuthority(t)
	return &house{a, startEcho(t, a)}
}

// exec runs a command by Exec and returns its output, both streams, and status.
func (h *house) exec(t testing.TB, o ExecOptions, command ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out bytes.Buffer
	o.Command, o.Tule, o.Trust = command, h.tule, h.authority.Trust()
	if o.Env == nil {
		o.Env = cleanEnv()
	}
	o.Stdout, o.Stderr = &out, &out
	code, err := Exec(ctx, o)
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out.String())
	}
	return out.String(), code
}

// echo runs a command that prints an echo.
func (h *house) echo(t testing.TB, o ExecOptions, command ...string) echo {
	t.Helper()
	out, code := h.exec(t, o, command...)
	var e echo
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != 0 {
		t.Fatalf("%v: exit %d: %v\n%s", command, code, err, out)
	}
	return e
}

func TestExecClients(t *testing.T) {
	needRoot(t)
	h := newHouse(t)
	node := `fetch=(u)=>require('https').get(u,r=>r.pipe(process.stdout)); fetch(process.argv[1])`
	python := `import sys,urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1]).read().decode())`
	for _, c := range []struct {
		name    string
		command []string
	}{
		{"curl", []string{"/usr/bin/curl", "-sS"}},
		{"node", []string{"/usr/bin/node", "-e", node}},
		// As in sandboxes: one root, and none of NODE_EXTRA_CA_CERTS's cost.
		{"node with OpenSSL's roots", []string{"/bin/sh", "-c", `SSL_CERT_FILE=$NODE_EXTRA_CA_CERTS; unset NODE_EXTRA_CA_CERTS; exec /usr/bin/node --use-openssl-ca -e "$0" "$@"`, node}},
		{"python", []string{"/usr/bin/python3", "-c", python}},
	} {
		for _, private := range []bool{false, true} {
			name := c.name
			if private {
				name += ", private"
			}
			t.Run(name, func(t *testing.T) {
				needProgram(t, c.command[0])
				const host = "my-bucket.s3-eu-west-1.amazonaws.com"
				e := h.echo(t, ExecOptions{Private: private}, append(c.command, "https://"+host+"/a/b")...)
				if e.Host != host || e.SNI != host || e.Path != "/a/b" || !e.TLS {
					t.Errorf("Tule saw %+v", e)
				}
			})
		}
	}
}

func TestExecPorts(t *testing.T) {
	needRoot(t)
	needProgram(t, "/usr/bin/curl")
	h := newHouse(t)
	_, own, _ := strings.Cut(h.tule, ":")
	for _, url := range []string{
		"http://site.s3-website-us-east-1.amazonaws.com/",
		"https://x1.execute-api.us-east-1.amazonaws.com/prod",
		"https://s3.localhost.localstack.cloud:" + own + "/",
		"http://queue.localhost:" + own + "/",
		"http://127.0.0.1:" + own + "/",
	} {
		for _, private := range []bool{false, true} {
			e := h.echo(t, ExecOptions{Private: private}, "/usr/bin/curl", "-sS", url)
			if e.TLS != strings.HasPrefix(url, "https") || !strings.Contains(url, e.Host) {
				t.Errorf("%s: Tule saw %+v", url, e)
			}
		}
	}
}

func TestExecStatus(t *testing.T) {
	needRoot(t)
	h := newHouse(t)
	for _, c := range []struct {
		script string
		code   int
	}{
		{"true", 0}, {"exit 3", 3}, {"exit 255", 255}, {"kill -TERM $$", 128 + 15}, {"kill -KILL $$", 128 + 9},
	} {
		if _, code := h.exec(t, ExecOptions{}, "/bin/sh", "-c", c.script); code != c.code {
			t.Errorf("%s: exit %d, want %d", c.script, code, c.code)
		}
	}
}

func TestExecThatCannotStart(t *testing.T) {
	needRoot(t)
	h := newHouse(t)
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	os.WriteFile(plain, nil, 0o644)
	good := ExecOptions{Command: []string{"true"}, Env: cleanEnv(), Tule: h.tule, Trust: h.authority.Trust()}
	for _, c := range []struct {
		name string
		code int
		want string
		edit func(*ExecOptions)
	}{
		{"no such program", 127, "no-such-program", func(o *ExecOptions) { o.Command = []string{"no-such-program"} }},
		{"no such file", 127, "/no/such", func(o *ExecOptions) { o.Command = []string{"/no/such"} }},
		{"not executable", 126, "plain", func(o *ExecOptions) { o.Command = []string{plain} }},
		{"a directory", 126, dir, func(o *ExecOptions) { o.Command = []string{dir} }},
		{"no such folder", 125, "/no/such/dir", func(o *ExecOptions) { o.Dir = "/no/such/dir" }},
		{"no command", 125, "no command", func(o *ExecOptions) { o.Command = nil }},
		{"no trust", 125, "no authority", func(o *ExecOptions) { o.Trust = nil }},
		{"no address", 125, "address", func(o *ExecOptions) { o.Tule = "localhost" }},
		{"no Tule", 125, "tule start", func(o *ExecOptions) { o.Tule = "127.0.0.1:1" }},
		{"bad zone", 125, "zone", func(o *ExecOptions) { o.Zones = []string{"a..b"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := good
			c.edit(&o)
			code, err := Exec(t.Context(), o)
			if code != c.code || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%d, %v; want %d and %q", code, err, c.code, c.want)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "tule-exec-*")); len(left) > 0 {
		t.Errorf("temporary files stayed: %v", left)
	}
}

// TestExecEnvironment: what the command sees, and that nobody else does.
func TestExecEnvironment(t *testing.T) {
	needRoot(t)
	h := newHouse(t)
	before := hostFiles(t)
	env := append(cleanEnv(), "AWS_ACCESS_KEY_ID=mine", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=eu-west-1", "KEPT=a b", "PATH=/bin:/usr/bin")
	out, _ := h.exec(t, ExecOptions{Env: env, Dir: "/usr", Stdin: strings.NewReader("typed\n")}, "sh", "-c",
		`pwd; cat; echo "$AWS_ACCESS_KEY_ID $AWS_REGION $AWS_DEFAULT_REGION $KEPT"; echo "child=$TULE_STEER_CHILD"
		head -1 /etc/resolv.conf; cmp "$AWS_CA_BUNDLE" /etc/ssl/certs/ca-certificates.crt && grep -c BEGIN "$NODE_EXTRA_CA_CERTS"`)
	want := "/usr\ntyped\nmine eu-west-1 eu-west-1 a b\nchild=\nnameserver 127.45.66."
	if !strings.HasPrefix(out, want) {
		t.Errorf("the command saw\n%s\nwant\n%s…", out, want)
	}
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err == nil && !strings.HasSuffix(out, "\n1\n") {
		t.Errorf("the bundle is not where the variable says:\n%s", out)
	}
	// It has the descriptors that it would have without us, and no other.
	plain, err := exec.Command("ls", "/proc/self/fd").Output()
	if out, _ := h.exec(t, ExecOptions{}, "ls", "/proc/self/fd"); err != nil || out != string(plain) {
		t.Errorf("descriptors %q, without Exec %q (%v)", out, plain, err)
	}
	if after := hostFiles(t); after != before {
		t.Error("the host's files or mounts changed")
	}
}

func hostFiles(t *testing.T) string {
	var all strings.Builder
	for _, p := range append([]string{"/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/hosts", "/proc/self/mountinfo"}, hostBundles()...) {
		body, _ := os.ReadFile(p)
		all.Write(body)
	}
	return all.String()
}

// TestExecConcurrent: each has an address of its own, and they do not disturb each other.
func TestExecConcurrent(t *testing.T) {
	needRoot(t)
	needProgram(t, "/usr/bin/curl")
	h := newHouse(t)
	const n = 4
	addrs := make([]string, n)
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			in, w := io.Pipe()
			go func() { ready.Done(); ready.Wait(); w.Close() }()
			out, code := h.exec(t, ExecOptions{Stdin: in}, "/bin/sh", "-c",
				"cat; head -1 /etc/resolv.conf; curl -sS https://sts.amazonaws.com/ >/dev/null")
			addrs[i] = out
			if code != 0 {
				t.Errorf("exit %d\n%s", code, out)
			}
		})
	}
	done.Wait()
	slices.Sort(addrs)
	if len(slices.Compact(addrs)) != n {
		t.Errorf("addresses: %q", addrs)
	}
}

// TestExecOtherNames: what is not steered is asked of the host's own servers, and
// is not there in a network of the command's own.
func TestExecOtherNames(t *testing.T) {
	needRoot(t)
	needProgram(t, "getent")
	h := newHouse(t)
	for _, c := range []struct {
		private    bool
		name, want string
	}{
		{false, "sts.amazonaws.com", "127.45.66."},
		{true, "sts.amazonaws.com", "127.0.0.1"},
		{true, "example.org", ""},
	} {
		out, _ := h.exec(t, ExecOptions{Private: c.private}, "getent", "ahosts", c.name)
		if !strings.HasPrefix(out, c.want) || c.want == "" && out != "" {
			t.Errorf("%+v: %q", c, out)
		}
	}
}

// TestExecSignals: the command is told what this process is, and ends when its
// context does.
func TestExecSignals(t *testing.T) {
	needRoot(t)
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if code := h.whenUp(t, t.Context(), "USR1", func() { syscall.Kill(os.Getpid(), syscall.SIGUSR1) }); code != 42 {
		t.Errorf("after SIGUSR1: %d", code)
	}
	if code := h.whenUp(t, ctx, "TERM", cancel); code != 42 {
		t.Errorf("after the context: %d", code)
	}
}

// whenUp runs a command that exits with 42 when it gets the signal, and calls event
// when it waits for it.
func (h *house) whenUp(t *testing.T, ctx context.Context, signal string, event func()) int {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	go func() {
		r.Read(make([]byte, 64))
		event()
	}()
	script := "trap 'exit 42' " + signal + "; echo up; while :; do sleep 0.02; done"
	code, err := Exec(ctx, ExecOptions{Command: []string{"/bin/sh", "-c", script}, Env: cleanEnv(), Tule: h.tule, Trust: h.authority.Trust(), Stdout: w})
	if err != nil {
		t.Error(err)
	}
	return code
}

// TestExecLeavesNothing: neither descriptor nor goroutine, mount nor file.
func TestExecLeavesNothing(t *testing.T) {
	needRoot(t)
	h := newHouse(t)
	once := func(private bool) { h.exec(t, ExecOptions{Private: private}, "/bin/true") }
	once(false)
	fds, goroutines := settled(t, 1<<30, 1<<30)
	before := hostFiles(t)
	for i := range 20 {
		once(i%2 == 0)
	}
	if f, g := settled(t, fds, goroutines); f > fds || g > goroutines {
		t.Errorf("%d descriptors and %d goroutines before, %d and %d after", fds, goroutines, f, g)
	}
	if hostFiles(t) != before {
		t.Error("the host's files or mounts changed")
	}
}

// BenchmarkExec is what Exec adds to a command, with the start of this binary anew.
func BenchmarkExec(b *testing.B) {
	needRoot(b)
	h := newHouse(b)
	o := ExecOptions{Command: []string{"/bin/true"}, Env: cleanEnv(), Tule: h.tule, Trust: h.authority.Trust()}
	for _, private := range []bool{false, true} {
		o.Private = private
		b.Run(map[bool]string{false: "host", true: "private"}[private], func(b *testing.B) {
			for b.Loop() {
				if _, err := Exec(b.Context(), o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			exec.Command("/bin/true").Run()
		}
	})
}
