package lambda

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
)

// queueSource is an SQS queue. Its calls are made as the function's role, whose session
// ctx carries.
type queueSource struct {
	s   *Service
	arn string
}

// fifo is the end of the names, and so ARNs, of FIFO queues and topics.
const fifo = ".fifo"

// The codes of a queue that is not there.
const (
	codeNoQueue      = "QueueDoesNotExist"
	codeNoQueueQuery = "AWS.SimpleQueueService.NonExistentQueue"
)

// isQueue reports whether an ARN is that of a queue.
func isQueue(arn string) bool {
	a, ok := aws.ParseARN(arn)
	return ok && a.Service == "sqs" && a.Resource != "" && !strings.ContainsAny(a.Resource, ":/")
}

// queueURL is the address of a queue, in AWS's form.
func queueURL(arn string) *string {
	a, _ := aws.ParseARN(arn)
	return ptr("https://sqs." + a.Region + ".amazonaws.com/" + a.Account + "/" + a.Resource)
}

// A queued message is one that was received.
type queued struct {
	id, handle string
	at         time.Time
	body       string
	event      json.RawMessage // as the function gets it
}

// messageEvent is a message as functions get it.
type messageEvent struct {
	MessageID      string                      `json:"messageId"`
	ReceiptHandle  string                      `json:"receiptHandle"`
	Body           string                      `json:"body"`
	Attributes     map[string]string           `json:"attributes"`
	Custom         map[string]messageAttribute `json:"messageAttributes"`
	MD5OfCustom    string                      `json:"md5OfMessageAttributes,omitempty"`
	MD5OfBody      string                      `json:"md5OfBody"`
	EventSource    string                      `json:"eventSource"`
	EventSourceARN string                      `json:"eventSourceARN"`
	AwsRegion      string                      `json:"awsRegion"`
}

