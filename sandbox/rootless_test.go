//go:build linux

package sandbox

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Without root, the same walls stand in a user namespace. Root's tests run this one again as
// somebody else.
func TestRootless(t *testing.T) {
	if os.Geteuid() == 0 {
		againRootless(t)
		return
	}
	h := openHost(t, func(o *Options) { o.WithoutLimits = true })
	if !h.Features().User {
		t.Error("no user namespace: ", h.Features())
	}
	r := run(t, h, payload(t, "f", "identity"))
	for _, want := range []string{"user sbx_user1051 990", "in /var/task", "CapEff: 0000000000000000", "CapBnd: 0000000000000000",
		"CapAmb: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2", "others [1]", "first process' memory: permission denied"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in\n%s", want, r)
		}
	}
	spec := payload(t, "f", "calls")
	tried := 0
	for l := range strings.Lines(run(t, h, spec).out) {
		tried++
		name, answer, _ := strings.Cut(l, ": ")
		if (answer == "ok\n") != (name == "quiet file" || name == "kill first") {
			t.Error(l)
		}
	}
	if tried != len(dangerous) {
		t.Error(tried, "calls tried of", len(dangerous))
	}
	spec = payload(t, "f", "write")
	spec.Env = append(spec.Env, "SANDBOX_ARGS=/tmp/x /dev/null /var/task/x /usr/x /proc/sys/kernel/hostname")
	if r := run(t, h, spec); r.out != "/tmp/x: ok\n/dev/null: ok\n"+
		"/var/task/x: read-only file system\n/usr/x: read-only file system\n/proc/sys/kernel/hostname: read-only file system\n" {
		t.Error(r)
	}
	spec = payload(t, "f", "read")
	spec.Env = append(spec.Env, "SANDBOX_ARGS=/etc/shadow "+h.opts.Dir+"/lock /home")
	if r := run(t, h, spec); strings.Count(r.out, "no such file or directory") != 3 {
		t.Error(r)
	}
	spec = payload(t, "f", "ask")
	spec.Env = append(spec.Env, "SANDBOX_ARGS=tcp/127.0.0.1:443 udp/127.0.0.1:53 tcp/127.0.0.1:444")
	spec.Prepare = func(s *Sandbox) error { return echo(t, s) }
	if r := run(t, h, spec); r.out != "tcp PING ok\nudp PING ok\nconnection refused\n" {
		t.Error(r)
	}
	spec = payload(t, "f", "network")
	spec.Egress = EgressNAT
	if !h.Features().Tun {
		if _, err := h.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "egress needs /dev/net/tun") {
			t.Error(err)
		}
	} else {
		spec.Env = append(spec.Env, "SANDBOX_ARGS=169.254.169.254:80")
		if r := run(t, h, spec); !strings.Contains(r.out, "tule0 up|pointtopoint|running") || !strings.Contains(r.out, "dial: connection refused") {
			t.Error(r)
		}
	}
	if h.Features().Pids == "rlimit" {
		spec = payload(t, "f", "bomb")
		spec.Pids = 50
		if r := run(t, h, spec); r.out != "stopped below 100: true resource temporarily unavailable\n" {
			t.Error(r)
		}
	}
	rootlessFreeze(t, h)
}

// rootlessFreeze freezes by signals, where there is no cgroup.
func rootlessFreeze(t *testing.T, h *Host) {
	s, out := started(t, h, payload(t, "f", "tick"))
	if _, err := s.Listen("tcp", "127.0.0.1:80"); err != nil { // while the program runs
		t.Error(err)
	}
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, out, 20); err != nil {
		t.Fatal(err)
	}
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// againRootless runs TestRootless of this test binary as a user who is nobody else.
func againRootless(t *testing.T) {
	const user = 54321
	dir, err := os.MkdirTemp("", "rootless")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(dir, "sandbox.test")
	if err := os.WriteFile(mine, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, user, user); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(mine, "-test.run=^TestRootless$", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "--- SKIP") {
		t.Skip(string(out))
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestRootless") {
		t.Errorf("%v\n%s", err, out)
	}
}
