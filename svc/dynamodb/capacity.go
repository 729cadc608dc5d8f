package dynamodb

import (
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
)

// counts reports whether a request wants to know what it consumed.
func counts(mode *string) bool {
	m := aws.Value(mode)
	return m == api.ReturnConsumedCapacityTotal || m == api.ReturnConsumedCapacityIndexes
}

// readUnits are the capacity units of reading so many bytes: one for each 4 KB, at
// least one, and half of that if the read may be behind.
func readUnits(size int, consistent bool) float64 {
	units := float64(max(1, (size+4095)/4096))
	if !consistent {
		units /= 2
	}
	return units
}

// kilobytes are the capacity units of writing so many bytes: one for each KB, at least one.
func kilobytes(size int) float64 { return float64(max(1, (size+1023)/1024)) }

// A usage is the capacity units that a request consumes of a table and of its indexes.
type usage struct {
	table         float64
	local, global map[string]float64
}

// index adds to what an index consumes.
func (u *usage) index(ix *index, units float64) {
	of := &u.global
	if ix.Local {
		of = &u.local
	}
	if *of == nil {
		*of = map[string]float64{}
	}
	(*of)[ix.Name] += units
}

// total is what the table and its indexes consume together.
func (u usage) total() float64 {
	sum := u.table
	for _, of := range []map[string]float64{u.local, u.global} {
		for _, name := range slices.Sorted(maps.Keys(of)) {
			sum += of[name]
		}
	}
	return sum
}

// add adds another usage, times over.
func (u *usage) add(v usage, times float64) {
	u.table += times * v.table
	for _, of := range []struct {
		to   *map[string]float64
		from map[string]float64
	}{{&u.local, v.local}, {&u.global, v.global}} {
		if *of.to == nil && len(of.from) > 0 {
			*of.to = map[string]float64{}
		}
		for name, units := range of.from {
			(*of.to)[name] += times * units
		}
	}
}

// usage is what a write consumes: of the table a unit for each KB of the larger of the item
// before and after, and of each index what changed there.
func (w *write) usage() usage {
	u := usage{table: kilobytes(max(w.oldSize, w.newSize))}
	for i, units := range w.indexed {
		if units > 0 {
			u.index(&w.table.Indexes[i], units)
		}
	}
	return u
}

// consumed is the answer to ReturnConsumedCapacity.
func consumed(at ref, mode *string, u usage) *api.ConsumedCapacity {
	if !counts(mode) {
		return nil
	}
	return charge(at, *mode, u, func(float64) (read, write *float64) { return nil, nil })
}

// charge is what was consumed, each number put down for reads or writes, too, if also says so.
func charge(at ref, mode string, u usage, also func(units float64) (read, write *float64)) *api.ConsumedCapacity {
	one := func(units float64) api.Capacity {
		read, write := also(units)
		return api.Capacity{CapacityUnits: &units, ReadCapacityUnits: read, WriteCapacityUnits: write}
	}
	all := one(u.total())
	c := &api.ConsumedCapacity{TableName: &at.name, CapacityUnits: all.CapacityUnits, ReadCapacityUnits: all.ReadCapacityUnits, WriteCapacityUnits: all.WriteCapacityUnits}
	if mode != api.ReturnConsumedCapacityIndexes {
		return c
	}
	table := one(u.table)
	c.Table = &table
	each := func(of map[string]float64) map[string]api.Capacity {
		if len(of) == 0 {
			return nil
		}
		out := map[string]api.Capacity{}
		for name, units := range of {
			out[name] = one(units)
		}
		return out
	}
	c.LocalSecondaryIndexes, c.GlobalSecondaryIndexes = each(u.local), each(u.global)
	return c
}

func (w *write) consumed(mode *string) *api.ConsumedCapacity {
	return consumed(w.at, mode, w.usage())
}

// transacted is consumed in a transaction, which reads or writes everything twice.
func transacted(writes bool) func(at ref, mode *string, u usage) *api.ConsumedCapacity {
	return func(at ref, mode *string, u usage) *api.ConsumedCapacity {
		if !counts(mode) {
			return nil
		}
		var twice usage
		twice.add(u, 2)
		return charge(at, *mode, twice, func(units float64) (read, write *float64) {
			if writes {
				return nil, &units
			}
			return &units, nil
		})
	}
}

// A bill adds up what a request of several tables consumes.
type bill struct {
	tables []ref
	usage  map[ref]*usage
}

func (b *bill) add(at ref, u usage) {
	if b.usage == nil {
		b.usage = map[ref]*usage{}
	}
	sum := b.usage[at]
	if sum == nil {
		sum = &usage{}
		b.usage[at] = sum
		b.tables = append(b.tables, at)
	}
	sum.add(u, 1)
}

// total is the answer to ReturnConsumedCapacity, made of each table's usage.
func (b *bill) total(mode *string, one func(at ref, mode *string, u usage) *api.ConsumedCapacity) []api.ConsumedCapacity {
	if !counts(mode) {
		return nil
	}
	var out []api.ConsumedCapacity
	for _, at := range b.tables {
		out = append(out, *one(at, mode, *b.usage[at]))
	}
	return out
}
