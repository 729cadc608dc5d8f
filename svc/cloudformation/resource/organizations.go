package resource

import (
	organizationsapi "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
)

var organizationTypes = []*Type{
	{
		Name: "AWS::Organizations::OrganizationalUnit",
		Create: func(c *Call) error {
			out, err := Do(c, &organizationsapi.CreateOrganizationalUnit)
			if err != nil {
				return err
			}
			c.ID = *out.OrganizationalUnit.Id
			return nil
		},
		Find: func(c *Call) error {
			in := &organizationsapi.ListOrganizationalUnitsForParentRequest{ParentId: new(c.Text("ParentId"))}
			return pages(c, &organizationsapi.ListOrganizationalUnitsForParent, in, func(out *organizationsapi.ListOrganizationalUnitsForParentResponse) bool {
				for _, u := range out.OrganizationalUnits {
					if aws.Value(u.Name) == c.Text("Name") { // of which a parent has one
						c.found(*u.Id)
						return false
					}
				}
				return more(&in.NextToken, out.NextToken)
			})
		},
		Update: func(c *Call) error {
			if _, err := Change(c, &organizationsapi.UpdateOrganizationalUnit, func(in *organizationsapi.UpdateOrganizationalUnitRequest) { in.OrganizationalUnitId = &c.ID }); err != nil {
				return err
			}
			return c.retagOrganization()
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := organizationsapi.DescribeOrganizationalUnit.Do(c, c.Peers, &organizationsapi.DescribeOrganizationalUnitRequest{OrganizationalUnitId: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out.OrganizationalUnit, "Arn", "Id", "Name", "Path"), nil
		},
		Delete: func(c *Call) error {
			_, err := organizationsapi.DeleteOrganizationalUnit.Do(c, c.Peers, &organizationsapi.DeleteOrganizationalUnitRequest{OrganizationalUnitId: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::Organizations::Policy",
		Create: func(c *Call) error {
			out, err := Do(c, &organizationsapi.CreatePolicy, func(in *organizationsapi.CreatePolicyRequest) {
				if in.Description == nil {
					in.Description = new("")
				}
			})
			if err != nil {
				return err
			}
			c.ID = *out.Policy.PolicySummary.Id
			return targetPolicy(c)
		},
		Find: func(c *Call) error {
			in := &organizationsapi.ListPoliciesRequest{Filter: new(c.Text("Type"))}
			err := pages(c, &organizationsapi.ListPolicies, in, func(out *organizationsapi.ListPoliciesResponse) bool {
				for _, p := range out.Policies {
					if aws.Value(p.Name) == c.Text("Name") { // of which an organization has one
						c.found(*p.Id)
						return false
					}
				}
				return more(&in.NextToken, out.NextToken)
			})
			if err != nil || c.ID == "" {
				return err
			}
			return targetPolicy(c)
		},
		Update: func(c *Call) error {
			if _, err := Change(c, &organizationsapi.UpdatePolicy, func(in *organizationsapi.UpdatePolicyRequest) { in.PolicyId = &c.ID }); err != nil {
				return err
			}
			if err := targetPolicy(c); err != nil {
				return err
			}
			return c.retagOrganization()
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := organizationsapi.DescribePolicy.Do(c, c.Peers, &organizationsapi.DescribePolicyRequest{PolicyId: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out.Policy.PolicySummary, "Arn", "AwsManaged", "Description", "Id", "Name", "Type")
			got["Content"] = aws.Value(out.Policy.Content)
			return got, nil
		},
		Delete: func(c *Call) error {
			for _, target := range texts(c.Properties.Get("TargetIds")) {
				if err := untarget(c, target); err != nil {
					return err
				}
			}
			_, err := organizationsapi.DeletePolicy.Do(c, c.Peers, &organizationsapi.DeletePolicyRequest{PolicyId: &c.ID})
			return err
		},
	},
}

// targetPolicy attaches a policy to all that it is for, and no more to what it was for.
func targetPolicy(c *Call) error {
	now := texts(c.Get("TargetIds"))
	for _, target := range now {
		_, err := organizationsapi.AttachPolicy.Do(c, c.Peers, &organizationsapi.AttachPolicyRequest{PolicyId: &c.ID, TargetId: &target})
		if err != nil && aws.CodeOf(err) != "DuplicatePolicyAttachmentException" {
			return err
		}
	}
	if c.Old == nil {
		return nil
	}
	for _, target := range without(texts(c.Old.Get("TargetIds")), now) {
		if err := untarget(c, target); err != nil {
			return err
		}
	}
	return nil
}

func untarget(c *Call, target string) error {
	_, err := organizationsapi.DetachPolicy.Do(c, c.Peers, &organizationsapi.DetachPolicyRequest{PolicyId: &c.ID, TargetId: &target})
	if Gone(err) || aws.CodeOf(err) == "PolicyNotAttachedException" {
		return nil
	}
	return err
}

func (c *Call) retagOrganization() error {
	return Retag(c, &organizationsapi.TagResource, &organizationsapi.UntagResource,
		func(in *organizationsapi.TagResourceRequest) { in.ResourceId = &c.ID }, func(in *organizationsapi.UntagResourceRequest) { in.ResourceId = &c.ID })
}
