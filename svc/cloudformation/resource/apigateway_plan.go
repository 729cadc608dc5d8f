package resource

import (
	"maps"
	"slices"
	"strings"

	gatewayapi "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// gatewayPlanTypes are who may call REST APIs how much.
var gatewayPlanTypes = []*Type{
	{
		Name: "AWS::ApiGateway::ApiKey",
		Create: func(c *Call) error {
			out, err := Do(c, &gatewayapi.CreateApiKey, func(in *gatewayapi.CreateApiKeyRequest) {
				if in.Tags = c.marks(); in.Name == nil {
					in.Name = new(c.steady(1024))
				}
			})
			if err != nil {
				return err
			}
			c.ID = *out.Id
			c.Set("APIKeyId", c.ID)
			return nil
		},
		Find: func(c *Call) error {
			in := &gatewayapi.GetApiKeysRequest{Limit: new(int32(500))}
			return pages(c, &gatewayapi.GetApiKeys, in, func(out *gatewayapi.ApiKeys) bool {
				for _, k := range out.Items {
					if c.marked(k.Tags) {
						c.found(*k.Id)
						c.Set("APIKeyId", c.ID)
						return false
					}
				}
				return more(&in.Position, out.Position)
			})
		},
		Update: func(c *Call) error {
			e := edits{c: c}
			e.texts("Description", "CustomerId")
			e.text("Enabled", "/enabled", "false")
			if c.Changed("StageKeys") {
				old, now := stageKeys(c.Old.Get("StageKeys")), stageKeys(c.Get("StageKeys"))
				for _, k := range without(old, now) {
					e.op("remove", "/stages", k)
				}
				for _, k := range without(now, old) {
					e.op("add", "/stages", k)
				}
			}
			if len(e.ops) > 0 {
				if _, err := gatewayapi.UpdateApiKey.Do(c, c.Peers, &gatewayapi.UpdateApiKeyRequest{ApiKey: &c.ID, PatchOperations: e.ops}); err != nil {
					return err
				}
			}
			return c.retagGateway("/apikeys/" + c.ID)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetApiKey.Do(c, c.Peers, &gatewayapi.GetApiKeyRequest{ApiKey: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "CustomerId", "Description", "Enabled", "Name")
			got["APIKeyId"] = c.ID
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteApiKey.Do(c, c.Peers, &gatewayapi.DeleteApiKeyRequest{ApiKey: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::ApiGateway::UsagePlan",
		Create: func(c *Call) error {
			out, err := Do(c, &gatewayapi.CreateUsagePlan, func(in *gatewayapi.CreateUsagePlanRequest) {
				in.Tags, in.Name = c.marks(), new(c.Text("UsagePlanName"))
				if *in.Name == "" {
					in.Name = new(c.steady(255))
				}
			})
			if err != nil {
				return err
			}
			c.ID = *out.Id
			c.Set("Id", c.ID)
			return nil
		},
		Find: func(c *Call) error {
			in := &gatewayapi.GetUsagePlansRequest{Limit: new(int32(500))}
			return pages(c, &gatewayapi.GetUsagePlans, in, func(out *gatewayapi.UsagePlans) bool {
				for _, p := range out.Items {
					if c.marked(p.Tags) {
						c.found(*p.Id)
						c.Set("Id", c.ID)
						return false
					}
				}
				return more(&in.Position, out.Position)
			})
		},
		Update: updatePlan,
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetUsagePlan.Do(c, c.Peers, &gatewayapi.GetUsagePlanRequest{UsagePlanId: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "ApiStages", "Description", "Quota", "Throttle")
			got["Id"], got["UsagePlanName"] = c.ID, aws.Value(out.Name)
			return got, nil
		},
		// A plan that has stages stays, so they are taken out first, whoever put them in.
		Delete: func(c *Call) error {
			have, err := gatewayapi.GetUsagePlan.Do(c, c.Peers, &gatewayapi.GetUsagePlanRequest{UsagePlanId: &c.ID})
			if err != nil {
				return err
			}
			e := edits{c: c}
			for _, st := range have.ApiStages {
				e.op("remove", "/apiStages", aws.Value(st.ApiId)+":"+aws.Value(st.Stage))
			}
			if err := editPlan(c, e.ops); err != nil {
				return err
			}
			_, err = gatewayapi.DeleteUsagePlan.Do(c, c.Peers, &gatewayapi.DeleteUsagePlanRequest{UsagePlanId: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::ApiGateway::UsagePlanKey",
		Create: func(c *Call) error {
			c.ID = c.Text("KeyId") + ":" + c.Text("UsagePlanId")
			c.Set("Id", c.ID)
			_, err := Do(c, &gatewayapi.CreateUsagePlanKey)
			return c.made(err)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetUsagePlanKey.Do(c, c.Peers, &gatewayapi.GetUsagePlanKeyRequest{KeyId: new(c.Text("KeyId")), UsagePlanId: new(c.Text("UsagePlanId"))})
			if err != nil {
				return nil, err
			}
			return map[string]any{"Id": c.ID, "KeyId": *out.Id, "KeyType": *out.Type, "UsagePlanId": c.Text("UsagePlanId")}, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteUsagePlanKey.Do(c, c.Peers, &gatewayapi.DeleteUsagePlanKeyRequest{KeyId: new(c.Text("KeyId")), UsagePlanId: new(c.Text("UsagePlanId"))})
			return err
		},
	},
}

// stageKeys are the stages of a key's property, as patches name them.
func stageKeys(v any) []string {
	var out []string
	for _, o := range objects(v) {
		out = append(out, member(o, "RestApiId")+"/"+member(o, "StageName"))
	}
	return out
}

func editPlan(c *Call, ops []gatewayapi.PatchOperation) error {
	if len(ops) == 0 {
		return nil
	}
	_, err := gatewayapi.UpdateUsagePlan.Do(c, c.Peers, &gatewayapi.UpdateUsagePlanRequest{UsagePlanId: &c.ID, PatchOperations: ops})
	return err
}

func updatePlan(c *Call) error {
	have, err := gatewayapi.GetUsagePlan.Do(c, c.Peers, &gatewayapi.GetUsagePlanRequest{UsagePlanId: &c.ID})
	if err != nil {
		return err
	}
	e := edits{c: c}
	e.text("UsagePlanName", "/name", c.ID)
	e.texts("Description")
	for property, there := range map[string]bool{"Quota": have.Quota != nil, "Throttle": have.Throttle != nil} {
		if !c.Changed(property) {
			continue
		}
		now, ok := c.Get(property).(*ordered.Object)
		if there {
			e.op("remove", "/"+lowerFirst(property), "")
		}
		for _, name := range members(now, ok) {
			e.op("replace", "/"+lowerFirst(property)+"/"+lowerFirst(name), member(now, name))
		}
	}
	if c.Changed("ApiStages") {
		e.planStages(have)
	}
	if err := editPlan(c, e.ops); err != nil {
		return err
	}
	return c.retagGateway("/usageplans/" + c.ID)
}

func members(o *ordered.Object, ok bool) []string {
	if !ok {
		return nil
	}
	return o.Names()
}

// planStages takes out of a plan the stages that the property no longer has, puts in
// those that are new, and sets the limits of methods of those that are other than they were.
func (e *edits) planStages(have *gatewayapi.UsagePlan) {
	now := map[string]*ordered.Object{}
	for _, st := range objects(e.c.Get("ApiStages")) {
		now[member(st, "ApiId")+":"+member(st, "Stage")] = st
	}
	old := map[string]*ordered.Object{}
	for _, st := range objects(e.c.Old.Get("ApiStages")) {
		old[member(st, "ApiId")+":"+member(st, "Stage")] = st
	}
	there := map[string]bool{}
	for _, st := range have.ApiStages {
		name := aws.Value(st.ApiId) + ":" + aws.Value(st.Stage)
		there[name] = true
		if now[name] == nil && old[name] != nil {
			e.op("remove", "/apiStages", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		limits, limited := now[name].Get("Throttle").(*ordered.Object)
		switch {
		case !there[name]:
			e.op("add", "/apiStages", name)
		case old[name] != nil && template.Equal(old[name].Get("Throttle"), now[name].Get("Throttle")):
			continue
		default:
			e.op("remove", "/apiStages/"+name+"/throttle", "")
		}
		for _, method := range members(limits, limited) {
			limit, _ := limits.Get(method).(*ordered.Object)
			cut := strings.LastIndex(method, "/")
			if limit == nil || cut < 0 {
				continue
			}
			for _, m := range limit.Names() {
				e.op("replace", "/apiStages/"+name+"/throttle/"+pointed(method[:cut])+"/"+method[cut+1:]+"/"+lowerFirst(m), member(limit, m))
			}
		}
	}
}
