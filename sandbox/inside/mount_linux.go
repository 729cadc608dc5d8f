package inside

import (
	"unsafe"

	"github.com/tule-cloud/tule/sandbox/plan"
	"golang.org/x/sys/unix"
)

const guard = unix.MS_NOSUID | unix.MS_NODEV

// mount carries out the operations that build the new root.
func (b *builder) mount(o plan.Op) error {
	switch o.Kind {
	case plan.Root:
		b.root = o.A
		return unix.Mount("tmpfs", o.A, "tmpfs", unix.MS_NOSUID, "mode=755,size="+itoa(o.N))
	case plan.Dir:
		if err := b.parents(o.A, true); err != nil {
			return err
		}
		return unix.Chmod(b.at(o.A), uint32(o.N))
	case plan.Symlink:
		if err := b.parents(o.B, false); err != nil {
			return err
		}
		return unix.Symlink(o.A, b.at(o.B))
	case plan.File:
		if err := b.parents(o.A, false); err != nil {
			return err
		}
		return writeFile(b.at(o.A), o.B, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW, uint32(o.N))
	case plan.Device:
		return b.device(o)
	case plan.Bind:
		return b.bind(o.A, o.B, o.N)
	case plan.Rebind:
		return b.bind(b.at(o.A), o.B, 0)
	case plan.Tmpfs:
		if err := b.parents(o.A, true); err != nil {
			return err
		}
		opts := o.B + ",uid=" + itoa(o.N>>32) + ",gid=" + itoa(o.N&0xffffffff)
		return unix.Mount("tmpfs", b.at(o.A), "tmpfs", guard, opts)
	case plan.Proc:
		if err := b.parents(o.A, true); err != nil {
			return err
		}
		return unix.Mount("proc", b.at(o.A), "proc", guard|unix.MS_NOEXEC|unix.MS_RDONLY, "")
	case plan.Overlay:
		if err := b.parents(o.B, true); err != nil {
			return err
		}
		return overlay(o.A, b.at(o.B))
	case plan.Move:
		if err := b.parents(o.B, true); err != nil {
			return err
		}
		return unix.Mount(b.at(o.A), b.at(o.B), "", unix.MS_MOVE, "")
	case plan.Enter:
		b.root = b.at(o.A)
		return nil
	case plan.Pivot:
		return b.pivot()
	}
	return unix.ENOSYS
}

// at is the host's path of a path inside.
func (b *builder) at(p string) string { return b.root + p }

// parents makes the folders above p, and p itself when all is set. It follows no symbolic link:
// a function's code may contain links, and nothing may be made where one points to.
func (b *builder) parents(p string, all bool) error {
	for i := 1; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' || i == len(p) && !all {
			continue
		}
		var st unix.Stat_t
		switch err := unix.Lstat(b.at(p[:i]), &st); {
		case err == unix.ENOENT:
			if err := unix.Mkdir(b.at(p[:i]), 0o755); err != nil {
				return err
			}
			// Not left to the umask.
			if err := unix.Chmod(b.at(p[:i]), 0o755); err != nil {
				return err
			}
		case err != nil:
			return err
		case st.Mode&unix.S_IFMT == unix.S_IFLNK:
			return unix.ELOOP
		case st.Mode&unix.S_IFMT != unix.S_IFDIR:
			return unix.ENOTDIR
		}
	}
	return nil
}

// device makes a device node, or binds the host's where making one is not allowed (in a user
// namespace, under a device cgroup).
func (b *builder) device(o plan.Op) error {
	at := "/dev/" + o.A
	if err := b.parents(at, false); err != nil {
		return err
	}
	err := unix.Mknod(b.at(at), unix.S_IFCHR|0o666, int(unix.Mkdev(uint32(o.N), uint32(o.M))))
	if err == nil {
		return unix.Chmod(b.at(at), 0o666)
	}
	if err := writeFile(b.at(at), "", unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW, 0o666); err != nil {
		return err
	}
	return unix.Mount("/dev/"+o.A, b.at(at), "", unix.MS_BIND, "")
}

