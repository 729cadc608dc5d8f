//go:build linux && (amd64 || arm64)

package sandbox

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/cockroachdb/datadriven"
	"golang.org/x/sys/unix"
)

// TestWalls runs the scripts of testdata/walls three times, since a sandbox can come by its code in two
// ways, when it starts and later, by Furnish, and by its other files from an image, too. Their commands start a payload in a sandbox of its own
// and print what it saw:
//
//	run <payload> [memory=<MB>] [pids=<n>] [tmp=<MB>] [layers=<n>] [args…]
//
// In arguments, DATA is the host's data folder, and OTHER the code of another function; HOSTPID
// and OTHERPID are processes of the host and of that function; HOSTTCP, HOSTUNIX and HOSTQUEUE
// are what a process of the host offers to everybody.
func TestWalls(t *testing.T) {
	h := openHost(t)
	if h.Features().User || h.Features().Memory == "" {
		t.Skip("the scripts are those of root and a memory cgroup, which are not to be had here: ", h.Features())
	}
	if err := os.WriteFile(filepath.Join(h.opts.Dir, "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	other := payload(t, "other", "wait")
	s, err := h.Start(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tcp, abstract := offered(t)
	w := walls{host: h, layers: []string{hostileLayer(t), folder(t, "who=two")},
		places: strings.NewReplacer("DATA", h.opts.Dir, "OTHERPID", strconv.Itoa(s.PID()), "OTHER", other.Code,
			"HOSTPID", strconv.Itoa(os.Getpid()), "HOSTTCP", tcp, "HOSTUNIX", abstract, "HOSTQUEUE", abstract[1:]),
		back: strings.NewReplacer(h.opts.Dir, "DATA", other.Code, "OTHER")}
	t.Run("started", func(t *testing.T) { w.scripts(t, "host", run) })
	if h.Features().Furnish {
		t.Run("furnished", func(t *testing.T) { w.scripts(t, "host", furnished) })
	}
	if h.Features().Overlay {
		image := madeImage(t, "/usr/bin/id", "/usr/bin/env", "/bin/sh", "/bin/ls", "/bin/sleep", "/usr/bin/sleep", "/usr/bin/true")
		t.Run("image", func(t *testing.T) {
			w.scripts(t, "image", func(t testing.TB, h *Host, spec Spec) result {
				spec.Root, spec.Dir = image, "/var/task"
				return run(t, h, spec)
			})
		})
	}
	select {
	case <-s.Done():
		t.Error("the other sandbox did not live on")
	default:
	}
}

type walls struct {
	host         *Host
	layers       []string
	places, back *strings.Replacer
}

// scripts runs all of them, and the one of testdata/mounts for the kind of root.
func (w walls) scripts(t *testing.T, root string, run func(testing.TB, *Host, Spec) result) {
	w.script(t, "testdata/mounts/"+root+".txt", run)
	datadriven.Walk(t, "testdata/walls", func(t *testing.T, path string) { w.script(t, path, run) })
}

func (w walls) script(t *testing.T, path string, run func(testing.TB, *Host, Spec) result) {
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd != "run" {
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
		}
		r := run(t, w.host, w.spec(t, d.CmdArgs))
		out := w.back.Replace(r.out)
		if r.exit.Code != 0 || r.exit.Signal != 0 || r.exit.OOM {
			out += fmt.Sprintf("exit code %d, signal %d, out of memory %t\n", r.exit.Code, r.exit.Signal, r.exit.OOM)
		}
		return out
	})
}

func (w walls) spec(t *testing.T, cmd []datadriven.CmdArg) Spec {
	spec := payload(t, "f", cmd[0].Key)
	var rest []string
	for _, a := range cmd[1:] {
		var n int64
		if len(a.Vals) == 1 {
			_, _ = fmt.Sscan(a.Vals[0], &n)
		}
		switch a.Key {
		case "memory":
			spec.Memory = n << 20
		case "pids":
			spec.Pids = int(n)
		case "tmp":
			spec.TmpSize = n << 20
		case "layers":
			spec.Layers = w.layers[:n]
		default:
			rest = append(rest, w.places.Replace(a.Key))
		}
	}
	spec.Env = append(spec.Env, "SANDBOX_ARGS="+strings.Join(rest, " "))
	return spec
}

// ipcKey is the System V key of what the host offers.
const ipcKey = 0x7475

// offered is what a process of the host has for everybody who can see it: listeners on the loopback
// and in the abstract namespace, and a segment, semaphores and queues by key and by name.
func offered(t *testing.T) (tcp, abstract string) {
	t.Helper()
	abstract = "@" + filepath.Base(t.TempDir()) + strconv.Itoa(os.Getpid())
	for _, at := range [][2]string{{"tcp", "127.0.0.1:0"}, {"unix", abstract}} {
		l, err := net.Listen(at[0], at[1])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		if at[0] == "tcp" {
			tcp = l.Addr().String()
		}
	}
	for get, ctl := range map[uintptr]uintptr{unix.SYS_SHMGET: unix.SYS_SHMCTL, unix.SYS_SEMGET: unix.SYS_SEMCTL, unix.SYS_MSGGET: unix.SYS_MSGCTL} {
		args := [3]uintptr{ipcKey, 1, unix.IPC_CREAT | 0o666}
		if get == unix.SYS_MSGGET {
			args = [3]uintptr{ipcKey, unix.IPC_CREAT | 0o666}
		}
		id, _, e := unix.Syscall(get, args[0], args[1], args[2])
		if e != 0 {
			t.Fatal(e)
		}
		t.Cleanup(func() {
			if ctl == unix.SYS_SEMCTL {
				_ = raw(ctl, id, 0, unix.IPC_RMID)
			} else {
				_ = raw(ctl, id, unix.IPC_RMID, 0)
			}
		})
	}
	name, err := unix.BytePtrFromString(abstract[1:])
	if err != nil {
		t.Fatal(err)
	}
	fd, _, e := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR|unix.O_CREAT, 0o666, 0, 0, 0)
	if e != 0 {
		t.Fatal(e)
	}
	unix.Close(int(fd))
	t.Cleanup(func() { _ = raw(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0) })
	return tcp, abstract
}

