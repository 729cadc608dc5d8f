package resource

import (
	iamapi "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
)

var iamTypes = []*Type{
	{
		Name:  "AWS::IAM::Role",
		Named: "RoleName", Length: 64,
		Defaults: map[string]any{"MaxSessionDuration": "3600", "Description": ""},
		Create: func(c *Call) error {
			out, err := Do(c, &iamapi.CreateRole)
			if err == nil {
				c.ID = *out.Role.RoleName
				c.Set("Arn", *out.Role.Arn)
				c.Set("RoleId", *out.Role.RoleId)
			} else if !c.Again || !Exists(err) {
				return err
			} else {
				c.ID = c.Text("RoleName")
			}
			return c.rolePolicies()
		},
		Update: func(c *Call) error {
			if _, err := Change(c, &iamapi.UpdateRole, func(in *iamapi.UpdateRoleRequest) { in.RoleName = &c.ID }); err != nil {
				return err
			}
			if c.Changed("AssumeRolePolicyDocument") {
				if _, err := iamapi.UpdateAssumeRolePolicy.Do(c, c.Peers, &iamapi.UpdateAssumeRolePolicyRequest{RoleName: &c.ID, PolicyDocument: new(Texted(c.Get("AssumeRolePolicyDocument")))}); err != nil {
					return err
				}
			}
			if c.Changed("PermissionsBoundary") {
				var err error
				if c.Has("PermissionsBoundary") {
					_, err = iamapi.PutRolePermissionsBoundary.Do(c, c.Peers, &iamapi.PutRolePermissionsBoundaryRequest{RoleName: &c.ID, PermissionsBoundary: new(c.Text("PermissionsBoundary"))})
				} else {
					_, err = iamapi.DeleteRolePermissionsBoundary.Do(c, c.Peers, &iamapi.DeleteRolePermissionsBoundaryRequest{RoleName: &c.ID})
				}
				if err != nil {
					return err
				}
			}
			if err := c.rolePolicies(); err != nil {
				return err
			}
			return Retag(c, &iamapi.TagRole, &iamapi.UntagRole,
				func(in *iamapi.TagRoleRequest) { in.RoleName = &c.ID }, func(in *iamapi.UntagRoleRequest) { in.RoleName = &c.ID })
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := iamapi.GetRole.Do(c, c.Peers, &iamapi.GetRoleRequest{RoleName: &c.ID})
			if err != nil {
				return nil, err
			}
			r := out.Role
			return map[string]any{"RoleName": *r.RoleName, "Arn": *r.Arn, "RoleId": *r.RoleId, "Path": aws.Value(r.Path),
				"Description": aws.Value(r.Description), "MaxSessionDuration": int(aws.Value(r.MaxSessionDuration))}, nil
		},
		Delete: func(c *Call) error {
			attached, err := iamapi.ListAttachedRolePolicies.Do(c, c.Peers, &iamapi.ListAttachedRolePoliciesRequest{RoleName: &c.ID, MaxItems: new(int32(1000))})
			if err != nil {
				return err
			}
			// What others attached is theirs to take away: the role then stays, and says so.
			for _, p := range attached.AttachedPolicies {
				if containsEqual(c.Properties.Get("ManagedPolicyArns"), *p.PolicyArn) {
					if _, err := iamapi.DetachRolePolicy.Do(c, c.Peers, &iamapi.DetachRolePolicyRequest{RoleName: &c.ID, PolicyArn: p.PolicyArn}); err != nil && !Gone(err) {
						return err
					}
				}
			}
			for _, p := range objects(c.Properties.Get("Policies")) {
				if _, err := iamapi.DeleteRolePolicy.Do(c, c.Peers, &iamapi.DeleteRolePolicyRequest{RoleName: &c.ID, PolicyName: new(member(p, "PolicyName"))}); err != nil && !Gone(err) {
					return err
				}
			}
			_, err = iamapi.DeleteRole.Do(c, c.Peers, &iamapi.DeleteRoleRequest{RoleName: &c.ID})
			return err
		},
	},
}

// rolePolicies gives a role the policies of its properties, and takes those that it had.
func (c *Call) rolePolicies() error {
	inline, attached := objects(c.Get("Policies")), texts(c.Get("ManagedPolicyArns"))
	if c.Old != nil {
		for _, p := range objects(c.Old.Get("Policies")) {
			if name := member(p, "PolicyName"); !hasMember(inline, "PolicyName", name) {
				if _, err := iamapi.DeleteRolePolicy.Do(c, c.Peers, &iamapi.DeleteRolePolicyRequest{RoleName: &c.ID, PolicyName: &name}); err != nil && !Gone(err) {
					return err
				}
			}
		}
		for _, arn := range without(texts(c.Old.Get("ManagedPolicyArns")), attached) {
			if _, err := iamapi.DetachRolePolicy.Do(c, c.Peers, &iamapi.DetachRolePolicyRequest{RoleName: &c.ID, PolicyArn: &arn}); err != nil && !Gone(err) {
				return err
			}
		}
	}
	for _, p := range inline {
		if _, err := iamapi.PutRolePolicy.Do(c, c.Peers, &iamapi.PutRolePolicyRequest{RoleName: &c.ID, PolicyName: new(member(p, "PolicyName")), PolicyDocument: new(Texted(p.Get("PolicyDocument")))}); err != nil {
			return err
		}
	}
	for _, arn := range attached {
		if _, err := iamapi.AttachRolePolicy.Do(c, c.Peers, &iamapi.AttachRolePolicyRequest{RoleName: &c.ID, PolicyArn: &arn}); err != nil {
			return err
		}
	}
	return nil
}
