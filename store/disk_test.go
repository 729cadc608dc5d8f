package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A smallDisk is a file system with so many bytes of room, or a broken one.
type smallDisk struct {
	vfs.FS
	mu    sync.Mutex
	room  int64
	sizes map[string]int64
	bad   error
	// loose: the log's room cannot be reserved.
	loose bool
}

func newSmallDisk(room int64) *smallDisk {
	return &smallDisk{FS: vfs.NewMem(), room: room, sizes: map[string]int64{}}
}

// take takes room for a file that grows to size.
func (d *smallDisk) take(name string, size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bad != nil {
		return d.bad
	}
	if more := size - d.sizes[name]; more > 0 {
		if more > d.room {
			return &vfsError{name, syscall.ENOSPC}
		}
		d.room -= more
		d.sizes[name] = size
	}
	return nil
}

type vfsError struct {
	name string
	err  error
}

func (e *vfsError) Error() string { return e.name + ": " + e.err.Error() }
func (e *vfsError) Unwrap() error { return e.err }

// set changes the room left, and what every write returns.
func (d *smallDisk) set(room int64, bad error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room, d.bad = room, bad
}

func (d *smallDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.take(name, 0); err != nil {
		return nil, err
	}
	f, err := d.FS.Create(name, c)
	return &smallFile{File: f, d: d, name: name}, err
}

func (d *smallDisk) ReuseForWrite(from, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.Remove(from); err != nil {
		return nil, err
	}
	return d.Create(name, c)
}

func (d *smallDisk) Remove(name string) error {
	err := d.FS.Remove(name)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.room += d.sizes[name]
		delete(d.sizes, name)
	}
	return err
}

func (d *smallDisk) Rename(from, to string) error {
	err := d.FS.Rename(from, to)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.room += d.sizes[to]
		d.sizes[to] = d.sizes[from]
		delete(d.sizes, from)
	}
	return err
}

type smallFile struct {
	vfs.File
	d    *smallDisk
	name string
	at   int64
}

func (f *smallFile) Write(p []byte) (int, error) {
	if err := f.d.take(f.name, f.at+int64(len(p))); err != nil {
		return 0, err
	}
	f.at += int64(len(p))
	return f.File.Write(p)
}

func (f *smallFile) Preallocate(at, n int64) error {
	if f.d.loose && strings.HasSuffix(f.name, ".log") {
		return syscall.EOPNOTSUPP
	}
	return f.d.take(f.name, at+n)
}

func (f *smallFile) Sync() error {
	if err := f.d.take(f.name, 0); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *smallFile) SyncData() error { return f.Sync() }

