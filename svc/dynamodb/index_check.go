package dynamodb

import (
	"errors"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// How many indexes a table may have, and how many attributes all of them together may name.
const (
	maxLocal     = 5
	maxGlobal    = 20
	maxProjected = 100
)

// definitions are a request's attribute definitions: names, and their types.
type definitions struct {
	names []string
	types map[string]string
}

func define(all []api.AttributeDefinition) definitions {
	d := definitions{types: map[string]string{}}
	for _, a := range all {
		d.names = append(d.names, aws.Value(a.AttributeName))
		d.types[aws.Value(a.AttributeName)] = aws.Value(a.AttributeType)
	}
	return d
}

// add defines the attributes of keys that a table has already.
func (d *definitions) add(keys []keyAttribute) {
	for _, k := range keys {
		if _, ok := d.types[k.Name]; !ok {
			d.names = append(d.names, k.Name)
			d.types[k.Name] = k.Type
		}
	}
}

// checkDefined refuses keys without a definition.
func (d definitions) checkDefined(schema []api.KeySchemaElement) error {
	keys := schemaNames(schema)
	for _, k := range keys {
		if _, ok := d.types[k]; !ok {
			return value.Invalidf("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]",
				strings.Join(keys, ", "), strings.Join(d.names, ", "))
		}
	}
	return nil
}

func schemaNames(schema []api.KeySchemaElement) []string {
	var out []string
	for _, k := range schema {
		out = append(out, aws.Value(k.AttributeName))
	}
	return out
}

// checkOrder refuses key schemas that are not a HASH key or a HASH and a RANGE key.
func checkOrder(schema []api.KeySchemaElement) error {
	switch {
	case len(schema) > 1 && aws.Value(schema[0].AttributeName) == aws.Value(schema[1].AttributeName):
		return value.Invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	case aws.Value(schema[0].KeyType) != api.KeyTypeHash:
		return value.Invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	case len(schema) > 2:
		return missing("Index keys of several attributes")
	case len(schema) > 1 && aws.Value(schema[1].KeyType) != api.KeyTypeRange:
		return value.Invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
	}
	return nil
}

func checkProjection(p *api.Projection) error {
	kind := aws.Value(p.ProjectionType)
	switch {
	case kind == "":
		return value.Invalidf("Unknown ProjectionType: null")
	case p.NonKeyAttributes != nil && kind != api.ProjectionTypeInclude:
		return value.Invalidf("ProjectionType is %s, but NonKeyAttributes is specified", kind)
	case p.NonKeyAttributes == nil && kind == api.ProjectionTypeInclude:
		return value.Invalidf("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	}
	for i, a := range p.NonKeyAttributes {
		if slices.Contains(p.NonKeyAttributes[:i], a) {
			return value.Invalidf("Duplicate element in NonKeyAttributes: %s", a)
		}
	}
	return nil
}

// checkIndexes refuses indexes of a new table that cannot be.
func checkIndexes(in *api.CreateTableInput) error {
	d := define(in.AttributeDefinitions)
	used := schemaNames(in.KeySchema)
	seen := map[string]bool{}
	projected := 0
	one := func(name *string, schema []api.KeySchemaElement, p *api.Projection) error {
		if err := checkProjection(p); err != nil {
			return err
		}
		if seen[*name] {
			return value.Invalidf("Duplicate index name: %s", *name)
		}
		seen[*name] = true
		projected += len(p.NonKeyAttributes)
		used = append(used, schemaNames(schema)...)
		return nil
	}
	for i := range in.LocalSecondaryIndexes {
		ix := &in.LocalSecondaryIndexes[i]
		if err := checkLocal(in, ix, d); err != nil {
			return err
		}
		if err := one(ix.IndexName, ix.KeySchema, ix.Projection); err != nil {
			return err
		}
	}
	for i := range in.GlobalSecondaryIndexes {
		ix := &in.GlobalSecondaryIndexes[i]
		if err := checkGlobal(in, ix, d); err != nil {
			return err
		}
		if err := one(ix.IndexName, ix.KeySchema, ix.Projection); err != nil {
			return err
		}
	}
	slices.Sort(used)
	used = slices.Compact(used)
	switch {
	case len(in.LocalSecondaryIndexes) > maxLocal:
		return value.Invalidf("Number of LocalSecondaryIndexes exceeds per-table limit of %d", maxLocal)
	case len(in.GlobalSecondaryIndexes) > maxGlobal:
		return value.Invalidf("GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobal)
	case projected > maxProjected:
		return tooManyProjected()
	case len(seen) > 0 && len(used) < len(d.names):
		return value.Invalidf("Some AttributeDefinitions are not used. AttributeDefinitions: [%s], keys used: [%s]",
			strings.Join(slices.Sorted(maps.Keys(d.types)), ", "), strings.Join(used, ", "))
	}
	return nil
}

func tooManyProjected() error {
	return value.Invalidf("The total number of NonKeyAttributes of all indexes exceeds the per-table limit of %d", maxProjected)
}

func checkLocal(in *api.CreateTableInput, ix *api.LocalSecondaryIndex, d definitions) error {
	if len(in.KeySchema) != 2 {
		return value.Invalidf("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
	}
	if err := d.checkDefined(ix.KeySchema); err != nil {
		return err
	}
	if err := checkOrder(ix.KeySchema); err != nil {
		return err
	}
	hash, own := aws.Value(ix.KeySchema[0].AttributeName), aws.Value(in.KeySchema[0].AttributeName)
	switch {
	case len(ix.KeySchema) != 2:
		return value.Invalidf("Index KeySchema does not have a range key for index: %s", *ix.IndexName)
	case hash != own:
		return value.Invalidf("Index KeySchema does not have the same leading hash key as table KeySchema for index: %s. "+
			"index hash key: %s, table hash key: %s", *ix.IndexName, hash, own)
	}
	return nil
}

func checkGlobal(in *api.CreateTableInput, ix *api.GlobalSecondaryIndex, d definitions) error {
	if err := d.checkDefined(ix.KeySchema); err != nil {
		return err
	}
	if err := checkOrder(ix.KeySchema); err != nil {
		return err
	}
	p := ix.ProvisionedThroughput
	if aws.Value(in.BillingMode) == api.BillingModePayPerRequest {
		if p != nil {
			return value.Invalidf("ProvisionedThroughput should not be specified for index: %s when BillingMode is PAY_PER_REQUEST", *ix.IndexName)
		}
		return nil
	}
	if p == nil || p.ReadCapacityUnits == nil || p.WriteCapacityUnits == nil {
		return value.Invalidf("ProvisionedThroughput is not specified for index: %s", *ix.IndexName)
	}
	return checkThroughput(p)
}

// errIndexKey is behind the errors for attributes that have not the type that the key of an
// index wants.
var errIndexKey = errors.New("dynamodb: an attribute is of another type than an index's key")

// checkIndexKeys refuses an item with attributes that cannot be keys of the table's
// indexes. What an item had before is let be.
func (t *table) checkIndexKeys(it, before api.Item, updated bool) error {
	if len(t.Indexes) == 0 {
		return nil
	}
	var first error
	name := "" // of the index that is complained of, the first by name
	for i := range t.Indexes {
		ix := &t.Indexes[i]
		if first != nil && ix.Name > name {
			continue
		}
		for n, k := range ix.keys() {
			v, ok := it.Get(k.Name)
			if !ok {
				continue
			}
			if old, was := before.Get(k.Name); was && value.Equal(old, v) {
				continue
			}
			if err := ix.checkPart(k, v, n == 0, updated); err != nil {
				first, name = err, ix.Name
				break
			}
		}
	}
	return first
}

// checkPart refuses a value for an attribute of the index's key.
func (ix *index) checkPart(k keyAttribute, v api.AttributeValue, hash, updated bool) error {
	switch {
	case v.Type().String() != k.Type:
		return value.Invalidf("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", k.Name, k.Type, v.Type(), ix.Name).Because(errIndexKey)
	case v.Text() == "" && updated:
		return value.Invalid("One or more parameter values are not valid. The update expression attempted to update a secondary index key to a value that is not supported. "+
			"The AttributeValue for a key attribute cannot contain an empty %s value.", long(v))
	case v.Text() == "":
		return value.Invalid("One or more parameter values are not valid. A value specified for a secondary index key is not supported. "+
			"The AttributeValue for a key attribute cannot contain an empty %s value. IndexName: %s, IndexKey: %s", long(v), ix.Name, k.Name)
	}
	return checkKeySize(v, hash)
}
