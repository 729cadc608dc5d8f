package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// maxTx is the most bytes of keys and values that one transaction writes.
const maxTx = 64 << 20

// view is a Reader of the records.
type view struct {
	s *snapshot
}

var _ Reader = view{}

// Get implements Reader.
func (v view) Get(ctx context.Context, key []byte) ([]byte, error) {
	b, _, err := v.s.get(ctx, fullKey(key))
	return b, err
}

// Range implements Reader.
func (v view) Range(ctx context.Context, start, end []byte, o RangeOptions) iter.Seq2[KV, error] {
	return limit(v.s.walk(ctx, span{fullKey(start), fullEnd(end)}, o.Reverse), o.Limit)
}

// limit yields at most n of a walk's records (all if n is zero), with the keys
// that the caller knows.
func limit(walk iter.Seq2[KV, error], n int) iter.Seq2[KV, error] {
	return func(yield func(KV, error) bool) {
		left := n
		for kv, err := range walk {
			if err != nil {
				yield(KV{}, err)
				return
			}
			kv.Key = kv.Key[1:]
			if left--; !yield(kv, nil) || left == 0 {
				return
			}
		}
	}
}

// transaction is a Tx: a snapshot with the transaction's own writes laid over it.
// First the deleted spans count, then the writes.
type transaction struct {
	s       snapshot
	writes  map[string]write // by full key
	deleted []span
	size    int
}

type write struct {
	value  []byte
	at     expiry
	delete bool
}

var _ Tx = (*transaction)(nil)

// Get implements Reader.
func (t *transaction) Get(ctx context.Context, key []byte) ([]byte, error) {
	v, _, err := t.get(ctx, fullKey(key))
	return bytes.Clone(v), err
}

// get returns the value under a full key, which is still the transaction's.
func (t *transaction) get(ctx context.Context, full []byte) ([]byte, expiry, error) {
	w, ok := t.writes[string(full)]
	if !ok && !t.inDeleted(full) {
		return t.s.get(ctx, full)
	}
	if err := t.s.open(); err != nil {
		return nil, 0, err
	}
	if !ok || w.delete || w.at <= t.s.now {
		return nil, 0, ErrNotFound
	}
	return w.value, w.at, nil
}

func (t *transaction) inDeleted(full []byte) bool {
	return slices.ContainsFunc(t.deleted, func(d span) bool { return d.has(full) })
}

// Range implements Reader.
func (t *transaction) Range(ctx context.Context, start, end []byte, o RangeOptions) iter.Seq2[KV, error] {
	w := span{fullKey(start), fullEnd(end)}
	return func(yield func(KV, error) bool) {
		walk := t.s.walk(ctx, w, o.Reverse)
		if len(t.writes) > 0 || len(t.deleted) > 0 {
			walk = t.overlay(walk, w, o.Reverse)
		}
		limit(walk, o.Limit)(yield)
	}
}

// overlay merges the transaction's writes, as they stand, into a walk.
func (t *transaction) overlay(walk iter.Seq2[KV, error], w span, reverse bool) iter.Seq2[KV, error] {
	order := strings.Compare
	if reverse {
		order = func(a, b string) int { return strings.Compare(b, a) }
	}
	own := map[string]write{}
	var keys []string
	for k, wr := range t.writes {
		if w.has([]byte(k)) {
			own[k] = wr
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, order)
	deleted := slices.Clone(t.deleted)
	return func(yield func(KV, error) bool) {
		if err := t.s.open(); err != nil {
			yield(KV{}, err)
			return
		}
		// emit yields the own writes that come before a key, or all.
		emit := func(before string, all bool) bool {
			for len(keys) > 0 && (all || order(keys[0], before) < 0) {
				k := keys[0]
				keys = keys[1:]
				if wr := own[k]; !wr.delete && wr.at > t.s.now && !yield(KV{[]byte(k), bytes.Clone(wr.value)}, nil) {
					return false
				}
			}
			return true
		}
		for kv, err := range walk {
			if err != nil {
				yield(KV{}, err)
				return
			}
			if !emit(string(kv.Key), false) {
				return
			}
			_, mine := own[string(kv.Key)]
			if mine || slices.ContainsFunc(deleted, func(d span) bool { return d.has(kv.Key) }) {
				continue
			}
			if !yield(kv, nil) {
				return
			}
		}
		emit("", true)
	}
}

// Set implements Tx.
func (t *transaction) Set(key, value []byte) {
	t.put(fullKey(key), write{value: append([]byte{}, value...), at: never})
}

// SetExpiring implements Tx.
func (t *transaction) SetExpiring(key, value []byte, at time.Time) {
	t.put(fullKey(key), write{value: append([]byte{}, value...), at: expiryOf(at)})
}

// Delete implements Tx.
func (t *transaction) Delete(key []byte) {
	t.put(fullKey(key), write{delete: true})
}

// DeleteRange implements Tx.
func (t *transaction) DeleteRange(start, end []byte) {
	d := span{fullKey(start), fullEnd(end)}
	if bytes.Compare(d.start, d.end) >= 0 {
		return
	}
	for k := range t.writes {
		if d.has([]byte(k)) {
			delete(t.writes, k)
		}
	}
	t.deleted = append(t.deleted, d)
	t.size += len(d.start) + len(d.end)
}

// Add implements Tx.
func (t *transaction) Add(ctx context.Context, key []byte, delta int64) (int64, error) {
	n := int64(0)
	switch v, err := t.Get(ctx, key); {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return 0, err
	default:
		if n, err = parseCounter(v); err != nil {
			return 0, err
		}
	}
	n += delta
	t.Set(key, binary.BigEndian.AppendUint64(nil, uint64(n)))
	return n, nil
}

func (t *transaction) put(full []byte, w write) {
	if t.writes == nil {
		t.writes = map[string]write{}
	}
	t.writes[string(full)] = w
	t.size += len(full) + len(w.value)
}

// build returns what the transaction wrote: as a batch for the database, and as a
// commit for other transactions.
func (t *transaction) build(db *pebble.DB) (*pebble.Batch, *commit, error) {
	if t.size > maxTx {
		return nil, nil, ErrTooLarge
	}
	b := db.NewBatchWithSize(t.size + 32*len(t.writes) + 64)
	c := &commit{done: make(chan struct{}), spans: t.deleted}
	var err error
	do := func(e error) {
		if err == nil {
			err = e
		}
	}
	for _, d := range t.deleted {
		do(b.DeleteRange(d.start, d.end, nil))
	}
	for k, w := range t.writes {
		key := []byte(k)
		c.keys = append(c.keys, key)
		if w.delete {
			do(b.Delete(key, nil))
			continue
		}
		do(b.Set(key, frame(w.value, w.at), nil))
		if w.at != never && key[0] == spaceRecord {
			do(b.Set(expiryKey(w.at, key), nil, nil))
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, b.Close())
	}
	return b, c, nil
}
