package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tule-cloud/tule/aws"
)

// The file lockName is locked while the store is open; pidName tells people by
// whom.
const (
	lockName = "LOCK"
	pidName  = "PID"
)

// Open opens the store in the folder dir, which it creates if need be. It refuses
// a folder that is in use (ErrLocked), damaged (ErrDamaged) or newer than this
// program (ErrNewerFormat), and then leaves what is in it alone.
func Open(dir string, o Options) (*Pebble, error) {
	p, err := open(dir, o.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", dir, err)
	}
	return p, nil
}

// Memory returns a store that is gone when it is closed, for tests.
func Memory(clock aws.Clock) *Pebble {
	p, err := Open("store", Options{Clock: clock, FS: vfs.NewMem()})
	if err != nil {
		panic(err)
	}
	return p
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 16 << 20
	}
	if o.VerifyBytes == 0 {
		o.VerifyBytes = 16 << 20
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 8 << 20
	}
	return o
}

func open(dir string, o Options) (_ *Pebble, err error) {
	if o.Clock == nil {
		return nil, errors.New("Options.Clock is required")
	}
	p := &Pebble{
		clock:  o.Clock,
		log:    o.Logger,
		turn:   make(chan struct{}, 1),
		line:   newLine(),
		seed:   maphash.MakeSeed(),
		quit:   make(chan struct{}),
		ended:  make(chan struct{}),
		failed: make(chan struct{}),
	}
	start := &commit{}
	p.last.Store(start)
	p.applied.Store(start)
	p.durable.Store(start)
	if p.lock, err = lockFolder(o.FS, dir); err != nil {
		return nil, err
	}
	p.disk = newDisk(o.FS, dir, p.fail, func() { p.refuse(ErrFull, false) })
	p.disk.opening.Store(true)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.shut())
		}
	}()
	if err := p.openFolder(dir, o); err != nil {
		return nil, err
	}
	p.disk.opening.Store(false)
	return p, nil
}

// openFolder opens what is in a folder that is locked.
func (p *Pebble) openFolder(dir string, o Options) error {
	names, err := o.FS.List(dir)
	if err != nil {
		return err
	}
	format, err := readFormat(o.FS, dir)
	if err != nil {
		return err
	}
	newest := 1 + len(o.Migrations)
	if format > newest {
		return fmt.Errorf("%w: %d, and this program knows %d", ErrNewerFormat, format, newest)
	}
	p.disk.witness = &witness{fs: o.FS, dir: dir, fresh: format == 0}
	defer p.disk.witness.made()
	po := p.options(o)
	if format == 0 {
		po.ErrorIfNotPristine = true
	} else {
		po.ErrorIfNotExists = true
		known, err := p.disk.witness.read()
		if err != nil {
			return err
		}
		if err := (inspection{o.FS, dir, known}).run(names); err != nil {
			return err
		}
	}
	if err := p.openDB(dir, po); err != nil {
		return err
	}
	go p.commitLoop()
	if size := p.db.Metrics().Total().TablesSize; size > 0 && size <= o.VerifyBytes {
		if err := p.verify(context.Background()); err != nil {
			return err
		}
	}
	if err := p.disk.layBallast(); noSpace(err) {
		p.disk.filled()
	}
	return p.migrate(dir, format, o.Migrations)
}

// lockFolder makes a folder and takes it into possession.
func lockFolder(fs vfs.FS, dir string) (io.Closer, error) {
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	pid := fs.PathJoin(dir, pidName)
	lock, err := fs.Lock(fs.PathJoin(dir, lockName))
	if err != nil {
		by, _ := readFile(fs, pid) // for people; may be missing
		if by = strings.TrimSpace(by); by == "" {
			by = "unknown"
		}
		return nil, fmt.Errorf("%w by process %s: %w", ErrLocked, by, err)
	}
	err = writeFile(fs, pid, fmt.Sprintln(os.Getpid()), false)
	if noSpace(err) {
		err = nil
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// openDB opens pebble, and gives up on it if it does not come back.
func (p *Pebble) openDB(dir string, o *pebble.Options) error {
	type opened struct {
		db  *pebble.DB
		err error
	}
	c := make(chan opened, 1)
	go func() {
		var r opened
		defer func() {
			if x := recover(); x != nil {
				r.err = fmt.Errorf("%w: %v", ErrDamaged, x)
			}
			c <- r
		}()
		r.db, r.err = pebble.Open(dir, o)
	}()
	select {
	case r := <-c:
		p.db = r.db
		if errors.Is(r.err, pebble.ErrDBNotPristine) {
			return fmt.Errorf("%w: %s is missing: %w", ErrDamaged, formatName, r.err)
		}
		return openError(r.err)
	case <-p.failed:
		p.hung = true
		return p.failure()
	}
}

// openError tells damage, of which pebble says many things, from what the
// operating system refuses.
func openError(err error) error {
	var no syscall.Errno
	if err == nil || errors.Is(err, ErrDamaged) || errors.As(err, &no) && no != syscall.ENOENT {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

func (p *Pebble) options(o Options) *pebble.Options {
	po := &pebble.Options{
		FS:                 p.disk,
		CacheSize:          o.CacheBytes + 2*int64(o.MemTableBytes), // pebble takes what memory its two tables have from the cache
		MemTableSize:       o.MemTableBytes,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             pebbleLogger{p},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { p.log.Error("store: in the background", "error", err) },
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				p.log.Error("store: damaged data", "path", i.Path, "error", i.Details)
			},
		},
	}
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return po
}

// shut closes everything that open opened.
func (p *Pebble) shut() error {
	var err error
	if p.db != nil {
		close(p.quit)
		err = p.closeDB()
	}
	if p.hung {
		p.disk.dead.Store(true)
	}
	p.disk.close()
	return errors.Join(err, p.lock.Close())
}

// closeDB moves the log into tables, if there is room, and closes pebble. A log
// that is empty cannot be damaged. Pebble does not come back from a failed disk
// and is left behind then; everything that was acknowledged is on disk.
func (p *Pebble) closeDB() error {
	closed := make(chan error, 1)
	go func() {
		<-p.ended
		if err := p.flush(); err != nil {
			p.log.Error("store: flush", "error", err)
		}
		closed <- p.db.Close()
	}()
	full := p.disk.isFull()
	for {
		select {
		case err := <-closed:
			return err
		case <-full:
			p.disk.close() // nobody waits for room any more
			full = nil
		case <-p.failed:
			p.hung = true
			return p.failure()
		}
	}
}

func (p *Pebble) flush() error {
	if err := p.writable(); err != nil {
		return nil
	}
	flushed, err := p.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
	case <-p.disk.isFull():
	}
	return nil
}

// pebbleLogger is what pebble tells.
type pebbleLogger struct {
	p *Pebble
}

// Infof implements pebble.Logger. Pebble tells of each of its jobs: too much.
func (pebbleLogger) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (l pebbleLogger) Errorf(format string, args ...any) {
	l.p.log.Error("store: " + fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. Pebble counts on not getting control back, and
// the process is not ours to end: the goroutine stays here.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	_ = l.p.fail(fmt.Errorf(format, args...))
	select {}
}
