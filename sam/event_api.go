package sam

import (
	"regexp"
	"slices"
	"strings"
)

var (
	apiEventProperties = properties(`
		Path! str
		Method! str
		RestApiId! str
		Stage str
		Auth map
		RequestModel map
		RequestParameters list
		TimeoutInMillis int
		ResponseTransferMode str
	`)
	stateAPIProperties = properties(`
		Path! str
		Method! str
		RestApiId! str
		Stage str
		Auth map
		UnescapeMappingTemplate =bool
	`)
)

// linkAPI finds the event's API in the template.
func (e *event) linkAPI() {
	e.stage = "AllStages"
	id, ok := textOf(referenced(e.get("RestApiId")))
	if !ok {
		return
	}
	e.sourceID = id
	api := inEvent(e.name, "RestApiId").orSay("RestApiId property of Api event must reference a valid resource in the same template.").
		object(e.resources().get(id))
	e.source = object()
	if api.has("Properties") {
		e.source = attribute(id, "Properties").object(api.get("Properties"))
	}
	e.stage = "Stage"
	if stage, ok := textOf(e.source.get("StageName")); ok {
		if stage == "" {
			badResource(id, "StageName cannot be empty.")
		}
		e.stage = e.source.get("StageName")
	}
}

// method is the event's, in small letters.
func (e *event) method() any {
	return like(isMarked(e.get("Method")), strings.ToLower(word(e.get("Method"))))
}

var trailingSlash = regexp.MustCompile(`^(.+)/$`)

// restAPI makes a method of an API for REST call the function.
func (e *event) restAPI() []*resource {
	method := word(e.get("Method"))
	path := anyVariable.ReplaceAllString(trailingSlash.ReplaceAllString(word(e.get("Path")), "$1"), "*")
	verb := strings.ToUpper(method)
	if verb == "ANY" {
		verb = "*"
	}
	from := sub(arnOf(e.Partition, "execute-api", "${__ApiId__}/${__Stage__}/"+verb+path),
		pair{"__ApiId__", e.get("RestApiId")}, pair{"__Stage__", "*"})
	p := e.permissionOf(e.id, text(e.stage), "apigateway.amazonaws.com", from)
	api := members(e.source)
	if truthy(api.get(managed)) || truthy(api.get("MergeDefinitions")) {
		e.addToSwagger(api)
	}
	auth, _ := e.get("Auth").(*dict)
	if body := api.get("DefinitionBody"); truthy(body) && truthy(auth.get("OverrideApiAuth")) {
		if !truthy(auth.get("Authorizer")) && !truthy(auth.get("ApiKeyRequired")) && !truthy(auth.get("ResourcePolicy")) {
			e.bad("Must define one of: Authorizer, ApiKeyRequired or ResourcePolicy when using the OverrideApiAuth property.")
		}
		editor := swaggerEditor(body)
		e.authorize(editor, api, auth)
		api.set("DefinitionBody", editor.document())
	}
	return []*resource{p}
}

// callURI is what an API calls to call the function.
func (e *event) callURI(partition string) *dict {
	version, call := "2015-03-31", "/invocations"
	if is(e.get("ResponseTransferMode"), "RESPONSE_STREAM") {
		version, call = "2021-11-15", "/response-streaming-invocations"
	}
	arn := e.target.arn()
	uri := "arn:" + partition + ":apigateway:${AWS::Region}:lambda:path/" + version + "/functions/" + shorthand(arn) + call
	return hashed(pair{fnSub, like(arn.has(fnGet) && e.target.marked, uri)})
}

// addToSwagger writes the event into its API's definition.
func (e *event) addToSwagger(api *dict) {
	body := api.get("DefinitionBody")
	if body == nil {
		return
	}
	merge := truthy(api.get("MergeDefinitions"))
	if merge {
		body = swaggerSkeleton()
	}
	path, method := e.get("Path"), e.method()
	uri := e.callURI(e.Partition)
	editor := swaggerEditor(body)
	if editor.hasIntegration(text(path), method) {
		e.bad("API method \"%s\" defined multiple times for path \"%s\".", text(method), text(path))
	}
	own, of := object(), object()
	if a := e.get("Auth"); truthy(a) {
		own = inEvent(e.name, "Auth").object(a)
	}
	if a := api.get("Auth"); truthy(a) {
		of = at(e.sourceID, "Auth").object(a)
	}
	editor.integrate(path, method, uri, own, of, e.target.condition(), e.get("ResponseTransferMode"), e.Partition)
	if own.size() > 0 {
		e.authorize(editor, api, own)
	}
	if t := e.get("TimeoutInMillis"); truthy(t) {
		editor.setTimeout(text(path), method, t)
	}
	e.addModel(editor, api)
	e.addParameters(editor)
	if merge {
		api.set("DefinitionBody", e.mergeInto(members(api.get("DefinitionBody")), editor.document()))
		return
	}
	api.set("DefinitionBody", editor.document())
}

