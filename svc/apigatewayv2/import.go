package apigatewayv2

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxDocument is how long a definition may be.
const maxDocument = 6 << 20

// A document is an OpenAPI 3 definition in API Gateway's terms. Routes name integrations
// and authorizers by the ids that these have within it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
type definition struct {
	snapshot
	basePath string
	warnings []string
}

// A tree is a part of a definition: a map, a list or a scalar. Asking it for what it does
// not have yields nothing.
type tree struct{ v any }

func (t tree) get(path ...string) tree {
	for _, name := range path {
		m, _ := t.v.(map[string]any)
		t = tree{m[name]}
	}
	return t
}

func (t tree) keys() []string {
	m, _ := t.v.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

func (t tree) list() (out []tree) {
	l, _ := t.v.([]any)
	for _, v := range l {
		out = append(out, tree{v})
	}
	return out
}

func (t tree) text() *string {
	switch v := t.v.(type) {
	case nil, map[string]any, []any:
		return nil
	case string:
		return &v
	case float64:
		return ptr(strconv.FormatFloat(v, 'f', -1, 64))
	default:
		return ptr(fmt.Sprint(v))
	}
}

// version is a text such as "1.0", which may be written as a number.
func (t tree) version() *string {
	text := t.text()
	if text != nil && !strings.Contains(*text, ".") {
		return ptr(*text + ".0")
	}
	return text
}

func (t tree) flag() *bool {
	if b, err := strconv.ParseBool(aws.Value(t.text())); err == nil {
		return &b
	}
	return nil
}

func (t tree) number() *int32 {
	if n, err := strconv.ParseInt(aws.Value(t.text()), 10, 32); err == nil {
		return ptr(int32(n))
	}
	return nil
}

func (t tree) texts() (out []string) {
	for _, v := range t.list() {
		if text := v.text(); text != nil {
			out = append(out, *text)
		}
	}
	return out
}

func (t tree) pairs() map[string]string {
	out := map[string]string{}
	for _, k := range t.keys() {
		if v := t.get(k).text(); v != nil {
			out[k] = *v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// parseDocument reads a definition, in JSON or YAML.
func parseDocument(body string) (*definition, error) {
	if len(body) > maxDocument {
		return nil, api.BadRequestException("Unable to create API: the definition is larger than %d bytes", maxDocument)
	}
	var v any
	if json.Unmarshal([]byte(body), &v) != nil {
		if err := yaml.Unmarshal([]byte(body), &v); err != nil {
			return nil, api.BadRequestException("Unable to parse the OpenAPI definition").Because(err)
		}
	}
	root := tree{plainKeys(v, 0)}
	if version := root.get("openapi").text(); version == nil || !strings.HasPrefix(*version, "3.0") {
		return nil, api.BadRequestException("Only OpenAPI 3.0 definitions are supported for HTTP APIs")
	}
	d := &definition{}
	d.API = api.Api{Name: root.get("info", "title").text(), Version: root.get("info", "version").text(), Description: root.get("info", "description").text(),
		ProtocolType: ptr(api.ProtocolTypeHttp), Tags: map[string]string{}}
	if aws.Value(d.API.Name) == "" {
		return nil, api.BadRequestException("Unable to create API: info.title is missing")
	}
	for _, t := range root.get("tags").list() {
		if name, value := t.get("name").text(), t.get("x-amazon-apigateway-tag-value").text(); name != nil && value != nil {
			d.API.Tags[*name] = *value
		}
	}
	if servers := root.get("servers").list(); len(servers) > 0 {
		d.basePath = aws.Value(servers[0].get("variables", "basePath", "default").text())
		d.API.DisableExecuteApiEndpoint = servers[0].get("x-amazon-apigateway-endpoint-configuration", "disableExecuteApiEndpoint").flag()
	}
	if flag := root.get("x-amazon-apigateway-endpoint-configuration", "disableExecuteApiEndpoint").flag(); flag != nil {
		d.API.DisableExecuteApiEndpoint = flag
	}
	d.cors(root.get("x-amazon-apigateway-cors"))
	d.schemes(root)
	d.paths(root)
	return d, nil
}

// deepestTree bounds how deep a definition nests.
const deepestTree = 200

// plainKeys makes the keys of YAML's maps texts.
func plainKeys(v any, depth int) any {
	if depth > deepestTree {
		return nil
	}
	switch v := v.(type) {
	case map[any]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[fmt.Sprint(k)] = plainKeys(e, depth+1)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plainKeys(e, depth+1)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plainKeys(e, depth+1)
		}
		return out
	}
	return v
}

func (d *definition) cors(t tree) {
	if t.v != nil {
		d.API.CorsConfiguration = &api.Cors{AllowCredentials: t.get("allowCredentials").flag(), AllowHeaders: t.get("allowHeaders").texts(), AllowMethods: t.get("allowMethods").texts(),
			AllowOrigins: t.get("allowOrigins").texts(), ExposeHeaders: t.get("exposeHeaders").texts(), MaxAge: t.get("maxAge").number()}
	}
}

// schemes reads authorizers, whose ids are the names of their security schemes.
func (d *definition) schemes(root tree) {
	all := root.get("components", "securitySchemes")
	for _, name := range all.keys() {
		scheme := all.get(name)
		t := scheme.get("x-amazon-apigateway-authorizer")
		if t.v == nil {
			continue
		}
		auth := api.Authorizer{AuthorizerId: &name, Name: &name}
		switch kind := strings.ToLower(aws.Value(t.get("type").text())); kind {
		case "jwt":
			auth.AuthorizerType = ptr(api.AuthorizerTypeJwt)
			auth.JwtConfiguration = &api.JWTConfiguration{Issuer: t.get("jwtConfiguration", "issuer").text(), Audience: t.get("jwtConfiguration", "audience").texts()}
			auth.IdentitySource = []string{"$request.header.Authorization"}
		case "request":
			auth.AuthorizerType, auth.AuthorizerUri, auth.AuthorizerCredentialsArn = ptr(api.AuthorizerTypeRequest), t.get("authorizerUri").text(), t.get("authorizerCredentials").text()
			auth.AuthorizerPayloadFormatVersion, auth.EnableSimpleResponses = t.get("authorizerPayloadFormatVersion").version(), t.get("enableSimpleResponses").flag()
			auth.AuthorizerResultTtlInSeconds = t.get("authorizerResultTtlInSeconds").number()
		default:
			d.warnings = append(d.warnings, "Unsupported authorizer type "+kind+" for the security scheme "+name)
			continue
		}
		if list := t.get("identitySource").texts(); list != nil {
			auth.IdentitySource = list
		} else if source := t.get("identitySource").text(); source != nil {
			auth.IdentitySource = strings.Split(strings.ReplaceAll(*source, " ", ""), ",")
		}
		d.Authorizers = append(d.Authorizers, auth)
	}
}

var openMethods = map[string]string{"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "options": "OPTIONS", "head": "HEAD", "patch": "PATCH", "x-amazon-apigateway-any-method": "ANY"}

func (d *definition) paths(root tree) {
	known := root.get("components", "x-amazon-apigateway-integrations")
	for _, path := range root.get("paths").keys() {
		for _, verb := range root.get("paths", path).keys() {
			method, ok := openMethods[verb]
			if !ok {
				continue
			}
			operation := root.get("paths", path, verb)
			key := method + " " + path
			if path == "/"+defaultKey {
				key = defaultKey
			}
			r := api.Route{RouteKey: &key, OperationName: operation.get("operationId").text(), AuthorizationType: ptr(api.AuthorizationTypeNone), ApiKeyRequired: ptr(false)}
			t := operation.get("x-amazon-apigateway-integration")
			if ref := t.get("$ref").text(); ref != nil {
				t = known.get((*ref)[strings.LastIndexByte(*ref, '/')+1:])
			}
			if t.v != nil {
				i := integrationOf(t)
				i.IntegrationId = ptr(strconv.Itoa(len(d.Integrations)))
				r.Target = ptr("integrations/" + *i.IntegrationId)
				d.Integrations = append(d.Integrations, i)
			} else {
				d.warnings = append(d.warnings, "No integration is defined for the route "+key)
			}
			d.secure(&r, root, operation)
			d.Routes = append(d.Routes, r)
		}
	}
}

// secure gives a route the authorizer of its first security requirement.
func (d *definition) secure(r *api.Route, root, operation tree) {
	if aws.Value(operation.get("x-amazon-apigateway-auth", "type").text()) == api.AuthorizationTypeAwsIam {
		r.AuthorizationType = ptr(api.AuthorizationTypeAwsIam)
		return
	}
	security := operation.get("security")
	if security.v == nil {
		security = root.get("security")
	}
	for _, need := range security.list() {
		for _, name := range need.keys() {
			for _, auth := range d.Authorizers {
				if *auth.AuthorizerId != name {
					continue
				}
				r.AuthorizerId, r.AuthorizationType = &name, ptr(api.AuthorizationTypeCustom)
				if *auth.AuthorizerType == api.AuthorizerTypeJwt {
					r.AuthorizationType, r.AuthorizationScopes = ptr(api.AuthorizationTypeJwt), need.get(name).texts()
				}
				return
			}
			if strings.EqualFold(aws.Value(root.get("components", "securitySchemes", name, "x-amazon-apigateway-authtype").text()), "awsSigv4") {
				r.AuthorizationType = ptr(api.AuthorizationTypeAwsIam)
				return
			}
		}
	}
}

// integrationOf reads x-amazon-apigateway-integration.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
func integrationOf(t tree) api.Integration {
	i := api.Integration{IntegrationUri: t.get("uri").text(), IntegrationMethod: t.get("httpMethod").text(), CredentialsArn: t.get("credentials").text(),
		PayloadFormatVersion: t.get("payloadFormatVersion").version(), TimeoutInMillis: t.get("timeoutInMillis").number(), ConnectionId: t.get("connectionId").text(),
		ConnectionType: t.get("connectionType").text(), IntegrationSubtype: t.get("integrationSubtype").text(), RequestParameters: t.get("requestParameters").pairs(),
		Description: t.get("description").text()}
	if kind := t.get("type").text(); kind != nil {
		i.IntegrationType = ptr(strings.ToUpper(*kind))
	}
	if name := t.get("tlsConfig", "serverNameToVerify").text(); name != nil {
		i.TlsConfig = &api.TlsConfig{ServerNameToVerify: name}
	}
	for _, status := range t.get("responseParameters").keys() {
		if i.ResponseParameters == nil {
			i.ResponseParameters = map[string]map[string]string{}
		}
		i.ResponseParameters[status] = t.get("responseParameters", status).pairs()
	}
	return i
}

func (s *Service) importAPI(ctx context.Context, in *api.ImportApiRequest) (*api.ImportApiResponse, error) {
	d, err := s.define(in.Body, in.Basepath, in.FailOnWarnings)
	if err != nil {
		return nil, err
	}
	a := d.API
	if err := s.finish(&a); err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.ImportApiResponse, error) {
		if err := errors.Join(s.addAPI(ctx, tx, &a), s.build(ctx, tx, &a, d)); err != nil {
			return nil, err
		}
		out := as[api.ImportApiResponse](shown(ctx, a))
		out.ImportInfo, out.Warnings = []string{}, d.warnings
		return out, nil
	})
}

// define reads a definition for an import.
func (s *Service) define(body, base *string, strict *bool) (*definition, error) {
	d, err := parseDocument(aws.Value(body))
	if err != nil {
		return nil, err
	}
	if aws.Value(strict) && len(d.warnings) > 0 {
		return nil, api.BadRequestException("Warnings found during import: %s", strings.Join(d.warnings, "; "))
	}
	switch mode := aws.Value(base); mode {
	case "", "ignore":
	case "prepend":
		prefix := strings.TrimSuffix("/"+strings.Trim(d.basePath, "/"), "/")
		for i := range d.Routes {
			if verb, path, ok := strings.Cut(*d.Routes[i].RouteKey, " "); ok {
				d.Routes[i].RouteKey = ptr(verb + " " + strings.TrimSuffix(prefix+path, "/"))
			}
		}
	case "split":
		_, rest, _ := strings.Cut(strings.Trim(d.basePath, "/"), "/")
		for i := range d.Routes {
			if verb, path, ok := strings.Cut(*d.Routes[i].RouteKey, " "); ok && rest != "" {
				d.Routes[i].RouteKey = ptr(verb + " /" + rest + path)
			}
		}
	default:
		return nil, api.BadRequestException("Invalid basepath specified: %s. It is one of ignore, prepend and split", mode)
	}
	return d, nil
}

// build adds to an API what a definition has.
func (s *Service) build(ctx context.Context, tx store.Tx, a *api.Api, d *definition) error {
	at, ids := scope(ctx), map[string]*string{}
	for _, auth := range d.Authorizers {
		ids["a"+*auth.AuthorizerId] = s.newID()
		auth.AuthorizerId = ids["a"+*auth.AuthorizerId]
		if err := checkAuthorizer(a, &auth); err != nil {
			return err
		}
		if err := authorizers.table.Put(tx, at, auth, *a.ApiId, *auth.AuthorizerId); err != nil {
			return err
		}
	}
	for _, i := range d.Integrations {
		ids["i"+*i.IntegrationId] = s.newID()
		i.IntegrationId = ids["i"+*i.IntegrationId]
		if err := s.checkIntegrationOf(ctx, tx, a.ApiId, &i); err != nil {
			return err
		}
		if err := integrations.table.Put(tx, at, i, *a.ApiId, *i.IntegrationId); err != nil {
			return err
		}
	}
	for _, r := range d.Routes {
		r.RouteId = s.newID()
		if r.Target != nil {
			r.Target = ptr("integrations/" + *ids["i"+strings.TrimPrefix(*r.Target, "integrations/")])
		}
		if r.AuthorizerId != nil {
			r.AuthorizerId = ids["a"+*r.AuthorizerId]
		}
		if err := s.addRoute(ctx, tx, a, &r); err != nil {
			return err
		}
	}
	return nil
}

// reimportAPI replaces all that an API has by what a definition has.
func (s *Service) reimportAPI(ctx context.Context, in *api.ReimportApiRequest) (*api.ReimportApiResponse, error) {
	d, err := s.define(in.Body, in.Basepath, in.FailOnWarnings)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.ReimportApiResponse, error) {
		a, err := lookup(ctx, tx, in.ApiId)
		if err != nil {
			return nil, err
		}
		if !isHTTP(&a) {
			return nil, api.BadRequestException("Import is supported only for HTTP APIs")
		}
		a.Name, a.Description, a.Version, a.CorsConfiguration = d.API.Name, d.API.Description, d.API.Version, d.API.CorsConfiguration
		if d.API.DisableExecuteApiEndpoint != nil {
			a.DisableExecuteApiEndpoint = d.API.DisableExecuteApiEndpoint
		}
		if err := checkAPI(&a); err != nil {
			return nil, err
		}
		err = errors.Join(deleteStructure(tx, scope(ctx), *a.ApiId), apis.Put(tx, scope(ctx), a, *a.ApiId), s.build(ctx, tx, &a, d), s.redeploy(ctx, tx, &a))
		if err != nil {
			return nil, err
		}
		out := as[api.ReimportApiResponse](shown(ctx, a))
		out.ImportInfo, out.Warnings = []string{}, d.warnings
		return out, nil
	})
}
