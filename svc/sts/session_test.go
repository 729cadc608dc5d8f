package sts_test

import (
	"strings"
	"testing"
	"time"

	iamapi "github.com/tule-cloud/tule/api/iam"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/store"
)

const (
	prod = "111111111111"
	poc  = "999999999999"
)

// groups are log groups of that name, wherever they are.
func groups(name string) string { return "arn:aws:logs:*:*:log-group:" + name }

func TestUser(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	anna := root.user("anna", allow("logs:*", "arn:aws:logs:us-east-1:"+prod+":log-group:hers"))
	anna.writes("hers", "")
	anna.writes("his", "User: arn:aws:iam::111111111111:user/anna is not authorized to perform: logs:CreateLogGroup on resource: "+
		"arn:aws:logs:us-east-1:111111111111:log-group:his because no identity-based policy allows the logs:CreateLogGroup action")

	if body := anna.must(stsapi.Service, "GetCallerIdentity"); element(body, "Arn") != "arn:aws:iam::111111111111:user/anna" || element(body, "Account") != prod {
		t.Error(body)
	}
	if code, body := anna.call(iamapi.Service, "GetUser"); code != 403 || !strings.Contains(body, "<Code>AccessDenied</Code>") {
		t.Errorf("%d %s", code, body)
	}

	// What a group may do its members may, from the next request on.
	root.must(iamapi.Service, "CreateGroup", "GroupName", "writers")
	root.must(iamapi.Service, "AttachGroupPolicy", "GroupName", "writers", "PolicyArn", "arn:aws:iam::aws:policy/CloudWatchLogsFullAccess")
	root.must(iamapi.Service, "AddUserToGroup", "GroupName", "writers", "UserName", "anna")
	anna.writes("his", "")

	// A boundary limits what policies give.
	arn := element(root.must(iamapi.Service, "CreatePolicy", "PolicyName", "limit", "PolicyDocument", allow("logs:*", groups("hers"))), "Arn")
	root.must(iamapi.Service, "PutUserPermissionsBoundary", "UserName", "anna", "PermissionsBoundary", arn)
	anna.writes("hers", "")
	anna.writes("his", "because no permissions boundary allows the logs:CreateLogGroup action")
	root.must(iamapi.Service, "CreatePolicyVersion", "PolicyArn", arn, "PolicyDocument", allow("logs:*", groups("his")), "SetAsDefault", "true")
	anna.writes("his", "")
	anna.writes("hers", "because no permissions boundary allows")
	root.must(iamapi.Service, "DeleteUserPermissionsBoundary", "UserName", "anna")
	root.must(iamapi.Service, "RemoveUserFromGroup", "GroupName", "writers", "UserName", "anna")
	anna.writes("hers", "")
	anna.writes("his", "no identity-based policy")
}

func TestKeyIsOver(t *testing.T) {
	const invalid = "UnrecognizedClientException"
	w := newWorld(t)
	root := w.root(prod)
	anna := root.user("anna", allow("*", "*"))
	session := anna.holder(anna.must(stsapi.Service, "GetSessionToken"))
	anna.writes("a", "")
	session.writes("a", "")

	wrong := anna
	wrong.secret = strings.ToUpper(anna.secret)
	wrong.writes("a", "InvalidSignatureException")
	withToken := anna
	withToken.token = session.token
	withToken.writes("a", invalid)

	root.must(iamapi.Service, "UpdateAccessKey", "UserName", "anna", "AccessKeyId", anna.id, "Status", "Inactive")
	anna.writes("a", invalid)
	root.must(iamapi.Service, "UpdateAccessKey", "UserName", "anna", "AccessKeyId", anna.id, "Status", "Active")
	anna.writes("a", "")
	root.must(iamapi.Service, "UpdateUser", "UserName", "anna", "NewUserName", "hanna")
	anna.writes("a", "")
	session.writes("a", "")

	root.must(iamapi.Service, "DeleteUserPolicy", "UserName", "hanna", "PolicyName", "own")
	root.must(iamapi.Service, "DeleteAccessKey", "UserName", "hanna", "AccessKeyId", anna.id)
	anna.writes("a", invalid)
	session.writes("a", "no identity-based policy allows")
	root.must(iamapi.Service, "DeleteUser", "UserName", "hanna")
	session.writes("a", invalid)
	root.user("hanna", allow("*", "*"))
	session.writes("a", invalid)
}

