package sam

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var stateMachineProperties = properties(`
	Definition map
	DefinitionUri str|map
	Logging map
	Role str
	RolePath any
	DefinitionSubstitutions map
	Events {map}
	Name str
	Type str
	Tags map
	PropagateTags bool
	Policies str|[str|map]
	Tracing map
	PermissionsBoundary str
	AutoPublishAlias any
	DeploymentPreference any
	UseAliasAsEventTarget =bool
`)

// stateMachine is a state machine of Step Functions.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-statemachine.html
func (i *item) stateMachine() []*resource {
	events, sources := i.linked(stateMachineSource)
	r := i.own("AWS::StepFunctions::StateMachine")
	r.marked = false
	out := []*resource{r}
	i.define(r)
	if i.bool("Role") && i.bool("Policies") {
		i.bad("Specify either 'Role' or 'Policies' (but not both at the same time) or neither of them")
	}
	tags := append(tagList(object(pair{"stateMachine:createdBy", "SAM"})), tagList(dictOr(i.get("Tags")))...)
	if role := i.get("Role"); truthy(role) {
		r.set("RoleArn", role)
	} else {
		if traced := dictOr(i.get("Tracing")); traced.get("Enabled") == true {
			given := i.get("Policies")
			var policies []any
			if truthy(given) {
				policies = slices.Clone(asList(given))
			}
			i.properties.set("Policies", append(policies, i.tracePolicy()))
		}
		own := i.role(nil, nil, tags).set("AssumeRolePolicyDocument", assumedBy("states.amazonaws.com"))
		r.set("RoleArn", own.arn())
		out = append(out, own)
	}
	for _, p := range [][2]string{{"StateMachineName", "Name"}, {"StateMachineType", "Type"}, {"LoggingConfiguration", "Logging"},
		{"TracingConfiguration", "Tracing"}} {
		r.set(p[0], i.get(p[1]))
	}
	r.set("Tags", tags)
	target := r
	if made := i.publishStateMachine(r); made != nil {
		out = append(out, made...)
		if i.bool("UseAliasAsEventTarget") {
			target = made[1]
		}
	}
	out = append(out, becomeOf(events, sources, target, nil)...)
	propagate(out, i.get("Tags"), i.bool("PropagateTags"))
	return out
}

// dictOr is v where it is a dict, else none.
func dictOr(v any) *dict {
	d, _ := v.(*dict)
	return d
}

// define says what the state machine does. What is yet unknown of that becomes substitutions.
func (i *item) define(r *resource) {
	definition, uri := i.get("Definition"), i.get("DefinitionUri")
	substitutions := i.get("DefinitionSubstitutions")
	if truthy(substitutions) {
		r.set("DefinitionSubstitutions", substitutions)
	}
	switch {
	case truthy(definition) && truthy(uri):
		i.bad("Specify either 'Definition' or 'DefinitionUri' property and not both.")
	case truthy(definition):
		d := deepCopy(definition)
		found := object()
		substituteStates(d, found)
		if found.size() > 0 {
			if truthy(substitutions) {
				members(substitutions).update(found)
			} else {
				r.set("DefinitionSubstitutions", found)
			}
		}
		var parts []any
		for line := range strings.SplitSeq(lines.dump(d), "\n") {
			parts = append(parts, line)
		}
		r.set("DefinitionString", join("\n", parts...))
	case truthy(uri):
		r.set("DefinitionS3Location", i.location(uri))
	default:
		i.bad("Either 'Definition' or 'DefinitionUri' property must be specified.")
	}
}

var dynamic = regexp.MustCompile(`^\{\{resolve:([a-z-]+):(.+)\}\}$`)

// substituteStates puts substitutions in the place of functions and dynamic references.
func substituteStates(v any, found *dict) {
	swap := func(v any) any {
		if isIntrinsic(v) || dynamic.MatchString(text(v)) {
			n := fmt.Sprintf("definition_substitution_%d", found.size()+1)
			found.set(n, v)
			return "${" + n + "}"
		}
		substituteStates(v, found)
		return v
	}
	switch v := v.(type) {
	case *dict:
		names := v.names()
		slices.SortFunc(names, func(a, b name) int { return strings.Compare(a.text, b.text) })
		for _, n := range names {
			v.put(n, swap(v.get(n.text)))
		}
	case []any:
		for n, e := range v {
			v[n] = swap(e)
		}
	}
}

// publishStateMachine are the version and the alias of a state machine with AutoPublishAlias.
func (i *item) publishStateMachine(r *resource) []*resource {
	alias, preference := i.get("AutoPublishAlias"), i.get("DeploymentPreference")
	if !truthy(alias) {
		for _, n := range []string{"UseAliasAsEventTarget", "DeploymentPreference"} {
			if i.bool(n) {
				i.bad("'%s' requires 'AutoPublishAlias' property to be specified.", n)
			}
		}
		return nil
	}
	attributes := i.inherited()
	for _, n := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
		attributes.add(name{text: n}, "Retain")
	}
	version := newResource("AWS::StepFunctions::StateMachineVersion", i.id+"Version", attributes)
	version.set("StateMachineArn", r.arn()).set("StateMachineRevisionId", getAtt(r.id, "StateMachineRevisionId"))
	traffic := object(pair{"Type", "ALL_AT_ONCE"})
	if truthy(preference) {
		traffic = members(preference)
	}
	traffic.set("StateMachineVersionArn", version.arn())
	to := newResource("AWS::StepFunctions::StateMachineAlias", i.id+"Alias"+str(alias), i.inherited())
	return []*resource{version, to.set("Name", alias).set("DeploymentPreference", traffic)}
}
