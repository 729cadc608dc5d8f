package test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// statement is a policy of one statement. More is Principal, Condition …
func statement(effect, action, resource, more string) string {
	if resource != "" {
		resource = `,"Resource":"` + resource + `"`
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Action":"` + action + `"` + resource + more + `}]}`
}

// trust is a trust policy.
func trust(principal string) *string {
	return aws.String(statement("Allow", "sts:AssumeRole", "", `,"Principal":`+principal))
}

const readonly = "arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess"

func TestIAMUsers(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	ann := aws.String("ann")
	user := must(c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: ann, Path: aws.String("/team/")}))(t).User
	equal(t, "the ARN", *user.Arn, c.arn("iam", "user/team/ann"))
	_, err := c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: ann})
	fails[*types.EntityAlreadyExistsException](t, err, "User with name ann already exists.")
	_, err = c.iam.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("bob")})
	fails[*types.NoSuchEntityException](t, err, "The user with name bob cannot be found.")
	equal(t, "the id", *must(c.iam.GetUser(ctx, &iam.GetUserInput{UserName: ann}))(t).User.UserId, *user.UserId)

	key := must(c.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: ann}))(t).AccessKey
	must(c.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: ann, AccessKeyId: key.AccessKeyId, Status: types.StatusTypeInactive}))(t)
	keys := must(c.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: ann}))(t).AccessKeyMetadata
	if len(keys) != 1 || keys[0].Status != types.StatusTypeInactive {
		t.Errorf("keys %v", keys)
	}
	equal(t, "the key's user", *must(c.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: key.AccessKeyId}))(t).UserName, "ann")
	_, err = c.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: ann})
	fails[*types.DeleteConflictException](t, err, "Cannot delete entity, must")
	must(c.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: ann, AccessKeyId: key.AccessKeyId}))(t)

	must(c.iam.TagUser(ctx, &iam.TagUserInput{UserName: ann, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}}))(t)
	must(c.iam.UntagUser(ctx, &iam.UntagUserInput{UserName: ann, TagKeys: []string{"a"}}))(t)
	tags := must(c.iam.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: ann}))(t).Tags
	if len(tags) != 1 || *tags[0].Key != "b" {
		t.Errorf("tags %v", tags)
	}

	must(c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: ann, PolicyName: aws.String("p"), PolicyDocument: aws.String(statement("Allow", "logs:*", "*", ""))}))(t)
	_, err = c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: ann, PolicyName: aws.String("q"), PolicyDocument: aws.String(statement("Maybe", "logs:*", "*", ""))})
	fails[*types.MalformedPolicyDocumentException](t, err, "")
	document, err := url.QueryUnescape(*must(c.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: ann, PolicyName: aws.String("p")}))(t).PolicyDocument)
	if err != nil || document != statement("Allow", "logs:*", "*", "") {
		t.Errorf("document %q, %v", document, err)
	}
	equal(t, "the policies", strings.Join(must(c.iam.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: ann}))(t).PolicyNames, " "), "p")
	must(c.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: ann, PolicyName: aws.String("p")}))(t)

	must(c.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: ann, PolicyArn: aws.String(readonly)}))(t)
	_, err = c.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: ann, PolicyArn: aws.String("arn:aws:iam::aws:policy/None")})
	fails[*types.NoSuchEntityException](t, err, "Policy arn:aws:iam::aws:policy/None")
	equal(t, "the attached", *must(c.iam.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: ann}))(t).AttachedPolicies[0].PolicyName, "AmazonDynamoDBReadOnlyAccess")
	must(c.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: ann, PolicyArn: aws.String(readonly)}))(t)
	must(c.iam.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: ann, PermissionsBoundary: aws.String(readonly)}))(t)
	equal(t, "the boundary", *must(c.iam.GetUser(ctx, &iam.GetUserInput{UserName: ann}))(t).User.PermissionsBoundary.PermissionsBoundaryArn, readonly)
	must(c.iam.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: ann}))(t)

	must(c.iam.UpdateUser(ctx, &iam.UpdateUserInput{UserName: ann, NewUserName: aws.String("anna")}))(t)
	must(c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("zoe")}))(t)
	var names []string
	for p := iam.NewListUsersPaginator(c.iam, &iam.ListUsersInput{MaxItems: aws.Int32(1)}); p.HasMorePages(); {
		for _, u := range must(p.NextPage(ctx))(t).Users {
			names = append(names, *u.UserName)
		}
	}
	equal(t, "the users", strings.Join(names, " "), "anna zoe")
	must(c.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("anna")}))(t)
}

