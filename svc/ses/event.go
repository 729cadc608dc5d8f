package ses

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	eventsapi "github.com/tule-cloud/tule/api/events"
	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	api "github.com/tule-cloud/tule/api/ses"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What the event destinations of a configuration set hear of its messages.
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html

// detailTypes are what EventBridge calls the types of events.
var detailTypes = map[string]string{sendKind: "Email Sent", deliveryKind: "Email Delivered", bounceKind: "Email Bounced", complaintKind: "Email Complaint Received"}

// putEvents writes down what the destinations of a configuration set are to hear.
func (s *Service) putEvents(tx store.Tx, scope store.Scope, m *outgoing, set *configurationSet, r *result, name string, object map[string]any, now time.Time) error {
	for i := range set.Destinations {
		d := &set.Destinations[i]
		if !d.Enabled || !slices.Contains(d.Events, strings.ToLower(r.kind)) {
			continue
		}
		about := s.mailObject(m, scope, true)
		delete(about, "sourceIp")
		delete(about, "callerIdentity")
		about["tags"] = m.Mail.Tags
		text, err := json.Marshal(map[string]any{"eventType": r.kind, "mail": about, name: object})
		if err != nil {
			return err
		}
		n := notice{Topic: d.Topic, Bus: d.Bus, Stream: d.Stream, Kind: r.kind, Text: string(text), Set: set.Name, Identity: m.Mail.Identity, Made: now, Due: now}
		switch {
		case d.Topic != "":
			n.Subject = "Amazon SES Email Event Notification"
		case d.Cloud != nil:
			n.Dimensions = dimensions(d.Cloud, m)
		}
		if err := s.putNotice(tx, scope, n); err != nil {
			return err
		}
	}
	return nil
}

// dimensions are the names and values of those that a metric about a message has.
func dimensions(d *api.CloudWatchDestination, m *outgoing) []string {
	var out []string
	list, _ := headersOf(m.Raw)
	for _, c := range d.DimensionConfigurations {
		value := *c.DefaultDimensionValue
		switch *c.DimensionValueSource {
		case api.DimensionValueSourceMessageTag:
			if of := m.Mail.Tags[*c.DimensionName]; len(of) > 0 {
				value = of[0]
			}
		case api.DimensionValueSourceEmailHeader:
			for _, h := range list {
				if strings.EqualFold(h.Name, *c.DimensionName) {
					value = h.Value
				}
			}
		}
		out = append(out, *c.DimensionName, value)
	}
	return out
}

// publish tells an event to a destination that is no topic.
func (s *Service) publish(ctx context.Context, scope store.Scope, n *notice) error {
	as := func(region string) context.Context { return s.acting(ctx, scope, region, n.Identity) }
	switch {
	case n.Bus != "":
		bus, _ := aws.ParseARN(n.Bus)
		out, err := eventsapi.PutEvents.Do(as(bus.Region), s.Peers, &eventsapi.PutEventsRequest{Entries: []eventsapi.PutEventsRequestEntry{{Source: new("aws.ses"), DetailType: new(detailTypes[n.Kind]),
			Detail: &n.Text, Time: &n.Made, Resources: []string{aws.NewARN("ses", scope.Region, scope.Account, "configuration-set/"+n.Set).String()}}}})
		if err == nil && len(out.Entries) == 1 && out.Entries[0].ErrorCode != nil {
			err = aws.Errorf(400, *out.Entries[0].ErrorCode, "%s", aws.Value(out.Entries[0].ErrorMessage))
		}
		return err
	case n.Stream != nil:
		stream, _ := aws.ParseARN(*n.Stream.DeliveryStreamARN)
		ctx, err := s.assume(as(stream.Region), *n.Stream.IAMRoleARN)
		if err != nil {
			return err
		}
		_, err = firehoseapi.PutRecord.Do(ctx, s.Peers, &firehoseapi.PutRecordInput{DeliveryStreamName: new(strings.TrimPrefix(stream.Resource, "deliverystream/")),
			Record: &firehoseapi.Record{Data: []byte(n.Text + "\n")}})
		return err
	}
	s.Meter.Measure(aws.Measurement{Account: scope.Account, Region: scope.Region, Namespace: "AWS/SES", Name: n.Kind, Unit: "Count", Dimensions: n.Dimensions, Value: 1})
	return nil
}
