package organizations

import (
	"context"
	"slices"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) rootRoutes() []aws.Route {
	return []aws.Route{
		api.ListRoots.To(s.listRoots, anywhere[api.ListRootsRequest](s, reader)),
		api.EnablePolicyType.To(s.enablePolicyType, onWith(s, steward, func(in *api.EnablePolicyTypeRequest) []string { return []string{*in.RootId} },
			func(in *api.EnablePolicyTypeRequest) map[string][]string { return typeKey(in.PolicyType) })),
		api.DisablePolicyType.To(s.disablePolicyType, onWith(s, steward, func(in *api.DisablePolicyTypeRequest) []string { return []string{*in.RootId} },
			func(in *api.DisablePolicyTypeRequest) map[string][]string { return typeKey(in.PolicyType) })),
	}
}

func (o *organization) root() *api.Root {
	out := &api.Root{Id: &o.Root, Arn: ptr(o.nodeARN(o.Root)), Name: ptr("Root"), PolicyTypes: []api.PolicyTypeSummary{}}
	for _, t := range o.Types {
		out.PolicyTypes = append(out.PolicyTypes, api.PolicyTypeSummary{Type: &t, Status: ptr(api.PolicyTypeStatusEnabled)})
	}
	return out
}

// listRoots names the one root that an organization has.
func (s *Service) listRoots(ctx context.Context, in *api.ListRootsRequest) (*api.ListRootsResponse, error) {
	out := &api.ListRootsResponse{}
	return out, s.view(ctx, reader, func(_ store.Reader, o *organization) (err error) {
		out.Roots, out.NextToken, err = cut([]string{o.Root}, page{in.NextToken, in.MaxResults}, func(string) api.Root { return *o.root() })
		return err
	})
}

// available refuses policy types that this organization cannot have.
func (o *organization) available(policyType string) error {
	if o.Features == api.OrganizationFeatureSetAll && defaults[policyType] != nil {
		return nil
	}
	return api.PolicyTypeNotAvailableForOrganizationException(
		"You can't use the specified policy type with the feature set currently enabled for this organization.")
}

// enabled refuses policy types that do not bind now.
func (o *organization) enabled(policyType string) error {
	if slices.Contains(o.Types, policyType) {
		return nil
	}
	return api.PolicyTypeNotEnabledException("This operation can be performed only for enabled policy types.")
}

// enablePolicyType lets policies of a type bind. Everything has the one that allows
// all, at first.
func (s *Service) enablePolicyType(ctx context.Context, in *api.EnablePolicyTypeRequest) (*api.EnablePolicyTypeResponse, error) {
	out := &api.EnablePolicyTypeResponse{}
	return out, s.change(ctx, steward, func(tx store.Tx, o *organization) error {
		if *in.RootId != o.Root {
			return noRoot()
		}
		if err := o.available(*in.PolicyType); err != nil {
			return err
		}
		if o.enabled(*in.PolicyType) == nil {
			return api.PolicyTypeAlreadyEnabledException("The specified policy type is already enabled.")
		}
		o.Types = append(o.Types, *in.PolicyType)
		for n, err := range o.nodes(ctx, tx) {
			if err != nil {
				return err
			}
			n.Policies = append(n.Policies, defaults[*in.PolicyType].ID)
			if err := o.put(tx, n); err != nil {
				return err
			}
		}
		out.Root = o.root()
		return o.save(tx)
	})
}

// disablePolicyType detaches all policies of a type.
func (s *Service) disablePolicyType(ctx context.Context, in *api.DisablePolicyTypeRequest) (*api.DisablePolicyTypeResponse, error) {
	out := &api.DisablePolicyTypeResponse{}
	return out, s.change(ctx, steward, func(tx store.Tx, o *organization) error {
		if *in.RootId != o.Root {
			return noRoot()
		}
		if err := o.enabled(*in.PolicyType); err != nil {
			return err
		}
		o.Types = slices.DeleteFunc(o.Types, func(t string) bool { return t == *in.PolicyType })
		for n, err := range o.nodes(ctx, tx) {
			if err != nil {
				return err
			}
			attached, err := o.attached(ctx, tx, n, *in.PolicyType)
			if err != nil {
				return err
			}
			n.Policies = slices.DeleteFunc(n.Policies, func(id string) bool {
				return slices.ContainsFunc(attached, func(p *document) bool { return p.ID == id })
			})
			if err := o.put(tx, n); err != nil {
				return err
			}
		}
		out.Root = o.root()
		return o.save(tx)
	})
}