// bind shows the host's path src at dst, with everything that is mounted beneath it.
func (b *builder) bind(src, dst string, flags uint64) error {
	var st unix.Stat_t
	if err := unix.Stat(src, &st); err != nil {
		if err == unix.ENOENT && flags&plan.Optional != 0 {
			return nil
		}
		return err
	}
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if err := b.parents(dst, isDir); err != nil {
		return err
	}
	if !isDir {
		var at unix.Stat_t
		switch err := unix.Lstat(b.at(dst), &at); {
		case err == unix.ENOENT:
			if err := writeFile(b.at(dst), "", unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW, 0o644); err != nil {
				return err
			}
		case err != nil:
			return err
		case at.Mode&unix.S_IFMT == unix.S_IFLNK:
			return unix.ELOOP
		}
	}
	err := bindTree(src, b.at(dst), flags)
	if err == unix.ENOSYS {
		return bindOld(src, b.at(dst), flags)
	}
	return err
}

// bindTree attaches a private copy of the mounts at src, restricted before anyone can see it.
// Linux 5.12.
func bindTree(src, dst string, flags uint64) error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, src, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID, Propagation: unix.MS_PRIVATE}
	if flags&plan.Devices == 0 {
		attr.Attr_set |= unix.MOUNT_ATTR_NODEV
	}
	if flags&plan.Writable == 0 {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if flags&plan.NoExec != 0 {
		attr.Attr_set |= unix.MOUNT_ATTR_NOEXEC
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return err
	}
	return unix.MoveMount(fd, "", unix.AT_FDCWD, dst, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// bindOld is bindTree for older kernels. They restrict one mount at a time, so mounts beneath src
// are left out; where the kernel insists on them (they are locked together in a user namespace),
// the bind is refused rather than left open beneath.
func bindOld(src, dst string, flags uint64) error {
	if err := unix.Mount(src, dst, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	f := uintptr(guard)
	if flags&plan.Devices != 0 {
		f = unix.MS_NOSUID
	}
	if flags&plan.Writable == 0 {
		f |= unix.MS_RDONLY
	}
	if flags&plan.NoExec != 0 {
		f |= unix.MS_NOEXEC
	}
	return remount(dst, f)
}

// overlay shows folders as one, read-only: of several files of a name the first folder's. They are
// named by descriptors, since the mount's own options tell their names to whoever reads them, and
// the kernel takes no more than a page of those.
func overlay(folders, at string) error {
	lower := ""
	for len(folders) > 0 {
		n := 0
		for n < len(folders) && folders[n] != 0 {
			n++
		}
		fd, err := unix.Open(folders[:n], unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if lower != "" {
			lower += ":"
		}
		lower += "/proc/self/fd/" + itoa(uint64(fd))
		folders = folders[min(n+1, len(folders)):]
	}
	return unix.Mount("overlay", at, "overlay", guard|unix.MS_RDONLY, "lowerdir="+lower)
}

// remount sets a mount's flags, keeping those that a user namespace has locked.
func remount(at string, flags uintptr) error {
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return err
	}
	// The ST_ flags that statfs reports have the values of their MS_ twins, up to noatime and nodiratime.
	const twins = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME
	kept := uintptr(st.Flags) & twins
	if st.Flags&0x1000 != 0 { // ST_RELATIME
		kept |= unix.MS_RELATIME
	}
	return unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|flags|kept, "")
}

// pivot enters the new root and lets go of the old one, which then is mounted nowhere in here.
func (b *builder) pivot() error {
	if err := unix.Chdir(b.root); err != nil {
		return err
	}
	// The root on top of itself, then away with the lower one: no folder is needed for the old root.
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	b.root = ""
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	return remount("/", unix.MS_RDONLY|unix.MS_NOSUID)
}

func writeFile(path, content string, flags int, mode uint32) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, mode)
	if err != nil {
		return err
	}
	if flags&unix.O_CREAT != 0 {
		if err := unix.Fchmod(fd, mode); err != nil {
			unix.Close(fd)
			return err
		}
	}
	for p := unsafe.Slice(unsafe.StringData(content), len(content)); len(p) > 0; {
		n, err := unix.Write(fd, p)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			unix.Close(fd)
			return err
		}
		p = p[n:]
	}
	return unix.Close(fd)
}
