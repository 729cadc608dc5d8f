package iam

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// Activity tells what a principal has done of late. svc/cloudtrail keeps it.
type Activity interface {
	// LastUse is what the user or role with an ARN of an account has done, each action
	// on each resource with its last time. A namesake's uses may be among them.
	LastUse(ctx context.Context, account, principalARN string) ([]aws.Use, error)
}

// An advice says which services somebody's policies give, and when each was used last.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html
type advice struct {
	Made     time.Time
	Level    string // "SERVICE_LEVEL", "ACTION_LEVEL"
	Services []string
	Entities []entity
}

// An entity is a user or role that the advice is about: the one asked for, the
// members of a group, or who has a policy.
type entity struct {
	Kind                kind
	Name, Path, ID, ARN string
	Used                map[string]lastUse            `json:",omitempty"` // by service
	Actions             map[string]map[string]lastUse `json:",omitempty"` // by service and name of the action
}

// advices are kept for a day, by the id of the job.
var advices = store.NewTable[advice]("iam", "access-advice")

const adviceKept = 24 * time.Hour

func (s *Service) advisorRoutes() []aws.Route {
	return []aws.Route{
		api.GenerateServiceLastAccessedDetails.To(s.generateAdvice, onARN(func(in *api.GenerateServiceLastAccessedDetailsRequest) *string { return in.Arn })),
		api.GetServiceLastAccessedDetails.To(s.getAdvice, aws.Anywhere),
		api.GetServiceLastAccessedDetailsWithEntities.To(s.getAdviceWithEntities, aws.Anywhere),
		api.ListPoliciesGrantingServiceAccess.To(s.listPoliciesGranting, onARN(func(in *api.ListPoliciesGrantingServiceAccessRequest) *string { return in.Arn })),
	}
}

func onARN[In any](arn func(*In) *string) aws.Guard[In] {
	return func(_ context.Context, in *In) ([]aws.Access, error) { return []aws.Access{{Resource: *arn(in)}}, nil }
}

// subject reads the user, group or role with an ARN; nil where that is a policy's.
func subject(ctx context.Context, r store.Reader, account, arn string) (*principal, error) {
	a, ok := aws.ParseARN(arn)
	k, rest, _ := strings.Cut(a.Resource, "/")
	switch {
	case !ok || a.Service != "iam" || a.Region != "":
		return nil, api.InvalidInputException("ARN %s is not valid.", arn)
	case k == "policy":
		return nil, nil
	case kind(k).idPrefix() == "":
		return nil, api.InvalidInputException("ARN %s is not valid.", arn)
	}
	p, err := load(ctx, r, account, kind(k), rest[strings.LastIndexByte(rest, '/')+1:])
	if err == nil && p.arn(account) != arn {
		return nil, notFound(kind(k), rest)
	}
	return p, err
}

// A grant is a policy that somebody has, and from whom.
type grant struct {
	name, arn string     // arn is "" for an inline one
	of        *principal // who has it
	document  []policy.Statement
}

