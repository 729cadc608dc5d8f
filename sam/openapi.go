package sam

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/ordered"
)

const (
	xCors     = "x-amazon-apigateway-cors"
	xTagValue = "x-amazon-apigateway-tag-value"
)

// openAPIEditor edits a copy of the definition of an API for HTTP.
func openAPIEditor(doc any) *editor {
	if !isOpenAPI(doc) {
		badStructure("Invalid OpenApi document. Invalid values or missing keys for 'openapi' or 'paths' in 'DefinitionBody'.")
	}
	e := &editor{doc: copyOf(doc.(*dict)), openAPI: true}
	e.paths = members(e.doc.get("paths"))
	e.security = lookup(e.doc, []string{"components", "securitySchemes"}, func(says string) {
		badStructure("Invalid OpenApi document: %s", says)
	})
	if !truthy(e.security) {
		e.security = hashed()
	}
	if e.tags = e.doc.get("tags"); !truthy(e.tags) {
		e.tags = []any{}
	}
	if e.info = e.doc.get("info"); !truthy(e.info) {
		e.info = hashed()
	}
	return e
}

func (e *editor) openAPIDocument() *dict {
	if truthy(e.tags) {
		e.doc.set("tags", e.tags)
	}
	if truthy(e.security) {
		e.doc.add(name{text: "components"}, hashed())
		if !truthy(e.doc.get("components")) {
			e.doc.set("components", hashed())
		}
		members(e.doc.get("components")).set("securitySchemes", e.security)
	}
	if truthy(e.info) {
		e.doc.set("info", e.info)
	}
	return copyOf(e.doc)
}

var functionInARN = regexp.MustCompile(`([A-Za-z0-9]+\.Arn)`)

// callsFunction reports whether a method of a path calls a function of the template.
func (e *editor) callsFunction(path, method, id string) bool {
	if !e.hasIntegration(path, method) {
		return false
	}
	calls := true
	e.definitions(path, method, true, func(d *dict) {
		call := object()
		if d.has(integration) {
			var ok bool
			if call, ok = d.get(integration).(*dict); !ok {
				badStructure("Value of 'x-amazon-apigateway-integration' must be a dictionary according to Swagger spec.")
			}
		}
		uri, ok := call.get("uri").(*dict)
		if !ok {
			calls = false
			return
		}
		for _, c := range contents(uri) {
			found := functionInARN.FindString(text(members(c).get(fnSub)))
			if strings.TrimSuffix(found, ".Arn") != id || found == "" {
				calls = false
			}
		}
	})
	return calls
}

// call makes a method of an API for HTTP call a function, if it calls nothing yet.
func (e *editor) call(path, method, uri, condition any) {
	n := nameOf(methodName(method))
	at := text(path)
	if e.hasIntegration(at, method) {
		return
	}
	e.addPath(path, method)
	if truthy(condition) {
		uri = when(condition, uri)
	}
	e.items(at, func(item *dict) {
		if item.get(n.text) == nil {
			item.put(n, hashed())
		}
		d := members(item.get(n.text))
		d.set(integration, hashed().set("type", "aws_proxy").set("httpMethod", "POST").set("payloadFormatVersion", "2.0").set("uri", uri))
		if at == defaultPath && n.text == anyMethod {
			d.set("isDefaultRoute", true)
		}
		d.add(name{text: "responses"}, hashed())
		if truthy(condition) {
			item.put(n, when(condition, d))
		}
	})
}

// addPathParameters declares the variables of a path.
func (e *editor) addPathParameters(path string, method any, names []string) {
	e.definitions(path, method, false, func(d *dict) {
		all := parametersOf(d)
		for _, n := range names {
			i := slices.IndexFunc(all, func(p any) bool { return is(members(p).get("name"), n) })
			p := hashed().set("name", marked(n))
			if i >= 0 {
				p = members(all[i])
			} else {
				all = append(all, p)
			}
			p.set("in", "path").set("required", true)
		}
		d.set("parameters", all)
	})
}

// setPayload says in which version of its format a function gets requests.
func (e *editor) setPayload(path string, method, version any) {
	e.definitions(path, method, false, func(d *dict) {
		members(d.get(integration)).set("payloadFormatVersion", version)
	})
}

