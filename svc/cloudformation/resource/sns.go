package resource

import (
	snsapi "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/template"
)

// topicAttributes are the properties of topics that SNS keeps as attributes of these names.
var topicAttributes = []string{"ArchivePolicy", "ContentBasedDeduplication", "DisplayName", "FifoThroughputScope", "FifoTopic", "KmsMasterKeyId",
	"SignatureVersion", "TracingConfig"}

var snsTypes = []*Type{
	{
		Name:  "AWS::SNS::Topic",
		Named: "TopicName", Length: 256,
		Suffix: func(c *Call) string {
			if template.Text(c.Properties.Get("FifoTopic")) == "true" {
				return ".fifo"
			}
			return ""
		},
		Defaults: map[string]any{"DisplayName": "", "KmsMasterKeyId": "", "SignatureVersion": "1", "TracingConfig": "PassThrough", "ContentBasedDeduplication": "false"},
		Create: func(c *Call) error {
			out, err := Do(c, &snsapi.CreateTopic, func(in *snsapi.CreateTopicInput) {
				in.Name = new(c.Text("TopicName"))
				in.Attributes = c.Texts(topicAttributes...)
			})
			if err != nil {
				return err
			}
			c.ID = *out.TopicArn
			return subscribe(c)
		},
		Update: func(c *Call) error {
			for _, name := range topicAttributes {
				if c.Changed(name) {
					if _, err := snsapi.SetTopicAttributes.Do(c, c.Peers, &snsapi.SetTopicAttributesInput{TopicArn: &c.ID, AttributeName: new(name), AttributeValue: new(Texted(c.Get(name)))}); err != nil {
						return err
					}
				}
			}
			if c.Changed("DataProtectionPolicy") && c.Has("DataProtectionPolicy") {
				if _, err := snsapi.PutDataProtectionPolicy.Do(c, c.Peers, &snsapi.PutDataProtectionPolicyInput{ResourceArn: &c.ID, DataProtectionPolicy: new(Texted(c.Get("DataProtectionPolicy")))}); err != nil {
					return err
				}
			}
			if c.Changed("Subscription") {
				if err := subscribe(c); err != nil {
					return err
				}
			}
			return Retag(c, &snsapi.TagResource, &snsapi.UntagResource,
				func(in *snsapi.TagResourceRequest) { in.ResourceArn = &c.ID }, func(in *snsapi.UntagResourceRequest) { in.ResourceArn = &c.ID })
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := snsapi.GetTopicAttributes.Do(c, c.Peers, &snsapi.GetTopicAttributesInput{TopicArn: &c.ID})
			if err != nil {
				return nil, err
			}
			got := map[string]any{"TopicArn": c.ID, "TopicName": lastPart(c.ID, ":")}
			for _, name := range topicAttributes {
				if v, ok := out.Attributes[name]; ok {
					got[name] = v
				}
			}
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := snsapi.DeleteTopic.Do(c, c.Peers, &snsapi.DeleteTopicInput{TopicArn: &c.ID})
			return err
		},
	},
}

// subscribe makes the subscriptions that a topic's own properties name.
func subscribe(c *Call) error {
	for _, o := range objects(c.Get("Subscription")) {
		in := &snsapi.SubscribeInput{TopicArn: &c.ID, Protocol: new(member(o, "Protocol")), Endpoint: new(member(o, "Endpoint"))}
		if _, err := snsapi.Subscribe.Do(c, c.Peers, in); err != nil {
			return err
		}
	}
	if c.Old == nil {
		return nil
	}
	for _, o := range objects(c.Old.Get("Subscription")) {
		if containsEqual(c.Properties.Get("Subscription"), o) {
			continue
		}
		out, err := snsapi.ListSubscriptionsByTopic.Do(c, c.Peers, &snsapi.ListSubscriptionsByTopicInput{TopicArn: &c.ID})
		if err != nil {
			return err
		}
		for _, s := range out.Subscriptions {
			if aws.Value(s.Endpoint) == member(o, "Endpoint") && aws.Value(s.Protocol) == member(o, "Protocol") {
				if _, err := snsapi.Unsubscribe.Do(c, c.Peers, &snsapi.UnsubscribeInput{SubscriptionArn: s.SubscriptionArn}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// containsEqual reports whether a list has an item of a value.
func containsEqual(list, item any) bool {
	items, _ := list.([]any)
	for _, have := range items {
		if template.Equal(have, item) {
			return true
		}
	}
	return false
}
