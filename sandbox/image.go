package sandbox

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/sandbox/plan"
)

// Where an image is made a sandbox's root, in the root that is made of the host's runtime and is
// left behind then: the sandbox's own files, and they and the image's as one.
const (
	ownFiles  = "/.tule/own"
	imageRoot = "/.tule/image"
)

// image makes the image of s.Root the root: what is the sandbox's own is laid over it, as the upper
// one of two folders, and so is whatever something will be mounted on. A folder of the upper one is
// a folder whatever the image has there, a link to elsewhere among others: no path that is mounted
// on is the image's to choose.
func (l *layout) image(s Spec, user uint64) []plan.Op {
	var ops []plan.Op
	add := func(o plan.Op) { ops = append(ops, o) }
	dir := func(at string) { add(plan.Op{Kind: plan.Dir, A: ownFiles + at, N: 0o755}) }
	text := func(at, content string) {
		add(plan.Op{Kind: plan.File, A: ownFiles + at, B: content, N: 0o644})
	}
	for _, at := range []string{"/dev", "/proc", "/tmp"} {
		dir(at)
	}
	text("/etc/passwd", imageFile(s.Root, "etc/passwd", rootUser)+ourUser(user))
	text("/etc/group", imageFile(s.Root, "etc/group", "root:x:0:\n")+fmt.Sprintf("%s:x:%d:\n", functionUser, functionGID))
	for _, m := range s.Mounts {
		if st, err := os.Stat(m.Host); err == nil && !st.IsDir() {
			text(m.Inside, "")
		} else {
			dir(m.Inside)
		}
	}
	if s.Code != "" {
		dir("/var/task")
	}
	if len(s.Layers) > 0 {
		dir("/opt")
	}
	covered := func(at string) bool {
		return slices.ContainsFunc(s.Mounts, func(m Mount) bool { return at == m.Inside || strings.HasPrefix(at, m.Inside+"/") })
	}
	for _, f := range generated(s) {
		if !covered(f.Path) {
			text(f.Path, string(f.Content))
		}
	}
	add(plan.Op{Kind: plan.Dir, A: "/dev/shm", N: 0o755})
	add(plan.Op{Kind: plan.Overlay, A: filepath.Join(l.root, ownFiles) + "\x00" + s.Root, B: imageRoot})
	add(plan.Op{Kind: plan.Bind, A: filepath.Join(l.root, "dev"), B: imageRoot + "/dev", N: plan.Devices})
	add(plan.Op{Kind: plan.Move, A: "/proc", B: imageRoot + "/proc"})
	add(plan.Op{Kind: plan.Enter, A: imageRoot})
	return ops
}

// maxImageFile is how much of an image's /etc/passwd is read.
const maxImageFile = 256 << 10

// imageFile is a short text of an image, with an end to its last line; or what takes its place.
// Links that lead out of the image, which absolute ones seem to, are not followed.
func imageFile(image, name, otherwise string) string {
	root, err := os.OpenRoot(image)
	if err != nil {
		return otherwise
	}
	defer root.Close()
	if st, err := root.Stat(name); err != nil || !st.Mode().IsRegular() {
		return otherwise
	}
	f, err := root.Open(name)
	if err != nil {
		return otherwise
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxImageFile))
	if err != nil || len(b) == 0 {
		return otherwise
	}
	return strings.TrimSuffix(string(b), "\n") + "\n"
}
