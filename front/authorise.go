package front

import (
	"context"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
)

// A Place is where an account stands in an organization, if in any.
type Place struct {
	ID   string // "o-…"; empty for none
	Path string // "o-…/r-…/ou-…/"
	// SCPs bind the account's principals and RCPs its resources, level by level from
	// the root. Nil: none do.
	SCPs, RCPs [][]policy.Source
}

// Organizations knows where accounts stand. It is asked with every request.
type Organizations interface {
	PlaceOf(ctx context.Context, account string) (Place, error)
}

// authorise asks the policies for every access that the call needs. It fails
// closed: what cannot be decided is refused. What was decided goes into e.
func (f *Front) authorise(ctx context.Context, r aws.Route, e *aws.Event) error {
	if f.Mode == Off {
		return nil
	}
	needs, err := r.Guard(ctx, e.In)
	if err != nil || len(needs) == 0 {
		return err
	}
	return f.allow(ctx, r.Op.IAMAction(), needs, e)
}

// Allow asks whether the caller of ctx may do all of needs. Data planes ask it for
// what their callers do beside operations.
func (f *Front) Allow(ctx context.Context, needs ...aws.Access) error {
	if f.Mode == Off {
		return nil
	}
	e := aws.Event{Request: aws.RequestOf(ctx)}
	err := f.allow(ctx, "", needs, &e)
	f.audit(ctx, &e, err)
	return err
}

func (f *Front) allow(ctx context.Context, op string, needs []aws.Access, e *aws.Event) error {
	req := e.Request
	var own policy.Set // of the caller; read once
	var read bool
	for i := range needs {
		need := &needs[i]
		if need.Action == "" {
			need.Action = op
		}
		var set policy.Set
		caller := need.As
		if caller == nil {
			caller = &req.Caller
			if !read {
				var err error
				if own, err = f.Identity.Policies(ctx, caller); err != nil {
					return err
				}
				read = true
			}
			set = own
		}
		if err := f.ask(ctx, caller, need, set, e); err != nil {
			return err
		}
	}
	return nil
}

// ask puts one access to the policies.
func (f *Front) ask(ctx context.Context, caller *aws.Caller, need *aws.Access, set policy.Set, e *aws.Event) error {
	x := facts{ctx: ctx, front: f, req: e.Request, caller: caller, need: need}
	if err := x.places(); err != nil {
		return err
	}
	set.SCPs, set.RCPs = x.principal.SCPs, x.resource.RCPs
	if strings.Contains(caller.Role, ":role/aws-service-role/") {
		set.SCPs = nil // AWS's own roles are bound by no organization
	}
	if err := f.withResource(ctx, &set, need); err != nil {
		return err
	}
	q := policy.Request{Principal: principal(caller), Action: need.Action, Resource: need.Resource,
		ResourceAccount: need.Account, Context: &x,
		Quoted: e.Op != nil && e.Op.Service.QuotesResources}
	if need.Resource == "*" {
		q.ResourceAccount = caller.Account
	}
	d := policy.Evaluate(&q, &set)
	if x.err != nil {
		return x.err
	}
	e.Decisions = append(e.Decisions, decision(need, d))
	if d.Allowed {
		return nil
	}
	last := &e.Decisions[len(e.Decisions)-1]
	explained := policy.Explain(&q, &set)
	last.Message, last.Explanation, last.Remedy = d.Message(&q), explained.String(), d.Remedy(&q)
	if f.Mode == Audit {
		last.Passed = true
		f.Logger.Warn("would be denied", "id", e.Request.ID, "reason", last.Message)
		return nil
	}
	return f.denied(last.Message, &q, explained)
}

func decision(need *aws.Access, d policy.Decision) aws.Decision {
	out := aws.Decision{Action: need.Action, Resource: need.Resource, Account: need.Account, As: need.As, Allowed: d.Allowed, Source: d.Source}
	if d.By != 0 {
		out.By = d.By.String()
	}
	if d.Statement != nil {
		out.Statement = d.Statement
	}
	return out
}

// withResource adds the policy on the resource itself to the set.
func (f *Front) withResource(ctx context.Context, set *policy.Set, need *aws.Access) error {
	if need.Trust {
		set.Rule = policy.Trusted
	}
	if need.Policy == nil {
		return nil
	}
	text, err := need.Policy(ctx)
	if err != nil || text == "" {
		return err
	}
	p, err := f.cache.Get(text)
	if err != nil {
		return err
	}
	set.Resource = []policy.Source{{ID: need.Resource, Policy: p}}
	return nil
}

var kinds = map[aws.PrincipalKind]policy.PrincipalType{
	aws.Root: policy.Root, aws.User: policy.User, aws.AssumedRole: policy.AssumedRole,
	aws.Federated: policy.FederatedUser, aws.ServiceSelf: policy.Service, aws.Anonymous: policy.Anonymous,
	aws.WebIdentity: policy.Federated, aws.SAMLUser: policy.Federated,
}

func principal(c *aws.Caller) policy.Principal {
	p := policy.Principal{Type: kinds[c.Kind], UserID: c.UserID}
	switch c.Kind {
	case aws.ServiceSelf:
		p.Service = []string{c.ARN}
		return p
	case aws.WebIdentity, aws.SAMLUser:
		p.Provider = c.Provider
		return p
	case aws.Anonymous:
		return p
	case aws.User:
		p.UserName = c.ARN[strings.LastIndexByte(c.ARN, '/')+1:]
	}
	p.ARN, p.AccountID, p.Issuer, p.CanonicalUserID = c.ARN, c.Account, c.Role, aws.CanonicalUser(c.Account)
	for k, v := range c.Tags {
		p.Tags = append(p.Tags, policy.Tag{Key: k, Value: v})
	}
	return p
}
