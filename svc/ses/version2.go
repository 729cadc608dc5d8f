package ses

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"mime"
	"net/mail"
	"path"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/ses"
	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// The second version of the API, by which today's SDKs send: another face of the same
// identities, templates and outbox.
// https://docs.aws.amazon.com/ses/latest/APIReference-V2/Welcome.html

// Version2 are the operations of the API's second version that the service answers.
func (s *Service) Version2() []aws.Route {
	return versioned(slices.Concat(s.setRoutes2(), s.identityRoutes2(), s.verificationRoutes2(), s.suppressionRoutes(), s.contactRoutes(), []aws.Route{
		apiv2.SendEmail.To(second2(s.sendEmail2), s.guardSend2),
		apiv2.SendBulkEmail.To(second2(s.sendBulk2), s.guardBulk2),
		apiv2.GetAccount.To(second2(s.getAccount2), aws.Anywhere),
		apiv2.PutAccountSendingAttributes.To(second2(s.putAccountSending2), aws.Anywhere),

		apiv2.CreateEmailIdentity.To(second2(s.createIdentity2), onIdentity(s, func(in *apiv2.CreateEmailIdentityRequest) (*string, []apiv2.Tag) { return in.EmailIdentity, in.Tags })),
		apiv2.GetEmailIdentity.To(second2(s.getIdentity2), onIdentity(s, func(in *apiv2.GetEmailIdentityRequest) (*string, []apiv2.Tag) { return in.EmailIdentity, nil })),
		apiv2.DeleteEmailIdentity.To(second2(s.deleteIdentity2), onIdentity(s, func(in *apiv2.DeleteEmailIdentityRequest) (*string, []apiv2.Tag) { return in.EmailIdentity, nil })),
		apiv2.ListEmailIdentities.To(second2(s.listIdentities2), aws.Anywhere),

		apiv2.CreateEmailTemplate.To(second2(s.createTemplate2), onTemplate(s, func(in *apiv2.CreateEmailTemplateRequest) (*string, []apiv2.Tag) { return in.TemplateName, in.Tags })),
		apiv2.UpdateEmailTemplate.To(second2(s.updateTemplate2), onTemplate(s, func(in *apiv2.UpdateEmailTemplateRequest) (*string, []apiv2.Tag) { return in.TemplateName, nil })),
		apiv2.GetEmailTemplate.To(second2(s.getTemplate2), onTemplate(s, func(in *apiv2.GetEmailTemplateRequest) (*string, []apiv2.Tag) { return in.TemplateName, nil })),
		apiv2.DeleteEmailTemplate.To(second2(s.deleteTemplate2), onTemplate(s, func(in *apiv2.DeleteEmailTemplateRequest) (*string, []apiv2.Tag) { return in.TemplateName, nil })),
		apiv2.TestRenderEmailTemplate.To(second2(s.testRender2), onTemplate(s, func(in *apiv2.TestRenderEmailTemplateRequest) (*string, []apiv2.Tag) { return in.TemplateName, nil })),
		apiv2.ListEmailTemplates.To(second2(s.listTemplates2), aws.Anywhere),

		apiv2.TagResource.To(second2(s.tagResource2), onTagged(s, func(in *apiv2.TagResourceRequest) *string { return in.ResourceArn },
			func(in *apiv2.TagResourceRequest) map[string][]string { return requestTags(in.Tags) })),
		apiv2.UntagResource.To(second2(s.untagResource2), onTagged(s, func(in *apiv2.UntagResourceRequest) *string { return in.ResourceArn },
			func(in *apiv2.UntagResourceRequest) map[string][]string {
				return map[string][]string{"aws:TagKeys": in.TagKeys}
			})),
		apiv2.ListTagsForResource.To(second2(s.listTags2), onTagged(s, func(in *apiv2.ListTagsForResourceRequest) *string { return in.ResourceArn }, nil)),
	}), "2")
}

