package dynamodb

import (
	"context"
	"errors"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// What a batch may measure.
const (
	maxBatchGet   = 100
	maxBatchWrite = 25
	maxBatchBytes = 16 << 20 // of a BatchGetItem's answer
)

func (s *Service) batchGetItem(ctx context.Context, in *api.BatchGetItemInput) (*api.BatchGetItemOutput, error) {
	names := slices.Sorted(maps.Keys(in.RequestItems))
	gets := map[string][]*get{}
	n := 0
	for _, name := range names {
		r := in.RequestItems[name]
		at, err := own(ctx, &name)
		if err != nil {
			return nil, err
		}
		p := projecting{r.ProjectionExpression, r.ExpressionAttributeNames, r.AttributesToGet}
		if err := p.checkMix(); err != nil {
			return nil, err
		}
		projection, err := p.parse()
		if err != nil {
			return nil, err
		}
		if n += len(r.Keys); n > maxBatchGet {
			return nil, value.Invalid("Too many items requested for the BatchGetItem call")
		}
		for i, key := range r.Keys {
			if err := value.CheckItem(key); err != nil {
				return nil, err
			}
			for _, other := range r.Keys[:i] {
				if value.EqualItems(key, other) {
					return nil, value.Invalid("Provided list of item keys contains duplicates")
				}
			}
			gets[name] = append(gets[name], &get{at: at, key: key, projection: projection})
		}
	}
	err := s.view(ctx, func(r store.Reader) error {
		for _, name := range names {
			for _, g := range gets[name] {
				if err := g.run(ctx, s, r); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return batchGot(in, names, gets), nil
}

// batchGot is the answer to a batch of reads. What would make it too large is left
// for the caller to ask for again.
func batchGot(in *api.BatchGetItemInput, names []string, gets map[string][]*get) *api.BatchGetItemOutput {
	out := &api.BatchGetItemOutput{Responses: map[string][]api.Item{}, UnprocessedKeys: map[string]api.KeysAndAttributes{}}
	var b bill
	size := 0
	for _, name := range names {
		r := in.RequestItems[name]
		found, left := []api.Item{}, []api.Item{}
		for _, g := range gets[name] {
			if size += g.size; size > maxBatchBytes {
				left = append(left, g.key)
				continue
			}
			b.add(g.at, usage{table: readUnits(g.size, aws.Value(r.ConsistentRead))})
			if g.item != nil {
				found = append(found, g.item)
			}
		}
		out.Responses[name] = found
		if len(left) > 0 {
			r.Keys = left
			out.UnprocessedKeys[name] = r
		}
	}
	out.ConsumedCapacity = b.total(in.ReturnConsumedCapacity, consumed)
	return out
}

func (s *Service) batchWriteItem(ctx context.Context, in *api.BatchWriteItemInput) (*api.BatchWriteItemOutput, error) {
	var writes []*write
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		at, err := own(ctx, &name)
		if err != nil {
			return nil, err
		}
		for _, r := range in.RequestItems[name] {
			w := &write{at: at, needOld: counts(in.ReturnConsumedCapacity)}
			switch {
			case (r.PutRequest != nil) == (r.DeleteRequest != nil):
				return nil, value.Invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
			case r.PutRequest != nil:
				w.verb, w.item = put, r.PutRequest.Item
			default:
				w.verb, w.item = remove, r.DeleteRequest.Key
			}
			if err := w.prepare(); err != nil {
				return nil, err
			}
			writes = append(writes, w)
		}
	}
	if len(writes) > maxBatchWrite {
		return nil, value.Invalid("Too many items requested for the BatchWriteItem call")
	}
	err := s.update(ctx, func(tx store.Tx, n *store.Numbers) error {
		err := s.openAll(ctx, tx, writes)
		if errors.Is(err, errKey) {
			return value.Invalid("The provided key element does not match the schema")
		}
		if err != nil {
			return err
		}
		if double(writes) {
			return value.Invalid("Provided list of item keys contains duplicates")
		}
		for _, w := range writes {
			if err := w.run(ctx, s, tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	metrics, err := s.collections(ctx, in.ReturnItemCollectionMetrics, writes)
	if err != nil {
		return nil, err
	}
	var b bill
	for _, w := range writes {
		b.add(w.at, w.usage())
	}
	return &api.BatchWriteItemOutput{UnprocessedItems: map[string][]api.WriteRequest{}, ItemCollectionMetrics: metrics,
		ConsumedCapacity: b.total(in.ReturnConsumedCapacity, consumed)}, nil
}

// openAll finds the table of each write and checks the write against its schema.
func (s *Service) openAll(ctx context.Context, r store.Reader, writes []*write) error {
	for _, w := range writes {
		if err := w.open(ctx, s, r); err != nil {
			return err
		}
	}
	return nil
}

// double reports whether two writes, opened, are of one item.
func double(writes []*write) bool {
	type place struct {
		space uint64
		key   string
	}
	seen := map[place]bool{}
	for _, w := range writes {
		b, err := w.table.key(w.item).AppendJSON(nil)
		p := place{w.table.Space, string(b)}
		if err != nil || seen[p] {
			return true
		}
		seen[p] = true
	}
	return false
}
