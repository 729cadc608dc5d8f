package sts_test

import (
	"strings"
	"testing"
	"time"

	iamapi "github.com/tule-cloud/tule/api/iam"
	stsapi "github.com/tule-cloud/tule/api/sts"
)

const tasks = "arn:aws:iam::aws:policy/root-task/"

// Whoever may, in the account that governs an organization, is the root of a member for a
// quarter of an hour, and does what the task's policy says, and nothing else.
func TestAssumeRoot(t *testing.T) {
	w := newWorld(t)
	anna := w.root(prod).user("anna", allow("sts:AssumeRoot", "arn:aws:iam::"+poc+":root"))
	body := anna.must(stsapi.Service, "AssumeRoot", "TargetPrincipal", poc, "TaskPolicyArn.arn", tasks+"IAMAuditRootUserCredentials")
	session := w.holder(body)
	who := session.must(stsapi.Service, "GetCallerIdentity")
	if element(who, "Arn") != "arn:aws:iam::"+poc+":root" || element(who, "Account") != poc {
		t.Error(who)
	}
	session.must(iamapi.Service, "GetAccountSummary")
	if code, body := session.call(iamapi.Service, "CreateUser", "UserName", "mallory"); code != 403 || !strings.Contains(body, "with an explicit deny in a session policy") {
		t.Errorf("%d %s", code, body)
	}
	session.writes("a", "with an explicit deny in a session policy")
	w.clock.Advance(15 * time.Minute)
	if code, body := session.call(stsapi.Service, "GetCallerIdentity"); code != 403 || !strings.Contains(body, "ExpiredToken") {
		t.Errorf("%d %s", code, body)
	}

	short := w.holder(anna.must(stsapi.Service, "AssumeRoot", "TargetPrincipal", "arn:aws:iam::"+poc+":root", "TaskPolicyArn.arn", tasks+"IAMAuditRootUserCredentials", "DurationSeconds", "60"))
	w.clock.Advance(time.Minute)
	if code, _ := short.call(stsapi.Service, "GetCallerIdentity"); code != 403 {
		t.Errorf("after its time: %d", code)
	}
}

func TestAssumeRootRefused(t *testing.T) {
	w := newWorld(t)
	all := allow("sts:*", "*")
	anna := w.root(prod).user("anna", all)
	for name, c := range map[string]struct {
		who          someone
		target, task string
		want         string
	}{
		"root":            {w.root(prod), poc, tasks + "S3UnlockBucketPolicy", "Roots may not call AssumeRoot"},
		"no permission":   {w.root(prod).user("bob", allow("sts:AssumeRole", "*")), poc, tasks + "S3UnlockBucketPolicy", "not authorized to perform: sts:AssumeRoot on resource: arn:aws:iam::" + poc + ":root"},
		"another's":       {w.root("222222222222").user("carl", all), poc, tasks + "S3UnlockBucketPolicy", "not authorized to perform: sts:AssumeRoot"},
		"no member":       {anna, "222222222222", tasks + "S3UnlockBucketPolicy", "not authorized to perform: sts:AssumeRoot"},
		"oneself":         {anna, prod, tasks + "S3UnlockBucketPolicy", "not authorized to perform: sts:AssumeRoot"},
		"any policy":      {anna, poc, "arn:aws:iam::aws:policy/AdministratorAccess", "is not supported"},
		"any root-task":   {anna, poc, tasks + "Everything", "is not supported"},
		"too long":        {anna, poc, tasks + "S3UnlockBucketPolicy", "durationSeconds"},
		"no account":      {anna, "arn:aws:iam::" + poc + ":user/anna", tasks + "S3UnlockBucketPolicy", "arn:aws:iam::" + poc + ":user/anna is invalid"},
		"a task's policy": {w.root(prod).user("dora", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRoot","Resource":"*","Condition":{"StringEquals":{"sts:TaskPolicyArn":"`+tasks+`IAMAuditRootUserCredentials"}}}}`), poc, tasks + "S3UnlockBucketPolicy", "not authorized"},
	} {
		params := []string{"TargetPrincipal", c.target, "TaskPolicyArn.arn", c.task}
		if name == "too long" {
			params = append(params, "DurationSeconds", "901")
		}
		if code, body := c.who.call(stsapi.Service, "AssumeRoot", params...); code == 200 || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
}
