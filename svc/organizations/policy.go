package organizations

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// A document is a policy, one of the organization's own or of AWS's.
type document struct {
	ID, Name, Description, Type, Content string
	Tags                                 map[string]string `json:",omitempty"`
	aws                                  bool
}

var policies = store.NewTable[document]("organizations", "policy") // id

// maxPolicy is the longest policy, in characters.
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
const maxPolicy = 5120

// defaults are AWS's own policies, which everything has until it has others: one for
// each type that is evaluated.
var defaults = map[string]*document{
	api.PolicyTypeServiceControlPolicy: {ID: "p-FullAWSAccess", Name: "FullAWSAccess", Type: api.PolicyTypeServiceControlPolicy, aws: true,
		Description: "Allows access to every operation",
		Content:     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
	api.PolicyTypeResourceControlPolicy: {ID: "p-RCPFullAWSAccess", Name: "RCPFullAWSAccess", Type: api.PolicyTypeResourceControlPolicy, aws: true,
		Description: "Allows access to every resource",
		Content:     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`},
}

var policyKinds = map[string]policy.Kind{
	api.PolicyTypeServiceControlPolicy: policy.ServiceControl, api.PolicyTypeResourceControlPolicy: policy.ResourceControl,
}

func (s *Service) policyRoutes() []aws.Route {
	return []aws.Route{
		api.CreatePolicy.To(s.createPolicy, andTagging(
			onWith(s, steward, func(in *api.CreatePolicyRequest) []string { return []string{"new-" + *in.Type} },
				func(in *api.CreatePolicyRequest) map[string][]string { return typeKey(in.Type) }),
			func(in *api.CreatePolicyRequest) []api.Tag { return in.Tags })),
		api.DescribePolicy.To(s.describePolicy, on(s, reader, func(in *api.DescribePolicyRequest) []string { return []string{*in.PolicyId} })),
		api.UpdatePolicy.To(s.updatePolicy, on(s, steward, func(in *api.UpdatePolicyRequest) []string { return []string{*in.PolicyId} })),
		api.DeletePolicy.To(s.deletePolicy, on(s, steward, func(in *api.DeletePolicyRequest) []string { return []string{*in.PolicyId} })),
		api.ListPolicies.To(s.listPolicies, onWith(s, reader, func(*api.ListPoliciesRequest) []string { return nil },
			func(in *api.ListPoliciesRequest) map[string][]string { return typeKey(in.Filter) })),
	}
}

func (p *document) arn(o *organization) string {
	if p.aws {
		return aws.NewARN("organizations", "", "aws", "policy/"+strings.ToLower(p.Type)+"/"+p.ID).String()
	}
	return o.arn("policy", strings.ToLower(p.Type), p.ID)
}

func (p *document) summary(o *organization) *api.PolicySummary {
	return &api.PolicySummary{Id: &p.ID, Arn: ptr(p.arn(o)), Name: &p.Name, Description: &p.Description, Type: &p.Type, AwsManaged: &p.aws}
}

func (p *document) api(o *organization) *api.Policy {
	return &api.Policy{Content: &p.Content, PolicySummary: p.summary(o)}
}

// policy reads a policy of the organization's own or of AWS's.
func (o *organization) policy(ctx context.Context, r store.Reader, id string) (*document, error) {
	for _, p := range defaults {
		if p.ID == id {
			return p, nil
		}
	}
	p, err := policies.Get(ctx, r, scope(o.Management), id)
	if err != nil {
		return nil, or(err, noPolicy())
	}
	return &p, nil
}

// own is policy, for those that may be changed.
func (o *organization) own(ctx context.Context, r store.Reader, id string) (*document, error) {
	p, err := o.policy(ctx, r, id)
	if err == nil && p.aws {
		return nil, invalid(api.InvalidInputExceptionReasonImmutablePolicy, "You specified a policy that is managed by AWS and can't be modified.")
	}
	return p, err
}

// check holds a policy's text to the rules of its type.
func check(policyType, content string) error {
	if utf8.RuneCountInString(content) > maxPolicy {
		return constraint(api.ConstraintViolationExceptionReasonPolicyContentLimitExceeded, "You have exceeded the maximum policy size: %d", maxPolicy)
	}
	doc, err := policy.Parse(content)
	if err == nil {
		err = doc.Validate(policy.Rules{Kind: policyKinds[policyType]})
	}
	if err != nil {
		return api.MalformedPolicyDocumentException("The provided policy document does not meet the requirements of the specified policy type.").Because(err)
	}
	return nil
}

// free refuses a name that another policy of the type has.
func (o *organization) free(ctx context.Context, r store.Reader, policyType, name, except string) error {
	taken := defaults[policyType].Name == name
	for e, err := range policies.List(ctx, r, scope(o.Management), store.ListOptions{}) {
		if err != nil {
			return err
		}
		taken = taken || e.Record.Type == policyType && e.Record.Name == name && e.Record.ID != except
	}
	if taken {
		return api.DuplicatePolicyException("A policy with the same name already exists.")
	}
	return nil
}

func (s *Service) createPolicy(ctx context.Context, in *api.CreatePolicyRequest) (*api.CreatePolicyResponse, error) {
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	p := &document{ID: "p-" + aws.RandomID(s.Random, aws.LowerAlnm, 8), Name: *in.Name, Description: *in.Description, Type: *in.Type, Content: *in.Content, Tags: tags}
	out := &api.CreatePolicyResponse{}
	return out, s.change(ctx, steward, func(tx store.Tx, o *organization) error {
		if err := o.available(p.Type); err != nil {
			return err
		}
		if err := check(p.Type, p.Content); err != nil {
			return err
		}
		if err := o.free(ctx, tx, p.Type, p.Name, ""); err != nil {
			return err
		}
		out.Policy = p.api(o)
		return policies.Put(tx, scope(o.Management), *p, p.ID)
	})
}

func (s *Service) describePolicy(ctx context.Context, in *api.DescribePolicyRequest) (*api.DescribePolicyResponse, error) {
	out := &api.DescribePolicyResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) error {
		p, err := o.policy(ctx, r, *in.PolicyId)
		if err == nil {
			out.Policy = p.api(o)
		}
		return err
	})
}

func (s *Service) updatePolicy(ctx context.Context, in *api.UpdatePolicyRequest) (*api.UpdatePolicyResponse, error) {
	out := &api.UpdatePolicyResponse{}
	return out, s.change(ctx, steward, func(tx store.Tx, o *organization) error {
		p, err := o.own(ctx, tx, *in.PolicyId)
		if err != nil {
			return err
		}
		if in.Content != nil {
			if err := check(p.Type, *in.Content); err != nil {
				return err
			}
			p.Content = *in.Content
		}
		if in.Name != nil {
			if err := o.free(ctx, tx, p.Type, *in.Name, p.ID); err != nil {
				return err
			}
			p.Name = *in.Name
		}
		if in.Description != nil {
			p.Description = *in.Description
		}
		out.Policy = p.api(o)
		return policies.Put(tx, scope(o.Management), *p, p.ID)
	})
}

func (s *Service) deletePolicy(ctx context.Context, in *api.DeletePolicyRequest) (*aws.Empty, error) {
	return nil, s.change(ctx, steward, func(tx store.Tx, o *organization) error {
		p, err := o.own(ctx, tx, *in.PolicyId)
		if err != nil {
			return err
		}
		for n, err := range o.nodes(ctx, tx) {
			if err != nil {
				return err
			}
			if slices.Contains(n.Policies, p.ID) {
				return api.PolicyInUseException("The policy is attached to one or more entities. " +
					"You must detach it from all roots, OUs, and accounts before performing this operation.")
			}
		}
		return policies.Delete(tx, scope(o.Management), p.ID)
	})
}

// listPolicies has AWS's own policy first.
func (s *Service) listPolicies(ctx context.Context, in *api.ListPoliciesRequest) (*api.ListPoliciesResponse, error) {
	out := &api.ListPoliciesResponse{Policies: []api.PolicySummary{}}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) error {
		found := map[string]*document{}
		if p := defaults[*in.Filter]; p != nil && o.Features == api.OrganizationFeatureSetAll {
			found[p.ID] = p
		}
		var names []string
		for e, err := range policies.List(ctx, r, scope(o.Management), store.ListOptions{}) {
			if err != nil {
				return err
			}
			if e.Record.Type == *in.Filter {
				found[e.Record.ID] = &e.Record
			}
		}
		for id := range found {
			names = append(names, id)
		}
		var err error
		out.Policies, out.NextToken, err = cut(names, page{in.NextToken, in.MaxResults}, func(id string) api.PolicySummary { return *found[id].summary(o) })
		return err
	})
}
