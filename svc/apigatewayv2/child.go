package apigatewayv2

import (
	"context"
	"errors"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// add makes a record of an API of what in says, under key, which begins with the API's
// id; check completes and refuses it.
func add[Out, R, In any](ctx context.Context, s *Service, k kind[R], in *In, check func(tx store.Tx, rec *R) error, key ...*string) (*Out, error) {
	return update(ctx, s, func(tx store.Tx) (*Out, error) {
		a, err := lookup(ctx, tx, key[0])
		if err != nil {
			return nil, err
		}
		rec := new(R)
		merge(rec, in)
		*k.id(rec) = s.newID()
		if err := check(tx, rec); err != nil {
			return nil, err
		}
		return as[Out](rec), errors.Join(k.put(ctx, tx, rec, key...), s.redeploy(ctx, tx, &a))
	})
}

// put writes a record below key.
func (k kind[R]) put(ctx context.Context, tx store.Tx, rec *R, key ...*string) error {
	parts := make([]any, 0, len(key)+1)
	for _, p := range key {
		parts = append(parts, aws.Value(p))
	}
	return k.table.Put(tx, scope(ctx), *rec, append(parts, **k.id(rec))...)
}

// change changes a record by what in says; the last of key is its id.
func change[Out, R, In any](ctx context.Context, s *Service, k kind[R], in *In, check func(tx store.Tx, rec *R) error, key ...*string) (*Out, error) {
	return update(ctx, s, func(tx store.Tx) (*Out, error) {
		rec, err := k.get(ctx, tx, key...)
		if err != nil {
			return nil, err
		}
		merge(&rec, in)
		if err := check(tx, &rec); err != nil {
			return nil, err
		}
		return as[Out](&rec), errors.Join(k.put(ctx, tx, &rec, key[:len(key)-1]...), s.redeployID(ctx, tx, *key[0]))
	})
}

// remove deletes a record, unless check is against it.
func remove[R any](ctx context.Context, s *Service, k kind[R], check func(tx store.Tx, rec *R) error, key ...*string) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		rec, err := k.get(ctx, tx, key...)
		if err != nil {
			return err
		}
		if check != nil {
			if err := check(tx, &rec); err != nil {
				return err
			}
		}
		parts := make([]any, len(key))
		for i, p := range key {
			parts[i] = *p
		}
		return errors.Join(k.table.Delete(tx, scope(ctx), parts...), s.redeployID(ctx, tx, *key[0]))
	})
}

// children are all records below key.
func (k kind[R]) children(ctx context.Context, r store.Reader, at store.Scope, key ...any) ([]R, error) {
	var out []R
	for e, err := range k.table.List(ctx, r, at, store.ListOptions{Prefix: key}) {
		if err != nil {
			return nil, err
		}
		out = append(out, e.Record)
	}
	return out, nil
}
