package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"
)

// self allows the tests to start sandboxes from the test binary itself.
var self Self

// TestMain lets the test binary be three things: the tests, a sandbox's first process, and, inside
// a sandbox, the function that attacks its walls.
func TestMain(m *testing.M) {
	self = MaybeInit()
	if name, ok := os.LookupEnv("SANDBOX_PAYLOAD"); ok {
		if os.Getenv("SANDBOX_LATE") != "" {
			awaitFurniture()
		}
		runPayload(name)
	}
	os.Exit(m.Run())
}

// openHost opens a host that isolates, or skips the test with the reason why there is none.
func openHost(t testing.TB, change ...func(*Options)) *Host {
	t.Helper()
	o := Options{Dir: t.TempDir(), Self: self, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, c := range change {
		c(&o)
	}
	h, err := Open(o)
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
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

// payload is the spec of a sandbox that runs one of the payloads of payload_test.go.
func payload(t testing.TB, id, name string) Spec {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	code := t.TempDir()
	if err := os.Chmod(code, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(code+"/index.js", []byte("the code of "+id), 0o644); err != nil {
		t.Fatal(err)
	}
	return Spec{
		ID: id, Argv: []string{"/var/runtime/payload"}, Code: code, Memory: 128 << 20,
		Env:    []string{"SANDBOX_PAYLOAD=" + name, "GODEBUG=madvdontneed=1"},
		Mounts: []Mount{{Host: exe, Inside: "/var/runtime/payload"}},
	}
}

// result is what a payload wrote and how it ended.
type result struct {
	exit Exit
	out  string
	peak int64
}

// run runs the spec to its end.
func run(t testing.TB, h *Host, spec Spec) result {
	t.Helper()
	return ran(t, h, spec, func(*Sandbox) {})
}

// ran runs the spec to its end, and tells begun when it runs.
func ran(t testing.TB, h *Host, spec Spec, begun func(*Sandbox)) result {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	spec.Stdout, spec.Stderr = w, w
	s, err := h.Start(context.Background(), spec)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	begun(s)
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	e, err := s.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	peak, _ := s.MemoryPeak()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return result{e, string(out), peak}
}

func (r result) String() string { return fmt.Sprintf("%+v\n%s", r.exit, r.out) }
