package ses

import (
	"context"
	"errors"
	"html"
	"net/mail"
	"net/url"

	api "github.com/tule-cloud/tule/api/ses"
	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Mail of one's own that asks for an address. Since an identity is verified when it is
// asked for, the link in it leads to the template's page for success.
// https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html#send-email-verify-address-custom

// verificationTemplate is what such mail says.
type verificationTemplate struct {
	Name, From, Subject, Content, Success, Failure string
	Tags                                           map[string]string `json:",omitempty"`
}

var verifications = store.NewTable[verificationTemplate]("ses", "verification") // name

const (
	maxVerifications       = 50
	maxVerificationContent = 10 << 20 // bytes
)

func (s *Service) verificationRoutes() []aws.Route {
	return []aws.Route{
		api.CreateCustomVerificationEmailTemplate.To(s.createVerification, onVerification(s, func(in *api.CreateCustomVerificationEmailTemplateRequest) (*string, []apiv2.Tag) {
			return in.TemplateName, nil
		})),
		api.UpdateCustomVerificationEmailTemplate.To(s.updateVerification, onVerification(s, func(in *api.UpdateCustomVerificationEmailTemplateRequest) (*string, []apiv2.Tag) {
			return in.TemplateName, nil
		})),
		api.GetCustomVerificationEmailTemplate.To(s.getVerificationTemplate, onVerification(s, func(in *api.GetCustomVerificationEmailTemplateRequest) (*string, []apiv2.Tag) {
			return in.TemplateName, nil
		})),
		api.DeleteCustomVerificationEmailTemplate.To(s.deleteVerification, onVerification(s, func(in *api.DeleteCustomVerificationEmailTemplateRequest) (*string, []apiv2.Tag) {
			return in.TemplateName, nil
		})),
		api.ListCustomVerificationEmailTemplates.To(s.listVerifications, aws.Anywhere),
		api.SendCustomVerificationEmail.To(s.sendVerification, func(ctx context.Context, in *api.SendCustomVerificationEmailRequest) ([]aws.Access, error) {
			return s.guardVerification(ctx, in.TemplateName, in.EmailAddress)
		}),
	}
}

func (s *Service) verificationRoutes2() []aws.Route {
	return []aws.Route{
		apiv2.CreateCustomVerificationEmailTemplate.To(second2(s.createVerification2), onVerification(s, func(in *apiv2.CreateCustomVerificationEmailTemplateRequest) (*string, []apiv2.Tag) {
			return in.TemplateName, in.Tags
		})),
		apiv2.UpdateCustomVerificationEmailTemplate.To(second2(s.updateVerification2), onVerification(s, func(in *apiv2.UpdateCustomVerificationEmailTemplateRequest) (*string, []apiv2.Tag) {
			return in.TemplateName, nil
		})),
		apiv2.GetCustomVerificationEmailTemplate.To(second2(s.getVerification2), onVerification(s, func(in *apiv2.GetCustomVerificationEmailTemplateRequest) (*string, []apiv2.Tag) {
			return in.TemplateName, nil
		})),
		apiv2.DeleteCustomVerificationEmailTemplate.To(second2(s.deleteVerification2), onVerification(s, func(in *apiv2.DeleteCustomVerificationEmailTemplateRequest) (*string, []apiv2.Tag) {
			return in.TemplateName, nil
		})),
		apiv2.ListCustomVerificationEmailTemplates.To(second2(s.listVerifications2), aws.Anywhere),
		apiv2.SendCustomVerificationEmail.To(second2(s.sendVerification2), func(ctx context.Context, in *apiv2.SendCustomVerificationEmailRequest) ([]aws.Access, error) {
			return s.guardVerification(ctx, in.TemplateName, in.EmailAddress)
		}),
	}
}

// onVerification guards what works on a template, to which it may bring tags.
func onVerification[In any](s *Service, of func(*In) (name *string, tags []apiv2.Tag)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		name, tags := of(in)
		return s.onResource2(verificationARN(ctx, name), tags), nil
	}
}

func verificationARN(ctx context.Context, name *string) string {
	return aws.RequestOf(ctx).ARN("ses", "custom-verification-email-template/"+aws.Value(name))
}

// guardVerification asks for the template, and for the identity that it is sent from.
func (s *Service) guardVerification(ctx context.Context, name, to *string) ([]aws.Access, error) {
	t, err := s.verification(ctx, *name)
	if err != nil && aws.CodeOf(err) == "" {
		return nil, err
	}
	from := t.From
	if from == "" { // there is no template: the handler says so
		from = *to
	}
	needs, err := s.sending(ctx, from, nil, "", []string{*to}, nil)
	if err != nil {
		return nil, err
	}
	more := needs[0]
	more.Policy, more.Resource = nil, verificationARN(ctx, name)
	needs = append(needs, more)
	for i := range needs {
		needs[i].Tags = s.tagsOf(needs[i].Resource)
	}
	return needs, nil
}

func noVerification(name string) error {
	return api.CustomVerificationEmailTemplateDoesNotExistException("Custom verification email template %s does not exist.", name).
		With(&api.CustomVerificationEmailTemplateDoesNotExistExceptionDetail{CustomVerificationEmailTemplateName: &name})
}

