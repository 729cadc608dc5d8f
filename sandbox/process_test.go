//go:build unix

package sandbox

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// plainHost is a host that does not isolate.
func plainHost(t *testing.T) *Host {
	t.Helper()
	h, err := Open(Options{Dir: t.TempDir(), Mode: Process})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func shell(script string) Spec {
	return Spec{ID: "f", Argv: []string{"/bin/sh", "-c", script}, Dir: "/"}
}

func TestProcess(t *testing.T) {
	h := plainHost(t)
	if got := h.Features().String(); !strings.HasPrefix(got, "no isolation") {
		t.Error(got)
	}
	spec := shell(`echo "$A" && pwd && test -d "$TMPDIR" && echo x > "$TMPDIR/f" && echo "$TMPDIR"; exit 4`)
	spec.Dir, spec.Code = "", t.TempDir()
	spec.Env = []string{"A=1", "TMPDIR=/elsewhere"}
	r := run(t, h, spec)
	tmp := filepath.Join(h.opts.Dir, "tmp", "f")
	if r.out != "1\n"+spec.Code+"\n"+tmp+"\n" || r.exit != (Exit{Code: 4}) {
		t.Error(r)
	}
	if _, err := os.Stat(tmp); err == nil {
		t.Error("the temporary folder stays")
	}
}

func TestProcessEndsWhole(t *testing.T) {
	h := plainHost(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	spec := shell(`sleep 1000 & echo up; sleep 1000`)
	spec.Stdout = w
	spec.Prepare = func(s *Sandbox) error {
		l, err := s.Listen("tcp", "127.0.0.1:443")
		if err != nil {
			return err
		}
		p, err := s.ListenPacket("udp", "127.0.0.1:53")
		return errors.Join(err, l.Close(), p.Close())
	}
	s, err := h.Start(t.Context(), spec)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 3)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Freeze(), s.Thaw(), s.Freeze()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Wait(context.Background()); err != nil || e.Signal != syscall.SIGKILL {
		t.Error(e, err)
	}
	if _, err := r.Read(b); err != io.EOF { // nobody is left that holds it, its child neither
		t.Error(err)
	}
}

func TestProcessErrors(t *testing.T) {
	h := plainHost(t)
	spec := shell("")
	spec.Argv[0] = "/no/such"
	if _, err := h.Start(t.Context(), spec); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	spec = shell("")
	spec.Prepare = func(*Sandbox) error { return io.ErrUnexpectedEOF }
	if _, err := h.Start(t.Context(), spec); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if r := run(t, h, shell("echo again")); r.out != "again\n" {
		t.Error(r)
	}
}
