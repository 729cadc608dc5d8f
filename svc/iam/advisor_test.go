package iam

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
)

// activities are what principals have done, by ARN.
type activities map[string][]aws.Use

func (a activities) LastUse(_ context.Context, account, arn string) ([]aws.Use, error) {
	if !strings.Contains(arn, ":"+account+":") {
		return nil, nil
	}
	return a[arn], nil
}

func TestAllows(t *testing.T) {
	for _, c := range []struct{ statements, yes, no string }{
		{`{"Effect":"Allow","Action":"*","Resource":"*"}`, "s3 iam", ""},
		{`{"Effect":"Allow","Action":"*:*","Resource":"*"}`, "s3 iam", ""},
		{`{"Effect":"Allow","Action":["S3:Get*","sq?:SendMessage"],"Resource":"*"}`, "s3 sqs", "sns iam"},
		{`{"Effect":"Allow","Action":"s*:List*","Resource":"*"}`, "s3 sns sqs", "dynamodb"},
		{`{"Effect":"Allow","NotAction":["iam:*","organizations:Describe*"],"Resource":"*"}`, "s3 organizations", "iam"},
		{`{"Effect":"Allow","NotAction":"*","Resource":"*"}`, "", "s3 iam"},
		{`{"Effect":"Deny","Action":"s3:*","Resource":"*"}`, "", "s3"},
		{`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"*"}`, "sqs", "s3"},
		{`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:Get*","Resource":"*"}`, "s3", ""},
		{`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::a"}`, "s3", ""},
		{`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}`, "s3", "sqs"},
		{`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","NotAction":"s3:Get*","Resource":"*"}`, "s3", "sqs"},
		{`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`, "s3", ""},
	} {
		doc, err := policy.Parse(`{"Version":"2012-10-17","Statement":[` + c.statements + `]}`)
		if err != nil {
			t.Fatal(err)
		}
		have := granted(doc.Statements)
		for _, n := range strings.Fields(c.yes) {
			if !allows(doc.Statements, n) || !slices.Contains(have, n) {
				t.Errorf("%s: not %s", c.statements, n)
			}
		}
		for _, n := range strings.Fields(c.no) {
			if allows(doc.Statements, n) || slices.Contains(have, n) {
				t.Errorf("%s: %s", c.statements, n)
			}
		}
	}
}

