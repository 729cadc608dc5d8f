package kinesis

import (
	"context"
	"encoding/json"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
)

// maxPolicy is how long the policy of a stream or a consumer may be, in bytes.
const maxPolicy = 20 << 10

func (s *Service) putResourcePolicy(ctx context.Context, in *api.PutResourcePolicyInput) (*aws.Empty, error) {
	t, err := resourceOf(ctx, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	if len(*in.Policy) > maxPolicy || !json.Valid([]byte(*in.Policy)) {
		return nil, api.InvalidArgumentException("The policy is not a valid policy document of at most %d bytes.", maxPolicy)
	}
	return nil, s.change(ctx, t, func(f *facts) error {
		f.policy = *in.Policy
		return nil
	})
}

func (s *Service) getResourcePolicy(ctx context.Context, in *api.GetResourcePolicyInput) (*api.GetResourcePolicyOutput, error) {
	t, err := resourceOf(ctx, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	f, err := s.facts(ctx, t)
	if err == nil && f.policy == "" {
		err = api.ResourceNotFoundException("The resource %s has no policy.", *in.ResourceARN)
	}
	if err != nil {
		return nil, err
	}
	return &api.GetResourcePolicyOutput{Policy: &f.policy}, nil
}

func (s *Service) deleteResourcePolicy(ctx context.Context, in *api.DeleteResourcePolicyInput) (*aws.Empty, error) {
	t, err := resourceOf(ctx, *in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, t, func(f *facts) error {
		if f.policy == "" {
			return api.ResourceNotFoundException("The resource %s has no policy.", *in.ResourceARN)
		}
		f.policy = ""
		return nil
	})
}
