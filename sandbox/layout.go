package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/sandbox/nat"
	"github.com/tule-cloud/tule/sandbox/plan"
)

// The user that a function is, by AWS's name and numbers.
const (
	functionUID  = 993
	functionGID  = 990
	functionUser = "sbx_user1051"
)

// apartUID is where users begin of which each has one sandbox. The kernel limits several things by
// user alone (instances of inotify, queued signals and timers, memory in pipes): what one function
// takes, another of the same user lacks. Its first process' number makes a user that nobody else on
// the host has while it lives; systemd's list of ranges has all of them as unused.
// https://systemd.io/UIDS-GIDS/
const apartUID = 1_879_048_192

// layout turns specs into plans. It is what this machine has, found out once.
type layout struct {
	root     string            // host folder on which new roots are mounted
	folders  []string          // of the host's runtime, shown as they are: /usr, and what is not a link into it
	links    map[string]string // of the host's root: /bin → usr/bin
	etc      []string          // of the host's /etc, shown as they are
	filter   []byte
	landlock int
	rootless bool // in a user namespace: ids are right from the start
	nproc    bool // limit processes by rlimit, having no cgroup for it
	apart    bool // users from apartUID on are to be had
}

// user is who the program of a spec is. What it writes to folders of the host has to be AWS's user's,
// for the next sandbox that is shown them.
func (l *layout) user(s Spec, first int) uint64 {
	if !l.apart || slices.ContainsFunc(s.Mounts, func(m Mount) bool { return m.Writable }) {
		return functionUID
	}
	return apartUID + uint64(first)
}

// usersApart reports whether this process can become every user from apartUID on, by what
// /proc/self/uid_map says: in a container with users of its own there may be 65,536 only.
func usersApart(uidMap string) bool {
	const most = 1 << 22 // the kernel's limit on process numbers
	for line := range strings.Lines(uidMap) {
		var inside, outside, count uint64
		if n, _ := fmt.Sscan(line, &inside, &outside, &count); n == 3 && inside <= apartUID && inside+count >= apartUID+most {
			return true
		}
	}
	return false
}

// runtimeFolders are the host's folders that programs need.
var runtimeFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"}

// runtimeEtc is what programs need of the host's /etc. Nothing in it is secret: all of it is
// readable by every user of the host, and private keys in /etc/ssl are not.
var runtimeEtc = []string{
	"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/mime.types",
	"/etc/pki/ca-trust", "/etc/pki/tls/certs", "/etc/pki/java", "/etc/protocols", "/etc/services", "/etc/ssl/certs",
	"/etc/ssl/openssl.cnf", "/etc/timezone", "/etc/java-8-openjdk", "/etc/java-11-openjdk", "/etc/java-17-openjdk",
	"/etc/java-21-openjdk", "/etc/java-25-openjdk", "/etc/mono", "/etc/fonts",
}

// findRuntime fills in what the host has beneath top, "" but for tests.
func (l *layout) findRuntime(top string) {
	l.links = map[string]string{}
	for _, f := range runtimeFolders {
		if to, err := os.Readlink(top + f); err == nil {
			l.links[f] = to
		} else if st, err := os.Stat(top + f); err == nil && st.IsDir() {
			l.folders = append(l.folders, f)
		}
	}
	for _, f := range runtimeEtc {
		if _, err := os.Stat(top + f); err == nil {
			l.etc = append(l.etc, f)
		}
	}
}

// rootSize bounds the tmpfs of the new root, which holds the generated files.
const rootSize = 32 << 20

// common is the first half of every plan, carried out before anybody knows what will run: it ends
// where the sandbox's own mounts begin.
func (l *layout) common() []plan.Op {
	ops := []plan.Op{
		{Kind: plan.Slave},
		{Kind: plan.Root, A: l.root, N: rootSize},
	}
	for _, f := range l.folders {
		ops = append(ops, plan.Op{Kind: plan.Bind, A: f, B: f})
	}
	for _, f := range runtimeFolders {
		if to, ok := l.links[f]; ok {
			ops = append(ops, plan.Op{Kind: plan.Symlink, A: to, B: f})
		}
	}
	for _, f := range l.etc {
		ops = append(ops, plan.Op{Kind: plan.Bind, A: f, B: f, N: plan.Optional | plan.NoExec})
	}
	text := func(path, content string) {
		ops = append(ops, plan.Op{Kind: plan.File, A: path, B: content, N: 0o644})
	}
	text("/etc/group", fmt.Sprintf("root:x:0:\n%s:x:%d:\n", functionUser, functionGID))
	text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n")
	text("/.tule/empty", "")
	for _, d := range []string{"/opt", "/root", "/run", "/var/lang", "/var/runtime", "/var/task", "/var/tmp"} {
		ops = append(ops, plan.Op{Kind: plan.Dir, A: d, N: 0o755})
	}
	for _, d := range []struct {
		name         string
		major, minor uint64
	}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}} {
		ops = append(ops, plan.Op{Kind: plan.Device, A: d.name, N: d.major, M: d.minor})
	}
	for _, s := range [][2]string{{"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"}} {
		ops = append(ops, plan.Op{Kind: plan.Symlink, A: s[0], B: s[1]})
	}
	// Read-only as a whole, which closes /proc/sys; and what tells of the host is covered.
	ops = append(ops, plan.Op{Kind: plan.Proc, A: "/proc"})
	for _, f := range []string{"/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/sysrq-trigger", "/proc/timer_list"} {
		if _, err := os.Stat(f); err == nil {
			ops = append(ops, plan.Op{Kind: plan.Rebind, A: "/.tule/empty", B: f})
		}
	}
	ops = append(ops, plan.Op{Kind: plan.Loopback})
	if l.rootless {
		ops = append(ops, plan.Op{Kind: plan.Ports, N: 1})
	}
	return append(ops, plan.Op{Kind: plan.Await})
}

