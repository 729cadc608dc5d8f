package store_test

import (
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestCrash writes from several goroutines on a file system that forgets what was
// not synced, and takes what is left at some moment: every write that had been
// acknowledged is there, and no half transaction.
func TestCrash(t *testing.T) {
	for _, percent := range []int{0, 30, 70, 100} {
		for seed := range uint64(2) {
			crash(t, percent, rand.New(rand.NewPCG(seed, uint64(percent))))
		}
	}
}

func crash(t *testing.T, percent int, rnd *rand.Rand) {
	fs := vfs.NewCrashableMem()
	lost := map[int]bool{}
	for life := range 4 {
		st := openOn(t, fs)
		hasAll(t, st, lost)
		var mu sync.Mutex
		var wg sync.WaitGroup
		acked := maps.Clone(lost)
		stop := make(chan struct{})
		for w := range 4 {
			wg.Go(func() {
				for i := 0; i < 400; i++ {
					n := life<<20 + i*4 + w
					if err := put(t.Context(), st, n, 5000); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					acked[n] = true
					mu.Unlock()
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		eventually(t, func() error {
			mu.Lock()
			defer mu.Unlock()
			if len(acked)-len(lost) < rnd.IntN(1000) && !t.Failed() {
				return errNotYet
			}
			return nil
		})
		mu.Lock()
		lost = maps.Clone(acked)
		mu.Unlock()
		clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rnd})
		close(stop)
		wg.Wait()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
		fs = clone
	}
	st := openOn(t, fs)
	hasAll(t, st, lost)
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

// TestCrashWhileOpening crashes at each of the first changes to the folder: it is
// a store, empty or not, and never in the way of itself.
func TestCrashWhileOpening(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for after := range 60 {
		fs := &stoppingFS{FS: vfs.NewCrashableMem(), left: after, percent: after % 3 * 50, rnd: rnd}
		st := openOn(t, fs)
		if err := put(t.Context(), st, 1, 10); err != nil {
			t.Fatal(err)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		if fs.clone == nil {
			continue
		}
		st = openOn(t, fs.clone)
		hasAll(t, st, nil)
		if err := put(t.Context(), st, 2, 10); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A stoppingFS takes a crashed copy of itself before one of its changes.
type stoppingFS struct {
	vfs.FS
	mu      sync.Mutex
	left    int
	percent int
	rnd     *rand.Rand
	clone   *vfs.MemFS
}

func (s *stoppingFS) change() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left--; s.left == 0 {
		s.clone = s.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: s.percent, RNG: s.rnd})
	}
}

func (s *stoppingFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	s.change()
	f, err := s.FS.Create(name, c)
	return &stoppingFile{f, s}, err
}

func (s *stoppingFS) Rename(from, to string) error {
	s.change()
	return s.FS.Rename(from, to)
}

func (s *stoppingFS) Remove(name string) error {
	s.change()
	return s.FS.Remove(name)
}

type stoppingFile struct {
	vfs.File
	s *stoppingFS
}

func (f *stoppingFile) Write(p []byte) (int, error) {
	f.s.change()
	return f.File.Write(p)
}

func (f *stoppingFile) Sync() error {
	f.s.change()
	return f.File.Sync()
}

func (f *stoppingFile) SyncData() error {
	f.s.change()
	return f.File.SyncData()
}
