package apigateway

import (
	"context"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// authorizers are an API's, by its id and their own.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
var authorizers = store.NewTable[api.Authorizer](service, "authorizer")

// Limits on authorizers.
const (
	maxAuthorizers = 10 // of an API
	defaultTTL     = 300
	maxTTL         = 3600
)

func missingAuthorizer() error {
	return api.NotFoundException("Invalid Authorizer identifier specified")
}

func (s *Service) createAuthorizer(ctx context.Context, in *api.CreateAuthorizerRequest) (*api.Authorizer, error) {
	a := api.Authorizer{Id: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 6)), Name: in.Name, Type: in.Type, ProviderARNs: in.ProviderARNs, AuthType: in.AuthType,
		AuthorizerUri: in.AuthorizerUri, AuthorizerCredentials: in.AuthorizerCredentials, IdentitySource: in.IdentitySource,
		IdentityValidationExpression: in.IdentityValidationExpression, AuthorizerResultTtlInSeconds: in.AuthorizerResultTtlInSeconds}
	furnish(&a)
	return update(ctx, s, func(tx store.Tx) (*api.Authorizer, error) {
		if _, err := lookup(ctx, tx, in.RestApiId); err != nil {
			return nil, err
		}
		return &a, putAuthorizer(ctx, tx, *in.RestApiId, a)
	})
}

// furnish fills in what was left out.
func furnish(a *api.Authorizer) {
	if a.AuthType == nil {
		a.AuthType = ptr("custom")
		if *a.Type == api.AuthorizerTypeCognitoUserPools {
			a.AuthType = ptr("cognito_user_pools")
		}
	}
	if a.AuthorizerResultTtlInSeconds == nil && *a.Type != api.AuthorizerTypeCognitoUserPools {
		a.AuthorizerResultTtlInSeconds = ptr(int32(defaultTTL))
	}
}

// putAuthorizer writes an authorizer, if it can be one of its API.
func putAuthorizer(ctx context.Context, tx store.Tx, apiID string, a api.Authorizer) error {
	if err := checkAuthorizer(a); err != nil {
		return err
	}
	others := 0
	for e, err := range authorizers.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{apiID}}) {
		if err != nil {
			return err
		}
		if *e.Record.Id == *a.Id {
			continue
		}
		if others++; *e.Record.Name == *a.Name {
			return api.BadRequestException("Authorizer name must be unique. Authorizer %s already exists in this RestApi.", *a.Name)
		}
	}
	if others >= maxAuthorizers {
		return api.LimitExceededException("Maximum number of Authorizers for this API has been reached. Please contact AWS if you need additional Authorizers.")
	}
	return authorizers.Put(tx, scope(ctx), a, apiID, *a.Id)
}

// checkAuthorizer refuses what could authorize nobody.
func checkAuthorizer(a api.Authorizer) error {
	if strings.TrimSpace(aws.Value(a.Name)) == "" {
		return api.BadRequestException("Authorizer name cannot be empty")
	}
	if n := a.AuthorizerResultTtlInSeconds; n != nil && (*n < 0 || *n > maxTTL) {
		return api.BadRequestException("Authorizer result TTL must be between 0 and 3600 seconds")
	}
	if _, err := selection(aws.Value(a.IdentityValidationExpression)); err != nil {
		return api.BadRequestException("Invalid identity validation expression specified")
	}
	if err := checkIdentity(a); err != nil {
		return err
	}
	switch aws.Value(a.Type) {
	case api.AuthorizerTypeCognitoUserPools:
		if len(a.ProviderARNs) == 0 {
			return api.BadRequestException("Provider ARNs must be specified for a COGNITO_USER_POOLS authorizer")
		}
		for _, arn := range a.ProviderARNs {
			if issuerOf(arn) == "" {
				return api.BadRequestException("Invalid Cognito User Pool ARN: %s", arn)
			}
		}
		return nil
	case api.AuthorizerTypeToken, api.AuthorizerTypeRequest:
	default:
		return api.BadRequestException("Invalid authorizer type specified. Must be one of: [TOKEN, REQUEST, COGNITO_USER_POOLS]")
	}
	if _, ok := functionOf(stageVariable.ReplaceAllString(aws.Value(a.AuthorizerUri), "x")); !ok {
		return api.BadRequestException("Invalid Authorizer URI: %s. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation.", aws.Value(a.AuthorizerUri))
	}
	if role := aws.Value(a.AuthorizerCredentials); role != "" && !isRole(role) {
		return api.BadRequestException("Invalid ARN specified in the request")
	}
	return nil
}

// checkIdentity holds an authorizer to what it knows callers by.
func checkIdentity(a api.Authorizer) error {
	sources, ok := identitySources(aws.Value(a.IdentitySource))
	switch kind := aws.Value(a.Type); {
	case !ok:
		return api.BadRequestException("Invalid mapping expression specified: %s", aws.Value(a.IdentitySource))
	case kind == api.AuthorizerTypeRequest:
		if len(sources) == 0 && aws.Value(a.AuthorizerResultTtlInSeconds) > 0 {
			return api.BadRequestException("Identity source must be set if authorizer caching is enabled (TTL is greater than 0)")
		}
	case len(sources) == 0:
		return api.BadRequestException("Identity source must be set for %s authorizers", kind)
	case len(sources) > 1 || sources[0].kind != fromHeader:
		return api.BadRequestException("Invalid identity source: %s. %s authorizers take one header", aws.Value(a.IdentitySource), kind)
	}
	return nil
}

