package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
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
	// VerifyBytes is how much data Open reads through to see that it is sound;
	// 16 MiB if zero. If there is more, a block is checked when it is read; Verify
	// reads them all.
	VerifyBytes int64
	// MemTableBytes is how much is written before it moves from the log into
	// tables; 8 MiB if zero.
	MemTableBytes uint64
	// Migrations lead from one format of the data to the next: the first from
	// format 1 to 2. The data is written in format len(Migrations)+1. Each may run
	// again if it was interrupted.
	Migrations []Migration
}

// Pebble is the embedded driver: a Store in one folder of one machine, on
// cockroachdb/pebble. Reads and writes of a transaction are checked against each
// other here (see conflict.go); pebble gives the snapshots, the log and the tables.
type Pebble struct {
	db       *pebble.DB
	disk     *disk
	lock     io.Closer
	clock    aws.Clock
	log      *slog.Logger
	watchers watchers

	// turn is held while a group is compared and applied, or by a transaction that
	// keeps all others from committing.
	turn chan struct{}
	line line
	// last is the chain's end, applied the last commit that readers see, durable
	// the last one on disk.
	last, applied, durable atomic.Pointer[commit]
	hot                    hot
	seed                   maphash.Seed  // of the hashes of keys
	quit, ended            chan struct{} // of commitLoop

	failed   chan struct{}
	failOnce sync.Once
	failWith error
	// hung: pebble is left behind in a call that will not return.
	hung bool

	// closing is held, shared, by every transaction.
	closing sync.RWMutex
	closed  bool
}

var _ Store = (*Pebble)(nil)

// Watch implements Store.
func (p *Pebble) Watch(ctx context.Context, prefix []byte) <-chan struct{} {
	return p.watchers.watch(ctx, prefix)
}

// Close implements Store. It waits for the transactions under way, unless they
// wait for a full disk.
func (p *Pebble) Close() error {
	select {
	case <-p.disk.isFull():
		p.disk.close()
	default:
	}
	p.closing.Lock()
	defer p.closing.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.closed = true
	return p.shut()
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
	case <-p.disk.isFull():
		return ErrFull
	default:
		return nil
	}
}

// fail ends writing for good.
func (p *Pebble) fail(err error) error {
	p.failOnce.Do(func() {
		advice := "check the disk, then start again; what was acknowledged is on it"
		if errors.Is(err, ErrFull) {
			advice = "free some space, then start again; what was acknowledged is on the disk"
		}
		p.failWith = fmt.Errorf("%w (%s): %w", ErrFailed, advice, err)
		p.log.Error("the store takes no more writes", "error", err)
		close(p.failed)
		p.refuse(p.failWith, true)
	})
	return p.failWith
}

func (p *Pebble) hash(full []byte) uint64 { return maphash.Bytes(p.seed, full) }

func (p *Pebble) failure() error {
	<-p.failed
	return p.failWith
}
