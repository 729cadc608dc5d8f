package store

import (
	"context"
	"encoding/binary"
	"fmt"
)

// A Counter is a set of 64-bit integers, each under a key within a Scope, that
// change atomically. Use it for sequence numbers, and for counts that are too
// often changed to be part of a record.
type Counter struct {
	t Table[[]byte]
}

// NewCounter declares the counters called name of a service. A counter and a
// table of one service must not share a name.
func NewCounter(service, name string) Counter {
	return Counter{NewTable[[]byte](service, name)}
}

// Add adds delta to the counter under key, which is zero at first, and returns its
// new value.
func (c Counter) Add(ctx context.Context, tx Tx, s Scope, delta int64, key ...any) (int64, error) {
	k, err := c.t.key(s, key)
	if err != nil {
		return 0, err
	}
	return tx.Add(ctx, k, delta)
}

// Next returns 1, 2, 3 and so on; a number is given out once. A transaction that
// fails gives its number back.
func (c Counter) Next(ctx context.Context, tx Tx, s Scope, key ...any) (int64, error) {
	return c.Add(ctx, tx, s, 1, key...)
}

// Value returns the counter under key; one that was never changed is zero.
func (c Counter) Value(ctx context.Context, r Reader, s Scope, key ...any) (int64, error) {
	v, err := c.t.Get(ctx, r, s, key...)
	if err == ErrNotFound {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return parseCounter(v)
}

// Delete sets the counter under key back to zero.
func (c Counter) Delete(tx Tx, s Scope, key ...any) error {
	return c.t.Delete(tx, s, key...)
}

// DeleteAll sets every counter whose key begins with the parts of prefix to zero.
func (c Counter) DeleteAll(tx Tx, s Scope, prefix ...any) error {
	return c.t.DeleteAll(tx, s, prefix...)
}

func parseCounter(v []byte) (int64, error) {
	if len(v) != 8 {
		return 0, fmt.Errorf("store: a record of %d bytes is no counter", len(v))
	}
	return int64(binary.BigEndian.Uint64(v)), nil
}
