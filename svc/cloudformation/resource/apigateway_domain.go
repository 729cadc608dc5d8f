package resource

import (
	gatewayapi "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// gatewayDomainTypes are where REST APIs are reached, and what an account has for all of them.
var gatewayDomainTypes = []*Type{
	{
		Name: "AWS::ApiGateway::DomainName",
		Create: func(c *Call) error {
			c.ID = c.Text("DomainName")
			_, err := Do(c, &gatewayapi.CreateDomainName, func(in *gatewayapi.CreateDomainNameRequest) { in.Tags = c.marks() })
			return c.made(err)
		},
		Ready: func(c *Call) (bool, error) {
			out, err := gatewayapi.GetDomainName.Do(c, c.Peers, &gatewayapi.GetDomainNameRequest{DomainName: &c.ID})
			if err != nil {
				return false, err
			}
			status := aws.Value(out.DomainNameStatus)
			return status == "" || status == "AVAILABLE", nil
		},
		Update: func(c *Call) error {
			e := edits{c: c}
			e.endpoint()
			e.texts("CertificateArn", "RegionalCertificateArn", "SecurityPolicy", "OwnershipVerificationCertificateArn", "RoutingMode", "EndpointAccessMode")
			if c.Changed("MutualTlsAuthentication") {
				e.mutual("MutualTlsAuthentication")
			}
			if len(e.ops) > 0 {
				if _, err := gatewayapi.UpdateDomainName.Do(c, c.Peers, &gatewayapi.UpdateDomainNameRequest{DomainName: &c.ID, PatchOperations: e.ops}); err != nil {
					return err
				}
			}
			return c.retagGateway("/domainnames/" + c.ID)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetDomainName.Do(c, c.Peers, &gatewayapi.GetDomainNameRequest{DomainName: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "CertificateArn", "DistributionDomainName", "DistributionHostedZoneId", "DomainName", "DomainNameArn", "OwnershipVerificationCertificateArn",
				"RegionalCertificateArn", "RegionalDomainName", "RegionalHostedZoneId", "RoutingMode", "SecurityPolicy"), nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteDomainName.Do(c, c.Peers, &gatewayapi.DeleteDomainNameRequest{DomainName: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::ApiGateway::BasePathMapping",
		Create: func(c *Call) error {
			c.ID = c.Text("DomainName") + "|" + c.Text("BasePath")
			_, err := Do(c, &gatewayapi.CreateBasePathMapping)
			return c.made(err)
		},
		Update: func(c *Call) error {
			e := edits{c: c}
			e.text("RestApiId", "/restapiId", "")
			e.text("Stage", "/stage", "")
			_, err := gatewayapi.UpdateBasePathMapping.Do(c, c.Peers, &gatewayapi.UpdateBasePathMappingRequest{DomainName: new(c.Text("DomainName")), BasePath: basePath(c), PatchOperations: e.ops})
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetBasePathMapping.Do(c, c.Peers, &gatewayapi.GetBasePathMappingRequest{DomainName: new(c.Text("DomainName")), BasePath: basePath(c)})
			if err != nil {
				return nil, err
			}
			return map[string]any{"DomainName": c.Text("DomainName"), "BasePath": c.Text("BasePath"), "RestApiId": aws.Value(out.RestApiId), "Stage": aws.Value(out.Stage)}, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteBasePathMapping.Do(c, c.Peers, &gatewayapi.DeleteBasePathMappingRequest{DomainName: new(c.Text("DomainName")), BasePath: basePath(c)})
			return err
		},
	},
	{
		// An account's settings are there as long as the account: who deletes the resource
		// leaves them as they are, as AWS does.
		Name:   "AWS::ApiGateway::Account",
		Create: func(c *Call) error { c.ID = c.steady(64); c.Set("Id", c.ID); return setGatewayAccount(c) },
		Update: setGatewayAccount,
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetAccount.Do(c, c.Peers, &gatewayapi.GetAccountRequest{})
			if err != nil {
				return nil, err
			}
			return map[string]any{"Id": c.ID, "CloudWatchRoleArn": aws.Value(out.CloudwatchRoleArn)}, nil
		},
		Delete: func(*Call) error { return nil },
	},
	{
		Name: "AWS::ApiGateway::ClientCertificate",
		Create: func(c *Call) error {
			out, err := Do(c, &gatewayapi.GenerateClientCertificate, func(in *gatewayapi.GenerateClientCertificateRequest) { in.Tags = c.marks() })
			if err != nil {
				return err
			}
			c.ID = *out.ClientCertificateId
			c.Set("ClientCertificateId", c.ID)
			return nil
		},
		Find: func(c *Call) error {
			in := &gatewayapi.GetClientCertificatesRequest{Limit: new(int32(500))}
			return pages(c, &gatewayapi.GetClientCertificates, in, func(out *gatewayapi.ClientCertificates) bool {
				for _, k := range out.Items {
					if c.marked(k.Tags) {
						c.found(*k.ClientCertificateId)
						c.Set("ClientCertificateId", c.ID)
						return false
					}
				}
				return more(&in.Position, out.Position)
			})
		},
		Update: func(c *Call) error {
			e := edits{c: c}
			if e.texts("Description"); len(e.ops) > 0 {
				if _, err := gatewayapi.UpdateClientCertificate.Do(c, c.Peers, &gatewayapi.UpdateClientCertificateRequest{ClientCertificateId: &c.ID, PatchOperations: e.ops}); err != nil {
					return err
				}
			}
			return c.retagGateway("/clientcertificates/" + c.ID)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetClientCertificate.Do(c, c.Peers, &gatewayapi.GetClientCertificateRequest{ClientCertificateId: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "ClientCertificateId", "Description"), nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteClientCertificate.Do(c, c.Peers, &gatewayapi.DeleteClientCertificateRequest{ClientCertificateId: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::ApiGateway::VpcLink",
		Create: func(c *Call) error {
			out, err := Do(c, &gatewayapi.CreateVpcLink, func(in *gatewayapi.CreateVpcLinkRequest) { in.Tags = c.marks() })
			if err != nil {
				return err
			}
			c.ID = *out.Id
			c.Set("VpcLinkId", c.ID)
			return nil
		},
		Find: func(c *Call) error {
			in := &gatewayapi.GetVpcLinksRequest{Limit: new(int32(500))}
			return pages(c, &gatewayapi.GetVpcLinks, in, func(out *gatewayapi.VpcLinks) bool {
				for _, l := range out.Items {
					if c.marked(l.Tags) {
						c.found(*l.Id)
						c.Set("VpcLinkId", c.ID)
						return false
					}
				}
				return more(&in.Position, out.Position)
			})
		},
		Ready: func(c *Call) (bool, error) {
			out, err := gatewayapi.GetVpcLink.Do(c, c.Peers, &gatewayapi.GetVpcLinkRequest{VpcLinkId: &c.ID})
			if err == nil && aws.Value(out.Status) == gatewayapi.VpcLinkStatusFailed {
				err = aws.Errorf(400, "NotStabilized", "%s", aws.Value(out.StatusMessage))
			}
			return err == nil && aws.Value(out.Status) == gatewayapi.VpcLinkStatusAvailable, err
		},
		Update: func(c *Call) error {
			e := edits{c: c}
			if e.texts("Name", "Description"); len(e.ops) > 0 {
				if _, err := gatewayapi.UpdateVpcLink.Do(c, c.Peers, &gatewayapi.UpdateVpcLinkRequest{VpcLinkId: &c.ID, PatchOperations: e.ops}); err != nil {
					return err
				}
			}
			return c.retagGateway("/vpclinks/" + c.ID)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := gatewayapi.GetVpcLink.Do(c, c.Peers, &gatewayapi.GetVpcLinkRequest{VpcLinkId: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "Description", "Name", "TargetArns")
			got["VpcLinkId"] = c.ID
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := gatewayapi.DeleteVpcLink.Do(c, c.Peers, &gatewayapi.DeleteVpcLinkRequest{VpcLinkId: &c.ID})
			return err
		},
	},
}

// basePath is a mapping's path, as API Gateway names the empty one.
func basePath(c *Call) *string {
	if p := c.Text("BasePath"); p != "" {
		return &p
	}
	return new("(none)")
}

func setGatewayAccount(c *Call) error {
	c.Take("CloudWatchRoleArn")
	_, err := gatewayapi.UpdateAccount.Do(c, c.Peers, &gatewayapi.UpdateAccountRequest{PatchOperations: []gatewayapi.PatchOperation{
		{Op: new("replace"), Path: new("/cloudwatchRoleArn"), Value: new(template.Text(c.Properties.Get("CloudWatchRoleArn")))}}})
	return err
}

// mutual replaces, or takes away, the certificates by which clients of a domain name are known.
func (e *edits) mutual(property string) {
	now, ok := e.c.Get(property).(*ordered.Object)
	if !ok {
		e.op("remove", "/"+lowerFirst(property), "")
		return
	}
	for _, name := range []string{"TruststoreUri", "TruststoreVersion"} {
		e.op("replace", "/"+lowerFirst(property)+"/"+lowerFirst(name), member(now, name))
	}
}
