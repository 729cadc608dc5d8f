package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func open(t *testing.T, dir string) *Dir {
	t.Helper()
	d, err := Open(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func names(t *testing.T, d *Dir) []string {
	t.Helper()
	var out []string
	if err := d.Names(func(n string) bool { out = append(out, n); return true }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func TestPutGetDelete(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	info, err := d.Put(t.Context(), strings.NewReader("hello"), 5)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size != 5 || info.SHA256 != sha256.Sum256([]byte("hello")) {
		t.Errorf("info %+v", info)
	}
	d = open(t, dir) // as after a restart
	f, err := d.Get(info.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	if got := names(t, d); !slices.Equal(got, []string{info.Name}) {
		t.Errorf("names %v", got)
	}
	for range 2 {
		if err := d.Delete(info.Name); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Get(info.Name); !errors.Is(err, ErrNotFound) {
		t.Errorf("after delete: %v", err)
	}
}

// TestFailedPut shows that what was not written whole leaves nothing behind.
func TestFailedPut(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		want error
	}{
		"too large": {t.Context(), strings.NewReader("hello!"), ErrTooLarge},
		"cut off":   {t.Context(), io.MultiReader(strings.NewReader("he"), iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF},
		"given up":  {gone, strings.NewReader("hello"), context.Canceled},
	} {
		if _, err := d.Put(c.ctx, c.r, 5); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := names(t, d); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOpenSweepsPartials(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "ab")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "ab"+strings.Repeat("0", 30)+partial), []byte("he"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if left, _ := os.ReadDir(folder); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestNamesThatAreNone(t *testing.T) {
	d := open(t, t.TempDir())
	for _, n := range []string{"", "../../etc/passwd", "ab", strings.Repeat("g", 32), strings.Repeat("a", 33)} {
		if _, err := d.Get(n); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("Get(%q): %v", n, err)
		}
		if err := d.Delete(n); err == nil {
			t.Errorf("Delete(%q) did not fail", n)
		}
	}
}
