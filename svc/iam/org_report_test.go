package iam

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	orgapi "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/svc/organizations"
)

// A firm is an organization: the root holds the unit "work" with the account dev, and
// ops beside it. Both have a user.
type firm struct {
	t              *testing.T
	h              *script.House
	s              *Service
	org, root      string
	work, dev, ops string
	did            activities
}

func (f *firm) as(account string) context.Context {
	return aws.WithRequest(f.t.Context(), &aws.Request{Region: "us-east-1", Time: f.h.Clock.Now(),
		Caller: aws.Caller{Kind: aws.Root, Account: account, UserID: account, ARN: "arn:aws:iam::" + account + ":root"}})
}

// organize calls Organizations as the management account.
func organize[In, Out any](f *firm, op *aws.Op[In, Out], in *In) *Out {
	f.t.Helper()
	out, err := op.Do(f.as(manager), f.h, in)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func newFirm(t *testing.T) *firm {
	f := &firm{t: t, h: script.New(), did: activities{}}
	t.Cleanup(func() { f.h.Store.Close() })
	f.h.Add(organizations.New(organizations.Options{Store: f.h.Store, Clock: f.h.Clock, Random: f.h.Random, Peers: f.h}).Routes())
	f.s = New(Options{Store: f.h.Store, Clock: f.h.Clock, Random: f.h.Random, Keys: seal.New([32]byte{}, f.h.Random), Peers: f.h, Activity: f.did})
	f.h.Add(f.s.Routes())
	f.org = *organize(f, &orgapi.CreateOrganization, &orgapi.CreateOrganizationRequest{}).Organization.Id
	f.root = *organize(f, &orgapi.ListRoots, &orgapi.ListRootsRequest{}).Roots[0].Id
	f.work = *organize(f, &orgapi.CreateOrganizationalUnit, &orgapi.CreateOrganizationalUnitRequest{ParentId: &f.root, Name: ptr("work")}).OrganizationalUnit.Id
	join := func(name string) string {
		id := *organize(f, &orgapi.CreateAccount, &orgapi.CreateAccountRequest{AccountName: &name, Email: ptr(name + "@example.com")}).CreateAccountStatus.AccountId
		if _, err := f.s.createUser(f.as(id), &api.CreateUserRequest{UserName: ptr("ann")}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	f.dev, f.ops = join("dev"), join("ops")
	organize(f, &orgapi.MoveAccount, &orgapi.MoveAccountRequest{AccountId: &f.dev, SourceParentId: &f.root, DestinationParentId: &f.work})
	return f
}

// uses notes that the user of an account has used an action, some minutes after the start.
func (f *firm) uses(account, action string, minutes int) {
	arn := "arn:aws:iam::" + account + ":user/ann"
	f.did[arn] = append(f.did[arn], aws.Use{Action: action, Resource: "*", Region: "eu-west-1", Last: f.h.Clock.Now().Add(time.Duration(minutes) * time.Minute)})
}

// report is a report on a path: how many services, how many of them unused, and who used
// which last.
func (f *firm) report(path string, policy *string, get api.GetOrganizationsAccessReportRequest) (string, *api.GetOrganizationsAccessReportResponse) {
	f.t.Helper()
	made, err := f.s.generateReport(f.as(manager), &api.GenerateOrganizationsAccessReportRequest{EntityPath: &path, OrganizationsPolicyId: policy})
	if err != nil {
		return err.Error(), nil
	}
	get.JobId = made.JobId
	got, err := f.s.getReport(f.as(manager), &get)
	if err != nil {
		f.t.Fatal(err)
	}
	var lines []string
	for _, d := range got.AccessDetails {
		if d.LastAuthenticatedTime != nil {
			lines = append(lines, fmt.Sprintf("%s %s %s %d", *d.ServiceNamespace, d.LastAuthenticatedTime.Format("15:04"), *d.EntityPath, *d.TotalAuthenticatedEntities))
		}
	}
	return strings.Join(lines, "\n"), got
}

func TestAccessReport(t *testing.T) {
	f := newFirm(t)
	f.uses(f.dev, "sqs:SendMessage", 1)
	f.uses(f.ops, "sqs:ReceiveMessage", 2)
	f.uses(f.dev, "dynamodb:GetItem", 3)
	base := f.org + "/" + f.root + "/"
	dev, ops := base+f.work+"/"+f.dev+"/", base+f.ops+"/"

	got, out := f.report(base, nil, api.GetOrganizationsAccessReportRequest{MaxItems: ptr(int32(1000))})
	if want := "dynamodb 03:07 " + dev + " 1\nsqs 03:06 " + ops + " 2"; got != want {
		t.Errorf("the root:\n%s\nwant\n%s", got, want)
	}
	if *out.NumberOfServicesAccessible != int32(len(services)) || *out.NumberOfServicesNotAccessed != *out.NumberOfServicesAccessible-2 || *out.JobStatus != "COMPLETED" {
		t.Errorf("%d accessible, %d not accessed, %s", *out.NumberOfServicesAccessible, *out.NumberOfServicesNotAccessed, *out.JobStatus)
	}
	if got, _ := f.report(base+f.work, nil, api.GetOrganizationsAccessReportRequest{MaxItems: ptr(int32(1000))}); got != "dynamodb 03:07 "+dev+" 1\nsqs 03:05 "+dev+" 1" {
		t.Errorf("the unit:\n%s", got)
	}
	if got, _ := f.report(strings.TrimSuffix(ops, "/"), nil, api.GetOrganizationsAccessReportRequest{MaxItems: ptr(int32(1000))}); got != "sqs 03:06 "+ops+" 1" {
		t.Errorf("the account:\n%s", got)
	}
	for sort, want := range map[string]string{"LAST_AUTHENTICATED_TIME_DESCENDING": "dynamodb", "SERVICE_NAMESPACE_DESCENDING": "xray", "SERVICE_NAMESPACE_ASCENDING": "access-analyzer"} {
		_, out := f.report(base, nil, api.GetOrganizationsAccessReportRequest{SortKey: &sort, MaxItems: ptr(int32(1))})
		if len(out.AccessDetails) != 1 || *out.AccessDetails[0].ServiceNamespace != want || !*out.IsTruncated {
			t.Errorf("%s begins with %v", sort, out.AccessDetails)
		}
	}

	// Of control policies what each level allows is left.
	organize(f, &orgapi.EnablePolicyType, &orgapi.EnablePolicyTypeRequest{RootId: &f.root, PolicyType: ptr("SERVICE_CONTROL_POLICY")})
	deny := organize(f, &orgapi.CreatePolicy, &orgapi.CreatePolicyRequest{Name: ptr("p"), Description: ptr(""), Type: ptr("SERVICE_CONTROL_POLICY"),
		Content: ptr(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"dynamodb:*","Resource":"*"}]}`)}).Policy.PolicySummary.Id
	organize(f, &orgapi.AttachPolicy, &orgapi.AttachPolicyRequest{PolicyId: deny, TargetId: &f.work})
	if got, out := f.report(dev, nil, api.GetOrganizationsAccessReportRequest{MaxItems: ptr(int32(1000))}); got != "sqs 03:05 "+dev+" 1" || *out.NumberOfServicesAccessible != int32(len(services))-1 {
		t.Errorf("under a policy:\n%s", got)
	}
	only := organize(f, &orgapi.CreatePolicy, &orgapi.CreatePolicyRequest{Name: ptr("q"), Description: ptr(""), Type: ptr("SERVICE_CONTROL_POLICY"),
		Content: ptr(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:*","sns:*"],"Resource":"*"}]}`)}).Policy.PolicySummary.Id
	if _, out := f.report(dev, only, api.GetOrganizationsAccessReportRequest{}); *out.NumberOfServicesAccessible != 2 || *out.NumberOfServicesNotAccessed != 1 {
		t.Errorf("of one policy %d, %d", *out.NumberOfServicesAccessible, *out.NumberOfServicesNotAccessed)
	}
}

