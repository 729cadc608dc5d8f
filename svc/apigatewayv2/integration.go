package apigatewayv2

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// How long back ends may take, in milliseconds.
const (
	minTimeout        = 50
	maxTimeoutHTTP    = 30_000
	maxTimeoutSockets = 29_000
)

// functionOf is the function that a URI means: its ARN, or API Gateway's path of it.
func functionOf(uri string) (string, bool) {
	a, ok := aws.ParseARN(uri)
	if !ok {
		return "", false
	}
	if a.Service == "lambda" && strings.HasPrefix(a.Resource, "function:") {
		return uri, true
	}
	name, ok := strings.CutPrefix(a.Resource, "path/2015-03-31/functions/")
	if a.Service != "apigateway" || a.Account != "lambda" || !ok {
		return "", false
	}
	return strings.CutSuffix(name, "/invocations")
}

// checkIntegration completes an integration, and refuses what AWS does.
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html
func checkIntegration(a *api.Api, i *api.Integration) error {
	kind := aws.Value(i.IntegrationType)
	if i.ConnectionType == nil {
		i.ConnectionType = ptr(api.ConnectionTypeInternet)
	}
	most := int32(maxTimeoutHTTP)
	if !isHTTP(a) {
		most = maxTimeoutSockets
	}
	if i.TimeoutInMillis == nil {
		i.TimeoutInMillis = &most
	}
	if *i.TimeoutInMillis < minTimeout || *i.TimeoutInMillis > most {
		return api.BadRequestException("Timeout should be between %d ms and %d ms", minTimeout, most)
	}
	if isHTTP(a) {
		if err := checkHTTPIntegration(i); err != nil {
			return err
		}
	} else if err := checkSocketIntegration(i); err != nil {
		return err
	}
	if i.CredentialsArn != nil && !isRole(*i.CredentialsArn) && *i.CredentialsArn != callerCredentials {
		return api.BadRequestException("Invalid ARN specified in the request")
	}
	if i.PassthroughBehavior != nil || isHTTP(a) {
		return nil
	}
	if kind != api.IntegrationTypeAwsProxy && kind != api.IntegrationTypeHttpProxy {
		i.PassthroughBehavior = ptr(api.PassthroughBehaviorWhenNoMatch)
	}
	return nil
}

// callerCredentials lets the request's own caller call the back end.
const callerCredentials = "arn:aws:iam::*:user/*"

func checkSocketIntegration(i *api.Integration) error {
	switch kind := aws.Value(i.IntegrationType); {
	case kind == api.IntegrationTypeMock:
		return nil
	case i.IntegrationSubtype != nil:
		return api.BadRequestException("Integration subtypes are supported only for HTTP APIs")
	case i.IntegrationUri == nil:
		return api.BadRequestException("Integration URI is required for the integration type %s", kind)
	case i.IntegrationMethod == nil:
		i.IntegrationMethod = ptr("POST")
	}
	if i.PayloadFormatVersion == nil {
		i.PayloadFormatVersion = ptr("1.0")
	}
	return nil
}

func checkHTTPIntegration(i *api.Integration) error {
	kind, format := aws.Value(i.IntegrationType), aws.Value(i.PayloadFormatVersion)
	if kind != api.IntegrationTypeAwsProxy && kind != api.IntegrationTypeHttpProxy {
		return api.BadRequestException("HTTP APIs support only the integration types AWS_PROXY and HTTP_PROXY")
	}
	if len(i.RequestTemplates) > 0 {
		return api.BadRequestException("Request templates are supported only for WebSocket APIs")
	}
	if format == "" {
		i.PayloadFormatVersion, format = ptr("1.0"), "1.0"
	}
	function := kind == api.IntegrationTypeAwsProxy && i.IntegrationSubtype == nil
	if format != "1.0" && (format != "2.0" || !function) {
		return api.BadRequestException("Invalid payload format version specified: %s", format)
	}
	switch {
	case i.IntegrationSubtype != nil:
		if err := checkSubtype(i); err != nil {
			return err
		}
	case function:
		if _, ok := functionOf(aws.Value(i.IntegrationUri)); !ok {
			return api.BadRequestException("Invalid integration URI specified: it must be the ARN of a function")
		}
		i.IntegrationMethod = ptr("POST")
	case i.IntegrationMethod == nil:
		return api.BadRequestException("HttpMethod must be specified for the integration type HTTP_PROXY")
	case aws.Value(i.ConnectionType) == api.ConnectionTypeVpcLink:
		if i.ConnectionId == nil {
			return api.BadRequestException("A connection ID is required for the connection type VPC_LINK")
		}
		if i.IntegrationUri == nil {
			return api.BadRequestException("Integration URI is required for the connection type VPC_LINK")
		}
	default:
		if err := checkURL(aws.Value(i.IntegrationUri)); err != nil {
			return err
		}
	}
	if i.IntegrationSubtype == nil {
		if err := checkMappings(i.RequestParameters, true); err != nil {
			return err
		}
	}
	for status, m := range i.ResponseParameters {
		if !responseStatus.MatchString(status) {
			return api.BadRequestException("Invalid status code specified in ResponseParameters: %s", status)
		}
		if err := checkMappings(m, false); err != nil {
			return err
		}
	}
	return nil
}

