package test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func TestIAMInstanceProfiles(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	name, role := aws.String("web"), aws.String("server")
	c.role("server", "ec2.amazonaws.com")
	made := must(c.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name}))(t).InstanceProfile
	equal(t, "the ARN", *made.Arn, c.arn("iam", "instance-profile/web"))
	must(c.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: role}))(t)
	got := must(c.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: name}))(t).InstanceProfile
	if len(got.Roles) != 1 || *got.Roles[0].RoleName != "server" {
		t.Errorf("roles %v", got.Roles)
	}
	equal(t, "the number of profiles", len(must(c.iam.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{}))(t).InstanceProfiles), 1)
	equal(t, "the number of the role's profiles", len(must(c.iam.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: role}))(t).InstanceProfiles), 1)
	_, err := c.iam.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: name})
	fails[*types.DeleteConflictException](t, err, "Cannot delete entity, must remove roles from instance profile first.")
	must(c.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: role}))(t)
	must(c.iam.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: name}))(t)
	_, err = c.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: name})
	fails[*types.NoSuchEntityException](t, err, "Instance Profile web cannot be found.")
}

func TestIAMSimulation(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.user("ann", statement("Allow", "dynamodb:Get*", "*", ""))
	actions := []string{"dynamodb:GetItem", "dynamodb:PutItem"}
	check := func(got []types.EvaluationResult) {
		t.Helper()
		if len(got) != 2 || got[0].EvalDecision != types.PolicyEvaluationDecisionTypeAllowed || got[1].EvalDecision != types.PolicyEvaluationDecisionTypeImplicitDeny {
			t.Errorf("results %+v", got)
		}
	}
	check(must(c.iam.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(c.arn("iam", "user/ann")), ActionNames: actions}))(t).EvaluationResults)
	check(must(c.iam.SimulateCustomPolicy(ctx, &iam.SimulateCustomPolicyInput{PolicyInputList: []string{statement("Allow", "dynamodb:GetItem", "*", "")}, ActionNames: actions}))(t).EvaluationResults)
	_, err := c.iam.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: aws.String(c.arn("iam", "user/bob")), ActionNames: actions})
	fails[*types.NoSuchEntityException](t, err, "bob")

	users := 0
	for p := iam.NewGetAccountAuthorizationDetailsPaginator(c.iam, &iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeUser}}); p.HasMorePages(); {
		users += len(must(p.NextPage(ctx))(t).UserDetailList)
	}
	equal(t, "the number of users", users, 1)
}

// The management account sees which services its accounts may use, and have used.
func TestIAMOrganizationsAccessReport(t *testing.T) {
	t.Parallel()
	o := newCompany(t)
	dev := o.member("dev")
	ann := dev.user("ann", statement("Allow", "dynamodb:*", "*", ""))
	allowed(t, "ann", ann.tables())
	path := o.id + "/" + o.root + "/"
	job := must(o.iam.GenerateOrganizationsAccessReport(ctx, &iam.GenerateOrganizationsAccessReportInput{EntityPath: &path}))(t).JobId
	got := must(o.iam.GetOrganizationsAccessReport(ctx, &iam.GetOrganizationsAccessReportInput{JobId: job, SortKey: types.SortKeyTypeLastAuthenticatedTimeDescending}))(t)
	first := got.AccessDetails[0]
	if got.JobStatus != types.JobStatusTypeCompleted || *first.ServiceNamespace != "dynamodb" || *first.EntityPath != path+dev.account+"/" || *first.TotalAuthenticatedEntities != 1 {
		t.Errorf("the report is %+v, and first %+v", got, first)
	}
	_, err := dev.iam.GenerateOrganizationsAccessReport(ctx, &iam.GenerateOrganizationsAccessReportInput{EntityPath: &path})
	refused(t, err, "AccessDenied", "management account")
}
