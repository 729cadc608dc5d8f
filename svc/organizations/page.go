package organizations

import (
	"context"
	"slices"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A page is which part of a list is wanted.
type page struct {
	token *string
	max   *int32
}

func (p page) size() int {
	if p.max == nil {
		return 20
	}
	return int(*p.max)
}

// after is the last part of the key of the last record before the page; "" for the
// first page.
func (p page) after() (string, error) {
	if p.token == nil {
		return "", nil
	}
	var at string
	if !aws.ParseToken(*p.token, &at) || at == "" {
		return "", invalid(api.InvalidInputExceptionReasonInvalidNextToken, "You specified an invalid value.")
	}
	return at, nil
}

// list reads a page of the records whose keys are prefix and one part more. What show
// does not find ok is left out.
func list[R, T any](ctx context.Context, r store.Reader, t store.Table[R], at store.Scope, prefix []any, p page, show func(store.Entry[R]) (T, bool, error)) ([]T, *string, error) {
	after, err := p.after()
	if err != nil {
		return nil, nil, err
	}
	o := store.ListOptions{Prefix: prefix}
	if after != "" {
		o.After = append(slices.Clone(prefix), after)
	}
	out, last := []T{}, ""
	for e, err := range t.List(ctx, r, at, o) {
		if err != nil {
			return nil, nil, err
		}
		one, ok, err := show(e)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		if len(out) == p.size() {
			return out, ptr(aws.Token(last)), nil
		}
		out, last = append(out, one), e.Key.String(len(prefix))
	}
	return out, nil, nil
}

// cut is a page of what is in memory, sorted by names.
func cut[T any](names []string, p page, show func(name string) T) ([]T, *string, error) {
	after, err := p.after()
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(names)
	out := []T{}
	for i, name := range names {
		if name <= after {
			continue
		}
		if len(out) == p.size() {
			return out, ptr(aws.Token(names[i-1])), nil
		}
		out = append(out, show(name))
	}
	return out, nil, nil
}
