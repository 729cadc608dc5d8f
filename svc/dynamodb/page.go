package dynamodb

import (
	"context"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// maxPage is how many bytes of items a query or scan reads before it stops.
const maxPage = 1 << 20

// A page is one answer of a query or scan.
type page struct {
	at         ref
	filter     *expression.Condition
	projection *expression.Projection
	counting   bool // Select COUNT
	limit      int  // 0 for none
	start      api.Item

	items   []api.Item
	matched int32
	scanned int32
	size    int
	last    api.Item // LastEvaluatedKey
}

// read fills the page from a range of items, and says after which it stopped.
func (p *page) read(ctx context.Context, r store.Reader, t *table, o store.ListOptions) error {
	if p.start != nil {
		o.After = t.place(p.start)
	}
	if p.filter != nil {
		if err := t.checkNested(p.filter.Nested()); err != nil {
			return err
		}
	}
	if p.projection != nil {
		if err := t.checkNested(p.projection.Nested()); err != nil {
			return err
		}
	}
	p.items, p.matched, p.scanned, p.size, p.last = []api.Item{}, 0, 0, 0, nil
	for e, err := range itemRecords.List(ctx, r, p.at.scope, o) {
		if err != nil {
			return err
		}
		it, size, err := value.Decode(e.Record)
		if err != nil {
			return err
		}
		p.scanned++
		p.size += size
		if p.filter.Matches(it) {
			p.matched++
			if !p.counting {
				p.items = append(p.items, p.projection.Apply(it))
			}
		}
		if p.scanned == int32(p.limit) || p.size >= maxPage {
			p.last = t.key(it)
			break
		}
	}
	return nil
}

// result is the page's items, nil for a count.
func (p *page) result() []api.Item {
	if p.counting {
		return nil
	}
	return p.items
}

// units are what the page consumed.
func (p *page) units(consistent *bool) float64 { return readUnits(p.size, aws.Value(consistent)) }

// checkSelect checks Select against what else says which attributes are wanted.
func checkSelect(selected, projection *string, attributes []string, index *string) (counting bool, err error) {
	given := ""
	switch {
	case projection != nil:
		given = "ProjectionExpression"
	case attributes != nil:
		given = "AttributesToGet"
	}
	switch aws.Value(selected) {
	case api.SelectSpecificAttributes:
		if given == "" {
			return false, value.Invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
		}
	case api.SelectCount:
		if given != "" {
			return false, value.Invalid("Cannot specify the %s when choosing to get only the Count", given)
		}
		return true, nil
	case api.SelectAllAttributes:
		if given != "" {
			return false, value.Invalid("Cannot specify the %s when choosing to get ALL_ATTRIBUTES", given)
		}
	case api.SelectAllProjectedAttributes:
		if given != "" {
			return false, value.Invalid("Cannot specify the %s when choosing to get ALL_PROJECTED_ATTRIBUTES", given)
		}
		if index == nil {
			return false, value.Invalidf("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
		}
	}
	return false, nil
}

// checkStart checks the values of an ExclusiveStartKey.
func checkStart(start api.Item) error { return value.CheckItem(start) }

// badStart is the error for an ExclusiveStartKey that cannot be.
func badStart(err error) error {
	var e *aws.Error
	if err == nil {
		return nil
	}
	if e, _ = err.(*aws.Error); e == nil {
		return err
	}
	return value.Invalid("The provided starting key is invalid: %s", e.Message)
}

// noIndex is the error for an index that the table does not have, as none has.
func noIndex(name *string) error {
	if name == nil {
		return nil
	}
	return value.Invalid("The table does not have the specified index: %s", *name)
}
