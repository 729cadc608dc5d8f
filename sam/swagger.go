package sam

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const (
	xPolicy     = "x-amazon-apigateway-policy"
	xResponses  = "x-amazon-apigateway-gateway-responses"
	xValidators = "x-amazon-apigateway-request-validators"
	xValidator  = "x-amazon-apigateway-request-validator"
	xMediaTypes = "x-amazon-apigateway-binary-media-types"
)

// swaggerEditor edits a copy of the definition of an API for REST.
func swaggerEditor(doc any) *editor {
	if !isSwagger(doc) {
		badStructure("Invalid Swagger document or the Swagger document is not explicitly defined in 'DefinitionBody'.")
	}
	e := &editor{doc: copyOf(doc.(*dict))}
	e.paths = members(e.doc.get("paths"))
	or := func(n string) any {
		if v := e.doc.get(n); truthy(v) {
			return v
		}
		return hashed()
	}
	e.security, e.responses, e.policy = or("securityDefinitions"), or(xResponses), or(xPolicy)
	e.models = e.doc.get("definitions")
	for _, n := range e.paths.names() {
		e.items(n.text, func(*dict) {})
	}
	return e
}

func (e *editor) swaggerDocument() *dict {
	if truthy(e.security) {
		e.doc.set("securityDefinitions", e.security)
	}
	if truthy(e.responses) {
		e.doc.set(xResponses, e.responses)
	}
	if truthy(e.models) {
		e.doc.set("definitions", e.models)
	}
	return copyOf(e.doc)
}

// integrate makes a method call a function.
func (e *editor) integrate(path, method, uri any, own, api *dict, condition, mode any, partition string) {
	n := nameOf(methodName(method))
	at := text(path)
	if e.hasIntegration(at, method) {
		badStructure("Lambda integration already exists on Path=%s, Method=%s", at, n.text)
	}
	e.addPath(path, method)
	if truthy(condition) {
		uri = when(condition, uri)
	}
	e.items(at, func(item *dict) {
		d := members(item.get(n.text))
		call := hashed().set("type", "aws_proxy").set("httpMethod", "POST").set("uri", uri)
		d.set(integration, call)
		if is(mode, "RESPONSE_STREAM") {
			call.set("responseTransferMode", "STREAM")
		}
		if is(own.get("Authorizer"), awsIAM) || is(api.get("DefaultAuthorizer"), awsIAM) && own.size() == 0 {
			if c := credentials(own, api, partition); truthy(c) && !is(c, none) {
				call.set("credentials", c)
			}
		}
		d.add(name{text: "responses"}, hashed())
		if truthy(condition) {
			item.put(n, when(condition, d))
		}
	})
}

// credentials are the role under which an API calls a function: the caller's own by default.
func credentials(own, api *dict, partition string) any {
	for _, d := range []*dict{own, api} {
		role := d.get("InvokeRole")
		if !truthy(role) && d.has("InvokeRole") {
			role = none
		}
		if truthy(role) {
			if is(role, "CALLER_CREDENTIALS") {
				break
			}
			return role
		}
	}
	return "arn:" + partition + ":iam::*:user/*"
}

// integrateStateMachine makes a method start a state machine.
func (e *editor) integrateStateMachine(path, method, uri, role, templates, condition any) {
	n := nameOf(methodName(method))
	at := text(path)
	if e.hasIntegration(at, method) {
		badStructure("Integration already exists on Path=%s, Method=%s", at, n.text)
	}
	e.addPath(path, method)
	if truthy(condition) {
		uri = when(condition, uri)
	}
	e.items(at, func(item *dict) {
		answers := hashed().set("200", hashed(pair{"statusCode", "200"})).set("400", hashed(pair{"statusCode", "400"}))
		described := hashed().set("200", hashed(pair{"description", "OK"})).set("400", hashed(pair{"description", "Bad Request"}))
		d := members(item.get(n.text))
		call := hashed().set("type", "aws").set("httpMethod", "POST").set("uri", uri).set("responses", answers).set("credentials", role)
		d.set(integration, call)
		d.add(name{text: "responses"}, described)
		call.update(object(pair{"requestTemplates", templates}))
		if truthy(condition) {
			item.put(n, when(condition, d))
		}
	})
}

