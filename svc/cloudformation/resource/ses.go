package resource

import (
	"strings"
	"unicode"

	sesapi "github.com/tule-cloud/tule/api/ses"
	sesv2api "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

var sesTypes = []*Type{
	{
		Name: "AWS::SES::EmailIdentity",
		Create: func(c *Call) error {
			if _, err := Do(c.but(identityParts...), &sesv2api.CreateEmailIdentity); err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("EmailIdentity")
			return identityAttributes(c)
		},
		Update: func(c *Call) error {
			if err := identityAttributes(c); err != nil {
				return err
			}
			return retagMail(c, "identity/")
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := sesv2api.GetEmailIdentity.Do(c, c.Peers, &sesv2api.GetEmailIdentityRequest{EmailIdentity: &c.ID})
			if err != nil {
				return nil, err
			}
			got := map[string]any{"EmailIdentity": c.ID}
			if out.DkimAttributes == nil {
				return got, nil
			}
			for i, token := range out.DkimAttributes.Tokens {
				n := string(rune('1' + i))
				got["DkimDNSTokenName"+n], got["DkimDNSTokenValue"+n] = token+"._domainkey."+c.ID, token+".dkim.amazonses.com"
			}
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := sesv2api.DeleteEmailIdentity.Do(c, c.Peers, &sesv2api.DeleteEmailIdentityRequest{EmailIdentity: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::SES::ConfigurationSet",
		Named: "Name", Length: 64,
		Create: func(c *Call) error {
			_, err := Do(c, &sesv2api.CreateConfigurationSet, func(in *sesv2api.CreateConfigurationSetRequest) { in.ConfigurationSetName = new(c.Text("Name")) })
			if err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("Name")
			return nil
		},
		Update: updateConfigurationSet,
		Read: func(c *Call) (map[string]any, error) {
			out, err := sesv2api.GetConfigurationSet.Do(c, c.Peers, &sesv2api.GetConfigurationSetRequest{ConfigurationSetName: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "DeliveryOptions", "SendingOptions", "SuppressionOptions", "TrackingOptions")
			got["Name"] = c.ID
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := sesv2api.DeleteConfigurationSet.Do(c, c.Peers, &sesv2api.DeleteConfigurationSetRequest{ConfigurationSetName: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::SES::ConfigurationSetEventDestination",
		Create: createMailDestination,
		Find:   createMailDestination,
		Update: func(c *Call) error {
			d, err := mailDestination(c)
			if err != nil {
				return err
			}
			set, name, _ := strings.Cut(c.ID, "|")
			_, err = sesv2api.UpdateConfigurationSetEventDestination.Do(c, c.Peers, &sesv2api.UpdateConfigurationSetEventDestinationRequest{ConfigurationSetName: &set, EventDestinationName: &name, EventDestination: d})
			return err
		},
		Delete: func(c *Call) error {
			set, name, _ := strings.Cut(c.ID, "|")
			_, err := sesv2api.DeleteConfigurationSetEventDestination.Do(c, c.Peers, &sesv2api.DeleteConfigurationSetEventDestinationRequest{ConfigurationSetName: &set, EventDestinationName: &name})
			return err
		},
	},
	{
		Name:   "AWS::SES::Template",
		Create: createMailTemplate,
		Find:   createMailTemplate,
		Update: func(c *Call) error {
			content, err := mailContent(c)
			if err == nil {
				_, err = sesv2api.UpdateEmailTemplate.Do(c, c.Peers, &sesv2api.UpdateEmailTemplateRequest{TemplateName: &c.ID, TemplateContent: content})
			}
			if err != nil {
				return err
			}
			return retagMail(c, "template/")
		},
		Read: func(c *Call) (map[string]any, error) {
			_, err := sesv2api.GetEmailTemplate.Do(c, c.Peers, &sesv2api.GetEmailTemplateRequest{TemplateName: &c.ID})
			return map[string]any{"Id": c.ID}, err
		},
		Delete: func(c *Call) error {
			_, err := sesv2api.DeleteEmailTemplate.Do(c, c.Peers, &sesv2api.DeleteEmailTemplateRequest{TemplateName: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::SES::ContactList",
		Named: "ContactListName", Length: 64,
		Create: func(c *Call) error {
			if _, err := Do(c, &sesv2api.CreateContactList); err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("ContactListName")
			return nil
		},
		Update: func(c *Call) error {
			if _, err := Change(c.but("Tags"), &sesv2api.UpdateContactList); err != nil {
				return err
			}
			return retagMail(c, "contact-list/")
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := sesv2api.GetContactList.Do(c, c.Peers, &sesv2api.GetContactListRequest{ContactListName: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "ContactListName", "Description", "Topics"), nil
		},
		Delete: func(c *Call) error {
			_, err := sesv2api.DeleteContactList.Do(c, c.Peers, &sesv2api.DeleteContactListRequest{ContactListName: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::SES::ReceiptRuleSet",
		Named: "RuleSetName", Length: 64,
		Create: func(c *Call) error {
			if _, err := Do(c, &sesapi.CreateReceiptRuleSet); err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("RuleSetName")
			return nil
		},
		Delete: func(c *Call) error {
			_, err := sesapi.DeleteReceiptRuleSet.Do(c, c.Peers, &sesapi.DeleteReceiptRuleSetRequest{RuleSetName: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::SES::ReceiptRule",
		Create: createReceiptRule,
		Find:   createReceiptRule,
		Update: func(c *Call) error {
			r, err := receiptRule(c)
			if err != nil {
				return err
			}
			if r.Name = &c.ID; c.Changed("Rule") {
				if _, err := sesapi.UpdateReceiptRule.Do(c, c.Peers, &sesapi.UpdateReceiptRuleRequest{RuleSetName: new(c.Text("RuleSetName")), Rule: r}); err != nil {
					return err
				}
			}
			if !c.Changed("After") {
				return nil
			}
			in := &sesapi.SetReceiptRulePositionRequest{RuleSetName: new(c.Text("RuleSetName")), RuleName: &c.ID}
			if err := Into(c, "After", &in.After); err != nil {
				return err
			}
			_, err = sesapi.SetReceiptRulePosition.Do(c, c.Peers, in)
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			_, err := sesapi.DescribeReceiptRule.Do(c, c.Peers, &sesapi.DescribeReceiptRuleRequest{RuleSetName: new(c.Text("RuleSetName")), RuleName: &c.ID})
			return map[string]any{"RuleName": c.ID}, err
		},
		Delete: func(c *Call) error {
			_, err := sesapi.DeleteReceiptRule.Do(c, c.Peers, &sesapi.DeleteReceiptRuleRequest{RuleSetName: new(c.Text("RuleSetName")), RuleName: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::SES::ReceiptFilter",
		Create: createReceiptFilter,
		Find:   createReceiptFilter,
		Delete: func(c *Call) error {
			_, err := sesapi.DeleteReceiptFilter.Do(c, c.Peers, &sesapi.DeleteReceiptFilterRequest{FilterName: &c.ID})
			return err
		},
	},
}

func retagMail(c *Call, kind string) error {
	arn := c.Stack.arn("ses", kind+c.ID)
	return Retag(c, &sesv2api.TagResource, &sesv2api.UntagResource,
		func(in *sesv2api.TagResourceRequest) { in.ResourceArn = &arn }, func(in *sesv2api.UntagResourceRequest) { in.ResourceArn = &arn })
}

// identityParts are what operations of their own set.
var identityParts = []string{"ConfigurationSetAttributes", "DkimAttributes", "FeedbackAttributes", "MailFromAttributes"}

// identityAttributes sets what an identity's mail is sent with.
func identityAttributes(c *Call) error {
	return c.each([]mailPart{
		{"ConfigurationSetAttributes", func(o *ordered.Object) error {
			in := &sesv2api.PutEmailIdentityConfigurationSetAttributesRequest{EmailIdentity: &c.ID}
			return put(c, o, in, "", func() error {
				_, err := sesv2api.PutEmailIdentityConfigurationSetAttributes.Do(c, c.Peers, in)
				return err
			})
		}},
		{"DkimAttributes", func(o *ordered.Object) error {
			in := &sesv2api.PutEmailIdentityDkimAttributesRequest{EmailIdentity: &c.ID, SigningEnabled: new(true)}
			return put(c, o, in, "", func() error { _, err := sesv2api.PutEmailIdentityDkimAttributes.Do(c, c.Peers, in); return err })
		}},
		{"FeedbackAttributes", func(o *ordered.Object) error {
			in := &sesv2api.PutEmailIdentityFeedbackAttributesRequest{EmailIdentity: &c.ID, EmailForwardingEnabled: new(true)}
			return put(c, o, in, "", func() error { _, err := sesv2api.PutEmailIdentityFeedbackAttributes.Do(c, c.Peers, in); return err })
		}},
		{"MailFromAttributes", func(o *ordered.Object) error {
			in := &sesv2api.PutEmailIdentityMailFromAttributesRequest{EmailIdentity: &c.ID}
			return put(c, o, in, "", func() error { _, err := sesv2api.PutEmailIdentityMailFromAttributes.Do(c, c.Peers, in); return err })
		}},
	})
}

// A mailPart is a property that an operation of its own sets.
type mailPart struct {
	property string
	send     func(o *ordered.Object) error
}

// each sends those parts that are to be set.
func (c *Call) each(parts []mailPart) error {
	for _, p := range parts {
		if !c.fresh(p.property) {
			continue
		}
		if err := p.send(child(c.Properties, p.property)); err != nil {
			return err
		}
	}
	return nil
}

func updateConfigurationSet(c *Call) error {
	err := c.each([]mailPart{
		{"DeliveryOptions", func(o *ordered.Object) error {
			in := &sesv2api.PutConfigurationSetDeliveryOptionsRequest{ConfigurationSetName: &c.ID}
			return put(c, o, in, "", func() error { _, err := sesv2api.PutConfigurationSetDeliveryOptions.Do(c, c.Peers, in); return err })
		}},
		{"ReputationOptions", func(o *ordered.Object) error {
			in := &sesv2api.PutConfigurationSetReputationOptionsRequest{ConfigurationSetName: &c.ID}
			return put(c, o, in, "", func() error { _, err := sesv2api.PutConfigurationSetReputationOptions.Do(c, c.Peers, in); return err })
		}},
		{"SendingOptions", func(o *ordered.Object) error {
			in := &sesv2api.PutConfigurationSetSendingOptionsRequest{ConfigurationSetName: &c.ID, SendingEnabled: new(true)}
			return put(c, o, in, "", func() error { _, err := sesv2api.PutConfigurationSetSendingOptions.Do(c, c.Peers, in); return err })
		}},
		{"SuppressionOptions", func(o *ordered.Object) error {
			in := &sesv2api.PutConfigurationSetSuppressionOptionsRequest{ConfigurationSetName: &c.ID}
			return put(c, o, in, "", func() error { _, err := sesv2api.PutConfigurationSetSuppressionOptions.Do(c, c.Peers, in); return err })
		}},
		{"TrackingOptions", func(o *ordered.Object) error {
			in := &sesv2api.PutConfigurationSetTrackingOptionsRequest{ConfigurationSetName: &c.ID}
			return put(c, o, in, "", func() error { _, err := sesv2api.PutConfigurationSetTrackingOptions.Do(c, c.Peers, in); return err })
		}},
	})
	if err != nil {
		return err
	}
	return retagMail(c, "configuration-set/")
}

// mailDestination is an event destination in the words of SES's newer API: its names of
// events are upper-case.
func mailDestination(c *Call) (*sesv2api.EventDestinationDefinition, error) {
	o, _ := c.Get("EventDestination").(*ordered.Object)
	d := &sesv2api.EventDestinationDefinition{}
	if err := FillFrom(d, omit(o, []string{"Name"}), "EventDestination"); err != nil {
		return nil, err
	}
	for i, kind := range d.MatchingEventTypes {
		d.MatchingEventTypes[i] = upperSnake(kind)
	}
	if d.CloudWatchDestination != nil {
		for i := range d.CloudWatchDestination.DimensionConfigurations {
			source := &d.CloudWatchDestination.DimensionConfigurations[i]
			source.DimensionValueSource = new(upperSnake(aws.Value(source.DimensionValueSource)))
		}
	}
	return d, nil
}

// upperSnake is «renderingFailure» as «RENDERING_FAILURE».
func upperSnake(s string) string {
	if s == strings.ToUpper(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

func createMailDestination(c *Call) error {
	d, err := mailDestination(c)
	if err != nil {
		return err
	}
	set, name := c.Text("ConfigurationSetName"), c.innerName(member(child(c.Properties, "EventDestination"), "Name"))
	_, err = sesv2api.CreateConfigurationSetEventDestination.Do(c, c.Peers, &sesv2api.CreateConfigurationSetEventDestinationRequest{ConfigurationSetName: &set, EventDestinationName: &name, EventDestination: d})
	if err != nil && (!c.Again || !Exists(err)) {
		return err
	}
	c.ID = set + "|" + name
	c.Set("Id", c.ID)
	return nil
}

func mailContent(c *Call) (*sesv2api.EmailTemplateContent, error) {
	content := &sesv2api.EmailTemplateContent{}
	o := renamed(child(c.Properties, "Template"), map[string]string{"HtmlPart": "Html", "SubjectPart": "Subject", "TextPart": "Text"}).(*ordered.Object)
	c.Take("Template")
	return content, FillFrom(content, omit(o, []string{"TemplateName"}), "Template")
}

func createMailTemplate(c *Call) error {
	content, err := mailContent(c)
	if err != nil {
		return err
	}
	name := c.innerName(member(child(c.Properties, "Template"), "TemplateName"))
	_, err = Do(c.but("Template"), &sesv2api.CreateEmailTemplate, func(in *sesv2api.CreateEmailTemplateRequest) { in.TemplateName, in.TemplateContent = &name, content })
	if err != nil && (!c.Again || !Exists(err)) {
		return err
	}
	c.ID = name
	return nil
}

func receiptRule(c *Call) (*sesapi.ReceiptRule, error) {
	r := &sesapi.ReceiptRule{}
	return r, Into(c, "Rule", r)
}

func createReceiptRule(c *Call) error {
	r, err := receiptRule(c)
	if err != nil {
		return err
	}
	r.Name = new(c.innerName(aws.Value(r.Name)))
	_, err = Do(c.but("Rule"), &sesapi.CreateReceiptRule, func(in *sesapi.CreateReceiptRuleRequest) { in.Rule = r })
	if err != nil && (!c.Again || !Exists(err)) {
		return err
	}
	c.ID = *r.Name
	return nil
}

func createReceiptFilter(c *Call) error {
	f := &sesapi.ReceiptFilter{}
	if err := Into(c, "Filter", f); err != nil {
		return err
	}
	f.Name = new(c.innerName(aws.Value(f.Name)))
	if _, err := sesapi.CreateReceiptFilter.Do(c, c.Peers, &sesapi.CreateReceiptFilterRequest{Filter: f}); err != nil && (!c.Again || !Exists(err)) {
		return err
	}
	c.ID = *f.Name
	c.Set("Id", c.ID)
	return nil
}