// grants are the policies of a principal, for a user with those of his groups.
func (s *Service) grantsOf(ctx context.Context, r store.Reader, account string, p *principal) ([]grant, error) {
	var out []grant
	for _, name := range slices.Sorted(maps.Keys(p.Inline)) {
		out = append(out, grant{name, "", p, s.statements(p.Inline[name])})
	}
	for _, arn := range p.Attached {
		m, err := s.managed(ctx, r, account, arn)
		if err != nil {
			return nil, err
		}
		out = append(out, grant{m.Name, arn, p, s.statements(m.inForce().Document)})
	}
	for _, name := range p.Groups {
		g, err := load(ctx, r, account, group, name)
		if err != nil {
			return nil, err
		}
		more, err := s.grantsOf(ctx, r, account, g)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// statements are those of a stored policy; one that cannot be read gives nothing.
func (s *Service) statements(document string) []policy.Statement {
	if src := s.compile("", document); src.Policy != nil {
		return src.Policy.Document().Statements
	}
	return nil
}

// about are the entities and the statements that an advice on an ARN is about.
func (s *Service) about(ctx context.Context, r store.Reader, account, arn string) (who []principal, what []policy.Statement, err error) {
	p, err := subject(ctx, r, account, arn)
	if err != nil {
		return nil, nil, err
	}
	if p == nil {
		return s.aboutPolicy(ctx, r, account, arn)
	}
	all, err := s.grantsOf(ctx, r, account, p)
	for _, g := range all {
		what = append(what, g.document...)
	}
	if err != nil || p.Kind != group {
		return []principal{*p}, what, err
	}
	who, err = membersOf(ctx, r, account, p.Name)
	return who, what, err
}

// aboutPolicy is about for a managed policy: who has it, be it through a group.
func (s *Service) aboutPolicy(ctx context.Context, r store.Reader, account, arn string) (who []principal, what []policy.Statement, err error) {
	m, err := s.managed(ctx, r, account, arn)
	if err != nil {
		return nil, nil, err
	}
	have, err := usersOf(ctx, r, account, arn, policyUse)
	for _, p := range have {
		if p.Kind != group {
			who = append(who, p)
			continue
		}
		more, err := membersOf(ctx, r, account, p.Name)
		if err != nil {
			return nil, nil, err
		}
		who = append(who, more...)
	}
	byID := func(a, b principal) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(who, byID)
	who = slices.CompactFunc(who, func(a, b principal) bool { return a.ID == b.ID })
	return who, s.statements(m.inForce().Document), err
}

func membersOf(ctx context.Context, r store.Reader, account, groupName string) ([]principal, error) {
	var out []principal
	for m, err := range members.List(ctx, r, scope(account), store.ListOptions{Prefix: []any{key(groupName)}}) {
		if err != nil {
			return nil, err
		}
		u, err := load(ctx, r, account, user, m.Record)
		if err != nil {
			return nil, err
		}
		out = append(out, *u)
	}
	return out, nil
}

// entity is what a principal has used, as of now.
func (s *Service) entity(ctx context.Context, account string, p *principal) (entity, error) {
	e := entity{Kind: p.Kind, Name: p.Name, Path: p.Path, ID: p.ID, ARN: p.arn(account), Used: map[string]lastUse{}, Actions: map[string]map[string]lastUse{}}
	for _, id := range append([]string{p.ID}, p.Keys...) {
		last, err := s.lastUse(ctx, account, id)
		if err != nil {
			return e, err
		}
		if last.Service != "" { // of a user's own id there is the password's use
			e.mark(last.Service+":", last)
		}
	}
	if s.activity == nil {
		return e, nil
	}
	uses, err := s.activity.LastUse(ctx, account, e.ARN)
	for _, u := range uses {
		if !u.Last.Before(p.Created) { // before, it was another of the name
			e.mark(u.Action, lastUse{At: u.Last.UTC().Truncate(time.Second), Region: u.Region})
		}
	}
	return e, err
}

// mark notes a use, if it is later than what is known.
func (e *entity) mark(action string, last lastUse) {
	n := namespaceOf(action)
	if last.At.After(e.Used[n].At) {
		e.Used[n] = last
	}
	_, name, _ := strings.Cut(action, ":")
	if name == "" {
		return
	}
	if e.Actions[n] == nil {
		e.Actions[n] = map[string]lastUse{}
	}
	if last.At.After(e.Actions[n][name].At) {
		e.Actions[n][name] = last
	}
}

// generateAdvice does the work before it answers: the job is complete at once.
func (s *Service) generateAdvice(ctx context.Context, in *api.GenerateServiceLastAccessedDetailsRequest) (*api.GenerateServiceLastAccessedDetailsResponse, error) {
	a := account(ctx)
	job := advice{Made: s.now(), Level: api.AccessAdvisorUsageGranularityTypeServiceLevel}
	if in.Granularity != nil {
		job.Level = *in.Granularity
	}
	var who []principal
	err := s.store.View(ctx, func(r store.Reader) error {
		all, what, err := s.about(ctx, r, a, *in.Arn)
		who, job.Services = all, granted(what)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range who {
		e, err := s.entity(ctx, a, &who[i])
		if err != nil {
			return nil, err
		}
		job.Entities = append(job.Entities, e)
	}
	id := aws.RandomUUID(s.random)
	err = s.store.Update(ctx, func(tx store.Tx) error {
		return advices.PutExpiring(tx, scope(a), job, job.Made.Add(adviceKept), id)
	})
	return &api.GenerateServiceLastAccessedDetailsResponse{JobId: &id}, err
}

func (s *Service) loadAdvice(ctx context.Context, id string) (job advice, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		job, err = advices.Get(ctx, r, scope(account(ctx)), id)
		if errors.Is(err, store.ErrNotFound) {
			return api.NoSuchEntityException("Report with id %s cannot be found.", id)
		}
		return err
	})
	return job, err
}

// describe is what is known of one service.
func (j *advice) describe(namespace string) api.ServiceLastAccessed {
	name, users := serviceName(namespace), int32(0)
	out := api.ServiceLastAccessed{ServiceNamespace: &namespace, ServiceName: &name, TotalAuthenticatedEntities: &users}
	var latest lastUse
	actions := map[string]api.TrackedActionLastAccessed{}
	for i := range j.Entities {
		e := &j.Entities[i]
		if last, ok := e.Used[namespace]; ok {
			users++
			if last.At.After(latest.At) {
				latest, out.LastAuthenticatedEntity = last, &e.ARN
			}
		}
		for action, last := range e.Actions[namespace] {
			if have := actions[action].LastAccessedTime; have == nil || last.At.After(*have) {
				actions[action] = api.TrackedActionLastAccessed{ActionName: &action, LastAccessedEntity: &e.ARN, LastAccessedRegion: text(last.Region), LastAccessedTime: &last.At}
			}
		}
	}
	if users > 0 {
		out.LastAuthenticated, out.LastAuthenticatedRegion = &latest.At, text(latest.Region)
	}
	if j.Level == api.AccessAdvisorUsageGranularityTypeActionLevel {
		for _, action := range slices.Sorted(maps.Keys(actions)) {
			out.TrackedActionsLastAccessed = append(out.TrackedActionsLastAccessed, actions[action])
		}
	}
	return out
}

// text is s, or nil if that is empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (s *Service) getAdvice(ctx context.Context, in *api.GetServiceLastAccessedDetailsRequest) (*api.GetServiceLastAccessedDetailsResponse, error) {
	job, err := s.loadAdvice(ctx, *in.JobId)
	if err != nil {
		return nil, err
	}
	part, next, err := cut(job.Services, page{in.Marker, in.MaxItems}, func(n *string) string { return *n })
	status := api.JobStatusTypeCompleted
	out := &api.GetServiceLastAccessedDetailsResponse{JobStatus: &status, JobType: &job.Level, JobCreationDate: &job.Made, JobCompletionDate: &job.Made,
		ServicesLastAccessed: []api.ServiceLastAccessed{}, IsTruncated: more(next), Marker: next}
	for _, n := range part {
		out.ServicesLastAccessed = append(out.ServicesLastAccessed, job.describe(n))
	}
	return out, err
}

func (s *Service) getAdviceWithEntities(ctx context.Context, in *api.GetServiceLastAccessedDetailsWithEntitiesRequest) (*api.GetServiceLastAccessedDetailsWithEntitiesResponse, error) {
	job, err := s.loadAdvice(ctx, *in.JobId)
	if err != nil {
		return nil, err
	}
	namespace := strings.ToLower(*in.ServiceNamespace)
	if !slices.Contains(job.Services, namespace) {
		return nil, api.NoSuchEntityException("The service %s is not in the report with id %s.", *in.ServiceNamespace, *in.JobId)
	}
	part, next, err := cut(job.Entities, page{in.Marker, in.MaxItems}, func(e *entity) string { return e.ARN })
	status := api.JobStatusTypeCompleted
	out := &api.GetServiceLastAccessedDetailsWithEntitiesResponse{JobStatus: &status, JobCreationDate: &job.Made, JobCompletionDate: &job.Made,
		EntityDetailsList: []api.EntityDetails{}, IsTruncated: more(next), Marker: next}
	for i := range part {
		e := &part[i]
		of := strings.ToUpper(string(e.Kind))
		d := api.EntityDetails{EntityInfo: &api.EntityInfo{Arn: &e.ARN, Id: &e.ID, Name: &e.Name, Path: &e.Path, Type: &of}}
		if last, ok := e.Used[namespace]; ok {
			d.LastAuthenticated = &last.At
		}
		out.EntityDetailsList = append(out.EntityDetailsList, d)
	}
	return out, err
}

func (s *Service) listPoliciesGranting(ctx context.Context, in *api.ListPoliciesGrantingServiceAccessRequest) (*api.ListPoliciesGrantingServiceAccessResponse, error) {
	var all []grant
	err := s.store.View(ctx, func(r store.Reader) error {
		p, err := subject(ctx, r, account(ctx), *in.Arn)
		if err != nil {
			return err
		}
		if p == nil {
			return api.InvalidInputException("ARN %s is not that of a user, a group or a role.", *in.Arn)
		}
		all, err = s.grantsOf(ctx, r, account(ctx), p)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &api.ListPoliciesGrantingServiceAccessResponse{IsTruncated: new(bool), PoliciesGrantingServiceAccess: []api.ListPoliciesGrantingServiceAccessEntry{}}
	for _, namespace := range in.ServiceNamespaces {
		e := api.ListPoliciesGrantingServiceAccessEntry{ServiceNamespace: &namespace, Policies: []api.PolicyGrantingServiceAccess{}}
		for _, g := range all {
			if allows(g.document, strings.ToLower(namespace)) {
				e.Policies = append(e.Policies, g.describe())
			}
		}
		out.PoliciesGrantingServiceAccess = append(out.PoliciesGrantingServiceAccess, e)
	}
	return out, nil
}

// describe is the policy as an answer has it: an inline one with whose it is.
func (g *grant) describe() api.PolicyGrantingServiceAccess {
	if g.arn != "" {
		managed := api.PolicyTypeManaged
		return api.PolicyGrantingServiceAccess{PolicyName: &g.name, PolicyType: &managed, PolicyArn: &g.arn}
	}
	inline, of := api.PolicyTypeInline, strings.ToUpper(string(g.of.Kind))
	return api.PolicyGrantingServiceAccess{PolicyName: &g.name, PolicyType: &inline, EntityName: &g.of.Name, EntityType: &of}
}
