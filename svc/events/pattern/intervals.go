package pattern

import "hash/maphash"

// intervals are entries by the ranges of numbers that lead to them: a treap in the order of
// their lower ends, each of whose nodes knows the highest upper end at or below it. To find
// those that hold a number takes the logarithm of how many there are, for each that does.
type intervals struct {
	root *interval
	seed maphash.Seed // of the nodes' ranks, which keep the tree shallow; set with the first
	n    int
}

// An interval is a node. Open ends count as closed: who is found is asked again.
type interval struct {
	low, high   float64
	e           *entry
	rank        uint64
	top         float64 // the highest upper end at or below
	left, right *interval
}

// add puts an entry under a range.
func (t *intervals) add(low, high float64, e *entry) {
	if t.root == nil {
		t.seed = maphash.MakeSeed()
	}
	t.n++
	node := &interval{low: low, high: high, e: e, rank: maphash.Comparable(t.seed, t.n)}
	t.root = t.root.insert(node)
}

func (i *interval) insert(node *interval) *interval {
	if i == nil {
		return node.update()
	}
	if node.rank > i.rank {
		node.left, node.right = i.split(node.low)
		return node.update()
	}
	if node.low < i.low {
		i.left = i.left.insert(node)
	} else {
		i.right = i.right.insert(node)
	}
	return i.update()
}

// split divides a tree into what begins below low and the rest.
func (i *interval) split(low float64) (below, rest *interval) {
	if i == nil {
		return nil, nil
	}
	if i.low < low {
		i.right, rest = i.right.split(low)
		return i.update(), rest
	}
	below, i.left = i.left.split(low)
	return below, i.update()
}

// remove takes an entry away from a range that it was put under.
func (t *intervals) remove(low, high float64, e *entry) { t.root, _ = t.root.remove(low, high, e) }

func (i *interval) remove(low, high float64, e *entry) (rest *interval, done bool) {
	switch {
	case i == nil:
		return nil, false
	case i.low == low && i.high == high && i.e == e:
		return i.left.join(i.right), true
	}
	if low <= i.low { // those that begin alike may be on either side
		if i.left, done = i.left.remove(low, high, e); done {
			return i.update(), true
		}
	}
	if low >= i.low {
		i.right, done = i.right.remove(low, high, e)
	}
	return i.update(), done
}

// join makes one tree of two, all of the first before the second.
func (i *interval) join(next *interval) *interval {
	switch {
	case i == nil:
		return next
	case next == nil:
		return i
	case i.rank > next.rank:
		i.right = i.right.join(next)
		return i.update()
	}
	next.left = i.join(next.left)
	return next.update()
}

func (i *interval) update() *interval {
	i.top = i.high
	for _, below := range []*interval{i.left, i.right} {
		if below != nil {
			i.top = max(i.top, below.top)
		}
	}
	return i
}

// visit tries every entry whose range holds n.
func (i *interval) visit(n float64, try func(*entry)) {
	if i == nil || !(n <= i.top) { // NaN is in no range
		return
	}
	i.left.visit(n, try)
	if i.low <= n {
		if n <= i.high {
			try(i.e)
		}
		i.right.visit(n, try)
	}
}
