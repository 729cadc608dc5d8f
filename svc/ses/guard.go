package ses

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/mail"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/ses"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// sending is the permission to send from an identity, which may be another account's.
func (s *Service) sending(ctx context.Context, source string, arn *string, returnPath string, to []string, set *string) ([]aws.Access, error) {
	scope := scopeOf(ctx)
	from := source
	name := ""
	if a, err := mail.ParseAddress(source); err == nil {
		from, name = a.Address, a.Name
	}
	need := aws.Access{Resource: identityARN(scope, from), Keys: map[string][]string{"ses:FromAddress": {from}, "ses:Recipients": to, "ses:FeedbackAddress": {from}}}
	if name != "" {
		need.Keys["ses:FromDisplayName"] = []string{name}
	}
	if returnPath != "" {
		need.Keys["ses:FeedbackAddress"] = []string{returnPath}
	}
	if a, ok := aws.ParseARN(aws.Value(arn)); ok {
		need.Resource = *arn
		scope = store.Scope{Account: a.Account, Region: a.Region}
		need.Policy = s.identityPolicy(scope, strings.TrimPrefix(a.Resource, "identity/"))
	} else if strings.Contains(from, "@") {
		err := s.Store.View(ctx, func(r store.Reader) error {
			id, err := s.senderOf(ctx, r, scope, from, nil)
			if aws.CodeOf(err) == "MessageRejected" {
				return nil // the handler says so
			}
			need.Resource = identityARN(scope, id)
			need.Policy = s.identityPolicy(scope, id)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	needs := []aws.Access{need}
	if set != nil {
		more := need
		more.Policy, more.Resource = nil, aws.NewARN("ses", scopeOf(ctx).Region, scopeOf(ctx).Account, "configuration-set/"+*set).String()
		needs = append(needs, more)
	}
	return needs, nil
}

// identityPolicy is an identity's policies as one. SNS's own domain is SNS's.
func (s *Service) identityPolicy(scope store.Scope, name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (text string, err error) {
		if name == snsDomain {
			return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":["ses:SendEmail","ses:SendRawEmail"],"Resource":"*"}}`, nil
		}
		err = s.Store.View(ctx, func(r store.Reader) error {
			id, err := identities.Get(ctx, r, scope, name)
			if errors.Is(err, store.ErrNotFound) {
				text = ""
				return nil
			}
			text = joined(id.Policies)
			return err
		})
		return text, err
	}
}

// joined makes one policy of several.
func joined(policies map[string]string) string {
	var all []json.RawMessage
	for _, text := range policies {
		var doc struct{ Statement json.RawMessage }
		if json.Unmarshal([]byte(text), &doc) != nil {
			continue // it was one when it was stored
		}
		var list []json.RawMessage
		if json.Unmarshal(doc.Statement, &list) != nil {
			list = []json.RawMessage{doc.Statement}
		}
		all = append(all, list...)
	}
	if len(all) == 0 {
		return ""
	}
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": all})
	if err != nil {
		return ""
	}
	return string(b)
}

func recipientsOf(d *api.Destination) []string {
	to, cc, bcc := given(d)
	return slices.Concat(to, cc, bcc)
}

func (s *Service) guardSendEmail(ctx context.Context, in *api.SendEmailRequest) ([]aws.Access, error) {
	return s.sending(ctx, *in.Source, in.SourceArn, aws.Value(in.ReturnPath), recipientsOf(in.Destination), in.ConfigurationSetName)
}

func (s *Service) guardSendRaw(ctx context.Context, in *api.SendRawEmailRequest) ([]aws.Access, error) {
	source := aws.Value(in.Source)
	if m, err := mail.ReadMessage(bytes.NewReader(in.RawMessage.Data)); err == nil && source == "" {
		source = m.Header.Get("From")
	}
	return s.sending(ctx, source, cmpARN(in.FromArn, in.SourceArn), "", in.Destinations, in.ConfigurationSetName)
}

func (s *Service) guardSendTemplated(ctx context.Context, in *api.SendTemplatedEmailRequest) ([]aws.Access, error) {
	return s.sending(ctx, *in.Source, in.SourceArn, aws.Value(in.ReturnPath), recipientsOf(in.Destination), in.ConfigurationSetName)
}

func (s *Service) guardSendBulk(ctx context.Context, in *api.SendBulkTemplatedEmailRequest) ([]aws.Access, error) {
	var to []string
	for _, d := range in.Destinations {
		to = append(to, recipientsOf(d.Destination)...)
	}
	return s.sending(ctx, *in.Source, in.SourceArn, aws.Value(in.ReturnPath), to, in.ConfigurationSetName)
}

// setARN is a configuration set's.
func setARN(ctx context.Context, name *string) string {
	return aws.RequestOf(ctx).ARN("ses", "configuration-set/"+aws.Value(name))
}

// onSet guards what works on a configuration set.
func onSet[In any](name func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		return []aws.Access{{Resource: setARN(ctx, name(in))}}, nil
	}
}

// versioned adds to all that is asked for by which version of the API it is asked.
func versioned(routes []aws.Route, version string) []aws.Route {
	for i := range routes {
		guard := routes[i].Guard
		routes[i].Guard = func(ctx context.Context, in any) ([]aws.Access, error) {
			needs, err := guard(ctx, in)
			for i := range needs {
				if !strings.HasPrefix(needs[i].Action, "ses:") {
					continue
				}
				if needs[i].Keys == nil {
					needs[i].Keys = map[string][]string{}
				}
				needs[i].Keys["ses:ApiVersion"] = []string{version}
			}
			return needs, err
		}
	}
	return routes
}

// destinationGuard asks for the role of a Firehose destination, too.
func destinationGuard(ctx context.Context, set *string, d *api.EventDestination) []aws.Access {
	needs := []aws.Access{{Resource: setARN(ctx, set)}}
	if d != nil && d.KinesisFirehoseDestination != nil {
		needs = append(needs, aws.Access{Action: "iam:PassRole", Resource: *d.KinesisFirehoseDestination.IAMRoleARN, Keys: map[string][]string{
			"iam:PassedToService": {principal}, "iam:AssociatedResourceArn": {setARN(ctx, set)}}})
	}
	return needs
}

func guardCreateDestination(ctx context.Context, in *api.CreateConfigurationSetEventDestinationRequest) ([]aws.Access, error) {
	return destinationGuard(ctx, in.ConfigurationSetName, in.EventDestination), nil
}

func guardUpdateDestination(ctx context.Context, in *api.UpdateConfigurationSetEventDestinationRequest) ([]aws.Access, error) {
	return destinationGuard(ctx, in.ConfigurationSetName, in.EventDestination), nil
}
