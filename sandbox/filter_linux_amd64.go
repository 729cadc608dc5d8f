package sandbox

import "golang.org/x/sys/unix"

// hostArch is linux/amd64 as the filter sees it.
var hostArch = arch{
	audit:   unix.AUDIT_ARCH_X86_64,
	highest: unix.SYS_RSEQ_SLICE_YIELD,
	clone:   unix.SYS_CLONE,
	clone3:  unix.SYS_CLONE3,
	ioctl:   unix.SYS_IOCTL,
	sockets: []uint32{unix.SYS_SOCKET, unix.SYS_SOCKETPAIR},
	denied: append(deniedEverywhere, unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT, unix.SYS_USELIB, unix.SYS_USTAT, unix.SYS_SYSFS,
		unix.SYS__SYSCTL, unix.SYS_CREATE_MODULE, unix.SYS_GET_KERNEL_SYMS, unix.SYS_QUERY_MODULE),
}
