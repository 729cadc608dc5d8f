package iam

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// users are the principals that use a managed policy, groups first.
func usersOf(ctx context.Context, r store.Reader, account, arn string, u use) ([]principal, error) {
	var out []principal
	for e, err := range attachments.List(ctx, r, scope(account), store.ListOptions{Prefix: []any{arn, string(u)}}) {
		if err != nil {
			return nil, err
		}
		p, err := load(ctx, r, account, kind(e.Key.String(2)), e.Record)
		if err != nil {
			return nil, err
		}
		out = append(out, *p)
	}
	return out, nil
}

// countUses is how many principals use a managed policy.
func countUses(ctx context.Context, r store.Reader, account, arn string, u use) (int32, error) {
	n := int32(0)
	for _, err := range attachments.List(ctx, r, scope(account), store.ListOptions{Prefix: []any{arn, string(u)}}) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// wants says which kinds of principal ListEntitiesForPolicy's filter means.
func wants(filter *string, k kind) bool {
	switch aws.Value(filter) {
	case "User":
		return k == user
	case "Group":
		return k == group
	case "Role":
		return k == role
	}
	return filter == nil
}

func (s *Service) listEntitiesForPolicy(ctx context.Context, in *api.ListEntitiesForPolicyRequest) (*api.ListEntitiesForPolicyResponse, error) {
	a := account(ctx)
	u := policyUse
	if aws.Value(in.PolicyUsageFilter) == "PermissionsBoundary" {
		u = boundaryUse
	}
	var all []principal
	err := s.store.View(ctx, func(r store.Reader) error {
		if _, err := s.managed(ctx, r, a, *in.PolicyArn); err != nil {
			return err
		}
		users, err := usersOf(ctx, r, a, *in.PolicyArn, u)
		for _, p := range users {
			if wants(in.EntityFilter, p.Kind) && strings.HasPrefix(p.Path, aws.Value(in.PathPrefix)) {
				all = append(all, p)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(p *principal) string { return string(p.Kind) + "/" + key(p.Name) })
	out := &api.ListEntitiesForPolicyResponse{IsTruncated: more(next), Marker: next,
		PolicyGroups: []api.PolicyGroup{}, PolicyRoles: []api.PolicyRole{}, PolicyUsers: []api.PolicyUser{}}
	for i := range part {
		p := &part[i]
		switch p.Kind {
		case group:
			out.PolicyGroups = append(out.PolicyGroups, api.PolicyGroup{GroupId: &p.ID, GroupName: &p.Name})
		case role:
			out.PolicyRoles = append(out.PolicyRoles, api.PolicyRole{RoleId: &p.ID, RoleName: &p.Name})
		case user:
			out.PolicyUsers = append(out.PolicyUsers, api.PolicyUser{UserId: &p.ID, UserName: &p.Name})
		}
	}
	return out, err
}
