package sqs

import (
	"context"
	"sync"
	"time"

	"github.com/tule-cloud/tule/store"
)

// sweepEvery is how often messages past their retention are removed; nobody is shown
// them in the meantime.
const sweepEvery = 5 * time.Minute

// Run does the background work until ctx ends: it moves messages for tasks, removes those
// that were kept long enough, and measures how many there are.
func (s *Service) Run(ctx context.Context) error {
	var gauges sync.WaitGroup
	gauges.Go(func() { s.keepGauges(ctx) })
	defer gauges.Wait()
	told := active.WatchAll(ctx, s.Store)
	swept := s.Clock.Now()
	for elapsed := true; ; {
		left, more, err := s.moveAll(ctx, elapsed)
		if err != nil && ctx.Err() == nil {
			s.Logger.Error("sqs: move messages", "error", err)
		}
		if now := s.Clock.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
				s.Logger.Error("sqs: remove old messages", "error", err)
			}
		}
		if elapsed = false; more && err == nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		pause := sweepEvery
		if left || err != nil {
			pause = time.Second
		}
		c, stop := s.Clock.After(pause)
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-c:
			elapsed = true
		case <-told:
		}
		stop()
	}
}

// sweep removes what is past its queue's retention period.
func (s *Service) sweep(ctx context.Context) error {
	all, err := s.all(ctx, func(r store.Reader, q *queue) (bool, error) {
		over := q.expired(s.Clock.Now().UnixMicro())
		for m, err := range messages.List(ctx, r, q.place.scope(), store.ListOptions{Prefix: []any{q.Number}, Limit: 1}) {
			if err != nil {
				return false, err
			}
			at := refOf(m.Key.Bytes(1))
			return at.at() <= over, nil
		}
		return false, nil
	})
	for _, q := range all {
		for more := true; more && err == nil; {
			more, err = s.sweepSome(ctx, q)
		}
	}
	return err
}

// all are the queues of everybody for which something holds.
func (s *Service) all(ctx context.Context, holds func(store.Reader, *queue) (bool, error)) (out []*queue, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = nil
		for e, err := range queues.All(ctx, r) {
			if err != nil {
				return err
			}
			q, err := s.queue(ctx, r, place{e.Scope.Region, e.Scope.Account, e.Key.String(0)})
			if err != nil {
				return err
			}
			yes, err := holds(r, q)
			if err != nil {
				return err
			}
			if yes {
				out = append(out, q)
			}
		}
		return nil
	})
	return out, err
}

// sweepStep is the most messages that one transaction removes.
const sweepStep = 1000

// sweepSome removes some old messages, and reports whether there may be more.
func (s *Service) sweepSome(ctx context.Context, q *queue) (more bool, err error) {
	now := s.Clock.Now().UnixMicro()
	old, err := s.old(ctx, q, now)
	if err != nil {
		return false, err
	}
	var h hints
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		h.reset()
		for _, x := range old {
			if err := s.remove(ctx, tx, q, x, now, &h); err != nil {
				return err
			}
		}
		if len(old) > 0 && len(old) < sweepStep {
			// Nothing leads to these any more.
			return deleteBefore(ctx, tx, q, q.expired(now))
		}
		return nil
	})
	if err == nil {
		s.tell(&h)
	}
	return len(old) == sweepStep, err
}

func deleteBefore(ctx context.Context, tx store.Tx, q *queue, over int64) error {
	end := newRef(over+1, [16]byte{})
	for e, err := range messages.List(ctx, tx, q.place.scope(), store.ListOptions{Prefix: []any{q.Number}, To: []any{q.Number, end[:]}, Limit: sweepStep}) {
		if err != nil {
			return err
		}
		if err := messages.Delete(tx, q.place.scope(), e.Key.Parts()...); err != nil {
			return err
		}
	}
	return nil
}

// old are some messages past their retention period.
func (s *Service) old(ctx context.Context, q *queue, now int64) (out []spot, err error) {
	over := q.expired(now)
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = nil
		for x, err := range q.spots(ctx, r) {
			if err != nil || len(out) == sweepStep {
				return err
			}
			if x.ref.at() <= over {
				out = append(out, x)
			}
		}
		return nil
	})
	return out, err
}
