package apigateway

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// vpcLinks are an account's, by id. There are no private networks here: an integration
// over a link calls the host that its URI names, which is the load balancer's.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-private-integration.html
var vpcLinks = store.NewTable[api.VpcLink](service, "vpc-link")

func noLink() error { return api.NotFoundException("Invalid Vpc Link identifier specified") }

func (s *Service) createVpcLink(ctx context.Context, in *api.CreateVpcLinkRequest) (*api.VpcLink, error) {
	if strings.TrimSpace(*in.Name) == "" {
		return nil, api.BadRequestException("VPC Link name cannot be empty")
	}
	if len(in.TargetArns) != 1 {
		return nil, api.BadRequestException("VPC Link can only have one target ARN")
	}
	arn, ok := aws.ParseARN(in.TargetArns[0])
	if !ok || arn.Service != "elasticloadbalancing" || !strings.HasPrefix(arn.Resource, "loadbalancer/net/") {
		return nil, api.BadRequestException("Invalid target ARN specified: %s. It must be the ARN of a Network Load Balancer", in.TargetArns[0])
	}
	if arn.Account != aws.RequestOf(ctx).Account() {
		return nil, api.BadRequestException("The Network Load Balancer must be owned by the same AWS account as the VPC Link")
	}
	l := api.VpcLink{Id: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 6)), Name: in.Name, Description: in.Description, TargetArns: in.TargetArns, Tags: in.Tags,
		Status: ptr(api.VpcLinkStatusAvailable), StatusMessage: ptr("Your vpc link is ready for use")}
	return update(ctx, s, func(tx store.Tx) (*api.VpcLink, error) {
		return &l, vpcLinks.Put(tx, scope(ctx), l, *l.Id)
	})
}

func readLink(ctx context.Context, r store.Reader, id *string) (api.VpcLink, error) {
	l, err := vpcLinks.Get(ctx, r, scope(ctx), aws.Value(id))
	return l, orElse(err, noLink())
}

func (s *Service) getVpcLink(ctx context.Context, in *api.GetVpcLinkRequest) (*api.VpcLink, error) {
	return view(ctx, s, func(r store.Reader) (*api.VpcLink, error) {
		l, err := readLink(ctx, r, in.VpcLinkId)
		return &l, err
	})
}

func (s *Service) getVpcLinks(ctx context.Context, in *api.GetVpcLinksRequest) (*api.VpcLinks, error) {
	return view(ctx, s, func(r store.Reader) (*api.VpcLinks, error) {
		items, next, err := page(ctx, r, vpcLinks, nil, in.Limit, in.Position)
		return &api.VpcLinks{Items: items, Position: next}, err
	})
}

func (s *Service) updateVpcLink(ctx context.Context, in *api.UpdateVpcLinkRequest) (*api.VpcLink, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.VpcLink, error) {
		l, err := readLink(ctx, tx, in.VpcLinkId)
		if err != nil {
			return nil, err
		}
		for _, p := range ops {
			if err := p.listed("/name", "/description"); err != nil {
				return nil, err
			}
			if p.path == "/description" {
				l.Description = p.text()
				continue
			}
			if strings.TrimSpace(p.value) == "" {
				return nil, api.BadRequestException("VPC Link name cannot be empty")
			}
			l.Name = p.text()
		}
		return &l, vpcLinks.Put(tx, scope(ctx), l, *l.Id)
	})
}

func (s *Service) deleteVpcLink(ctx context.Context, in *api.DeleteVpcLinkRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		l, err := readLink(ctx, tx, in.VpcLinkId)
		if err != nil {
			return err
		}
		return vpcLinks.Delete(tx, scope(ctx), *l.Id)
	})
}
