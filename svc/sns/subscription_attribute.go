package sns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/sns/filter"
)

// prefixed puts, after «Invalid parameter:», where AWS found what is wrong.
func prefixed(prefix string, err error) error {
	var e *aws.Error
	if !errors.As(err, &e) {
		return err
	}
	rest, ok := strings.CutPrefix(e.Message, "Invalid parameter: ")
	if !ok {
		return err
	}
	return invalid("%s", prefix+rest)
}

// checkSubscriptionAttribute gives an attribute's value as it is kept.
func checkSubscriptionAttribute(name, value string) (string, error) {
	switch name {
	case "RawMessageDelivery":
		lower := strings.ToLower(value)
		if lower != "true" && lower != "false" {
			return "", invalid("RawMessageDelivery: Invalid value [%s]. Must be true or false.", value)
		}
		return lower, nil
	case "FilterPolicy":
		return value, nil // with its scope
	case "FilterPolicyScope":
		if value != string(filter.Attributes) && value != string(filter.Body) {
			return "", invalid("FilterPolicyScope: Invalid value [%s]. Please use either MessageBody or MessageAttributes", value)
		}
	case "DeliveryPolicy":
		if _, err := parseSubscriptionDelivery(value, deliveryPolicy{retry: httpRetries, contentType: plainText}); err != nil {
			return "", invalid("DeliveryPolicy: %s", err.Error())
		}
	case "RedrivePolicy":
		return value, checkRedrive(value)
	case "SubscriptionRoleArn":
		if a, ok := aws.ParseARN(value); value != "" && (!ok || a.Service != "iam") {
			return "", invalid("SubscriptionRoleArn: Invalid value [%s]. Must be a valid role ARN.", value)
		}
	case "ReplayPolicy":
		if _, err := parseReplay(value); err != nil {
			return "", invalid("ReplayPolicy: %s", err.Error())
		}
	default:
		return "", invalid("AttributeName")
	}
	return value, nil
}

func checkRedrive(value string) error {
	if value == "" {
		return nil
	}
	var p struct{ DeadLetterTargetArn *string }
	if err := json.Unmarshal([]byte(value), &p); err != nil {
		_, err := filter.Parse(value, filter.Body) // for its words on what is no JSON
		var bad *filter.Error
		if errors.As(err, &bad) && strings.Contains(bad.Text, "failed to parse JSON") {
			return invalid("RedrivePolicy: %s", strings.TrimPrefix(bad.Text, "FilterPolicy: "))
		}
		return invalid("RedrivePolicy: failed to parse JSON.")
	}
	if p.DeadLetterTargetArn == nil && strings.TrimSpace(value) == "{}" {
		return nil
	}
	if a, ok := aws.ParseARN(aws.Value(p.DeadLetterTargetArn)); !ok || a.Service != "sqs" {
		return invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")
	}
	return nil
}

// deadLetterQueue is the ARN of the queue in a redrive policy, "" for none.
func deadLetterQueue(policy string) string {
	var p struct{ DeadLetterTargetArn string }
	if policy == "" || json.Unmarshal([]byte(policy), &p) != nil {
		return ""
	}
	return p.DeadLetterTargetArn
}

// checkFilter holds the filter policy against its scope.
func (sub *subscription) checkFilter() error {
	_, err := filter.Parse(sub.Attributes["FilterPolicy"], filter.Scope(sub.Attributes["FilterPolicyScope"]))
	var bad *filter.Error
	if errors.As(err, &bad) {
		return invalid("%s", bad.Text)
	}
	return err
}

