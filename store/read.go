package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// ctxEvery is how many records a range walks between two looks at its context.
const ctxEvery = 256

// A snapshot reads one state of the database, which it fixes at its first read,
// and keeps account of what was read. Its keys are full keys.
type snapshot struct {
	p *Pebble
	// writes: what is read decides whether something may be written.
	writes bool
	now    expiry
	// pin is an iterator over everything. It holds on to the state as pebble's own
	// snapshots do, but at a third of the price: those take the lock of the
	// database twice.
	pin   *pebble.Iterator
	reads readSet
	// quiet: nobody will ask what was read.
	quiet bool
	// Every commit up to base is in the snapshot, and none behind seen is.
	base, seen *commit
	// durable is a commit up to which all were on disk before the first read.
	durable *commit
	closed  bool
	// key is the one looked for, which pebble's iterators want on the heap.
	key  []byte
	room [keyRoom]byte
}

// open fixes the state to read.
func (s *snapshot) open() error {
	if s.pin != nil {
		return nil
	}
	if s.closed {
		return errors.New("store: read after the end of the transaction")
	}
	s.now = expiryOf(s.p.clock.Now())
	s.durable = s.p.durable.Load()
	s.base = s.p.applied.Load()
	pin, err := s.p.db.NewIter(nil)
	if err != nil {
		return readError(err)
	}
	s.pin = pin
	s.seen = s.p.last.Load()
	s.quiet = !s.writes && s.durable == s.seen
	return nil
}

func (s *snapshot) close() error {
	s.closed = true
	if s.pin == nil {
		return nil
	}
	err := s.pin.Close()
	s.pin = nil
	return readError(err)
}

// get returns the value of a full key, which it does not keep.
func (s *snapshot) get(ctx context.Context, full []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, at, err := s.look(full)
	if err != nil {
		return nil, err
	}
	if at <= s.now {
		return nil, ErrNotFound
	}
	return append([]byte{}, b...), nil
}

// look returns what is under a full key, expired or not, until the next look.
func (s *snapshot) look(full []byte) (value []byte, at expiry, err error) {
	if err := s.open(); err != nil {
		return nil, 0, err
	}
	hash := s.p.hash(full)
	if !s.quiet {
		s.reads.addKey(hashedKey{hash, bytes.Clone(full)})
	}
	if r := s.p.hot.of(hash, full); r != nil && r.since <= s.base.number {
		return r.value, r.at, nil
	}
	if s.key == nil {
		s.key = s.room[:0]
	}
	s.key = append(s.key[:0], full...)
	if !s.pin.SeekPrefixGE(s.key) {
		if err := s.pin.Error(); err != nil {
			return nil, 0, readError(err)
		}
		return nil, 0, ErrNotFound
	}
	b, err := s.pin.ValueAndErr()
	if err != nil {
		return nil, 0, readError(err)
	}
	if value, at, err = unframe(b); err == nil {
		s.p.hot.read(s, hash, full, value, at)
	}
	return value, at, err
}

// walk yields the live records of a span. Keys and values are copies.
func (s *snapshot) walk(ctx context.Context, w span, reverse bool) iter.Seq2[KV, error] {
	return func(yield func(KV, error) bool) {
		if bytes.Compare(w.start, w.end) >= 0 {
			return
		}
		it, err := s.iterate(ctx, w)
		if err != nil {
			yield(KV{}, err)
			return
		}
		open := true
		defer func() {
			if open { // the loop panicked
				_ = it.Close()
			}
		}()
		i := len(s.reads.spans)
		s.reads.spans = append(s.reads.spans, w)
		stopped, err := s.each(ctx, it, reverse, yield)
		open = false
		// A walk that was stopped read no further than the last key it gave.
		if stopped != nil && reverse {
			s.reads.spans[i].start = stopped
		} else if stopped != nil {
			s.reads.spans[i].end = append(bytes.Clone(stopped), 0)
		}
		if cerr := it.Close(); err == nil {
			err = cerr
		}
		if err != nil && stopped == nil {
			yield(KV{}, readError(err))
		}
	}
}

func (s *snapshot) iterate(ctx context.Context, w span) (*pebble.Iterator, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	o := &pebble.IterOptions{LowerBound: w.start, UpperBound: w.end}
	return s.pin.CloneWithContext(ctx, pebble.CloneOptions{IterOptions: o})
}

// each yields each live record that it comes to. If the loop ended before the
// records did, it returns the key of the last one.
func (s *snapshot) each(ctx context.Context, it *pebble.Iterator, reverse bool, yield func(KV, error) bool) (stopped []byte, err error) {
	first, next := it.First, it.Next
	if reverse {
		first, next = it.Last, it.Prev
	}
	n := 0
	for ok := first(); ok; ok = next() {
		if n++; n%ctxEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		b, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		v, at, err := unframe(b)
		if err != nil {
			return nil, err
		}
		if at <= s.now {
			continue
		}
		key := bytes.Clone(it.Key())
		if !yield(KV{key, append([]byte{}, v...)}, nil) {
			return key, nil
		}
	}
	return nil, it.Error()
}

// keys yields the first n keys of a span of notes, which are not records. Nobody
// but the sweeper reads them, so they do not count as read.
func (s *snapshot) keys(ctx context.Context, w span, n int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		it, err := s.iterate(ctx, w)
		if err != nil {
			yield(nil, err)
			return
		}
		more := true
		for ok := it.First(); ok && more && n > 0; ok = it.Next() {
			more = yield(bytes.Clone(it.Key()), nil)
			n--
		}
		if err := firstError(it.Error(), it.Close()); err != nil && more {
			yield(nil, readError(err))
		}
	}
}

// expiry returns when the record under a full key expires or expired: never if it
// stays, or is not there.
func (s *snapshot) expiry(full []byte) (expiry, error) {
	_, at, err := s.look(full)
	if errors.Is(err, ErrNotFound) {
		return never, nil
	}
	return at, err
}

// settle waits until everything that was read is durable.
func (s *snapshot) settle(ctx context.Context) error {
	if s.base == nil || s.quiet {
		return nil
	}
	c := s.reads.changedSince(s.durable, s.seen)
	if c == nil {
		return nil
	}
	return s.p.wait(ctx, c)
}

// readError says what went wrong with the database while reading.
func readError(err error) error {
	if pebble.IsCorruptionError(err) && !errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
