package kinesis

import (
	"context"
	"errors"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxHours is a year.
const maxHours = 8760

// checkHours holds a retention period against its bounds.
func checkHours(hours int) error {
	switch {
	case hours < defaultHours:
		return api.InvalidArgumentException("Minimum allowed retention period is %d hours. Requested retention period (%d hours) is too short.", defaultHours, hours)
	case hours > maxHours:
		return api.InvalidArgumentException("Maximum allowed retention period is %d hours. Requested retention period (%d hours) is too long.", maxHours, hours)
	}
	return nil
}

func (s *Service) increaseRetention(ctx context.Context, in *api.IncreaseStreamRetentionPeriodInput) (*aws.Empty, error) {
	hours := int(*in.RetentionPeriodHours)
	return nil, s.alter(ctx, target{in.StreamName, in.StreamARN}, func(_ store.Tx, at ref, st *stream) error {
		if err := checkHours(hours); err != nil {
			return err
		}
		if hours < st.Hours {
			return api.InvalidArgumentException("Requested retention period (%d hours) for stream %s can not be shorter than existing retention period (%d hours). Use DecreaseRetentionPeriod API.", hours, at.name, st.Hours)
		}
		st.Hours = hours
		return nil
	})
}

func (s *Service) decreaseRetention(ctx context.Context, in *api.DecreaseStreamRetentionPeriodInput) (*aws.Empty, error) {
	hours := int(*in.RetentionPeriodHours)
	return nil, s.alter(ctx, target{in.StreamName, in.StreamARN}, func(_ store.Tx, at ref, st *stream) error {
		if err := checkHours(hours); err != nil {
			return err
		}
		if hours > st.Hours {
			return api.InvalidArgumentException("Requested retention period (%d hours) for stream %s can not be longer than existing retention period (%d hours). Use IncreaseRetentionPeriod API.", hours, at.name, st.Hours)
		}
		st.Hours = hours
		return nil
	})
}

func (s *Service) startEncryption(ctx context.Context, in *api.StartStreamEncryptionInput) (*aws.Empty, error) {
	if *in.EncryptionType != api.EncryptionTypeKms {
		return nil, api.InvalidArgumentException("EncryptionType must be KMS.")
	}
	return nil, s.alter(ctx, target{in.StreamName, in.StreamARN}, func(_ store.Tx, _ ref, st *stream) error {
		st.Key = *in.KeyId
		return nil
	})
}

func (s *Service) stopEncryption(ctx context.Context, in *api.StopStreamEncryptionInput) (*aws.Empty, error) {
	if *in.EncryptionType != api.EncryptionTypeKms {
		return nil, api.InvalidArgumentException("EncryptionType must be KMS.")
	}
	return nil, s.alter(ctx, target{in.StreamName, in.StreamARN}, func(_ store.Tx, _ ref, st *stream) error {
		st.Key = ""
		return nil
	})
}

// shardMetrics are all metrics of shards, for the name ALL.
var shardMetrics = []string{api.MetricsNameIncomingBytes, api.MetricsNameIncomingRecords, api.MetricsNameIteratorAgeMilliseconds, api.MetricsNameOutgoingBytes,
	api.MetricsNameOutgoingRecords, api.MetricsNameReadProvisionedThroughputExceeded, api.MetricsNameWriteProvisionedThroughputExceeded}

// monitor changes which metrics are kept by shard.
func (s *Service) monitor(ctx context.Context, t target, names []string, change func(have, names []string) []string) (before, after []string, at ref, err error) {
	if slices.Contains(names, api.MetricsNameAll) {
		names = shardMetrics
	}
	err = s.alter(ctx, t, func(_ store.Tx, r ref, st *stream) error {
		at, before = r, append([]string{}, st.Metrics...)
		after = slices.Compact(slices.Sorted(slices.Values(change(slices.Clone(before), names))))
		st.Metrics = after
		return nil
	})
	return before, append([]string{}, after...), at, err
}

func (s *Service) enableMonitoring(ctx context.Context, in *api.EnableEnhancedMonitoringInput) (*api.EnhancedMonitoringOutput, error) {
	before, after, at, err := s.monitor(ctx, target{in.StreamName, in.StreamARN}, in.ShardLevelMetrics,
		func(have, names []string) []string { return append(have, names...) })
	if err != nil {
		return nil, err
	}
	arn := at.arn()
	return &api.EnhancedMonitoringOutput{StreamName: &at.name, StreamARN: &arn, CurrentShardLevelMetrics: before, DesiredShardLevelMetrics: after}, nil
}

func (s *Service) disableMonitoring(ctx context.Context, in *api.DisableEnhancedMonitoringInput) (*api.EnhancedMonitoringOutput, error) {
	before, after, at, err := s.monitor(ctx, target{in.StreamName, in.StreamARN}, in.ShardLevelMetrics, func(have, names []string) []string {
		return slices.DeleteFunc(have, func(name string) bool { return slices.Contains(names, name) })
	})
	if err != nil {
		return nil, err
	}
	arn := at.arn()
	return &api.EnhancedMonitoringOutput{StreamName: &at.name, StreamARN: &arn, CurrentShardLevelMetrics: before, DesiredShardLevelMetrics: after}, nil
}

func (s *Service) updateStreamMode(ctx context.Context, in *api.UpdateStreamModeInput) (*aws.Empty, error) {
	mode, now := *in.StreamModeDetails.StreamMode, s.Clock.Now()
	return nil, s.alter(ctx, target{arn: in.StreamARN}, func(tx store.Tx, at ref, st *stream) error {
		if mode == st.Mode {
			return nil
		}
		st.Modes = slices.DeleteFunc(slices.Clone(st.Modes), func(t time.Time) bool { return now.Sub(t) >= 24*time.Hour })
		if len(st.Modes) >= 2 {
			return api.LimitExceededException("Stream %s under account %s has had its mode changed twice within 24 hours.", at.name, at.scope.Account)
		}
		if err := s.checkLimits(ctx, tx, at.scope, mode, st.Open); err != nil {
			return err
		}
		st.Mode, st.Modes, st.Warm = mode, append(st.Modes, now), aws.Value(in.WarmThroughputMiBps)
		return nil
	})
}

func (s *Service) updateMaxRecordSize(ctx context.Context, in *api.UpdateMaxRecordSizeInput) (*aws.Empty, error) {
	return nil, s.alter(ctx, target{arn: in.StreamARN}, func(_ store.Tx, _ ref, st *stream) error {
		st.RecordKiB = int(*in.MaxRecordSizeInKiB)
		return nil
	})
}

func (s *Service) updateWarmThroughput(ctx context.Context, in *api.UpdateStreamWarmThroughputInput) (*api.UpdateStreamWarmThroughputOutput, error) {
	out := &api.UpdateStreamWarmThroughputOutput{}
	err := s.alter(ctx, target{in.StreamName, in.StreamARN}, func(_ store.Tx, at ref, st *stream) error {
		if st.Mode != api.StreamModeOnDemand {
			return api.ValidationException("Request is invalid. Stream %s under account %s is in Provisioned mode.", at.name, at.scope.Account)
		}
		before, arn := st.Warm, at.arn()
		st.Warm = *in.WarmThroughputMiBps
		out.StreamName, out.StreamARN = &at.name, &arn
		out.WarmThroughput = &api.WarmThroughputObject{CurrentMiBps: &before, TargetMiBps: in.WarmThroughputMiBps}
		return nil
	})
	return out, err
}

// commitment is the least time for which AWS takes one.
const commitment = 24 * time.Hour

func (a account) described() *api.MinimumThroughputBillingCommitmentOutput {
	status := api.MinimumThroughputBillingCommitmentOutputStatusDisabled
	out := &api.MinimumThroughputBillingCommitmentOutput{Status: &status}
	if !a.Committed.IsZero() {
		end := a.Committed.Add(commitment)
		status, out.StartedAt, out.EarliestAllowedEndAt = api.MinimumThroughputBillingCommitmentOutputStatusEnabled, &a.Committed, &end
	}
	return out
}

func (s *Service) describeAccountSettings(ctx context.Context, _ *api.DescribeAccountSettingsInput) (*api.DescribeAccountSettingsOutput, error) {
	req := aws.RequestOf(ctx)
	var a account
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		a, err = accountRecords.Get(ctx, r, store.Scope{Account: req.Account(), Region: req.Region})
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return err
	})
	return &api.DescribeAccountSettingsOutput{MinimumThroughputBillingCommitment: a.described()}, err
}

func (s *Service) updateAccountSettings(ctx context.Context, in *api.UpdateAccountSettingsInput) (*api.UpdateAccountSettingsOutput, error) {
	req := aws.RequestOf(ctx)
	var a account
	if *in.MinimumThroughputBillingCommitment.Status == api.MinimumThroughputBillingCommitmentInputStatusEnabled {
		a.Committed = s.Clock.Now().Truncate(time.Second)
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		return accountRecords.Put(tx, store.Scope{Account: req.Account(), Region: req.Region}, a)
	})
	return &api.UpdateAccountSettingsOutput{MinimumThroughputBillingCommitment: a.described()}, err
}