// What several have used counts by each of them; the last decides. What was there
// before a principal was is a namesake's.
func TestAdvice(t *testing.T) {
	s, h, ctx := house(t)
	at := func(d time.Duration) time.Time { return h.Clock.Now().Add(d) }
	ann, bob := "arn:aws:iam::000000000000:user/ann", "arn:aws:iam::000000000000:user/bob"
	s.activity = activities{
		ann: {{Action: "s3:GetObject", Region: "eu-west-1", Last: at(time.Hour)}, {Action: "s3:GetObject", Resource: "b", Region: "us-east-1", Last: at(2 * time.Hour)},
			{Action: "s3:PutObject", Region: "eu-west-1", Last: at(time.Minute)}, {Action: "sqs:SendMessage", Last: at(-time.Hour)}},
		bob: {{Action: "s3:PutObject", Region: "eu-north-1", Last: at(3 * time.Hour)}, {Action: "ec2:RunInstances", Last: at(time.Hour)}},
	}
	const document = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:*","sqs:*"],"Resource":"*"}}`
	if _, err := s.createGroup(ctx, &api.CreateGroupRequest{GroupName: ptr("g")}); err != nil {
		t.Fatal(err)
	}
	made, err := s.createPolicy(ctx, &api.CreatePolicyRequest{PolicyName: ptr("p"), PolicyDocument: ptr(document)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.attachGroupPolicy(ctx, &api.AttachGroupPolicyRequest{GroupName: ptr("g"), PolicyArn: made.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ann", "bob"} {
		if _, err := s.createUser(ctx, &api.CreateUserRequest{UserName: &name}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.addUserToGroup(ctx, &api.AddUserToGroupRequest{GroupName: ptr("g"), UserName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	// Bob has the policy twice over, and is one entity.
	if _, err := s.attachUserPolicy(ctx, &api.AttachUserPolicyRequest{UserName: ptr("bob"), PolicyArn: made.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	for _, about := range []string{"arn:aws:iam::000000000000:group/g", *made.Policy.Arn} {
		job, err := s.generateAdvice(ctx, &api.GenerateServiceLastAccessedDetailsRequest{Arn: &about, Granularity: ptr("ACTION_LEVEL")})
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.getAdvice(ctx, &api.GetServiceLastAccessedDetailsRequest{JobId: job.JobId})
		if err != nil || len(out.ServicesLastAccessed) != 2 {
			t.Fatalf("%s: %+v, %v", about, out, err)
		}
		s3, sqs := out.ServicesLastAccessed[0], out.ServicesLastAccessed[1]
		if *s3.TotalAuthenticatedEntities != 2 || *s3.LastAuthenticatedEntity != bob || *s3.LastAuthenticatedRegion != "eu-north-1" || !s3.LastAuthenticated.Equal(at(3*time.Hour).Truncate(time.Second)) {
			t.Errorf("%s: S3 %+v", about, s3)
		}
		if len(s3.TrackedActionsLastAccessed) != 2 || *s3.TrackedActionsLastAccessed[0].LastAccessedEntity != ann || *s3.TrackedActionsLastAccessed[0].LastAccessedRegion != "us-east-1" ||
			*s3.TrackedActionsLastAccessed[1].LastAccessedEntity != bob || *s3.TrackedActionsLastAccessed[1].ActionName != "PutObject" {
			t.Errorf("%s: S3's actions %+v", about, s3.TrackedActionsLastAccessed)
		}
		if *sqs.TotalAuthenticatedEntities != 0 || sqs.LastAuthenticated != nil || sqs.TrackedActionsLastAccessed != nil {
			t.Errorf("%s: SQS %+v", about, sqs)
		}
		with, err := s.getAdviceWithEntities(ctx, &api.GetServiceLastAccessedDetailsWithEntitiesRequest{JobId: job.JobId, ServiceNamespace: ptr("s3")})
		if err != nil || len(with.EntityDetailsList) != 2 || !with.EntityDetailsList[0].LastAuthenticated.Equal(at(2*time.Hour).Truncate(time.Second)) {
			t.Errorf("%s: %+v, %v", about, with, err)
		}
	}
}

// Without anybody who keeps account of activity, the last use of keys is known still.
func TestAdviceOfKeys(t *testing.T) {
	s, h, ctx := house(t)
	k := newUser(t, s, ctx, "ann")
	if _, err := s.attachUserPolicy(ctx, &api.AttachUserPolicyRequest{UserName: ptr("ann"), PolicyArn: ptr("arn:aws:iam::aws:policy/AdministratorAccess")}); err != nil {
		t.Fatal(err)
	}
	s.uses.mark("000000000000", *k.AccessKeyId, lastUse{At: h.Clock.Now(), Region: "eu-west-1", Service: "logs"})
	job, err := s.generateAdvice(ctx, &api.GenerateServiceLastAccessedDetailsRequest{Arn: ptr("arn:aws:iam::000000000000:user/ann")})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.getAdvice(ctx, &api.GetServiceLastAccessedDetailsRequest{JobId: job.JobId})
	if err != nil || len(out.ServicesLastAccessed) != len(services) {
		t.Fatalf("%d services, %v", len(out.ServicesLastAccessed), err)
	}
	for _, got := range out.ServicesLastAccessed {
		if used := *got.ServiceNamespace == "logs"; used != (got.LastAuthenticated != nil) || used && *got.LastAuthenticatedRegion != "eu-west-1" {
			t.Errorf("%+v", got)
		}
	}
}

func FuzzCovers(f *testing.F) {
	f.Add("s3:*", "s3")
	f.Add("*", "sqs")
	f.Add("[a:b", "a")
	f.Fuzz(func(t *testing.T, action, namespace string) {
		if some, all := covers(action, namespace); all && !some {
			t.Errorf("%q takes all of %q and none of it", action, namespace)
		}
	})
}
