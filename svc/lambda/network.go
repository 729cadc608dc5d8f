package lambda

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// network is a VpcConfig, kept. There are no VPCs here yet: a function that has one
// reaches what all functions reach.
type network struct {
	Subnets, Groups []string
	IPv6            bool `json:",omitempty"`
}

func newNetwork(in *api.VpcConfig) (*network, error) {
	if (len(in.SubnetIds) == 0) != (len(in.SecurityGroupIds) == 0) {
		return nil, invalid("SubnetIds and SecurityIds must coexist or be both empty list.")
	}
	return &network{in.SubnetIds, in.SecurityGroupIds, aws.Value(in.Ipv6AllowedForDualStack)}, nil
}

// attached reports whether there is a VPC.
func (n *network) attached() bool { return n != nil && len(n.Subnets) > 0 }

// shown is the network as answers show it; nil without.
func (n *network) shown(scope store.Scope) *api.VpcConfigResponse {
	if n == nil {
		return nil
	}
	out := &api.VpcConfigResponse{SubnetIds: n.Subnets, SecurityGroupIds: n.Groups, Ipv6AllowedForDualStack: &n.IPv6, VpcId: ptr("")}
	if n.Subnets == nil {
		out.SubnetIds, out.SecurityGroupIds = []string{}, []string{}
	}
	if n.attached() {
		out.VpcId = ptr(vpcID(scope))
	}
	return out
}

// vpcID is the VPC of all subnets of an account in a region: as nobody knows of several,
// they are in one.
func vpcID(scope store.Scope) string {
	sum := sha256.Sum256([]byte("vpc " + scope.Account + " " + scope.Region))
	return "vpc-0" + hex.EncodeToString(sum[:8])
}

// checkNetwork refuses a function in a VPC whose role may not make the interfaces that
// it would be there by.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
func (s *Service) checkNetwork(ctx context.Context, at ref, role string) error {
	session, err := s.roles.session(ctx, at, role)
	if err != nil {
		return err
	}
	err = s.Allow(s.acting(ctx, at, session.caller), aws.Access{Action: "ec2:CreateNetworkInterface", Resource: "*"})
	var e *aws.Error
	if errors.As(err, &e) && !e.Server() {
		return invalid("The provided execution role does not have permissions to call CreateNetworkInterface on EC2").Because(err)
	}
	return err
}
