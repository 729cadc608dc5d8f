package s3

import (
	"context"
	"fmt"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Who wants to hear of what happens in a bucket: queues, topics, functions and
// EventBridge.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
const notificationSetting = "notification" // api.NotificationConfiguration

func (s *Service) notificationRoutes() []aws.Route {
	k := kind[api.NotificationConfiguration]{s, notificationSetting, nil}
	return []aws.Route{
		read(&api.GetBucketNotificationConfiguration, k, "s3:GetBucketNotification",
			func(in *api.GetBucketNotificationConfigurationRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			}, func(c *api.NotificationConfiguration) *api.NotificationConfiguration { return c }),
		api.PutBucketNotificationConfiguration.To(s.putNotification,
			onBucket(s, func(in *api.PutBucketNotificationConfigurationRequest) *string { return in.Bucket }, "s3:PutBucketNotification")),
	}
}

// A subscription is one configuration, of whichever kind of destination.
type subscription struct {
	id      **string
	arn     string
	service string // "sqs"
	element string // what the API calls it
	events  []string
	filter  *api.NotificationConfigurationFilter
}

// subscriptions are all that c has, but for EventBridge.
func subscriptions(c *api.NotificationConfiguration) (out []subscription) {
	for i := range c.TopicConfigurations {
		t := &c.TopicConfigurations[i]
		out = append(out, subscription{&t.Id, *t.TopicArn, "sns", "Topic", t.Events, t.Filter})
	}
	for i := range c.QueueConfigurations {
		q := &c.QueueConfigurations[i]
		out = append(out, subscription{&q.Id, *q.QueueArn, "sqs", "Queue", q.Events, q.Filter})
	}
	for i := range c.LambdaFunctionConfigurations {
		f := &c.LambdaFunctionConfigurations[i]
		out = append(out, subscription{&f.Id, *f.LambdaFunctionArn, "lambda", "CloudFunction", f.Events, f.Filter})
	}
	return out
}

// rules are the prefix and the suffix that keys must have.
func (x *subscription) rules() (prefix, suffix string) {
	if x.filter == nil || x.filter.Key == nil {
		return "", ""
	}
	for _, r := range x.filter.Key.FilterRules {
		if strings.EqualFold(aws.Value(r.Name), "prefix") {
			prefix = aws.Value(r.Value)
		} else {
			suffix = aws.Value(r.Value)
		}
	}
	return prefix, suffix
}

// wants reports whether a destination wants to hear of what happened to a key.
func (x *subscription) wants(event, key string) bool {
	prefix, suffix := x.rules()
	if !strings.HasPrefix(key, prefix) || !strings.HasSuffix(key, suffix) {
		return false
	}
	for _, e := range x.events {
		if covered(e, "s3:"+event) {
			return true
		}
	}
	return false
}

// covered reports whether the kind of events wanted has the event in it.
func covered(wanted, event string) bool {
	head, all := strings.CutSuffix(wanted, "*")
	return wanted == event || all && strings.HasPrefix(event, head)
}

// checkNotification holds a configuration against AWS's rules and completes it.
func checkNotification(ctx context.Context, b *bucket, c *api.NotificationConfiguration) error {
	list := subscriptions(c)
	ids := map[string]bool{}
	for i := range list {
		x := &list[i]
		if *x.id == nil || **x.id == "" {
			id := newSubscriptionID(ctx, i)
			*x.id = &id
		}
		if ids[**x.id] {
			return errArgument("Same ID used for multiple configurations. IDs must be unique", "ID", **x.id)
		}
		ids[**x.id] = true
		a, ok := aws.ParseARN(x.arn)
		if !ok || a.Service != x.service {
			return errArgument("The ARN could not be parsed", x.element, x.arn)
		}
		if a.Region != b.Region {
			return errArgument("The notification destination service region is not valid for the bucket location constraint", x.element, x.arn)
		}
		if strings.HasSuffix(x.arn, ".fifo") {
			return errArgument("FIFO SQS queues and SNS topics are not supported destinations for S3 notifications", x.element, x.arn)
		}
		if len(x.events) == 0 {
			return errMalformed()
		}
		if err := checkFilter(x.filter); err != nil {
			return err
		}
	}
	for i := range list {
		for j := range i {
			if overlap(&list[i], &list[j]) {
				return errArgument("Configurations overlap. Configurations on the same bucket cannot share a common event type.", list[i].element, list[i].arn)
			}
		}
	}
	return nil
}

// newSubscriptionID is the id of a configuration or rule that came without one.
func newSubscriptionID(ctx context.Context, i int) string {
	return fmt.Sprintf("%s-%d", aws.RequestOf(ctx).ID, i+1)
}

func checkFilter(f *api.NotificationConfigurationFilter) error {
	if f == nil || f.Key == nil {
		return nil
	}
	seen := map[string]bool{}
	for i := range f.Key.FilterRules {
		r := &f.Key.FilterRules[i]
		name := strings.ToLower(aws.Value(r.Name))
		if r.Name == nil || r.Value == nil {
			return errMalformed()
		}
		if name != "prefix" && name != "suffix" {
			return errArgument("filter rule name must be either prefix or suffix", "FilterRule.Name", *r.Name)
		}
		if seen[name] {
			return errArgument("Cannot specify more than one "+name+" rule in a filter.", "FilterRule.Name", name)
		}
		if len(*r.Value) > 1024 {
			return errArgument("The filter value is too long.", "FilterRule.Value", *r.Value)
		}
		seen[name] = true
		shownName := strings.ToUpper(name[:1]) + name[1:]
		r.Name = &shownName
	}
	return nil
}

// overlap reports whether an event of some key could go to both.
func overlap(a, b *subscription) bool {
	share := false
	for _, e := range a.events {
		for _, f := range b.events {
			share = share || covered(e, f) || covered(f, e)
		}
	}
	p, x := a.rules()
	q, y := b.rules()
	return share && (strings.HasPrefix(p, q) || strings.HasPrefix(q, p)) && (strings.HasSuffix(x, y) || strings.HasSuffix(y, x))
}

func (s *Service) putNotification(ctx context.Context, in *api.PutBucketNotificationConfigurationRequest) (*aws.Empty, error) {
	var b *bucket
	err := s.onBucketRead(ctx, in.Bucket, in.ExpectedBucketOwner, func(_ store.Reader, found *bucket) error {
		b = found
		return nil
	})
	if err != nil {
		return nil, err
	}
	c := in.NotificationConfiguration
	if err := checkNotification(ctx, b, c); err != nil {
		return nil, err
	}
	if !aws.Value(in.SkipDestinationValidation) {
		if err := s.tryDestinations(ctx, b, subscriptions(c)); err != nil {
			return nil, err
		}
	}
	return nil, s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		if c.EventBridgeConfiguration == nil && len(subscriptions(c)) == 0 {
			return dropSetting(tx, b, notificationSetting, "")
		}
		return putSetting(tx, b, notificationSetting, "", c)
	})
}
