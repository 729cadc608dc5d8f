package apigatewayv2

import (
	"context"
	"encoding/json"
	"errors"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// exportAPI writes an HTTP API as an OpenAPI 3.0 definition: as a stage shows it, or as it
// stands.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-export.html
func (s *Service) exportAPI(ctx context.Context, in *api.ExportApiRequest) (*api.ExportApiResponse, error) {
	if *in.Specification != "OAS30" {
		return nil, api.BadRequestException("Invalid specification: %s. Only OAS30 is supported", *in.Specification)
	}
	if in.ExportVersion != nil && *in.ExportVersion != "1.0" {
		return nil, api.BadRequestException("Invalid export version: %s. Only 1.0 is supported", *in.ExportVersion)
	}
	kind := strings.ToUpper(*in.OutputType)
	if kind != "JSON" && kind != "YAML" {
		return nil, api.BadRequestException("Invalid output type: %s. It is JSON or YAML", *in.OutputType)
	}
	shot, err := view(ctx, s, func(r store.Reader) (snapshot, error) { return exported(ctx, r, in) })
	if err != nil {
		return nil, err
	}
	e := &exporter{extend: in.IncludeExtensions == nil || *in.IncludeExtensions, shot: &shot}
	doc := e.document(aws.Value(shown(ctx, shot.API).ApiEndpoint), aws.Value(in.StageName))
	body, err := json.Marshal(doc)
	if kind == "YAML" {
		body, err = yaml.Marshal(doc)
	}
	return &api.ExportApiResponse{Body: body}, err
}

func exported(ctx context.Context, r store.Reader, in *api.ExportApiRequest) (snapshot, error) {
	a, err := lookup(ctx, r, in.ApiId)
	if err != nil {
		return snapshot{}, err
	}
	if !isHTTP(&a) {
		return snapshot{}, api.BadRequestException("Export is supported only for HTTP APIs")
	}
	if in.StageName == nil {
		return read(ctx, r, scope(ctx), &a)
	}
	st, err := readStage(ctx, r, in.ApiId, in.StageName)
	if err != nil {
		return snapshot{}, err
	}
	shot, err := snapshots.Get(ctx, r, scope(ctx), *a.ApiId, aws.Value(st.DeploymentId))
	if errors.Is(err, store.ErrNotFound) {
		err = api.BadRequestException("The stage %s has no deployment to export", *in.StageName)
	}
	return shot, err
}

type object = map[string]any

type exporter struct {
	extend bool
	shot   *snapshot
}

func (e *exporter) document(endpoint, stage string) object {
	a := &e.shot.API
	info := object{"title": aws.Value(a.Name), "version": aws.Value(a.Version)}
	if a.Version == nil {
		info["version"] = a.CreatedDate.Format("2006-01-02 15:04:05MST")
	}
	put(info, "description", a.Description)
	server := object{"url": endpoint + "/{basePath}", "variables": object{"basePath": object{"default": strings.TrimPrefix(stage, defaultKey)}}}
	doc := object{"openapi": "3.0.1", "info": info, "servers": []any{server}, "paths": e.paths()}
	if !e.extend {
		return doc
	}
	doc["x-amazon-apigateway-importexport-version"] = "1.0"
	if aws.Value(a.DisableExecuteApiEndpoint) {
		server["x-amazon-apigateway-endpoint-configuration"] = object{"disableExecuteApiEndpoint": true}
	}
	var tags []any
	for k, v := range a.Tags {
		tags = append(tags, object{"name": k, "x-amazon-apigateway-tag-value": v})
	}
	sort.Slice(tags, func(i, j int) bool { return tags[i].(object)["name"].(string) < tags[j].(object)["name"].(string) })
	if tags != nil {
		doc["tags"] = tags
	}
	if c := a.CorsConfiguration; c != nil {
		doc["x-amazon-apigateway-cors"] = fields(object{"allowMethods": c.AllowMethods, "allowOrigins": c.AllowOrigins, "allowHeaders": c.AllowHeaders,
			"exposeHeaders": c.ExposeHeaders}, "allowCredentials", c.AllowCredentials, "maxAge", c.MaxAge)
	}
	if schemes := e.schemes(); len(schemes) > 0 {
		doc["components"] = object{"securitySchemes": schemes}
	}
	return doc
}

// put sets a member, if there is a value.
func put[T any](o object, name string, v *T) {
	if v != nil {
		o[name] = *v
	}
}

// fields adds members with values, and takes out empty lists and maps.
func fields(o object, pairs ...any) object {
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		switch v := pairs[i+1].(type) {
		case *string:
			put(o, name, v)
		case *bool:
			put(o, name, v)
		case *int32:
			put(o, name, v)
		}
	}
	for k, v := range o {
		switch v := v.(type) {
		case []string:
			if len(v) == 0 {
				delete(o, k)
			}
		case map[string]string:
			if len(v) == 0 {
				delete(o, k)
			}
		case map[string]map[string]string:
			if len(v) == 0 {
				delete(o, k)
			}
		}
	}
	return o
}

