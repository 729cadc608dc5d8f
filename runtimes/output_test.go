package runtimes

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCopyOutput(t *testing.T) {
	p := newPuppet(t, "provided.al2023")
	long := strings.Repeat("x", maxLine)
	if err := p.CopyOutput(strings.NewReader("one\n\ntwo\r\n" + long + "rest\nlast")); err != nil {
		t.Fatal(err)
	}
	want := []string{"one", "", "two\r", long, "rest", "last"}
	if len(p.lines) != len(want) {
		t.Fatalf("%d lines", len(p.lines))
	}
	for i, w := range want {
		if p.lines[i] != (Line{"", w}) {
			t.Errorf("line %d: got %.40q, want %.40q", i, p.lines[i].Text, w)
		}
	}
	broken := errors.New("broken")
	if err := p.CopyOutput(iotest.ErrReader(broken)); err != broken {
		t.Errorf("got %v", err)
	}
}

// A line belongs to the invoke under way.
func TestCopyOutputDuringAnInvoke(t *testing.T) {
	p := newPuppet(t, "provided.al2023")
	p.ready(t)
	r, w := io.Pipe()
	copied := make(chan error)
	go func() { copied <- p.CopyOutput(r) }()
	go func() {
		if _, err := readFrame(p.in); err != nil {
			return
		}
		io.WriteString(w, "within\n")
		w.Close()
		if err := <-copied; err != nil {
			t.Error(err)
		}
		p.far.Write(finished(frameResult, "1"))
	}()
	if _, err := p.Invoke(context.Background(), event("x")); err != nil {
		t.Fatal(err)
	}
	if len(p.lines) != 1 || p.lines[0] != (Line{"x", "within"}) {
		t.Errorf("lines: %q", p.lines)
	}
}
