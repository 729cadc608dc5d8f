//go:build linux && (amd64 || arm64)

package sandbox

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attacks are payloads that go at one wall each, in all the ways that it has been gone at.
var attacks = map[string]func(){
	"denied":    attackDenied,
	"processes": attackProcesses,
	"sockets":   attackSockets,
	"dial":      attackDial,
	"ipc":       attackIPC,
	"mounts":    attackMounts,
	"layer":     attackLayer,
	"links":     attackLinks,
	"exhaust":   attackExhaust,
	"hoard":     attackHoard,
	"output":    attackOutput,
}

// perUser are things of which the kernel has only so many for one user.
var perUser = []string{"timers", "watchers"}

// attackHoard takes all there is of what the kernel gives by user, and keeps it; and says of each
// whether it got any.
func attackHoard() {
	for _, what := range perUser {
		n, err := 0, error(nil)
		for ; err == nil && n < 1<<20; n++ {
			err = exhausts[what](n)
		}
		fmt.Println(what, n > 1, reason(err))
	}
	fmt.Println("taken")
	forever()
}

// attackDenied makes every call of the filter's list, with nothing for arguments.
func attackDenied() {
	for _, nr := range hostArch.denied {
		if err := raw(uintptr(nr), 0, 0, 0); !errors.Is(err, unix.EPERM) {
			fmt.Printf("call %d: %s\n", nr, reason(err))
		}
	}
	fmt.Println("tried them all")
}

// attackProcesses goes at process 1, at a child, and at processes of the host, whose numbers are
// the arguments.
func attackProcesses() {
	for _, f := range []string{"mem", "environ", "maps", "auxv", "io", "syscall", "stack", "personality", "pagemap",
		"root/etc/passwd", "cwd/etc/passwd", "exe", "fd/3", "map_files", "ns/mnt", "ns/user"} {
		fmt.Printf("first process' %s: %s\n", f, reason(second(os.Open("/proc/1/"+f))))
	}
	child := exec.Command("/proc/self/exe")
	child.Env = []string{"SANDBOX_PAYLOAD=wait"}
	if err := child.Start(); err != nil {
		fmt.Println(err)
		return
	}
	pid := child.Process.Pid
	var there [8]byte
	vec := unix.Iovec{Base: &there[0], Len: 8}
	fmt.Println("trace a child:", reason(unix.PtraceAttach(pid)))
	fmt.Println("seize a child:", reason(raw(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0)))
	_, _, e := unix.Syscall6(unix.SYS_PROCESS_VM_READV, uintptr(pid), uintptr(unsafe.Pointer(&vec)), 1, uintptr(unsafe.Pointer(&vec)), 1, 0)
	fmt.Println("read a child:", e)
	fd, err := unix.PidfdOpen(1, 0)
	fmt.Println("hold the first process:", reason(err))
	fmt.Println("take a file of it:", reason(second(unix.PidfdGetfd(fd, 3, 0))))
	for _, a := range args() {
		pid, _ := strconv.Atoi(a)
		fmt.Println("signal outside:", reason(unix.Kill(pid, 0)), reason(unix.Tgkill(pid, pid, 0)),
			reason(second(unix.PidfdOpen(pid, 0))), reason(second(os.Stat("/proc/"+a))), reason(second(unix.Getpgid(pid))),
			reason(unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, new(unix.Rlimit))))
	}
	for _, sig := range []unix.Signal{unix.SIGSTOP, unix.SIGKILL} {
		fmt.Println("signal the first process:", sig, reason(unix.Kill(1, sig)))
	}
	for _, f := range []string{"/proc/1/oom_score_adj", "/proc/1/comm", "/proc/self/uid_map", "/proc/self/setgroups",
		"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/drop_caches",
		"/proc/sys/fs/binfmt_misc/register", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/kernel/ns_last_pid",
		"/proc/sysrq-trigger", "/proc/irq/default_smp_affinity"} {
		fmt.Printf("write %s: %s\n", f, reason(os.WriteFile(f, []byte("1"), 0)))
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	fmt.Println("alive")
}

// attackSockets asks for a socket of every family, type and netlink protocol there may be.
func attackSockets() {
	answers := map[string][]string{}
	for family := range 64 {
		open, last := "", error(nil)
		for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW, unix.SOCK_RDM, unix.SOCK_SEQPACKET} {
			fd, err := unix.Socket(family, kind, 0)
			if err != nil {
				last = err
				continue
			}
			open += fmt.Sprint(" ", kind)
			unix.Close(fd)
		}
		if open != "" {
			fmt.Printf("family %d: types%s\n", family, open)
			continue
		}
		answers[reason(last)] = append(answers[reason(last)], strconv.Itoa(family))
	}
	for proto := range 32 {
		if fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, proto); err == nil {
			fmt.Println("netlink protocol", proto)
			unix.Close(fd)
		}
	}
	for text, families := range answers {
		fmt.Printf("%d families: %s\n", len(families), text)
	}
}

