package apigatewayv2

import (
	"context"
	"errors"
	"net"
	"strings"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// customID is the tag that chooses an API's id, a convention of local stand-ins.
const customID = "_custom_id_"

const (
	httpSelection = "$request.method $request.path" // the only routeSelectionExpression of HTTP APIs
	keySelection  = "$request.header.x-api-key"
	defaultKey    = "$default"
)

func isHTTP(a *api.Api) bool { return aws.Value(a.ProtocolType) == api.ProtocolTypeHttp }

func (s *Service) createAPI(ctx context.Context, in *api.CreateApiRequest) (*api.CreateApiResponse, error) {
	a := api.Api{}
	merge(&a, in)
	if err := s.finish(&a); err != nil {
		return nil, err
	}
	if in.Target == nil && (in.RouteKey != nil || in.CredentialsArn != nil) {
		return nil, api.BadRequestException("A target is required when a route key or credentials are specified")
	}
	if in.Target != nil && !isHTTP(&a) {
		return nil, api.BadRequestException("Quick create is supported only for HTTP APIs")
	}
	return update(ctx, s, func(tx store.Tx) (*api.CreateApiResponse, error) {
		if err := s.addAPI(ctx, tx, &a); err != nil {
			return nil, err
		}
		if in.Target != nil {
			if err := s.quickCreate(ctx, tx, &a, in); err != nil {
				return nil, err
			}
		}
		return as[api.CreateApiResponse](shown(ctx, a)), nil
	})
}

// finish fills what a new API has beside what its maker said, and checks it.
func (s *Service) finish(a *api.Api) error {
	a.ApiId, a.CreatedDate = ptr(aws.RandomID(s.Random, aws.LowerAlnm, 10)), s.now()
	if a.ApiKeySelectionExpression == nil {
		a.ApiKeySelectionExpression = ptr(keySelection)
	}
	if a.IpAddressType == nil {
		a.IpAddressType = ptr(api.IpAddressTypeIpv4)
	}
	a.DisableExecuteApiEndpoint = ptr(aws.Value(a.DisableExecuteApiEndpoint))
	if a.Tags == nil {
		a.Tags = map[string]string{}
	}
	if a.RouteSelectionExpression == nil && isHTTP(a) {
		a.RouteSelectionExpression = ptr(httpSelection)
	}
	if id, ok := a.Tags[customID]; ok {
		if id == "" || len(id) > 63 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return api.BadRequestException("Invalid %s tag: '%s'. An API id has a-z, 0-9 and hyphens, 63 at most", customID, id)
		}
		a.ApiId = &id
	}
	if len(a.Tags) > maxTags {
		return api.BadRequestException("Too many tags: %d, the limit is %d", len(a.Tags), maxTags)
	}
	return checkAPI(a)
}

func checkAPI(a *api.Api) error {
	if n := len(strings.TrimSpace(aws.Value(a.Name))); n == 0 || len(*a.Name) > 128 {
		return api.BadRequestException("Invalid name specified. It must have 1 to 128 characters")
	}
	if len(aws.Value(a.Description)) > 1024 {
		return api.BadRequestException("Invalid description specified. It must have at most 1024 characters")
	}
	if len(aws.Value(a.Version)) > 64 {
		return api.BadRequestException("Invalid version specified. It must have at most 64 characters")
	}
	selection := aws.Value(a.RouteSelectionExpression)
	if isHTTP(a) {
		if strings.NewReplacer("{", "", "}", "").Replace(selection) != httpSelection {
			return api.BadRequestException("The routeSelectionExpression of HTTP APIs must be ${request.method} ${request.path}")
		}
		return checkCors(a.CorsConfiguration)
	}
	if a.CorsConfiguration != nil {
		return api.BadRequestException("CORS configuration is supported only for HTTP APIs")
	}
	if selection == "" {
		return api.BadRequestException("RouteSelectionExpression is required for WebSocket APIs")
	}
	if _, err := parseExpression(selection); err != nil || !strings.Contains(selection, "$") {
		return api.BadRequestException("Invalid RouteSelectionExpression specified: %s", selection)
	}
	return nil
}

