package test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// TestKinesis puts, reads, splits and merges.
func TestKinesis(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	k := kinesis.NewFromConfig(c.config)
	name := aws.String("clicks")
	must(k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1), Tags: map[string]string{"team": "web"}}))(t)
	if err := kinesis.NewStreamExistsWaiter(k).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: name}, time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)})
	fails[*types.ResourceInUseException](t, err, "Stream clicks under account "+c.account+" already exists.")
	equal(t, "the streams", strings.Join(must(k.ListStreams(ctx, &kinesis.ListStreamsInput{}))(t).StreamNames, " "), "clicks")

	// A record each second goes round in both halves.
	must(k.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: name, ShardToSplit: aws.String("shardId-000000000000"), NewStartingHashKey: aws.String("170141183460469231731687303715884105728")}))(t)
	one := must(k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: name, PartitionKey: aws.String("a"), Data: []byte("0"), ExplicitHashKey: aws.String("0")}))(t)
	equal(t, "the shard", *one.ShardId, "shardId-000000000001")
	var batch []types.PutRecordsRequestEntry
	for i := range 9 {
		batch = append(batch, types.PutRecordsRequestEntry{PartitionKey: aws.String("a"), Data: fmt.Append(nil, i+1), ExplicitHashKey: aws.String("0")})
	}
	put := must(k.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: name, Records: batch}))(t)
	equal(t, "what failed", *put.FailedRecordCount, 0)
	last, _ := new(big.Int).SetString(*one.SequenceNumber, 10)
	for _, r := range put.Records {
		n, ok := new(big.Int).SetString(*r.SequenceNumber, 10)
		if !ok || n.Cmp(last) <= 0 {
			t.Errorf("the number %s comes after %s", n, last)
		}
		last = n
	}
	must(k.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: name, ShardToMerge: aws.String("shardId-000000000001"), AdjacentShardToMerge: aws.String("shardId-000000000002")}))(t)
	it := must(k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: name, ShardId: one.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}))(t)
	got := must(k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator}))(t)
	text := ""
	for _, r := range got.Records {
		text += string(r.Data)
	}
	equal(t, "the records", text, "0123456789")
	if got.NextShardIterator != nil || len(got.ChildShards) != 1 || *got.ChildShards[0].ShardId != "shardId-000000000003" {
		t.Errorf("a closed shard goes on: %v %+v", got.NextShardIterator, got.ChildShards)
	}
	shards := must(k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: name, ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}}))(t)
	equal(t, "open shards", len(shards.Shards), 1)
	must(k.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamName: name, TargetShardCount: aws.Int32(2), ScalingType: types.ScalingTypeUniformScaling}))(t)
	described := must(k.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: name}))(t).StreamDescription
	equal(t, "all shards", len(described.Shards), 6)
	equal(t, "the limit", *must(k.DescribeLimits(ctx, &kinesis.DescribeLimitsInput{}))(t).OpenShardCount, 2)
	_, err = k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("many"), ShardCount: aws.Int32(100000)})
	fails[*types.LimitExceededException](t, err, "Number of additional shards that would have resulted from this request: 100000.")
}

// TestKinesisSubscription: records are pushed as they are put.
func TestKinesisSubscription(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	k := kinesis.NewFromConfig(c.config)
	name, arn := aws.String("s"), aws.String(c.arn("kinesis", "stream/s"))
	must(k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)}))(t)
	consumer := must(k.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: arn, ConsumerName: aws.String("c")}))(t).Consumer
	out := must(k.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: consumer.ConsumerARN, ShardId: aws.String("shardId-000000000000"),
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}}))(t)
	stream := out.GetStream()
	for i := range 3 {
		must(k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: name, PartitionKey: aws.String("a"), Data: fmt.Append(nil, i)}))(t)
	}
	text := ""
	for e := range stream.Events() {
		if e, ok := e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); ok {
			for _, r := range e.Value.Records {
				text += string(r.Data)
			}
		}
		if len(text) == 3 {
			break
		}
	}
	equal(t, "what was pushed", text, "012")
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	equal(t, "the consumers", len(must(k.ListStreamConsumers(ctx, &kinesis.ListStreamConsumersInput{StreamARN: arn}))(t).Consumers), 1)
	d := must(k.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerARN: consumer.ConsumerARN}))(t).ConsumerDescription
	equal(t, "the consumer", d.ConsumerStatus, types.ConsumerStatusActive)
	_, err := k.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: name})
	fails[*types.ResourceInUseException](t, err, "has consumers registered")
	must(k.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: consumer.ConsumerARN}))(t)
	must(k.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: name}))(t)
	_, err = k.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name})
	fails[*types.ResourceNotFoundException](t, err, "Stream s under account "+c.account+" not found.")
}

