package iam

import (
	"context"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) inlineRoutes() []aws.Route {
	return []aws.Route{
		api.PutUserPolicy.To(s.putUserPolicy, onBound(s, user, func(in *api.PutUserPolicyRequest) *string { return in.UserName })),
		api.GetUserPolicy.To(s.getUserPolicy, on(s, user, func(in *api.GetUserPolicyRequest) *string { return in.UserName })),
		api.DeleteUserPolicy.To(s.deleteUserPolicy, onBound(s, user, func(in *api.DeleteUserPolicyRequest) *string { return in.UserName })),
		api.ListUserPolicies.To(s.listUserPolicies, on(s, user, func(in *api.ListUserPoliciesRequest) *string { return in.UserName })),

		api.PutGroupPolicy.To(s.putGroupPolicy, on(s, group, func(in *api.PutGroupPolicyRequest) *string { return in.GroupName })),
		api.GetGroupPolicy.To(s.getGroupPolicy, on(s, group, func(in *api.GetGroupPolicyRequest) *string { return in.GroupName })),
		api.DeleteGroupPolicy.To(s.deleteGroupPolicy, on(s, group, func(in *api.DeleteGroupPolicyRequest) *string { return in.GroupName })),
		api.ListGroupPolicies.To(s.listGroupPolicies, on(s, group, func(in *api.ListGroupPoliciesRequest) *string { return in.GroupName })),

		api.PutRolePolicy.To(s.putRolePolicy, onBound(s, role, func(in *api.PutRolePolicyRequest) *string { return in.RoleName })),
		api.GetRolePolicy.To(s.getRolePolicy, on(s, role, func(in *api.GetRolePolicyRequest) *string { return in.RoleName })),
		api.DeleteRolePolicy.To(s.deleteRolePolicy, onBound(s, role, func(in *api.DeleteRolePolicyRequest) *string { return in.RoleName })),
		api.ListRolePolicies.To(s.listRolePolicies, on(s, role, func(in *api.ListRolePoliciesRequest) *string { return in.RoleName })),
	}
}

// putInline sets an inline policy. The limit is on all of a principal's together.
func (s *Service) putInline(ctx context.Context, k kind, name, policyName, document string) error {
	if err := checkDocument(document, policy.Rules{Kind: policy.Identity}); err != nil {
		return err
	}
	return s.edit(ctx, k, name, func(_ store.Tx, p *principal) error {
		if p.Inline == nil {
			p.Inline = map[string]string{}
		}
		p.Inline[policyName] = document
		total := 0
		for _, d := range p.Inline {
			total += sizeOf(d)
		}
		if total > maxInline[k] {
			return api.LimitExceededException("Maximum policy size of %d bytes exceeded for %s %s", maxInline[k], k, p.Name)
		}
		return nil
	})
}

// sizeOf is the size of a document as the limits count it.
func sizeOf(document string) int {
	n := 0
	for _, c := range document {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			n++
		}
	}
	return n
}

func noInline(k kind, policyName string) error {
	return api.NoSuchEntityException("The %s policy with name %s cannot be found.", k, policyName)
}

func (s *Service) inline(ctx context.Context, k kind, name, policyName string) (owner, document *string, err error) {
	p, err := s.view(ctx, k, name)
	if err != nil {
		return nil, nil, err
	}
	d, ok := p.Inline[policyName]
	if !ok {
		return nil, nil, noInline(k, policyName)
	}
	return &p.Name, encode(d), nil
}

func (s *Service) deleteInline(ctx context.Context, k kind, name, policyName string) error {
	return s.edit(ctx, k, name, func(_ store.Tx, p *principal) error {
		if _, ok := p.Inline[policyName]; !ok {
			return noInline(k, policyName)
		}
		delete(p.Inline, policyName)
		return nil
	})
}

