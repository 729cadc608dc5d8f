package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawner starts processes from one thread that lives as long as the host. The kernel kills a
// sandbox when the *thread* that started it ends, and Go ends threads as it likes.
type spawner struct {
	jobs chan func()
	init *os.File // the init program
	argv []string
	user bool // make a user namespace too
}

// openSpawner finds the init program: the given one, the embedded one, or the program itself.
func openSpawner(o Options, user bool) (*spawner, string, error) {
	p := &spawner{jobs: make(chan func()), argv: []string{selfName}, user: user}
	kind := ""
	var err error
	switch b := embeddedInit(); {
	case o.Init != "":
		kind = o.Init
		p.init, err = os.Open(o.Init)
	case b != nil:
		kind = "embedded"
		p.init, err = sealed(b)
	case o.Self.ok:
		kind = "self"
		p.init, err = os.Open("/proc/self/exe")
	default:
		err = fmt.Errorf("%w: this program was built without the sandbox's init program: "+
			"run `go run ./sandbox/build` before `go build`, or call sandbox.MaybeInit first in main", ErrUnavailable)
	}
	if err != nil {
		return nil, "", fmt.Errorf("sandbox: init program: %w", err)
	}
	go lockedThread(p.jobs)
	return p, kind, nil
}

// sealed puts a program into memory where nobody can change it: it needs no folder that allows
// execution, and a sandbox that finds its way to /proc/1/exe finds it read-only for ever.
func sealed(program []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("tule-sandbox-init", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("tule-sandbox-init", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "init")
	if _, err := f.Write(program); err != nil {
		f.Close()
		return nil, err
	}
	if err := seal(fd); err != nil {
		f.Close()
		return nil, fmt.Errorf("sealing: %w", err)
	}
	// A file that is open for writing cannot be executed; this descriptor is, so by a new one.
	defer f.Close()
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
}

// seal makes what lies in memory unchangeable. Linux refuses as long as a page is held
// elsewhere: it waits a third of a second for that itself, which on a busy machine is not
// always enough.
func seal(fd int) (err error) {
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	for range 20 {
		if _, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	return err
}

// start forks the init program into new namespaces, with control as its descriptor 3 and, where
// there is one, cgroup as the version 2 group that it is born in.
func (p *spawner) start(control, cgroup *os.File) (pid int, err error) {
	attr := &syscall.ProcAttr{
		Env:   []string{"GOMAXPROCS=2", "GOGC=off"},
		Files: []uintptr{0, 0, 2, control.Fd()},
		Sys: &syscall.SysProcAttr{
			Setsid:     true,
			Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET,
		},
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	attr.Files[0], attr.Files[1] = null.Fd(), null.Fd()
	if cgroup != nil {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(cgroup.Fd())
	}
	if p.user {
		attr.Sys.Cloneflags |= unix.CLONE_NEWUSER
		attr.Sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: functionUID, HostID: os.Geteuid(), Size: 1}}
		attr.Sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: functionGID, HostID: os.Getegid(), Size: 1}}
		// Not being root in there, it keeps by this what it needs to build the walls.
		for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
			attr.Sys.AmbientCaps = append(attr.Sys.AmbientCaps, c)
		}
	}
	path := fmt.Sprintf("/proc/self/fd/%d", p.init.Fd())
	done := make(chan struct{})
	p.jobs <- func() {
		defer close(done)
		pid, err = syscall.ForkExec(path, p.argv, attr)
	}
	<-done
	runtime.KeepAlive(control)
	runtime.KeepAlive(cgroup)
	return pid, err
}

func (p *spawner) close() {
	close(p.jobs)
	p.init.Close()
}
