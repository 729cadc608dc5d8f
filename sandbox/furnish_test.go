//go:build linux && (amd64 || arm64)

package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

// payloadLate waits for a word, and then says what it has been given.
func payloadLate() {
	fmt.Println("before:", read("/var/task/index.js"))
	if _, err := bufio.NewReader(os.NewFile(3, "go")).ReadString('\n'); err != nil {
		fmt.Println(err)
		return
	}
	var tmp syscall.Statfs_t
	_ = syscall.Statfs("/tmp", &tmp)
	wd, _ := os.Getwd()
	stale := read("index.js")
	_ = os.Chdir("/var/task")
	fmt.Printf("after: %s, by the old folder %s: %s, by the new: %s\n", read("/var/task/index.js"), wd, stale, read("index.js"))
	fmt.Printf("layers: %s %s\n", read("/opt/who"), read("/opt/one"))
	fmt.Printf("tmp: %d MB, keeps %s\n", int64(tmp.Blocks)*tmp.Bsize>>20, read("/tmp/early"))
	fmt.Printf("write: %s, %s\n", reason(os.WriteFile("/var/task/x", nil, 0o644)), reason(os.WriteFile("/opt/x", nil, 0o644)))
	fmt.Printf("device: %s\n", reason(syscall.Mknod("/tmp/null", syscall.S_IFCHR|0o666, 1<<8|3)))
	fmt.Printf("mount: %s\n", reason(syscall.Mount("/tmp", "/var/task", "", syscall.MS_BIND, "")))
}

// empty is a sandbox that waits to be furnished, its output, and the way to wake it.
func empty(t *testing.T, h *Host, id string) (*Sandbox, *bufio.Reader, io.Writer) {
	t.Helper()
	if !h.Features().Furnish {
		t.Skip("sandboxes cannot be furnished here: Tule is not root, or the kernel is older than 5.12")
	}
	spec := payload(t, id, "late")
	spec.Code = ""
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	t.Cleanup(func() { w.Close() })
	spec.Inherit = []*os.File{r}
	s, out := started(t, h, spec)
	return s, out, w
}

func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A program that started before anybody knew what for finds its code where it looks for it, and no
// more rights than it would have had.
func TestFurnish(t *testing.T) {
	h := openHost(t)
	for layers, want := range map[string]string{"none": "no such file or directory no such file or directory", "one": "one first", "two": "two first"} {
		s, out, wake := empty(t, h, "late-"+layers)
		if got := line(t, out); got != "before: no such file or directory" {
			t.Fatal(got)
		}
		f := Furnishing{Code: folder(t, "index.js=the code"), TmpSize: 600 << 20, Memory: 256 << 20, CPU: 0.5}
		if layers != "none" {
			f.Layers = []string{folder(t, "who=one", "one=first")}
		}
		if layers == "two" {
			long := folder(t, "who=two") + "/" + strings.Repeat("long", 50)
			if err := os.Rename(folder(t, "who=two"), long); err != nil {
				t.Fatal(err)
			}
			f.Layers = append(f.Layers, long)
		}
		if err := s.Furnish(f); err != nil {
			t.Fatal(err)
		}
		if err := s.Furnish(f); err == nil {
			t.Error("furnished twice")
		}
		fmt.Fprintln(wake)
		for _, want := range []string{
			"after: the code, by the old folder /var/task: no such file or directory, by the new: the code",
			"layers: " + want,
			"tmp: 600 MB, keeps no such file or directory",
			"write: read-only file system, read-only file system",
			"device: operation not permitted",
			"mount: operation not permitted",
		} {
			if layers == "none" && strings.HasPrefix(want, "write:") {
				want = "write: read-only file system, read-only file system"
			}
			if got := line(t, out); got != want {
				t.Errorf("%s: %q, want %q", layers, got, want)
			}
		}
		if e := wait(t, s); e != (Exit{}) {
			t.Errorf("%s: %+v", layers, e)
		}
	}
}

func TestFurnishRefused(t *testing.T) {
	h := openHost(t)
	s, out, _ := empty(t, h, "late")
	line(t, out)
	for name, f := range map[string]Furnishing{
		"a relative path":  {Code: "task"},
		"a negative limit": {Code: folder(t), Memory: -1},
	} {
		if err := s.Furnish(f); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := s.Furnish(Furnishing{Code: "/no/such/folder"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	s.Close()
	late, out, _ := empty(t, h, "dead")
	line(t, out)
	late.Kill()
	<-late.Done()
	if err := late.Furnish(Furnishing{Code: folder(t)}); err == nil {
		t.Error("what is dead was furnished")
	}
	whole := payload(t, "whole", "wait")
	full, out := started(t, h, whole)
	line(t, out)
	if err := full.Furnish(Furnishing{Code: folder(t)}); err == nil {
		t.Error("what has its code was furnished")
	}
}

// furnished runs the spec as run does, but for a sandbox that is started with neither code nor
// layers and under limits of its own, and given the spec's when its program waits.
func furnished(t testing.TB, h *Host, spec Spec) result {
	t.Helper()
	f := Furnishing{Code: spec.Code, Layers: spec.Layers, TmpSize: spec.TmpSize, Memory: spec.Memory,
		Pids: spec.Pids, CPU: spec.CPU, CPUWeight: spec.CPUWeight}
	spec.Code, spec.Layers, spec.TmpSize, spec.Memory, spec.Pids = "", nil, 0, 1<<30, 0
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	spec.Inherit, spec.Env = []*os.File{r}, append(spec.Env, "SANDBOX_LATE=1")
	return ran(t, h, spec, func(s *Sandbox) {
		if err := s.Furnish(f); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(w)
	})
}

// The process's first thread is never the one that enters a sandbox: it could not be ended.
func TestSpentThread(t *testing.T) {
	before, err := os.Readlink("/proc/self/ns/mnt") // the first thread's
	if err != nil {
		t.Skip(err)
	}
	h := openHost(t)
	for i := range 40 {
		s, out, _ := empty(t, h, fmt.Sprintf("spent-%d", i))
		line(t, out)
		if err := s.Furnish(Furnishing{Code: folder(t)}); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if now, err := os.Readlink("/proc/self/ns/mnt"); now != before {
			t.Fatalf("after %d sandboxes the first thread is in %s, %v; it was in %s", i+1, now, err, before)
		}
	}
}
