package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// bridged is an event of S3 as EventBridge carries it.
type bridged struct {
	Source     string `json:"source"`
	DetailType string `json:"detail-type"`
	Account    string `json:"account"`
	Region     string `json:"region"`
	Resources  []string
	Detail     struct {
		Bucket struct{ Name string }
		Object struct {
			Key  string
			Size int64
			ETag string `json:"etag"`
		}
		Reason       string `json:"reason"`
		DeletionType string `json:"deletion-type"`
	}
}

func (e *bridged) String() string {
	return fmt.Sprintf("%s %s %s %s %d", e.DetailType, e.Detail.Object.Key, e.Detail.Reason, e.Detail.DeletionType, e.Detail.Object.Size)
}

// TestS3EventBridge has a bucket tell EventBridge of its objects, a rule of which passes
// on to a queue and a function what the rule's pattern lets through.
func TestS3EventBridge(t *testing.T) {
	t.Parallel()
	x := newShop(t, "bridge")
	events, queues := eventbridge.NewFromConfig(x.config), sqs.NewFromConfig(x.config)
	rule := must(events.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("objects"), EventPattern: aws.String(
		`{"source":["aws.s3"],"detail":{"bucket":{"name":["` + *x.bucket + `"]},"object":{"key":[{"prefix":"in/"}]}}}`)}))(t).RuleArn
	by := `,"Principal":{"Service":"events.amazonaws.com"},"Condition":{"ArnEquals":{"aws:SourceArn":"` + *rule + `"}}`
	url, queue := x.queue(queues, "bridged", map[string]string{"Policy": statement("Allow", "sqs:SendMessage", x.arn("sqs", "bridged"), by)})
	role := x.role("bridged", "lambda.amazonaws.com", basicExecution)
	x.function("bridged", lambdatypes.RuntimeNodejs22x, "", func(in *lambda.CreateFunctionInput) {
		in.Role, in.Code = &role, &lambdatypes.FunctionCode{ZipFile: zipped("index.js", `exports.handler = async (e) => { console.log("event", JSON.stringify(e)); }`)}
	})
	must(x.lambda.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: aws.String("bridged"), StatementId: aws.String("rule"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("events.amazonaws.com"), SourceArn: rule}))(t)
	out := must(events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("objects"), Targets: []eventtypes.Target{
		{Id: aws.String("queue"), Arn: queue}, {Id: aws.String("function"), Arn: aws.String(x.arn("lambda", "function:bridged"))}}}))(t)
	if out.FailedEntryCount != 0 {
		t.Fatal(out.FailedEntries)
	}
	x.put("in/too-early", "1", "text/plain") // the bucket tells nobody yet
	must(x.s3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: x.bucket,
		NotificationConfiguration: &types.NotificationConfiguration{EventBridgeConfiguration: &types.EventBridgeConfiguration{}}}))(t)
	x.put("out/a", "1", "text/plain") // nor does the rule want this
	x.put("in/a b+ü", "12", "text/plain")
	must(x.s3.CopyObject(ctx, &s3.CopyObjectInput{Bucket: x.bucket, Key: aws.String("in/copy"), CopySource: aws.String(*x.bucket + "/out/a")}))(t)
	must(x.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: x.bucket, Key: aws.String("in/a b+ü")}))(t)
	want := []string{"Object Created in/a b+ü PutObject  2", "Object Created in/copy CopyObject  1", "Object Deleted in/a b+ü DeleteObject Permanently Deleted 0"}
	check := func(where, text string, got *[]string) {
		t.Helper()
		var e bridged
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err, text)
		}
		if e.Source != "aws.s3" || e.Account != x.account || e.Region != region || e.Detail.Bucket.Name != *x.bucket || !slices.Equal(e.Resources, []string{"arn:aws:s3:::" + *x.bucket}) {
			t.Errorf("%s: %s", where, text)
		}
		if s := e.String(); !slices.Contains(*got, s) { // one may come twice
			*got = append(*got, s)
			slices.Sort(*got)
		}
	}
	var got []string
	comes(t, "what the queue is to hear", func() bool {
		for _, m := range must(queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10}))(t).Messages {
			check("the queue", *m.Body, &got)
		}
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		t.Errorf("the queue heard\n%s", strings.Join(got, "\n"))
	}
	comes(t, "what the function is to hear", func() bool {
		got = nil
		for _, line := range x.lines("bridged", "event") {
			check("the function", line, &got)
		}
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		t.Errorf("the function heard\n%s", strings.Join(got, "\n"))
	}
}
