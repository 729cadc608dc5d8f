package sns

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/sns/filter"
)

// subscription is what is kept of one.
type subscription struct {
	ID            string
	Protocol      string
	Endpoint      string
	Owner         string // account
	Principal     string // ARN of who subscribed
	Pending       bool   `json:",omitempty"`
	Authenticated bool   `json:",omitempty"` // who confirmed it was known
	Guarded       bool   `json:",omitempty"` // who unsubscribes must be known
	Token         string `json:",omitempty"`
	// Base is where the subscriber reached this Tule, for the links in messages.
	Base       string
	Attributes map[string]string `json:",omitempty"`
}

// token is what a confirmation's token stands for.
type token struct{ Account, Region, Topic, ID string }

// tokenLife is how long a subscription can be confirmed.
const tokenLife = 72 * time.Hour

var (
	protocols = []string{"http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"}
	phone     = regexp.MustCompile(`^\+?[1-9][0-9]{7,14}$`)
)

func ownerScope(at topicRef, owner string) store.Scope {
	return store.Scope{Account: owner, Region: at.scope.Region}
}

func (s *Service) subscribe(ctx context.Context, in *api.SubscribeInput) (*api.SubscribeResponse, error) {
	at, err := parseRef(ctx, "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	sub, err := s.newSubscription(ctx, at, in)
	if err != nil {
		return nil, err
	}
	var result subscription
	var confirm *outgoing
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		result, confirm = *sub, nil
		t, err := getTopic(ctx, tx, at)
		if err != nil {
			return err
		}
		if err := sub.fits(&t, at); err != nil {
			return err
		}
		id, err := endpointIndex.Get(ctx, tx, at.scope, at.name, sub.Protocol, sub.Endpoint)
		if err == nil {
			if result, err = subscriptions.Get(ctx, tx, at.scope, at.name, string(id)); err != nil {
				return err
			}
			if err := sameSubscription(&result, sub); err != nil || !result.Pending {
				return err
			}
			result.Token, result.Base = sub.Token, sub.Base // the confirmation is sent again
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := s.putSubscription(tx, at, &result); err != nil {
			return err
		}
		if result.Pending {
			if confirm, err = s.putConfirmation(tx, at, &result, confirmation); err != nil {
				return err
			}
		}
		return changed(ctx, tx, at)
	})
	if err != nil {
		return nil, err
	}
	s.deliver(at, confirm)
	arn := at.arn() + ":" + result.ID
	if result.Pending && !aws.Value(in.ReturnSubscriptionArn) {
		arn = "pending confirmation"
	}
	return &api.SubscribeResponse{SubscriptionArn: &arn}, nil
}

// deliver lets a confirmation go out, if there is one.
func (s *Service) deliver(at topicRef, m *outgoing) {
	if m != nil {
		s.deliveries.add(flightKey{at, m.number, m.ID}, &m.message, m.fan.Targets)
	}
}

func (s *Service) putSubscription(tx store.Tx, at topicRef, sub *subscription) error {
	for _, err := range []error{
		subscriptions.Put(tx, at.scope, *sub, at.name, sub.ID),
		endpointIndex.Put(tx, at.scope, []byte(sub.ID), at.name, sub.Protocol, sub.Endpoint),
		ownerIndex.Put(tx, ownerScope(at, sub.Owner), nil, at.scope.Account, at.name, sub.ID),
	} {
		if err != nil {
			return err
		}
	}
	if sub.Token == "" {
		return nil
	}
	return tokens.PutExpiring(tx, store.Scope{}, token{at.scope.Account, at.scope.Region, at.name, sub.ID}, s.Clock.Now().Add(tokenLife), sub.Token)
}

// putConfirmation stores the message by which an endpoint's owner confirms a
// subscription, or takes back that it was ended.
func (s *Service) putConfirmation(tx store.Tx, at topicRef, sub *subscription, kind string) (*outgoing, error) {
	now := s.Clock.Now().Truncate(time.Millisecond)
	text := "You have chosen to subscribe to the topic " + at.arn() + ".\nTo confirm the subscription, visit the SubscribeURL included in this message."
	if kind == unsubscribedType {
		text = "You have chosen to deactivate subscription " + at.arn() + ":" + sub.ID + ".\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
	}
	m := &outgoing{message: message{ID: aws.RandomUUID(s.Random), Type: kind, Body: text, Time: now, Token: sub.Token, Base: sub.Base},
		number: now.UnixNano(), fan: fan{[]target{{Sub: sub.ID}}}}
	if err := messages.Put(tx, at.scope, m.message, at.name, m.number, m.ID); err != nil {
		return nil, err
	}
	return m, fans.Put(tx, at.scope, m.fan, at.name, m.number, m.ID)
}

