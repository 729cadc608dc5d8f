package policy

// Explanation is a decision with everything that was said about the request: for
// SimulatePrincipalPolicy, the audit log and `tule why`.
type Explanation struct {
	Decision    Decision
	SameAccount bool // the resource belongs to the principal's account
	Policies    []PolicyResult
	// MissingKeys are condition keys that an otherwise matching statement asked for
	// and the request did not have, lower case, each once.
	MissingKeys []string
}

// PolicyResult is what one policy said.
type PolicyResult struct {
	Kind       Kind
	Level      int // of SCPs and RCPs: 0 is the organization's root
	ID         string
	Statements []StatementResult
}

// StatementResult is what one statement said: its parts, each matched or not.
// Applies is all of them; then its Effect counts.
type StatementResult struct {
	Statement  *Statement
	Applies    bool
	Action     bool
	Resource   bool
	Principal  bool
	Conditions []ConditionResult
}

// ConditionResult is one condition, the values that the request had for its key
// (none: absent), and whether it held.
type ConditionResult struct {
	Condition Condition
	Actual    []string
	Held      bool
}

// Explain evaluates like Evaluate, and says of every statement of every policy
// why it applied or not, also after the decision is clear.
func Explain(req *Request, set *Set) Explanation {
	x := explainer{env: env{req: req}, missing: map[string]bool{}}
	x.out.Decision = Evaluate(req, set)
	x.out.SameAccount = req.Principal.AccountID != "" && accountOf(req) == req.Principal.AccountID
	for level, sources := range set.SCPs {
		x.policies(ServiceControl, level, sources)
	}
	for level, sources := range set.RCPs {
		x.policies(ResourceControl, level, sources)
	}
	x.policies(set.resourceKind(), 0, set.Resource)
	x.policies(Identity, 0, set.Identity)
	x.policies(Boundary, 0, set.Boundary)
	x.policies(Session, 0, set.Session)
	return x.out
}

type explainer struct {
	env     env
	out     Explanation
	missing map[string]bool
}

func (x *explainer) policies(k Kind, level int, sources []Source) {
	for _, src := range sources {
		r := PolicyResult{Kind: k, Level: level, ID: src.ID}
		if src.Policy == nil {
			r.Statements = []StatementResult{{Statement: unreadable.src, Applies: true, Action: true, Resource: true, Principal: true}}
		} else {
			for i := range src.Policy.statements {
				r.Statements = append(r.Statements, x.statement(&src.Policy.statements[i], k.onResource()))
			}
		}
		x.out.Policies = append(x.out.Policies, r)
	}
}

func (x *explainer) statement(s *statement, onResource bool) StatementResult {
	r := StatementResult{
		Statement: s.src,
		Action:    s.matchesAction(x.env.req.Action),
		Resource:  s.matchesResource(&x.env, onResource),
		Principal: s.matchesPrincipal(&x.env.req.Principal, onResource) != grantNone,
	}
	r.Applies = r.Action && r.Resource && r.Principal
	for i := range s.conditions {
		c := &s.conditions[i]
		result := ConditionResult{Condition: c.src, Held: c.holds(&x.env, s.effect)}
		v := x.env.lookup(c.key)
		for k := 0; k < v.len(); k++ {
			result.Actual = append(result.Actual, v.at(k))
		}
		if v.len() == 0 && c.op.base != opNull && r.Action && r.Resource && !x.missing[c.key] {
			x.missing[c.key] = true
			x.out.MissingKeys = append(x.out.MissingKeys, c.key)
		}
		r.Applies = r.Applies && result.Held
		r.Conditions = append(r.Conditions, result)
	}
	return r
}

// ContextKeys are the condition keys that the policy asks for, in conditions and
// in variables, lower case, each once, in the order of the text.
func (p *Policy) ContextKeys() []string {
	var keys []string
	seen := map[string]bool{}
	add := func(key string) {
		if !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	variables := func(patterns []pattern) {
		for i := range patterns {
			for _, t := range patterns[i].tokens {
				if t.kind == tokenVariable {
					add(t.text)
				}
			}
		}
	}
	for i := range p.statements {
		s := &p.statements[i]
		variables(s.resources)
		for k := range s.conditions {
			add(s.conditions[k].key)
			variables(s.conditions[k].patterns)
		}
	}
	return keys
}
