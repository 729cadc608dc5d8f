package sts

import (
	"context"
	"crypto/sha1" // AWS names subjects by it
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// redeem is how long after its issue an assertion is good.
const redeem = 5 * time.Minute

// endpoint is where AWS receives assertions: everywhere, in a region, and for one
// provider.
var endpoint = regexp.MustCompile(`^https://(?:[a-z]{2}(?:-[a-z]+)+-\d\.)?signin\.aws\.amazon\.com/saml(?:/acs/(\w+))?$`)

// attribute begins the names of the attributes that are for AWS.
const attribute = "https://aws.amazon.com/SAML/Attributes/"

// A samlUser is whom a SAML provider vouches for.
type samlUser struct {
	vouched
	issuer, format, qualifier string
	most                      time.Duration // of the session, 0 for no word on it
}

// samlUser verifies an assertion, and is whom it speaks of and the session that is
// asked for.
func (s *Service) samlUser(ctx context.Context, in *api.AssumeRoleWithSAMLRequest) (*samlUser, error) {
	arn, ok := aws.ParseARN(*in.PrincipalArn)
	role, isRole := aws.ParseARN(*in.RoleArn)
	if !ok || !isRole || !strings.HasPrefix(arn.Resource, "saml-provider/") || !aws.ValidAccount(role.Account) {
		return nil, aws.Errorf(400, "ValidationError", "Request ARN is invalid")
	}
	response, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(*in.SAMLAssertion), ""))
	if err != nil {
		return nil, invalidToken("Invalid base64 SAMLResponse")
	}
	p, id, err := s.samlProvider(ctx, *in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	a, err := p.read(response)
	switch {
	case errors.Is(err, errUnsigned):
		return nil, api.InvalidIdentityTokenException("Response signature invalid").Because(err)
	case errors.Is(err, errPlain):
		return nil, invalidToken("Assertion must be encrypted")
	case err != nil:
		return nil, api.InvalidIdentityTokenException("Your request included an invalid SAML response.").Because(err)
	}
	recipient, err := a.check(s.clock.Now(), p.issuer, id)
	if err != nil {
		return nil, err
	}
	if !a.gives(*in.RoleArn, *in.PrincipalArn) {
		return nil, aws.AccessDenied("Not authorized to perform sts:AssumeRoleWithSAML")
	}
	return a.user(in, arn, recipient, s.clock.Now())
}

// samlProvider is the provider with an ARN, and the id in its own addresses.
func (s *Service) samlProvider(ctx context.Context, arn string) (p *samlProvider, id string, err error) {
	if s.providers == nil {
		return nil, "", invalidToken("Specified provider doesn't exist")
	}
	metadata, id, until, err := s.providers.SAMLProvider(ctx, arn)
	if err != nil {
		return nil, "", err
	}
	if metadata == "" {
		return nil, "", invalidToken("Specified provider doesn't exist")
	}
	if !until.IsZero() && !s.clock.Now().Before(until) {
		return nil, "", invalidToken("Specified provider's metadata has expired")
	}
	if p, err = parseProvider(metadata); err != nil {
		return nil, "", api.InvalidIdentityTokenException("Could not parse metadata").Because(err)
	}
	keys, required, err := s.providers.SAMLKeys(ctx, arn)
	if err != nil {
		return nil, "", err
	}
	p.required = required
	for _, k := range keys {
		if err := p.addKey(k); err != nil {
			return nil, "", err
		}
	}
	return p, id, nil
}