func (s *Service) newSubscription(ctx context.Context, at topicRef, in *api.SubscribeInput) (*subscription, error) {
	req := aws.RequestOf(ctx)
	sub := &subscription{ID: aws.RandomUUID(s.Random), Protocol: *in.Protocol, Endpoint: aws.Value(in.Endpoint), Owner: req.Account(),
		Principal: cmp.Or(req.Caller.Role, req.Caller.ARN), Base: baseOf(req, at), Attributes: map[string]string{}}
	if err := sub.check(); err != nil {
		return nil, err
	}
	for k, v := range in.Attributes {
		v, err := checkSubscriptionAttribute(k, v)
		if err != nil {
			return nil, prefixed("Attributes Reason: ", err)
		}
		if v != "" {
			sub.Attributes[k] = v
		}
	}
	if err := sub.checkFilter(); err != nil {
		return nil, prefixed("Attributes Reason: ", err)
	}
	switch sub.Protocol {
	case "http", "https", "email", "email-json":
		sub.Pending = true
	case "sqs", "lambda":
		// Who subscribes what is another account's leaves it to that one to confirm.
		a, _ := aws.ParseARN(sub.Endpoint)
		sub.Pending = a.Account != sub.Owner
	}
	sub.Authenticated = !sub.Pending
	if sub.Pending {
		sub.Token = "2336412f37" + aws.RandomID(s.Random, aws.Hex, 278)
	}
	return sub, nil
}

// baseOf is where the links in messages lead: where the caller reached this Tule.
func baseOf(req *aws.Request, at topicRef) string {
	if req.Host == "" || req.Caller.Kind == aws.ServiceSelf {
		return "https://sns." + at.scope.Region + ".amazonaws.com"
	}
	return cmp.Or(req.Scheme, "https") + "://" + req.Host
}

// check holds an endpoint against the form that its protocol asks for.
func (sub *subscription) check() error {
	known := false
	for _, p := range protocols {
		known = known || p == sub.Protocol
	}
	if !known {
		return invalid("Amazon SNS does not support this protocol string: %s", sub.Protocol)
	}
	if sub.Endpoint == "" {
		return invalid("Endpoint Reason: Endpoint must be specified")
	}
	a, ok := aws.ParseARN(sub.Endpoint)
	switch sub.Protocol {
	case "http", "https":
		u, err := url.Parse(sub.Endpoint)
		if err != nil || u.Scheme != sub.Protocol {
			return invalid("Endpoint must match the specified protocol")
		}
		if u.Host == "" {
			return invalid("Endpoint Reason: Please provide a valid URL")
		}
	case "email", "email-json":
		if _, err := mail.ParseAddress(sub.Endpoint); err != nil {
			return invalid("Email address")
		}
	case "sms":
		if !phone.MatchString(sub.Endpoint) {
			return invalid2("Invalid SMS endpoint: %s", sub.Endpoint)
		}
	case "sqs":
		if !ok || a.Service != "sqs" {
			return invalid("SQS endpoint ARN")
		}
	case "lambda":
		if !ok || a.Service != "lambda" {
			return invalid("Lambda endpoint ARN")
		}
	case "firehose":
		if !ok || a.Service != "firehose" {
			return invalid("Firehose endpoint ARN")
		}
	case "application":
		if !ok || a.Service != "sns" || !strings.HasPrefix(a.Resource, "endpoint/") {
			return invalid("ApplicationEndpoint ARN")
		}
	}
	return nil
}

// invalid2 is an error of that code that has AWS's sentence alone.
func invalid2(format string, args ...any) *aws.Error {
	return api.InvalidParameterException(format, args...)
}

// fits holds a subscription against the type of its topic.
func (sub *subscription) fits(t *topic, at topicRef) error {
	queue := strings.HasSuffix(sub.Endpoint, ".fifo")
	switch {
	case !t.fifo() && sub.Protocol == "sqs" && queue:
		return invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
	case t.fifo() && sub.Protocol != "sqs":
		return invalid("Invalid parameter: Endpoint Reason: Please use FIFO SQS queue")
	case sub.Protocol == "firehose" && sub.Attributes["SubscriptionRoleArn"] == "":
		return invalid("Attributes Reason: SubscriptionRoleArn is a required attribute for Firehose subscriptions")
	case t.fifo() && queue:
		if dlq := deadLetterQueue(sub.Attributes["RedrivePolicy"]); dlq != "" && !strings.HasSuffix(dlq, ".fifo") {
			return invalid("RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.")
		}
	case !t.fifo() && sub.Attributes["ReplayPolicy"] != "":
		return invalid("Attributes Reason: ReplayPolicy: only FIFO topics have this attribute")
	}
	return nil
}

