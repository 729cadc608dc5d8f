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
		at, err := s.reach(ctx, &name)
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
		var refused error
		done := 0
		for _, name := range names {
			for _, g := range gets[name] {
				g.table, g.item, g.size = nil, nil, 0
				switch err := g.run(ctx, s, r); {
				case aws.CodeOf(err) == "ProvisionedThroughputExceededException":
					refused = err
				case err != nil:
					return err
				default:
					done++
				}
			}
		}
		if done > 0 {
			return nil
		}
		return refused
	})
	if err != nil {
		return nil, err
	}
	return s.batchGot(in, names, gets), nil
}

// batchGot is the answer to a batch of reads. What would make it too large is left
// for the caller to ask for again, and so is what there was no capacity for.
func (s *Service) batchGot(in *api.BatchGetItemInput, names []string, gets map[string][]*get) *api.BatchGetItemOutput {
	out := &api.BatchGetItemOutput{Responses: map[string][]api.Item{}, UnprocessedKeys: map[string]api.KeysAndAttributes{}}
	var b bill
	size := 0
	for _, name := range names {
		r := in.RequestItems[name]
		found, left := []api.Item{}, []api.Item{}
		for _, g := range gets[name] {
			if size += g.size; size > maxBatchBytes || g.table == nil {
				left = append(left, g.key)
				continue
			}
			u := usage{table: readUnits(g.size, aws.Value(r.ConsistentRead))}
			b.add(g.at, u)
			s.spent(g.at, g.table, u, false)
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
	var origins []origin
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		at, err := s.reach(ctx, &name)
		if err != nil {
			return nil, err
		}
		for _, r := range in.RequestItems[name] {
			w := &write{at: at, needOld: counts(in.ReturnConsumedCapacity)}
			origins = append(origins, origin{name, r})
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
	made, left, err := s.batchWrite(ctx, writes, origins)
	if err != nil {
		return nil, err
	}
	s.paid(made, 1)
	metrics, err := s.collections(ctx, in.ReturnItemCollectionMetrics, made)
	if err != nil {
		return nil, err
	}
	var b bill
	for _, w := range made {
		b.add(w.at, w.usage())
	}
	return &api.BatchWriteItemOutput{UnprocessedItems: left, ItemCollectionMetrics: metrics, ConsumedCapacity: b.total(in.ReturnConsumedCapacity, consumed)}, nil
}

// origin is where a write of a batch stands in the request.
type origin struct {
	table   string
	request api.WriteRequest
}

// batchWrite makes the writes that there is capacity for; the rest is left.
func (s *Service) batchWrite(ctx context.Context, writes []*write, origins []origin) (made []*write, left map[string][]api.WriteRequest, err error) {
	err = s.update(ctx, func(tx store.Tx, n *store.Numbers) error {
		made, left = nil, map[string][]api.WriteRequest{}
		for _, w := range writes {
			w.free = true // until below, where what the batch itself takes counts, too
		}
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
		pending := map[*table]float64{}
		var refused error
		for i, w := range writes {
			if err := s.admitWrite(w.at, w.table, pending[w.table]); err != nil {
				refused = err
				left[origins[i].table] = append(left[origins[i].table], origins[i].request)
				continue
			}
			pending[w.table] += kilobytes(w.size)
			if err := w.run(ctx, s, tx, n); err != nil {
				return err
			}
			made = append(made, w)
		}
		if len(made) == 0 {
			return refused
		}
		return nil
	})
	for _, w := range writes {
		w.free = false
	}
	return made, left, err
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
