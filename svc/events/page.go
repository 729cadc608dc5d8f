package events

import (
	"context"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// pageSize is how much a list shows where its caller sets no limit.
const pageSize = 100

// A page is a part of a list of records that have names.
type page struct {
	prefix string
	limit  int
	after  string
}

func newPage(prefix *string, limit *int32, next *string) (page, error) {
	p := page{prefix: aws.Value(prefix), limit: pageSize}
	if limit != nil {
		p.limit = int(*limit)
	}
	if next != nil && !aws.ParseToken(*next, &p.after) {
		return p, invalid("Parameter NextToken is not valid.")
	}
	return p, nil
}

// walk calls show for the page's records of a table, in the order of their names, which
// are the part of their keys behind those of within; show says whether it shows one. It
// returns the token of the next page.
func walk[R any](ctx context.Context, r store.Reader, t store.Table[R], scope store.Scope, within []any, p page, show func(name string, rec *R) bool) (*string, error) {
	o := store.ListOptions{Prefix: within}
	if p.prefix != "" {
		o.From = append(append([]any{}, within...), p.prefix)
	}
	if p.after >= p.prefix && p.after != "" {
		o.From, o.After = nil, append(append([]any{}, within...), p.after)
	}
	n, last := 0, ""
	for e, err := range t.List(ctx, r, scope, o) {
		if err != nil {
			return nil, err
		}
		name := e.Key.String(len(within))
		if !strings.HasPrefix(name, p.prefix) {
			break
		}
		if n == p.limit {
			return new(aws.Token(last)), nil
		}
		if show(name, &e.Record) {
			n, last = n+1, name
		}
	}
	return nil, nil
}
