package test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestLogsExport writes a group into a bucket, as far as the bucket's policy lets it.
func TestLogsExport(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	files, bucket := c.s3of(), c.bucket("logs")
	c.group("app")
	c.stream("app", "2026/one", "first", "second")
	in := &cloudwatchlogs.CreateExportTaskInput{LogGroupName: aws.String("app"), Destination: bucket, DestinationPrefix: aws.String("out"),
		From: aws.Int64(0), To: aws.Int64(time.Now().UnixMilli() + 1)}
	_, err := c.logs.CreateExportTask(ctx, in)
	fails[*types.InvalidParameterException](t, err, "GetBucketAcl call on the given bucket failed")
	// As AWS's guide to exports has it.
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Action":"s3:GetBucketAcl","Effect":"Allow","Resource":"arn:aws:s3:::%[1]s","Principal":{"Service":"logs.%[2]s.amazonaws.com"},
			"Condition":{"StringEquals":{"aws:SourceAccount":"%[3]s"},"ArnLike":{"aws:SourceArn":"arn:aws:logs:%[2]s:%[3]s:log-group:*"}}},
		{"Action":"s3:PutObject","Effect":"Allow","Resource":"arn:aws:s3:::%[1]s/*","Principal":{"Service":"logs.%[2]s.amazonaws.com"}}]}`, *bucket, region, c.account)
	must(files.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &policy}))(t)
	id := must(c.logs.CreateExportTask(ctx, in))(t).TaskId
	done := func(id *string) func() error {
		return func() error {
			task := must(c.logs.DescribeExportTasks(ctx, &cloudwatchlogs.DescribeExportTasksInput{TaskId: id}))(t).ExportTasks[0]
			if task.Status.Code != types.ExportTaskStatusCodeCompleted {
				return fmt.Errorf("the export is %s: %s", task.Status.Code, aws.ToString(task.Status.Message))
			}
			return nil
		}
	}
	eventually(t, done(id))
	object := must(files.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("out/" + *id + "/2026-one/000000.gz")}))(t)
	defer object.Body.Close()
	lines := strings.Split(strings.TrimSpace(string(must(io.ReadAll(must(gzip.NewReader(object.Body))(t)))(t))), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "Z first") || !strings.HasSuffix(lines[1], "Z second") {
		t.Errorf("exported %q", lines)
	}
	// One that is cancelled before it is over; most are too short for that.
	eventually(t, func() error {
		task, err := c.logs.CreateExportTask(ctx, in)
		var busy *types.LimitExceededException
		if errors.As(err, &busy) {
			return err
		}
		_, err = c.logs.CancelExportTask(ctx, &cloudwatchlogs.CancelExportTaskInput{TaskId: must(task, err)(t).TaskId})
		var over *types.InvalidOperationException
		if errors.As(err, &over) {
			return err
		}
		must(0, err)(t)
		return nil
	})
}

// TestLogsSettings keeps what groups are subject to, and what vended logs are.
func TestLogsSettings(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.group("app")
	l, app := c.logs, aws.String("app")
	must(l.AssociateKmsKey(ctx, &cloudwatchlogs.AssociateKmsKeyInput{LogGroupName: app, KmsKeyId: aws.String(c.arn("kms", "key/1"))}))(t)
	equal(t, "the key", *must(l.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{}))(t).LogGroups[0].KmsKeyId, c.arn("kms", "key/1"))
	must(l.DisassociateKmsKey(ctx, &cloudwatchlogs.DisassociateKmsKeyInput{LogGroupName: app}))(t)
	equal(t, "the groups", *must(l.ListLogGroups(ctx, &cloudwatchlogs.ListLogGroupsInput{LogGroupNamePattern: aws.String("^app")}))(t).LogGroups[0].LogGroupName, "app")

	index := aws.String(`{"Fields": ["level"]}`)
	must(l.PutIndexPolicy(ctx, &cloudwatchlogs.PutIndexPolicyInput{LogGroupIdentifier: app, PolicyDocument: index}))(t)
	equal(t, "index policies", len(must(l.DescribeIndexPolicies(ctx, &cloudwatchlogs.DescribeIndexPoliciesInput{LogGroupIdentifiers: []string{"app"}}))(t).IndexPolicies), 1)
	equal(t, "the field", *must(l.DescribeFieldIndexes(ctx, &cloudwatchlogs.DescribeFieldIndexesInput{LogGroupIdentifiers: []string{"app"}}))(t).FieldIndexes[0].FieldIndexName, "level")
	must(l.DeleteIndexPolicy(ctx, &cloudwatchlogs.DeleteIndexPolicyInput{LogGroupIdentifier: app}))(t)
	must(l.PutAccountPolicy(ctx, &cloudwatchlogs.PutAccountPolicyInput{PolicyName: app, PolicyType: types.PolicyTypeFieldIndexPolicy, PolicyDocument: index}))(t)
	equal(t, "account policies", len(must(l.DescribeAccountPolicies(ctx, &cloudwatchlogs.DescribeAccountPoliciesInput{PolicyType: types.PolicyTypeFieldIndexPolicy}))(t).AccountPolicies), 1)
	must(l.DeleteAccountPolicy(ctx, &cloudwatchlogs.DeleteAccountPolicyInput{PolicyName: app, PolicyType: types.PolicyTypeFieldIndexPolicy}))(t)

	must(l.PutResourcePolicy(ctx, &cloudwatchlogs.PutResourcePolicyInput{PolicyName: aws.String("p"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[]}`)}))(t)
	equal(t, "resource policies", len(must(l.DescribeResourcePolicies(ctx, &cloudwatchlogs.DescribeResourcePoliciesInput{}))(t).ResourcePolicies), 1)
	must(l.DeleteResourcePolicy(ctx, &cloudwatchlogs.DeleteResourcePolicyInput{PolicyName: aws.String("p")}))(t)

	source, to := aws.String("cdn"), aws.String("store")
	must(l.PutDeliverySource(ctx, &cloudwatchlogs.PutDeliverySourceInput{Name: source, ResourceArn: aws.String("arn:aws:cloudfront::" + c.account + ":distribution/E1"), LogType: aws.String("ACCESS_LOGS")}))(t)
	equal(t, "its service", *must(l.GetDeliverySource(ctx, &cloudwatchlogs.GetDeliverySourceInput{Name: source}))(t).DeliverySource.Service, "cloudfront")
	equal(t, "sources", len(must(l.DescribeDeliverySources(ctx, &cloudwatchlogs.DescribeDeliverySourcesInput{}))(t).DeliverySources), 1)
	dest := must(l.PutDeliveryDestination(ctx, &cloudwatchlogs.PutDeliveryDestinationInput{Name: to, DeliveryDestinationConfiguration: &types.DeliveryDestinationConfiguration{DestinationResourceArn: aws.String("arn:aws:s3:::vended")}}))(t)
	equal(t, "its type", must(l.GetDeliveryDestination(ctx, &cloudwatchlogs.GetDeliveryDestinationInput{Name: to}))(t).DeliveryDestination.DeliveryDestinationType, types.DeliveryDestinationTypeS3)
	equal(t, "destinations", len(must(l.DescribeDeliveryDestinations(ctx, &cloudwatchlogs.DescribeDeliveryDestinationsInput{}))(t).DeliveryDestinations), 1)
	must(l.PutDeliveryDestinationPolicy(ctx, &cloudwatchlogs.PutDeliveryDestinationPolicyInput{DeliveryDestinationName: to, DeliveryDestinationPolicy: aws.String("{}")}))(t)
	equal(t, "its policy", *must(l.GetDeliveryDestinationPolicy(ctx, &cloudwatchlogs.GetDeliveryDestinationPolicyInput{DeliveryDestinationName: to}))(t).Policy.DeliveryDestinationPolicy, "{}")
	must(l.DeleteDeliveryDestinationPolicy(ctx, &cloudwatchlogs.DeleteDeliveryDestinationPolicyInput{DeliveryDestinationName: to}))(t)
	id := must(l.CreateDelivery(ctx, &cloudwatchlogs.CreateDeliveryInput{DeliverySourceName: source, DeliveryDestinationArn: dest.DeliveryDestination.Arn}))(t).Delivery.Id
	must(l.UpdateDeliveryConfiguration(ctx, &cloudwatchlogs.UpdateDeliveryConfigurationInput{Id: id, RecordFields: []string{"date"}}))(t)
	equal(t, "its fields", must(l.GetDelivery(ctx, &cloudwatchlogs.GetDeliveryInput{Id: id}))(t).Delivery.RecordFields[0], "date")
	equal(t, "deliveries", len(must(l.DescribeDeliveries(ctx, &cloudwatchlogs.DescribeDeliveriesInput{}))(t).Deliveries), 1)
	_, err := l.DeleteDeliverySource(ctx, &cloudwatchlogs.DeleteDeliverySourceInput{Name: source})
	fails[*types.ConflictException](t, err, "delete that first")
	must(l.DeleteDelivery(ctx, &cloudwatchlogs.DeleteDeliveryInput{Id: id}))(t)
	must(l.DeleteDeliverySource(ctx, &cloudwatchlogs.DeleteDeliverySourceInput{Name: source}))(t)
	must(l.DeleteDeliveryDestination(ctx, &cloudwatchlogs.DeleteDeliveryDestinationInput{Name: to}))(t)
}
