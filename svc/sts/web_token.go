package sts

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	api "github.com/tule-cloud/tule/api/sts"
	issuers "github.com/tule-cloud/tule/gateway/jwt"
)

// A webToken is what an OpenID Connect provider says in a token.
type webToken struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Audience jwt.Audience     `json:"aud"`
	Party    string           `json:"azp"` // whom the token was issued to, where that is not the audience
	Email    string           `json:"email"`
	Methods  texts            `json:"amr"`
	Expires  *jwt.NumericDate `json:"exp"`
	Issued   *jwt.NumericDate `json:"iat"`
	From     *jwt.NumericDate `json:"nbf"`
	Source   string           `json:"https://aws.amazon.com/source_identity"`
	Tags     struct {
		Principal  map[string]texts `json:"principal_tags"`
		Transitive texts            `json:"transitive_tag_keys"`
	} `json:"https://aws.amazon.com/tags"`
}

// texts are a list, or one alone.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// algorithms are those by which tokens may be signed.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// skew is by how much the clocks of providers may be off.
const skew = 5 * time.Minute

func invalidToken(format string, args ...any) error {
	return api.InvalidIdentityTokenException(format, args...)
}

func notJWT() error {
	return invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
}

// parseWebToken reads a token without verifying it, to learn whose it is.
func parseWebToken(text string) (*jwt.JSONWebToken, *webToken, error) {
	parsed, err := jwt.ParseSigned(text, algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return nil, nil, notJWT()
	}
	var said webToken
	if err := parsed.UnsafeClaimsWithoutVerification(&said); err != nil || said.Issuer == "" {
		return nil, nil, notJWT()
	}
	return parsed, &said, nil
}

// verify is what a token says, if its issuer signed it.
func (s *Service) verify(ctx context.Context, parsed *jwt.JSONWebToken, address string, thumbprints []string) (*webToken, error) {
	keys, err := s.issuers.Keys(ctx, address, thumbprints, parsed.Headers[0].KeyID)
	if err == nil && len(keys) == 0 {
		err = issuers.ErrNoKeys
	}
	if err != nil {
		return nil, keysError(err)
	}
	for _, k := range keys {
		if k.Algorithm != "" && k.Algorithm != parsed.Headers[0].Algorithm {
			continue
		}
		var said webToken
		var all map[string]json.RawMessage
		if parsed.Claims(k.Key, &said, &all) == nil {
			said.flat(all)
			return &said, nil
		}
	}
	return nil, invalidToken("Provided Token's signature could not be verified")
}

// keysError is the answer where the keys of an issuer are not to be had.
func keysError(err error) error {
	switch {
	case errors.Is(err, issuers.ErrThumbprint):
		return api.InvalidIdentityTokenException("OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint").Because(err)
	case errors.Is(err, issuers.ErrUnreachable):
		return api.IDPCommunicationErrorException("The identity provider that was asked to verify the incoming identity token could not be reached").Because(err)
	case errors.Is(err, issuers.ErrNoKeys):
		return api.InvalidIdentityTokenException("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements").Because(err)
	}
	return err
}

// The names of claims for providers that cannot nest them.
const (
	flatTag        = "https://aws.amazon.com/tags/principal_tags/"
	flatTransitive = "https://aws.amazon.com/tags/transitive_tag_keys"
)

// flat reads the session's tags where they are claims of their own.
func (t *webToken) flat(claims map[string]json.RawMessage) {
	for name, raw := range claims {
		key, ok := strings.CutPrefix(name, flatTag)
		var v texts
		if !ok && name != flatTransitive || json.Unmarshal(raw, &v) != nil {
			continue
		}
		if !ok {
			t.Tags.Transitive = append(t.Tags.Transitive, v...)
			continue
		}
		if t.Tags.Principal == nil {
			t.Tags.Principal = map[string]texts{}
		}
		t.Tags.Principal[key] = v
	}
}

// check holds a token to the time and to the clients that a provider has; nil clients
// stand for any. It gives the audience: the party that the token was issued to where
// it names one, as AWS does.
func (t *webToken) check(now time.Time, clients []string) (audience []string, err error) {
	for _, c := range []struct {
		claim   string
		missing bool
	}{{"sub", t.Subject == ""}, {"aud", len(t.Audience) == 0}, {"exp", t.Expires == nil}, {"iat", t.Issued == nil}} {
		if c.missing {
			return nil, invalidToken("Missing a required claim: %s", c.claim)
		}
	}
	audience = t.Audience
	if t.Party != "" {
		audience = []string{t.Party}
	}
	if clients != nil {
		audience = slices.DeleteFunc(slices.Clone(audience), func(a string) bool { return !slices.Contains(clients, a) })
	}
	if len(audience) == 0 {
		return nil, invalidToken("Incorrect token audience")
	}
	if !now.Before(t.Expires.Time().Add(skew)) {
		return nil, api.ExpiredTokenException("Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), t.Expires.Time().Unix())
	}
	if t.Issued.Time().After(now.Add(skew)) || t.From.Time().After(now.Add(skew)) {
		return nil, invalidToken("Token is not valid yet: current date/time %d", now.Unix())
	}
	return audience, nil
}
