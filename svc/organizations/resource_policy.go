package organizations

import (
	"context"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// A resourcePolicy says which members may do what else only the management account may.
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_delegate_policies.html
type resourcePolicy struct {
	ID, Content string
	Tags        map[string]string `json:",omitempty"`
}

const maxResourcePolicy = 40000

func (s *Service) resourcePolicyRoutes() []aws.Route {
	return []aws.Route{
		api.PutResourcePolicy.To(s.putResourcePolicy, andTagging(anywhere[api.PutResourcePolicyRequest](s, management),
			func(in *api.PutResourcePolicyRequest) []api.Tag { return in.Tags })),
		api.DescribeResourcePolicy.To(s.describeResourcePolicy, anywhere[aws.Empty](s, reader)),
		api.DeleteResourcePolicy.To(s.deleteResourcePolicy, anywhere[aws.Empty](s, management)),
	}
}

func (o *organization) resourcePolicy() *api.ResourcePolicy {
	return &api.ResourcePolicy{Content: &o.Policy.Content,
		ResourcePolicySummary: &api.ResourcePolicySummary{Id: &o.Policy.ID, Arn: ptr(o.arn("resourcepolicy", o.Policy.ID))}}
}

func noResourcePolicy() error {
	return api.ResourcePolicyNotFoundException("We can't find a resource policy request with the parameter that you specified.")
}

func (s *Service) putResourcePolicy(ctx context.Context, in *api.PutResourcePolicyRequest) (*api.PutResourcePolicyResponse, error) {
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	doc, err := policy.Parse(*in.Content)
	if err == nil {
		err = doc.Validate(policy.Rules{Kind: policy.Resource, MaxSize: maxResourcePolicy})
	}
	if err != nil {
		return nil, invalid(api.InvalidInputExceptionReasonInvalidResourcePolicyJson, "The provided resource policy is not valid: %s", err)
	}
	id := "rp-" + aws.RandomID(s.Random, aws.LowerAlnm, 8)
	out := &api.PutResourcePolicyResponse{}
	return out, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		switch {
		case o.Policy == nil:
			o.Policy = &resourcePolicy{ID: id, Tags: tags}
		case len(tags) > 0:
			return constraint(api.CreateAccountFailureReasonUpdateExistingResourcePolicyWithTagsNotSupported,
				"You can't set tags while updating a resource policy; use TagResource.")
		}
		o.Policy.Content = *in.Content
		out.ResourcePolicy = o.resourcePolicy()
		return o.save(tx)
	})
}

func (s *Service) describeResourcePolicy(ctx context.Context, _ *aws.Empty) (*api.DescribeResourcePolicyResponse, error) {
	out := &api.DescribeResourcePolicyResponse{}
	return out, s.view(ctx, reader, func(_ store.Reader, o *organization) error {
		if o.Policy == nil {
			return noResourcePolicy()
		}
		out.ResourcePolicy = o.resourcePolicy()
		return nil
	})
}

func (s *Service) deleteResourcePolicy(ctx context.Context, _ *aws.Empty) (*aws.Empty, error) {
	return nil, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		if o.Policy == nil {
			return noResourcePolicy()
		}
		o.Policy = nil
		return o.save(tx)
	})
}
