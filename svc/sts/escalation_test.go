package sts_test

import (
	"strings"
	"testing"

	iamapi "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/api/logs"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// refused checks that a call of IAM is denied for want of permission.
func (s someone) refused(action string, params ...string) {
	s.t.Helper()
	if code, body := s.call(iamapi.Service, action, params...); code != 403 || !strings.Contains(body, "is not authorized to perform: iam:") {
		s.t.Errorf("%s: %d %s", action, code, body)
	}
}

// A delegate makes users, but only below the boundary that it was given; whichever
// way it tries, it gets no further.
func TestNoEscalation(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	limit := element(root.must(iamapi.Service, "CreatePolicy", "PolicyName", "limit", "PolicyDocument", allow("logs:*", groups("*"))), "Arn")
	tame := element(root.must(iamapi.Service, "CreatePolicy", "PolicyName", "tame", "PolicyDocument", allow("logs:*", groups("a"))), "Arn")
	const admin = "arn:aws:iam::aws:policy/AdministratorAccess"
	delegate := root.user("delegate", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["iam:CreateUser","iam:PutUserPolicy","iam:PutUserPermissionsBoundary"],"Resource":"arn:aws:iam::*:user/made/*",
			"Condition":{"StringEquals":{"iam:PermissionsBoundary":"`+limit+`"}}},
		{"Effect":"Allow","Action":"iam:AttachUserPolicy","Resource":"arn:aws:iam::*:user/made/*","Condition":{"ArnEquals":{"iam:PolicyARN":"`+tame+`"}}},
		{"Effect":"Allow","Action":["iam:CreateAccessKey","iam:UpdateUser"],"Resource":"arn:aws:iam::*:user/made/*"},
		{"Effect":"Allow","Action":"iam:UpdateAssumeRolePolicy","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/owner":"delegate"}}},
		{"Effect":"Deny","Action":"iam:DeleteUserPermissionsBoundary","Resource":"*"}]}`)

	delegate.must(iamapi.Service, "CreateUser", "UserName", "helper", "Path", "/made/", "PermissionsBoundary", limit)
	delegate.must(iamapi.Service, "PutUserPolicy", "UserName", "helper", "PolicyName", "p", "PolicyDocument", allow("*", "*"))
	helper := w.holder(delegate.must(iamapi.Service, "CreateAccessKey", "UserName", "helper"))
	helper.writes("a", "")
	helper.refused("CreateUser", "UserName", "another")

	// Without the boundary, or with another; outside of its path; for itself.
	delegate.refused("CreateUser", "UserName", "x", "Path", "/made/")
	delegate.refused("CreateUser", "UserName", "x", "Path", "/made/", "PermissionsBoundary", admin)
	delegate.refused("CreateUser", "UserName", "x", "PermissionsBoundary", limit)
	delegate.refused("CreateAccessKey", "UserName", "delegate")
	delegate.refused("PutUserPolicy", "UserName", "delegate", "PolicyName", "own", "PolicyDocument", allow("*", "*"))
	// Taking the boundary away, or putting a wider one.
	delegate.refused("DeleteUserPermissionsBoundary", "UserName", "helper")
	delegate.refused("PutUserPermissionsBoundary", "UserName", "helper", "PermissionsBoundary", admin)
	// Changing what the boundary says.
	delegate.refused("CreatePolicyVersion", "PolicyArn", limit, "PolicyDocument", allow("*", "*"), "SetAsDefault", "true")
	delegate.refused("SetDefaultPolicyVersion", "PolicyArn", limit, "VersionId", "v1")
	// Attaching more than it may hand out; joining a group.
	delegate.must(iamapi.Service, "AttachUserPolicy", "UserName", "helper", "PolicyArn", tame)
	delegate.refused("AttachUserPolicy", "UserName", "helper", "PolicyArn", admin)
	root.must(iamapi.Service, "CreateGroup", "GroupName", "admins")
	delegate.refused("AddUserToGroup", "GroupName", "admins", "UserName", "delegate")
	// Moving somebody out of the path, or somebody else's name into it.
	delegate.refused("UpdateUser", "UserName", "helper", "NewPath", "/")
	root.user("boss", allow("*", "*"))
	delegate.refused("UpdateUser", "UserName", "boss", "NewPath", "/made/")
	// Trusting itself with a role that is not its own.
	root.role("power", trust("arn:aws:iam::"+prod+":root"), allow("*", "*"))
	delegate.refused("UpdateAssumeRolePolicy", "RoleName", "power", "PolicyDocument", trust("arn:aws:iam::"+prod+":user/delegate"))
	delegate.refused("TagRole", "RoleName", "power", "Tags.member.1.Key", "owner", "Tags.member.1.Value", "delegate")
	delegate.cannotAssume("arn:aws:iam::"+prod+":role/power", "no identity-based policy allows the sts:AssumeRole action")
	// Handing a role to a machine takes permission for the role.
	root.must(iamapi.Service, "CreateInstanceProfile", "InstanceProfileName", "web")
	root.must(iamapi.Service, "PutUserPolicy", "UserName", "boss", "PolicyName", "own", "PolicyDocument", allow("iam:AddRoleToInstanceProfile", "*"))
	boss := w.holder(root.must(iamapi.Service, "CreateAccessKey", "UserName", "boss"))
	if _, body := boss.call(iamapi.Service, "AddRoleToInstanceProfile", "InstanceProfileName", "web", "RoleName", "power"); !strings.Contains(body, "not authorized to perform: iam:PassRole") {
		t.Error(body)
	}
}

// A service lends itself a role as lambda does, from within, where the role trusts it
// to, and for whom.
func TestServiceRole(t *testing.T) {
	w := newWorld(t)
	const role, function = "arn:aws:iam::" + prod + ":role/r", "arn:aws:lambda:us-east-1:" + prod + ":function:f"
	w.root(prod).role("r", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole",
		"Condition":{"ArnEquals":{"aws:SourceArn":"`+function+`"}}}}`, allow("logs:*", groups("a")))
	assume := func(service, source string) (*stsapi.AssumeRoleResponse, error) {
		ctx := aws.WithRequest(t.Context(), &aws.Request{Region: "us-east-1", Caller: aws.ServiceCaller(service, prod, source)})
		name := "fn"
		return stsapi.AssumeRole.Do(ctx, w.front, &stsapi.AssumeRoleRequest{RoleArn: ptr(role), RoleSessionName: &name})
	}
	for _, c := range [][2]string{{"lambda.amazonaws.com", function + "2"}, {"sns.amazonaws.com", function}} {
		if _, err := assume(c[0], c[1]); aws.CodeOf(err) != "AccessDeniedException" {
			t.Errorf("%v: %v", c, err)
		}
	}
	out, err := assume("lambda.amazonaws.com", function)
	if err != nil {
		t.Fatal(err)
	}
	session := someone{w, *out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken}
	session.writes("a", "")
	if got := session.owner().Keys["lambda:SourceFunctionArn"]; len(got) != 1 || got[0] != function {
		t.Errorf("the session is the function's %q", got)
	}

	// The service goes on as the role without credentials.
	id, _, _ := strings.Cut(*out.AssumedRoleUser.AssumedRoleId, ":")
	ctx := aws.WithRequest(t.Context(), &aws.Request{Region: "us-east-1", Caller: aws.RoleSession(role, id, "fn")})
	if _, err := logs.CreateLogGroup.Do(ctx, w.front, &logs.CreateLogGroupRequest{LogGroupName: ptr("a")}); err != nil {
		t.Error(err)
	}
	if _, err := logs.CreateLogGroup.Do(ctx, w.front, &logs.CreateLogGroupRequest{LogGroupName: ptr("b")}); aws.CodeOf(err) != "AccessDeniedException" {
		t.Error(err)
	}
}

func ptr[T any](v T) *T { return &v }

// Nobody takes a role that trusts a service, its own account's root included.
func TestConfusedDeputy(t *testing.T) {
	w := newWorld(t)
	stranger, owner := w.root("222222222222"), w.root(prod)
	owner.role("r", strings.Replace(trust("arn:aws:iam::"+prod+":root"), `{"AWS":"arn:aws:iam::`+prod+`:root"}`, `{"Service":"lambda.amazonaws.com"}`, 1), allow("*", "*"))
	const role = "arn:aws:iam::" + prod + ":role/r"
	stranger.cannotAssume(role, "not authorized to perform: sts:AssumeRole")
	owner.cannotAssume(role, "not authorized to perform: sts:AssumeRole")
	// Nobody can read who is trusted in an account that is not his own.
	if code, body := stranger.call(iamapi.Service, "GetRole", "RoleName", "r"); code != 404 {
		t.Errorf("%d %s", code, body)
	}
	if code, body := stranger.call(stsapi.Service, "AssumeRoleWithWebIdentity", "RoleArn", role, "RoleSessionName", "x1", "WebIdentityToken", "token"); code != 400 {
		t.Errorf("%d %s", code, body)
	}
}
