package sam

import (
	"slices"
	"strings"
)

// deployments are functions' DeploymentPreferences, in the order of the functions.
type deployments []*preference

// A preference is how traffic moves from one version of a function to the next.
//
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-function-deploymentpreference.html
type preference struct {
	function  string
	enabled   bool
	given     *dict
	condition any // that of the function, if deployments are to have it
	tags      *dict
}

const (
	deploymentApplication = "ServerlessDeploymentApplication"
	deploymentRole        = "CodeDeployServiceRole"
	deploymentCondition   = "ServerlessCodeDeployCondition"
)

// prefer reads the function's DeploymentPreference.
func (f *function) prefer() {
	given, _ := f.get("DeploymentPreference").(*dict)
	if given.size() == 0 {
		return
	}
	for _, n := range []string{"Enabled", "Type"} {
		if given.has(n) {
			given.set(n, f.both(given.get(n)))
		}
	}
	pass := given.has("PassthroughCondition") && f.boolean(given.get("PassthroughCondition"), "PassthroughCondition")
	given.set("PassthroughCondition", pass)
	p := &preference{function: f.id, given: given}
	f.deployments = append(f.deployments, p)
	if on := given.get("Enabled"); given.has("Enabled") && (!truthy(on) || is(on, "false") || is(on, "False")) {
		return
	}
	p.enabled = true
	if !given.has("Type") {
		f.bad("'DeploymentPreference' is missing required Property 'Type'")
	}
	hooks := object()
	if given.has("Hooks") {
		var ok bool
		if hooks, ok = given.get("Hooks").(*dict); !ok {
			f.bad("'Hooks' property of 'DeploymentPreference' must be a dictionary")
		}
	}
	if pass {
		p.condition = f.inherited().get("Condition")
	}
	if tags, ok := f.get("Tags").(*dict); ok && f.bool("PropagateTags") {
		p.tags = tags
	}
	if f.alias == nil {
		f.bad("'DeploymentPreference' requires AutoPublishAlias property to be specified.")
	}
	update := object(pair{"ApplicationName", ref(deploymentApplication)}, pair{"DeploymentGroupName", ref(p.group())})
	for _, h := range [][2]string{{"BeforeAllowTrafficHook", "PreTraffic"}, {"AfterAllowTrafficHook", "PostTraffic"}} {
		if v := hooks.get(h[1]); v != nil {
			update.set(h[0], v)
		}
	}
	f.alias.attributes.set("UpdatePolicy", object(pair{"CodeDeployLambdaAliasUpdate", update}))
}

// boolean is a property's value, which may be a text or come of a parameter or a mapping.
func (f *function) boolean(v any, property string) bool {
	v = f.both(v)
	switch {
	case v == true, is(v, "true"), is(v, "True"):
		return true
	case v == false, is(v, "false"), is(v, "False"):
		return false
	case isIntrinsic(v):
		f.bad("Unsupported intrinsic: the only intrinsic functions supported for property %s are FindInMap and parameter Refs.", property)
	}
	f.bad("Invalid value for property %s.", property)
	return false
}

// group is the logical id of the deployment group.
func (p *preference) group() string { return p.function + "DeploymentGroup" }

