package sqs

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tule-cloud/tule/store"
)

const (
	// maxWindow is how many records a hub takes from the store at once.
	maxWindow = 512
	// ahead is how far beyond now a hub looks for what comes next.
	ahead = time.Second
	never = math.MaxInt64
)

// A hub is what the process remembers of a queue's index: some records whose time has
// come, which it hands to receivers, each to one; and who waits for more. It is a
// cache. The transaction of the receiver decides what is really there, and the store is
// looked through from the cursor on when the window is empty.
type hub struct {
	number uint64
	scope  store.Scope

	mu      sync.Mutex
	window  []entry // sorted; all are before the cursor
	cursor  entry   // what is before it in the index is in the window, or was handed out
	next    int64   // nothing behind the cursor can be received before this time
	last    int64   // the latest time that anything became known to lie at; never: unknown
	scan    bool    // somebody looks through the store
	scanned chan struct{}
	pending []entry // what was told meanwhile

	waiting []chan struct{} // who waits for something to receive, the first first
	kick    chan struct{}   // tells the watch of something earlier
	watched bool

	flight  int  // how many messages are in flight, or more
	counted bool // flight was counted once
}

// An entry is a record of the index: when it can be received, and a message's ref or
// a group's name.
type entry struct {
	at int64
	id string
}

func (e entry) compare(o entry) int { return cmp.Or(cmp.Compare(e.at, o.at), cmp.Compare(e.id, o.id)) }

// hubs are the hubs by their queues' numbers.
type hubs struct {
	mu  sync.Mutex
	all map[uint64]*hub
}

func (h *hubs) of(q *queue) *hub {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[uint64]*hub{}
	}
	b := h.all[q.Number]
	if b == nil {
		b = &hub{number: q.Number, scope: q.place.scope(), last: never, kick: make(chan struct{}, 1)}
		h.all[q.Number] = b
	}
	return b
}

// drop forgets a hub's records. Who waits looks again.
func (h *hubs) drop(number uint64) {
	h.mu.Lock()
	b := h.all[number]
	delete(h.all, number)
	h.mu.Unlock()
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.waiting {
		close(w)
	}
	b.waiting = nil
	b.poke()
}

// tell says of records that were just written.
func (b *hub) tell(entries ...entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range entries {
		b.add(e)
	}
}

func (b *hub) add(e entry) {
	if b.last != never && e.at > b.last {
		b.last = e.at
	}
	switch {
	case b.scan:
		b.pending = append(b.pending, e)
	case e.compare(b.cursor) < 0:
		b.insert(e)
	case e.at < b.next:
		b.next = e.at
		b.poke()
	}
}

// insert puts a record into the window, and wakes who waits for it.
func (b *hub) insert(e entry) {
	i := len(b.window)
	if i > 0 && e.compare(b.window[i-1]) <= 0 {
		var there bool
		if i, there = slices.BinarySearchFunc(b.window, e, entry.compare); there {
			return
		}
	}
	b.window = slices.Insert(b.window, i, e)
	if len(b.window) > 4*maxWindow { // the store knows of the rest
		b.cursor = b.window[maxWindow]
		b.next = b.cursor.at
		b.window = slices.Clone(b.window[:maxWindow])
	}
	b.wake()
}

// wake wakes the first who waits, if there is something.
func (b *hub) wake() {
	if len(b.waiting) > 0 && len(b.window) > 0 {
		close(b.waiting[0])
		b.waiting = b.waiting[1:]
	}
}

func (b *hub) poke() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

// claim hands out up to n records whose time has come.
func (s *Service) claim(ctx context.Context, b *hub, n int) ([]entry, error) {
	if err := s.fill(ctx, b); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, len(b.window))
	out := slices.Clone(b.window[:n])
	if b.window = b.window[n:]; len(b.window) == 0 {
		b.window = nil
	}
	b.wake()
	return out, nil
}

