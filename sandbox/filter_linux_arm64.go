package sandbox

import "golang.org/x/sys/unix"

// hostArch is linux/arm64 as the filter sees it.
var hostArch = arch{
	audit:   unix.AUDIT_ARCH_AARCH64,
	highest: unix.SYS_RSEQ_SLICE_YIELD,
	clone:   unix.SYS_CLONE,
	clone3:  unix.SYS_CLONE3,
	ioctl:   unix.SYS_IOCTL,
	sockets: []uint32{unix.SYS_SOCKET, unix.SYS_SOCKETPAIR},
	denied:  deniedEverywhere,
}
