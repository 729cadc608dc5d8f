package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tree is one mounted cgroup hierarchy. A machine of version 1 has one for each controller or pair
// of them, one of version 2 has a single one, and many have both: version 1 for the controllers and
// version 2 for processes only.
type tree struct {
	v2          bool
	controllers []string // version 1: what is mounted there; version 2: what could be enabled
	mount       string   // where it is mounted
	own         string   // where this process is in it; mount when that is out of sight
}

// parseTrees reads /proc/self/mountinfo and /proc/self/cgroup.
func parseTrees(mountinfo, self string) []tree {
	own := map[string]string{} // controller, or "" for version 2 → path
	for line := range strings.Lines(self) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		for c := range strings.SplitSeq(f[1], ",") {
			own[c] = f[2]
		}
	}
	var out []tree
	seen := map[string]bool{}
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(g) < 3 || seen[f[4]] {
			continue
		}
		t := tree{mount: unescape(f[4]), v2: g[0] == "cgroup2"}
		path, here := "", false
		switch {
		case t.v2:
			path, here = own[""]
		case g[0] == "cgroup":
			for c := range strings.SplitSeq(g[2], ",") {
				if p, ok := own[c]; ok && !strings.HasPrefix(c, "name=") {
					path, here = p, true
					t.controllers = append(t.controllers, c)
				}
			}
		}
		if !here {
			continue
		}
		seen[f[4]] = true
		t.own = t.mount
		// The mount may show a part of the tree only (f[3]); a path outside of it starts with "/..".
		if rel, err := filepath.Rel(unescape(f[3]), path); err == nil && !strings.HasPrefix(rel, "..") && !strings.Contains(path, "/..") {
			t.own = filepath.Join(t.mount, rel)
		}
		if t.v2 {
			b, _ := os.ReadFile(filepath.Join(t.mount, "cgroup.controllers"))
			t.controllers = strings.Fields(string(b))
		}
		out = append(out, t)
	}
	return out
}

// unescape undoes mountinfo's octal escapes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// cgroups is the place, in each hierarchy that is of use, where this host's groups are made.
type cgroups struct {
	bases []base
}

// base is the host's own folder in one hierarchy.
type base struct {
	dir    string
	v2     bool
	memory bool
	pids   bool
	cpu    bool
	freeze bool
}

// openCgroups makes the folder called name in every hierarchy of use, beneath this process's own
// group, or at the top where that cannot be (a version 2 group with processes has no groups with
// limits beneath it). Hierarchies that cannot be written are left out: why is the second result.
func openCgroups(trees []tree, name string) (*cgroups, error) {
	c := &cgroups{}
	var why []error
	frozen := false
	for _, t := range trees { // version 2 first: its freezer is the better one
		if !t.v2 {
			continue
		}
		b, err := openV2(t, name)
		if err != nil {
			why = append(why, err)
			continue
		}
		frozen = frozen || b.freeze
		c.bases = append(c.bases, b)
	}
	for _, t := range trees {
		if t.v2 {
			continue
		}
		b := base{}
		for _, ctl := range t.controllers {
			b.memory = b.memory || ctl == "memory" && !c.has(func(b base) bool { return b.memory })
			b.pids = b.pids || ctl == "pids" && !c.has(func(b base) bool { return b.pids })
			b.cpu = b.cpu || ctl == "cpu" && !c.has(func(b base) bool { return b.cpu })
			b.freeze = b.freeze || ctl == "freezer" && !frozen
		}
		if !b.memory && !b.pids && !b.cpu && !b.freeze {
			continue
		}
		dir, err := mkdirFirst(name, t.own, t.mount)
		if err != nil {
			why = append(why, err)
			continue
		}
		b.dir = dir
		c.bases = append(c.bases, b)
	}
	for _, b := range c.bases {
		if b.cpu {
			why = append(why, b.weigh(runtime.NumCPU()))
		}
	}
	return c, errors.Join(why...)
}

// weigh gives all groups together the weight of one process for each processor: the folder has
// the machine's processes beside it, and would otherwise weigh as much as one of them.
func (b base) weigh(processors int) error {
	d := groupDir{b, b.dir}
	if b.v2 {
		return d.write("cpu.weight", weightV2(processors))
	}
	return d.write("cpu.shares", strconv.Itoa(min(1<<18, 1024*processors)))
}

// weightV2 is the weight of one process for each processor, in version 2.
func weightV2(processors int) string { return strconv.Itoa(min(10000, 100*processors)) }

// mkdirFirst makes name in the first of the places that allows it.
func mkdirFirst(name string, places ...string) (string, error) {
	var err error
	for _, p := range places {
		dir := filepath.Join(p, name)
		e := os.Mkdir(dir, 0o755)
		if e == nil || errors.Is(e, fs.ErrExist) {
			return dir, nil
		}
		err = e
	}
	return "", err
}

func (c *cgroups) has(f func(base) bool) bool {
	for _, b := range c.bases {
		if f(b) {
			return true
		}
	}
	return false
}

// version names what provides a limit, for Features.
func (c *cgroups) version(f func(base) bool) string {
	for _, b := range c.bases {
		if f(b) && b.v2 {
			return "cgroup v2"
		} else if f(b) {
			return "cgroup v1"
		}
	}
	return ""
}

// dirs are the host's own folders.
func (c *cgroups) dirs() []string {
	var out []string
	for _, b := range c.bases {
		out = append(out, b.dir)
	}
	return out
}

// close removes the host's own folders.
func (c *cgroups) close() error {
	var errs []error
	for _, b := range c.bases {
		errs = append(errs, removeGroup(b.dir))
	}
	return errors.Join(errs...)
}

// sweep kills all that lives beneath dir, a folder that a predecessor made, and removes it.
func sweep(dir string) error {
	subs, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range subs {
		if e.IsDir() {
			errs = append(errs, sweep(filepath.Join(dir, e.Name())))
		}
	}
	_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
	// Version 1's frozen processes take no signal: kill, then thaw.
	for range 100 {
		b, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		pids := strings.Fields(string(b))
		if len(pids) == 0 {
			break
		}
		for _, p := range pids {
			if n, err := strconv.Atoi(p); err == nil && n > 1 && n != os.Getpid() {
				if proc, err := os.FindProcess(n); err == nil {
					_ = proc.Kill()
				}
			}
		}
		_ = os.WriteFile(filepath.Join(dir, "freezer.state"), []byte("THAWED"), 0)
		time.Sleep(time.Millisecond)
	}
	return errors.Join(append(errs, removeGroup(dir))...)
}

// removeGroup removes an empty group. The kernel may need a moment after the last process of it.
func removeGroup(dir string) error {
	var err error
	for i := range 50 {
		if err = os.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(time.Duration(i) * 100 * time.Microsecond)
	}
	return fmt.Errorf("cgroup: %w", err)
}