// attackDial connects to addresses: network/address.
func attackDial() {
	for _, a := range args() {
		network, addr, _ := strings.Cut(a, "/")
		c, err := net.DialTimeout(network, addr, 2*time.Second)
		if err == nil {
			c.Close()
		}
		fmt.Println(network+":", reason(err))
	}
}

// attackOutput tells whether to write takes as long as it takes, as it does elsewhere.
func attackOutput() {
	for fd := range uintptr(3) {
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		fmt.Println("blocks:", fd, flags&unix.O_NONBLOCK == 0, reason(err))
	}
}

// attackIPC looks for what a process of the host has left for everybody, under a key and a name.
func attackIPC() {
	key, _ := strconv.Atoi(args()[0])
	fmt.Println("shared memory:", reason(raw(unix.SYS_SHMGET, uintptr(key), 0, 0)))
	fmt.Println("semaphores:", reason(raw(unix.SYS_SEMGET, uintptr(key), 0, 0)))
	fmt.Println("messages:", reason(raw(unix.SYS_MSGGET, uintptr(key), 0, 0)))
	name, _ := unix.BytePtrFromString(args()[1])
	fmt.Println("queue:", reason(raw(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR, 0)))
}

// attackMounts tells what is mounted where, and how, in so far as that is the same everywhere: of
// the host's runtime only what lacks a restriction.
func attackMounts() {
	own := map[string]bool{"/": true, "/tmp": true, "/dev/shm": true, "/var/task": true, "/opt": true, "/proc": true}
	for l := range strings.Lines(read("/proc/self/mountinfo")) {
		f := strings.Fields(l)
		at, opts := f[4], ","+f[5]+","
		var has []string
		for _, o := range []string{"rw", "ro", "nosuid", "nodev", "noexec"} {
			if strings.Contains(opts, ","+o+",") {
				has = append(has, o)
			}
		}
		how := strings.Join(has, " ")
		if f[6] != "-" {
			how += " " + f[6] // shared or slave
		}
		if own[at] || !strings.HasPrefix(how, "ro nosuid nodev") || f[6] != "-" {
			fmt.Println(at, how)
		}
	}
}

// attackLayer uses what a hostile layer holds.
func attackLayer() {
	for _, f := range []string{"null", "disk"} {
		fmt.Printf("device %s: %s\n", f, reason(second(os.OpenFile("/opt/"+f, os.O_RDWR, 0))))
	}
	fd, err := unix.Open("/opt/fifo", unix.O_WRONLY|unix.O_NONBLOCK, 0)
	fmt.Println("fifo that nobody reads:", fd >= 0, reason(err))
	for _, f := range []string{"shadow", "first", "climb"} {
		fmt.Printf("link %s: %s\n", f, read("/opt/"+f))
	}
	out, err := exec.Command("/opt/rootly", "-u").CombinedOutput()
	fmt.Println("set-user-id is still itself:", strings.TrimSpace(string(out)) == strconv.Itoa(os.Getuid()), reason(err))
	for _, l := range []string{"/opt/rootly", "/etc/passwd", "/usr/bin/env", "/var/task/index.js"} {
		fmt.Printf("hard link to %s: %s\n", l, reason(os.Link(l, "/tmp/linked")))
	}
	fmt.Println("change a mode:", reason(os.Chmod("/opt/rootly", 0o6777)))
}

// attackLinks makes links and files that others might fall for.
func attackLinks() {
	for from, to := range map[string]string{"/tmp/a": "/proc/1/root", "/tmp/b": "/"} {
		if err := os.Symlink(to, from); err != nil {
			fmt.Println(reason(err))
		}
	}
	fmt.Println("through a link:", reason(second(os.ReadDir("/tmp/a"))), reason(os.WriteFile("/tmp/b/x", nil, 0o644)))
	fmt.Println("instead of /tmp:", reason(os.Rename("/tmp", "/tmp2")), reason(os.Remove("/tmp")), reason(os.Symlink("/", "/var/task/x")))
	fmt.Println("device:", reason(unix.Mknod("/tmp/zero", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5)))))
	fmt.Println("set-user-id of its own:", reason(os.WriteFile("/tmp/own", nil, 0o755)), reason(os.Chmod("/tmp/own", os.ModeSetuid|0o755)))
	fmt.Println("another's:", reason(os.Chown("/tmp/own", 0, 0)))
	fmt.Println("capabilities of a file:", reason(unix.Setxattr("/tmp/own", "security.capability", make([]byte, 20), 0)))
	fmt.Println("a file of 1 TB:", reason(os.WriteFile("/tmp/sparse", nil, 0o644)), reason(os.Truncate("/tmp/sparse", 1<<40)))
}

