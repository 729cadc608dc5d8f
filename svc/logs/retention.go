package logs

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	// sweepEvery is how long the sweeper rests.
	sweepEvery = 5 * time.Minute
	// stepSize is how many chunks one transaction of the sweeper removes, and
	// stepBytes about how much it reads.
	stepSize, stepBytes = 1000, 4 << 20
)

// retentions are the days that AWS takes.
var retentions = [...]int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (s *Service) putRetentionPolicy(ctx context.Context, in *api.PutRetentionPolicyRequest) (*aws.Empty, error) {
	days := *in.RetentionInDays
	if !slices.Contains(retentions[:], days) {
		return nil, api.InvalidParameterException("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]", days)
	}
	return nil, s.changeGroup(ctx, *in.LogGroupName, func(g *group) error {
		g.Retention = days
		return nil
	})
}

func (s *Service) deleteRetentionPolicy(ctx context.Context, in *api.DeleteRetentionPolicyRequest) (*aws.Empty, error) {
	return nil, s.changeGroup(ctx, *in.LogGroupName, func(g *group) error {
		g.Retention = 0
		return nil
	})
}

// Run does the work in the background: it removes events whose time is over and what
// deleted streams have left behind, delivers to subscribers, and runs queries and
// exports, until ctx ends. It returns ctx's error, or that of the store.
func (s *Service) Run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return s.sweep(ctx) })
	all.Go(func() error { return s.runFeeds(ctx) })
	all.Go(func() error { return s.runJobs(ctx) })
	return all.Wait()
}

// sweep removes what is to be removed, now and then.
func (s *Service) sweep(ctx context.Context) error {
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "logs: the sweeper stopped early", "error", err)
		}
		due, stop := s.clock.After(sweepEvery)
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-due:
		}
	}
}

// Sweep removes everything that is to be removed now, in steps of a transaction each.
func (s *Service) Sweep(ctx context.Context) error {
	type target struct {
		store.Scope
		name          string // of a group with a retention
		group, stream uint64 // of a stream that was deleted
	}
	var targets []target
	err := s.store.View(ctx, func(r store.Reader) error {
		targets = nil
		for e, err := range doomed.All(ctx, r) {
			if err != nil {
				return err
			}
			targets = append(targets, target{Scope: e.Scope, group: e.Key.Uint(0), stream: e.Key.Uint(1)})
		}
		for e, err := range groups.All(ctx, r) {
			if err != nil {
				return err
			}
			if e.Record.Retention != 0 {
				targets = append(targets, target{Scope: e.Scope, name: e.Key.String(0)})
			}
		}
		return nil
	})
	for _, t := range targets {
		step := func() (bool, error) { return s.expire(ctx, t.Scope, t.name) }
		if t.name == "" {
			step = func() (bool, error) { return s.dropChunks(ctx, t.Scope, t.group, t.stream) }
		}
		for more := true; more && err == nil; {
			more, err = step()
		}
	}
	return err
}

// expire removes some chunks of a group that are past its retention, and reports
// whether there are more.
func (s *Service) expire(ctx context.Context, sc store.Scope, name string) (more bool, err error) {
	err = s.store.Update(ctx, func(tx store.Tx) error {
		more = false
		g, err := groups.Get(ctx, tx, sc, name)
		if errors.Is(err, store.ErrNotFound) {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		end := g.since(s.now())
		lost := map[uint64]int64{} // bytes, by stream
		read, removed := 0, 0
		for e, err := range chunks.List(ctx, tx, sc, store.ListOptions{Prefix: []any{g.ID}, To: []any{g.ID, end}, Limit: stepSize}) {
			if err != nil {
				return err
			}
			p := place{e.Key.Int(1), e.Key.Uint(2), e.Key.Uint(3)}
			t, err := decodeStub(p.At, e.Record)
			stubbed := t != nil
			if err == nil && !stubbed {
				t, err = measured(p, e.Record)
			}
			if err != nil {
				return err
			}
			read += len(e.Record)
			if t.last < end {
				removed++
				lost[p.Stream] += t.size
				if err := dropChunk(tx, sc, g.ID, p, stubbed); err != nil {
					return err
				}
			}
			if read > stepBytes {
				break
			}
		}
		more = removed > 0
		for id, bytes := range lost {
			if err := s.shorten(ctx, tx, sc, g.ID, id, bytes); err != nil {
				return err
			}
		}
		return nil
	})
	return more, err
}

// measured is what a stub would say of the chunk at p, whose record is b.
func measured(p place, b []byte) (*stub, error) {
	c, err := decodeChunk(p, b)
	if err != nil {
		return nil, err
	}
	return &stub{last: c.last(), size: c.size()}, nil
}

// shorten brings a stream's tail up to date after its oldest chunks went.
func (s *Service) shorten(ctx context.Context, tx store.Tx, sc store.Scope, group, id uint64, bytes int64) error {
	t, err := tails.Get(ctx, tx, sc, group, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted
	}
	if err != nil {
		return err
	}
	t.bytes -= bytes
	for e, err := range index.List(ctx, tx, sc, store.ListOptions{Prefix: []any{group, id}, Limit: 1}) {
		if err != nil {
			return err
		}
		t.first = e.Key.Int(2)
	}
	return tails.Put(tx, sc, t, group, id)
}
