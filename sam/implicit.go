package sam

import (
	"slices"
	"strings"
)

// managed is the property of an API whose definition SAM writes from functions' events.
const managed = "__MANAGE_SWAGGER"

// A flavour is what differs between APIs for REST and for HTTP.
type flavour struct {
	id        string // of the API that is made where events name none
	event     string // the type of events
	api       string // the property of an event that names its API
	typ       string
	condition string // the name of the condition that the API gets
	valid     func(any) bool
	edit      func(any) *editor
	skeleton  func() *dict
}

var (
	restAPI = flavour{"ServerlessRestApi", "Api", "RestApiId", "Api", "ServerlessRestApiCondition", isSwagger, swaggerEditor, swaggerSkeleton}
	httpAPI = flavour{"ServerlessHttpApi", "HttpApi", "ApiId", "HttpApi", "ServerlessHttpApiCondition", isOpenAPI, openAPIEditor, openAPISkeleton}
)

// definitions begins the definitions of APIs that have none.
func (t *transform) definitions() {
	for _, f := range []flavour{restAPI, httpAPI} {
		t.each([]string{f.typ}, func(_ name, r *dict) {
			p := propertiesOf(r)
			if truthy(p.get("DefinitionBody")) || truthy(p.get("DefinitionUri")) {
				return
			}
			p.set("DefinitionBody", f.skeleton())
			p.set(managed, true)
		})
	}
}

// An implicit is the work of giving events their APIs.
type implicit struct {
	*transform
	flavour
	// conditions are those of the functions that events belong to, by API, path and
	// method; nil is none.
	conditions map[string]map[string]map[string]any
	policies   map[string]map[string][]any // DeletionPolicy and UpdateReplacePolicy of them, by API
}

// implicit makes the API of the events that name none, and puts into the definitions of
// APIs the paths of their events.
func (t *transform) implicit(f flavour) {
	i := &implicit{t, f, map[string]map[string]map[string]any{}, map[string]map[string][]any{}}
	all := t.resources()
	var before any
	if all.has(f.id) {
		before = deepCopy(all.get(f.id))
	}
	properties := object()
	if f.typ == "Api" {
		properties.set("StageName", "Prod")
	}
	properties.set("DefinitionBody", f.skeleton()).set(managed, true)
	all.set(f.id, object(pair{"Type", prefix + f.typ}, pair{"Properties", properties}))
	var faults []*fault
	t.each([]string{"Function", "StateMachine"}, func(id name, r *dict) {
		if thrown := catch(func() { i.events(r) }); thrown != nil {
			if thrown.kind != ofEvent {
				panic(thrown)
			}
			faults = append(faults, &fault{kind: ofResource, id: id.text, says: thrown.message()})
		}
	})
	i.addCondition()
	i.addPolicy("DeletionPolicy", "Retain", "Delete")
	i.addPolicy("UpdateReplacePolicy", "Retain", "Snapshot", "Delete")
	i.addPathConditions()
	i.remove(before)
	if len(faults) > 0 {
		badDocument(faults...)
	}
}

// events puts a function's events into the definitions of their APIs.
func (i *implicit) events(r *dict) {
	events, ok := propertiesOf(r).get("Events").(*dict)
	if !ok {
		return
	}
	own := hashed()
	for _, n := range events.names() {
		if e, ok := events.get(n.text).(*dict); ok && is(e.get("Type"), i.event) {
			own.put(n, e)
		}
	}
	for _, n := range own.names() {
		e := members(own.get(n.text))
		if i.typ == "HttpApi" && !e.has("Properties") {
			e.set("Properties", object())
		}
		given := e.get("Properties")
		if i.typ == "Api" && !truthy(given) {
			continue
		}
		p := inEvent(n.text, "").orSay("Properties should be a map.").object(given)
		i.tag(p, r)
		if !p.has(i.api) {
			p.set(i.api, ref(i.id))
		}
		if i.typ == "HttpApi" && !truthy(p.get("Path")) && !truthy(p.get("Method")) {
			p.set("Path", defaultPath)
			p.set("Method", anyMethod)
		}
		i.add(n.text, p, r)
	}
	events.update(own) // which may put them in another order, as SAM does
}

// add puts one event into its API's definition.
func (i *implicit) add(event string, p, r *dict) {
	id := referenced(p.get(i.api))
	inEvent(event, "Path").some(p.get("Path"))
	inEvent(event, "Method").some(p.get("Method"))
	api := inEvent(event, i.api).text(id)
	path := inEvent(event, "Path").text(p.get("Path"))
	method := inEvent(event, "Method").text(p.get("Method"))
	i.remember(api, path, method, r)
	of, ok := i.resources().get(api).(*dict)
	if !ok || i.typ == "Api" && is(of.get("Type"), prefix+"HttpApi") {
		badEvent(event, "%s must be a valid reference to an '%s%s' resource in same template.", i.api, prefix, i.typ)
	}
	if properties, ok := of.get("Properties").(*dict); ok && i.valid(properties.get("DefinitionBody")) && truthy(properties.get(managed)) {
		e := i.edit(properties.get("DefinitionBody"))
		e.addPath(p.get("Path"), p.get("Method"))
		properties.set("DefinitionBody", e.document())
	}
	if i.typ == "HttpApi" && p.has("RouteSettings") {
		i.routeSettings(event, api, p, r.get("Condition"))
	}
}

