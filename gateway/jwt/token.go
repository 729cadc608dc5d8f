package jwt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// maxToken is how long a token may be, in bytes: as long as a request's headers.
const maxToken = 16 << 10

// What is wrong with a token; errors of Verify wrap one of them, or one of Keys.
var (
	// ErrMalformed: the text is no signed token.
	ErrMalformed = errors.New("the token is malformed")
	// ErrIssuer: the token is of another issuer.
	ErrIssuer = errors.New("the issuer is another")
	// ErrSignature: the issuer has not signed it.
	ErrSignature = errors.New("the signature is wrong")
	// ErrExpired: its time is over, or it says no time.
	ErrExpired = errors.New("the token has expired")
	// ErrEarly: its time has not come.
	ErrEarly = errors.New("the token is not valid yet")
)

// RSA and AllAlgorithms are what Rules may accept. API Gateway's HTTP APIs take those of
// RSA alone.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
func RSA() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512}
}

// AllAlgorithms are those that sign by a key pair.
func AllAlgorithms() []jose.SignatureAlgorithm {
	return append(RSA(), jose.ES256, jose.ES384, jose.ES512)
}

// Rules are what a token is held to.
type Rules struct {
	// Issuers are the addresses, such as https://id.example.com/tenant, that the token
	// may be of; the claim iss is one of them, to the byte.
	Issuers []string
	// Algorithms are by which it may be signed; none: AllAlgorithms.
	Algorithms []jose.SignatureAlgorithm
	// NeedsID refuses a token whose header names no key.
	NeedsID bool
}

// Token is what a verified token says.
type Token struct {
	Issuer string
	// Claims are all claims as JSON has them; numbers are json.Number.
	Claims map[string]any
	// Raw are the same, as they were written.
	Raw map[string]json.RawMessage
}

// Verify is what a token says, if one of the issuers that rules name signed it and its
// time is now. A "Bearer " before it is not part of a token; see Bearer.
func (i *Issuers) Verify(ctx context.Context, text string, rules Rules) (*Token, error) {
	if len(text) > maxToken {
		return nil, ErrMalformed
	}
	if len(rules.Algorithms) == 0 {
		rules.Algorithms = AllAlgorithms()
	}
	parsed, err := jwt.ParseSigned(text, rules.Algorithms)
	if err != nil || len(parsed.Headers) != 1 || rules.NeedsID && parsed.Headers[0].KeyID == "" {
		return nil, ErrMalformed
	}
	var said struct {
		Issuer string `json:"iss"`
	}
	if parsed.UnsafeClaimsWithoutVerification(&said) != nil {
		return nil, ErrMalformed
	}
	if !slices.Contains(rules.Issuers, said.Issuer) {
		return nil, ErrIssuer
	}
	keys, err := i.Keys(ctx, said.Issuer, nil, parsed.Headers[0].KeyID)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, ErrNoKeys
	}
	for _, k := range keys {
		if k.Algorithm != "" && k.Algorithm != parsed.Headers[0].Algorithm {
			continue
		}
		var raw map[string]json.RawMessage
		if parsed.Claims(k.Key, &raw) == nil {
			return i.timely(&Token{Issuer: said.Issuer, Raw: raw})
		}
	}
	return nil, ErrSignature
}

// timely holds a token to the time.
func (i *Issuers) timely(t *Token) (*Token, error) {
	t.Claims = make(map[string]any, len(t.Raw))
	for name, raw := range t.Raw {
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, ErrMalformed
		}
		t.Claims[name] = v
	}
	now := i.Clock.Now()
	expires, ok, err := t.time("exp")
	if err != nil {
		return nil, err
	}
	if !ok || !now.Before(expires) {
		return nil, ErrExpired
	}
	for _, name := range []string{"nbf", "iat"} {
		from, ok, err := t.time(name)
		if err != nil {
			return nil, err
		}
		if ok && now.Before(from) {
			return nil, fmt.Errorf("%w: %s", ErrEarly, name)
		}
	}
	return t, nil
}

// time is a claim of seconds since 1970.
func (t *Token) time(name string) (at time.Time, ok bool, err error) {
	v, ok := t.Claims[name]
	if !ok || v == nil {
		return at, false, nil
	}
	n, _ := v.(json.Number)
	f, err := n.Float64()
	if err != nil || f < -1e11 || f > 1e11 {
		return at, false, ErrMalformed
	}
	return time.Unix(int64(f), 0), true, nil
}

// Text is a claim that is a text; "" for another.
func (t *Token) Text(name string) string {
	s, _ := t.Claims[name].(string)
	return s
}

// Texts is a claim that is a text or a list of them.
func (t *Token) Texts(name string) (out []string) {
	switch v := t.Claims[name].(type) {
	case string:
		return []string{v}
	case []any:
		for _, one := range v {
			if s, ok := one.(string); ok {
				out = append(out, s)
			}
		}
	}
	return out
}

// Scopes are what the token is for: the claim scope, or scp, a list or a text of words.
func (t *Token) Scopes() (out []string) {
	for _, name := range []string{"scope", "scp"} {
		for _, v := range t.Texts(name) {
			out = append(out, strings.Fields(v)...)
		}
	}
	return out
}

// HasScope reports whether the token is for one of scopes; none ask nothing.
func (t *Token) HasScope(scopes []string) bool {
	if len(scopes) == 0 {
		return true
	}
	return slices.ContainsFunc(t.Scopes(), func(s string) bool { return slices.Contains(scopes, s) })
}

// Bearer is a header's value without the word Bearer before it, in whatever case.
func Bearer(value string) string {
	value = strings.TrimSpace(value)
	if word, rest, ok := strings.Cut(value, " "); ok && strings.EqualFold(word, "Bearer") {
		return strings.TrimSpace(rest)
	}
	return value
}
