package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const queueExecution = "service-role/AWSLambdaSQSQueueExecutionRole"

// may lets a role do more.
func (c *cloud) may(role, actions string) {
	c.Helper()
	document := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":[%s],"Resource":"*"}}`, actions)
	must(c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String("more"), PolicyDocument: &document}))(c)
}

// TestLambdaQueues feeds a function, whose code lies in a bucket, from queues.
func TestLambdaQueues(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	q, files := sqs.NewFromConfig(c.config), c.s3of()
	bucket := c.bucket("code")
	code := zipped("index.js", `exports.handler = async (event) => {
		console.log("batch", JSON.stringify(event));
		return { batchItemFailures: event.Records.filter((r) => r.body == "bad" && r.attributes.ApproximateReceiveCount < 2).map((r) => ({ itemIdentifier: r.messageId })) };
	}`)
	must(files.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("f.zip"), Body: strings.NewReader(string(code))}))(t)
	role := c.role("woken", "lambda.amazonaws.com", basicExecution)
	c.function("woken", types.RuntimeNodejs22x, "", func(in *lambda.CreateFunctionInput) {
		in.Role, in.Timeout, in.Code = &role, aws.Int32(3), &types.FunctionCode{S3Bucket: bucket, S3Key: aws.String("f.zip")}
	})
	url, arn := c.queue(q, "jobs", map[string]string{"VisibilityTimeout": "4"})
	in := &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("woken"), EventSourceArn: arn, FunctionResponseTypes: []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}}
	_, err := c.lambda.CreateEventSourceMapping(ctx, in)
	refused(t, err, "InvalidParameterValueException", "The function execution role does not have permissions to call ReceiveMessage on SQS")
	must(c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("woken"), PolicyArn: aws.String("arn:aws:iam::aws:policy/" + queueExecution)}))(t)
	must(q.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "2"}}))(t)
	_, err = c.lambda.CreateEventSourceMapping(ctx, in)
	refused(t, err, "InvalidParameterValueException", "Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds")
	must(q.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "4"}}))(t)
	made := must(c.lambda.CreateEventSourceMapping(ctx, in))(t)
	equal(t, "the mapping", *made.State+" "+*made.StateTransitionReason, "Creating USER_INITIATED")
	for _, body := range []string{"good", "bad"} {
		must(q.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body, MessageAttributes: map[string]sqstypes.MessageAttributeValue{
			"a": {DataType: aws.String("String"), StringValue: aws.String("1")}}}))(t)
	}
	var bodies []string
	comes(t, "both messages, one of them twice", func() bool {
		bodies = nil
		for _, line := range c.lines("woken", "batch") {
			var e struct {
				Records []struct {
					Body, EventSource, EventSourceARN, AwsRegion, MD5OfBody string
					MessageAttributes                                       map[string]struct{ StringValue, DataType string }
				}
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err, line)
			}
			for _, r := range e.Records {
				bodies = append(bodies, r.Body)
				if r.EventSource != "aws:sqs" || r.EventSourceARN != *arn || r.AwsRegion != region || r.MessageAttributes["a"].StringValue != "1" {
					t.Error(line)
				}
			}
		}
		return len(bodies) >= 3
	})
	if slices.Sort(bodies); !slices.Equal(bodies, []string{"bad", "bad", "good"}) {
		t.Errorf("%q", bodies)
	}
	comes(t, "the end of the queue", func() bool {
		out := must(q.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []sqstypes.QueueAttributeName{"All"}}))(t)
		return out.Attributes["ApproximateNumberOfMessages"] == "0" && out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
	})
	must(c.lambda.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: made.UUID}))(t)
}

