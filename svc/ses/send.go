package ses

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/ses"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// AWS's limits.
const (
	maxRecipients = 50
	maxRaw        = 40 << 20
	mailLife      = 30 * 24 * time.Hour
)

// sentMail is what is kept of a message, for inspection, in LocalStack's form.
type sentMail struct {
	ID           string           `json:"Id"`
	Region       string           `json:"Region"`
	Timestamp    string           `json:"Timestamp"`
	Source       string           `json:"Source"`
	Destination  *mailDestination `json:"Destination,omitempty"`
	Subject      string           `json:"Subject,omitempty"`
	Body         *mailBody        `json:"Body,omitempty"`
	RawData      string           `json:"RawData,omitempty"`
	Template     string           `json:"Template,omitempty"`
	TemplateData string           `json:"TemplateData,omitempty"`
}

type mailDestination struct {
	ToAddresses  []string `json:"ToAddresses,omitempty"`
	CcAddresses  []string `json:"CcAddresses,omitempty"`
	BccAddresses []string `json:"BccAddresses,omitempty"`
}

type mailBody struct {
	Text *string `json:"text_part"`
	HTML *string `json:"html_part"`
}

// outgoing is a message that is sent, in the outbox where the relay has it not yet.
type outgoing struct {
	Account, Region string // of the outbox's alone
	Mail            mailFacts
	From            string // of the envelope
	To              []string
	Raw             []byte
	Accepted        time.Time
	Due             time.Time
	Tries           int
}

// mailFacts are what notifications say of a message.
type mailFacts struct {
	ID, Source, Identity, SourceIP, Caller string
	Destination                            []string
	Time                                   time.Time
	Set                                    string // configuration set
	Tags                                   map[string][]string
}

// A letter is a message on its way in.
type letter struct {
	operation            string
	source, returnPath   string
	sourceARN            *string
	to, cc, bcc, replyTo []string
	content              *content // nil: raw
	raw                  []byte
	set                  *string
	tags                 []api.MessageTag
	template, data       string
	headers              []header // more of them
}

func given(d *api.Destination) (to, cc, bcc []string) {
	if d == nil {
		return nil, nil, nil
	}
	return d.ToAddresses, d.CcAddresses, d.BccAddresses
}

func (s *Service) sendEmail(ctx context.Context, in *api.SendEmailRequest) (*api.SendEmailResponse, error) {
	l := &letter{operation: "SendEmail", source: *in.Source, returnPath: aws.Value(in.ReturnPath), sourceARN: in.SourceArn, replyTo: in.ReplyToAddresses,
		set: in.ConfigurationSetName, tags: in.Tags, content: &content{subject: aws.Value(in.Message.Subject.Data)}}
	l.to, l.cc, l.bcc = given(in.Destination)
	if in.Message.Body.Text != nil {
		l.content.text = aws.Value(in.Message.Body.Text.Data)
	}
	if in.Message.Body.Html != nil {
		l.content.html = aws.Value(in.Message.Body.Html.Data)
	}
	id, err := s.send(ctx, l)
	return &api.SendEmailResponse{MessageId: &id}, err
}

func (s *Service) sendRawEmail(ctx context.Context, in *api.SendRawEmailRequest) (*api.SendRawEmailResponse, error) {
	raw := in.RawMessage.Data
	if len(raw) > maxRaw {
		return nil, invalid("Message length is more than %d bytes long: '%d'.", maxRaw, len(raw))
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, invalid("Missing final '@domain'")
	}
	l := &letter{operation: "SendRawEmail", source: aws.Value(in.Source), sourceARN: cmpARN(in.FromArn, in.SourceArn), raw: raw, set: in.ConfigurationSetName, tags: in.Tags}
	if l.source == "" {
		l.source = m.Header.Get("From")
	}
	if l.set == nil && m.Header.Get("X-SES-CONFIGURATION-SET") != "" {
		l.set = new(m.Header.Get("X-SES-CONFIGURATION-SET"))
	}
	l.returnPath = m.Header.Get("Return-Path")
	if l.to = in.Destinations; len(l.to) == 0 {
		for _, name := range []string{"To", "Cc", "Bcc"} {
			if list, err := m.Header.AddressList(name); err == nil {
				for _, a := range list {
					l.to = append(l.to, a.Address)
				}
			}
		}
	}
	id, err := s.send(ctx, l)
	return &api.SendRawEmailResponse{MessageId: &id}, err
}

