//go:build linux && (amd64 || arm64)

package sandbox

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// madeImage is an image's folder with programs of this machine, what they and the tests' own need to
// run, and the folders that a root made of the host's runtime has.
func madeImage(t *testing.T, programs ...string) string {
	t.Helper()
	image := folder(t)
	for _, d := range []string{".tule", "bin", "sbin", "dev", "etc", "proc", "run", "opt", "tmp", "root", "usr/bin", "var/lang", "var/runtime", "var/task", "var/tmp"} {
		if err := os.MkdirAll(filepath.Join(image, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(programs, exe) {
		out, _ := exec.Command("ldd", p).Output() // nothing for one that is whole by itself
		for _, lib := range regexp.MustCompile(`/\S+\.so\S*`).FindAllString(string(out), -1) {
			copied(t, lib, image+lib)
		}
		if p != exe {
			copied(t, p, image+p)
		}
	}
	return image
}

func copied(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Skip(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
			out, err = os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
		}
	}
	if err == nil {
		_, err = io.Copy(out, in)
		err = errors.Join(err, out.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// imaged is a payload's spec with an image, or the test is skipped.
func imaged(t *testing.T, h *Host, name, image string) Spec {
	t.Helper()
	if !h.Features().Overlay {
		t.Skip("this kernel has no overlayfs")
	}
	spec := payload(t, "f", name)
	spec.Root, spec.Code = image, ""
	return spec
}

// What an image has where a sandbox has its own files, or mounts something, leads nobody astray:
// neither its devices nor its links, and not its users.
func TestHostileImage(t *testing.T) {
	h := openHost(t)
	image := madeImage(t)
	for _, d := range []string{"dev", "proc", "tmp", "var/runtime"} {
		if err := errors.Join(os.RemoveAll(filepath.Join(image, d)), os.Symlink("/", filepath.Join(image, d))); err != nil {
			t.Fatal(err)
		}
	}
	outside := folder(t)
	if err := errors.Join(os.RemoveAll(image+"/etc"), os.Mkdir(image+"/etc", 0o755), os.Symlink(outside+"/made", image+"/etc/hosts"),
		os.Symlink("/etc/shadow", image+"/etc/passwd"), os.WriteFile(image+"/etc/group", []byte("staff:x:50:"), 0o644)); err != nil {
		t.Fatal(err)
	}
	_ = unix.Mknod(image+"/disk", unix.S_IFBLK|0o666, int(unix.Mkdev(7, 0))) // root may
	_ = os.Chmod(image+"/disk", 0o666)
	spec := imaged(t, h, "read", image)
	spec.Env = append(spec.Env, "SANDBOX_ARGS=/etc/passwd /etc/group /etc/hosts /disk /proc/self/status /dev/null /usr/lib/os-release")
	want := "/etc/passwd: ok\n/etc/group: ok\n/etc/hosts: ok\n/disk: permission denied\n/proc/self/status: ok\n/dev/null: ok\n/usr/lib/os-release: no such file or directory\n"
	if os.Geteuid() != 0 {
		want = strings.Replace(want, "permission denied", "no such file or directory", 1)
	}
	if r := run(t, h, spec); r.out != want {
		t.Errorf("%v, want\n%s", r, want)
	}
	spec = imaged(t, h, "write", image)
	spec.Env = append(spec.Env, "SANDBOX_ARGS=/x /etc/hosts /etc/new /tmp/x /dev/x /proc/x /var/new "+image+"/x")
	if r := run(t, h, spec); r.out != "/x: read-only file system\n/etc/hosts: read-only file system\n/etc/new: read-only file system\n/tmp/x: ok\n"+
		"/dev/x: read-only file system\n/proc/x: no such file or directory\n/var/new: read-only file system\n"+image+"/x: no such file or directory\n" {
		t.Error(r)
	}
	if _, err := os.Lstat(outside + "/made"); !errors.Is(err, os.ErrNotExist) {
		t.Error("a file was made outside: ", err)
	}
	if b, err := os.ReadFile(image + "/etc/group"); err != nil || string(b) != "staff:x:50:" {
		t.Errorf("the image was changed: %q, %v", b, err)
	}
}

// An image's users are there beside the function's.
func TestImageUsers(t *testing.T) {
	h := openHost(t)
	image := madeImage(t, "/usr/bin/cat")
	if err := os.WriteFile(image+"/etc/passwd", []byte("root:x:0:0::/root:/bin/sh\nstaff:x:50:50::/:/bin/sh"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec := imaged(t, h, "hello", image)
	spec.Argv, spec.Env = []string{"/usr/bin/cat", "/etc/passwd"}, nil
	if r := run(t, h, spec); !regexp.MustCompile(`^root:x:0:0::/root:/bin/sh\nstaff:x:50:50::/:/bin/sh\nsbx_user1051:x:\d+:990::/tmp:/sbin/nologin\n$`).MatchString(r.out) {
		t.Error(r)
	}
}

func TestImageRefused(t *testing.T) {
	h := openHost(t)
	image := madeImage(t)
	for _, c := range []struct {
		change func(*Spec)
		want   string
	}{
		{func(s *Spec) { s.Root = "/no/such" }, "overlay"},
		{func(s *Spec) { s.Root = "relative" }, "not a clean absolute path"},
		{func(s *Spec) { s.Dir = "/no/such" }, "cwd /no/such: no such file or directory"},
		{func(s *Spec) { s.Argv = []string{"/usr/bin/true"} }, "starting the program: no such file or directory"},
		{func(s *Spec) {
			s.Mounts = append(s.Mounts, Mount{Host: "/usr", Inside: "/host"})
			s.Files = []File{{"/host/x", nil}}
		}, "no file can be placed at /host/x"},
	} {
		spec := imaged(t, h, "hello", image)
		c.change(&spec)
		s, err := h.Start(t.Context(), spec)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v does not say %q", err, c.want)
		}
		var dir *FolderError
		if strings.HasPrefix(c.want, "cwd") && (!errors.As(err, &dir) || dir.Dir != "/no/such" || !errors.Is(err, syscall.ENOENT)) {
			t.Errorf("%#v", err)
		}
	}
	if r := run(t, h, imaged(t, h, "hello", image)); r.out != "hello\n" {
		t.Error(r)
	}
}
