package attack

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

const administrator = "arn:aws:iam::aws:policy/AdministratorAccess"

// create makes a function of Node with a role.
func (p *party) create(name, role string) error {
	_, err := p.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: &name, Role: &role, Runtime: lambdatypes.RuntimeNodejs20x,
		Handler: aws.String("index.handler"), Code: &lambdatypes.FunctionCode{ZipFile: zipped("index.js", "exports.handler = async e => e")}})
	return err
}

// Who may make functions may not thereby act as any role.
func TestEscalationByPassRole(t *testing.T) {
	t.Parallel()
	a, b := owner(t), owner(t)
	small, admin := a.role("small", trust(toLambda)), a.role("admin", trust(toLambda), everything)
	theirs := b.role("theirs", trust(toLambda), everything)
	untrusting := a.role("people", trust(`{"AWS":"`+a.account+`"}`), everything)
	dev := a.user("dev", allow("lambda:* apigateway:*", "*"))
	denied(t, "CreateFunction without iam:PassRole", dev.create("f", admin), "iam:PassRole")
	some := a.user("some", allow("lambda:*", "*"), allow("iam:PassRole", small))
	works(t, "the role that may be passed", some.create("f", small))
	denied(t, "another role", some.create("g", admin), "iam:PassRole on resource: "+admin)
	_, err := some.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("f"), Role: &admin})
	denied(t, "another role for the function that is there", err, "iam:PassRole")
	if f := must(a.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("f")}))(t); *f.Role != small {
		t.Errorf("the function's role is %s", *f.Role)
	}
	bound := a.user("bound", allow("lambda:*", "*"), allow("iam:PassRole", "*", `,"Condition":{"StringEquals":{"iam:PassedToService":"apigateway.amazonaws.com"}}`))
	denied(t, "to another service than may be", bound.create("g", admin), "iam:PassRole")
	all := a.user("all", everything)
	for name, role := range map[string]string{"another account's role": theirs, "another account's role by an administrator": theirs} {
		if err := all.create("x", role); err == nil {
			t.Errorf("%s was passed", name)
		}
	}
	refused(t, "a role that does not trust Lambda", all.create("g", untrusting), "InvalidParameterValueException", "cannot be assumed by Lambda")

	api := must(a.gateway.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("x")}))(t)
	must(a.gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: aws.String("GET"), AuthorizationType: aws.String("NONE")}))(t)
	in := &apigateway.PutIntegrationInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: aws.String("GET"), Type: gatewaytypes.IntegrationTypeAws, IntegrationHttpMethod: aws.String("POST"),
		Uri: aws.String("arn:aws:apigateway:" + region + ":dynamodb:action/Scan"), Credentials: &admin}
	_, err = dev.gateway.PutIntegration(ctx, in)
	denied(t, "an integration's credentials", err, "iam:PassRole")
	_, err = dev.gateway.UpdateAccount(ctx, &apigateway.UpdateAccountInput{PatchOperations: []gatewaytypes.PatchOperation{{Op: gatewaytypes.OpReplace, Path: aws.String("/cloudwatchRoleArn"), Value: &admin}}})
	denied(t, "the account's log role", err, "iam:PassRole")
	in.Credentials = nil
	_, err = dev.gateway.PutIntegration(ctx, in)
	if err == nil {
		_, err = dev.gateway.UpdateIntegration(ctx, &apigateway.UpdateIntegrationInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: aws.String("GET"),
			PatchOperations: []gatewaytypes.PatchOperation{{Op: gatewaytypes.OpReplace, Path: aws.String("/credentials"), Value: &admin}}})
		denied(t, "credentials by a patch", err, "iam:PassRole")
	}
	swagger := `{"swagger":"2.0","info":{"title":"x","version":"1"},"paths":{"/":{"get":{"x-amazon-apigateway-integration":{"type":"aws","httpMethod":"POST","uri":"` + *in.Uri + `","credentials":"` + admin + `"}}}}}`
	_, err = dev.gateway.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: []byte(swagger)})
	denied(t, "credentials in a definition", err, "iam:PassRole")
	_, err = dev.gateway.PutRestApi(ctx, &apigateway.PutRestApiInput{RestApiId: api.Id, Mode: gatewaytypes.PutModeMerge, Body: []byte(swagger)})
	denied(t, "credentials in a definition that is merged", err, "iam:PassRole")
}

