package inside

import (
	"syscall"
	"unsafe"

	"github.com/tule-cloud/tule/sandbox/plan"
	"golang.org/x/sys/unix"
)

// dieWithParent asks the kernel for SIGKILL when the thread that started this process ends. The
// kernel forgets the wish whenever credentials change.
func dieWithParent() {
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}

// drop gives up every privilege for good: the bounding and ambient sets, groups, ids and
// capabilities, and the way back through set-user-id programs.
func drop(uid, gid int) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	// Kernels before 4.3 have no ambient set, and then nothing to clear.
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	for c := uintptr(0); ; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if err == unix.EINVAL && c > 0 {
			break // past the kernel's last one
		}
		if err != nil {
			return err
		}
	}
	// In a user namespace the ids are right from the start.
	if unix.Getuid() != uid || unix.Getgid() != gid {
		if err := become(uid, gid); err != nil {
			return err
		}
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&hdr, &none[0]); err != nil {
		return err
	}
	if err := dropOthers(&hdr, &none, uid, gid); err != nil {
		return err
	}
	// This process' memory and /proc files are none of the program's business, though they share a user.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	dieWithParent()
	return nil
}

// become changes this thread's ids, and no other's: all of them would be three rounds of stopping
// the world, which a start can be spared.
func become(uid, gid int) error {
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); e != 0 {
		return e
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); e != 0 {
		return e
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
		return e
	}
	return nil
}

// dropOthers takes the capabilities from the other threads of this process. They run nothing of the
// program; this is so that nothing in here could do what the program cannot.
func dropOthers(hdr *unix.CapUserHeader, none *[2]unix.CapUserData, uid, gid int) error {
	_, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(hdr)), uintptr(unsafe.Pointer(none)), 0)
	if e != unix.ENOTSUP {
		if e != 0 {
			return e
		}
		return nil
	}
	// In a program that C is linked into (never the init program), only the C library can do that,
	// and only this way: without its ids, root's capabilities go.
	if err := syscall.Setresgid(gid, gid, gid); err != nil {
		return err
	}
	return syscall.Setresuid(uid, uid, uid)
}

// seccomp installs the filter on every thread. Each system call's fate is then decided by it, for
// this process and all that come from it.
func seccomp(filter string) error {
	if len(filter) == 0 || len(filter)%8 != 0 {
		return unix.EINVAL
	}
	prog := make([]unix.SockFilter, len(filter)/8)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&prog[0])), len(filter)), filter)
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&fprog)))
	if e != 0 {
		return e
	}
	return nil
}

// landlock restricts this thread, and the program forked from it, to the given rules.
func landlock(handled, scoped uint64, allow []plan.Op) error {
	attr := struct{ fs, net, scoped uint64 }{fs: handled, scoped: scoped}
	size := unsafe.Sizeof(attr)
	if scoped == 0 {
		size = unsafe.Sizeof(handled) // what the first version knows
	}
	ruleset, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if e != 0 {
		return e
	}
	defer unix.Close(int(ruleset))
	for _, o := range allow {
		fd, err := unix.Open(o.A, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		// struct landlock_path_beneath_attr is packed: 12 bytes.
		var rule [12]byte
		*(*uint64)(unsafe.Pointer(&rule[0])) = o.N & handled
		*(*int32)(unsafe.Pointer(&rule[8])) = int32(fd)
		_, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset, unix.LANDLOCK_RULE_PATH_BENEATH,
			uintptr(unsafe.Pointer(&rule[0])), 0, 0, 0)
		unix.Close(fd)
		if e != 0 {
			return e
		}
	}
	if _, _, e := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); e != 0 {
		return e
	}
	return nil
}
