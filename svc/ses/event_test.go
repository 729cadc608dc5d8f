package ses

import (
	"context"
	"encoding/json"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	eventsapi "github.com/tule-cloud/tule/api/events"
	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// An ear is a double of what hears of events: a bus, a delivery stream and a meter.
type ear struct {
	heard    chan string
	mu       sync.Mutex
	refusals int // of the bus, before it takes anything
}

func (e *ear) Measure(m aws.Measurement) {
	e.heard <- m.Namespace + " " + m.Name + " " + strings.Join(m.Dimensions, "=")
}

func (e *ear) routes() []aws.Route {
	return []aws.Route{
		eventsapi.PutEvents.To(func(ctx context.Context, in *eventsapi.PutEventsRequest) (*eventsapi.PutEventsResponse, error) {
			e.mu.Lock()
			defer e.mu.Unlock()
			if e.refusals > 0 {
				e.refusals--
				return nil, aws.InternalFailure(context.DeadlineExceeded)
			}
			x := in.Entries[0]
			var d struct {
				EventType string
				Mail      struct{ Tags map[string][]string }
				Bounce    struct{ BounceSubType string }
			}
			if err := json.Unmarshal([]byte(*x.Detail), &d); err != nil {
				return nil, err
			}
			e.heard <- *x.Source + " " + *x.DetailType + " " + d.EventType + " " + d.Bounce.BounceSubType + " " + d.Mail.Tags["ses:configuration-set"][0] + " " + x.Resources[0] + " as " + aws.RequestOf(ctx).Caller.ARN
			return &eventsapi.PutEventsResponse{}, nil
		}, aws.Nothing),
		stsapi.AssumeRole.To(func(_ context.Context, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
			return &stsapi.AssumeRoleResponse{AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: new("AROA:ses"), Arn: in.RoleArn}}, nil
		}, aws.Nothing),
		firehoseapi.PutRecord.To(func(ctx context.Context, in *firehoseapi.PutRecordInput) (*firehoseapi.PutRecordOutput, error) {
			var d struct{ EventType string }
			if err := json.Unmarshal(in.Record.Data, &d); err != nil {
				return nil, err
			}
			e.heard <- *in.DeliveryStreamName + " " + d.EventType + " as " + aws.RequestOf(ctx).Caller.Role
			return &firehoseapi.PutRecordOutput{}, nil
		}, aws.Nothing),
	}
}

func (e *ear) next(t *testing.T) string {
	t.Helper()
	select {
	case s := <-e.heard:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("nobody heard")
		return ""
	}
}

