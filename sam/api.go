package sam

import (
	"slices"
	"strings"
)

var apiProperties = properties(`
	__MANAGE_SWAGGER bool
	Name str|map
	StageName! str|map
	Tags map
	PropagateTags bool
	DefinitionBody map
	DefinitionUri str|map
	MergeDefinitions =bool
	CacheClusterEnabled bool
	CacheClusterSize str
	Variables map
	EndpointConfiguration str|map
	MethodSettings list
	BinaryMediaTypes list
	MinimumCompressionSize int
	Cors str|map
	Auth map
	GatewayResponses map
	AccessLogSetting map
	CanarySetting map
	TracingEnabled bool
	OpenApiVersion str
	Models map
	Domain map
	FailOnWarnings bool
	Description str
	Mode str
	DisableExecuteApiEndpoint bool
	ApiKeySourceType str
	AlwaysDeploy =bool
	Policy str|map
	SecurityPolicy str
	EndpointAccessMode str
`)

var apiRefers = map[string]string{
	"Stage": "AWS::ApiGateway::Stage", "Deployment": "AWS::ApiGateway::Deployment",
	"DomainName": "AWS::ApiGateway::DomainName", "DomainNameV2": "AWS::ApiGateway::DomainNameV2",
	"UsagePlan": "AWS::ApiGateway::UsagePlan", "UsagePlanKey": "AWS::ApiGateway::UsagePlanKey", "ApiKey": "AWS::ApiGateway::ApiKey",
}

// An api is an AWS::Serverless::Api on its way to an AWS::ApiGateway::RestApi.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-api.html
type api struct {
	*item
	body any // the definition
}

func (i *item) api() []*resource {
	for _, n := range []string{"BinaryMediaTypes", "Domain", "Auth"} {
		i.properties.set(n, i.resolve(i.get(n)))
	}
	a := &api{i, i.get("DefinitionBody")}
	rest := a.restAPI()
	domain := a.domain(rest)
	deployment, stage := a.stage(rest)
	out := []*resource{rest, deployment, stage}
	out = append(out, a.authorizerPermissions()...)
	out = append(out, domain...)
	out = append(out, a.usagePlan(stage)...)
	propagate(out, i.get("Tags"), i.bool("PropagateTags"))
	return out
}

func (a *api) restAPI() *resource {
	a.checkDefinition()
	r := a.own("AWS::ApiGateway::RestApi")
	r.set("BinaryMediaTypes", a.get("BinaryMediaTypes")).set("MinimumCompressionSize", a.get("MinimumCompressionSize"))
	if c := a.get("EndpointConfiguration"); truthy(c) {
		a.endpoint(r, c)
	} else if !a.edge() {
		a.endpoint(r, "REGIONAL")
	}
	a.addCors()
	a.addAuth()
	a.addResponses()
	if types := a.get("BinaryMediaTypes"); truthy(types) && truthy(a.body) {
		a.edit(func(e *editor) { e.addMediaTypes(types) })
	}
	a.addModels()
	if disabled := a.get("DisableExecuteApiEndpoint"); disabled != nil {
		a.needBody("DisableExecuteApiEndpoint works only within 'DefinitionBody' property.")
		a.edit(func(e *editor) { e.disableEndpoint(disabled) })
	}
	if uri := a.get("DefinitionUri"); truthy(uri) {
		r.set("BodyS3Location", a.location(uri))
	} else if truthy(a.body) {
		a.body = a.postprocess(members(a.body))
		r.set("Body", a.body)
	}
	for _, n := range []string{"FailOnWarnings", "Name", "Description", "Mode", "ApiKeySourceType", "Policy", "SecurityPolicy", "EndpointAccessMode"} {
		if v := a.get(n); truthy(v) {
			r.set(n, v)
		}
	}
	return r
}

func (a *api) checkDefinition() {
	uri := truthy(a.get("DefinitionUri"))
	if uri && truthy(a.body) {
		a.bad("Specify either 'DefinitionUri' or 'DefinitionBody' property and not both.")
	}
	if uri && a.bool("MergeDefinitions") {
		a.bad("Cannot set 'MergeDefinitions' to True when using `DefinitionUri`.")
	}
	if v := a.get("OpenApiVersion"); truthy(v) && !version2or.MatchString(str(v)) {
		a.bad("The OpenApiVersion value must be of the format '3.0.0'.")
	}
}

func (a *api) needBody(says string) {
	if !truthy(a.body) {
		a.bad("%s", says)
	}
}

// edit changes the definition.
func (a *api) edit(change func(*editor)) {
	e := swaggerEditor(a.body)
	change(e)
	a.body = e.document()
}

