package dynamodb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// tokenLife is how long a ClientRequestToken means the same transaction.
const tokenLife = 10 * time.Minute

// maxTransaction is how many bytes of items a transaction may be about.
const maxTransaction = 4 << 20

func (s *Service) transactGetItems(ctx context.Context, in *api.TransactGetItemsInput) (*api.TransactGetItemsOutput, error) {
	var gets []*get
	for _, t := range in.TransactItems {
		at, err := s.reach(ctx, t.Get.TableName)
		if err != nil {
			return nil, err
		}
		p := projecting{t.Get.ProjectionExpression, t.Get.ExpressionAttributeNames, nil}
		if err := p.checkMix(); err != nil {
			return nil, err
		}
		g := &get{at: at, key: t.Get.Key}
		if err := value.CheckItem(g.key); err != nil {
			return nil, err
		}
		if g.projection, err = p.parse(); err != nil {
			return nil, err
		}
		gets = append(gets, g)
	}
	err := s.view(ctx, func(r store.Reader) error {
		size := 0
		for _, g := range gets {
			if err := g.run(ctx, s, r); err != nil {
				return err
			}
			if size += g.size; size > maxTransaction {
				return value.Invalid("Collective size of items in transaction cannot exceed 4 MB")
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &api.TransactGetItemsOutput{}
	var b bill
	for _, g := range gets {
		out.Responses = append(out.Responses, api.ItemResponse{Item: g.item})
		u := usage{table: readUnits(g.size, true)}
		b.add(g.at, u)
		s.spent(g.at, g.table, usage{table: 2 * u.table}, false)
	}
	out.ConsumedCapacity = b.total(in.ReturnConsumedCapacity, transacted(false))
	return out, nil
}

func (s *Service) transactWriteItems(ctx context.Context, in *api.TransactWriteItemsInput) (*api.TransactWriteItemsOutput, error) {
	var writes []*write
	for _, t := range in.TransactItems {
		w, err := s.transactWrite(ctx, t)
		if err != nil {
			return nil, err
		}
		w.needOld = w.needOld || counts(in.ReturnConsumedCapacity)
		writes = append(writes, w)
	}
	token, err := newToken(ctx, in.ClientRequestToken, in.TransactItems)
	if err != nil {
		return nil, err
	}
	if err := s.commitAll(ctx, token, writes); err != nil {
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
	return &api.TransactWriteItemsOutput{ItemCollectionMetrics: metrics, ConsumedCapacity: b.total(in.ReturnConsumedCapacity, transacted(true))}, nil
}

// commitAll makes all writes of a transaction, unless its token says that it has happened.
func (s *Service) commitAll(ctx context.Context, token token, writes []*write) error {
	err := s.update(ctx, func(tx store.Tx, n *store.Numbers) error {
		done, err := token.seen(ctx, tx)
		if err != nil || done {
			return err
		}
		if err := s.transact(ctx, tx, n, writes); err != nil {
			return err
		}
		return token.save(tx, s.clock.Now().Add(tokenLife))
	})
	if err == nil {
		s.paid(writes, 2)
	}
	return err
}

// transactWrite is one action of a transaction, checked as far as needs no table.
func (s *Service) transactWrite(ctx context.Context, t api.TransactWriteItem) (*write, error) {
	given := 0
	w := &write{}
	var name, condition, up *string
	var names map[string]string
	var values api.Item
	if p := t.Put; p != nil {
		given++
		w.verb, w.item, w.onFailure = put, p.Item, p.ReturnValuesOnConditionCheckFailure
		name, condition, names, values = p.TableName, p.ConditionExpression, p.ExpressionAttributeNames, p.ExpressionAttributeValues
	}
	if d := t.Delete; d != nil {
		given++
		w.verb, w.item, w.onFailure = remove, d.Key, d.ReturnValuesOnConditionCheckFailure
		name, condition, names, values = d.TableName, d.ConditionExpression, d.ExpressionAttributeNames, d.ExpressionAttributeValues
	}
	if u := t.Update; u != nil {
		given++
		w.verb, w.item, w.onFailure, up = update, u.Key, u.ReturnValuesOnConditionCheckFailure, u.UpdateExpression
		name, condition, names, values = u.TableName, u.ConditionExpression, u.ExpressionAttributeNames, u.ExpressionAttributeValues
	}
	if c := t.ConditionCheck; c != nil {
		given++
		w.verb, w.item, w.onFailure = check, c.Key, c.ReturnValuesOnConditionCheckFailure
		name, condition, names, values = c.TableName, c.ConditionExpression, c.ExpressionAttributeNames, c.ExpressionAttributeValues
	}
	if given != 1 {
		return nil, value.Invalid("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	var err error
	if w.at, err = s.reach(ctx, name); err != nil {
		return nil, err
	}
	expressions := []parameter{{string(expression.ConditionExpression), condition != nil}}
	if w.verb == update {
		expressions = append([]parameter{{string(expression.UpdateExpression), up != nil}}, expressions...)
	}
	if err := checkMix(names, values, expressions, nil); err != nil {
		return nil, err
	}
	if err := w.prepare(); err != nil {
		return nil, err
	}
	w.update, w.condition, err = expressed(names, values, up, condition)
	return w, err
}

// transact runs all writes. What a write refuses for the sake of its item becomes
// the reason why all are; what is wrong with the request is told as such.
func (s *Service) transact(ctx context.Context, tx store.Tx, n *store.Numbers, writes []*write) error {
	for _, w := range writes {
		err := w.open(ctx, s, tx)
		if err != nil && !errors.Is(err, errKey) && !errors.Is(err, errIndexKey) && aws.CodeOf(err) != "ProvisionedThroughputExceededException" {
			return err
		}
	}
	if double(writes) {
		return value.Invalid("Transaction request cannot include multiple operations on one item")
	}
	reasons := make([]api.CancellationReason, len(writes))
	codes := make([]string, len(writes))
	failed := false
	size := 0
	for i, w := range writes {
		codes[i] = "None"
		reasons[i].Code = &codes[i]
		err := w.run(ctx, s, tx, n)
		var e *aws.Error
		if err != nil && !errors.As(err, &e) {
			return err
		}
		if size += w.newSize; size > maxTransaction {
			return value.Invalid("Collective size of items in transaction cannot exceed 4 MB")
		}
		if err == nil {
			continue
		}
		failed = true
		codes[i] = strings.TrimSuffix(strings.TrimSuffix(e.Code, "Exception"), "Failed")
		switch e.Code {
		case "ConditionalCheckFailedException":
			codes[i] = "ConditionalCheckFailed"
		case "ValidationException":
			codes[i] = "ValidationError"
		}
		reasons[i].Message = &e.Message
		if d, ok := e.Detail.(*api.ConditionalCheckFailedExceptionDetail); ok {
			reasons[i].Item = d.Item
		}
	}
	if !failed {
		return nil
	}
	return api.TransactionCanceledException("Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", ")).
		With(&api.TransactionCanceledExceptionDetail{CancellationReasons: reasons})
}

// A token makes a transaction that is sent twice happen once.
type token struct {
	scope store.Scope
	text  string // empty for none
	sum   []byte // of the request
}

func newToken(ctx context.Context, text *string, items any) (token, error) {
	req := aws.RequestOf(ctx)
	k := token{scope: store.Scope{Account: req.Account(), Region: req.Region}, text: aws.Value(text)}
	if k.text == "" {
		return k, nil
	}
	b, err := json.Marshal(items)
	sum := sha256.Sum256(b)
	k.sum = sum[:]
	return k, err
}

// seen reports whether the transaction has already happened.
func (k token) seen(ctx context.Context, r store.Reader) (bool, error) {
	if k.text == "" {
		return false, nil
	}
	sum, err := tokenRecords.Get(ctx, r, k.scope, k.text)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case !bytes.Equal(sum, k.sum):
		return false, api.IdempotentParameterMismatchException("The request uses the same client token as a previous, but non-identical request.")
	}
	return true, nil
}

func (k token) save(tx store.Tx, until time.Time) error {
	if k.text == "" {
		return nil
	}
	return tokenRecords.PutExpiring(tx, k.scope, k.sum, until, k.text)
}
