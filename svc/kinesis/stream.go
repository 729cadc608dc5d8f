package kinesis

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	defaultHours     = 24
	onDemandShards   = 4
	onDemandStreams  = 50   // an account's limit
	defaultRecordKiB = 1024 // the largest record, with its partition key
)

// stream is a stream's record. The shards are records of their own; Epoch changes with
// them.
type stream struct {
	Space     uint64 // the first part of the keys of what is the stream's
	Created   time.Time
	Mode      string // PROVISIONED or ON_DEMAND
	Hours     int    // of retention
	Shards    int    // ever made: the next one's index
	Open      int
	Epoch     int
	RecordKiB int
	Key       string            `json:",omitempty"` // of KMS; "" for none
	Metrics   []string          `json:",omitempty"`
	Warm      int32             `json:",omitempty"`
	Tags      map[string]string `json:",omitempty"`
	Policy    string            `json:",omitempty"`
	Consumers int               `json:",omitempty"`
	Scaled    []time.Time       `json:",omitempty"` // calls of UpdateShardCount within a day
	Modes     []time.Time       `json:",omitempty"` // changes of Mode within a day
}

// account is what an account has set in a region.
type account struct {
	Committed time.Time // when MinimumThroughputBillingCommitment began; zero for never
}

// A ref names a stream, which need not be there.
type ref struct {
	scope store.Scope
	name  string
}

func (r ref) arn() string {
	return aws.NewARN("kinesis", r.scope.Region, r.scope.Account, "stream/"+r.name).String()
}

func (r ref) notFound() error {
	return api.ResourceNotFoundException("Stream %s under account %s not found.", r.name, r.scope.Account)
}

// target is how an input names a stream.
type target struct{ name, arn *string }

// ref reads it. An ARN may be of another account, whose stream's policy decides.
func (t target) ref(ctx context.Context) (ref, error) {
	req := aws.RequestOf(ctx)
	here := store.Scope{Account: req.Account(), Region: req.Region}
	if t.arn == nil {
		if t.name == nil {
			return ref{}, api.InvalidArgumentException("Either StreamName or StreamARN should be provided.")
		}
		return ref{here, *t.name}, nil
	}
	r, ok := parseARN(*t.arn)
	switch {
	case !ok:
		return ref{}, api.InvalidArgumentException("Invalid StreamARN: %s", *t.arn)
	case t.name != nil && *t.name != r.name:
		return ref{}, api.InvalidArgumentException("StreamName and StreamARN do not name the same stream.")
	case r.scope.Region != here.Region:
		return ref{}, r.notFound()
	}
	return r, nil
}

// parseARN reads the ARN of a stream.
func parseARN(arn string) (ref, bool) {
	a, ok := aws.ParseARN(arn)
	name, isStream := strings.CutPrefix(a.Resource, "stream/")
	if !ok || a.Service != "kinesis" || !isStream || name == "" || strings.Contains(name, "/") {
		return ref{}, false
	}
	return ref{store.Scope{Account: a.Account, Region: a.Region}, name}, true
}

// find reads a stream's record.
func (r ref) find(ctx context.Context, tx store.Reader) (stream, error) {
	st, err := streamRecords.Get(ctx, tx, r.scope, r.name)
	if errors.Is(err, store.ErrNotFound) {
		return st, r.notFound()
	}
	return st, err
}

// alter changes a stream's record in one transaction.
func (s *Service) alter(ctx context.Context, t target, change func(tx store.Tx, at ref, st *stream) error) error {
	at, err := t.ref(ctx)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		st, err := at.find(ctx, tx)
		if err == nil {
			err = change(tx, at, &st)
		}
		if err != nil {
			return err
		}
		return streamRecords.Put(tx, at.scope, st, at.name)
	})
}

// look reads a stream's record.
func (s *Service) look(ctx context.Context, t target) (at ref, st stream, err error) {
	if at, err = t.ref(ctx); err != nil {
		return at, st, err
	}
	err = s.Store.View(ctx, func(r store.Reader) error {
		st, err = at.find(ctx, r)
		return err
	})
	return at, st, err
}

func (s *Service) createStream(ctx context.Context, in *api.CreateStreamInput) (*aws.Empty, error) {
	at, err := target{name: in.StreamName}.ref(ctx)
	if err != nil {
		return nil, err
	}
	st, shards, err := newStream(in, s.Clock.Now())
	if err != nil {
		return nil, err
	}
	var space [8]byte
	if _, err := io.ReadFull(s.Random, space[:]); err != nil {
		return nil, err
	}
	st.Space = binary.BigEndian.Uint64(space[:])
	if err := s.number(ctx); err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		switch has, err := streamRecords.Has(ctx, tx, at.scope, at.name); {
		case err != nil:
			return err
		case has:
			return api.ResourceInUseException("Stream %s under account %s already exists.", at.name, at.scope.Account)
		}
		if err := s.checkLimits(ctx, tx, at.scope, st.Mode, shards); err != nil {
			return err
		}
		st := st
		if _, err := s.openShards(tx, at.scope, &st, evenly(shards)); err != nil {
			return err
		}
		return streamRecords.Put(tx, at.scope, st, at.name)
	})
}

