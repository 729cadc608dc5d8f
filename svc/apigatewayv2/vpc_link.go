package apigatewayv2

import (
	"context"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func noLink(id string) error {
	return api.NotFoundException("Invalid VpcLink identifier specified %s", id)
}

func readLink(ctx context.Context, r store.Reader, id *string) (api.VpcLink, error) {
	l, err := links.Get(ctx, r, scope(ctx), aws.Value(id))
	return l, orElse(err, noLink(aws.Value(id)))
}

// createVpcLink makes a link, which is there at once: there is no network to set up.
func (s *Service) createVpcLink(ctx context.Context, in *api.CreateVpcLinkRequest) (*api.CreateVpcLinkResponse, error) {
	l := api.VpcLink{SecurityGroupIds: []string{}, Tags: map[string]string{}, VpcLinkId: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 6)), CreatedDate: s.now(),
		VpcLinkStatus: ptr(api.VpcLinkStatusAvailable), VpcLinkStatusMessage: ptr("VPC link is ready to route traffic"), VpcLinkVersion: ptr(api.VpcLinkVersionV2)}
	merge(&l, in)
	if n := len(*in.Name); n == 0 || n > 128 {
		return nil, api.BadRequestException("Invalid name specified. It must have 1 to 128 characters")
	}
	if len(in.SubnetIds) == 0 {
		return nil, api.BadRequestException("At least one subnet ID is required")
	}
	return update(ctx, s, func(tx store.Tx) (*api.CreateVpcLinkResponse, error) {
		return as[api.CreateVpcLinkResponse](&l), links.Put(tx, scope(ctx), l, *l.VpcLinkId)
	})
}

func (s *Service) getVpcLink(ctx context.Context, in *api.GetVpcLinkRequest) (*api.GetVpcLinkResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.GetVpcLinkResponse, error) {
		l, err := readLink(ctx, r, in.VpcLinkId)
		return as[api.GetVpcLinkResponse](&l), err
	})
}

func (s *Service) getVpcLinks(ctx context.Context, in *api.GetVpcLinksRequest) (*api.GetVpcLinksResponse, error) {
	return view(ctx, s, func(r store.Reader) (*api.GetVpcLinksResponse, error) {
		items, next, err := page(ctx, r, links, nil, in.MaxResults, in.NextToken)
		return &api.GetVpcLinksResponse{Items: items, NextToken: next}, err
	})
}

func (s *Service) updateVpcLink(ctx context.Context, in *api.UpdateVpcLinkRequest) (*api.UpdateVpcLinkResponse, error) {
	return update(ctx, s, func(tx store.Tx) (*api.UpdateVpcLinkResponse, error) {
		l, err := readLink(ctx, tx, in.VpcLinkId)
		if err != nil {
			return nil, err
		}
		merge(&l, in)
		return as[api.UpdateVpcLinkResponse](&l), links.Put(tx, scope(ctx), l, *l.VpcLinkId)
	})
}

func (s *Service) deleteVpcLink(ctx context.Context, in *api.DeleteVpcLinkRequest) (*api.DeleteVpcLinkResponse, error) {
	return update(ctx, s, func(tx store.Tx) (*api.DeleteVpcLinkResponse, error) {
		if _, err := readLink(ctx, tx, in.VpcLinkId); err != nil {
			return nil, err
		}
		return &api.DeleteVpcLinkResponse{}, links.Delete(tx, scope(ctx), *in.VpcLinkId)
	})
}
