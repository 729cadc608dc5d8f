package apigateway

import (
	"maps"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

// path writes a resource's methods.
func (e *export) path(item *ordered.Object, r resource) {
	if e.open { // Swagger 2.0 has no words on a path
		e.say(item, api.DocumentationPartLocation{Type: ptr(api.DocumentationPartTypeResource), Path: &r.Path})
	}
	for _, verb := range slices.Sorted(maps.Keys(r.Methods)) {
		key := strings.ToLower(verb)
		if verb == "ANY" {
			key = "x-amazon-apigateway-any-method"
		}
		e.method(item.Object(key), r.Path, verb, r.Methods[verb])
	}
}

// method writes one operation.
func (e *export) method(op *ordered.Object, path, verb string, m api.Method) {
	at := func(kind string) api.DocumentationPartLocation {
		return api.DocumentationPartLocation{Type: &kind, Path: &path, Method: &verb}
	}
	e.say(op, at(api.DocumentationPartTypeMethod))
	if v := aws.Value(m.OperationName); v != "" {
		op.Set("operationId", v)
	}
	if !e.open {
		if len(m.RequestModels) > 0 {
			op.Set("consumes", list(slices.Sorted(maps.Keys(m.RequestModels))))
		}
		if types := produced(m); len(types) > 0 {
			op.Set("produces", list(types))
		}
	}
	var parameters []any
	for _, expr := range slices.Sorted(maps.Keys(m.RequestParameters)) {
		where, name, _ := strings.Cut(strings.TrimPrefix(expr, methodRequest), ".")
		l := at(parameterTypes[where])
		l.Name = &name
		if where == "querystring" {
			where = "query"
		}
		p := ordered.New().Set("name", name).Set("in", where)
		e.say(p, l)
		p.Set("required", m.RequestParameters[expr] || where == "path")
		parameters = append(parameters, e.typed(p))
	}
	body := e.body(m, at(api.DocumentationPartTypeRequestBody))
	if body != nil && !e.open {
		parameters = append(parameters, body)
	}
	if len(parameters) > 0 {
		op.Set("parameters", parameters)
	}
	if body != nil && e.open {
		op.Set("requestBody", body)
	}
	responses := op.Object("responses")
	for _, status := range slices.Sorted(maps.Keys(m.MethodResponses)) {
		l := at(api.DocumentationPartTypeResponse)
		l.StatusCode = &status
		e.response(responses.Object(status), m.MethodResponses[status], l)
	}
	if security := e.security(m); len(security) > 0 {
		op.Set("security", security)
	}
	if e.settings {
		if v, ok := e.Validators[aws.Value(m.RequestValidatorId)]; ok {
			op.Set("x-amazon-apigateway-request-validator", aws.Value(v.Name))
		}
	}
	if e.integrations && m.MethodIntegration != nil {
		op.Set("x-amazon-apigateway-integration", integrationOf(m.MethodIntegration))
	}
}

// typed says that a parameter is text.
func (e *export) typed(p *ordered.Object) *ordered.Object {
	if e.open {
		return p.Set("schema", ordered.New().Set("type", "string"))
	}
	return p.Set("type", "string")
}

// produced are the content types of a method's answers.
func produced(m api.Method) []string {
	seen := map[string]bool{}
	for _, r := range m.MethodResponses {
		for t := range r.ResponseModels {
			seen[t] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// body is what a method takes: a parameter of Swagger 2.0, which has one schema for
// all content types, or OpenAPI 3's requestBody.
func (e *export) body(m api.Method, l api.DocumentationPartLocation) *ordered.Object {
	if len(m.RequestModels) == 0 {
		return nil
	}
	out := ordered.New()
	if e.open {
		e.say(out, l)
		for _, t := range slices.Sorted(maps.Keys(m.RequestModels)) {
			out.Object("content").Object(t).Set("schema", e.ref(m.RequestModels[t]))
		}
		return out.Set("required", true)
	}
	model, ok := m.RequestModels["application/json"]
	if !ok {
		model = m.RequestModels[slices.Sorted(maps.Keys(m.RequestModels))[0]]
	}
	out.Set("in", "body").Set("name", model)
	e.say(out, l)
	return out.Set("required", true).Set("schema", e.ref(model))
}

// ref refers to a model. One that a stage variable chooses is written as it stands.
func (e *export) ref(model string) *ordered.Object {
	return ordered.New().Set("$ref", e.schemasAt()+model)
}

func (e *export) response(out *ordered.Object, r api.MethodResponse, l api.DocumentationPartLocation) {
	out.Set("description", *l.StatusCode+" response")
	e.say(out, l)
	for _, expr := range slices.Sorted(maps.Keys(r.ResponseParameters)) {
		h, name := l, strings.TrimPrefix(expr, responseHeader)
		h.Type, h.Name = ptr(api.DocumentationPartTypeResponseHeader), &name
		header := out.Object("headers").Object(name)
		e.say(header, h)
		e.typed(header)
	}
	types := slices.Sorted(maps.Keys(r.ResponseModels))
	for _, t := range types {
		if e.open {
			out.Object("content").Object(t).Set("schema", e.ref(r.ResponseModels[t]))
		}
	}
	if !e.open && len(types) > 0 {
		model, ok := r.ResponseModels["application/json"]
		if !ok {
			model = r.ResponseModels[types[0]]
		}
		out.Set("schema", e.ref(model))
	}
}

// security is what a method asks of its callers; the schemes are written once.
func (e *export) security(m api.Method) (out []any) {
	ask := func(name string, scheme *ordered.Object, scopes []string) {
		out = append(out, ordered.New().Set(name, list(scopes)))
		e.schemes.Set(name, scheme)
	}
	scheme := func(header string) *ordered.Object {
		return ordered.New().Set("type", "apiKey").Set("name", header).Set("in", "header")
	}
	if aws.Value(m.AuthorizationType) == authIAM {
		sigv4 := scheme("Authorization")
		if e.authorizers {
			sigv4.Set(authTypeKey, "awsSigv4")
		}
		ask("sigv4", sigv4, nil)
	}
	if a, ok := e.Authorizers[aws.Value(m.AuthorizerId)]; ok {
		own := scheme(headerOf(a))
		if e.authorizers {
			own.Set(authTypeKey, aws.Value(a.AuthType)).Set(authorizerKey, authorizerObject(a))
		}
		ask(*a.Name, own, m.AuthorizationScopes)
	}
	if aws.Value(m.ApiKeyRequired) {
		ask("api_key", scheme("x-api-key"), nil)
	}
	return out
}

// integrationOf is x-amazon-apigateway-integration.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
func integrationOf(i *api.Integration) *ordered.Object {
	out := ordered.New()
	set := func(name string, v *string, write func(string) string) {
		if text := aws.Value(v); text != "" {
			out.Set(name, write(text))
		}
	}
	same := func(s string) string { return s }
	set("type", i.Type, strings.ToLower)
	set("connectionType", i.ConnectionType, same)
	set("connectionId", i.ConnectionId, same)
	set("credentials", i.Credentials, same)
	set("httpMethod", i.HttpMethod, same)
	set("uri", i.Uri, same)
	for _, pattern := range slices.Sorted(maps.Keys(i.IntegrationResponses)) {
		r := i.IntegrationResponses[pattern]
		key := aws.Value(r.SelectionPattern)
		if key == "" {
			key = "default"
		}
		to := out.Object("responses").Object(key).Set("statusCode", aws.Value(r.StatusCode))
		setMap(to, "responseParameters", r.ResponseParameters)
		setMap(to, "responseTemplates", r.ResponseTemplates)
		if v := aws.Value(r.ContentHandling); v != "" {
			to.Set("contentHandling", v)
		}
	}
	setMap(out, "requestParameters", i.RequestParameters)
	setMap(out, "requestTemplates", i.RequestTemplates)
	set("passthroughBehavior", i.PassthroughBehavior, strings.ToLower)
	set("contentHandling", i.ContentHandling, same)
	set("cacheNamespace", i.CacheNamespace, same)
	if len(i.CacheKeyParameters) > 0 {
		out.Set("cacheKeyParameters", list(i.CacheKeyParameters))
	}
	if i.TimeoutInMillis != nil {
		out.Set("timeoutInMillis", int(*i.TimeoutInMillis))
	}
	if i.TlsConfig != nil {
		out.Object("tlsConfig").Set("insecureSkipVerification", aws.Value(i.TlsConfig.InsecureSkipVerification))
	}
	return out
}
