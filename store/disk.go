package store

import (
	"errors"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// ballastName is a file of ballastBytes that does nothing but take up room.
	// When the disk is full it is removed, so that what is under way can end.
	ballastName  = "BALLAST"
	ballastBytes = 24 << 20
	// retryEvery is how often a full disk is asked whether it has room again.
	retryEvery = 50 * time.Millisecond
)

// A disk is the file system below pebble, which does not survive a failed write
// to its log or its manifest. So a disk does not let such a write fail: when there
// is no room it frees the ballast and tries again until there is; on any other
// error it declares the store failed and never returns. Meanwhile the store
// refuses new writes (see writable), and reads go on.
type disk struct {
	vfs.FS
	dir     string
	witness *witness
	// fail is told why writing is over, refuse that the disk is full.
	fail   func(error) error
	refuse func()
	// opening: nobody waits for room while the store is opened.
	opening atomic.Bool
	// dead: pebble was left behind, and must not touch the folder any more.
	dead atomic.Bool

	mu      sync.Mutex
	noRoom  chan struct{} // closed while the disk is full
	full    bool
	stopped bool
	stop    chan struct{} // closed when nobody must wait any more
	log     *diskFile     // the one that is written
	waiting sync.WaitGroup
}

func newDisk(fs vfs.FS, dir string, fail func(error) error, refuse func()) *disk {
	return &disk{
		FS:     fs,
		dir:    dir,
		fail:   fail,
		refuse: refuse,
		noRoom: make(chan struct{}),
		stop:   make(chan struct{}),
	}
}

// isFull returns a channel that is closed while the disk is full.
func (d *disk) isFull() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.noRoom
}

// filled notes that the disk is full, frees the ballast and waits, in the
// background, until there is room for it again.
func (d *disk) filled() {
	if d.becameFull() {
		d.refuse()
	}
}

func (d *disk) becameFull() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full || d.stopped {
		return false
	}
	d.full = true
	close(d.noRoom)
	_ = d.FS.Remove(d.ballast()) // it may be gone already
	d.waiting.Go(d.awaitRoom)
	return true
}

func (d *disk) awaitRoom() {
	for d.pause() {
		if d.layBallast() == nil && d.emptied() {
			return
		}
	}
}

// emptied ends the time of the full disk if the log has room, too: else the next
// write would only fill it again.
func (d *disk) emptied() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.log != nil && noSpace(d.log.Preallocate(d.log.room.Load(), reserveStep)) {
		_ = d.FS.Remove(d.ballast()) // for what is under way
		return false
	}
	d.full = false
	d.noRoom = make(chan struct{})
	return true
}

// pause waits a little, in real time: that is what a disk goes by. It returns
// false when nobody must wait any more.
func (d *disk) pause() bool {
	t := time.NewTimer(retryEvery)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-d.stop:
		return false
	}
}

// close ends all waiting.
func (d *disk) close() {
	d.mu.Lock()
	if !d.stopped {
		d.stopped = true
		close(d.stop)
	}
	d.mu.Unlock()
	d.waiting.Wait()
}

func (d *disk) ballast() string { return d.FS.PathJoin(d.dir, ballastName) }

// layBallast makes the ballast file, or returns an error if there is no room.
func (d *disk) layBallast() error {
	f, err := d.FS.Create(d.ballast(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	err = f.Preallocate(0, ballastBytes)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		err = nil // then there is none; writes wait for room themselves
	}
	if err = firstError(err, f.Close()); err != nil {
		_ = d.FS.Remove(d.ballast()) // the next try makes it anew
	}
	return err
}

// vital does what pebble cannot do without.
func (d *disk) vital(op func() error) error {
	for tries := 0; ; tries++ {
		err := op()
		switch {
		case err == nil:
			return nil
		case !noSpace(err):
			err = d.fail(err)
			<-d.stop
			return err
		}
		d.filled()
		if d.opening.Load() && tries > 0 {
			return d.fail(errors.Join(ErrFull, err))
		}
		if tries > 0 && !d.pause() {
			return d.fail(errors.Join(ErrFull, err))
		}
	}
}

// optional does what pebble tries again itself, at once and for ever.
func (d *disk) optional(op func() error) error {
	err := op()
	if err == nil || !noSpace(err) {
		return err
	}
	d.filled()
	if err = op(); err == nil || !noSpace(err) {
		return err
	}
	if d.opening.Load() {
		return d.fail(errors.Join(ErrFull, err))
	}
	d.pause()
	return err
}

func noSpace(err error) bool {
	return vfs.IsNoSpaceError(err) || errors.Is(err, syscall.EDQUOT)
}

// isVital reports whether pebble cannot go on when the named file is not written.
func (d *disk) isVital(name string) bool {
	return !strings.HasSuffix(name, ".sst") && !strings.HasSuffix(name, ".blob")
}

func (d *disk) run(name string, op func() error) error {
	if d.dead.Load() {
		return ErrClosed
	}
	if d.isVital(name) {
		return d.vital(op)
	}
	return d.optional(op)
}

// Create implements vfs.FS.
func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.opened(name, func() (vfs.File, error) { return d.FS.Create(name, c) })
}