// TestTwoAccounts is the identity half of a stream that is copied from one account
// into a table of another.
func TestTwoAccounts(t *testing.T) {
	w := newWorld(t)
	const role = "arn:aws:iam::" + poc + ":role/DynamoDB-ProdAnalyticsWrite-role"
	here, there := w.root(prod), w.root(poc)
	here.role("function", trust("arn:aws:iam::"+prod+":root"), "")
	there.role("DynamoDB-ProdAnalyticsWrite-role", trust("arn:aws:iam::"+prod+":role/function"), allow("logs:CreateLogGroup", groups("*")))
	function := here.assume("arn:aws:iam::" + prod + ":role/function")

	const denied = "User: arn:aws:sts::111111111111:assumed-role/function/test is not authorized to perform: sts:AssumeRole on resource: "
	function.cannotAssume(role, denied+role+" because no identity-based policy allows the sts:AssumeRole action")
	here.must(iamapi.Service, "PutRolePolicy", "RoleName", "function", "PolicyName", "assume", "PolicyDocument", allow("sts:AssumeRole", role))
	writer := function.assume(role, "DurationSeconds", "900")
	writer.writes("table", "")
	if body := writer.must(stsapi.Service, "GetCallerIdentity"); element(body, "Arn") != "arn:aws:sts::999999999999:assumed-role/DynamoDB-ProdAnalyticsWrite-role/test" {
		t.Error(body)
	}

	// The names that the post misspells.
	misspelt := strings.Replace(role, "Prod", "Prd", 1)
	function.cannotAssume(misspelt, denied+misspelt)
	here.must(iamapi.Service, "PutRolePolicy", "RoleName", "function", "PolicyName", "assume", "PolicyDocument", allow("sts:AssumeRole", "*"))
	function.cannotAssume(misspelt, denied+misspelt)

	// A chained session lasts an hour at most, and dies by the clock.
	function.cannotAssume(role, "role chaining", "DurationSeconds", "3601")
	w.clock.Advance(899 * time.Second)
	writer.writes("table", "")
	w.clock.Advance(time.Second)
	writer.writes("table", `ExpiredTokenException","message":"The security token included in the request is expired"`)

	// Without the trust it is over for whoever comes next.
	there.must(iamapi.Service, "UpdateAssumeRolePolicy", "RoleName", "DynamoDB-ProdAnalyticsWrite-role", "PolicyDocument", trust("arn:aws:iam::222222222222:root"))
	function.cannotAssume(role, denied+role+" because no role trust policy allows the sts:AssumeRole action")
	// And a role that is gone takes its sessions with it.
	here.must(iamapi.Service, "DeleteRolePolicy", "RoleName", "function", "PolicyName", "assume")
	here.must(iamapi.Service, "DeleteRole", "RoleName", "function")
	function.writes("table", "UnrecognizedClientException")
	here.role("function", trust("arn:aws:iam::"+prod+":root"), allow("*", "*"))
	function.writes("table", "UnrecognizedClientException")
}

func TestSessionPolicies(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	const role = "arn:aws:iam::" + prod + ":role/writer"
	root.role("writer", trust("arn:aws:iam::"+prod+":root"), allow("logs:*", groups("*")))

	narrow := root.assume(role, "Policy", allow("logs:*", groups("a")))
	narrow.writes("a", "")
	narrow.writes("b", "because no session policy allows the logs:CreateLogGroup action")
	// It narrows, and gives nothing.
	root.assume(role, "Policy", allow("*", "*")).writes("a", "")
	root.must(iamapi.Service, "PutRolePolicy", "RoleName", "writer", "PolicyName", "own", "PolicyDocument", allow("logs:*", groups("b")))
	root.assume(role, "Policy", allow("*", "*")).writes("a", "no identity-based policy")

	byARN := root.assume(role, "PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/CloudWatchLogsFullAccess")
	byARN.writes("b", "")
	own := element(root.must(iamapi.Service, "CreatePolicy", "PolicyName", "own", "PolicyDocument", allow("logs:*", "*")), "Arn")
	byOwn := root.assume(role, "PolicyArns.member.1.arn", own)
	byOwn.writes("b", "")
	root.must(iamapi.Service, "DeletePolicy", "PolicyArn", own)
	byOwn.writes("b", "explicit deny")
}

func TestExternalID(t *testing.T) {
	w := newWorld(t)
	const role = "arn:aws:iam::" + poc + ":role/partner"
	w.root(poc).role("partner", strings.Replace(trust("arn:aws:iam::"+prod+":root"), `"Action"`, `"Condition":{"StringEquals":{"sts:ExternalId":"42"}},"Action"`, 1), "")
	caller := w.root(prod).user("anna", allow("sts:AssumeRole", role))
	caller.cannotAssume(role, "no role trust policy allows")
	caller.cannotAssume(role, "no role trust policy allows", "ExternalId", "43")
	caller.assume(role, "ExternalId", "42")
	caller.cannotAssume(role, "sts:TagSession", "ExternalId", "42", "Tags.member.1.Key", "team", "Tags.member.1.Value", "blue")
}