// addModel makes the method take bodies of the event's RequestModel.
func (e *event) addModel(editor *editor, api *dict) {
	if !truthy(e.get("RequestModel")) {
		return
	}
	given := inEvent(e.name, "RequestModel").object(e.get("RequestModel"))
	model := given.get("Model")
	if !truthy(model) {
		return
	}
	path, method := text(e.get("Path")), e.method()
	unable := func(why string) {
		e.bad("Unable to set RequestModel [%s] on API method [%s] for path [%s] because %s", str(model), text(method), path, why)
	}
	models, ok := api.get("Models").(*dict)
	switch {
	case !truthy(api.get("Models")):
		unable("the related API does not define any Models.")
	case !ok:
		unable("the related API Models defined is of invalid type.")
	case !fits(model, "str"):
		unable("the related API does not contain valid Models.")
	case !truthy(models.get(text(model))):
		unable("it wasn't defined in the API's Models.")
	}
	editor.requireModel(path, method, given)
	body, parameters := given.get("ValidateBody"), given.get("ValidateParameters")
	if body == nil && parameters == nil {
		return
	}
	if body != nil && !fits(body, "bool") || parameters != nil && !fits(parameters, "bool") {
		e.bad("Unable to set Validator to RequestModel [%s] on API method [%s] for path [%s] ValidateBody and ValidateParameters "+
			"must be a boolean type, strings or intrinsics are not supported.", text(model), text(method), path)
	}
	editor.validate(path, method, body == true, parameters == true)
}

var parameterName = regexp.MustCompile(`^method\.request\.(querystring|path|header)\.`)

// addParameters makes the method ask for the event's RequestParameters.
func (e *event) addParameters(editor *editor) {
	given := e.get("RequestParameters")
	if !truthy(given) {
		return
	}
	checkName := func(n string) {
		if !parameterName.MatchString(n) {
			e.bad("Invalid value for 'RequestParameters' property. Keys must be in the format " +
				"'method.request.[querystring|path|header].{value}', e.g 'method.request.header.Authorization'.")
		}
	}
	var list []parameter
	for _, v := range elements(given) {
		p := parameter{name: v, required: false, caching: false}
		if d, ok := v.(*dict); ok && d.size() > 0 {
			n, value := d.first()
			checkName(n.text)
			settings, ok := value.(*dict)
			if !ok || slices.ContainsFunc(settings.names(), func(m name) bool { return m.text != "Required" && m.text != "Caching" }) {
				e.bad("Invalid value for 'RequestParameters' property. Values must be an object, e.g { Required: true, Caching: false }")
			}
			p.name = n.value()
			if settings.has("Required") {
				p.required = settings.get("Required")
			}
			if settings.has("Caching") {
				p.caching = settings.get("Caching")
			}
		} else if t, ok := textOf(v); ok {
			checkName(t)
		} else {
			e.bad("Invalid value for 'RequestParameters' property. Property must be either a string or an object")
		}
		list = append(list, p)
	}
	editor.addParameters(text(e.get("Path")), e.method(), list)
}

// mergeInto puts what SAM wrote of the method into the template's own definition.
func (e *event) mergeInto(own, written *dict) *dict {
	out := own.clone()
	paths := object()
	if p := out.get("paths"); truthy(p) {
		paths = members(p)
	}
	path, method := e.get("Path"), e.method()
	wrong := func(says string) { badResource(e.sourceID, "Property 'DefinitionBody' is invalid: %s", says) }
	given := lookup(paths, []string{text(path), text(method)}, wrong)
	merged := object()
	if truthy(given) {
		merged.update(at(e.sourceID, "DefinitionBody.paths."+text(path)+"."+text(method)).object(given))
	}
	made := members(written.get("paths")).get(text(path))
	merged.update(members(members(made).get(text(methodName(method)))))
	if !paths.has(text(path)) {
		paths.put(nameOf(path), object())
	}
	members(paths.get(text(path))).put(nameOf(method), merged)
	return out
}

