package iam

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// A managed policy stands by itself and is attached to principals by its ARN.
type managed struct {
	Name, Path, ID   string
	Description      string `json:",omitempty"`
	Created, Updated time.Time
	Tags             map[string]string `json:",omitempty"`
	Versions         []version         // the oldest first
	Default          int               // the number of the version in force
	Last             int               // the number given out last
}

type version struct {
	Number   int
	Created  time.Time
	Document string
}

func (v *version) id() string { return "v" + strconv.Itoa(v.Number) }

// policies are the customer's managed policies, by name in lower case.
var policies = store.NewTable[managed]("iam", "policy")

func (s *Service) policyRoutes() []aws.Route {
	return []aws.Route{
		api.CreatePolicy.To(s.createPolicy, s.guardCreatePolicy),
		api.GetPolicy.To(s.getPolicy, onPolicy(s, func(in *api.GetPolicyRequest) *string { return in.PolicyArn }, nil)),
		api.DeletePolicy.To(s.deletePolicy, onPolicy(s, func(in *api.DeletePolicyRequest) *string { return in.PolicyArn }, nil)),
		api.ListPolicies.To(s.listPolicies, aws.Anywhere),
	}
}

func noPolicy(arn string) error { return api.NoSuchEntityException("Policy %s was not found.", arn) }

// managed reads a policy by its ARN: one of the account's or of AWS's. The latter
// belongs to everybody and must not be changed.
func (s *Service) managed(ctx context.Context, r store.Reader, account, arn string) (*managed, error) {
	a, ok := aws.ParseARN(arn)
	if !ok || a.Service != "iam" || a.Region != "" || !strings.HasPrefix(a.Resource, "policy/") {
		return nil, api.InvalidInputException("ARN %s is not valid.", arn)
	}
	if a.Account == "aws" {
		if p := s.catalog[arn]; p != nil {
			return p, nil
		}
		return nil, noPolicy(arn)
	}
	_, name := pathOf(arn)
	if a.Account != account {
		return nil, noPolicy(arn)
	}
	p, err := policies.Get(ctx, r, scope(account), key(name))
	if errors.Is(err, store.ErrNotFound) || err == nil && p.arn(account) != arn {
		return nil, noPolicy(arn)
	}
	return &p, err
}

func (p *managed) arn(account string) string {
	return aws.NewARN("iam", "", account, "policy"+p.Path+p.Name).String()
}

// inForce is the policy's default version.
func (p *managed) inForce() *version { return p.version("v" + strconv.Itoa(p.Default)) }

func (p *managed) version(id string) *version {
	for i := range p.Versions {
		if p.Versions[i].id() == id {
			return &p.Versions[i]
		}
	}
	return nil
}

// policy is the record as GetPolicy answers it.
func (p *managed) policy(ctx context.Context, r store.Reader, account, arn string) (*api.Policy, error) {
	attached, err := countUses(ctx, r, account, arn, policyUse)
	if err != nil {
		return nil, err
	}
	bounding, err := countUses(ctx, r, account, arn, boundaryUse)
	if err != nil {
		return nil, err
	}
	attachable, def := true, "v"+strconv.Itoa(p.Default)
	out := &api.Policy{Arn: &arn, AttachmentCount: &attached, CreateDate: &p.Created, DefaultVersionId: &def, IsAttachable: &attachable,
		Path: &p.Path, PermissionsBoundaryUsageCount: &bounding, PolicyId: &p.ID, PolicyName: &p.Name, UpdateDate: &p.Updated}
	if p.Description != "" {
		out.Description = &p.Description
	}
	out.Tags = apiTags(p.Tags)
	return out, nil
}

