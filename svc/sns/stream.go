package sns

import (
	"context"
	"strings"

	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// sendStream puts a message into a delivery stream of Firehose, a line each, under the
// subscription's role.
// https://docs.aws.amazon.com/sns/latest/dg/sns-firehose-as-subscriber.html
func (s *Service) sendStream(ctx context.Context, sub *subscriber, m *message) outcome {
	a, _ := aws.ParseARN(sub.Endpoint)
	name, ok := strings.CutPrefix(a.Resource, "deliverystream/")
	if !ok {
		return outcome{err: errText("not the ARN of a delivery stream"), permanent: true}
	}
	ctx, err := s.assume(s.acting(ctx, sub.at, a.Region, m.Trace), sub.Attributes["SubscriptionRoleArn"], "sns-firehose")
	if err != nil {
		return came(err, 0, "")
	}
	line := sub.line(m)
	_, err = firehoseapi.PutRecord.Do(ctx, s.Peers, &firehoseapi.PutRecordInput{DeliveryStreamName: &name, Record: &firehoseapi.Record{Data: line}})
	return came(err, 200, "")
}

// assume is a context in which SNS acts under a role that was handed to it.
func (s *Service) assume(ctx context.Context, role, session string) (context.Context, error) {
	got, err := stsapi.AssumeRole.Do(ctx, s.Peers, &stsapi.AssumeRoleRequest{RoleArn: &role, RoleSessionName: &session})
	if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(aws.Value(got.AssumedRoleUser.AssumedRoleId), ":")
	return aws.WithRequest(ctx, aws.RequestOf(ctx).As(aws.RoleSession(role, id, session))), nil
}

// line is a message as streams get it: unsigned, and on a line of its own.
// https://docs.aws.amazon.com/sns/latest/dg/firehose-archived-message-format-S3.html
func (sub *subscriber) line(m *message) []byte {
	body := m.body(sub.Protocol)
	if sub.raw(m) {
		return append([]byte(body), '\n')
	}
	b := append(make([]byte, 0, 600+len(body)+len(body)/8), '{')
	add := func(k, v string) { b = append(appendJSON(append(appendJSON(b, k), ':'), v), ',') }
	add("Type", m.Type)
	add("MessageId", m.ID)
	add("TopicArn", sub.at.arn())
	if m.Subject != "" {
		add("Subject", m.Subject)
	}
	add("Message", body)
	add("Timestamp", stamp(m.Time))
	add("UnsubscribeURL", sub.unsubscribeURL())
	b = append(b[:len(b)-1], m.attributesJSON(`,"MessageAttributes":`)...)
	return append(b, '}', '\n')
}

// attributesJSON is the attributes as an object behind a head; nothing if there are none.
func (m *message) attributesJSON(head string) []byte {
	if len(m.Attributes) == 0 {
		return nil
	}
	b := append([]byte(head), '{')
	for i := range m.Attributes {
		a := &m.Attributes[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSON(b, a.Name), `:{"Type":`...)
		b = append(appendJSON(b, a.Type), `,"Value":`...)
		b = append(appendJSON(b, a.shownValue()), '}')
	}
	return append(b, '}')
}
