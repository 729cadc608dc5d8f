//go:build linux && (amd64 || arm64)

package sandbox

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// answer runs the filter as the kernel would.
func answer(t *testing.T, arch uint32, nr uint32, args ...uint32) int {
	t.Helper()
	raw, err := filter(hostArch)
	if err != nil {
		t.Fatal(err)
	}
	var prog []bpf.Instruction
	for i := 0; i < len(raw); i += 8 {
		prog = append(prog, bpf.RawInstruction{
			Op: binary.LittleEndian.Uint16(raw[i:]), Jt: raw[i+2], Jf: raw[i+3], K: binary.LittleEndian.Uint32(raw[i+4:]),
		}.Disassemble())
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	// struct seccomp_data; the machine here reads words as big endian, so they are written so.
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[dataNr:], nr)
	binary.BigEndian.PutUint32(data[dataArch:], arch)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[dataArg0+8*i:], a)
	}
	n, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFilter(t *testing.T) {
	const allow, deny, unknown = seccompAllow, seccompErrno | ePERM, seccompErrno | eNOSYS
	const noFamily, noProtocol = seccompErrno | int(unix.EAFNOSUPPORT), seccompErrno | int(unix.EPROTONOSUPPORT)
	const thread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD |
		unix.CLONE_SYSVSEM | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID
	for _, c := range []struct {
		what string
		nr   uint32
		args []uint32
		want int
	}{
		{"read", unix.SYS_READ, nil, allow},
		{"execve", unix.SYS_EXECVE, nil, allow},
		{"futex", unix.SYS_FUTEX, nil, allow},
		{"thread", unix.SYS_CLONE, []uint32{thread}, allow},
		{"fork", unix.SYS_CLONE, []uint32{uint32(unix.SIGCHLD)}, allow},
		{"new user namespace", unix.SYS_CLONE, []uint32{unix.CLONE_NEWUSER | uint32(unix.SIGCHLD)}, deny},
		{"new mount namespace", unix.SYS_CLONE, []uint32{unix.CLONE_NEWNS}, deny},
		{"new cgroup namespace", unix.SYS_CLONE, []uint32{unix.CLONE_NEWCGROUP}, deny},
		{"clone3", unix.SYS_CLONE3, nil, unknown},
		{"ioctl", unix.SYS_IOCTL, []uint32{0, unix.TCGETS}, allow},
		{"ioctl input", unix.SYS_IOCTL, []uint32{0, unix.TIOCSTI}, deny},
		{"ioctl linux", unix.SYS_IOCTL, []uint32{0, unix.TIOCLINUX}, deny},
		{"unix socket", unix.SYS_SOCKET, []uint32{unix.AF_UNIX, unix.SOCK_STREAM}, allow},
		{"two of them", unix.SYS_SOCKETPAIR, []uint32{unix.AF_UNIX, unix.SOCK_DGRAM}, allow},
		{"udp socket", unix.SYS_SOCKET, []uint32{unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP}, allow},
		{"tcp socket", unix.SYS_SOCKET, []uint32{unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_TCP}, allow},
		{"list of interfaces", unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, allow},
		{"packet filter", unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, noProtocol},
		{"hypervisor", unix.SYS_SOCKET, []uint32{unix.AF_VSOCK, unix.SOCK_STREAM}, noFamily},
		{"kernel's ciphers", unix.SYS_SOCKET, []uint32{unix.AF_ALG, unix.SOCK_SEQPACKET}, noFamily},
		{"raw packets", unix.SYS_SOCKET, []uint32{unix.AF_PACKET, unix.SOCK_RAW}, noFamily},
		{"two of an odd family", unix.SYS_SOCKETPAIR, []uint32{unix.AF_TIPC, unix.SOCK_STREAM}, noFamily},
		{"after the last", hostArch.highest + 1, nil, unknown},
		{"the 32-bit table in 64 bits", 0x40000000, nil, unknown},
	} {
		if got := answer(t, hostArch.audit, c.nr, c.args...); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.what, got, c.want)
		}
	}
	for _, nr := range hostArch.denied {
		if got := answer(t, hostArch.audit, nr); got != deny {
			t.Errorf("call %d: %#x", nr, got)
		}
	}
	if got := answer(t, unix.AUDIT_ARCH_I386, unix.SYS_READ); got != deny {
		t.Errorf("another architecture: %#x", got)
	}
}
