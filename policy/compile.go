package policy

// Policy is a compiled document: immutable and safe for concurrent use.
type Policy struct {
	doc        *Document
	statements []statement
}

// statement is a compiled statement. src is what was written.
type statement struct {
	src          *Statement
	effect       Effect
	names        []principalName
	hasPrincipal bool
	actions      []pattern
	resources    []pattern
	conditions   []condition
}

// Compile makes a document ready for evaluation. It takes any document that Parse
// returned; the document must not be changed afterwards.
func Compile(doc *Document) *Policy {
	p := &Policy{doc: doc, statements: make([]statement, len(doc.Statements))}
	variables := doc.Version == Version2012
	for i := range doc.Statements {
		src := &doc.Statements[i]
		s := statement{src: src, effect: src.Effect, hasPrincipal: src.Principals != nil}
		for _, e := range src.Principals {
			s.names = append(s.names, compilePrincipal(e))
		}
		for _, a := range src.Actions {
			s.actions = append(s.actions, compilePattern(a, patternRules{wildcards: true, fold: true}))
		}
		for _, r := range src.Resources {
			s.resources = append(s.resources, compilePattern(r, patternRules{wildcards: true, variables: variables}))
		}
		for _, c := range src.Conditions {
			s.conditions = append(s.conditions, compileCondition(c, doc.Version))
		}
		p.statements[i] = s
	}
	return p
}

// ParseAndCompile is Parse, then Compile, for documents that were validated when
// they were stored.
func ParseAndCompile(text string) (*Policy, error) {
	doc, err := Parse(text)
	if err != nil {
		return nil, err
	}
	return Compile(doc), nil
}

// Document is what the policy was compiled from.
func (p *Policy) Document() *Document { return p.doc }

// matchesAction reports whether the statement covers the action. A statement
// without Action is incomplete: it can deny, not allow.
func (s *statement) matchesAction(action string) bool {
	if s.src.Actions == nil {
		return s.effect == Deny
	}
	first := byte(0)
	if action != "" {
		first = lower(action[0])
	}
	for i := range s.actions {
		if lead := s.actions[i].lead; lead != 0 && lead != first {
			continue // most actions of a long policy end here
		}
		if ok, _ := s.actions[i].match(action, nil); ok {
			return !s.src.NotAction
		}
	}
	return s.src.NotAction
}

// matchesResource reports whether the statement covers the resource. A policy on
// a resource may leave Resource out and means that resource; elsewhere the
// statement is incomplete, and can deny only.
func (s *statement) matchesResource(e *env, onResource bool) bool {
	if s.src.Resources == nil {
		return onResource || s.effect == Deny
	}
	certain := true
	for i := range s.resources {
		ok, resolved := s.resources[i].match(e.req.Resource, e)
		if ok {
			return !s.src.NotResource
		}
		certain = certain && resolved
	}
	if s.src.NotResource && !certain {
		return s.effect == Deny
	}
	return s.src.NotResource
}

// matchesPrincipal says how directly the statement names the caller. In a policy
// on an identity nobody is named and the identity itself is meant; a Principal
// element does not belong there, and such a statement can deny only.
func (s *statement) matchesPrincipal(p *Principal, onResource bool) grant {
	switch {
	case !onResource:
		return directIf(!s.hasPrincipal || s.effect == Deny)
	case !s.hasPrincipal:
		return grantNone
	case s.src.NotPrincipal:
		return directIf(s.effect == Deny && !p.exempt(s.names))
	}
	return p.namedBy(s.names)
}

func (s *statement) conditionsHold(e *env) bool {
	for i := range s.conditions {
		if !s.conditions[i].holds(e, s.effect) {
			return false
		}
	}
	return true
}

// applies says whether the statement speaks about the request, and how directly
// it names the caller. The cheapest question that most often says no comes first.
func (s *statement) applies(e *env, onResource bool) grant {
	if !s.matchesAction(e.req.Action) {
		return grantNone
	}
	g := s.matchesPrincipal(&e.req.Principal, onResource)
	if g == grantNone || !s.matchesResource(e, onResource) || !s.conditionsHold(e) {
		return grantNone
	}
	return g
}
