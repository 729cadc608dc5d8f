package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tule-cloud/tule/aws"
)

// Options are the settings of the embedded driver.
type Options struct {
	// Clock says what has expired. It is required.
	Clock aws.Clock
	// FS is the file system; the operating system's if nil.
	FS vfs.FS
	// Logger hears what is wrong in the background; nobody if nil.
	Logger *slog.Logger
	// CacheBytes is the size of the cache of blocks read; 16 MiB if zero.
	CacheBytes int64
	// MemTableBytes is how much is written before it moves from the log into
	// tables; 8 MiB if zero.
	MemTableBytes uint64
}

// Pebble is the embedded driver: a Store in one folder of one machine, on
// cockroachdb/pebble. Reads and writes of a transaction are checked against each
// other here (see conflict.go); pebble gives the snapshots, the log and the tables.
type Pebble struct {
	db       *pebble.DB
	clock    aws.Clock
	log      *slog.Logger
	watchers watchers

	// turn is held while a transaction is compared and applied.
	turn chan struct{}
	// last is the chain's end, applied the last commit that readers see, durable
	// the last one on disk.
	last, applied, durable atomic.Pointer[commit]
	syncing                chan syncing
	synced                 chan struct{}

	failed   chan struct{}
	failOnce sync.Once
	failWith error

	closing sync.RWMutex
	closed  bool
}

var _ Store = (*Pebble)(nil)

// Open opens the store in the folder dir, which it creates if need be.
func Open(dir string, o Options) (*Pebble, error) {
	if o.Clock == nil {
		return nil, errors.New("store: Options.Clock is required")
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pebble{
		clock:   o.Clock,
		log:     o.Logger,
		turn:    make(chan struct{}, 1),
		syncing: make(chan syncing, 1024),
		synced:  make(chan struct{}),
		failed:  make(chan struct{}),
	}
	start := &commit{}
	p.last.Store(start)
	p.applied.Store(start)
	p.durable.Store(start)
	var err error
	if p.db, err = pebble.Open(dir, p.options(o)); err != nil {
		return nil, fmt.Errorf("store: open %s: %w", dir, readError(err))
	}
	go p.syncLoop()
	return p, nil
}

// Memory returns a store that is gone when it is closed, for tests.
func Memory(clock aws.Clock) *Pebble {
	p, err := Open("", Options{Clock: clock, FS: vfs.NewMem()})
	if err != nil {
		panic(err)
	}
	return p
}

func (p *Pebble) options(o Options) *pebble.Options {
	if o.CacheBytes == 0 {
		o.CacheBytes = 16 << 20
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 8 << 20
	}
	return &pebble.Options{
		FS:                 o.FS,
		CacheSize:          o.CacheBytes,
		MemTableSize:       o.MemTableBytes,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             pebbleLogger{p},
	}
}

// Watch implements Store.
func (p *Pebble) Watch(ctx context.Context, prefix []byte) <-chan struct{} {
	return p.watchers.watch(ctx, prefix)
}

// Close implements Store. It waits for the transactions under way.
func (p *Pebble) Close() error {
	p.closing.Lock()
	defer p.closing.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.closed = true
	close(p.syncing)
	<-p.synced
	return p.db.Close()
}

// begin keeps the store open until end.
func (p *Pebble) begin() error {
	p.closing.RLock()
	if p.closed {
		p.closing.RUnlock()
		return ErrClosed
	}
	return nil
}

func (p *Pebble) end() { p.closing.RUnlock() }

// writable returns why nothing can be written, if so.
func (p *Pebble) writable() error {
	select {
	case <-p.failed:
		return p.failure()
	default:
		return nil
	}
}

// fail ends writing for good.
func (p *Pebble) fail(err error) error {
	p.failOnce.Do(func() {
		p.failWith = fmt.Errorf("%w: %w", ErrFailed, err)
		p.log.Error("the store takes no more writes", "error", err)
		close(p.failed)
	})
	return p.failWith
}

func (p *Pebble) failure() error {
	<-p.failed
	return p.failWith
}

// pebbleLogger is what pebble tells.
type pebbleLogger struct {
	p *Pebble
}

// Infof implements pebble.Logger. Pebble tells of each of its jobs: too much.
func (pebbleLogger) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (l pebbleLogger) Errorf(format string, args ...any) {
	l.p.log.Error(fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. Pebble counts on not getting control back.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	panic(l.p.fail(fmt.Errorf(format, args...)))
}
