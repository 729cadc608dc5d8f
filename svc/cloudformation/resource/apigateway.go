package resource

import (
	"io"
	"strings"

	gatewayapi "github.com/tule-cloud/tule/api/apigateway"
	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// gatewayTypes are REST APIs and what they answer.
var gatewayTypes = []*Type{
	{
		Name: "AWS::ApiGateway::RestApi",
		Create: func(c *Call) error {
			out, err := Do(c, &gatewayapi.CreateRestApi, func(in *gatewayapi.CreateRestApiRequest) {
				in.Tags = c.marks()
				if in.Name == nil && bodied(c) {
					in.Name = new(c.steady(255)) // until the body says
				}
				if c.Has("ApiKeySourceType") {
					in.ApiKeySource = new(c.Text("ApiKeySourceType"))
				}
			})
			if err != nil {
				return err
			}
			c.ID = *out.Id
			c.Set("RestApiId", c.ID)
			c.Set("RootResourceId", *out.RootResourceId)
			return putBody(c)
		},
		Find: findRestAPI,
		Update: func(c *Call) error {
			if c.Changed("Body", "BodyS3Location", "Mode", "Parameters", "FailOnWarnings") {
				if err := putBody(c); err != nil {
					return err
				}
			}
			e := edits{c: c}
			e.texts("Name", "Description", "Policy", "MinimumCompressionSize")
			e.text("ApiKeySourceType", "/apiKeySource", "HEADER")
			e.text("DisableExecuteApiEndpoint", "/disableExecuteApiEndpoint", "false")
			e.mediaTypes()
			e.endpoint()
			if err := editRestAPI(c, e.ops); err != nil {
				return err
			}
			return c.retagGateway("/restapis/" + c.ID)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetRestApi.Do(c, c.Peers, &gatewayapi.GetRestApiRequest{RestApiId: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "BinaryMediaTypes", "Description", "DisableExecuteApiEndpoint", "MinimumCompressionSize", "Name", "RootResourceId")
			got["RestApiId"], got["ApiKeySourceType"] = c.ID, aws.Value(out.ApiKeySource)
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteRestApi.Do(c, c.Peers, &gatewayapi.DeleteRestApiRequest{RestApiId: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::ApiGateway::Resource",
		Create: func(c *Call) error {
			out, err := Do(c, &gatewayapi.CreateResource)
			if err != nil {
				return err
			}
			c.ID = *out.Id
			c.Set("ResourceId", c.ID)
			return nil
		},
		Find: findGatewayResource,
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetResource.Do(c, c.Peers, &gatewayapi.GetResourceRequest{RestApiId: c.restAPI(), ResourceId: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "ParentId", "PathPart")
			got["ResourceId"], got["RestApiId"] = c.ID, c.Text("RestApiId")
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteResource.Do(c, c.Peers, &gatewayapi.DeleteResourceRequest{RestApiId: c.restAPI(), ResourceId: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::ApiGateway::Method",
		Create: putMethod,
		// A method is made anew: deployments keep what it was until there is another.
		Update: func(c *Call) error { c.Take(c.Old.Names()...); return putMethod(c) },
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetMethod.Do(c, c.Peers, &gatewayapi.GetMethodRequest{RestApiId: c.restAPI(), ResourceId: new(c.Text("ResourceId")), HttpMethod: new(c.Text("HttpMethod"))})
			if err != nil {
				return nil, err
			}
			return Show(out, "ApiKeyRequired", "AuthorizationScopes", "AuthorizationType", "AuthorizerId", "HttpMethod", "OperationName", "RequestModels", "RequestParameters", "RequestValidatorId"), nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteMethod.Do(c, c.Peers, &gatewayapi.DeleteMethodRequest{RestApiId: c.restAPI(), ResourceId: new(c.Text("ResourceId")), HttpMethod: new(c.Text("HttpMethod"))})
			return err
		},
	},
	{
		Name: "AWS::ApiGateway::Model",
		Create: func(c *Call) error {
			c.ID = c.Text("Name")
			if c.ID == "" { // names of models are of letters and digits alone
				c.ID = strings.ReplaceAll(c.steady(128), "-", "")
			}
			_, err := Do(c, &gatewayapi.CreateModel, func(in *gatewayapi.CreateModelRequest) {
				if in.Name = &c.ID; in.ContentType == nil {
					in.ContentType = new("application/json")
				}
			})
			return c.made(err)
		},
		Update: func(c *Call) error {
			e := edits{c: c}
			e.texts("Description")
			e.text("Schema", "/schema", "{}")
			_, err := gatewayapi.UpdateModel.Do(c, c.Peers, &gatewayapi.UpdateModelRequest{RestApiId: c.restAPI(), ModelName: &c.ID, PatchOperations: e.ops})
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetModel.Do(c, c.Peers, &gatewayapi.GetModelRequest{RestApiId: c.restAPI(), ModelName: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "ContentType", "Description", "Name", "Schema"), nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteModel.Do(c, c.Peers, &gatewayapi.DeleteModelRequest{RestApiId: c.restAPI(), ModelName: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::ApiGateway::GatewayResponse",
		Create: func(c *Call) error {
			_, err := Do(c, &gatewayapi.PutGatewayResponse)
			c.ID = c.Text("RestApiId") + "|" + c.Text("ResponseType")
			c.Set("Id", c.ID)
			return err
		},
		Update: func(c *Call) error {
			c.Take("ResponseParameters", "ResponseTemplates", "StatusCode")
			_, err := Do(c, &gatewayapi.PutGatewayResponse)
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetGatewayResponse.Do(c, c.Peers, &gatewayapi.GetGatewayResponseRequest{RestApiId: c.restAPI(), ResponseType: new(c.Text("ResponseType"))})
			if err != nil {
				return nil, err
			}
			if aws.Value(out.DefaultResponse) {
				return nil, gatewayapi.NotFoundException("Gateway response not found")
			}
			got := Show(out, "ResponseParameters", "ResponseTemplates", "ResponseType", "StatusCode")
			got["Id"] = c.ID
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteGatewayResponse.Do(c, c.Peers, &gatewayapi.DeleteGatewayResponseRequest{RestApiId: c.restAPI(), ResponseType: new(c.Text("ResponseType"))})
			return err
		},
	},
}

// bodied reports whether an API is described by a document.
func bodied(c *Call) bool { return c.Has("Body") || c.Has("BodyS3Location") }

// document is what describes an API: the property Body, or an object of S3.
func document(c *Call, etag string) ([]byte, error) {
	if c.Has("Body") {
		return []byte(Texted(c.Get("Body"))), nil
	}
	at, _ := c.Get("BodyS3Location").(*ordered.Object)
	if at == nil {
		return nil, invalid("Value of property BodyS3Location must be an object")
	}
	in := &s3api.GetObjectRequest{Bucket: new(member(at, "Bucket")), Key: new(member(at, "Key"))}
	if v := member(at, "Version"); v != "" {
		in.VersionId = &v
	}
	if v := member(at, etag); v != "" {
		in.IfMatch = &v
	}
	out, err := s3api.GetObject.Do(c, c.Peers, in)
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(io.LimitReader(out.Body, maxDocument))
}

// maxDocument is beyond what API Gateway takes, which says so itself.
const maxDocument = 16 << 20

// putBody makes an API what its document says, and then what its properties say beside it.
func putBody(c *Call) error {
	c.Take("Mode", "Parameters", "FailOnWarnings", "Body", "BodyS3Location")
	if !bodied(c) {
		return nil
	}
	body, err := document(c, "ETag")
	if err != nil {
		return err
	}
	in := &gatewayapi.PutRestApiRequest{RestApiId: &c.ID, Body: body, Mode: new("overwrite")}
	if c.Old != nil && c.Has("Mode") {
		in.Mode = new(c.Text("Mode"))
	}
	for property, to := range map[string]any{"Parameters": &in.Parameters, "FailOnWarnings": &in.FailOnWarnings} {
		if err := Into(c, property, to); err != nil {
			return err
		}
	}
	if _, err := gatewayapi.PutRestApi.Do(c, c.Peers, in); err != nil {
		return err
	}
	e := edits{c: c}
	for _, p := range []string{"Name", "Description", "Policy", "MinimumCompressionSize", "DisableExecuteApiEndpoint"} {
		if c.Has(p) {
			e.op("replace", "/"+lowerFirst(p), Texted(c.Get(p)))
		}
	}
	if c.Has("ApiKeySourceType") {
		e.op("replace", "/apiKeySource", c.Text("ApiKeySourceType"))
	}
	for _, kind := range texts(c.Get("BinaryMediaTypes")) {
		e.op("add", "/binaryMediaTypes/"+pointed(kind), "")
	}
	return editRestAPI(c, e.ops)
}

func editRestAPI(c *Call, ops []gatewayapi.PatchOperation) error {
	if len(ops) == 0 {
		return nil
	}
	_, err := gatewayapi.UpdateRestApi.Do(c, c.Peers, &gatewayapi.UpdateRestApiRequest{RestApiId: &c.ID, PatchOperations: ops})
	return err
}

func (e *edits) mediaTypes() {
	if !e.c.Changed("BinaryMediaTypes") {
		return
	}
	old, now := texts(e.c.Old.Get("BinaryMediaTypes")), texts(e.c.Get("BinaryMediaTypes"))
	for _, kind := range without(old, now) {
		e.op("remove", "/binaryMediaTypes/"+pointed(kind), "")
	}
	for _, kind := range without(now, old) {
		e.op("add", "/binaryMediaTypes/"+pointed(kind), "")
	}
}

// endpoint changes the one type that an endpoint has, its addresses, and where it is
// private, from where it is reached.
func (e *edits) endpoint() {
	if !e.c.Changed("EndpointConfiguration") {
		return
	}
	old, _ := e.c.Old.Get("EndpointConfiguration").(*ordered.Object)
	now, _ := e.c.Get("EndpointConfiguration").(*ordered.Object)
	if old == nil {
		old = ordered.New()
	}
	if now == nil {
		now = ordered.New()
	}
	was, is := "EDGE", "EDGE"
	if list := texts(old.Get("Types")); len(list) > 0 {
		was = list[0]
	}
	if list := texts(now.Get("Types")); len(list) > 0 {
		is = list[0]
	}
	if was != is {
		e.op("replace", "/endpointConfiguration/types/"+was, is)
	}
	if a := member(now, "IpAddressType"); a != member(old, "IpAddressType") && a != "" {
		e.op("replace", "/endpointConfiguration/ipAddressType", a)
	}
	for _, id := range without(texts(old.Get("VpcEndpointIds")), texts(now.Get("VpcEndpointIds"))) {
		e.op("remove", "/endpointConfiguration/vpcEndpointIds", id)
	}
	for _, id := range without(texts(now.Get("VpcEndpointIds")), texts(old.Get("VpcEndpointIds"))) {
		e.op("add", "/endpointConfiguration/vpcEndpointIds", id)
	}
}

// findRestAPI finds what this step made, and completes it.
func findRestAPI(c *Call) error {
	in := &gatewayapi.GetRestApisRequest{Limit: new(int32(500))}
	err := pages(c, &gatewayapi.GetRestApis, in, func(out *gatewayapi.RestApis) bool {
		for _, a := range out.Items {
			if c.marked(a.Tags) {
				c.found(*a.Id)
				c.Set("RestApiId", c.ID)
				c.Set("RootResourceId", *a.RootResourceId)
				return false
			}
		}
		return more(&in.Position, out.Position)
	})
	if err != nil || c.ID == "" {
		return err
	}
	return putBody(c)
}

// findGatewayResource finds the resource of the same path, of which there is one.
func findGatewayResource(c *Call) error {
	in := &gatewayapi.GetResourcesRequest{RestApiId: c.restAPI(), Limit: new(int32(500))}
	return pages(c, &gatewayapi.GetResources, in, func(out *gatewayapi.Resources) bool {
		for _, r := range out.Items {
			if aws.Value(r.ParentId) == c.Text("ParentId") && aws.Value(r.PathPart) == c.Text("PathPart") {
				c.found(*r.Id)
				c.Set("ResourceId", c.ID)
				return false
			}
		}
		return more(&in.Position, out.Position)
	})
}

// putMethod makes a method with its integration and all responses. What there is of it
// from an earlier try, or from before an update, goes first.
func putMethod(c *Call) error {
	api, resource, verb := c.restAPI(), new(c.Text("ResourceId")), new(c.Text("HttpMethod"))
	if c.Again || c.Old != nil {
		_, err := gatewayapi.DeleteMethod.Do(c, c.Peers, &gatewayapi.DeleteMethodRequest{RestApiId: api, ResourceId: resource, HttpMethod: verb})
		if err != nil && !Gone(err) {
			return err
		}
	}
	_, err := Do(c, &gatewayapi.PutMethod, func(in *gatewayapi.PutMethodRequest) {
		if in.AuthorizationType == nil {
			in.AuthorizationType = new("NONE")
		}
	})
	if err != nil {
		return err
	}
	c.ID = *api + "|" + *resource + "|" + *verb
	for _, r := range objects(c.Get("MethodResponses")) {
		in := &gatewayapi.PutMethodResponseRequest{}
		if err := FillFrom(in, r, "MethodResponses"); err != nil {
			return err
		}
		in.RestApiId, in.ResourceId, in.HttpMethod = api, resource, verb
		if _, err := gatewayapi.PutMethodResponse.Do(c, c.Peers, in); err != nil {
			return err
		}
	}
	integration, ok := c.Get("Integration").(*ordered.Object)
	if !ok {
		return nil
	}
	own := ordered.New()
	own.Merge(integration)
	own.Delete("IntegrationResponses")
	in := &gatewayapi.PutIntegrationRequest{}
	if err := FillFrom(in, own, "Integration"); err != nil {
		return err
	}
	in.RestApiId, in.ResourceId, in.HttpMethod = api, resource, verb
	if _, err := gatewayapi.PutIntegration.Do(c, c.Peers, in); err != nil {
		return err
	}
	for _, r := range objects(integration.Get("IntegrationResponses")) {
		in := &gatewayapi.PutIntegrationResponseRequest{}
		if err := FillFrom(in, r, "IntegrationResponses"); err != nil {
			return err
		}
		in.RestApiId, in.ResourceId, in.HttpMethod, in.StatusCode = api, resource, verb, new(template.Text(r.Get("StatusCode")))
		if _, err := gatewayapi.PutIntegrationResponse.Do(c, c.Peers, in); err != nil {
			return err
		}
	}
	return nil
}
