package apigatewayv2

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const service = "apigatewayv2"

// What the service keeps: in the scope of its owner, and under the API's id first.
var (
	apis        = store.NewTable[api.Api](service, "api")
	routeKeys   = store.NewTable[string](service, "routekey") // route key → route id
	stages      = store.NewTable[[]byte](service, "stage")    // by name: an api.Stage in JSON
	deployments = store.NewTable[api.Deployment](service, "deployment")
	snapshots   = store.NewTable[snapshot](service, "snapshot") // by deployment id
	links       = store.NewTable[api.VpcLink](service, "vpclink")
	// owners says whose an API id is, in no scope of its own. What it says counts only
	// while the API is there.
	owners = store.NewTable[store.Scope](service, "owner")
)

// A kind is a sort of what an API is made of. Its records are under the ids of what
// they belong to, and their own.
type kind[R any] struct {
	table store.Table[R]
	name  string            // in errors
	id    func(*R) **string // where a record has its id
}

var (
	routes               = kind[api.Route]{store.NewTable[api.Route](service, "route"), "Route", func(r *api.Route) **string { return &r.RouteId }}
	routeResponses       = kind[api.RouteResponse]{store.NewTable[api.RouteResponse](service, "routeresponse"), "RouteResponse", func(r *api.RouteResponse) **string { return &r.RouteResponseId }}
	integrations         = kind[api.Integration]{store.NewTable[api.Integration](service, "integration"), "Integration", func(r *api.Integration) **string { return &r.IntegrationId }}
	integrationResponses = kind[api.IntegrationResponse]{store.NewTable[api.IntegrationResponse](service, "integrationresponse"), "IntegrationResponse", func(r *api.IntegrationResponse) **string { return &r.IntegrationResponseId }}
	authorizers          = kind[api.Authorizer]{store.NewTable[api.Authorizer](service, "authorizer"), "Authorizer", func(r *api.Authorizer) **string { return &r.AuthorizerId }}
	models               = kind[api.Model]{store.NewTable[api.Model](service, "model"), "Model", func(r *api.Model) **string { return &r.ModelId }}
)

// structure removes what an API is made of.
func deleteStructure(tx store.Tx, at store.Scope, id string) error {
	return errors.Join(routes.table.DeleteAll(tx, at, id), routeKeys.DeleteAll(tx, at, id), routeResponses.table.DeleteAll(tx, at, id),
		integrations.table.DeleteAll(tx, at, id), integrationResponses.table.DeleteAll(tx, at, id),
		authorizers.table.DeleteAll(tx, at, id), models.table.DeleteAll(tx, at, id))
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

func ptr[T any](v T) *T { return &v }

// newID is an id of what belongs to an API.
func (s *Service) newID() *string { return ptr(aws.RandomID(s.Random, aws.LowerAlnm, 7)) }

// orElse replaces the store's ErrNotFound by the caller's error.
func orElse(err, missing error) error {
	if errors.Is(err, store.ErrNotFound) {
		return missing
	}
	return err
}

// lookup reads an API of the caller's.
func lookup(ctx context.Context, r store.Reader, id *string) (api.Api, error) {
	a, err := apis.Get(ctx, r, scope(ctx), aws.Value(id))
	return a, orElse(err, api.NotFoundException("Invalid API identifier specified %s:%s", aws.RequestOf(ctx).Account(), aws.Value(id)))
}

// missing is the error for a record that is not there.
func (k kind[R]) missing(id string) error {
	return api.NotFoundException("Invalid %s identifier specified %s", k.name, id)
}

// get reads a record of an API; the last of key is its id.
func (k kind[R]) get(ctx context.Context, r store.Reader, key ...*string) (rec R, err error) {
	if _, err := lookup(ctx, r, key[0]); err != nil {
		return rec, err
	}
	parts := make([]any, len(key))
	for i, p := range key {
		parts[i] = aws.Value(p)
	}
	rec, err = k.table.Get(ctx, r, scope(ctx), parts...)
	return rec, orElse(err, k.missing(aws.Value(key[len(key)-1])))
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

// show reads a record for an answer of type Out.
func show[Out, R any](ctx context.Context, s *Service, k kind[R], key ...*string) (*Out, error) {
	return view(ctx, s, func(r store.Reader) (*Out, error) {
		rec, err := k.get(ctx, r, key...)
		if err != nil {
			return nil, err
		}
		return as[Out](&rec), nil
	})
}

// list reads one page of the records under key, of an API.
func list[R any](ctx context.Context, s *Service, k kind[R], max, token *string, key ...*string) (out []R, next *string, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		if _, err := lookup(ctx, r, key[0]); err != nil {
			return err
		}
		prefix := make([]any, len(key))
		for i, p := range key {
			prefix[i] = aws.Value(p)
		}
		out, next, err = page(ctx, r, k.table, prefix, max, token)
		return err
	})
	return out, next, err
}

