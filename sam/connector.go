package sam

import (
	"fmt"
	"slices"
	"strings"
)

var connectorProperties = properties(`
	Source! {any}
	Destination! {any}|[{any}]
	Permissions! [str]
`)

// A connector is an AWS::Serverless::Connector on its way to policies and permissions.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-connector.html
type connector struct {
	*item
	permissions []string
}

// An end is one of the two resources that a connector connects.
type end struct {
	id, typ                                   string
	arn, role, url, resource, name, qualifier any
}

func (i *item) connector() []*resource {
	c := &connector{item: i}
	given := i.get("Permissions")
	destinations, many := i.get("Destination").([]any)
	if !many {
		destinations = []any{i.get("Destination")}
	}
	if list, ok := given.([]any); ok {
		for _, p := range list {
			c.permissions = append(c.permissions, text(p))
		}
	}
	var out []*resource
	ids := []any{}
	for n, d := range destinations {
		to := c.end(members(d), members(i.get("Source")))
		from := c.end(members(i.get("Source")), members(d))
		suffix := ""
		if many {
			suffix = fmt.Sprintf("Destination%d", n)
		}
		made := c.connect(from, to, suffix)
		for _, r := range made {
			c.describe(r, from, to)
			ids = append(ids, r.id)
		}
		out = append(out, made...)
	}
	c.replace(ids)
	if len(out) == 0 {
		i.bad("'Destination' is an empty list")
	}
	return out
}

// end is what a connector says of one resource. other is what it says of the other one.
func (c *connector) end(given, other *dict) end {
	more := slices.ContainsFunc(given.names(), func(n name) bool { return n.text != "Id" && n.text != "Qualifier" })
	if given.has("Id") == more {
		c.bad("Must provide 'Id' (with optional 'Qualifier') or a supported combination of other properties.")
	}
	typ := func(v any) string {
		t, ok := textOf(v)
		if !ok || t == "" {
			c.bad("'Type' is missing or not a string.")
		}
		return t
	}
	id := given.get("Id")
	if !truthy(id) {
		t := typ(given.get("Type"))
		if becomes, ok := become[t]; ok {
			t = becomes
		}
		return end{typ: t, arn: given.get("Arn"), role: given.get("RoleName"), url: given.get("QueueUrl"),
			resource: given.get("ResourceId"), name: given.get("Name"), qualifier: given.get("Qualifier")}
	}
	n, ok := textOf(id)
	if !ok {
		c.bad("'Id' is missing or not a string.")
	}
	of, _ := members(c.out.get("Resources")).get(n).(*dict)
	if of.size() == 0 {
		c.bad("Unable to find resource with logical ID '%s'.", n)
	}
	properties, _ := of.get("Properties").(*dict)
	e := known(typ(of.get("Type")), n)
	if role := roleOf(e.typ, properties, other); role != "" {
		e.role = ref(role)
	}
	if given.has("Qualifier") {
		e.qualifier = given.get("Qualifier")
	}
	return e
}

