package iam

import (
	"context"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) boundaryRoutes() []aws.Route {
	bounding := func(arn *string) map[string][]string {
		return map[string][]string{"iam:PermissionsBoundary": {aws.Value(arn)}}
	}
	return []aws.Route{
		api.PutUserPermissionsBoundary.To(s.putUserPermissionsBoundary, onWith(s, user, func(in *api.PutUserPermissionsBoundaryRequest) *string { return in.UserName },
			func(in *api.PutUserPermissionsBoundaryRequest) map[string][]string {
				return bounding(in.PermissionsBoundary)
			})),
		api.PutRolePermissionsBoundary.To(s.putRolePermissionsBoundary, onWith(s, role, func(in *api.PutRolePermissionsBoundaryRequest) *string { return in.RoleName },
			func(in *api.PutRolePermissionsBoundaryRequest) map[string][]string {
				return bounding(in.PermissionsBoundary)
			})),
		api.DeleteUserPermissionsBoundary.To(s.deleteUserPermissionsBoundary, onBound(s, user, func(in *api.DeleteUserPermissionsBoundaryRequest) *string { return in.UserName })),
		api.DeleteRolePermissionsBoundary.To(s.deleteRolePermissionsBoundary, onBound(s, role, func(in *api.DeleteRolePermissionsBoundaryRequest) *string { return in.RoleName })),
	}
}

func boundary(arn string) *api.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	kind := "PermissionsBoundaryPolicy"
	return &api.AttachedPermissionsBoundary{PermissionsBoundaryArn: &arn, PermissionsBoundaryType: &kind}
}

// bound makes arn p's permissions boundary; the caller saves p.
func (s *Service) bound(ctx context.Context, tx store.Tx, account string, p *principal, arn string) error {
	if _, err := s.managed(ctx, tx, account, arn); err != nil {
		if aws.CodeOf(err) == "NoSuchEntity" {
			return api.NoSuchEntityException("Scope ARN: %s does not exist or is not attachable.", arn)
		}
		return err
	}
	if err := s.unbind(tx, account, p); err != nil {
		return err
	}
	p.Boundary = arn
	return attached(tx, account, p, arn, boundaryUse)
}

func (s *Service) unbind(tx store.Tx, account string, p *principal) error {
	if p.Boundary == "" {
		return nil
	}
	arn := p.Boundary
	p.Boundary = ""
	return detached(tx, account, p, arn, boundaryUse)
}

func (s *Service) putBoundary(ctx context.Context, k kind, name, arn string) error {
	return s.edit(ctx, k, name, func(tx store.Tx, p *principal) error { return s.bound(ctx, tx, account(ctx), p, arn) })
}

func (s *Service) deleteBoundary(ctx context.Context, k kind, name string) error {
	return s.edit(ctx, k, name, func(tx store.Tx, p *principal) error {
		if p.Boundary == "" {
			return api.NoSuchEntityException("Permissions boundary for %s with name %s cannot be found.", k, p.Name)
		}
		return s.unbind(tx, account(ctx), p)
	})
}

func (s *Service) putUserPermissionsBoundary(ctx context.Context, in *api.PutUserPermissionsBoundaryRequest) (*aws.Empty, error) {
	return nil, s.putBoundary(ctx, user, *in.UserName, *in.PermissionsBoundary)
}

func (s *Service) putRolePermissionsBoundary(ctx context.Context, in *api.PutRolePermissionsBoundaryRequest) (*aws.Empty, error) {
	return nil, s.putBoundary(ctx, role, *in.RoleName, *in.PermissionsBoundary)
}

func (s *Service) deleteUserPermissionsBoundary(ctx context.Context, in *api.DeleteUserPermissionsBoundaryRequest) (*aws.Empty, error) {
	return nil, s.deleteBoundary(ctx, user, *in.UserName)
}

func (s *Service) deleteRolePermissionsBoundary(ctx context.Context, in *api.DeleteRolePermissionsBoundaryRequest) (*aws.Empty, error) {
	return nil, s.deleteBoundary(ctx, role, *in.RoleName)
}
