package ses

import (
	"context"
	"encoding/json"
	"errors"
	"maps"

	api "github.com/tule-cloud/tule/api/ses"
	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// identityRoutes2 are the second version's operations on what an identity is set to.
func (s *Service) identityRoutes2() []aws.Route {
	return []aws.Route{
		apiv2.PutEmailIdentityFeedbackAttributes.To(second2(s.putFeedback2), onIdentity(s, func(in *apiv2.PutEmailIdentityFeedbackAttributesRequest) (*string, []apiv2.Tag) {
			return in.EmailIdentity, nil
		})),
		apiv2.PutEmailIdentityMailFromAttributes.To(second2(s.putMailFrom2), onIdentity(s, func(in *apiv2.PutEmailIdentityMailFromAttributesRequest) (*string, []apiv2.Tag) {
			return in.EmailIdentity, nil
		})),
		apiv2.PutEmailIdentityDkimAttributes.To(second2(s.putDkim2), onIdentity(s, func(in *apiv2.PutEmailIdentityDkimAttributesRequest) (*string, []apiv2.Tag) {
			return in.EmailIdentity, nil
		})),
		apiv2.PutEmailIdentityDkimSigningAttributes.To(second2(s.putSigning2), onIdentity(s, func(in *apiv2.PutEmailIdentityDkimSigningAttributesRequest) (*string, []apiv2.Tag) {
			return in.EmailIdentity, nil
		})),
		apiv2.PutEmailIdentityConfigurationSetAttributes.To(second2(s.putIdentitySet2), s.guardIdentitySet),
		apiv2.CreateEmailIdentityPolicy.To(second2(s.createPolicy2), onIdentity(s, func(in *apiv2.CreateEmailIdentityPolicyRequest) (*string, []apiv2.Tag) { return in.EmailIdentity, nil })),
		apiv2.UpdateEmailIdentityPolicy.To(second2(s.updatePolicy2), onIdentity(s, func(in *apiv2.UpdateEmailIdentityPolicyRequest) (*string, []apiv2.Tag) { return in.EmailIdentity, nil })),
		apiv2.DeleteEmailIdentityPolicy.To(second2(s.deletePolicy2), onIdentity(s, func(in *apiv2.DeleteEmailIdentityPolicyRequest) (*string, []apiv2.Tag) { return in.EmailIdentity, nil })),
		apiv2.GetEmailIdentityPolicies.To(second2(s.getPolicies2), onIdentity(s, func(in *apiv2.GetEmailIdentityPoliciesRequest) (*string, []apiv2.Tag) { return in.EmailIdentity, nil })),
	}
}

// change2 changes an identity that is there, in one transaction with what that asks of others.
func (s *Service) change2(ctx context.Context, name string, f func(tx store.Tx, i *identity) error) error {
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		i, err := identities.Get(ctx, tx, scope, name)
		if errors.Is(err, store.ErrNotFound) {
			return noIdentity2(name)
		}
		if err != nil {
			return err
		}
		i.Policies = maps.Clone(i.Policies)
		if err := f(tx, &i); err != nil {
			return err
		}
		return identities.Put(tx, scope, i, name)
	})
}

func (s *Service) putFeedback2(ctx context.Context, in *apiv2.PutEmailIdentityFeedbackAttributesRequest) (*apiv2.PutEmailIdentityFeedbackAttributesResponse, error) {
	return nil, s.change2(ctx, *in.EmailIdentity, func(_ store.Tx, i *identity) error {
		i.Silent = !aws.Value(in.EmailForwardingEnabled)
		return nil
	})
}

func (s *Service) putMailFrom2(ctx context.Context, in *apiv2.PutEmailIdentityMailFromAttributesRequest) (*apiv2.PutEmailIdentityMailFromAttributesResponse, error) {
	if err := s.change2(ctx, *in.EmailIdentity, func(store.Tx, *identity) error { return nil }); err != nil {
		return nil, err
	}
	behaviour := api.BehaviorOnMXFailureUseDefaultValue
	if aws.Value(in.BehaviorOnMxFailure) == apiv2.BehaviorOnMxFailureRejectMessage {
		behaviour = api.BehaviorOnMXFailureRejectMessage
	}
	_, err := s.setMailFrom(ctx, &api.SetIdentityMailFromDomainRequest{Identity: in.EmailIdentity, MailFromDomain: in.MailFromDomain, BehaviorOnMXFailure: &behaviour})
	return nil, err
}

func (s *Service) putDkim2(ctx context.Context, in *apiv2.PutEmailIdentityDkimAttributesRequest) (*apiv2.PutEmailIdentityDkimAttributesResponse, error) {
	return nil, s.change2(ctx, *in.EmailIdentity, func(_ store.Tx, i *identity) error {
		i.Signing = aws.Value(in.SigningEnabled)
		return nil
	})
}