func (e *exporter) schemes() object {
	out := object{}
	for _, a := range e.shot.Authorizers {
		auth := fields(object{"identitySource": strings.Join(a.IdentitySource, ",")}, "authorizerUri", a.AuthorizerUri, "authorizerCredentials", a.AuthorizerCredentialsArn,
			"authorizerPayloadFormatVersion", a.AuthorizerPayloadFormatVersion, "authorizerResultTtlInSeconds", a.AuthorizerResultTtlInSeconds, "enableSimpleResponses", a.EnableSimpleResponses)
		auth["type"] = strings.ToLower(aws.Value(a.AuthorizerType))
		scheme := object{"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authorizer": auth}
		if c := a.JwtConfiguration; c != nil {
			auth["jwtConfiguration"] = object{"audience": c.Audience, "issuer": aws.Value(c.Issuer)}
			scheme = object{"type": "oauth2", "flows": object{}, "x-amazon-apigateway-authorizer": auth}
		}
		out[*a.Name] = scheme
	}
	return out
}

func (e *exporter) paths() object {
	out := object{}
	for _, r := range e.shot.Routes {
		verb, path, ok := strings.Cut(*r.RouteKey, " ")
		if !ok {
			verb, path = "ANY", "/"+defaultKey
		}
		name := strings.ToLower(verb)
		if verb == "ANY" {
			name = "x-amazon-apigateway-any-method"
		}
		operation := object{"responses": object{"default": object{"description": "Default response for " + *r.RouteKey}}}
		put(operation, "operationId", r.OperationName)
		if !ok && e.extend {
			operation["isDefaultRoute"] = true
		}
		if ps := variables(path); len(ps) > 0 {
			operation["parameters"] = ps
		}
		if e.extend {
			e.extensions(operation, &r)
		}
		item, _ := out[path].(object)
		if item == nil {
			item = object{}
			out[path] = item
		}
		item[name] = operation
	}
	return out
}

// variables describes the variables of a path.
func variables(path string) (out []any) {
	for p := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(p, "{"); ok {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "+")
			out = append(out, object{"name": name, "in": "path", "description": "Generated path parameter for " + name, "required": true, "schema": object{"type": "string"}})
		}
	}
	return out
}

func (e *exporter) extensions(operation object, r *api.Route) {
	switch aws.Value(r.AuthorizationType) {
	case api.AuthorizationTypeAwsIam:
		operation["x-amazon-apigateway-auth"] = object{"type": api.AuthorizationTypeAwsIam}
	case api.AuthorizationTypeJwt, api.AuthorizationTypeCustom:
		for _, a := range e.shot.Authorizers {
			if *a.AuthorizerId == aws.Value(r.AuthorizerId) {
				operation["security"] = []any{object{*a.Name: append([]string{}, r.AuthorizationScopes...)}}
			}
		}
	}
	for _, i := range e.shot.Integrations {
		if "integrations/"+*i.IntegrationId != aws.Value(r.Target) {
			continue
		}
		t := fields(object{"requestParameters": i.RequestParameters, "responseParameters": i.ResponseParameters}, "payloadFormatVersion", i.PayloadFormatVersion,
			"uri", i.IntegrationUri, "httpMethod", i.IntegrationMethod, "credentials", i.CredentialsArn, "connectionType", i.ConnectionType,
			"connectionId", i.ConnectionId, "integrationSubtype", i.IntegrationSubtype, "timeoutInMillis", i.TimeoutInMillis, "description", i.Description)
		t["type"] = strings.ToLower(aws.Value(i.IntegrationType))
		if i.TlsConfig != nil {
			t["tlsConfig"] = fields(object{}, "serverNameToVerify", i.TlsConfig.ServerNameToVerify)
		}
		operation["x-amazon-apigateway-integration"] = t
	}
}
