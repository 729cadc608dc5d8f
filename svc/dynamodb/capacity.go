package dynamodb

import (
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

// writeUnits are the capacity units of a write: one for each KB of the larger of
// the item before and after.
func (w *write) writeUnits() float64 {
	return float64(max(1, (max(w.oldSize, w.newSize)+1023)/1024))
}

// consumed is the answer to ReturnConsumedCapacity.
func consumed(at ref, mode *string, units float64) *api.ConsumedCapacity {
	if !counts(mode) {
		return nil
	}
	return charge(at.name, *mode, units)
}

func charge(table, mode string, units float64) *api.ConsumedCapacity {
	c := &api.ConsumedCapacity{TableName: &table, CapacityUnits: &units}
	if mode == api.ReturnConsumedCapacityIndexes {
		c.Table = &api.Capacity{CapacityUnits: &units}
	}
	return c
}

func (w *write) consumed(mode *string) *api.ConsumedCapacity {
	return consumed(w.at, mode, w.writeUnits())
}

// transacted is consumed in a transaction, which reads or writes everything twice.
func transacted(at ref, mode *string, units float64, writes bool) *api.ConsumedCapacity {
	c := consumed(at, mode, 2*units)
	if c == nil {
		return nil
	}
	if writes {
		c.WriteCapacityUnits = c.CapacityUnits
	} else {
		c.ReadCapacityUnits = c.CapacityUnits
	}
	if c.Table != nil {
		c.Table.ReadCapacityUnits, c.Table.WriteCapacityUnits = c.ReadCapacityUnits, c.WriteCapacityUnits
	}
	return c
}

// A bill adds up what a request of several tables consumes.
type bill struct {
	tables []ref
	units  map[ref]float64
}

func (b *bill) add(at ref, units float64) {
	if b.units == nil {
		b.units = map[ref]float64{}
	}
	if _, ok := b.units[at]; !ok {
		b.tables = append(b.tables, at)
	}
	b.units[at] += units
}

// total is the answer to ReturnConsumedCapacity, made of each table's units.
func (b *bill) total(mode *string, one func(at ref, mode *string, units float64) *api.ConsumedCapacity) []api.ConsumedCapacity {
	if !counts(mode) {
		return nil
	}
	var out []api.ConsumedCapacity
	for _, at := range b.tables {
		out = append(out, *one(at, mode, b.units[at]))
	}
	return out
}