func (s *Service) setSubscriptionAttributes(ctx context.Context, in *api.SetSubscriptionAttributesInput) (*aws.Empty, error) {
	at, id, err := parseSubscription(in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	name, value := *in.AttributeName, aws.Value(in.AttributeValue)
	var replayed []*outgoing
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		replayed = nil
		sub, err := getSubscription(ctx, tx, at, id)
		if err != nil {
			return err
		}
		if me := aws.RequestOf(ctx).Account(); me != sub.Owner && me != at.scope.Account {
			return noSubscription()
		}
		value, err := checkSubscriptionAttribute(name, value)
		if err != nil {
			return err
		}
		sub.Attributes = maps.Clone(sub.Attributes)
		if sub.Attributes == nil {
			sub.Attributes = map[string]string{}
		}
		sub.Attributes[name] = value
		if value == "" || name == "FilterPolicy" && strings.TrimSpace(value) == "{}" {
			delete(sub.Attributes, name)
		}
		if err := sub.checkFilter(); err != nil {
			return err
		}
		t, err := getTopic(ctx, tx, at)
		if err != nil {
			return err
		}
		if err := sub.fits(&t, at); err != nil {
			return err
		}
		if name == "ReplayPolicy" && value != "" {
			if replayed, err = s.replay(ctx, tx, at, &sub, value); err != nil {
				return err
			}
		}
		if err := subscriptions.Put(tx, at.scope, sub, at.name, sub.ID); err != nil {
			return err
		}
		return changed(ctx, tx, at)
	})
	if err != nil {
		return nil, err
	}
	for _, m := range replayed {
		s.deliver(at, m)
	}
	return nil, nil
}

// A replayPolicy says from when to when a FIFO topic's archived messages are sent again.
// https://docs.aws.amazon.com/sns/latest/dg/message-archiving-and-replay-subscriber.html
type replayPolicy struct {
	from, to time.Time // to is zero for no end
}

func parseReplay(value string) (replayPolicy, error) {
	if value == "" {
		return replayPolicy{}, nil
	}
	var doc struct{ PointType, StartingPoint, EndingPoint string }
	if json.Unmarshal([]byte(value), &doc) != nil {
		return replayPolicy{}, errText("failed to parse JSON")
	}
	if doc.PointType != "Timestamp" {
		return replayPolicy{}, errText("PointType must be Timestamp")
	}
	var p replayPolicy
	var err error
	if p.from, err = time.Parse(time.RFC3339Nano, doc.StartingPoint); err != nil {
		return p, errText("StartingPoint must be a timestamp")
	}
	if doc.EndingPoint != "" {
		if p.to, err = time.Parse(time.RFC3339Nano, doc.EndingPoint); err != nil || !p.to.After(p.from) {
			return p, errText("EndingPoint must be a timestamp after StartingPoint")
		}
	}
	return p, nil
}

// maxReplay is the most messages that one replay sends again.
const maxReplay = 10000

// replay sends what was archived again, to one subscription. They keep their ids and
// sequence numbers.
func (s *Service) replay(ctx context.Context, tx store.Tx, at topicRef, sub *subscription, policy string) ([]*outgoing, error) {
	p, err := parseReplay(policy)
	if err != nil {
		return nil, invalid("ReplayPolicy: %s", err.Error())
	}
	to := p.to
	if now := s.Clock.Now(); to.IsZero() || to.After(now) {
		to = now
	}
	who := &subscriber{subscription: *sub, at: at, scope: filter.Scope(sub.Attributes["FilterPolicyScope"])}
	if who.filter, err = filter.Parse(sub.Attributes["FilterPolicy"], who.scope); err != nil {
		return nil, err
	}
	var out []*outgoing
	for e, err := range archiveMessages.List(ctx, tx, at.scope, store.ListOptions{
		From: []any{at.name, p.from.UnixMilli()}, To: []any{at.name, to.UnixMilli() + 1}, Prefix: []any{at.name}, Limit: maxReplay + 1}) {
		if err != nil {
			return nil, err
		}
		if len(out) == maxReplay {
			return nil, api.ReplayLimitExceededException("The replay has more than %d messages", maxReplay)
		}
		if !who.wants(&e.Record) {
			continue
		}
		m := &outgoing{message: e.Record, number: e.Key.Int(2), fan: fan{[]target{{Sub: sub.ID}}}}
		sum := sha256.Sum256([]byte(m.Dedup + "\x00" + aws.RequestOf(ctx).ID))
		m.Dedup = hex.EncodeToString(sum[:]) // queues would know it again
		m.ID += replayMark
		if err := messages.Put(tx, at.scope, m.message, at.name, m.number, m.ID); err != nil {
			return nil, err
		}
		if err := fans.Put(tx, at.scope, m.fan, at.name, m.number, m.ID); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// replayMark tells the record of a message sent again from that of the first time.
const replayMark = "/replay"