// newStream is the stream that an input asks for, and how many shards it has.
func newStream(in *api.CreateStreamInput, now time.Time) (stream, int, error) {
	st := stream{Created: now.Truncate(time.Second), Mode: api.StreamModeProvisioned, Hours: defaultHours, RecordKiB: defaultRecordKiB, Tags: in.Tags}
	if in.StreamModeDetails != nil {
		st.Mode = *in.StreamModeDetails.StreamMode
	}
	if in.MaxRecordSizeInKiB != nil {
		st.RecordKiB = int(*in.MaxRecordSizeInKiB)
	}
	if err := checkTags(st.Tags); err != nil {
		return st, 0, err
	}
	if st.Mode == api.StreamModeOnDemand {
		if in.ShardCount != nil {
			return st, 0, api.ValidationException("ShardCount must not be specified for a stream in ON_DEMAND mode.")
		}
		st.Warm = aws.Value(in.WarmThroughputMiBps)
		return st, onDemandShards, nil
	}
	if in.ShardCount == nil {
		return st, 0, api.ValidationException("ShardCount must be specified for a stream in PROVISIONED mode.")
	}
	return st, int(*in.ShardCount), nil
}

// checkLimits refuses shards, or an on-demand stream, beyond an account's limits.
func (s *Service) checkLimits(ctx context.Context, r store.Reader, scope store.Scope, mode string, more int) error {
	shards, onDemand, err := s.usage(ctx, r, scope)
	if err != nil {
		return err
	}
	const page = "Refer to the AWS Service Limits page (https://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits."
	switch {
	case mode == api.StreamModeOnDemand && onDemand >= onDemandStreams:
		return api.LimitExceededException("This request would exceed the on-demand stream limit for the account %s in %s. Current on-demand stream count for the account: %d. Limit: %d. "+page,
			scope.Account, scope.Region, onDemand, onDemandStreams)
	case mode == api.StreamModeProvisioned && shards+more > s.ShardLimit:
		return api.LimitExceededException("This request would exceed the shard limit for the account %s in %s. Current shard count for the account: %d. Limit: %d. Number of additional shards that would have resulted from this request: %d. "+page,
			scope.Account, scope.Region, shards, s.ShardLimit, more)
	}
	return nil
}

// usage counts the open shards of an account's provisioned streams, and its on-demand
// streams.
func (s *Service) usage(ctx context.Context, r store.Reader, scope store.Scope) (shards, onDemand int, err error) {
	for e, err := range streamRecords.List(ctx, r, scope, store.ListOptions{}) {
		if err != nil {
			return 0, 0, err
		}
		if e.Record.Mode == api.StreamModeOnDemand {
			onDemand++
		} else {
			shards += e.Record.Open
		}
	}
	return shards, onDemand, nil
}

func (s *Service) deleteStream(ctx context.Context, in *api.DeleteStreamInput) (*aws.Empty, error) {
	at, err := target{in.StreamName, in.StreamARN}.ref(ctx)
	if err != nil {
		return nil, err
	}
	var space uint64
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		st, err := at.find(ctx, tx)
		if err != nil {
			return err
		}
		if st.Consumers > 0 && !aws.Value(in.EnforceConsumerDeletion) {
			return api.ResourceInUseException("Stream %s under account %s has consumers registered with it. Please deregister them first or set EnforceConsumerDeletion to true.", at.name, at.scope.Account)
		}
		space = st.Space
		return errors.Join(streamRecords.Delete(tx, at.scope, at.name), shardRecords.DeleteAll(tx, at.scope, st.Space),
			dataRecords.DeleteAll(tx, at.scope, st.Space), consumerRecords.DeleteAll(tx, at.scope, st.Space))
	})
	s.layouts.forget(space)
	return nil, err
}

