package iam

import (
	"context"
	"slices"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// maxVersions is how many versions a managed policy has at most.
const maxVersions = 5

func (s *Service) versionRoutes() []aws.Route {
	return []aws.Route{
		api.CreatePolicyVersion.To(s.createPolicyVersion, onPolicy(s, func(in *api.CreatePolicyVersionRequest) *string { return in.PolicyArn }, nil)),
		api.GetPolicyVersion.To(s.getPolicyVersion, onPolicy(s, func(in *api.GetPolicyVersionRequest) *string { return in.PolicyArn }, nil)),
		api.DeletePolicyVersion.To(s.deletePolicyVersion, onPolicy(s, func(in *api.DeletePolicyVersionRequest) *string { return in.PolicyArn }, nil)),
		api.SetDefaultPolicyVersion.To(s.setDefaultPolicyVersion, onPolicy(s, func(in *api.SetDefaultPolicyVersionRequest) *string { return in.PolicyArn }, nil)),
		api.ListPolicyVersions.To(s.listPolicyVersions, onPolicy(s, func(in *api.ListPolicyVersionsRequest) *string { return in.PolicyArn }, nil)),
	}
}

func noVersion(arn, id string) error {
	return api.NoSuchEntityException("Policy %s version %s does not exist or is not attachable.", arn, id)
}

// version is a version as answers carry it, without its document.
func (p *managed) describe(v *version) api.PolicyVersion {
	id, isDefault := v.id(), v.Number == p.Default
	return api.PolicyVersion{CreateDate: &v.Created, IsDefaultVersion: &isDefault, VersionId: &id}
}

func (s *Service) createPolicyVersion(ctx context.Context, in *api.CreatePolicyVersionRequest) (*api.CreatePolicyVersionResponse, error) {
	if err := checkDocument(*in.PolicyDocument, policy.Rules{Kind: policy.Identity, MaxSize: maxManaged}); err != nil {
		return nil, err
	}
	out := &api.CreatePolicyVersionResponse{}
	return out, s.editPolicy(ctx, *in.PolicyArn, func(_ store.Tx, p *managed) error {
		if len(p.Versions) >= maxVersions {
			return api.LimitExceededException("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		p.Last++
		p.Updated = s.now()
		p.Versions = append(p.Versions, version{p.Last, s.now(), *in.PolicyDocument})
		if aws.Value(in.SetAsDefault) {
			p.Default = p.Last
		}
		v := p.describe(&p.Versions[len(p.Versions)-1])
		out.PolicyVersion = &v
		return nil
	})
}

func (s *Service) getPolicyVersion(ctx context.Context, in *api.GetPolicyVersionRequest) (*api.GetPolicyVersionResponse, error) {
	out := &api.GetPolicyVersionResponse{}
	return out, s.store.View(ctx, func(r store.Reader) error {
		p, err := s.managed(ctx, r, account(ctx), *in.PolicyArn)
		if err != nil {
			return err
		}
		v := p.version(*in.VersionId)
		if v == nil {
			return noVersion(*in.PolicyArn, *in.VersionId)
		}
		d := p.describe(v)
		d.Document = encode(v.Document)
		out.PolicyVersion = &d
		return nil
	})
}

func (s *Service) deletePolicyVersion(ctx context.Context, in *api.DeletePolicyVersionRequest) (*aws.Empty, error) {
	return nil, s.editPolicy(ctx, *in.PolicyArn, func(_ store.Tx, p *managed) error {
		v := p.version(*in.VersionId)
		if v == nil {
			return noVersion(*in.PolicyArn, *in.VersionId)
		}
		if v.Number == p.Default {
			return api.DeleteConflictException("Cannot delete the default version of a policy.")
		}
		n := v.Number
		p.Versions = slices.DeleteFunc(p.Versions, func(v version) bool { return v.Number == n })
		return nil
	})
}

func (s *Service) setDefaultPolicyVersion(ctx context.Context, in *api.SetDefaultPolicyVersionRequest) (*aws.Empty, error) {
	return nil, s.editPolicy(ctx, *in.PolicyArn, func(_ store.Tx, p *managed) error {
		v := p.version(*in.VersionId)
		if v == nil {
			return noVersion(*in.PolicyArn, *in.VersionId)
		}
		p.Default, p.Updated = v.Number, s.now()
		return nil
	})
}

func (s *Service) listPolicyVersions(ctx context.Context, in *api.ListPolicyVersionsRequest) (*api.ListPolicyVersionsResponse, error) {
	var all []api.PolicyVersion
	err := s.store.View(ctx, func(r store.Reader) error {
		p, err := s.managed(ctx, r, account(ctx), *in.PolicyArn)
		if err != nil {
			return err
		}
		for i := range p.Versions {
			all = append(all, p.describe(&p.Versions[i]))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(all) // the newest first; five at most, so the marker is a place
	return newest(all, page{in.Marker, in.MaxItems})
}

func newest(all []api.PolicyVersion, at page) (*api.ListPolicyVersionsResponse, error) {
	after, err := at.position()
	if err != nil {
		return nil, err
	}
	if after != "" {
		i := slices.IndexFunc(all, func(v api.PolicyVersion) bool { return *v.VersionId == after })
		all = all[i+1:]
	}
	var next *string
	if len(all) > at.size() {
		all = all[:at.size()]
		next = marker(*all[len(all)-1].VersionId)
	}
	return &api.ListPolicyVersionsResponse{Versions: all, IsTruncated: more(next), Marker: next}, nil
}