func cmpARN(a, b *string) *string {
	if a != nil {
		return a
	}
	return b
}

func (s *Service) sendTemplatedEmail(ctx context.Context, in *api.SendTemplatedEmailRequest) (*api.SendTemplatedEmailResponse, error) {
	l := &letter{operation: "SendTemplatedEmail", source: *in.Source, returnPath: aws.Value(in.ReturnPath), sourceARN: in.SourceArn, replyTo: in.ReplyToAddresses,
		set: in.ConfigurationSetName, tags: in.Tags, template: *in.Template, data: *in.TemplateData}
	l.to, l.cc, l.bcc = given(in.Destination)
	t, err := s.template(ctx, *in.Template)
	if err != nil {
		return nil, err
	}
	c, err := t.render(*in.TemplateData)
	if err != nil {
		return nil, err
	}
	l.content = &c
	id, err := s.send(ctx, l)
	return &api.SendTemplatedEmailResponse{MessageId: &id}, err
}

func (s *Service) sendBulkTemplatedEmail(ctx context.Context, in *api.SendBulkTemplatedEmailRequest) (*api.SendBulkTemplatedEmailResponse, error) {
	if len(in.Destinations) > maxRecipients {
		return nil, invalid("Destinations count cannot exceed %d", maxRecipients)
	}
	t, err := s.template(ctx, *in.Template)
	if err != nil {
		return nil, err
	}
	out := &api.SendBulkTemplatedEmailResponse{Status: []api.BulkEmailDestinationStatus{}}
	for _, d := range in.Destinations {
		data := aws.Value(d.ReplacementTemplateData)
		if data == "" || data == "{}" {
			data = *in.DefaultTemplateData
		}
		l := &letter{operation: "SendBulkTemplatedEmail", source: *in.Source, returnPath: aws.Value(in.ReturnPath), sourceARN: in.SourceArn, replyTo: in.ReplyToAddresses,
			set: in.ConfigurationSetName, tags: append(slices.Clone(in.DefaultTags), d.ReplacementTags...), template: *in.Template, data: data}
		l.to, l.cc, l.bcc = given(d.Destination)
		c, err := t.render(data)
		var id string
		if err == nil {
			l.content = &c
			id, err = s.send(ctx, l)
		}
		var e *aws.Error
		switch {
		case err == nil:
			out.Status = append(out.Status, api.BulkEmailDestinationStatus{Status: new("Success"), MessageId: &id})
		case errors.As(err, &e) && !e.Server() && e.Code != "MessageRejected":
			out.Status = append(out.Status, api.BulkEmailDestinationStatus{Status: new("InvalidParameterValue"), Error: &e.Message})
		default:
			return nil, err
		}
	}
	return out, nil
}