// TestLambdaOutlets tells a queue, a topic, a bucket and a dead-letter queue of events.
func TestLambdaOutlets(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	q, files := sqs.NewFromConfig(c.config), c.s3of()
	failures, failed := c.queue(q, "failed", nil)
	letters, dead := c.queue(q, "dead", nil)
	topic := must(sns.NewFromConfig(c.config).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("told")}))(t).TopicArn
	bucket := c.bucket("told")
	role := c.role("outlet", "lambda.amazonaws.com", basicExecution)
	deadLetter := func(in *lambda.CreateFunctionInput) {
		in.Role, in.DeadLetterConfig = &role, &types.DeadLetterConfig{TargetArn: dead}
	}
	_, err := c.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("f"), Role: &role, Runtime: types.RuntimeNodejs22x, Handler: aws.String("i.h"),
		Code: &types.FunctionCode{ZipFile: zipped("i.js", "")}, DeadLetterConfig: &types.DeadLetterConfig{TargetArn: dead}})
	refused(t, err, "InvalidParameterValueException", "The provided execution role does not have permissions to call SendMessage on SQS")
	c.may("outlet", `"sqs:SendMessage","sns:Publish","s3:PutObject"`)
	c.function("f", types.RuntimeNodejs22x, `exports.handler = async (e) => { if (e.fail) throw new Error("because"); return "fine" }`, deadLetter)
	direct := func(success, failure *string) {
		t.Helper()
		must(c.lambda.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("f"), MaximumRetryAttempts: aws.Int32(0),
			DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: success}, OnFailure: &types.OnFailure{Destination: failure}}}))(t)
	}
	direct(topic, topic)
	direct(aws.String("arn:aws:s3:::"+*bucket), failed)
	for _, payload := range []string{`{"fail":1}`, `{}`} {
		must(c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("f"), InvocationType: types.InvocationTypeEvent, Payload: []byte(payload)}))(t)
	}
	next := func(url *string) sqstypes.Message {
		t.Helper()
		for range 3 {
			out := must(q.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 15, MessageAttributeNames: []string{"All"}}))(t)
			if len(out.Messages) > 0 {
				return out.Messages[0]
			}
		}
		t.Fatal("nothing comes to", *url)
		return sqstypes.Message{}
	}
	if m := next(failures); !strings.Contains(*m.Body, `"condition":"RetriesExhausted"`) || !strings.Contains(*m.Body, `"errorMessage":"because"`) {
		t.Error(*m.Body)
	}
	m := next(letters)
	equal(t, "the event", *m.Body, `{"fail":1}`)
	equal(t, "the error", *m.MessageAttributes["ErrorCode"].StringValue+" "+*m.MessageAttributes["ErrorMessage"].StringValue, "200 because")
	comes(t, "the object", func() bool {
		out := must(files.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("aws/lambda/async/f/")}))(t)
		return len(out.Contents) == 1
	})
}

// TestDynamoDBTransfers exports a table to a bucket, and imports it again.
func TestDynamoDBTransfers(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	files, bucket := c.s3of(), c.bucket("tables")
	made := c.table("songs", false)
	for n := range 30 {
		must(c.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("songs"), Item: map[string]ddb.AttributeValue{*made.KeySchema[0].AttributeName: &ddb.AttributeValueMemberS{Value: fmt.Sprint("id", n)}, "n": &ddb.AttributeValueMemberN{Value: fmt.Sprint(n)}}}))(t)
	}
	in := &dynamodb.ExportTableToPointInTimeInput{TableArn: made.TableArn, S3Bucket: bucket, S3Prefix: aws.String("out")}
	_, err := c.dynamo.ExportTableToPointInTime(ctx, in)
	fails[*ddb.PointInTimeRecoveryUnavailableException](t, err, "songs")
	must(c.dynamo.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{TableName: aws.String("songs"), PointInTimeRecoverySpecification: &ddb.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}}))(t)
	exported := must(c.dynamo.ExportTableToPointInTime(ctx, in))(t).ExportDescription
	done := must(dynamodb.NewExportCompletedWaiter(c.dynamo, func(o *dynamodb.ExportCompletedWaiterOptions) { o.MinDelay = 100 * time.Millisecond }).WaitForOutput(ctx, &dynamodb.DescribeExportInput{ExportArn: exported.ExportArn}, time.Minute))(t).ExportDescription
	equal(t, "the items", aws.ToInt64(done.ItemCount), 30)
	equal(t, "the exports", len(must(c.dynamo.ListExports(ctx, &dynamodb.ListExportsInput{}))(t).ExportSummaries), 1)
	must(files.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: done.ExportManifest}))(t)
	imported := must(c.dynamo.ImportTable(ctx, &dynamodb.ImportTableInput{InputFormat: ddb.InputFormatDynamodbJson, InputCompressionType: ddb.InputCompressionTypeGzip,
		S3BucketSource:          &ddb.S3BucketSource{S3Bucket: bucket, S3KeyPrefix: aws.String(strings.TrimSuffix(*done.ExportManifest, "manifest-summary.json") + "data/")},
		TableCreationParameters: &ddb.TableCreationParameters{TableName: aws.String("again"), BillingMode: ddb.BillingModePayPerRequest, KeySchema: made.KeySchema, AttributeDefinitions: made.AttributeDefinitions}}))(t).ImportTableDescription
	ended := must(dynamodb.NewImportCompletedWaiter(c.dynamo, func(o *dynamodb.ImportCompletedWaiterOptions) { o.MinDelay = 100 * time.Millisecond }).WaitForOutput(ctx, &dynamodb.DescribeImportInput{ImportArn: imported.ImportArn}, time.Minute))(t).ImportTableDescription
	equal(t, "the items", ended.ImportedItemCount, 30)
	equal(t, "the imports", len(must(c.dynamo.ListImports(ctx, &dynamodb.ListImportsInput{}))(t).ImportSummaryList), 1)
	equal(t, "what is there", must(c.dynamo.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String("again")}))(t).Count, 30)
}