func (i *implicit) remember(api, path, method string, r *dict) {
	if i.conditions[api] == nil {
		i.conditions[api] = map[string]map[string]any{}
		i.policies[api] = map[string][]any{}
	}
	if i.conditions[api][path] == nil {
		i.conditions[api][path] = map[string]any{}
	}
	i.conditions[api][path][method] = r.get("Condition")
	for _, n := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
		i.policies[api][n] = append(i.policies[api][n], r.get(n))
	}
}

// tag gives the API that is made the tags of a function that wants that.
func (i *implicit) tag(p, r *dict) {
	if p.has(i.api) {
		return
	}
	section := strings.TrimPrefix(text(r.get("Type")), prefix)
	g, _ := i.source.get("Globals").(*dict)
	g, _ = g.get(section).(*dict)
	own := propertiesOf(r)
	first := func(n string) any {
		if v := own.get(n); truthy(v) {
			return v
		}
		return g.get(n)
	}
	if tags := first("Tags"); truthy(tags) && truthy(first("PropagateTags")) {
		properties := propertiesOf(members(i.resources().get(i.id)))
		members(properties.add(name{text: "Tags"}, object())).update(members(tags))
		properties.set("PropagateTags", true)
	}
}

func (i *implicit) routeSettings(event, api string, p *dict, condition any) {
	method, path := text(p.get("Method")), text(p.get("Path"))
	route := strings.ToUpper(method) + " " + path
	if method == anyMethod {
		route = path
	}
	properties := propertiesOf(members(i.resources().get(api)))
	all := at(api, "RouteSettings").object(properties.add(name{text: "RouteSettings"}, object()))
	settings := p.get("RouteSettings")
	if truthy(condition) {
		settings = when(condition, settings)
	}
	own := inEvent(event, "RouteSettings").object(settings)
	members(all.add(name{text: route}, object())).update(own)
}

// distinct are the conditions of methods, each once, in their order; all reports whether
// each method has one.
func distinct(methods map[string]any, into []any) (out []any, all bool) {
	all = true
	for _, c := range methods {
		if c == nil {
			all = false
		} else if !contains(into, c) {
			into = append(into, c)
		}
	}
	slices.SortFunc(into, func(a, b any) int { return strings.Compare(text(a), text(b)) })
	return into, all
}

// addCondition makes the API depend on the conditions of its functions.
func (i *implicit) addCondition() {
	var conditions []any
	for _, methods := range i.conditions[i.id] {
		var all bool
		if conditions, all = distinct(methods, conditions); !all {
			return
		}
	}
	api := members(i.resources().get(i.id))
	switch len(conditions) {
	case 0:
	case 1:
		api.set("Condition", conditions[0])
	default:
		api.set("Condition", i.condition)
		i.combine(conditions, i.condition)
	}
}

func (i *implicit) combine(conditions []any, under string) {
	all := members(i.source.add(name{text: "Conditions"}, object()))
	all.update(combined(conditions, under))
}

// addPolicy gives the API the first of the policies that one of its functions has.
func (i *implicit) addPolicy(attribute string, policies ...string) {
	given := i.policies[i.id][attribute]
	for _, p := range policies {
		if contains(given, p) {
			members(i.resources().get(i.id)).set(attribute, p)
			return
		}
	}
}

// pathNames are what conditions on paths have for what cannot be in a name.
var pathNames = strings.NewReplacer("/", "SLASH", "{", "OB", "}", "CB")

// addPathConditions makes paths depend on the conditions of their functions.
func (i *implicit) addPathConditions() {
	i.each([]string{i.typ}, func(id name, r *dict) {
		p := propertiesOf(r)
		if !truthy(p.get(managed)) {
			return
		}
		e := i.edit(p.get("DefinitionBody"))
		for _, path := range e.paths.names() {
			conditions, all := distinct(i.conditions[id.text][path.text], nil)
			if len(conditions) == 0 || !all {
				continue
			}
			condition := conditions[0]
			if len(conditions) > 1 {
				condition = id.text + pathNames.Replace(path.text) + "PathCondition"
				i.combine(conditions, text(condition))
			}
			e.paths.put(path, when(condition, e.paths.get(path.text)))
		}
		p.set("DefinitionBody", e.document())
	})
}

// remove takes the API away if no event needs it; what had its name is there again.
func (i *implicit) remove(before any) {
	all := i.resources()
	p := propertiesOf(members(all.get(i.id)))
	if members(members(p.get("DefinitionBody")).get("paths")).size() > 0 {
		return
	}
	if before != nil {
		all.set(i.id, before)
		return
	}
	all.drop(i.id)
}
