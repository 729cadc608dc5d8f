package apigateway

import (
	"context"
	"errors"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const service = "apigateway"

// What the service keeps: in the scope of its owner, and under the API's id first.
var (
	apis        = store.NewTable[api.RestApi](service, "api")
	resources   = store.NewTable[resource](service, "resource")              // by resource id
	children    = store.NewTable[string](service, "child")                   // parent id, path part → resource id
	models      = store.NewTable[api.Model](service, "model")                // by name
	validators  = store.NewTable[api.RequestValidator](service, "validator") // by id
	deployments = store.NewTable[deployment](service, "deployment")          // by deployment id
	snapshots   = store.NewTable[resource](service, "snapshot")              // deployment id, resource id
	stages      = store.NewTable[[]byte](service, "stage")                   // by name: a stageRecord in JSON
	accounts    = store.NewTable[account](service, "account")                // one, without a key of its own
	// owners says whose an API id is. It is an index, in no scope of its own: what
	// it says counts only while the API is there.
	owners = store.NewTable[store.Scope](service, "owner")
)

// deleteAll removes what goes with an API.
func deleteAll(tx store.Tx, at store.Scope, id string) error {
	return errors.Join(
		resources.DeleteAll(tx, at, id), children.DeleteAll(tx, at, id), models.DeleteAll(tx, at, id),
		validators.DeleteAll(tx, at, id), deployments.DeleteAll(tx, at, id), snapshots.DeleteAll(tx, at, id),
		stages.DeleteAll(tx, at, id), gatewayResponses.DeleteAll(tx, at, id),
		documentationParts.DeleteAll(tx, at, id), documentations.DeleteAll(tx, at, id),
		authorizers.DeleteAll(tx, at, id))
}

// scope is whose state a call is about.
func scope(ctx context.Context) store.Scope {
	r := aws.RequestOf(ctx)
	return store.Scope{Account: r.Account(), Region: r.Region}
}

// now is the time as API Gateway records it, to the second.
func (s *Service) now() *time.Time {
	t := s.Clock.Now().UTC().Truncate(time.Second)
	return &t
}

// orElse replaces the store's ErrNotFound by the caller's error.
func orElse(err, missing error) error {
	if errors.Is(err, store.ErrNotFound) {
		return missing
	}
	return err
}

func noAPI(ctx context.Context, id string) error {
	return api.NotFoundException("Invalid API identifier specified %s:%s", aws.RequestOf(ctx).Account(), id)
}

// lookup reads an API of the caller's.
func lookup(ctx context.Context, r store.Reader, id *string) (api.RestApi, error) {
	a, err := apis.Get(ctx, r, scope(ctx), aws.Value(id))
	return a, orElse(err, noAPI(ctx, aws.Value(id)))
}

// require is the error missing unless there is a record under key.
func require[R any](ctx context.Context, r store.Reader, t store.Table[R], missing error, key ...any) error {
	ok, err := t.Has(ctx, r, scope(ctx), key...)
	if err == nil && !ok {
		err = missing
	}
	return err
}

// view runs fn on a snapshot and returns what it made.
func view[T any](ctx context.Context, s *Service, fn func(r store.Reader) (T, error)) (out T, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		out, err = fn(r)
		return err
	})
	return out, err
}

// update runs fn in a transaction and returns what it made.
func update[T any](ctx context.Context, s *Service, fn func(tx store.Tx) (T, error)) (out T, err error) {
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		out, err = fn(tx)
		return err
	})
	return out, err
}

// none is update for operations without an answer.
func (s *Service) none(ctx context.Context, fn func(tx store.Tx) error) (*aws.Empty, error) {
	return nil, s.Store.Update(ctx, fn)
}

// page lists one page of a table's records under prefix. Position names the last
// record of the page before.
func page[R any](ctx context.Context, r store.Reader, t store.Table[R], prefix []any, limit *int32, position *string) (out []R, next *string, err error) {
	return pageOf(ctx, r, t, prefix, limit, position, func(*R) bool { return true })
}

// pageOf is page of those records only that are wanted.
func pageOf[R any](ctx context.Context, r store.Reader, t store.Table[R], prefix []any, limit *int32, position *string, wanted func(*R) bool) (out []R, next *string, err error) {
	size := 25
	if limit != nil {
		size = int(*limit)
	}
	if size < 1 || size > 500 {
		return nil, nil, api.BadRequestException("Invalid limit specified. Must be between 1 and 500")
	}
	o := store.ListOptions{Prefix: prefix}
	if position != nil && *position != "" {
		var last string
		if !aws.ParseToken(*position, &last) {
			return nil, nil, api.BadRequestException("Invalid position parameter specified")
		}
		o.After = append(slices.Clone(prefix), last)
	}
	last := ""
	out = []R{} // clients are shown an empty list, not none
	for e, err := range t.List(ctx, r, scope(ctx), o) {
		if err != nil {
			return nil, nil, err
		}
		if !wanted(&e.Record) {
			continue
		}
		if len(out) == size {
			next = ptr(aws.Token(last))
			break
		}
		out, last = append(out, e.Record), e.Key.String(len(prefix))
	}
	return out, next, nil
}
