package iam

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	orgapi "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// An accessReport says which services an organization's control policies let a root, a unit or an
// account of it use, and which account used each last.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed-view-data-orgs.html
type accessReport struct {
	Made     time.Time
	Services []string            // accessible ones, sorted
	Used     map[string]accessed // by service
}

// accessed is who used a service.
type accessed struct {
	Path     string // of the account that did last
	Last     lastUse
	Accounts int32
}

// accessReports are kept for a day, by the id of the job.
var accessReports = store.NewTable[accessReport]("iam", "access-report")

func (s *Service) orgReportRoutes() []aws.Route {
	return []aws.Route{
		api.GenerateOrganizationsAccessReport.To(s.generateReport, guardReport),
		api.GetOrganizationsAccessReport.To(s.getReport, aws.Anywhere),
	}
}

func guardReport(ctx context.Context, in *api.GenerateOrganizationsAccessReportRequest) ([]aws.Access, error) {
	need := aws.Access{Resource: aws.NewARN("iam", "", account(ctx), "access-report/"+*in.EntityPath).String()}
	if in.OrganizationsPolicyId != nil {
		need.Keys = map[string][]string{"iam:OrganizationsPolicyId": {*in.OrganizationsPolicyId}}
	}
	return []aws.Access{need}, nil
}

// generateReport does the work before it answers: the job is complete at once.
func (s *Service) generateReport(ctx context.Context, in *api.GenerateOrganizationsAccessReportRequest) (*api.GenerateOrganizationsAccessReportResponse, error) {
	a := account(ctx)
	o, err := s.organizationOf(ctx, a)
	if err != nil {
		return nil, err
	}
	if o == nil || a != o.management {
		return nil, aws.AccessDenied("Only the management account of an organization can have reports of it.")
	}
	b := branch{s: s, ctx: asRoot(ctx, a), o: o}
	if err := b.find(strings.Split(strings.Trim(*in.EntityPath, "/"), "/")); err != nil {
		return nil, err
	}
	job := accessReport{Made: s.now(), Used: map[string]accessed{}}
	if job.Services, err = b.services(in.OrganizationsPolicyId); err != nil {
		return nil, err
	}
	for _, path := range b.accounts {
		if err := s.reportOn(ctx, path, &job); err != nil {
			return nil, err
		}
	}
	id := aws.RandomUUID(s.random)
	err = s.store.Update(ctx, func(tx store.Tx) error {
		return accessReports.PutExpiring(tx, scope(a), job, job.Made.Add(adviceKept), id)
	})
	return &api.GenerateOrganizationsAccessReportResponse{JobId: &id}, err
}

