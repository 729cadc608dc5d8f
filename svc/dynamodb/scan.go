package dynamodb

import (
	"context"
	"math/bits"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

func (s *Service) scan(ctx context.Context, in *api.ScanInput) (*api.ScanOutput, error) {
	at, err := s.reach(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	p, err := parseScan(at, in)
	if err != nil {
		return nil, err
	}
	var t *table
	err = s.view(ctx, func(r store.Reader) (err error) {
		if t, err = s.open(ctx, r, at); err != nil {
			return err
		}
		k, err := t.keyspace(in.IndexName, aws.Value(in.ConsistentRead))
		if err != nil {
			return err
		}
		o, err := k.segment(in)
		if err != nil {
			return err
		}
		if err := s.admitRead(at, k); err != nil {
			return err
		}
		return p.read(ctx, r, k, o, aws.Value(in.ConsistentRead))
	})
	if err != nil {
		return nil, err
	}
	s.spent(at, t, p.used, false)
	s.measure(at.scope, "ReturnedItemCount", float64(p.matched), "TableName", at.name, "Operation", "Scan")
	return &api.ScanOutput{Items: p.result(), Count: &p.matched, ScannedCount: &p.scanned, LastEvaluatedKey: p.last,
		ConsumedCapacity: consumed(at, in.ReturnConsumedCapacity, p.used)}, nil
}

// parseScan makes the checks that need no table.
func parseScan(at ref, in *api.ScanInput) (*page, error) {
	err := checkMix(in.ExpressionAttributeNames, in.ExpressionAttributeValues,
		[]parameter{{"ProjectionExpression", in.ProjectionExpression != nil}, {"FilterExpression", in.FilterExpression != nil}},
		[]parameter{{"AttributesToGet", in.AttributesToGet != nil}, {"ScanFilter", in.ScanFilter != nil}, {"ConditionalOperator", in.ConditionalOperator != nil}})
	if err != nil {
		return nil, err
	}
	p := &page{at: at, limit: int(aws.Value(in.Limit)), start: in.ExclusiveStartKey, projection: attributesToGet(in.AttributesToGet), selected: aws.Value(in.Select)}
	if err := checkSelect(in.Select, in.ProjectionExpression, in.AttributesToGet, in.IndexName); err != nil {
		return nil, err
	}
	if err := checkAttributes(in.AttributesToGet); err != nil {
		return nil, err
	}
	if p.filter, err = filters(in.ScanFilter, in.ConditionalOperator); err != nil {
		return nil, err
	}
	if err := checkStart(in.ExclusiveStartKey); err != nil {
		return nil, err
	}
	switch {
	case in.Segment != nil && in.TotalSegments == nil:
		return nil, value.Invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case in.Segment == nil && in.TotalSegments != nil:
		return nil, value.Invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case in.Segment != nil && *in.Segment >= *in.TotalSegments:
		return nil, value.Invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: "+
			"Segment: %d is not less than TotalSegments: %d", *in.Segment, *in.TotalSegments)
	}
	scope, err := expression.NewScope(in.ExpressionAttributeNames, in.ExpressionAttributeValues)
	if err != nil {
		return nil, err
	}
	return p, p.express(scope, in.FilterExpression, in.ProjectionExpression)
}

// segment is the range of items of a scan, or of its segment: an even share of the
// numbers that partition keys are spread over.
func (k keyspace) segment(in *api.ScanInput) (store.ListOptions, error) {
	o := store.ListOptions{Prefix: []any{k.space()}}
	switch {
	case in.ExclusiveStartKey == nil:
	case k.ix == nil:
		if err := k.t.checkKey(in.ExclusiveStartKey); err != nil {
			return o, badStart(err)
		}
	default:
		if err := k.checkStartKey(in.ExclusiveStartKey); err != nil {
			return o, err
		}
	}
	total := uint64(aws.Value(in.TotalSegments))
	if total <= 1 {
		return o, nil
	}
	n := uint64(aws.Value(in.Segment))
	from, to := share(n, total), share(n+1, total)
	o.From = []any{k.space(), from}
	if n+1 < total {
		o.To = []any{k.space(), to}
	}
	if in.ExclusiveStartKey != nil {
		hash, _ := in.ExclusiveStartKey.Get(k.keys()[0].Name)
		at := spread(value.AppendKey(nil, hash))
		if at < from || n+1 < total && at >= to {
			return o, value.Invalid("The provided starting key is invalid: Invalid ExclusiveStartKey. "+
				"Please use ExclusiveStartKey with correct Segment. TotalSegments: %d Segment: %d", total, n)
		}
	}
	return o, nil
}

// share is n/total of 2^64, n being less than total.
func share(n, total uint64) uint64 {
	if n >= total {
		return 0
	}
	q, _ := bits.Div64(n, 0, total)
	return q
}