func (s *Service) describeStream(ctx context.Context, in *api.DescribeStreamInput) (*api.DescribeStreamOutput, error) {
	at, err := target{in.StreamName, in.StreamARN}.ref(ctx)
	if err != nil {
		return nil, err
	}
	limit := 100
	if in.Limit != nil {
		limit = min(int(*in.Limit), limit)
	}
	from := 0
	if in.ExclusiveStartShardId != nil {
		i, ok := shardIndex(*in.ExclusiveStartShardId)
		if !ok {
			return nil, api.InvalidArgumentException("ExclusiveStartShardId is not the id of a shard: %s", *in.ExclusiveStartShardId)
		}
		from = i + 1
	}
	var d *api.StreamDescription
	err = s.Store.View(ctx, func(r store.Reader) error {
		st, err := at.find(ctx, r)
		if err != nil {
			return err
		}
		sum := st.summary(at)
		more := false
		d = &api.StreamDescription{StreamName: sum.StreamName, StreamARN: sum.StreamARN, StreamStatus: sum.StreamStatus, StreamModeDetails: sum.StreamModeDetails,
			RetentionPeriodHours: sum.RetentionPeriodHours, StreamCreationTimestamp: sum.StreamCreationTimestamp, EnhancedMonitoring: sum.EnhancedMonitoring,
			EncryptionType: sum.EncryptionType, KeyId: sum.KeyId, Shards: []api.Shard{}, HasMoreShards: &more}
		shards, err := s.shardsOf(ctx, r, at.scope, &st, from, limit+1)
		if err != nil {
			return err
		}
		if more = len(shards) > limit; more {
			shards = shards[:limit]
		}
		for i := range shards {
			d.Shards = append(d.Shards, shards[i].described())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeStreamOutput{StreamDescription: d}, nil
}

// summary is a stream as calls describe it.
func (st *stream) summary(at ref) *api.StreamDescriptionSummary {
	status, arn, hours, kind, open, consumers, size := api.StreamStatusActive, at.arn(), int32(st.Hours), api.EncryptionTypeNone, int32(st.Open), int32(st.Consumers), int32(st.RecordKiB)
	out := &api.StreamDescriptionSummary{StreamName: &at.name, StreamARN: &arn, StreamStatus: &status, RetentionPeriodHours: &hours,
		StreamModeDetails: &api.StreamModeDetails{StreamMode: &st.Mode}, StreamCreationTimestamp: &st.Created, EncryptionType: &kind,
		EnhancedMonitoring: []api.EnhancedMetrics{{ShardLevelMetrics: append([]string{}, st.Metrics...)}},
		OpenShardCount:     &open, ConsumerCount: &consumers, MaxRecordSizeInKiB: &size}
	if st.Key != "" {
		kind, out.KeyId = api.EncryptionTypeKms, &st.Key
	}
	if st.Mode == api.StreamModeOnDemand {
		out.WarmThroughput = &api.WarmThroughputObject{CurrentMiBps: &st.Warm, TargetMiBps: &st.Warm}
	}
	return out
}

func (s *Service) describeStreamSummary(ctx context.Context, in *api.DescribeStreamSummaryInput) (*api.DescribeStreamSummaryOutput, error) {
	at, st, err := s.look(ctx, target{in.StreamName, in.StreamARN})
	if err != nil {
		return nil, err
	}
	return &api.DescribeStreamSummaryOutput{StreamDescriptionSummary: st.summary(at)}, nil
}

func (s *Service) listStreams(ctx context.Context, in *api.ListStreamsInput) (*api.ListStreamsOutput, error) {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	limit := 100
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	o := store.ListOptions{Limit: limit + 1}
	if in.NextToken != nil {
		var after string
		if !aws.ParseToken(*in.NextToken, &after) {
			return nil, api.ExpiredNextTokenException("The NextToken is not one that ListStreams gave.")
		}
		o.After = []any{after}
	} else if in.ExclusiveStartStreamName != nil {
		o.After = []any{*in.ExclusiveStartStreamName}
	}
	more := false
	out := &api.ListStreamsOutput{StreamNames: []string{}, StreamSummaries: []api.StreamSummary{}, HasMoreStreams: &more}
	err := s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range streamRecords.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if len(out.StreamNames) == limit {
				more = true
				token := aws.Token(out.StreamNames[limit-1])
				out.NextToken = &token
				return nil
			}
			at := ref{scope, e.Key.String(0)}
			sum := e.Record.summary(at)
			out.StreamNames = append(out.StreamNames, at.name)
			out.StreamSummaries = append(out.StreamSummaries, api.StreamSummary{StreamName: sum.StreamName, StreamARN: sum.StreamARN, StreamStatus: sum.StreamStatus,
				StreamModeDetails: sum.StreamModeDetails, StreamCreationTimestamp: sum.StreamCreationTimestamp})
		}
		return nil
	})
	return out, err
}

func (s *Service) describeLimits(ctx context.Context, _ *api.DescribeLimitsInput) (*api.DescribeLimitsOutput, error) {
	req := aws.RequestOf(ctx)
	var shards, onDemand int
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		shards, onDemand, err = s.usage(ctx, r, store.Scope{Account: req.Account(), Region: req.Region})
		return err
	})
	limit, open, streams, most := int32(s.ShardLimit), int32(shards), int32(onDemand), int32(onDemandStreams)
	return &api.DescribeLimitsOutput{ShardLimit: &limit, OpenShardCount: &open, OnDemandStreamCount: &streams, OnDemandStreamCountLimit: &most}, err
}