// reportOn adds what the users and roles of the account at a path have used.
func (s *Service) reportOn(ctx context.Context, path string, job *accessReport) error {
	a := path[strings.LastIndexByte(strings.TrimSuffix(path, "/"), '/')+1:]
	a = strings.TrimSuffix(a, "/")
	var who []principal
	err := s.store.View(ctx, func(r store.Reader) error {
		who = who[:0]
		for e, err := range principals.List(ctx, r, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			if e.Record.Kind == user || e.Record.Kind == role {
				who = append(who, e.Record)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	latest := map[string]lastUse{}
	for i := range who {
		e, err := s.entity(ctx, a, &who[i])
		if err != nil {
			return err
		}
		for n, use := range e.Used {
			if use.At.After(latest[n].At) {
				latest[n] = use
			}
		}
	}
	for n, use := range latest {
		have := job.Used[n]
		have.Accounts++
		if use.At.After(have.Last.At) {
			have.Last, have.Path = use, path
		}
		job.Used[n] = have
	}
	return nil
}

// A branch is what a report is about: a path in the organization, and the accounts below.
type branch struct {
	s        *Service
	ctx      context.Context // in which the management account asks
	o        *organization
	ids      []string // from the root to where it ends
	accounts []string // paths: "o-…/r-…/ou-…/123456789012/"
	controls bool     // service control policies are in force
}

// find walks a path, and gathers what is below it.
func (b *branch) find(parts []string) error {
	missing := api.InvalidInputException("There is no %s in the organization.", strings.Join(parts, "/"))
	roots, err := orgapi.ListRoots.Do(b.ctx, b.s.peers, &orgapi.ListRootsRequest{})
	if err != nil {
		return err
	}
	if len(parts) < 2 || parts[0] != b.o.id || aws.Value(roots.Roots[0].Id) != parts[1] {
		return missing
	}
	for _, t := range roots.Roots[0].PolicyTypes {
		b.controls = b.controls || aws.Value(t.Type) == orgapi.PolicyTypeServiceControlPolicy && aws.Value(t.Status) == orgapi.PolicyTypeStatusEnabled
	}
	b.ids = parts[1:]
	path := strings.Join(parts[:2], "/") + "/"
	for i := 2; i < len(parts); i++ {
		units, accounts, err := b.children(parts[i-1])
		if err != nil {
			return err
		}
		path += parts[i] + "/"
		if i == len(parts)-1 && slices.Contains(accounts, parts[i]) {
			b.accounts = []string{path}
			return nil
		}
		if !slices.Contains(units, parts[i]) {
			return missing
		}
	}
	return b.gather(parts[len(parts)-1], path)
}

// gather notes the accounts below a parent.
func (b *branch) gather(parent, path string) error {
	units, accounts, err := b.children(parent)
	for _, a := range accounts {
		b.accounts = append(b.accounts, path+a+"/")
	}
	for _, u := range units {
		if err == nil {
			err = b.gather(u, path+u+"/")
		}
	}
	return err
}

// children are the units and accounts right below a parent.
func (b *branch) children(parent string) (units, accounts []string, err error) {
	for in := (&orgapi.ListOrganizationalUnitsForParentRequest{ParentId: &parent}); ; {
		out, err := orgapi.ListOrganizationalUnitsForParent.Do(b.ctx, b.s.peers, in)
		if err != nil {
			return nil, nil, err
		}
		for _, u := range out.OrganizationalUnits {
			units = append(units, aws.Value(u.Id))
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	for in := (&orgapi.ListAccountsForParentRequest{ParentId: &parent}); ; {
		out, err := orgapi.ListAccountsForParent.Do(b.ctx, b.s.peers, in)
		if err != nil {
			return nil, nil, err
		}
		for _, a := range out.Accounts {
			accounts = append(accounts, aws.Value(a.Id))
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return units, accounts, nil
		}
	}
}

// services are those that the branch may use: what each level's control policies allow, or
// what one policy does. The management account's are bound by none.
func (b *branch) services(policyID *string) ([]string, error) {
	everything := []policy.Statement{{Effect: policy.Allow, Actions: []string{"*"}, Resources: []string{"*"}}}
	if policyID != nil {
		text, err := b.policy(*policyID)
		if err != nil {
			return nil, err
		}
		return granted(b.s.statements(text)), nil
	}
	out := granted(everything)
	if !b.controls || b.ids[len(b.ids)-1] == b.o.management {
		return out, nil
	}
	for _, id := range b.ids {
		level, err := b.level(id)
		if err != nil {
			return nil, err
		}
		out = slices.DeleteFunc(out, func(n string) bool { return !allows(level, n) })
	}
	return out, nil
}

// level are the statements of the control policies on one node.
func (b *branch) level(id string) (out []policy.Statement, err error) {
	in := &orgapi.ListPoliciesForTargetRequest{TargetId: &id, Filter: new(orgapi.PolicyTypeServiceControlPolicy)}
	for {
		page, err := orgapi.ListPoliciesForTarget.Do(b.ctx, b.s.peers, in)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Policies {
			text, err := b.policy(aws.Value(p.Id))
			if err != nil {
				return nil, err
			}
			out = append(out, b.s.statements(text)...)
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return out, nil
		}
	}
}

// policy is the content of a control policy.
func (b *branch) policy(id string) (string, error) {
	out, err := orgapi.DescribePolicy.Do(b.ctx, b.s.peers, &orgapi.DescribePolicyRequest{PolicyId: &id})
	if errors.Is(err, orgapi.PolicyNotFoundException("")) {
		return "", api.InvalidInputException("There is no policy %s in the organization.", id)
	}
	if err != nil {
		return "", err
	}
	return aws.Value(out.Policy.Content), nil
}

func (s *Service) getReport(ctx context.Context, in *api.GetOrganizationsAccessReportRequest) (*api.GetOrganizationsAccessReportResponse, error) {
	var job accessReport
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		job, err = accessReports.Get(ctx, r, scope(account(ctx)), *in.JobId)
		if errors.Is(err, store.ErrNotFound) {
			return api.NoSuchEntityException("Report with id %s cannot be found.", *in.JobId)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p := page{in.Marker, in.MaxItems}
	after, err := p.position()
	if err != nil {
		return nil, err
	}
	all := job.sorted(aws.Value(in.SortKey))
	all = all[slices.Index(all, after)+1:] // of none it is the first
	out := &api.GetOrganizationsAccessReportResponse{JobStatus: new(api.JobStatusTypeCompleted), JobCreationDate: &job.Made, JobCompletionDate: &job.Made,
		NumberOfServicesAccessible: new(int32(len(job.Services))), NumberOfServicesNotAccessed: new(int32(0)), AccessDetails: []api.AccessDetail{}}
	for _, n := range job.Services {
		if _, used := job.Used[n]; !used {
			*out.NumberOfServicesNotAccessed++
		}
	}
	if len(all) > p.size() {
		all = all[:p.size()]
		out.Marker = marker(all[len(all)-1])
	}
	out.IsTruncated = more(out.Marker)
	for _, n := range all {
		out.AccessDetails = append(out.AccessDetails, job.describe(n))
	}
	return out, nil
}

// sorted are the services of a report in an order that can be asked for.
func (j *accessReport) sorted(key string) []string {
	all := slices.Clone(j.Services)
	if strings.HasPrefix(key, "LAST_AUTHENTICATED_TIME") {
		slices.SortStableFunc(all, func(a, b string) int { return j.Used[a].Last.At.Compare(j.Used[b].Last.At) })
	} else {
		slices.SortFunc(all, cmp.Compare[string])
	}
	if strings.HasSuffix(key, "DESCENDING") {
		slices.Reverse(all)
	}
	return all
}

func (j *accessReport) describe(namespace string) api.AccessDetail {
	d := api.AccessDetail{ServiceNamespace: &namespace, ServiceName: new(serviceName(namespace)), TotalAuthenticatedEntities: new(int32(0))}
	if used, ok := j.Used[namespace]; ok {
		d.EntityPath, d.LastAuthenticatedTime, d.Region, d.TotalAuthenticatedEntities = &used.Path, &used.Last.At, text(used.Last.Region), &used.Accounts
	}
	return d
}
