package lambda

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// entry is one entry of a zip made for a test.
type entry struct {
	name string
	mode fs.FileMode
	text string
}

func packed(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		if e.mode != 0 {
			h.SetMode(e.mode)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tree is what lies in a folder, a line each.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%v %s", info.Mode(), rel)
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(p)
			fmt.Fprintf(&b, " -> %s", to)
		case !d.IsDir():
			text, _ := os.ReadFile(p)
			fmt.Fprintf(&b, " %s", text)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUnzip(t *testing.T) {
	dir := t.TempDir()
	b := packed(t,
		entry{"./index.js", 0o600, "first"}, entry{"index.js", 0o640, "second"},
		entry{"bin/run", 0o755, "#!"}, entry{"lib/", fs.ModeDir | 0o700, ""}, entry{"lib/a/b.js", 0o444, "b"},
		entry{"lib/link", fs.ModeSymlink | 0o777, "../index.js"}, entry{"here", fs.ModeSymlink | 0o777, "."},
		entry{"a\\b", 0, "what Windows wrote"})
	if err := unzip(dir, bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	want := `-rw-r--r-- a\b what Windows wrote
drwxr-xr-x bin
-rwxr-xr-x bin/run #!
Lrwxrwxrwx here -> .
-rw-r--r-- index.js second
drwxr-xr-x lib
drwxr-xr-x lib/a
-rw-r--r-- lib/a/b.js b
Lrwxrwxrwx lib/link -> ../index.js
`
	if got := tree(t, dir); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Nothing that a zip says leads outside, and nothing grows without bound.
func TestUnzipAttacks(t *testing.T) {
	link := fs.ModeSymlink | fs.FileMode(0o777)
	bomb := packed(t, entry{"zeros", 0, strings.Repeat("\x00", maxUnzipped+1)})
	// One that says of itself that it is small.
	liar := packed(t, entry{"zeros", 0, strings.Repeat("\x00", 1<<20)})
	central := bytes.LastIndex(liar, []byte("PK\x01\x02"))
	copy(liar[central+24:], []byte{1, 0, 0, 0})
	many := bytes.Repeat([]byte("PK\x01\x02"), maxEntries+1)
	for name, c := range map[string]struct {
		zip  []byte
		want error
	}{
		"nothing":             {nil, errBadZip},
		"no zip":              {[]byte("PK but no more"), errBadZip},
		"cut short":           {packed(t, entry{"a", 0, "text"})[:40], errBadZip},
		"up":                  {packed(t, entry{"../x", 0, "x"}), errBadZip},
		"up from within":      {packed(t, entry{"a/../../x", 0, "x"}), errBadZip},
		"up and back":         {packed(t, entry{"a/../b", 0, "x"}), errBadZip},
		"absolute":            {packed(t, entry{"/etc/x", 0, "x"}), errBadZip},
		"no name":             {packed(t, entry{"", 0, "x"}), errBadZip},
		"a dot":               {packed(t, entry{".", 0, "x"}), errBadZip},
		"a zero byte":         {packed(t, entry{"a\x00b", 0, "x"}), errBadZip},
		"a long name":         {packed(t, entry{strings.Repeat("a", 256), 0, "x"}), errBadZip},
		"a long path":         {packed(t, entry{strings.Repeat("a/", 2100) + "x", 0, "x"}), errBadZip},
		"link out":            {packed(t, entry{"l", link, "../x"}), errBadZip},
		"link to root":        {packed(t, entry{"l", link, "/etc/passwd"}), errBadZip},
		"link from deep":      {packed(t, entry{"a/b/l", link, "../../../x"}), errBadZip},
		"link to nothing":     {packed(t, entry{"l", link, ""}), errBadZip},
		"through a link":      {packed(t, entry{"l", link, "."}, entry{"l/x", 0, "x"}), errBadZip},
		"file and folder":     {packed(t, entry{"a", 0, "x"}, entry{"a/b", 0, "x"}), errBadZip},
		"folder and file":     {packed(t, entry{"a/b", 0, "x"}, entry{"a", 0, "x"}), errBadZip},
		"a device":            {packed(t, entry{"d", fs.ModeDevice | 0o666, ""}), errBadZip},
		"a pipe":              {packed(t, entry{"p", fs.ModeNamedPipe | 0o666, ""}), errBadZip},
		"a bomb":              {bomb, errTooLarge},
		"a bomb that lies":    {liar, errBadZip},
		"too many signatures": {many, errBadZip},
	} {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			dir := filepath.Join(above, "inside")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unzip(dir, bytes.NewReader(c.zip), int64(len(c.zip))); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if left, err := os.ReadDir(above); err != nil || len(left) != 1 {
				t.Errorf("it wrote outside: %v %v", left, err)
			}
		})
	}
}

// FuzzUnzip looks for zips that write outside of their folder, or end in anything but
// the two errors.
func FuzzUnzip(f *testing.F) {
	f.Add(packed(f, entry{"index.js", 0, "x"}, entry{"l", fs.ModeSymlink | 0o777, "index.js"}))
	f.Add(packed(f, entry{"../x", 0, "x"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		above, err := os.MkdirTemp("", "unzip-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(above)
		dir := filepath.Join(above, "inside")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		err = unzip(dir, bytes.NewReader(b), int64(len(b)))
		if err != nil && !errors.Is(err, errBadZip) && !errors.Is(err, errTooLarge) {
			t.Errorf("an error of another kind: %v", err)
		}
		if left, err := os.ReadDir(above); err != nil || len(left) != 1 {
			t.Errorf("it wrote outside: %v %v", left, err)
		}
	})
}

// Code that was lost is unpacked again; what another boot has left is removed.
func TestShelf(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "another-boot", "sum")
	if err := os.MkdirAll(old, 0o755); err != nil {
		t.Fatal(err)
	}
	b := packed(t, entry{"index.js", 0, "x"})
	opened := 0
	from := func() (io.ReaderAt, int64, func() error, error) {
		opened++
		return bytes.NewReader(b), int64(len(b)), func() error { return nil }, nil
	}
	c := shelf{dir: dir, folders: map[string]*folder{}}
	path, release, err := c.open("sum", from)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Error("another boot's code is there yet")
	}
	again, release2, err := c.open("sum", from)
	if err != nil || again != path || opened != 1 {
		t.Errorf("%s %v, opened %d times", again, err, opened)
	}
	c.discard("sum")
	release()
	_, late, err := c.open("sum", from)
	if err != nil || opened != 1 {
		t.Errorf("%v, opened %d times", err, opened)
	}
	release2()
	release2()
	if _, err := os.Stat(path); err != nil {
		t.Error("it is gone while in use")
	}
	late()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it is there yet")
	}
	if _, release, err = c.open("sum", from); err != nil || opened != 2 {
		t.Errorf("%v, opened %d times", err, opened)
	}
	release()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if _, release, err = c.open("sum", from); err != nil || opened != 3 {
		t.Errorf("lost, and %v, opened %d times", err, opened)
	}
	release()
	if _, _, err := c.open("bad", func() (io.ReaderAt, int64, func() error, error) {
		return strings.NewReader("no zip"), 6, func() error { return nil }, nil
	}); !errors.Is(err, errBadZip) {
		t.Error(err)
	}
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), unpacking+"sum2-1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.sweep(map[string]bool{"sum": true}); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
}