func sameSubscription(have, want *subscription) error {
	for k, v := range want.Attributes {
		if have.Attributes[k] != v {
			return invalid("Attributes Reason: Subscription already exists with different attributes")
		}
	}
	return nil
}

// confirmSubscription confirms by a token. The topic need not be the token's; the region
// must be.
func (s *Service) confirmSubscription(ctx context.Context, in *api.ConfirmSubscriptionInput) (*api.ConfirmSubscriptionResponse, error) {
	a, ok := aws.ParseARN(*in.TopicArn)
	if !ok || a.Service != "sns" || a.Resource == "" {
		return nil, invalid("Topic")
	}
	out := &api.ConfirmSubscriptionResponse{}
	return out, s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := tokens.Get(ctx, tx, store.Scope{}, *in.Token)
		if errors.Is(err, store.ErrNotFound) {
			return invalid("Token")
		}
		if err != nil {
			return err
		}
		if t.Region != a.Region {
			return invalid("Topic")
		}
		at := topicRef{store.Scope{Account: t.Account, Region: t.Region}, t.Topic}
		sub, err := subscriptions.Get(ctx, tx, at.scope, at.name, t.ID)
		if errors.Is(err, store.ErrNotFound) {
			return invalid("Token")
		}
		if err != nil {
			return err
		}
		out.SubscriptionArn = new(at.arn() + ":" + sub.ID)
		if !sub.Pending {
			return nil
		}
		known := aws.RequestOf(ctx).Caller.Kind != aws.Anonymous
		sub.Pending, sub.Authenticated = false, known
		sub.Guarded = known && strings.EqualFold(aws.Value(in.AuthenticateOnUnsubscribe), "true")
		if err := subscriptions.Put(tx, at.scope, sub, at.name, sub.ID); err != nil {
			return err
		}
		return changed(ctx, tx, at)
	})
}

// parseSubscription reads the ARN of a subscription.
func parseSubscription(arn *string) (at topicRef, id string, err error) {
	text := aws.Value(arn)
	n := strings.Count(text, ":") + 1
	a, ok := aws.ParseARN(text)
	name, id, found := strings.Cut(a.Resource, ":")
	switch {
	case text == "":
		return at, "", invalid("SubscriptionArn Reason: no value for required parameter")
	case n < 6:
		return at, "", invalid("SubscriptionArn Reason: An ARN must have at least 6 elements, not %d", n)
	case !ok || a.Service != "sns" || !found:
		return at, "", invalid("SubscriptionId")
	}
	return topicRef{store.Scope{Account: a.Account, Region: a.Region}, name}, id, nil
}

func (s *Service) unsubscribe(ctx context.Context, in *api.UnsubscribeInput) (*aws.Empty, error) {
	at, id, err := parseSubscription(in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	var goodbye *outgoing
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		goodbye = nil
		sub, err := subscriptions.Get(ctx, tx, at.scope, at.name, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if sub.Pending {
			return invalid2("Invalid parameter: This subscription is pending and can not be removed until it is confirmed")
		}
		by := aws.RequestOf(ctx).Caller
		if strings.HasPrefix(sub.Protocol, "http") && by.Account != sub.Owner {
			// Whoever it was, the endpoint is told, and can take it back.
			sub.Token = "2336412f37" + aws.RandomID(s.Random, aws.Hex, 278)
			if err := s.retire(tx, at, &sub); err != nil {
				return err
			}
			if goodbye, err = s.putConfirmation(tx, at, &sub, unsubscribedType); err != nil {
				return err
			}
			return changed(ctx, tx, at)
		}
		if err := s.remove(tx, at, &sub); err != nil {
			return err
		}
		t, err := getTopic(ctx, tx, at)
		if err != nil {
			return err
		}
		t.Deleted++
		if err := topicRecords.Put(tx, at.scope, t, at.name); err != nil {
			return err
		}
		return changed(ctx, tx, at)
	})
	if err == nil {
		s.deliver(at, goodbye)
	}
	return nil, err
}

// retire ends a subscription so that its token can restore it.
func (s *Service) retire(tx store.Tx, at topicRef, sub *subscription) error {
	sub.Pending = true
	return s.putSubscription(tx, at, sub)
}