// A user's session can do what the user can, but for identities; a federated one what
// it was given of that.
func TestUserSessions(t *testing.T) {
	w := newWorld(t)
	anna := w.root(prod).user("anna", allow("*", "*"))
	session := anna.holder(anna.must(stsapi.Service, "GetSessionToken"))
	session.writes("a", "")
	for _, who := range []someone{session, anna.holder(anna.must(stsapi.Service, "GetFederationToken", "Name", "guest", "Policy", allow("*", "*")))} {
		if code, body := who.call(iamapi.Service, "ListUsers"); code != 403 || !strings.Contains(body, "explicit deny") {
			t.Errorf("%d %s", code, body)
		}
		if code, body := who.call(stsapi.Service, "GetFederationToken", "Name", "other"); code != 403 {
			t.Errorf("%d %s", code, body)
		}
	}
	guest := anna.holder(anna.must(stsapi.Service, "GetFederationToken", "Name", "guest", "Policy", allow("logs:*", groups("a"))))
	guest.writes("a", "")
	guest.writes("b", "no session policy")
	anna.holder(anna.must(stsapi.Service, "GetFederationToken", "Name", "guest")).writes("a", "no session policy")

	root := w.root(prod)
	lent := root.holder(root.must(stsapi.Service, "GetSessionToken"))
	lent.writes("a", "")
	w.clock.Advance(time.Hour)
	lent.writes("a", "ExpiredTokenException")
}

func TestRootKey(t *testing.T) {
	w := newWorld(t)
	if any, err := w.iam.RootKeys(t.Context()); any || err != nil {
		t.Fatal(any, err)
	}
	id, secret, err := w.iam.CreateRootKey(t.Context(), prod)
	if err != nil {
		t.Fatal(err)
	}
	if any, err := w.iam.RootKeys(t.Context()); !any || err != nil {
		t.Fatal(any, err)
	}
	root := someone{w, id, secret, ""}
	root.writes("a", "")
	if body := root.must(stsapi.Service, "GetCallerIdentity"); element(body, "Arn") != "arn:aws:iam::111111111111:root" {
		t.Error(body)
	}
	if _, _, err := w.iam.CreateRootKey(t.Context(), "12"); err == nil {
		t.Error("a key for no account")
	}
}

// TestTokens: what is not exactly the token of a key opens nothing.
func TestTokens(t *testing.T) {
	const invalid = "UnrecognizedClientException"
	w := newWorld(t)
	root := w.root(prod)
	a, b := root.holder(root.must(stsapi.Service, "GetSessionToken")), root.holder(root.must(stsapi.Service, "GetSessionToken"))
	a.writes("a", "")
	for name, token := range map[string]string{"none": "", "another's": b.token, "cut": a.token[:40], "changed": a.token[:20] + "A" + a.token[21:], "text": "token"} {
		bad := a
		if bad.token = token; token == a.token {
			bad.token = a.token[:20] + "B" + a.token[21:]
		}
		if got := bad.write("a"); !strings.Contains(got, invalid) {
			t.Errorf("%s token: %s", name, got)
		}
	}
	// Tokens live elsewhere than the store; who was behind them does not.
	root.role("r", trust("arn:aws:iam::"+prod+":root"), allow("*", "*"))
	of := root.assume("arn:aws:iam::" + prod + ":role/r")
	of.writes("a", "")
	if err := store.Reset(t.Context(), w.store, "", ""); err != nil {
		t.Fatal(err)
	}
	of.writes("a", invalid)
}

func TestLastUse(t *testing.T) {
	w := newWorld(t)
	root := w.root(prod)
	anna := root.user("anna", allow("logs:*", groups("*")))
	last := func() string {
		return element(root.must(iamapi.Service, "GetAccessKeyLastUsed", "AccessKeyId", anna.id), "LastUsedDate")
	}
	if got := last(); got != "" {
		t.Error(got)
	}
	w.clock.Advance(90 * time.Second)
	anna.writes("a", "")
	if got := last(); got != "2026-01-02T03:05:00Z" {
		t.Error(got)
	}
	if body := root.must(iamapi.Service, "GetAccessKeyLastUsed", "AccessKeyId", anna.id); element(body, "Region") != "us-east-1" {
		t.Error(body)
	}
	root.role("r", trust("arn:aws:iam::"+prod+":root"), allow("logs:*", groups("*")))
	root.assume("arn:aws:iam::"+prod+":role/r").writes("a", "")
	if body := root.must(iamapi.Service, "GetRole", "RoleName", "r"); element(body, "LastUsedDate") == "" || element(body, "Region") != "us-east-1" {
		t.Error(body)
	}
}
