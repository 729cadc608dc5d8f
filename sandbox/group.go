package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// group is one sandbox's cgroup: a folder in each of the host's hierarchies.
type group struct {
	name string
	dirs []groupDir
}

type groupDir struct {
	base
	path string
}

// slack is what a sandbox's first process, a Go program, needs of Pids for itself.
const slack = 16

// create makes an empty group without limits.
func (c *cgroups) create(name string) (*group, error) {
	g := &group{name: name}
	for _, b := range c.bases {
		p := filepath.Join(b.dir, name)
		if err := os.Mkdir(p, 0o755); err != nil {
			return nil, errors.Join(fmt.Errorf("cgroup: %w", err), g.remove())
		}
		g.dirs = append(g.dirs, groupDir{b, p})
	}
	return g, nil
}

// v2 is the group's folder of version 2, into which a process can be born, or "".
func (g *group) v2() string {
	for _, d := range g.dirs {
		if d.base.v2 {
			return d.path
		}
	}
	return ""
}

// attach moves a process into the group's folders of version 1. Each move waits until all
// processors have passed a quiet point, some 8 ms, unless another has just waited: so all at once.
func (g *group) attach(pid int) error {
	errs := make([]error, len(g.dirs))
	var wg sync.WaitGroup
	for i, d := range g.dirs {
		if d.base.v2 {
			continue
		}
		wg.Go(func() { errs[i] = d.write("cgroup.procs", strconv.Itoa(pid)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// limit sets the spec's limits.
func (g *group) limit(s Spec) error {
	for _, d := range g.dirs {
		limit := d.limitV1
		if d.base.v2 {
			limit = d.limitV2
		}
		if err := limit(s); err != nil {
			return err
		}
	}
	return nil
}

func (d groupDir) limitV1(s Spec) error {
	if d.memory && s.Memory > 0 {
		if err := d.limitMemoryV1(strconv.FormatInt(s.Memory, 10)); err != nil {
			return err
		}
		// What TCP holds counts apart here, and against the whole machine's share unless it is limited.
		tcp := strconv.FormatInt(max(s.Memory/4, tcpLeast), 10)
		if err := d.write("memory.kmem.tcp.limit_in_bytes", tcp); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if d.pids {
		if err := d.write("pids.max", strconv.Itoa(s.Pids+slack)); err != nil {
			return err
		}
	}
	if d.cpu {
		if err := d.write("cpu.shares", strconv.Itoa(max(2, s.CPUWeight*1024/100))); err != nil {
			return err
		}
		if s.CPU > 0 {
			return d.write("cpu.cfs_quota_us", quota(s.CPU))
		}
	}
	return nil
}

// tcpLeast is what connections may hold at least, in bytes.
const tcpLeast = 16 << 20

// limitMemoryV1 limits memory, and memory and swap together, which is there only where the
// kernel accounts for swap. The second may never be less than the first: what grows, grows first.
func (d groupDir) limitMemoryV1(bytes string) error {
	err := d.write("memory.limit_in_bytes", bytes)
	if both := d.write("memory.memsw.limit_in_bytes", bytes); both != nil && !errors.Is(both, os.ErrNotExist) {
		return errors.Join(err, both)
	}
	if errors.Is(err, syscall.EINVAL) {
		return d.write("memory.limit_in_bytes", bytes)
	}
	return err
}

func (d groupDir) limitV2(s Spec) error {
	if d.memory && s.Memory > 0 {
		if err := d.write("memory.max", strconv.FormatInt(s.Memory, 10)); err != nil {
			return err
		}
		if err := d.write("memory.swap.max", "0"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		// What is killed for want of memory is killed whole. Linux 4.19.
		if err := d.write("memory.oom.group", "1"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if d.pids {
		if err := d.write("pids.max", strconv.Itoa(s.Pids+slack)); err != nil {
			return err
		}
	}
	if d.cpu {
		if err := d.write("cpu.weight", strconv.Itoa(s.CPUWeight)); err != nil {
			return err
		}
		if s.CPU > 0 {
			return d.write("cpu.max", quota(s.CPU)+" 100000")
		}
	}
	return nil
}

// quota is CPU time in microseconds of each 100 ms, the default period of both versions.
func quota(cpu float64) string { return strconv.Itoa(max(1000, int(cpu*100_000))) }

// freeze has all processes of the group stop or continue. They do so when they are next to run.
func (g *group) freeze(frozen bool) error {
	for _, d := range g.dirs {
		switch {
		case d.base.freeze && d.base.v2 && frozen:
			return d.write("cgroup.freeze", "1")
		case d.base.freeze && d.base.v2:
			return d.write("cgroup.freeze", "0")
		case d.base.freeze && frozen:
			return d.write("freezer.state", "FROZEN")
		case d.base.freeze:
			return d.write("freezer.state", "THAWED")
		}
	}
	return errors.ErrUnsupported
}

// frozen waits until freeze has stopped them. done is closed when there are none left to wait for.
func (g *group) frozen(done <-chan struct{}) error {
	for _, d := range g.dirs {
		if d.base.freeze {
			return d.frozen(done)
		}
	}
	return nil
}

func (d groupDir) frozen(done <-chan struct{}) error {
	file, want := "freezer.state", "FROZEN\n"
	if d.base.v2 {
		file, want = "cgroup.events", "frozen 1\n"
	}
	for wait := time.Microsecond; ; wait = min(2*wait, time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(d.path, file))
		if err != nil {
			return err
		}
		if bytes.HasSuffix(b, []byte(want)) || bytes.Contains(b, []byte("\n"+want)) {
			return nil
		}
		select {
		case <-done:
			return ErrClosed
		case <-time.After(wait):
		}
	}
}

// oomKills is how many processes the kernel has killed for want of memory.
func (g *group) oomKills() int {
	for _, d := range g.dirs {
		if !d.memory {
			continue
		}
		file := "memory.oom_control"
		if d.base.v2 {
			file = "memory.events"
		}
		b, _ := os.ReadFile(filepath.Join(d.path, file))
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
				n, _ := strconv.Atoi(v)
				return n
			}
		}
	}
	return 0
}

// oomWhole says whether want of memory kills the whole group at once (version 2, Linux 4.19).
func (g *group) oomWhole() bool {
	for _, d := range g.dirs {
		if d.memory && d.base.v2 {
			b, _ := os.ReadFile(filepath.Join(d.path, "memory.oom.group"))
			return strings.TrimSpace(string(b)) == "1"
		}
	}
	return false
}

// memoryPeak is the most memory the group has used.
func (g *group) memoryPeak() (int64, error) {
	for _, d := range g.dirs {
		if !d.memory {
			continue
		}
		files := []string{"memory.max_usage_in_bytes"}
		if d.base.v2 {
			files = []string{"memory.peak", "memory.current"} // memory.peak: Linux 5.19
		}
		var err error
		for _, f := range files {
			var b []byte
			if b, err = os.ReadFile(filepath.Join(d.path, f)); err == nil {
				return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
			}
		}
		return 0, err
	}
	return 0, errors.ErrUnsupported
}

// remove removes the group, which must be empty of processes.
func (g *group) remove() error {
	var errs []error
	for _, d := range g.dirs {
		errs = append(errs, removeGroup(d.path))
	}
	return errors.Join(errs...)
}

func (d groupDir) write(file, val string) error {
	f, err := os.OpenFile(filepath.Join(d.path, file), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	_, err = f.WriteString(val)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cgroup: %s = %s: %w", file, val, err)
	}
	return nil
}