// The device by which a sandbox's packets to the outside come to Tule, and the sandbox's address on
// it, which means nothing beyond: 192.0.0.2, of RFC 7335's block for just such translators.
const (
	tunName = "tule0"
	tunAddr = 192<<24 | 2
)

// own is the second half: the way out where there is one, this spec's mounts, then the walls, then
// its program, who is user.
func (l *layout) own(s Spec, user uint64) []plan.Op { return append(l.walls(s, user), program(s)...) }

// walls is the second half without the program.
func (l *layout) walls(s Spec, user uint64) []plan.Op {
	var ops []plan.Op
	if s.Egress == EgressNAT {
		ops = append(ops, plan.Op{Kind: plan.Tun, A: tunName, N: tunAddr, M: nat.MTU})
	}
	if s.Root != "" {
		ops = append(ops, l.image(s, user)...)
	} else {
		ops = append(ops, plan.Op{Kind: plan.File, A: "/etc/passwd", N: 0o644, B: rootUser + ourUser(user)})
	}
	ops = append(ops, l.mounts(s, user)...)
	if s.Root == "" {
		ops = append(ops, l.files(s)...)
	}
	ops = append(ops, plan.Op{Kind: plan.Hostname, A: s.Hostname}, plan.Op{Kind: plan.Pivot})
	for _, r := range l.limits(s) {
		ops = append(ops, plan.Op{Kind: plan.Limit, N: r[0], M: r[1], K: r[1]})
	}
	ops = append(ops, plan.Op{Kind: plan.Drop, N: user, M: functionGID})
	ops = append(ops, l.rules(s)...)
	ops = append(ops, plan.Op{Kind: plan.Seccomp, A: string(l.filter)})
	dir := s.Dir
	switch {
	case dir == "" && s.Root != "":
		dir = "/"
	case dir == "":
		dir = "/var/task"
	}
	return append(ops, plan.Op{Kind: plan.Cwd, A: dir})
}

// program starts the program.
func program(s Spec) []plan.Op {
	return append(command(s.Argv, s.Env), plan.Op{Kind: plan.Exec, N: uint64(2 + len(s.Inherit))})
}

// companions starts those, and says so.
func companions(s Spec) []plan.Op {
	var ops []plan.Op
	for _, c := range s.Companions {
		ops = append(append(ops, command(c.Argv, c.Env)...), plan.Op{Kind: plan.Spawn, N: 2})
	}
	return append(ops, plan.Op{Kind: plan.Await})
}

func command(argv, env []string) []plan.Op {
	ops := make([]plan.Op, 0, len(argv)+len(env)+1)
	for _, a := range argv {
		ops = append(ops, plan.Op{Kind: plan.Arg, A: a})
	}
	for _, e := range env {
		ops = append(ops, plan.Op{Kind: plan.Env, A: e})
	}
	return ops
}

// The lines of /etc/passwd.
const rootUser = "root:x:0:0:root:/root:/sbin/nologin\n"

func ourUser(user uint64) string {
	return fmt.Sprintf("%s:x:%d:%d::/tmp:/sbin/nologin\n", functionUser, user, functionGID)
}

// mounts shows code, layers, the spec's mounts, /tmp and /dev/shm.
func (l *layout) mounts(s Spec, user uint64) []plan.Op {
	var ops []plan.Op
	bind := func(host, inside string, flags uint64) {
		ops = append(ops, plan.Op{Kind: plan.Bind, A: host, B: inside, N: flags})
	}
	mounts := slices.Clone(s.Mounts)
	// Outer ones first, so that they do not hide the inner ones.
	slices.SortStableFunc(mounts, func(a, b Mount) int { return strings.Compare(a.Inside, b.Inside) })
	tmp := false
	for _, m := range mounts {
		tmp = tmp || m.Inside == "/tmp"
		var flags uint64
		if m.Writable {
			flags = plan.Writable
		}
		bind(m.Host, m.Inside, flags)
	}
	if !tmp {
		ops = append(ops, tmpfs("/tmp", s.TmpSize, user))
	}
	ops = append(ops, shm(s, user))
	if s.Code != "" {
		bind(s.Code, "/var/task", 0)
	}
	switch len(s.Layers) {
	case 0:
	case 1:
		bind(s.Layers[0], "/opt", 0)
	default:
		ops = append(ops, plan.Op{Kind: plan.Overlay, A: strings.Join(upperFirst(s.Layers), "\x00"), B: "/opt"})
	}
	return ops
}

