package sam

import (
	"slices"
	"strings"
)

// A transform is one template's.
type transform struct {
	Options
	resolver
	source      *dict // the template as it is given, with what Globals and events put in it
	out         *dict // the template as it becomes
	marked      bool  // the template has an API whose definition Python 2.7 would have printed
	faults      []*fault
	made        references
	renamed     renamed
	deployments deployments
	plan        sharedPlan
	recordSets  map[string]*resource
	functions   map[string]string // names of functions by the API that calls them
}

// An item is a resource of SAM.
type item struct {
	*transform
	id         string
	typ        string
	dependsOn  any
	attributes *dict
	properties *dict
}

func (i *item) get(n string) any   { return i.properties.get(n) }
func (i *item) inherited() *dict   { return inherited(i.attributes) }
func (i *item) bool(n string) bool { return truthy(i.get(n)) }

// bad says what is wrong with the item.
func (i *item) bad(format string, args ...any) { badResource(i.id, format, args...) }

// own is the resource that the item becomes: it has the item's id, attributes and
// dependencies.
func (i *item) own(typ string) *resource {
	r := newResource(typ, i.id, i.attributes)
	r.dependsOn, r.marked = i.dependsOn, i.marked
	return r
}

// A macro is what a type of SAM's becomes.
type macro struct {
	table []property
	// order is when items of the type are transformed: functions first, connectors last.
	order int
	to    func(*item) []*resource
	// refers are properties of the item that templates refer to, as Api.Stage, and the
	// types of what they are.
	refers map[string]string
}

func (t *transform) macro(typ string) (macro, bool) {
	switch strings.TrimPrefix(typ, prefix) {
	case "Function":
		return macro{functionProperties, 0, (*item).function, functionRefers}, true
	case "StateMachine":
		return macro{stateMachineProperties, 1, (*item).stateMachine, nil}, true
	case "Api":
		return macro{apiProperties, 2, (*item).api, apiRefers}, true
	case "HttpApi":
		return macro{httpAPIProperties, 2, (*item).httpAPI, apiV2Refers}, true
	case "WebSocketApi":
		return macro{webSocketProperties, 2, (*item).webSocketAPI, apiV2Refers}, true
	case "SimpleTable":
		return macro{simpleTableProperties, 3, (*item).simpleTable, nil}, true
	case "Application":
		return macro{applicationProperties, 3, (*item).application, nil}, true
	case "LayerVersion":
		return macro{layerProperties, 3, (*item).layer, nil}, true
	case "GraphQLApi", "CapacityProvider":
		return macro{nil, 3, nil, nil}, true
	case "Connector":
		return macro{connectorProperties, 4, (*item).connector, nil}, true
	}
	return macro{}, false
}

// prefix is what the types of SAM begin with.
const prefix = "AWS::Serverless::"

// valid are the types whose properties SAM looks at before it transforms anything.
var valid = []string{"Api", "Function", "SimpleTable", "Application", "LayerVersion", "HttpApi", "WebSocketApi", "StateMachine", "CapacityProvider"}

func (t *transform) run() *dict {
	t.checkTypes()
	t.mark()
	t.parameters = t.values()
	t.recordSets, t.functions = map[string]*resource{}, map[string]string{}
	t.made, t.renamed = references{}, renamed{}
	t.applications()
	t.definitions()
	t.implicit(restAPI)
	t.implicit(httpAPI)
	t.globals()
	t.embeddedConnectors()
	t.out = copyOf(t.source)
	mappings, ok := t.out.get("Mappings").(*dict)
	if t.out.has("Mappings") && !ok {
		badStructure("'Mappings' or 'Parameters' is either null or not a valid dictionary.")
	}
	t.mappings = mappings
	for _, id := range t.sequence() {
		t.item(id)
	}
	t.deploy()
	t.out.drop("Transform")
	if len(t.faults) > 0 {
		badDocument(t.faults...)
	}
	t.renamed.depend(t.out)
	return members(t.made.link(t.renamed.link(t.out)))
}

