package store

import (
	"bytes"
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"iter"
	"time"
)

// A Scope says whose state it is. Region is empty for what is not regional, such
// as IAM; both are empty for what belongs to the installation.
type Scope struct {
	Account string
	Region  string
}

// A Table is a typed set of records, each under a key of one or more parts (see
// [MakeKey]) within a Scope. It holds no state: it is the name and the codec.
//
// A record is written as JSON, or by its own encoding.BinaryMarshaler and
// BinaryUnmarshaler; the records of a Table[[]byte] are written as they are.
//
// On disk a record's key is the tuple service, table, account, region, key parts.
type Table[R any] struct {
	prefix string // the encoded service and table names
	name   string
}

// NewTable declares the table called name of a service. Both names are part of
// what is on disk.
func NewTable[R any](service, name string) Table[R] {
	b := appendText([]byte{tagString}, service)
	b = appendText(append(b, tagString), name)
	return Table[R]{string(b), service + "." + name}
}

// An Entry is a record with its place.
type Entry[R any] struct {
	Scope  Scope
	Key    Key
	Record R
}

// ListOptions say which records to list. The zero value lists the whole scope.
type ListOptions struct {
	// Prefix holds the first parts of the keys wanted.
	Prefix []any
	// From is the first key wanted, To the first not wanted any more, each a
	// whole key or its first parts. They bound the list in both directions.
	From, To []any
	// After is the key of the last record that was listed before; the list
	// continues behind it, in the direction of the list.
	After []any
	// Limit is the most records to list; zero means all.
	Limit int
	// Reverse lists the greatest key first.
	Reverse bool
}

// Get returns the record under key, or ErrNotFound.
func (t Table[R]) Get(ctx context.Context, r Reader, s Scope, key ...any) (R, error) {
	var rec R
	var room [keyRoom]byte
	k, err := t.fullKey(room[:0], s, key)
	if err != nil {
		return rec, err
	}
	v, err := getFull(ctx, r, k)
	if err != nil {
		return rec, err
	}
	err = t.decode(v, &rec)
	return rec, err
}

// Has reports whether there is a record under key.
func (t Table[R]) Has(ctx context.Context, r Reader, s Scope, key ...any) (bool, error) {
	k, err := t.key(s, key)
	if err != nil {
		return false, err
	}
	switch _, err = r.Get(ctx, k); err {
	case nil:
		return true, nil
	case ErrNotFound:
		return false, nil
	default:
		return false, err
	}
}

// Put writes the record under key.
func (t Table[R]) Put(tx Tx, s Scope, rec R, key ...any) error {
	return t.put(tx, s, rec, never, time.Time{}, key)
}

// PutExpiring writes the record under key; at the time given it is gone.
func (t Table[R]) PutExpiring(tx Tx, s Scope, rec R, at time.Time, key ...any) error {
	return t.put(tx, s, rec, expiryOf(at), at, key)
}

// Delete removes the record under key; it need not be there.
func (t Table[R]) Delete(tx Tx, s Scope, key ...any) error {
	k, err := t.key(s, key)
	if err == nil {
		tx.Delete(k)
	}
	return err
}

// DeleteAll removes every record whose key begins with the parts of prefix.
func (t Table[R]) DeleteAll(tx Tx, s Scope, prefix ...any) error {
	k, err := t.key(s, prefix)
	if err == nil {
		tx.DeleteRange(k, append(k[:len(k):len(k)], tagEnd))
	}
	return err
}

// List yields the records of a scope in the order of their keys. The loop may
// write to the table. An error is the last thing yielded.
func (t Table[R]) List(ctx context.Context, r Reader, s Scope, o ListOptions) iter.Seq2[Entry[R], error] {
	start, end, err := t.bounds(s, o)
	if err != nil {
		return func(yield func(Entry[R], error) bool) { yield(Entry[R]{}, err) }
	}
	return t.entries(ctx, r, start, end, RangeOptions{Limit: o.Limit, Reverse: o.Reverse})
}

// All yields the records of every scope, by account, region and key.
func (t Table[R]) All(ctx context.Context, r Reader) iter.Seq2[Entry[R], error] {
	return t.entries(ctx, r, []byte(t.prefix), append([]byte(t.prefix), tagEnd), RangeOptions{})
}

// Watch is Store.Watch for the records of a scope whose key begins with the parts
// of prefix. It panics if a part cannot be part of a key.
func (t Table[R]) Watch(ctx context.Context, st Store, s Scope, prefix ...any) <-chan struct{} {
	k, err := t.key(s, prefix)
	if err != nil {
		panic(err)
	}
	return st.Watch(ctx, k)
}