// second2 has a handler fail in the second version's words.
func second2[In, Out any](h aws.Handler[In, Out]) aws.Handler[In, Out] {
	return func(ctx context.Context, in *In) (*Out, error) {
		out, err := h(ctx, in)
		var e *aws.Error
		if err == nil || !errors.As(err, &e) || e.Server() {
			return out, err
		}
		make2 := apiv2.BadRequestException
		switch e.Code {
		case "MessageRejected":
			make2 = apiv2.MessageRejected
		case "AlreadyExists", "AlreadyExistsException", "ConfigurationSetAlreadyExists", "EventDestinationAlreadyExists", "CustomVerificationEmailTemplateAlreadyExists":
			make2 = apiv2.AlreadyExistsException
		case "NotFoundException", "TemplateDoesNotExist", "ConfigurationSetDoesNotExist", "EventDestinationDoesNotExist", "CustomVerificationEmailTemplateDoesNotExist":
			make2 = apiv2.NotFoundException
		case "LimitExceeded", "LimitExceededException":
			make2 = apiv2.LimitExceededException
		case "AccountSendingPausedException", "ConfigurationSetSendingPausedException":
			make2 = apiv2.SendingPausedException
		}
		return nil, make2("%s", e.Message).Because(err)
	}
}

// onIdentity guards what works on an identity, to which it may bring tags.
func onIdentity[In any](s *Service, of func(*In) (name *string, tags []apiv2.Tag)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		name, tags := of(in)
		return s.onResource2(identityARN(scopeOf(ctx), aws.Value(name)), tags), nil
	}
}

// onTemplate guards what works on a template, to which it may bring tags.
func onTemplate[In any](s *Service, of func(*In) (name *string, tags []apiv2.Tag)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		name, tags := of(in)
		return s.onResource2(aws.RequestOf(ctx).ARN("ses", "template/"+aws.Value(name)), tags), nil
	}
}

func (s *Service) onResource2(arn string, tags []apiv2.Tag) []aws.Access {
	return []aws.Access{{Resource: arn, Keys: requestTags(tags), Tags: s.tagsOf(arn)}}
}

// destination1 is a destination in the first version's form.
func destination1(d *apiv2.Destination) *api.Destination {
	if d == nil {
		return nil
	}
	return &api.Destination{ToAddresses: d.ToAddresses, CcAddresses: d.CcAddresses, BccAddresses: d.BccAddresses}
}

// source2 is from whom a message is; what is raw says so itself.
func source2(in *apiv2.SendEmailRequest) string {
	if in.FromEmailAddress != nil || in.Content.Raw == nil {
		return aws.Value(in.FromEmailAddress)
	}
	m, err := mail.ReadMessage(bytes.NewReader(in.Content.Raw.Data))
	if err != nil {
		return ""
	}
	return m.Header.Get("From")
}

func (s *Service) guardSend2(ctx context.Context, in *apiv2.SendEmailRequest) ([]aws.Access, error) {
	needs, err := s.sending(ctx, source2(in), in.FromEmailAddressIdentityArn, aws.Value(in.FeedbackForwardingEmailAddress), recipientsOf(destination1(in.Destination)), in.ConfigurationSetName)
	if err != nil {
		return nil, err
	}
	newerKeys(needs[0].Keys, in.TenantName, in.EndpointId)
	if t := in.Content.Template; t != nil && t.TemplateName != nil {
		more := needs[0]
		more.Policy, more.Resource = nil, aws.RequestOf(ctx).ARN("ses", "template/"+*t.TemplateName)
		needs = append(needs, more)
	}
	for i := range needs {
		needs[i].Tags = s.tagsOf(needs[i].Resource)
	}
	return needs, nil
}