// resources are the template's as it is given.
func (t *transform) resources() *dict { return members(t.source.get("Resources")) }

// checkTypes looks at the template's structure.
func (t *transform) checkTypes() {
	all, ok := t.source.get("Resources").(*dict)
	if !ok || all.size() == 0 {
		badStructure("'Resources' section is required")
	}
	for _, n := range all.names() {
		if _, ok := all.get(n.text).(*dict); !ok {
			badStructure("All 'Resources' must be Objects. If you're using YAML, this may be an indentation issue.")
		}
	}
	t.each(nil, func(id name, r *dict) {
		if r.has("Properties") {
			attribute(id.text, "Properties").object(r.get("Properties"))
		}
	})
}

// each visits the resources of SAM of some types, of all if there are none. Functions that
// it visits see properties, even of a resource that has none.
func (t *transform) each(types []string, visit func(id name, r *dict)) {
	all := t.resources()
	for _, n := range all.names() {
		r, ok := all.get(n.text).(*dict)
		if !ok {
			continue
		}
		if c := r.get("Condition"); truthy(c) {
			if _, ok := textOf(c); !ok {
				badStructure("Every Condition member must be a string.")
			}
		}
		typ, ok := strings.CutPrefix(text(r.get("Type")), prefix)
		if ok && slices.Contains(valid, typ) && (types == nil || slices.Contains(types, typ)) {
			visit(n, r)
		}
	}
}

// propertiesOf are a resource's properties; it has some from then on.
func propertiesOf(r *dict) *dict {
	if !r.has("Properties") {
		r.set("Properties", object())
	}
	return members(r.get("Properties"))
}

// values are the stack's parameters.
func (t *transform) values() *dict {
	out := object()
	for n, v := range t.Parameters {
		if v = fromOrdered(v); t.marked {
			v = mark(v)
		}
		out.set(n, v)
	}
	declared, _ := t.source.get("Parameters").(*dict)
	for _, n := range declared.names() {
		if p, ok := declared.get(n.text).(*dict); ok && p.has("Default") && !out.has(n.text) {
			out.set(n.text, p.get("Default"))
		}
	}
	out.add(name{text: "AWS::Region"}, t.Region)
	out.add(name{text: "AWS::Partition"}, t.Partition)
	return out
}

// sequence are the ids of SAM's resources in the order in which they are transformed.
func (t *transform) sequence() []string {
	var out [5][]string
	all := t.resources()
	for _, n := range all.names() {
		typ, _ := textOf(members(all.get(n.text)).get("Type"))
		if strings.HasPrefix(typ, prefix) {
			if m, ok := t.macro(typ); ok {
				out[m.order] = append(out[m.order], n.text)
			}
		}
	}
	return slices.Concat(out[:]...)
}

// item transforms one resource. What is wrong with it is told with the faults of others.
func (t *transform) item(id string) {
	f := catch(func() {
		given := members(t.resources().get(id))
		m, _ := t.macro(text(given.get("Type")))
		i := t.read(id, given, m)
		t.place(i, id, m, m.to(i))
		t.nameFunctions(given)
	})
	if f == nil {
		return
	}
	if f.kind == ofDocument || f.kind == broken {
		panic(f)
	}
	t.faults = append(t.faults, f)
}

// read takes a resource of the template for an item.
func (t *transform) read(id string, given *dict, m macro) *item {
	checkID(id)
	i := &item{transform: t, id: id, typ: text(given.get("Type")), attributes: object(), dependsOn: given.get("DependsOn")}
	if m.to == nil || i.typ == prefix+"StateMachine" && !t.StateMachines {
		i.bad("Resources of type %s are not supported here: the service that they need is not there.", i.typ)
	}
	if given.has("Properties") {
		properties, ok := given.get("Properties").(*dict)
		if !ok {
			i.bad("Properties of a resource must be an object.")
		}
		i.properties = properties
	} else {
		i.properties = object()
	}
	switch i.typ {
	case prefix + "Application":
		i.locate()
	case prefix + "Function", prefix + "StateMachine":
		i.expandPolicies()
	}
	for _, n := range kept {
		if given.has(n) {
			i.attributes.set(n, given.get(n))
		}
	}
	own := i.properties
	i.properties = own.clone()
	check(m.table, own, id, i.typ)
	return i
}

