package sns

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	api "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/sns/filter"
)

// topic is what is kept of one.
type topic struct {
	Name       string
	Attributes map[string]string // those that were set, and the policy
	Tags       map[string]string `json:",omitempty"`
	Protection string            `json:",omitempty"` // the data protection policy
	Deleted    int               `json:",omitempty"` // subscriptions that were
}

// topicRef is which topic.
type topicRef struct {
	scope store.Scope
	name  string
}

func (r topicRef) arn() string {
	return aws.NewARN("sns", r.scope.Region, r.scope.Account, r.name).String()
}

// fifo reports whether the topic keeps order.
func (t *topic) fifo() bool { return t.Attributes["FifoTopic"] == "true" }

const pageSize = 100

func invalid(format string, args ...any) *aws.Error {
	return api.InvalidParameterException("Invalid parameter: "+format, args...)
}

// parseRef reads the ARN of a topic of the request's region.
func parseRef(ctx context.Context, member string, arn *string) (topicRef, error) {
	text := aws.Value(arn)
	a, ok := aws.ParseARN(text)
	if n := strings.Count(text, ":") + 1; n < 6 {
		return topicRef{}, invalid("%s Reason: An ARN must have at least 6 elements, not %d", member, n)
	}
	if !ok || a.Service != "sns" || a.Region != aws.RequestOf(ctx).Region || strings.Contains(a.Resource, ":") || !aws.ValidAccount(a.Account) {
		return topicRef{}, invalid("%s", member)
	}
	return topicRef{store.Scope{Account: a.Account, Region: a.Region}, a.Resource}, nil
}

func noTopic() error { return api.NotFoundException("Topic does not exist") }

func getTopic(ctx context.Context, r store.Reader, at topicRef) (topic, error) {
	t, err := topicRecords.Get(ctx, r, at.scope, at.name)
	if errors.Is(err, store.ErrNotFound) {
		return t, noTopic()
	}
	return t, err
}

// changed tells those who keep a view of the topic.
func changed(ctx context.Context, tx store.Tx, at topicRef) error {
	_, err := versions.Next(ctx, tx, at.scope, at.name)
	return err
}

var (
	topicName     = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,256}$`)
	fifoTopicName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,251}\.fifo$`)
)

