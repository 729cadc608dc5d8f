package vtl_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/value"
)

// seeds are the templates of the scripts.
func seeds(t testing.TB) (out []string) {
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.IsDir() {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "\nrender")[1:] {
			part, _, _ = strings.Cut(part, "\n----\n")
			_, part, _ = strings.Cut(part, "\n")
			out = append(out, part)
		}
	}
	if len(out) < 100 {
		t.Fatalf("%d seeds only", len(out))
	}
	return out
}

func someVars() vtl.Vars {
	m := value.NewMap(2)
	m.Put("a", int32(1))
	m.Put("b", "two")
	return vtl.Vars{
		"s": "Hello", "i": 7, "d": 2.5, "t": true, "map": m,
		"list": value.NewList(value.ArrayList, "a", "b", nil),
		"json": value.NewList(value.FromJSON, value.Number("1.10"), m),
	}
}

// FuzzTemplate holds every template to its limits: it may fail, but neither
// panic, nor write more than it may, nor run on.
func FuzzTemplate(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	lim := vtl.Limits{Steps: 20_000, Output: 10_000, Memory: 1 << 20, Depth: 50}
	f.Fuzz(func(t *testing.T, text string) {
		tm, err := vtl.Parse("t", text)
		if err != nil {
			var e *vtl.Error
			if !errors.As(err, &e) {
				t.Fatalf("not an *Error: %v", err)
			}
			return
		}
		var w counter
		began := time.Now()
		err = tm.Execute(context.Background(), &w, someVars(), lim)
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("took %v", took)
		}
		if w.n > lim.Output || err != nil && w.n > 0 {
			t.Fatalf("%d bytes written, error %v", w.n, err)
		}
	})
}

type counter struct{ n int }

func (c *counter) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}

// FuzzText: what has no dollar sign, hash or backslash is its own output.
func FuzzText(f *testing.F) {
	f.Add("plain {text} with [all] sorts, of: 'things'\r\n\t ")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, `$#\`) {
			return
		}
		got, err := render(text, nil, vtl.Limits{})
		if err != nil || got != text {
			t.Fatalf("%q gave %q, %v", text, got, err)
		}
	})
}

func TestSeedsStopWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	tm, err := vtl.Parse("t", "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := tm.Execute(ctx, io.Discard, nil, vtl.Limits{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}
