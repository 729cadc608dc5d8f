package sam

import (
	"slices"
	"strings"
)

var webSocketProperties = properties(`
	ApiKeySelectionExpression str
	AccessLogSettings map
	Auth map
	DefaultRouteSettings map
	Description str
	DisableExecuteApiEndpoint bool
	Domain map
	DisableSchemaValidation bool
	FailOnWarnings bool
	IpAddressType str
	Name str
	PropagateTags bool
	Routes! map
	RouteSettings map
	RouteSelectionExpression! str
	StageName str|map
	StageVariables map
	Tags map
`)

// A webSocket is an AWS::Serverless::WebSocketApi on its way to an AWS::ApiGatewayV2::Api.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-websocketapi.html
type webSocket struct {
	apiV2
	auth   *dict
	routes *dict
}

func (i *item) webSocketAPI() []*resource {
	for _, n := range []string{"Auth", "Domain", "Routes"} {
		i.properties.set(n, i.resolve(i.get(n)))
	}
	w := &webSocket{apiV2: apiV2{item: i, tag: "websocketapi:createdBy", zones: map[string]*resource{}}}
	w.auth, _ = i.get("Auth").(*dict)
	w.check()
	own := members(addTag(i.get("Tags"), w.tag))
	api := i.own("AWS::ApiGatewayV2::Api")
	api.attributes = object()
	for _, n := range []string{"ApiKeySelectionExpression", "Description", "DisableExecuteApiEndpoint", "DisableSchemaValidation",
		"IpAddressType", "RouteSelectionExpression"} {
		api.set(n, i.get(n))
	}
	if w.auth.size() > 0 && !w.routes.has("$connect") {
		i.bad("Authorization is only available if there is a $connect route.")
	}
	api.set("Name", i.id).set("Tags", own).set("ProtocolType", "WEBSOCKET")
	if n := i.get("Name"); n != nil {
		api.set("Name", n)
	}
	out := append([]*resource{api}, w.domain(api)...)
	stage := w.stage()
	var ids []string
	var authorizer []*resource
	for _, n := range w.routes.names() {
		made, by := w.route(n.text, members(w.routes.get(n.text)))
		out = append(out, made...)
		ids = append(ids, made[0].id)
		if by != nil {
			authorizer = append([]*resource{by}, w.authorizerPermissions()...)
		}
	}
	if truthy(i.get("RouteSettings")) && len(ids) > 0 {
		stage.on(ids...)
	}
	out = append(append(out, stage), authorizer...)
	propagate(out, i.get("Tags"), i.bool("PropagateTags"))
	return out
}

// addTag are tags with SAM's own. They are the template's, changed, where it has some.
func addTag(tags any, tag string) any {
	if !truthy(tags) {
		tags = object()
	}
	return members(tags).set(tag, "SAM")
}

func (w *webSocket) check() {
	if !truthy(w.get("Routes")) {
		w.bad("WebSocket API must have at least one route.")
	}
	w.routes = members(w.get("Routes"))
	if t := w.get("IpAddressType"); t != nil && !isIntrinsic(t) && !is(t, "ipv4") && !is(t, "dualstack") {
		w.bad("IpAddressType must be 'ipv4' or 'dualstack'.")
	}
	if d, _ := w.get("Domain").(*dict); truthy(d.get("MutualTlsAuthentication")) {
		w.bad("Mutual TLS domain name association is not supported for Websocket APIs.")
	}
}

// make is a resource that is made of the API.
func (w *webSocket) make(typ, id string) *resource {
	return newResource(typ, id, w.passed)
}

// routeID is a route as logical ids name it.
func (w *webSocket) routeID(key string) string {
	n := key
	if slices.Contains([]string{"$connect", "$disconnect", "$default"}, key) {
		n = key[1:]
	} else if !isAlnum(key) {
		w.bad("Route key '%s' must be alphanumeric. Only $connect, $disconnect, and $default special routes are supported.", key)
	}
	return w.id + strings.ToUpper(n[:1]) + strings.ToLower(n[1:])
}