func (s *Service) listInline(ctx context.Context, k kind, name string, at page) ([]string, *string, error) {
	p, err := s.view(ctx, k, name)
	if err != nil {
		return nil, nil, err
	}
	return cut(slices.Collect(maps.Keys(p.Inline)), at, func(n *string) string { return *n })
}

func (s *Service) putUserPolicy(ctx context.Context, in *api.PutUserPolicyRequest) (*aws.Empty, error) {
	return nil, s.putInline(ctx, user, *in.UserName, *in.PolicyName, *in.PolicyDocument)
}

func (s *Service) getUserPolicy(ctx context.Context, in *api.GetUserPolicyRequest) (*api.GetUserPolicyResponse, error) {
	owner, document, err := s.inline(ctx, user, *in.UserName, *in.PolicyName)
	return &api.GetUserPolicyResponse{UserName: owner, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

func (s *Service) deleteUserPolicy(ctx context.Context, in *api.DeleteUserPolicyRequest) (*aws.Empty, error) {
	return nil, s.deleteInline(ctx, user, *in.UserName, *in.PolicyName)
}

func (s *Service) listUserPolicies(ctx context.Context, in *api.ListUserPoliciesRequest) (*api.ListUserPoliciesResponse, error) {
	names, next, err := s.listInline(ctx, user, *in.UserName, page{in.Marker, in.MaxItems})
	return &api.ListUserPoliciesResponse{PolicyNames: names, IsTruncated: more(next), Marker: next}, err
}

func (s *Service) putGroupPolicy(ctx context.Context, in *api.PutGroupPolicyRequest) (*aws.Empty, error) {
	return nil, s.putInline(ctx, group, *in.GroupName, *in.PolicyName, *in.PolicyDocument)
}

func (s *Service) getGroupPolicy(ctx context.Context, in *api.GetGroupPolicyRequest) (*api.GetGroupPolicyResponse, error) {
	owner, document, err := s.inline(ctx, group, *in.GroupName, *in.PolicyName)
	return &api.GetGroupPolicyResponse{GroupName: owner, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

func (s *Service) deleteGroupPolicy(ctx context.Context, in *api.DeleteGroupPolicyRequest) (*aws.Empty, error) {
	return nil, s.deleteInline(ctx, group, *in.GroupName, *in.PolicyName)
}

func (s *Service) listGroupPolicies(ctx context.Context, in *api.ListGroupPoliciesRequest) (*api.ListGroupPoliciesResponse, error) {
	names, next, err := s.listInline(ctx, group, *in.GroupName, page{in.Marker, in.MaxItems})
	return &api.ListGroupPoliciesResponse{PolicyNames: names, IsTruncated: more(next), Marker: next}, err
}

func (s *Service) putRolePolicy(ctx context.Context, in *api.PutRolePolicyRequest) (*aws.Empty, error) {
	return nil, s.putInline(ctx, role, *in.RoleName, *in.PolicyName, *in.PolicyDocument)
}

func (s *Service) getRolePolicy(ctx context.Context, in *api.GetRolePolicyRequest) (*api.GetRolePolicyResponse, error) {
	owner, document, err := s.inline(ctx, role, *in.RoleName, *in.PolicyName)
	return &api.GetRolePolicyResponse{RoleName: owner, PolicyName: in.PolicyName, PolicyDocument: document}, err
}

func (s *Service) deleteRolePolicy(ctx context.Context, in *api.DeleteRolePolicyRequest) (*aws.Empty, error) {
	return nil, s.deleteInline(ctx, role, *in.RoleName, *in.PolicyName)
}

func (s *Service) listRolePolicies(ctx context.Context, in *api.ListRolePoliciesRequest) (*api.ListRolePoliciesResponse, error) {
	names, next, err := s.listInline(ctx, role, *in.RoleName, page{in.Marker, in.MaxItems})
	return &api.ListRolePoliciesResponse{PolicyNames: names, IsTruncated: more(next), Marker: next}, err
}
