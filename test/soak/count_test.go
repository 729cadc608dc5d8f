package soak

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// counted is what is counted, in the order in which it is told.
var counted = []string{"processes", "escaped processes", "threads", "namespaces", "mounts", "mounts of the host", "cgroups", "sockets", "descriptors", "goroutines",
	"folders of code", "zip files", "files of sandboxes", "memory, MB"}

// slack is how much more there may be afterwards: threads come and go with what the Go
// runtime needs, memory is held to a bound of its own, and the clients here keep connections,
// each with goroutines, sockets and descriptors.
var slack = map[string]int{"threads": 120, "memory, MB": 1 << 20, "goroutines": 10, "sockets": 4, "descriptors": 10}

// counts are how much there is of each.
type counts map[string]int

// settled waits until there is no more than before, or as long as anything becomes less, and
// gives what there is.
func (l *load) settled(t *testing.T, before counts) counts {
	t.Helper()
	if before == nil {
		time.Sleep(3 * keepAlive) // what was started for the first time is kept for so long
		last := l.count(t)
		for deadline := time.Now().Add(settling); time.Now().Before(deadline); time.Sleep(keepAlive) {
			now := l.count(t)
			if now["processes"] >= last["processes"] && now["goroutines"] >= last["goroutines"] {
				return now
			}
			last = now
		}
		return last
	}
	for deadline := time.Now().Add(settling); ; time.Sleep(time.Second) {
		l.idle()
		now := l.count(t)
		var more []string
		for _, what := range counted {
			if now[what] > before[what]+slack[what] {
				more = append(more, fmt.Sprintf("%d %s, before %d", now[what], what, before[what]))
			}
		}
		if len(more) == 0 {
			return now
		}
		if time.Now().After(deadline) {
			t.Errorf("left behind: %s", strings.Join(more, "; "))
			return now
		}
	}
}

// idle closes the clients' connections that nobody uses.
func (l *load) idle() {
	if c, ok := l.config.HTTPClient.(interface{ GetTransport() *http.Transport }); ok {
		c.GetTransport().CloseIdleConnections()
	}
	http.DefaultClient.CloseIdleConnections()
}

func (l *load) count(t *testing.T) counts {
	t.Helper()
	c := counts{}
	l.processes(c)
	pid := strconv.Itoa(l.house.Pid())
	c["mounts"] = lines(filepath.Join("/proc", pid, "mountinfo"))
	c["mounts of the host"] = lines("/proc/self/mountinfo")
	l.descriptors(c)
	l.folders(c)
	if err := l.told(c); err != nil {
		t.Fatal(err)
	}
	return c
}

func lines(path string) int {
	b, _ := os.ReadFile(path)
	return strings.Count(string(b), "\n")
}

// processes counts Tule's descendants, their namespaces, and processes that bear the mark
// of a function without being one.
func (l *load) processes(c counts) {
	parents := map[int]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 1 {
			parents[pid], _ = strconv.Atoi(f[1])
		}
	}
	ours := func(pid int) bool {
		for range 64 {
			if pid == l.house.Pid() {
				return true
			}
			pid = parents[pid]
		}
		return false
	}
	namespaces := map[string]bool{}
	for pid := range parents {
		dir := "/proc/" + strconv.Itoa(pid)
		if !ours(pid) {
			if env, err := os.ReadFile(dir + "/environ"); err == nil && strings.Contains(string(env), mark+"="+l.mark) {
				c["escaped processes"]++
			}
			continue
		}
		c["processes"]++
		tasks, _ := filepath.Glob(dir + "/task/*")
		c["threads"] += len(tasks)
		for _, task := range tasks {
			links, _ := filepath.Glob(task + "/ns/*")
			for _, link := range links {
				if to, err := os.Readlink(link); err == nil {
					namespaces[to] = true
				}
			}
		}
	}
	c["namespaces"] = len(namespaces)
}

func (l *load) descriptors(c counts) {
	dir := fmt.Sprintf("/proc/%d/fd", l.house.Pid())
	entries, _ := os.ReadDir(dir)
	c["descriptors"] = len(entries)
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			c["sockets"]++
		}
	}
}

// folders counts what lies in the data folder beside the store, and cgroups.
func (l *load) folders(c counts) {
	boots, _ := filepath.Glob(filepath.Join(l.house.Data, "code", "*", "*"))
	c["folders of code"] = len(boots)
	c["zip files"] = files(filepath.Join(l.house.Data, "zips"))
	sandboxes := filepath.Join(l.house.Data, "sandboxes")
	c["files of sandboxes"] = files(sandboxes)
	groups, _ := os.ReadFile(filepath.Join(sandboxes, "cgroups"))
	for dir := range strings.Lines(string(groups)) {
		_ = filepath.WalkDir(strings.TrimSpace(dir), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				c["cgroups"]++
			}
			return nil // it may have gone meanwhile
		})
	}
}

// files is how many files there are below a folder.
func files(dir string) (n int) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return nil // it may have gone meanwhile
	})
	return n
}

// told reads what only the process itself can tell.
func (l *load) told(c counts) error {
	res, err := http.Get(l.house.URL() + "/metrics")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	value := func(name string) (float64, error) {
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, name+" "); ok {
				return strconv.ParseFloat(strings.TrimSpace(v), 64)
			}
		}
		return 0, errors.New("/metrics does not tell " + name)
	}
	goroutines, err := value("go_goroutines")
	if err != nil {
		return err
	}
	resident, err := value("process_resident_memory_bytes")
	if err != nil {
		return err
	}
	c["goroutines"], c["memory, MB"] = int(goroutines), int(resident)>>20
	return nil
}
