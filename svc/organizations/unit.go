package organizations

import (
	"context"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxDepth is how many units may lie within each other.
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
const maxDepth = 5

func (s *Service) unitRoutes() []aws.Route {
	return []aws.Route{
		api.CreateOrganizationalUnit.To(s.createUnit, andTagging(
			on(s, management, func(in *api.CreateOrganizationalUnitRequest) []string { return []string{*in.ParentId} }),
			func(in *api.CreateOrganizationalUnitRequest) []api.Tag { return in.Tags })),
		api.DescribeOrganizationalUnit.To(s.describeUnit, on(s, reader, func(in *api.DescribeOrganizationalUnitRequest) []string {
			return []string{*in.OrganizationalUnitId}
		})),
		api.UpdateOrganizationalUnit.To(s.updateUnit, on(s, management, func(in *api.UpdateOrganizationalUnitRequest) []string {
			return []string{*in.OrganizationalUnitId}
		})),
		api.DeleteOrganizationalUnit.To(s.deleteUnit, on(s, management, func(in *api.DeleteOrganizationalUnitRequest) []string {
			return []string{*in.OrganizationalUnitId}
		})),
		api.ListOrganizationalUnitsForParent.To(s.listUnits, on(s, reader, func(in *api.ListOrganizationalUnitsForParentRequest) []string {
			return []string{*in.ParentId}
		})),
	}
}

func (o *organization) unit(ctx context.Context, r store.Reader, n *node) (*api.OrganizationalUnit, error) {
	path, err := o.pathOf(ctx, r, n.ID)
	return &api.OrganizationalUnit{Id: &n.ID, Arn: ptr(o.nodeARN(n.ID)), Name: &n.Name, Path: &path}, err
}

// vacant refuses a name that another unit below the parent has.
func (o *organization) vacant(ctx context.Context, r store.Reader, parent, name, except string) error {
	for e, err := range children.List(ctx, r, scope(o.Management), store.ListOptions{Prefix: []any{parent}, From: []any{parent, "ou-"}}) {
		if err != nil {
			return err
		}
		n, err := o.node(ctx, r, e.Key.String(1), nil)
		if err != nil {
			return err
		}
		if n != nil && n.Name == name && n.ID != except {
			return api.DuplicateOrganizationalUnitException("An OU with the same name already exists.")
		}
	}
	return nil
}

func (s *Service) createUnit(ctx context.Context, in *api.CreateOrganizationalUnitRequest) (*api.CreateOrganizationalUnitResponse, error) {
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	suffix := aws.RandomID(s.Random, aws.LowerAlnm, 8)
	out := &api.CreateOrganizationalUnitResponse{}
	return out, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		if isAccount(*in.ParentId) {
			return noParent()
		}
		above, err := o.chain(ctx, tx, *in.ParentId)
		if err != nil {
			return err
		}
		if len(above) > maxDepth {
			return constraint(api.ConstraintViolationExceptionReasonOuDepthLimitExceeded,
				"You have exceeded the maximum depth of organizational units: %d", maxDepth)
		}
		if err := o.vacant(ctx, tx, *in.ParentId, *in.Name, ""); err != nil {
			return err
		}
		n := &node{ID: "ou-" + o.Root[len("r-"):] + "-" + suffix, Name: *in.Name, Parent: *in.ParentId, Policies: o.inherited(), Tags: tags}
		if err := o.put(tx, n); err != nil {
			return err
		}
		out.OrganizationalUnit, err = o.unit(ctx, tx, n)
		return err
	})
}

func (s *Service) describeUnit(ctx context.Context, in *api.DescribeOrganizationalUnitRequest) (*api.DescribeOrganizationalUnitResponse, error) {
	out := &api.DescribeOrganizationalUnitResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) error {
		n, err := o.node(ctx, r, *in.OrganizationalUnitId, noUnit())
		if err == nil {
			out.OrganizationalUnit, err = o.unit(ctx, r, n)
		}
		return err
	})
}

func (s *Service) updateUnit(ctx context.Context, in *api.UpdateOrganizationalUnitRequest) (*api.UpdateOrganizationalUnitResponse, error) {
	out := &api.UpdateOrganizationalUnitResponse{}
	return out, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		n, err := o.node(ctx, tx, *in.OrganizationalUnitId, noUnit())
		if err != nil {
			return err
		}
		if in.Name != nil {
			if err := o.vacant(ctx, tx, n.Parent, *in.Name, n.ID); err != nil {
				return err
			}
			n.Name = *in.Name
		}
		if out.OrganizationalUnit, err = o.unit(ctx, tx, n); err != nil {
			return err
		}
		return o.put(tx, n)
	})
}

func (s *Service) deleteUnit(ctx context.Context, in *api.DeleteOrganizationalUnitRequest) (*aws.Empty, error) {
	return nil, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		n, err := o.node(ctx, tx, *in.OrganizationalUnitId, noUnit())
		if err != nil {
			return err
		}
		for _, err := range children.List(ctx, tx, scope(o.Management), store.ListOptions{Prefix: []any{n.ID}, Limit: 1}) {
			if err != nil {
				return err
			}
			return api.OrganizationalUnitNotEmptyException("The specified organizational unit is not empty. " +
				"Move all accounts to another root or to other OUs, remove all child OUs, and try the operation again.")
		}
		return o.take(tx, n)
	})
}

func (s *Service) listUnits(ctx context.Context, in *api.ListOrganizationalUnitsForParentRequest) (*api.ListOrganizationalUnitsForParentResponse, error) {
	out := &api.ListOrganizationalUnitsForParentResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) (err error) {
		out.OrganizationalUnits, out.NextToken, err = below(ctx, r, o, *in.ParentId, api.ChildTypeOrganizationalUnit, page{in.NextToken, in.MaxResults},
			func(n *node) (api.OrganizationalUnit, error) {
				u, err := o.unit(ctx, r, n)
				return *u, err
			})
		return err
	})
}