// identitySources reads mapping expressions between commas.
func identitySources(text string) (out []source, ok bool) {
	for expr := range strings.SplitSeq(text, ",") {
		if expr = strings.TrimSpace(expr); expr == "" {
			continue
		}
		src, ok := parseSource(expr, methodRequest)
		if !ok || !slices.Contains([]sourceKind{fromHeader, fromQuery, fromStageVariable, fromContext}, src.kind) {
			return nil, false
		}
		out = append(out, src)
	}
	return out, true
}

func readAuthorizer(ctx context.Context, r store.Reader, apiID, id *string) (api.Authorizer, error) {
	if _, err := lookup(ctx, r, apiID); err != nil {
		return api.Authorizer{}, err
	}
	a, err := authorizers.Get(ctx, r, scope(ctx), *apiID, aws.Value(id))
	return a, orElse(err, missingAuthorizer())
}

func (s *Service) getAuthorizer(ctx context.Context, in *api.GetAuthorizerRequest) (*api.Authorizer, error) {
	return view(ctx, s, func(r store.Reader) (*api.Authorizer, error) {
		a, err := readAuthorizer(ctx, r, in.RestApiId, in.AuthorizerId)
		return &a, err
	})
}

func (s *Service) getAuthorizers(ctx context.Context, in *api.GetAuthorizersRequest) (*api.Authorizers, error) {
	return view(ctx, s, func(r store.Reader) (*api.Authorizers, error) {
		if _, err := lookup(ctx, r, in.RestApiId); err != nil {
			return nil, err
		}
		items, next, err := page(ctx, r, authorizers, []any{*in.RestApiId}, in.Limit, in.Position)
		return &api.Authorizers{Items: items, Position: next}, err
	})
}

func (s *Service) updateAuthorizer(ctx context.Context, in *api.UpdateAuthorizerRequest) (*api.Authorizer, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.Authorizer, error) {
		a, err := readAuthorizer(ctx, tx, in.RestApiId, in.AuthorizerId)
		if err != nil {
			return nil, err
		}
		for _, p := range ops {
			if err := patchAuthorizer(&a, p); err != nil {
				return nil, err
			}
		}
		return &a, putAuthorizer(ctx, tx, *in.RestApiId, a)
	})
}

// patchAuthorizer applies one patch.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateAuthorizer-Patch
func patchAuthorizer(a *api.Authorizer, p patch) error {
	if p.path == "/providerARNs" {
		return patchProviders(a, p)
	}
	if err := p.listed("/name", "/type", "/authType", "/authorizerUri", "/authorizerCredentials", "/identitySource",
		"/identityValidationExpression", "/authorizerResultTtlInSeconds", "/providerARNs"); err != nil {
		return err
	}
	switch p.path {
	case "/name":
		a.Name = ptr(p.value)
	case "/type":
		a.Type = ptr(p.value)
	case "/authType":
		a.AuthType = p.text()
	case "/authorizerUri":
		a.AuthorizerUri = p.text()
	case "/authorizerCredentials":
		a.AuthorizerCredentials = p.text()
	case "/identitySource":
		a.IdentitySource = p.text()
	case "/identityValidationExpression":
		a.IdentityValidationExpression = p.text()
	case "/authorizerResultTtlInSeconds":
		n, err := p.number()
		if err != nil {
			return err
		}
		a.AuthorizerResultTtlInSeconds = n
	}
	return nil
}

func patchProviders(a *api.Authorizer, p patch) error {
	others := slices.DeleteFunc(slices.Clone(a.ProviderARNs), func(arn string) bool { return arn == p.value })
	switch p.op {
	case "add":
		a.ProviderARNs = append(others, p.value)
	case "remove":
		a.ProviderARNs = others
	case "replace":
		a.ProviderARNs = []string{p.value}
	default:
		return api.BadRequestException("Invalid patch operation specified. Must be one of: [add, remove, replace]")
	}
	return nil
}

func (s *Service) deleteAuthorizer(ctx context.Context, in *api.DeleteAuthorizerRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		if _, err := readAuthorizer(ctx, tx, in.RestApiId, in.AuthorizerId); err != nil {
			return err
		}
		for e, err := range resources.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{*in.RestApiId}}) {
			if err != nil {
				return err
			}
			for verb, m := range e.Record.Methods {
				if aws.Value(m.AuthorizerId) == *in.AuthorizerId {
					return api.ConflictException("Cannot delete authorizer '%s', is referenced in method request: %s/%s", *in.AuthorizerId, e.Record.Path, verb)
				}
			}
		}
		return authorizers.Delete(tx, scope(ctx), *in.RestApiId, *in.AuthorizerId)
	})
}

// authorizersOf are an API's authorizers, by id.
func authorizersOf(ctx context.Context, r store.Reader, apiID string) (map[string]api.Authorizer, error) {
	out := map[string]api.Authorizer{}
	for e, err := range authorizers.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{apiID}}) {
		if err != nil {
			return nil, err
		}
		out[*e.Record.Id] = e.Record
	}
	return out, nil
}

// checkAuthorizerOf holds a method's authorizer to its authorization type.
func checkAuthorizerOf(ctx context.Context, r store.Reader, apiID string, m api.Method) error {
	a, err := authorizers.Get(ctx, r, scope(ctx), apiID, aws.Value(m.AuthorizerId))
	if err != nil {
		return orElse(err, noAuthorizer())
	}
	if (*a.Type == api.AuthorizerTypeCognitoUserPools) != (*m.AuthorizationType == authCognito) {
		return noAuthorizer()
	}
	return nil
}
