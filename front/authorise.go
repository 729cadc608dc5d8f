package front

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
)

// authorise asks the policies for every access that the call needs. It fails
// closed: what cannot be decided is refused.
func (f *Front) authorise(ctx context.Context, r aws.Route, in any) error {
	if f.Mode == Off {
		return nil
	}
	req := aws.RequestOf(ctx)
	needs, err := r.Guard(ctx, in)
	if err != nil || len(needs) == 0 {
		return err
	}
	return f.allow(ctx, req, r.Op.IAMAction(), needs)
}

// Allow asks whether the caller of ctx may do all of needs. Data planes ask it for
// what their callers do beside operations.
func (f *Front) Allow(ctx context.Context, needs ...aws.Access) error {
	if f.Mode == Off {
		return nil
	}
	return f.allow(ctx, aws.RequestOf(ctx), "", needs)
}

func (f *Front) allow(ctx context.Context, req *aws.Request, op string, needs []aws.Access) error {
	set, err := f.Identity.Policies(ctx, &req.Caller)
	if err != nil {
		return err
	}
	for _, need := range needs {
		if need.Action == "" {
			need.Action = op
		}
		full, err := f.withResource(ctx, set, need)
		if err != nil {
			return err
		}
		q := question(req, need)
		if d := policy.Evaluate(&q, &full); !d.Allowed {
			if f.Mode == Audit {
				f.Logger.Warn("would be denied", "id", req.ID, "reason", d.Message(&q))
				continue
			}
			return aws.AccessDenied("%s", d.Message(&q))
		}
	}
	return nil
}

// withResource is the set with the policy on the resource itself.
func (f *Front) withResource(ctx context.Context, set policy.Set, need aws.Access) (policy.Set, error) {
	if need.Trust {
		set.Rule = policy.Trusted
	}
	if need.Policy == nil {
		return set, nil
	}
	text, err := need.Policy(ctx)
	if err != nil || text == "" {
		return set, err
	}
	p, err := f.cache.Get(text)
	if err != nil {
		return set, err
	}
	set.Resource = []policy.Source{{ID: need.Resource, Policy: p}}
	return set, nil
}

// question is the request in the policy language's words.
func question(req *aws.Request, need aws.Access) policy.Request {
	q := policy.Request{Principal: principal(&req.Caller), Action: need.Action, Resource: need.Resource,
		ResourceAccount: need.Account, Context: facts{req, need}}
	if need.Resource == "*" {
		q.ResourceAccount = req.Caller.Account
	}
	return q
}

var kinds = map[aws.PrincipalKind]policy.PrincipalType{
	aws.Root: policy.Root, aws.User: policy.User, aws.AssumedRole: policy.AssumedRole,
	aws.Federated: policy.FederatedUser, aws.ServiceSelf: policy.Service, aws.Anonymous: policy.Anonymous,
}

func principal(c *aws.Caller) policy.Principal {
	p := policy.Principal{Type: kinds[c.Kind], UserID: c.UserID}
	switch c.Kind {
	case aws.ServiceSelf:
		p.Service = []string{c.ARN}
		return p
	case aws.Anonymous:
		return p
	case aws.User:
		p.UserName = c.ARN[strings.LastIndexByte(c.ARN, '/')+1:]
	}
	p.ARN, p.AccountID, p.Issuer = c.ARN, c.Account, c.Role
	for k, v := range c.Tags {
		p.Tags = append(p.Tags, policy.Tag{Key: k, Value: v})
	}
	return p
}

// facts are the condition keys of a request, looked up when a policy asks.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
type facts struct {
	req  *aws.Request
	need aws.Access
}

var _ policy.Context = facts{}

// Values implements policy.Context. Keys come in lower case.
func (f facts) Values(key string) []string {
	for k, v := range f.need.Keys {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	name, global := strings.CutPrefix(key, "aws:")
	if !global {
		return nil
	}
	if v, ok := f.ofCaller(name); ok {
		return v
	}
	r := f.req
	switch name {
	case "sourceip":
		if r.Caller.Kind != aws.ServiceSelf {
			return one(r.SourceIP)
		}
	case "useragent":
		return one(r.UserAgent)
	case "securetransport":
		return one(strconv.FormatBool(r.Secure))
	case "currenttime":
		return one(r.Time.UTC().Format(time.RFC3339))
	case "epochtime":
		return one(strconv.FormatInt(r.Time.Unix(), 10))
	case "requestedregion":
		return one(r.Region)
	case "resourceaccount":
		if a, ok := aws.ParseARN(f.need.Resource); ok {
			return one(a.Account)
		}
	case "viaawsservice":
		return one(strconv.FormatBool(len(r.Via) > 0))
	case "calledvia":
		return r.Via
	case "calledviafirst":
		if len(r.Via) > 0 {
			return r.Via[:1]
		}
	case "calledvialast":
		if n := len(r.Via); n > 0 {
			return r.Via[n-1:]
		}
	}
	return nil
}

// ofCaller are the keys that follow from who calls.
func (f facts) ofCaller(name string) ([]string, bool) {
	c := &f.req.Caller
	switch name {
	case "sourcearn":
		return one(c.SourceARN), true
	case "sourceaccount":
		return one(c.SourceAccount), true
	case "principalisawsservice":
		return one(strconv.FormatBool(c.Kind == aws.ServiceSelf)), true
	case "principalservicename":
		if c.Kind == aws.ServiceSelf {
			return one(c.ARN), true
		}
		return nil, true
	case "multifactorauthpresent":
		if c.Kind == aws.AssumedRole || !c.IssuedAt.IsZero() {
			return one(strconv.FormatBool(!c.MFAAt.IsZero())), true
		}
		return nil, true
	case "tokenissuetime":
		if !c.IssuedAt.IsZero() {
			return one(c.IssuedAt.UTC().Format(time.RFC3339)), true
		}
		return nil, true
	}
	return nil, false
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
