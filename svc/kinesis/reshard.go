package kinesis

import (
	"context"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// scalings is how many times a day a stream may be scaled.
const scalings = 10

// reshard changes a stream's shards.
func (s *Service) reshard(ctx context.Context, t target, change func(tx store.Tx, at ref, st *stream) error) error {
	if err := s.number(ctx); err != nil {
		return err
	}
	return s.alter(ctx, t, func(tx store.Tx, at ref, st *stream) error {
		if st.Mode != api.StreamModeProvisioned {
			return api.ValidationException("Request is invalid. Stream %s under account %s is in On-Demand mode.", at.name, at.scope.Account)
		}
		return change(tx, at, st)
	})
}

func (s *Service) splitShard(ctx context.Context, in *api.SplitShardInput) (*aws.Empty, error) {
	return nil, s.reshard(ctx, target{in.StreamName, in.StreamARN}, func(tx store.Tx, at ref, st *stream) error {
		sh, err := s.openShard(ctx, tx, at, st, *in.ShardToSplit)
		if err != nil {
			return err
		}
		middle, ok := parseHash(*in.NewStartingHashKey)
		if !ok || middle.compare(sh.Low) <= 0 || middle.compare(sh.High) >= 0 || middle.compare(sh.Low.after()) <= 0 && sh.Low != (hash{}) {
			return api.InvalidArgumentException("NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account %s is not both greater than one plus the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.",
				*in.NewStartingHashKey, *in.ShardToSplit, at.name, at.scope.Account, sh.Low, sh.High)
		}
		if err := s.checkLimits(ctx, tx, at.scope, st.Mode, 1); err != nil {
			return err
		}
		if err := s.closeShard(ctx, tx, at.scope, st, sh); err != nil {
			return err
		}
		parents := []int{sh.Index}
		_, err = s.openShards(tx, at.scope, st, []newShard{{span{sh.Low, middle.before()}, parents}, {span{middle, sh.High}, parents}})
		return err
	})
}

func (s *Service) mergeShards(ctx context.Context, in *api.MergeShardsInput) (*aws.Empty, error) {
	return nil, s.reshard(ctx, target{in.StreamName, in.StreamARN}, func(tx store.Tx, at ref, st *stream) error {
		a, err := s.openShard(ctx, tx, at, st, *in.ShardToMerge)
		if err != nil {
			return err
		}
		b, err := s.openShard(ctx, tx, at, st, *in.AdjacentShardToMerge)
		if err != nil {
			return err
		}
		low, high := a, b
		if high.Low.compare(low.Low) < 0 {
			low, high = high, low
		}
		if a.Index == b.Index || low.High == lastHash || low.High.after() != high.Low {
			return api.InvalidArgumentException("Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging",
				*in.ShardToMerge, *in.AdjacentShardToMerge, at.name, at.scope.Account)
		}
		for _, sh := range []shard{a, b} {
			if err := s.closeShard(ctx, tx, at.scope, st, sh); err != nil {
				return err
			}
		}
		_, err = s.openShards(tx, at.scope, st, []newShard{{span{low.Low, high.High}, []int{a.Index, b.Index}}})
		return err
	})
}

// openShard reads a shard that must be open.
func (s *Service) openShard(ctx context.Context, r store.Reader, at ref, st *stream, id string) (shard, error) {
	sh, err := s.shardOf(ctx, r, at, st, id)
	if err == nil && !sh.open() {
		err = api.ResourceInUseException("Shard %s in stream %s under account %s has already been merged or split, and thus is not eligible for merging or splitting.",
			id, at.name, at.scope.Account)
	}
	return sh, err
}

func (s *Service) updateShardCount(ctx context.Context, in *api.UpdateShardCountInput) (*api.UpdateShardCountOutput, error) {
	want, now := int(*in.TargetShardCount), s.Clock.Now()
	out := &api.UpdateShardCountOutput{TargetShardCount: in.TargetShardCount}
	err := s.reshard(ctx, target{in.StreamName, in.StreamARN}, func(tx store.Tx, at ref, st *stream) error {
		have, arn := int32(st.Open), at.arn()
		out.StreamName, out.StreamARN, out.CurrentShardCount = &at.name, &arn, &have
		if err := s.checkScaling(ctx, tx, at, st, want, now); err != nil {
			return err
		}
		if want == st.Open {
			return nil
		}
		st.Scaled = append(st.Scaled, now)
		return s.scale(ctx, tx, at, st, want)
	})
	return out, err
}

func (s *Service) checkScaling(ctx context.Context, r store.Reader, at ref, st *stream, want int, now time.Time) error {
	st.Scaled = slices.DeleteFunc(slices.Clone(st.Scaled), func(t time.Time) bool { return now.Sub(t) >= 24*time.Hour })
	switch {
	case want > 2*st.Open:
		return api.InvalidArgumentException("UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: %d Target shard count: %d", st.Open, want)
	case want < (st.Open+1)/2:
		return api.InvalidArgumentException("UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: %d Target shard count: %d", st.Open, want)
	case len(st.Scaled) >= scalings:
		return api.LimitExceededException("Scaling operations for stream %s under account %s: at most %d within 24 hours.", at.name, at.scope.Account, scalings)
	case want > st.Open:
		return s.checkLimits(ctx, r, at.scope, st.Mode, want-st.Open)
	}
	return nil
}

// scale gives a stream so many shards of the same width, by splits and merges: those in
// between are closed as soon as they are made. So no shard comes from more than two, and
// who reads a shard after its parents reads everything in order.
func (s *Service) scale(ctx context.Context, tx store.Tx, at ref, st *stream, want int) error {
	l, err := s.layout(ctx, tx, at.scope, st)
	if err != nil {
		return err
	}
	pieces := slices.Clone(l.shards)
	replace := func(i, n int, with ...newShard) error {
		for _, sh := range pieces[i : i+n] {
			for j := range with {
				with[j].parents = append(with[j].parents, sh.Index)
			}
			if err := s.closeShard(ctx, tx, at.scope, st, sh); err != nil {
				return err
			}
		}
		fresh, err := s.openShards(tx, at.scope, st, with)
		pieces = slices.Replace(pieces, i, i+n, fresh...)
		return err
	}
	for i, n := range evenly(want) {
		for pieces[i].High.compare(n.High) < 0 {
			if next := pieces[i+1]; next.High.compare(n.High) > 0 {
				err = replace(i+1, 1, newShard{span: span{next.Low, n.High}}, newShard{span: span{n.High.after(), next.High}})
			} else {
				err = replace(i, 2, newShard{span: span{pieces[i].Low, next.High}})
			}
			if err != nil {
				return err
			}
		}
		if sh := pieces[i]; sh.High.compare(n.High) > 0 {
			if err := replace(i, 1, newShard{span: span{sh.Low, n.High}}, newShard{span: span{n.High.after(), sh.High}}); err != nil {
				return err
			}
		}
	}
	return nil
}