// endpoint says how the API is reached.
func (a *api) endpoint(r *resource, v any) {
	d, ok := v.(*dict)
	if !ok || !truthy(d.get("Type")) {
		r.set("EndpointConfiguration", object(pair{"Types", []any{v}}))
		r.set("Parameters", object(pair{"endpointConfigurationTypes", v}))
		return
	}
	r.set("Parameters", object(pair{"endpointConfigurationTypes", d.get("Type")}))
	conf := object(pair{"Types", []any{d.get("Type")}})
	r.set("EndpointConfiguration", conf)
	if d.has("VPCEndpointIds") && d.has("VpcEndpointIds") {
		a.bad("'VPCEndpointIds' and 'VpcEndpointIds' cannot be used together in EndpointConfiguration.")
	}
	if d.has("VPCEndpointIds") || d.has("VpcEndpointIds") {
		ids := d.get("VPCEndpointIds")
		if !truthy(ids) {
			ids = d.get("VpcEndpointIds")
		}
		conf.set("VpcEndpointIds", ids)
	}
	if d.has("IpAddressType") {
		conf.set("IpAddressType", d.get("IpAddressType"))
	}
}

// location is where in S3 a definition is.
func (i *item) location(uri any) *dict {
	from, ok := uri.(*dict)
	if ok {
		if !truthy(from.get("Bucket")) || !truthy(from.get("Key")) {
			i.bad("'DefinitionUri' requires Bucket and Key properties to be specified.")
		}
	} else if from = parseS3(uri); from == nil {
		i.bad("'DefinitionUri' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter.")
	}
	out := hashed().set("Bucket", from.get("Bucket")).set("Key", from.get("Key"))
	if from.has("Version") {
		out.set("Version", from.get("Version"))
	}
	return out
}

func (a *api) addCors() {
	given := a.get("Cors")
	if !truthy(given) {
		return
	}
	a.needBody("Cors works only with inline Swagger specified in 'DefinitionBody' property.")
	c := cors{origin: "'*'", credentials: false}
	if _, ok := textOf(given); ok || isIntrinsic(given) {
		c.origin = given
	} else if d, ok := given.(*dict); ok {
		for _, f := range []struct {
			name string
			to   *any
		}{
			{"AllowMethods", &c.methods}, {"AllowHeaders", &c.headers}, {"AllowOrigin", &c.origin},
			{"MaxAge", &c.maxAge}, {"AllowCredentials", &c.credentials},
		} {
			if d.has(f.name) {
				*f.to = d.get(f.name)
			}
		}
		for _, n := range d.names() {
			if !slices.Contains([]string{"AllowMethods", "AllowHeaders", "AllowOrigin", "MaxAge", "AllowCredentials"}, n.text) {
				a.bad("Invalid key '%s' for 'Cors' property.", n.text)
			}
		}
	} else {
		a.bad("Invalid value for 'Cors' property")
	}
	if !isSwagger(a.body) {
		a.bad("Unable to add Cors configuration because 'DefinitionBody' does not contain a valid Swagger definition.")
	}
	if c.credentials == true && is(c.origin, "'*'") {
		a.bad("Unable to add Cors configuration because 'AllowCredentials' can not be true when 'AllowOrigin' is \"'*'\" or not set")
	}
	a.edit(func(e *editor) { a.allowAll(e, c) })
}

func (a *api) allowAll(e *editor, c cors) {
	done := map[string]bool{}
	for _, n := range e.paths.names() {
		path := n.text
		if path != "/" {
			path = strings.TrimRight(path, "/")
		}
		if done[path] {
			continue
		}
		done[path] = true
		if f := catch(func() { e.allow(n.text, c) }); f != nil {
			if f.kind == ofTemplate {
				a.bad("%s", f.message())
			}
			panic(f)
		}
	}
}

func (a *api) addResponses() {
	given := a.get("GatewayResponses")
	if !truthy(given) {
		return
	}
	a.needBody("GatewayResponses works only with inline Swagger specified in 'DefinitionBody' property.")
	all := members(given)
	for _, n := range all.names() {
		v := all.get(n.text)
		if isIntrinsic(v) {
			a.bad("Unable to set GatewayResponses attribute because intrinsic functions are not supported for this field.")
		}
		d, ok := v.(*dict)
		if !ok {
			a.bad("Invalid property type '%s' for GatewayResponses. Expected an object of type 'GatewayResponse'.", pythonType(v))
		}
		for _, m := range d.names() {
			if !slices.Contains([]string{"ResponseParameters", "ResponseTemplates", "StatusCode"}, m.text) {
				a.bad("Invalid property '%s' in 'GatewayResponses' property '%s'.", m.text, n.text)
			}
		}
	}
	if !isSwagger(a.body) {
		a.bad("Unable to add Auth configuration because 'DefinitionBody' does not contain a valid Swagger definition.")
	}
	responses := hashed()
	for _, n := range all.names() {
		responses.put(n, a.response(n.text, members(all.get(n.text))))
	}
	a.edit(func(e *editor) { e.addResponses(responses) })
}

