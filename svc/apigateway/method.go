package apigateway

import (
	"context"
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What a method asks of its callers.
const (
	authNone    = "NONE"
	authIAM     = "AWS_IAM"
	authCustom  = "CUSTOM"
	authCognito = "COGNITO_USER_POOLS"
)

// verbs are the methods that a resource may have.
var verbs = []string{"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"}

func noMethod() error { return api.NotFoundException("Invalid Method identifier specified") }

// getMethodRecord reads a method and its resource.
func getMethodRecord(ctx context.Context, r store.Reader, apiID, resourceID, verb *string) (resource, api.Method, error) {
	res, err := getResourceRecord(ctx, r, apiID, resourceID)
	if err != nil {
		return res, api.Method{}, err
	}
	m, ok := res.Methods[aws.Value(verb)]
	if !ok {
		return res, m, noMethod()
	}
	return res, m, nil
}

// changeMethod writes what change makes of a method.
func (s *Service) changeMethod(ctx context.Context, apiID, resourceID, verb *string, change func(ctx context.Context, tx store.Tx, r resource, m *api.Method) error) (*api.Method, error) {
	return update(ctx, s, func(tx store.Tx) (*api.Method, error) {
		r, m, err := getMethodRecord(ctx, tx, apiID, resourceID, verb)
		if err != nil {
			return nil, err
		}
		if err := change(ctx, tx, r, &m); err != nil {
			return nil, err
		}
		r.Methods[*verb] = m
		return &m, putResource(tx, scope(ctx), *apiID, r)
	})
}

func (s *Service) putMethod(ctx context.Context, in *api.PutMethodRequest) (*api.Method, error) {
	m := api.Method{
		HttpMethod: in.HttpMethod, AuthorizationType: in.AuthorizationType, AuthorizerId: in.AuthorizerId,
		AuthorizationScopes: in.AuthorizationScopes, ApiKeyRequired: ptr(aws.Value(in.ApiKeyRequired)), OperationName: in.OperationName,
		RequestModels: in.RequestModels, RequestParameters: in.RequestParameters, RequestValidatorId: in.RequestValidatorId,
	}
	return update(ctx, s, func(tx store.Tx) (*api.Method, error) {
		r, err := getResourceRecord(ctx, tx, in.RestApiId, in.ResourceId)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(verbs, *in.HttpMethod) {
			return nil, api.BadRequestException("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
		}
		if _, ok := r.Methods[*in.HttpMethod]; ok {
			return nil, api.ConflictException("Method already exists for this resource")
		}
		if err := checkMethod(ctx, tx, *in.RestApiId, m); err != nil {
			return nil, err
		}
		r.Methods = entry(r.Methods, *in.HttpMethod, patch{}, m)
		return &m, putResource(tx, scope(ctx), *in.RestApiId, r)
	})
}

// checkMethod holds a method against the rest of its API.
func checkMethod(ctx context.Context, r store.Reader, apiID string, m api.Method) error {
	switch t := aws.Value(m.AuthorizationType); t {
	case authNone, authIAM:
	case authCustom, authCognito:
		if err := checkAuthorizerOf(ctx, r, apiID, m); err != nil {
			return err
		}
	default:
		return api.BadRequestException("Invalid authorization type specified. Valid options are NONE, AWS_IAM, CUSTOM and COGNITO_USER_POOLS")
	}
	if id := m.RequestValidatorId; id != nil {
		if err := require(ctx, r, validators, api.BadRequestException("Invalid Request Validator identifier specified"), apiID, *id); err != nil {
			return err
		}
	}
	for _, name := range m.RequestModels {
		if err := require(ctx, r, models, api.BadRequestException("Invalid model identifier specified: %s", name), apiID, name); err != nil {
			return err
		}
	}
	return checkRequestParameters(m.RequestParameters)
}

func noAuthorizer() error {
	return api.BadRequestException("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.")
}

func checkRequestParameters(parameters map[string]bool) error {
	seen := map[string]bool{}
	for _, expr := range slices.Sorted(maps.Keys(parameters)) {
		where, name, ok := strings.Cut(strings.TrimPrefix(expr, "method.request."), ".")
		if !ok || name == "" || !strings.HasPrefix(expr, "method.request.") || !slices.Contains([]string{"path", "querystring", "header"}, where) {
			return badMapping("Invalid mapping expression specified: %s", expr)
		}
		if seen[name] {
			return api.BadRequestException("Parameter names must be unique across querystring, header and path")
		}
		seen[name] = true
	}
	return nil
}

func (s *Service) getMethod(ctx context.Context, in *api.GetMethodRequest) (*api.Method, error) {
	return view(ctx, s, func(r store.Reader) (*api.Method, error) {
		_, m, err := getMethodRecord(ctx, r, in.RestApiId, in.ResourceId, in.HttpMethod)
		return &m, err
	})
}

func (s *Service) deleteMethod(ctx context.Context, in *api.DeleteMethodRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		r, _, err := getMethodRecord(ctx, tx, in.RestApiId, in.ResourceId, in.HttpMethod)
		if err != nil {
			return err
		}
		delete(r.Methods, *in.HttpMethod)
		return putResource(tx, scope(ctx), *in.RestApiId, r)
	})
}

func (s *Service) updateMethod(ctx context.Context, in *api.UpdateMethodRequest) (*api.Method, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return s.changeMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(ctx context.Context, tx store.Tx, _ resource, m *api.Method) error {
		for _, p := range ops {
			if err := patchMethod(m, p); err != nil {
				return err
			}
		}
		return checkMethod(ctx, tx, *in.RestApiId, *m)
	})
}

// patchMethod applies one patch.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateMethod-Patch
func patchMethod(m *api.Method, p patch) error {
	switch p.parts[0] {
	case "requestParameters":
		if len(p.parts) != 2 {
			return badPath(p.path)
		}
		m.RequestParameters = entry(m.RequestParameters, p.parts[1], p, *p.flag())
		if len(m.RequestParameters) == 0 {
			m.RequestParameters = nil
		}
		return nil
	case "requestModels":
		if len(p.parts) != 2 {
			return badPath(p.path)
		}
		m.RequestModels = entry(m.RequestModels, p.parts[1], p, p.value)
		if len(m.RequestModels) == 0 {
			m.RequestModels = nil
		}
		return nil
	case "authorizationScopes":
		return patchScopes(m, p)
	}
	switch p.path {
	case "/authorizationType", "/authorizerId", "/apiKeyRequired", "/operationName", "/requestValidatorId":
	default:
		return badPath(p.path)
	}
	if err := p.replaces(); err != nil {
		return err
	}
	switch p.path {
	case "/authorizationType":
		m.AuthorizationType = ptr(p.value)
	case "/authorizerId":
		m.AuthorizerId = p.text()
	case "/apiKeyRequired":
		m.ApiKeyRequired = p.flag()
	case "/operationName":
		m.OperationName = p.text()
	case "/requestValidatorId":
		m.RequestValidatorId = p.text()
	}
	return nil
}

func patchScopes(m *api.Method, p patch) error {
	switch p.op {
	case "add":
		m.AuthorizationScopes = append(slices.Clone(m.AuthorizationScopes), p.value)
	case "remove":
		m.AuthorizationScopes = slices.DeleteFunc(slices.Clone(m.AuthorizationScopes), func(s string) bool { return s == p.value })
	default:
		return api.BadRequestException("Invalid patch operation specified. Must be one of: [add, remove]")
	}
	return nil
}
