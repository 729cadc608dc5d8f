package image

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// A Shelf keeps unpacked images, a folder for each by its digest, for as long as somebody refers
// to it: what is on it is all that is left of an image, and survives every end of the process and
// of the machine.
type Shelf struct {
	dir  string
	used func(digest string) bool

	mu      sync.Mutex
	folders map[string]*shelved
}

// shelved is an image that somebody uses.
type shelved struct {
	ready  chan struct{} // closed when unpacking has ended
	err    error
	users  int
	doomed bool // look whether it can go when the last user has left
}

// NewShelf is the shelf in a folder, which is its own; it is made when needed. Used reports whether
// anybody refers to an image; it is asked before one is removed, and does not call the Shelf.
func NewShelf(dir string, used func(digest string) bool) *Shelf {
	return &Shelf{dir: dir, used: used, folders: map[string]*shelved{}}
}

// Put unpacks an image, unless it is there. When it returns, the image is on disk, and stays until
// release is called, and longer if somebody refers to it by then.
func (s *Shelf) Put(ctx context.Context, img *Image) (release func(), err error) {
	return s.hold(img.Digest, func(path string) error { return s.fill(ctx, path, img) })
}

// Open is the folder of an image that was put there, until release.
func (s *Shelf) Open(digest string) (root string, release func(), err error) {
	release, err = s.hold(digest, func(path string) error {
		_, err := os.Stat(path)
		return err
	})
	return filepath.Join(s.dir, digest), release, err
}

func (s *Shelf) hold(digest string, make func(path string) error) (release func(), err error) {
	if !digestPattern.MatchString(digest) {
		return nil, bad("a digest is %q", digest)
	}
	s.mu.Lock()
	f := s.folders[digest]
	first := f == nil
	if first {
		f = &shelved{}
		f.ready = newReady()
		s.folders[digest] = f
	}
	f.users++
	s.mu.Unlock()
	if first {
		f.err = make(filepath.Join(s.dir, digest))
		close(f.ready)
	}
	<-f.ready
	var once sync.Once
	release = func() { once.Do(func() { s.release(digest, f) }) }
	if f.err != nil {
		release()
		return nil, f.err
	}
	return release, nil
}

func newReady() chan struct{} { return make(chan struct{}) }

func (s *Shelf) release(digest string, f *shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.users--; f.users > 0 {
		return
	}
	delete(s.folders, digest) // the next one looks whether it is still there
	if f.doomed {
		s.remove(digest)
	}
}

// Discard removes an image to which nobody refers, as soon as nobody uses it.
func (s *Shelf) Discard(digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.folders[digest]; f != nil {
		f.doomed = true
		return
	}
	s.remove(digest)
}

// remove removes an image unless somebody refers to it. Its name goes first: what is left of it
// after a crash is a folder to be swept. The caller holds mu.
func (s *Shelf) remove(digest string) {
	if !digestPattern.MatchString(digest) || s.used(digest) {
		return
	}
	dying, err := os.MkdirTemp(s.dir, leaving)
	if err != nil {
		return // the next sweep removes it
	}
	if err := os.Rename(filepath.Join(s.dir, digest), filepath.Join(dying, digest)); err == nil || errors.Is(err, fs.ErrNotExist) {
		go os.RemoveAll(dying) // a large one takes a while
	}
}

// Folders that are not complete any more, or not yet.
const (
	leaving   = "removing-"
	unpacking = "unpacking-"
)

// Sweep removes what nobody refers to: images whose upload was cut short, and what was on its way
// when a predecessor was killed. It is for the start, when nobody uses the Shelf, and later for
// images alone.
func (s *Shelf) Sweep() error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	s.mu.Lock()
	busy := len(s.folders) > 0
	s.mu.Unlock()
	for _, e := range entries {
		switch name := e.Name(); {
		case digestPattern.MatchString(name):
			s.Discard(name)
		case !busy && (strings.HasPrefix(name, leaving) || strings.HasPrefix(name, unpacking)):
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.dir, name)))
		}
	}
	return err
}

// fill makes the folder at path at one stroke, unless it is there.
func (s *Shelf) fill(ctx context.Context, path string, img *Image) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	// Nobody but sandboxes looks into it: what an image has is for its function alone.
	if err := os.MkdirAll(s.dir, 0o711); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(s.dir, unpacking)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	root := filepath.Join(temp, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		return err
	}
	if err := img.Unpack(ctx, root); err != nil {
		return err
	}
	if err := os.Chmod(root, 0o755); err != nil {
		return err
	}
	if err := syncAll(root); err != nil {
		return err
	}
	if err := os.Rename(root, path); err != nil {
		return err
	}
	return syncFolder(s.dir)
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
