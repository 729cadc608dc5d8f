package resource

import (
	"testing"

	iamapi "github.com/tule-cloud/tule/api/iam"
)

// reads is a policy that allows one action.
func reads(action string) string {
	return `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "` + action + `", "Resource": "*"}]}`
}

func TestPolicies(t *testing.T) {
	w := newWorld(t)
	w.role()
	role := w.made[0]
	w.create("AWS::IAM::User", "User", `{}`)
	w.create("AWS::IAM::Group", "Group", `{}`)

	p := w.create("AWS::IAM::Policy", "Policy", `{"PolicyName": "p", "PolicyDocument": `+reads("s3:GetObject")+`, "Roles": ["{Role}"], "Users": ["{User}"]}`)
	w.update(p, `{"PolicyName": "q", "PolicyDocument": `+reads("s3:PutObject")+`, "Roles": ["{Role}"], "Groups": ["{Group}"]}`)
	inline, err := iamapi.ListRolePolicies.Do(role, role.Peers, &iamapi.ListRolePoliciesRequest{RoleName: &role.ID})
	users, e := iamapi.ListUserPolicies.Do(role, role.Peers, &iamapi.ListUserPoliciesRequest{UserName: new(w.filled("{User}"))})
	if err != nil || e != nil || len(inline.PolicyNames) != 1 || inline.PolicyNames[0] != "q" || len(users.PolicyNames) > 0 {
		t.Errorf("the role has %v, the user %v: %v, %v", inline, users, err, e)
	}
	for row, holder := range map[string]string{"Role": "RoleName", "User": "UserName", "Group": "GroupName"} {
		own := w.create("AWS::IAM::"+row+"Policy", "Own"+row, `{"`+holder+`": "{`+row+`}", "PolicyName": "own", "PolicyDocument": `+reads("s3:GetObject")+`}`)
		w.update(own, `{"`+holder+`": "{`+row+`}", "PolicyName": "own", "PolicyDocument": `+reads("s3:PutObject")+`}`)
	}

	m := w.create("AWS::IAM::ManagedPolicy", "Managed", `{"PolicyDocument": `+reads("s3:GetObject")+`, "Description": "d", "Path": "/a/", "Roles": ["{Role}"], "Groups": ["{Group}"]}`)
	for _, action := range []string{"a:A", "a:B", "a:C", "a:D", "a:E", "a:F"} {
		w.update(m, `{"PolicyDocument": `+reads(action)+`, "Description": "d", "Path": "/a/", "Users": ["{User}"]}`)
	}
	if got := w.filled("{Managed.AttachmentCount}"); got != "1" {
		t.Errorf("the policy is attached %s times", got)
	}
	w.end()
	if left, err := iamapi.ListPolicies.Do(role, role.Peers, &iamapi.ListPoliciesRequest{Scope: new("Local")}); err != nil || len(left.Policies) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestUsers(t *testing.T) {
	w := newWorld(t)
	w.role()
	role := w.made[0]
	w.create("AWS::IAM::ManagedPolicy", "Managed", `{"PolicyDocument": `+reads("s3:GetObject")+`}`)
	g := w.create("AWS::IAM::Group", "Group", `{"Policies": [{"PolicyName": "a", "PolicyDocument": `+reads("a:A")+`}], "ManagedPolicyArns": ["{Managed}"]}`)
	w.update(g, `{"Path": "/teams/", "Policies": [{"PolicyName": "b", "PolicyDocument": `+reads("a:B")+`}]}`)
	if got := w.filled("{Group.Arn}"); got != "arn:aws:iam::000000000000:group/teams/"+g.ID {
		t.Errorf("the group is %s", got)
	}
	w.create("AWS::IAM::Group", "Other", `{}`)
	u := w.create("AWS::IAM::User", "User", `{"Groups": ["{Group}"], "LoginProfile": {"Password": "Correct-horse-7", "PasswordResetRequired": true}, "Policies": [{"PolicyName": "a", "PolicyDocument": `+reads("a:A")+`}], "Tags": [{"Key": "a", "Value": "b"}]}`)
	w.update(u, `{"Path": "/people/", "Groups": ["{Other}"], "PermissionsBoundary": "{Managed}", "ManagedPolicyArns": ["{Managed}"], "Tags": [{"Key": "a", "Value": "c"}]}`)
	w.update(u, `{"Path": "/people/", "LoginProfile": {"Password": "Battery-staple-7"}}`)

	k := w.create("AWS::IAM::AccessKey", "Key", `{"UserName": "{User}", "Status": "Inactive"}`)
	if len(w.filled("{Key.SecretAccessKey}")) != 40 {
		t.Errorf("the key is %v", k.Attributes)
	}
	w.update(k, `{"UserName": "{User}"}`)

	in := w.create("AWS::IAM::UserToGroupAddition", "In", `{"GroupName": "{Group}", "Users": ["{User}"]}`)
	w.update(in, `{"GroupName": "{Other}", "Users": ["{User}"]}`)
	groups, err := iamapi.ListGroupsForUser.Do(role, role.Peers, &iamapi.ListGroupsForUserRequest{UserName: &u.ID})
	if err != nil || len(groups.Groups) != 1 || *groups.Groups[0].GroupName != w.filled("{Other}") {
		t.Errorf("the user is in %v, %v", groups, err)
	}
	w.end()
	if left, err := iamapi.ListUsers.Do(role, role.Peers, &iamapi.ListUsersRequest{}); err != nil || len(left.Users) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestProviders(t *testing.T) {
	w := newWorld(t)
	w.role()
	w.create("AWS::IAM::Role", "Other", `{"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}}`)
	p := w.create("AWS::IAM::InstanceProfile", "Profile", `{"Roles": ["{Role}"]}`)
	w.update(p, `{"Roles": ["{Other}"]}`)

	const print = "0123456789abcdef0123456789abcdef01234567"
	o := w.create("AWS::IAM::OIDCProvider", "Issuer", `{"Url": "https://token.example.com", "ClientIdList": ["a"], "ThumbprintList": ["`+print+`"]}`)
	w.update(o, `{"Url": "https://token.example.com", "ClientIdList": ["b"], "ThumbprintList": ["`+print[1:]+`0"], "Tags": [{"Key": "a", "Value": "b"}]}`)

	s := w.create("AWS::IAM::ServiceLinkedRole", "Linked", `{"AWSServiceName": "lex.amazonaws.com", "Description": "d"}`)
	w.update(s, `{"AWSServiceName": "lex.amazonaws.com", "Description": "e"}`)
	w.end()
}
