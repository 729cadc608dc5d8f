//go:build amd64 || arm64

package sandbox

import (
	"net/netip"
	"os"
	"syscall"

	"github.com/tule-cloud/tule/sandbox/plan"
	"golang.org/x/sys/unix"
)

// countSpawns is the number of the companion that the next Spawn starts.
func countSpawns(ops []plan.Op) (n int) {
	for _, o := range ops {
		if o.Kind == plan.Spawn {
			n++
		}
	}
	return n
}

// programEnded notes how the program ended. Where it has companions, which live on, that is told at once.
func (j *jail) programEnded(e Exit) {
	j.mu.Lock()
	j.end = &e
	s := j.sandbox
	j.mu.Unlock()
	if s == nil || len(s.spec.Companions) == 0 {
		return
	}
	e.OOMKills = j.group.oomKills()
	e.OOM = e.OOMKills > 0 && e.Signal == syscall.SIGKILL
	s.programOver(e)
}

func (j *jail) companionEnded(number int, ws syscall.WaitStatus) {
	j.mu.Lock()
	s := j.sandbox
	j.mu.Unlock()
	if s == nil || number >= len(s.spec.Companions) || s.spec.Companions[number].Ended == nil {
		return
	}
	e := Exit{Code: ws.ExitStatus()}
	if ws.Signaled() {
		e = Exit{Signal: ws.Signal()}
	}
	e.OOMKills = j.group.oomKills()
	e.OOM = e.OOMKills > 0 && e.Signal == syscall.SIGKILL
	s.spec.Companions[number].Ended(e)
}

// socket implements cell.
func (j *jail) socket() (f *os.File, err error) {
	if j.engine.found.User {
		return j.socketFrom('c', netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	}
	err = inNetwork(j.netns, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err == nil {
			f = os.NewFile(uintptr(fd), "socket")
		}
		return os.NewSyscallError("socket", err)
	})
	return f, err
}
