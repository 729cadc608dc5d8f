// Package kinesis is Kinesis Data Streams: streams of records in shards, which are read
// in the order in which they were written.
//
// A record is in the store under its stream, its shard and a number (see
// store.Numbering), so that reading a shard from anywhere is one range. Numbers follow
// the clock: a moment is found as fast as a record is.
//
// What differs from AWS on purpose:
//
//   - A stream, and a change of one, is there at once: its status is ACTIVE when the
//     call that makes or changes it is answered.
//   - ApproximateArrivalTimestamp is the time at which the record was numbered.
//   - A stream in on-demand mode begins with four shards; what is written to it is not
//     held to a limit, and it is not split by itself.
//   - Encryption with a KMS key is kept and shown with each record; what is on disk is
//     as it is without.
//   - Warm throughput and the account's settings are kept.
//
// https://docs.aws.amazon.com/kinesis/latest/APIReference/Welcome.html
package kinesis

import (
	"context"
	"io"
	"log/slog"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Options are what the service needs. All but ShardLimit and Meter are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger
	// ShardLimit is how many shards the provisioned streams of an account may have in a
	// region; 0 is 20,000, AWS's in its largest regions.
	ShardLimit int
	Meter      aws.Meter // takes what the service measures of itself; nobody if nil
}

// Service answers the operations of Kinesis.
type Service struct {
	Options
	numbering *store.Numbering
	layouts   layouts
	meters    meters
	readers   readers
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.ShardLimit == 0 {
		o.ShardLimit = 20000
	}
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	return &Service{Options: o, numbering: store.NewNumbering("kinesis", "number")}
}

