package sam

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

var authProperties = []string{"Authorizers", "DefaultAuthorizer", "InvokeRole", "AddDefaultAuthorizerToCorsPreflight",
	"AddApiKeyRequiredToCorsPreflight", "ApiKeyRequired", "ResourcePolicy", "UsagePlan"}

// preflight is a switch of Auth that is on by default.
func preflight(auth *dict, n string) bool { return !auth.has(n) || truthy(auth.get(n)) }

// addAuth writes into the definition who may call the API.
func (a *api) addAuth() {
	if !a.bool("Auth") {
		return
	}
	a.needBody("Auth works only with inline Swagger specified in 'DefinitionBody' property.")
	auth := members(a.get("Auth"))
	for _, n := range auth.names() {
		if !slices.Contains(authProperties, n.text) {
			a.bad("Invalid value for 'Auth' property")
		}
	}
	if !isSwagger(a.body) {
		a.bad("Unable to add Auth configuration because 'DefinitionBody' does not contain a valid Swagger definition.")
	}
	e := swaggerEditor(a.body)
	byDefault := auth.get("DefaultAuthorizer")
	if all := a.authorizers(auth.get("Authorizers"), byDefault); all.size() > 0 {
		e.addAuthorizers(all)
		a.requireDefault(e, all, byDefault, preflight(auth, "AddDefaultAuthorizerToCorsPreflight"))
	}
	if truthy(auth.get("ApiKeyRequired")) {
		e.addAPIKey()
		for _, n := range e.paths.names() {
			e.requireKey(n.text, preflight(auth, "AddApiKeyRequiredToCorsPreflight"))
		}
	}
	if p := auth.get("ResourcePolicy"); truthy(p) {
		policy, ok := p.(*dict)
		if !ok {
			badStructure("ResourcePolicy must be a map (ResourcePolicyStatement).")
		}
		for _, n := range e.paths.names() {
			e.restrict(policy, n.text, a.get("StageName"))
		}
		if s := policy.get("CustomStatements"); truthy(s) {
			e.addStatements(s)
		}
	}
	a.body = a.postprocess(e.document())
}

func (a *api) requireDefault(e *editor, all authorizers, byDefault any, preflight bool) {
	if !truthy(byDefault) {
		return
	}
	n, ok := textOf(byDefault)
	if !ok {
		a.bad("DefaultAuthorizer is not a string.")
	}
	if all.find(n) == nil && n != awsIAM {
		a.bad("Unable to set DefaultAuthorizer because '%s' was not defined in 'Authorizers'.", n)
	}
	for _, p := range e.paths.names() {
		e.requireDefault(p.text, byDefault, all, preflight)
	}
}

// authorizers are the API's.
func (a *api) authorizers(given, byDefault any) authorizers {
	all := authorizers{hashed()}
	if is(byDefault, awsIAM) {
		all.put(nameOf(byDefault), &restAuthorizer{api: a, name: awsIAM, iam: true, given: object()})
	}
	if !truthy(given) {
		return all
	}
	d := at(a.id, "Auth.Authorizers").object(given)
	for _, n := range d.names() {
		one := &restAuthorizer{api: a, name: n.text, given: at(a.id, "Auth.Authorizers."+n.text).object(d.get(n.text))}
		one.check()
		all.put(n, one)
	}
	return all
}

// authorizerPermissions let the API call its authorizers' functions.
func (a *api) authorizerPermissions() []*resource {
	if !a.bool("Auth") {
		return nil
	}
	var out []*resource
	all := a.authorizers(members(a.get("Auth")).get("Authorizers"), nil)
	for _, n := range all.names() {
		one := all.get(n.text).(*restAuthorizer)
		function := one.given.get("FunctionArn")
		if !truthy(function) || truthy(one.given.get("DisableFunctionDefaultPermissions")) {
			continue
		}
		source := sub(arnOf(a.Partition, "execute-api", "${__ApiId__}/authorizers/*"), pair{"__ApiId__", ref(a.id)})
		p := newResource("AWS::Lambda::Permission", a.id+n.text+"AuthorizerPermission", a.inherited())
		out = append(out, p.set("Action", "lambda:InvokeFunction").set("FunctionName", function).
			set("Principal", "apigateway.amazonaws.com").set("SourceArn", source))
	}
	return out
}

// A restAuthorizer says who may call methods of an API for REST: IAM, a user pool, or a
// function.
type restAuthorizer struct {
	*api
	name  string
	iam   bool
	given *dict
}

func (r *restAuthorizer) scopes() any { return r.given.get("AuthorizationScopes") }

