package logs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What is put into a group that has subscribers is also numbered, in the same
// transaction: one short record for each put, whatever the number of subscribers. Each
// of them has a position among those numbers, behind which it has delivered everything.
// A record that all have passed is removed.

// A feed is what one subscription filter, or an account's policy, has to deliver of one
// group.
type feed struct {
	store.Scope
	id    uint64 // of the group
	group string
	name  string // filterFeed or policyFeed, and the name of the filter or policy
}

const (
	filterFeed = "f"
	policyFeed = "a"
)

// A position is how far a feed has come.
type position struct {
	Next uint64 // the number before which everything is delivered
	// Since is when the delivery of what comes next failed first, in milliseconds.
	Since int64 `json:",omitempty"`
}

// encodeArrival is the record of an arrival: the places of the chunks.
func encodeArrival(chunks []place) []byte {
	b := make([]byte, 0, len(chunks)*20)
	for _, p := range chunks {
		b = binary.AppendUvarint(b, uint64(p.At))
		b = binary.BigEndian.AppendUint64(b, p.Stream)
		b = binary.AppendUvarint(b, p.Seq)
	}
	return b
}

func decodeArrival(b []byte) (chunks []place, err error) {
	damaged := fmt.Errorf("%w: an arrival of log events", store.ErrDamaged)
	for len(b) > 0 {
		at, n := binary.Uvarint(b)
		if n <= 0 || len(b) < n+8 {
			return nil, damaged
		}
		stream := binary.BigEndian.Uint64(b[n:])
		b = b[n+8:]
		seq, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, damaged
		}
		b = b[n:]
		chunks = append(chunks, place{At: int64(at), Stream: stream, Seq: seq})
	}
	return chunks, nil
}

// fed reports whether a group has subscribers.
func fed(ctx context.Context, r store.Reader, sc store.Scope, name string, g *group) (bool, error) {
	if g.Fed {
		return true, nil
	}
	_, p, err := accountSubscription(ctx, r, sc)
	return p != nil && p.selects(name), err
}

// feedsOf are the feeds of a group, with their positions.
func feedsOf(ctx context.Context, r store.Reader, sc store.Scope, name string, g *group) (map[feed]position, error) {
	feeds := map[feed]position{}
	add := func(which string, since uint64) error {
		p, err := positions.Get(ctx, r, sc, g.ID, which)
		if errors.Is(err, store.ErrNotFound) {
			p, err = position{Next: since}, nil
		}
		feeds[feed{sc, g.ID, name, which}] = p
		return err
	}
	if g.Fed {
		for e, err := range subscriptions.List(ctx, r, sc, store.ListOptions{Prefix: []any{g.ID}}) {
			if err != nil {
				return nil, err
			}
			if err := add(filterFeed+e.Key.String(1), e.Record.Since); err != nil {
				return nil, err
			}
		}
	}
	policyName, p, err := accountSubscription(ctx, r, sc)
	if err == nil && p != nil && p.selects(name) {
		err = add(policyFeed+policyName, p.Since)
	}
	return feeds, err
}

// An outlet is where a feed leads.
type outlet struct {
	Destination  string // an ARN
	Role         string `json:",omitempty"`
	Pattern      string
	Distribution string
}