func (s *Service) createTopic(ctx context.Context, in *api.CreateTopicInput) (*api.CreateTopicResponse, error) {
	req := aws.RequestOf(ctx)
	at := topicRef{store.Scope{Account: req.Account(), Region: req.Region}, *in.Name}
	attributes := map[string]string{}
	for k, v := range in.Attributes {
		if err := checkTopicAttribute(k, v, true); err != nil {
			return nil, err
		}
		if !(k == "FifoTopic" && v == "false") {
			attributes[k] = v
		}
	}
	if form := topicName; attributes["FifoTopic"] != "true" {
		if !form.MatchString(at.name) {
			return nil, invalid("Topic Name")
		}
	} else if !fifoTopicName.MatchString(at.name) {
		return nil, invalid("Topic Name")
	}
	if err := checkFifoAttributes(attributes, attributes["FifoTopic"] == "true"); err != nil {
		return nil, err
	}
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := topicRecords.Get(ctx, tx, at.scope, at.name)
		if err == nil {
			return sameTopic(at, &have, attributes, tags)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		t := topic{Name: at.name, Attributes: attributes, Tags: tags, Protection: aws.Value(in.DataProtectionPolicy)}
		if err := topicRecords.Put(tx, at.scope, t, at.name); err != nil {
			return err
		}
		return changed(ctx, tx, at)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateTopicResponse{TopicArn: new(at.arn())}, nil
}

// sameTopic refuses to create again, with other attributes or tags, what is there.
func sameTopic(at topicRef, have *topic, attributes, tags map[string]string) error {
	shown := have.shown(at)
	for k, v := range attributes {
		if shown[k] != v {
			return invalid("Attributes Reason: Topic already exists with different attributes")
		}
	}
	for k, v := range tags {
		if old, ok := have.Tags[k]; !ok || old != v {
			return invalid("Tags Reason: Topic already exists with different tags")
		}
	}
	return nil
}

func (s *Service) deleteTopic(ctx context.Context, in *api.DeleteTopicInput) (*aws.Empty, error) {
	at, err := parseRef(ctx, "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := topicRecords.Has(ctx, tx, at.scope, at.name)
		if err != nil || !has {
			return err // deleting is idempotent
		}
		for e, err := range subscriptions.List(ctx, tx, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
			if err != nil {
				return err
			}
			if err := ownerIndex.Delete(tx, ownerScope(at, e.Record.Owner), at.scope.Account, at.name, e.Record.ID); err != nil {
				return err
			}
		}
		for _, err := range []error{
			topicRecords.Delete(tx, at.scope, at.name),
			subscriptions.DeleteAll(tx, at.scope, at.name),
			endpointIndex.DeleteAll(tx, at.scope, at.name),
			duplicates.DeleteAll(tx, at.scope, at.name),
			archiveMessages.DeleteAll(tx, at.scope, at.name),
			messages.DeleteAll(tx, at.scope, at.name),
			fans.DeleteAll(tx, at.scope, at.name),
			changed(ctx, tx, at),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) listTopics(ctx context.Context, in *api.ListTopicsInput) (*api.ListTopicsResponse, error) {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	o, err := page(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListTopicsResponse{Topics: []api.Topic{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		last := ""
		for e, err := range topicRecords.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if len(out.Topics) == pageSize {
				out.NextToken = new(aws.Token([]string{last}))
				return nil
			}
			last = e.Record.Name
			out.Topics = append(out.Topics, api.Topic{TopicArn: new(topicRef{scope, last}.arn())})
		}
		return nil
	})
}

// page is where a list goes on: one record more than a page is looked for.
func page(next *string) (store.ListOptions, error) {
	o := store.ListOptions{Limit: pageSize + 1}
	if next == nil || *next == "" {
		return o, nil
	}
	var after []string
	if !aws.ParseToken(*next, &after) || len(after) == 0 {
		return o, invalid("NextToken Reason: The token is invalid")
	}
	for _, part := range after {
		o.After = append(o.After, part)
	}
	return o, nil
}

func (s *Service) getTopicAttributes(ctx context.Context, in *api.GetTopicAttributesInput) (*api.GetTopicAttributesResponse, error) {
	at, err := parseRef(ctx, "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	out := &api.GetTopicAttributesResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		t, err := getTopic(ctx, r, at)
		if err != nil {
			return err
		}
		confirmed, pending := 0, 0
		for e, err := range subscriptions.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
			if err != nil {
				return err
			}
			if e.Record.Pending {
				pending++
			} else {
				confirmed++
			}
		}
		out.Attributes = t.shown(at)
		out.Attributes["SubscriptionsConfirmed"] = strconv.Itoa(confirmed)
		out.Attributes["SubscriptionsPending"] = strconv.Itoa(pending)
		out.Attributes["SubscriptionsDeleted"] = strconv.Itoa(t.Deleted)
		if at.scope.Account != aws.RequestOf(ctx).Account() {
			delete(out.Attributes, "Policy") // it is its owner's to know
		}
		return nil
	})
}

// shown are the attributes that AWS shows, but for the counts of subscriptions.
func (t *topic) shown(at topicRef) map[string]string {
	out := maps.Clone(t.Attributes)
	if out == nil {
		out = map[string]string{}
	}
	def := func(k, v string) {
		if out[k] == "" {
			out[k] = v
		}
	}
	def("DisplayName", "")
	def("Policy", defaultPolicy(at))
	if t.fifo() {
		def("ContentBasedDeduplication", "false")
	}
	out["Owner"], out["TopicArn"] = at.scope.Account, at.arn()
	policy, _ := parseTopicDelivery(t.Attributes["DeliveryPolicy"])
	if text := t.Attributes["DeliveryPolicy"]; text == "" {
		delete(out, "DeliveryPolicy")
	}
	out["EffectiveDeliveryPolicy"] = policy.effective()
	return out
}

func (s *Service) setTopicAttributes(ctx context.Context, in *api.SetTopicAttributesInput) (*aws.Empty, error) {
	at, err := parseRef(ctx, "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	name, value := *in.AttributeName, aws.Value(in.AttributeValue)
	if err := checkTopicAttribute(name, value, false); err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := getTopic(ctx, tx, at)
		if err != nil {
			return err
		}
		t.Attributes = maps.Clone(t.Attributes)
		if t.Attributes == nil {
			t.Attributes = map[string]string{}
		}
		t.Attributes[name] = value
		if err := checkFifoAttributes(map[string]string{name: value}, t.fifo()); err != nil {
			return err
		}
		if value == "" && name != "DisplayName" {
			delete(t.Attributes, name)
		}
		if err := topicRecords.Put(tx, at.scope, t, at.name); err != nil {
			return err
		}
		return changed(ctx, tx, at)
	})
}