// What the service keeps.
var (
	streamRecords   = store.NewTable[stream]("kinesis", "stream")     // name
	shardRecords    = store.NewTable[shard]("kinesis", "shard")       // the stream's space, index
	dataRecords     = store.NewTable[[]byte]("kinesis", "r")          // the stream's space, shard, number
	consumerRecords = store.NewTable[consumer]("kinesis", "consumer") // the stream's space, name
	accountRecords  = store.NewTable[account]("kinesis", "account")
)

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.CreateStream.To(s.createStream, s.guardCreateStream),
		api.DeleteStream.To(s.deleteStream, on(s, func(in *api.DeleteStreamInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),
		api.DescribeStream.To(s.describeStream, on(s, func(in *api.DescribeStreamInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),
		api.DescribeStreamSummary.To(s.describeStreamSummary, on(s, func(in *api.DescribeStreamSummaryInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),
		api.ListStreams.To(s.listStreams, aws.Anywhere),
		api.DescribeLimits.To(s.describeLimits, aws.Anywhere),
		api.DescribeAccountSettings.To(s.describeAccountSettings, aws.Anywhere),
		api.UpdateAccountSettings.To(s.updateAccountSettings, aws.Anywhere),

		api.ListShards.To(s.listShards, s.guardListShards),
		api.SplitShard.To(s.splitShard, on(s, func(in *api.SplitShardInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),
		api.MergeShards.To(s.mergeShards, on(s, func(in *api.MergeShardsInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),
		api.UpdateShardCount.To(s.updateShardCount, on(s, func(in *api.UpdateShardCountInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),

		api.PutRecord.To(s.putRecord, on(s, func(in *api.PutRecordInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),
		api.PutRecords.To(s.putRecords, on(s, func(in *api.PutRecordsInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),
		api.GetShardIterator.To(s.getShardIterator, on(s, func(in *api.GetShardIteratorInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),
		api.GetRecords.To(s.getRecords, s.guardGetRecords),

		api.RegisterStreamConsumer.To(s.registerStreamConsumer, s.guardRegisterConsumer),
		api.DeregisterStreamConsumer.To(s.deregisterStreamConsumer, onConsumer(s, func(in *api.DeregisterStreamConsumerInput) consumerTarget {
			return consumerTarget{in.ConsumerARN, in.StreamARN, in.ConsumerName}
		})),
		api.DescribeStreamConsumer.To(s.describeStreamConsumer, onConsumer(s, func(in *api.DescribeStreamConsumerInput) consumerTarget {
			return consumerTarget{in.ConsumerARN, in.StreamARN, in.ConsumerName}
		})),
		api.ListStreamConsumers.To(s.listStreamConsumers, on(s, func(in *api.ListStreamConsumersInput) target { return target{arn: in.StreamARN} })),
		api.SubscribeToShard.To(s.subscribeToShard, onConsumer(s, func(in *api.SubscribeToShardInput) consumerTarget { return consumerTarget{arn: in.ConsumerARN} })),

		api.IncreaseStreamRetentionPeriod.To(s.increaseRetention, on(s, func(in *api.IncreaseStreamRetentionPeriodInput) target {
			return target{name: in.StreamName, arn: in.StreamARN}
		})),
		api.DecreaseStreamRetentionPeriod.To(s.decreaseRetention, on(s, func(in *api.DecreaseStreamRetentionPeriodInput) target {
			return target{name: in.StreamName, arn: in.StreamARN}
		})),
		api.StartStreamEncryption.To(s.startEncryption, on(s, func(in *api.StartStreamEncryptionInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),
		api.StopStreamEncryption.To(s.stopEncryption, on(s, func(in *api.StopStreamEncryptionInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),
		api.EnableEnhancedMonitoring.To(s.enableMonitoring, on(s, func(in *api.EnableEnhancedMonitoringInput) target {
			return target{name: in.StreamName, arn: in.StreamARN}
		})),
		api.DisableEnhancedMonitoring.To(s.disableMonitoring, on(s, func(in *api.DisableEnhancedMonitoringInput) target {
			return target{name: in.StreamName, arn: in.StreamARN}
		})),
		api.UpdateStreamMode.To(s.updateStreamMode, on(s, func(in *api.UpdateStreamModeInput) target { return target{arn: in.StreamARN} })),
		api.UpdateMaxRecordSize.To(s.updateMaxRecordSize, on(s, func(in *api.UpdateMaxRecordSizeInput) target { return target{arn: in.StreamARN} })),
		api.UpdateStreamWarmThroughput.To(s.updateWarmThroughput, on(s, func(in *api.UpdateStreamWarmThroughputInput) target {
			return target{name: in.StreamName, arn: in.StreamARN}
		})),

		api.AddTagsToStream.To(s.addTags, s.guardAddTags),
		api.RemoveTagsFromStream.To(s.removeTags, s.guardRemoveTags),
		api.ListTagsForStream.To(s.listTagsForStream, on(s, func(in *api.ListTagsForStreamInput) target { return target{name: in.StreamName, arn: in.StreamARN} })),
		api.TagResource.To(s.tagResource, s.guardTagResource),
		api.UntagResource.To(s.untagResource, s.guardUntagResource),
		api.ListTagsForResource.To(s.listTagsForResource, onResource(s, func(in *api.ListTagsForResourceInput) *string { return in.ResourceARN })),

		api.PutResourcePolicy.To(s.putResourcePolicy, onResource(s, func(in *api.PutResourcePolicyInput) *string { return in.ResourceARN })),
		api.GetResourcePolicy.To(s.getResourcePolicy, onResource(s, func(in *api.GetResourcePolicyInput) *string { return in.ResourceARN })),
		api.DeleteResourcePolicy.To(s.deleteResourcePolicy, onResource(s, func(in *api.DeleteResourcePolicyInput) *string { return in.ResourceARN })),
	}
}

// number makes sure that there are numbers. They are at least the clock's milliseconds
// in their upper bits: what has come since a moment has a number since that moment's.
func (s *Service) number(ctx context.Context) error {
	return s.numbering.Start(ctx, s.Store, moment(s.Clock.Now().UnixMilli()))
}

// moment is the least number of what comes at a time, in milliseconds since 1970.
func moment(ms int64) uint64 { return uint64(max(ms, 0)) << 20 }