func (s *Service) sendEmail2(ctx context.Context, in *apiv2.SendEmailRequest) (*apiv2.SendEmailResponse, error) {
	var tags []api.MessageTag
	for _, t := range in.EmailTags {
		tags = append(tags, api.MessageTag{Name: t.Name, Value: t.Value})
	}
	kinds := 0
	for _, given := range []bool{in.Content.Raw != nil, in.Content.Simple != nil, in.Content.Template != nil} {
		if given {
			kinds++
		}
	}
	if kinds != 1 {
		return nil, apiv2.BadRequestException("Exactly one of Simple, Raw or Template must be specified.")
	}
	if in.Content.Raw != nil {
		to, cc, bcc := given(destination1(in.Destination))
		out, err := s.sendRawEmail(ctx, &api.SendRawEmailRequest{Source: in.FromEmailAddress, FromArn: in.FromEmailAddressIdentityArn, Destinations: slices.Concat(to, cc, bcc),
			RawMessage: &api.RawMessage{Data: in.Content.Raw.Data}, ConfigurationSetName: in.ConfigurationSetName, Tags: tags})
		if err != nil {
			return nil, err
		}
		return &apiv2.SendEmailResponse{MessageId: out.MessageId}, nil
	}
	l := &letter{operation: "SendEmail", source: aws.Value(in.FromEmailAddress), returnPath: aws.Value(in.FeedbackForwardingEmailAddress), sourceARN: in.FromEmailAddressIdentityArn,
		replyTo: in.ReplyToAddresses, set: in.ConfigurationSetName, tags: tags}
	l.to, l.cc, l.bcc = given(destination1(in.Destination))
	if err := s.fill2(ctx, l, in.Content); err != nil {
		return nil, err
	}
	id, err := s.send(ctx, l)
	return &apiv2.SendEmailResponse{MessageId: &id}, err
}

// fill2 gives a letter what it says.
func (s *Service) fill2(ctx context.Context, l *letter, c *apiv2.EmailContent) error {
	var more []apiv2.MessageHeader
	var files []apiv2.Attachment
	if m := c.Simple; m != nil {
		more, files = m.Headers, m.Attachments
		l.content = &content{subject: *m.Subject.Data}
		if m.Body.Text != nil {
			l.content.text = *m.Body.Text.Data
		}
		if m.Body.Html != nil {
			l.content.html = *m.Body.Html.Data
		}
	} else {
		t, err := s.template2(ctx, c.Template)
		if err != nil {
			return err
		}
		data := aws.Value(c.Template.TemplateData)
		if data == "" {
			data = "{}"
		}
		filled, err := t.render(data)
		if err != nil {
			return err
		}
		more, files = c.Template.Headers, c.Template.Attachments
		l.content, l.template, l.data = &filled, t.Name, data
	}
	for _, h := range more {
		l.headers = append(l.headers, header{*h.Name, *h.Value})
	}
	return l.content.attach(files)
}

// attach adds files to a message: its size is that of all of them in base64.
func (c *content) attach(files []apiv2.Attachment) error {
	size := 0
	for _, f := range files {
		a := attachment{kind: aws.Value(f.ContentType), disposition: strings.ToLower(aws.Value(f.ContentDisposition)), id: aws.Value(f.ContentId), name: *f.FileName,
			about: aws.Value(f.ContentDescription), data: f.RawContent}
		if a.disposition == "" {
			a.disposition = "attachment"
		}
		if a.kind == "" {
			a.kind = mime.TypeByExtension(path.Ext(a.name))
		}
		if a.kind == "" {
			a.kind = "application/octet-stream"
		}
		if _, _, err := mime.ParseMediaType(a.kind); err != nil || strings.ContainsAny(a.kind, "\r\n") {
			return apiv2.BadRequestException("Invalid content type <%s> of the attachment <%s>.", a.kind, a.name)
		}
		if mime.FormatMediaType(a.disposition, map[string]string{"filename": a.name}) == "" {
			return apiv2.BadRequestException("Invalid name of an attachment.")
		}
		if size += base64.StdEncoding.EncodedLen(len(a.data)); size > maxRaw {
			return apiv2.BadRequestException("Message length is more than %d bytes long: '%d'.", maxRaw, size)
		}
		c.attached = append(c.attached, a)
	}
	return nil
}

// template2 is the template that a message names, or brings.
func (s *Service) template2(ctx context.Context, t *apiv2.Template) (emailTemplate, error) {
	name := aws.Value(t.TemplateName)
	if a, ok := aws.ParseARN(aws.Value(t.TemplateArn)); ok {
		name = strings.TrimPrefix(a.Resource, "template/")
	}
	if c := t.TemplateContent; name == "" && c != nil {
		return emailTemplate{Subject: aws.Value(c.Subject), Text: aws.Value(c.Text), HTML: aws.Value(c.Html)}, nil
	}
	if name == "" {
		return emailTemplate{}, apiv2.BadRequestException("A template must have a name, an ARN or content.")
	}
	return s.template(ctx, name)
}

