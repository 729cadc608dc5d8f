package logs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An accountPolicy is the record of a policy for all groups of an account, under its
// type and name.
type accountPolicy struct {
	Document string
	Updated  int64   // milliseconds
	Criteria string  `json:",omitempty"`
	Outlet   *outlet `json:",omitempty"` // of a SUBSCRIPTION_FILTER_POLICY
	Since    uint64  `json:",omitempty"` // the number from which on it delivers
	Except   []string
	Prefix   []string
}

// accountPolicies are the types that there are, and how many of each an account has at
// most.
var accountPolicyTypes = map[string]int{api.PolicyTypeSubscriptionFilterPolicy: 1, api.PolicyTypeFieldIndexPolicy: 20}

// selects reports whether the policy is about the group called name.
func (p *accountPolicy) selects(name string) bool {
	if slices.Contains(p.Except, name) {
		return false
	}
	return len(p.Prefix) == 0 || slices.ContainsFunc(p.Prefix, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// accountSubscription is the subscription that all groups of an account have; nil if
// there is none.
func accountSubscription(ctx context.Context, r store.Reader, sc store.Scope) (name string, p *accountPolicy, err error) {
	for e, err := range accountPolicies.List(ctx, r, sc, store.ListOptions{Prefix: []any{api.PolicyTypeSubscriptionFilterPolicy}, Limit: 1}) {
		if err != nil {
			return "", nil, err
		}
		return e.Key.String(1), &e.Record, nil
	}
	return "", nil, nil
}

// subscribe reads what a policy of subscriptions says, and tries it.
func (p *accountPolicy) subscribe(ctx context.Context, s *Service, criteria string) error {
	var doc struct{ DestinationArn, RoleArn, FilterPattern, Distribution string }
	if err := json.Unmarshal([]byte(p.Document), &doc); err != nil || doc.DestinationArn == "" {
		return api.InvalidParameterException("The policy document of a subscription filter policy must have a DestinationArn.")
	}
	if d := doc.Distribution; d != "" && d != api.DistributionRandom && d != api.DistributionByLogStream {
		return api.InvalidParameterException("Distribution must be Random or ByLogStream.")
	}
	if _, err := parsePattern(doc.FilterPattern); err != nil {
		return err
	}
	var err error
	if p.Except, p.Prefix, err = parseCriteria(criteria); err != nil {
		return err
	}
	p.Outlet = &outlet{Destination: doc.DestinationArn, Role: doc.RoleArn, Pattern: doc.FilterPattern, Distribution: doc.Distribution}
	return s.checkOutlet(ctx, scopeOf(ctx), "*", p.Outlet)
}

// parseCriteria reads which groups a policy is about: LogGroupName NOT IN ["a", "b"], or
// LogGroupNamePrefix IN ["a"].
func parseCriteria(text string) (except, prefix []string, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil, nil
	}
	open := strings.IndexByte(text, '[')
	bad := api.InvalidParameterException("Invalid selection criteria: %s", text)
	if open < 0 {
		return nil, nil, bad
	}
	var list []string
	if json.Unmarshal([]byte(text[open:]), &list) != nil || len(list) == 0 {
		return nil, nil, bad
	}
	switch strings.Join(strings.Fields(text[:open]), " ") {
	case "LogGroupName NOT IN":
		return list, nil, nil
	case "LogGroupNamePrefix IN":
		return nil, list, nil
	}
	return nil, nil, bad
}

func (s *Service) putAccountPolicy(ctx context.Context, in *api.PutAccountPolicyRequest) (*api.PutAccountPolicyResponse, error) {
	sc, kind, name := scopeOf(ctx), *in.PolicyType, *in.PolicyName
	most, ok := accountPolicyTypes[kind]
	if !ok {
		return nil, aws.Errorf(501, "NotImplemented", "Account policies of the type %s are not available in this version of Tule.", kind)
	}
	p := accountPolicy{Document: *in.PolicyDocument, Updated: s.now(), Criteria: aws.Value(in.SelectionCriteria)}
	switch kind {
	case api.PolicyTypeSubscriptionFilterPolicy:
		if err := p.subscribe(ctx, s, p.Criteria); err != nil {
			return nil, err
		}
	case api.PolicyTypeFieldIndexPolicy:
		if _, err := indexFields(p.Document); err != nil {
			return nil, err
		}
	}
	if err := s.number(ctx); err != nil {
		return nil, err
	}
	err := s.store.Update(ctx, func(tx store.Tx) error {
		others := 0
		for e, err := range accountPolicies.List(ctx, tx, sc, store.ListOptions{Prefix: []any{kind}}) {
			switch {
			case err != nil:
				return err
			case e.Key.String(1) == name:
				p.Since = e.Record.Since
			default:
				others++
			}
		}
		if others >= most {
			return api.LimitExceededException("Resource limit exceeded.")
		}
		var err error
		if p.Outlet != nil && p.Since == 0 {
			p.Since, err = s.beginning()
		}
		return errors.Join(err, accountPolicies.Put(tx, sc, p, kind, name))
	})
	if err != nil {
		return nil, err
	}
	return &api.PutAccountPolicyResponse{AccountPolicy: ptr(p.describe(ctx, kind, name))}, nil
}

func (p *accountPolicy) describe(ctx context.Context, kind, name string) api.AccountPolicy {
	d := api.AccountPolicy{AccountId: ptr(aws.RequestOf(ctx).Account()), PolicyName: &name, PolicyType: &kind, PolicyDocument: &p.Document,
		LastUpdatedTime: &p.Updated, Scope: ptr(api.ScopeAll)}
	if p.Criteria != "" {
		d.SelectionCriteria = &p.Criteria
	}
	return d
}

func (s *Service) deleteAccountPolicy(ctx context.Context, in *api.DeleteAccountPolicyRequest) (*aws.Empty, error) {
	sc, kind, name := scopeOf(ctx), *in.PolicyType, *in.PolicyName
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		switch there, err := accountPolicies.Has(ctx, tx, sc, kind, name); {
		case err != nil:
			return err
		case !there:
			return api.ResourceNotFoundException("The specified account policy does not exist.")
		}
		if kind == api.PolicyTypeSubscriptionFilterPolicy {
			// What waits in groups without subscribers of their own nobody fetches.
			for e, err := range groups.List(ctx, tx, sc, store.ListOptions{}) {
				if err == nil && !e.Record.Fed {
					err = arrivals.DeleteAll(tx, sc, e.Record.ID)
				}
				if err == nil {
					err = positions.Delete(tx, sc, e.Record.ID, policyFeed+name)
				}
				if err != nil {
					return err
				}
			}
		}
		return accountPolicies.Delete(tx, sc, kind, name)
	})
}

