package dynamodb

import (
	"context"
	"encoding/binary"
	"io"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// newIndex is the record of an index that was asked for and checked.
func (s *Service) newIndex(name string, schema []api.KeySchemaElement, p *api.Projection, d definitions) (index, error) {
	var space [8]byte
	if _, err := io.ReadFull(s.random, space[:]); err != nil {
		return index{}, err
	}
	key := func(i int) keyAttribute {
		n := aws.Value(schema[i].AttributeName)
		return keyAttribute{n, d.types[n]}
	}
	ix := index{Name: name, Space: binary.BigEndian.Uint64(space[:]), Hash: key(0), Projection: *p.ProjectionType, Attributes: p.NonKeyAttributes}
	if len(schema) > 1 {
		k := key(1)
		ix.Range = &k
	}
	return ix, nil
}

// newIndexes are the indexes of a table that is to be.
func (s *Service) newIndexes(in *api.CreateTableInput) ([]index, error) {
	var out []index
	d := define(in.AttributeDefinitions)
	for _, l := range in.LocalSecondaryIndexes {
		ix, err := s.newIndex(*l.IndexName, l.KeySchema, l.Projection, d)
		if err != nil {
			return nil, err
		}
		ix.Local = true
		out = append(out, ix)
	}
	for _, g := range in.GlobalSecondaryIndexes {
		ix, err := s.newIndex(*g.IndexName, g.KeySchema, g.Projection, d)
		if err != nil {
			return nil, err
		}
		ix.provision(g.ProvisionedThroughput, g.OnDemandThroughput, g.WarmThroughput)
		out = append(out, ix)
	}
	return out, nil
}

func (ix *index) provision(p *api.ProvisionedThroughput, caps *api.OnDemandThroughput, warm *api.WarmThroughput) {
	if p != nil {
		ix.Throughput.Read, ix.Throughput.Write = aws.Value(p.ReadCapacityUnits), aws.Value(p.WriteCapacityUnits)
	}
	if caps != nil {
		ix.Caps = caps
	}
	if warm != nil {
		ix.Warm = warm
	}
}

// checkIndexUpdates makes the checks that need no table.
func checkIndexUpdates(updates []api.GlobalSecondaryIndexUpdate) error {
	seen := map[string]bool{}
	changes := 0
	for _, u := range updates {
		var name *string
		given := 0
		if u.Update != nil {
			name = u.Update.IndexName
			given++
		}
		if u.Create != nil {
			name = u.Create.IndexName
			given++
			changes++
			if err := checkProjection(u.Create.Projection); err != nil {
				return err
			}
			if err := checkOrder(u.Create.KeySchema); err != nil {
				return err
			}
		}
		if u.Delete != nil {
			name = u.Delete.IndexName
			given++
			changes++
		}
		switch {
		case given == 0:
			return value.Invalidf("One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null")
		case given > 1:
			return value.Invalidf("Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object")
		case seen[*name]:
			return value.Invalidf("Only one global secondary index update per index is allowed simultaneously. Index: %s", *name)
		}
		seen[*name] = true
	}
	if changes > 1 {
		return oneAtATime()
	}
	return nil
}

func oneAtATime() error {
	return api.LimitExceededException("Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
}

// changeIndexes makes an update's changes to the indexes of t, a copy of the table's record,
// whose billing is already as it will be. It returns what is deleted, as it was.
func (s *Service) changeIndexes(ctx context.Context, tx store.Tx, at ref, t *table, was *table, in *api.UpdateTableInput) (deleted *index, err error) {
	unset := map[string]bool{}
	for i := range t.Indexes {
		if ix := &t.Indexes[i]; !ix.Local && !t.OnDemand && was.OnDemand {
			unset[ix.Name] = true
		} else if !ix.Local && t.OnDemand && !was.OnDemand {
			ix.Throughput = throughput{Decreased: t.OnDemandAt, Decreases: ix.Throughput.Decreases}
		}
	}
	for _, u := range in.GlobalSecondaryIndexUpdates {
		switch {
		case u.Create != nil:
			err = s.createIndex(ctx, tx, at, t, u.Create, in.AttributeDefinitions)
		case u.Delete != nil:
			delete(unset, *u.Delete.IndexName)
			deleted, err = t.deleteIndex(tx, at, *u.Delete.IndexName)
		default:
			if u.Update.ProvisionedThroughput != nil {
				delete(unset, *u.Update.IndexName)
			}
			err = s.updateIndex(t, u.Update)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(unset) > 0 {
		var names []string
		for _, ix := range t.Indexes {
			if unset[ix.Name] {
				names = append(names, ix.Name)
			}
		}
		return nil, value.Invalidf("ProvisionedThroughput must be specified for index: %s", strings.Join(names, ","))
	}
	return deleted, nil
}

func (s *Service) createIndex(ctx context.Context, tx store.Tx, at ref, t *table, c *api.CreateGlobalSecondaryIndexAction, attributes []api.AttributeDefinition) error {
	if err := t.checkNewIndex(c, attributes); err != nil {
		return err
	}
	d := define(attributes)
	for i := range t.Indexes {
		d.add(t.Indexes[i].keys())
	}
	d.add(t.keys())
	ix, err := s.newIndex(*c.IndexName, c.KeySchema, c.Projection, d)
	if err != nil {
		return err
	}
	ix.provision(c.ProvisionedThroughput, c.OnDemandThroughput, c.WarmThroughput)
	// Of a small table the index is full at once: nobody writes meanwhile.
	f := fill{Space: ix.Space}
	full, err := f.enter(ctx, tx, at, t, &ix)
	if err != nil {
		return err
	}
	if !full {
		ix.Filling = true
		if err := fillRecords.Put(tx, at.scope, f, at.name, ix.Name); err != nil {
			return err
		}
	}
	t.Indexes = append(t.Indexes, ix)
	return nil
}

// checkNewIndex refuses an index that the table cannot get.
func (t *table) checkNewIndex(c *api.CreateGlobalSecondaryIndexAction, attributes []api.AttributeDefinition) error {
	if attributes == nil {
		return value.Invalidf("AttributeDefinitions is not specified for index: %s", *c.IndexName)
	}
	given := define(attributes)
	known := append(t.keys(), []keyAttribute{}...)
	globals, projected := 0, len(c.Projection.NonKeyAttributes)
	for i := range t.Indexes {
		known = append(known, t.Indexes[i].keys()...)
		projected += len(t.Indexes[i].Attributes)
		if t.Indexes[i].Filling {
			return oneAtATime()
		}
		if !t.Indexes[i].Local {
			globals++
		}
	}
	for _, k := range known {
		if as, ok := given.types[k.Name]; ok && as != k.Type {
			return value.Invalidf("Attribute %s is defined as %s already, and cannot be redefined as %s", k.Name, k.Type, as)
		}
	}
	given.add(known)
	if err := given.checkDefined(c.KeySchema); err != nil {
		return err
	}
	p := c.ProvisionedThroughput
	switch {
	case t.index(*c.IndexName) != nil:
		return value.Invalid("Attempting to create an index which already exists")
	case globals >= maxGlobal:
		return api.LimitExceededException("Subscriber limit exceeded: GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobal)
	case projected > maxProjected:
		return tooManyProjected()
	case t.OnDemand && p != nil:
		return value.Invalidf("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: %s when BillingMode is PAY_PER_REQUEST", *c.IndexName)
	case !t.OnDemand && (p == nil || p.ReadCapacityUnits == nil || p.WriteCapacityUnits == nil):
		return value.Invalidf("Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: %s", *c.IndexName)
	case p != nil:
		return checkThroughput(p)
	}
	return nil
}

// global is the table's global index of a name.
func (t *table) global(name, verb string) (*index, error) {
	ix := t.index(name)
	switch {
	case ix == nil:
		return nil, api.ResourceNotFoundException("Requested resource not found")
	case ix.Local:
		return nil, value.Invalid("Cannot %s an index that is not a GlobalSecondaryIndex: %s", verb, name)
	}
	return ix, nil
}

func (t *table) deleteIndex(tx store.Tx, at ref, name string) (*index, error) {
	ix, err := t.global(name, "delete")
	if err != nil {
		return nil, err
	}
	gone := *ix
	t.Indexes = slices.DeleteFunc(t.Indexes, func(ix index) bool { return ix.Name == name })
	delete(t.Insights, name)
	return &gone, gone.dropEntries(tx, at)
}

func (s *Service) updateIndex(t *table, u *api.UpdateGlobalSecondaryIndexAction) error {
	ix, err := t.global(*u.IndexName, "update")
	if err != nil {
		return err
	}
	if p := u.ProvisionedThroughput; p != nil {
		if t.OnDemand {
			return value.Invalidf("The only Updates for index: %s when TableThroughputMode is PAY_PER_REQUEST can be to OnDemandThroughput, WarmThroughput", ix.Name)
		}
		if err := checkThroughput(p); err != nil {
			return err
		}
		if err := ix.Throughput.change("index "+ix.Name, p, s.clock.Now()); err != nil {
			return err
		}
	}
	ix.provision(nil, u.OnDemandThroughput, u.WarmThroughput)
	return nil
}

// descriptions are the indexes as AWS describes them.
func (t *table) descriptions(d *api.TableDescription, at ref, status string, n tally) {
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		arn := at.arn() + "/index/" + ix.Name
		kinds := []string{api.KeyTypeHash, api.KeyTypeRange}
		var schema []api.KeySchemaElement
		for i, k := range ix.keys() {
			schema = append(schema, api.KeySchemaElement{AttributeName: &k.Name, KeyType: &kinds[i]})
		}
		projection := &api.Projection{ProjectionType: &ix.Projection, NonKeyAttributes: ix.Attributes}
		items, size := n.indexes[ix.Name].items, n.indexes[ix.Name].bytes
		if ix.Local {
			d.LocalSecondaryIndexes = append(d.LocalSecondaryIndexes, api.LocalSecondaryIndexDescription{IndexName: &ix.Name, IndexArn: &arn,
				KeySchema: schema, Projection: projection, ItemCount: &items, IndexSizeBytes: &size})
			continue
		}
		g := api.GlobalSecondaryIndexDescription{IndexName: &ix.Name, IndexArn: &arn, KeySchema: schema, Projection: projection, ItemCount: &items,
			IndexSizeBytes: &size, IndexStatus: ix.status(status), ProvisionedThroughput: ix.Throughput.description(), OnDemandThroughput: ix.Caps}
		if ix.Filling {
			g.Backfilling = &ix.Filling
		}
		warm := ix.Throughput.warm(ix.Warm)
		g.WarmThroughput = &api.GlobalSecondaryIndexWarmThroughputDescription{ReadUnitsPerSecond: warm.ReadUnitsPerSecond,
			WriteUnitsPerSecond: warm.WriteUnitsPerSecond, Status: new(api.IndexStatusActive)}
		d.GlobalSecondaryIndexes = append(d.GlobalSecondaryIndexes, g)
	}
}

// status is the index's, while its table is in the status given.
func (ix *index) status(table string) *string {
	out := api.IndexStatusActive
	switch {
	case ix.Filling || table == api.TableStatusCreating:
		out = api.IndexStatusCreating
	case table == api.TableStatusDeleting:
		out = api.IndexStatusDeleting
	}
	return &out
}
