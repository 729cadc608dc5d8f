package sns

import (
	"context"
	"fmt"
	"testing"
	"time"

	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	api "github.com/tule-cloud/tule/api/sns"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

const streamRole = "arn:aws:iam::000000000000:role/stream"

// streams are a double of Firehose, and of STS for one role.
type streams struct{ lines chan string }

func (d *streams) routes() []aws.Route {
	return []aws.Route{
		stsapi.AssumeRole.To(func(ctx context.Context, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
			if c := aws.RequestOf(ctx).Caller; *in.RoleArn != streamRole || c.ARN != principal {
				return nil, aws.Errorf(403, "AccessDenied", "%s may not assume %s", c.ARN, *in.RoleArn)
			}
			return &stsapi.AssumeRoleResponse{AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: new("AROA:sns-firehose")}}, nil
		}, aws.Nothing),
		firehoseapi.PutRecord.To(func(ctx context.Context, in *firehoseapi.PutRecordInput) (*firehoseapi.PutRecordOutput, error) {
			if c := aws.RequestOf(ctx).Caller; c.Kind == aws.ServiceSelf || *in.DeliveryStreamName != "archive" {
				return nil, firehoseapi.ResourceNotFoundException("%s of %s", *in.DeliveryStreamName, c.ARN)
			}
			d.lines <- string(in.Record.Data)
			return &firehoseapi.PutRecordOutput{RecordId: new("1")}, nil
		}, aws.Nothing),
	}
}

// TestStreams: a delivery stream gets a line a message, raw or not, under the role of its
// subscription; what a stream refuses goes to the dead-letter queue.
func TestStreams(t *testing.T) {
	d := &streams{make(chan string, 10)}
	r := newRig(t, d.routes())
	r.run()
	stream := func(name string) string { return "arn:aws:firehose:us-east-1:000000000000:deliverystream/" + name }
	line := func() string {
		t.Helper()
		select {
		case l := <-d.lines:
			return l
		case <-time.After(10 * time.Second):
			t.Fatal("nothing came to the stream")
			return ""
		}
	}
	topic := r.topic("t", nil)
	sub := r.subscribe(topic, "firehose", stream("archive"), map[string]string{"SubscriptionRoleArn": streamRole})
	id := r.publish(&api.PublishInput{TopicArn: &topic, Message: new("a\n\"b\""), Subject: new("S"), MessageAttributes: map[string]api.MessageAttributeValue{
		"n": {DataType: new("Number"), StringValue: new("1")}, "b": {DataType: new("Binary"), BinaryValue: []byte{2, 3, 4}}}})
	if got, want := line(), fmt.Sprintf(`{"Type":"Notification","MessageId":"%s","TopicArn":"%s","Subject":"S","Message":"a\n\"b\"","Timestamp":"2026-01-02T03:04:05.000Z",`+
		`"UnsubscribeURL":"http://localhost:4566/?Action=Unsubscribe&SubscriptionArn=%s","MessageAttributes":{"b":{"Type":"Binary","Value":"AgME"},"n":{"Type":"Number","Value":"1"}}}`+"\n", id, topic, sub); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if _, err := r.s.setSubscriptionAttributes(r.ctx, &api.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: new("RawMessageDelivery"), AttributeValue: new("true")}); err != nil {
		t.Fatal(err)
	}
	r.publish(&api.PublishInput{TopicArn: &topic, Message: new("plain")})
	if got := line(); got != "plain\n" {
		t.Errorf("raw: %q", got)
	}
	for name, role := range map[string]string{"gone": streamRole, "archive2": "arn:aws:iam::000000000000:role/stranger"} {
		refused := r.topic(name, nil)
		r.subscribe(refused, "firehose", stream(name), map[string]string{"SubscriptionRoleArn": role, "RedrivePolicy": `{"deadLetterTargetArn":"` + queueARN + `dead"}`})
		r.publish(&api.PublishInput{TopicArn: &refused, Message: new(name)})
		r.next() // from the dead-letter queue
	}
}