// Who may do something to some policies' versions gets no further by it.
func TestEscalationByPolicyVersions(t *testing.T) {
	t.Parallel()
	a := owner(t)
	a.table("things")
	own := a.managed("own", allow("dynamodb:GetItem", "*"))
	must(a.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &own, PolicyDocument: document(everything)}))(t) // v2, not in force
	shared := a.managed("shared", allow("iam:Get* iam:List*", "*"))
	dev := a.user("dev", allow("iam:Get* iam:List*", "*"), allow("iam:CreatePolicyVersion", shared+"-of-others"), deny("iam:SetDefaultPolicyVersion", own))
	name := aws.String("dev")
	must(a.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: &own}))(t)
	must(a.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: &shared}))(t)
	works(t, "what the policy in force allows", dev.get("things"))
	for what, err := range map[string]error{
		"another version":             second(dev.iam.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: &own, VersionId: aws.String("v2")})),
		"a new version":               second(dev.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &own, PolicyDocument: document(everything), SetAsDefault: true})),
		"a new version of another":    second(dev.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &shared, PolicyDocument: document(everything), SetAsDefault: true})),
		"a version of AWS's policies": second(dev.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: aws.String(administrator), PolicyDocument: document(everything)})),
		"no version but the second":   second(dev.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &own, VersionId: aws.String("v1")})),
	} {
		denied(t, what, err, "iam:")
	}
	denied(t, "what only the second version allows", dev.put("things", "x"), "dynamodb:PutItem")
	_, err := a.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: aws.String(administrator), PolicyDocument: document(everything)})
	if err == nil {
		t.Error("AWS's own policy has a new version")
	}
	a.holds("things", 1)
	must(a.iam.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: &own, VersionId: aws.String("v2")}))(t)
	works(t, "when root puts it in force, at once", dev.put("things", "x"))
	must(a.iam.SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: &own, VersionId: aws.String("v1")}))(t)
	denied(t, "and out of force, at once", dev.put("things", "y"), "dynamodb:PutItem")
}

// The boundary that AWS's guide gives to delegated administrators holds: they cannot
// take it off, change it, or make people without it.
func TestEscalationByBoundaryRemoval(t *testing.T) {
	t.Parallel()
	a := owner(t)
	a.table("things")
	arn := a.arn("iam", "policy/boundary")
	if got := a.managed("boundary",
		allow("dynamodb:GetItem iam:*", "*"),
		deny("iam:DeleteUserPermissionsBoundary iam:DeleteRolePermissionsBoundary", "*"),
		deny("iam:CreateUser iam:PutUserPermissionsBoundary iam:AttachUserPolicy iam:PutUserPolicy iam:CreateRole iam:PutRolePermissionsBoundary", "*", `,"Condition":{"StringNotEquals":{"iam:PermissionsBoundary":"`+arn+`"}}`),
		deny("iam:CreatePolicyVersion iam:DeletePolicy iam:DeletePolicyVersion iam:SetDefaultPolicyVersion", arn)); got != arn {
		t.Fatal(got)
	}
	wide := a.managed("wide", everything)
	admin := a.user("admin", everything)
	self := aws.String("admin")
	must(a.iam.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: self, PermissionsBoundary: &arn}))(t)
	works(t, "what the boundary allows", admin.get("things"))
	denied(t, "what it does not", admin.put("things", "x"), "no permissions boundary allows the dynamodb:PutItem action")
	must(a.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("free")}))(t)
	for what, err := range map[string]error{
		"taking it off":                  second(admin.iam.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: self})),
		"another in its place":           second(admin.iam.PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: self, PermissionsBoundary: &wide})),
		"another version of it":          second(admin.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: document(everything), SetAsDefault: true})),
		"a user without":                 second(admin.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("eve")})),
		"a user with another":            second(admin.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("eve"), PermissionsBoundary: &wide})),
		"a role without":                 second(admin.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("eve"), AssumeRolePolicyDocument: document(trust(`{"AWS":"` + a.account + `"}`))})),
		"a policy for who has none":      second(admin.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: aws.String("free"), PolicyArn: aws.String(administrator)})),
		"an inline one for who has none": second(admin.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("free"), PolicyName: aws.String("x"), PolicyDocument: document(everything)})),
	} {
		denied(t, what, err, "with an explicit deny in a permissions boundary")
	}
	_, err := admin.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("good"), PermissionsBoundary: &arn})
	works(t, "a user with the boundary", err)
	_, err = admin.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: self, PolicyArn: aws.String(administrator)})
	works(t, "a policy for who has it", err)
	denied(t, "and still", admin.put("things", "x"), "no permissions boundary allows")
	a.holds("things", 1)
}

