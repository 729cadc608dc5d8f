package sam

import (
	"slices"
	"strings"
)

// restrict writes what an API's ResourcePolicy says of the methods of a path.
func (e *editor) restrict(given *dict, path string, stage any) {
	for _, p := range []struct{ list, effect string }{{"AwsAccountWhitelist", "Allow"}, {"AwsAccountBlacklist", "Deny"}} {
		if list := given.get(p.list); list != nil {
			e.restrictAccounts(list, p.effect, e.methodsOf(path, stage))
		}
	}
	for _, p := range []struct{ list, condition string }{{"IpRangeWhitelist", "NotIpAddress"}, {"IpRangeBlacklist", "IpAddress"}} {
		if list := given.get(p.list); truthy(list) {
			e.restrictTo(e.methodsOf(path, stage), object(pair{p.condition, object(pair{"aws:SourceIp", asList(list)})}))
		}
	}
	resources := e.methodsOf(path, stage)
	for _, p := range []struct{ color, condition string }{{"Black", "StringEquals"}, {"White", "StringNotEquals"}} {
		list := given.get("SourceVpc" + p.color + "list")
		if list != nil && slices.ContainsFunc(elements(list), func(v any) bool { _, ok := textOf(v); return !ok }) {
			badStructure("SourceVpc%slist must be a list of strings. Use IntrinsicVpc%slist instead for values that use Intrinsic Functions",
				p.color, p.color)
		}
		e.restrictNetworks(list, given.get("IntrinsicVpc"+p.color+"list"), given.get("IntrinsicVpce"+p.color+"list"), p.condition, resources)
	}
	e.doc.set(xPolicy, e.policy)
}

// methodsOf are the methods of a path as policies name them.
func (e *editor) methodsOf(path string, stage any) []any {
	var methods []name
	e.items(path, func(item *dict) { methods = append(methods, item.names()...) })
	mark := false
	for _, n := range e.paths.names() {
		if n.text == path {
			mark = n.marked
		}
	}
	pattern := anyVariable.ReplaceAllString(path, "*")
	out := []any{}
	for _, m := range methods {
		method, marked := strings.ToUpper(m.text), m.marked
		if lower := strings.ToLower(m.text); lower == anyMethod || lower == "any" {
			method, marked = "*", false
		}
		resource := like(marked || mark, "execute-api:/${__Stage__}/"+method+pattern)
		out = append(out, sub(resource, pair{"__Stage__", stage}))
	}
	return out
}

func (e *editor) restrictAccounts(list any, effect string, resources []any) {
	if !truthy(list) {
		return
	}
	switch list.(type) {
	case *dict, []any:
	default:
		badStructure("Type of '%s' must be a list or dictionary", str(list))
	}
	policy := members(e.policy)
	policy.set("Version", "2012-10-17")
	one := statement(effect, "execute-api:Invoke", resources, hashed(pair{"AWS", asList(list)}))
	if policy.get("Statement") == nil {
		policy.set("Statement", one)
		return
	}
	policy.set("Statement", append(slices.Clone(asList(policy.get("Statement"))), one))
}

func statement(effect, action string, resources, principal any) *dict {
	return hashed().set("Effect", effect).set("Action", action).set("Resource", resources).set("Principal", principal)
}

// restrictTo lets everybody call, but where the condition holds.
func (e *editor) restrictTo(resources []any, condition *dict) {
	e.state(
		statement("Allow", "execute-api:Invoke", resources, "*"),
		statement("Deny", "execute-api:Invoke", resources, "*").set("Condition", condition))
}

// state adds statements that the policy does not have yet.
func (e *editor) state(statements ...any) {
	policy := members(e.policy)
	policy.set("Version", "2012-10-17")
	var list []any
	if s := policy.get("Statement"); s != nil {
		list = slices.Clone(asList(s))
	}
	for _, s := range statements {
		if !contains(list, s) {
			list = append(list, s)
		}
	}
	policy.set("Statement", list)
}

func (e *editor) restrictNetworks(list, vpcs, endpoints any, condition string, resources []any) {
	of := hashed()
	extend := func(key string, more []any) {
		of.set(key, append(elements(of.add(name{text: key}, []any{})), more...))
	}
	if list != nil {
		for _, kind := range []struct{ prefix, key string }{{"vpc-", "aws:SourceVpc"}, {"vpce-", "aws:SourceVpce"}} {
			var own []any
			for _, v := range elements(list) {
				if strings.HasPrefix(text(v), kind.prefix) {
					own = append(own, v)
				}
			}
			if len(own) > 0 {
				extend(kind.key, own)
			}
		}
	}
	if vpcs != nil {
		extend("aws:SourceVpc", elements(vpcs))
	}
	if endpoints != nil {
		extend("aws:SourceVpce", elements(endpoints))
	}
	if truthy(of.get("aws:SourceVpc")) || truthy(of.get("aws:SourceVpce")) {
		e.restrictTo(resources, object(pair{condition, of}))
	}
}

// addStatements adds statements of the template's own.
func (e *editor) addStatements(statements any) {
	policy := members(e.policy)
	if policy.get("Statement") == nil {
		policy.set("Version", "2012-10-17")
		policy.set("Statement", statements)
	} else {
		e.state(asList(statements)...)
	}
	e.doc.set(xPolicy, e.policy)
}
