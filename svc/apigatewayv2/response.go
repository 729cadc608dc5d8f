package apigatewayv2

import (
	"context"
	"regexp"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Responses of integrations and routes are WebSocket APIs' alone.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-responses.html

func onlySockets(ctx context.Context, r store.Reader, id *string, what string) error {
	a, err := lookup(ctx, r, id)
	if err == nil && isHTTP(&a) {
		err = api.BadRequestException("%s are supported only for WebSocket APIs", what)
	}
	return err
}

func (s *Service) checkIntegrationResponse(ctx context.Context, tx store.Tx, apiID, integration *string, rec *api.IntegrationResponse) error {
	if err := onlySockets(ctx, tx, apiID, "Integration responses"); err != nil {
		return err
	}
	if _, err := integrations.get(ctx, tx, apiID, integration); err != nil {
		return err
	}
	key := aws.Value(rec.IntegrationResponseKey)
	if key != defaultKey {
		if len(key) < 3 || key[0] != '/' || key[len(key)-1] != '/' {
			return api.BadRequestException("Invalid integrationResponseKey specified: %s. It must be $default or an expression between slashes", key)
		}
		if _, err := regexp.Compile(key[1 : len(key)-1]); err != nil {
			return api.BadRequestException("Invalid integrationResponseKey specified: %s", key)
		}
	}
	others, err := integrationResponses.children(ctx, tx, scope(ctx), *apiID, *integration)
	for _, o := range others {
		if aws.Value(o.IntegrationResponseKey) == key && *o.IntegrationResponseId != *rec.IntegrationResponseId {
			return api.ConflictException("IntegrationResponse with key %s already exists for this integration", key)
		}
	}
	return err
}

func (s *Service) createIntegrationResponse(ctx context.Context, in *api.CreateIntegrationResponseRequest) (*api.CreateIntegrationResponseResponse, error) {
	return add[api.CreateIntegrationResponseResponse](ctx, s, integrationResponses, in, func(tx store.Tx, rec *api.IntegrationResponse) error {
		return s.checkIntegrationResponse(ctx, tx, in.ApiId, in.IntegrationId, rec)
	}, in.ApiId, in.IntegrationId)
}

func (s *Service) getIntegrationResponse(ctx context.Context, in *api.GetIntegrationResponseRequest) (*api.GetIntegrationResponseResponse, error) {
	return show[api.GetIntegrationResponseResponse](ctx, s, integrationResponses, in.ApiId, in.IntegrationId, in.IntegrationResponseId)
}

func (s *Service) getIntegrationResponses(ctx context.Context, in *api.GetIntegrationResponsesRequest) (*api.GetIntegrationResponsesResponse, error) {
	items, next, err := list(ctx, s, integrationResponses, in.MaxResults, in.NextToken, in.ApiId, in.IntegrationId)
	return &api.GetIntegrationResponsesResponse{Items: items, NextToken: next}, err
}

func (s *Service) updateIntegrationResponse(ctx context.Context, in *api.UpdateIntegrationResponseRequest) (*api.UpdateIntegrationResponseResponse, error) {
	return change[api.UpdateIntegrationResponseResponse](ctx, s, integrationResponses, in, func(tx store.Tx, rec *api.IntegrationResponse) error {
		return s.checkIntegrationResponse(ctx, tx, in.ApiId, in.IntegrationId, rec)
	}, in.ApiId, in.IntegrationId, in.IntegrationResponseId)
}

func (s *Service) deleteIntegrationResponse(ctx context.Context, in *api.DeleteIntegrationResponseRequest) (*aws.Empty, error) {
	return remove(ctx, s, integrationResponses, nil, in.ApiId, in.IntegrationId, in.IntegrationResponseId)
}

func (s *Service) checkRouteResponse(ctx context.Context, tx store.Tx, apiID, route *string, rec *api.RouteResponse) error {
	if err := onlySockets(ctx, tx, apiID, "Route responses"); err != nil {
		return err
	}
	if _, err := routes.get(ctx, tx, apiID, route); err != nil {
		return err
	}
	if key := aws.Value(rec.RouteResponseKey); key != defaultKey {
		return api.BadRequestException("Invalid routeResponseKey specified: %s. Only $default is supported", key)
	}
	others, err := routeResponses.children(ctx, tx, scope(ctx), *apiID, *route)
	for _, o := range others {
		if *o.RouteResponseId != *rec.RouteResponseId {
			return api.ConflictException("RouteResponse with key %s already exists for this route", defaultKey)
		}
	}
	return err
}

func (s *Service) createRouteResponse(ctx context.Context, in *api.CreateRouteResponseRequest) (*api.CreateRouteResponseResponse, error) {
	return add[api.CreateRouteResponseResponse](ctx, s, routeResponses, in, func(tx store.Tx, rec *api.RouteResponse) error {
		return s.checkRouteResponse(ctx, tx, in.ApiId, in.RouteId, rec)
	}, in.ApiId, in.RouteId)
}

func (s *Service) getRouteResponse(ctx context.Context, in *api.GetRouteResponseRequest) (*api.GetRouteResponseResponse, error) {
	return show[api.GetRouteResponseResponse](ctx, s, routeResponses, in.ApiId, in.RouteId, in.RouteResponseId)
}

func (s *Service) getRouteResponses(ctx context.Context, in *api.GetRouteResponsesRequest) (*api.GetRouteResponsesResponse, error) {
	items, next, err := list(ctx, s, routeResponses, in.MaxResults, in.NextToken, in.ApiId, in.RouteId)
	return &api.GetRouteResponsesResponse{Items: items, NextToken: next}, err
}

func (s *Service) updateRouteResponse(ctx context.Context, in *api.UpdateRouteResponseRequest) (*api.UpdateRouteResponseResponse, error) {
	return change[api.UpdateRouteResponseResponse](ctx, s, routeResponses, in, func(tx store.Tx, rec *api.RouteResponse) error {
		return s.checkRouteResponse(ctx, tx, in.ApiId, in.RouteId, rec)
	}, in.ApiId, in.RouteId, in.RouteResponseId)
}

func (s *Service) deleteRouteResponse(ctx context.Context, in *api.DeleteRouteResponseRequest) (*aws.Empty, error) {
	return remove(ctx, s, routeResponses, nil, in.ApiId, in.RouteId, in.RouteResponseId)
}