func TestIAMGroups(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	devs := aws.String("devs")
	must(c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("ann")}))(t)
	must(c.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: devs}))(t)
	_, err := c.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: devs})
	fails[*types.EntityAlreadyExistsException](t, err, "Group with name devs already exists.")
	must(c.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: devs, UserName: aws.String("ann")}))(t)
	_, err = c.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("ops"), UserName: aws.String("ann")})
	fails[*types.NoSuchEntityException](t, err, "The group with name ops cannot be found.")
	equal(t, "the member", *must(c.iam.GetGroup(ctx, &iam.GetGroupInput{GroupName: devs}))(t).Users[0].UserName, "ann")
	equal(t, "the group", *must(c.iam.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: aws.String("ann")}))(t).Groups[0].GroupName, "devs")
	must(c.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: devs, PolicyName: aws.String("p"), PolicyDocument: aws.String(statement("Allow", "logs:*", "*", ""))}))(t)
	must(c.iam.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: devs, PolicyName: aws.String("p")}))(t)
	equal(t, "the number of policies", len(must(c.iam.ListGroupPolicies(ctx, &iam.ListGroupPoliciesInput{GroupName: devs}))(t).PolicyNames), 1)
	must(c.iam.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: devs, PolicyName: aws.String("p")}))(t)
	must(c.iam.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: devs, PolicyArn: aws.String(readonly)}))(t)
	equal(t, "the number of attached", len(must(c.iam.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: devs}))(t).AttachedPolicies), 1)
	entities := must(c.iam.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: aws.String(readonly)}))(t)
	if len(entities.PolicyGroups) != 1 || len(entities.PolicyUsers) != 0 {
		t.Errorf("entities %v", entities)
	}
	must(c.iam.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: devs, PolicyArn: aws.String(readonly)}))(t)
	_, err = c.iam.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: devs})
	fails[*types.DeleteConflictException](t, err, "Cannot delete entity, must")
	must(c.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: devs, UserName: aws.String("ann")}))(t)
	must(c.iam.UpdateGroup(ctx, &iam.UpdateGroupInput{GroupName: devs, NewGroupName: aws.String("makers")}))(t)
	equal(t, "the group", *must(c.iam.ListGroups(ctx, &iam.ListGroupsInput{}))(t).Groups[0].GroupName, "makers")
	must(c.iam.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: aws.String("makers")}))(t)
}