// send accepts a letter: it is kept, and dispatched.
func (s *Service) send(ctx context.Context, l *letter) (string, error) {
	from, err := mail.ParseAddress(l.source)
	if err != nil {
		return "", invalid("Missing final '@domain'")
	}
	to, err := l.recipients()
	if err != nil {
		return "", err
	}
	tags, err := l.newTags(ctx, from.Address)
	if err != nil {
		return "", err
	}
	req, scope, now := aws.RequestOf(ctx), scopeOf(ctx), s.Clock.Now().Truncate(time.Millisecond)
	id := "01000" + aws.RandomID(s.Random, aws.Hex, 11) + "-" + aws.RandomUUID(s.Random)[:35] + aws.RandomID(s.Random, aws.Hex, 1) + "-000000"
	raw := l.raw
	if l.content != nil {
		raw = l.content.mime(now, "----=_Part_"+aws.RandomID(s.Random, aws.Hex, 24), l.head(id))
	} else {
		raw = withoutBcc(raw)
	}
	job := outgoing{From: from.Address, To: to, Raw: raw, Accepted: now, Due: now, Mail: mailFacts{ID: id, Source: l.source, SourceIP: req.SourceIP,
		Caller: callerName(&req.Caller), Destination: to, Time: now, Set: aws.Value(l.set), Tags: tags}}
	if a, err := mail.ParseAddress(l.returnPath); err == nil {
		job.From = a.Address
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if err := s.maySend(ctx, tx, scope, aws.Value(l.set)); err != nil {
			return err
		}
		var err error
		if job.Mail.Identity, err = s.senderOf(ctx, tx, scope, from.Address, l.sourceARN); err != nil {
			return err
		}
		if err := s.ownSet(ctx, tx, scope, &job.Mail); err != nil {
			return err
		}
		if err := mails.PutExpiring(tx, scope, l.record(id, scope, now), now.Add(mailLife), now, id); err != nil {
			return err
		}
		if err := count(ctx, tx, scope, now, func(p *point) { p.Attempts += int64(len(to)) }); err != nil {
			return err
		}
		return s.dispatch(ctx, tx, scope, &job)
	})
	if err != nil {
		return "", err
	}
	s.outbox.poke()
	return id, nil
}

// ownSet gives a message that names no configuration set that of its identity, if it has one.
func (s *Service) ownSet(ctx context.Context, r store.Reader, scope store.Scope, m *mailFacts) error {
	if m.Set != "" {
		return nil
	}
	i, err := identities.Get(ctx, r, scope, m.Identity)
	if errors.Is(err, store.ErrNotFound) || err == nil && i.Set == "" {
		return nil
	}
	if err != nil {
		return err
	}
	m.Set, m.Tags = i.Set, maps.Clone(m.Tags)
	m.Tags["ses:configuration-set"] = []string{i.Set}
	return s.maySend(ctx, r, scope, i.Set)
}

func callerName(c *aws.Caller) string {
	switch name := c.ARN[strings.LastIndexAny(c.ARN, "/:")+1:]; {
	case c.Kind == aws.ServiceSelf:
		return c.ARN
	default:
		return name
	}
}

// recipients are the addresses of a letter's envelope.
func (l *letter) recipients() ([]string, error) {
	var out []string
	for _, list := range [][]string{l.to, l.cc, l.bcc} {
		for _, text := range list {
			a, err := mail.ParseAddress(text)
			if err != nil {
				return nil, invalid("Missing final '@domain'")
			}
			out = append(out, a.Address)
		}
	}
	switch {
	case len(out) == 0:
		return nil, invalid("Recipient count is zero")
	case len(out) > maxRecipients:
		return nil, invalid("Recipient count exceeds %d.", maxRecipients)
	}
	return out, nil
}

// head are the headers of a letter that SES writes.
func (l *letter) head(id string) []header {
	list := func(of []string) string { return oneLine(strings.Join(of, ", ")) }
	out := []header{{"From", oneLine(l.source)}}
	for _, h := range []header{{"Reply-To", list(l.replyTo)}, {"To", list(l.to)}, {"Cc", list(l.cc)}} {
		if h.Value != "" {
			out = append(out, h)
		}
	}
	for _, h := range l.headers {
		out = append(out, header{oneLine(h.Name), oneLine(h.Value)})
	}
	return append(out, header{"Message-ID", "<" + id + "@email.amazonses.com>"})
}

