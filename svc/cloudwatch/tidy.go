package cloudwatch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tule-cloud/tule/store"
)

// How often what lies in one spot is put together, and how often old values move to
// longer steps.
const (
	tidyEvery = time.Minute
	ageEvery  = 15 * time.Minute
	// tidyStep is how many records one transaction puts together.
	tidyStep = 4000
)

// place is where a metric is.
type place struct {
	scope store.Scope
	id    id
	step  int64
}

// stretch is from the oldest to the newest time of some values, in seconds.
type stretch struct{ from, to int64 }

// touched are the metrics that values came for since they were last tidied, with the
// times of those. What is forgotten with the process is tidied when it ages.
type touched struct {
	mu sync.Mutex
	at map[place]stretch
}

func (t *touched) note(scope store.Scope, data []datum) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range data {
		t.add(place{scope, data[i].metric.id(), data[i].step}, stretch{data[i].at, data[i].at})
	}
}

// add notes one place. The caller holds mu.
func (t *touched) add(p place, times stretch) {
	if t.at == nil {
		t.at = map[place]stretch{}
	}
	if old, ok := t.at[p]; ok {
		times.from, times.to = min(times.from, old.from), max(times.to, old.to)
	}
	t.at[p] = times
}

// take takes what was noted, and leaves nothing.
func (t *touched) take() map[place]stretch {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.at
	t.at = nil
	return all
}

// keepHouse tidies and ages until ctx ends.
func (s *Service) keepHouse(ctx context.Context) error {
	var aged time.Time
	for {
		now := s.Clock.Now()
		err := s.tidy(ctx)
		if err == nil && now.Sub(aged) >= ageEvery {
			if err = s.age(ctx); err == nil {
				aged = now
			}
		}
		if err != nil && ctx.Err() == nil {
			s.Logger.Warn("cloudwatch: put old values together", "error", err)
		}
		c, stop := s.Clock.After(tidyEvery)
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-c:
		}
		stop()
	}
}

// settled is how long ago values no longer come at once, in seconds: where they do, who
// puts them together would wait for who writes.
const settled = 10

// tidy makes one record of those that lie in one spot, where nobody writes any more.
func (s *Service) tidy(ctx context.Context) error {
	var errs []error
	now := s.Clock.Now().Unix() - settled
	for p, times := range s.touched.take() {
		from, to := times.from-mod(times.from, p.step), now-mod(now, p.step)
		if times.to >= to {
			s.touched.mu.Lock()
			s.touched.add(p, stretch{max(from, to), times.to})
			s.touched.mu.Unlock()
		}
		if from < to {
			o := store.ListOptions{From: []any{p.id[:], p.step, from}, To: []any{p.id[:], p.step, to}}
			errs = append(errs, s.gather(ctx, p.scope, o, p.step))
		}
	}
	return errors.Join(errs...)
}

// gather puts together what lies in one spot, in steps of a length, within a range of
// keys that have shorter steps, or the same.
func (s *Service) gather(ctx context.Context, scope store.Scope, o store.ListOptions, step int64) error {
	o.Limit = tidyStep
	for {
		n, last := 0, []any(nil)
		err := s.Store.Update(ctx, func(tx store.Tx) error {
			n, last = 0, nil
			g := gatherer{tx: tx, scope: scope, step: step}
			for e, err := range samples.List(ctx, tx, scope, o) {
				if err != nil {
					return err
				}
				n, last = n+1, e.Key.Parts()
				if err := g.take(e); err != nil {
					return err
				}
			}
			return g.end()
		})
		if err != nil || n < tidyStep {
			return err
		}
		o.After = last
	}
}

// A gatherer makes one record of those in a spot, which follow each other.
type gatherer struct {
	tx    store.Tx
	scope store.Scope
	step  int64

	id    []byte
	spots map[spot]*pile
	order []spot
}

// A pile is what lies in a spot, and under which keys.
type pile struct {
	sample sample
	keys   [][]any
}

func (g *gatherer) take(e store.Entry[sample]) error {
	which, at := e.Key.Bytes(0), e.Key.Int(2)
	k := spot{at - mod(at, g.step), e.Key.Uint(3)}
	if g.id != nil && (len(g.order) > 0 && g.order[len(g.order)-1].at != k.at || !slices.Equal(which, g.id)) {
		if err := g.end(); err != nil {
			return err
		}
	}
	g.id = which
	if g.spots == nil {
		g.spots = map[spot]*pile{}
	}
	p := g.spots[k]
	if p == nil {
		p = &pile{}
		g.spots[k] = p
		g.order = append(g.order, k)
	}
	p.sample.add(e.Record)
	p.keys = append(p.keys, e.Key.Parts())
	return nil
}

// end writes the piles that there are.
func (g *gatherer) end() error {
	for _, k := range g.order {
		p := g.spots[k]
		if len(p.keys) == 1 && p.keys[0][1] == any(g.step) {
			continue
		}
		for _, key := range p.keys {
			if err := samples.Delete(g.tx, g.scope, key...); err != nil {
				return err
			}
		}
		gone := time.Unix(k.at+retentions[len(retentions)-1].keep, 0)
		// Of the records that a step has, the first one's tail tells the new one from
		// those that come later.
		tail := p.keys[0][4]
		if err := samples.PutExpiring(g.tx, g.scope, p.sample, gone, g.id, g.step, k.at, k.unit, tail); err != nil {
			return err
		}
	}
	g.spots, g.order, g.id = nil, nil, nil
	return nil
}

// age moves what is too old for its step into the next.
func (s *Service) age(ctx context.Context) error {
	var all []place
	err := s.Store.View(ctx, func(r store.Reader) error {
		all = nil
		for e, err := range listings.All(ctx, r) {
			if err != nil {
				return err
			}
			all = append(all, place{scope: e.Scope, id: unpacked(e.Key.String(0), e.Key.String(1), e.Key.String(2)).id()})
		}
		return nil
	})
	if err != nil {
		return err
	}
	now := s.Clock.Now().Unix()
	for _, p := range all {
		for i, t := range retentions[:len(retentions)-1] {
			next := retentions[i+1].step
			before := now - t.keep
			before -= mod(before, next)
			o := store.ListOptions{From: []any{p.id[:], t.step}, To: []any{p.id[:], t.step, before}}
			old, err := s.any(ctx, p.scope, o)
			if err == nil && old {
				err = s.gather(ctx, p.scope, o, next)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// any reports whether there are values in a range.
func (s *Service) any(ctx context.Context, scope store.Scope, o store.ListOptions) (found bool, err error) {
	o.Limit = 1
	err = s.Store.View(ctx, func(r store.Reader) error {
		for _, err := range samples.List(ctx, r, scope, o) {
			found = true
			return err
		}
		return nil
	})
	return found, err
}
