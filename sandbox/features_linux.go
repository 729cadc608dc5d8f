package sandbox

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// probe asks the kernel what cannot be learned by trying.
func probe() Features {
	f := Features{User: os.Geteuid() != 0}
	if v, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION); e == 0 {
		f.Landlock = int(v)
	}
	if b, err := os.ReadFile("/proc/filesystems"); err == nil {
		f.Overlay = strings.Contains(string(b), "\toverlay\n")
	}
	f.Tun = unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK) == nil
	f.Furnish = attachable(f.User)
	return f
}
