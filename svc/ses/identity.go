package ses

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/mail"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/ses"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// identity is an address, or a domain, that an account may send from.
type identity struct {
	Name     string
	Token    string            `json:",omitempty"` // of a domain
	Topics   map[string]string `json:",omitempty"` // by type of notification
	Headers  map[string]bool   `json:",omitempty"` // the same: with the message's headers
	Silent   bool              `json:",omitempty"` // feedback is not forwarded by mail
	Policies map[string]string `json:",omitempty"`
	DKIM     []string          `json:",omitempty"` // tokens
	Signing  bool              `json:",omitempty"`
	Origin   string            `json:",omitempty"` // of the keys, as the second version has it; "": SES's own
	MailFrom string            `json:",omitempty"`
	OnNoMX   string            `json:",omitempty"`
	Tags     map[string]string `json:",omitempty"`
	Set      string            `json:",omitempty"` // configuration set of what names none
}

func (i *identity) domain() bool { return !strings.Contains(i.Name, "@") }

func identityARN(scope store.Scope, name string) string {
	return aws.NewARN("ses", scope.Region, scope.Account, "identity/"+name).String()
}

func (s *Service) identityRoutes() []aws.Route {
	return []aws.Route{
		api.VerifyEmailIdentity.To(s.verifyEmailIdentity, aws.Anywhere),
		api.VerifyEmailAddress.To(s.verifyEmailAddress, aws.Anywhere),
		api.VerifyDomainIdentity.To(s.verifyDomainIdentity, aws.Anywhere),
		api.VerifyDomainDkim.To(s.verifyDomainDkim, aws.Anywhere),
		api.ListIdentities.To(s.listIdentities, aws.Anywhere),
		api.ListVerifiedEmailAddresses.To(s.listVerifiedEmailAddresses, aws.Anywhere),
		api.DeleteIdentity.To(s.deleteIdentity, aws.Anywhere),
		api.DeleteVerifiedEmailAddress.To(s.deleteVerifiedEmailAddress, aws.Anywhere),
		api.GetIdentityVerificationAttributes.To(s.getVerification, aws.Anywhere),
		api.GetIdentityNotificationAttributes.To(s.getNotification, aws.Anywhere),
		api.GetIdentityDkimAttributes.To(s.getDkim, aws.Anywhere),
		api.GetIdentityMailFromDomainAttributes.To(s.getMailFrom, aws.Anywhere),
		api.SetIdentityNotificationTopic.To(s.setNotificationTopic, aws.Anywhere),
		api.SetIdentityFeedbackForwardingEnabled.To(s.setForwarding, aws.Anywhere),
		api.SetIdentityHeadersInNotificationsEnabled.To(s.setHeaders, aws.Anywhere),
		api.SetIdentityDkimEnabled.To(s.setDkim, aws.Anywhere),
		api.SetIdentityMailFromDomain.To(s.setMailFrom, aws.Anywhere),
		api.PutIdentityPolicy.To(s.putIdentityPolicy, aws.Anywhere),
		api.GetIdentityPolicies.To(s.getIdentityPolicies, aws.Anywhere),
		api.ListIdentityPolicies.To(s.listIdentityPolicies, aws.Anywhere),
		api.DeleteIdentityPolicy.To(s.deleteIdentityPolicy, aws.Anywhere),
	}
}

// verify makes an identity, or finds it.
func (s *Service) verify(ctx context.Context, name string, more func(*identity)) error {
	token := make([]byte, 32)
	if _, err := io.ReadFull(s.Random, token); err != nil {
		return err
	}
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		i, err := identities.Get(ctx, tx, scope, name)
		if errors.Is(err, store.ErrNotFound) {
			i, err = identity{Name: name}, nil
			if i.domain() {
				i.Token = base64.StdEncoding.EncodeToString(token)
			}
		}
		if err != nil {
			return err
		}
		if more != nil {
			more(&i)
		}
		return identities.Put(tx, scope, i, name)
	})
}

func checkAddress(address string) error {
	a, err := mail.ParseAddress(address)
	if err != nil || a.Address != address {
		return invalid("Invalid email address<%s>.", address)
	}
	return nil
}

func (s *Service) verifyEmailIdentity(ctx context.Context, in *api.VerifyEmailIdentityRequest) (*api.VerifyEmailIdentityResponse, error) {
	if err := checkAddress(*in.EmailAddress); err != nil {
		return nil, err
	}
	return nil, s.verify(ctx, *in.EmailAddress, nil)
}

