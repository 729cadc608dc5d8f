package sns

import (
	"context"

	api "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// topicAccess is the operation's own action on a topic.
func (s *Service) topicAccess(ctx context.Context, at topicRef) aws.Access {
	keys := map[string][]string{}
	if c := aws.RequestOf(ctx).Caller; c.Kind == aws.ServiceSelf && c.SourceAccount != "" {
		// By this key the default policy lets AWS's services in, for the topic's owner.
		keys["aws:SourceOwner"] = []string{c.SourceAccount}
	}
	return aws.Access{Resource: at.arn(), Keys: keys, Tags: s.topicTags(at), Policy: s.resourcePolicy(at)}
}

func (s *Service) resourcePolicy(at topicRef) func(context.Context) (string, error) {
	return func(ctx context.Context) (text string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			v, err := s.view(ctx, r, at)
			if aws.CodeOf(err) == "NotFound" {
				text = ""
				return nil
			}
			if err != nil {
				return err
			}
			if text = v.topic.Attributes["Policy"]; text == "" {
				text = defaultPolicy(at)
			}
			return nil
		})
		return text, err
	}
}

// named are the accesses to what an ARN names: a topic, with its policy; or what is no
// topic here, which is then somebody's to refuse.
func (s *Service) named(ctx context.Context, arn *string) []aws.Access {
	at, err := parseRef(ctx, "TopicArn", arn)
	if err == nil {
		return []aws.Access{s.topicAccess(ctx, at)}
	}
	if _, ok := aws.ParseARN(aws.Value(arn)); ok {
		return []aws.Access{{Resource: *arn}}
	}
	return []aws.Access{{Resource: "*"}}
}

func onTopic[In any](s *Service, arn func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) { return s.named(ctx, arn(in)), nil }
}

func tagKeys(list []api.Tag) map[string]string {
	tags := map[string]string{}
	for _, t := range list {
		tags[aws.Value(t.Key)] = aws.Value(t.Value)
	}
	return tags
}

func (s *Service) guardCreateTopic(ctx context.Context, in *api.CreateTopicInput) ([]aws.Access, error) {
	req := aws.RequestOf(ctx)
	at := topicRef{store.Scope{Account: req.Account(), Region: req.Region}, *in.Name}
	need := s.topicAccess(ctx, at)
	aws.RequestTags(need.Keys, tagKeys(in.Tags))
	needs := []aws.Access{need}
	if len(in.Tags) > 0 {
		need.Action = api.TagResource.IAMAction()
		needs = append(needs, need)
	}
	return append(needs, passed(at, in.Attributes)...), nil
}

// passed is the permission to hand the roles in a topic's attributes to SNS.
func passed(at topicRef, attributes map[string]string) []aws.Access {
	var needs []aws.Access
	for _, v := range attributes {
		if a, ok := aws.ParseARN(v); ok && a.Service == "iam" {
			needs = append(needs, aws.Access{Action: "iam:PassRole", Resource: v, Keys: map[string][]string{
				"iam:PassedToService": {principal}, "iam:AssociatedResourceArn": {at.arn()}}})
		}
	}
	return needs
}

func (s *Service) guardSetTopic(ctx context.Context, in *api.SetTopicAttributesInput) ([]aws.Access, error) {
	needs := s.named(ctx, in.TopicArn)
	if at, err := parseRef(ctx, "TopicArn", in.TopicArn); err == nil {
		needs = append(needs, passed(at, map[string]string{"": aws.Value(in.AttributeValue)})...)
	}
	return needs, nil
}

func (s *Service) guardTag(ctx context.Context, in *api.TagResourceRequest) ([]aws.Access, error) {
	needs := s.named(ctx, in.ResourceArn)
	needs[0].Keys = aws.RequestTags(needs[0].Keys, tagKeys(in.Tags))
	return needs, nil
}

func (s *Service) guardUntag(ctx context.Context, in *api.UntagResourceRequest) ([]aws.Access, error) {
	needs := s.named(ctx, in.ResourceArn)
	if needs[0].Keys == nil {
		needs[0].Keys = map[string][]string{}
	}
	needs[0].Keys["aws:TagKeys"] = in.TagKeys
	return needs, nil
}