func (s *Service) remove(tx store.Tx, at topicRef, sub *subscription) error {
	for _, err := range []error{
		subscriptions.Delete(tx, at.scope, at.name, sub.ID),
		endpointIndex.Delete(tx, at.scope, at.name, sub.Protocol, sub.Endpoint),
		ownerIndex.Delete(tx, ownerScope(at, sub.Owner), at.scope.Account, at.name, sub.ID),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// shownSubscription is a subscription as lists have it.
func shownSubscription(at topicRef, sub *subscription) api.Subscription {
	arn := at.arn() + ":" + sub.ID
	if sub.Pending {
		arn = "PendingConfirmation"
	}
	return api.Subscription{SubscriptionArn: &arn, Owner: &sub.Owner, Protocol: &sub.Protocol, Endpoint: &sub.Endpoint, TopicArn: new(at.arn())}
}

func (s *Service) listSubscriptions(ctx context.Context, in *api.ListSubscriptionsInput) (*api.ListSubscriptionsResponse, error) {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	o, err := page(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListSubscriptionsResponse{Subscriptions: []api.Subscription{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		var last []string
		for e, err := range ownerIndex.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if len(out.Subscriptions) == pageSize {
				out.NextToken = new(aws.Token(last))
				return nil
			}
			last = []string{e.Key.String(0), e.Key.String(1), e.Key.String(2)}
			at := topicRef{store.Scope{Account: last[0], Region: scope.Region}, last[1]}
			sub, err := subscriptions.Get(ctx, r, at.scope, at.name, last[2])
			if err != nil {
				return err
			}
			out.Subscriptions = append(out.Subscriptions, shownSubscription(at, &sub))
		}
		return nil
	})
}

func (s *Service) listSubscriptionsByTopic(ctx context.Context, in *api.ListSubscriptionsByTopicInput) (*api.ListSubscriptionsByTopicResponse, error) {
	at, err := parseRef(ctx, "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	o, err := page(in.NextToken)
	if err != nil {
		return nil, err
	}
	o.Prefix = []any{at.name}
	out := &api.ListSubscriptionsByTopicResponse{Subscriptions: []api.Subscription{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		if _, err := getTopic(ctx, r, at); err != nil {
			return err
		}
		last := ""
		for e, err := range subscriptions.List(ctx, r, at.scope, o) {
			if err != nil {
				return err
			}
			if len(out.Subscriptions) == pageSize {
				out.NextToken = new(aws.Token([]string{at.name, last}))
				return nil
			}
			last = e.Record.ID
			out.Subscriptions = append(out.Subscriptions, shownSubscription(at, &e.Record))
		}
		return nil
	})
}

func noSubscription() error { return api.NotFoundException("Subscription does not exist") }

func getSubscription(ctx context.Context, r store.Reader, at topicRef, id string) (subscription, error) {
	sub, err := subscriptions.Get(ctx, r, at.scope, at.name, id)
	if errors.Is(err, store.ErrNotFound) {
		return sub, noSubscription()
	}
	return sub, err
}

func (s *Service) getSubscriptionAttributes(ctx context.Context, in *api.GetSubscriptionAttributesInput) (*api.GetSubscriptionAttributesResponse, error) {
	at, id, err := parseSubscription(in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	out := &api.GetSubscriptionAttributesResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		sub, err := getSubscription(ctx, r, at, id)
		if err != nil {
			return err
		}
		if me := aws.RequestOf(ctx).Account(); me != sub.Owner && me != at.scope.Account {
			return noSubscription()
		}
		t, err := getTopic(ctx, r, at)
		if err != nil {
			return err
		}
		out.Attributes = sub.shown(at, &t)
		return nil
	})
}

// shown are the attributes that AWS shows.
func (sub *subscription) shown(at topicRef, t *topic) map[string]string {
	out := maps.Clone(sub.Attributes)
	if out == nil {
		out = map[string]string{}
	}
	text := map[bool]string{true: "true", false: "false"}
	out["SubscriptionArn"], out["TopicArn"], out["Owner"] = at.arn()+":"+sub.ID, at.arn(), sub.Owner
	out["Protocol"], out["Endpoint"] = sub.Protocol, sub.Endpoint
	out["PendingConfirmation"], out["ConfirmationWasAuthenticated"] = text[sub.Pending], text[sub.Authenticated]
	out["SubscriptionPrincipal"] = sub.Principal
	if out["RawMessageDelivery"] == "" {
		out["RawMessageDelivery"] = "false"
	}
	if out["FilterPolicy"] == "" {
		delete(out, "FilterPolicyScope")
	} else if out["FilterPolicyScope"] == "" {
		out["FilterPolicyScope"] = string(filter.Attributes)
	}
	if strings.HasPrefix(sub.Protocol, "http") {
		of, _ := parseTopicDelivery(t.Attributes["DeliveryPolicy"])
		out["EffectiveDeliveryPolicy"] = shownDelivery(of.of(sub))
	}
	return out
}