func (s *Service) verifyEmailAddress(ctx context.Context, in *api.VerifyEmailAddressRequest) (*aws.Empty, error) {
	if err := checkAddress(*in.EmailAddress); err != nil {
		return nil, err
	}
	return nil, s.verify(ctx, *in.EmailAddress, nil)
}

func checkDomain(domain string) error {
	if domain == "" || len(domain) > 253 || !strings.Contains(domain, ".") || strings.ContainsAny(domain, "@ /:") {
		return invalid("Invalid domain name %s.", domain)
	}
	return nil
}

func (s *Service) verifyDomainIdentity(ctx context.Context, in *api.VerifyDomainIdentityRequest) (*api.VerifyDomainIdentityResponse, error) {
	if err := checkDomain(*in.Domain); err != nil {
		return nil, err
	}
	out := &api.VerifyDomainIdentityResponse{}
	return out, s.verify(ctx, strings.ToLower(*in.Domain), func(i *identity) { out.VerificationToken = &i.Token })
}

func (s *Service) verifyDomainDkim(ctx context.Context, in *api.VerifyDomainDkimRequest) (*api.VerifyDomainDkimResponse, error) {
	if err := checkDomain(*in.Domain); err != nil {
		return nil, err
	}
	out := &api.VerifyDomainDkimResponse{}
	fresh := []string{aws.RandomID(s.Random, aws.LowerAlnm, 32), aws.RandomID(s.Random, aws.LowerAlnm, 32), aws.RandomID(s.Random, aws.LowerAlnm, 32)}
	return out, s.verify(ctx, strings.ToLower(*in.Domain), func(i *identity) {
		if i.DKIM == nil {
			i.DKIM = fresh
		}
		out.DkimTokens = i.DKIM
	})
}

// each yields an account's identities.
func (s *Service) each(ctx context.Context, o store.ListOptions, yield func(identity) bool) error {
	return s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range identities.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			if !yield(e.Record) {
				return nil
			}
		}
		return nil
	})
}

// pageOf is where a list goes on, and how many it shows.
func pageOf(next *string, most *int32, usual int) (o store.ListOptions, n int, err error) {
	n = usual
	if most != nil && *most > 0 {
		n = min(int(*most), usual)
	}
	if next != nil && *next != "" {
		var after string
		if !aws.ParseToken(*next, &after) {
			return o, 0, invalid("Invalid NextToken")
		}
		o.After = []any{after}
	}
	return o, n, nil
}

func (s *Service) listIdentities(ctx context.Context, in *api.ListIdentitiesRequest) (*api.ListIdentitiesResponse, error) {
	o, most, err := pageOf(in.NextToken, in.MaxItems, 1000)
	if err != nil {
		return nil, err
	}
	out := &api.ListIdentitiesResponse{Identities: []string{}}
	return out, s.each(ctx, o, func(i identity) bool {
		if kind := aws.Value(in.IdentityType); kind != "" && (kind == api.IdentityTypeDomain) != i.domain() {
			return true
		}
		if len(out.Identities) == most {
			out.NextToken = new(aws.Token(out.Identities[most-1]))
			return false
		}
		out.Identities = append(out.Identities, i.Name)
		return true
	})
}

func (s *Service) listVerifiedEmailAddresses(ctx context.Context, _ *aws.Empty) (*api.ListVerifiedEmailAddressesResponse, error) {
	out := &api.ListVerifiedEmailAddressesResponse{VerifiedEmailAddresses: []string{}}
	return out, s.each(ctx, store.ListOptions{}, func(i identity) bool {
		if !i.domain() {
			out.VerifiedEmailAddresses = append(out.VerifiedEmailAddresses, i.Name)
		}
		return true
	})
}

func (s *Service) deleteIdentity(ctx context.Context, in *api.DeleteIdentityRequest) (*api.DeleteIdentityResponse, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error { return identities.Delete(tx, scopeOf(ctx), *in.Identity) })
}

func (s *Service) deleteVerifiedEmailAddress(ctx context.Context, in *api.DeleteVerifiedEmailAddressRequest) (*aws.Empty, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error { return identities.Delete(tx, scopeOf(ctx), *in.EmailAddress) })
}

// those yields the identities of a list that exist.
func (s *Service) those(ctx context.Context, names []string, yield func(identity)) error {
	return s.Store.View(ctx, func(r store.Reader) error {
		for _, name := range names {
			i, err := identities.Get(ctx, r, scopeOf(ctx), name)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			yield(i)
		}
		return nil
	})
}

