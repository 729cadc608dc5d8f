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
	p     *Pebble
	now   expiry
	pin   *pebble.Snapshot
	reads readSet
	// Every commit up to base is in the snapshot, and none behind seen is.
	base, seen *commit
	// durable is a commit up to which all were on disk before the first read.
	durable *commit
	closed  bool
}

// open fixes the state to read.
func (s *snapshot) open() error {
	if s.closed {
		return errors.New("store: read after the end of the transaction")
	}
	if s.pin != nil {
		return nil
	}
	s.now = expiryOf(s.p.clock.Now())
	s.durable = s.p.durable.Load()
	s.base = s.p.applied.Load()
	s.pin = s.p.db.NewSnapshot()
	s.seen = s.p.last.Load()
	return nil
}

func (s *snapshot) close() error {
	s.closed = true
	if s.pin == nil {
		return nil
	}
	return s.pin.Close()
}

// get returns the value of a full key.
func (s *snapshot) get(ctx context.Context, full []byte) ([]byte, expiry, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if err := s.open(); err != nil {
		return nil, 0, err
	}
	s.reads.addKey(full)
	b, closer, err := s.pin.Get(full)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, 0, ErrNotFound
	}
	if err != nil {
		return nil, 0, readError(err)
	}
	v, at, err := unframe(bytes.Clone(b))
	if err := closer.Close(); err != nil {
		return nil, 0, readError(err)
	}
	if err == nil && at <= s.now {
		return nil, 0, ErrNotFound
	}
	return v, at, err
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
		i := len(s.reads.spans)
		s.reads.spans = append(s.reads.spans, w)
		stopped, err := s.each(ctx, it, reverse, yield)
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
	return s.pin.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: w.start, UpperBound: w.end})
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
func (s *snapshot) expiry(ctx context.Context, full []byte) (expiry, error) {
	s.reads.addKey(full)
	b, closer, err := s.pin.Get(full)
	if errors.Is(err, pebble.ErrNotFound) {
		return never, nil
	}
	if err != nil {
		return 0, readError(err)
	}
	_, at, err := unframe(b)
	return at, firstError(err, closer.Close())
}

// settle waits until everything that was read is durable.
func (s *snapshot) settle(ctx context.Context) error {
	if s.pin == nil {
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
