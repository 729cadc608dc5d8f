package sandbox

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// dangerous are the calls that the walls must refuse.
var dangerous = map[string]func() error{
	"mount":           func() error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") },
	"bind":            func() error { return unix.Mount("/usr", "/tmp", "", unix.MS_BIND, "") },
	"remount":         func() error { return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "") },
	"umount":          func() error { return unix.Unmount("/proc", unix.MNT_DETACH) },
	"fsopen":          func() error { return second(unix.Fsopen("tmpfs", 0)) },
	"open_tree":       func() error { return second(unix.OpenTree(unix.AT_FDCWD, "/", 1)) },
	"pivot_root":      func() error { return unix.PivotRoot("/tmp", "/tmp") },
	"chroot":          func() error { return unix.Chroot("/tmp") },
	"unshare user":    func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"unshare net":     func() error { return unix.Unshare(unix.CLONE_NEWNET) },
	"clone user":      func() error { return clone(unix.CLONE_NEWUSER) },
	"clone mount":     func() error { return clone(unix.CLONE_NEWNS) },
	"clone3":          func() error { return raw(unix.SYS_CLONE3, 0, 0, 0) },
	"setns":           func() error { return unix.Setns(0, 0) },
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
