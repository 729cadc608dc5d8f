package sam

import (
	"slices"
)

var httpAPIProperties = properties(`
	__MANAGE_SWAGGER bool
	Name any
	StageName str|map
	Tags map
	PropagateTags bool
	DefinitionBody map
	DefinitionUri str|map
	StageVariables map
	CorsConfiguration bool|map
	AccessLogSettings map
	DefaultRouteSettings map
	Auth map
	RouteSettings map
	Domain map
	FailOnWarnings bool
	Description str
	DisableExecuteApiEndpoint bool
`)

var apiV2Refers = map[string]string{"Stage": "AWS::ApiGatewayV2::Stage", "DomainName": "AWS::ApiGatewayV2::DomainName"}

// An http is an AWS::Serverless::HttpApi on its way to an AWS::ApiGatewayV2::Api.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-httpapi.html
type http struct {
	apiV2
	body any // the definition
}

func (i *item) httpAPI() []*resource {
	i.properties.set("CorsConfiguration", i.resolve(i.get("CorsConfiguration")))
	i.properties.set("Domain", i.resolve(i.get("Domain")))
	h := &http{apiV2{item: i, tag: "httpapi:createdBy", passed: i.inherited(), zones: i.recordSets}, i.get("DefinitionBody")}
	api := h.api()
	domain := h.domain(api)
	out := append([]*resource{api}, h.authorizerPermissions()...)
	out = append(out, domain...)
	out = append(out, h.stage())
	propagate(out, h.get("Tags"), i.get("DefinitionBody") != nil)
	return out
}

func (h *http) api() *resource {
	r := h.own("AWS::ApiGatewayV2::Api")
	uri := h.get("DefinitionUri")
	if truthy(uri) && truthy(h.body) {
		h.bad("Specify either 'DefinitionUri' or 'DefinitionBody' property and not both.")
	}
	h.addCors()
	h.addAuth()
	h.addTags()
	fail := h.get("FailOnWarnings")
	if truthy(fail) {
		r.set("FailOnWarnings", fail)
	}
	if disabled := h.get("DisableExecuteApiEndpoint"); disabled != nil {
		h.needBody("DisableExecuteApiEndpoint works only within 'DefinitionBody' property.")
		h.edit(func(e *editor) { e.disableHTTPEndpoint(disabled) })
	}
	h.addTitle()
	h.addDescription()
	if truthy(fail) && truthy(h.body) {
		if paths, ok := members(h.body).get("paths").(*dict); ok && paths.has(defaultPath) {
			v := paths.get(defaultPath)
			paths.drop(defaultPath)
			paths.set("/"+defaultPath, v)
		}
	}
	switch {
	case truthy(uri):
		return r.set("BodyS3Location", h.location(uri))
	case truthy(h.body):
		return r.set("Body", h.body)
	}
	h.bad("'DefinitionUri' or 'DefinitionBody' are required properties of an 'AWS::Serverless::HttpApi'. " +
		"Add a value for one of these properties or add a 'HttpApi' event to an 'AWS::Serverless::Function'.")
	return nil
}

func (h *http) needBody(says string) {
	if !truthy(h.body) {
		h.bad("%s", says)
	}
}

// edit changes the definition.
func (h *http) edit(change func(*editor)) {
	e := openAPIEditor(h.body)
	change(e)
	h.body = e.document()
}

func (h *http) addCors() {
	given := h.get("CorsConfiguration")
	if !truthy(given) {
		return
	}
	h.needBody("Cors works only with inline OpenApi specified in 'DefinitionBody' property.")
	var c *dict
	switch d, isDict := given.(*dict); {
	case given == true:
		c = object(pair{"AllowOrigins", []any{"*"}})
	case isIntrinsic(given):
		c = object(pair{"AllowOrigins", given})
	case isDict:
		for _, n := range d.names() {
			if !slices.Contains([]string{"AllowMethods", "AllowHeaders", "AllowOrigins", "MaxAge", "ExposeHeaders", "AllowCredentials"}, n.text) {
				h.bad("Invalid key '%s' for 'Cors' property.", n.text)
			}
		}
		c = d
	default:
		h.bad("Invalid value for 'Cors' property.")
	}
	if !isOpenAPI(h.body) {
		h.bad("Unable to add Cors configuration because 'DefinitionBody' does not contain a valid OpenApi definition.")
	}
	if c.get("AllowCredentials") == true && equal(c.get("AllowOrigins"), []any{"*"}) {
		h.bad("Unable to add Cors configuration because 'AllowCredentials' can not be true when 'AllowOrigin' is \"'*'\" or not set.")
	}
	h.edit(func(e *editor) { e.addCors(c) })
}

