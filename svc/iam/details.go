package iam

import (
	"context"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A detail is one entry of GetAccountAuthorizationDetails, whichever it is.
type detail struct {
	sort   string
	user   *api.UserDetail
	group  *api.GroupDetail
	role   *api.RoleDetail
	policy *api.ManagedPolicyDetail
}

func (s *Service) detailRoutes() []aws.Route {
	return []aws.Route{api.GetAccountAuthorizationDetails.To(s.getAccountAuthorizationDetails, aws.Anywhere)}
}

// inlineDetails are a principal's inline policies, the first name first.
func (p *principal) inlineDetails() []api.PolicyDetail {
	out := []api.PolicyDetail{}
	for _, name := range slices.Sorted(maps.Keys(p.Inline)) {
		out = append(out, api.PolicyDetail{PolicyName: &name, PolicyDocument: encode(p.Inline[name])})
	}
	return out
}

func (p *principal) attachedDetails() []api.AttachedPolicy {
	out := []api.AttachedPolicy{}
	for _, arn := range p.Attached {
		_, name := pathOf(arn)
		out = append(out, api.AttachedPolicy{PolicyArn: &arn, PolicyName: &name})
	}
	return out
}

func (p *principal) detail(account string) detail {
	arn := p.arn(account)
	d := detail{sort: string(p.Kind) + "/" + key(p.Name)}
	switch p.Kind {
	case user:
		d.user = &api.UserDetail{Arn: &arn, CreateDate: &p.Created, Path: &p.Path, UserId: &p.ID, UserName: &p.Name, GroupList: p.Groups,
			AttachedManagedPolicies: p.attachedDetails(), UserPolicyList: p.inlineDetails(), PermissionsBoundary: boundary(p.Boundary), Tags: apiTags(p.Tags)}
	case group:
		d.group = &api.GroupDetail{Arn: &arn, CreateDate: &p.Created, Path: &p.Path, GroupId: &p.ID, GroupName: &p.Name,
			AttachedManagedPolicies: p.attachedDetails(), GroupPolicyList: p.inlineDetails()}
	case role:
		d.role = &api.RoleDetail{Arn: &arn, CreateDate: &p.Created, Path: &p.Path, RoleId: &p.ID, RoleName: &p.Name, AssumeRolePolicyDocument: encode(p.Trust),
			AttachedManagedPolicies: p.attachedDetails(), RolePolicyList: p.inlineDetails(),
			PermissionsBoundary: boundary(p.Boundary), Tags: apiTags(p.Tags)}
	}
	return d
}

func (p *managed) detail(ctx context.Context, r store.Reader, account, arn string) (detail, error) {
	of, err := p.policy(ctx, r, account, arn)
	if err != nil {
		return detail{}, err
	}
	out := &api.ManagedPolicyDetail{Arn: of.Arn, AttachmentCount: of.AttachmentCount, CreateDate: of.CreateDate, DefaultVersionId: of.DefaultVersionId,
		Description: of.Description, IsAttachable: of.IsAttachable, Path: of.Path, PermissionsBoundaryUsageCount: of.PermissionsBoundaryUsageCount,
		PolicyId: of.PolicyId, PolicyName: of.PolicyName, UpdateDate: of.UpdateDate}
	for i := range p.Versions {
		v := p.describe(&p.Versions[i])
		v.Document = encode(p.Versions[i].Document)
		out.PolicyVersionList = append(out.PolicyVersionList, v)
	}
	slices.Reverse(out.PolicyVersionList)
	return detail{sort: "policy/" + arn, policy: out}, nil
}

// details gathers what filter names, all without one. Of AWS's policies, those in use.
func (s *Service) details(ctx context.Context, r store.Reader, account string, filter []string) ([]detail, error) {
	wanted := func(name string) bool { return len(filter) == 0 || slices.Contains(filter, name) }
	var all []detail
	for e, err := range principals.List(ctx, r, scope(account), store.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		if !wanted(e.Record.Kind.title()) {
			continue
		}
		p, err := e.Record.shown(ctx, r)
		if err != nil {
			return nil, err
		}
		d := p.detail(account)
		if d.role != nil {
			if d.role.InstanceProfileList, err = describeProfiles(ctx, r, account, e.Record.Name); err != nil {
				return nil, err
			}
			if d.role.RoleLastUsed, err = s.roleLastUsed(ctx, r, account, p.ID); err != nil {
				return nil, err
			}
		}
		all = append(all, d)
	}
	if wanted("LocalManagedPolicy") {
		for e, err := range policies.List(ctx, r, scope(account), store.ListOptions{}) {
			if err != nil {
				return nil, err
			}
			d, err := e.Record.detail(ctx, r, account, e.Record.arn(account))
			if err != nil {
				return nil, err
			}
			all = append(all, d)
		}
	}
	if wanted("AWSManagedPolicy") {
		for arn, p := range s.catalog {
			d, err := p.detail(ctx, r, account, arn)
			if err != nil {
				return nil, err
			}
			if *d.policy.AttachmentCount+*d.policy.PermissionsBoundaryUsageCount > 0 {
				all = append(all, d)
			}
		}
	}
	return all, nil
}

func (s *Service) getAccountAuthorizationDetails(ctx context.Context, in *api.GetAccountAuthorizationDetailsRequest) (*api.GetAccountAuthorizationDetailsResponse, error) {
	var all []detail
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		all, err = s.details(ctx, r, account(ctx), in.Filter)
		return err
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(d *detail) string { return d.sort })
	out := &api.GetAccountAuthorizationDetailsResponse{IsTruncated: more(next), Marker: next, UserDetailList: []api.UserDetail{},
		GroupDetailList: []api.GroupDetail{}, RoleDetailList: []api.RoleDetail{}, Policies: []api.ManagedPolicyDetail{}}
	for _, d := range part {
		switch {
		case d.user != nil:
			out.UserDetailList = append(out.UserDetailList, *d.user)
		case d.group != nil:
			out.GroupDetailList = append(out.GroupDetailList, *d.group)
		case d.role != nil:
			out.RoleDetailList = append(out.RoleDetailList, *d.role)
		default:
			out.Policies = append(out.Policies, *d.policy)
		}
	}
	return out, err
}
