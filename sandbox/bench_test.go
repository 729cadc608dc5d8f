package sandbox

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// BenchmarkStart starts a small program in a sandbox and waits for its end, and beside it the same
// program by a bare fork and exec. It reports medians, the difference first: the aim is below 5 ms.
// "burst" takes sandboxes faster than spare ones can be made.
func BenchmarkStart(b *testing.B) {
	for _, bm := range []struct {
		name string
		rest time.Duration
	}{{"spare", 25 * time.Millisecond}, {"burst", 0}} {
		b.Run(bm.name, func(b *testing.B) { benchmarkStart(b, bm.rest) })
	}
}

func benchmarkStart(b *testing.B, rest time.Duration) {
	const program = "/usr/bin/true"
	if _, err := os.Stat(program); err != nil {
		b.Skip(err)
	}
	h := openHost(b)
	var bare, started, ended, closed []time.Duration
	spec := Spec{ID: "bench", Argv: []string{program}, Dir: "/", Code: b.TempDir(), Memory: 128 << 20}
	for b.Loop() {
		t := time.Now()
		if err := exec.Command(program).Run(); err != nil {
			b.Fatal(err)
		}
		bare = append(bare, time.Since(t))
		time.Sleep(rest) // spare ones are made meanwhile
		t = time.Now()
		s, err := h.Start(context.Background(), spec)
		if err != nil {
			b.Fatal(err)
		}
		started = append(started, time.Since(t))
		<-s.Done()
		ended = append(ended, time.Since(t))
		t = time.Now()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		closed = append(closed, time.Since(t))
	}
	ms := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[len(d)/2].Microseconds()) / 1000
	}
	b.ReportMetric(ms(ended)-ms(bare), "ms-more")
	b.ReportMetric(ms(bare), "ms-bare")
	b.ReportMetric(ms(started), "ms-started")
	b.ReportMetric(ms(ended), "ms-ended")
	b.ReportMetric(ms(closed), "ms-close")
	b.ReportMetric(0, "ns/op")
}
