package apigatewayv2

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

var methods = []string{"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

// checkRouteKey: a method and a path for HTTP APIs, or $default; for WebSocket APIs any
// text, of which $connect, $disconnect and $default are API Gateway's own.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
func checkRouteKey(a *api.Api, key string) error {
	if key == defaultKey {
		return nil
	}
	if !isHTTP(a) {
		if key == "" || strings.HasPrefix(key, "$") && key != "$connect" && key != "$disconnect" {
			return api.BadRequestException("The provided route key is not valid: %s", key)
		}
		return nil
	}
	verb, path, ok := strings.Cut(key, " ")
	if !ok || !slices.Contains(methods, verb) || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#") {
		return api.BadRequestException("The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"")
	}
	seen := map[string]bool{}
	parts := strings.Split(path[1:], "/")
	for i, p := range parts {
		if !strings.ContainsAny(p, "{}") {
			continue
		}
		name, ok := strings.CutPrefix(p, "{")
		if name, ok = cutEnd(name, "}", ok); !ok {
			return badPath(path)
		}
		greedy := strings.HasSuffix(name, "+")
		name = strings.TrimSuffix(name, "+")
		if name == "" || strings.ContainsAny(name, "{}+") || greedy && i < len(parts)-1 || seen[name] {
			return badPath(path)
		}
		seen[name] = true
	}
	return nil
}

func cutEnd(s, end string, ok bool) (string, bool) {
	out, cut := strings.CutSuffix(s, end)
	return out, ok && cut
}

func badPath(path string) error {
	return api.BadRequestException("The resource path %s is not valid: a variable is a whole segment in braces, of a name of its own, and a greedy one, {name+}, the last", path)
}

// signature is a route key without the names of its variables: two routes that match the
// same requests have the same.
func signature(key string) string {
	verb, path, ok := strings.Cut(key, " ")
	if !ok {
		return key
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = "{}"
			if strings.HasSuffix(p, "+}") {
				parts[i] = "{+}"
			}
		}
	}
	return verb + " " + strings.Join(parts, "/")
}

// checkRoute holds a route against its API, and what it names.
func checkRoute(ctx context.Context, r store.Reader, a *api.Api, rt *api.Route) error {
	if err := checkRouteKey(a, aws.Value(rt.RouteKey)); err != nil {
		return err
	}
	if rt.Target != nil {
		id, ok := strings.CutPrefix(*rt.Target, "integrations/")
		if !ok {
			return api.BadRequestException("Invalid target specified: %s. It must be integrations/ and the id of an integration", *rt.Target)
		}
		if ok, err := integrations.table.Has(ctx, r, scope(ctx), *a.ApiId, id); err != nil || !ok {
			return errors.Join(err, integrations.missing(id))
		}
	}
	kind := aws.Value(rt.AuthorizationType)
	switch {
	case !isHTTP(a) && kind == api.AuthorizationTypeJwt:
		return api.BadRequestException("JWT authorization type is supported only for HTTP APIs")
	case !isHTTP(a) && kind != api.AuthorizationTypeNone && *rt.RouteKey != "$connect":
		return api.BadRequestException("Currently, authorization is restricted to the $connect route only")
	case isHTTP(a) && aws.Value(rt.ApiKeyRequired):
		return api.BadRequestException("API keys are not supported for HTTP APIs")
	case kind != api.AuthorizationTypeJwt && len(rt.AuthorizationScopes) > 0:
		return api.BadRequestException("Authorization scopes are supported only for the JWT authorization type")
	}
	if kind != api.AuthorizationTypeJwt && kind != api.AuthorizationTypeCustom {
		rt.AuthorizerId = nil
		return nil
	}
	if rt.AuthorizerId == nil {
		return api.BadRequestException("An authorizer ID is required for the authorization type %s", kind)
	}
	auth, err := authorizers.table.Get(ctx, r, scope(ctx), *a.ApiId, *rt.AuthorizerId)
	if err != nil {
		return orElse(err, authorizers.missing(*rt.AuthorizerId))
	}
	if jwt := aws.Value(auth.AuthorizerType) == api.AuthorizerTypeJwt; jwt != (kind == api.AuthorizationTypeJwt) {
		return api.BadRequestException("The authorizer %s is not of the authorization type %s", *rt.AuthorizerId, kind)
	}
	return nil
}

func (s *Service) createRoute(ctx context.Context, in *api.CreateRouteRequest) (*api.CreateRouteResult, error) {
	return update(ctx, s, func(tx store.Tx) (*api.CreateRouteResult, error) {
		a, err := lookup(ctx, tx, in.ApiId)
		if err != nil {
			return nil, err
		}
		r := api.Route{RouteId: s.newID(), AuthorizationType: ptr(api.AuthorizationTypeNone), ApiKeyRequired: ptr(false)}
		merge(&r, in)
		if err := s.addRoute(ctx, tx, &a, &r); err != nil {
			return nil, err
		}
		return as[api.CreateRouteResult](&r), s.redeploy(ctx, tx, &a)
	})
}

