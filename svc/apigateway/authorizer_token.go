package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tule-cloud/tule/gateway/authorize"
	"github.com/tule-cloud/tule/gateway/jwt"
)

// byToken holds a caller to the token of a user pool, or of any issuer of OpenID Connect.
// With scopes it is to be an access token for one of them; without, an identity token.
// Tokens of issuers that do not say which they are may be either.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-integrate-with-cognito.html
func (x *exchange) byToken(ctx context.Context, a *authorizer, scopes []string) error {
	x.log.info("Starting authorizer: %s for request: %s", a.id, x.req.id)
	identity, ok := x.identityFor(a)
	if !ok {
		return unauthorized("Unauthorized")
	}
	x.log.info("Incoming identity: %s", mask(identity))
	token, err := x.s.Issuers.Verify(ctx, jwt.Bearer(identity), jwt.Rules{Issuers: a.issuers})
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return unauthorized("The incoming token has expired")
	case errors.Is(err, jwt.ErrUnreachable), err != nil && errors.Is(err, jwt.ErrNoKeys) && !a.has(x, ctx):
		return authorizerMisconfigured(err.Error())
	case err != nil:
		f := unauthorized("Unauthorized")
		f.line = "Unauthorized: " + err.Error()
		return f
	}
	if !fits(token, scopes) || a.pattern != nil && !slices.ContainsFunc(token.Texts("aud"), a.pattern.MatchString) {
		return unauthorized("Unauthorized")
	}
	claims := map[string]any{}
	for name, v := range token.Claims {
		claims[name] = claimText(name, v)
	}
	x.authority = &authority{context: map[string]any{"claims": claims}, verdict: authorize.Allowed}
	if len(scopes) > 0 {
		x.authority.context["scopes"] = strings.Join(token.Scopes(), " ")
	}
	x.about, x.vars = nil, nil // they were made without it
	x.log.info("Successfully completed authorizer execution")
	return nil
}

// has reports whether any key of the authorizer's issuers is to be had: where none is, its
// owner and not the caller has something to mend.
func (a *authorizer) has(x *exchange, ctx context.Context) bool {
	return slices.ContainsFunc(a.issuers, func(issuer string) bool {
		keys, err := x.s.Issuers.Keys(ctx, issuer, nil, "")
		return err == nil && len(keys) > 0
	})
}

// fits reports whether a token is of the use that scopes ask for, and for one of them.
func fits(t *jwt.Token, scopes []string) bool {
	use := t.Text("token_use")
	if len(scopes) == 0 {
		return use == "" || use == "id"
	}
	return (use == "" || use == "access") && t.HasScope(scopes)
}

// claimText is a claim as it is passed on: times as Java prints them, lists joined by
// commas.
func claimText(name string, v any) string {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil && (name == "exp" || name == "iat" || name == "nbf") {
			return time.Unix(n, 0).UTC().Format("Mon Jan 02 15:04:05 UTC 2006")
		}
	case []any:
		texts := make([]string, len(v))
		for i, one := range v {
			texts[i] = authorize.Text(one)
		}
		return strings.Join(texts, ",")
	}
	return authorize.Text(v)
}
