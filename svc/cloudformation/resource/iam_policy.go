package resource

import (
	"net/url"
	"slices"
	"strings"

	iamapi "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

// A holder is a kind of what policies are given to, and the operations for that.
type holder struct {
	property string // of a policy: those that it is given to
	put      func(c *Call, name, policy, document string) error
	remove   func(c *Call, name, policy string) error
	attach   func(c *Call, name, arn string) error
	detach   func(c *Call, name, arn string) error
}

var (
	roleHolder = holder{"Roles", func(c *Call, name, policy, document string) error {
		_, err := iamapi.PutRolePolicy.Do(c, c.Peers, &iamapi.PutRolePolicyRequest{RoleName: &name, PolicyName: &policy, PolicyDocument: &document})
		return err
	}, func(c *Call, name, policy string) error {
		_, err := iamapi.DeleteRolePolicy.Do(c, c.Peers, &iamapi.DeleteRolePolicyRequest{RoleName: &name, PolicyName: &policy})
		return err
	}, func(c *Call, name, arn string) error {
		_, err := iamapi.AttachRolePolicy.Do(c, c.Peers, &iamapi.AttachRolePolicyRequest{RoleName: &name, PolicyArn: &arn})
		return err
	}, func(c *Call, name, arn string) error {
		_, err := iamapi.DetachRolePolicy.Do(c, c.Peers, &iamapi.DetachRolePolicyRequest{RoleName: &name, PolicyArn: &arn})
		return err
	}}
	userHolder = holder{"Users", func(c *Call, name, policy, document string) error {
		_, err := iamapi.PutUserPolicy.Do(c, c.Peers, &iamapi.PutUserPolicyRequest{UserName: &name, PolicyName: &policy, PolicyDocument: &document})
		return err
	}, func(c *Call, name, policy string) error {
		_, err := iamapi.DeleteUserPolicy.Do(c, c.Peers, &iamapi.DeleteUserPolicyRequest{UserName: &name, PolicyName: &policy})
		return err
	}, func(c *Call, name, arn string) error {
		_, err := iamapi.AttachUserPolicy.Do(c, c.Peers, &iamapi.AttachUserPolicyRequest{UserName: &name, PolicyArn: &arn})
		return err
	}, func(c *Call, name, arn string) error {
		_, err := iamapi.DetachUserPolicy.Do(c, c.Peers, &iamapi.DetachUserPolicyRequest{UserName: &name, PolicyArn: &arn})
		return err
	}}
	groupHolder = holder{"Groups", func(c *Call, name, policy, document string) error {
		_, err := iamapi.PutGroupPolicy.Do(c, c.Peers, &iamapi.PutGroupPolicyRequest{GroupName: &name, PolicyName: &policy, PolicyDocument: &document})
		return err
	}, func(c *Call, name, policy string) error {
		_, err := iamapi.DeleteGroupPolicy.Do(c, c.Peers, &iamapi.DeleteGroupPolicyRequest{GroupName: &name, PolicyName: &policy})
		return err
	}, func(c *Call, name, arn string) error {
		_, err := iamapi.AttachGroupPolicy.Do(c, c.Peers, &iamapi.AttachGroupPolicyRequest{GroupName: &name, PolicyArn: &arn})
		return err
	}, func(c *Call, name, arn string) error {
		_, err := iamapi.DetachGroupPolicy.Do(c, c.Peers, &iamapi.DetachGroupPolicyRequest{GroupName: &name, PolicyArn: &arn})
		return err
	}}
	holders = []holder{groupHolder, roleHolder, userHolder}
)

// iamPolicyTypes are policies, each within what it is given to or on its own.
var iamPolicyTypes = []*Type{
	{
		Name:   "AWS::IAM::Policy",
		Create: func(c *Call) error { c.ID = c.steady(64); c.Set("Id", c.ID); return embedPolicy(c) },
		Update: embedPolicy,
		Delete: func(c *Call) error {
			return unembedPolicy(c, c.Properties, nil)
		},
	},
	ownPolicy("AWS::IAM::RolePolicy", "RoleName", roleHolder, func(c *Call, name, policy string) (*string, error) {
		out, err := iamapi.GetRolePolicy.Do(c, c.Peers, &iamapi.GetRolePolicyRequest{RoleName: &name, PolicyName: &policy})
		if err != nil {
			return nil, err
		}
		return out.PolicyDocument, nil
	}),
	ownPolicy("AWS::IAM::UserPolicy", "UserName", userHolder, func(c *Call, name, policy string) (*string, error) {
		out, err := iamapi.GetUserPolicy.Do(c, c.Peers, &iamapi.GetUserPolicyRequest{UserName: &name, PolicyName: &policy})
		if err != nil {
			return nil, err
		}
		return out.PolicyDocument, nil
	}),
	ownPolicy("AWS::IAM::GroupPolicy", "GroupName", groupHolder, func(c *Call, name, policy string) (*string, error) {
		out, err := iamapi.GetGroupPolicy.Do(c, c.Peers, &iamapi.GetGroupPolicyRequest{GroupName: &name, PolicyName: &policy})
		if err != nil {
			return nil, err
		}
		return out.PolicyDocument, nil
	}),
	{
		Name:  "AWS::IAM::ManagedPolicy",
		Named: "ManagedPolicyName", Length: 128,
		Create: func(c *Call) error {
			out, err := Do(c, &iamapi.CreatePolicy, func(in *iamapi.CreatePolicyRequest) { in.PolicyName = new(c.Text("ManagedPolicyName")) })
			switch {
			case err == nil:
				c.ID = *out.Policy.Arn
			case c.Again && Exists(err):
				path := c.Text("Path")
				if path == "" {
					path = "/"
				}
				c.ID = aws.NewARN("iam", "", c.Stack.Account, "policy"+path+c.Text("ManagedPolicyName")).String()
			default:
				return err
			}
			c.Set("PolicyArn", c.ID)
			return attachPolicy(c)
		},
		Update: func(c *Call) error {
			if c.Changed("PolicyDocument") {
				if err := newVersion(c); err != nil {
					return err
				}
			}
			return attachPolicy(c)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := iamapi.GetPolicy.Do(c, c.Peers, &iamapi.GetPolicyRequest{PolicyArn: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out.Policy, "AttachmentCount", "CreateDate", "DefaultVersionId", "Description", "IsAttachable", "Path", "PermissionsBoundaryUsageCount", "PolicyId", "UpdateDate")
			got["PolicyArn"], got["ManagedPolicyName"] = c.ID, aws.Value(out.Policy.PolicyName)
			return got, nil
		},
		// A policy stays while somebody has it, or it has other versions.
		Delete: func(c *Call) error {
			for _, h := range holders {
				for _, name := range texts(c.Properties.Get(h.property)) {
					if err := h.detach(c, name, c.ID); err != nil && !Gone(err) {
						return err
					}
				}
			}
			out, err := iamapi.ListPolicyVersions.Do(c, c.Peers, &iamapi.ListPolicyVersionsRequest{PolicyArn: &c.ID})
			if err != nil {
				return err
			}
			for _, v := range out.Versions {
				if !*v.IsDefaultVersion {
					if _, err := iamapi.DeletePolicyVersion.Do(c, c.Peers, &iamapi.DeletePolicyVersionRequest{PolicyArn: &c.ID, VersionId: v.VersionId}); err != nil {
						return err
					}
				}
			}
			_, err = iamapi.DeletePolicy.Do(c, c.Peers, &iamapi.DeletePolicyRequest{PolicyArn: &c.ID})
			return err
		},
	},
}

// ownPolicy is the row of policies that one role, user or group has, whose name a
// property holds.
func ownPolicy(row, property string, h holder, get func(c *Call, name, policy string) (*string, error)) *Type {
	put := func(c *Call) error {
		return h.put(c, c.Text(property), c.Text("PolicyName"), Texted(c.Get("PolicyDocument")))
	}
	return &Type{
		Name: row,
		Create: func(c *Call) error {
			if err := put(c); err != nil {
				return err
			}
			c.ID = c.Text("PolicyName") + "|" + c.Text(property)
			return nil
		},
		Update: put,
		Read: func(c *Call) (map[string]any, error) {
			document, err := get(c, c.Text(property), c.Text("PolicyName"))
			if err != nil {
				return nil, err
			}
			return map[string]any{property: c.Text(property), "PolicyName": c.Text("PolicyName"), "PolicyDocument": policyTree(document)}, nil
		},
		Delete: func(c *Call) error { return h.remove(c, c.Text(property), c.Text("PolicyName")) },
	}
}

// policyTree is a policy as a tree. IAM shows it escaped as in a URL.
func policyTree(document *string) any {
	if text, err := url.PathUnescape(aws.Value(document)); err == nil {
		if t, err := ordered.Parse([]byte(text)); err == nil {
			return t
		}
	}
	return aws.Value(document)
}

// embedPolicy puts a policy into all that it is for, and takes it from what it was for.
func embedPolicy(c *Call) error {
	name, document := c.Text("PolicyName"), Texted(c.Get("PolicyDocument"))
	given := 0
	for _, h := range holders {
		for _, to := range texts(c.Get(h.property)) {
			given++
			if err := h.put(c, to, name, document); err != nil {
				return err
			}
		}
	}
	if given == 0 {
		return invalid("At least one of [Groups,Roles,Users] must be non-empty.")
	}
	if c.Old == nil {
		return nil
	}
	keep := c.Properties
	if c.Changed("PolicyName") {
		keep = nil
	}
	return unembedPolicy(c, c.Old, keep)
}

// unembedPolicy takes a policy from all that has it by the properties from, but for those
// that keep it.
func unembedPolicy(c *Call, from, keep *ordered.Object) error {
	for _, h := range holders {
		names := texts(from.Get(h.property))
		if keep != nil {
			names = without(names, texts(keep.Get(h.property)))
		}
		for _, name := range names {
			if err := h.remove(c, name, member(from, "PolicyName")); err != nil && !Gone(err) {
				return err
			}
		}
	}
	return nil
}

// attachPolicy attaches a managed policy to all that it is for, and no more to what it was for.
func attachPolicy(c *Call) error {
	for _, h := range holders {
		now := texts(c.Get(h.property))
		for _, name := range now {
			if err := h.attach(c, name, c.ID); err != nil {
				return err
			}
		}
		if c.Old == nil {
			continue
		}
		for _, name := range without(texts(c.Old.Get(h.property)), now) {
			if err := h.detach(c, name, c.ID); err != nil && !Gone(err) {
				return err
			}
		}
	}
	return nil
}

// newVersion makes the document a managed policy's default. Of five versions, which is as
// many as there may be, the oldest goes.
func newVersion(c *Call) error {
	out, err := iamapi.ListPolicyVersions.Do(c, c.Peers, &iamapi.ListPolicyVersionsRequest{PolicyArn: &c.ID})
	if err != nil {
		return err
	}
	if len(out.Versions) >= 5 {
		old := slices.DeleteFunc(out.Versions, func(v iamapi.PolicyVersion) bool { return *v.IsDefaultVersion })
		oldest := slices.MinFunc(old, func(a, b iamapi.PolicyVersion) int {
			return len(*a.VersionId)*1000 - len(*b.VersionId)*1000 + strings.Compare(*a.VersionId, *b.VersionId)
		})
		if _, err := iamapi.DeletePolicyVersion.Do(c, c.Peers, &iamapi.DeletePolicyVersionRequest{PolicyArn: &c.ID, VersionId: oldest.VersionId}); err != nil {
			return err
		}
	}
	_, err = iamapi.CreatePolicyVersion.Do(c, c.Peers, &iamapi.CreatePolicyVersionRequest{PolicyArn: &c.ID, PolicyDocument: new(Texted(c.Get("PolicyDocument"))), SetAsDefault: new(true)})
	return err
}