// check holds an assertion to its issuer, to the time, and to AWS as the one it is
// for. It gives the address that it was sent to.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_saml_assertions.html
func (a *assertion) check(now time.Time, issuer, id string) (recipient string, err error) {
	if a.Issuer != issuer {
		return "", invalidToken("Issuer not present in specified provider")
	}
	if a.Subject.NameID.Value == "" {
		return "", aws.AccessDenied("Not authorized to perform sts:AssumeRoleWithSAML")
	}
	isOurs := func(address string) bool {
		m := endpoint.FindStringSubmatch(address)
		return m != nil && (m[1] == "" || m[1] == id)
	}
	if len(a.Subject.Confirmations) != 1 || a.Subject.Confirmations[0].Method != "urn:oasis:names:tc:SAML:2.0:cm:bearer" ||
		!isOurs(a.Subject.Confirmations[0].Data.Recipient) || a.Subject.Confirmations[0].Data.NotOnOrAfter.IsZero() || a.Issued.IsZero() {
		return "", invalidToken("Your request included an invalid SAML response.")
	}
	forUs := func(audience string) bool { return audience == "urn:amazon:webservices" || isOurs(audience) }
	for _, r := range a.Conditions.Restrictions {
		if !slices.ContainsFunc(r.Audience, forUs) {
			return "", invalidToken("Response does not contain the required audience.")
		}
	}
	if len(a.Conditions.Restrictions) == 0 {
		return "", invalidToken("Response does not contain the required audience.")
	}
	data := a.Subject.Confirmations[0].Data
	for _, end := range []time.Time{data.NotOnOrAfter, a.Conditions.NotOnOrAfter, a.Issued.Add(redeem)} {
		if !end.IsZero() && !now.Before(end) {
			return "", api.ExpiredTokenException("Token must be redeemed within 5 minutes of issuance")
		}
	}
	if a.Issued.After(now.Add(skew)) || a.Conditions.NotBefore.After(now.Add(skew)) {
		return "", invalidToken("Response is not valid yet")
	}
	return data.Recipient, nil
}

// values are those of an attribute for AWS.
func (a *assertion) values(name string) []string {
	var out []string
	for _, attr := range a.Attributes {
		if attr.Name == attribute+name {
			out = append(out, attr.Values...)
		}
	}
	return out
}

// gives reports whether the assertion gives a role by a provider; the pair comes in
// either order.
func (a *assertion) gives(role, provider string) bool {
	return slices.ContainsFunc(a.values("Role"), func(pair string) bool {
		one, other, _ := strings.Cut(pair, ",")
		one, other = strings.TrimSpace(one), strings.TrimSpace(other)
		return one == role && other == provider || one == provider && other == role
	})
}