// requireDefaultHTTP makes the methods of a path that ask for nothing ask for the API's
// default authorizer.
func (e *editor) requireDefaultHTTP(path string, with any, all authorizers) {
	e.items(path, func(item *dict) {
		for _, n := range item.names() {
			method := text(methodName(n.value()))
			if method == "parameters" || method == "options" {
				continue
			}
			if !item.has(method) {
				badStructure("Could not find %s in %s within DefinitionBody.", method, path)
			}
			for _, c := range contents(item.get(n.text)) {
				d := methodDefinition(c, path, n.text)
				if !truthy(d.get(integration)) || truthy(d.get("security")) {
					continue
				}
				d.set("security", []any{object().put(nameOf(with), scopes(all, text(with)))})
			}
		}
	})
}

// requireHTTP makes a method ask for an authorizer.
func (e *editor) requireHTTP(path string, method any, own, api *dict) {
	by, scopes := own.get("Authorizer"), own.get("AuthorizationScopes")
	if !truthy(by) {
		return
	}
	auth, _ := api.get("Auth").(*dict)
	e.definitions(path, method, false, func(d *dict) {
		asked := object().put(nameOf(by), []any{})
		if !is(by, none) && !is(by, awsIAM) {
			all := members(auth.get("Authorizers"))
			one, ok := all.get(text(by)).(*dict)
			if all.has(text(by)) && !ok {
				badStructure("Type of authorizer '%s' must be a dictionary", str(by))
			}
			want := one.get("AuthorizationScopes")
			if truthy(scopes) {
				want = scopes
			}
			if truthy(one) && truthy(want) {
				asked.put(nameOf(by), want)
			}
		}
		d.set("security", append(slices.Clone(securityOf(d, path, str(method))), asked))
	})
}

// addTags writes an API's tags.
func (e *editor) addTags(tags *dict) {
	for _, n := range tags.names() {
		list, ok := e.tags.([]any)
		if !ok {
			badStructure("Tags in OpenApi DefinitionBody needs to be a list. %s is a %s not a list.", str(e.tags), kindOf(e.tags))
		}
		i := slices.IndexFunc(list, func(t any) bool { return is(members(t).get("name"), n.text) })
		if i >= 0 {
			members(list[i]).set(xTagValue, tags.get(n.text))
			continue
		}
		e.tags = append(list, hashed().set("name", n.value()).set(xTagValue, tags.get(n.text)))
	}
}

// disableHTTPEndpoint says whether an API answers on its own host name.
func (e *editor) disableHTTPEndpoint(disabled any) {
	servers := []any{hashed()}
	if e.doc.has("servers") {
		servers = elements(e.doc.get("servers"))
	}
	for _, s := range servers {
		d, ok := s.(*dict)
		if !ok {
			badStructure("Value of 'servers' item must be a dictionary according to Swagger spec.")
		}
		members(d.add(name{text: endpointConf}, object())).set("disableExecuteApiEndpoint", disabled)
	}
	e.doc.set("servers", servers)
}

// corsNames are the members of an API's CorsConfiguration, as definitions name them.
var corsNames = []string{"allowOrigins", "allowHeaders", "allowMethods", "exposeHeaders", "maxAge", "allowCredentials"}

// addCors says from where browsers may call.
func (e *editor) addCors(given *dict) {
	conf := object()
	if e.doc.has(xCors) {
		var ok bool
		if conf, ok = e.doc.get(xCors).(*dict); !ok {
			badStructure("Value of 'x-amazon-apigateway-cors' must be a dictionary according to Swagger spec.")
		}
	}
	e.doc.set(xCors, conf)
	if origins := given.get("AllowOrigins"); truthy(origins) && isIntrinsic(origins) {
		conf.update(renameCors(origins))
		return
	}
	for _, n := range corsNames {
		v := given.get(capital(n))
		switch n {
		case "maxAge":
			if v != nil {
				conf.set(n, v)
			}
		case "allowCredentials":
			if v == true {
				conf.set(n, v)
			}
		default:
			if truthy(v) {
				conf.set(n, v)
			}
		}
	}
}

func capital(n string) string { return strings.ToUpper(n[:1]) + n[1:] }

// renameCors gives the names within a function the form that they have in definitions:
// as SAM does, in its text.
func renameCors(v any) *dict {
	t := loose.dump(v)
	for _, n := range corsNames {
		t = strings.ReplaceAll(t, capital(n), n)
	}
	parsed, err := ordered.Parse([]byte(t))
	if err != nil {
		fail()
	}
	return members(fromOrdered(parsed))
}

// describe gives the definition a description, if it has none; entitle a title in the
// place of the one that SAM gave it.
func (e *editor) describe(text any) {
	if info := members(e.info); !truthy(info.get("description")) {
		info.set("description", text)
	}
}

func (e *editor) entitle(title any) {
	if info := members(e.info); equal(info.get("title"), ref("AWS::StackName")) {
		info.set("title", title)
	}
}