// upperFirst are layers as overlayfs wants them.
func upperFirst(layers []string) []string {
	layers = slices.Clone(layers)
	slices.Reverse(layers)
	return layers
}

// tmpfs is a private folder in memory. Its inodes are limited too: empty files fill no page.
func tmpfs(at string, size int64, user uint64) plan.Op {
	return plan.Op{Kind: plan.Tmpfs, A: at, N: user<<32 | functionGID,
		B: fmt.Sprintf("mode=0700,size=%d,nr_inodes=%d", size, max(1024, size/4096))}
}

// shm is where processes share memory.
func shm(s Spec, user uint64) plan.Op { return tmpfs("/dev/shm", min(s.TmpSize, 64<<20), user) }

// files places the generated files: written where the root is our own, and bound over the host's
// file where that is shown.
func (l *layout) files(s Spec) []plan.Op {
	shown := slices.Concat(l.folders, l.etc)
	for _, m := range s.Mounts {
		shown = append(shown, m.Inside)
	}
	var ops []plan.Op
	for i, f := range generated(s) {
		at := f.Path
		covered := slices.ContainsFunc(shown, func(p string) bool { return at == p || strings.HasPrefix(at, p+"/") })
		if covered {
			at = fmt.Sprintf("/.tule/file%d", i)
		}
		ops = append(ops, plan.Op{Kind: plan.File, A: at, B: string(f.Content), N: 0o644})
		if covered {
			ops = append(ops, plan.Op{Kind: plan.Rebind, A: at, B: f.Path})
		}
	}
	return ops
}

// generated are the files of a spec, and those that every sandbox has.
func generated(s Spec) []File {
	var out []File
	for _, f := range []File{
		{"/etc/hostname", []byte(s.Hostname + "\n")},
		{"/etc/hosts", []byte("127.0.0.1 localhost\n::1 localhost\n127.0.0.1 " + s.Hostname + "\n")},
	} {
		if !slices.ContainsFunc(s.Files, func(own File) bool { return own.Path == f.Path }) {
			out = append(out, f)
		}
	}
	return append(out, s.Files...)
}

// Resource numbers of setrlimit, the same on all Linux architectures that Go knows but MIPS.
const (
	rlimitCore    = 4
	rlimitNproc   = 6
	rlimitNofile  = 7
	rlimitMemlock = 8
)

func (l *layout) limits(s Spec) [][2]uint64 {
	// One byte, not none: with none the kernel still hands the memory of what crashes to the host's
	// core dump program, should it have one; one is how the kernel is told not to.
	out := [][2]uint64{{rlimitCore, 1}, {rlimitNofile, 1024}, {rlimitMemlock, 64 << 10}}
	if l.nproc {
		out = append(out, [2]uint64{rlimitNproc, uint64(s.Pids + slack)})
	}
	return out
}

// Landlock's rights on files, from linux/landlock.h.
const (
	landlockExecute  = 1 << 0
	landlockWrite    = 1 << 1
	landlockReadFile = 1 << 2
	landlockReadDir  = 1 << 3
	landlockV1       = 1<<13 - 1
	landlockRefer    = 1 << 13 // version 2
	landlockTruncate = 1 << 14 // version 3
	landlockIoctl    = 1 << 15 // version 5
	landlockScopes   = 3       // version 6: no abstract sockets and no signals across the wall
)

// rules is the second wall on files: should a mount ever be writable that ought not to be, the
// function may still only read and execute outside of its own places.
func (l *layout) rules(s Spec) []plan.Op {
	if l.landlock < 1 {
		return nil
	}
	handled, scoped := uint64(landlockV1), uint64(0)
	if l.landlock >= 2 {
		handled |= landlockRefer
	}
	if l.landlock >= 3 {
		handled |= landlockTruncate
	}
	if l.landlock >= 5 {
		handled |= landlockIoctl
	}
	if l.landlock >= 6 {
		scoped = landlockScopes
	}
	const read = landlockExecute | landlockReadFile | landlockReadDir
	// The folder of the devices is read-only; what is in it can be written to, not added to.
	const device = landlockWrite | landlockReadFile | landlockTruncate | landlockIoctl
	ops := []plan.Op{
		{Kind: plan.Allow, A: "/", N: read}, {Kind: plan.Allow, A: "/tmp", N: handled},
		{Kind: plan.Allow, A: "/dev", N: device}, {Kind: plan.Allow, A: "/dev/shm", N: handled},
	}
	for _, m := range s.Mounts {
		if !m.Writable || m.Inside == "/tmp" {
			continue
		}
		rights := handled
		if st, err := os.Stat(m.Host); err == nil && !st.IsDir() {
			rights = device | landlockExecute
		}
		ops = append(ops, plan.Op{Kind: plan.Allow, A: filepath.Clean(m.Inside), N: rights})
	}
	return append(ops, plan.Op{Kind: plan.Landlock, N: handled, M: scoped})
}