func TestAccessReportRefused(t *testing.T) {
	f := newFirm(t)
	base := f.org + "/" + f.root
	for _, path := range []string{"o-0123456789/" + f.root, f.org + "/r-0000", base + "/ou-0000-00000000", base + "/" + f.dev, base + "/" + f.work + "/" + f.ops, base + "/" + f.ops + "/" + f.work} {
		if got, _ := f.report(path, nil, api.GetOrganizationsAccessReportRequest{}); !strings.Contains(got, "There is no ") {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got, _ := f.report(base, ptr("p-00000000"), api.GetOrganizationsAccessReportRequest{}); !strings.Contains(got, "There is no policy p-00000000") {
		t.Error(got)
	}
	for _, who := range []string{f.dev, stranger} {
		if _, err := f.s.generateReport(f.as(who), &api.GenerateOrganizationsAccessReportRequest{EntityPath: &base}); aws.CodeOf(err) != "AccessDeniedException" {
			t.Errorf("%s: %v", who, err)
		}
	}
	id := "00000000-0000-4000-8000-000000000000"
	if _, err := f.s.getReport(f.as(manager), &api.GetOrganizationsAccessReportRequest{JobId: &id}); aws.CodeOf(err) != "NoSuchEntity" {
		t.Error(err)
	}
	made, err := f.s.generateReport(f.as(manager), &api.GenerateOrganizationsAccessReportRequest{EntityPath: &base})
	if err != nil {
		t.Fatal(err)
	}
	f.h.Clock.Advance(adviceKept)
	if _, err := f.s.getReport(f.as(manager), &api.GetOrganizationsAccessReportRequest{JobId: made.JobId}); aws.CodeOf(err) != "NoSuchEntity" {
		t.Error(err)
	}
}