func (s *Service) verification(ctx context.Context, name string) (t verificationTemplate, err error) {
	err = s.Store.View(ctx, func(r store.Reader) (err error) {
		t, err = readVerification(ctx, r, scopeOf(ctx), name)
		return err
	})
	return t, err
}

func readVerification(ctx context.Context, r store.Reader, scope store.Scope, name string) (verificationTemplate, error) {
	t, err := verifications.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		err = noVerification(name)
	}
	return t, err
}

// check holds a template against what AWS asks of it, but for its sender's identity.
func (t *verificationTemplate) check() error {
	if len(t.Content) > maxVerificationContent {
		return api.CustomVerificationEmailInvalidContentException("The content of the template must be smaller than 10 MB.")
	}
	for _, link := range []string{t.Success, t.Failure} {
		if u, err := url.Parse(link); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return invalid("Invalid redirection URL <%s>.", link)
		}
	}
	return nil
}

// putVerification writes a template whose sender is one of the account's identities.
func (s *Service) putVerification(ctx context.Context, tx store.Tx, t verificationTemplate) error {
	if err := t.check(); err != nil {
		return err
	}
	from, err := mail.ParseAddress(t.From)
	if err == nil {
		_, err = s.senderOf(ctx, tx, scopeOf(ctx), from.Address, nil)
	} else {
		err = invalid("Invalid email address<%s>.", t.From)
	}
	if aws.CodeOf(err) == "MessageRejected" {
		err = api.FromEmailAddressNotVerifiedException("The from email address <%s> is not verified.", t.From).With(&api.FromEmailAddressNotVerifiedExceptionDetail{FromEmailAddress: &t.From})
	}
	if err != nil {
		return err
	}
	return verifications.Put(tx, scopeOf(ctx), t, t.Name)
}

func (s *Service) addVerification(ctx context.Context, t verificationTemplate) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		n := 0
		for e, err := range verifications.List(ctx, tx, scopeOf(ctx), store.ListOptions{}) {
			if err != nil {
				return err
			}
			if n++; e.Record.Name == t.Name {
				return api.CustomVerificationEmailTemplateAlreadyExistsException("Custom verification email template %s already exists.", t.Name).
					With(&api.CustomVerificationEmailTemplateAlreadyExistsExceptionDetail{CustomVerificationEmailTemplateName: &t.Name})
			}
		}
		if n >= maxVerifications {
			return api.LimitExceededException("Number of custom verification email templates exceeds the limit of %d.", maxVerifications)
		}
		return s.putVerification(ctx, tx, t)
	})
}

func (s *Service) createVerification(ctx context.Context, in *api.CreateCustomVerificationEmailTemplateRequest) (*aws.Empty, error) {
	return nil, s.addVerification(ctx, verificationTemplate{Name: *in.TemplateName, From: *in.FromEmailAddress, Subject: *in.TemplateSubject, Content: *in.TemplateContent,
		Success: *in.SuccessRedirectionURL, Failure: *in.FailureRedirectionURL})
}

func (s *Service) createVerification2(ctx context.Context, in *apiv2.CreateCustomVerificationEmailTemplateRequest) (*apiv2.CreateCustomVerificationEmailTemplateResponse, error) {
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	return nil, s.addVerification(ctx, verificationTemplate{Name: *in.TemplateName, From: *in.FromEmailAddress, Subject: *in.TemplateSubject, Content: *in.TemplateContent,
		Success: *in.SuccessRedirectionURL, Failure: *in.FailureRedirectionURL, Tags: tags})
}

// updateVerification changes what is given, and leaves the rest.
func (s *Service) updateVerification(ctx context.Context, in *api.UpdateCustomVerificationEmailTemplateRequest) (*aws.Empty, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := readVerification(ctx, tx, scopeOf(ctx), *in.TemplateName)
		if err != nil {
			return err
		}
		for to, given := range map[*string]*string{&t.From: in.FromEmailAddress, &t.Subject: in.TemplateSubject, &t.Content: in.TemplateContent,
			&t.Success: in.SuccessRedirectionURL, &t.Failure: in.FailureRedirectionURL} {
			if given != nil {
				*to = *given
			}
		}
		return s.putVerification(ctx, tx, t)
	})
}

func (s *Service) updateVerification2(ctx context.Context, in *apiv2.UpdateCustomVerificationEmailTemplateRequest) (*apiv2.UpdateCustomVerificationEmailTemplateResponse, error) {
	_, err := s.updateVerification(ctx, &api.UpdateCustomVerificationEmailTemplateRequest{TemplateName: in.TemplateName, FromEmailAddress: in.FromEmailAddress, TemplateSubject: in.TemplateSubject,
		TemplateContent: in.TemplateContent, SuccessRedirectionURL: in.SuccessRedirectionURL, FailureRedirectionURL: in.FailureRedirectionURL})
	return nil, err
}