// fill looks through the store if the window is empty and there may be something.
func (s *Service) fill(ctx context.Context, b *hub) error {
	for {
		now := s.Clock.Now().UnixMicro()
		b.mu.Lock()
		if len(b.window) > 0 || b.next > now {
			b.mu.Unlock()
			return nil
		}
		if !b.scan {
			b.scan, b.scanned = true, make(chan struct{})
			from := b.cursor
			b.mu.Unlock()
			return s.look(ctx, b, from, now)
		}
		c := b.scanned
		b.mu.Unlock()
		select {
		case <-c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look takes records from the store, from a cursor to now and a little further.
func (s *Service) look(ctx context.Context, b *hub, from entry, now int64) error {
	var found []entry
	end, full := int64(never), false
	b.mu.Lock()
	whole := b.last == never
	b.mu.Unlock()
	to := now + ahead.Microseconds()
	if whole {
		to = never
	}
	err := s.Store.View(ctx, func(r store.Reader) error {
		found, end, full = nil, never, false
		o := store.ListOptions{Prefix: []any{b.number}, From: []any{b.number, from.at, []byte(from.id)}, To: []any{b.number, to}}
		for e, err := range index.List(ctx, r, b.scope, o) {
			if err != nil {
				return err
			}
			x := entry{e.Key.Int(1), string(e.Key.Bytes(2))}
			if x.at > now {
				end = x.at
				return nil
			}
			if found = append(found, x); len(found) == maxWindow {
				full = true
				return nil
			}
		}
		return nil
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.found(found, now, end, to, full)
	}
	pending := b.pending
	b.pending, b.scan = nil, false
	close(b.scanned)
	for _, e := range pending {
		b.add(e)
	}
	return err
}

// found takes over what a look found: records up to now, and the time of the first one
// behind, or never if there is none before the time to.
func (b *hub) found(found []entry, now, end, to int64, full bool) {
	switch {
	case full:
		last := found[len(found)-1]
		b.cursor = entry{last.at, last.id + "\x00"}
		b.next = last.at
	default:
		b.cursor = entry{at: now + 1}
		switch {
		case end != never:
			if b.next = end; b.last == never {
				b.last = now + maxAhead.Microseconds()
			}
		case to == never:
			b.next, b.last = never, now
		case b.last >= to:
			b.next = to
		default:
			b.next = never
		}
	}
	for _, e := range found {
		b.insert(e)
	}
}

// maxAhead is the longest time that anything is made invisible for.
const maxAhead = 12 * time.Hour

// wait waits until there may be something to receive; false when time is up.
func (s *Service) wait(ctx context.Context, b *hub, until <-chan time.Time) (bool, error) {
	b.mu.Lock()
	if len(b.window) > 0 {
		b.mu.Unlock()
		return true, nil
	}
	c := make(chan struct{})
	b.waiting = append(b.waiting, c)
	if !b.watched {
		b.watched = true
		go s.watch(context.WithoutCancel(ctx), b)
	}
	b.mu.Unlock()
	defer b.leave(c)
	select {
	case <-c:
		return true, nil
	case <-until:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// leave ends somebody's waiting. Who was woken and goes passes the word on.
func (b *hub) leave(c chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, c); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	} else {
		b.wake()
	}
	if len(b.waiting) == 0 {
		b.poke()
	}
}

// watch looks for records whose time comes, as long as anybody waits.
func (s *Service) watch(ctx context.Context, b *hub) {
	for {
		if err := s.fill(ctx, b); err != nil {
			s.Logger.Error("sqs: look for messages", "error", err)
		}
		b.mu.Lock()
		if len(b.waiting) == 0 {
			b.watched = false
			b.mu.Unlock()
			return
		}
		b.wake()
		next := b.next
		b.mu.Unlock()
		d := max(time.Duration(next-s.Clock.Now().UnixMicro())*time.Microsecond, time.Millisecond)
		if next == never {
			d = time.Hour
		}
		c, stop := s.Clock.After(d)
		select {
		case <-c:
		case <-b.kick:
		}
		stop()
	}
}

// hints are what a transaction wrote to the index, to be told once it is durable.
type hints struct {
	of  []uint64 // queues' numbers
	all []entry
}

func (h *hints) reset() { h.of, h.all = h.of[:0], h.all[:0] }

func (h *hints) note(q *queue, e entry) {
	h.of, h.all = append(h.of, q.Number), append(h.all, e)
}

// tell tells the hubs that there are. One that comes to be later finds what is told
// here in the store.
func (s *Service) tell(h *hints) {
	for i, number := range h.of {
		s.hubs.mu.Lock()
		b := s.hubs.all[number]
		s.hubs.mu.Unlock()
		if b != nil {
			b.tell(h.all[i])
		}
	}
}
