package dynamodb

import (
	"context"
	"slices"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// A collection is all items of one partition key, and their entries in local indexes, of
// a table that has local indexes. AWS refuses collections of more than 10 GB; here they may
// grow.

// maxMeasured is how many items and entries of a collection are looked at; of a larger one
// the estimate says how large it is at least.
const maxMeasured = 100000

// collection is the answer to ReturnItemCollectionMetrics for one write.
func (s *Service) collection(ctx context.Context, mode *string, w *write) (out *api.ItemCollectionMetrics, err error) {
	if aws.Value(mode) != api.ReturnItemCollectionMetricsSize || !w.table.local() {
		return nil, nil
	}
	hash, _ := w.item.Get(w.table.Hash.Name)
	err = s.store.View(ctx, func(r store.Reader) error {
		size, n := 0, 0
		spaces := []keyspace{{t: w.table}}
		for i := range w.table.Indexes {
			if w.table.Indexes[i].Local {
				spaces = append(spaces, keyspace{w.table, &w.table.Indexes[i]})
			}
		}
		for _, k := range spaces {
			for e, err := range k.list(ctx, r, w.at, store.ListOptions{Prefix: k.partition(hash), Limit: maxMeasured - n}) {
				if err != nil {
					return err
				}
				bytes, err := value.DecodeSize(e.Record)
				if err != nil {
					return err
				}
				size += bytes
				if n++; n == maxMeasured {
					break
				}
			}
			if n == maxMeasured {
				break
			}
		}
		gigabytes := float64(size >> 30)
		out = &api.ItemCollectionMetrics{ItemCollectionKey: api.Item{{Name: w.table.Hash.Name, Value: hash}}, SizeEstimateRangeGB: []float64{gigabytes, gigabytes + 1}}
		return nil
	})
	return out, err
}

// collections is the answer to ReturnItemCollectionMetrics for writes of several tables: one
// for each collection.
func (s *Service) collections(ctx context.Context, mode *string, writes []*write) (map[string][]api.ItemCollectionMetrics, error) {
	if aws.Value(mode) != api.ReturnItemCollectionMetricsSize {
		return nil, nil
	}
	out := map[string][]api.ItemCollectionMetrics{}
	for _, w := range writes {
		if w.verb == check || w.table == nil {
			continue
		}
		hash, _ := w.item.Get(w.table.Hash.Name)
		if slices.ContainsFunc(out[w.at.name], func(m api.ItemCollectionMetrics) bool { return value.Equal(m.ItemCollectionKey[0].Value, hash) }) {
			continue
		}
		m, err := s.collection(ctx, mode, w)
		if err != nil {
			return nil, err
		}
		if m != nil {
			out[w.at.name] = append(out[w.at.name], *m)
		}
	}
	return out, nil
}
