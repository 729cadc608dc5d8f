package iam

import (
	"context"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A use is what a managed policy is to a principal.
type use string

const (
	policyUse   use = "policy"
	boundaryUse use = "boundary"
)

// attachments are the principals that use a managed policy: under its ARN, the use,
// their kind and their name in lower case, their name.
var attachments = store.NewTable[string]("iam", "attachment")

// maxAttached is how many managed policies a principal can have.
const maxAttached = 10

func (s *Service) attachRoutes() []aws.Route {
	return []aws.Route{
		api.AttachUserPolicy.To(s.attachUserPolicy, onBoundWith(s, user, func(in *api.AttachUserPolicyRequest) *string { return in.UserName },
			func(in *api.AttachUserPolicyRequest) map[string][]string { return policyARN(in.PolicyArn) })),
		api.DetachUserPolicy.To(s.detachUserPolicy, onBoundWith(s, user, func(in *api.DetachUserPolicyRequest) *string { return in.UserName },
			func(in *api.DetachUserPolicyRequest) map[string][]string { return policyARN(in.PolicyArn) })),
		api.AttachGroupPolicy.To(s.attachGroupPolicy, onWith(s, group, func(in *api.AttachGroupPolicyRequest) *string { return in.GroupName },
			func(in *api.AttachGroupPolicyRequest) map[string][]string { return policyARN(in.PolicyArn) })),
		api.DetachGroupPolicy.To(s.detachGroupPolicy, onWith(s, group, func(in *api.DetachGroupPolicyRequest) *string { return in.GroupName },
			func(in *api.DetachGroupPolicyRequest) map[string][]string { return policyARN(in.PolicyArn) })),
		api.AttachRolePolicy.To(s.attachRolePolicy, onBoundWith(s, role, func(in *api.AttachRolePolicyRequest) *string { return in.RoleName },
			func(in *api.AttachRolePolicyRequest) map[string][]string { return policyARN(in.PolicyArn) })),
		api.DetachRolePolicy.To(s.detachRolePolicy, onBoundWith(s, role, func(in *api.DetachRolePolicyRequest) *string { return in.RoleName },
			func(in *api.DetachRolePolicyRequest) map[string][]string { return policyARN(in.PolicyArn) })),

		api.ListAttachedUserPolicies.To(s.listAttachedUserPolicies, on(s, user, func(in *api.ListAttachedUserPoliciesRequest) *string { return in.UserName })),
		api.ListAttachedGroupPolicies.To(s.listAttachedGroupPolicies, on(s, group, func(in *api.ListAttachedGroupPoliciesRequest) *string { return in.GroupName })),
		api.ListAttachedRolePolicies.To(s.listAttachedRolePolicies, on(s, role, func(in *api.ListAttachedRolePoliciesRequest) *string { return in.RoleName })),
		api.ListEntitiesForPolicy.To(s.listEntitiesForPolicy, onPolicy(s, func(in *api.ListEntitiesForPolicyRequest) *string { return in.PolicyArn }, nil)),
	}
}

func policyARN(arn *string) map[string][]string {
	return map[string][]string{"iam:PolicyARN": {aws.Value(arn)}}
}

func attached(tx store.Tx, account string, p *principal, arn string, u use) error {
	return attachments.Put(tx, scope(account), p.Name, arn, string(u), string(p.Kind), key(p.Name))
}

func detached(tx store.Tx, account string, p *principal, arn string, u use) error {
	return attachments.Delete(tx, scope(account), arn, string(u), string(p.Kind), key(p.Name))
}

// reattach follows a principal that was called from before.
func reattach(tx store.Tx, account string, p *principal, from, arn string, u use) error {
	if err := attachments.Delete(tx, scope(account), arn, string(u), string(p.Kind), key(from)); err != nil {
		return err
	}
	return attached(tx, account, p, arn, u)
}

// attachable refuses an ARN behind which there is no policy.
func (s *Service) attachable(ctx context.Context, r store.Reader, account, arn string) error {
	_, err := s.managed(ctx, r, account, arn)
	if aws.CodeOf(err) == "NoSuchEntity" {
		return api.NoSuchEntityException("Policy %s does not exist or is not attachable.", arn)
	}
	return err
}

func (s *Service) attach(ctx context.Context, k kind, name, arn string) error {
	a := account(ctx)
	return s.edit(ctx, k, name, func(tx store.Tx, p *principal) error {
		if err := s.attachable(ctx, tx, a, arn); err != nil {
			return err
		}
		if slices.Contains(p.Attached, arn) {
			return nil
		}
		if len(p.Attached) >= maxAttached {
			return api.LimitExceededException("Cannot exceed quota for PoliciesPer%s: %d", k.title(), maxAttached)
		}
		p.Attached = append(p.Attached, arn)
		return attached(tx, a, p, arn, policyUse)
	})
}

func (s *Service) detach(ctx context.Context, k kind, name, arn string) error {
	return s.edit(ctx, k, name, func(tx store.Tx, p *principal) error {
		i := slices.Index(p.Attached, arn)
		if i < 0 {
			return noPolicy(arn)
		}
		p.Attached = slices.Delete(p.Attached, i, i+1)
		return detached(tx, account(ctx), p, arn, policyUse)
	})
}

// attachedOf is a page of a principal's managed policies below a path.
func (s *Service) attachedOf(ctx context.Context, k kind, name string, prefix *string, at page) ([]api.AttachedPolicy, *string, error) {
	p, err := s.view(ctx, k, name)
	if err != nil {
		return nil, nil, err
	}
	var all []api.AttachedPolicy
	for _, arn := range p.Attached {
		if path, n := pathOf(arn); strings.HasPrefix(path, aws.Value(prefix)) {
			all = append(all, api.AttachedPolicy{PolicyArn: &arn, PolicyName: &n})
		}
	}
	return cut(all, at, func(p *api.AttachedPolicy) string { return *p.PolicyArn })
}

// pathOf is the path and the name in the ARN of a policy.
func pathOf(arn string) (path, name string) {
	a, _ := aws.ParseARN(arn)
	rest := strings.TrimPrefix(a.Resource, "policy")
	i := strings.LastIndexByte(rest, '/')
	return rest[:i+1], rest[i+1:]
}

func (s *Service) attachUserPolicy(ctx context.Context, in *api.AttachUserPolicyRequest) (*aws.Empty, error) {
	return nil, s.attach(ctx, user, *in.UserName, *in.PolicyArn)
}

func (s *Service) detachUserPolicy(ctx context.Context, in *api.DetachUserPolicyRequest) (*aws.Empty, error) {
	return nil, s.detach(ctx, user, *in.UserName, *in.PolicyArn)
}

func (s *Service) listAttachedUserPolicies(ctx context.Context, in *api.ListAttachedUserPoliciesRequest) (*api.ListAttachedUserPoliciesResponse, error) {
	part, next, err := s.attachedOf(ctx, user, *in.UserName, in.PathPrefix, page{in.Marker, in.MaxItems})
	return &api.ListAttachedUserPoliciesResponse{AttachedPolicies: part, IsTruncated: more(next), Marker: next}, err
}

func (s *Service) attachGroupPolicy(ctx context.Context, in *api.AttachGroupPolicyRequest) (*aws.Empty, error) {
	return nil, s.attach(ctx, group, *in.GroupName, *in.PolicyArn)
}

func (s *Service) detachGroupPolicy(ctx context.Context, in *api.DetachGroupPolicyRequest) (*aws.Empty, error) {
	return nil, s.detach(ctx, group, *in.GroupName, *in.PolicyArn)
}

func (s *Service) listAttachedGroupPolicies(ctx context.Context, in *api.ListAttachedGroupPoliciesRequest) (*api.ListAttachedGroupPoliciesResponse, error) {
	part, next, err := s.attachedOf(ctx, group, *in.GroupName, in.PathPrefix, page{in.Marker, in.MaxItems})
	return &api.ListAttachedGroupPoliciesResponse{AttachedPolicies: part, IsTruncated: more(next), Marker: next}, err
}

func (s *Service) attachRolePolicy(ctx context.Context, in *api.AttachRolePolicyRequest) (*aws.Empty, error) {
	return nil, s.attach(ctx, role, *in.RoleName, *in.PolicyArn)
}

func (s *Service) detachRolePolicy(ctx context.Context, in *api.DetachRolePolicyRequest) (*aws.Empty, error) {
	return nil, s.detach(ctx, role, *in.RoleName, *in.PolicyArn)
}

func (s *Service) listAttachedRolePolicies(ctx context.Context, in *api.ListAttachedRolePoliciesRequest) (*api.ListAttachedRolePoliciesResponse, error) {
	part, next, err := s.attachedOf(ctx, role, *in.RoleName, in.PathPrefix, page{in.Marker, in.MaxItems})
	return &api.ListAttachedRolePoliciesResponse{AttachedPolicies: part, IsTruncated: more(next), Marker: next}, err
}
