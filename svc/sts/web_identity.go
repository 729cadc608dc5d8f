package sts

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// wellKnown are the issuers that every account trusts to say who somebody is, so that
// roles' trust policies name them without an ARN. Their policies hold the audience.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html
var wellKnown = map[string]bool{"accounts.google.com": true, "cognito-identity.amazonaws.com": true}

// webIdentity verifies a token, and is whom it speaks of and the session that is asked
// for.
func (s *Service) webIdentity(ctx context.Context, in *api.AssumeRoleWithWebIdentityRequest) (*vouched, error) {
	if in.ProviderId != nil {
		return nil, aws.Errorf(501, "NotImplemented", "The parameter ProviderId of AssumeRoleWithWebIdentity is not available in this version of Tule: "+
			"it names %s, whose access tokens only it can verify.", *in.ProviderId)
	}
	role, ok := aws.ParseARN(*in.RoleArn)
	if !ok || role.Service != "iam" || !aws.ValidAccount(role.Account) {
		return nil, aws.Errorf(400, "ValidationError", "Request ARN is invalid")
	}
	parsed, said, err := parseWebToken(*in.WebIdentityToken)
	if err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(said.Issuer, "https://")
	if strings.HasSuffix(name, issuerDomain) { // such tokens are for others
		return nil, invalidToken("Tokens of GetWebIdentityToken cannot be used to assume a role")
	}
	provider, clients, thumbprints, err := s.openIDProvider(ctx, role.Account, name)
	if err != nil {
		return nil, err
	}
	if provider == "" {
		return nil, invalidToken("No OpenIDConnect provider found in your account for %s", said.Issuer)
	}
	if said, err = s.verify(ctx, parsed, "https://"+name, thumbprints); err != nil {
		return nil, err
	}
	audience, err := said.check(s.clock.Now(), clients)
	if err != nil {
		return nil, err
	}
	v := &vouched{
		caller:    aws.Caller{Kind: aws.WebIdentity, UserID: provider + ":" + audience[0] + ":" + said.Subject, Provider: provider, Keys: said.keys(name, audience)},
		beginning: beginning{role: *in.RoleArn, name: *in.RoleSessionName, source: said.Source, transitive: said.Tags.Transitive},
		audience:  audience[0], subject: said.Subject,
	}
	v.keep = v.caller.Keys
	for k, values := range said.Tags.Principal {
		v.addTag(k, values)
	}
	return v, v.check()
}

// openIDProvider is who an account trusts to sign as an issuer; nil clients stand for
// any.
func (s *Service) openIDProvider(ctx context.Context, account, name string) (provider string, clients, thumbprints []string, err error) {
	if wellKnown[name] {
		return name, nil, nil, nil
	}
	if s.providers == nil {
		return "", nil, nil, nil
	}
	provider, clients, thumbprints, err = s.providers.OIDCProvider(ctx, account, name)
	if clients == nil {
		clients = []string{}
	}
	return provider, clients, thumbprints, err
}

// keys are the condition keys for what a token says.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
func (t *webToken) keys(issuer string, audience []string) map[string][]string {
	keys := map[string][]string{issuer + ":aud": audience, issuer + ":oaud": t.Audience, issuer + ":sub": {t.Subject}}
	if len(t.Methods) > 0 {
		keys[issuer+":amr"] = t.Methods
	}
	if t.Email != "" {
		keys[issuer+":email"] = []string{t.Email}
	}
	return keys
}

func (s *Service) guardWebIdentity(ctx context.Context, in *api.AssumeRoleWithWebIdentityRequest) ([]aws.Access, error) {
	v, err := s.webIdentity(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.accesses(&v.beginning, &v.caller, v.keys(), false), nil
}

// assumeRoleWithWebIdentity verifies the token once more, since with policies off
// nobody has asked the guard.
func (s *Service) assumeRoleWithWebIdentity(ctx context.Context, in *api.AssumeRoleWithWebIdentityRequest) (*api.AssumeRoleWithWebIdentityResponse, error) {
	v, err := s.webIdentity(ctx, in)
	if err != nil {
		return nil, err
	}
	r, err := s.role(ctx, "AssumeRoleWithWebIdentity", *in.RoleArn)
	if err != nil {
		return nil, err
	}
	length, err := r.length(in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	out, err := s.begin(ctx, r, v.name, in.Policy, in.PolicyArns, length, v.session())
	if err != nil {
		return nil, err
	}
	return &api.AssumeRoleWithWebIdentityResponse{Credentials: out.cred, AssumedRoleUser: out.user, PackedPolicySize: out.packed,
		Audience: &v.audience, Provider: &v.caller.Provider, SubjectFromWebIdentityToken: &v.subject, SourceIdentity: text(v.source)}, nil
}
