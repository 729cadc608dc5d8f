package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// settle waits until nothing is under way on a stack, and is its status.
func settle(t *testing.T, cf *cloudformation.Client, stack string) string {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out, err := cf.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &stack})
		if err != nil {
			t.Fatal(err)
		}
		if status := string(out.Stacks[0].StackStatus); !strings.HasSuffix(status, "_IN_PROGRESS") {
			return status
		}
	}
	t.Fatalf("%s does not come to rest", stack)
	return ""
}

func settled(t *testing.T, cf *cloudformation.Client, stack, want string) {
	t.Helper()
	if got := settle(t, cf, stack); got != want {
		t.Fatalf("%s is %s, not %s", stack, got, want)
	}
}

// queuesOf is a template of n queues, the first of which waits for delay seconds.
func queuesOf(n, delay int) *string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Q0", "QueueName"]}, "Export": {"Name": "queue"}}}, "Resources": {"Q0": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": %d}}`, delay)
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, `, "Q%d": {"Type": "AWS::SQS::Queue", "DependsOn": "Q%d"}`, i, i-1)
	}
	b.WriteString("}}")
	return aws.String(b.String())
}

// What becomes of stacks: changes, those that are given up, and those that cannot be
// taken back.
func TestStacks(t *testing.T) {
	c := newCloud(t)
	cf, queues, ctx := cloudformation.NewFromConfig(c.config), sqs.NewFromConfig(c.config), t.Context()
	name := aws.String("shop")
	if _, err := cf.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: queuesOf(1, 1)}); err != nil {
		t.Fatal(err)
	}
	settled(t, cf, *name, "CREATE_COMPLETE")

	for try := 0; ; try++ {
		if _, err := cf.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, TemplateBody: queuesOf(200, 2)}); err != nil {
			t.Fatal(err)
		}
		if _, err := cf.CancelUpdateStack(ctx, &cloudformation.CancelUpdateStackInput{StackName: name}); err == nil {
			break
		} else if try == 5 {
			t.Fatal(err)
		}
		settle(t, cf, *name)
		if _, err := cf.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, TemplateBody: queuesOf(1, 1)}); err != nil {
			t.Fatal(err)
		}
		settle(t, cf, *name)
	}
	settled(t, cf, *name, "UPDATE_ROLLBACK_COMPLETE")
	if list, err := queues.ListQueues(ctx, &sqs.ListQueuesInput{}); err != nil || len(list.QueueUrls) != 1 {
		t.Fatalf("the update that was given up leaves %d queues, %v", len(list.QueueUrls), err)
	}

	if _, err := cf.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{StackName: aws.String("reader"), ChangeSetName: aws.String("first"), ChangeSetType: "CREATE",
		TemplateBody: aws.String(`{"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::ImportValue": "queue"}}}}}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := cf.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: aws.String("reader"), ChangeSetName: aws.String("first")}); err != nil {
		t.Fatal(err)
	}
	settled(t, cf, "reader", "CREATE_COMPLETE")
	if out, err := cf.ListImports(ctx, &cloudformation.ListImportsInput{ExportName: aws.String("queue")}); err != nil || len(out.Imports) != 1 {
		t.Errorf("the queue's name is imported by %+v, %v", out, err)
	}

	made, err := cf.DescribeStackResource(ctx, &cloudformation.DescribeStackResourceInput{StackName: name, LogicalResourceId: aws.String("Q0")})
	if err != nil {
		t.Fatal(err)
	}
	// Somebody else takes the queue away: it can neither be changed nor changed back.
	if _, err := queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: made.StackResourceDetail.PhysicalResourceId}); err != nil {
		t.Fatal(err)
	}
	if _, err := cf.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: name, TemplateBody: queuesOf(1, 3)}); err != nil {
		t.Fatal(err)
	}
	settled(t, cf, *name, "UPDATE_ROLLBACK_FAILED")
	if _, err := cf.ContinueUpdateRollback(ctx, &cloudformation.ContinueUpdateRollbackInput{StackName: name, ResourcesToSkip: []string{"Q0"}}); err != nil {
		t.Fatal(err)
	}
	settled(t, cf, *name, "UPDATE_ROLLBACK_COMPLETE")
}
