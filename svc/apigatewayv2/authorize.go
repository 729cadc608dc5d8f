package apigatewayv2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/authorize"
	"github.com/tule-cloud/tule/gateway/jwt"
)

// called is the ARN of what a request calls: the path as it came, or the route of a
// WebSocket API.
func (x *exchange) called() string {
	where := *x.program.api.ApiId + "/" + *x.stage.StageName + "/"
	if isHTTP(&x.program.api) {
		where += x.req.verb + x.req.path
	} else {
		where += x.route.key
	}
	return aws.NewARN("execute-api", x.owner.Region, x.owner.Account, where).String()
}

// authorize asks whether the caller of a request may. It fails closed.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control.html
func (x *exchange) authorize(ctx context.Context) error {
	switch aws.Value(x.route.raw.AuthorizationType) {
	case api.AuthorizationTypeNone, "":
		return nil
	case api.AuthorizationTypeAwsIam:
		return x.authorizeIAM(ctx)
	}
	switch {
	case x.route.authorizer == nil:
		return internal("The route has no authorizer")
	case aws.Value(x.route.authorizer.AuthorizerType) == api.AuthorizerTypeJwt:
		return x.authorizeJWT(ctx)
	}
	return x.authorizeFunction(ctx)
}

// authorizeIAM asks the policies of who signed.
func (x *exchange) authorizeIAM(ctx context.Context) error {
	if x.req.caller.Kind == aws.Anonymous {
		return forbidden("The request is not signed")
	}
	if err := x.s.Allow(ctx, aws.Access{Action: authorize.Invoke, Resource: x.called(), Account: x.owner.Account}); err != nil {
		return forbidden(err.Error())
	}
	x.authorizer = map[string]any{"iam": iamContext(&x.req.caller)}
	return nil
}