// connect makes what lets one resource use the other.
func (c *connector) connect(from, to end, suffix string) []*resource {
	p := profiles()[from.typ+" "+to.typ]
	if p == nil {
		c.bad("Unable to create connector from %s to %s; it's not supported or the template is invalid.", from.typ, to.typ)
	}
	c.checkPermissions(p, from, to)
	fill := c.filling(from, to)
	subject, other := from, "Source"
	if !p.ofSource {
		subject, other = to, "Destination"
	}
	var list []any
	for _, a := range p.access {
		for _, s := range a.statements {
			done := s.statement(fill) // all are, for what is missing
			if slices.Contains(c.permissions, a.name) {
				list = append(list, done)
			}
		}
		fill(a.from)
	}
	document := object(pair{"Version", "2012-10-17"}, pair{"Statement", asAny(list)})
	need := func(v any, what string) any {
		if !truthy(v) {
			c.bad("Unable to get %s from '%s' resource.", what, other)
		}
		return v
	}
	switch p.kind {
	case "role":
		role := need(subject.role, "IAM role name")
		r := c.policy("AWS::IAM::ManagedPolicy", "Policy"+suffix).set("PolicyDocument", document).set("Roles", []any{role})
		c.order(p, from, to, r.id)
		return []*resource{r}
	case "queue":
		url := need(subject.url, "SQS queue URL")
		return []*resource{c.policy("AWS::SQS::QueuePolicy", "QueuePolicy"+suffix).set("PolicyDocument", document).set("Queues", []any{url})}
	case "topic":
		arn := need(subject.arn, "SNS topic ARN")
		return []*resource{c.policy("AWS::SNS::TopicPolicy", "TopicPolicy"+suffix).set("PolicyDocument", document).set("Topics", []any{arn})}
	}
	arn := need(subject.arn, "Lambda function ARN")
	var out []*resource
	for _, a := range p.access {
		if !slices.Contains(c.permissions, a.name) {
			continue
		}
		s := a.statements[0]
		r := c.policy("AWS::Lambda::Permission", a.name+"LambdaPermission"+suffix).set("FunctionName", arn)
		r.set("Action", s.actions[0]).set("Principal", s.service).set("SourceArn", fill(a.from))
		if a.account != "" {
			r.set("SourceAccount", fill(a.account))
		}
		out = append(out, r)
	}
	return out
}

// policy is a resource that the connector makes.
func (c *connector) policy(typ, suffix string) *resource {
	r := newResource(typ, c.id+suffix, c.attributes)
	r.dependsOn = c.dependsOn
	return r
}

func (c *connector) checkPermissions(p *profile, from, to end) {
	var all []string
	for _, a := range p.access {
		all = append(all, a.name)
	}
	list := strings.Join(all, ", ")
	if len(c.permissions) == 0 {
		c.bad("'Permissions' cannot be empty; valid values are: %s.", list)
	}
	for _, n := range c.permissions {
		if !slices.Contains(all, n) {
			c.bad("Unsupported 'Permissions' provided for connector from %s to %s; valid values are: %s.", from.typ, to.typ, list)
		}
	}
	own := slices.Sorted(slices.Values(c.permissions))
	if len(p.unless) > 0 && !slices.Contains(p.unless, strings.Join(slices.Compact(own), "+")) {
		c.bad("Unsupported 'Permissions' provided for connector from %s to %s; valid combinations are: %s.",
			from.typ, to.typ, strings.ReplaceAll(strings.Join(p.unless, ", "), "+", " + "))
	}
}

// filling puts what is known of two resources into a text.
func (c *connector) filling(from, to end) func(string) any {
	values := []pair{
		{"Source.Arn", from.arn}, {"Destination.Arn", to.arn}, {"Source.ResourceId", from.resource},
		{"Destination.ResourceId", to.resource}, {"Source.Name", from.name}, {"Destination.Name", to.name},
		{"Source.Qualifier", from.qualifier}, {"Destination.Qualifier", to.qualifier},
	}
	return func(t string) any {
		var used []pair
		for _, v := range values {
			hole := "%{" + v.name + "}"
			if !strings.Contains(t, hole) {
				continue
			}
			if v.value == nil {
				c.bad("%s is missing.", v.name)
			}
			if t == hole {
				return v.value
			}
			n := strings.ReplaceAll(v.name, ".", "")
			t = strings.ReplaceAll(t, hole, "${"+n+"}")
			used = append(used, pair{n, v.value})
		}
		if strings.Contains(t, "${") {
			return sub(t, used...)
		}
		return t
	}
}

// order makes what uses a policy wait for it.
func (c *connector) order(p *profile, from, to end, policy string) {
	wait := func(id string) {
		of, _ := members(c.out.get("Resources")).get(id).(*dict)
		if of.size() == 0 {
			return
		}
		list := []any{}
		if of.has("DependsOn") {
			list = slices.Clone(asList(of.get("DependsOn")))
		}
		if !contains(list, policy) {
			list = append(list, policy)
		}
		of.set("DependsOn", list)
	}
	switch {
	case p.before == "source" && from.id != "":
		wait(from.id)
	case p.before == "mapping" && from.id != "" && to.id != "":
		if ids := c.eventSourceMappings(from.id, to.id); len(ids) == 1 {
			wait(ids[0])
		}
	}
}

