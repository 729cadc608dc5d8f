//go:build linux && (amd64 || arm64)

package sandbox

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dangerous are the calls that the walls must refuse.
var dangerous = map[string]func() error{
	"mount":          func() error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") },
	"bind":           func() error { return unix.Mount("/usr", "/tmp", "", unix.MS_BIND, "") },
	"remount":        func() error { return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "") },
	"umount":         func() error { return unix.Unmount("/proc", unix.MNT_DETACH) },
	"fsopen":         func() error { return second(unix.Fsopen("tmpfs", 0)) },
	"open_tree":      func() error { return second(unix.OpenTree(unix.AT_FDCWD, "/", 1)) },
	"pivot_root":     func() error { return unix.PivotRoot("/tmp", "/tmp") },
	"chroot":         func() error { return unix.Chroot("/tmp") },
	"unshare user":   func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"unshare net":    func() error { return unix.Unshare(unix.CLONE_NEWNET) },
	"clone user":     func() error { return clone(unix.CLONE_NEWUSER) },
	"clone mount":    func() error { return clone(unix.CLONE_NEWNS) },
	"clone pid":      func() error { return clone(unix.CLONE_NEWPID) },
	"clone net":      func() error { return clone(unix.CLONE_NEWNET) },
	"clone uts":      func() error { return clone(unix.CLONE_NEWUTS) },
	"clone ipc":      func() error { return clone(unix.CLONE_NEWIPC) },
	"clone cgroup":   func() error { return clone(unix.CLONE_NEWCGROUP) },
	"unshare time":   func() error { return unix.Unshare(unix.CLONE_NEWTIME) },
	"unshare files":  func() error { return unix.Unshare(unix.CLONE_FILES) },
	"clone3":         func() error { return raw(unix.SYS_CLONE3, 0, 0, 0) },
	"setns":          func() error { return unix.Setns(0, 0) },
	"setns first":    func() error { return second(os.Open("/proc/1/ns/mnt")) },
	"move_mount":     func() error { return unix.MoveMount(unix.AT_FDCWD, "/usr", unix.AT_FDCWD, "/tmp", 0) },
	"mount_setattr":  func() error { return unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_clr: 1}) },
	"remount tmp":    func() error { return unix.Mount("", "/tmp", "", unix.MS_REMOUNT, "size=1g") },
	"share mounts":   func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "") },
	"swapon":         func() error { return swapon("/tmp/swap") },
	"quotactl":       func() error { return raw(unix.SYS_QUOTACTL, 0, 0, 0) },
	"fanotify_init":  func() error { return second(unix.FanotifyInit(0, 0)) },
	"name_to_handle": func() error { _, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "/tmp", 0); return err },
	"ptrace self":    func() error { return raw(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0) },
	"acct":           func() error { return unix.Acct("/tmp/acct") },
	"syslog":         func() error { return second(unix.Klogctl(3, make([]byte, 1))) },
	"vhangup":        func() error { return raw(unix.SYS_VHANGUP, 0, 0, 0) },
	"clock_settime":  func() error { return raw(unix.SYS_CLOCK_SETTIME, 0, 0, 0) },
	"adjtimex":       func() error { return second(unix.Adjtimex(&unix.Timex{Modes: 1})) },
	"request_key":    func() error { return second(unix.RequestKey("user", "x", "", unix.KEY_SPEC_PROCESS_KEYRING)) },
	"setgroups":      func() error { return raw(unix.SYS_SETGROUPS, 0, 0, 0) },
	"setresuid":      func() error { return raw(unix.SYS_SETRESUID, 0, 0, 0) },
	"capset":         func() error { return capset() },
	"ambient": func() error {
		return unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_SYS_ADMIN, 0, 0)
	},
	"secure bits":     func() error { return unix.Prctl(unix.PR_SET_SECUREBITS, 1, 0, 0, 0) },
	"new privileges":  func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) },
	"raise core":      func() error { return unix.Setrlimit(rlimitCore, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}) },
	"raise locked":    func() error { return unix.Setrlimit(rlimitMemlock, &unix.Rlimit{Cur: 1 << 30, Max: 1 << 30}) },
	"raise priority":  func() error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -5) },
	"real time":       func() error { return raw(unix.SYS_SCHED_SETSCHEDULER, 0, 1, uintptr(unsafe.Pointer(&[1]int32{1}))) },
	"lock memory":     func() error { return unix.Mlockall(unix.MCL_CURRENT) },
	"seccomp off":     func() error { return unix.Prctl(unix.PR_SET_SECCOMP, 0, 0, 0, 0) },
	"hypervisor":      func() error { return second(unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)) },
	"packet filter":   func() error { return second(unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER)) },
	"ptrace":          func() error { return unix.PtraceAttach(1) },
	"process_vm_read": func() error { return raw(unix.SYS_PROCESS_VM_READV, 1, 0, 0) },
	"pidfd_getfd":     func() error { return second(unix.PidfdGetfd(0, 0, 0)) },
	"keyctl":          func() error { return second(unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, true)) },
	"add_key":         func() error { return second(unix.AddKey("user", "x", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)) },
	"bpf":             func() error { return raw(unix.SYS_BPF, 0, 0, 0) },
	"perf_event_open": func() error { return second(unix.PerfEventOpen(&unix.PerfEventAttr{}, 0, -1, -1, 0)) },
	"userfaultfd":     func() error { return raw(unix.SYS_USERFAULTFD, 0, 0, 0) },
	"io_uring_setup":  func() error { return raw(unix.SYS_IO_URING_SETUP, 1, 0, 0) },
	"init_module":     func() error { return unix.InitModule(nil, "") },
	"kexec_load":      func() error { return raw(unix.SYS_KEXEC_LOAD, 0, 0, 0) },
	"open_by_handle": func() error {
		return second(unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, []byte("12345678")), 0))
	},
	"settimeofday":   func() error { return unix.Settimeofday(&unix.Timeval{}) },
	"sethostname":    func() error { return unix.Sethostname([]byte("x")) },
	"reboot":         func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) },
	"mknod":          func() error { return unix.Mknod("/tmp/disk", unix.S_IFBLK|0o666, int(unix.Mkdev(8, 0))) },
	"setuid":         func() error { return syscall.Setuid(0) },
	"setgid":         func() error { return syscall.Setgid(0) },
	"kill first":     func() error { return unix.Kill(1, unix.SIGKILL) },
	"raise nofile":   func() error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 4096, Max: 4096}) },
	"raw socket":     func() error { return second(unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)) },
	"packet socket":  func() error { return second(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)) },
	"terminal input": func() error { return raw(unix.SYS_IOCTL, 0, unix.TIOCSTI, 0) },
	"unknown call":   func() error { return raw(9999, 0, 0, 0) },
	"quiet file":     func() error { return os.WriteFile("/tmp/allowed", nil, 0o600) },
}

func raw(nr, a, b, c uintptr) error {
	if _, _, e := unix.Syscall6(nr, a, b, c, 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

func swapon(path string) error {
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	return raw(unix.SYS_SWAPON, uintptr(unsafe.Pointer(p)), 0, 0)
}

// capset asks for every capability.
func capset() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	all := [2]unix.CapUserData{{Effective: ^uint32(0), Permitted: ^uint32(0)}}
	return unix.Capset(&hdr, &all[0])
}

// clone forks into a new namespace; a child, should there be one, ends at once.
func clone(flags uintptr) error {
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	if pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
	}
	_, err := unix.Wait4(int(pid), nil, 0, nil)
	return err
}
