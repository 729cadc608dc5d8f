package ecr

import (
	"context"
	"encoding/json"

	api "github.com/tule-cloud/tule/api/ecr"
	"github.com/tule-cloud/tule/policy"
)

func (s *Service) setPolicy(ctx context.Context, in *api.SetRepositoryPolicyRequest) (*api.SetRepositoryPolicyResponse, error) {
	scope := registry(ctx, in.RegistryId)
	if _, err := policy.Parse(*in.PolicyText); err != nil {
		return nil, api.InvalidParameterException("Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'")
	}
	out := &api.SetRepositoryPolicyResponse{RegistryId: &scope.Account, RepositoryName: in.RepositoryName, PolicyText: in.PolicyText}
	return out, s.change(ctx, scope, *in.RepositoryName, func(p *repository) error {
		p.Policy = *in.PolicyText
		return nil
	})
}

func noPolicy(account, name string) error {
	return api.RepositoryPolicyNotFoundException("Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", name, account)
}

func (s *Service) getPolicy(ctx context.Context, in *api.GetRepositoryPolicyRequest) (*api.GetRepositoryPolicyResponse, error) {
	scope := registry(ctx, in.RegistryId)
	p, err := s.view(ctx, scope, *in.RepositoryName)
	if err == nil && p.Policy == "" {
		err = noPolicy(scope.Account, p.Name)
	}
	return &api.GetRepositoryPolicyResponse{RegistryId: &scope.Account, RepositoryName: in.RepositoryName, PolicyText: &p.Policy}, err
}

func (s *Service) deletePolicy(ctx context.Context, in *api.DeleteRepositoryPolicyRequest) (*api.DeleteRepositoryPolicyResponse, error) {
	scope := registry(ctx, in.RegistryId)
	out := &api.DeleteRepositoryPolicyResponse{RegistryId: &scope.Account, RepositoryName: in.RepositoryName}
	return out, s.change(ctx, scope, *in.RepositoryName, func(p *repository) error {
		if p.Policy == "" {
			return noPolicy(scope.Account, p.Name)
		}
		out.PolicyText, p.Policy = new(p.Policy), ""
		return nil
	})
}

// checkLifecycle holds a lifecycle policy against what one is: rules with a priority of
// their own, a selection and an action.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
func checkLifecycle(text string) error {
	var doc struct {
		Rules []struct {
			RulePriority int
			Selection    *struct {
				TagStatus, CountType string
				CountNumber          int
			}
			Action *struct{ Type string }
		}
	}
	wrong := api.InvalidParameterException("Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: malformed policy'")
	if json.Unmarshal([]byte(text), &doc) != nil || len(doc.Rules) == 0 {
		return wrong
	}
	seen := map[int]bool{}
	for _, r := range doc.Rules {
		if r.RulePriority < 1 || seen[r.RulePriority] || r.Selection == nil || r.Selection.TagStatus == "" || r.Selection.CountType == "" || r.Selection.CountNumber < 1 ||
			r.Action == nil || r.Action.Type == "" {
			return wrong
		}
		seen[r.RulePriority] = true
	}
	return nil
}

func (s *Service) putLifecycle(ctx context.Context, in *api.PutLifecyclePolicyRequest) (*api.PutLifecyclePolicyResponse, error) {
	scope := registry(ctx, in.RegistryId)
	if err := checkLifecycle(*in.LifecyclePolicyText); err != nil {
		return nil, err
	}
	out := &api.PutLifecyclePolicyResponse{RegistryId: &scope.Account, RepositoryName: in.RepositoryName, LifecyclePolicyText: in.LifecyclePolicyText}
	return out, s.change(ctx, scope, *in.RepositoryName, func(p *repository) error {
		p.Lifecycle = *in.LifecyclePolicyText
		return nil
	})
}

func noLifecycle(account, name string) error {
	return api.LifecyclePolicyNotFoundException("Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", name, account)
}

func (s *Service) getLifecycle(ctx context.Context, in *api.GetLifecyclePolicyRequest) (*api.GetLifecyclePolicyResponse, error) {
	scope := registry(ctx, in.RegistryId)
	p, err := s.view(ctx, scope, *in.RepositoryName)
	if err == nil && p.Lifecycle == "" {
		err = noLifecycle(scope.Account, p.Name)
	}
	return &api.GetLifecyclePolicyResponse{RegistryId: &scope.Account, RepositoryName: in.RepositoryName, LifecyclePolicyText: &p.Lifecycle}, err
}

func (s *Service) deleteLifecycle(ctx context.Context, in *api.DeleteLifecyclePolicyRequest) (*api.DeleteLifecyclePolicyResponse, error) {
	scope := registry(ctx, in.RegistryId)
	out := &api.DeleteLifecyclePolicyResponse{RegistryId: &scope.Account, RepositoryName: in.RepositoryName}
	return out, s.change(ctx, scope, *in.RepositoryName, func(p *repository) error {
		if p.Lifecycle == "" {
			return noLifecycle(scope.Account, p.Name)
		}
		out.LifecyclePolicyText, p.Lifecycle = new(p.Lifecycle), ""
		return nil
	})
}
