package organizations

import (
	"context"
	"slices"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// maxAttached is how many policies of one type a root, unit or account has at most.
const maxAttached = 5

func (s *Service) attachRoutes() []aws.Route {
	return []aws.Route{
		api.AttachPolicy.To(s.attachPolicy, on(s, steward, func(in *api.AttachPolicyRequest) []string { return []string{*in.PolicyId, *in.TargetId} })),
		api.DetachPolicy.To(s.detachPolicy, on(s, steward, func(in *api.DetachPolicyRequest) []string { return []string{*in.PolicyId, *in.TargetId} })),
		api.ListPoliciesForTarget.To(s.listPoliciesForTarget, onWith(s, reader, func(in *api.ListPoliciesForTargetRequest) []string { return []string{*in.TargetId} },
			func(in *api.ListPoliciesForTargetRequest) map[string][]string { return typeKey(in.Filter) })),
		api.ListTargetsForPolicy.To(s.listTargetsForPolicy, on(s, reader, func(in *api.ListTargetsForPolicyRequest) []string { return []string{*in.PolicyId} })),
	}
}

// inherited are the policies that something new has: those that allow everything, of the
// types that are enabled.
func (o *organization) inherited() []string {
	var out []string
	for _, t := range o.Types {
		out = append(out, defaults[t].ID)
	}
	return out
}

// attached are the policies of a type that a node has.
func (o *organization) attached(ctx context.Context, r store.Reader, n *node, policyType string) ([]*document, error) {
	var out []*document
	for _, id := range n.Policies {
		p, err := o.policy(ctx, r, id)
		if err != nil {
			return nil, err
		}
		if p.Type == policyType {
			out = append(out, p)
		}
	}
	return out, nil
}

// both reads a policy and what it is to be attached to or detached from.
func (o *organization) both(ctx context.Context, r store.Reader, policyID, target string) (*document, *node, error) {
	p, err := o.policy(ctx, r, policyID)
	if err != nil {
		return nil, nil, err
	}
	n, err := o.node(ctx, r, target, noTarget())
	return p, n, err
}

func (s *Service) attachPolicy(ctx context.Context, in *api.AttachPolicyRequest) (*aws.Empty, error) {
	return nil, s.change(ctx, steward, func(tx store.Tx, o *organization) error {
		p, n, err := o.both(ctx, tx, *in.PolicyId, *in.TargetId)
		if err != nil {
			return err
		}
		if err := o.enabled(p.Type); err != nil {
			return err
		}
		if slices.Contains(n.Policies, p.ID) {
			return api.DuplicatePolicyAttachmentException("A policy with the specified name and type already exists.")
		}
		have, err := o.attached(ctx, tx, n, p.Type)
		if err != nil {
			return err
		}
		if len(have) >= maxAttached {
			return constraint(api.ConstraintViolationExceptionReasonMaxPolicyTypeAttachmentLimitExceeded,
				"You have attached the maximum number of policies of this type to the specified target: %d", maxAttached)
		}
		n.Policies = append(n.Policies, p.ID)
		return o.put(tx, n)
	})
}

func (s *Service) detachPolicy(ctx context.Context, in *api.DetachPolicyRequest) (*aws.Empty, error) {
	return nil, s.change(ctx, steward, func(tx store.Tx, o *organization) error {
		p, n, err := o.both(ctx, tx, *in.PolicyId, *in.TargetId)
		if err != nil {
			return err
		}
		if !slices.Contains(n.Policies, p.ID) {
			return api.PolicyNotAttachedException("The policy isn't attached to the specified target in the specified root.")
		}
		if p.ID == defaults[api.PolicyTypeResourceControlPolicy].ID {
			return invalid(api.InvalidInputExceptionReasonNonDetachablePolicy, "You can't detach this AWS Managed Policy.")
		}
		have, err := o.attached(ctx, tx, n, p.Type)
		if err != nil {
			return err
		}
		if len(have) == 1 {
			return constraint(api.ConstraintViolationExceptionReasonMinPolicyTypeAttachmentLimitExceeded,
				"You can't detach the last policy of this type from the specified target.")
		}
		n.Policies = slices.DeleteFunc(n.Policies, func(id string) bool { return id == p.ID })
		return o.put(tx, n)
	})
}

func (s *Service) listPoliciesForTarget(ctx context.Context, in *api.ListPoliciesForTargetRequest) (*api.ListPoliciesForTargetResponse, error) {
	out := &api.ListPoliciesForTargetResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) error {
		n, err := o.node(ctx, r, *in.TargetId, noTarget())
		if err != nil {
			return err
		}
		have, err := o.attached(ctx, r, n, *in.Filter)
		if err != nil {
			return err
		}
		byID := map[string]*document{}
		var ids []string
		for _, p := range have {
			ids, byID[p.ID] = append(ids, p.ID), p
		}
		out.Policies, out.NextToken, err = cut(ids, page{in.NextToken, in.MaxResults}, func(id string) api.PolicySummary { return *byID[id].summary(o) })
		return err
	})
}

func (s *Service) listTargetsForPolicy(ctx context.Context, in *api.ListTargetsForPolicyRequest) (*api.ListTargetsForPolicyResponse, error) {
	out := &api.ListTargetsForPolicyResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) error {
		p, err := o.policy(ctx, r, *in.PolicyId)
		if err != nil {
			return err
		}
		out.Targets, out.NextToken, err = list(ctx, r, nodes, scope(o.Management), nil, page{in.NextToken, in.MaxResults},
			func(e store.Entry[node]) (api.PolicyTargetSummary, bool, error) {
				n := &e.Record
				return api.PolicyTargetSummary{TargetId: &n.ID, Arn: ptr(o.nodeARN(n.ID)), Name: &n.Name, Type: ptr(n.kind())}, slices.Contains(n.Policies, p.ID), nil
			})
		return err
	})
}
