package resource

import (
	httpapi "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

// httpTypes are HTTP and WebSocket APIs, and where they are served.
var httpTypes = []*Type{
	{
		Name:     "AWS::ApiGatewayV2::Api",
		Defaults: map[string]any{"DisableExecuteApiEndpoint": "false", "IpAddressType": "ipv4"},
		Create: func(c *Call) error {
			out, err := Do(c, &httpapi.CreateApi, func(in *httpapi.CreateApiRequest) {
				if in.Tags = c.marks(); bodied(c) {
					in.ProtocolType = new("HTTP")
					if in.Name == nil {
						in.Name = new(c.steady(128)) // until the body says
					}
				}
			})
			if err != nil {
				return err
			}
			c.ID = *out.ApiId
			c.Set("ApiId", c.ID)
			c.Set("ApiEndpoint", aws.Value(out.ApiEndpoint))
			return reimport(c)
		},
		Find: func(c *Call) error {
			in := &httpapi.GetApisRequest{}
			err := pages(c, &httpapi.GetApis, in, func(out *httpapi.GetApisResponse) bool {
				for _, a := range out.Items {
					if c.marked(a.Tags) {
						c.found(*a.ApiId)
						c.Set("ApiId", c.ID)
						c.Set("ApiEndpoint", aws.Value(a.ApiEndpoint))
						return false
					}
				}
				return more(&in.NextToken, out.NextToken)
			})
			if err != nil || c.ID == "" {
				return err
			}
			return reimport(c)
		},
		Update: func(c *Call) error {
			if c.Changed("Body", "BodyS3Location", "BasePath", "FailOnWarnings") {
				if err := reimport(c); err != nil {
					return err
				}
			}
			less := c.Old.Has("CorsConfiguration") && !c.Has("CorsConfiguration")
			_, err := Change(c, &httpapi.UpdateApi, func(in *httpapi.UpdateApiRequest) {
				if in.ApiId = &c.ID; less {
					in.CorsConfiguration = nil
				}
			})
			if err != nil {
				return err
			}
			if less {
				if _, err := httpapi.DeleteCorsConfiguration.Do(c, c.Peers, &httpapi.DeleteCorsConfigurationRequest{ApiId: &c.ID}); err != nil {
					return err
				}
			}
			return c.retagGatewayV2("/apis/" + c.ID)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := httpapi.GetApi.Do(c, c.Peers, &httpapi.GetApiRequest{ApiId: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "ApiEndpoint", "ApiId", "ApiKeySelectionExpression", "CorsConfiguration", "Description", "DisableExecuteApiEndpoint", "IpAddressType", "Name", "ProtocolType",
				"RouteSelectionExpression", "Version")
			got["ExecuteApiArn"] = aws.NewARN("execute-api", c.Stack.Region, c.Stack.Account, c.ID).String()
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := httpapi.DeleteApi.Do(c, c.Peers, &httpapi.DeleteApiRequest{ApiId: &c.ID})
			return err
		},
	},
	{
		Name:     "AWS::ApiGatewayV2::Stage",
		Defaults: map[string]any{"AutoDeploy": "false"},
		Create: func(c *Call) error {
			c.ID = c.Text("StageName")
			_, err := Do(c, &httpapi.CreateStage, func(in *httpapi.CreateStageRequest) { in.Tags = c.marks() })
			return c.made(err)
		},
		Update: updateHTTPStage,
		Read: func(c *Call) (map[string]any, error) {
			out, err := httpapi.GetStage.Do(c, c.Peers, &httpapi.GetStageRequest{ApiId: new(c.Text("ApiId")), StageName: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "AccessLogSettings", "AutoDeploy", "ClientCertificateId", "DefaultRouteSettings", "DeploymentId", "Description", "StageName", "StageVariables"), nil
		},
		Delete: func(c *Call) error {
			_, err := httpapi.DeleteStage.Do(c, c.Peers, &httpapi.DeleteStageRequest{ApiId: new(c.Text("ApiId")), StageName: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::ApiGatewayV2::VpcLink",
		Create: func(c *Call) error {
			out, err := Do(c, &httpapi.CreateVpcLink, func(in *httpapi.CreateVpcLinkRequest) { in.Tags = c.marks() })
			if err != nil {
				return err
			}
			c.ID = *out.VpcLinkId
			c.Set("VpcLinkId", c.ID)
			return nil
		},
		Find: func(c *Call) error {
			in := &httpapi.GetVpcLinksRequest{}
			return pages(c, &httpapi.GetVpcLinks, in, func(out *httpapi.GetVpcLinksResponse) bool {
				for _, l := range out.Items {
					if c.marked(l.Tags) {
						c.found(*l.VpcLinkId)
						c.Set("VpcLinkId", c.ID)
						return false
					}
				}
				return more(&in.NextToken, out.NextToken)
			})
		},
		Ready: func(c *Call) (bool, error) {
			out, err := httpapi.GetVpcLink.Do(c, c.Peers, &httpapi.GetVpcLinkRequest{VpcLinkId: &c.ID})
			return err == nil && aws.Value(out.VpcLinkStatus) != "PENDING", err
		},
		Update: func(c *Call) error {
			if _, err := Change(c, &httpapi.UpdateVpcLink, func(in *httpapi.UpdateVpcLinkRequest) { in.VpcLinkId = &c.ID }); err != nil {
				return err
			}
			return c.retagGatewayV2("/vpclinks/" + c.ID)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := httpapi.GetVpcLink.Do(c, c.Peers, &httpapi.GetVpcLinkRequest{VpcLinkId: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "Name", "SecurityGroupIds", "SubnetIds", "VpcLinkId"), nil
		},
		Delete: func(c *Call) error {
			_, err := httpapi.DeleteVpcLink.Do(c, c.Peers, &httpapi.DeleteVpcLinkRequest{VpcLinkId: &c.ID})
			return err
		},
	},
}

// reimport makes an API what its document says, and then what its properties say beside it.
func reimport(c *Call) error {
	c.Take("Body", "BodyS3Location", "BasePath", "FailOnWarnings")
	if !bodied(c) {
		return nil
	}
	body, err := document(c, "Etag")
	if err != nil {
		return err
	}
	in := &httpapi.ReimportApiRequest{ApiId: &c.ID, Body: new(string(body))}
	for property, to := range map[string]any{"BasePath": &in.Basepath, "FailOnWarnings": &in.FailOnWarnings} {
		if err := Into(c, property, to); err != nil {
			return err
		}
	}
	if _, err := httpapi.ReimportApi.Do(c, c.Peers, in); err != nil {
		return err
	}
	_, err = Do(c, &httpapi.UpdateApi, func(in *httpapi.UpdateApiRequest) { in.ApiId = &c.ID })
	return err
}

func updateHTTPStage(c *Call) error {
	api := new(c.Text("ApiId"))
	quiet := c.Old.Has("AccessLogSettings") && !c.Has("AccessLogSettings")
	_, err := Change(c, &httpapi.UpdateStage, func(in *httpapi.UpdateStageRequest) {
		clearKeys(c, in)
		if in.StageName = &c.ID; quiet {
			in.AccessLogSettings = nil
		}
		if aws.Value(in.AutoDeploy) && !c.Has("DeploymentId") {
			in.DeploymentId = nil // the stage finds its deployments itself
		}
	})
	if err != nil {
		return err
	}
	if quiet {
		if _, err := httpapi.DeleteAccessLogSettings.Do(c, c.Peers, &httpapi.DeleteAccessLogSettingsRequest{ApiId: api, StageName: &c.ID}); err != nil && !Gone(err) {
			return err
		}
	}
	old, _ := c.Old.Get("RouteSettings").(*ordered.Object)
	now, _ := c.Get("RouteSettings").(*ordered.Object)
	for _, route := range without(members(old, old != nil), members(now, now != nil)) {
		if _, err := httpapi.DeleteRouteSettings.Do(c, c.Peers, &httpapi.DeleteRouteSettingsRequest{ApiId: api, StageName: &c.ID, RouteKey: &route}); err != nil && !Gone(err) {
			return err
		}
	}
	return c.retagGatewayV2("/apis/" + *api + "/stages/" + c.ID)
}

// retagGatewayV2 brings the tags of what API Gateway knows by a path up to date.
func (c *Call) retagGatewayV2(path string) error {
	arn := new("arn:aws:apigateway:" + c.Stack.Region + "::" + path)
	return Retag(c, &httpapi.TagResource, &httpapi.UntagResource,
		func(in *httpapi.TagResourceRequest) { in.ResourceArn = arn }, func(in *httpapi.UntagResourceRequest) { in.ResourceArn = arn })
}
