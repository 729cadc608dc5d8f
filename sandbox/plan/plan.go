// Package plan is the language in which Tule tells a sandbox's first process what to build around
// itself: a flat list of small operations in a compact binary form, sent over a socket.
//
// All decisions are made outside, where they can be tested as text; the process inside is an
// interpreter that makes one or a few system calls for each operation. The same program text is
// used on both ends and both are built together, so there is one version and no compatibility.
package plan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Version is spoken first by both ends. It changes with every change of an operation's meaning,
// so that a stale init is refused by name instead of building half a wall.
const Version = 3

// Limits on what Decode accepts.
const (
	MaxSize = 16 << 20 // bytes of one encoded plan
	MaxOps  = 1 << 14
)

// A Kind says what an operation does.
type Kind byte

// The operations. Paths named "at" are inside the new root (Op.A of Root); "host" paths are the
// host's own.
const (
	Invalid  Kind = iota
	Slave         // detach mount propagation towards the host
	Root          // A: host folder that becomes the new root: an empty tmpfs is mounted there; N: size in bytes
	Dir           // A: at, N: mode. Parents are made, mode 0755
	Symlink       // A: target, B: at
	File          // A: at, B: content, N: mode
	Device        // A: name in /dev, N: major, M: minor
	Bind          // A: host, B: at, N: Flags. What is missing at B is made
	Rebind        // A: at, B: at: bind a file of the new root over another one, read-only
	Tmpfs         // A: at, B: options, N: uid<<32|gid that owns it
	Proc          // A: at
	Overlay       // A: host folders, the uppermost first, with a zero byte between them, B: at
	Move          // A: at, B: at: what is mounted at the one, with all beneath it, is mounted at the other instead
	Enter         // A: at: what is mounted there is the new root from now on
	Hostname      // A: name
	Loopback      // bring lo up
	Tun           // A: name of a tun device, N: its IPv4 address, M: MTU: make it, let everything but lo lead to it, send it to Tule
	Ports         // N: the first port that needs no privilege in this network
	Await         // report ready, and go on with the next plan
	Pivot         // enter the new root, let go of the host's, make the root read-only
	Limit         // N: resource, M: soft, K: hard
	Landlock      // N: accesses that need a rule, M: scopes; with the Allow operations before it
	Allow         // A: at, N: accesses granted beneath it
	Drop          // N: uid, M: gid: no groups, no capability, no way to new ones
	Seccomp       // A: the filter, struct sock_filter after struct sock_filter
	Cwd           // A: at
	Arg           // A: one more argument
	Env           // A: one more variable, NAME=value
	Exec          // start the program; N: how many of the files sent along it gets, from 1 on
	Spawn         // start a companion of the program, with the arguments and variables since the last one; N: as for Exec
	last
)

var names = [...]string{"invalid", "slave", "root", "dir", "symlink", "file", "device", "bind", "rebind", "tmpfs", "proc",
	"overlay", "move", "enter", "hostname", "loopback", "tun", "ports", "await", "pivot", "limit", "landlock", "allow", "drop", "seccomp", "cwd",
	"arg", "env", "exec", "spawn"}

// String is the operation's name as plans print it.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Flags of Bind.
const (
	Writable uint64 = 1 << iota // else read-only
	Optional                    // skip it when the host has no such path
	NoExec                      // nothing beneath can be executed
	Devices                     // devices beneath can be used
)

// An Op is one operation; what the fields mean depends on its Kind.
type Op struct {
	Kind    Kind
	A, B    string
	N, M, K uint64
}

// String prints the operation on one line, for tests and error messages. Long strings (the content
// of files, filters) appear by their length.
func (o Op) String() string {
	var b strings.Builder
	b.WriteString(o.Kind.String())
	for _, s := range []string{o.A, o.B} {
		switch {
		case o.Kind == Overlay:
			b.WriteString(" " + strings.ReplaceAll(s, "\x00", ":"))
		case len(s) > 120 || strings.ContainsAny(s, "\x00\n"):
			fmt.Fprintf(&b, " <%d bytes>", len(s))
		case s != "":
			b.WriteString(" " + s)
		}
	}
	nums := []uint64{o.N, o.M, o.K}
	for len(nums) > 0 && nums[len(nums)-1] == 0 {
		nums = nums[:len(nums)-1]
	}
	for i, n := range nums {
		switch {
		case i == 0 && (o.Kind == Dir || o.Kind == File):
			fmt.Fprintf(&b, " %04o", n)
		case n > 1<<31:
			fmt.Fprintf(&b, " %#x", n)
		default:
			fmt.Fprintf(&b, " %d", n)
		}
	}
	return b.String()
}

// ErrFormat reports bytes that are no plan.
var ErrFormat = errors.New("plan: malformed")

// Append appends the encoded ops to b.
func Append(b []byte, ops []Op) []byte {
	b = binary.AppendUvarint(b, uint64(len(ops)))
	for _, o := range ops {
		b = append(b, byte(o.Kind))
		for _, s := range [...]string{o.A, o.B} {
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
		for _, n := range [...]uint64{o.N, o.M, o.K} {
			b = binary.AppendUvarint(b, n)
		}
	}
	return b
}

// Decode reads what Append wrote. It accepts nothing else: no unknown kinds, nothing after the end.
func Decode(b []byte) ([]Op, error) {
	d := decoder{b: b}
	n := d.uint()
	if len(b) > MaxSize || n > MaxOps {
		return nil, ErrFormat
	}
	ops := make([]Op, 0, min(n, uint64(len(b)/6)))
	for range n {
		var o Op
		o.Kind = d.kind()
		o.A, o.B = d.string(), d.string()
		o.N, o.M, o.K = d.uint(), d.uint(), d.uint()
		if d.bad {
			return nil, ErrFormat
		}
		ops = append(ops, o)
	}
	if d.bad || len(d.b) != 0 {
		return nil, ErrFormat
	}
	return ops, nil
}

type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) kind() Kind {
	if len(d.b) == 0 || d.b[0] == 0 || Kind(d.b[0]) >= last {
		d.bad = true
		return Invalid
	}
	k := Kind(d.b[0])
	d.b = d.b[1:]
	return k
}

func (d *decoder) uint() uint64 {
	n, w := binary.Uvarint(d.b)
	if w <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[w:]
	return n
}

func (d *decoder) string() string {
	n := d.uint()
	if d.bad || n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