// pythonType is the name of a value's type as SAM's errors have it: those of an API's
// dicts and texts are its own.
func pythonType(v any) string {
	if isMarked(v) {
		return "Py27UniStr"
	}
	return kindOf(v)
}

// response is what an API answers where it calls nothing.
func (a *api) response(n string, given *dict) *dict {
	parameters, templates := given.get("ResponseParameters"), given.get("ResponseTemplates")
	if truthy(parameters) {
		d := at(a.id, "GatewayResponses."+n+".ResponseParameters").object(parameters)
		for _, p := range d.names() {
			if !slices.Contains([]string{"Headers", "Paths", "QueryStrings"}, p.text) {
				a.bad("Invalid gateway response parameter '%s'", p.text)
			}
		}
	} else {
		parameters = hashed()
	}
	if !truthy(templates) {
		templates = hashed()
	}
	out := hashed().set("responseParameters", nil).set("responseTemplates", templates)
	status := given.get("StatusCode")
	if status != nil {
		code := str(status)
		if truthy(status) && (len(code) > 3 || strings.Trim(code, "0123456789") != "" || code == "") {
			a.bad("Property 'StatusCode' must be numeric")
		}
		if code != "" {
			out.set("statusCode", code)
		}
	}
	prefixed := hashed()
	for _, p := range [][2]string{{"Headers", "header."}, {"Paths", "path."}, {"QueryStrings", "querystring."}} {
		if !members(parameters).has(p[0]) {
			continue
		}
		d := at(a.id, "ResponseParameters."+p[0]).object(members(parameters).get(p[0]))
		for _, m := range d.names() {
			prefixed.put(name{"gatewayresponse." + p[1] + m.text, m.marked}, d.get(m.text))
		}
	}
	return out.set("responseParameters", prefixed)
}

func (a *api) addModels() {
	given := a.get("Models")
	if !truthy(given) {
		return
	}
	a.needBody("Models works only with inline Swagger specified in 'DefinitionBody' property.")
	if !isSwagger(a.body) {
		a.bad("Unable to add Models definitions because 'DefinitionBody' does not contain a valid Swagger definition.")
	}
	for _, v := range members(given).values {
		if _, ok := v.(*dict); !ok {
			a.bad("Invalid value for 'Models' property")
		}
	}
	a.edit(func(e *editor) { e.addModels(members(given)) })
	a.body = a.postprocess(members(a.body))
}

// postprocess moves what is elsewhere in OpenAPI 3 than in Swagger 2.
func (a *api) postprocess(body *dict) *dict {
	if body.get("swagger") != nil {
		return body
	}
	version := a.get("OpenApiVersion")
	if version == nil {
		version = body.get("openapi")
	}
	if !truthy(version) || !isOpenAPI3(version) {
		return body
	}
	for _, m := range [][2]string{{"securityDefinitions", "securitySchemes"}, {"definitions", "schemas"}} {
		if !truthy(body.get(m[0])) {
			continue
		}
		components := body.get("components")
		if !truthy(components) {
			components = hashed()
		}
		members(components).set(m[1], body.get(m[0]))
		body.set("components", components)
		body.drop(m[0])
	}
	if paths := body.get("paths"); truthy(paths) {
		all, ok := paths.(*dict)
		if !ok {
			badStructure("Value of paths must be a dictionary according to Swagger spec.")
		}
		for _, n := range all.names() {
			if o := pathItem(all.get(n.text), n.text).get("options"); truthy(o) {
				postprocessOptions(o, n.text)
			}
		}
	}
	return body
}

func postprocessOptions(v any, path string) {
	o, ok := v.(*dict)
	if !ok {
		badStructure("Value of options method for path %s must be a dictionary according to Swagger spec.", path)
	}
	o.drop("produces")
	o.drop("consumes")
	headers := lookup(o.get("responses"), []string{"200", "headers"}, func(says string) {
		badStructure("Invalid responses in options method for path %s: %s.", path, says)
	})
	if !truthy(headers) {
		return
	}
	all, ok := headers.(*dict)
	if !ok {
		badStructure("Value of response's headers in options method for path %s must be a dictionary according to Swagger spec.", path)
	}
	for _, n := range all.names() {
		all.put(n, hashed(pair{"schema", all.get(n.text)}))
	}
}