// cors are the values of an API's Cors.
type cors struct{ methods, headers, origin, maxAge, credentials any }

// allow gives a path the method OPTIONS that browsers ask before they call from elsewhere.
func (e *editor) allow(path string, c cors) {
	methods := c.methods
	e.items(path, func(item *dict) {
		if item.has("options") {
			return
		}
		if !truthy(c.origin) {
			badTemplate("Invalid input. Value for AllowedOrigins is required")
		}
		if !truthy(methods) {
			methods = "'" + allowedMethods(item) + "'"
		}
		c.methods = methods
		item.set("options", c.method())
	})
}

// allowedMethods are those of a path, and OPTIONS.
func allowedMethods(item *dict) string {
	list := []string{"OPTIONS"}
	for _, n := range item.names() {
		list = append(list, strings.ToUpper(n.text))
	}
	if item.has(anyMethod) {
		list = []string{"OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ",")
}

func (c cors) method() *dict {
	const allow = "Access-Control-Allow-"
	parameters, headers := hashed(), hashed()
	add := func(header string, v any, typ string) {
		parameters.set("method.response.header."+header, v)
		headers.set(header, object(pair{"type", typ}))
	}
	add(allow+"Origin", c.origin, "string")
	if truthy(c.headers) {
		add(allow+"Headers", c.headers, "string")
	}
	if truthy(c.methods) {
		add(allow+"Methods", c.methods, "string")
	}
	if c.maxAge != nil {
		add("Access-Control-Max-Age", c.maxAge, "integer")
	}
	if c.credentials == true {
		add(allow+"Credentials", "'true'", "string")
	}
	answer := hashed().set("statusCode", "200").set("responseParameters", parameters).
		set("responseTemplates", object(pair{"application/json", "{}\n"}))
	call := hashed().set("type", "mock").
		set("requestTemplates", object(pair{"application/json", "{\n  \"statusCode\" : 200\n}\n"})).
		set("responses", hashed().set("default", answer))
	response := hashed().set("description", "Default response for CORS method").set("headers", headers)
	return hashed().set("summary", "CORS support").set("consumes", []any{"application/json"}).
		set("produces", []any{"application/json"}).set(integration, call).set("responses", hashed().set("200", response))
}

// addMediaTypes writes the types of bodies that are bytes: SAM has ~1 for a slash.
func (e *editor) addMediaTypes(types any) { e.doc.set(xMediaTypes, unescaped(types)) }

func unescaped(v any) any {
	switch v := v.(type) {
	case *dict:
		out := hashed()
		for _, n := range v.names() {
			out.put(name{strings.ReplaceAll(n.text, "~1", "/"), true}, unescaped(v.get(n.text)))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = unescaped(e)
		}
		return out
	}
	if t, ok := textOf(v); ok {
		return marked(strings.ReplaceAll(t, "~1", "/"))
	}
	return v
}

// disableEndpoint says whether an API answers on its own host name.
func (e *editor) disableEndpoint(disabled any) {
	set := func(in any, what string) {
		wrong := func(says string) { badStructure("Invalid OpenAPI definition%s: %s.", what, says) }
		d, ok := in.(*dict)
		if !ok {
			wrong(notAMap(nil))
		}
		conf, ok := d.add(name{text: endpointConf}, object()).(*dict)
		if !ok {
			wrong(notAMap([]string{endpointConf}))
		}
		conf.set("disableExecuteApiEndpoint", disabled)
	}
	if v := e.doc.get("openapi"); !truthy(v) || !isOpenAPI3(v) {
		set(e.doc, "")
		return
	}
	servers := []any{hashed()}
	if e.doc.has("servers") {
		servers = elements(e.doc.get("servers"))
	}
	for i, s := range servers {
		set(s, fmt.Sprintf(" of 'servers[%d]'", i))
	}
	e.doc.set("servers", servers)
}

// addResponses gives the API what it answers where it calls nothing.
func (e *editor) addResponses(responses *dict) {
	for _, n := range responses.names() {
		members(e.responses).put(n, responses.get(n.text))
	}
}

// addModels gives the API its models.
func (e *editor) addModels(models *dict) {
	if !truthy(e.models) {
		e.models = hashed()
	}
	for _, n := range models.names() {
		schema := members(models.get(n.text))
		if !truthy(schema.get("type")) {
			badStructure("'Models' schema is missing 'type'.")
		}
		members(e.models).put(name{strings.ToLower(n.text), n.marked}, schema)
	}
}

// requireModel makes a method take bodies of a model.
func (e *editor) requireModel(path string, method any, request *dict) {
	model := strings.ToLower(text(request.get("Model")))
	required := request.get("Required")
	e.definitions(path, method, false, func(d *dict) {
		if e.doc.get("swagger") != nil {
			p := hashed().set("in", "body").set("name", like(isMarked(request.get("Model")), model)).
				set("schema", object(pair{"$ref", "#/definitions/" + model}))
			if required != nil {
				p.set("required", required)
			}
			d.set("parameters", append(parametersOf(d), p))
			return
		}
		if v := e.doc.get("openapi"); truthy(v) && isOpenAPI3(v) {
			schema := object(pair{"schema", object(pair{"$ref", "#/components/schemas/" + model})})
			body := object(pair{"content", object(pair{"application/json", schema})})
			if required != nil {
				body.set("required", required)
			}
			d.set("requestBody", body)
		}
	})
}

func parametersOf(d *dict) []any {
	if !d.has("parameters") {
		return []any{}
	}
	return elements(d.get("parameters"))
}

// validate makes a method hold requests against its model.
func (e *editor) validate(path string, method any, body, parameters bool) {
	n := "no-validation"
	switch {
	case body && parameters:
		n = "body-and-params"
	case body:
		n = "body-only"
	case parameters:
		n = "params-only"
	}
	definition := hashed().set(n, hashed().set("validateRequestBody", body).set("validateRequestParameters", parameters))
	if !truthy(e.doc.get(xValidators)) {
		e.doc.set(xValidators, hashed())
	}
	all := members(e.doc.get(xValidators))
	if !truthy(all.get(n)) {
		all.update(definition)
	}
	e.definitions(path, method, false, func(d *dict) { d.update(hashed(pair{xValidator, n})) })
}

// A parameter is one of a request that a method asks for.
type parameter struct {
	name              any
	required, caching any
}

// addParameters makes a method ask for parameters of requests.
func (e *editor) addParameters(path string, method any, list []parameter) {
	e.definitions(path, method, false, func(d *dict) {
		all := parametersOf(d)
		for _, p := range list {
			place, n, _ := strings.Cut(strings.ReplaceAll(text(p.name), "method.request.", ""), ".")
			mark := isMarked(p.name)
			var in any = like(mark, place)
			if place == "querystring" {
				in = "query"
			}
			all = append(all, hashed().set("in", in).set("name", like(mark, n)).set("required", p.required).set("type", "string"))
			if truthy(p.caching) {
				call := members(d.get(integration))
				keys := []any{}
				if call.has("cacheKeyParameters") {
					keys = elements(call.get("cacheKeyParameters"))
				}
				call.set("cacheKeyParameters", append(keys, p.name))
			}
		}
		d.set("parameters", all)
	})
}

var (
	anyVariable  = regexp.MustCompile(`\{([a-zA-Z0-9._-]+|[a-zA-Z0-9._-]+\+|proxy\+)\}`)
	httpVariable = regexp.MustCompile(`\{([a-zA-Z0-9._-]+|proxy\+)\}`)
)
