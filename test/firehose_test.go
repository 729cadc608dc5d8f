package test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// A delivery stream's life. What is delivered, ./firehose looks at.
func TestDeliveryStream(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	streams, name := firehose.NewFromConfig(c.config), aws.String("s")
	role := must(c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("deliver"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"firehose.amazonaws.com"},"Action":"sts:AssumeRole"}}`)}))(t).Role.Arn
	made := must(streams.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: name,
		ExtendedS3DestinationConfiguration: &types.ExtendedS3DestinationConfiguration{RoleARN: role, BucketARN: aws.String("arn:aws:s3:::nowhere")}}))(t)
	equal(t, "the ARN", *made.DeliveryStreamARN, c.arn("firehose", "deliverystream/s"))
	equal(t, "the number of streams", len(must(streams.ListDeliveryStreams(ctx, &firehose.ListDeliveryStreamsInput{}))(t).DeliveryStreamNames), 1)

	data := types.Record{Data: []byte("x")}
	one := must(streams.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: name, Record: &data}))(t)
	many := must(streams.PutRecordBatch(ctx, &firehose.PutRecordBatchInput{DeliveryStreamName: name, Records: []types.Record{data, data}}))(t)
	equal(t, "what was refused", *many.FailedPutCount, 0)
	if *one.RecordId == "" || *one.RecordId == *many.RequestResponses[0].RecordId || *many.RequestResponses[0].RecordId == *many.RequestResponses[1].RecordId {
		t.Errorf("records are not told apart: %v, %v", *one.RecordId, many.RequestResponses)
	}
	_, err := streams.PutRecord(ctx, &firehose.PutRecordInput{DeliveryStreamName: name, Record: &types.Record{Data: make([]byte, 1024001)}})
	refused(t, err, "ValidationException", "Member must have length less than or equal to 1024000")
	_, err = streams.PutRecordBatch(ctx, &firehose.PutRecordBatchInput{DeliveryStreamName: name, Records: []types.Record{
		{Data: make([]byte, 1<<20-30000)}, {Data: make([]byte, 1<<20-30000)}, {Data: make([]byte, 1<<20-30000)}, {Data: make([]byte, 1<<20-30000)}, {Data: make([]byte, 200000)}}})
	refused(t, err, "InvalidArgumentException", "4 MB")

	must(streams.StartDeliveryStreamEncryption(ctx, &firehose.StartDeliveryStreamEncryptionInput{DeliveryStreamName: name}))(t)
	must(streams.StopDeliveryStreamEncryption(ctx, &firehose.StopDeliveryStreamEncryptionInput{DeliveryStreamName: name}))(t)
	must(streams.TagDeliveryStream(ctx, &firehose.TagDeliveryStreamInput{DeliveryStreamName: name, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}, {Key: aws.String("c")}}}))(t)
	must(streams.UntagDeliveryStream(ctx, &firehose.UntagDeliveryStreamInput{DeliveryStreamName: name, TagKeys: []string{"c"}}))(t)
	equal(t, "the tags", len(must(streams.ListTagsForDeliveryStream(ctx, &firehose.ListTagsForDeliveryStreamInput{DeliveryStreamName: name}))(t).Tags), 1)

	update := &firehose.UpdateDestinationInput{DeliveryStreamName: name, CurrentDeliveryStreamVersionId: aws.String("1"), DestinationId: aws.String("destinationId-000000000001"),
		ExtendedS3DestinationUpdate: &types.ExtendedS3DestinationUpdate{Prefix: aws.String("p/")}}
	must(streams.UpdateDestination(ctx, update))(t)
	_, err = streams.UpdateDestination(ctx, update)
	refused(t, err, "ConcurrentModificationException", "current version id: 2")
	d := must(streams.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: name}))(t).DeliveryStreamDescription
	equal(t, "the version", *d.VersionId, "2")
	equal(t, "the prefix", *d.Destinations[0].ExtendedS3DestinationDescription.Prefix, "p/")

	must(streams.DeleteDeliveryStream(ctx, &firehose.DeleteDeliveryStreamInput{DeliveryStreamName: name}))(t)
	_, err = streams.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: name})
	fails[*types.ResourceNotFoundException](t, err, "s")
}
