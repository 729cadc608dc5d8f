package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

var errNotYet = errors.New("not yet")

// ruin is a store with tables, a manifest of several edits and a log, as a crash
// leaves it if crashed, else as it is closed.
func ruin(t *testing.T, crashed bool) *vfs.MemFS {
	fs := vfs.NewCrashableMem()
	for life := range 3 {
		clock := aws.NewManualClock(time.Unix(0, 0))
		st, err := store.Open("store", store.Options{Clock: clock, FS: fs, MemTableBytes: 512 << 10})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			if err := put(t.Context(), st, life*60+i, 5000); err != nil {
				t.Fatal(err)
			}
		}
		if life == 2 && crashed {
			if err := store.Note(st); err != nil {
				t.Fatal(err)
			}
			// What comes behind the note still has to survive damage before it.
			if err := put(t.Context(), st, 180, 5000); err != nil {
				t.Fatal(err)
			}
			clone := fs.CrashClone(vfs.CrashCloneCfg{})
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
			return clone
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return fs
}

// same reports whether everything that ruin wrote is there.
func same(t *testing.T, st store.Store) error {
	return st.View(t.Context(), func(r store.Reader) error {
		n := 0
		for e, err := range blobs.List(t.Context(), r, here, store.ListOptions{}) {
			if err != nil {
				return err
			}
			if len(e.Record) != 5000 {
				return errors.New("a record of another size")
			}
			n++
		}
		if n < 180 {
			return errors.New("records are missing")
		}
		return nil
	})
}

// TestDamage flips a byte at many places of every file, and cuts every file: the
// store is refused, or it has everything that it had. In no case is a file that
// was refused taken away.
func TestDamage(t *testing.T) {
	for _, crashed := range []bool{false, true} {
		whole := ruin(t, crashed)
		names, err := whole.List("store")
		if err != nil {
			t.Fatal(err)
		}
		refused := map[string]int{}
		for _, name := range names {
			fi, err := whole.Stat("store/" + name)
			if err != nil {
				t.Fatal(err)
			}
			size := int(fi.Size())
			if name == "BALLAST" || name == "PID" || name == "LOCK" {
				continue
			}
			for at := 0; at < size; at += max(1, size/7) {
				for _, cut := range []bool{false, true} {
					if cut && strings.HasSuffix(name, ".log") && crashed && at > size-6000 {
						continue // behind the note a cut is what a crash leaves
					}
					if damage(t, whole, name, at, cut) {
						refused[name]++
					}
				}
			}
			if remove(t, whole, name) {
				refused[name]++
			}
		}
		t.Logf("crashed %t: refused %v", crashed, refused)
		for _, kind := range []string{".sst", "MANIFEST", "STORE", "marker.manifest"} {
			if !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, kind) && refused[n] > 0 }) {
				t.Errorf("crashed %t: no damage of a %s was refused", crashed, kind)
			}
		}
	}
}

// damage flips or cuts at one place and opens the store. It returns whether the
// store was refused.
func damage(t *testing.T, whole *vfs.MemFS, name string, at int, cut bool) bool {
	fs := whole.CrashClone(vfs.CrashCloneCfg{})
	data, err := fs.UnsafeGetFileDataBuffer("store/" + name)
	if err != nil {
		t.Fatal(err)
	}
	was := slices.Clone(data)
	if cut {
		rewrite(t, fs, "store/"+name, was[:at])
	} else {
		data[at] ^= 0x5a
	}
	return refuses(t, fs, name, at, was)
}

func remove(t *testing.T, whole *vfs.MemFS, name string) bool {
	fs := whole.CrashClone(vfs.CrashCloneCfg{})
	data, err := fs.UnsafeGetFileDataBuffer("store/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.Remove("store/" + name); err != nil {
		t.Fatal(err)
	}
	return refuses(t, fs, name, -1, slices.Clone(data))
}

func rewrite(t *testing.T, fs vfs.FS, name string, data []byte) {
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	// The file system may scribble on what it was given.
	if _, err := f.Write(slices.Clone(data)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// refuses opens a damaged store. If it is refused, all is well again when the one
// file is put back as it was.
func refuses(t *testing.T, fs *vfs.MemFS, name string, at int, was []byte) bool {
	o := store.Options{Clock: aws.NewManualClock(time.Unix(0, 0)), FS: fs}
	st, err := store.Open("store", o)
	if err == nil {
		if err := same(t, st); err != nil && !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s at %d: opened, but %v", name, at, err)
		}
		if err := st.Close(); err != nil {
			t.Errorf("%s at %d: Close: %v", name, at, err)
		}
		return false
	}
	if !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%s at %d: %v", name, at, err)
	}
	rewrite(t, fs, "store/"+name, was)
	st, err = store.Open("store", o)
	if err != nil {
		t.Errorf("%s at %d: put back: %v", name, at, err)
		return true
	}
	if err := errors.Join(same(t, st), st.Close()); err != nil {
		t.Errorf("%s at %d: put back: %v", name, at, err)
	}
	return true
}