type messageAttribute struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      []byte   `json:"binaryValue,omitempty"`
	StringListValues []string `json:"stringListValues"`
	BinaryListValues [][]byte `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

// passes reports whether filters want a message. Its body is filtered as what it is: JSON,
// or a text.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html
func (m *queued) passes(f filters) bool {
	if len(f) == 0 {
		return true
	}
	v, err := decodeExact(m.event)
	whole, ok := v.(map[string]any)
	if err != nil || !ok {
		return false
	}
	switch body, err := decodeExact([]byte(m.body)); body.(type) {
	case map[string]any, []any:
		if err == nil {
			whole["body"] = body
		}
	}
	return f.want(whole)
}

func (q *queueSource) receive(ctx context.Context, limit int, wait int32) ([]queued, error) {
	all := []string{"All"}
	out, err := sqsapi.ReceiveMessage.Do(ctx, q.s.Peers, &sqsapi.ReceiveMessageRequest{QueueUrl: queueURL(q.arn), MaxNumberOfMessages: ptr(int32(limit)),
		WaitTimeSeconds: &wait, MessageSystemAttributeNames: all, MessageAttributeNames: all})
	if err != nil {
		return nil, err
	}
	now := q.s.Clock.Now()
	a, _ := aws.ParseARN(q.arn)
	got := make([]queued, 0, len(out.Messages))
	for i := range out.Messages {
		m := &out.Messages[i]
		e := messageEvent{MessageID: aws.Value(m.MessageId), ReceiptHandle: aws.Value(m.ReceiptHandle), Body: aws.Value(m.Body), Attributes: m.Attributes,
			Custom: map[string]messageAttribute{}, MD5OfCustom: aws.Value(m.MD5OfMessageAttributes), MD5OfBody: aws.Value(m.MD5OfBody),
			EventSource: "aws:sqs", EventSourceARN: q.arn, AwsRegion: a.Region}
		if e.Attributes == nil {
			e.Attributes = map[string]string{}
		}
		for name, v := range m.MessageAttributes {
			e.Custom[name] = messageAttribute{StringValue: v.StringValue, BinaryValue: v.BinaryValue, StringListValues: []string{}, BinaryListValues: [][]byte{}, DataType: aws.Value(v.DataType)}
		}
		event, err := marshalEvent(e)
		if err != nil {
			return nil, err
		}
		got = append(got, queued{id: e.MessageID, handle: e.ReceiptHandle, at: now, body: e.Body, event: event})
	}
	return got, nil
}

// remove deletes up to ten messages. One whose receipt is no longer good is somebody
// else's by now.
func (q *queueSource) remove(ctx context.Context, batch []queued) error {
	in := &sqsapi.DeleteMessageBatchRequest{QueueUrl: queueURL(q.arn)}
	for i, m := range batch {
		in.Entries = append(in.Entries, sqsapi.DeleteMessageBatchRequestEntry{Id: ptr(strconv.Itoa(i)), ReceiptHandle: &m.handle})
	}
	out, err := sqsapi.DeleteMessageBatch.Do(ctx, q.s.Peers, in)
	if err != nil {
		return err
	}
	for _, f := range out.Failed {
		if !aws.Value(f.SenderFault) {
			return aws.Unavailable("%s: %s", aws.Value(f.Code), aws.Value(f.Message))
		}
	}
	return nil
}

// release makes up to ten messages visible again.
func (q *queueSource) release(ctx context.Context, batch []queued) error {
	in := &sqsapi.ChangeMessageVisibilityBatchRequest{QueueUrl: queueURL(q.arn)}
	for i, m := range batch {
		in.Entries = append(in.Entries, sqsapi.ChangeMessageVisibilityBatchRequestEntry{Id: ptr(strconv.Itoa(i)), ReceiptHandle: &m.handle, VisibilityTimeout: ptr(int32(0))})
	}
	_, err := sqsapi.ChangeMessageVisibilityBatch.Do(ctx, q.s.Peers, in)
	return err
}

// visibility is the queue's visibility timeout.
func (q *queueSource) visibility(ctx context.Context) (time.Duration, error) {
	name := sqsapi.QueueAttributeNameVisibilityTimeout
	out, err := sqsapi.GetQueueAttributes.Do(ctx, q.s.Peers, &sqsapi.GetQueueAttributesRequest{QueueUrl: queueURL(q.arn), AttributeNames: []string{name}})
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(out.Attributes[name], 10, 32)
	return seconds(int32(n)), err
}

// probe refuses, in AWS's words, a queue that is not there, that the role may not read, or
// whose messages would come back while a function still has them.
func (q *queueSource) probe(ctx context.Context, timeout int32) error {
	// To receive eleven messages at once is never done, but asked for as any other call.
	_, err := sqsapi.ReceiveMessage.Do(ctx, q.s.Peers, &sqsapi.ReceiveMessageRequest{QueueUrl: queueURL(q.arn), MaxNumberOfMessages: ptr(int32(receiveMost + 1))})
	if err := q.judge("ReceiveMessage", err); err != nil {
		return err
	}
	_, err = sqsapi.DeleteMessage.Do(ctx, q.s.Peers, &sqsapi.DeleteMessageRequest{QueueUrl: queueURL(q.arn), ReceiptHandle: ptr("none")})
	if err := q.judge("DeleteMessage", err); err != nil {
		return err
	}
	visible, err := q.visibility(ctx)
	if refused := q.judge("GetQueueAttributes", err); err != nil {
		return cmp.Or(refused, err)
	}
	if visible < seconds(timeout) {
		return invalid("Queue visibility timeout: %d seconds is less than Function timeout: %d seconds", int(visible/time.Second), timeout)
	}
	return nil
}

// judge reads the answer to a call that was made to see whether the role may make it.
func (q *queueSource) judge(call string, err error) error {
	var e *aws.Error
	switch code := aws.CodeOf(err); {
	case err == nil:
		return nil
	case denied(err):
		return invalid("The function execution role does not have permissions to call %s on SQS", call).Because(err)
	case code == codeNoQueue || code == codeNoQueueQuery:
		return invalid("Error occurred while %s. SQS Error Code: %s. SQS Error Message: The specified queue does not exist.", call, codeNoQueueQuery).Because(err)
	case errors.As(err, &e) && !e.Server():
		return nil
	}
	return err
}