const (
	pageSize = 100
	maxPage  = 500
)

// page lists one page of a table's records under prefix. The token names the last
// record of the page before.
func page[R any](ctx context.Context, r store.Reader, t store.Table[R], prefix []any, max, token *string) (out []R, next *string, err error) {
	size := pageSize
	if max != nil {
		if size, err = strconv.Atoi(*max); err != nil || size < 1 || size > maxPage {
			return nil, nil, api.BadRequestException("Invalid value for maxResults: %s. It must be between 1 and %d", *max, maxPage)
		}
	}
	o := store.ListOptions{Prefix: prefix}
	if token != nil && *token != "" {
		var last string
		if !aws.ParseToken(*token, &last) {
			return nil, nil, api.BadRequestException("Invalid nextToken specified")
		}
		o.After = append(slices.Clone(prefix), last)
	}
	out, last := []R{}, ""
	for e, err := range t.List(ctx, r, scope(ctx), o) {
		if err != nil {
			return nil, nil, err
		}
		if len(out) == size {
			next = ptr(aws.Token(last))
			break
		}
		out, last = append(out, e.Record), e.Key.String(len(prefix))
	}
	return out, next, nil
}

// as is a record as the answer of type Out, which has members of the same names.
func as[Out, R any](rec *R) *Out {
	out := new(Out)
	from, to := reflect.ValueOf(rec).Elem(), reflect.ValueOf(out).Elem()
	for i := range to.NumField() {
		if f := from.FieldByName(to.Type().Field(i).Name); f.IsValid() && f.Type().ConvertibleTo(to.Field(i).Type()) {
			to.Field(i).Set(f.Convert(to.Field(i).Type()))
		}
	}
	return out
}

// merge sets the members of rec that in has, by name: in an update, empty texts and
// empty values of maps remove.
func merge[R, In any](rec *R, in *In) {
	from, to := reflect.ValueOf(in).Elem(), reflect.ValueOf(rec).Elem()
	for i := range from.NumField() {
		v, f := from.Field(i), to.FieldByName(from.Type().Field(i).Name)
		if !f.IsValid() || v.IsZero() || !v.Type().ConvertibleTo(f.Type()) || !f.CanSet() {
			continue
		}
		switch {
		case v.Kind() == reflect.Map:
			f.Set(mergeMap(f, v.Convert(f.Type())))
		case v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.String && v.Elem().Len() == 0:
			f.SetZero()
		default:
			f.Set(v.Convert(f.Type()))
		}
	}
}

func mergeMap(old, by reflect.Value) reflect.Value {
	if old.Len() == 0 {
		return by
	}
	out := reflect.MakeMap(by.Type())
	for _, m := range []reflect.Value{old, by} {
		for it := m.MapRange(); it.Next(); {
			v := it.Value()
			if empty := v.Kind() != reflect.Struct && (v.IsZero() || v.Kind() == reflect.Map && v.Len() == 0); empty {
				v = reflect.Value{} // which removes
			}
			out.SetMapIndex(it.Key(), v)
		}
	}
	return out
}

// isRole reports whether a text is a role's ARN.
func isRole(text string) bool {
	a, ok := aws.ParseARN(text)
	return ok && a.Service == "iam" && strings.HasPrefix(a.Resource, "role/")
}