func (s *Service) addRoute(ctx context.Context, tx store.Tx, a *api.Api, r *api.Route) error {
	if err := checkRoute(ctx, tx, a, r); err != nil {
		return err
	}
	if err := claimKey(ctx, tx, a, r); err != nil {
		return err
	}
	return routes.table.Put(tx, scope(ctx), *r, *a.ApiId, *r.RouteId)
}

// claimKey gives a route its key, unless another has it.
func claimKey(ctx context.Context, tx store.Tx, a *api.Api, r *api.Route) error {
	key := signature(*r.RouteKey)
	taken, err := routeKeys.Has(ctx, tx, scope(ctx), *a.ApiId, key)
	if err != nil || taken {
		return errors.Join(err, api.ConflictException("Route with key %s already exists for this API", *r.RouteKey))
	}
	return routeKeys.Put(tx, scope(ctx), *r.RouteId, *a.ApiId, key)
}

// rename gives a route another key.
func (s *Service) rename(ctx context.Context, tx store.Tx, a *api.Api, r *api.Route, key string) error {
	if err := checkRouteKey(a, key); err != nil {
		return err
	}
	old := signature(*r.RouteKey)
	r.RouteKey = &key
	if signature(key) != old {
		if err := errors.Join(routeKeys.Delete(tx, scope(ctx), *a.ApiId, old), claimKey(ctx, tx, a, r)); err != nil {
			return err
		}
	}
	return routes.table.Put(tx, scope(ctx), *r, *a.ApiId, *r.RouteId)
}

func (s *Service) getRoute(ctx context.Context, in *api.GetRouteRequest) (*api.GetRouteResult, error) {
	return show[api.GetRouteResult](ctx, s, routes, in.ApiId, in.RouteId)
}

func (s *Service) getRoutes(ctx context.Context, in *api.GetRoutesRequest) (*api.GetRoutesResponse, error) {
	items, next, err := list(ctx, s, routes, in.MaxResults, in.NextToken, in.ApiId)
	return &api.GetRoutesResponse{Items: items, NextToken: next}, err
}

func (s *Service) updateRoute(ctx context.Context, in *api.UpdateRouteRequest) (*api.UpdateRouteResult, error) {
	return update(ctx, s, func(tx store.Tx) (*api.UpdateRouteResult, error) {
		a, err := lookup(ctx, tx, in.ApiId)
		if err != nil {
			return nil, err
		}
		r, err := routes.get(ctx, tx, in.ApiId, in.RouteId)
		if err != nil {
			return nil, err
		}
		key := *r.RouteKey
		merge(&r, in)
		r.RouteKey = &key
		if in.RouteKey != nil {
			if err := s.rename(ctx, tx, &a, &r, *in.RouteKey); err != nil {
				return nil, err
			}
		}
		if err := checkRoute(ctx, tx, &a, &r); err != nil {
			return nil, err
		}
		return as[api.UpdateRouteResult](&r), errors.Join(routes.table.Put(tx, scope(ctx), r, *a.ApiId, *r.RouteId), s.redeploy(ctx, tx, &a))
	})
}

func (s *Service) deleteRoute(ctx context.Context, in *api.DeleteRouteRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		r, err := routes.get(ctx, tx, in.ApiId, in.RouteId)
		if err != nil {
			return err
		}
		at, id := scope(ctx), *in.ApiId
		return errors.Join(routeResponses.table.DeleteAll(tx, at, id, *r.RouteId), routeKeys.Delete(tx, at, id, signature(*r.RouteKey)),
			routes.table.Delete(tx, at, id, *r.RouteId), s.redeployID(ctx, tx, id))
	})
}

func (s *Service) deleteRouteRequestParameter(ctx context.Context, in *api.DeleteRouteRequestParameterRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		r, err := routes.get(ctx, tx, in.ApiId, in.RouteId)
		if err != nil {
			return err
		}
		if _, ok := r.RequestParameters[*in.RequestParameterKey]; !ok {
			return api.NotFoundException("Unable to find RequestParameter by key %s within the provided Route", *in.RequestParameterKey)
		}
		delete(r.RequestParameters, *in.RequestParameterKey)
		return errors.Join(routes.table.Put(tx, scope(ctx), r, *in.ApiId, *r.RouteId), s.redeployID(ctx, tx, *in.ApiId))
	})
}