func (h *http) addAuth() {
	if !h.bool("Auth") {
		return
	}
	h.needBody("Auth works only with inline OpenApi specified in the 'DefinitionBody' property.")
	auth := members(h.get("Auth"))
	for _, n := range auth.names() {
		if n.text != "Authorizers" && n.text != "DefaultAuthorizer" && n.text != "EnableIamAuthorizer" {
			h.bad("Invalid value for 'Auth' property")
		}
	}
	if !isOpenAPI(h.body) {
		h.bad("Unable to add Auth configuration because 'DefinitionBody' does not contain a valid OpenApi definition.")
	}
	h.edit(func(e *editor) {
		all := h.authorizers()
		e.addAuthorizers(all)
		byDefault := auth.get("DefaultAuthorizer")
		if !truthy(byDefault) || isNoValue(byDefault) {
			return
		}
		n := at(h.id, "Auth.DefaultAuthorizer").text(byDefault)
		if all.find(n) == nil {
			h.bad("Unable to set DefaultAuthorizer because '%s' was not defined in 'Authorizers'.", n)
		}
		for _, p := range e.paths.names() {
			e.requireDefaultHTTP(p.text, byDefault, all)
		}
	})
}

func (h *http) addTags() {
	tags := h.get("Tags")
	if truthy(tags) {
		h.needBody("Tags works only with inline OpenApi specified in the 'DefinitionBody' property.")
	}
	if !truthy(h.body) {
		return
	}
	if !isOpenAPI(h.body) {
		if truthy(tags) {
			h.bad("Unable to add `Tags` because 'DefinitionBody' does not contain a valid OpenApi definition.")
		}
		return
	}
	if !truthy(tags) {
		tags = object()
		h.properties.set("Tags", tags)
	}
	members(tags).set(h.tag, "SAM")
	h.edit(func(e *editor) { e.addTags(members(tags)) })
}

func (h *http) addTitle() {
	title := h.get("Name")
	if !truthy(title) {
		return
	}
	h.needBody("Name works only with inline OpenApi specified in the 'DefinitionBody' property.")
	given := lookup(h.body, []string{"info", "title"}, func(says string) { h.bad("Invalid 'DefinitionBody': %s.", says) })
	if !equal(given, ref("AWS::StackName")) {
		h.bad("Unable to set Name because it is already defined within inline OpenAPI specified in the 'DefinitionBody' property.")
	}
	h.edit(func(e *editor) { e.entitle(title) })
}

func (h *http) addDescription() {
	description := h.get("Description")
	if !truthy(description) {
		return
	}
	h.needBody("Description works only with inline OpenApi specified in the 'DefinitionBody' property.")
	given := lookup(h.body, []string{"info", "description"}, func(says string) { h.bad("Invalid 'DefinitionBody': %s'.", says) })
	if truthy(given) {
		h.bad("Unable to set Description because it is already defined within inline OpenAPI specified in the 'DefinitionBody' property.")
	}
	h.edit(func(e *editor) { e.describe(description) })
}

func (h *http) stage() *resource {
	var stage any = defaultPath
	if given := h.get("StageName"); truthy(given) {
		stage = given
	}
	id := h.id + "ApiGatewayDefaultStage"
	if n := text(stage); isAlnum(n) {
		id = h.id + n + "Stage"
	} else if n != defaultPath {
		id = logicalID(h.id+"Stage", n)
	}
	r := newResource("AWS::ApiGatewayV2::Stage", id, h.inherited()).set("ApiId", ref(h.id)).set("StageName", stage).set("AutoDeploy", true)
	for _, n := range []string{"StageVariables", "AccessLogSettings", "DefaultRouteSettings", "Tags", "RouteSettings"} {
		r.set(n, h.get(n))
	}
	return r
}
