package iam

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// Simulation asks the front door's own engine.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html
func (s *Service) simulateRoutes() []aws.Route {
	return []aws.Route{
		api.SimulateCustomPolicy.To(s.simulateCustomPolicy, aws.Anywhere),
		api.SimulatePrincipalPolicy.To(s.simulatePrincipalPolicy, s.guardSimulate),
	}
}

func (s *Service) guardSimulate(_ context.Context, in *api.SimulatePrincipalPolicyRequest) ([]aws.Access, error) {
	return []aws.Access{{Resource: *in.PolicySourceArn}}, nil
}

// A simulation is a number of questions to one set of policies.
type simulation struct {
	set                policy.Set
	principal          policy.Principal
	actions, resources []string
	owner              string // account of resources that name none
	context            policy.Values
}

// maxSimulated bounds the work of one call: actions times resources.
const maxSimulated = 10000

func (s *Service) simulateCustomPolicy(ctx context.Context, in *api.SimulateCustomPolicyRequest) (*api.SimulatePolicyResponse, error) {
	who := actor(account(ctx), aws.Value(in.CallerArn))
	m, err := newSimulation(who, in.ActionNames, in.ResourceArns, in.ContextEntries, in.ResourceOwner)
	if err != nil {
		return nil, err
	}
	if m.set.Identity, err = s.inputs("PolicyInputList", in.PolicyInputList); err != nil {
		return nil, err
	}
	return s.simulate(m, in.PermissionsBoundaryPolicyInputList, in.ResourcePolicy, page{in.Marker, in.MaxItems})
}

