//go:build linux

package steer

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestExecUnprivileged runs this test's binary as another user, who is nobody.
func TestExecUnprivileged(t *testing.T) {
	needProgram(t, "/usr/bin/curl")
	if os.Getenv("STEER_TEST_TULE") != "" {
		unprivileged(t)
		return
	}
	needRoot(t)
	h := newHouse(t)
	dir, err := os.MkdirTemp("", "steer-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "steer.test")
	for _, err := range []error{
		os.WriteFile(binary, self, 0o755), os.WriteFile(filepath.Join(dir, "ca.pem"), h.authority.PEM(), 0o644), os.Chmod(dir, 0o777),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(binary, "-test.run=^TestExecUnprivileged$", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(cleanEnv(), "STEER_TEST_TULE="+h.tule)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "SKIP") {
		t.Skipf("as nobody: %s", out)
	}
}

// houseOutside is what a test started by another is told of that one's house: the
// authority's folder is the working directory.
func houseOutside(t *testing.T) (tule string, trust *Trust) {
	t.Helper()
	body, err := os.ReadFile("ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	if trust, err = NewTrust(".", body, ""); err != nil {
		t.Fatal(err)
	}
	return os.Getenv("STEER_TEST_TULE"), trust
}

func unprivileged(t *testing.T) {
	tule, trust := houseOutside(t)
	var out bytes.Buffer
	var notice string
	code, err := Exec(t.Context(), ExecOptions{
		Command: []string{"/bin/sh", "-c", "id -u; grep Cap /proc/self/status | sort -u -k2 | grep -v Bnd; curl -sS https://sts.amazonaws.com/"},
		Env:     cleanEnv(), Tule: tule, Trust: trust, Stdout: &out, Stderr: &out,
		Notice: func(text string) { notice = text },
	})
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC) {
		t.Skipf("needs user namespaces for all: %v", err)
	}
	if err != nil || code != 0 {
		t.Fatalf("%d, %v\n%s", code, err, out.String())
	}
	want := "65534\nCapInh:\t0000000000000000\n{\"Host\":\"sts.amazonaws.com\""
	if !strings.HasPrefix(out.String(), want) || !strings.Contains(notice, "nothing outside") {
		t.Errorf("notice %q, output\n%s", notice, out.String())
	}
}

// TestExecPortsTaken: where another program holds a port on all addresses, as a web
// server does, the command gets a network of its own. In a network namespace, so
// that it is not this machine's ports that are held.
func TestExecPortsTaken(t *testing.T) {
	needProgram(t, "/usr/bin/curl")
	if os.Getenv("STEER_TEST_CHILD") == "" {
		needRoot(t)
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestExecPortsTaken$")
		cmd.Env = append(cleanEnv(), "STEER_TEST_CHILD=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err := loopbackUp(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", ":443")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var notice string
	o := ExecOptions{Notice: func(text string) { notice = text }}
	e := newHouse(t).echo(t, o, "/usr/bin/curl", "-sS", "https://sts.amazonaws.com/")
	if e.Host != "sts.amazonaws.com" || !strings.Contains(notice, "Another program") {
		t.Errorf("Tule saw %+v; notice %q", e, notice)
	}
}

// TestExecTerminal: the command has the terminal, and ^C on it reaches it once.
func TestExecTerminal(t *testing.T) {
	if os.Getenv("STEER_TEST_TULE") != "" {
		tule, trust := houseOutside(t)
		script := `test -t 0 && test -t 1 && echo terminal; trap 'echo interrupted' INT; trap 'exit 7' USR1
			echo up; while :; do sleep 0.02; done`
		code, err := Exec(t.Context(), ExecOptions{
			Command: []string{"/bin/sh", "-c", script}, Env: cleanEnv(), Tule: tule, Trust: trust,
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		})
		os.Stdout.WriteString("exit " + strconv.Itoa(code) + "\n")
		if err != nil {
			t.Error(err)
		}
		return
	}
	needRoot(t)
	h := newHouse(t)
	ptm, pts := openTerminal(t)
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestExecTerminal$")
	cmd.Dir = h.authority.Trust().dir
	cmd.Env = append(cleanEnv(), "STEER_TEST_TULE="+h.tule)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pts, pts, pts
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if _, err := h.authority.Trust().RootFile(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pts.Close()
	defer time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() }).Stop()
	var seen strings.Builder
	await := func(text string) {
		buf := make([]byte, 4096)
		for !strings.Contains(seen.String(), text) {
			n, err := ptm.Read(buf)
			if seen.Write(buf[:n]); err != nil {
				cmd.Process.Kill()
				t.Fatalf("waiting for %q: %v\n%s", text, err, seen.String())
			}
		}
	}
	await("up")
	ptm.WriteString("\x03")
	await("interrupted")
	cmd.Process.Signal(syscall.SIGUSR1)
	await("exit 7")
	cmd.Wait()
	if n := strings.Count(seen.String(), "interrupted"); n != 1 || !strings.Contains(seen.String(), "terminal\r\n") {
		t.Errorf("interrupted %d times; the terminal showed\n%s", n, seen.String())
	}
}

// openTerminal is a new terminal: what a person sits at, and what programs have.
func openTerminal(t *testing.T) (ptm, pts *os.File) {
	t.Helper()
	ptm, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("needs a terminal: %v", err)
	}
	t.Cleanup(func() { ptm.Close() })
	var n uint32
	raw, err := ptm.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetUint32(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil {
		t.Skipf("needs a terminal: %v", err)
	}
	pts, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs a terminal: %v", err)
	}
	return ptm, pts
}

// TestExecJava has Java connect, by the trust store that Exec names to it.
func TestExecJava(t *testing.T) {
	needRoot(t)
	needProgram(t, "java")
	needProgram(t, "javac")
	h := newHouse(t)
	src := filepath.Join(t.TempDir(), "Get.java")
	body := `public class Get { public static void main(String[] a) throws Exception {
		System.out.write(new java.net.URL(a[0]).openStream().readAllBytes()); System.out.flush(); } }`
	if err := os.WriteFile(src, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	out, code := h.exec(t, ExecOptions{}, "java", src, "https://dynamodb.us-east-1.amazonaws.com/")
	if code != 0 || !strings.Contains(out, `"SNI":"dynamodb.us-east-1.amazonaws.com"`) {
		t.Errorf("exit %d\n%s", code, out)
	}
}