func TestIAMRoles(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	name := aws.String("worker")
	role := must(c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: trust(`{"Service":"lambda.amazonaws.com"}`)}))(t).Role
	equal(t, "the ARN", *role.Arn, c.arn("iam", "role/worker"))
	_, err := c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("broken"), AssumeRolePolicyDocument: aws.String("{")})
	fails[*types.MalformedPolicyDocumentException](t, err, "")
	_, err = c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("none")})
	fails[*types.NoSuchEntityException](t, err, "The role with name none cannot be found.")
	must(c.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(7200), Description: aws.String("one")}))(t)
	must(c.iam.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("two")}))(t)
	must(c.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: trust(`{"AWS":"` + c.account + `"}`)}))(t)
	role = must(c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name}))(t).Role
	equal(t, "the description", *role.Description, "two")
	equal(t, "the longest session", *role.MaxSessionDuration, 7200)
	must(c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("p"), PolicyDocument: aws.String(statement("Allow", "logs:*", "*", ""))}))(t)
	must(c.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("p")}))(t)
	equal(t, "the number of policies", len(must(c.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name}))(t).PolicyNames), 1)
	must(c.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("p")}))(t)
	must(c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String(readonly)}))(t)
	equal(t, "the number of attached", len(must(c.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name}))(t).AttachedPolicies), 1)
	_, err = c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	fails[*types.DeleteConflictException](t, err, "Cannot delete entity, must detach all policies first.")
	must(c.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: aws.String(readonly)}))(t)
	must(c.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: aws.String(readonly)}))(t)
	must(c.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name}))(t)
	must(c.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}}))(t)
	equal(t, "the number of tags", len(must(c.iam.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: name}))(t).Tags), 1)
	must(c.iam.UntagRole(ctx, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"a"}}))(t)
	equal(t, "the number of roles", len(must(c.iam.ListRoles(ctx, &iam.ListRolesInput{}))(t).Roles), 1)
	must(c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}))(t)
}

func TestIAMPolicies(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	made := must(c.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("reader"), PolicyDocument: aws.String(statement("Allow", "dynamodb:Get*", "*", ""))}))(t).Policy
	equal(t, "the ARN", *made.Arn, c.arn("iam", "policy/reader"))
	_, err := c.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("reader"), PolicyDocument: aws.String(statement("Allow", "dynamodb:Get*", "*", ""))})
	fails[*types.EntityAlreadyExistsException](t, err, "A policy called reader already exists.")
	for range 4 {
		must(c.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: made.Arn, PolicyDocument: aws.String(statement("Allow", "dynamodb:*", "*", "")), SetAsDefault: true}))(t)
	}
	_, err = c.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: made.Arn, PolicyDocument: aws.String(statement("Allow", "dynamodb:*", "*", ""))})
	fails[*types.LimitExceededException](t, err, "versions")
	must(c.iam.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v2")}))(t)
	_, err = c.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v2")})
	fails[*types.DeleteConflictException](t, err, "Cannot delete the default version of a policy.")
	for _, v := range []string{"v1", "v3", "v4", "v5"} {
		must(c.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: made.Arn, VersionId: &v}))(t)
	}
	version := must(c.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: made.Arn, VersionId: aws.String("v2")}))(t).PolicyVersion
	equal(t, "v2 is the default", version.IsDefaultVersion, true)
	equal(t, "the number of versions", len(must(c.iam.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: made.Arn}))(t).Versions), 1)
	must(c.iam.TagPolicy(ctx, &iam.TagPolicyInput{PolicyArn: made.Arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}}))(t)
	equal(t, "the number of tags", len(must(c.iam.ListPolicyTags(ctx, &iam.ListPolicyTagsInput{PolicyArn: made.Arn}))(t).Tags), 1)
	must(c.iam.UntagPolicy(ctx, &iam.UntagPolicyInput{PolicyArn: made.Arn, TagKeys: []string{"a"}}))(t)
	equal(t, "the default", *must(c.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: made.Arn}))(t).Policy.DefaultVersionId, "v2")
	local := must(c.iam.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}))(t).Policies
	equal(t, "the number of own policies", len(local), 1)
	must(c.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: made.Arn}))(t)
	_, err = c.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: made.Arn})
	fails[*types.NoSuchEntityException](t, err, "Policy "+*made.Arn)
	must(c.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(readonly)}))(t)
}

func TestIAMAccount(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	alias := aws.String("tule-" + c.account)
	must(c.iam.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: alias}))(t)
	equal(t, "the alias", must(c.iam.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{}))(t).AccountAliases[0], *alias)
	must(c.iam.DeleteAccountAlias(ctx, &iam.DeleteAccountAliasInput{AccountAlias: alias}))(t)
	must(c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("ann")}))(t)
	equal(t, "the number of users", must(c.iam.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{}))(t).SummaryMap["Users"], 1)
}
