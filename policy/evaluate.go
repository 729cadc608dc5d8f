package policy

// Source is a compiled policy in its place: ID is what people know it by, an ARN
// or the name of an inline policy. A nil Policy is one that could not be read, and
// denies everything.
type Source struct {
	ID     string
	Policy *Policy
}

// Set is every policy that bears on a request.
//
// Nil and empty differ in all but Identity and Resource: nil means that there is
// no such limit, an empty list is a limit that lets nothing through.
type Set struct {
	Identity []Source // of the user and its groups, or of the role
	Boundary []Source // nil: none is set. One policy on AWS
	Session  []Source // nil: none was passed. Together they are one limit
	Resource []Source // on the resource; of a role, its trust policy

	// SCPs of the principal's account and RCPs of the resource's, level by level
	// from the organization's root: each level must allow. Nil: no organization.
	SCPs [][]Source
	RCPs [][]Source

	// Rule is how the resource's policies count.
	Rule ResourceRule
}

// ResourceRule is how policies on a resource count within one account.
type ResourceRule uint8

const (
	// Union: an identity policy or a resource policy suffices. Nearly all services.
	Union ResourceRule = iota
	// Required: the resource's policy must allow, or name the account and so leave
	// the decision to identity policies. KMS keys.
	Required
	// Trusted is Required with the resource policy being a role's trust policy.
	Trusted
)

func (s *Set) resourceKind() Kind {
	if s.Rule == Trusted {
		return Trust
	}
	return Resource
}

// hit is the statement that spoke, and the policy it stands in.
type hit struct {
	source    string
	statement *statement
}

// verdict is what the policies of one kind say together.
type verdict struct {
	denied, allowed hit
	grant           grant // the most direct Allow
}

// unreadable stands for a policy that is attached but could not be compiled: what
// it may have denied is denied.
var unreadable = statement{src: &Statement{Sid: "unreadable", Effect: Deny}, effect: Deny}

// ask puts the request to policies of one kind. The first Deny ends it.
func (e *env) ask(sources []Source, onResource bool) verdict {
	var v verdict
	for i := range sources {
		if sources[i].Policy == nil {
			v.denied = hit{sources[i].ID, &unreadable}
			return v
		}
		statements := sources[i].Policy.statements
		for k := range statements {
			s := &statements[k]
			if s.effect != Deny && v.grant == grantDirect {
				continue
			}
			g := s.applies(e, onResource)
			if g == grantNone {
				continue
			}
			if s.effect == Deny {
				v.denied = hit{sources[i].ID, s}
				return v
			}
			if g > v.grant {
				v.grant, v.allowed = g, hit{sources[i].ID, s}
			}
		}
	}
	return v
}

// Evaluate decides a request. It follows the order of AWS's flow chart, so that
// of several reasons to deny it reports the one AWS would. It keeps nothing of
// its arguments but Decision's pointers into the policies.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
func Evaluate(req *Request, set *Set) Decision {
	e := env{req: req}
	d := Decision{action: req.Action}

	orgAllowed, orgKind := true, ServiceControl
	if req.Principal.AccountID != "" { // SCPs bind principals of accounts, not AWS's services
		ok, denied := e.askLevels(set.SCPs, false)
		if denied.statement != nil {
			return d.denied(ServiceControl, denied)
		}
		orgAllowed = ok
	}
	ok, denied := e.askLevels(set.RCPs, true)
	if denied.statement != nil {
		return d.denied(ResourceControl, denied)
	}
	if orgAllowed && !ok {
		orgAllowed, orgKind = false, ResourceControl
	}

	o := opinions{resource: e.ask(set.Resource, true)}
	if o.resource.denied.statement != nil {
		return d.denied(set.resourceKind(), o.resource.denied)
	}
	if o.identity = e.ask(set.Identity, false); o.identity.denied.statement != nil {
		return d.denied(Identity, o.identity.denied)
	}
	if o.boundary = e.ask(set.Boundary, false); o.boundary.denied.statement != nil {
		return d.denied(Boundary, o.boundary.denied)
	}
	if o.session = e.ask(set.Session, false); o.session.denied.statement != nil {
		return d.denied(Session, o.session.denied)
	}
	if !orgAllowed {
		d.By = orgKind
		return d
	}
	return o.decide(d, req, set)
}

// askLevels asks every level of an organization: each must allow.
func (e *env) askLevels(levels [][]Source, onResource bool) (allowed bool, denied hit) {
	allowed = true
	for _, level := range levels {
		v := e.ask(level, onResource)
		if v.denied.statement != nil {
			return false, v.denied
		}
		allowed = allowed && v.grant != grantNone
	}
	return allowed && (levels == nil || len(levels) > 0), hit{}
}

func (d Decision) denied(k Kind, h hit) Decision {
	d.Explicit, d.By = true, k
	d.Source, d.Statement = h.source, h.statement.src
	return d
}

func (d Decision) allowed(k Kind, h hit) Decision {
	d.Allowed, d.By = true, k
	if h.statement != nil {
		d.Source, d.Statement = h.source, h.statement.src
	}
	return d
}

func (d Decision) notAllowed(k Kind) Decision {
	d.By = k
	return d
}

// opinions are what each kind of policy said, when none denied.
type opinions struct {
	resource, identity, boundary, session verdict
}

// decide weighs what is allowed, with no explicit deny anywhere.
func (o *opinions) decide(d Decision, req *Request, set *Set) Decision {
	p := &req.Principal
	granted := o.resource.grant
	switch p.Type {
	case User, AssumedRole, FederatedUser, Root:
	default: // no identity policies can exist: the resource decides alone
		if granted == grantNone {
			return d.notAllowed(set.resourceKind())
		}
		return d.allowed(set.resourceKind(), o.resource.allowed)
	}
	sameAccount := p.AccountID != "" && accountOf(req) == p.AccountID
	isRoot := p.Type == Root || p.Type == FederatedUser && isRootARN(p.Issuer)
	identity := isRoot || o.identity.grant != grantNone

	by, winner := Kind(0), hit{}
	if o.identity.grant != grantNone {
		by, winner = Identity, o.identity.allowed
	}
	if sameAccount {
		if granted == grantDirect {
			return d.allowed(set.resourceKind(), o.resource.allowed) // limits bind only explicitly
		}
		if set.Rule != Union && granted == grantNone {
			return d.notAllowed(set.resourceKind())
		}
		if granted == grantIssuer {
			by, winner = set.resourceKind(), o.resource.allowed
		} else if !identity {
			return d.notAllowed(Identity)
		}
	} else {
		if !identity {
			return d.notAllowed(Identity)
		}
		if granted == grantNone {
			return d.notAllowed(set.resourceKind())
		}
	}
	if p.Type != Root {
		if set.Boundary != nil && o.boundary.grant == grantNone {
			return d.notAllowed(Boundary)
		}
		// A federated user has what its session policies let through, without any nothing.
		if (set.Session != nil || p.Type == FederatedUser) && o.session.grant == grantNone {
			return d.notAllowed(Session)
		}
	}
	return d.allowed(by, winner)
}

func isRootARN(arn string) bool {
	a, ok := splitARN(arn)
	return ok && a[2] == "iam" && a[5] == "root"
}
