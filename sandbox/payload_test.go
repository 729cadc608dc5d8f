package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// payloads run inside sandboxes, where the test binary is mounted. They say what they see.
var payloads = map[string]func(){
	"hello":    func() { fmt.Println("hello") },
	"code":     func() { fmt.Println(read("/var/task/index.js")) },
	"read":     func() { each(func(p string) error { _, err := os.ReadFile(p); return err }) },
	"list":     payloadList,
	"write":    func() { each(func(p string) error { return os.WriteFile(p, []byte("x"), 0o644) }) },
	"cat":      func() { each(func(p string) error { fmt.Printf("%s", read(p)); return nil }) },
	"identity": payloadIdentity,
	"calls":    payloadCalls,
	"memory":   payloadMemory,
	"child":    payloadChild,
	"bomb":     payloadBomb,
	"fill":     payloadFill,
	"inodes":   payloadInodes,
	"network":  payloadNetwork,
	"ask":      payloadAsk,
	"pour":     payloadPour,
	"orphans":  payloadOrphans,
	"tick":     payloadTick,
	"wait":     func() { fmt.Println("up"); forever() },
	"exit":     func() { os.Exit(3) },
	"term":     func() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM); time.Sleep(time.Second) },
	"caught":   payloadCaught,
	"inherit":  payloadInherit,
	"late":     payloadLate,
	"bye":      func() { os.Stdout.Close(); forever() },
}

func runPayload(name string) {
	run := payloads[name]
	if run == nil {
		run = attacks[name]
	}
	run()
	os.Exit(0)
}

// awaitFurniture waits, as an interpreter does that was started before anybody knew what for, until
// the sandbox has been given its code.
func awaitFurniture() {
	in := os.NewFile(3, "go")
	_, err := in.Read(make([]byte, 1))
	if err = errors.Join(err, in.Close(), os.Chdir("/var/task")); err != nil {
		fmt.Println(err)
	}
}

// args are what the test gave along.
func args() []string { return strings.Fields(os.Getenv("SANDBOX_ARGS")) }

func read(p string) string {
	b, err := os.ReadFile(p)
	if err != nil {
		return reason(err)
	}
	return string(b)
}

// reason is an error without the path and the operation.
func reason(err error) string {
	var e syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e):
		return e.Error()
	}
	return err.Error()
}

func each(f func(string) error) {
	for _, a := range args() {
		fmt.Printf("%s: %s\n", a, reason(f(a)))
	}
}

func payloadList() {
	for _, a := range args() {
		var names []string
		ents, err := os.ReadDir(a)
		for _, e := range ents {
			if n := e.Name(); !strings.HasPrefix(n, "lib") { // differs between machines
				names = append(names, n)
			}
		}
		if err != nil {
			names = []string{reason(err)}
		}
		fmt.Printf("%s: %s\n", a, strings.Join(names, " "))
	}
}

func payloadIdentity() {
	host, _ := os.Hostname()
	dir, _ := os.Getwd()
	groups, _ := os.Getgroups()
	me, err := user.Current()
	if err != nil || me.Uid != strconv.Itoa(os.Getuid()) {
		fmt.Println("nobody:", me, err)
		return
	}
	fmt.Println("user", me.Username, os.Getgid(), groups, "at", host, "in", dir, "parent", os.Getppid())
	for l := range strings.Lines(read("/proc/self/status")) {
		for _, k := range []string{"Cap", "NoNewPrivs:", "Seccomp:"} {
			if strings.HasPrefix(l, k) {
				fmt.Print(strings.ReplaceAll(l, "\t", " "))
			}
		}
	}
	var procs []string
	ents, _ := os.ReadDir("/proc")
	for _, e := range ents {
		if _, err := strconv.Atoi(e.Name()); err == nil && e.Name() != strconv.Itoa(os.Getpid()) {
			procs = append(procs, e.Name())
		}
	}
	fmt.Println("others", procs)
	fmt.Println("first process' memory:", reason(second(os.Open("/proc/1/mem"))), "environment:", reason(second(os.ReadFile("/proc/1/environ"))))
	var fds []string
	for fd := range 64 {
		if to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && !strings.Contains(to, "event") {
			to, _, _ = strings.Cut(to, ":")
			fds = append(fds, fmt.Sprintf("%d=%s", fd, to))
		}
	}
	fmt.Println("files", strings.Join(fds, " "))
	var lim syscall.Rlimit
	for _, r := range []int{rlimitNofile, rlimitCore, rlimitMemlock} {
		_ = syscall.Getrlimit(r, &lim)
		fmt.Println("limit", r, lim.Max)
	}
}

func second[T any](_ T, err error) error { return err }

