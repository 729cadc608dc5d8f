package cloudwatch

import (
	"context"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// listPage lists the records of a table whose key is one text, page by page.
func listPage[R any](ctx context.Context, s *Service, t store.Table[R], token *string, most int, take func(name string, rec R) bool) (next *string, err error) {
	var after string
	o := store.ListOptions{}
	if token != nil {
		if !aws.ParseToken(*token, &after) {
			return nil, invalidValue("Invalid nextToken")
		}
		o.After = []any{after}
	}
	err = s.Store.View(ctx, func(r store.Reader) error {
		n, last := 0, ""
		for e, err := range t.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			if n == most {
				next = new(aws.Token(last))
				return nil
			}
			last = e.Key.String(0)
			if take(last, e.Record) {
				n++
			}
		}
		return nil
	})
	return next, err
}
