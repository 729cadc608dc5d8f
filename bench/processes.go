package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// descendants are the processes that come from one, itself not among them.
func descendants(root int) []int {
	parents := map[int]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if f := stat(pid); len(f) > 1 {
			parents[pid], _ = strconv.Atoi(f[1])
		}
	}
	var out []int
	for pid := range parents {
		for at, n := parents[pid], 0; at > 1 && n < 64; at, n = parents[at], n+1 {
			if at == root {
				out = append(out, pid)
				break
			}
		}
	}
	return out
}

// stat is /proc/pid/stat from the state on; nil if the process has ended.
func stat(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.Fields(rest)
}

// ticks is the processor time that a process and its descendants have used, in the kernel's
// hundredths of a second.
func ticks(root int) (sum int) {
	for _, pid := range append(descendants(root), root) {
		if f := stat(pid); len(f) > 12 {
			user, _ := strconv.Atoi(f[11])
			system, _ := strconv.Atoi(f[12])
			sum += user + system
		}
	}
	return sum
}

// quiet waits until Tule and all that it runs have done nothing for a while: what it prepares
// for the next start, an interpreter that waits for its function among it, is ready then.
func (r *rig) quiet() {
	const still = 120 * time.Millisecond
	last, n := ticks(r.tule.Process.Pid), len(descendants(r.tule.Process.Pid))
	for range 100 {
		time.Sleep(still)
		now, m := ticks(r.tule.Process.Pid), len(descendants(r.tule.Process.Pid))
		if now == last && m == n {
			return
		}
		last, n = now, m
	}
}

// share is the memory of processes in bytes, what several share divided among them.
func share(pids ...int) (sum int64) {
	for _, pid := range pids {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		_, rest, ok := strings.Cut(string(b), "\nPss:")
		if f := strings.Fields(rest); ok && len(f) > 0 {
			kb, _ := strconv.ParseInt(f[0], 10, 64)
			sum += kb << 10
		}
	}
	return sum
}
