package sam

import (
	"regexp"
	"strings"
)

var httpEventProperties = properties(`
	Path str
	Method str
	ApiId str
	Stage str
	Auth map
	TimeoutInMillis int
	RouteSettings map
	PayloadFormatVersion str
`)

// linkHTTP finds the event's API in the template.
func (e *event) linkHTTP() {
	e.sourceID = word(referenced(e.get("ApiId")))
	api := members(e.resources().get(e.sourceID))
	e.source = object()
	if api.has("Properties") {
		e.source = members(api.get("Properties"))
	}
}

// httpAPI makes a route of an API for HTTP call the function.
func (e *event) httpAPI() []*resource {
	var out []*resource
	if p := e.httpPermission(); p != nil {
		out = append(out, p)
	}
	api := e.source
	body := api.get("DefinitionBody")
	if body == nil {
		return out
	}
	path, method := e.get("Path"), e.method()
	uri := e.callURI("${AWS::Partition}")
	editor := openAPIEditor(body)
	if truthy(api.get(managed)) && editor.hasIntegration(text(path), method) {
		e.bad("API method '%s' defined multiple times for path '%s'.", text(method), text(path))
	}
	editor.call(path, method, uri, e.target.condition())
	if auth, _ := e.get("Auth").(*dict); auth.size() > 0 {
		e.authorizeHTTP(editor, api, auth)
	}
	if t := e.get("TimeoutInMillis"); truthy(t) {
		editor.setTimeout(text(path), method, t)
	}
	var variables []string
	for _, m := range inBraces.FindAllStringSubmatch(text(path), -1) {
		variables = append(variables, m[1])
	}
	if len(variables) > 0 {
		editor.addPathParameters(text(path), method, variables)
	}
	if v := e.get("PayloadFormatVersion"); truthy(v) {
		editor.setPayload(text(path), method, v)
	}
	api.set("DefinitionBody", editor.document())
	return out
}

var inBraces = regexp.MustCompile(`\{(.*?)\}`)

// httpPermission lets the API call the function; nil where the default route lets it already.
func (e *event) httpPermission() *resource {
	path, method := trailingSlash.ReplaceAllString(word(e.get("Path")), "$1"), strings.ToLower(word(e.get("Method")))
	var editor *editor
	if body := e.source.get("DefinitionBody"); truthy(body) {
		if f := catch(func() { editor = openAPIEditor(body) }); f != nil {
			if f.kind != ofDocument {
				panic(f)
			}
			badResource(e.sourceID, "%s", f.causes[0].message())
		}
	}
	if path == defaultPath {
		path = ""
	} else if editor != nil && editor.callsFunction(defaultPath, anyMethod, e.target.id) {
		return nil
	}
	path = httpVariable.ReplaceAllString(path, "*")
	verb := strings.ToUpper(method)
	if method == "any" || method == anyMethod {
		verb = "*"
	}
	on := "${__ApiId__}/${__Stage__}/" + verb + path
	if method == "any" && path == "/"+defaultPath {
		on = "${__ApiId__}/${__Stage__}" + path
	}
	from := sub(arnOf("${AWS::Partition}", "execute-api", on), pair{"__ApiId__", e.get("ApiId")}, pair{"__Stage__", "*"})
	return e.permission("apigateway.amazonaws.com", from)
}

// authorizeHTTP writes into the definition who may call the event's route.
func (e *event) authorizeHTTP(editor *editor, api, own *dict) {
	of := object()
	if api.has("Auth") {
		of = at(e.sourceID, "Auth").object(api.get("Auth"))
	}
	by := own.get("Authorizer")
	if !truthy(by) {
		if by = of.get("DefaultAuthorizer"); !truthy(by) {
			e.bad("'Auth' section requires either an explicit 'Authorizer' set or a 'DefaultAuthorizer' configured on the HttpApi.")
		}
		own.set("Authorizer", by)
	}
	path, method := text(e.get("Path")), text(e.method())
	iam := of.get("EnableIamAuthorizer") == true
	all := of.get("Authorizers")
	if of.size() == 0 {
		all = of
	}
	if !is(by, none) && !(is(by, awsIAM) && iam) {
		e.checkNamed(by, all, method, path)
	}
	switch {
	case is(by, none):
		if !truthy(of.get("DefaultAuthorizer")) {
			e.bad("Unable to set Authorizer on API method [%s] for path [%s] because 'NONE' is only a valid value when a "+
				"DefaultAuthorizer on the API is specified.", method, path)
		}
	case !is(by, awsIAM) || !iam:
		e.checkDefined(by, all, method, path)
	}
	if s := own.get("AuthorizationScopes"); truthy(s) && !fits(s, "list") {
		e.bad("Unable to set Authorizer on API method [%s] for path [%s] because 'AuthorizationScopes' must be a list of strings.", method, path)
	}
	editor.requireHTTP(path, e.method(), own, api)
}
