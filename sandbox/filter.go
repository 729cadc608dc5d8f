package sandbox

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"
)

// seccomp's answers, from linux/seccomp.h.
const (
	seccompAllow = 0x7fff0000
	seccompErrno = 0x00050000
	ePERM        = 1
	eNOSYS       = 38
	eNoProtocol  = 93 // EPROTONOSUPPORT
	eNoFamily    = 97 // EAFNOSUPPORT
)

// Offsets in struct seccomp_data.
const (
	dataNr   = 0
	dataArch = 4
	dataArg0 = 16 // the low half of the first argument, little endian
	dataArg2 = dataArg0 + 2*8
)

// The families of sockets that functions have, from linux/socket.h.
const (
	familyUnix    = 1
	familyInet    = 2
	familyInet6   = 10
	familyNetlink = 16
)

// newNamespaces are clone's flags that make a namespace: NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC,
// NEWUSER, NEWPID, NEWNET. (NEWTIME's bit is part of the exit signal in clone; unshare is denied whole.)
const newNamespaces = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

// arch is what the filter must know of a processor architecture.
type arch struct {
	audit   uint32 // AUDIT_ARCH_*
	highest uint32 // the last system call known here; later ones answer ENOSYS
	clone   uint32
	clone3  uint32
	ioctl   uint32
	sockets []uint32 // the calls that make sockets: family, type, protocol
	denied  []uint32 // EPERM
}

// filter returns the seccomp filter as the kernel wants it. Calls by another architecture's table,
// and those that have no business in a function, answer EPERM; what this list does not know yet
// answers ENOSYS, as on an older kernel, and so does clone3, whose flags no filter can see (the C
// libraries then use clone). The fate of nearly every call depends on its number alone, so that
// the kernel remembers the allowed ones and does not run the filter for them.
func filter(a arch) ([]byte, error) {
	var prog []bpf.Instruction
	// Jumps are relative and short, so every test carries its own answer.
	answer := func(test bpf.JumpTest, val, ret uint32) {
		prog = append(prog, bpf.JumpIf{Cond: test, Val: val, SkipFalse: 1}, bpf.RetConstant{Val: ret})
	}
	prog = append(prog, bpf.LoadAbsolute{Off: dataArch, Size: 4})
	answer(bpf.JumpNotEqual, a.audit, seccompErrno|ePERM)
	prog = append(prog, bpf.LoadAbsolute{Off: dataNr, Size: 4})
	answer(bpf.JumpGreaterThan, a.highest, seccompErrno|eNOSYS)
	answer(bpf.JumpEqual, a.clone3, seccompErrno|eNOSYS)
	for _, nr := range a.denied {
		answer(bpf.JumpEqual, nr, seccompErrno|ePERM)
	}
	for _, nr := range a.sockets {
		prog = append(prog, socketRules(nr)...)
	}
	prog = append(prog,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: a.clone, SkipTrue: 4},
		bpf.LoadAbsolute{Off: dataArg0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: newNamespaces, SkipFalse: 1},
		bpf.RetConstant{Val: seccompErrno | ePERM},
		bpf.RetConstant{Val: seccompAllow},
		// Pushing characters into a terminal's input (TIOCSTI, TIOCLINUX).
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: a.ioctl, SkipTrue: 4},
		bpf.LoadAbsolute{Off: dataArg0 + 8, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x5412, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x541c, SkipTrue: 1},
		bpf.RetConstant{Val: seccompErrno | ePERM},
		bpf.RetConstant{Val: seccompAllow},
	)
	raw, err := bpf.Assemble(prog)
	if err != nil {
		return nil, fmt.Errorf("seccomp filter: %w", err)
	}
	out := make([]byte, 0, 8*len(raw))
	for _, r := range raw {
		out = binary.LittleEndian.AppendUint16(out, r.Op)
		out = append(out, r.Jt, r.Jf)
		out = binary.LittleEndian.AppendUint32(out, r.K)
	}
	return out, nil
}

// socketRules allow the families that a function's network is made of, and of netlink what lists
// interfaces. The others answer as on a kernel without them: some know no network namespaces (vsock
// leads to the hypervisor), and to ask for one loads its module into the kernel.
func socketRules(nr uint32) []bpf.Instruction {
	rules := []bpf.Instruction{
		bpf.LoadAbsolute{Off: dataArg0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: familyUnix, SkipTrue: 7},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: familyInet, SkipTrue: 6},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: familyInet6, SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: familyNetlink, SkipTrue: 3},
		bpf.LoadAbsolute{Off: dataArg2, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 2}, // NETLINK_ROUTE
		bpf.RetConstant{Val: seccompErrno | eNoProtocol},
		bpf.RetConstant{Val: seccompErrno | eNoFamily},
		bpf.RetConstant{Val: seccompAllow},
	}
	return append([]bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: nr, SkipTrue: uint8(len(rules))}}, rules...)
}