// identity are the values of an authorizer's identity sources; false where one is missing.
func (x *exchange) identity(sources []string) (out []string, ok bool) {
	for _, source := range sources {
		name := strings.TrimPrefix(strings.TrimPrefix(source, "$"), "route.")
		v, found := x.variable(name)
		if !found || v == "" {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

// authorizeJWT holds a token to its issuer, its audience, the time and the route's scopes.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
func (x *exchange) authorizeJWT(ctx context.Context) error {
	auth, scopes := x.route.authorizer, x.route.raw.AuthorizationScopes
	from, ok := x.identity(auth.IdentitySource)
	if !ok {
		return unauthorized("Bearer", "The token is missing")
	}
	if x.s.Tokens == nil {
		return internal("Issuers of tokens are not known to this Tule")
	}
	challenge := func(code, text string) string {
		return fmt.Sprintf(`Bearer scope="%s" error="%s" error_description="%s"`, strings.Join(scopes, " "), code, text)
	}
	token, err := x.s.Tokens.Verify(ctx, jwt.Bearer(from[0]), jwt.Rules{Issuers: []string{*auth.JwtConfiguration.Issuer}, Algorithms: jwt.RSA()})
	if err != nil {
		return unauthorized(challenge("invalid_token", describeToken(err)), err.Error())
	}
	if !slices.ContainsFunc(append(token.Texts("aud"), token.Text("client_id")), func(a string) bool { return slices.Contains(auth.JwtConfiguration.Audience, a) }) {
		return unauthorized(challenge("invalid_token", "the token does not have a valid audience"), "The audience is another")
	}
	if !token.HasScope(scopes) {
		f := forbidden("The token has none of the scopes")
		f.challenge = challenge("insufficient_scope", "the token does not have any of the required scopes")
		return f
	}
	claims := map[string]any{}
	for name, v := range token.Claims {
		claims[name] = claimText(v)
	}
	passed := map[string]any{"claims": claims, "scopes": nil}
	if len(scopes) > 0 {
		passed["scopes"] = token.Scopes()
	}
	x.authorizer = map[string]any{"jwt": passed}
	return nil
}

func describeToken(err error) string {
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return "the token has expired"
	case errors.Is(err, jwt.ErrIssuer):
		return "the token's issuer does not match the issuer in the authorizer configuration"
	case errors.Is(err, jwt.ErrEarly):
		return "the token is not valid yet"
	case errors.Is(err, jwt.ErrMalformed):
		return "the token is malformed"
	case errors.Is(err, jwt.ErrUnreachable):
		return "OIDC discovery endpoint communication error"
	case errors.Is(err, jwt.ErrNoKeys):
		return "unable to find a signing key that matches"
	}
	return "signature verification failed"
}

// claimText is a claim as API Gateway passes it on: always a text, a list with blanks
// between its elements.
func claimText(v any) string {
	list, ok := v.([]any)
	if !ok {
		text, _ := textOf(v)
		return text
	}
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i], _ = textOf(e)
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// authorizerTime is how long an authorizer's function may take.
const authorizerTime = 10 * time.Second

// authorizeFunction asks a function, or what it has said before of the same identity.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
func (x *exchange) authorizeFunction(ctx context.Context) error {
	auth := x.route.authorizer
	from, ok := x.identity(auth.IdentitySource)
	if !ok {
		return unauthorized("", "An identity source is missing")
	}
	key := authorize.Key{API: *x.program.api.ApiId, Stage: *x.stage.StageName, Authorizer: *auth.AuthorizerId, Version: x.program.deploymentID,
		Identity: strings.Join(from, "\x00")}
	ttl := time.Duration(aws.Value(auth.AuthorizerResultTtlInSeconds)) * time.Second
	var said *authorize.Answer
	if ttl > 0 {
		said, _ = x.s.verdicts.Get(key)
	}
	if said == nil {
		var err error
		if said, err = x.ask(ctx, auth, from); err != nil {
			return err
		}
		x.s.verdicts.Put(key, said, ttl)
	}
	x.principal = said.Principal
	if said.Judge(x.called(), nil) != authorize.Allowed {
		return forbidden("The authorizer does not allow it")
	}
	x.authorizer = map[string]any{"lambda": said.Context}
	return nil
}

// ask has an authorizer's function answer.
func (x *exchange) ask(ctx context.Context, auth *api.Authorizer, from []string) (*authorize.Answer, error) {
	uri, err := parseExpression(*auth.AuthorizerUri)
	if err != nil {
		return nil, internal("The authorizer's URI is not valid")
	}
	text, _ := uri.eval(x)
	function, ok := functionOf(text)
	if !ok {
		return nil, internal("The authorizer's URI is that of no function")
	}
	source := aws.NewARN("execute-api", x.owner.Region, x.owner.Account, *x.program.api.ApiId+"/authorizers/"+*auth.AuthorizerId).String()
	caller := aws.ServiceCaller(principal, x.owner.Account, source)
	if role := aws.Value(auth.AuthorizerCredentialsArn); role != "" {
		if caller, err = x.s.sessionFor(ctx, x.owner.Account, role, source); err != nil {
			return nil, internal("API Gateway does not have permission to assume the authorizer's role")
		}
	}
	payload, err := encode(x.authorizerEvent(auth, from))
	if err != nil {
		return nil, err
	}
	out, err := x.s.invoke(ctx, x.staged, caller, function, payload, authorizerTime)
	if err != nil || out.FunctionError != nil {
		return nil, internal("The authorizer's function failed")
	}
	if strings.Contains(string(out.Payload), `"Unauthorized"`) && json.Valid(out.Payload) && len(out.Payload) < 64 {
		return nil, unauthorized("", "The authorizer's function says so")
	}
	parse := authorize.Parse
	if aws.Value(auth.EnableSimpleResponses) {
		parse = authorize.ParseSimple
	}
	said, err := parse(out.Payload)
	if err != nil {
		return nil, internal(err.Error())
	}
	return said, nil
}

// authorizerEvent is what an authorizer's function gets: the request's event, with what
// it is asked about.
func (x *exchange) authorizerEvent(auth *api.Authorizer, from []string) any {
	switch {
	case !isHTTP(&x.program.api):
		return struct {
			Type      string `json:"type"`
			MethodARN string `json:"methodArn"`
			*socketEvent
		}{"REQUEST", x.called(), x.socketEvent("CONNECT", "$connect", "")}
	case *auth.AuthorizerPayloadFormatVersion == "2.0":
		e := x.eventV2()
		e.Body = nil
		return struct {
			Version  string   `json:"version"`
			Type     string   `json:"type"`
			RouteARN string   `json:"routeArn"`
			Identity []string `json:"identitySource"`
			*event2
		}{"2.0", "REQUEST", x.called(), from, e}
	}
	e, token := x.eventV1(), strings.Join(from, ",")
	e.Body = nil
	return struct {
		Version   string `json:"version"`
		Type      string `json:"type"`
		MethodARN string `json:"methodArn"`
		Identity  string `json:"identitySource"`
		Token     string `json:"authorizationToken"`
		*event1
	}{"1.0", "REQUEST", x.called(), token, token, e}
}
