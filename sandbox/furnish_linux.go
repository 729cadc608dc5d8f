//go:build amd64 || arm64

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/sandbox/plan"
	"golang.org/x/sys/unix"
)

// The mounts are made here, detached, and moved into the sandbox by a thread of Tule's own that
// enters its mount namespace for that and ends: the processes within have given up every right
// to do so themselves.

// attachable reports whether this process can do that: it is root, and the kernel has detached
// mounts with attributes (5.12).
func attachable(user bool) bool {
	if user {
		return false
	}
	fd, err := detached("/usr")
	if err != nil {
		return false
	}
	return unix.Close(fd) == nil
}

const shown = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// detached is a read-only view of a folder of the host that is mounted nowhere yet.
func detached(path string) (fd int, err error) {
	fd, err = unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("a view of %s: %w", path, err)
	}
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: shown, Propagation: unix.MS_PRIVATE})
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("a read-only view of %s: %w", path, err)
	}
	return fd, nil
}

// merged is the layers as one, mounted nowhere yet. They are named by descriptors: the kernel
// takes no more than 255 bytes for all of them.
func merged(layers []string) (fd int, err error) {
	var short []string
	for _, l := range layers {
		folder, err := unix.Open(l, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, fmt.Errorf("merging layers: %s: %w", l, err)
		}
		defer unix.Close(folder)
		short = append(short, fmt.Sprintf("/proc/self/fd/%d", folder))
	}
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("merging layers: %w", err)
	}
	defer unix.Close(fs)
	if err = unix.FsconfigSetString(fs, "lowerdir", strings.Join(upperFirst(short), ":")); err == nil {
		if err = unix.FsconfigCreate(fs); err == nil {
			fd, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, shown)
		}
	}
	if err != nil {
		return -1, fmt.Errorf("merging layers: %w", err)
	}
	return fd, nil
}

// furnish implements cell.
func (j *jail) furnish(s Spec) error {
	if !j.engine.found.Furnish {
		return errors.ErrUnsupported
	}
	if len(s.Layers) > 1 && !j.engine.found.Overlay {
		return errors.New("more than one layer needs overlayfs, which this kernel does not offer")
	}
	if err := j.group.limit(s); err != nil {
		return err
	}
	mounts := map[string]int{}
	defer func() {
		for _, fd := range mounts {
			unix.Close(fd)
		}
	}()
	var err error
	if s.Code != "" {
		if mounts["/var/task"], err = detached(s.Code); err != nil {
			delete(mounts, "/var/task")
			return err
		}
	}
	switch len(s.Layers) {
	case 0:
	case 1:
		mounts["/opt"], err = detached(s.Layers[0])
	default:
		mounts["/opt"], err = merged(s.Layers)
	}
	if err != nil {
		delete(mounts, "/opt")
		return err
	}
	tmp := !slices.ContainsFunc(s.Mounts, func(m Mount) bool { return m.Inside == "/tmp" })
	return j.inMounts(func() error {
		for at, fd := range mounts {
			if err := unix.MoveMount(fd, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
		}
		user := j.engine.layout.user(s, j.first)
		own := []plan.Op{shm(s, user)}
		if tmp {
			own = append(own, tmpfs("/tmp", s.TmpSize, user))
		}
		for _, o := range own {
			if err := unix.Mount("", o.A, "", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, o.B); err != nil {
				return fmt.Errorf("the size of %s: %w", o.A, err)
			}
		}
		return nil
	})
}

// inMounts runs f on a thread whose root is the sandbox's. The thread is of no use afterwards, and
// ends.
func (j *jail) inMounts(f func() error) error {
	j.kills.Lock()
	if j.gone {
		j.kills.Unlock()
		return ErrClosed
	}
	ns, err := os.Open("/proc/" + strconv.Itoa(j.first) + "/ns/mnt")
	j.kills.Unlock()
	if err != nil {
		return err
	}
	defer ns.Close()
	return onSpentThread(func() error {
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS)
		}
		if err == nil {
			err = f()
		}
		return err
	})
}

// onSpentThread runs f on a thread that ends with it. It is never the process's first one, which
// Go cannot end: left in a sandbox's namespace it would keep that alive, and /proc/self would
// show the sandbox's mounts for Tule's.
func onSpentThread(f func() error) error {
	errc := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and do not unlock: Go ends the thread with this goroutine
		if unix.Gettid() == unix.Getpid() {
			errc <- onSpentThread(f) // on another, since this one is taken
			runtime.UnlockOSThread()
			return
		}
		errc <- f()
	}()
	return <-errc
}
