package dynamodb

import (
	"context"

	"github.com/tule-cloud/tule/store"
)

// A walk goes through all items of a space in many transactions, and may be gone on with by
// another process.
type walk struct {
	// The place behind which it goes on.
	Spread      uint64
	Hash, Range []byte `json:",omitempty"`
	// What it has seen.
	Items, Bytes int64
}

// How far a walk goes in one transaction.
const (
	walkItems = 100
	walkBytes = 256 << 10
)

// some calls each for some items, with the part of their places behind the space; done says
// that these were the last.
func (w *walk) some(ctx context.Context, r store.Reader, at ref, of store.Table[[]byte], space uint64, each func(place []any, raw []byte) error) (done bool, err error) {
	o := store.ListOptions{Prefix: []any{space}, Limit: walkItems}
	if w.Hash != nil {
		o.After = []any{space, w.Spread, w.Hash}
		if w.Range != nil {
			o.After = append(o.After, w.Range)
		}
	}
	n, size := 0, 0
	for e, err := range of.List(ctx, r, at.scope, o) {
		if err != nil {
			return false, err
		}
		if err := each(e.Key.Parts()[1:], e.Record); err != nil {
			return false, err
		}
		w.Spread, w.Hash, w.Range = e.Key.Uint(1), e.Key.Bytes(2), e.Key.Bytes(3)
		n++
		if size += len(e.Record); size >= walkBytes {
			return false, nil
		}
	}
	return n < walkItems, nil
}
