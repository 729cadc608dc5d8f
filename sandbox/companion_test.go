//go:build linux

package sandbox

import (
	"bufio"
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// beside is a companion that runs a payload, and what it prints.
func beside(t *testing.T, name string, ended func(Exit)) (Companion, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return Companion{Argv: []string{"/var/runtime/payload"}, Env: []string{"SANDBOX_PAYLOAD=" + name}, Stdout: w, Stderr: w, Ended: ended}, bufio.NewReader(r)
}

// Companions run before the program is started, and their ends are told.
func TestCompanions(t *testing.T) {
	h := openHost(t)
	spec := payload(t, "companions", "wait")
	first, up := beside(t, "wait", func(Exit) { t.Error("the one that waits has ended by itself") })
	gone := make(chan Exit, 1)
	second, _ := beside(t, "exit", func(e Exit) { gone <- e })
	spec.Companions = []Companion{first, second}
	spec.Accompanied = func(*Sandbox) error {
		if s := line(t, up); s != "up" {
			t.Errorf("the companion says %q", s)
		}
		if e := <-gone; e.Code != 3 {
			t.Errorf("the second ended with %+v", e)
		}
		return nil
	}
	s, out := started(t, h, spec)
	if got := line(t, out); got != "up" {
		t.Errorf("the program says %q", got)
	}
	if err := s.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if e, err := s.WaitProgram(ctx); err != nil || e.Signal != syscall.SIGKILL {
		t.Errorf("the program ended with %+v, %v", e, err)
	}
	select {
	case <-s.Done():
		t.Error("the sandbox ended with a companion in it")
	default:
	}
	s.Kill()
	if e := wait(t, s); e.Signal != syscall.SIGKILL {
		t.Errorf("the sandbox ended with %+v", e)
	}
}

// The last of program and companions ends the sandbox.
func TestCompanionLast(t *testing.T) {
	h := openHost(t)
	spec := payload(t, "last", "exit")
	gone := make(chan Exit, 1)
	c, _ := beside(t, "exit", func(e Exit) { gone <- e })
	spec.Companions = []Companion{c}
	s, _ := started(t, h, spec)
	if e := wait(t, s); e.Code != 3 || e.Signal != 0 {
		t.Errorf("ended with %+v", e)
	}
	if e := <-gone; e.Code != 3 {
		t.Errorf("the companion ended with %+v", e)
	}
}

func TestCompanionThatIsNone(t *testing.T) {
	h := openHost(t)
	spec := payload(t, "none", "hello")
	c, _ := beside(t, "wait", nil)
	spec.Companions = []Companion{c, {Argv: []string{"/var/task/index.js"}}}
	_, err := h.Start(t.Context(), spec)
	var bad *CompanionError
	if !errors.As(err, &bad) || bad.Index != 1 || !errors.Is(err, syscall.EACCES) {
		t.Errorf("got %v", err)
	}
	spec.Companions = spec.Companions[:1]
	spec.ID, spec.Accompanied = "refused", func(*Sandbox) error { return errors.New("not today") }
	if _, err := h.Start(t.Context(), spec); err == nil {
		t.Error("started without being allowed to")
	}
}

// Dial reaches what listens inside, and nothing of the host.
func TestDial(t *testing.T) {
	h := openHost(t)
	s, _ := started(t, h, payload(t, "dial", "wait"))
	l, err := s.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		text, _ := bufio.NewReader(c).ReadString('\n')
		_, _ = c.Write([]byte("heard " + text))
	}()
	c, err := s.Dial(8080)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(c).ReadString('\n'); got != "heard hello\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if c, err := s.Dial(8081); err == nil {
		defer c.Close()
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("where nobody listens: %v", err)
		}
	} else if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	if _, err := s.Dial(0); err == nil {
		t.Error("port 0")
	}
}