// user is whom the assertion speaks of, and the session that it wants for him.
func (a *assertion) user(in *api.AssumeRoleWithSAMLRequest, provider aws.ARN, recipient string, now time.Time) (*samlUser, error) {
	name := strings.TrimPrefix(provider.Resource, "saml-provider/")
	sum := sha1.Sum([]byte(a.Issuer + provider.Account + "/" + name))
	u := &samlUser{issuer: a.Issuer, format: strings.TrimPrefix(a.Subject.NameID.Format, "urn:oasis:names:tc:SAML:2.0:nameid-format:"),
		qualifier: base64.StdEncoding.EncodeToString(sum[:])}
	u.role, u.audience, u.subject = *in.RoleArn, recipient, a.Subject.NameID.Value
	u.transitive = a.values("TransitiveTagKeys")
	names := a.values("RoleSessionName")
	if len(names) == 0 {
		return nil, invalidToken("RoleSessionName is required in AuthnResponse")
	}
	if u.name = names[0]; len(names) > 1 || !nameForm.MatchString(u.name) {
		return nil, invalidToken("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
	}
	if sources := a.values("SourceIdentity"); len(sources) > 0 {
		u.source = sources[0]
	}
	for _, attr := range a.Attributes {
		if key, ok := strings.CutPrefix(attr.Name, attribute+"PrincipalTag:"); ok {
			u.addTag(key, attr.Values)
		}
	}
	u.caller = aws.Caller{Kind: aws.SAMLUser, UserID: u.qualifier + ":" + u.subject, Provider: *in.PrincipalArn, Keys: a.keys()}
	u.keep = map[string][]string{"saml:namequalifier": {u.qualifier}, "saml:sub": {u.subject}}
	if u.format != "" {
		u.keep["saml:sub_type"] = []string{u.format}
	}
	for k, v := range u.keep {
		u.caller.Keys[k] = v
	}
	u.caller.Keys["saml:aud"], u.caller.Keys["saml:iss"] = []string{recipient}, []string{a.Issuer}
	u.caller.Keys["saml:doc"] = []string{provider.Account + "/" + name}
	var err error
	if u.most, err = a.most(now); err != nil {
		return nil, err
	}
	return u, u.check()
}

// most is how long a session may last for the provider; 0 if it does not say.
func (a *assertion) most(now time.Time) (most time.Duration, err error) {
	if v := a.values("SessionDuration"); len(v) > 0 {
		n, err := strconv.Atoi(v[0])
		if err != nil || len(v) > 1 || n < 900 || n > 43200 {
			return 0, invalidToken("SessionDuration in AuthnResponse must be a number from 900 to 43200")
		}
		most = time.Duration(n) * time.Second
	}
	for _, s := range a.Authentications {
		if s.SessionNotOnOrAfter.IsZero() {
			continue
		}
		left := s.SessionNotOnOrAfter.Sub(now)
		if left <= 0 {
			return 0, api.ExpiredTokenException("Token must be redeemed within 5 minutes of issuance")
		}
		if most == 0 || left < most {
			most = left
		}
	}
	return most, nil
}

// attributeKeys are the attributes that trust policies can ask about, by the names
// that providers give them.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_saml_assertions.html#saml-attribute-mapping
var attributeKeys = map[string]string{
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.1":                                        "eduPersonAffiliation",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.2":                                        "eduPersonNickname",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.3":                                        "eduPersonOrgDN",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.4":                                        "eduPersonOrgUnitDN",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.5":                                        "eduPersonPrimaryAffiliation",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.6":                                        "eduPersonPrincipalName",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.7":                                        "eduPersonEntitlement",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.8":                                        "eduPersonPrimaryOrgUnitDN",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.9":                                        "eduPersonScopedAffiliation",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.10":                                       "eduPersonTargetedID",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.11":                                       "eduPersonAssurance",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.2":                                        "eduOrgHomePageURI",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.3":                                        "eduOrgIdentityAuthNPolicyURI",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.4":                                        "eduOrgLegalName",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.5":                                        "eduOrgSuperiorURI",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.6":                                        "eduOrgWhitePagesURI",
	"urn:oid:2.5.4.3":                                                         "cn",
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name":              "name",
	"http://schemas.xmlsoap.org/claims/CommonName":                            "commonName",
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname":         "givenName",
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname":           "surname",
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress":      "mail",
	"http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid": "uid",
	"2.5.4.3":                    "commonName",
	"2.5.4.4":                    "surname",
	"2.4.5.42":                   "givenName",
	"2.5.4.45":                   "x500UniqueIdentifier",
	"0.9.2342.19200300100.1.1":   "uid",
	"0.9.2342.19200300100.1.3":   "mail",
	"0.9.2342.19200300.100.1.45": "organizationStatus",
}

// keys are the condition keys for what the provider says of somebody.
func (a *assertion) keys() map[string][]string {
	keys := map[string][]string{}
	for _, attr := range a.Attributes {
		if name := attributeKeys[attr.Name]; name != "" && len(attr.Values) > 0 {
			keys["saml:"+name] = attr.Values
		}
	}
	return keys
}

func (s *Service) guardSAML(ctx context.Context, in *api.AssumeRoleWithSAMLRequest) ([]aws.Access, error) {
	u, err := s.samlUser(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.accesses(&u.beginning, &u.caller, u.keys(), false), nil
}

// assumeRoleWithSAML verifies the assertion once more, since with policies off nobody
// has asked the guard.
func (s *Service) assumeRoleWithSAML(ctx context.Context, in *api.AssumeRoleWithSAMLRequest) (*api.AssumeRoleWithSAMLResponse, error) {
	u, err := s.samlUser(ctx, in)
	if err != nil {
		return nil, err
	}
	r, err := s.role(ctx, "AssumeRoleWithSAML", *in.RoleArn)
	if err != nil {
		return nil, err
	}
	length, err := r.length(in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	if u.most > 0 {
		length = min(length, u.most)
	}
	out, err := s.begin(ctx, r, u.name, in.Policy, in.PolicyArns, length, u.session())
	if err != nil {
		return nil, err
	}
	return &api.AssumeRoleWithSAMLResponse{Credentials: out.cred, AssumedRoleUser: out.user, PackedPolicySize: out.packed,
		Audience: &u.audience, Issuer: &u.issuer, Subject: &u.subject, SubjectType: text(u.format), NameQualifier: &u.qualifier,
		SourceIdentity: text(u.source)}, nil
}
