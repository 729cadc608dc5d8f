package apigateway

import (
	"context"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Integration time-outs, in milliseconds.
const (
	minTimeout = 50
	maxTimeout = 29000
)

func noIntegration() error { return api.NotFoundException("Invalid Integration identifier specified") }

func (s *Service) putIntegration(ctx context.Context, in *api.PutIntegrationRequest) (*api.Integration, error) {
	out := api.Integration{
		Type: in.Type, HttpMethod: in.IntegrationHttpMethod, Uri: in.Uri, ConnectionType: in.ConnectionType, ConnectionId: in.ConnectionId,
		Credentials: in.Credentials, RequestParameters: in.RequestParameters, RequestTemplates: in.RequestTemplates,
		PassthroughBehavior: in.PassthroughBehavior, ContentHandling: in.ContentHandling, TimeoutInMillis: in.TimeoutInMillis,
		CacheNamespace: in.CacheNamespace, CacheKeyParameters: in.CacheKeyParameters, TlsConfig: in.TlsConfig,
		ResponseTransferMode: in.ResponseTransferMode, IntegrationTarget: in.IntegrationTarget,
	}
	_, err := s.changeMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(ctx context.Context, _ store.Tx, r resource, m *api.Method) error {
		i := out
		complete(&i, r.ID)
		if err := checkIntegration(ctx, *m, i); err != nil {
			return err
		}
		m.MethodIntegration, out = &i, i
		return nil
	})
	return &out, err
}

// complete fills in what AWS says where a caller does not.
func complete(i *api.Integration, resourceID string) {
	if i.PassthroughBehavior == nil {
		i.PassthroughBehavior = ptr("WHEN_NO_MATCH")
	}
	if i.TimeoutInMillis == nil {
		i.TimeoutInMillis = ptr(int32(maxTimeout))
	}
	if i.CacheNamespace == nil {
		i.CacheNamespace = &resourceID
	}
	if i.CacheKeyParameters == nil {
		i.CacheKeyParameters = []string{}
	}
	if t := aws.Value(i.Type); i.ConnectionType == nil && (t == "HTTP" || t == "HTTP_PROXY") {
		i.ConnectionType = ptr("INTERNET")
	}
}

// checkIntegration holds an integration against AWS's rules and its method.
func checkIntegration(ctx context.Context, m api.Method, i api.Integration) error {
	kind := aws.Value(i.Type)
	if kind != "MOCK" && aws.Value(i.HttpMethod) == "" {
		return api.BadRequestException("Enumeration value for HttpMethod must be non-empty")
	}
	if i.HttpMethod != nil && *i.HttpMethod != "" && !slices.Contains(verbs, *i.HttpMethod) {
		return api.BadRequestException("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
	}
	if t := aws.Value(i.TimeoutInMillis); t < minTimeout || t > maxTimeout {
		return api.BadRequestException("Timeout should be between 50 ms and 29000 ms")
	}
	switch *i.PassthroughBehavior {
	case "WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER":
	default:
		return api.BadRequestException("Invalid passthrough behavior specified. Valid options are WHEN_NO_MATCH, WHEN_NO_TEMPLATES, NEVER")
	}
	if aws.Value(i.ConnectionType) == "VPC_LINK" {
		return api.NotFoundException("Invalid Vpc Link identifier specified")
	}
	if err := checkURI(kind, aws.Value(i.Uri), aws.Value(i.Credentials)); err != nil {
		return err
	}
	if role, ok := aws.ParseARN(aws.Value(i.Credentials)); ok && isRole(*i.Credentials) && role.Account != aws.RequestOf(ctx).Account() {
		return aws.AccessDenied("Cross-account pass role is not allowed.")
	}
	for to, from := range i.RequestParameters {
		if err := checkRequestMapping(m, to, from); err != nil {
			return err
		}
	}
	return nil
}

func checkURI(kind, uri, credentials string) error {
	switch kind {
	case "HTTP", "HTTP_PROXY":
		if !strings.HasPrefix(uri, "http://") && !strings.HasPrefix(uri, "https://") && !strings.HasPrefix(uri, "${stageVariables.") {
			return api.BadRequestException("Invalid HTTP endpoint specified for URI")
		}
	case "AWS", "AWS_PROXY":
		arn, ok := aws.ParseARN(uri)
		if !ok {
			return api.BadRequestException("Invalid ARN specified in the request")
		}
		if arn.Service != service || !strings.HasPrefix(arn.Resource, "path/") && !strings.HasPrefix(arn.Resource, "action/") {
			return api.BadRequestException("AWS ARN for integration must contain path or action")
		}
		_, lambda := functionOf(uri)
		if kind == "AWS_PROXY" && !lambda {
			return api.BadRequestException("Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.")
		}
		if arn.Account != "lambda" && credentials == "" {
			return api.BadRequestException("Role ARN must be specified for AWS integrations")
		}
	}
	return nil
}

// functionOf is the function in the URI of a Lambda integration:
// arn:aws:apigateway:REGION:lambda:path/2015-03-31/functions/FUNCTION/invocations.
func functionOf(uri string) (function string, ok bool) {
	arn, ok := aws.ParseARN(uri)
	if !ok || arn.Account != "lambda" {
		return "", false
	}
	rest, found := strings.CutPrefix(arn.Resource, "path/2015-03-31/functions/")
	function, invocations := strings.CutSuffix(rest, "/invocations")
	return function, found && invocations && function != ""
}

func (s *Service) getIntegration(ctx context.Context, in *api.GetIntegrationRequest) (*api.Integration, error) {
	return view(ctx, s, func(r store.Reader) (*api.Integration, error) {
		_, m, err := getMethodRecord(ctx, r, in.RestApiId, in.ResourceId, in.HttpMethod)
		if err == nil && m.MethodIntegration == nil {
			err = noIntegration()
		}
		return m.MethodIntegration, err
	})
}

func (s *Service) deleteIntegration(ctx context.Context, in *api.DeleteIntegrationRequest) (*aws.Empty, error) {
	_, err := s.changeMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(_ context.Context, _ store.Tx, _ resource, m *api.Method) error {
		if m.MethodIntegration == nil {
			return noIntegration()
		}
		m.MethodIntegration = nil
		return nil
	})
	return nil, err
}