func (s *Service) getVerification(ctx context.Context, in *api.GetIdentityVerificationAttributesRequest) (*api.GetIdentityVerificationAttributesResponse, error) {
	out := &api.GetIdentityVerificationAttributesResponse{VerificationAttributes: map[string]api.IdentityVerificationAttributes{}}
	return out, s.those(ctx, in.Identities, func(i identity) {
		a := api.IdentityVerificationAttributes{VerificationStatus: new("Success")}
		if i.domain() {
			a.VerificationToken = &i.Token
		}
		out.VerificationAttributes[i.Name] = a
	})
}

func (s *Service) getNotification(ctx context.Context, in *api.GetIdentityNotificationAttributesRequest) (*api.GetIdentityNotificationAttributesResponse, error) {
	out := &api.GetIdentityNotificationAttributesResponse{NotificationAttributes: map[string]api.IdentityNotificationAttributes{}}
	topic := func(i identity, kind string) *string {
		if t := i.Topics[kind]; t != "" {
			return &t
		}
		return nil
	}
	return out, s.those(ctx, in.Identities, func(i identity) {
		out.NotificationAttributes[i.Name] = api.IdentityNotificationAttributes{
			BounceTopic: topic(i, bounceKind), ComplaintTopic: topic(i, complaintKind), DeliveryTopic: topic(i, deliveryKind),
			ForwardingEnabled:                      new(!i.Silent),
			HeadersInBounceNotificationsEnabled:    new(i.Headers[bounceKind]),
			HeadersInComplaintNotificationsEnabled: new(i.Headers[complaintKind]),
			HeadersInDeliveryNotificationsEnabled:  new(i.Headers[deliveryKind])}
	})
}

func (s *Service) getDkim(ctx context.Context, in *api.GetIdentityDkimAttributesRequest) (*api.GetIdentityDkimAttributesResponse, error) {
	out := &api.GetIdentityDkimAttributesResponse{DkimAttributes: map[string]api.IdentityDkimAttributes{}}
	return out, s.those(ctx, in.Identities, func(i identity) {
		status := "NotStarted"
		if len(i.DKIM) > 0 {
			status = "Success"
		}
		out.DkimAttributes[i.Name] = api.IdentityDkimAttributes{DkimEnabled: new(i.Signing), DkimTokens: i.DKIM, DkimVerificationStatus: &status}
	})
}

func (s *Service) getMailFrom(ctx context.Context, in *api.GetIdentityMailFromDomainAttributesRequest) (*api.GetIdentityMailFromDomainAttributesResponse, error) {
	out := &api.GetIdentityMailFromDomainAttributesResponse{MailFromDomainAttributes: map[string]api.IdentityMailFromDomainAttributes{}}
	return out, s.those(ctx, in.Identities, func(i identity) {
		if i.MailFrom != "" {
			out.MailFromDomainAttributes[i.Name] = api.IdentityMailFromDomainAttributes{MailFromDomain: &i.MailFrom, MailFromDomainStatus: new("Success"), BehaviorOnMXFailure: &i.OnNoMX}
		}
	})
}

// change changes an identity that is there.
func (s *Service) change(ctx context.Context, name string, f func(*identity) error) error {
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		i, err := identities.Get(ctx, tx, scope, name)
		if errors.Is(err, store.ErrNotFound) {
			return invalid("Identity <%s> does not exist.", name)
		}
		if err != nil {
			return err
		}
		if err := f(&i); err != nil {
			return err
		}
		return identities.Put(tx, scope, i, name)
	})
}

func (s *Service) setNotificationTopic(ctx context.Context, in *api.SetIdentityNotificationTopicRequest) (*api.SetIdentityNotificationTopicResponse, error) {
	arn := aws.Value(in.SnsTopic)
	if a, ok := aws.ParseARN(arn); arn != "" && (!ok || a.Service != "sns") {
		return nil, invalid("Invalid SNS topic ARN <%s>.", arn)
	}
	return nil, s.change(ctx, *in.Identity, func(i *identity) error {
		i.Topics = maps.Clone(i.Topics)
		if i.Topics == nil {
			i.Topics = map[string]string{}
		}
		if i.Topics[*in.NotificationType] = arn; arn == "" {
			delete(i.Topics, *in.NotificationType)
		}
		return nil
	})
}