func (s *Service) getVerificationTemplate(ctx context.Context, in *api.GetCustomVerificationEmailTemplateRequest) (*api.GetCustomVerificationEmailTemplateResponse, error) {
	t, err := s.verification(ctx, *in.TemplateName)
	return &api.GetCustomVerificationEmailTemplateResponse{TemplateName: &t.Name, FromEmailAddress: &t.From, TemplateSubject: &t.Subject, TemplateContent: &t.Content,
		SuccessRedirectionURL: &t.Success, FailureRedirectionURL: &t.Failure}, err
}

func (s *Service) getVerification2(ctx context.Context, in *apiv2.GetCustomVerificationEmailTemplateRequest) (*apiv2.GetCustomVerificationEmailTemplateResponse, error) {
	t, err := s.verification(ctx, *in.TemplateName)
	return &apiv2.GetCustomVerificationEmailTemplateResponse{TemplateName: &t.Name, FromEmailAddress: &t.From, TemplateSubject: &t.Subject, TemplateContent: &t.Content,
		SuccessRedirectionURL: &t.Success, FailureRedirectionURL: &t.Failure, Tags: tagList(t.Tags)}, err
}

func (s *Service) deleteVerification(ctx context.Context, in *api.DeleteCustomVerificationEmailTemplateRequest) (*aws.Empty, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error { return verifications.Delete(tx, scopeOf(ctx), *in.TemplateName) })
}

func (s *Service) deleteVerification2(ctx context.Context, in *apiv2.DeleteCustomVerificationEmailTemplateRequest) (*apiv2.DeleteCustomVerificationEmailTemplateResponse, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := readVerification(ctx, tx, scopeOf(ctx), *in.TemplateName); err != nil {
			return err
		}
		return verifications.Delete(tx, scopeOf(ctx), *in.TemplateName)
	})
}

func (s *Service) listVerifications(ctx context.Context, in *api.ListCustomVerificationEmailTemplatesRequest) (*api.ListCustomVerificationEmailTemplatesResponse, error) {
	o, most, err := pageOf(in.NextToken, in.MaxResults, maxVerifications)
	if err != nil {
		return nil, err
	}
	out := &api.ListCustomVerificationEmailTemplatesResponse{CustomVerificationEmailTemplates: []api.CustomVerificationEmailTemplate{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range verifications.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			if n := len(out.CustomVerificationEmailTemplates); n == most {
				out.NextToken = new(aws.Token(*out.CustomVerificationEmailTemplates[n-1].TemplateName))
				return nil
			}
			t := e.Record
			out.CustomVerificationEmailTemplates = append(out.CustomVerificationEmailTemplates, api.CustomVerificationEmailTemplate{TemplateName: &t.Name,
				FromEmailAddress: &t.From, TemplateSubject: &t.Subject, SuccessRedirectionURL: &t.Success, FailureRedirectionURL: &t.Failure})
		}
		return nil
	})
}

func (s *Service) listVerifications2(ctx context.Context, in *apiv2.ListCustomVerificationEmailTemplatesRequest) (*apiv2.ListCustomVerificationEmailTemplatesResponse, error) {
	got, err := s.listVerifications(ctx, &api.ListCustomVerificationEmailTemplatesRequest{NextToken: in.NextToken, MaxResults: in.PageSize})
	if err != nil {
		return nil, err
	}
	out := &apiv2.ListCustomVerificationEmailTemplatesResponse{CustomVerificationEmailTemplates: []apiv2.CustomVerificationEmailTemplateMetadata{}, NextToken: got.NextToken}
	for _, t := range got.CustomVerificationEmailTemplates {
		out.CustomVerificationEmailTemplates = append(out.CustomVerificationEmailTemplates, apiv2.CustomVerificationEmailTemplateMetadata(t))
	}
	return out, nil
}

// sendVerification makes an identity of an address, and writes to it.
func (s *Service) sendVerification(ctx context.Context, in *api.SendCustomVerificationEmailRequest) (*api.SendCustomVerificationEmailResponse, error) {
	if err := checkAddress(*in.EmailAddress); err != nil {
		return nil, err
	}
	t, err := s.verification(ctx, *in.TemplateName)
	if err != nil {
		return nil, err
	}
	if err := s.verify(ctx, *in.EmailAddress, nil); err != nil {
		return nil, err
	}
	link := html.EscapeString(t.Success)
	id, err := s.send(ctx, &letter{operation: "SendCustomVerificationEmail", source: t.From, to: []string{*in.EmailAddress}, set: in.ConfigurationSetName,
		content: &content{subject: t.Subject, html: t.Content + `<br><a href="` + link + `">` + link + `</a>`}})
	return &api.SendCustomVerificationEmailResponse{MessageId: &id}, err
}

func (s *Service) sendVerification2(ctx context.Context, in *apiv2.SendCustomVerificationEmailRequest) (*apiv2.SendCustomVerificationEmailResponse, error) {
	out, err := s.sendVerification(ctx, &api.SendCustomVerificationEmailRequest{EmailAddress: in.EmailAddress, TemplateName: in.TemplateName, ConfigurationSetName: in.ConfigurationSetName})
	if err != nil {
		return nil, err
	}
	return &apiv2.SendCustomVerificationEmailResponse{MessageId: out.MessageId}, nil
}
