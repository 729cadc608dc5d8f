package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tule-cloud/tule/store"
)

// numbering gives the records of streams their numbers. A number is taken in memory,
// within a transaction and after it has read the item that it changes: so no two
// writers of different items meet, as they would at a counter in the store, and of two
// changes of one item the later has the greater number, since whoever read the item
// before a change cannot commit after it.
//
// But numbers become visible in another order than they are taken. Readers therefore
// stop below the least number that belongs to a transaction under way (see limit), and
// miss nothing by going on from there.
//
// Each life of the process counts from a number above those of all lives before it.
type numbering struct {
	starting sync.Mutex // held by start, which waits for the store: nobody in a transaction may want it
	mu       sync.Mutex
	next     uint64 // 0 until start
	held     map[*numbers]uint64
}

// lifeBits is how many bits of a number count within a life.
const lifeBits = 36

// errUnnumbered ends a transaction that wants a number before start.
var errUnnumbered = errors.New("dynamodb: the numbering has not started")

// start begins this life's numbers, unless it has. A life's own number is at least the
// minutes since 1970, so that numbers also grow where the state was reset.
func (g *numbering) start(ctx context.Context, st store.Store, now time.Time) error {
	g.starting.Lock()
	defer g.starting.Unlock()
	if g.limit() != 0 {
		return nil
	}
	var life uint64
	err := st.Update(ctx, func(tx store.Tx) error {
		last, err := lifeRecords.Get(ctx, tx, store.Scope{})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		life = max(last+1, uint64(max(now.Unix()/60, 1)))
		return lifeRecords.Put(tx, store.Scope{}, life)
	})
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next, g.held = life<<lifeBits, map[*numbers]uint64{}
	return nil
}

// limit is the number below which nothing is under way: every record below it that
// will ever be is in the store. It is 0 before start.
func (g *numbering) limit() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	least := g.next
	for _, n := range g.held {
		least = min(least, n)
	}
	return least
}

// single is a number for what is no record: the beginning or the end of a stream.
func (g *numbering) single() (uint64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == 0 {
		return 0, errUnnumbered
	}
	g.next++
	return g.next - 1, nil
}

// numbers are those of one transaction. From the first that it takes until release,
// readers wait for it.
type numbers struct {
	of    *numbering
	taken bool
}

// take is the next number.
func (n *numbers) take() (uint64, error) {
	g := n.of
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == 0 {
		return 0, errUnnumbered
	}
	if !n.taken {
		n.taken = true
		g.held[n] = g.next
	}
	g.next++
	return g.next - 1, nil
}

// release says that the transaction is over, with err. One whose caller has gone may be
// on its way to disk yet; as the store commits in order, it has ended when something
// that was written afterwards has.
func (n *numbers) release(ctx context.Context, st store.Store, err error) {
	if !n.taken {
		return
	}
	if err != nil && ctx.Err() != nil {
		// What becomes of this write does not matter, only when.
		_ = st.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
			return barrierRecords.Put(tx, store.Scope{}, nil)
		})
	}
	n.of.mu.Lock()
	defer n.of.mu.Unlock()
	delete(n.of.held, n)
}

// barrierRecords holds one empty record, for release.
var barrierRecords = store.NewTable[[]byte]("dynamodb", "barrier")

// sequencePrefix makes sequence numbers as long as the model wants them.
const sequencePrefix = "100000"

// sequence is a number as clients know it: a decimal that grows, of 26 digits.
func sequence(n uint64) string { return fmt.Sprintf("%s%020d", sequencePrefix, n) }

// parseSequence reads what sequence wrote.
func parseSequence(text string) (uint64, bool) {
	digits, ok := strings.CutPrefix(text, sequencePrefix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && sequence(n) == text
}