// TestEventDestinations has the events of a set come to a bus, to a delivery stream and
// into metrics; a bus that fails hears of them later.
func TestEventDestinations(t *testing.T) {
	r := newRig(t, nil)
	e := &ear{heard: make(chan string, 100), refusals: 1}
	r.Add(e.routes())
	r.s.Meter = e
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.s.createSet2(r.ctx, &apiv2.CreateConfigurationSetRequest{ConfigurationSetName: new("all")})
	try(err)
	_, err = r.s.putIdentitySet2(r.ctx, &apiv2.PutEmailIdentityConfigurationSetAttributesRequest{EmailIdentity: new("me@example.com"), ConfigurationSetName: new("all")})
	try(err)
	put := func(name string, d apiv2.EventDestinationDefinition) {
		t.Helper()
		d.Enabled = new(true)
		_, err := r.s.createDestination2(r.ctx, &apiv2.CreateConfigurationSetEventDestinationRequest{ConfigurationSetName: new("all"), EventDestinationName: &name, EventDestination: &d})
		try(err)
	}
	put("bus", apiv2.EventDestinationDefinition{MatchingEventTypes: []string{"BOUNCE"}, EventBridgeDestination: &apiv2.EventBridgeDestination{EventBusArn: new("arn:aws:events:us-east-1:000000000000:event-bus/default")}})
	put("stream", apiv2.EventDestinationDefinition{MatchingEventTypes: []string{"SEND"}, KinesisFirehoseDestination: &apiv2.KinesisFirehoseDestination{
		DeliveryStreamArn: new("arn:aws:firehose:us-east-1:000000000000:deliverystream/d"), IamRoleArn: new("arn:aws:iam::000000000000:role/r")}})
	put("numbers", apiv2.EventDestinationDefinition{MatchingEventTypes: []string{"SEND", "BOUNCE"}, CloudWatchDestination: &apiv2.CloudWatchDestination{DimensionConfigurations: []apiv2.CloudWatchDimensionConfiguration{
		{DimensionName: new("campaign"), DimensionValueSource: new("MESSAGE_TAG"), DefaultDimensionValue: new("none")},
		{DimensionName: new("to"), DimensionValueSource: new("EMAIL_HEADER"), DefaultDimensionValue: new("nobody")},
		{DimensionName: new("link"), DimensionValueSource: new("LINK_TAG"), DefaultDimensionValue: new("any")}}}})
	_, err = r.s.sendEmail2(r.ctx, &apiv2.SendEmailRequest{FromEmailAddress: new("me@example.com"), Destination: &apiv2.Destination{ToAddresses: []string{"bounce@simulator.amazonses.com"}},
		EmailTags: []apiv2.MessageTag{{Name: new("campaign"), Value: new("spring")}},
		Content:   &apiv2.EmailContent{Simple: &apiv2.Message{Subject: &apiv2.Content{Data: new("s")}, Body: &apiv2.Body{Text: &apiv2.Content{Data: new("t")}}}}})
	try(err)
	got := []string{e.next(t), e.next(t), e.next(t)}
	r.advance(noticePause)
	got = append(got, e.next(t))
	slices.Sort(got)
	const dimensions = " campaign=spring=to=bounce@simulator.amazonses.com=link=any"
	want := []string{"AWS/SES Bounce" + dimensions, "AWS/SES Send" + dimensions,
		"aws.ses Email Bounced Bounce General all arn:aws:ses:us-east-1:000000000000:configuration-set/all as " + principal,
		"d Send as arn:aws:iam::000000000000:role/r"}
	if !slices.Equal(got, want) {
		t.Errorf("heard\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestSuppression has an address that a relay refuses for good be on the list, where mail
// to it goes no further until it is taken off.
func TestSuppression(t *testing.T) {
	d := &relayDouble{err: nil}
	r := newRig(t, d)
	d.set(false, &textproto.Error{Code: 550, Msg: "no"})
	sub := func() string {
		t.Helper()
		b, _ := r.notified()["bounce"].(map[string]any)
		s, _ := b["bounceSubType"].(string)
		return s
	}
	r.send("no@Example.ORG")
	if got := sub(); got != "General" {
		t.Fatalf("the first bounce is %q", got)
	}
	d.set(false, nil)
	r.send("no@example.org", "yes@example.org")
	kinds := []string{sub(), sub()}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{"", "OnAccountSuppressionList"}) || !slices.Equal(d.taken, []string{"yes@example.org"}) {
		t.Errorf("then %q, and the relay took %v", kinds, d.taken)
	}
	on, err := r.s.getSuppressed(r.ctx, &apiv2.GetSuppressedDestinationRequest{EmailAddress: new("no@example.org")})
	if err != nil || *on.SuppressedDestination.Reason != "BOUNCE" || on.SuppressedDestination.Attributes.MessageId == nil {
		t.Errorf("%+v, %v", on, err)
	}
	if _, err := r.s.putAccountSuppression(r.ctx, &apiv2.PutAccountSuppressionAttributesRequest{}); err != nil {
		t.Fatal(err)
	}
	r.send("no@example.org")
	if got := sub(); got != "" || len(d.taken) != 2 {
		t.Errorf("without reasons %q, and the relay took %v", got, d.taken)
	}
}

// TestIdentityMadeOnce has one of many who make the same identity at once succeed.
func TestIdentityMadeOnce(t *testing.T) {
	r := newRig(t, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := map[string]int{}
	for range 8 {
		wg.Go(func() {
			_, err := r.s.createIdentity2(r.ctx, &apiv2.CreateEmailIdentityRequest{EmailIdentity: new("you@example.com")})
			mu.Lock()
			defer mu.Unlock()
			made[aws.CodeOf(err)]++
		})
	}
	wg.Wait()
	if made[""] != 1 || made["AlreadyExistsException"] != 7 {
		t.Errorf("%v", made)
	}
}
