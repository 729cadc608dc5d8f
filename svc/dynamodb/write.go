package dynamodb

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// maxItem is the most bytes of an item, as DynamoDB counts them.
const maxItem = 400 << 10

// A verb is what a write does.
type verb byte

const (
	put verb = iota
	update
	remove
	check // a condition alone
)

// A write is one change of one item, from a request of any kind. Everything that a
// change entails belongs into its run, which is part of one transaction: the record of
// a stream, the entries of indexes.
type write struct {
	verb      verb
	at        ref
	item      api.Item // put: the whole item; others: the key
	size      int      // of item, if put
	condition *expression.Condition
	update    *expression.Update
	needOld   bool    // for the answer
	onFailure *string // ReturnValuesOnConditionCheckFailure
	// stale, if set, calls the write off, without an error, if it says so of the item
	// that is there.
	stale func(old api.Item) bool
	// byService says that nobody asked for the write: the item's time was over.
	byService bool
	duplicate bool // a condition that fails means that there is such an item
	free      bool // consumes nothing of what is provisioned

	// What run found and did; it sets them anew each time.
	table            *table
	old, new         api.Item // nil for none
	oldSize, newSize int
	indexed          []float64 // the capacity units of each index; nil for none
}

// prepare makes the checks that need no table.
func (w *write) prepare() error {
	if w.verb != put {
		return value.CheckItem(w.item)
	}
	if err := value.CheckItem(w.item); err != nil {
		return err
	}
	if w.size = value.ItemSize(w.item); w.size > maxItem {
		return value.Invalid("Item size has exceeded the maximum allowed size")
	}
	return nil
}

// open finds the table and checks the write against its schema.
func (w *write) open(ctx context.Context, s *Service, r store.Reader) (err error) {
	if w.table, err = s.open(ctx, r, w.at); err != nil {
		return err
	}
	if !w.free {
		if err := s.admitWrite(w.at, w.table, 0); err != nil {
			return err
		}
	}
	if w.verb == put {
		err = w.table.checkItem(w.item)
	} else {
		err = w.table.checkKey(w.item)
	}
	if err != nil {
		return err
	}
	if w.condition != nil {
		if err := w.table.checkNested(w.condition.Nested()); err != nil {
			return err
		}
	}
	if w.update == nil {
		return nil
	}
	for _, k := range w.table.keys() {
		for _, name := range w.update.Changed() {
			if name == k.Name {
				return value.Invalidf("Cannot update attribute %s. This attribute is part of the key", k.Name)
			}
		}
	}
	return w.table.checkNested(w.update.Nested())
}

// run makes the change.
func (w *write) run(ctx context.Context, s *Service, tx store.Tx, n *store.Numbers) error {
	if err := w.open(ctx, s, tx); err != nil {
		return err
	}
	place := w.table.place(w.item)
	w.old, w.new, w.oldSize, w.newSize, w.indexed = nil, nil, 0, 0, nil
	if w.needOld || w.condition != nil || w.verb == update || w.stale != nil || w.table.Stream != nil || len(w.table.Indexes) > 0 || len(w.table.Feeds) > 0 {
		raw, err := itemRecords.Get(ctx, tx, w.at.scope, place...)
		if err == nil {
			w.old, w.oldSize, err = value.Decode(raw)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	if w.stale != nil && w.stale(w.old) {
		return nil
	}
	if !w.condition.Matches(w.old) {
		return w.failed()
	}
	switch w.verb {
	case put:
		w.new, w.newSize = w.item, w.size
	case update:
		if err := w.apply(); err != nil {
			return err
		}
	case check:
		return nil
	}
	if w.table.Stream != nil || len(w.table.Feeds) > 0 {
		if err := w.announce(s, tx, n); err != nil {
			return err
		}
	}
	if len(w.table.Indexes) > 0 {
		if err := w.reindex(tx); err != nil {
			return err
		}
	}
	if w.new == nil {
		return itemRecords.Delete(tx, w.at.scope, place...)
	}
	return itemRecords.Put(tx, w.at.scope, value.Encode(w.new, w.newSize), place...)
}

// apply makes the new item of an update.
func (w *write) apply() (err error) {
	if w.old == nil && w.update != nil && w.update.Takes() {
		return nil // nothing to take from
	}
	base := w.old
	if base == nil {
		base = w.item
	}
	w.new = base
	if w.update != nil {
		if w.new, err = w.update.Apply(base); err != nil {
			return err
		}
		// What an update builds may be deeper than what came in.
		if err := value.CheckItem(w.new); err != nil {
			return err
		}
	}
	if w.newSize = value.ItemSize(w.new); w.newSize > maxItem {
		return value.Invalid("Item size to update has exceeded the maximum allowed size")
	}
	return w.table.checkIndexKeys(w.new, w.old, true)
}

// failed is the error of a condition that was not met.
func (w *write) failed() error {
	if w.duplicate {
		return api.DuplicateItemException("Duplicate primary key exists in table")
	}
	err := api.ConditionalCheckFailedException("The conditional request failed")
	if aws.Value(w.onFailure) == api.ReturnValuesOnConditionCheckFailureAllOld && w.old != nil {
		return err.With(&api.ConditionalCheckFailedExceptionDetail{Item: w.old})
	}
	return err
}

// commit runs writes, each of another item, in one transaction.
func (s *Service) commit(ctx context.Context, writes ...*write) error {
	err := s.update(ctx, func(tx store.Tx, n *store.Numbers) error {
		for _, w := range writes {
			if err := w.run(ctx, s, tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || aws.CodeOf(err) == "ConditionalCheckFailedException" {
		s.paid(writes, 1)
	}
	return err
}

// paid accounts for writes that were made, each so many times over.
func (s *Service) paid(writes []*write, times float64) {
	for _, w := range writes {
		if w.free || w.table == nil {
			continue
		}
		u := w.usage()
		if times != 1 {
			var more usage
			more.add(u, times)
			u = more
		}
		s.spent(w.at, w.table, u, true)
	}
}