// addAPI writes a new API.
func (s *Service) addAPI(ctx context.Context, tx store.Tx, a *api.Api) error {
	owner, err := owners.Get(ctx, tx, store.Scope{}, *a.ApiId)
	if orElse(err, nil) != nil {
		return err
	}
	if err == nil {
		if taken, err := apis.Has(ctx, tx, owner, *a.ApiId); err != nil || taken {
			return errors.Join(err, api.ConflictException("API already exists with ID: %s", *a.ApiId))
		}
	}
	if err := owners.Put(tx, store.Scope{}, scope(ctx), *a.ApiId); err != nil {
		return err
	}
	return apis.Put(tx, scope(ctx), *a, *a.ApiId)
}

// quickCreate adds an integration, a route and a default stage, all of which API
// Gateway manages.
func (s *Service) quickCreate(ctx context.Context, tx store.Tx, a *api.Api, in *api.CreateApiRequest) error {
	i := api.Integration{ApiGatewayManaged: ptr(true), IntegrationId: s.newID(), CredentialsArn: in.CredentialsArn}
	if err := quickTarget(&i, *in.Target); err != nil {
		return err
	}
	key := defaultKey
	if in.RouteKey != nil {
		key = *in.RouteKey
	}
	r := api.Route{ApiGatewayManaged: ptr(true), RouteId: s.newID(), RouteKey: &key, Target: ptr("integrations/" + *i.IntegrationId),
		AuthorizationType: ptr(api.AuthorizationTypeNone), ApiKeyRequired: ptr(false)}
	if err := checkRouteKey(a, key); err != nil {
		return err
	}
	at, id := scope(ctx), *a.ApiId
	st := api.Stage{ApiGatewayManaged: ptr(true), AutoDeploy: ptr(true), StageName: ptr(defaultKey), CreatedDate: s.now(), LastUpdatedDate: s.now(),
		DefaultRouteSettings: &api.RouteSettings{DetailedMetricsEnabled: ptr(false)}}
	return errors.Join(integrations.table.Put(tx, at, i, id, *i.IntegrationId), routes.table.Put(tx, at, r, id, *r.RouteId),
		routeKeys.Put(tx, at, *r.RouteId, id, key), writeStage(tx, at, id, &st), s.redeploy(ctx, tx, a))
}

// quickTarget makes an integration of a URL or a function.
func quickTarget(i *api.Integration, target string) error {
	i.IntegrationUri, i.ConnectionType, i.TimeoutInMillis = &target, ptr(api.ConnectionTypeInternet), ptr(int32(maxTimeoutHTTP))
	if _, ok := functionOf(target); ok {
		i.IntegrationType, i.IntegrationMethod, i.PayloadFormatVersion = ptr(api.IntegrationTypeAwsProxy), ptr("POST"), ptr("2.0")
		return nil
	}
	if !strings.HasPrefix(target, "http://") && !strings.HasPrefix(target, "https://") {
		return api.BadRequestException("Invalid target specified. It must be a URL or the ARN of a function")
	}
	i.IntegrationType, i.IntegrationMethod, i.PayloadFormatVersion = ptr(api.IntegrationTypeHttpProxy), ptr("ANY"), ptr("1.0")
	return nil
}

// shown is an API with the address at which the caller of ctx reaches it.
func shown(ctx context.Context, a api.Api) *api.Api {
	req := aws.RequestOf(ctx)
	host, port, err := net.SplitHostPort(req.Host)
	if err != nil {
		host, port = req.Host, ""
	}
	scheme, secure := "http", req.Scheme != "http"
	if !isHTTP(&a) {
		scheme = "ws"
	}
	label := *a.ApiId + ".execute-api."
	domain := "localhost.localstack.cloud"
	switch {
	case host == "amazonaws.com" || strings.HasSuffix(host, ".amazonaws.com"):
		secure, domain, port = true, req.Region+".amazonaws.com", ""
	case host != "" && host != "localhost" && !strings.HasSuffix(host, ".localhost") && !strings.HasSuffix(host, "."+domain) && net.ParseIP(strings.Trim(host, "[]")) == nil:
		domain = host
	}
	if port != "" {
		domain = net.JoinHostPort(domain, port)
	}
	if secure {
		scheme += "s"
	}
	a.ApiEndpoint = ptr(scheme + "://" + label + domain)
	return &a
}

