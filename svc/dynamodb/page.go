package dynamodb

import (
	"context"
	"strings"

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
	selected   string // Select
	limit      int    // 0 for none
	start      api.Item
	wanted     []string // top-level attributes, where there is no projection

	items   []api.Item
	matched int32
	scanned int32
	size    int
	last    api.Item // LastEvaluatedKey
	used    usage
}

// read fills the page from a range of items, and says after which it stopped.
func (p *page) read(ctx context.Context, r store.Reader, k keyspace, o store.ListOptions, consistent bool) error {
	if p.start != nil {
		o.After = k.place(p.start)
	}
	fetch, err := p.checkAttributes(k)
	if err != nil {
		return err
	}
	p.items, p.matched, p.scanned, p.size, p.last, p.used = []api.Item{}, 0, 0, 0, nil, usage{}
	for e, err := range k.list(ctx, r, p.at, o) {
		if err != nil {
			return err
		}
		it, size, err := value.Decode(e.Record)
		if err != nil {
			return err
		}
		p.scanned++
		p.size += size
		whole := it
		if fetch {
			if whole, size, err = k.whole(ctx, r, p.at, it); err != nil {
				return err
			}
			p.used.table += readUnits(size, consistent)
		}
		if p.filter.Matches(whole) {
			p.matched++
			if !p.counting() {
				p.items = append(p.items, p.projection.Apply(whole))
			}
		}
		if p.scanned == int32(p.limit) || p.size >= maxPage {
			p.last = k.lastKey(it)
			break
		}
	}
	units := readUnits(p.size, consistent)
	if k.ix == nil {
		p.used.table = units
	} else {
		p.used.index(k.ix, units)
	}
	return nil
}

// whole is the item in the table of which an index has an entry.
func (k keyspace) whole(ctx context.Context, r store.Reader, at ref, entry api.Item) (api.Item, int, error) {
	raw, err := itemRecords.Get(ctx, r, at.scope, k.t.place(entry)...)
	if err != nil {
		return nil, 0, err
	}
	return value.Decode(raw)
}

// checkAttributes checks what is wanted of the items against what the keyspace has; fetch
// says that the rest must come from the table, as it may for local indexes.
func (p *page) checkAttributes(k keyspace) (fetch bool, err error) {
	if p.filter != nil {
		if err := k.t.checkNested(p.filter.Nested()); err != nil {
			return false, err
		}
	}
	if p.projection != nil {
		if err := k.t.checkNested(p.projection.Nested()); err != nil {
			return false, err
		}
	}
	if k.ix == nil || k.ix.Projection == api.ProjectionTypeAll {
		return false, nil
	}
	if p.selected == api.SelectAllAttributes {
		if !k.ix.Local {
			return false, value.Invalidf("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", k.ix.Name)
		}
		return true, nil
	}
	lacks := func(names []string) (out []string) {
		for _, n := range names {
			if !k.ix.projects(k.t, n) {
				out = append(out, n)
			}
		}
		return out
	}
	wanted, filtered := lacks(p.wanted), []string(nil)
	if p.projection != nil {
		wanted = lacks(p.projection.Heads())
	}
	if p.filter != nil {
		filtered = lacks(p.filter.Heads())
	}
	switch {
	case len(wanted)+len(filtered) == 0:
		return false, nil
	case k.ix.Local:
		return true, nil
	case len(wanted) > 0:
		return false, value.Invalidf("Global secondary index %s does not project [%s]", k.ix.Name, strings.Join(wanted, ", "))
	}
	return false, value.Invalidf("Global secondary index %s does not project one or more filter attributes: [%s]", k.ix.Name, strings.Join(filtered, ", "))
}

// counting reports whether only the number of items is wanted.
func (p *page) counting() bool { return p.selected == api.SelectCount }

// result is the page's items, nil for a count.
func (p *page) result() []api.Item {
	if p.counting() {
		return nil
	}
	return p.items
}

// checkSelect checks Select against what else says which attributes are wanted.
func checkSelect(selected, projection *string, attributes []string, index *string) error {
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
			return value.Invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
		}
	case api.SelectCount:
		if given != "" {
			return value.Invalid("Cannot specify the %s when choosing to get only the Count", given)
		}

	case api.SelectAllAttributes:
		if given != "" {
			return value.Invalid("Cannot specify the %s when choosing to get ALL_ATTRIBUTES", given)
		}
	case api.SelectAllProjectedAttributes:
		if given != "" {
			return value.Invalid("Cannot specify the %s when choosing to get ALL_PROJECTED_ATTRIBUTES", given)
		}
		if index == nil {
			return value.Invalidf("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
		}
	}
	return nil
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
