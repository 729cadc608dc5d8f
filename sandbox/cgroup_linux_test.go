package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The kernel has the processors that a spec gives: from the start, or from when it is furnished.
func TestProcessors(t *testing.T) {
	h := openHost(t)
	if h.Features().CPU == "" {
		t.Skip("no cgroup limits processors here")
	}
	spec := payload(t, "full", "wait")
	spec.CPU, spec.CPUWeight = 1.5, 7
	full, out := started(t, h, spec)
	line(t, out)
	if got := processors(full); got != "71 150000" && got != "7 150000 100000" {
		t.Errorf("started: %s", got)
	}
	late, out, _ := empty(t, h, "late")
	line(t, out)
	if err := late.Furnish(Furnishing{Code: folder(t), CPU: 3, CPUWeight: 300}); err != nil {
		t.Fatal(err)
	}
	if got := processors(late); got != "3072 300000" && got != "300 300000 100000" {
		t.Errorf("furnished: %s", got)
	}
}

// processors is what limits a sandbox's time.
func processors(s *Sandbox) string {
	var words []string
	for _, d := range s.cell.(*jail).group.dirs {
		for _, file := range []string{"cpu.shares", "cpu.cfs_quota_us", "cpu.weight", "cpu.max"} {
			if b, err := os.ReadFile(filepath.Join(d.path, file)); err == nil && d.cpu {
				words = append(words, strings.Fields(string(b))...)
			}
		}
	}
	return strings.Join(words, " ")
}