var responseStatus = regexp.MustCompile(`^[2-5][0-9][0-9]$`)

func checkURL(text string) error {
	u, err := url.Parse(strings.NewReplacer("{", "", "}", "", "$", "").Replace(text))
	if err != nil || u.Host == "" && !strings.Contains(text, "${stageVariables.") || u.Scheme != "http" && u.Scheme != "https" {
		return api.BadRequestException("Invalid HTTP endpoint specified for URI")
	}
	return nil
}

// reserved are headers that mappings do not touch, and beginnings of such.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html#http-api-mapping-reserved-headers
var (
	reserved      = []string{"access-control-", "apigw-", "x-amz-", "x-amzn-"}
	reservedNames = []string{"authorization", "connection", "content-encoding", "content-length", "content-location", "forwarded", "keep-alive", "origin",
		"proxy-authenticate", "proxy-authorization", "te", "trailers", "transfer-encoding", "upgrade", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via"}
)

func isReserved(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains(reservedNames, name) || slices.ContainsFunc(reserved, func(p string) bool { return strings.HasPrefix(name, p) })
}

// checkMappings refuses keys and values that are none.
func checkMappings(m map[string]string, request bool) error {
	for to, from := range m {
		if _, err := parseMapping(to, from, request); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) createIntegration(ctx context.Context, in *api.CreateIntegrationRequest) (*api.CreateIntegrationResult, error) {
	return add[api.CreateIntegrationResult](ctx, s, integrations, in, func(tx store.Tx, i *api.Integration) error {
		return s.checkIntegrationOf(ctx, tx, in.ApiId, i)
	}, in.ApiId)
}

func (s *Service) checkIntegrationOf(ctx context.Context, tx store.Tx, id *string, i *api.Integration) error {
	a, err := lookup(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := checkIntegration(&a, i); err != nil {
		return err
	}
	if isHTTP(&a) && i.ConnectionId != nil && *i.ConnectionType == api.ConnectionTypeVpcLink {
		if ok, err := links.Has(ctx, tx, scope(ctx), *i.ConnectionId); err != nil || !ok {
			return errors.Join(err, noLink(*i.ConnectionId))
		}
	}
	return nil
}

func (s *Service) getIntegration(ctx context.Context, in *api.GetIntegrationRequest) (*api.GetIntegrationResult, error) {
	return show[api.GetIntegrationResult](ctx, s, integrations, in.ApiId, in.IntegrationId)
}

func (s *Service) getIntegrations(ctx context.Context, in *api.GetIntegrationsRequest) (*api.GetIntegrationsResponse, error) {
	items, next, err := list(ctx, s, integrations, in.MaxResults, in.NextToken, in.ApiId)
	return &api.GetIntegrationsResponse{Items: items, NextToken: next}, err
}

func (s *Service) updateIntegration(ctx context.Context, in *api.UpdateIntegrationRequest) (*api.UpdateIntegrationResult, error) {
	return change[api.UpdateIntegrationResult](ctx, s, integrations, in, func(tx store.Tx, i *api.Integration) error {
		return s.checkIntegrationOf(ctx, tx, in.ApiId, i)
	}, in.ApiId, in.IntegrationId)
}

func (s *Service) deleteIntegration(ctx context.Context, in *api.DeleteIntegrationRequest) (*aws.Empty, error) {
	return remove(ctx, s, integrations, func(tx store.Tx, i *api.Integration) error {
		all, err := routes.children(ctx, tx, scope(ctx), *in.ApiId)
		if err != nil {
			return err
		}
		for _, r := range all {
			if aws.Value(r.Target) == "integrations/"+*i.IntegrationId {
				return api.ConflictException("Cannot delete Integration '%s'. It is being referenced by Route '%s' with id '%s'.", *i.IntegrationId, *r.RouteKey, *r.RouteId)
			}
		}
		return integrationResponses.table.DeleteAll(tx, scope(ctx), *in.ApiId, *i.IntegrationId)
	}, in.ApiId, in.IntegrationId)
}