// deploy makes what deploys functions, if one wants that.
func (t *transform) deploy() {
	var on []*preference
	skip := true
	var conditions []any
	conditional := true
	tags := object()
	for _, p := range t.deployments {
		if !p.enabled {
			continue
		}
		on = append(on, p)
		skip = skip && truthy(p.given.get("Role"))
		if !truthy(p.condition) {
			conditional = false
		} else if !contains(conditions, p.condition) {
			conditions = append(conditions, p.condition)
		}
		tags.update(p.tags)
	}
	if len(on) == 0 {
		return
	}
	out := members(t.out.get("Resources"))
	add := func(r *resource) {
		if conditional {
			r.attributes.set("Condition", deploymentCondition)
			if len(conditions) == 1 {
				r.attributes.set("Condition", conditions[0])
			}
		}
		if tags.size() > 0 {
			r.set("Tags", tagList(tags))
		}
		out.set(r.id, r.dict())
	}
	add(newResource("AWS::CodeDeploy::Application", deploymentApplication, nil).set("ComputePlatform", "Lambda"))
	if conditional && len(conditions) > 1 {
		t.conditions().update(combined(conditions, deploymentCondition))
	}
	if !skip {
		policy := "service-role/AWSCodeDeployRoleForLambda"
		if t.Partition == "aws-iso" || t.Partition == "aws-iso-b" {
			policy += "Limited"
		}
		r := newResource("AWS::IAM::Role", deploymentRole, nil).set("ManagedPolicyArns", []any{t.awsPolicy(policy)})
		add(r.set("AssumeRolePolicyDocument", assumedBy("codedeploy.amazonaws.com")))
	}
	for _, p := range on {
		if f := catch(func() { r := p.deploymentGroup(); out.set(r.id, r.dict()) }); f != nil {
			if f.kind != ofResource {
				panic(f)
			}
			t.faults = append(t.faults, f)
		}
	}
}

func (p *preference) deploymentGroup() *resource {
	r := newResource("AWS::CodeDeploy::DeploymentGroup", p.group(), nil)
	r.set("AlarmConfiguration", p.alarms()).set("ApplicationName", ref(deploymentApplication))
	r.set("AutoRollbackConfiguration", object(pair{"Enabled", true},
		pair{"Events", []any{"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"}}))
	r.set("DeploymentConfigName", deploymentConfig(deepCopy(p.given.get("Type")), ""))
	r.set("DeploymentStyle", object(pair{"DeploymentType", "BLUE_GREEN"}, pair{"DeploymentOption", "WITH_TRAFFIC_CONTROL"}))
	r.set("ServiceRoleArn", getAtt(deploymentRole, "Arn"))
	if role := p.given.get("Role"); truthy(role) {
		r.set("ServiceRoleArn", role)
	}
	if c := p.given.get("TriggerConfigurations"); truthy(c) {
		r.set("TriggerConfigurations", c)
	}
	if p.tags.size() > 0 {
		r.set("Tags", tagList(p.tags))
	}
	if truthy(p.condition) {
		r.attributes.set("Condition", p.condition)
	}
	return r
}

func (p *preference) alarms() any {
	given := p.given.get("Alarms")
	switch {
	case !truthy(given), isNoValue(given):
		return nil
	case isIf(given):
		condition, then, otherwise := branches(given, func(says string) { badResource(p.function, "%s", says) })
		return either(condition, p.alarmsOf(then), p.alarmsOf(otherwise))
	}
	return p.alarmsOf(given)
}

func (p *preference) alarmsOf(v any) *dict {
	list, ok := v.([]any)
	if !ok {
		badResource(p.function, "Alarms must be a list")
	}
	if len(list) == 0 || isNoValue(list[0]) {
		return object()
	}
	alarms := make([]any, len(list))
	for i, a := range list {
		alarms[i] = object(pair{"Name", a})
	}
	return object(pair{"Enabled", true}, pair{"Alarms", alarms})
}

// ready are the configurations that CodeDeploy has for functions.
var ready = strings.Fields(`Canary10Percent5Minutes Canary10Percent10Minutes Canary10Percent15Minutes Canary10Percent30Minutes
	Linear10PercentEvery1Minute Linear10PercentEvery2Minutes Linear10PercentEvery3Minutes Linear10PercentEvery10Minutes AllAtOnce`)

// deploymentConfig is how CodeDeploy names a type of deployment; within is the function
// that the value is an argument of.
func deploymentConfig(v any, within string) any {
	if list, ok := v.([]any); ok {
		for i, e := range list {
			list[i] = deploymentConfig(e, "")
		}
		return list
	}
	if isIntrinsic(v) {
		d := v.(*dict)
		n, argument := d.first()
		return d.put(n, deploymentConfig(argument, n.text))
	}
	t, ok := textOf(v)
	if !ok || !slices.Contains(ready, t) {
		return v
	}
	of := sub("CodeDeployDefault.Lambda${ConfigName}", pair{"ConfigName", t})
	if within == fnSub {
		return of.get(fnSub)
	}
	return of
}
