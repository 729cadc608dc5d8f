package resource

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	gatewayapi "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

// gatewayStageTypes are what REST APIs are served by.
var gatewayStageTypes = []*Type{
	{
		// What an interrupted creation made stays with its API, and goes with it.
		Name:   "AWS::ApiGateway::Deployment",
		Create: deploy,
		Update: func(c *Call) error {
			e := edits{c: c}
			e.texts("Description")
			if len(e.ops) > 0 {
				if _, err := gatewayapi.UpdateDeployment.Do(c, c.Peers, &gatewayapi.UpdateDeploymentRequest{RestApiId: c.restAPI(), DeploymentId: &c.ID, PatchOperations: e.ops}); err != nil {
					return err
				}
			}
			if c.Changed("StageName") && c.Has("StageName") {
				return showDeployment(c)
			}
			if c.Changed("StageDescription") && c.Has("StageName") {
				return describeStage(c)
			}
			return nil
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetDeployment.Do(c, c.Peers, &gatewayapi.GetDeploymentRequest{RestApiId: c.restAPI(), DeploymentId: &c.ID})
			if err != nil {
				return nil, err
			}
			return map[string]any{"DeploymentId": c.ID, "Description": aws.Value(out.Description), "RestApiId": c.Text("RestApiId")}, nil
		},
		// The stage that it made goes with it, unless that serves something else by now.
		Delete: func(c *Call) error {
			if c.Has("StageName") {
				at := new(c.Text("StageName"))
				st, err := gatewayapi.GetStage.Do(c, c.Peers, &gatewayapi.GetStageRequest{RestApiId: c.restAPI(), StageName: at})
				if err == nil && aws.Value(st.DeploymentId) == c.ID {
					_, err = gatewayapi.DeleteStage.Do(c, c.Peers, &gatewayapi.DeleteStageRequest{RestApiId: c.restAPI(), StageName: at})
				}
				if err != nil && !Gone(err) {
					return err
				}
			}
			_, err := gatewayapi.DeleteDeployment.Do(c, c.Peers, &gatewayapi.DeleteDeploymentRequest{RestApiId: c.restAPI(), DeploymentId: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::ApiGateway::Stage",
		Create: func(c *Call) error {
			in := &gatewayapi.CreateStageRequest{Tags: c.marks()}
			c.Take("Tags", "AccessLogSetting", "MethodSettings", "ClientCertificateId")
			_, err := Do(c, &gatewayapi.CreateStage, func(made *gatewayapi.CreateStageRequest) { made.Tags = in.Tags; in = made },
				func(in *gatewayapi.CreateStageRequest) { in.CanarySettings = canary(c) })
			c.ID = aws.Value(in.StageName)
			if err := c.made(err); err != nil {
				return err
			}
			e := edits{c: c}
			if c.Has("ClientCertificateId") {
				e.op("replace", "/clientCertificateId", c.Text("ClientCertificateId"))
			}
			e.accessLog(nil, c.Get("AccessLogSetting"))
			e.methodSettings(nil, nil, objects(c.Get("MethodSettings")))
			return editStage(c, c.ID, e.ops)
		},
		Update: func(c *Call) error {
			have, err := gatewayapi.GetStage.Do(c, c.Peers, &gatewayapi.GetStageRequest{RestApiId: c.restAPI(), StageName: &c.ID})
			if err != nil {
				return err
			}
			e := edits{c: c}
			e.texts("DeploymentId", "Description", "DocumentationVersion", "ClientCertificateId")
			e.text("TracingEnabled", "/tracingEnabled", "false")
			e.text("CacheClusterEnabled", "/cacheClusterEnabled", "false")
			e.text("CacheClusterSize", "/cacheClusterSize", "0.5")
			e.stage(have, c.Old, c.Properties)
			if c.Changed("CanarySetting") {
				e.canary(have, canary(c))
			}
			c.Take("Variables", "AccessLogSetting", "MethodSettings")
			if err := editStage(c, c.ID, e.ops); err != nil {
				return err
			}
			return c.retagGateway("/restapis/" + c.Text("RestApiId") + "/stages/" + c.ID)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetStage.Do(c, c.Peers, &gatewayapi.GetStageRequest{RestApiId: c.restAPI(), StageName: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "CacheClusterEnabled", "CacheClusterSize", "ClientCertificateId", "DeploymentId", "Description", "DocumentationVersion", "StageName", "TracingEnabled", "Variables")
			got["RestApiId"] = c.Text("RestApiId")
			if l := out.AccessLogSettings; l != nil {
				got["AccessLogSetting"] = ordered.New().Set("DestinationArn", aws.Value(l.DestinationArn)).Set("Format", aws.Value(l.Format))
			}
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteStage.Do(c, c.Peers, &gatewayapi.DeleteStageRequest{RestApiId: c.restAPI(), StageName: &c.ID})
			return err
		},
	},
}

// deploy makes a deployment, and the stage that its properties name.
func deploy(c *Call) error {
	about, _ := c.Get("StageDescription").(*ordered.Object)
	shape := c.without("StageDescription")
	out, err := Do(shape, &gatewayapi.CreateDeployment, func(in *gatewayapi.CreateDeploymentRequest) {
		if o, ok := c.Get("DeploymentCanarySettings").(*ordered.Object); ok {
			in.CanarySettings = &gatewayapi.DeploymentCanarySettings{}
			if err := FillFrom(in.CanarySettings, o, "DeploymentCanarySettings"); err != nil {
				in.CanarySettings = nil // the schema has said that it fits
			}
		}
	})
	if err != nil {
		return err
	}
	c.Take("RestApiId", "StageName", "Description")
	c.ID = *out.Id
	c.Set("DeploymentId", c.ID)
	if about == nil || !c.Has("StageName") || c.Has("DeploymentCanarySettings") {
		return nil
	}
	return describeStage(c)
}

// showDeployment makes a stage of a deployment, or has a stage that is there serve it.
func showDeployment(c *Call) error {
	name := c.Text("StageName")
	_, err := gatewayapi.CreateStage.Do(c, c.Peers, &gatewayapi.CreateStageRequest{RestApiId: c.restAPI(), StageName: &name, DeploymentId: &c.ID})
	if Exists(err) {
		err = editStage(c, name, []gatewayapi.PatchOperation{{Op: new("replace"), Path: new("/deploymentId"), Value: &c.ID}})
	}
	if err != nil {
		return err
	}
	return describeStage(c)
}

// describeStage makes the stage of a deployment what the property StageDescription says.
// It holds a method setting's members, too: they are all methods'.
func describeStage(c *Call) error {
	about, _ := c.Get("StageDescription").(*ordered.Object)
	name := c.Text("StageName")
	have, err := gatewayapi.GetStage.Do(c, c.Peers, &gatewayapi.GetStageRequest{RestApiId: c.restAPI(), StageName: &name})
	if err != nil {
		return err
	}
	var old *ordered.Object
	if c.Old != nil && !c.Changed("StageName") {
		old, _ = c.Old.Get("StageDescription").(*ordered.Object)
	}
	if about == nil {
		about = ordered.New()
	}
	if old == nil {
		old = ordered.New()
	}
	e := edits{c: c}
	for member, otherwise := range map[string]string{"Description": "", "DocumentationVersion": "", "ClientCertificateId": "", "TracingEnabled": "false", "CacheClusterEnabled": "false", "CacheClusterSize": "0.5"} {
		if about.Has(member) {
			e.op("replace", "/"+lowerFirst(member), Texted(about.Get(member)))
		} else if old.Has(member) {
			e.op("replace", "/"+lowerFirst(member), otherwise)
		}
	}
	slices.SortFunc(e.ops, func(a, b gatewayapi.PatchOperation) int { return strings.Compare(*a.Path, *b.Path) })
	e.stage(have, spread(old), spread(about))
	if o, ok := about.Get("CanarySetting").(*ordered.Object); ok {
		canary := &gatewayapi.CanarySettings{DeploymentId: &c.ID}
		if err := FillFrom(canary, o, "CanarySetting"); err != nil {
			return err
		}
		e.canary(have, canary)
	}
	if err := editStage(c, name, e.ops); err != nil {
		return err
	}
	tags := map[string]string{}
	for _, t := range objects(about.Get("Tags")) {
		tags[member(t, "Key")] = member(t, "Value")
	}
	if len(tags) == 0 {
		return nil
	}
	_, err = gatewayapi.TagResource.Do(c, c.Peers, &gatewayapi.TagResourceRequest{Tags: tags,
		ResourceArn: new("arn:aws:apigateway:" + c.Stack.Region + "::/restapis/" + c.Text("RestApiId") + "/stages/" + name)})
	return err
}

// spread is a stage's description with what it says of all methods among its settings.
func spread(about *ordered.Object) *ordered.Object {
	all := ordered.New()
	for _, m := range methodMembers {
		if about.Has(m.member) {
			all.Set(m.member, about.Get(m.member))
		}
	}
	if len(all.Names()) == 0 {
		return about
	}
	settings := []any{all.Set("ResourcePath", "/*").Set("HttpMethod", "*")}
	for _, own := range objects(about.Get("MethodSettings")) {
		settings = append(settings, own)
	}
	out := ordered.New()
	out.Merge(about)
	return out.Set("MethodSettings", settings)
}

func editStage(c *Call, name string, ops []gatewayapi.PatchOperation) error {
	if len(ops) == 0 {
		return nil
	}
	_, err := gatewayapi.UpdateStage.Do(c, c.Peers, &gatewayapi.UpdateStageRequest{RestApiId: c.restAPI(), StageName: &name, PatchOperations: ops})
	return err
}

// stage brings the variables, the access log and the settings of a stage from old to now.
func (e *edits) stage(have *gatewayapi.Stage, old, now *ordered.Object) {
	e.entries("/variables", old.Get("Variables"), now.Get("Variables"))
	e.accessLog(have.AccessLogSettings, now.Get("AccessLogSetting"))
	e.methodSettings(have.MethodSettings, objects(old.Get("MethodSettings")), objects(now.Get("MethodSettings")))
}

func (e *edits) accessLog(have *gatewayapi.AccessLogSettings, now any) {
	o, _ := now.(*ordered.Object)
	if o == nil || len(o.Names()) == 0 {
		if have != nil {
			e.op("remove", "/accessLogSettings", "")
		}
		return
	}
	for _, name := range []string{"DestinationArn", "Format"} {
		if o.Has(name) {
			e.op("replace", "/accessLogSettings/"+lowerFirst(name), member(o, name))
		}
	}
}

// methodMembers are the members of a method's settings, and where they are changed.
var methodMembers = []struct{ member, path string }{
	{"MetricsEnabled", "metrics/enabled"}, {"DataTraceEnabled", "logging/dataTrace"}, {"LoggingLevel", "logging/loglevel"},
	{"ThrottlingBurstLimit", "throttling/burstLimit"}, {"ThrottlingRateLimit", "throttling/rateLimit"}, {"CachingEnabled", "caching/enabled"},
	{"CacheTtlInSeconds", "caching/ttlInSeconds"}, {"CacheDataEncrypted", "caching/dataEncrypted"},
}

// methodKey is the method that settings are for, as a stage knows it.
func methodKey(o *ordered.Object) string {
	path, verb := member(o, "ResourcePath"), member(o, "HttpMethod")
	if verb == "" {
		verb = "*"
	}
	if path == "" || path == "/*" || path == "*" {
		return "*/" + verb
	}
	return pointed(path) + "/" + verb
}

func (e *edits) methodSettings(have map[string]gatewayapi.MethodSetting, old, now []*ordered.Object) {
	var keep []string
	for _, o := range now {
		keep = append(keep, methodKey(o))
	}
	// What was set here goes first, so that members that are left out get their defaults.
	for _, o := range old {
		key := methodKey(o)
		_, there := have[key]
		same := slices.ContainsFunc(now, func(n *ordered.Object) bool {
			return methodKey(n) == key && string(ordered.Compact(n)) == string(ordered.Compact(o))
		})
		if there && !same {
			e.op("remove", "/"+key, "")
		}
	}
	for i, o := range now {
		for _, m := range methodMembers {
			if o.Has(m.member) {
				e.op("replace", "/"+keep[i]+"/"+m.path, member(o, m.member))
			}
		}
	}
}

// canary is the property CanarySetting; nil without.
func canary(c *Call) *gatewayapi.CanarySettings {
	o, ok := c.Get("CanarySetting").(*ordered.Object)
	out := &gatewayapi.CanarySettings{}
	if !ok || FillFrom(out, o, "CanarySetting") != nil {
		return nil
	}
	return out
}

func (e *edits) canary(have *gatewayapi.Stage, now *gatewayapi.CanarySettings) {
	if have.CanarySettings != nil {
		e.op("remove", "/canarySettings", "")
	}
	if now == nil {
		return
	}
	if now.DeploymentId != nil {
		e.op("replace", "/canarySettings/deploymentId", *now.DeploymentId)
	}
	if now.PercentTraffic != nil {
		e.op("replace", "/canarySettings/percentTraffic", strconv.FormatFloat(*now.PercentTraffic, 'f', -1, 64))
	}
	if now.UseStageCache != nil && *now.UseStageCache {
		e.op("replace", "/canarySettings/useStageCache", "true")
	}
	for _, key := range slices.Sorted(maps.Keys(now.StageVariableOverrides)) {
		e.op("replace", "/canarySettings/stageVariableOverrides/"+pointed(key), now.StageVariableOverrides[key])
	}
}