func (l *letter) record(id string, scope store.Scope, now time.Time) sentMail {
	m := sentMail{ID: id, Region: scope.Region, Source: l.source, Timestamp: now.Format("2006-01-02T15:04:05")}
	if l.raw != nil {
		m.RawData = string(l.raw)
		if len(l.to) > 0 {
			m.Destination = &mailDestination{ToAddresses: l.to}
		}
		return m
	}
	m.Destination = &mailDestination{l.to, l.cc, l.bcc}
	if l.template != "" {
		m.Template, m.TemplateData = l.template, l.data
	}
	m.Subject, m.Body = l.content.subject, &mailBody{}
	if l.content.text != "" {
		m.Body.Text = &l.content.text
	}
	if l.content.html != "" {
		m.Body.HTML = &l.content.html
	}
	return m
}

var (
	tagName  = regexp.MustCompile(`^[A-Za-z0-9_-]*$`)
	tagValue = regexp.MustCompile(`^[A-Za-z0-9_\-.@]*$`)
)

// newTags are a letter's, and those that SES adds.
func (l *letter) newTags(ctx context.Context, from string) (map[string][]string, error) {
	req := aws.RequestOf(ctx)
	out := map[string][]string{"ses:operation": {l.operation}, "ses:from-domain": {from[strings.LastIndexByte(from, '@')+1:]},
		"ses:source-ip": {req.SourceIP}, "ses:caller-identity": {callerName(&req.Caller)}}
	if l.set != nil {
		out["ses:configuration-set"] = []string{*l.set}
	}
	for _, t := range l.tags {
		switch name, value := *t.Name, *t.Value; {
		case name == "":
			return nil, invalid("The tag name must be specified.")
		case value == "":
			return nil, invalid("The tag value must be specified.")
		case len(name) > 255:
			return nil, invalid("Tag name cannot exceed 255 characters.")
		case !tagName.MatchString(strings.TrimPrefix(name, "ses:")):
			return nil, invalid("Invalid tag name <%s>: only alphanumeric ASCII characters, '_',  '-' are allowed.", name)
		case len(value) > 255:
			return nil, invalid("Tag value cannot exceed 255 characters.")
		case !tagValue.MatchString(value):
			return nil, invalid("Invalid tag value <%s>: only alphanumeric ASCII characters, '_',  '-' , '.', '@' are allowed.", value)
		default:
			out[name] = append(out[name], value)
		}
	}
	return out, nil
}

// snsDomain is SNS's own, which sends its mail through here.
const snsDomain = "sns.amazonaws.com"

// senderOf is the identity that lets an account send from an address: the address
// itself, or its domain, or one that an ARN of another account names.
func (s *Service) senderOf(ctx context.Context, r store.Reader, scope store.Scope, from string, arn *string) (string, error) {
	if a, ok := aws.ParseARN(aws.Value(arn)); ok && a.Account != scope.Account {
		scope = store.Scope{Account: a.Account, Region: a.Region}
	}
	if c := aws.RequestOf(ctx).Caller; c.Kind == aws.ServiceSelf && c.ARN == snsDomain {
		return snsDomain, nil
	}
	for _, name := range candidates(from) {
		has, err := identities.Has(ctx, r, scope, name)
		if err != nil {
			return "", err
		}
		if has {
			return name, nil
		}
	}
	return "", api.MessageRejected("Email address is not verified. The following identities failed the check in region %s: %s", strings.ToUpper(scope.Region), from)
}

// candidates are the identities that an address may be sent from: itself, its domain, and
// those above that.
func candidates(address string) []string {
	at := strings.LastIndexByte(address, '@')
	out := []string{address}
	if lower := address[:at+1] + strings.ToLower(address[at+1:]); lower != address {
		out = append(out, lower)
	}
	for domain := strings.ToLower(address[at+1:]); strings.Contains(domain, "."); _, domain, _ = strings.Cut(domain, ".") {
		out = append(out, domain)
	}
	return out
}