// place puts what an item became where the item was.
func (t *transform) place(i *item, id string, m macro, made []*resource) {
	byType := map[string]string{}
	for _, r := range made {
		byType[r.typ] = r.id
	}
	for property, typ := range m.refers {
		if of, ok := byType[typ]; ok {
			t.made.add(i.id, property, of)
		}
	}
	if i.id != id {
		t.renamed[id] = i.id
	}
	out := members(t.out.get("Resources"))
	out.drop(id)
	for _, r := range made {
		if !unique(r, t.resources()) {
			t.faults = append(t.faults, taken(id, r))
			continue
		}
		out.set(r.id, r.dict())
	}
}

// taken says that a logical id is.
func taken(id string, r *resource) *fault {
	return &fault{kind: ofPlan, id: id, says: "Transforming resource with id [" + id + "] attempts to create a new resource with id [" + r.id +
		"] and type \"" + r.typ + "\". A resource with that id already exists within this template. Please use a different id for that resource."}
}

// stands are the types of resources in a template that may become one of the type, or stay.
var stands = map[string][]string{
	"AWS::Lambda::Function":              {prefix + "Function"},
	"AWS::Lambda::LayerVersion":          {prefix + "LayerVersion"},
	"AWS::ApiGateway::RestApi":           {prefix + "Api"},
	"AWS::ApiGatewayV2::Api":             {prefix + "HttpApi", prefix + "WebSocketApi"},
	"AWS::S3::Bucket":                    {"AWS::S3::Bucket"},
	"AWS::SNS::Topic":                    {"AWS::SNS::Topic"},
	"AWS::DynamoDB::Table":               {prefix + "SimpleTable"},
	"AWS::CloudFormation::Stack":         {prefix + "Application"},
	"AWS::Cognito::UserPool":             {"AWS::Cognito::UserPool"},
	"AWS::ApiGateway::DomainName":        {"AWS::ApiGateway::DomainName"},
	"AWS::ApiGateway::BasePathMapping":   {"AWS::ApiGateway::BasePathMapping"},
	"AWS::ApiGateway::DomainNameV2":      {"AWS::ApiGateway::DomainNameV2"},
	"AWS::ApiGateway::BasePathMappingV2": {"AWS::ApiGateway::BasePathMappingV2"},
	"AWS::StepFunctions::StateMachine":   {prefix + "StateMachine"},
}

// unique reports whether the template has no other resource with the id.
func unique(r *resource, all *dict) bool {
	if !all.has(r.id) {
		return true
	}
	return slices.Contains(stands[r.typ], text(members(all.get(r.id)).get("Type")))
}

// nameFunctions keeps the names of a function for the APIs that call it: deployments
// change with them.
func (t *transform) nameFunctions(given *dict) {
	properties, _ := given.get("Properties").(*dict)
	if !is(given.get("Type"), prefix+"Function") || !truthy(properties.get("Events")) {
		return
	}
	events := members(properties.get("Events"))
	for _, n := range events.names() {
		event := members(events.get(n.text))
		of, _ := event.get("Properties").(*dict)
		if !is(event.get("Type"), "Api") || !truthy(of.get("RestApiId")) {
			continue
		}
		api, ok := textOf(referenced(of.get("RestApiId")))
		if !ok {
			continue
		}
		if v := t.resolve(deepCopy(properties.get("FunctionName"))); truthy(v) {
			t.functions[api] += str(v)
		}
	}
}

// referenced is the id in a Ref, else v itself.
func referenced(v any) any {
	if d, ok := v.(*dict); ok && d.has(fnRef) {
		return d.get(fnRef)
	}
	return v
}

// conditions are the template's, as it becomes.
func (t *transform) conditions() *dict {
	if _, ok := t.out.get("Conditions").(*dict); !ok {
		t.out.set("Conditions", object())
	}
	return members(t.out.get("Conditions"))
}