func (s *Service) getAccount2(ctx context.Context, _ *apiv2.GetAccountRequest) (*apiv2.GetAccountResponse, error) {
	quota, err := s.getSendQuota(ctx, nil)
	if err != nil {
		return nil, err
	}
	enabled, err := s.getAccountSendingEnabled(ctx, nil)
	if err != nil {
		return nil, err
	}
	var a accountState
	if err := s.Store.View(ctx, func(r store.Reader) (err error) { a, err = accountOf(ctx, r, scopeOf(ctx)); return err }); err != nil {
		return nil, err
	}
	return &apiv2.GetAccountResponse{Details: a.Details, VdmAttributes: a.Deliverability, SuppressionAttributes: &apiv2.SuppressionAttributes{SuppressedReasons: a.reasons()}, DedicatedIpAutoWarmupEnabled: new(false), EnforcementStatus: new("HEALTHY"), ProductionAccessEnabled: new(true), SendingEnabled: enabled.Enabled,
		SendQuota: &apiv2.SendQuota{Max24HourSend: quota.Max24HourSend, MaxSendRate: quota.MaxSendRate, SentLast24Hours: quota.SentLast24Hours}}, nil
}

func (s *Service) putAccountSending2(ctx context.Context, in *apiv2.PutAccountSendingAttributesRequest) (*apiv2.PutAccountSendingAttributesResponse, error) {
	_, err := s.updateAccountSendingEnabled(ctx, &api.UpdateAccountSendingEnabledRequest{Enabled: new(aws.Value(in.SendingEnabled))})
	return nil, err
}

// kind2 is what an identity is.
func (i *identity) kind2() *string {
	if i.domain() {
		return new(apiv2.IdentityTypeDomain)
	}
	return new(apiv2.IdentityTypeEmailAddress)
}

// dkim2 is how an identity signs.
func (i *identity) dkim2() *apiv2.DkimAttributes {
	status := "NOT_STARTED"
	if len(i.DKIM) > 0 {
		status = "SUCCESS"
	}
	origin := i.Origin
	if origin == "" {
		origin = apiv2.DkimSigningAttributesOriginAwsSes
	}
	return &apiv2.DkimAttributes{SigningEnabled: &i.Signing, Status: &status, Tokens: i.DKIM, SigningAttributesOrigin: &origin}
}

func noIdentity2(name string) error {
	return apiv2.NotFoundException("Email identity %s does not exist.", name)
}

func (s *Service) createIdentity2(ctx context.Context, in *apiv2.CreateEmailIdentityRequest) (*apiv2.CreateEmailIdentityResponse, error) {
	name := *in.EmailIdentity
	check := checkAddress
	if !strings.Contains(name, "@") {
		name, check = strings.ToLower(name), checkDomain
	}
	if err := check(name); err != nil {
		return nil, err
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	fresh := []string{aws.RandomID(s.Random, aws.LowerAlnm, 32), aws.RandomID(s.Random, aws.LowerAlnm, 32), aws.RandomID(s.Random, aws.LowerAlnm, 32)}
	scope, made := scopeOf(ctx), identity{Name: name, Tags: tags, Set: aws.Value(in.ConfigurationSetName)}
	if made.domain() {
		made.Token, made.DKIM, made.Signing = aws.RandomID(s.Random, aws.LowerAlnm, 44), fresh, true
	}
	if a := in.DkimSigningAttributes; a != nil && made.domain() {
		origin := apiv2.DkimSigningAttributesOriginAwsSes
		if a.DomainSigningSelector != nil {
			origin = apiv2.DkimSigningAttributesOriginExternal
		}
		if err := made.sign(origin, a, fresh); err != nil {
			return nil, err
		}
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if made.Set != "" {
			if _, err := getSet(ctx, tx, scope, made.Set); err != nil {
				return err
			}
		}
		has, err := identities.Has(ctx, tx, scope, name)
		if err == nil && has {
			err = apiv2.AlreadyExistsException("Email identity %s already exist.", name)
		}
		if err != nil {
			return err
		}
		return identities.Put(tx, scope, made, name)
	})
	return &apiv2.CreateEmailIdentityResponse{IdentityType: made.kind2(), VerifiedForSendingStatus: new(true), DkimAttributes: made.dkim2()}, err
}

