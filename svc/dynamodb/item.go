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

func (s *Service) putItem(ctx context.Context, in *api.PutItemInput) (*api.PutItemOutput, error) {
	at, err := s.reach(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	returns := aws.Value(in.ReturnValues)
	w := &write{verb: put, at: at, item: in.Item, onFailure: in.ReturnValuesOnConditionCheckFailure,
		needOld: returns == api.ReturnValueAllOld || counts(in.ReturnConsumedCapacity)}
	c := conditional{in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues, in.Expected, in.ConditionalOperator}
	if err := c.checkMix(); err != nil {
		return nil, err
	}
	if err := w.prepare(); err != nil {
		return nil, err
	}
	if returns != "" && returns != api.ReturnValueAllOld && returns != returnNone {
		return nil, value.Invalid("ReturnValues can only be ALL_OLD or NONE")
	}
	if w.condition, err = c.parse(); err != nil {
		return nil, err
	}
	if err := s.commit(ctx, w); err != nil {
		return nil, err
	}
	out := &api.PutItemOutput{ConsumedCapacity: w.consumed(in.ReturnConsumedCapacity)}
	if out.ItemCollectionMetrics, err = s.collection(ctx, in.ReturnItemCollectionMetrics, w); err != nil {
		return nil, err
	}
	if returns == api.ReturnValueAllOld {
		out.Attributes = w.old
	}
	return out, nil
}

// returnNone is the ReturnValues that is the default.
const returnNone = "NONE"

func (s *Service) deleteItem(ctx context.Context, in *api.DeleteItemInput) (*api.DeleteItemOutput, error) {
	at, err := s.reach(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	returns := aws.Value(in.ReturnValues)
	w := &write{verb: remove, at: at, item: in.Key, onFailure: in.ReturnValuesOnConditionCheckFailure,
		needOld: returns == api.ReturnValueAllOld || counts(in.ReturnConsumedCapacity)}
	c := conditional{in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues, in.Expected, in.ConditionalOperator}
	if err := c.checkMix(); err != nil {
		return nil, err
	}
	if err := w.prepare(); err != nil {
		return nil, err
	}
	if returns != "" && returns != api.ReturnValueAllOld && returns != returnNone {
		return nil, value.Invalid("ReturnValues can only be ALL_OLD or NONE")
	}
	if w.condition, err = c.parse(); err != nil {
		return nil, err
	}
	if err := s.commit(ctx, w); err != nil {
		return nil, err
	}
	out := &api.DeleteItemOutput{ConsumedCapacity: w.consumed(in.ReturnConsumedCapacity)}
	if out.ItemCollectionMetrics, err = s.collection(ctx, in.ReturnItemCollectionMetrics, w); err != nil {
		return nil, err
	}
	if returns == api.ReturnValueAllOld {
		out.Attributes = w.old
	}
	return out, nil
}

func (s *Service) updateItem(ctx context.Context, in *api.UpdateItemInput) (*api.UpdateItemOutput, error) {
	at, err := s.reach(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	w := &write{verb: update, at: at, item: in.Key, onFailure: in.ReturnValuesOnConditionCheckFailure}
	u := updating{in}
	if err := u.checkMix(); err != nil {
		return nil, err
	}
	if err := w.prepare(); err != nil {
		return nil, err
	}
	if w.update, w.condition, err = u.parse(); err != nil {
		return nil, err
	}
	if err := s.commit(ctx, w); err != nil {
		return nil, err
	}
	out := &api.UpdateItemOutput{ConsumedCapacity: w.consumed(in.ReturnConsumedCapacity), Attributes: w.attributes(aws.Value(in.ReturnValues))}
	out.ItemCollectionMetrics, err = s.collection(ctx, in.ReturnItemCollectionMetrics, w)
	return out, err
}

// attributes are what an update answers with.
func (w *write) attributes(returns string) api.Item {
	var out api.Item
	switch returns {
	case api.ReturnValueAllOld:
		out = w.old
	case api.ReturnValueAllNew:
		out = w.new
	case api.ReturnValueUpdatedOld:
		if w.update != nil && w.old != nil {
			out = w.update.Paths().Apply(w.old)
		}
	case api.ReturnValueUpdatedNew:
		if w.update != nil && w.new != nil {
			out = w.update.Paths().Apply(w.new)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// A get is one read of one item.
type get struct {
	at         ref
	key        api.Item
	projection *expression.Projection
	filter     *expression.Condition // what the item must meet; nil for nothing
	table      *table
	item       api.Item // what was found, cut down; nil for none
	size       int
}

// run reads the item.
func (g *get) run(ctx context.Context, s *Service, r store.Reader) error {
	t, err := s.open(ctx, r, g.at)
	if err != nil {
		return err
	}
	if err := t.checkKey(g.key); err != nil {
		return err
	}
	if err := s.admitRead(g.at, keyspace{t: t}); err != nil {
		return err
	}
	g.table = t
	if g.projection != nil {
		if err := t.checkNested(g.projection.Nested()); err != nil {
			return err
		}
	}
	raw, err := itemRecords.Get(ctx, r, g.at.scope, t.place(g.key)...)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	it, size, err := value.Decode(raw)
	if err != nil {
		return err
	}
	g.size = size
	if g.filter.Matches(it) {
		g.item = g.projection.Apply(it)
	}
	return nil
}

func (s *Service) getItem(ctx context.Context, in *api.GetItemInput) (*api.GetItemOutput, error) {
	at, err := s.reach(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	p := projecting{in.ProjectionExpression, in.ExpressionAttributeNames, in.AttributesToGet}
	if err := p.checkMix(); err != nil {
		return nil, err
	}
	g := &get{at: at, key: in.Key}
	if err := value.CheckItem(in.Key); err != nil {
		return nil, err
	}
	if g.projection, err = p.parse(); err != nil {
		return nil, err
	}
	if err := s.view(ctx, func(r store.Reader) error { return g.run(ctx, s, r) }); err != nil {
		return nil, err
	}
	u := usage{table: readUnits(g.size, aws.Value(in.ConsistentRead))}
	s.spent(at, g.table, u, false)
	return &api.GetItemOutput{Item: g.item, ConsumedCapacity: consumed(at, in.ReturnConsumedCapacity, u)}, nil
}
