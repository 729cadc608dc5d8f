package resource

import (
	"reflect"

	httpapi "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// httpPartTypes are what HTTP and WebSocket APIs are made of. Of an integration or a
// deployment, what an interrupted creation made stays with its API, and goes with it.
var httpPartTypes = []*Type{
	routeRow(part("Route", "RouteId", "RouteKey", &httpapi.CreateRoute, &httpapi.UpdateRoute, &httpapi.GetRoute, &httpapi.GetRoutes, &httpapi.DeleteRoute,
		"ApiKeyRequired", "AuthorizationScopes", "AuthorizationType", "AuthorizerId", "ModelSelectionExpression", "OperationName", "RequestModels", "RouteKey", "RouteResponseSelectionExpression", "Target")),
	part("Integration", "IntegrationId", "", &httpapi.CreateIntegration, &httpapi.UpdateIntegration, &httpapi.GetIntegration, &httpapi.GetIntegrations, &httpapi.DeleteIntegration,
		"ConnectionId", "ConnectionType", "ContentHandlingStrategy", "CredentialsArn", "Description", "IntegrationMethod", "IntegrationSubtype", "IntegrationType", "IntegrationUri",
		"PassthroughBehavior", "PayloadFormatVersion", "RequestParameters", "RequestTemplates", "TemplateSelectionExpression", "TimeoutInMillis"),
	part("IntegrationResponse", "IntegrationResponseId", "IntegrationResponseKey", &httpapi.CreateIntegrationResponse, &httpapi.UpdateIntegrationResponse,
		&httpapi.GetIntegrationResponse, &httpapi.GetIntegrationResponses, &httpapi.DeleteIntegrationResponse,
		"ContentHandlingStrategy", "IntegrationResponseKey", "ResponseParameters", "ResponseTemplates", "TemplateSelectionExpression"),
	part("RouteResponse", "RouteResponseId", "RouteResponseKey", &httpapi.CreateRouteResponse, &httpapi.UpdateRouteResponse, &httpapi.GetRouteResponse, &httpapi.GetRouteResponses,
		&httpapi.DeleteRouteResponse, "ModelSelectionExpression", "ResponseModels", "RouteResponseKey"),
	part("Authorizer", "AuthorizerId", "Name", &httpapi.CreateAuthorizer, &httpapi.UpdateAuthorizer, &httpapi.GetAuthorizer, &httpapi.GetAuthorizers, &httpapi.DeleteAuthorizer,
		"AuthorizerCredentialsArn", "AuthorizerPayloadFormatVersion", "AuthorizerResultTtlInSeconds", "AuthorizerType", "AuthorizerUri", "EnableSimpleResponses", "IdentitySource", "JwtConfiguration", "Name"),
	part("Model", "ModelId", "Name", &httpapi.CreateModel, &httpapi.UpdateModel, &httpapi.GetModel, &httpapi.GetModels, &httpapi.DeleteModel, "ContentType", "Description", "Name", "Schema"),
	part("Deployment", "DeploymentId", "", &httpapi.CreateDeployment, &httpapi.UpdateDeployment, &httpapi.GetDeployment, &httpapi.GetDeployments, &httpapi.DeleteDeployment, "Description"),
}

// part is the row of what belongs to an API and is known by an id of its own, the property
// id. key, where it is not "", is the property by which an API tells its parts apart.
func part[C, CO, U, UO, G, GO, L, LO, D, DO any](name, id, key string, create *aws.Op[C, CO], update *aws.Op[U, UO], get *aws.Op[G, GO], list *aws.Op[L, LO], remove *aws.Op[D, DO], shown ...string) *Type {
	t := &Type{
		Name: "AWS::ApiGatewayV2::" + name,
		Create: func(c *Call) error {
			out, err := Do(parametered(c), create)
			if err != nil {
				return err
			}
			c.ID = memberText(out, id)
			c.Set(id, c.ID)
			return nil
		},
		Update: func(c *Call) error {
			c.Take("StageName") // of a deployment: a stage that serves it says so itself
			shape := parametered(c)
			_, err := Change(shape, update, func(in *U) { setMember(in, id, c.ID); clearKeys(shape, in) })
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			in := new(G)
			if err := Fill(c, in); err != nil {
				return nil, err
			}
			setMember(in, id, c.ID)
			out, err := get.Do(c, c.Peers, in)
			if err != nil {
				return nil, err
			}
			got := Show(out, shown...)
			got[id], got["ApiId"] = c.ID, c.Text("ApiId")
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := Do(c, remove, func(in *D) { setMember(in, id, c.ID) })
			return err
		},
	}
	if key != "" {
		t.Find = func(c *Call) error { return findPart(c, list, id, key) }
	}
	return t
}

// findPart finds the part of an API that has the same key.
func findPart[L, LO any](c *Call, list *aws.Op[L, LO], id, key string) error {
	in := new(L)
	if err := Fill(c, in); err != nil {
		return err
	}
	return pages(c, list, in, func(out *LO) bool {
		items, _ := field(reflect.ValueOf(out).Elem(), "Items")
		for i := range items.Len() {
			item := items.Index(i).Addr().Interface()
			if memberText(item, key) == c.Text(key) {
				c.found(memberText(item, id))
				c.Set(id, c.ID)
				return false
			}
		}
		next := memberText(out, "NextToken")
		setMember(in, "NextToken", next)
		return next != ""
	})
}

// memberText is the text that a member of a structure points to; "" for none.
func memberText(of any, name string) string {
	f, ok := field(reflect.ValueOf(of).Elem(), name)
	if text, is := f.Interface().(*string); ok && is {
		return aws.Value(text)
	}
	return ""
}

func setMember(of any, name, text string) {
	if f, ok := field(reflect.ValueOf(of).Elem(), name); ok {
		f.Set(reflect.ValueOf(&text))
	}
}

// clearKeys sends what was taken out of a property that holds things by name as empty,
// which is how API Gateway takes it away.
func clearKeys(c *Call, in any) {
	v := reflect.ValueOf(in).Elem()
	for _, name := range c.Old.Names() {
		old, ok := c.Old.Get(name).(*ordered.Object)
		f, has := field(v, name)
		if !ok || !has || f.Kind() != reflect.Map || f.Type().Elem().Kind() == reflect.Struct || name == c.Type.Schema().Tags {
			continue
		}
		c.Take(name)
		now, _ := c.Properties.Get(name).(*ordered.Object)
		for _, key := range old.Names() {
			if now == nil || !now.Has(key) {
				if f.IsNil() {
					f.Set(reflect.MakeMap(f.Type()))
				}
				f.SetMapIndex(reflect.ValueOf(key), reflect.Zero(f.Type().Elem()))
			}
		}
	}
}

// parametered is the call with the parameters of an integration's responses, which a
// template lists by status, as API Gateway has them: source by destination.
func parametered(c *Call) *Call {
	if c.Type.Name != "AWS::ApiGatewayV2::Integration" {
		return c
	}
	c.Take()
	shape := *c
	shape.Properties = responsesByStatus(c.Properties)
	if c.Old != nil {
		shape.Old = responsesByStatus(c.Old)
	}
	return &shape
}

func responsesByStatus(p *ordered.Object) *ordered.Object {
	responses, ok := p.Get("ResponseParameters").(*ordered.Object)
	if !ok {
		return p
	}
	by := ordered.New()
	for _, status := range responses.Names() {
		to := ordered.New()
		if o, ok := responses.Get(status).(*ordered.Object); ok {
			for _, one := range objects(o.Get("ResponseParameters")) {
				to.Set(member(one, "Destination"), template.Text(one.Get("Source")))
			}
		}
		by.Set(status, to)
	}
	out := ordered.New()
	out.Merge(p)
	return out.Set("ResponseParameters", by)
}

// routeRow has a route's row take away parameters one by one, as API Gateway does.
func routeRow(t *Type) *Type {
	update := t.Update
	t.Update = func(c *Call) error {
		if err := update(c); err != nil {
			return err
		}
		old, _ := c.Old.Get("RequestParameters").(*ordered.Object)
		now, _ := c.Get("RequestParameters").(*ordered.Object)
		for _, name := range without(members(old, old != nil), members(now, now != nil)) {
			_, err := httpapi.DeleteRouteRequestParameter.Do(c, c.Peers, &httpapi.DeleteRouteRequestParameterRequest{ApiId: new(c.Text("ApiId")), RouteId: &c.ID, RequestParameterKey: &name})
			if err != nil && !Gone(err) {
				return err
			}
		}
		return nil
	}
	return t
}
