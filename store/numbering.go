package store

import (
	"context"
	"errors"
	"sync"
)

// A Numbering gives the records of a log their numbers, which grow, without a counter
// at which all writers would meet. A number is taken in memory, within a transaction and
// after it has read what it changes: so of two changes of one thing the later has the
// greater number, since whoever read the thing before a change cannot commit after it.
//
// But numbers become visible in another order than they are taken. Readers therefore
// stop below the least number that belongs to a transaction under way (see Limit), and
// miss nothing by going on from there.
//
// Numbers that were taken are never given again, in this life of the process or in
// another: they stay below a ceiling that is in the store.
type Numbering struct {
	ceilings Table[uint64]
	barrier  Table[[]byte]

	raising sync.Mutex // held by Start, which waits for the store: nobody in a transaction may want it
	mu      sync.Mutex
	next    uint64 // 0 until Start
	ceiling uint64
	held    map[*Numbers]uint64
}

// stretch is how many numbers one change of the ceiling makes room for.
const stretch = 1 << 36

// ErrUnnumbered ends a transaction that wants a number before Start, or more numbers
// than one Start makes room for.
var ErrUnnumbered = errors.New("store: there are no numbers; Start has not been called")

// NewNumbering makes the numbers called name of a service.
func NewNumbering(service, name string) *Numbering {
	return &Numbering{ceilings: NewTable[uint64](service, name), barrier: NewTable[[]byte](service, name+"-barrier"), held: map[*Numbers]uint64{}}
}

// Start makes sure that there are numbers, and that those taken from now on are floor or
// more. Call it before each transaction that takes some: it costs nothing until the
// ceiling comes near.
func (g *Numbering) Start(ctx context.Context, st Store, floor uint64) error {
	if g.room(floor) {
		return nil
	}
	g.raising.Lock()
	defer g.raising.Unlock()
	if g.room(floor) {
		return nil
	}
	g.mu.Lock()
	first := max(g.next, floor, 1)
	fresh := g.ceiling == 0
	g.mu.Unlock()
	ceiling := uint64(0)
	err := st.Update(ctx, func(tx Tx) error {
		before, err := g.ceilings.Get(ctx, tx, Scope{})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if fresh {
			first = max(first, before) // another life may have taken all below
		}
		ceiling = max(first+stretch, before)
		return g.ceilings.Put(tx, Scope{}, ceiling)
	})
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next, g.ceiling = max(g.next, first), ceiling
	return nil
}

// room raises next to floor, and reports whether half a stretch is left above it.
func (g *Numbering) room(floor uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ceiling == 0 || max(g.next, floor)+stretch/2 > g.ceiling {
		return false
	}
	g.next = max(g.next, floor)
	return true
}

// Limit is the number below which nothing is under way: every record below it that
// will ever be is in the store. It is 0 before Start.
func (g *Numbering) Limit() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	least := g.next
	for _, n := range g.held {
		least = min(least, n)
	}
	return least
}

// Settle waits until all numbers have been released that are held when it is called, or until ctx
// ends. A reader that Watch has woken finds what was written only afterwards: a record becomes
// visible when its transaction, and those that took numbers before it, have released theirs.
func (g *Numbering) Settle(ctx context.Context) error {
	g.mu.Lock()
	under := make([]chan struct{}, 0, len(g.held))
	for n := range g.held {
		if n.over == nil {
			n.over = make(chan struct{})
		}
		under = append(under, n.over)
	}
	g.mu.Unlock()
	for _, over := range under {
		select {
		case <-over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Single is a number for what is no record: the beginning or the end of a log.
func (g *Numbering) Single() (uint64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.take()
}

func (g *Numbering) take() (uint64, error) {
	if g.next >= g.ceiling {
		return 0, ErrUnnumbered
	}
	g.next++
	return g.next - 1, nil
}

// Begin is for the numbers of one transaction.
func (g *Numbering) Begin() *Numbers { return &Numbers{of: g} }

// Numbers are those of one transaction. From the first that it takes until Release,
// readers wait for it.
type Numbers struct {
	of    *Numbering
	taken bool
	over  chan struct{} // closed by Release; nil while nobody waits for it
}

// Take is the next number.
func (n *Numbers) Take() (uint64, error) {
	g := n.of
	g.mu.Lock()
	defer g.mu.Unlock()
	number, err := g.take()
	if err == nil && !n.taken {
		n.taken = true
		g.held[n] = number
	}
	return number, err
}

// Release says that the transaction is over, with err. One whose caller has gone may be
// on its way to disk yet; as the store commits in order, it has ended when something
// that was written afterwards has.
func (n *Numbers) Release(ctx context.Context, st Store, err error) {
	if !n.taken {
		return
	}
	if err != nil && ctx.Err() != nil {
		// What becomes of this write does not matter, only when.
		_ = st.Update(context.WithoutCancel(ctx), func(tx Tx) error { return n.of.barrier.Put(tx, Scope{}, nil) })
	}
	n.of.mu.Lock()
	defer n.of.mu.Unlock()
	delete(n.of.held, n)
	if n.over != nil {
		close(n.over)
		n.over = nil
	}
}