// authorize writes into the definition who may call the event's method.
func (e *event) authorize(editor *editor, api, own *dict) {
	of, _ := e.resolve(api.get("Auth")).(*dict)
	by := own.get("Authorizer")
	if truthy(by) {
		e.checkAuthorizer(by, of)
	}
	if s := own.get("AuthorizationScopes"); truthy(s) {
		inEvent(e.name, "Auth.AuthorizationScopes").list(s)
		if !truthy(by) {
			e.bad("AuthorizationScopes works only when Authorizer is set")
		}
	}
	path, method := text(e.get("Path")), e.method()
	key := own.get("ApiKeyRequired")
	if key != nil && !truthy(key) && !truthy(of.get("ApiKeyRequired")) {
		e.bad("Unable to set ApiKeyRequired [False] on API method [%s] for path [%s] because the related API does not specify any ApiKeyRequired.",
			text(method), path)
	}
	if truthy(by) || key != nil {
		editor.authorize(path, method, own, api)
	}
	if p := own.get("ResourcePolicy"); truthy(p) {
		policy := at(e.name, "Auth.ResourcePolicy").object(p)
		editor.restrict(policy, path, e.stage)
		if s := policy.get("CustomStatements"); truthy(s) {
			editor.addStatements(s)
		}
	}
}

// checkAuthorizer looks whether the API has the authorizer that the event names.
func (e *event) checkAuthorizer(by any, of *dict) {
	all := of.get("Authorizers")
	if truthy(all) {
		at(e.sourceID, "Auth.Authorizers").object(all)
	}
	path, method := text(e.get("Path")), text(e.method())
	switch {
	case is(by, awsIAM):
	case is(by, none):
		if !truthy(of.get("DefaultAuthorizer")) {
			e.bad("Unable to set Authorizer on API method [%s] for path [%s] because 'NONE' is only a valid value when a "+
				"DefaultAuthorizer on the API is specified.", method, path)
		}
	default:
		e.checkDefined(by, all, method, path)
	}
}

func (e *event) checkDefined(by, all any, method, path string) {
	if !truthy(all) {
		e.bad("Unable to set Authorizer [%s] on API method [%s] for path [%s] because the related API does not define any Authorizers.",
			str(by), method, path)
	}
	e.checkNamed(by, all, method, path)
	if !truthy(all.(*dict).get(text(by))) {
		e.bad("Unable to set Authorizer [%s] on API method [%s] for path [%s] because it wasn't defined in the API's Authorizers.",
			str(by), method, path)
	}
}

func (e *event) checkNamed(by, all any, method, path string) {
	if _, ok := all.(*dict); !ok || !fits(by, "str") {
		e.bad("Unable to set Authorizer [%s] on API method [%s] for path [%s]. The method authorizer must be a string with a "+
			"corresponding dict entry in the api authorizer.", str(by), method, path)
	}
}

// stateMachineAPI makes a method of an API for REST start the state machine.
func (e *event) stateMachineAPI() []*resource {
	role := e.startRole("apigateway.amazonaws.com")
	e.stage = e.get("Stage")
	api := members(e.source)
	body := api.get("DefinitionBody")
	if !truthy(api.get(managed)) || body == nil {
		return []*resource{role}
	}
	path, method := e.get("Path"), e.method()
	editor := swaggerEditor(body)
	if editor.hasIntegration(text(path), method) {
		e.bad("API method \"%s\" defined multiple times for path \"%s\".", text(method), text(path))
	}
	template := loose.dump(object(pair{"input", "$util.escapeJavaScript($input.json('$'))"}, pair{"stateMachineArn", "${" + e.target.id + "}"}))
	if truthy(e.get("UnescapeMappingTemplate")) {
		template = `{"input": "$util.escapeJavaScript($input.json('$')).replaceAll("\\'","'")", "stateMachineArn": "${` + e.target.id + `}"}`
	}
	uri := sub("arn:${AWS::Partition}:apigateway:${AWS::Region}:states:action/StartExecution")
	editor.integrateStateMachine(path, method, uri, role.arn(), object(pair{"application/json", sub(template)}), e.target.condition())
	if auth, _ := e.get("Auth").(*dict); auth.size() > 0 {
		e.authorize(editor, api, auth)
	}
	api.set("DefinitionBody", editor.document())
	return []*resource{role}
}