func (s *Service) getAPI(ctx context.Context, in *api.GetApiRequest) (*api.GetApiResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.GetApiResponse, error) {
		a, err := lookup(ctx, r, in.ApiId)
		if err != nil {
			return nil, err
		}
		return as[api.GetApiResponse](shown(ctx, a)), nil
	})
}

func (s *Service) getAPIs(ctx context.Context, in *api.GetApisRequest) (*api.GetApisResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.GetApisResponse, error) {
		items, next, err := page(ctx, r, apis, nil, in.MaxResults, in.NextToken)
		for i := range items {
			items[i] = *shown(ctx, items[i])
		}
		return &api.GetApisResponse{Items: items, NextToken: next}, err
	})
}

func (s *Service) updateAPI(ctx context.Context, in *api.UpdateApiRequest) (*api.UpdateApiResponse, error) {
	return update(ctx, s, func(tx store.Tx) (*api.UpdateApiResponse, error) {
		a, err := lookup(ctx, tx, in.ApiId)
		if err != nil {
			return nil, err
		}
		merge(&a, in)
		if err := checkAPI(&a); err != nil {
			return nil, err
		}
		if err := s.changeQuick(ctx, tx, &a, in); err != nil {
			return nil, err
		}
		if err := errors.Join(apis.Put(tx, scope(ctx), a, *a.ApiId), s.redeploy(ctx, tx, &a)); err != nil {
			return nil, err
		}
		return as[api.UpdateApiResponse](shown(ctx, a)), nil
	})
}

// changeQuick changes what quick create has made.
func (s *Service) changeQuick(ctx context.Context, tx store.Tx, a *api.Api, in *api.UpdateApiRequest) error {
	if in.Target == nil && in.RouteKey == nil && in.CredentialsArn == nil {
		return nil
	}
	at, found := scope(ctx), false
	for e, err := range integrations.table.List(ctx, tx, at, store.ListOptions{Prefix: []any{*a.ApiId}}) {
		if err != nil {
			return err
		}
		i := e.Record
		if !aws.Value(i.ApiGatewayManaged) {
			continue
		}
		found = true
		if in.Target != nil {
			if err := quickTarget(&i, *in.Target); err != nil {
				return err
			}
		}
		if in.CredentialsArn != nil {
			i.CredentialsArn = in.CredentialsArn
		}
		if err := integrations.table.Put(tx, at, i, *a.ApiId, *i.IntegrationId); err != nil {
			return err
		}
	}
	if !found {
		return api.BadRequestException("Target, route key and credentials can be updated only for APIs that quick create made")
	}
	if in.RouteKey == nil {
		return nil
	}
	for e, err := range routes.table.List(ctx, tx, at, store.ListOptions{Prefix: []any{*a.ApiId}}) {
		if err != nil {
			return err
		}
		if r := e.Record; aws.Value(r.ApiGatewayManaged) {
			return s.rename(ctx, tx, a, &r, *in.RouteKey)
		}
	}
	return nil
}

func (s *Service) deleteAPI(ctx context.Context, in *api.DeleteApiRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		a, err := lookup(ctx, tx, in.ApiId)
		if err != nil {
			return err
		}
		at, id := scope(ctx), *a.ApiId
		return errors.Join(deleteStructure(tx, at, id), stages.DeleteAll(tx, at, id), deployments.DeleteAll(tx, at, id),
			snapshots.DeleteAll(tx, at, id), owners.Delete(tx, store.Scope{}, id), apis.Delete(tx, at, id))
	})
}
