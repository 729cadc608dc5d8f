package resource

import (
	gatewayapi "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

// gatewayPartTypes are who may call a REST API, what it takes, and what it says of itself.
var gatewayPartTypes = []*Type{
	{
		Name: "AWS::ApiGateway::Authorizer",
		Create: func(c *Call) error {
			out, err := Do(c, &gatewayapi.CreateAuthorizer)
			if err != nil {
				return err
			}
			c.ID = *out.Id
			c.Set("AuthorizerId", c.ID)
			return nil
		},
		Find: func(c *Call) error {
			in := &gatewayapi.GetAuthorizersRequest{RestApiId: c.restAPI(), Limit: new(int32(500))}
			return pages(c, &gatewayapi.GetAuthorizers, in, func(out *gatewayapi.Authorizers) bool {
				for _, a := range out.Items {
					if aws.Value(a.Name) == c.Text("Name") { // of which an API has one
						c.found(*a.Id)
						c.Set("AuthorizerId", c.ID)
						return false
					}
				}
				return more(&in.Position, out.Position)
			})
		},
		Update: func(c *Call) error {
			e := edits{c: c}
			e.texts("Name", "Type", "AuthType", "AuthorizerUri", "AuthorizerCredentials", "IdentitySource", "IdentityValidationExpression")
			e.text("AuthorizerResultTtlInSeconds", "/authorizerResultTtlInSeconds", "300")
			if c.Changed("ProviderARNs") {
				old, now := texts(c.Old.Get("ProviderARNs")), texts(c.Get("ProviderARNs"))
				for _, arn := range without(now, old) {
					e.op("add", "/providerARNs", arn)
				}
				for _, arn := range without(old, now) {
					e.op("remove", "/providerARNs", arn)
				}
			}
			_, err := gatewayapi.UpdateAuthorizer.Do(c, c.Peers, &gatewayapi.UpdateAuthorizerRequest{RestApiId: c.restAPI(), AuthorizerId: &c.ID, PatchOperations: e.ops})
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetAuthorizer.Do(c, c.Peers, &gatewayapi.GetAuthorizerRequest{RestApiId: c.restAPI(), AuthorizerId: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "AuthType", "AuthorizerCredentials", "AuthorizerResultTtlInSeconds", "AuthorizerUri", "IdentitySource", "IdentityValidationExpression", "Name", "ProviderARNs", "Type")
			got["AuthorizerId"], got["RestApiId"] = c.ID, c.Text("RestApiId")
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteAuthorizer.Do(c, c.Peers, &gatewayapi.DeleteAuthorizerRequest{RestApiId: c.restAPI(), AuthorizerId: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::ApiGateway::RequestValidator",
		Create: func(c *Call) error {
			out, err := Do(c, &gatewayapi.CreateRequestValidator, func(in *gatewayapi.CreateRequestValidatorRequest) {
				if in.Name == nil {
					in.Name = new(c.steady(128))
				}
			})
			if err != nil {
				return err
			}
			c.ID = *out.Id
			c.Set("RequestValidatorId", c.ID)
			return nil
		},
		Find: func(c *Call) error {
			name := c.Text("Name")
			if name == "" {
				name = c.steady(128)
			}
			in := &gatewayapi.GetRequestValidatorsRequest{RestApiId: c.restAPI(), Limit: new(int32(500))}
			return pages(c, &gatewayapi.GetRequestValidators, in, func(out *gatewayapi.RequestValidators) bool {
				for _, v := range out.Items {
					if aws.Value(v.Name) == name {
						c.found(*v.Id)
						c.Set("RequestValidatorId", c.ID)
						return false
					}
				}
				return more(&in.Position, out.Position)
			})
		},
		Update: func(c *Call) error {
			e := edits{c: c}
			e.text("ValidateRequestBody", "/validateRequestBody", "false")
			e.text("ValidateRequestParameters", "/validateRequestParameters", "false")
			_, err := gatewayapi.UpdateRequestValidator.Do(c, c.Peers, &gatewayapi.UpdateRequestValidatorRequest{RestApiId: c.restAPI(), RequestValidatorId: &c.ID, PatchOperations: e.ops})
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetRequestValidator.Do(c, c.Peers, &gatewayapi.GetRequestValidatorRequest{RestApiId: c.restAPI(), RequestValidatorId: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "Name", "ValidateRequestBody", "ValidateRequestParameters")
			got["RequestValidatorId"], got["RestApiId"] = c.ID, c.Text("RestApiId")
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteRequestValidator.Do(c, c.Peers, &gatewayapi.DeleteRequestValidatorRequest{RestApiId: c.restAPI(), RequestValidatorId: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::ApiGateway::DocumentationPart",
		Create: func(c *Call) error {
			out, err := Do(c, &gatewayapi.CreateDocumentationPart)
			if err != nil {
				return err
			}
			c.ID = *out.Id
			c.Set("DocumentationPartId", c.ID)
			return nil
		},
		Find: func(c *Call) error {
			at, _ := c.Get("Location").(*ordered.Object)
			if at == nil {
				return nil
			}
			want := gatewayapi.DocumentationPartLocation{}
			if err := FillFrom(&want, at, "Location"); err != nil {
				return err
			}
			in := &gatewayapi.GetDocumentationPartsRequest{RestApiId: c.restAPI(), Type: want.Type, Limit: new(int32(500))}
			return pages(c, &gatewayapi.GetDocumentationParts, in, func(out *gatewayapi.DocumentationParts) bool {
				for _, p := range out.Items {
					if p.Location != nil && samePlace(*p.Location, want) { // of which an API has one
						c.found(*p.Id)
						c.Set("DocumentationPartId", c.ID)
						return false
					}
				}
				return more(&in.Position, out.Position)
			})
		},
		Update: func(c *Call) error {
			e := edits{c: c}
			e.texts("Properties")
			_, err := gatewayapi.UpdateDocumentationPart.Do(c, c.Peers, &gatewayapi.UpdateDocumentationPartRequest{RestApiId: c.restAPI(), DocumentationPartId: &c.ID, PatchOperations: e.ops})
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetDocumentationPart.Do(c, c.Peers, &gatewayapi.GetDocumentationPartRequest{RestApiId: c.restAPI(), DocumentationPartId: &c.ID})
			if err != nil {
				return nil, err
			}
			return map[string]any{"DocumentationPartId": c.ID, "Properties": aws.Value(out.Properties), "RestApiId": c.Text("RestApiId")}, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteDocumentationPart.Do(c, c.Peers, &gatewayapi.DeleteDocumentationPartRequest{RestApiId: c.restAPI(), DocumentationPartId: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::ApiGateway::DocumentationVersion",
		Create: func(c *Call) error {
			c.ID = c.Text("DocumentationVersion")
			_, err := Do(c, &gatewayapi.CreateDocumentationVersion)
			return c.made(err)
		},
		Update: func(c *Call) error {
			e := edits{c: c}
			e.texts("Description")
			_, err := gatewayapi.UpdateDocumentationVersion.Do(c, c.Peers, &gatewayapi.UpdateDocumentationVersionRequest{RestApiId: c.restAPI(), DocumentationVersion: &c.ID, PatchOperations: e.ops})
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetDocumentationVersion.Do(c, c.Peers, &gatewayapi.GetDocumentationVersionRequest{RestApiId: c.restAPI(), DocumentationVersion: &c.ID})
			if err != nil {
				return nil, err
			}
			return map[string]any{"DocumentationVersion": c.ID, "Description": aws.Value(out.Description), "RestApiId": c.Text("RestApiId")}, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteDocumentationVersion.Do(c, c.Peers, &gatewayapi.DeleteDocumentationVersionRequest{RestApiId: c.restAPI(), DocumentationVersion: &c.ID})
			return err
		},
	},
}

func samePlace(a, b gatewayapi.DocumentationPartLocation) bool {
	return aws.Value(a.Type) == aws.Value(b.Type) && aws.Value(a.Path) == aws.Value(b.Path) && aws.Value(a.Method) == aws.Value(b.Method) &&
		aws.Value(a.StatusCode) == aws.Value(b.StatusCode) && aws.Value(a.Name) == aws.Value(b.Name)
}
