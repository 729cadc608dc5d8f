package sts

import (
	"context"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

func (s *Service) getCallerIdentity(ctx context.Context, _ *api.GetCallerIdentityRequest) (*api.GetCallerIdentityResponse, error) {
	c := aws.RequestOf(ctx).Caller
	return &api.GetCallerIdentityResponse{Account: &c.Account, Arn: &c.ARN, UserId: &c.UserID}, nil
}

// The account is in the id, so that of a foreign key is as good as one of ours.
func (s *Service) getAccessKeyInfo(_ context.Context, in *api.GetAccessKeyInfoRequest) (*api.GetAccessKeyInfoResponse, error) {
	a, ok := aws.AccountOfKey(*in.AccessKeyId)
	if !ok {
		return nil, aws.Errorf(400, "ValidationError", "The access key ID is not valid: %s", *in.AccessKeyId)
	}
	return &api.GetAccessKeyInfoResponse{Account: &a}, nil
}
