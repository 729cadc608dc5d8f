package sandbox

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// processAttr puts a plain process into a group of its own that dies with Tule.
func processAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// limitProcess gives a plain process the limits that one without a cgroup can have.
func limitProcess(pid int) {
	_ = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1024, Max: 1024}, nil)
	_ = unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
}