// WatchAll is Store.Watch for the records of every scope.
func (t Table[R]) WatchAll(ctx context.Context, st Store) <-chan struct{} {
	return st.Watch(ctx, []byte(t.prefix))
}

// keyRoom is enough for most keys. Where a key does not outlive the call it is made
// on the stack.
const keyRoom = 160

// key returns where the record under parts is kept.
func (t Table[R]) key(s Scope, parts []any) ([]byte, error) {
	k, err := t.fullKey(make([]byte, 0, len(t.prefix)+64), s, parts)
	if err != nil {
		return nil, err
	}
	return k[1:], nil
}

// fullKey appends the full key of the record under parts to dst.
func (t Table[R]) fullKey(dst []byte, s Scope, parts []any) ([]byte, error) {
	dst = append(dst, spaceRecord)
	dst = append(dst, t.prefix...)
	dst = appendText(append(dst, tagString), s.Account)
	dst = appendText(append(dst, tagString), s.Region)
	dst, err := appendKey(dst, parts)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t.name, err)
	}
	return dst, nil
}

// getFull is r.Get of a full key, which it does not keep.
func getFull(ctx context.Context, r Reader, full []byte) ([]byte, error) {
	switch r := r.(type) {
	case view:
		return r.s.get(ctx, full)
	case *transaction:
		return r.getFull(ctx, full)
	}
	return r.Get(ctx, bytes.Clone(full[1:]))
}

// put writes a record that stays, or is gone at a time, which is given twice.
func (t Table[R]) put(tx Tx, s Scope, rec R, e expiry, at time.Time, parts []any) error {
	var room [keyRoom]byte
	full, err := t.fullKey(room[:0], s, parts)
	if err != nil {
		return err
	}
	value, err := t.encode(rec)
	if err != nil {
		return err
	}
	if own, ok := tx.(*transaction); ok {
		own.setFull(full, value, e)
	} else if e == never {
		tx.Set(bytes.Clone(full[1:]), value)
	} else {
		tx.SetExpiring(bytes.Clone(full[1:]), value, at)
	}
	return nil
}

func (t Table[R]) encode(rec R) (value []byte, err error) {
	switch r := any(&rec).(type) {
	case *[]byte:
		return *r, nil
	case encoding.BinaryMarshaler:
		value, err = r.MarshalBinary()
	default:
		value, err = json.Marshal(rec)
	}
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t.name, err)
	}
	return value, nil
}

func (t Table[R]) decode(v []byte, rec *R) error {
	var err error
	switch r := any(rec).(type) {
	case *[]byte:
		*r = v
	case encoding.BinaryUnmarshaler:
		err = r.UnmarshalBinary(v)
	default:
		err = json.Unmarshal(v, rec)
	}
	if err != nil {
		return fmt.Errorf("table %s: %w", t.name, err)
	}
	return nil
}

// bounds returns the range of keys that o asks for.
func (t Table[R]) bounds(s Scope, o ListOptions) (start, end []byte, err error) {
	if start, err = t.key(s, o.Prefix); err != nil {
		return nil, nil, err
	}
	end = append(start[:len(start):len(start)], tagEnd)
	narrow := func(parts []any, suffix string, fromBelow bool) {
		if parts == nil || err != nil {
			return
		}
		var k []byte
		if k, err = t.key(s, parts); err != nil {
			return
		}
		k = append(k, suffix...)
		if fromBelow && string(k) > string(start) {
			start = k
		}
		if !fromBelow && string(k) < string(end) {
			end = k
		}
	}
	narrow(o.From, "", true)
	narrow(o.To, "", false)
	if o.Reverse {
		narrow(o.After, "", false)
	} else {
		narrow(o.After, "\x00", true)
	}
	return start, end, err
}

func (t Table[R]) entries(ctx context.Context, r Reader, start, end []byte, o RangeOptions) iter.Seq2[Entry[R], error] {
	return func(yield func(Entry[R], error) bool) {
		var e Entry[R] // the decoder has it on the heap: one for all of them
		for kv, err := range r.Range(ctx, start, end, o) {
			e = Entry[R]{}
			if err == nil {
				err = t.entry(kv, &e)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// entry decodes a record into e, which is empty.
func (t Table[R]) entry(kv KV, e *Entry[R]) error {
	raw := Key{string(kv.Key[len(t.prefix):])}
	if err := check(raw.raw); err != nil {
		return fmt.Errorf("table %s: %w: %q", t.name, err, kv.Key)
	}
	e.Scope = Scope{raw.String(0), raw.String(1)}
	for range 2 {
		n, err := partLen(raw.raw)
		if err != nil {
			return fmt.Errorf("table %s: %w: %q", t.name, err, kv.Key)
		}
		raw.raw = raw.raw[n:]
	}
	e.Key = raw
	return t.decode(kv.Value, &e.Record)
}