// ReuseForWrite implements vfs.FS.
func (d *disk) ReuseForWrite(from, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.forget(from); err != nil {
		return nil, err
	}
	return d.opened(name, func() (vfs.File, error) { return d.FS.ReuseForWrite(from, name, c) })
}

// OpenReadWrite implements vfs.FS.
func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.opened(name, func() (vfs.File, error) { return d.FS.OpenReadWrite(name, c, o...) })
}

func (d *disk) opened(name string, open func() (vfs.File, error)) (f vfs.File, err error) {
	err = d.run(name, func() error {
		f, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	file := &diskFile{File: f, d: d, name: d.FS.PathBase(name)}
	if isLog(name) {
		d.mu.Lock()
		d.log = file
		d.mu.Unlock()
	}
	return file, nil
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

// OpenDir implements vfs.FS.
func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, d: d, name: d.FS.PathBase(name)}, nil
}

// Rename implements vfs.FS.
func (d *disk) Rename(from, name string) error {
	return d.run(name, func() error { return d.FS.Rename(from, name) })
}

// Remove implements vfs.FS.
func (d *disk) Remove(name string) error {
	if d.dead.Load() {
		return ErrClosed
	}
	if err := d.forget(name); err != nil {
		return err
	}
	return d.FS.Remove(name)
}

func (d *disk) forget(name string) error {
	return d.vital(func() error { return d.witness.forget(d.FS.PathBase(name)) })
}

// Lock implements vfs.FS. The store holds the lock that pebble asks for.
func (d *disk) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// Unwrap implements vfs.FS.
func (d *disk) Unwrap() vfs.FS { return d.FS }

// A diskFile is a file of a disk. Each is written by one goroutine at a time.
type diskFile struct {
	vfs.File
	d       *disk
	name    string
	written atomic.Int64
	// room is how far the file's blocks are known to be its own.
	room atomic.Int64
}

// reserveStep is the least that the log reserves at a time.
const reserveStep = 1 << 20

// reserve makes room in the log for a group of so many bytes, or returns ErrFull:
// once the group is in the log, it can only wait for room. Nothing else may be on
// its way into the log. A log that pebble begins while it takes the group in has
// the ballast.
func (d *disk) reserve(n int) error {
	if noSpace(d.growLog(int64(n) + int64(n/blockSize+2)*syncHeader + blockSize)) {
		d.filled()
		return ErrFull
	}
	return nil
}

// growLog gives the log room for n bytes more.
func (d *disk) growLog(n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.log == nil {
		return nil
	}
	room := d.log.room.Load()
	more := d.log.written.Load() + n - room
	if more <= 0 {
		return nil
	}
	err := d.log.Preallocate(room, max(reserveStep, more))
	if err != nil && !noSpace(err) {
		d.log.room.Store(math.MaxInt64) // this file system keeps no room
	}
	return err
}

// Preallocate implements vfs.File.
func (f *diskFile) Preallocate(offset, length int64) error {
	err := f.File.Preallocate(offset, length)
	if room := f.room.Load(); err == nil && offset <= room {
		f.room.Store(max(room, offset+length))
	}
	return err
}

// Close implements io.Closer.
func (f *diskFile) Close() error {
	f.d.mu.Lock()
	if f.d.log == f {
		f.d.log = nil
	}
	f.d.mu.Unlock()
	return f.File.Close()
}

// Write implements io.Writer. A write that was cut short is taken up where it was.
func (f *diskFile) Write(p []byte) (int, error) {
	done := 0
	err := f.d.run(f.name, func() error {
		n, err := f.File.Write(p[done:])
		done += n
		if err == nil && done < len(p) {
			err = io.ErrShortWrite
		}
		return err
	})
	f.written.Add(int64(done))
	return done, err
}

// Sync implements vfs.File.
func (f *diskFile) Sync() error {
	return f.synced(f.d.run(f.name, f.File.Sync))
}

// SyncData implements vfs.File.
func (f *diskFile) SyncData() error {
	return f.synced(f.d.run(f.name, f.File.SyncData))
}

func (f *diskFile) synced(err error) error {
	if err == nil {
		err = f.d.run(f.name, func() error { return f.d.witness.saw(f.name, f.written.Load()) })
	}
	return err
}
