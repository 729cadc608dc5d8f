//go:build linux

package sandbox

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// traces is what this process and its sandboxes have on the machine.
type traces struct{ files, goroutines, mounts, groups, children int }

func look(t *testing.T, dir string) traces {
	t.Helper()
	var w traces
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	w.files, w.goroutines = len(fds), runtime.NumGoroutine()
	b, _ := os.ReadFile("/proc/self/mountinfo")
	w.mounts = strings.Count(string(b), "\n")
	note, _ := os.ReadFile(filepath.Join(dir, "cgroups"))
	for d := range strings.Lines(string(note)) {
		subs, _ := filepath.Glob(strings.TrimSpace(d) + "/*/cgroup.procs")
		w.groups += len(subs)
	}
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range tasks {
		b, _ := os.ReadFile(f)
		w.children += len(strings.Fields(string(b)))
	}
	return w
}

// settled looks until the traces are no more than before, for a while.
func settled(t *testing.T, dir string, before traces) {
	t.Helper()
	var now traces
	for range 200 {
		now = look(t, dir)
		if now.files <= before.files && now.goroutines <= before.goroutines && now.mounts <= before.mounts &&
			now.groups <= before.groups && now.children <= before.children {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("before %+v, now %+v", before, now)
}

// Five hundred sandboxes, some of them side by side, leave nothing behind.
func TestNothingLeft(t *testing.T) {
	rounds := 500
	if testing.Short() {
		rounds = 50
	}
	h := openHost(t, func(o *Options) { o.Spare = -1 })
	spec := Spec{Argv: []string{"/usr/bin/true"}, Dir: "/", Memory: 64 << 20}
	one := func(id int) error {
		s := spec
		s.ID = fmt.Sprintf("s%d", id)
		s.Prepare = func(s *Sandbox) error {
			l, err := s.Listen("tcp", "127.0.0.1:9001")
			if err != nil {
				return err
			}
			return l.Close()
		}
		b, err := h.Start(t.Context(), s)
		if err != nil {
			return err
		}
		if id%2 == 0 {
			<-b.Done()
		}
		return b.Close()
	}
	if err := one(0); err != nil { // what is there only once is there now, the poller for example
		t.Fatal(err)
	}
	before := look(t, h.opts.Dir)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < rounds; i += 4 {
				if err := one(i + 1); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	settled(t, h.opts.Dir, before)
	note, _ := os.ReadFile(filepath.Join(h.opts.Dir, "cgroups"))
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	for d := range strings.Lines(string(note)) {
		if _, err := os.Stat(strings.TrimSpace(d)); err == nil {
			t.Error("still there:", d)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(h.opts.Dir, "root")); len(left) > 0 {
		t.Error("left in the root folder:", left)
	}
}

// Fifty run at once, all see only themselves, and Close ends them all.
func TestFifty(t *testing.T) {
	h := openHost(t)
	spec := payload(t, "f", "wait")
	var wg sync.WaitGroup
	all := make([]*Sandbox, 50)
	for i := range all {
		wg.Go(func() {
			s := spec
			s.ID = fmt.Sprintf("f%d", i)
			var err error
			if all[i], err = h.Start(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	r := run(t, h, func() Spec { s := payload(t, "x", "identity"); return s }())
	if !strings.Contains(r.out, "others [1]\n") {
		t.Error(r)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	for _, s := range all {
		if e := wait(t, s); e.Signal != syscall.SIGKILL {
			t.Error(e)
		}
	}
}

// When Tule is killed without a chance to do anything, its sandboxes die, frozen ones too, and the
// next Tule takes away what is left.
func TestKilledTule(t *testing.T) {
	if dir := os.Getenv("SANDBOX_TULE"); dir != "" {
		shortLivedTule(t, dir)
	}
	h := openHost(t)
	frozenDie := h.Features().KillFrozen
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestKilledTule$")
	cmd.Env = append(os.Environ(), "SANDBOX_TULE="+dir, "TMPDIR="+t.TempDir()) // it is killed, and cleans nothing up
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []string
	for sc := bufio.NewScanner(out); sc.Scan(); {
		if pid, ok := strings.CutPrefix(sc.Text(), "pid "); ok {
			pids = append(pids, pid)
		}
		if sc.Text() == "go" {
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if len(pids) != 2 {
		t.Fatal("it did not start its sandboxes: ", pids)
	}
	if !frozenDie {
		pids = pids[:1]
	}
	for _, pid := range pids {
		if !gone(pid) {
			t.Error("still alive: ", pid)
		}
	}
	note, err := os.ReadFile(filepath.Join(dir, "cgroups"))
	if err != nil {
		t.Fatal(err)
	}
	next, err := Open(Options{Dir: dir, Self: self})
	if err != nil {
		t.Fatal(err)
	}
	for d := range strings.Lines(string(note)) {
		old, _ := filepath.Glob(fmt.Sprintf("%s/%d-*", strings.TrimSpace(d), cmd.Process.Pid))
		if len(old) > 0 {
			t.Error("left by the dead: ", old)
		}
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}

// gone waits for a process to end, and says whether it did.
func gone(pid string) bool {
	for range 500 {
		b, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(b), ") Z ") {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// shortLivedTule is the process that is killed.
func shortLivedTule(t *testing.T, dir string) {
	h, err := Open(Options{Dir: dir, Self: self})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"running", "frozen"} {
		s, err := h.Start(t.Context(), payload(t, id, "tick"))
		if err != nil {
			t.Fatal(err)
		}
		if id == "frozen" {
			if err := s.Freeze(); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Println("pid", s.PID())
	}
	fmt.Println("go")
	forever()
}
