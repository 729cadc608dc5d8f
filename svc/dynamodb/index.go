package dynamodb

import (
	"bytes"
	"context"
	"slices"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// index is a secondary index, part of its table's record.
//
// An entry of an index is the part of an item that the index projects. It lies in the
// store under the index's space, a hash of its partition key, the partition key, the sort
// key if the index has one, and then the place of the item in the table: so equal keys of
// an index stay apart, in the order of the table.
type index struct {
	Name       string
	Space      uint64 // of its entries' keys
	Local      bool   `json:",omitempty"`
	Hash       keyAttribute
	Range      *keyAttribute `json:",omitempty"`
	Projection string
	Attributes []string `json:",omitempty"` // that INCLUDE adds to the keys
	// Filling says that entries of older items may be missing yet; see fill.
	Filling bool `json:",omitempty"`
	// Throughput is a global index's own.
	Throughput throughput              `json:",omitzero"`
	Caps       *api.OnDemandThroughput `json:",omitempty"`
	Warm       *api.WarmThroughput     `json:",omitempty"`
}

// keys are the attributes of the index's key, the partition key first.
func (ix *index) keys() []keyAttribute {
	if ix.Range == nil {
		return []keyAttribute{ix.Hash}
	}
	return []keyAttribute{ix.Hash, *ix.Range}
}

// index is the table's index of a name, nil if there is none.
func (t *table) index(name string) *index {
	for i := range t.Indexes {
		if t.Indexes[i].Name == name {
			return &t.Indexes[i]
		}
	}
	return nil
}

// local reports whether the table has a local index, and so collections of items.
func (t *table) local() bool {
	return slices.ContainsFunc(t.Indexes, func(ix index) bool { return ix.Local })
}

// holds reports whether an item is in the index: it has all attributes of the index's key,
// of the types and sizes that keys have. Where an index is younger than an item, the item
// may have others.
func (ix *index) holds(it api.Item) bool {
	for i, k := range ix.keys() {
		v, ok := it.Get(k.Name)
		if !ok || v.Type().String() != k.Type || v.Text() == "" || checkKeySize(v, i == 0) != nil {
			return false
		}
	}
	return true
}

// projects reports whether entries have an attribute.
func (ix *index) projects(t *table, name string) bool {
	is := func(k keyAttribute) bool { return k.Name == name }
	return ix.Projection == api.ProjectionTypeAll || slices.ContainsFunc(t.keys(), is) || slices.ContainsFunc(ix.keys(), is) ||
		slices.Contains(ix.Attributes, name)
}

// entry is what an index has of an item.
type entry struct {
	place []any // nil for nothing
	raw   []byte
	size  int
}

// entry is what the index has of an item, which may be nil.
func (ix *index) entry(t *table, it api.Item) entry {
	if it == nil || !ix.holds(it) {
		return entry{}
	}
	part := it
	if ix.Projection != api.ProjectionTypeAll {
		part = make(api.Item, 0, len(it))
		for i := range it {
			if ix.projects(t, it[i].Name) {
				part = append(part, it[i])
			}
		}
	}
	size := value.ItemSize(part)
	return entry{place: keyspace{t, ix}.place(it), raw: value.Encode(part, size), size: size}
}

// samePlace reports whether two entries lie at one place.
func samePlace(a, b []any) bool {
	return slices.EqualFunc(a, b, func(x, y any) bool {
		if p, ok := x.([]byte); ok {
			q, ok := y.([]byte)
			return ok && bytes.Equal(p, q)
		}
		return x == y
	})
}

// reindex brings the indexes of w's table up to date with what w does, and writes only what
// differs. What it cost is in w.indexed.
func (w *write) reindex(tx store.Tx) error {
	w.indexed = make([]float64, len(w.table.Indexes))
	for i := range w.table.Indexes {
		ix := &w.table.Indexes[i]
		before, after := ix.entry(w.table, w.old), ix.entry(w.table, w.new)
		moved := !samePlace(before.place, after.place)
		if !moved && bytes.Equal(before.raw, after.raw) {
			continue
		}
		if moved && before.place != nil {
			w.indexed[i] += kilobytes(before.size)
			if err := entryRecords.Delete(tx, w.at.scope, before.place...); err != nil {
				return err
			}
		}
		if after.place == nil {
			continue
		}
		if moved {
			w.indexed[i] += kilobytes(after.size)
		} else {
			w.indexed[i] += kilobytes(max(before.size, after.size))
		}
		if err := entryRecords.Put(tx, w.at.scope, after.raw, after.place...); err != nil {
			return err
		}
	}
	return nil
}

// dropEntries removes all of an index but its record.
func (ix *index) dropEntries(tx store.Tx, at ref) error {
	if err := entryRecords.DeleteAll(tx, at.scope, ix.Space); err != nil {
		return err
	}
	return fillRecords.Delete(tx, at.scope, at.name, ix.Name)
}

// A keyspace is what queries and scans walk: a table, or one of its indexes.
type keyspace struct {
	t  *table
	ix *index // nil for the table
}

// keyspace is the table, or the index of that name for which consistent reads may be asked.
func (t *table) keyspace(name *string, consistent bool) (keyspace, error) {
	if name == nil {
		return keyspace{t: t}, nil
	}
	ix := t.index(*name)
	switch {
	case ix == nil:
		return keyspace{}, value.Invalid("The table does not have the specified index: %s", *name)
	case !ix.Local && consistent:
		return keyspace{}, value.Invalid("Consistent reads are not supported on global secondary indexes")
	case ix.Filling:
		return keyspace{}, value.Invalid("Cannot read from backfilling global secondary index: %s", *name)
	}
	return keyspace{t, ix}, nil
}

// keys are the attributes by which the keyspace is ordered, the partition key first.
func (k keyspace) keys() []keyAttribute {
	if k.ix != nil {
		return k.ix.keys()
	}
	return k.t.keys()
}

func (k keyspace) space() uint64 {
	if k.ix != nil {
		return k.ix.Space
	}
	return k.t.Space
}

func (k keyspace) list(ctx context.Context, r store.Reader, at ref, o store.ListOptions) func(func(store.Entry[[]byte], error) bool) {
	if k.ix != nil {
		return entryRecords.List(ctx, r, at.scope, o)
	}
	return itemRecords.List(ctx, r, at.scope, o)
}

// partition is the part of place that all items of one partition key share.
func (k keyspace) partition(hash api.AttributeValue) []any {
	key := value.AppendKey(make([]byte, 0, 32), hash)
	return append(make([]any, 0, 8), k.space(), spread(key), key)
}

// place is where an item lies, or its entry.
func (k keyspace) place(it api.Item) []any {
	if k.ix == nil {
		return k.t.place(it)
	}
	hash, _ := it.Get(k.ix.Hash.Name)
	parts := k.partition(hash)
	if k.ix.Range != nil {
		v, _ := it.Get(k.ix.Range.Name)
		parts = append(parts, value.AppendKey(nil, v))
	}
	own := k.t.place(it)[1:]
	if k.ix.Local {
		own = own[2:] // the partition key is the table's
	}
	return append(parts, own...)
}

// fullKey are the attributes of which places are made: of the table's key, and the index's.
func (k keyspace) fullKey() []keyAttribute {
	out := k.t.keys()
	if k.ix == nil {
		return out
	}
	for _, a := range k.ix.keys() {
		if !slices.ContainsFunc(out, func(b keyAttribute) bool { return a.Name == b.Name }) {
			out = append(out, a)
		}
	}
	return out
}

// lastKey is the part of an item that says where it lies: a LastEvaluatedKey.
func (k keyspace) lastKey(it api.Item) api.Item {
	out := make(api.Item, 0, 4)
	for _, a := range k.fullKey() {
		if v, ok := it.Get(a.Name); ok {
			out.Set(a.Name, v)
		}
	}
	return out
}