// A user with a little cannot give itself more by IAM itself.
func TestEscalationByIAM(t *testing.T) {
	t.Parallel()
	a := owner(t)
	a.table("things")
	self := aws.String("mallory")
	own := a.arn("iam", "user/mallory")
	mallory := a.user("mallory", allow("iam:Get* iam:List* iam:CreateAccessKey iam:UpdateAccessKey iam:TagUser", own), allow("sts:AssumeRole", "*"),
		allow("dynamodb:PutItem", "*", `,"Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}`),
		deny("iam:TagUser iam:UntagUser", "*", `,"Condition":{"ForAnyValue:StringEqualsIgnoreCase":{"aws:TagKeys":["team"]}}`))
	a.user("boss", everything)
	boss, admins, role := aws.String("boss"), aws.String("admins"), aws.String("admin")
	must(a.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: admins}))(t)
	must(a.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: admins, PolicyName: aws.String("x"), PolicyDocument: document(everything)}))(t)
	a.role("admin", trust(toLambda), everything)
	some := a.managed("some", allow("logs:*", "*"))
	all := document(everything)
	tag := []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("red")}}
	for what, err := range map[string]error{
		"a key for another user":         second(mallory.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: boss})),
		"a password for another user":    second(mallory.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: boss, Password: aws.String("Passw0rd!Passw0rd!")})),
		"a trust policy":                 second(mallory.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: role, PolicyDocument: document(trust(`{"AWS":"` + own + `"}`))})),
		"a policy attached to itself":    second(mallory.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: self, PolicyArn: aws.String(administrator)})),
		"a policy put on itself":         second(mallory.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: self, PolicyName: aws.String("own"), PolicyDocument: all})),
		"joining the administrators":     second(mallory.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{UserName: self, GroupName: admins})),
		"a policy on the group":          second(mallory.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: admins, PolicyName: aws.String("y"), PolicyDocument: all})),
		"a policy on the role":           second(mallory.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: aws.String(administrator)})),
		"an inline policy on the role":   second(mallory.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role, PolicyName: aws.String("y"), PolicyDocument: all})),
		"a new user":                     second(mallory.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("eve")})),
		"another name":                   second(mallory.iam.UpdateUser(ctx, &iam.UpdateUserInput{UserName: self, NewUserName: aws.String("boss2")})),
		"a policy changed":               second(mallory.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &some, PolicyDocument: all, SetAsDefault: true})),
		"its own policy deleted":         second(mallory.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: self, PolicyName: aws.String("own")})),
		"a tag that permissions hang on": second(mallory.iam.TagUser(ctx, &iam.TagUserInput{UserName: self, Tags: tag})),
		"that tag beside another":        second(mallory.iam.TagUser(ctx, &iam.TagUserInput{UserName: self, Tags: append([]iamtypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}}, tag...)})),
		"that tag in capitals":           second(mallory.iam.TagUser(ctx, &iam.TagUserInput{UserName: self, Tags: []iamtypes.Tag{{Key: aws.String("TEAM"), Value: aws.String("red")}}})),
		"the administrators' role":       second(mallory.assume(a.arn("iam", "role/admin"))),
		"everybody's details":            second(mallory.iam.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{})),
	} {
		denied(t, what, err, "is not authorized to perform: ")
	}
	denied(t, "what the tag would have given", mallory.put("things", "x"), "dynamodb:PutItem")
	_, err := mallory.iam.TagUser(ctx, &iam.TagUserInput{UserName: self, Tags: []iamtypes.Tag{{Key: aws.String("hobby"), Value: aws.String("chess")}}})
	works(t, "another tag", err)
	_, err = mallory.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{})
	works(t, "a key for itself", err)
	must(a.iam.TagUser(ctx, &iam.TagUserInput{UserName: self, Tags: tag}))(t)
	works(t, "when root gives the tag", mallory.put("things", "x"))
}

