package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// queue makes a queue and gives its URL and ARN.
func (c *cloud) queue(client *sqs.Client, name string, attributes map[string]string) (url, arn *string) {
	c.Helper()
	url = must(client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes}))(c).QueueUrl
	return url, aws.String(c.arn("sqs", name))
}

// TestQueues calls every operation of SQS by aws-sdk-go-v2, which checks the sums of
// what it sends and receives.
func TestQueues(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	q := sqs.NewFromConfig(c.config)
	url, _ := c.queue(q, "jobs", map[string]string{"VisibilityTimeout": "20"})
	equal(t, "the URL", *must(q.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("jobs")}))(t).QueueUrl, *url)
	equal(t, "the queues", strings.Join(must(q.ListQueues(ctx, &sqs.ListQueuesInput{}))(t).QueueUrls, " "), *url)
	must(q.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"DelaySeconds": "0"}}))(t)
	must(q.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"a": "1", "b": "2"}}))(t)
	must(q.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: url, TagKeys: []string{"a"}}))(t)
	equal(t, "the tags", fmt.Sprint(must(q.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: url}))(t).Tags), "map[b:2]")

	must(q.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("<é & \"😀\">"), MessageAttributes: map[string]types.MessageAttributeValue{
		"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}}, "n": {DataType: aws.String("Number"), StringValue: aws.String("1")}}}))(t)
	m := must(q.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MessageAttributeNames: []string{"All"}, WaitTimeSeconds: 5}))(t).Messages[0]
	equal(t, "the message", *m.Body, "<é & \"😀\">")
	equal(t, "an attribute", string(m.MessageAttributes["b"].BinaryValue), "\x00\xff")
	must(q.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 30}))(t)
	must(q.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle}))(t)

	must(q.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("1"), MessageBody: aws.String("one")}, {Id: aws.String("2"), MessageBody: aws.String("two")}}}))(t)
	two := must(q.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10}))(t).Messages
	equal(t, "the messages", len(two), 2)
	hidden := must(q.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("1"), ReceiptHandle: two[0].ReceiptHandle, VisibilityTimeout: 60}, {Id: aws.String("2"), ReceiptHandle: aws.String("x"), VisibilityTimeout: 60}}}))(t)
	equal(t, "what could be hidden", len(hidden.Successful)+10*len(hidden.Failed), 11)
	must(q.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("1"), ReceiptHandle: two[0].ReceiptHandle}}}))(t)
	numbers := must(q.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"ApproximateNumberOfMessagesNotVisible"}}))(t)
	equal(t, "messages in flight", numbers.Attributes["ApproximateNumberOfMessagesNotVisible"], "1")
	must(q.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url}))(t)
	_, err := q.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url})
	fails[*types.PurgeQueueInProgress](t, err, "jobs")
	must(q.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: url}))(t)
	_, err = q.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("jobs")})
	fails[*types.QueueDoesNotExist](t, err, "The specified queue does not exist.")
}

// TestDeadLetters moves a message to the dead-letter queue and back.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	q := sqs.NewFromConfig(c.config)
	dead, deadARN := c.queue(q, "dead", nil)
	url, _ := c.queue(q, "jobs", map[string]string{"VisibilityTimeout": "0", "RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":2}`, *deadARN)})
	equal(t, "the sources", strings.Join(must(q.ListDeadLetterSourceQueues(ctx, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: dead}))(t).QueueUrls, " "), *url)
	must(q.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("poison")}))(t)
	for range 3 {
		must(q.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url}))(t)
	}
	got := must(q.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: dead, VisibilityTimeout: 1, WaitTimeSeconds: 10, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}}))(t)
	equal(t, "the dead letters", len(got.Messages), 1)
	equal(t, "its source", got.Messages[0].Attributes["DeadLetterQueueSourceArn"], c.arn("sqs", "jobs"))
	must(q.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: dead, ReceiptHandle: got.Messages[0].ReceiptHandle, VisibilityTimeout: 0}))(t)
	must(q.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: deadARN}))(t)
	back := must(q.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 10}))(t)
	equal(t, "what came back", len(back.Messages), 1)
	tasks := must(q.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: deadARN}))(t).Results
	equal(t, "the task", *tasks[0].Status, "COMPLETED")
	equal(t, "what it moved", tasks[0].ApproximateNumberOfMessagesMoved, 1)

	for range 30 {
		must(q.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: dead, MessageBody: aws.String("x")}))(t)
	}
	slow := must(q.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: deadARN, DestinationArn: aws.String(c.arn("sqs", "jobs")), MaxNumberOfMessagesPerSecond: aws.Int32(1)}))(t)
	must(q.CancelMessageMoveTask(ctx, &sqs.CancelMessageMoveTaskInput{TaskHandle: slow.TaskHandle}))(t)
}

// TestQueuePolicies lets another account, everybody, and nobody else, use a queue.
func TestQueuePolicies(t *testing.T) {
	t.Parallel()
	c, other, stranger := newCloud(t), newCloud(t), newCloud(t)
	q := sqs.NewFromConfig(c.config)
	url, _ := c.queue(q, "shared", nil)
	send := func(as *cloud) error {
		_, err := sqs.NewFromConfig(as.config).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
		return err
	}
	if err := send(other); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("another account sends: %v", err)
	}
	must(q.AddPermission(ctx, &sqs.AddPermissionInput{QueueUrl: url, Label: aws.String("other"), AWSAccountIds: []string{other.account}, Actions: []string{"SendMessage", "GetQueueUrl"}}))(t)
	if err := send(other); err != nil {
		t.Errorf("the account that may send: %v", err)
	}
	equal(t, "the URL", *must(sqs.NewFromConfig(other.config).GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("shared"), QueueOwnerAWSAccountId: &c.account}))(t).QueueUrl, *url)
	if err := send(stranger); err == nil {
		t.Error("a third account may send, too")
	}
	if _, err := sqs.NewFromConfig(other.config).DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: url}); err == nil {
		t.Error("another account deletes the queue")
	}
	must(q.RemovePermission(ctx, &sqs.RemovePermissionInput{QueueUrl: url, Label: aws.String("other")}))(t)
	if err := send(other); err == nil {
		t.Error("the account sends still")
	}
	// Everybody, unsigned, by the query protocol at the queue's own address, which says the
	// region that no signature says.
	unsigned := func() int {
		res, err := http.Get(house.URL() + "/queue/" + region + "/" + c.account + "/shared?Action=SendMessage&MessageBody=hello")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	equal(t, "unsigned, without a policy", unsigned(), 403)
	must(q.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"Policy": fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":%q}}`, c.arn("sqs", "shared"))}}))(t)
	equal(t, "unsigned, with one", unsigned(), 200)
	_, err := q.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"Policy": `{"Statement": 1}`}})
	fails[*types.InvalidAttributeValue](t, err, "Invalid value for the parameter Policy.")
}