func (s *Service) setForwarding(ctx context.Context, in *api.SetIdentityFeedbackForwardingEnabledRequest) (*api.SetIdentityFeedbackForwardingEnabledResponse, error) {
	return nil, s.change(ctx, *in.Identity, func(i *identity) error {
		if !*in.ForwardingEnabled && (i.Topics[bounceKind] == "" || i.Topics[complaintKind] == "") {
			return invalid("Identity <%s> does not have bounce and complaint topics set.", i.Name)
		}
		i.Silent = !*in.ForwardingEnabled
		return nil
	})
}

func (s *Service) setHeaders(ctx context.Context, in *api.SetIdentityHeadersInNotificationsEnabledRequest) (*api.SetIdentityHeadersInNotificationsEnabledResponse, error) {
	err := s.change(ctx, *in.Identity, func(i *identity) error {
		i.Headers = maps.Clone(i.Headers)
		if i.Headers == nil {
			i.Headers = map[string]bool{}
		}
		i.Headers[*in.NotificationType] = *in.Enabled
		return nil
	})
	if aws.CodeOf(err) == "InvalidParameterValue" {
		err = api.MessageRejected("Identity %s is not verified or does not exist.", *in.Identity)
	}
	return nil, err
}

func (s *Service) setDkim(ctx context.Context, in *api.SetIdentityDkimEnabledRequest) (*api.SetIdentityDkimEnabledResponse, error) {
	return nil, s.change(ctx, *in.Identity, func(i *identity) error { i.Signing = *in.DkimEnabled; return nil })
}

func (s *Service) setMailFrom(ctx context.Context, in *api.SetIdentityMailFromDomainRequest) (*api.SetIdentityMailFromDomainResponse, error) {
	return nil, s.change(ctx, *in.Identity, func(i *identity) error {
		i.MailFrom, i.OnNoMX = aws.Value(in.MailFromDomain), aws.Value(in.BehaviorOnMXFailure)
		if i.OnNoMX == "" {
			i.OnNoMX = api.BehaviorOnMXFailureUseDefaultValue
		}
		if i.MailFrom == "" {
			return nil
		}
		domain := i.Name[strings.LastIndexByte(i.Name, '@')+1:]
		if !strings.HasSuffix(i.MailFrom, "."+domain) {
			return invalid("Provided MAIL-FROM domain <%s> is not subdomain of the domain of the identity <%s>.", i.MailFrom, domain)
		}
		return nil
	})
}

func (s *Service) putIdentityPolicy(ctx context.Context, in *api.PutIdentityPolicyRequest) (*api.PutIdentityPolicyResponse, error) {
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(*in.Policy), &doc) != nil || len(doc.Statement) == 0 {
		return nil, api.InvalidPolicyException("Policy is not valid JSON.")
	}
	return nil, s.change(ctx, *in.Identity, func(i *identity) error {
		i.Policies = maps.Clone(i.Policies)
		if i.Policies == nil {
			i.Policies = map[string]string{}
		}
		if i.Policies[*in.PolicyName] = *in.Policy; len(i.Policies) > 20 {
			return api.InvalidPolicyException("Number of policies for identity %s exceeds the limit of 20.", i.Name)
		}
		return nil
	})
}

func (s *Service) getIdentityPolicies(ctx context.Context, in *api.GetIdentityPoliciesRequest) (*api.GetIdentityPoliciesResponse, error) {
	out := &api.GetIdentityPoliciesResponse{Policies: map[string]string{}}
	return out, s.those(ctx, []string{*in.Identity}, func(i identity) {
		for _, name := range in.PolicyNames {
			if p, ok := i.Policies[name]; ok {
				out.Policies[name] = p
			}
		}
	})
}

func (s *Service) listIdentityPolicies(ctx context.Context, in *api.ListIdentityPoliciesRequest) (*api.ListIdentityPoliciesResponse, error) {
	out := &api.ListIdentityPoliciesResponse{PolicyNames: []string{}}
	return out, s.those(ctx, []string{*in.Identity}, func(i identity) {
		out.PolicyNames = slices.AppendSeq(out.PolicyNames, maps.Keys(i.Policies))
		slices.Sort(out.PolicyNames)
	})
}

func (s *Service) deleteIdentityPolicy(ctx context.Context, in *api.DeleteIdentityPolicyRequest) (*api.DeleteIdentityPolicyResponse, error) {
	return nil, s.change(ctx, *in.Identity, func(i *identity) error {
		i.Policies = maps.Clone(i.Policies)
		delete(i.Policies, *in.PolicyName)
		return nil
	})
}
