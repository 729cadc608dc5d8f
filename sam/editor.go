package sam

import (
	"regexp"
	"strings"
)

const (
	integration  = "x-amazon-apigateway-integration"
	authorizer   = "x-amazon-apigateway-authorizer"
	endpointConf = "x-amazon-apigateway-endpoint-configuration"
	anyMethod    = "x-amazon-apigateway-any-method"
	defaultPath  = "$default"
	awsIAM       = "AWS_IAM"
	none         = "NONE"
)

// An editor changes the definition of an API, in Swagger or OpenAPI.
type editor struct {
	doc, paths *dict
	openAPI    bool // for APIs for HTTP

	// What the definition gets again when it is done.
	security any // authorizers
	// For APIs for REST.
	responses, policy, models any
	// For APIs for HTTP.
	tags, info any
}

var (
	version3   = regexp.MustCompile(`\A3(\.\d)(\.\d)?$`)
	version2or = regexp.MustCompile(`\A[2-3](\.\d)(\.\d)?$`)
)

// isOpenAPI3 reports whether v is a version of OpenAPI that API Gateway knows.
func isOpenAPI3(v any) bool { return version3.MatchString(str(v)) }

// isSwagger reports whether v can be the definition of an API for REST.
func isSwagger(v any) bool {
	d, ok := v.(*dict)
	if !ok {
		return false
	}
	if _, ok := d.get("paths").(*dict); !ok {
		return false
	}
	return truthy(d.get("swagger")) || truthy(d.get("openapi")) && isOpenAPI3(d.get("openapi"))
}

// isOpenAPI reports whether v can be the definition of an API for HTTP.
func isOpenAPI(v any) bool {
	d, ok := v.(*dict)
	if !ok {
		return false
	}
	_, ok = d.get("paths").(*dict)
	return ok && truthy(d.get("openapi")) && isOpenAPI3(d.get("openapi"))
}

func swaggerSkeleton() *dict { return skeleton("swagger", "2.0") }
func openAPISkeleton() *dict { return skeleton("openapi", "3.0.1") }

func skeleton(language, version string) *dict {
	info := hashed().set("version", "1.0").set("title", ref("AWS::StackName"))
	return hashed().set(language, version).set("info", info).set("paths", hashed())
}

// contents are what a value is, under whatever condition.
func contents(v any) []any {
	d, ok := v.(*dict)
	if !ok || !d.has(fnIf) {
		return []any{v}
	}
	list, ok := d.get(fnIf).([]any)
	if !ok {
		badStructure("Value of Fn::If must be a list.")
	}
	var out []any
	for _, e := range list[min(1, len(list)):] {
		if !isNoValue(e) {
			out = append(out, e)
		}
	}
	return out
}

// methodName is a method as definitions write it.
func methodName(method any) any {
	t, ok := textOf(method)
	if !ok || t == "" {
		return method
	}
	if t = strings.ToLower(t); t == "any" {
		return anyMethod
	}
	return like(isMarked(method), t)
}

func pathItem(v any, path string) *dict {
	d, ok := v.(*dict)
	if !ok {
		badStructure("Value of '%s' path must be a dictionary according to Swagger spec.", path)
	}
	return d
}

func methodDefinition(v any, path, method string) *dict {
	d, ok := v.(*dict)
	if !ok {
		badStructure("Definition of method '%s' for path '%s' should be a map.", method, path)
	}
	return d
}

// items visits what a path is, under each condition.
func (e *editor) items(path string, visit func(*dict)) {
	for _, c := range contents(e.paths.get(path)) {
		visit(pathItem(c, path))
	}
}

// hasPath reports whether a path has a method.
func (e *editor) hasPath(path string, method any) bool {
	if !e.paths.has(path) {
		return false
	}
	if !truthy(method) {
		return true
	}
	for _, c := range contents(e.paths.get(path)) {
		if d, ok := c.(*dict); !ok || !d.has(text(method)) {
			return false
		}
	}
	return true
}

// hasIntegration reports whether a method of a path calls something already.
func (e *editor) hasIntegration(path string, method any) bool {
	method = methodName(method)
	if !e.hasPath(path, method) {
		return false
	}
	has := true
	e.items(path, func(item *dict) {
		definition, ok := item.get(text(method)).(*dict)
		if !ok || !integrated(definition, path, text(method)) {
			has = false
		}
	})
	return has
}

func integrated(definition *dict, path, method string) bool {
	for _, c := range contents(definition) {
		if truthy(methodDefinition(c, path, method).get(integration)) {
			return true
		}
	}
	return false
}

// addPath makes a path, and a method of it.
func (e *editor) addPath(path, method any) {
	n := nameOf(methodName(method))
	of, ok := e.paths.add(nameOf(path), hashed()).(*dict)
	if !ok {
		badStructure("Value of '%s' path must be a dictionary according to Swagger spec.", text(path))
	}
	for _, c := range contents(of) {
		members(c).add(n, hashed())
	}
}

// definitions visits what a method of a path is, under each condition, where it calls
// something, or where all are wanted.
func (e *editor) definitions(path string, method any, all bool, visit func(*dict)) {
	n := text(methodName(method))
	e.items(path, func(item *dict) {
		for _, c := range contents(item.get(n)) {
			d := methodDefinition(c, path, str(method))
			if all || truthy(d.get(integration)) {
				visit(d)
			}
		}
	})
}

// everyMethod visits the methods of a path that call something.
func (e *editor) everyMethod(path string, visit func(method string, definition *dict)) {
	e.items(path, func(item *dict) {
		for _, n := range item.names() {
			if !e.openAPI && (n.text == "summary" || n.text == "description" || n.text == "parameters") {
				continue
			}
			for _, c := range contents(item.get(n.text)) {
				if d := methodDefinition(c, path, n.text); truthy(d.get(integration)) {
					visit(text(methodName(n.value())), d)
				}
			}
		}
	})
}

// setTimeout limits how long a method waits for what it calls.
func (e *editor) setTimeout(path string, method, millis any) {
	e.definitions(path, method, false, func(d *dict) {
		members(d.get(integration)).set("timeoutInMillis", millis)
	})
}

// scopes are those of an API's default authorizer.
func scopes(of authorizers, name string) any {
	if a := of.find(name); a != nil && a.scopes() != nil {
		return a.scopes()
	}
	return []any{}
}

// securityOf is what a method already asks of its callers.
func securityOf(d *dict, path, method string) []any {
	if !d.has("security") {
		return nil
	}
	list, ok := d.get("security").([]any)
	if !ok {
		badStructure("Type of security for path %s method %s must be a list", path, method)
	}
	return list
}

// document is the definition as it has become; the editor keeps none of it.
func (e *editor) document() *dict {
	if e.openAPI {
		return e.openAPIDocument()
	}
	return e.swaggerDocument()
}

// lookup follows the names of a path through dicts. wrong is told of what is none on the way.
func lookup(v any, path []string, wrong func(says string)) any {
	for i, n := range path {
		if v == nil {
			return nil
		}
		d, ok := v.(*dict)
		if !ok {
			wrong(notAMap(path[:i]))
		}
		v = d.get(n)
	}
	return v
}

func notAMap(path []string) string {
	if len(path) == 0 {
		return "It should be a map"
	}
	return "The value of '" + strings.Join(path, ".") + "' should be a map"
}
