// Package sandbox runs a function's program apart from everything else on the machine, without
// Docker and with nothing to install.
//
// On Linux each sandbox has its own mount, pid, uts, ipc and network namespaces (and a user
// namespace where Tule is not root); a root of its own made of the host's runtime, read-only; the
// function's code at /var/task, read-only; an empty private /tmp of limited size; cgroup limits on
// memory, processes and processor time (version 1, 2, or both half); a seccomp filter; Landlock
// where the kernel has it; no capability, no way to new privileges, no inherited descriptor. It
// dies with Tule, however Tule dies.
//
// Elsewhere there is Mode Process, which is no isolation and says so: the program runs as a plain
// process of the host. It is never chosen silently.
//
// On purpose different from AWS: what a function writes to /tmp counts towards its memory, since
// /tmp is memory here. See docs/sandbox.md.
package sandbox

import (
	"errors"
	"log/slog"
	"os"
	"syscall"

	"github.com/tule-cloud/tule/aws"
)

// Mode says how much lies between a function and the machine.
type Mode int

const (
	// Namespaces is full isolation, on Linux.
	Namespaces Mode = iota
	// Process is none: a plain process with a process group and a temporary folder of its own.
	Process
)

// String is the mode as `tule start --isolation` spells it.
func (m Mode) String() string {
	if m == Process {
		return "process"
	}
	return "namespaces"
}

// ErrUnavailable is what Open's error wraps when this machine cannot isolate; the message says
// what is missing, and what can be done.
var ErrUnavailable = errors.New("this machine cannot isolate functions")

// ErrClosed reports the use of a sandbox or host after its Close.
var ErrClosed = errors.New("sandbox: closed")

// Options say how Open sets the host up.
type Options struct {
	// Dir is a folder of the host's own, made when missing. One Host at a time uses it.
	Dir  string
	Mode Mode
	// Logger tells what was found and what could not be cleaned up. Nil is silence.
	Logger *slog.Logger
	// Clock bounds waits for a sandbox that does not come up, and ends idle connections of those
	// with egress. Nil means no bound but the context's.
	Clock aws.Clock
	// Self is what MaybeInit returned, for programs built without the embedded init.
	Self Self
	// Init is the path of an init program to be used instead of the embedded one.
	Init string
	// Spare is how many sandboxes are kept half made, each about 2 MB, so that a start finds one:
	// a namespace costs 1 ms and a cgroup of version 1 some 10 ms. Zero means 2, less than zero none.
	Spare int
	// WithoutLimits starts sandboxes without the cgroup limits that this machine does not offer,
	// instead of refusing. The other walls stand.
	WithoutLimits bool
}

// Egress says what of the outside a sandbox reaches.
type Egress int

const (
	// EgressNone is nothing but what Listen puts on its own loopback.
	EgressNone Egress = iota
	// EgressNAT is also what the host reaches by TCP and UDP over IPv4, without being told from the
	// host there; but not the host itself, by any address, nor link-local addresses and clouds'
	// metadata. At most 256 connections and 256 exchanges of datagrams at once; they are ended when
	// idle for 350 s and 120 s, as by AWS's NAT gateway, if Options.Clock is set. It needs
	// /dev/net/tun (Features.Tun); else Start refuses it.
	EgressNAT
)

// A Mount shows a path of the host inside the sandbox.
type Mount struct {
	Host, Inside string // absolute; a file or a folder
	Writable     bool
}

// A File is a small generated file, such as /etc/resolv.conf. Over an existing file of the host's
// runtime it replaces that one, as this sandbox sees it.
type File struct {
	Path    string // absolute, inside
	Content []byte
}

// A Spec is what one sandbox runs and may use. Argv is required; everything else has a default.
type Spec struct {
	ID     string   // unique on the host; part of folder and cgroup names: [A-Za-z0-9_-]{1,64}
	Argv   []string // Argv[0] is a path inside
	Env    []string // exactly these
	Dir    string   // working folder; default /var/task
	Code   string   // host folder, shown read-only as /var/task
	Layers []string // host folders, shown merged and read-only as /opt; later ones win
	// Root is a host folder that is the whole of the sandbox's files, read-only, in place of the
	// host's runtime: a container image's. What a sandbox has of its own (/dev, /proc, /tmp, names of
	// hosts and users, what else the spec says) is laid over it. The default of Dir is then "/".
	// It needs overlayfs (Features.Overlay); else Start refuses it.
	Root     string
	Mounts   []Mount // more of the host: interpreters, hot-reload folders
	Files    []File
	Hostname string // default: the ID

	TmpSize   int64   // bytes of /tmp; default 512 MB. A writable Mount at /tmp takes its place
	Memory    int64   // bytes, all processes together and /tmp included; 0 is no limit
	Pids      int     // processes and threads; default 1024
	CPU       float64 // processors' worth of time; 0 is no limit
	CPUWeight int     // share under contention, 1 to 10000; default 100

	// The program's files: those that do not block, do from then on.
	Stdout, Stderr *os.File   // default: discarded
	Inherit        []*os.File // descriptors 3, 4, … of the program
	Egress         Egress

	// Companions are programs beside the sandbox's own: they are started before it, live behind the same
	// walls, and may outlive it. Mode Process has none: Start refuses them. 100 at most.
	Companions []Companion
	// Accompanied, when set, runs when the companions run and before the program starts. Its error is
	// Start's.
	Accompanied func(*Sandbox) error

	// Prepare, when set, runs when the sandbox's network exists and before the program starts: the
	// place to call Listen so that the program finds everybody there. Its error is Start's.
	Prepare func(*Sandbox) error
}

// A Companion is a program that runs beside a sandbox's own.
type Companion struct {
	Argv           []string // Argv[0] is a path inside
	Env            []string // exactly these
	Stdout, Stderr *os.File // default: discarded
	// Ended, when set, is told how the companion ended, unless the sandbox ended first. It must not wait.
	Ended func(Exit)
}

// A ProgramError is Start's when the program cannot be started.
type ProgramError struct{ Err error }

// Error implements error.
func (e *ProgramError) Error() string { return "starting the program: " + e.Err.Error() }

// Unwrap is what the kernel said.
func (e *ProgramError) Unwrap() error { return e.Err }

// A CompanionError is Start's when a companion cannot be started.
type CompanionError struct {
	Index int // in Spec.Companions
	Err   error
}

// Error implements error, in Go's words for a program that cannot be started.
func (e *CompanionError) Error() string { return "starting a companion: " + e.Err.Error() }

// Unwrap is what the kernel said.
func (e *CompanionError) Unwrap() error { return e.Err }

// A FolderError is Start's when there is no such working folder.
type FolderError struct {
	Dir string
	Err error
}

// Error implements error.
func (e *FolderError) Error() string { return "cwd " + e.Dir + ": " + e.Err.Error() }

// Unwrap is what the kernel said.
func (e *FolderError) Unwrap() error { return e.Err }

// Exit is how a sandbox's program ended.
type Exit struct {
	Code   int            // exit code, when Signal is 0
	Signal syscall.Signal // what killed it, or 0
	OOM    bool           // the program was killed by the kernel for want of memory
	// OOMKills is how many processes the kernel killed for want of memory. With version 1 cgroups these
	// may be children that the program outlived: it is above 0 then, and OOM false. (Linux 4.13)
	OOMKills int
}