func (s *Service) simulatePrincipalPolicy(ctx context.Context, in *api.SimulatePrincipalPolicyRequest) (*api.SimulatePolicyResponse, error) {
	a, arn := account(ctx), *in.PolicySourceArn
	if in.CallerArn != nil {
		arn = *in.CallerArn
	}
	m, err := newSimulation(actor(a, arn), in.ActionNames, in.ResourceArns, in.ContextEntries, in.ResourceOwner)
	if err != nil {
		return nil, err
	}
	err = s.store.View(ctx, func(r store.Reader) error {
		g, err := s.gatherARN(ctx, r, *in.PolicySourceArn)
		m.set = g.set
		return err
	})
	if err != nil {
		return nil, err
	}
	more, err := s.inputs("PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	m.set.Identity = append(m.set.Identity[:len(m.set.Identity):len(m.set.Identity)], more...)
	return s.simulate(m, in.PermissionsBoundaryPolicyInputList, in.ResourcePolicy, page{in.Marker, in.MaxItems})
}

// gatherARN is gather for the user, group or role of the caller's account with an ARN.
func (s *Service) gatherARN(ctx context.Context, r store.Reader, arn string) (grants, error) {
	a := account(ctx)
	of, _ := aws.ParseARN(arn)
	k, rest, _ := strings.Cut(of.Resource, "/")
	if of.Service != "iam" || of.Account != a || kind(k).idPrefix() == "" {
		return grants{}, api.InvalidInputException("Invalid Entity Arn: %s does not clearly define entity type and name.", arn)
	}
	p, err := load(ctx, r, a, kind(k), rest[strings.LastIndexByte(rest, '/')+1:])
	if err != nil {
		return grants{}, err
	}
	if p.arn(a) != arn { // another path: permission was asked for another
		return grants{}, notFound(p.Kind, rest)
	}
	return s.gather(ctx, r, a, p.ID)
}

// actor is the principal that a simulation is about; without an ARN, or with that of
// a group, some user of the account.
func actor(account, arn string) policy.Principal {
	p := policy.Principal{Type: policy.User, AccountID: account, ARN: arn}
	a, ok := aws.ParseARN(arn)
	if !ok {
		p.ARN = aws.NewARN("iam", "", account, "user/simulated").String()
		return p
	}
	p.AccountID = a.Account
	k, rest, _ := strings.Cut(a.Resource, "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	switch {
	case a.Resource == "root":
		p.Type = policy.Root
	case kind(k) == role:
		p.Type, p.Issuer = policy.AssumedRole, arn
		p.ARN = aws.NewARN("sts", "", a.Account, "assumed-role/"+name+"/simulated").String()
	default:
		p.UserName = name
	}
	return p
}

func newSimulation(who policy.Principal, actions, resources []string, entries []api.ContextEntry, owner *string) (*simulation, error) {
	m := &simulation{principal: who, actions: actions, resources: resources, owner: who.AccountID}
	if len(resources) == 0 {
		m.resources = []string{"*"}
	}
	if len(actions)*len(m.resources) > maxSimulated {
		return nil, api.InvalidInputException("Cannot simulate more than %d combinations of actions and resources.", maxSimulated)
	}
	for _, a := range actions {
		if service, name, ok := strings.Cut(a, ":"); !ok || service == "" || name == "" {
			return nil, api.InvalidInputException("Invalid Action Name: %s", a)
		}
	}
	if owner != nil {
		m.owner = *owner
		if a, ok := aws.ParseARN(*owner); ok {
			m.owner = a.Account
		}
	}
	for _, e := range entries {
		m.context.Set(aws.Value(e.ContextKeyName), e.ContextKeyValues...)
	}
	return m, nil
}

// inputs are the documents that a call brings along.
func (s *Service) inputs(list string, documents []string) ([]policy.Source, error) {
	var out []policy.Source
	for i, d := range documents {
		if err := checkDocument(d, policy.Rules{Kind: policy.Identity}); err != nil {
			return nil, api.InvalidInputException("%s", fmt.Sprintf("%s.%d: %s", list, i+1, err)).Because(err)
		}
		out = append(out, s.compile(list+"."+strconv.Itoa(i+1), d))
	}
	return out, nil
}

func (s *Service) simulate(m *simulation, boundaries []string, resourcePolicy *string, at page) (*api.SimulatePolicyResponse, error) {
	var err error
	if len(boundaries) > 0 {
		if m.set.Boundary, err = s.inputs("PermissionsBoundaryPolicyInputList", boundaries); err != nil {
			return nil, err
		}
	}
	if resourcePolicy != nil {
		if err := checkDocument(*resourcePolicy, policy.Rules{Kind: policy.Resource}); err != nil {
			return nil, err
		}
		m.set.Resource = []policy.Source{s.compile("ResourcePolicy", *resourcePolicy)}
	}
	from := 0
	if at.marker != nil && (!aws.ParseToken(*at.marker, &from) || from < 0) {
		return nil, api.InvalidInputException("Invalid Marker.")
	}
	all := len(m.actions) * len(m.resources)
	out := &api.SimulatePolicyResponse{EvaluationResults: []api.EvaluationResult{}, IsTruncated: new(bool)}
	for i := from; i < all; i++ {
		if i == from+at.size() {
			next := aws.Token(i)
			*out.IsTruncated, out.Marker = true, &next
			break
		}
		out.EvaluationResults = append(out.EvaluationResults, m.ask(m.actions[i/len(m.resources)], m.resources[i%len(m.resources)]))
	}
	return out, nil
}

// ask puts one question.
func (m *simulation) ask(action, resource string) api.EvaluationResult {
	q := policy.Request{Principal: m.principal, Action: action, Resource: resource, Context: &m.context}
	if a, ok := aws.ParseARN(resource); !ok || a.Account == "" {
		q.ResourceAccount = m.owner
	}
	x := policy.Explain(&q, &m.set)
	decision := api.PolicyEvaluationDecisionTypeImplicitDeny
	switch {
	case x.Decision.Allowed:
		decision = api.PolicyEvaluationDecisionTypeAllowed
	case x.Decision.Explicit:
		decision = api.PolicyEvaluationDecisionTypeExplicitDeny
	}
	out := api.EvaluationResult{EvalActionName: &action, EvalResourceName: &resource, EvalDecision: &decision,
		MatchedStatements: []api.Statement{}, MissingContextValues: x.MissingKeys}
	for _, of := range x.Policies {
		for _, st := range of.Statements {
			if st.Applies {
				out.MatchedStatements = append(out.MatchedStatements, m.matched(of, st.Statement))
			}
		}
	}
	if m.set.Boundary != nil {
		allowed := x.Decision.Allowed || x.Decision.By != policy.Boundary
		out.PermissionsBoundaryDecisionDetail = &api.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: &allowed}
	}
	return out
}

// matched says where a statement stands.
func (m *simulation) matched(of policy.PolicyResult, st *policy.Statement) api.Statement {
	id, kind := of.ID, "IAM Policy"
	if of.Kind == policy.Resource {
		kind = "Resource Policy"
	}
	out := api.Statement{SourcePolicyId: &id, SourcePolicyType: &kind}
	for _, list := range [][]policy.Source{m.set.Identity, m.set.Boundary, m.set.Resource} {
		for _, src := range list {
			if src.ID == of.ID && src.Policy != nil {
				doc := src.Policy.Document()
				out.StartPosition, out.EndPosition = position(doc, st.Offset), position(doc, st.End)
				return out
			}
		}
	}
	return out
}

func position(doc *policy.Document, offset int) *api.Position {
	line, column := doc.Position(offset)
	l, c := int32(line), int32(column)
	return &api.Position{Line: &l, Column: &c}
}