// hostileLayer is a folder with what no layer should hold.
func hostileLayer(t *testing.T) string {
	t.Helper()
	dir := folder(t)
	id, err := os.ReadFile("/usr/bin/id")
	if err != nil {
		t.Skip(err)
	}
	for _, err := range []error{
		unix.Mknod(dir+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))), os.Chmod(dir+"/null", 0o666),
		unix.Mknod(dir+"/disk", unix.S_IFBLK|0o666, int(unix.Mkdev(7, 0))), os.Chmod(dir+"/disk", 0o666),
		unix.Mkfifo(dir+"/fifo", 0o666), os.Chmod(dir+"/fifo", 0o666),
		os.Symlink("/etc/shadow", dir+"/shadow"), os.Symlink("/proc/1/root/etc/shadow", dir+"/first"),
		os.Symlink("../../../../../etc/shadow", dir+"/climb"),
		os.WriteFile(dir+"/rootly", id, 0o755), os.Chmod(dir+"/rootly", os.ModeSetuid|os.ModeSetgid|0o755),
	} {
		if err != nil {
			t.Skip("a hostile layer cannot be made: ", err)
		}
	}
	return dir
}

// What the kernel counts by user, one function cannot take away from another.
func TestHoard(t *testing.T) {
	h := openHost(t)
	if h.Features().User {
		t.Skip("without root all sandboxes are one user's")
	}
	for _, id := range []string{"first", "second"} {
		spec := payload(t, id, "hoard")
		spec.Pids = 64
		_, out := started(t, h, spec)
		for _, want := range []string{"timers true resource temporarily unavailable", "watchers true too many open files", "taken"} {
			if got := line(t, out); got != want {
				t.Errorf("%s: %q, want %q", id, got, want)
			}
		}
	}
}
