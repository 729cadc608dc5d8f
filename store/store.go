// Package store keeps Tule's durable state: ordered keys, serialisable
// transactions, expiry, change notification, and typed tables on top.
//
// A service declares its tables with [NewTable] and works on them inside
// [Store.Update] and [Store.View]. Everything a transaction does becomes visible
// at once or not at all, and when Update returns nil it is on disk.
//
// Store is the driver's interface. [Pebble] is the embedded driver. The interface
// asks nothing of a driver that a distributed engine could not give: a
// transaction is a closure that may run again, no iterator outlives its
// transaction, and every call that may wait takes a context. Package storetest is
// the contract that a driver must pass.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/tule-cloud/tule/aws"
)

var (
	// ErrNotFound: there is no such record, or it has expired.
	ErrNotFound = errors.New("store: not found")
	// ErrFull: the disk is full. The transaction was refused before it changed
	// anything; reads go on, and writes work again once there is space.
	ErrFull = fmt.Errorf("store: %w", aws.ErrFull)
	// ErrTooLarge: the transaction writes more than the driver takes at once.
	ErrTooLarge = errors.New("store: the transaction is too large")
	// ErrDamaged: what is on disk is not what was written. Nothing was changed.
	ErrDamaged = errors.New("store: the data is damaged")
	// ErrLocked: another process, or another Open in this one, has the folder.
	ErrLocked = errors.New("store: the folder is in use")
	// ErrNewerFormat: the folder was written by a later version of Tule.
	ErrNewerFormat = errors.New("store: the data has a newer format")
	// ErrFailed: the disk refused a write for another reason than space. The
	// outcome of the transactions under way is unknown; reads go on, and writing
	// takes a new Open.
	ErrFailed = errors.New("store: the disk failed")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store: closed")
)

// A Store holds ordered keys and runs transactions on them. It is safe for
// concurrent use. A transaction's function must not start another transaction
// on the same store.
type Store interface {
	// Update runs fn in a serialisable read-write transaction. When it returns
	// nil, what fn wrote is durable. When fn returns an error nothing is written
	// and Update returns that error. fn runs again when another transaction got
	// in between, so it has no effects of its own; what it assigns to variables
	// outside it must be assigned anew on each run.
	//
	// When ctx ends while the change is on its way to disk, Update returns
	// ctx's error and the outcome is unknown, as with any store across a network.
	Update(ctx context.Context, fn func(Tx) error) error
	// View runs fn, once, on a consistent snapshot that holds everything that
	// was durable when View was called. What fn read is durable too when View
	// returns.
	View(ctx context.Context, fn func(Reader) error) error
	// Watch returns a channel that receives after each commit that touched a key
	// beginning with prefix, until ctx ends. Signals that nobody has taken yet
	// become one. An expired record signals when it is swept, not when it expires.
	Watch(ctx context.Context, prefix []byte) <-chan struct{}
	// Close ends the store. Transactions must have returned.
	Close() error
}

// A Reader reads one state of the store. It ends with its transaction's function
// and is used by one goroutine at a time. A record that has expired is not there.
type Reader interface {
	// Get returns the value of key, which is the caller's to keep, or ErrNotFound.
	Get(ctx context.Context, key []byte) ([]byte, error)
	// Range yields the records with start <= key < end in the order of the bytes
	// of their keys; an empty end is the end of the store. Keys and values are
	// the caller's to keep. It shows the transaction as it stood when the
	// iteration began, so the loop may write to what it reads. An error is the
	// last thing yielded.
	Range(ctx context.Context, start, end []byte, o RangeOptions) iter.Seq2[KV, error]
}

// A Tx is a Reader that sees its own writes. Set and its like keep no reference
// to what they are given.
type Tx interface {
	Reader
	// Set writes a record that stays.
	Set(key, value []byte)
	// SetExpiring writes a record that is gone at the time given (to the
	// microsecond).
	SetExpiring(key, value []byte, at time.Time)
	// Delete removes a record; it need not be there.
	Delete(key []byte)
	// DeleteRange removes every record with start <= key < end. An empty end is
	// the end of the store.
	DeleteRange(start, end []byte)
	// Add adds delta to the counter under key, which is zero at first, and
	// returns its new value. A counter's record is eight bytes, big-endian.
	Add(ctx context.Context, key []byte, delta int64) (int64, error)
}

// KV is one record.
type KV struct {
	Key, Value []byte
}

// RangeOptions say how to walk a range.
type RangeOptions struct {
	// Limit is the most records to yield; zero means all.
	Limit int
	// Reverse yields the last key first.
	Reverse bool
}