// sign sets whose keys a domain signs with: SES's, which get new tokens where there were
// others, or one of the caller's own, whose selector is its token. The key is not kept.
func (i *identity) sign(origin string, a *apiv2.DkimSigningAttributes, fresh []string) error {
	switch {
	case !i.domain():
		return apiv2.BadRequestException("Identity %s is not a domain identity.", i.Name)
	case origin == apiv2.DkimSigningAttributesOriginAwsSes:
		if i.Origin != "" || len(i.DKIM) == 0 {
			i.DKIM = fresh
		}
		i.Origin = ""
	case origin != apiv2.DkimSigningAttributesOriginExternal:
		return apiv2.BadRequestException("There is no other region whose keys could be used: %s.", origin)
	case a == nil || a.DomainSigningSelector == nil || a.DomainSigningPrivateKey == nil:
		return apiv2.BadRequestException("DomainSigningSelector and DomainSigningPrivateKey must be specified for the origin EXTERNAL.")
	default:
		i.Origin, i.DKIM = origin, []string{*a.DomainSigningSelector}
	}
	i.Signing = true
	return nil
}

func (s *Service) putSigning2(ctx context.Context, in *apiv2.PutEmailIdentityDkimSigningAttributesRequest) (*apiv2.PutEmailIdentityDkimSigningAttributesResponse, error) {
	fresh := []string{aws.RandomID(s.Random, aws.LowerAlnm, 32), aws.RandomID(s.Random, aws.LowerAlnm, 32), aws.RandomID(s.Random, aws.LowerAlnm, 32)}
	out := &apiv2.PutEmailIdentityDkimSigningAttributesResponse{DkimStatus: new(apiv2.DkimStatusSuccess)}
	return out, s.change2(ctx, *in.EmailIdentity, func(_ store.Tx, i *identity) error {
		err := i.sign(*in.SigningAttributesOrigin, in.SigningAttributes, fresh)
		out.DkimTokens = i.DKIM
		return err
	})
}

func (s *Service) guardIdentitySet(ctx context.Context, in *apiv2.PutEmailIdentityConfigurationSetAttributesRequest) ([]aws.Access, error) {
	needs := s.onResource2(identityARN(scopeOf(ctx), *in.EmailIdentity), nil)
	if in.ConfigurationSetName != nil {
		needs = append(needs, s.onResource2(setARN(ctx, in.ConfigurationSetName), nil)...)
	}
	return needs, nil
}

func (s *Service) putIdentitySet2(ctx context.Context, in *apiv2.PutEmailIdentityConfigurationSetAttributesRequest) (*apiv2.PutEmailIdentityConfigurationSetAttributesResponse, error) {
	return nil, s.change2(ctx, *in.EmailIdentity, func(tx store.Tx, i *identity) error {
		if i.Set = aws.Value(in.ConfigurationSetName); i.Set == "" {
			return nil
		}
		_, err := getSet(ctx, tx, scopeOf(ctx), i.Set)
		return err
	})
}

const maxPolicies = 20

// putPolicy2 stores a policy, which must be there or must not.
func (s *Service) putPolicy2(ctx context.Context, of, name, text string, there bool) error {
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(text), &doc) != nil || len(doc.Statement) == 0 {
		return apiv2.BadRequestException("Policy is not valid JSON.")
	}
	return s.change2(ctx, of, func(_ store.Tx, i *identity) error {
		switch _, has := i.Policies[name]; {
		case has && !there:
			return apiv2.AlreadyExistsException("Policy %s already exists for identity %s.", name, of)
		case !has && there:
			return apiv2.NotFoundException("Policy %s does not exist for identity %s.", name, of)
		case !has && len(i.Policies) >= maxPolicies:
			return apiv2.LimitExceededException("Number of policies for identity %s exceeds the limit of %d.", of, maxPolicies)
		}
		if i.Policies == nil {
			i.Policies = map[string]string{}
		}
		i.Policies[name] = text
		return nil
	})
}

func (s *Service) createPolicy2(ctx context.Context, in *apiv2.CreateEmailIdentityPolicyRequest) (*apiv2.CreateEmailIdentityPolicyResponse, error) {
	return nil, s.putPolicy2(ctx, *in.EmailIdentity, *in.PolicyName, *in.Policy, false)
}

func (s *Service) updatePolicy2(ctx context.Context, in *apiv2.UpdateEmailIdentityPolicyRequest) (*apiv2.UpdateEmailIdentityPolicyResponse, error) {
	return nil, s.putPolicy2(ctx, *in.EmailIdentity, *in.PolicyName, *in.Policy, true)
}

func (s *Service) deletePolicy2(ctx context.Context, in *apiv2.DeleteEmailIdentityPolicyRequest) (*apiv2.DeleteEmailIdentityPolicyResponse, error) {
	return nil, s.change2(ctx, *in.EmailIdentity, func(_ store.Tx, i *identity) error {
		delete(i.Policies, *in.PolicyName)
		return nil
	})
}

func (s *Service) getPolicies2(ctx context.Context, in *apiv2.GetEmailIdentityPoliciesRequest) (*apiv2.GetEmailIdentityPoliciesResponse, error) {
	out := &apiv2.GetEmailIdentityPoliciesResponse{Policies: map[string]string{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		i, err := identities.Get(ctx, r, scopeOf(ctx), *in.EmailIdentity)
		if errors.Is(err, store.ErrNotFound) {
			return noIdentity2(*in.EmailIdentity)
		}
		if i.Policies != nil {
			out.Policies = i.Policies
		}
		return err
	})
}
