package sts

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Outbound is what STS needs to know of accounts as issuers of tokens, by which others
// know their principals.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound.html
type Outbound interface {
	// OutboundIssuer is the issuer of an account's tokens, an https address; "" for none.
	OutboundIssuer(ctx context.Context, account string) (string, error)
	// OutboundAccount is the account of an issuer; "" if it issues no tokens.
	OutboundAccount(ctx context.Context, issuer string) (string, error)
}

const (
	// usualToken is how long a token lasts.
	usualToken = 5 * time.Minute
	// maxClaims is how long the claims of a token may be, in bytes.
	maxClaims = 64 << 10
	// claimsSpace is where AWS's own claims are.
	claimsSpace = "https://sts.amazonaws.com/"
)

// outboundAlgorithms are those by which tokens are signed.
var outboundAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES384}

// An outboundKey signs the tokens of an account. Its private part is sealed.
type outboundKey struct {
	ID      string
	Private []byte
}

// outboundKeys are kept by algorithm.
var outboundKeys = store.NewTable[outboundKey]("sts", "outbound-key")

func (s *Service) guardWebIdentityToken(_ context.Context, in *api.GetWebIdentityTokenRequest) ([]aws.Access, error) {
	need := aws.Access{Resource: "*", Keys: aws.RequestTags(nil, tagMap(in.Tags))}
	need.Keys["sts:IdentityTokenAudience"] = in.Audience
	need.Keys["sts:SigningAlgorithm"] = []string{*in.SigningAlgorithm}
	need.Keys["sts:DurationSeconds"] = []string{strconv.Itoa(int(tokenLength(in).Seconds()))}
	if len(in.Tags) == 0 {
		return []aws.Access{need}, nil
	}
	tag := aws.Access{Action: "sts:TagGetWebIdentityToken", Resource: "*", Keys: aws.RequestTags(nil, tagMap(in.Tags))}
	return []aws.Access{need, tag}, nil
}

func tokenLength(in *api.GetWebIdentityTokenRequest) time.Duration {
	if in.DurationSeconds != nil {
		return time.Duration(*in.DurationSeconds) * time.Second
	}
	return usualToken
}

// getWebIdentityToken says who the caller is, in a token that others can verify.
func (s *Service) getWebIdentityToken(ctx context.Context, in *api.GetWebIdentityTokenRequest) (*api.GetWebIdentityTokenResponse, error) {
	caller := aws.RequestOf(ctx).Caller
	algorithm := jose.SignatureAlgorithm(*in.SigningAlgorithm)
	if !slices.Contains(outboundAlgorithms, algorithm) {
		return nil, aws.Errorf(400, "ValidationError", "The signing algorithm must be RS256 or ES384.")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	issuer := ""
	if s.outbound != nil && s.store != nil {
		var err error
		if issuer, err = s.outbound.OutboundIssuer(ctx, caller.Account); err != nil {
			return nil, err
		}
	}
	if issuer == "" {
		return nil, api.OutboundWebIdentityFederationDisabledException("Outbound web identity federation is not enabled for your account.")
	}
	length := tokenLength(in)
	if end := s.endOf(caller.AccessKeyID); !end.IsZero() && s.clock.Now().Add(length).After(end) {
		return nil, api.SessionDurationEscalationException("The requested DurationSeconds exceeds the remaining duration of the session.")
	}
	now := s.clock.Now().UTC().Truncate(time.Second)
	own, err := s.ownClaims(ctx, &caller, in.Tags)
	if err != nil {
		return nil, err
	}
	claims := map[string]any{"iss": issuer, "sub": subject(&caller), "aud": any(in.Audience), "iat": now.Unix(), "exp": now.Add(length).Unix(),
		"jti": aws.RandomUUID(s.random), claimsSpace: own}
	if len(in.Audience) == 1 {
		claims["aud"] = in.Audience[0]
	}
	size, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	if len(size) > maxClaims {
		return nil, api.JWTPayloadSizeExceededException("The token would be longer than %d bytes.", maxClaims)
	}
	key, err := s.outboundKey(ctx, caller.Account, algorithm)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	return &api.GetWebIdentityTokenResponse{WebIdentityToken: &token, Expiration: new(now.Add(length))}, err
}

// endOf is when the session ends that an access key is of; zero for other keys. The door
// has just opened its token.
func (s *Service) endOf(id string) time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, have := range s.opened {
		if have.ID == id {
			return have.Expires
		}
	}
	return time.Time{}
}

// subject is the principal behind a caller: the role of a session.
func subject(c *aws.Caller) string {
	if c.Role != "" && c.Kind == aws.AssumedRole {
		return c.Role
	}
	return c.ARN
}

// ownClaims are what AWS says of a caller.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html
func (s *Service) ownClaims(ctx context.Context, c *aws.Caller, tags []api.Tag) (map[string]any, error) {
	own := map[string]any{"aws_account": c.Account, "source_region": aws.RequestOf(ctx).Region}
	if s.place != nil {
		id, path, err := s.place(ctx, c.Account)
		if err != nil {
			return nil, err
		}
		if id != "" {
			own["org_id"], own["ou_path"] = id, path
		}
	}
	if len(c.Tags) > 0 {
		own["principal_tags"] = c.Tags
	}
	if len(tags) > 0 {
		own["request_tags"] = tagMap(tags)
	}
	if f := c.Keys["lambda:SourceFunctionArn"]; len(f) == 1 {
		own["lambda_source_function_arn"] = f[0]
	}
	return own, nil
}

// outboundKey is the key of an account for an algorithm, made when it is first needed.
func (s *Service) outboundKey(ctx context.Context, account string, algorithm jose.SignatureAlgorithm) (jose.JSONWebKey, error) {
	sc, seal := store.Scope{Account: account}, account+" "+string(algorithm)
	var have outboundKey
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		have, err = outboundKeys.Get(ctx, r, sc, string(algorithm))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		var made outboundKey
		if made, err = s.makeOutboundKey(algorithm, seal); err != nil {
			return jose.JSONWebKey{}, err
		}
		err = s.store.Update(ctx, func(tx store.Tx) (err error) {
			if have, err = outboundKeys.Get(ctx, tx, sc, string(algorithm)); !errors.Is(err, store.ErrNotFound) {
				return err
			}
			have = made
			return outboundKeys.Put(tx, sc, made, string(algorithm))
		})
	}
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	der, err := s.outboundBox.Open(have.Private, seal)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	return jose.JSONWebKey{Key: private, KeyID: have.ID, Algorithm: string(algorithm), Use: "sig"}, err
}

func (s *Service) makeOutboundKey(algorithm jose.SignatureAlgorithm, context string) (outboundKey, error) {
	var private any
	var err error
	if algorithm == jose.RS256 {
		private, err = rsa.GenerateKey(s.random, 2048)
	} else {
		private, err = ecdsa.GenerateKey(elliptic.P384(), s.random)
	}
	if err != nil {
		return outboundKey{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return outboundKey{}, err
	}
	sealed, err := s.outboundBox.Seal(der, context)
	return outboundKey{ID: string(algorithm) + "_" + strings.ReplaceAll(aws.RandomUUID(s.random), "-", ""), Private: sealed}, err
}