func openOn(t *testing.T, fs vfs.FS) *store.Pebble {
	t.Helper()
	st, err := store.Open("store", store.Options{Clock: aws.NewManualClock(time.Unix(0, 0)), FS: fs, MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// put writes a blob of n bytes under i.
func put(ctx context.Context, st store.Store, i, n int) error {
	return st.Update(ctx, func(tx store.Tx) error {
		blob := make([]byte, n)
		rand.NewChaCha8([32]byte{byte(i)}).Read(blob)
		return errors.Join(
			blobs.Put(tx, here, blob, i),
			films.Put(tx, here, film{Year: i}, i),
		)
	})
}

// hasAll checks that exactly the acknowledged records are there, or, where the
// outcome is unknown, whole ones.
func hasAll(t *testing.T, st store.Store, acked map[int]bool) {
	t.Helper()
	view(t, st, func(r store.Reader) error {
		got := map[int]bool{}
		for e, err := range films.List(t.Context(), r, here, store.ListOptions{}) {
			if err != nil {
				return err
			}
			got[e.Record.Year] = true
			if _, err := blobs.Get(t.Context(), r, here, e.Record.Year); err != nil {
				t.Errorf("half of %d: %v", e.Record.Year, err)
			}
		}
		for i := range acked {
			if !got[i] {
				t.Errorf("%d is lost", i)
			}
		}
		return nil
	})
}

func TestDiskFull(t *testing.T) {
	d := newSmallDisk(60 << 20)
	st := openOn(t, d)
	acked := map[int]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				err := put(t.Context(), st, i*8+w, 64<<10)
				if errors.Is(err, store.ErrFull) {
					return
				}
				if err != nil || i > 1000 {
					t.Errorf("write %d: %v", i, err)
					return
				}
				mu.Lock()
				acked[i*8+w] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("full after %d writes", len(acked))
	hasAll(t, st, acked)
	// Flushes that were under way may have made room; it does not last.
	var err error
	for i := 1 << 21; err == nil && i < 1<<21+1000; i++ {
		if err = put(t.Context(), st, i, 64<<10); err == nil {
			acked[i] = true
		}
	}
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("a write on a full disk: %v", err)
	}
	d.set(200<<20, nil)
	eventually(t, func() error { return put(t.Context(), st, 1<<20, 1) })
	acked[1<<20] = true
	hasAll(t, st, acked)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	st = openOn(t, d)
	hasAll(t, st, acked)
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

// eventually waits until fn succeeds, as what it waits for goes by real time.
func eventually(t *testing.T, fn func() error) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(10 * time.Second); ; {
		err := fn()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatal(err)
		}
	}
}

// TestDiskFullIsRefused: the log's room is reserved, so no write is left waiting.
func TestDiskFullIsRefused(t *testing.T) {
	d := newSmallDisk(60 << 20)
	st := openOn(t, d)
	acked := map[int]bool{}
	fill := func(from int) {
		for i := from; ; i++ {
			err := put(t.Context(), st, i, 10_000)
			if errors.Is(err, store.ErrFull) {
				return
			}
			if err != nil || i > from+1000 {
				t.Fatalf("write %d: %v", i, err)
			}
			acked[i] = true
		}
	}
	d.set(0, nil)
	fill(0)
	hasAll(t, st, acked)
	d.set(100<<20, nil)
	eventually(t, func() error { return put(t.Context(), st, 5000, 100) })
	acked[5000] = true
	d.set(0, nil)
	fill(6000)
	hasAll(t, st, acked)
	if err := st.Close(); err != nil && !errors.Is(err, store.ErrFull) {
		t.Errorf("Close: %v", err)
	}
	d.set(100<<20, nil)
	st = openOn(t, d)
	hasAll(t, st, acked)
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

// TestDiskFullToTheLastByte: not even the ballast helps, and no room can be
// reserved.
func TestDiskFullToTheLastByte(t *testing.T) {
	d := newSmallDisk(60 << 20)
	d.loose = true
	st := openOn(t, d)
	for i := range 10 {
		if err := put(t.Context(), st, i, 100); err != nil {
			t.Fatal(err)
		}
	}
	d.set(-1<<40, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := put(ctx, st, 100, 100); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the write that fills the disk: %v", err)
	}
	if err := put(t.Context(), st, 101, 100); !errors.Is(err, store.ErrFull) {
		t.Errorf("the next write: %v", err)
	}
	view(t, st, func(r store.Reader) error {
		_, err := blobs.Get(t.Context(), r, here, 5)
		return err
	})
	d.set(60<<20, nil)
	eventually(t, func() error { return put(t.Context(), st, 102, 100) })
	hasAll(t, st, map[int]bool{1: true, 100: true, 102: true})
	d.set(-1<<40, nil)
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := put(ctx, st, 103, 100); err == nil {
		t.Error("a write on a full disk")
	}
	if err := st.Close(); !errors.Is(err, store.ErrFull) {
		t.Errorf("Close: %v", err)
	}
	if _, err := store.Open("store", store.Options{Clock: aws.NewManualClock(time.Unix(0, 0)), FS: d}); !errors.Is(err, store.ErrFull) {
		t.Errorf("Open on a full disk: %v", err)
	}
	d.set(60<<20, nil)
	st = openOn(t, d)
	hasAll(t, st, map[int]bool{1: true, 100: true, 102: true})
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

// TestDiskFailure: an error that is not for want of room ends writing for good.
func TestDiskFailure(t *testing.T) {
	d := newSmallDisk(1 << 40)
	st := openOn(t, d)
	if err := put(t.Context(), st, 1, 100); err != nil {
		t.Fatal(err)
	}
	d.set(1<<40, syscall.EIO)
	for i := range 3 {
		if err := put(t.Context(), st, 2, 100); !errors.Is(err, store.ErrFailed) || !errors.Is(err, syscall.EIO) {
			t.Errorf("write %d on a broken disk: %v", i, err)
		} else if !strings.Contains(err.Error(), "check the disk, then start again") {
			t.Errorf("what to do: %v", err)
		}
	}
	view(t, st, func(r store.Reader) error {
		_, err := blobs.Get(t.Context(), r, here, 1)
		return err
	})
	err := st.View(t.Context(), func(r store.Reader) error {
		_, err := blobs.Get(t.Context(), r, here, 2)
		return err
	})
	if !errors.Is(err, store.ErrFailed) {
		t.Errorf("a read of what may be lost: %v", err)
	}
	if err := st.Close(); !errors.Is(err, store.ErrFailed) {
		t.Errorf("Close: %v", err)
	}
	d.set(1<<40, nil)
	st = openOn(t, d)
	hasAll(t, st, map[int]bool{1: true})
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

func TestTooLarge(t *testing.T) {
	st, _ := memory(t)
	err := st.Update(t.Context(), func(tx store.Tx) error {
		for i := range 65 {
			if err := blobs.Put(tx, here, make([]byte, 1<<20), i); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("65 MiB at once: %v", err)
	}
	if err := put(t.Context(), st, 1, 32<<20); err != nil {
		t.Errorf("32 MiB at once: %v", err)
	}
	hasAll(t, st, map[int]bool{1: true})
}

func ExampleReset() {
	st := store.Memory(aws.NewManualClock(time.Unix(0, 0)))
	ctx := context.Background()
	_ = put(ctx, st, 1, 1)
	_ = store.Reset(ctx, st, here.Account, "")
	_ = st.View(ctx, func(r store.Reader) error {
		_, err := films.Get(ctx, r, here, 1)
		fmt.Println(err)
		return nil
	})
	_ = st.Close()
	// Output: store: not found
}