func (c *connector) eventSourceMappings(source, function string) []string {
	var out []string
	all := members(c.out.get("Resources"))
	for _, n := range all.names() {
		of, _ := all.get(n.text).(*dict)
		properties, _ := of.get("Properties").(*dict)
		if is(of.get("Type"), "AWS::Lambda::EventSourceMapping") && referred(properties.get("FunctionName")) == function &&
			referred(properties.get("EventSourceArn")) == source {
			out = append(out, n.text)
		}
	}
	return out
}

// describe says in a resource's metadata what it connects.
func (c *connector) describe(r *resource, from, to end) {
	was := func(e end) *dict {
		of, _ := c.resources().get(e.id).(*dict)
		typ := of.get("Type")
		if !truthy(typ) {
			typ = e.typ
		}
		return object(pair{"Type", typ})
	}
	meta := object()
	if d, ok := r.attributes.get("Metadata").(*dict); ok {
		meta = d.clone()
	}
	meta.set("aws:sam:connectors", object(pair{c.id, object(pair{"Source", was(from)}, pair{"Destination", was(to)})}))
	r.attributes.set("Metadata", meta)
}

// replace makes what depends on the connector depend on what it made.
func (c *connector) replace(ids []any) {
	all := members(c.out.get("Resources"))
	for _, n := range all.names() {
		of, _ := all.get(n.text).(*dict)
		if !of.has("DependsOn") {
			continue
		}
		list := asList(of.get("DependsOn"))
		i := slices.IndexFunc(list, func(v any) bool { return is(v, c.id) })
		if i < 0 {
			continue
		}
		list = slices.Delete(slices.Clone(list), i, i+1)
		for _, id := range ids {
			if !contains(list, id) {
				list = append(list, id)
			}
		}
		of.set("DependsOn", list)
	}
}

// embeddedConnectors makes resources of the connectors that stand within their sources.
func (t *transform) embeddedConnectors() {
	all := t.resources()
	made := object()
	for _, n := range all.names() {
		r := members(all.get(n.text))
		if !r.has("Connectors") {
			continue
		}
		var list *dict
		if f := catch(func() { list = attribute(n.text, n.text+".Connectors").object(r.get("Connectors")) }); f != nil {
			t.faults = append(t.faults, f)
			continue
		}
		for _, m := range list.names() {
			if f := catch(func() { t.embedded(n.text, m.text, list.get(m.text), made) }); f != nil {
				if f.kind == broken {
					panic(f)
				}
				t.faults = append(t.faults, f)
			}
		}
	}
	all.update(made)
	for _, n := range all.names() {
		members(all.get(n.text)).drop("Connectors")
	}
}

func (t *transform) embedded(source, n string, v any, made *dict) {
	id := source + n
	if _, ok := v.(*dict); !ok {
		badResource(id, "%s.%s should be a map.", source, id)
	}
	given := copyOf(v.(*dict)).set("Type", prefix+"Connector")
	properties := attribute(source, "Connectors."+n+".Properties").object(given.get("Properties"))
	from := object(pair{"Id", source})
	if properties.has("SourceReference") {
		of := at(source, "Connectors."+n+".Properties.SourceReference").object(properties.get("SourceReference"))
		if of.has("Id") {
			badResource(n, "'Id' shouldn't be defined in 'SourceReference'.")
		}
		from.update(of)
		properties.drop("SourceReference")
	}
	properties.set("Source", from)
	m, _ := t.macro(prefix + "Connector")
	i := t.read(id, given, m)
	r := i.own(i.typ)
	if !unique(r, t.resources()) {
		panic(taken(source, &resource{id: id, typ: r.typ}))
	}
	r.properties = i.properties
	made.set(id, r.dict())
}
