package apigatewayv2

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// defaultTTL is how long a function's verdict holds where its authorizer says nothing,
// in seconds.
const defaultTTL = 300

// checkAuthorizer completes an authorizer, and refuses what AWS does.
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-authorizers.html
func checkAuthorizer(a *api.Api, auth *api.Authorizer) error {
	if n := len(aws.Value(auth.Name)); n == 0 || n > 128 {
		return api.BadRequestException("Invalid name specified. It must have 1 to 128 characters")
	}
	if aws.Value(auth.AuthorizerType) == api.AuthorizerTypeJwt {
		return checkJWT(a, auth)
	}
	if auth.JwtConfiguration != nil {
		return api.BadRequestException("JWT configuration is supported only for JWT authorizers")
	}
	if _, ok := functionOf(aws.Value(auth.AuthorizerUri)); !ok {
		return api.BadRequestException("Invalid authorizer URI specified: %s. It must be that of a function", aws.Value(auth.AuthorizerUri))
	}
	if auth.AuthorizerCredentialsArn != nil && !isRole(*auth.AuthorizerCredentialsArn) {
		return api.BadRequestException("Invalid ARN specified in the request")
	}
	for _, source := range auth.IdentitySource {
		if !isIdentitySource(a, source) {
			return api.BadRequestException("Invalid identity source specified: %s", source)
		}
	}
	if !isHTTP(a) {
		switch {
		case auth.AuthorizerPayloadFormatVersion != nil || auth.EnableSimpleResponses != nil:
			return api.BadRequestException("Payload format versions and simple responses are supported only for HTTP APIs")
		case aws.Value(auth.AuthorizerResultTtlInSeconds) != 0:
			return api.BadRequestException("Authorizer result TTL is not supported for WebSocket APIs")
		}
		return nil
	}
	format := aws.Value(auth.AuthorizerPayloadFormatVersion)
	if format != "1.0" && format != "2.0" {
		return api.BadRequestException("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer. Supported values are 1.0 and 2.0")
	}
	if aws.Value(auth.EnableSimpleResponses) && format == "1.0" {
		return api.BadRequestException("Simple responses are supported only for the payload format version 2.0")
	}
	if auth.EnableSimpleResponses == nil {
		auth.EnableSimpleResponses = ptr(false)
	}
	if auth.AuthorizerResultTtlInSeconds == nil {
		auth.AuthorizerResultTtlInSeconds = ptr(int32(0))
		if len(auth.IdentitySource) > 0 {
			*auth.AuthorizerResultTtlInSeconds = defaultTTL
		}
	}
	if *auth.AuthorizerResultTtlInSeconds > 0 && len(auth.IdentitySource) == 0 {
		return api.BadRequestException("Identity sources are required when caching is enabled")
	}
	return nil
}

func checkJWT(a *api.Api, auth *api.Authorizer) error {
	c := auth.JwtConfiguration
	switch {
	case !isHTTP(a):
		return api.BadRequestException("JWT authorizers are supported only for HTTP APIs")
	case c == nil || aws.Value(c.Issuer) == "" || len(c.Audience) == 0:
		return api.BadRequestException("JWT configuration requires an issuer and at least one audience")
	case !strings.HasPrefix(*c.Issuer, "https://") && !strings.HasPrefix(*c.Issuer, "http://"):
		return api.BadRequestException("Invalid issuer: %s. Issuer must be a valid URL", *c.Issuer)
	case len(auth.IdentitySource) != 1 || !isIdentitySource(a, auth.IdentitySource[0]):
		return api.BadRequestException("Invalid identity source specified. A JWT authorizer has one, such as $request.header.Authorization")
	case auth.AuthorizerUri != nil || auth.AuthorizerCredentialsArn != nil || auth.AuthorizerPayloadFormatVersion != nil:
		return api.BadRequestException("Authorizer URI, credentials and payload format version are supported only for REQUEST authorizers")
	}
	return nil
}

// isIdentitySource: a selection expression for HTTP APIs, and a path such as
// route.request.header.Auth for WebSocket APIs.
func isIdentitySource(a *api.Api, source string) bool {
	prefixes := []string{"$request.header.", "$request.querystring.", "$context.", "$stageVariables."}
	if !isHTTP(a) {
		prefixes = []string{"route.request.header.", "route.request.querystring.", "context.", "stageVariables."}
	}
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(source, p); ok && rest != "" {
			return true
		}
	}
	return false
}

func (s *Service) checkAuthorizerOf(ctx context.Context, tx store.Tx, id *string, auth *api.Authorizer) error {
	a, err := lookup(ctx, tx, id)
	if err != nil {
		return err
	}
	return checkAuthorizer(&a, auth)
}

func (s *Service) createAuthorizer(ctx context.Context, in *api.CreateAuthorizerRequest) (*api.CreateAuthorizerResponse, error) {
	return add[api.CreateAuthorizerResponse](ctx, s, authorizers, in, func(tx store.Tx, auth *api.Authorizer) error {
		return s.checkAuthorizerOf(ctx, tx, in.ApiId, auth)
	}, in.ApiId)
}

func (s *Service) getAuthorizer(ctx context.Context, in *api.GetAuthorizerRequest) (*api.GetAuthorizerResponse, error) {
	return show[api.GetAuthorizerResponse](ctx, s, authorizers, in.ApiId, in.AuthorizerId)
}

func (s *Service) getAuthorizers(ctx context.Context, in *api.GetAuthorizersRequest) (*api.GetAuthorizersResponse, error) {
	items, next, err := list(ctx, s, authorizers, in.MaxResults, in.NextToken, in.ApiId)
	return &api.GetAuthorizersResponse{Items: items, NextToken: next}, err
}

func (s *Service) updateAuthorizer(ctx context.Context, in *api.UpdateAuthorizerRequest) (*api.UpdateAuthorizerResponse, error) {
	return change[api.UpdateAuthorizerResponse](ctx, s, authorizers, in, func(tx store.Tx, auth *api.Authorizer) error {
		return s.checkAuthorizerOf(ctx, tx, in.ApiId, auth)
	}, in.ApiId, in.AuthorizerId)
}

func (s *Service) deleteAuthorizer(ctx context.Context, in *api.DeleteAuthorizerRequest) (*aws.Empty, error) {
	return remove(ctx, s, authorizers, func(tx store.Tx, auth *api.Authorizer) error {
		all, err := routes.children(ctx, tx, scope(ctx), *in.ApiId)
		if err != nil {
			return err
		}
		for _, r := range all {
			if aws.Value(r.AuthorizerId) == *auth.AuthorizerId {
				return api.ConflictException("Cannot delete Authorizer '%s'. It is being referenced by Route '%s' with id '%s'.", *auth.AuthorizerId, *r.RouteKey, *r.RouteId)
			}
		}
		return nil
	}, in.ApiId, in.AuthorizerId)
}

func (s *Service) resetAuthorizersCache(ctx context.Context, in *api.ResetAuthorizersCacheRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		_, err := readStage(ctx, tx, in.ApiId, in.StageName)
		if err == nil {
			s.verdicts.Flush(*in.ApiId, *in.StageName)
		}
		return err
	})
}
