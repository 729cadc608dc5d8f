package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// of is an image of raw layers, without sources.
func of(layers ...[]byte) *Image {
	var img Image
	for _, raw := range layers {
		sum := sha256.Sum256(raw)
		img.layers = append(img.layers, layer{hex.EncodeToString(sum[:]), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }})
	}
	return &img
}

// TestUnpack runs testdata/unpack.txt: each case is layers, one entry a line, with "--" between
// them; what comes out is the folder. Beside the folder lies what no image may touch.
func TestUnpack(t *testing.T) {
	datadriven.RunTest(t, "testdata/unpack.txt", func(t *testing.T, d *datadriven.TestData) string {
		outside := t.TempDir()
		dir := filepath.Join(outside, "a", "b", "image")
		secret := filepath.Join(outside, "secret")
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(secret, []byte("secret"), 0o600)); err != nil {
			t.Fatal(err)
		}
		input := strings.ReplaceAll(d.Input, "OUTSIDE", outside)
		var layers [][]byte
		for text := range strings.SplitSeq(input, "--\n") {
			layers = append(layers, tarred(t, strings.Split(strings.TrimSpace(text), "\n")...))
		}
		err := of(layers...).unpack(t.Context(), dir, 1<<20)
		out := ""
		if err != nil {
			out = err.Error() + "\n"
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrTooLarge) {
				out += "not the image's fault\n"
			}
		}
		if b, err := os.ReadFile(secret); err != nil || string(b) != "secret" {
			t.Errorf("the file outside: %q, %v", b, err)
		}
		if n := strings.Count(tree(t, filepath.Join(outside, "a")), "\n"); n != 2+strings.Count(tree(t, dir), "\n") {
			t.Error("there is something beside the image")
		}
		// The machine's name for the place outside is not the same twice.
		out += tree(t, dir)
		for up := outside[1:]; up != "."; up = filepath.Dir(up) {
			out = strings.ReplaceAll(out, " "+up+"\n", " OUTSIDE\n")
		}
		out = strings.ReplaceAll(strings.ReplaceAll(out, outside, "/OUTSIDE"), outside[1:], "OUTSIDE")
		return strings.Join(slices.Compact(strings.SplitAfter(out, "\n")), "")
	})
}

func TestUnpackLimits(t *testing.T) {
	big := tarred(t, "file a "+strings.Repeat("x", 2000))
	if err := of(big).unpack(t.Context(), t.TempDir(), 1999); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if err := of(big).unpack(t.Context(), t.TempDir(), 2000); err != nil {
		t.Error(err)
	}
	if err := of(big[:700]).unpack(t.Context(), t.TempDir(), 1<<20); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	img := of(big)
	img.layers[0].sum = strings.Repeat("0", 64)
	if err := img.unpack(t.Context(), t.TempDir(), 1<<20); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// Nothing that an image says reaches out of its folder, or leaves there what should not be.
// Layers are fuzzed as text: of changed bytes, hardly any pass a header's sum, and each that does
// would be made smaller for a minute. How much the last one lacks at its end is fuzzed beside.
func FuzzUnpack(f *testing.F) {
	f.Add("dir d\nlink d/up ../../..\nfile d/up/x boo\nhard h d/up", "file d/.wh.up\nfile .wh..wh..opq", uint16(0))
	f.Add("link l /\nfile l/etc/x boo\nhard l2 l", "file l2/y boo\nfifo l\ndev l2", uint16(0))
	f.Add("link a b\nlink b a\nfile a/x boo", "dir a\nfile a/../../x boo 7777", uint16(1500))
	f.Fuzz(func(t *testing.T, first, second string, cut uint16) {
		lower, upper := spelt(t, first), spelt(t, second)
		upper = upper[:max(0, len(upper)-int(cut))]
		outside := t.TempDir()
		dir := filepath.Join(outside, "image")
		if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600)); err != nil {
			t.Fatal(err)
		}
		_ = of(lower, upper).unpack(t.Context(), dir, 1<<20)
		if b, err := os.ReadFile(filepath.Join(outside, "secret")); err != nil || string(b) != "secret" {
			t.Fatal("the file outside: ", err)
		}
		if entries, err := os.ReadDir(outside); err != nil || len(entries) != 2 {
			t.Fatal(entries, err)
		}
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // a name that the test cannot spell
			}
			st, err := os.Lstat(path)
			if err == nil && (st.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0 || st.Size() > 1<<20) {
				t.Errorf("%s: %v, %d bytes", path, st.Mode(), st.Size())
			}
			return nil
		})
	})
}

// spelt is a layer of those lines of a text that tell of an entry which a tar can hold.
func spelt(t *testing.T, text string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || len(words) < 3 && (words[0] == "link" || words[0] == "hard") {
			continue
		}
		h, body := file(line)
		if w.WriteHeader(h) != nil {
			continue
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Images stay while somebody refers to them, and no longer.
func TestShelf(t *testing.T) {
	used := map[string]bool{}
	dir := filepath.Join(t.TempDir(), "images")
	s := NewShelf(dir, func(d string) bool { return used[d] })
	img := of(tarred(t, "file app hello"))
	img.Digest = strings.Repeat("a", 64)
	if err := s.Sweep(); err != nil {
		t.Error(err)
	}
	release, err := s.Put(background, img)
	if err != nil {
		t.Fatal(err)
	}
	s.Discard(img.Digest) // by another's deletion, meanwhile
	used[img.Digest] = true
	release()
	s = NewShelf(dir, s.used) // the next start
	if err := s.Sweep(); err != nil {
		t.Error(err)
	}
	root, release, err := s.Open(img.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if got := tree(t, root); got != "-rw-r--r-- app \"hello\"\n" {
		t.Error(got)
	}
	used[img.Digest] = false
	s.Discard(img.Digest)
	if _, err := os.Stat(root); err != nil {
		t.Error("it is removed while in use: ", err)
	}
	release()
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it stays: ", err)
	}
	if _, _, err := s.Open(img.Digest); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	img.layers[0].sum = strings.Repeat("0", 64)
	if _, err := s.Put(background, img); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Error("half an image stands there: ", err)
	}
}

// An image's programs are found as its own shell would find them.
func TestLookup(t *testing.T) {
	dir := t.TempDir()
	if err := of(tarred(t, "file usr/bin/app x 0755", "file usr/bin/data x", "link bin /usr/bin", "link usr/bin/py app", "link usr/bin/out /etc/passwd",
		"link loop loop", "file srv/tool x 0755", "file opt/extensions/b x 0755", "file opt/extensions/a x 0755", "dir opt/extensions/d", "link up /../..")).unpack(background, dir, 1<<20); err != nil {
		t.Fatal(err)
	}
	r, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for name, want := range map[string]string{"/x/y": "/x/y", "./tool": "/srv/tool", "app": "/bin/app", "py": "/bin/py", "data": "data", "out": "out",
		"tool": "/srv/tool", "loop": "loop", "none": "none"} {
		if got := r.Lookup(name, "/srv", "/no:/bin:."); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := strings.Join(r.Names("/opt/extensions"), " "); got != "a b" {
		t.Error(got)
	}
	if got := r.Names("/up/etc"); got != nil {
		t.Error(got)
	}
	if got := r.Names("/loop"); got != nil {
		t.Error(got)
	}
}