// attackExhaust takes all it gets of one thing, and says what stopped it.
func attackExhaust() {
	n, err := 0, error(nil)
	for ; err == nil && n < 1<<20; n++ {
		err = exhausts[args()[0]](n)
	}
	limit := "nothing"
	if len(args()) > 1 {
		most, _ := strconv.Atoi(args()[1])
		limit = fmt.Sprintf("at most %d: %t,", most, n <= most)
	}
	fmt.Println("stopped by", limit, reason(err))
}

// exhausts are things of which the nth is taken and kept.
var exhausts = map[string]func(n int) error{
	"descriptors": func(int) error { return second(unix.Dup(0)) },
	"shm":         func(n int) error { return os.WriteFile(fmt.Sprint("/dev/shm/", n), make([]byte, 1<<20), 0o600) },
	"folders": func(n int) error {
		if n == 0 {
			if err := os.Chdir("/tmp"); err != nil {
				return err
			}
		}
		if err := os.Mkdir("d", 0o700); err != nil {
			return err
		}
		return os.Chdir("d")
	},
	"memfd": func(n int) error {
		fd, err := unix.MemfdCreate("x", 0)
		if err != nil {
			return err
		}
		for range 4 {
			if _, err := unix.Write(fd, make([]byte, 1<<20)); err != nil {
				return err
			}
		}
		return nil
	},
	"segments": func(int) error {
		id, _, e := unix.Syscall(unix.SYS_SHMGET, unix.IPC_PRIVATE, 4<<20, 0o600)
		if e != 0 {
			return e
		}
		at, _, e := unix.Syscall(unix.SYS_SHMAT, id, 0, 0)
		if e != 0 {
			return e
		}
		clear(unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&at))), 4<<20))
		return nil
	},
	"pipes": func(int) error {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_NONBLOCK); err != nil {
			return err
		}
		return stuffed(p[1])
	},
	"sockets": func(int) error {
		p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		return stuffed(p[0])
	},
	"connections": connection,
	"argument":    func(int) error { return exec.Command("/usr/bin/true", strings.Repeat("x", 3<<20)).Run() },
	"variable": func(int) error {
		cmd := exec.Command("/usr/bin/true")
		cmd.Env = []string{strings.Repeat("x", 3<<20)}
		return cmd.Run()
	},
	"watchers": func(int) error { return second(unix.InotifyInit()) },
	"queues": func(n int) error {
		name, _ := unix.BytePtrFromString(fmt.Sprint("q", n))
		_, _, e := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR|unix.O_CREAT, 0o600, 0, 0, 0)
		if e != 0 {
			return e
		}
		return nil
	},
	"timers": func(int) error {
		var id int32
		return raw(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC, 0, uintptr(unsafe.Pointer(&id)))
	},
	"processes": func(int) error { return exec.Command("/bin/sleep", "100").Start() },
}

// stuffed writes to a descriptor until it takes no more.
func stuffed(fd int) error {
	for b := make([]byte, 64<<10); ; {
		if _, err := unix.Write(fd, b); err != nil {
			if errors.Is(err, unix.EAGAIN) {
				return nil
			}
			return err
		}
	}
}

// connection makes one over loopback, and has both ends hold all that they can. Forty ends are enough
// to tell whether somebody counts.
func connection(n int) error {
	if n == 20 {
		held := strings.Fields(tcpLine())
		pages, _ := strconv.Atoi(held[len(held)-1])
		fmt.Println("40 ends hold less than 64 MB:", pages*os.Getpagesize() < 64<<20)
		return unix.ENOBUFS
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	d, err := l.Accept()
	if err != nil {
		return err
	}
	kept = append(kept, c, d)
	for _, c := range []net.Conn{c, d} {
		_ = c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		for b := make([]byte, 1<<20); err == nil; {
			_, err = c.Write(b)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		err = nil
	}
	return nil
}

// kept are connections that nobody is to close.
var kept []net.Conn

// tcpLine is what the kernel says of TCP's memory, in pages and last in the line: all networks' together.
func tcpLine() string {
	for l := range strings.Lines(read("/proc/net/sockstat")) {
		if strings.HasPrefix(l, "TCP:") {
			return l
		}
	}
	return "-"
}