// A topicView is a topic with its confirmed subscriptions, as publishing needs them: a
// cache, good while the version stands.
type topicView struct {
	version int64
	topic   topic
	subs    []*subscriber
	byID    map[string]*subscriber
}

// A subscriber is a subscription ready for delivery.
type subscriber struct {
	subscription
	at     topicRef
	scope  filter.Scope
	filter *filter.Policy
	policy deliveryPolicy
}

func (s *subscriber) arn() string { return s.at.arn() + ":" + s.ID }

type topicCache struct {
	mu  sync.Mutex
	all map[topicRef]*topicView
}

const maxViews = 10000

// view is the topic as tx sees it.
func (s *Service) view(ctx context.Context, r store.Reader, at topicRef) (*topicView, error) {
	version, err := versions.Value(ctx, r, at.scope, at.name)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		return nil, noTopic()
	}
	s.topics.mu.Lock()
	v := s.topics.all[at]
	s.topics.mu.Unlock()
	if v != nil && v.version == version {
		return v, nil
	}
	v = &topicView{version: version, byID: map[string]*subscriber{}}
	if v.topic, err = getTopic(ctx, r, at); err != nil {
		return nil, err
	}
	of, _ := parseTopicDelivery(v.topic.Attributes["DeliveryPolicy"])
	for e, err := range subscriptions.List(ctx, r, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
		if err != nil {
			return nil, err
		}
		sub := &subscriber{subscription: e.Record, at: at, scope: filter.Scope(e.Record.Attributes["FilterPolicyScope"])}
		// What was stored was checked; a policy that does not parse lets nothing be lost.
		if sub.filter, err = filter.Parse(sub.Attributes["FilterPolicy"], sub.scope); err != nil {
			s.Logger.Warn("sns: a stored filter policy", "subscription", sub.arn(), "error", err)
		}
		sub.policy = of.of(&sub.subscription)
		v.subs, v.byID[sub.ID] = append(v.subs, sub), sub
	}
	s.topics.mu.Lock()
	defer s.topics.mu.Unlock()
	if len(s.topics.all) >= maxViews {
		clear(s.topics.all)
	}
	s.topics.all[at] = v
	return v, nil
}

