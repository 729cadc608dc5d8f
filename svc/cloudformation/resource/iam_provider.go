package resource

import (
	"strings"

	iamapi "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
)

// iamProviderTypes are instances' profiles, who vouches for others, certificates, and the
// roles of services.
var iamProviderTypes = []*Type{
	{
		Name:  "AWS::IAM::InstanceProfile",
		Named: "InstanceProfileName", Length: 128,
		Create: func(c *Call) error {
			out, err := Do(c, &iamapi.CreateInstanceProfile)
			if err := c.tried(err); err != nil {
				return err
			}
			if c.ID = c.Text("InstanceProfileName"); err == nil {
				c.Set("Arn", *out.InstanceProfile.Arn)
			}
			c.Take("Path")
			return setProfile(c)
		},
		Update: setProfile,
		Read: func(c *Call) (map[string]any, error) {
			out, err := iamapi.GetInstanceProfile.Do(c, c.Peers, &iamapi.GetInstanceProfileRequest{InstanceProfileName: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out.InstanceProfile, "Arn", "InstanceProfileName", "Path")
			roles := []any{}
			for _, r := range out.InstanceProfile.Roles {
				roles = append(roles, *r.RoleName)
			}
			got["Roles"] = roles
			return got, nil
		},
		Delete: func(c *Call) error {
			for _, r := range texts(c.Properties.Get("Roles")) {
				if _, err := iamapi.RemoveRoleFromInstanceProfile.Do(c, c.Peers, &iamapi.RemoveRoleFromInstanceProfileRequest{InstanceProfileName: &c.ID, RoleName: &r}); err != nil && !Gone(err) {
					return err
				}
			}
			_, err := iamapi.DeleteInstanceProfile.Do(c, c.Peers, &iamapi.DeleteInstanceProfileRequest{InstanceProfileName: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::IAM::OIDCProvider",
		Create: func(c *Call) error {
			_, err := Do(c, &iamapi.CreateOpenIDConnectProvider)
			if err := c.tried(err); err != nil {
				return err
			}
			at := strings.TrimSuffix(strings.TrimPrefix(c.Text("Url"), "https://"), "/")
			c.ID = aws.NewARN("iam", "", c.Stack.Account, "oidc-provider/"+at).String()
			c.Set("Arn", c.ID)
			c.Take("ClientIdList", "ThumbprintList", "Tags")
			return nil
		},
		Update: updateOIDC,
		Read: func(c *Call) (map[string]any, error) {
			out, err := iamapi.GetOpenIDConnectProvider.Do(c, c.Peers, &iamapi.GetOpenIDConnectProviderRequest{OpenIDConnectProviderArn: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "ClientIdList", "ThumbprintList")
			got["Arn"] = c.ID
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := iamapi.DeleteOpenIDConnectProvider.Do(c, c.Peers, &iamapi.DeleteOpenIDConnectProviderRequest{OpenIDConnectProviderArn: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::IAM::SAMLProvider",
		Named: "Name", Length: 128,
		Create: func(c *Call) error {
			_, err := Do(c, &iamapi.CreateSAMLProvider)
			if err := c.tried(err); err != nil {
				return err
			}
			c.ID = aws.NewARN("iam", "", c.Stack.Account, "saml-provider/"+c.Text("Name")).String()
			c.Set("Arn", c.ID)
			c.Take("SamlMetadataDocument", "AssertionEncryptionMode", "AddPrivateKey", "Tags")
			return nil
		},
		Update: func(c *Call) error {
			if c.Changed("SamlMetadataDocument", "AssertionEncryptionMode") {
				in := &iamapi.UpdateSAMLProviderRequest{SAMLProviderArn: &c.ID, SAMLMetadataDocument: new(c.Text("SamlMetadataDocument"))}
				if c.Has("AssertionEncryptionMode") {
					in.AssertionEncryptionMode = new(c.Text("AssertionEncryptionMode"))
				}
				if _, err := iamapi.UpdateSAMLProvider.Do(c, c.Peers, in); err != nil {
					return err
				}
			}
			return Retag(c, &iamapi.TagSAMLProvider, &iamapi.UntagSAMLProvider,
				func(in *iamapi.TagSAMLProviderRequest) { in.SAMLProviderArn = &c.ID }, func(in *iamapi.UntagSAMLProviderRequest) { in.SAMLProviderArn = &c.ID })
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := iamapi.GetSAMLProvider.Do(c, c.Peers, &iamapi.GetSAMLProviderRequest{SAMLProviderArn: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "AssertionEncryptionMode", "SamlMetadataDocument", "SamlProviderUUID")
			got["Arn"], got["Name"] = c.ID, lastPart(c.ID, "/")
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := iamapi.DeleteSAMLProvider.Do(c, c.Peers, &iamapi.DeleteSAMLProviderRequest{SAMLProviderArn: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::IAM::ServerCertificate",
		Named: "ServerCertificateName", Length: 128,
		Create: func(c *Call) error {
			out, err := Do(c, &iamapi.UploadServerCertificate)
			if err := c.tried(err); err != nil {
				return err
			}
			if c.ID = c.Text("ServerCertificateName"); err == nil {
				c.Set("Arn", *out.ServerCertificateMetadata.Arn)
			}
			c.Take("CertificateBody", "CertificateChain", "PrivateKey", "Path", "Tags")
			return nil
		},
		Update: func(c *Call) error {
			if c.Changed("Path") {
				path := c.Text("Path")
				if path == "" {
					path = "/"
				}
				if _, err := iamapi.UpdateServerCertificate.Do(c, c.Peers, &iamapi.UpdateServerCertificateRequest{ServerCertificateName: &c.ID, NewPath: &path}); err != nil {
					return err
				}
			}
			got, err := c.Type.Read(c)
			if err != nil {
				return err
			}
			c.Set("Arn", got["Arn"])
			return Retag(c, &iamapi.TagServerCertificate, &iamapi.UntagServerCertificate,
				func(in *iamapi.TagServerCertificateRequest) { in.ServerCertificateName = &c.ID }, func(in *iamapi.UntagServerCertificateRequest) { in.ServerCertificateName = &c.ID })
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := iamapi.GetServerCertificate.Do(c, c.Peers, &iamapi.GetServerCertificateRequest{ServerCertificateName: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out.ServerCertificate.ServerCertificateMetadata, "Arn", "Path", "ServerCertificateName"), nil
		},
		Delete: func(c *Call) error {
			_, err := iamapi.DeleteServerCertificate.Do(c, c.Peers, &iamapi.DeleteServerCertificateRequest{ServerCertificateName: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::IAM::ServiceLinkedRole",
		Create: func(c *Call) error {
			out, err := Do(c, &iamapi.CreateServiceLinkedRole)
			if err != nil {
				return err
			}
			c.ID = *out.Role.RoleName
			c.Set("RoleName", c.ID)
			return nil
		},
		Find: func(c *Call) error {
			path := "/aws-service-role/" + c.Text("AWSServiceName") + "/"
			in := &iamapi.ListRolesRequest{PathPrefix: &path, MaxItems: new(int32(1000))}
			return pages(c, &iamapi.ListRoles, in, func(out *iamapi.ListRolesResponse) bool {
				for _, r := range out.Roles {
					suffix := c.Text("CustomSuffix")
					if suffix == "" || strings.HasSuffix(*r.RoleName, "_"+suffix) {
						c.found(*r.RoleName)
						c.Set("RoleName", c.ID)
						return false
					}
				}
				return more(&in.Marker, out.Marker)
			})
		},
		Update: func(c *Call) error {
			c.Take("Description")
			_, err := iamapi.UpdateRole.Do(c, c.Peers, &iamapi.UpdateRoleRequest{RoleName: &c.ID, Description: new(c.Text("Description"))})
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := iamapi.GetRole.Do(c, c.Peers, &iamapi.GetRoleRequest{RoleName: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out.Role, "Description", "RoleName"), nil
		},
		Delete: func(c *Call) error {
			_, err := iamapi.DeleteServiceLinkedRole.Do(c, c.Peers, &iamapi.DeleteServiceLinkedRoleRequest{RoleName: &c.ID})
			return err
		},
	},
}

// setProfile has a profile hold the one role that it is to hold.
func setProfile(c *Call) error {
	c.Take("Roles")
	have, err := iamapi.GetInstanceProfile.Do(c, c.Peers, &iamapi.GetInstanceProfileRequest{InstanceProfileName: &c.ID})
	if err != nil {
		return err
	}
	var there []string
	for _, r := range have.InstanceProfile.Roles {
		there = append(there, *r.RoleName)
	}
	now := texts(c.Properties.Get("Roles"))
	for _, r := range without(there, now) {
		if _, err := iamapi.RemoveRoleFromInstanceProfile.Do(c, c.Peers, &iamapi.RemoveRoleFromInstanceProfileRequest{InstanceProfileName: &c.ID, RoleName: &r}); err != nil {
			return err
		}
	}
	for _, r := range without(now, there) {
		if _, err := iamapi.AddRoleToInstanceProfile.Do(c, c.Peers, &iamapi.AddRoleToInstanceProfileRequest{InstanceProfileName: &c.ID, RoleName: &r}); err != nil {
			return err
		}
	}
	return nil
}

func updateOIDC(c *Call) error {
	if c.Changed("ThumbprintList") {
		if _, err := iamapi.UpdateOpenIDConnectProviderThumbprint.Do(c, c.Peers, &iamapi.UpdateOpenIDConnectProviderThumbprintRequest{OpenIDConnectProviderArn: &c.ID, ThumbprintList: texts(c.Get("ThumbprintList"))}); err != nil {
			return err
		}
	}
	if c.Changed("ClientIdList") {
		old, now := texts(c.Old.Get("ClientIdList")), texts(c.Get("ClientIdList"))
		for _, id := range without(now, old) {
			if _, err := iamapi.AddClientIDToOpenIDConnectProvider.Do(c, c.Peers, &iamapi.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderArn: &c.ID, ClientID: &id}); err != nil {
				return err
			}
		}
		for _, id := range without(old, now) {
			_, err := iamapi.RemoveClientIDFromOpenIDConnectProvider.Do(c, c.Peers, &iamapi.RemoveClientIDFromOpenIDConnectProviderRequest{OpenIDConnectProviderArn: &c.ID, ClientID: &id})
			if err != nil && !Gone(err) {
				return err
			}
		}
	}
	return Retag(c, &iamapi.TagOpenIDConnectProvider, &iamapi.UntagOpenIDConnectProvider,
		func(in *iamapi.TagOpenIDConnectProviderRequest) { in.OpenIDConnectProviderArn = &c.ID },
		func(in *iamapi.UntagOpenIDConnectProviderRequest) { in.OpenIDConnectProviderArn = &c.ID })
}
