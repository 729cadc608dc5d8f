package store

import (
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"

	"errors"
	"github.com/cockroachdb/pebble/v2/vfs"
	"os"
)

const (
	witnessName = "WITNESS"
	witnessTemp = "WITNESS.new"
)

// A witness remembers, in a file of its own, how long the manifest and the log
// were when they were last known to be on disk. A file that ends too early, or
// does not make sense before that point, is damaged and not just torn by a crash:
// the one mistake that pebble makes silently.
//
// The manifest is noted at each change, which is rare. The log is noted only now
// and then (by Run, and when the store is opened), since that costs a sync.
type witness struct {
	fs  vfs.FS
	dir string

	mu sync.Mutex
	// fresh: the folder is being made, and there is nothing to lose yet.
	fresh    bool
	manifest extent
	log      extent // synced, noted or not
	noted    extent // of the log
}

// An extent is a file's name and the length up to which it is known.
type extent struct {
	name   string
	length int64
}

// saw notes that a file is on disk up to a length.
func (w *witness) saw(name string, length int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case strings.HasSuffix(name, ".log"):
		w.log = extent{name, length}
	case strings.HasPrefix(name, "MANIFEST-"):
		w.manifest = extent{name, length}
		if !w.fresh {
			return w.write()
		}
	}
	return nil
}

// note writes down how far the log has come.
func (w *witness) note() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.noted == w.log {
		return nil
	}
	return w.write()
}

// forget is called before a file is removed.
func (w *witness) forget(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log.name == name {
		w.log = extent{}
	}
	if w.noted.name == name {
		return w.write()
	}
	return nil
}

// write replaces the witness' file.
func (w *witness) write() error {
	text := fmt.Sprintf("%s %d\n%s %d\n", orNone(w.manifest.name), w.manifest.length, orNone(w.log.name), w.log.length)
	text += fmt.Sprintf("%08x\n", crc32.ChecksumIEEE([]byte(text)))
	if err := writeFile(w.fs, w.fs.PathJoin(w.dir, witnessTemp), text, true); err != nil {
		return err
	}
	if err := w.fs.Rename(w.fs.PathJoin(w.dir, witnessTemp), w.fs.PathJoin(w.dir, witnessName)); err != nil {
		return err
	}
	if err := syncDir(w.fs, w.dir); err != nil {
		return err
	}
	w.noted = w.log
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return firstError(d.Sync(), d.Close())
}

func orNone(name string) string {
	if name == "" {
		return "-"
	}
	return name
}

// read returns what a former witness noted, by file name.
func (w *witness) read() (map[string]int64, error) {
	text, err := readFile(w.fs, w.fs.PathJoin(w.dir, witnessName))
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var m, l extent
	var sum uint32
	_, err = fmt.Sscanf(text, "%s %d\n%s %d\n%x\n", &m.name, &m.length, &l.name, &l.length, &sum)
	if i := strings.LastIndexByte(strings.TrimSuffix(text, "\n"), '\n'); err != nil || crc32.ChecksumIEEE([]byte(text[:i+1])) != sum {
		return nil, fmt.Errorf("%w: %s is not readable", ErrDamaged, witnessName)
	}
	return map[string]int64{m.name: m.length, l.name: l.length}, nil
}

// readFile returns the content of a small file.
func readFile(fs vfs.FS, name string) (string, error) {
	f, err := fs.Open(name)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, 1<<16))
	return string(b), firstError(err, f.Close())
}

// made ends the making of the folder.
func (w *witness) made() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fresh = false
}

// writeFile writes a small file.
func writeFile(fs vfs.FS, name, text string, sync bool) error {
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(text))
	if err == nil && sync {
		err = f.Sync()
	}
	return firstError(err, f.Close())
}

func isMissing(err error) bool { return errors.Is(err, os.ErrNotExist) }