func (s *Service) describeAccountPolicies(ctx context.Context, in *api.DescribeAccountPoliciesRequest) (*api.DescribeAccountPoliciesResponse, error) {
	after, limit, err := pageOf(in.NextToken, nil)
	if err != nil {
		return nil, err
	}
	if others := slices.DeleteFunc(slices.Clone(in.AccountIdentifiers), func(id string) bool { return id == aws.RequestOf(ctx).Account() }); len(others) > 0 {
		return nil, api.InvalidParameterException("There are no monitoring accounts: %s is not linked.", others[0])
	}
	out := &api.DescribeAccountPoliciesResponse{AccountPolicies: []api.AccountPolicy{}}
	o := store.ListOptions{Prefix: []any{*in.PolicyType}}
	if after != "" {
		o.After = []any{*in.PolicyType, after}
	}
	return out, s.store.View(ctx, func(r store.Reader) error {
		for e, err := range accountPolicies.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			name := e.Key.String(1)
			if in.PolicyName != nil && *in.PolicyName != name {
				continue
			}
			if n := len(out.AccountPolicies); n == limit {
				out.NextToken = ptr(aws.Token(*out.AccountPolicies[n-1].PolicyName))
				return nil
			}
			out.AccountPolicies = append(out.AccountPolicies, e.Record.describe(ctx, *in.PolicyType, name))
		}
		return nil
	})
}