func (s *Service) guardSubscribe(ctx context.Context, in *api.SubscribeInput) ([]aws.Access, error) {
	needs := s.named(ctx, in.TopicArn)
	if needs[0].Keys == nil {
		needs[0].Keys = map[string][]string{}
	}
	needs[0].Keys["sns:Protocol"] = []string{*in.Protocol}
	if in.Endpoint != nil {
		needs[0].Keys["sns:Endpoint"] = []string{*in.Endpoint}
	}
	if at, err := parseRef(ctx, "TopicArn", in.TopicArn); err == nil {
		needs = append(needs, passed(at, map[string]string{"": in.Attributes["SubscriptionRoleArn"]})...)
	}
	return needs, nil
}

// guardConfirm lets everybody in who brings a token, as AWS does: a confirmation is a
// visit of a link. Who is known needs the permission.
func (s *Service) guardConfirm(ctx context.Context, in *api.ConfirmSubscriptionInput) ([]aws.Access, error) {
	if aws.RequestOf(ctx).Caller.Kind == aws.Anonymous {
		return nil, nil
	}
	return s.named(ctx, in.TopicArn), nil
}

// guardUnsubscribe lets everybody in who knows a subscription's ARN, unless who
// confirmed it asked for more.
func (s *Service) guardUnsubscribe(ctx context.Context, in *api.UnsubscribeInput) ([]aws.Access, error) {
	at, id, err := parseSubscription(in.SubscriptionArn)
	if err != nil {
		return []aws.Access{{Resource: "*"}}, nil
	}
	if aws.RequestOf(ctx).Caller.Kind != aws.Anonymous {
		// The subscription is its owner's to end.
		var owner string
		err := s.Store.View(ctx, func(r store.Reader) error {
			sub, err := getSubscription(ctx, r, at, id)
			owner = sub.Owner
			if aws.CodeOf(err) == "NotFound" {
				return nil
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		need := aws.Access{Resource: "*"}
		if owner != aws.RequestOf(ctx).Account() && owner != "" {
			need = s.topicAccess(ctx, at)
		}
		return []aws.Access{need}, nil
	}
	var guarded bool
	err = s.Store.View(ctx, func(r store.Reader) error {
		sub, err := getSubscription(ctx, r, at, id)
		guarded = sub.Guarded
		if aws.CodeOf(err) == "NotFound" {
			return nil
		}
		return err
	})
	if err != nil || !guarded {
		return nil, err
	}
	return []aws.Access{s.topicAccess(ctx, at)}, nil
}

func (s *Service) guardSetSubscription(ctx context.Context, in *api.SetSubscriptionAttributesInput) ([]aws.Access, error) {
	needs := []aws.Access{{Resource: "*"}}
	if at, _, err := parseSubscription(in.SubscriptionArn); err == nil {
		needs = append(needs, passed(at, map[string]string{"": aws.Value(in.AttributeValue)})...)
	}
	return needs, nil
}

// guardPublish: a phone number is no resource; an endpoint has no policy.
func (s *Service) guardPublish(ctx context.Context, in *api.PublishInput) ([]aws.Access, error) {
	if in.PhoneNumber != nil {
		return []aws.Access{{Resource: "*"}}, nil
	}
	if in.TopicArn != nil {
		return s.named(ctx, in.TopicArn), nil
	}
	return s.named(ctx, in.TargetArn), nil
}

// guardPublishBatch asks for sns:Publish, as AWS does.
func (s *Service) guardPublishBatch(ctx context.Context, in *api.PublishBatchInput) ([]aws.Access, error) {
	needs := s.named(ctx, in.TopicArn)
	needs[0].Action = api.Publish.IAMAction()
	return needs, nil
}

func (s *Service) guardCreateApplication(_ context.Context, in *api.CreatePlatformApplicationInput) ([]aws.Access, error) {
	return append([]aws.Access{{Resource: "*"}}, passedPlain(in.Attributes)...), nil
}

func (s *Service) guardSetApplication(_ context.Context, in *api.SetPlatformApplicationAttributesInput) ([]aws.Access, error) {
	return append([]aws.Access{{Resource: "*"}}, passedPlain(in.Attributes)...), nil
}

func guardSetSMS(_ context.Context, in *api.SetSMSAttributesInput) ([]aws.Access, error) {
	return append([]aws.Access{{Resource: "*"}}, passedPlain(in.Attributes)...), nil
}

// passedPlain is passed where there is no topic.
func passedPlain(attributes map[string]string) []aws.Access {
	var needs []aws.Access
	for _, v := range attributes {
		if a, ok := aws.ParseARN(v); ok && a.Service == "iam" {
			needs = append(needs, aws.Access{Action: "iam:PassRole", Resource: v, Keys: map[string][]string{"iam:PassedToService": {principal}}})
		}
	}
	return needs
}