func (r *restAuthorizer) check() {
	payload := r.given.get("FunctionPayloadType")
	if payload != nil && !is(payload, "TOKEN") && !is(payload, "REQUEST") {
		r.bad("%s Authorizer has invalid 'FunctionPayloadType': %s.", r.name, str(payload))
	}
	if is(payload, "REQUEST") && r.lacksIdentity() {
		r.bad("%s Authorizer must specify Identity with at least one of Headers, QueryStrings, StageVariables, or Context.", r.name)
	}
	if s := r.scopes(); s != nil {
		at(r.id, "Authorizers."+r.name+".AuthorizationScopes").list(s)
	}
	if d := r.given.get("DisableFunctionDefaultPermissions"); d != nil {
		at(r.id, "Authorizers."+r.name+".DisableFunctionDefaultPermissions").bool(d)
	}
}

// lacksIdentity reports whether nothing of a request says who sends it, though that is to
// be kept for some time.
func (r *restAuthorizer) lacksIdentity() bool {
	given := r.given.get("Identity")
	if !truthy(given) {
		return true
	}
	d := at(r.id, "Authorizer."+r.name+".Identity").object(given)
	for _, n := range []string{"Headers", "QueryStrings", "StageVariables", "Context"} {
		if truthy(d.get(n)) {
			return false
		}
	}
	seconds, ok := wholeNumber(d.get("ReauthorizeEvery"))
	return !ok || seconds > 0
}

// wholeNumber is v as Python's int() reads it.
func wholeNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case int:
		return float64(v), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	i, err := strconv.Atoi(strings.TrimSpace(text(v)))
	return float64(i), err == nil
}

func (r *restAuthorizer) kind() string {
	switch {
	case r.iam:
		return awsIAM
	case truthy(r.given.get("UserPoolArn")):
		return "COGNITO_USER_POOLS"
	}
	return "LAMBDA"
}

// identity are where in a request its sender's identity is.
func (r *restAuthorizer) identity() *dict {
	d, _ := r.given.get("Identity").(*dict)
	return d
}

// header is the header that has it.
func (r *restAuthorizer) header() any {
	if given := r.given.get("Identity"); truthy(given) {
		if _, ok := given.(*dict); !ok {
			r.bad("Auth.Authorizers.<Authorizer>.Identity must be a dict (LambdaTokenAuthorizationIdentity, " +
				"LambdaRequestAuthorizationIdentity or CognitoAuthorizationIdentity).")
		}
	}
	if h := r.identity().get("Header"); truthy(h) {
		return h
	}
	return "Authorization"
}

// definition is the authorizer as a definition has it.
func (r *restAuthorizer) definition() *dict {
	kind, request := r.kind(), is(r.given.get("FunctionPayloadType"), "REQUEST")
	out := hashed().set("type", "apiKey")
	if kind == "LAMBDA" && request {
		out.set("name", "Unused")
	} else {
		out.set("name", r.header())
	}
	out.set("in", "header")
	switch kind {
	case awsIAM:
		return out.set("x-amazon-apigateway-authtype", "awsSigv4")
	case "COGNITO_USER_POOLS":
		pools := hashed().set("type", "cognito_user_pools").set("providerARNs", asList(r.given.get("UserPoolArn")))
		out.set("x-amazon-apigateway-authtype", "cognito_user_pools").set(authorizer, pools)
		r.addExpression(pools)
		return out
	}
	out.set("x-amazon-apigateway-authtype", "custom")
	uri := arnOfRegion(r.Partition, "apigateway", "lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations")
	by := hashed()
	out.set(authorizer, by)
	by.set("type", "token")
	if request {
		by.set("type", "request")
	}
	by.set("authorizerUri", sub(uri, pair{"__FunctionArn__", r.given.get("FunctionArn")}))
	if every := r.identity().get("ReauthorizeEvery"); every != nil {
		by.set("authorizerResultTtlInSeconds", every)
	}
	if role := r.given.get("FunctionInvokeRole"); truthy(role) && !is(role, none) {
		by.set("authorizerCredentials", role)
	}
	if !request {
		r.addExpression(by)
	} else if s := r.sources(); truthy(s) {
		by.set("identitySource", s)
	}
	return out
}

func (r *restAuthorizer) addExpression(to *dict) {
	if x := r.identity().get("ValidationExpression"); truthy(x) {
		to.set("identityValidationExpression", x)
	}
}

// sources are all that is asked of a request.
func (r *restAuthorizer) sources() any {
	var all []string
	mark := false
	for _, p := range [][2]string{{"Headers", "method.request.header."}, {"QueryStrings", "method.request.querystring."},
		{"StageVariables", "stageVariables."}, {"Context", "context."}} {
		list := r.identity().get(p[0])
		if !truthy(list) {
			continue
		}
		for _, v := range at(r.id, "Auth.Authorizers."+r.name+".Identity."+p[0]).texts(list) {
			all = append(all, p[1]+text(v))
			mark = mark || isMarked(v)
		}
	}
	return like(mark, strings.Join(all, ", "))
}