// TestKinesisSettings changes what can be changed of a stream.
func TestKinesisSettings(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	k := kinesis.NewFromConfig(c.config)
	name, arn := aws.String("s"), aws.String(c.arn("kinesis", "stream/s"))
	must(k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)}))(t)
	must(k.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{StreamName: name, RetentionPeriodHours: aws.Int32(8760)}))(t)
	must(k.DecreaseStreamRetentionPeriod(ctx, &kinesis.DecreaseStreamRetentionPeriodInput{StreamName: name, RetentionPeriodHours: aws.Int32(48)}))(t)
	must(k.StartStreamEncryption(ctx, &kinesis.StartStreamEncryptionInput{StreamName: name, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/aws/kinesis")}))(t)
	must(k.EnableEnhancedMonitoring(ctx, &kinesis.EnableEnhancedMonitoringInput{StreamName: name, ShardLevelMetrics: []types.MetricsName{types.MetricsNameAll}}))(t)
	must(k.DisableEnhancedMonitoring(ctx, &kinesis.DisableEnhancedMonitoringInput{StreamName: name, ShardLevelMetrics: []types.MetricsName{types.MetricsNameIncomingBytes}}))(t)
	must(k.UpdateMaxRecordSize(ctx, &kinesis.UpdateMaxRecordSizeInput{StreamARN: arn, MaxRecordSizeInKiB: aws.Int32(10240)}))(t)
	big := make([]byte, 5<<20)
	must(k.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: name, PartitionKey: aws.String("a"), Data: big}))(t)
	sum := must(k.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamARN: arn}))(t).StreamDescriptionSummary
	equal(t, "the retention", *sum.RetentionPeriodHours, 48)
	equal(t, "the encryption", sum.EncryptionType, types.EncryptionTypeKms)
	equal(t, "the monitoring", len(sum.EnhancedMonitoring[0].ShardLevelMetrics), 6)
	must(k.StopStreamEncryption(ctx, &kinesis.StopStreamEncryptionInput{StreamName: name, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/aws/kinesis")}))(t)
	must(k.UpdateStreamMode(ctx, &kinesis.UpdateStreamModeInput{StreamARN: arn, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}}))(t)
	must(k.UpdateStreamWarmThroughput(ctx, &kinesis.UpdateStreamWarmThroughputInput{StreamName: name, WarmThroughputMiBps: aws.Int32(10)}))(t)

	must(k.AddTagsToStream(ctx, &kinesis.AddTagsToStreamInput{StreamName: name, Tags: map[string]string{"a": "1", "b": "2"}}))(t)
	must(k.RemoveTagsFromStream(ctx, &kinesis.RemoveTagsFromStreamInput{StreamName: name, TagKeys: []string{"a"}}))(t)
	must(k.TagResource(ctx, &kinesis.TagResourceInput{ResourceARN: arn, Tags: map[string]string{"c": "3"}}))(t)
	must(k.UntagResource(ctx, &kinesis.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"b"}}))(t)
	equal(t, "the tags", len(must(k.ListTagsForStream(ctx, &kinesis.ListTagsForStreamInput{StreamName: name}))(t).Tags), 1)
	equal(t, "the tags", *must(k.ListTagsForResource(ctx, &kinesis.ListTagsForResourceInput{ResourceARN: arn}))(t).Tags[0].Key, "c")

	must(k.UpdateAccountSettings(ctx, &kinesis.UpdateAccountSettingsInput{MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{
		Status: types.MinimumThroughputBillingCommitmentInputStatusEnabled}}))(t)
	account := must(k.DescribeAccountSettings(ctx, &kinesis.DescribeAccountSettingsInput{}))(t)
	equal(t, "the commitment", account.MinimumThroughputBillingCommitment.Status, types.MinimumThroughputBillingCommitmentOutputStatusEnabled)
}

// TestKinesisAcrossAccounts: another account puts where the stream's policy lets it.
func TestKinesisAcrossAccounts(t *testing.T) {
	t.Parallel()
	c, other := newCloud(t), newCloud(t)
	k, theirs := kinesis.NewFromConfig(c.config), kinesis.NewFromConfig(other.config)
	name, arn := aws.String("s"), aws.String(c.arn("kinesis", "stream/s"))
	must(k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)}))(t)
	put := &kinesis.PutRecordInput{StreamARN: arn, PartitionKey: aws.String("a"), Data: []byte("x")}
	_, err := theirs.PutRecord(ctx, put)
	refused(t, err, "AccessDeniedException", "kinesis:PutRecord")
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"kinesis:PutRecord","Resource":"%s"}}`, other.account, *arn)
	must(k.PutResourcePolicy(ctx, &kinesis.PutResourcePolicyInput{ResourceARN: arn, Policy: &policy}))(t)
	equal(t, "the policy", *must(k.GetResourcePolicy(ctx, &kinesis.GetResourcePolicyInput{ResourceARN: arn}))(t).Policy, policy)
	must(theirs.PutRecord(ctx, put))(t)
	must(k.DeleteResourcePolicy(ctx, &kinesis.DeleteResourcePolicyInput{ResourceARN: arn}))(t)
	_, err = theirs.PutRecord(ctx, put)
	refused(t, err, "AccessDeniedException", "kinesis:PutRecord")
}
