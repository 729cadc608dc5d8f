package resource

import (
	"strconv"

	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

var kinesisTypes = []*Type{
	{
		Name:  "AWS::Kinesis::Stream",
		Named: "Name", Length: 128,
		Defaults: map[string]any{"RetentionPeriodHours": 24, "MaxRecordSizeInKiB": 1024},
		Create:   createStream,
		Ready: func(c *Call) (bool, error) {
			s, err := c.stream()
			return err == nil && *s.StreamStatus == kinesisapi.StreamStatusActive, err
		},
		Update: func(c *Call) error {
			if err := c.streamShape(); err != nil {
				return err
			}
			if err := c.streamParts(); err != nil {
				return err
			}
			arn := c.Stack.arn("kinesis", "stream/"+c.ID)
			return Retag(c, &kinesisapi.TagResource, &kinesisapi.UntagResource,
				func(in *kinesisapi.TagResourceInput) { in.ResourceARN = &arn }, func(in *kinesisapi.UntagResourceInput) { in.ResourceARN = &arn })
		},
		Read: func(c *Call) (map[string]any, error) {
			s, err := c.stream()
			if err != nil {
				return nil, err
			}
			got := Show(s, "RetentionPeriodHours", "StreamModeDetails", "MaxRecordSizeInKiB")
			got["Arn"], got["Name"], got["ShardCount"] = *s.StreamARN, *s.StreamName, int(aws.Value(s.OpenShardCount))
			if aws.Value(s.EncryptionType) == kinesisapi.EncryptionTypeKms {
				got["StreamEncryption"] = ordered.New().Set("EncryptionType", *s.EncryptionType).Set("KeyId", aws.Value(s.KeyId))
			}
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := kinesisapi.DeleteStream.Do(c, c.Peers, &kinesisapi.DeleteStreamInput{StreamName: &c.ID, EnforceConsumerDeletion: new(true)})
			return err
		},
	},
	{
		Name: "AWS::Kinesis::StreamConsumer",
		Create: func(c *Call) error {
			out, err := Do(c, &kinesisapi.RegisterStreamConsumer)
			if err == nil {
				c.ID = *out.Consumer.ConsumerARN
			}
			return err
		},
		Find: func(c *Call) error {
			out, err := kinesisapi.DescribeStreamConsumer.Do(c, c.Peers, &kinesisapi.DescribeStreamConsumerInput{StreamARN: new(c.Text("StreamARN")), ConsumerName: new(c.Text("ConsumerName"))})
			if err != nil {
				return found(err)
			}
			c.ID = *out.ConsumerDescription.ConsumerARN
			c.Take("Tags")
			return nil
		},
		Ready: func(c *Call) (bool, error) {
			d, err := c.consumer()
			return err == nil && *d.ConsumerStatus == kinesisapi.ConsumerStatusActive, err
		},
		Read: func(c *Call) (map[string]any, error) {
			d, err := c.consumer()
			if err != nil {
				return nil, err
			}
			got := Show(d, "ConsumerARN", "ConsumerName", "ConsumerStatus", "StreamARN")
			got["ConsumerCreationTimestamp"] = strconv.FormatInt(d.ConsumerCreationTimestamp.Unix(), 10)
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := kinesisapi.DeregisterStreamConsumer.Do(c, c.Peers, &kinesisapi.DeregisterStreamConsumerInput{ConsumerARN: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::Kinesis::ResourcePolicy",
		Create: func(c *Call) error {
			_, err := kinesisapi.PutResourcePolicy.Do(c, c.Peers, &kinesisapi.PutResourcePolicyInput{ResourceARN: new(c.Text("ResourceArn")), Policy: new(Texted(c.Get("ResourcePolicy")))})
			c.ID = c.Text("ResourceArn")
			return err
		},
		Update: func(c *Call) error {
			_, err := kinesisapi.PutResourcePolicy.Do(c, c.Peers, &kinesisapi.PutResourcePolicyInput{ResourceARN: &c.ID, Policy: new(Texted(c.Get("ResourcePolicy")))})
			return err
		},
		Delete: func(c *Call) error {
			_, err := kinesisapi.DeleteResourcePolicy.Do(c, c.Peers, &kinesisapi.DeleteResourcePolicyInput{ResourceARN: &c.ID})
			return err
		},
	},
}

func (c *Call) stream() (*kinesisapi.StreamDescriptionSummary, error) {
	out, err := kinesisapi.DescribeStreamSummary.Do(c, c.Peers, &kinesisapi.DescribeStreamSummaryInput{StreamName: &c.ID})
	if err != nil {
		return nil, err
	}
	return out.StreamDescriptionSummary, nil
}

func (c *Call) consumer() (*kinesisapi.ConsumerDescription, error) {
	out, err := kinesisapi.DescribeStreamConsumer.Do(c, c.Peers, &kinesisapi.DescribeStreamConsumerInput{ConsumerARN: &c.ID})
	if err != nil {
		return nil, err
	}
	return out.ConsumerDescription, nil
}

func createStream(c *Call) error {
	_, err := Do(c, &kinesisapi.CreateStream, func(in *kinesisapi.CreateStreamInput) { in.StreamName = new(c.Text("Name")) })
	if err != nil && (!c.Again || !Exists(err)) {
		return err
	}
	c.ID = c.Text("Name")
	if err := c.await(); err != nil {
		return err
	}
	return c.streamParts()
}

// streamShape changes a stream's mode and its shards.
func (c *Call) streamShape() error {
	arn := c.Stack.arn("kinesis", "stream/"+c.ID)
	if c.Changed("StreamModeDetails") && c.Has("StreamModeDetails") {
		in := &kinesisapi.UpdateStreamModeInput{StreamARN: &arn}
		if err := Into(c, "StreamModeDetails", &in.StreamModeDetails); err != nil {
			return err
		}
		if _, err := kinesisapi.UpdateStreamMode.Do(c, c.Peers, in); err != nil {
			return err
		}
		if err := c.await(); err != nil {
			return err
		}
	}
	if c.Changed("ShardCount") && c.Has("ShardCount") {
		in := &kinesisapi.UpdateShardCountInput{StreamName: &c.ID, ScalingType: new(kinesisapi.ScalingTypeUniformScaling)}
		if err := Into(c, "ShardCount", &in.TargetShardCount); err != nil {
			return err
		}
		if _, err := kinesisapi.UpdateShardCount.Do(c, c.Peers, in); err != nil {
			return err
		}
		if err := c.await(); err != nil {
			return err
		}
	}
	for _, name := range []string{"MaxRecordSizeInKiB", "WarmThroughputMiBps"} {
		if !c.Changed(name) || !c.Has(name) {
			continue
		}
		var n int32
		err := Into(c, name, &n)
		switch {
		case err != nil:
		case name == "MaxRecordSizeInKiB":
			_, err = kinesisapi.UpdateMaxRecordSize.Do(c, c.Peers, &kinesisapi.UpdateMaxRecordSizeInput{StreamARN: &arn, MaxRecordSizeInKiB: &n})
		default:
			_, err = kinesisapi.UpdateStreamWarmThroughput.Do(c, c.Peers, &kinesisapi.UpdateStreamWarmThroughputInput{StreamARN: &arn, WarmThroughputMiBps: &n})
		}
		if err != nil {
			return err
		}
		if err := c.await(); err != nil {
			return err
		}
	}
	return nil
}

// streamParts sets what CreateStream does not: how long records are kept, how they are
// encrypted, and which metrics shards have.
func (c *Call) streamParts() error {
	s, err := c.stream()
	if err != nil {
		return err
	}
	if c.fresh("RetentionPeriodHours") {
		hours := aws.Value(s.RetentionPeriodHours)
		if err := Into(c, "RetentionPeriodHours", &hours); err != nil {
			return err
		}
		switch have := aws.Value(s.RetentionPeriodHours); {
		case hours > have:
			_, err = kinesisapi.IncreaseStreamRetentionPeriod.Do(c, c.Peers, &kinesisapi.IncreaseStreamRetentionPeriodInput{StreamName: &c.ID, RetentionPeriodHours: &hours})
		case hours < have:
			_, err = kinesisapi.DecreaseStreamRetentionPeriod.Do(c, c.Peers, &kinesisapi.DecreaseStreamRetentionPeriodInput{StreamName: &c.ID, RetentionPeriodHours: &hours})
		}
		if err == nil {
			err = c.await()
		}
		if err != nil {
			return err
		}
	}
	if c.fresh("StreamEncryption") {
		if o := child(c.Properties, "StreamEncryption"); c.Has("StreamEncryption") {
			_, err = kinesisapi.StartStreamEncryption.Do(c, c.Peers, &kinesisapi.StartStreamEncryptionInput{StreamName: &c.ID, EncryptionType: new(member(o, "EncryptionType")), KeyId: new(member(o, "KeyId"))})
		} else if aws.Value(s.EncryptionType) == kinesisapi.EncryptionTypeKms {
			_, err = kinesisapi.StopStreamEncryption.Do(c, c.Peers, &kinesisapi.StopStreamEncryptionInput{StreamName: &c.ID, EncryptionType: s.EncryptionType, KeyId: s.KeyId})
		}
		if err == nil {
			err = c.await()
		}
		if err != nil {
			return err
		}
	}
	if !c.fresh("DesiredShardLevelMetrics") {
		return nil
	}
	var have []string
	for _, m := range s.EnhancedMonitoring {
		have = append(have, m.ShardLevelMetrics...)
	}
	want := texts(c.Get("DesiredShardLevelMetrics"))
	if less := without(have, want); len(less) > 0 {
		if _, err := kinesisapi.DisableEnhancedMonitoring.Do(c, c.Peers, &kinesisapi.DisableEnhancedMonitoringInput{StreamName: &c.ID, ShardLevelMetrics: less}); err != nil {
			return err
		}
		if err := c.await(); err != nil {
			return err
		}
	}
	if len(want) == 0 {
		return nil
	}
	_, err = kinesisapi.EnableEnhancedMonitoring.Do(c, c.Peers, &kinesisapi.EnableEnhancedMonitoringInput{StreamName: &c.ID, ShardLevelMetrics: want})
	return err
}
