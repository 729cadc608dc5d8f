package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// openV2 makes this host's folder in a version 2 hierarchy and enables there what can be: first in
// this process's own group, as systemd delegates it, else at the top.
func openV2(t tree, name string) (base, error) {
	var best base
	var why error
	for _, place := range []string{t.own, t.mount} {
		b, err := tryV2(t, place, name)
		if err != nil {
			why = err
			continue
		}
		score := func(b base) int { return n(b.dir != "") + n(b.memory) + n(b.pids) + n(b.cpu) }
		switch {
		case best.dir == b.dir:
		case score(b) > score(best):
			if best.dir != "" {
				_ = os.Remove(best.dir)
			}
			best = b
		default:
			_ = os.Remove(b.dir)
		}
	}
	if best.dir == "" {
		return base{}, why
	}
	return best, nil
}

func n(b bool) int {
	if b {
		return 1
	}
	return 0
}

// tryV2 makes name in the group at place and enables the controllers on the way.
func tryV2(t tree, place, name string) (base, error) {
	wanted := []string{}
	for _, c := range []string{"memory", "pids", "cpu"} {
		if slices.Contains(t.controllers, c) {
			wanted = append(wanted, c)
		}
	}
	if err := enable(place, wanted); errors.Is(err, syscall.EBUSY) {
		// A group with processes cannot have controlled groups beneath it. When this process is the
		// only one (a service of its own), it makes room by moving one down.
		if alone(place) {
			leaf := filepath.Join(place, "tule")
			if err := os.Mkdir(leaf, 0o755); err == nil || errors.Is(err, os.ErrExist) {
				_ = os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
				_ = enable(place, wanted)
				_ = groupDir{path: leaf}.write("cpu.weight", weightV2(runtime.NumCPU())) // as much as what it runs
			}
		}
	}
	dir, err := mkdirFirst(name, place)
	if err != nil {
		return base{}, err
	}
	have, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	wanted = slices.DeleteFunc(wanted, func(c string) bool { return !slices.Contains(strings.Fields(string(have)), c) })
	if len(wanted) > 0 {
		if err := enable(dir, wanted); err != nil {
			wanted = nil
		}
	}
	_, err = os.Stat(filepath.Join(dir, "cgroup.freeze")) // Linux 5.2; not at the top
	return base{
		dir: dir, v2: true, freeze: err == nil,
		memory: slices.Contains(wanted, "memory"), pids: slices.Contains(wanted, "pids"), cpu: slices.Contains(wanted, "cpu"),
	}, nil
}

// enable gives the groups beneath dir the controllers.
func enable(dir string, controllers []string) error {
	for _, c := range controllers {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0); err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
	}
	return nil
}

// alone says whether this process is the only one in the group.
func alone(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	return err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(os.Getpid())
}
