package resource

import (
	"slices"

	snsapi "github.com/tule-cloud/tule/api/sns"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// subscriptionAttributes are the properties of subscriptions that SNS keeps as attributes
// of these names.
var subscriptionAttributes = []string{"DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "ReplayPolicy", "SubscriptionRoleArn"}

// subscriptionTypes are topics' subscriptions, and policies that are resources of their own.
var subscriptionTypes = []*Type{
	{
		Name:     "AWS::SNS::Subscription",
		Defaults: map[string]any{"RawMessageDelivery": "false", "FilterPolicy": "{}", "FilterPolicyScope": "MessageAttributes", "RedrivePolicy": "", "DeliveryPolicy": ""},
		Create: func(c *Call) error {
			out, err := Do(c.but(subscriptionAttributes...), &snsapi.Subscribe, func(in *snsapi.SubscribeInput) {
				in.Attributes, in.ReturnSubscriptionArn = c.Texts(subscriptionAttributes...), new(true)
			})
			if err != nil {
				return err
			}
			c.ID = *out.SubscriptionArn
			return topicRegion(c)
		},
		Find: func(c *Call) error {
			in := &snsapi.ListSubscriptionsByTopicInput{TopicArn: new(c.Text("TopicArn"))}
			for {
				out, err := snsapi.ListSubscriptionsByTopic.Do(c, c.Peers, in)
				if err != nil {
					return found(err)
				}
				for _, s := range out.Subscriptions {
					if aws.Value(s.Protocol) == c.Text("Protocol") && aws.Value(s.Endpoint) == c.Text("Endpoint") && *s.SubscriptionArn != "PendingConfirmation" {
						c.ID = *s.SubscriptionArn
						c.Take(subscriptionAttributes...)
						return topicRegion(c)
					}
				}
				if out.NextToken == nil {
					return nil
				}
				in.NextToken = out.NextToken
			}
		},
		Update: func(c *Call) error {
			for _, name := range subscriptionAttributes {
				if !c.Changed(name) {
					continue
				}
				if _, err := snsapi.SetSubscriptionAttributes.Do(c, c.Peers, &snsapi.SetSubscriptionAttributesInput{SubscriptionArn: &c.ID, AttributeName: new(name), AttributeValue: new(Texted(c.Get(name)))}); err != nil {
					return err
				}
			}
			return topicRegion(c)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := snsapi.GetSubscriptionAttributes.Do(c, c.Peers, &snsapi.GetSubscriptionAttributesInput{SubscriptionArn: &c.ID})
			if err != nil {
				return nil, err
			}
			got := map[string]any{"Arn": c.ID}
			for _, name := range slices.Concat(subscriptionAttributes, []string{"TopicArn", "Protocol", "Endpoint"}) {
				if v, ok := out.Attributes[name]; ok {
					got[name] = v
				}
			}
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := snsapi.Unsubscribe.Do(c, c.Peers, &snsapi.UnsubscribeInput{SubscriptionArn: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::SNS::TopicPolicy",
		Create: func(c *Call) error { c.ID = c.innerName(""); return setTopicPolicies(c) },
		Find:   func(c *Call) error { c.ID = c.innerName(""); return setTopicPolicies(c) },
		Update: setTopicPolicies,
		Delete: func(c *Call) error { return dropTopicPolicies(c, texts(c.Properties.Get("Topics"))) },
	},
	{
		Name: "AWS::SNS::TopicInlinePolicy",
		Create: func(c *Call) error {
			c.ID = c.Text("TopicArn")
			return setTopicPolicy(c, c.ID, Texted(c.Get("PolicyDocument")))
		},
		Update: func(c *Call) error { return setTopicPolicy(c, c.ID, Texted(c.Get("PolicyDocument"))) },
		Delete: func(c *Call) error { return dropTopicPolicies(c, []string{c.ID}) },
	},
	{
		Name: "AWS::SQS::QueueInlinePolicy",
		Create: func(c *Call) error {
			c.ID = c.Text("Queue")
			return setQueuePolicy(c, []string{c.ID}, Texted(c.Get("PolicyDocument")))
		},
		Update: func(c *Call) error {
			return setQueuePolicy(c, []string{c.ID}, Texted(c.Get("PolicyDocument")))
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := sqsapi.GetQueueAttributes.Do(c, c.Peers, &sqsapi.GetQueueAttributesRequest{QueueUrl: &c.ID, AttributeNames: []string{"Policy"}})
			if err == nil && out.Attributes["Policy"] == "" {
				err = c.none()
			}
			if err != nil {
				return nil, err
			}
			return map[string]any{"Queue": c.ID, "PolicyDocument": out.Attributes["Policy"]}, nil
		},
		Delete: func(c *Call) error { return setQueuePolicy(c, []string{c.ID}, "") },
	},
}

// topicRegion sees to the region that a subscription's topic is in, if it is the stack's.
func topicRegion(c *Call) error {
	if c.Has("Region") && template.Text(c.Properties.Get("Region")) != c.Stack.Region {
		return nil
	}
	c.Take("Region")
	return nil
}

// setTopicPolicies gives topics their policy, and those that had it before their first one.
func setTopicPolicies(c *Call) error {
	topics := texts(c.Get("Topics"))
	if c.Old != nil {
		if err := dropTopicPolicies(c, without(texts(c.Old.Get("Topics")), topics)); err != nil {
			return err
		}
	}
	for _, topic := range topics {
		if err := setTopicPolicy(c, topic, Texted(c.Get("PolicyDocument"))); err != nil {
			return err
		}
	}
	return nil
}

func setTopicPolicy(c *Call, topic, policy string) error {
	_, err := snsapi.SetTopicAttributes.Do(c, c.Peers, &snsapi.SetTopicAttributesInput{TopicArn: &topic, AttributeName: new("Policy"), AttributeValue: &policy})
	return err
}

// dropTopicPolicies gives topics back the policy that they have at first.
func dropTopicPolicies(c *Call, topics []string) error {
	for _, topic := range topics {
		actions := []any{"SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission", "SNS:DeleteTopic", "SNS:Subscribe",
			"SNS:ListSubscriptionsByTopic", "SNS:Publish"}
		statement := ordered.New().Set("Sid", "__default_statement_ID").Set("Effect", "Allow").Set("Principal", ordered.New().Set("AWS", "*")).Set("Action", actions).
			Set("Resource", topic).Set("Condition", ordered.New().Set("StringEquals", ordered.New().Set("AWS:SourceOwner", c.Stack.Account)))
		document := ordered.New().Set("Version", "2008-10-17").Set("Id", "__default_policy_ID").Set("Statement", []any{statement})
		if err := setTopicPolicy(c, topic, Texted(document)); err != nil && !Gone(err) {
			return err
		}
	}
	return nil
}
