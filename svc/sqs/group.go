package sqs

import (
	"context"
	"time"

	"github.com/tule-cloud/tule/store"
)

// pickGroups receives messages of a FIFO queue: as many as it can of the first group,
// then of the next. Groups that are not needed go back.
func (s *Service) pickGroups(ctx context.Context, tx store.Tx, q *queue, d demand, entries []entry, now time.Time, got *[]found, h *hints) error {
	for _, e := range entries {
		if len(*got) == d.max {
			h.note(q, e)
			continue
		}
		if err := s.pickGroup(ctx, tx, q, d, e, now, got, h); err != nil {
			return err
		}
	}
	if d.attempt == "" || len(*got) == 0 {
		return nil
	}
	return noteAttempt(tx, q, d, now, *got)
}

// pickGroup receives the first messages of a group, which has none in flight.
func (s *Service) pickGroup(ctx context.Context, tx store.Tx, q *queue, d demand, e entry, now time.Time, got *[]found, h *hints) error {
	scope, micros := q.place.scope(), now.UnixMicro()
	g, err := groups.Get(ctx, tx, scope, q.Number, e.id)
	if isNotFound(err) || err == nil && g.at != e.at {
		return nil // somebody else was faster
	}
	if err != nil {
		return err
	}
	if e.at > micros {
		h.note(q, e)
		return nil
	}
	o := store.ListOptions{Prefix: []any{q.Number, e.id}, From: []any{q.Number, e.id, g.head}}
	for m, err := range members.List(ctx, tx, scope, o) {
		if err != nil {
			return err
		}
		if m.Record.at > micros || len(*got) == d.max {
			break
		}
		seq := m.Key.Uint(2)
		if err := s.pickMember(ctx, tx, q, d, e.id, seq, m.Record, now, got, h); err != nil {
			return err
		}
	}
	return s.settle(ctx, tx, q, e.id, micros, h)
}

// pickMember receives a message of a group, or buries it, or forgets it.
func (s *Service) pickMember(ctx context.Context, tx store.Tx, q *queue, d demand, name string, seq uint64, m member, now time.Time, got *[]found, h *hints) error {
	scope, micros := q.place.scope(), now.UnixMicro()
	text, err := messages.Get(ctx, tx, scope, q.Number, m.ref[:])
	if err != nil && !isNotFound(err) {
		return err
	}
	remove := err != nil || m.ref.at() <= q.expired(micros)
	if !remove && q.dead(m.state) {
		if remove, err = s.bury(ctx, tx, q, m.ref, text, m.state, h); err != nil {
			return err
		}
	}
	if remove {
		return first(members.Delete(tx, scope, q.Number, name, seq), messages.Delete(tx, scope, q.Number, m.ref[:]))
	}
	m.state, m.at = m.receivedAt(now), micros+d.visibility.Microseconds()
	*got = append(*got, found{text, m.state, handle{queue: q.Number, ref: m.ref, at: m.at, count: m.count, seq: seq, group: name}})
	return members.Put(tx, scope, m, q.Number, name, seq)
}

// settle finds out when a group can be received from next: when none of its messages is
// in flight any more, and the first is due.
func (s *Service) settle(ctx context.Context, tx store.Tx, q *queue, name string, now int64, h *hints) error {
	scope := q.place.scope()
	old, err := groups.Get(ctx, tx, scope, q.Number, name)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	next := group{}
	for m, err := range members.List(ctx, tx, scope, store.ListOptions{Prefix: []any{q.Number, name}, From: []any{q.Number, name, old.head}}) {
		if err != nil {
			return err
		}
		if next.head == 0 {
			next.head = m.Key.Uint(2)
		}
		if m.Key.Uint(2) == next.head || m.Record.at > now && m.Record.count > 0 {
			next.at = max(next.at, m.Record.at)
		}
		if m.Record.count == 0 {
			break // nor was any behind it ever received
		}
	}
	if next == old {
		h.note(q, entry{next.at, name}) // whoever claimed it has done with it
		return nil
	}
	if err := index.Delete(tx, scope, q.Number, old.at, []byte(name)); err != nil {
		return err
	}
	if next.head == 0 {
		return groups.Delete(tx, scope, q.Number, name)
	}
	h.note(q, entry{next.at, name})
	return first(groups.Put(tx, scope, next, q.Number, name), index.Put(tx, scope, state{}, q.Number, next.at, []byte(name)))
}

// noteAttempt remembers what an attempt to receive got.
func noteAttempt(tx store.Tx, q *queue, d demand, now time.Time, got []found) error {
	var a attempt
	for i := range got {
		a.got = append(a.got, taken{got[i].handle.group, got[i].handle.seq, got[i].count})
	}
	return attempts.PutExpiring(tx, q.place.scope(), a, now.Add(window), q.Number, d.attempt)
}

// again gives an attempt to receive what it got before, if all of that is still in
// flight; its visibility timeout begins anew.
func (s *Service) again(ctx context.Context, q *queue, d demand) ([]found, error) {
	var got []found
	var h hints
	err := s.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		got = nil
		h.reset()
		scope, now := q.place.scope(), s.Clock.Now()
		a, err := attempts.Get(ctx, tx, scope, q.Number, d.attempt)
		if isNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		due, names := now.UnixMicro()+d.visibility.Microseconds(), map[string]bool{}
		for _, t := range a.got {
			m, err := members.Get(ctx, tx, scope, q.Number, t.group, t.seq)
			if isNotFound(err) || err == nil && (m.count != t.count || m.at <= now.UnixMicro()) {
				got = nil
				return nil
			}
			if err != nil {
				return err
			}
			text, err := messages.Get(ctx, tx, scope, q.Number, m.ref[:])
			if err != nil {
				return err
			}
			m.at = due
			names[t.group] = true
			got = append(got, found{text, m.state, handle{queue: q.Number, ref: m.ref, at: due, count: m.count, seq: t.seq, group: t.group}})
		}
		for i := range got {
			x := &got[i]
			if err := members.Put(tx, scope, member{x.handle.ref, due, x.state}, q.Number, x.handle.group, x.handle.seq); err != nil {
				return err
			}
		}
		for name := range names {
			if err := s.settle(ctx, tx, q, name, now.UnixMicro(), &h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.tell(&h)
	return got, nil
}
