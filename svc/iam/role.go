package iam

import (
	"context"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const defaultMaxSession = 3600

func (s *Service) roleRoutes() []aws.Route {
	return []aws.Route{
		api.CreateRole.To(s.createRole, s.guardCreateRole),
		api.GetRole.To(s.getRole, onBound(s, role, func(in *api.GetRoleRequest) *string { return in.RoleName })),
		api.UpdateRole.To(s.updateRole, onBound(s, role, func(in *api.UpdateRoleRequest) *string { return in.RoleName })),
		api.UpdateRoleDescription.To(s.updateRoleDescription, onBound(s, role, func(in *api.UpdateRoleDescriptionRequest) *string { return in.RoleName })),
		api.UpdateAssumeRolePolicy.To(s.updateAssumeRolePolicy, onBound(s, role, func(in *api.UpdateAssumeRolePolicyRequest) *string { return in.RoleName })),
		api.DeleteRole.To(s.deleteRole, onBound(s, role, func(in *api.DeleteRoleRequest) *string { return in.RoleName })),
		api.ListRoles.To(s.listRoles, below[api.ListRolesRequest](role)),
	}
}

func (p *principal) role(account string) *api.Role {
	arn := p.arn(account)
	r := &api.Role{Arn: &arn, AssumeRolePolicyDocument: encode(p.Trust), CreateDate: &p.Created, MaxSessionDuration: &p.MaxSession,
		Path: &p.Path, RoleId: &p.ID, RoleName: &p.Name, PermissionsBoundary: boundary(p.Boundary), Tags: tagsOrNil(p.Tags)}
	if p.Description != "" {
		r.Description = &p.Description
	}
	return r
}

func (s *Service) createRole(ctx context.Context, in *api.CreateRoleRequest) (*api.CreateRoleResponse, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := checkTrust(*in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	p := &principal{Kind: role, Name: *in.RoleName, Path: aws.Value(in.Path), Tags: tags, Boundary: aws.Value(in.PermissionsBoundary),
		Trust: *in.AssumeRolePolicyDocument, Description: aws.Value(in.Description), MaxSession: defaultMaxSession}
	if in.MaxSessionDuration != nil {
		p.MaxSession = *in.MaxSessionDuration
	}
	if err := s.create(ctx, p); err != nil {
		return nil, err
	}
	return &api.CreateRoleResponse{Role: p.role(account(ctx))}, nil
}

func (s *Service) getRole(ctx context.Context, in *api.GetRoleRequest) (*api.GetRoleResponse, error) {
	a, out := account(ctx), &api.GetRoleResponse{}
	return out, s.store.View(ctx, func(r store.Reader) error {
		p, err := load(ctx, r, a, role, *in.RoleName)
		if err != nil {
			return err
		}
		if p, err = p.shown(ctx, r); err != nil {
			return err
		}
		out.Role = p.role(a)
		out.Role.RoleLastUsed, err = s.roleLastUsed(ctx, r, a, p.ID)
		return err
	})
}

func (s *Service) updateRole(ctx context.Context, in *api.UpdateRoleRequest) (*api.UpdateRoleResponse, error) {
	return nil, s.edit(ctx, role, *in.RoleName, func(_ store.Tx, p *principal) error {
		if in.Description != nil {
			p.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			p.MaxSession = *in.MaxSessionDuration
		}
		return nil
	})
}

func (s *Service) updateRoleDescription(ctx context.Context, in *api.UpdateRoleDescriptionRequest) (*api.UpdateRoleDescriptionResponse, error) {
	var after *principal
	err := s.edit(ctx, role, *in.RoleName, func(tx store.Tx, p *principal) (err error) {
		p.Description = *in.Description
		after, err = p.shown(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateRoleDescriptionResponse{Role: after.role(account(ctx))}, nil
}

func (s *Service) updateAssumeRolePolicy(ctx context.Context, in *api.UpdateAssumeRolePolicyRequest) (*aws.Empty, error) {
	if err := checkTrust(*in.PolicyDocument); err != nil {
		return nil, err
	}
	return nil, s.edit(ctx, role, *in.RoleName, func(tx store.Tx, p *principal) (err error) {
		p.Trust = *in.PolicyDocument
		p.Trusted, err = pin(ctx, tx, p.Trust)
		return err
	})
}

func (s *Service) deleteRole(ctx context.Context, in *api.DeleteRoleRequest) (*aws.Empty, error) {
	return nil, s.remove(ctx, role, *in.RoleName)
}

func (s *Service) listRoles(ctx context.Context, in *api.ListRolesRequest) (*api.ListRolesResponse, error) {
	part, next, err := s.list(ctx, role, in.PathPrefix, page{in.Marker, in.MaxItems})
	out := &api.ListRolesResponse{Roles: []api.Role{}, IsTruncated: more(next), Marker: next}
	for i := range part {
		r := part[i].role(account(ctx))
		r.Tags, r.PermissionsBoundary = nil, nil // as AWS: GetRole tells
		out.Roles = append(out.Roles, *r)
	}
	return out, err
}

// Role is what STS needs of the role with an ARN: its trust policy as it holds now, with
// the unique ids of those who are gone in their ARNs' place; its unique id; and how
// long a session may last. The id is "" if there is no such role.
func (s *Service) Role(ctx context.Context, arn string) (trust, id string, most time.Duration, err error) {
	a, ok := aws.ParseARN(arn)
	if !ok || a.Partition != aws.Partition || a.Service != "iam" || a.Region != "" || !strings.HasPrefix(a.Resource, "role/") {
		return "", "", 0, nil
	}
	err = s.store.View(ctx, func(r store.Reader) error {
		p, err := load(ctx, r, a.Account, role, arn[strings.LastIndexByte(arn, '/')+1:])
		if aws.CodeOf(err) == "NoSuchEntity" {
			return nil
		}
		if err != nil || p.arn(a.Account) != arn {
			return err
		}
		if p, err = p.shown(ctx, r); err == nil {
			trust, id, most = p.Trust, p.ID, time.Duration(p.MaxSession)*time.Second
		}
		return err
	})
	return trust, id, most, err
}

// RoleTags are the tags of the role with an ARN; none if there is no such role.
func (s *Service) RoleTags(ctx context.Context, arn string) (tags map[string]string, err error) {
	a, ok := aws.ParseARN(arn)
	if !ok {
		return nil, nil
	}
	err = s.store.View(ctx, func(r store.Reader) error {
		p, err := load(ctx, r, a.Account, role, arn[strings.LastIndexByte(arn, '/')+1:])
		if err == nil && p.arn(a.Account) == arn {
			tags = p.Tags
		}
		if aws.CodeOf(err) == "NoSuchEntity" {
			return nil
		}
		return err
	})
	return tags, err
}
