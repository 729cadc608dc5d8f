package logs

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A resourcePolicy is the record of a resource policy: one of the account, under its
// name, or that of a group, under the group's ARN.
type resourcePolicy struct {
	Document string
	Updated  int64 // milliseconds
	Revision int64 `json:",omitempty"`
}

// maxResourcePolicies is how many policies an account has at most, and maxPolicyBytes how
// long each may be.
const (
	maxResourcePolicies = 10
	maxPolicyBytes      = 5120
)

func (s *Service) putResourcePolicy(ctx context.Context, in *api.PutResourcePolicyRequest) (*api.PutResourcePolicyResponse, error) {
	scope, name, err := policyNamed(ctx, in.PolicyName, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if in.PolicyDocument == nil || len(*in.PolicyDocument) > maxPolicyBytes || !isObject(*in.PolicyDocument) {
		return nil, api.InvalidParameterException("The policy document must be valid JSON of at most %d bytes.", maxPolicyBytes)
	}
	sc := scopeOf(ctx)
	var p resourcePolicy
	err = s.store.Update(ctx, func(tx store.Tx) error {
		have, err := resourcePolicies.Get(ctx, tx, sc, scope, name)
		there := err == nil
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := have.expect(there, in.ExpectedRevisionId); err != nil {
			return err
		}
		if scope == api.PolicyScopeAccount && !there {
			n := 0
			for _, err := range resourcePolicies.List(ctx, tx, sc, store.ListOptions{Prefix: []any{scope}}) {
				if n++; err != nil {
					return err
				}
			}
			if n >= maxResourcePolicies {
				return api.LimitExceededException("Resource limit exceeded.")
			}
		}
		if scope == api.PolicyScopeResource {
			group, err := groupIdentified(ctx, name)
			if err != nil {
				return err
			}
			if _, err := groupNamed(ctx, tx, sc, group); err != nil {
				return err
			}
		}
		p = resourcePolicy{Document: *in.PolicyDocument, Updated: s.now(), Revision: have.Revision + 1}
		return resourcePolicies.Put(tx, sc, p, scope, name)
	})
	if err != nil {
		return nil, err
	}
	d := p.describe(scope, name)
	return &api.PutResourcePolicyResponse{ResourcePolicy: &d, RevisionId: d.RevisionId}, nil
}

// expect holds a policy against the revision that the caller believes to change.
func (p *resourcePolicy) expect(there bool, revision *string) error {
	if revision != nil && (!there || *revision != strconv.FormatInt(p.Revision, 10)) {
		return api.OperationAbortedException("The revision id does not match that of the policy.")
	}
	return nil
}

// policyNamed is where a policy is kept: of the account by its name, of a group by its
// ARN.
func policyNamed(ctx context.Context, name, resource *string) (scope, key string, err error) {
	if resource != nil {
		group, err := groupIdentified(ctx, *resource)
		return api.PolicyScopeResource, aws.RequestOf(ctx).ARN("logs", "log-group:"+group), err
	}
	if name == nil || *name == "" {
		return "", "", api.InvalidParameterException("Either policyName or resourceArn must be specified.")
	}
	return api.PolicyScopeAccount, *name, nil
}

func (p *resourcePolicy) describe(scope, name string) api.ResourcePolicy {
	d := api.ResourcePolicy{PolicyDocument: &p.Document, LastUpdatedTime: &p.Updated, PolicyScope: &scope}
	if scope == api.PolicyScopeAccount {
		d.PolicyName = &name
	} else {
		d.ResourceArn, d.RevisionId = &name, ptr(strconv.FormatInt(p.Revision, 10))
	}
	return d
}

func (s *Service) deleteResourcePolicy(ctx context.Context, in *api.DeleteResourcePolicyRequest) (*aws.Empty, error) {
	scope, name, err := policyNamed(ctx, in.PolicyName, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	sc := scopeOf(ctx)
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		p, err := resourcePolicies.Get(ctx, tx, sc, scope, name)
		if errors.Is(err, store.ErrNotFound) {
			return api.ResourceNotFoundException("Policy with name [%s] does not exist.", name)
		}
		if err != nil {
			return err
		}
		if err := p.expect(true, in.ExpectedRevisionId); err != nil {
			return err
		}
		return resourcePolicies.Delete(tx, sc, scope, name)
	})
}

func (s *Service) describeResourcePolicies(ctx context.Context, in *api.DescribeResourcePoliciesRequest) (*api.DescribeResourcePoliciesResponse, error) {
	after, limit, err := pageOf(in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	scope := api.PolicyScopeAccount
	if in.PolicyScope != nil {
		scope = *in.PolicyScope
	}
	only := ""
	if in.ResourceArn != nil {
		if scope, only, err = policyNamed(ctx, nil, in.ResourceArn); err != nil {
			return nil, err
		}
	}
	o := store.ListOptions{Prefix: []any{scope}}
	if after != "" {
		o.After = []any{scope, after}
	}
	out := &api.DescribeResourcePoliciesResponse{ResourcePolicies: []api.ResourcePolicy{}}
	last := ""
	return out, s.store.View(ctx, func(r store.Reader) error {
		for e, err := range resourcePolicies.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			name := e.Key.String(1)
			if only != "" && only != name {
				continue
			}
			if len(out.ResourcePolicies) == limit {
				out.NextToken = ptr(aws.Token(last))
				return nil
			}
			out.ResourcePolicies = append(out.ResourcePolicies, e.Record.describe(scope, name))
			last = name
		}
		return nil
	})
}

// policyOn reads what the account's policies and the group's own say together, for another
// service that acts by itself: they are for these, who have no policies of their own.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
func (s *Service) policyOn(ctx context.Context, group string) func(context.Context) (string, error) {
	if aws.RequestOf(ctx).Caller.Kind != aws.ServiceSelf {
		return nil
	}
	return func(ctx context.Context) (string, error) {
		own := aws.RequestOf(ctx).ARN("logs", "log-group:"+group)
		var statements []json.RawMessage
		err := s.store.View(ctx, func(r store.Reader) error {
			for e, err := range resourcePolicies.List(ctx, r, scopeOf(ctx), store.ListOptions{}) {
				if err != nil {
					return err
				}
				if e.Key.String(0) == api.PolicyScopeAccount || e.Key.String(1) == own {
					statements = append(statements, statementsOf(e.Record.Document)...)
				}
			}
			return nil
		})
		if err != nil || len(statements) == 0 {
			return "", err
		}
		text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
		return string(text), err
	}
}

// statementsOf are the statements of a policy, which may be one alone.
func statementsOf(document string) []json.RawMessage {
	var p struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(document), &p) != nil || len(p.Statement) == 0 {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(p.Statement, &list) != nil {
		list = []json.RawMessage{p.Statement}
	}
	return list
}
