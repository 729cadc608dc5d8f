package dynamodb

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

const (
	// sweepEvery is how often items past their time to live are looked for, unless
	// looking takes more than a hundredth of that.
	sweepEvery = time.Minute
	// sweepBatch is how many items one transaction of a sweep deletes.
	sweepBatch = 100
	// tooOld is how long ago a time to live is taken for a mistake, as on AWS.
	tooOld = 5 * 365 * 24 * time.Hour
)

// Run deletes items whose time to live is over, fills new indexes, makes backups and
// restores them, feeds streams of Kinesis, and does exports and imports, until ctx ends.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	if s.peers != nil {
		wg.Go(func() { s.runTransfers(ctx) })
		wg.Go(func() { s.runFeeds(ctx) })
	}
	wg.Go(func() { s.runFills(ctx) })
	wg.Go(func() { s.runBackups(ctx) })
	rest := sweepEvery
	for {
		due, stop := s.clock.After(rest)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-due:
		}
		start := s.clock.Now()
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.logger.Error("dynamodb: items past their time to live stay", "err", err)
		}
		rest = max(sweepEvery, countShare*s.clock.Now().Sub(start))
	}
}

// sweep goes once through all tables that have a time to live.
func (s *Service) sweep(ctx context.Context) error {
	var refs []ref
	err := s.store.View(ctx, func(r store.Reader) error {
		refs = nil
		for e, err := range tableRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			refs = append(refs, ref{e.Scope, e.Key.String(0)})
		}
		return nil
	})
	for _, at := range refs {
		err = errors.Join(err, s.sweepTable(ctx, at))
	}
	return err
}

// sweepTable deletes the items of one table that are over, some at a time.
func (s *Service) sweepTable(ctx context.Context, at ref) error {
	var last store.Key
	for {
		var over []api.Item
		var t *table
		// This may take long, so it trusts no schema, which would hold up changes.
		err := s.store.View(ctx, func(r store.Reader) (err error) {
			over = nil
			if t, err = s.lookup(ctx, r, at); err != nil || t.TimeToLive == "" {
				return err
			}
			o := store.ListOptions{Prefix: []any{t.Space}}
			if last.Len() > 0 {
				o.After = []any{last}
			}
			over, last, err = s.findOver(ctx, r, at, t, o)
			return err
		})
		if err != nil || len(over) == 0 {
			return ignoreGone(err)
		}
		var writes []*write
		for _, it := range over {
			writes = append(writes, &write{verb: remove, at: at, item: t.key(it), byService: true, free: true, stale: func(old api.Item) bool { return !t.over(old, s.clock.Now()) }})
		}
		if err := s.commit(ctx, writes...); err != nil {
			return ignoreGone(err)
		}
		s.measure(at.scope, "TimeToLiveDeletedItemCount", float64(len(writes)), "TableName", at.name)
	}
}

// ignoreGone is nil for a table that is gone meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, store.ErrNotFound) || aws.CodeOf(err) == "ResourceNotFoundException" {
		return nil
	}
	return err
}

// findOver lists items that are over, up to as many as one transaction deletes,
// and the place of the last.
func (s *Service) findOver(ctx context.Context, r store.Reader, at ref, t *table, o store.ListOptions) (over []api.Item, last store.Key, err error) {
	now := s.clock.Now()
	for e, err := range itemRecords.List(ctx, r, at.scope, o) {
		if err != nil {
			return nil, last, err
		}
		it, _, err := value.Decode(e.Record)
		if err != nil {
			return nil, last, err
		}
		if !t.over(it, now) {
			continue
		}
		over, last = append(over, it), e.Key
		if len(over) == sweepBatch {
			break
		}
	}
	return over, last, nil
}

// over reports whether an item's time to live has passed.
func (t *table) over(it api.Item, now time.Time) bool {
	v, ok := it.Get(t.TimeToLive)
	if !ok || v.Type() != api.TypeN {
		return false
	}
	seconds, err := strconv.ParseInt(v.Text(), 10, 64)
	if err != nil {
		return false
	}
	end := time.Unix(seconds, 0)
	return end.Before(now) && end.After(now.Add(-tooOld))
}
