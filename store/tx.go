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
	return v.s.get(ctx, fullKey(key))
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
	writes  []write
	index   map[string]int // of writes by full key, if they are more than few
	deleted []span
	size    int
	// outcome is what became of it when its group was committed.
	outcome error

	// Most transactions need no more room than this.
	firstWrites [2]write
	firstReads  [2]hashedKey
}

type write struct {
	hashedKey
	value  []byte
	at     expiry
	delete bool
}

var _ Tx = (*transaction)(nil)

func newTransaction(p *Pebble) *transaction {
	t := &transaction{s: snapshot{p: p, writes: true}}
	t.writes = t.firstWrites[:0]
	t.s.reads.keys = t.firstReads[:0]
	return t
}

// own returns the transaction's own write of a full key, or nil.
func (t *transaction) own(full []byte) *write {
	if t.index != nil {
		if i, ok := t.index[string(full)]; ok {
			return &t.writes[i]
		}
		return nil
	}
	for i := range t.writes {
		if bytes.Equal(t.writes[i].key, full) {
			return &t.writes[i]
		}
	}
	return nil
}

// Get implements Reader.
func (t *transaction) Get(ctx context.Context, key []byte) ([]byte, error) {
	return t.getFull(ctx, fullKey(key))
}

// getFull is Get of a full key.
func (t *transaction) getFull(ctx context.Context, full []byte) ([]byte, error) {
	w := t.own(full)
	if w == nil && !t.inDeleted(full) {
		return t.s.get(ctx, full)
	}
	if err := t.s.open(); err != nil {
		return nil, err
	}
	if w == nil || w.delete || w.at <= t.s.now {
		return nil, ErrNotFound
	}
	return append([]byte{}, w.value...), nil
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
	for _, wr := range t.writes {
		if w.has(wr.key) {
			own[string(wr.key)] = wr
			keys = append(keys, string(wr.key))
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
	t.setFull(fullKey(key), value, never)
}

// SetExpiring implements Tx.
func (t *transaction) SetExpiring(key, value []byte, at time.Time) {
	t.setFull(fullKey(key), value, expiryOf(at))
}

// Delete implements Tx.
func (t *transaction) Delete(key []byte) {
	t.deleteFull(fullKey(key))
}

// DeleteRange implements Tx.
func (t *transaction) DeleteRange(start, end []byte) {
	d := span{fullKey(start), fullEnd(end)}
	if bytes.Compare(d.start, d.end) >= 0 {
		return
	}
	t.writes = slices.DeleteFunc(t.writes, func(w write) bool { return d.has(w.key) })
	t.index = nil
	t.indexMany()
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

// setFull writes a full key. It keeps neither the key nor the value.
func (t *transaction) setFull(full, value []byte, at expiry) {
	b := make([]byte, 0, len(full)+len(value))
	b = append(append(b, full...), value...)
	n := len(full)
	t.put(write{hashedKey{t.s.p.hash(full), b[:n:n]}, b[n:], at, false})
}

func (t *transaction) deleteFull(full []byte) {
	t.put(write{hashedKey{t.s.p.hash(full), bytes.Clone(full)}, nil, 0, true})
}

func (t *transaction) put(w write) {
	t.size += len(w.key) + len(w.value)
	if mine := t.own(w.key); mine != nil {
		*mine = w
		return
	}
	t.writes = append(t.writes, w)
	if t.index != nil {
		t.index[string(w.key)] = len(t.writes) - 1
	}
	t.indexMany()
}

// indexMany makes the index if there is none and the writes are many.
func (t *transaction) indexMany() {
	if t.index != nil || len(t.writes) <= few {
		return
	}
	t.index = make(map[string]int, 4*few)
	for i, w := range t.writes {
		t.index[string(w.key)] = i
	}
}

// keepWhole is the most bytes of a value that stay in memory with their key, for as
// long as the commit can be asked for.
const keepWhole = 4 << 10

// appendTo adds what the transaction wrote to a batch, for the database, and to a
// commit, for other transactions.
func (t *transaction) appendTo(b *pebble.Batch, c *commit) error {
	for _, d := range t.deleted {
		if err := b.DeleteRange(d.start, d.end, nil); err != nil {
			return err
		}
	}
	c.spans = append(c.spans, t.deleted...)
	for i := range t.writes {
		w := &t.writes[i]
		k := w.hashedKey
		if len(w.value) > keepWhole {
			k.key = bytes.Clone(k.key)
		}
		c.keys = append(c.keys, k)
		if w.delete {
			if err := b.Delete(w.key, nil); err != nil {
				return err
			}
			continue
		}
		op := b.SetDeferred(len(w.key), frameLen(w.value, w.at))
		copy(op.Key, w.key)
		frame(op.Value[:0], w.value, w.at)
		if err := op.Finish(); err != nil {
			return err
		}
		if w.at != never && w.key[0] == spaceRecord {
			if err := b.Set(expiryKey(w.at, w.key), nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}
