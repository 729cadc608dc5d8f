package lambda

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// A shelf is the unpacked code of functions: a folder for each zip file, by its
// SHA-256, shared by all who have that code.
//
// Folders are not synced: that would cost a second for a large one, and they can be
// had again. They lie below a folder named after this boot of the machine, since what
// was written before a crash of the machine may be half there; a process that is
// killed loses nothing.
type shelf struct {
	dir     string
	mu      sync.Mutex
	boot    string // dir's folder of this boot; "" before the first use
	folders map[string]*folder
}

// folder is one zip's code.
type folder struct {
	ready  chan struct{} // closed when unpacking has ended
	err    error
	users  int
	doomed bool // remove when the last user has left
}

// source opens a zip file.
type source func() (r io.ReaderAt, size int64, done func() error, err error)

// open returns the folder with the code of a zip file, which stays until release is
// called. It is unpacked from the source if it is not there.
func (c *shelf) open(sum string, from source) (path string, release func(), err error) {
	c.mu.Lock()
	if err := c.begin(); err != nil {
		c.mu.Unlock()
		return "", nil, err
	}
	path = filepath.Join(c.boot, sum)
	f := c.folders[sum]
	first := f == nil
	if first {
		f = &folder{ready: make(chan struct{})}
		c.folders[sum] = f
	}
	f.users++ // a doomed one stays so: who comes late asks for code that was replaced meanwhile
	c.mu.Unlock()
	if first {
		f.err = fill(path, from)
		close(f.ready)
	}
	<-f.ready
	var once sync.Once
	release = func() { once.Do(func() { c.release(sum, f) }) }
	if f.err != nil {
		release()
		return "", nil, f.err
	}
	return path, release, nil
}

func (c *shelf) release(sum string, f *folder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.users--; f.users > 0 {
		return
	}
	delete(c.folders, sum) // the next one looks whether it is still there
	if f.doomed {
		c.remove(sum)
	}
}

// discard removes the code of a zip file that no function has any more, as soon as
// nobody uses it.
func (c *shelf) discard(sum string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.folders[sum]; f != nil && f.users > 0 {
		f.doomed = true
		return
	}
	if c.boot != "" {
		c.remove(sum)
	}
}

// sweep discards all code but that of these zip files.
func (c *shelf) sweep(keep map[string]bool) error {
	c.mu.Lock()
	err := c.begin()
	boot := c.boot
	c.mu.Unlock()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(boot)
	for _, e := range entries {
		rest, partial := strings.CutPrefix(e.Name(), unpacking)
		switch sum, _, _ := strings.Cut(rest, "-"); {
		case partial && !c.has(sum): // a predecessor was killed at it
			err = errors.Join(err, os.RemoveAll(filepath.Join(boot, e.Name())))
		case !partial && !keep[e.Name()]:
			c.discard(e.Name())
		}
	}
	return err
}

// has reports whether somebody uses the code of a zip file, or unpacks it.
func (c *shelf) has(sum string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.folders[sum] != nil
}

// unpacking begins the names of folders that are not complete; the zip file's sum
// follows.
const unpacking = "unpacking-"

func (c *shelf) remove(sum string) {
	// What stays behind, where the disk fails, goes at the next boot.
	_ = os.RemoveAll(filepath.Join(c.boot, sum))
}

// begin makes the folder of this boot and removes those of others.
func (c *shelf) begin() error {
	if c.boot != "" {
		return nil
	}
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	name := strings.TrimSpace(string(id))
	if err != nil || name == "" {
		name = "unknown" // and so what is there cannot be trusted
	}
	boot := filepath.Join(c.dir, name)
	if err := os.MkdirAll(boot, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != name || name == "unknown" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(c.dir, e.Name())))
		}
	}
	if err == nil {
		err = os.MkdirAll(boot, 0o755)
	}
	if err == nil {
		c.boot = boot
	}
	return err
}

// fill makes the folder at path at one stroke, unless it is there.
func fill(path string, from source) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	r, size, done, err := from()
	if err != nil {
		return err
	}
	defer done()
	temp, err := os.MkdirTemp(filepath.Dir(path), unpacking+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := unzip(temp, r, size); err != nil {
		return err
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
