package sandbox

import (
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// BenchmarkStart starts a small program in a sandbox, and beside it the same program by a bare fork
// and exec, both until the end of the program's output, which is that of the program. It reports medians: how much more the sandbox
// took (the aim is below 5 ms), the two times, when Start returned, and when all was freed again.
// "burst" takes sandboxes faster than spare ones can be made.
func BenchmarkStart(b *testing.B) {
	for _, bm := range []struct {
		name string
		rest time.Duration
	}{{"spare", 60 * time.Millisecond}, {"burst", 0}} {
		b.Run(bm.name, func(b *testing.B) { benchmarkStart(b, bm.rest) })
	}
}

func benchmarkStart(b *testing.B, rest time.Duration) {
	const program = "/usr/bin/true"
	if _, err := os.Stat(program); err != nil {
		b.Skip(err)
	}
	h := openHost(b)
	var bare, started, ended, gone []time.Duration
	spec := Spec{ID: "bench", Argv: []string{program}, Dir: "/", Code: b.TempDir(), Memory: 128 << 20}
	for b.Loop() {
		r, w := pipe(b)
		cmd := exec.Command(program)
		cmd.Stdout = w
		t := time.Now()
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		untilEnd(b, r, w)
		bare = append(bare, time.Since(t))
		_ = cmd.Wait()
		time.Sleep(rest) // spare ones are made meanwhile
		r, w = pipe(b)
		spec.Stdout = w
		t = time.Now()
		s, err := h.Start(context.Background(), spec)
		if err != nil {
			b.Fatal(err)
		}
		started = append(started, time.Since(t))
		untilEnd(b, r, w)
		ended = append(ended, time.Since(t))
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		gone = append(gone, time.Since(t))
	}
	b.ReportMetric(median(ended)-median(bare), "ms-more")
	b.ReportMetric(median(bare), "ms-bare")
	b.ReportMetric(median(started), "ms-started")
	b.ReportMetric(median(ended), "ms-ended")
	b.ReportMetric(median(gone), "ms-gone")
	b.ReportMetric(0, "ns/op")
}

// median is in milliseconds.
func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Microseconds()) / 1000
}

func pipe(b *testing.B) (r, w *os.File) {
	b.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	return r, w
}

// untilEnd waits until the program, the last to hold w, has ended.
func untilEnd(b *testing.B, r, w *os.File) {
	b.Helper()
	w.Close()
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		b.Fatal(err)
	}
	r.Close()
}
