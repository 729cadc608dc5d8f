package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fake makes a cgroup file system of plain files: lines "PATH content", a folder when PATH ends in /.
func fake(t *testing.T, files ...string) string {
	t.Helper()
	top := t.TempDir()
	plant(t, top, files...)
	return top
}

func plant(t *testing.T, top string, files ...string) {
	t.Helper()
	for _, l := range files {
		path, content, _ := strings.Cut(l, " ")
		p := filepath.Join(top, path)
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		if strings.HasSuffix(path, "/") {
			err = os.MkdirAll(p, 0o755)
		} else if err == nil {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func content(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestParseTrees(t *testing.T) {
	const v1 = `25 20 0:22 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro
31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct
33 25 0:29 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
34 25 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
35 25 0:31 / /with\040space rw - cgroup2 cgroup2 rw
bad line
`
	const self = "9:name=systemd:/x\n4:memory:/user/me\n3:cpu,cpuacct:/\n2:pids:/docker/abc/def\n0::/init.scope\nbad\n"
	var got []string
	for _, tr := range parseTrees(v1, self) {
		got = append(got, strings.Join([]string{tr.mount, tr.own, strings.Join(tr.controllers, "+")}, " "))
	}
	want := []string{
		"/sys/fs/cgroup/memory /sys/fs/cgroup/memory/user/me memory",
		"/sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct cpu+cpuacct",
		"/sys/fs/cgroup/pids /sys/fs/cgroup/pids/def pids",
		"/with space /with space/init.scope ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// A group that the mount does not show.
	for _, path := range []string{"/../other", "/elsewhere"} {
		trs := parseTrees("33 25 0:29 /docker/abc /cg rw - cgroup cgroup rw,pids\n", "2:pids:"+path+"\n")
		if len(trs) != 1 || trs[0].own != "/cg" {
			t.Errorf("%s: %+v", path, trs)
		}
	}
}

func TestV2(t *testing.T) {
	top := fake(t, "cgroup.controllers cpu memory pids io", "svc/cgroup.procs 1", "svc/cgroup.subtree_control ",
		"svc/tule-x/cgroup.controllers cpu memory pids", "svc/tule-x/cgroup.freeze 0", "svc/tule-x/cpu.weight 100")
	c, err := openCgroups([]tree{{v2: true, controllers: []string{"cpu", "memory", "pids", "io"}, mount: top, own: top + "/svc"}}, "tule-x")
	if err != nil || len(c.bases) != 1 {
		t.Fatal(c, err)
	}
	want := base{dir: top + "/svc/tule-x", v2: true, memory: true, pids: true, cpu: true, freeze: true}
	if c.bases[0] != want {
		t.Errorf("%+v", c.bases[0])
	}
	if got := content(t, top, "svc/tule-x/cpu.weight"); got != strconv.Itoa(100*runtime.NumCPU()) {
		t.Error("all sandboxes together weigh ", got)
	}
	if got := c.version(func(b base) bool { return b.memory }); got != "cgroup v2" {
		t.Error(got)
	}
	g, err := c.create("1")
	if err != nil {
		t.Fatal(err)
	}
	dir := g.v2()
	plant(t, dir, "memory.max max", "memory.swap.max max", "memory.oom.group 0", "pids.max max", "cpu.weight 100", "cpu.max max",
		"memory.events low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 1\n", "memory.current 4096",
		"cgroup.freeze 0", "cgroup.events populated 1\nfrozen 1\n", "cgroup.procs ")
	if err := g.limit(Spec{Memory: 128 << 20, Pids: 100, CPU: 0.5, CPUWeight: 50}); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"memory.max": "134217728", "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "116", "cpu.weight": "50", "cpu.max": "50000 100000",
	} {
		if got := content(t, dir, file); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
	if !g.oomWhole() {
		t.Error("want of memory does not kill the whole group")
	}
	if got := g.oomKills(); got != 2 {
		t.Error(got)
	}
	if got, err := g.memoryPeak(); err != nil || got != 4096 {
		t.Error(got, err)
	}
	plant(t, dir, "memory.peak 8192")
	if got, err := g.memoryPeak(); err != nil || got != 8192 {
		t.Error(got, err)
	}
	if err := g.attach(1); err != nil || content(t, dir, "cgroup.procs") != "" {
		t.Error("a process is born into a version 2 group, not moved: ", err)
	}
	done := make(chan struct{})
	if err := errors.Join(g.freeze(true), g.frozen(done)); err != nil || content(t, dir, "cgroup.freeze") != "1" {
		t.Error(err)
	}
	if err := g.freeze(false); err != nil || content(t, dir, "cgroup.freeze") != "0" {
		t.Error(err)
	}
	plant(t, dir, "cgroup.events populated 0\nfrozen 0\n")
	close(done)
	if err := g.frozen(done); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestV1(t *testing.T) {
	top := fake(t, "memory/me/", "pids/", "cpu/tule-x/cpu.shares 1024", "freezer/", "blkio/")
	var trees []tree
	for _, ctl := range []string{"memory", "pids", "cpu", "freezer", "blkio"} {
		trees = append(trees, tree{controllers: []string{ctl}, mount: top + "/" + ctl, own: top + "/" + ctl})
	}
	trees[0].own += "/me"
	c, err := openCgroups(trees, "tule-x")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.ReplaceAll(strings.Join(c.dirs(), " "), top, ""); got != "/memory/me/tule-x /pids/tule-x /cpu/tule-x /freezer/tule-x" {
		t.Error(got)
	}
	if got := content(t, top, "cpu/tule-x/cpu.shares"); got != strconv.Itoa(1024*runtime.NumCPU()) {
		t.Error("all sandboxes together weigh ", got)
	}
	g, err := c.create("1")
	if err != nil {
		t.Fatal(err)
	}
	plant(t, top, "memory/me/tule-x/1/memory.limit_in_bytes x", "memory/me/tule-x/1/cgroup.procs ", "pids/tule-x/1/pids.max max",
		"pids/tule-x/1/cgroup.procs ", "cpu/tule-x/1/cpu.shares 1024", "cpu/tule-x/1/cpu.cfs_quota_us -1", "cpu/tule-x/1/cgroup.procs ",
		"freezer/tule-x/1/freezer.state FROZEN\n", "freezer/tule-x/1/cgroup.procs ",
		"memory/me/tule-x/1/memory.oom_control oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", "memory/me/tule-x/1/memory.max_usage_in_bytes 77")
	if err := g.limit(Spec{Memory: 1 << 20, Pids: 10, CPU: 2, CPUWeight: 200}); err != nil { // no memsw here
		t.Fatal(err)
	}
	if err := g.attach(42); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"memory/me/tule-x/1/memory.limit_in_bytes": "1048576", "pids/tule-x/1/pids.max": "26", "cpu/tule-x/1/cpu.shares": "2048",
		"cpu/tule-x/1/cpu.cfs_quota_us": "200000", "memory/me/tule-x/1/cgroup.procs": "42", "freezer/tule-x/1/cgroup.procs": "42",
	} {
		if got := content(t, top, file); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
	plant(t, top, "memory/me/tule-x/1/memory.memsw.limit_in_bytes x")
	if err := g.limit(Spec{Memory: 1 << 20, Pids: 10, CPUWeight: 1}); err != nil ||
		content(t, top, "memory/me/tule-x/1/memory.memsw.limit_in_bytes") != "1048576" || content(t, top, "cpu/tule-x/1/cpu.shares") != "10" {
		t.Error(err)
	}
	if g.oomKills() != 1 || g.oomWhole() || g.v2() != "" {
		t.Error(g.oomKills(), g.oomWhole(), g.v2())
	}
	if n, err := g.memoryPeak(); n != 77 || err != nil {
		t.Error(n, err)
	}
	if err := g.freeze(true); err != nil {
		t.Error(err)
	}
	if got := content(t, top, "freezer/tule-x/1/freezer.state"); got != "FROZEN" {
		t.Error(got)
	}
}

// Where both versions are, each limit is set once, and version 2's freezer is the one used.
func TestBothVersions(t *testing.T) {
	top := fake(t, "memory/", "freezer/", "unified/tule-x/cgroup.freeze 0", "unified/cgroup.controllers ")
	c, err := openCgroups([]tree{
		{controllers: []string{"memory"}, mount: top + "/memory", own: top + "/memory"},
		{controllers: []string{"freezer"}, mount: top + "/freezer", own: top + "/freezer"},
		{v2: true, mount: top + "/unified", own: top + "/unified"},
	}, "tule-x")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.version(func(b base) bool { return b.freeze }); got != "cgroup v2" {
		t.Error(got)
	}
	if got := c.version(func(b base) bool { return b.memory }); got != "cgroup v1" {
		t.Error(got)
	}
	if got := c.version(func(b base) bool { return b.pids }); got != "" {
		t.Error(got)
	}
	if len(c.bases) != 2 {
		t.Error(c.dirs())
	}
}

// What cannot be written is left out, and the reason told.
func TestNoCgroup(t *testing.T) {
	c, err := openCgroups([]tree{{controllers: []string{"memory"}, mount: "/no/such", own: "/no/such/x"}}, "tule-x")
	if len(c.bases) != 0 || !errors.Is(err, os.ErrNotExist) {
		t.Error(c.dirs(), err)
	}
	g, err := c.create("1")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.freeze(true); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := g.memoryPeak(); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if g.oomKills() != 0 {
		t.Error("kills without a group")
	}
}

func TestFreezeWaits(t *testing.T) {
	top := fake(t, "g/cgroup.freeze 0", "g/cgroup.events populated 1\nfrozen 0\n")
	g := &group{dirs: []groupDir{{base{v2: true, freeze: true}, top + "/g"}}}
	errc := make(chan error)
	go func() { errc <- g.frozen(nil) }()
	select {
	case err := <-errc:
		t.Fatal("did not wait: ", err)
	case <-time.After(10 * time.Millisecond):
	}
	plant(t, top, "g/cgroup.events populated 1\nfrozen 1\n")
	if err := <-errc; err != nil {
		t.Error(err)
	}
}