// policyDocument is a policy as SNS writes and changes it.
type policyDocument struct {
	Version   string            `json:"Version"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

// owned are the actions that a topic's own account may do by the default policy.
var owned = []string{"GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic", "Subscribe", "ListSubscriptionsByTopic", "Publish"}

func defaultPolicy(at topicRef) string {
	actions := make([]string, len(owned))
	for i, a := range owned {
		actions[i] = `"SNS:` + a + `"`
	}
	return `{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},"Action":[` +
		strings.Join(actions, ",") + `],"Resource":"` + at.arn() + `","Condition":{"StringEquals":{"AWS:SourceOwner":"` + at.scope.Account + `"}}}]}`
}

func (s *Service) addPermission(ctx context.Context, in *api.AddPermissionInput) (*aws.Empty, error) {
	at, err := parseRef(ctx, "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	var who, what []string
	for _, account := range in.AWSAccountId {
		if !aws.ValidAccount(account) {
			return nil, invalid("AWSAccountId Reason: %s is not a valid account id", account)
		}
		who = append(who, aws.NewARN("iam", "", account, "root").String())
	}
	for _, action := range in.ActionName {
		if !slices.Contains(owned, action) && action != "*" {
			return nil, invalid("Policy statement action out of service scope!")
		}
		what = append(what, "SNS:"+action)
	}
	statement, err := json.Marshal(struct {
		Sid, Effect string
		Principal   map[string]any
		Action      any
		Resource    string
	}{*in.Label, "Allow", map[string]any{"AWS": oneOrAll(who)}, oneOrAll(what), at.arn()})
	if err != nil {
		return nil, err
	}
	return nil, s.changePolicy(ctx, at, func(list []json.RawMessage) ([]json.RawMessage, error) {
		if slices.ContainsFunc(list, func(st json.RawMessage) bool { return sid(st) == *in.Label }) {
			return nil, invalid("Statement already exists")
		}
		return append(list, statement), nil
	})
}

func oneOrAll(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func sid(statement json.RawMessage) string {
	var st struct{ Sid string }
	_ = json.Unmarshal(statement, &st) // it was one when it was stored
	return st.Sid
}

func (s *Service) removePermission(ctx context.Context, in *api.RemovePermissionInput) (*aws.Empty, error) {
	at, err := parseRef(ctx, "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	return nil, s.changePolicy(ctx, at, func(list []json.RawMessage) ([]json.RawMessage, error) {
		return slices.DeleteFunc(list, func(st json.RawMessage) bool { return sid(st) == *in.Label }), nil
	})
}

// changePolicy changes the statements of a topic's policy.
func (s *Service) changePolicy(ctx context.Context, at topicRef, change func([]json.RawMessage) ([]json.RawMessage, error)) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := getTopic(ctx, tx, at)
		if err != nil {
			return err
		}
		doc, err := parsePolicy(t.shown(at)["Policy"])
		if err != nil {
			return err
		}
		if doc.Statement, err = change(doc.Statement); err != nil {
			return err
		}
		text, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		t.Attributes = maps.Clone(t.Attributes)
		if t.Attributes == nil {
			t.Attributes = map[string]string{}
		}
		t.Attributes["Policy"] = string(text)
		if err := topicRecords.Put(tx, at.scope, t, at.name); err != nil {
			return err
		}
		return changed(ctx, tx, at)
	})
}

// parsePolicy reads a policy; a single statement may stand without its list.
func parsePolicy(text string) (policyDocument, error) {
	var doc struct {
		policyDocument
		Statement json.RawMessage
	}
	if json.Unmarshal([]byte(text), &doc) != nil || doc.Version == "" && len(doc.Statement) == 0 {
		return policyDocument{}, invalid("Policy Error: null")
	}
	out := doc.policyDocument
	if json.Unmarshal(doc.Statement, &out.Statement) != nil {
		out.Statement = []json.RawMessage{doc.Statement}
	}
	return out, nil
}

func (s *Service) getDataProtectionPolicy(ctx context.Context, in *api.GetDataProtectionPolicyInput) (*api.GetDataProtectionPolicyResponse, error) {
	at, err := parseRef(ctx, "ResourceArn", in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &api.GetDataProtectionPolicyResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		t, err := getTopic(ctx, r, at)
		out.DataProtectionPolicy = &t.Protection
		return err
	})
}

func (s *Service) putDataProtectionPolicy(ctx context.Context, in *api.PutDataProtectionPolicyInput) (*aws.Empty, error) {
	at, err := parseRef(ctx, "ResourceArn", in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if text := *in.DataProtectionPolicy; text != "" && !json.Valid([]byte(text)) {
		return nil, invalid("DataProtectionPolicy Reason: failed to parse JSON")
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := getTopic(ctx, tx, at)
		if err != nil {
			return err
		}
		t.Protection = *in.DataProtectionPolicy
		return topicRecords.Put(tx, at.scope, t, at.name)
	})
}