func (s *Service) getIdentity2(ctx context.Context, in *apiv2.GetEmailIdentityRequest) (*apiv2.GetEmailIdentityResponse, error) {
	out := &apiv2.GetEmailIdentityResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		i, err := identities.Get(ctx, r, scopeOf(ctx), *in.EmailIdentity)
		if errors.Is(err, store.ErrNotFound) {
			return noIdentity2(*in.EmailIdentity)
		}
		*out = apiv2.GetEmailIdentityResponse{IdentityType: i.kind2(), VerifiedForSendingStatus: new(true), VerificationStatus: new("SUCCESS"), FeedbackForwardingStatus: new(!i.Silent),
			DkimAttributes: i.dkim2(), Policies: i.Policies, Tags: tagList(i.Tags)}
		if i.Set != "" {
			out.ConfigurationSetName = &i.Set
		}
		if i.MailFrom != "" {
			out.MailFromAttributes = &apiv2.MailFromAttributes{MailFromDomain: &i.MailFrom, MailFromDomainStatus: new("SUCCESS"), BehaviorOnMxFailure: new(behaviour2(i.OnNoMX))}
		}
		return err
	})
}

// behaviour2 is what the second version calls what is done where a domain has no MX.
func behaviour2(v1 string) string {
	if v1 == api.BehaviorOnMXFailureRejectMessage {
		return apiv2.BehaviorOnMxFailureRejectMessage
	}
	return apiv2.BehaviorOnMxFailureUseDefaultValue
}

func (s *Service) deleteIdentity2(ctx context.Context, in *apiv2.DeleteEmailIdentityRequest) (*apiv2.DeleteEmailIdentityResponse, error) {
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := identities.Has(ctx, tx, scope, *in.EmailIdentity)
		if err == nil && !has {
			err = noIdentity2(*in.EmailIdentity)
		}
		if err != nil {
			return err
		}
		return identities.Delete(tx, scope, *in.EmailIdentity)
	})
}

// fits reports whether an identity is what a filter asks for: all of its conditions.
func (i *identity) fits(filter map[string]string) bool {
	for key, value := range filter {
		switch key {
		case apiv2.IdentityFilterKeyIdentityNameContains:
			if !strings.Contains(i.Name, strings.ToLower(value)) && !strings.Contains(i.Name, value) {
				return false
			}
		case apiv2.IdentityFilterKeyIdentityType:
			if value != *i.kind2() {
				return false
			}
		case apiv2.IdentityFilterKeyVerificationStatus:
			if value != apiv2.VerificationStatusSuccess {
				return false
			}
		}
	}
	return true
}

func (s *Service) listIdentities2(ctx context.Context, in *apiv2.ListEmailIdentitiesRequest) (*apiv2.ListEmailIdentitiesResponse, error) {
	o, most, err := pageOf(in.NextToken, in.PageSize, 1000)
	if err != nil {
		return nil, err
	}
	out := &apiv2.ListEmailIdentitiesResponse{EmailIdentities: []apiv2.IdentityInfo{}}
	return out, s.each(ctx, o, func(i identity) bool {
		if !i.fits(in.Filter) {
			return true
		}
		if len(out.EmailIdentities) == most {
			out.NextToken = new(aws.Token(*out.EmailIdentities[most-1].IdentityName))
			return false
		}
		out.EmailIdentities = append(out.EmailIdentities, apiv2.IdentityInfo{IdentityName: &i.Name, IdentityType: i.kind2(), SendingEnabled: new(true), VerificationStatus: new("SUCCESS")})
		return true
	})
}