// route are a route, what it calls, and what lets it; by is its authorizer, if it has one.
func (w *webSocket) route(key string, given *dict) (made []*resource, by *resource) {
	id := w.routeID(key)
	route := w.make("AWS::ApiGatewayV2::Route", id+"Route").set("RouteKey", key).set("ApiId", ref(w.id))
	for _, n := range []string{"ApiKeyRequired", "ModelSelectionExpression", "OperationName", "RequestModels", "RouteResponseSelectionExpression"} {
		route.set(n, given.get(n))
	}
	if p := given.get("RequestParameters"); truthy(p) {
		if key != "$connect" {
			w.bad("Request parameters are only supported for the $connect route in WebSocket APIs.")
		}
		route.set("RequestParameters", p)
	}
	by = w.authorize(key, route)
	if !given.has("FunctionArn") {
		w.bad("Route must have associated function.")
	}
	function := given.get("FunctionArn")
	call := w.make("AWS::ApiGatewayV2::Integration", id+"Integration").set("ApiId", ref(w.id)).set("IntegrationType", "AWS_PROXY")
	call.set("IntegrationUri", invocation("FunctionArn", function)).set("TimeoutInMillis", given.get("IntegrationTimeout"))
	route.set("Target", join("/", "integrations", ref(call.id)))
	const arn = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${"
	from := sub(arn+w.id+".ApiId}/${__StageName__}/"+key, pair{"__StageName__", w.stageName()})
	if t, ok := textOf(w.stageName()); ok {
		from = sub(arn + w.id + ".ApiId}/" + t + "/" + key)
	}
	p := w.make("AWS::Lambda::Permission", id+"Permission").set("Action", "lambda:InvokeFunction").set("FunctionName", function)
	p.set("Principal", "apigateway.amazonaws.com").set("SourceArn", from)
	return []*resource{route, call, p}, by
}

// invocation is what an API calls to call a function; the function is a variable of this name.
func invocation(variable string, function any) *dict {
	return sub("arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${"+variable+"}/invocations",
		pair{variable, function})
}

// authorize says who may call the route that connects; the result is a function's authorizer.
func (w *webSocket) authorize(key string, route *resource) *resource {
	if w.auth.size() == 0 {
		return nil
	}
	kind := text(w.auth.get("AuthType"))
	w.checkAuth(strings.ToUpper(kind))
	if key != "$connect" {
		return nil
	}
	if kind != "CUSTOM" {
		if kind != awsIAM {
			kind = none
		}
		route.set("AuthorizationType", kind)
		return nil
	}
	r := w.make("AWS::ApiGatewayV2::Authorizer", w.id+"ConnectAuthorizer").set("ApiId", ref(w.id)).set("AuthorizerType", "REQUEST")
	r.set("AuthorizerCredentialsArn", w.auth.get("InvokeRole")).set("AuthorizerUri", invocation("AuthArn", w.auth.get("AuthArn")))
	r.set("IdentitySource", w.auth.get("IdentitySource")).set("Name", r.id)
	if n := w.auth.get("Name"); truthy(n) {
		r.set("Name", n)
	}
	route.set("AuthorizationType", kind).set("AuthorizerId", ref(r.id))
	return r
}

func (w *webSocket) checkAuth(kind string) {
	more := w.auth.size() > 1
	switch {
	case kind == "":
		w.bad("AuthType must be specified for additional auth configurations.")
	case kind != awsIAM && kind != "CUSTOM" && kind != none:
		w.bad("AuthType is not one of AWS_IAM, CUSTOM or NONE.")
	case kind == "CUSTOM" && !truthy(w.auth.get("AuthArn")):
		w.bad("AuthArn must be specified if AuthType is CUSTOM.")
	case kind != "CUSTOM" && more:
		w.bad("No additional configurations supported for AuthType %s.", kind)
	}
}

// authorizerPermissions let the API call its authorizer's function, if it has no role for that.
func (w *webSocket) authorizerPermissions() []*resource {
	if truthy(w.auth.get("InvokeRole")) {
		return nil
	}
	return []*resource{w.authorizerPermission(w.id+"AuthorizerPermission", w.auth.get("AuthArn"))}
}

func (w *webSocket) stageName() any {
	if n := w.get("StageName"); n != nil {
		return n
	}
	return "default"
}

func (w *webSocket) stage() *resource {
	n := text(w.stageName())
	switch n {
	case defaultPath:
		w.bad("Stages cannot be named $default for WebSocket APIs.")
	case "default":
		n = "Default"
	}
	r := w.make("AWS::ApiGatewayV2::Stage", w.id+n+"Stage").set("ApiId", ref(w.id)).set("StageName", w.stageName())
	for _, n := range []string{"StageVariables", "AccessLogSettings", "DefaultRouteSettings", "RouteSettings"} {
		r.set(n, w.get(n))
	}
	return r.set("Tags", object(pair{w.tag, "SAM"})).set("AutoDeploy", true)
}