// outletOf reads where a feed leads; nil if it is no more.
func outletOf(ctx context.Context, r store.Reader, f feed) (*outlet, error) {
	g, err := groups.Get(ctx, r, f.Scope, f.group)
	if errors.Is(err, store.ErrNotFound) || err == nil && g.ID != f.id {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if f.name[:1] == policyFeed {
		name, p, err := accountSubscription(ctx, r, f.Scope)
		if err != nil || p == nil || name != f.name[1:] || !p.selects(f.group) {
			return nil, err
		}
		return p.Outlet, nil
	}
	sub, err := subscriptions.Get(ctx, r, f.Scope, f.id, f.name[1:])
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &sub.outlet, err
}

// A batch is what a feed delivers at once, and the position behind it.
type batch struct {
	outlet
	next    uint64
	since   int64
	streams []streamEvents
}

// A streamEvents are events of one stream.
type streamEvents struct {
	stream string
	events []event
}

// batchBytes is about how much of the store a batch is read from.
const batchBytes = 1 << 20

// nextBatch reads what comes next for a feed; nil if there is nothing, or no such feed.
func (s *Service) nextBatch(ctx context.Context, f feed) (b *batch, err error) {
	if err := s.number(ctx); err != nil {
		return nil, err
	}
	limit := s.numbering.Limit() // before the snapshot: below it everything is there
	err = s.store.View(ctx, func(r store.Reader) error {
		o, err := outletOf(ctx, r, f)
		if err != nil || o == nil {
			return err
		}
		g, err := groups.Get(ctx, r, f.Scope, f.group)
		if err != nil {
			return err
		}
		feeds, err := feedsOf(ctx, r, f.Scope, f.group, &g)
		if err != nil {
			return err
		}
		p := feeds[f]
		found := &batch{outlet: *o, since: p.Since}
		read := 0
		for e, err := range arrivals.List(ctx, r, f.Scope, store.ListOptions{Prefix: []any{f.id}, From: []any{f.id, p.Next}, To: []any{f.id, limit}}) {
			if err != nil {
				return err
			}
			n, err := found.add(ctx, r, f, e.Record)
			if err != nil {
				return err
			}
			found.next = e.Key.Uint(1) + 1
			if read += n; read >= batchBytes {
				break
			}
		}
		if found.next != 0 {
			b = found
		}
		return nil
	})
	return b, err
}

// add reads the chunks of one arrival, and returns how many bytes they have. What has
// been removed meanwhile, with its stream or for its age, is left out.
func (b *batch) add(ctx context.Context, r store.Reader, f feed, arrival []byte) (read int, err error) {
	list, err := decodeArrival(arrival)
	if err != nil {
		return 0, err
	}
	for _, p := range list {
		name, err := names.Get(ctx, r, f.Scope, f.id, p.Stream)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		rec, err := chunks.Get(ctx, r, f.Scope, f.id, p.At, p.Stream, p.Seq)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if rec, err = contentOf(ctx, r, f.Scope, f.id, p, rec); err != nil {
			return 0, err
		}
		c, err := decodeChunk(p, rec)
		if err != nil {
			return 0, err
		}
		read += int(c.size())
		if n := len(b.streams); n == 0 || b.streams[n-1].stream != string(name) {
			b.streams = append(b.streams, streamEvents{stream: string(name)})
		}
		last := &b.streams[len(b.streams)-1]
		last.events = append(last.events, c.events...)
	}
	return read, nil
}

// pass notes that a feed has delivered what is before next, and removes what nobody
// needs any more.
func (s *Service) pass(ctx context.Context, f feed, next uint64) error {
	return s.store.Update(ctx, func(tx store.Tx) error {
		g, err := groups.Get(ctx, tx, f.Scope, f.group)
		if errors.Is(err, store.ErrNotFound) || err == nil && g.ID != f.id {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		feeds, err := feedsOf(ctx, tx, f.Scope, f.group, &g)
		if err != nil {
			return err
		}
		if _, ok := feeds[f]; !ok {
			return nil
		}
		feeds[f] = position{Next: next}
		least := next
		for _, p := range feeds {
			least = min(least, p.Next)
		}
		for e, err := range arrivals.List(ctx, tx, f.Scope, store.ListOptions{Prefix: []any{f.id}, To: []any{f.id, least}, Limit: stepSize}) {
			if err == nil {
				err = arrivals.Delete(tx, f.Scope, f.id, e.Key.Uint(1))
			}
			if err != nil {
				return err
			}
		}
		return positions.Put(tx, f.Scope, feeds[f], f.id, f.name)
	})
}

// fail notes since when the delivery of what comes next fails.
func (s *Service) fail(ctx context.Context, f feed, since int64) error {
	return s.store.Update(ctx, func(tx store.Tx) error {
		g, err := groups.Get(ctx, tx, f.Scope, f.group)
		if errors.Is(err, store.ErrNotFound) || err == nil && g.ID != f.id {
			return nil
		}
		if err != nil {
			return err
		}
		feeds, err := feedsOf(ctx, tx, f.Scope, f.group, &g)
		if err != nil {
			return err
		}
		p, ok := feeds[f]
		if !ok {
			return nil
		}
		p.Since = since
		return positions.Put(tx, f.Scope, p, f.id, f.name)
	})
}

// number makes sure that there are numbers for arrivals.
func (s *Service) number(ctx context.Context) error { return s.numbering.Start(ctx, s.store, 0) }

// beginning is a number behind that of everything put so far into what the transaction
// has changed.
func (s *Service) beginning() (uint64, error) { return s.numbering.Single() }

// sourceARN is what a group's deliveries are for, as policies name it.
func (f feed) sourceARN() string {
	return aws.NewARN("logs", f.Region, f.Account, "log-group:"+f.group+":*").String()
}