// payloadMemory takes memory and touches it until there is no more.
func payloadMemory() {
	fmt.Println("taking")
	var all [][]byte
	for range 4096 {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 512 {
			b[i] = 1
		}
		all = append(all, b)
	}
	fmt.Println("still here", len(all))
}

// payloadChild has a child take all memory, tells how that ended, and waits when told to.
func payloadChild() {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{"SANDBOX_PAYLOAD=memory"}
	fmt.Println("child:", cmd.Run())
	if len(args()) > 0 {
		forever()
	}
}

// payloadBomb starts copies of itself until that fails.
func payloadBomb() {
	n := 0
	for ; n < 500; n++ {
		cmd := exec.Command("/bin/sleep", "100")
		if err := cmd.Start(); err != nil {
			fmt.Println("stopped below 100:", n < 100, reason(err))
			return
		}
	}
	fmt.Println("started", n)
}

func payloadFill() {
	f, err := os.Create("/tmp/big")
	n := 0
	for b := make([]byte, 1<<20); err == nil && n < 4096; n++ {
		_, err = f.Write(b)
	}
	fmt.Println("wrote", n-1, "MB:", reason(err))
}

func payloadInodes() {
	for n := range 1 << 20 {
		f, err := os.Create(fmt.Sprintf("/tmp/%d", n))
		if err != nil {
			fmt.Println("files below 2000:", n < 2000, reason(err))
			return
		}
		f.Close()
	}
	fmt.Println("no limit")
}

func payloadNetwork() {
	ifs, err := net.Interfaces()
	for _, i := range ifs {
		fmt.Println(i.Name, i.Flags)
	}
	fmt.Println(reason(err))
	for _, a := range args() {
		c, err := net.DialTimeout("tcp", a, time.Second)
		if err == nil {
			c.Close()
		}
		fmt.Println("dial:", reason(err))
	}
}

// payloadAsk asks Tule's listeners on its own loopback.
func payloadAsk() {
	for _, a := range args() {
		network, addr, _ := strings.Cut(a, "/")
		c, err := net.Dial(network, addr)
		if err != nil {
			fmt.Println(reason(err))
			continue
		}
		fmt.Fprintln(c, "ping")
		s, err := bufio.NewReader(c).ReadString('\n')
		fmt.Println(network, strings.TrimSpace(s), reason(err))
		c.Close()
	}
}

// payloadPour sends so many bytes to an address.
func payloadPour() {
	c, err := net.Dial("tcp", args()[0])
	if err != nil {
		fmt.Println(reason(err))
		return
	}
	size, _ := strconv.Atoi(args()[1])
	for b := make([]byte, 64<<10); size > 0; size -= len(b) {
		if _, err := c.Write(b[:min(len(b), size)]); err != nil {
			fmt.Println(reason(err))
			return
		}
	}
	// What is still on its way when the sandbox ends is lost; so until the other end has it all.
	_ = c.(*net.TCPConn).CloseWrite()
	_, err = c.Read(make([]byte, 1))
	fmt.Println("poured", reason(err))
}

// payloadOrphans makes orphans that end, and looks whether somebody takes them away.
func payloadOrphans() {
	for range 10 {
		if err := exec.Command("/bin/sh", "-c", "sleep 0.01 & :").Run(); err != nil {
			fmt.Println(err)
		}
	}
	for range 200 {
		stats, _ := filepath.Glob("/proc/[0-9]*/stat")
		n := 0
		for _, s := range stats {
			if b := read(s); strings.Contains(b, ") Z ") || strings.Contains(b, "(sleep)") {
				n++
			}
		}
		if n == 0 {
			fmt.Println("none left")
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("zombies stay")
}

func payloadTick() {
	for {
		if _, err := os.Stdout.Write([]byte("x")); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func payloadCaught() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("up")
	fmt.Println("got", <-c)
}

func payloadInherit() {
	f := os.NewFile(3, "inherited")
	if _, err := f.Write([]byte("from inside\n")); err != nil {
		fmt.Println(err)
	}
	f.Close()
	b, err := io.ReadAll(os.NewFile(4, "inherited"))
	fmt.Println(string(b), reason(err))
}

// payloadCalls tries what could open a wall.
func payloadCalls() {
	for _, name := range slices.Sorted(maps.Keys(dangerous)) {
		runtime.LockOSThread() // what succeeds must not spread
		fmt.Printf("%s: %s\n", name, reason(dangerous[name]()))
	}
	if err := exec.Command("/bin/sh", "-c", "(sleep 0; true) && ls / >/dev/null").Run(); err != nil {
		fmt.Println("an ordinary shell does not work:", err)
	}
}

// forever does nothing, in a way that Go's runtime does not take for a deadlock: it
// does where a program has no cgo.
func forever() { time.Sleep(time.Duration(math.MaxInt64)) }
