package attack

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// organizations calls AWS Organizations, which is not among this module's clients.
func organizations(t testing.TB, key aws.Credentials, operation, body string) (status int, out map[string]any, text string) {
	t.Helper()
	status, text = message{service: "organizations", method: "POST", path: "/", body: body, key: key, header: map[string]string{
		"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSOrganizationsV20161128." + operation}}.send(t)
	_ = json.Unmarshal([]byte(strings.TrimSpace(text)), &out) // an error's text may be none
	return status, out, text
}

// part is a text deep in an answer.
func part(t testing.TB, v any, path ...any) string {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				t.Fatalf("nothing at %v", path)
			}
			v = l[p]
		}
	}
	s, _ := v.(string)
	if s == "" {
		t.Fatalf("nothing at %v", path)
	}
	return s
}

// A service control policy binds everybody of its account, root too, and nobody in it
// can take it off.
func TestServiceControlPolicyBypass(t *testing.T) {
	t.Parallel()
	management := owner(t)
	ask := func(operation, body string) map[string]any {
		t.Helper()
		status, out, text := organizations(t, management.key, operation, body)
		if status != 200 {
			t.Fatalf("%s: %d %s", operation, status, text)
		}
		return out
	}
	ask("CreateOrganization", "{}")
	root := part(t, ask("ListRoots", "{}"), "Roots", 0, "Id")
	account := part(t, ask("CreateAccount", `{"AccountName":"dev","Email":"dev@example.com"}`), "CreateAccountStatus", "AccountId")
	ask("EnablePolicyType", `{"RootId":"`+root+`","PolicyType":"SERVICE_CONTROL_POLICY"}`)
	content := string(must(json.Marshal(*document(deny("dynamodb:DeleteTable dynamodb:PutItem iam:CreateUser", "*", `,"Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/breakglass"}}`))))(t))
	scp := part(t, ask("CreatePolicy", `{"Name":"p","Description":"","Type":"SERVICE_CONTROL_POLICY","Content":`+content+`}`), "Policy", "PolicySummary", "Id")

	member := rootOf(t, account)
	member.table("things")
	admin := member.user("admin", everything)
	boxed := member.role("boxed", trust(`{"AWS":"`+account+`"}`), everything)
	glass := member.role("breakglass", trust(`{"AWS":"`+account+`"}`), everything)
	works(t, "before", admin.put("things", "x"))
	ask("AttachPolicy", `{"PolicyId":"`+scp+`","TargetId":"`+account+`"}`)

	const explicit = "with an explicit deny in a service control policy"
	denied(t, "an administrator", admin.put("things", "y"), explicit)
	denied(t, "root", member.put("things", "y"), explicit)
	denied(t, "a role", must(admin.assume(boxed))(t).put("things", "y"), explicit)
	_, err := member.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("breakglass")})
	denied(t, "root, IAM", err, explicit)
	works(t, "who the policy leaves out", must(admin.assume(glass))(t).put("things", "y"))
	for _, who := range []*party{member, admin} {
		for operation, body := range map[string]string{
			"DetachPolicy":                  `{"PolicyId":"` + scp + `","TargetId":"` + account + `"}`,
			"DeletePolicy":                  `{"PolicyId":"` + scp + `"}`,
			"UpdatePolicy":                  `{"PolicyId":"` + scp + `","Content":` + string(must(json.Marshal(*document(everything)))(t)) + `}`,
			"AttachPolicy":                  `{"PolicyId":"p-FullAWSAccess","TargetId":"` + account + `"}`,
			"DisablePolicyType":             `{"RootId":"` + root + `","PolicyType":"SERVICE_CONTROL_POLICY"}`,
			"DeleteOrganization":            "{}",
			"CreateOrganization":            "{}",
			"CreateAccount":                 `{"AccountName":"eve","Email":"eve@example.com"}`,
			"MoveAccount":                   `{"AccountId":"` + account + `","SourceParentId":"` + root + `","DestinationParentId":"` + root + `"}`,
			"RemoveAccountFromOrganization": `{"AccountId":"` + account + `"}`,
		} {
			if status, _, text := organizations(t, who.key, operation, body); status != 400 || !containsOne(text, "AccessDeniedException|AlreadyInOrganizationException") {
				t.Errorf("%s by %s: %d %s", operation, who.key.AccessKeyID, status, text)
			}
		}
	}
	denied(t, "an administrator, after all that", admin.put("things", "z"), explicit)
	member.holds("things", 3)
	ask("DetachPolicy", `{"PolicyId":"`+scp+`","TargetId":"`+account+`"}`)
	works(t, "when the management account takes it off, at once", admin.put("things", "z"))
}
