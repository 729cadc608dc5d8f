package insights

import "github.com/cespare/xxhash/v2"

// maxDistinct is how many hashes are kept to count different values.
const maxDistinct = 1 << 16

// distinct counts different values: by their hashes, of which it keeps, when they become
// too many, those alone that end in ever more zeros. What it keeps is then a sample whose
// share is known.
type distinct struct {
	kept map[uint64]struct{}
	mask uint64
}

func newDistinct() *distinct { return &distinct{kept: map[uint64]struct{}{}} }

func (d *distinct) add(_ *row, v value) {
	h := xxhash.Sum64String(v.String())
	if h&d.mask != 0 {
		return
	}
	d.kept[h] = struct{}{}
	for len(d.kept) > maxDistinct {
		d.mask = d.mask<<1 | 1
		for h := range d.kept {
			if h&d.mask != 0 {
				delete(d.kept, h)
			}
		}
	}
}

func (d *distinct) result() value { return numberOf(float64(len(d.kept)) * float64(d.mask+1)) }