func (s *Service) createPolicy(ctx context.Context, in *api.CreatePolicyRequest) (*api.CreatePolicyResponse, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := checkDocument(*in.PolicyDocument, policy.Rules{Kind: policy.Identity, MaxSize: maxManaged}); err != nil {
		return nil, err
	}
	a, now := account(ctx), s.now()
	p := managed{Name: *in.PolicyName, Path: aws.Value(in.Path), ID: "ANPA" + aws.RandomID(s.random, aws.Base32, 17),
		Description: aws.Value(in.Description), Created: now, Updated: now, Tags: tags, Default: 1, Last: 1,
		Versions: []version{{1, now, *in.PolicyDocument}}}
	if p.Path == "" {
		p.Path = "/"
	}
	var out *api.Policy
	err = s.change(ctx, a, func(tx store.Tx) error {
		taken, err := policies.Has(ctx, tx, scope(a), key(p.Name))
		if err != nil {
			return err
		}
		if taken {
			return api.EntityAlreadyExistsException("A policy called %s already exists. Duplicate names are not allowed.", p.Name)
		}
		if err := meter(ctx, tx, a, "Policies", 1); err != nil {
			return err
		}
		if out, err = p.policy(ctx, tx, a, p.arn(a)); err != nil {
			return err
		}
		return policies.Put(tx, scope(a), p, key(p.Name))
	})
	if err != nil {
		return nil, err
	}
	out.Description, out.Tags = nil, tagsOrNil(tags) // as AWS: GetPolicy tells the rest
	return &api.CreatePolicyResponse{Policy: out}, nil
}

func (s *Service) getPolicy(ctx context.Context, in *api.GetPolicyRequest) (*api.GetPolicyResponse, error) {
	out := &api.GetPolicyResponse{}
	err := s.store.View(ctx, func(r store.Reader) error {
		p, err := s.managed(ctx, r, account(ctx), *in.PolicyArn)
		if err != nil {
			return err
		}
		out.Policy, err = p.policy(ctx, r, account(ctx), *in.PolicyArn)
		return err
	})
	return out, err
}

// editPolicy changes one of the customer's policies.
func (s *Service) editPolicy(ctx context.Context, arn string, fn func(tx store.Tx, p *managed) error) error {
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		p, err := s.managed(ctx, tx, a, arn)
		if err != nil {
			return err
		}
		if owner, _ := aws.ParseARN(arn); owner.Account != a {
			return aws.Errorf(403, "AccessDenied", "Cannot perform the operation on the AWS managed policy %s.", arn)
		}
		if err := fn(tx, p); err != nil {
			return err
		}
		return policies.Put(tx, scope(a), *p, key(p.Name))
	})
}

func (s *Service) deletePolicy(ctx context.Context, in *api.DeletePolicyRequest) (*aws.Empty, error) {
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		p, err := s.managed(ctx, tx, a, *in.PolicyArn)
		if err != nil {
			return err
		}
		if p.arn(a) != *in.PolicyArn {
			return aws.Errorf(403, "AccessDenied", "Cannot perform the operation on the AWS managed policy %s.", *in.PolicyArn)
		}
		for _, u := range []use{policyUse, boundaryUse} {
			n, err := countUses(ctx, tx, a, *in.PolicyArn, u)
			if err != nil {
				return err
			}
			if n > 0 {
				return api.DeleteConflictException("Cannot delete a policy attached to entities.")
			}
		}
		if len(p.Versions) > 1 {
			return api.DeleteConflictException("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return errors.Join(meter(ctx, tx, a, "Policies", -1), policies.Delete(tx, scope(a), key(p.Name)))
	})
}

func (s *Service) listPolicies(ctx context.Context, in *api.ListPoliciesRequest) (*api.ListPoliciesResponse, error) {
	a := account(ctx)
	var all []api.Policy
	add := func(r store.Reader, p *managed, arn string) error {
		if !strings.HasPrefix(p.Path, aws.Value(in.PathPrefix)) {
			return nil
		}
		out, err := p.policy(ctx, r, a, arn)
		if err != nil {
			return err
		}
		used := *out.AttachmentCount
		switch aws.Value(in.PolicyUsageFilter) {
		case "PermissionsBoundary":
			used = *out.PermissionsBoundaryUsageCount
		case "":
			used += *out.PermissionsBoundaryUsageCount
		}
		if used > 0 || !aws.Value(in.OnlyAttached) && in.PolicyUsageFilter == nil {
			out.Description, out.Tags = nil, nil // as AWS: GetPolicy tells
			all = append(all, *out)
		}
		return nil
	}
	err := s.store.View(ctx, func(r store.Reader) error {
		if aws.Value(in.Scope) != "Local" {
			for arn, p := range s.catalog {
				if err := add(r, p, arn); err != nil {
					return err
				}
			}
		}
		if aws.Value(in.Scope) == "AWS" {
			return nil
		}
		for e, err := range policies.List(ctx, r, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			if err := add(r, &e.Record, e.Record.arn(a)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(p *api.Policy) string { return *p.Arn })
	return &api.ListPoliciesResponse{Policies: part, IsTruncated: more(next), Marker: next}, err
}
