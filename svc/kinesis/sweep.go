package kinesis

import (
	"context"
	"errors"
	"time"

	"github.com/tule-cloud/tule/store"
)

const (
	// sweepEvery is how often what is too old is removed. Until then it is not shown.
	sweepEvery = time.Minute
	// sweepBatch is how many records one transaction removes.
	sweepBatch = 5000
)

// Run removes what streams need not keep any longer, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	for {
		due, stop := s.Clock.After(sweepEvery)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-due:
		}
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Warn("old records of streams could not be removed; it is tried again", "error", err)
		}
	}
}

// sweep removes the records of all streams that are older than their retention, and the
// shards that have been closed for as long.
func (s *Service) sweep(ctx context.Context) error {
	type found struct {
		at ref
		st stream
	}
	var all []found
	err := s.Store.View(ctx, func(r store.Reader) error {
		all = nil
		for e, err := range streamRecords.All(ctx, r) {
			if err != nil {
				return err
			}
			all = append(all, found{ref{e.Scope, e.Key.String(0)}, e.Record})
		}
		return nil
	})
	for _, f := range all {
		err = errors.Join(err, s.sweepStream(ctx, f.at, &f.st))
	}
	return err
}

func (s *Service) sweepStream(ctx context.Context, at ref, st *stream) error {
	var shards []shard
	err := s.Store.View(ctx, func(r store.Reader) error {
		shards = nil
		for e, err := range shardRecords.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{st.Space}}) {
			if err != nil {
				return err
			}
			sh := e.Record
			sh.Index = int(e.Key.Int(1))
			shards = append(shards, sh)
		}
		return nil
	})
	horizon := s.horizon(st)
	for i := range shards {
		sh := &shards[i]
		more := err == nil
		for more {
			more, err = s.sweepShard(ctx, at, st, sh.Index, horizon)
		}
		if err == nil && !sh.open() && sh.Closed.Before(horizon) {
			err = s.Store.Update(ctx, func(tx store.Tx) error {
				return errors.Join(shardRecords.Delete(tx, at.scope, st.Space, int64(sh.Index)), dataRecords.DeleteAll(tx, at.scope, st.Space, int64(sh.Index)))
			})
		}
	}
	return err
}

// sweepShard removes some records that came before horizon, and reports whether there
// may be more.
func (s *Service) sweepShard(ctx context.Context, at ref, st *stream, index int, horizon time.Time) (more bool, err error) {
	var old []uint64
	err = s.Store.View(ctx, func(r store.Reader) error {
		old = nil
		for e, err := range dataRecords.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{st.Space, int64(index)}, Limit: sweepBatch}) {
			if err != nil {
				return err
			}
			ms, _, _, err := decodeRecord(e.Record)
			if err != nil {
				return err
			}
			if ms >= horizon.UnixMilli() {
				return nil
			}
			old = append(old, e.Key.Uint(2))
		}
		return nil
	})
	if err != nil || len(old) == 0 {
		return false, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		for _, n := range old {
			if err := dataRecords.Delete(tx, at.scope, st.Space, int64(index), n); err != nil {
				return err
			}
		}
		return nil
	})
	return err == nil && len(old) == sweepBatch, err
}
