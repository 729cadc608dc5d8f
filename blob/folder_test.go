package blob_test

import (
	"crypto/rand"
	"io"
	"slices"
	"testing"

	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/blob/blobtest"
)

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	blobtest.Run(t, func(t *testing.T) blob.Store {
		f, err := blob.OpenFolder(dir, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}

// TestFolderCutOff shows that what a predecessor was killed over is stale, and that what
// this process is in the middle of is not.
func TestFolderCutOff(t *testing.T) {
	dir := t.TempDir()
	open := func() *blob.Folder {
		f, err := blob.OpenFolder(dir, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	stale := func(f *blob.Folder) (names []string) {
		if err := f.Stale(t.Context(), func(n string) error { names = append(names, n); return nil }); err != nil {
			t.Fatal(err)
		}
		return names
	}
	killed := open()
	r, w := io.Pipe()
	done := make(chan string)
	go func() {
		name, _, err := killed.Stage(t.Context(), r, 10)
		if err != nil {
			t.Error(err)
		}
		done <- name
	}()
	if _, err := w.Write([]byte("hel")); err != nil {
		t.Fatal(err)
	}
	if got := stale(killed); len(got) != 0 {
		t.Errorf("stale while it is written: %v", got)
	}
	left := stale(open())
	if _, err := w.Write([]byte("lo")); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if name := <-done; !slices.Equal(left, []string{name}) {
		t.Errorf("stale after a kill: %v, want %s", left, name)
	}
}
