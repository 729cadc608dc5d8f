package apigateway

import (
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
)

// operations are the keys of a path under which methods stand.
var operations = map[string]string{"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "options": "OPTIONS", "head": "HEAD",
	"patch": "PATCH", "x-amazon-apigateway-any-method": "ANY"}

func (d *document) methods(item tree) map[string]api.Method {
	out := map[string]api.Method{}
	for _, key := range item.keys() {
		if verb, ok := operations[strings.ToLower(key)]; ok {
			out[verb] = d.method(verb, item.get(key), item.get("parameters").list())
		}
	}
	return out
}

// method reads one operation. RequestValidatorId is the validator's name.
func (d *document) method(verb string, op tree, shared []tree) api.Method {
	m := api.Method{HttpMethod: &verb, OperationName: op.get("operationId").optional(), ApiKeyRequired: ptr(false), AuthorizationType: ptr(authNone)}
	d.access(&m, op)
	for _, p := range append(shared, op.get("parameters").list()...) {
		d.parameter(&m, op, p.follow(d.root))
	}
	for _, contentType := range op.get("requestBody").follow(d.root).get("content").keys() {
		if name, ok := d.model(op.get("requestBody").follow(d.root).get("content", contentType, "schema")); ok {
			m.RequestModels = entry(m.RequestModels, contentType, patch{}, name)
		}
	}
	if v := op.get("x-amazon-apigateway-request-validator").text(); v != "" {
		m.RequestValidatorId = &v
	} else if d.validator != "" {
		m.RequestValidatorId = ptr(d.validator)
	}
	for _, status := range op.get("responses").keys() {
		if n, err := strconv.Atoi(status); err == nil && n >= 100 && n <= 599 {
			m.MethodResponses = entry(m.MethodResponses, status, patch{}, d.response(status, op, op.get("responses", status).follow(d.root)))
		}
	}
	if i := op.get("x-amazon-apigateway-integration").follow(d.root); i.truthy() {
		m.MethodIntegration = d.integration(i)
	}
	return m
}

// access reads who may call. AuthorizerId is the authorizer's name.
func (d *document) access(m *api.Method, op tree) {
	if kind := op.get("x-amazon-apigateway-auth", "type").upper(); kind != nil {
		m.AuthorizationType = kind
	}
	schemes := d.securitySchemes()
	security := op.get("security")
	if !op.has("security") {
		security = d.root.get("security")
	}
	for _, requirement := range security.list() {
		for _, name := range requirement.keys() {
			scheme := schemes.get(name).follow(d.root)
			kind := strings.ToLower(scheme.get(authTypeKey).text())
			switch {
			case kind == "awssigv4":
				m.AuthorizationType = ptr(authIAM)
			case scheme.has(authorizerKey) || kind != "":
				m.AuthorizationType, m.AuthorizerId = ptr(authCustom), &name
				if authorizerType(scheme) == api.AuthorizerTypeCognitoUserPools {
					m.AuthorizationType, m.AuthorizationScopes = ptr(authCognito), requirement.get(name).texts()
				}
			case strings.EqualFold(scheme.get("type").text(), "apiKey"):
				m.ApiKeyRequired = ptr(true)
			}
		}
	}
}

func (d *document) parameter(m *api.Method, op, p tree) {
	name := p.get("name").text()
	switch where := p.get("in").text(); where {
	case "path", "header":
		m.RequestParameters = entry(m.RequestParameters, methodRequest+where+"."+name, patch{}, p.get("required").truth())
	case "query":
		m.RequestParameters = entry(m.RequestParameters, methodRequest+"querystring."+name, patch{}, p.get("required").truth())
	case "body":
		model, ok := d.model(p.get("schema"))
		for _, contentType := range d.mediaTypes(op, "consumes") {
			if ok {
				m.RequestModels = entry(m.RequestModels, contentType, patch{}, model)
			}
		}
	}
}

// mediaTypes are an operation's, or the document's, or JSON.
func (d *document) mediaTypes(op tree, key string) []string {
	if types := op.get(key).texts(); len(types) > 0 {
		return types
	}
	if types := d.root.get(key).texts(); len(types) > 0 {
		return types
	}
	return []string{"application/json"}
}

func (d *document) response(status string, op, r tree) api.MethodResponse {
	out := api.MethodResponse{StatusCode: &status}
	for _, name := range r.get("headers").keys() {
		out.ResponseParameters = entry(out.ResponseParameters, responseHeader+name, patch{}, r.get("headers", name, "required").truth())
	}
	if model, ok := d.model(r.get("schema")); ok {
		for _, contentType := range d.mediaTypes(op, "produces") {
			out.ResponseModels = entry(out.ResponseModels, contentType, patch{}, model)
		}
	}
	for _, contentType := range r.get("content").keys() {
		if model, ok := d.model(r.get("content", contentType, "schema")); ok {
			out.ResponseModels = entry(out.ResponseModels, contentType, patch{}, model)
		}
	}
	return out
}

// integration reads x-amazon-apigateway-integration.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
func (d *document) integration(t tree) *api.Integration {
	i := &api.Integration{
		Type: t.get("type").upper(), HttpMethod: t.get("httpMethod").upper(), Uri: t.get("uri").optional(), Credentials: t.get("credentials").optional(),
		PassthroughBehavior: t.get("passthroughBehavior").upper(), ContentHandling: t.get("contentHandling").upper(),
		RequestParameters: t.get("requestParameters").textMap(), RequestTemplates: t.get("requestTemplates").textMap(),
		CacheNamespace: t.get("cacheNamespace").optional(), CacheKeyParameters: t.get("cacheKeyParameters").texts(),
		ConnectionType: t.get("connectionType").upper(), ConnectionId: t.get("connectionId").optional(),
	}
	if n, err := strconv.ParseInt(t.get("timeoutInMillis").text(), 10, 32); err == nil {
		i.TimeoutInMillis = ptr(int32(n))
	}
	if tls := t.get("tlsConfig"); tls.truthy() {
		i.TlsConfig = &api.TlsConfig{InsecureSkipVerification: ptr(tls.get("insecureSkipVerification").truth())}
	}
	for _, pattern := range t.get("responses").keys() {
		r := t.get("responses", pattern)
		status := r.get("statusCode").text()
		if status == "" {
			status = "200"
		}
		out := api.IntegrationResponse{StatusCode: &status, ResponseParameters: r.get("responseParameters").textMap(),
			ResponseTemplates: r.get("responseTemplates").textMap(), ContentHandling: r.get("contentHandling").upper()}
		if pattern != "default" {
			out.SelectionPattern = &pattern
		}
		if _, taken := i.IntegrationResponses[status]; taken {
			d.warn("More than one integration response for status code %s; the last counts", status)
		}
		i.IntegrationResponses = entry(i.IntegrationResponses, status, patch{}, out)
	}
	return i
}
