package sam

import "strings"

// authorizers are the API's.
func (h *http) authorizers() authorizers {
	auth := members(h.get("Auth"))
	all := authorizers{object()}
	if auth.get("EnableIamAuthorizer") == true {
		all.set(awsIAM, &httpAuthorizer{http: h, iam: true, given: object()})
	}
	if !truthy(auth.get("Authorizers")) {
		return all
	}
	d := at(h.id, "Auth.Authorizers").object(auth.get("Authorizers"))
	for _, n := range d.names() {
		given := at(h.id, "Auth.Authorizers."+n.text).object(d.get(n.text))
		if given.has("OpenIdConnectUrl") {
			h.bad("'OpenIdConnectUrl' is no longer a supported property for authorizer '%s'. Please refer to the AWS SAM documentation.", n.text)
		}
		one := &httpAuthorizer{http: h, name: n.text, given: given}
		one.check()
		all.put(n, one)
	}
	return all
}

// authorizerPermissions let the API call its authorizers' functions, where that is wanted.
func (h *http) authorizerPermissions() []*resource {
	if !h.bool("Auth") {
		return nil
	}
	var out []*resource
	all := h.authorizers()
	for _, n := range all.names() {
		given := all.get(n.text).(*httpAuthorizer).given
		if f := given.get("FunctionArn"); truthy(f) && truthy(given.get("EnableFunctionDefaultPermissions")) {
			out = append(out, h.authorizerPermission(h.id+n.text+"AuthorizerPermission", f))
		}
	}
	return out
}

// An httpAuthorizer says who may call routes of an API for HTTP: IAM, an issuer of JWTs,
// or a function.
type httpAuthorizer struct {
	*http
	name  string
	iam   bool
	given *dict
}

func (a *httpAuthorizer) scopes() any { return a.given.get("AuthorizationScopes") }

func (a *httpAuthorizer) jwt() bool { return truthy(a.given.get("JwtConfiguration")) }

// authorizerFor are the properties of authorizers, and which kind has each.
var authorizerFor = []struct {
	name string
	jwt  bool
	says string
}{
	{"AuthorizationScopes", true, "OAuth2 Authorizer"},
	{"JwtConfiguration", true, "OAuth2 Authorizer"},
	{"IdentitySource", true, "OAuth2 Authorizer. For Lambda Authorizer, use the 'Identity' property instead"},
	{"FunctionArn", false, "Lambda Authorizer"},
	{"FunctionInvokeRole", false, "Lambda Authorizer"},
	{"Identity", false, "Lambda Authorizer"},
	{"AuthorizerPayloadFormatVersion", false, "Lambda Authorizer"},
	{"EnableSimpleResponses", false, "Lambda Authorizer"},
	{"EnableFunctionDefaultPermissions", false, "Lambda Authorizer"},
}

func (a *httpAuthorizer) check() {
	if j := a.given.get("JwtConfiguration"); truthy(j) {
		at(a.id, "JwtConfiguration").object(j)
	}
	if s := a.scopes(); s != nil && !fits(s, "list") {
		a.bad("AuthorizationScopes must be a list.")
	}
	for _, p := range authorizerFor {
		v := a.given.get(p.name)
		if p.name == "JwtConfiguration" && !truthy(v) {
			continue
		}
		if v != nil && p.jwt != a.jwt() {
			a.bad("%s is only supported for %s.", p.name, p.says)
		}
	}
	needs, kind := []string{"FunctionArn", "AuthorizerPayloadFormatVersion"}, "Lambda"
	if a.jwt() {
		needs, kind = []string{"IdentitySource"}, "OAuth2"
	}
	for _, n := range needs {
		if !truthy(a.given.get(n)) {
			a.bad("%s %s Authorizer must define '%s'.", a.name, kind, n)
		}
	}
	if e := a.given.get("EnableFunctionDefaultPermissions"); e != nil {
		at(a.id, "Authorizers."+a.name+".EnableFunctionDefaultPermissions").bool(e)
	}
}

// definition is the authorizer as a definition has it.
func (a *httpAuthorizer) definition() *dict {
	switch {
	case a.iam:
		return object(pair{"type", "apiKey"}, pair{"name", "Authorization"}, pair{"in", "header"},
			pair{"x-amazon-apigateway-authtype", "awsSigv4"})
	case a.jwt():
		conf := object()
		given := members(a.given.get("JwtConfiguration"))
		for _, n := range given.names() {
			conf.put(name{strings.ToLower(n.text), n.marked}, given.get(n.text))
		}
		return object(pair{"type", "oauth2"}, pair{authorizer, object(
			pair{"jwtConfiguration", conf}, pair{"identitySource", a.given.get("IdentitySource")}, pair{"type", "jwt"})})
	}
	uri := arnOfRegion(a.Partition, "apigateway", "lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations")
	by := object(pair{"type", "request"}, pair{"authorizerUri", sub(uri, pair{"__FunctionArn__", a.given.get("FunctionArn")})})
	if role := a.given.get("FunctionInvokeRole"); truthy(role) && !is(role, none) {
		by.set("authorizerCredentials", role)
	}
	if given := a.given.get("Identity"); truthy(given) {
		d := at(a.id, "Auth.Authorizers."+a.name+".Identity").object(given)
		if every := d.get("ReauthorizeEvery"); every != nil {
			by.set("authorizerResultTtlInSeconds", every)
		}
		by.set("identitySource", a.sources(d))
	}
	by.set("authorizerPayloadFormatVersion", a.given.get("AuthorizerPayloadFormatVersion"))
	if s := a.given.get("EnableSimpleResponses"); truthy(s) {
		by.set("enableSimpleResponses", s)
	}
	return object(pair{"type", "apiKey"}, pair{"name", "Unused"}, pair{"in", "header"}, pair{authorizer, by})
}

// sources are all that is asked of a request.
func (a *httpAuthorizer) sources(d *dict) []any {
	out := []any{}
	for _, p := range [][2]string{{"Headers", "$request.header."}, {"QueryStrings", "$request.querystring."},
		{"StageVariables", "$stageVariables."}, {"Context", "$context."}} {
		list := d.get(p[0])
		if !truthy(list) {
			continue
		}
		for _, v := range at(a.id, "Authorizers."+a.name+".Identity."+p[0]).texts(list) {
			out = append(out, p[1]+text(v))
		}
	}
	return out
}