func (s *Service) updateIntegration(ctx context.Context, in *api.UpdateIntegrationRequest) (*api.Integration, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	m, err := s.changeMethod(ctx, in.RestApiId, in.ResourceId, in.HttpMethod, func(ctx context.Context, _ store.Tx, _ resource, m *api.Method) error {
		if m.MethodIntegration == nil {
			return noIntegration()
		}
		for _, p := range ops {
			if err := patchIntegration(m.MethodIntegration, p); err != nil {
				return err
			}
		}
		return checkIntegration(ctx, *m, *m.MethodIntegration)
	})
	if err != nil {
		return nil, err
	}
	return m.MethodIntegration, nil
}

// patchIntegration applies one patch.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateIntegration-Patch
func patchIntegration(i *api.Integration, p patch) error {
	if len(p.parts) == 2 {
		switch key := p.parts[1]; p.parts[0] {
		case "requestTemplates":
			i.RequestTemplates = entry(i.RequestTemplates, key, p, p.value)
		case "requestParameters":
			i.RequestParameters = entry(i.RequestParameters, key, p, p.value)
		case "cacheKeyParameters":
			i.CacheKeyParameters = slices.DeleteFunc(slices.Clone(i.CacheKeyParameters), func(k string) bool { return k == key })
			if p.op != "remove" {
				i.CacheKeyParameters = append(i.CacheKeyParameters, key)
			}
		case "tlsConfig":
			if key != "insecureSkipVerification" {
				return badPath(p.path)
			}
			i.TlsConfig = &api.TlsConfig{InsecureSkipVerification: p.flag()}
		default:
			return badPath(p.path)
		}
		return nil
	}
	field := map[string]**string{"/uri": &i.Uri, "/httpMethod": &i.HttpMethod, "/credentials": &i.Credentials, "/type": &i.Type,
		"/passthroughBehavior": &i.PassthroughBehavior, "/contentHandling": &i.ContentHandling, "/cacheNamespace": &i.CacheNamespace,
		"/connectionType": &i.ConnectionType, "/connectionId": &i.ConnectionId, "/responseTransferMode": &i.ResponseTransferMode}[p.path]
	switch {
	case p.path == "/timeoutInMillis":
		n, err := strconv.Atoi(p.value)
		if err != nil {
			return api.BadRequestException("Timeout should be between 50 ms and 29000 ms")
		}
		i.TimeoutInMillis = ptr(int32(n))
		return p.replaces()
	case field == nil:
		return badPath(p.path)
	case p.op != "replace" && p.path != "/contentHandling" && p.path != "/credentials":
		return p.replaces()
	case p.path == "/passthroughBehavior" || p.path == "/type":
		*field = &p.value
	default:
		*field = p.text()
	}
	if !slices.Contains([]string{"HTTP", "AWS", "MOCK", "HTTP_PROXY", "AWS_PROXY"}, aws.Value(i.Type)) {
		return api.BadRequestException("Invalid integration type specified. Valid options are HTTP, AWS, MOCK, HTTP_PROXY, AWS_PROXY")
	}
	return nil
}