// What policies do not say, said by NotAction, NotResource and by names in other case.
func TestSurprises(t *testing.T) {
	t.Parallel()
	a := owner(t)
	a.table("things")
	a.table("secrets")
	things, secrets := a.arn("dynamodb", "table/things"), a.arn("dynamodb", "table/secrets")
	not := func(effect, element, value, more string) string {
		return `{"Effect":"` + effect + `","` + element + `":"` + value + `"` + more + `}`
	}
	all := `,"Resource":"*"`
	for _, c := range []struct {
		name       string
		statements []string
		things     bool // may be written
		secrets    bool
	}{
		{"Deny NotResource hits all but one", []string{everything, not("Deny", "NotResource", things, `,"Action":"dynamodb:*"`)}, true, false},
		{"Allow NotResource hits all but one", []string{not("Allow", "NotResource", secrets, `,"Action":"dynamodb:*"`)}, true, false},
		{"Allow NotAction of another service allows this one", []string{not("Allow", "NotAction", "iam:*", all)}, true, true},
		{"Allow NotAction of this one does not", []string{not("Allow", "NotAction", "dynamodb:*", all)}, false, false},
		{"Deny NotAction of another service denies this one", []string{everything, not("Deny", "NotAction", "iam:*", all)}, false, false},
		{"actions have no case", []string{allow("DYNAMODB:putITEM", "*")}, true, true},
		{"a Deny has none either", []string{everything, deny("DynamoDB:PUTITEM", "*")}, false, false},
		{"ARNs do", []string{allow("dynamodb:*", a.arn("dynamodb", "table/Things"))}, false, false},
		{"an ARN of another partition", []string{allow("dynamodb:*", "arn:aws-cn:dynamodb:*:*:table/*")}, false, false},
		{"an ARN of another account", []string{allow("dynamodb:*", "arn:aws:dynamodb:*:111111111111:table/*")}, false, false},
		{"an ARN without its end", []string{allow("dynamodb:*", a.arn("dynamodb", "table/thing"))}, false, false},
		{"a wildcard in the middle", []string{allow("dynamodb:*", a.arn("dynamodb", "table/th*s"))}, true, false},
		{"condition keys have no case", []string{allow("dynamodb:*", "*", `,"Condition":{"StringEquals":{"AWS:UserName":"u9"}}`)}, false, false},
		{"their values do", []string{allow("dynamodb:*", "*", `,"Condition":{"StringEquals":{"aws:PrincipalAccount":"`+a.account+`X"}}`)}, false, false},
		{"an empty condition is none", []string{allow("dynamodb:*", things, `,"Condition":{}`)}, true, false},
		{"ForAllValues of a key that is not there", []string{allow("dynamodb:*", things, `,"Condition":{"ForAllValues:StringEquals":{"aws:CalledVia":"x.amazonaws.com"}}`)}, true, false},
		{"ForAnyValue of a key that is not there", []string{allow("dynamodb:*", "*", `,"Condition":{"ForAnyValue:StringEquals":{"aws:CalledVia":"x.amazonaws.com"}}`)}, false, false},
		{"a Deny on a key that is not there", []string{everything, deny("*", "*", `,"Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}`)}, false, false},
		{"a variable of a key that is not there", []string{allow("dynamodb:*", "arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/table}")}, false, false},
		{"a Deny beside each Allow", []string{everything, deny("dynamodb:PutItem", secrets)}, true, false},
		{"MFA that was not shown", []string{allow("dynamodb:*", "*", `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`)}, false, false},
		{"a Deny without MFA", []string{everything, deny("*", "*", `,"Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}`)}, false, false},
		{"a key of the caller's that another has", []string{allow("dynamodb:*", "*", `,"Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::*:user/other"}}`)}, false, false},
	} {
		name := "u" + string(rune('A'+len(c.name)%26)) + randomish(c.name)
		u := a.user(name, c.statements...)
		for table, may := range map[string]bool{"things": c.things, "secrets": c.secrets} {
			if err := u.put(table, "x"); (err == nil) != may {
				t.Errorf("%s: writing %s: %v", c.name, table, err)
			} else if err != nil {
				denied(t, c.name, err, "dynamodb:PutItem")
			}
		}
	}
}

// randomish is a name for a user made of a sentence.
func randomish(s string) string {
	b := []byte(s)
	for i := range b {
		if (b[i]|0x20) < 'a' || (b[i]|0x20) > 'z' {
			b[i] = '-'
		}
	}
	return string(b)
}
