package sam

import (
	"slices"
	"strconv"
	"strings"
)

// stage are the API's deployment, whose id changes with what it deploys, and its stage.
func (a *api) stage(rest *resource) (deployment, stage *resource) {
	deployment = newResource("AWS::ApiGateway::Deployment", a.id+"Deployment", a.inherited())
	deployment.set("RestApiId", rest.ref())
	version := a.get("OpenApiVersion")
	if !truthy(version) {
		deployment.set("StageName", "Stage")
	}
	stageName := text(a.get("StageName"))
	id := logicalID(a.id+"Stage", stageName)
	if isAlnum(stageName) {
		id = a.id + stageName + "Stage"
	}
	stage = newResource("AWS::ApiGateway::Stage", id, a.inherited())
	stage.set("RestApiId", ref(a.id)).set("DeploymentId", deployment.ref())
	for _, n := range []string{"StageName", "CacheClusterEnabled", "CacheClusterSize", "Variables", "MethodSettings", "AccessLogSetting",
		"CanarySetting", "TracingEnabled"} {
		stage.set(n, a.get(n))
	}
	body := rest.get("Body")
	if body == nil {
		body = rest.get("BodyS3Location")
	}
	if truthy(body) {
		data := a.deployed(body)
		deployment.id = logicalID(deployment.id, data)
		deployment.set("Description", "RestApi deployment id: "+digest(data))
		stage.set("DeploymentId", deployment.ref())
	}
	if tags := a.get("Tags"); tags != nil {
		stage.set("Tags", tagList(members(tags)))
	}
	return deployment, stage
}

// deployed is what the id of a deployment hashes.
func (a *api) deployed(body any) string {
	if truthy(a.get("AlwaysDeploy")) {
		if a.Now == nil {
			fail()
		}
		return strconv.FormatInt(a.Now().Unix(), 10)
	}
	data := []string{str(body)}
	if v := a.get("OpenApiVersion"); truthy(v) {
		data = append(data, str(v))
	}
	if d := a.get("Domain"); truthy(d) {
		data = append(data, loose.dump(d))
	}
	if n := a.functions[a.id]; n != "" {
		data = append(data, n)
	}
	return strings.Join(data, "||")
}

// A sharedPlan is the usage plan of all APIs that share one.
type sharedPlan struct {
	keys, stages      []any
	apis              []string
	conditions        []any
	unconditional     bool
	deletion, replace any
}

const sharedCondition = "SharedUsagePlanCondition"

// attributes are the plan's with one API more.
func (p *sharedPlan) attributes(t *transform, of *dict) *dict {
	if d := of.get("DeletionPolicy"); truthy(d) && (!truthy(p.deletion) || is(d, "Retain")) {
		p.deletion = d
	}
	if u := of.get("UpdateReplacePolicy"); truthy(u) {
		if !truthy(p.replace) || is(u, "Retain") || is(u, "Snapshot") && is(p.replace, "Delete") {
			p.replace = u
		}
	}
	p.addCondition(t, of.get("Condition"))
	out := object()
	if truthy(p.deletion) {
		out.set("DeletionPolicy", p.deletion)
	}
	if truthy(p.replace) {
		out.set("UpdateReplacePolicy", p.replace)
	}
	if len(p.conditions) > 0 && !p.unconditional {
		out.set("Condition", sharedCondition)
	}
	return out
}

func (p *sharedPlan) addCondition(t *transform, c any) {
	all, _ := t.out.get("Conditions").(*dict)
	switch {
	case p.unconditional:
	case c == nil:
		p.unconditional = true
		all.drop(sharedCondition)
	case truthy(c) && !contains(p.conditions, c):
		if all == nil {
			badTemplate("Can't have condition without having 'Conditions' section in the template")
		}
		p.conditions = append(p.conditions, c)
		if len(p.conditions) > 1 {
			all.set(sharedCondition, anyOf(p.conditions))
		} else {
			all.set(sharedCondition, c)
		}
	}
}

var planProperties = []string{"CreateUsagePlan", "Description", "Quota", "Tags", "Throttle", "UsagePlanName"}

// usagePlan are the API's plan, its key, and what joins them.
func (a *api) usagePlan(stage *resource) []*resource {
	auth, _ := a.get("Auth").(*dict)
	if auth.get("UsagePlan") == nil {
		return nil
	}
	given, ok := auth.get("UsagePlan").(*dict)
	if !ok {
		a.bad("'UsagePlan' must be a dictionary")
	}
	for _, n := range given.names() {
		if !slices.Contains(planProperties, n.text) {
			a.bad("Invalid property for 'UsagePlan'")
		}
	}
	create := given.get("CreateUsagePlan")
	if create == nil {
		a.bad("'CreateUsagePlan' is a required field for UsagePlan.")
	}
	var made []*resource
	switch text(create) {
	case none:
		return nil
	case "PER_API":
		made = a.ownPlan(stage)
	case "SHARED":
		made = a.sharedPlan(stage)
	default:
		a.bad("'CreateUsagePlan' accepts one of ['SHARED', 'PER_API', 'NONE'].")
	}
	for _, n := range planProperties[1:] {
		if v := given.get(n); truthy(v) {
			made[0].set(n, v)
		}
	}
	return made
}

// inPlan and ofKey are a stage as plans and keys name it.
func (a *api) inPlan(stage *resource) *dict {
	return object(pair{"ApiId", ref(a.id)}, pair{"Stage", stage.ref()})
}

func (a *api) ofKey(stage *resource) *dict {
	return object(pair{"RestApiId", ref(a.id)}, pair{"StageName", stage.ref()})
}

func (a *api) ownPlan(stage *resource) []*resource {
	plan := newResource("AWS::ApiGateway::UsagePlan", a.id+"UsagePlan", a.inherited()).on(a.id)
	plan.set("ApiStages", []any{a.inPlan(stage)})
	key := newResource("AWS::ApiGateway::ApiKey", a.id+"ApiKey", a.inherited()).on(plan.id)
	key.set("Enabled", true).set("StageKeys", []any{a.ofKey(stage)})
	return []*resource{plan, key, planKey(newResource("AWS::ApiGateway::UsagePlanKey", a.id+"UsagePlanKey", a.inherited()), plan, key)}
}

func planKey(r, plan, key *resource) *resource {
	return r.on(key.id).set("KeyId", key.ref()).set("KeyType", "API_KEY").set("UsagePlanId", plan.ref())
}

func (a *api) sharedPlan(stage *resource) []*resource {
	p := &a.plan
	attributes := func() *dict { return p.attributes(a.transform, a.inherited()) }
	if !slices.Contains(p.apis, a.id) {
		p.apis = append(p.apis, a.id)
	}
	plan := newResource("AWS::ApiGateway::UsagePlan", "ServerlessUsagePlan", attributes()).on(p.apis...)
	if s := a.inPlan(stage); !contains(p.stages, s) {
		p.stages = append(p.stages, s)
	}
	plan.set("ApiStages", slices.Clone(p.stages))
	key := newResource("AWS::ApiGateway::ApiKey", "ServerlessApiKey", attributes()).on(plan.id)
	if s := a.ofKey(stage); !contains(p.keys, s) {
		p.keys = append(p.keys, s)
	}
	key.set("Enabled", true).set("StageKeys", slices.Clone(p.keys))
	return []*resource{plan, key, planKey(newResource("AWS::ApiGateway::UsagePlanKey", "ServerlessUsagePlanKey", attributes()), plan, key)}
}
