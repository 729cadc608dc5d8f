package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// eventText is an event as LookupEvents has it.
const eventText = `{"userIdentity":{"type":"AssumedRole","principalId":"AROA:s1","arn":"arn:aws:sts::000000000000:assumed-role/web/s1","accountId":"000000000000","accessKeyId":"ASIA1",
"sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::000000000000:role/web","accountId":"000000000000","userName":"web"}}},
"eventTime":"2026-01-02T03:04:05Z","eventSource":"dynamodb.amazonaws.com","eventName":"GetItem","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.1","userAgent":"aws-cli/2 and more",
"errorCode":"AccessDenied","errorMessage":"User: … is not authorized","requestID":"r1","eventID":"e1","resources":[{"ARN":"arn:aws:dynamodb:eu-west-1:000000000000:table/songs"}],
"additionalEventData":{"decisions":[{"action":"dynamodb:GetItem","resource":"arn:aws:dynamodb:eu-west-1:000000000000:table/songs","allowed":false,"by":"identity-based policy",
"evaluation":"denied because no identity-based policy allows the dynamodb:GetItem action\nidentity-based policy p\n  Home (Allow): no match: IpAddress aws:SourceIp [10.0.0.0/8], was 192.0.2.1\n  Logs (Allow): no match: action\n  All (Deny): applies\n",
"remedy":"{\"Effect\":\"Allow\",\"Action\":\"dynamodb:GetItem\",\"Resource\":\"arn:aws:dynamodb:eu-west-1:000000000000:table/songs\"}"}]}}`

func readEvent(t *testing.T, text string) *trailEvent {
	t.Helper()
	var e trailEvent
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	return &e
}

func TestWhy(t *testing.T) {
	var out strings.Builder
	whyPrinter{&out}.event(readEvent(t, eventText))
	want := `DENIED dynamodb:GetItem
  who      role web (session s1)  arn:aws:sts::000000000000:assumed-role/web/s1, ASIA1
  what     GetItem of dynamodb.amazonaws.com  eu-west-1
  on       arn:aws:dynamodb:eu-west-1:000000000000:table/songs
  when     2026-01-02 03:04:05 UTC
  from     192.0.2.1  aws-cli/2
  request  r1
  answer   AccessDenied: User: … is not authorized

  ✗ dynamodb:GetItem on arn:aws:dynamodb:eu-west-1:000000000000:table/songs
    denied because no identity-based policy allows the dynamodb:GetItem action

    identity-based policy p
      ○ Home (Allow): no match: IpAddress aws:SourceIp [10.0.0.0/8], was 192.0.2.1
      · Logs (Allow): no match: action
      ● All (Deny): applies

    To allow it, add to a policy of role web:
      {
        "Effect": "Allow",
        "Action": "dynamodb:GetItem",
        "Resource": "arn:aws:dynamodb:eu-west-1:000000000000:table/songs"
      }
`
	if out.String() != want {
		t.Errorf("printed\n%s", out.String())
	}
}

func TestWhyOther(t *testing.T) {
	for name, c := range map[string]struct {
		change func(e *trailEvent)
		want   []string
	}{
		"allowed": {func(e *trailEvent) {
			e.ErrorCode = ""
			e.Additional.Decisions = []trailDecision{{Action: "a:B", Resource: "*", Allowed: true, By: "identity-based policy", Source: "p", Statement: "Sid"}}
		}, []string{"ALLOWED dynamodb:GetItem", "✓ a:B\n    allowed by an identity-based policy p, Sid\n"}},
		"root": {func(e *trailEvent) {
			e.ErrorCode, e.UserIdentity = "", trailIdentity{Type: "Root", AccountID: "000000000000"}
			e.Additional.Decisions = []trailDecision{{Action: "a:B", Resource: "*", Allowed: true}}
		}, []string{"root of 000000000000", "the root user needs no policy"}},
		"explicit": {func(e *trailEvent) {
			d := &e.Additional.Decisions[0]
			d.Remedy, d.Source, d.Statement, d.Evaluation = "", "p", "All", "denied with an explicit deny in a policy: p, All\n"
		}, []string{"the explicit deny has to go or to be narrowed: All of p."}},
		"passed": {func(e *trailEvent) {
			e.ErrorCode, e.Additional.Passed, e.Additional.Decisions[0].Passed = "", true, true
		}, []string{"WOULD BE DENIED", "let pass, since policies are only watched"}},
		"failed":    {func(e *trailEvent) { e.ErrorCode, e.Additional.Decisions = "ValidationException", nil }, []string{"FAILED dynamodb:GetItem", "No policy was asked: the operation needs"}},
		"by itself": {func(e *trailEvent) { e.Additional.Decisions = nil }, []string{"No policy was asked: the service itself refused."}},
		"foreign":   {func(e *trailEvent) { e.Additional.Decisions[0].Evaluation = "" }, []string{"is for the caller's own account to see"}},
		"foreign, in part": {func(e *trailEvent) {
			e.Additional.Decisions[0].Remedy, e.Additional.Decisions[0].Evaluation = "", "denied because\npolicies of another account\n  (not shown)\n"
		}, []string{"    policies of another account\n      (not shown)\n", "What would allow it is for the caller's account to see."}},
		"within":     {func(e *trailEvent) { e.Additional.Within, e.SourceIPAddress = true, "lambda.amazonaws.com" }, []string{"from     lambda.amazonaws.com  a call from one service to another"}},
		"no policy":  {func(e *trailEvent) { e.Additional.Decisions[0].Evaluation = "denied because\n" }, []string{"there is no policy that says anything"}},
		"trust":      {func(e *trailEvent) { e.Additional.Decisions[0].By = "role trust policy" }, []string{"add to the trust policy of arn:"}},
		"boundary":   {func(e *trailEvent) { e.Additional.Decisions[0].By = "permissions boundary" }, []string{"add to the permissions boundary of role web"}},
		"scp":        {func(e *trailEvent) { e.Additional.Decisions[0].By = "service control policy" }, []string{"on every level above account 000000000000"}},
		"not a JSON": {func(e *trailEvent) { e.Additional.Decisions[0].Remedy = "{" }, []string{"      {\n"}},
	} {
		e := readEvent(t, eventText)
		c.change(e)
		var out strings.Builder
		whyPrinter{&out}.event(e)
		for _, w := range c.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: no %q in\n%s", name, w, out.String())
			}
		}
	}
	for _, key := range []string{"AKIA", "000000000000"} {
		if err := unknownRequest("r1", key); !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "tule why r1 --account") {
			t.Error(err)
		}
	}
}

func TestAuditLine(t *testing.T) {
	e := readEvent(t, eventText)
	want := "2026-01-02T03:04:05Z  DENIED      role web (session s1)  dynamodb:GetItem  on arn:aws:dynamodb:eu-west-1:000000000000:table/songs  from 192.0.2.1  r1"
	if got := auditLine(&strings.Builder{}, e); got != want {
		t.Error(got)
	}
	e.Additional.Decisions, e.ErrorCode, e.Resources = nil, "ResourceNotFoundException", append(e.Resources, e.Resources...)
	if got := auditLine(&strings.Builder{}, e); !strings.Contains(got, "failed      ") || !strings.HasSuffix(got, "r1  ResourceNotFoundException") || !strings.Contains(got, "(and 1 more)") {
		t.Error(got)
	}
	e.ErrorCode, e.Additional.Passed, e.Resources = "", true, nil
	if got := auditLine(&strings.Builder{}, e); !strings.Contains(got, "would deny  ") || !strings.Contains(got, "on -") {
		t.Error(got)
	}
}

func TestWho(t *testing.T) {
	for want, i := range map[string]trailIdentity{
		"user ann":                  {Type: "IAMUser", AccountID: "0", ARN: "arn:aws:iam::0:user/staff/ann"},
		"federated user guest":      {Type: "FederatedUser", AccountID: "0", ARN: "arn:aws:sts::0:federated-user/guest"},
		"lambda.amazonaws.com":      {Type: "AWSService", InvokedBy: "lambda.amazonaws.com"},
		"account 111111111111 AIDA": {Type: "AWSAccount", AccountID: "111111111111", PrincipalID: "AIDA"},
		"WebIdentityUser sub":       {Type: "WebIdentityUser", UserName: "sub"},
	} {
		if got := i.who(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestByTime(t *testing.T) {
	at := func(id string, s int) trailEvent {
		return trailEvent{EventID: id, EventTime: time.Unix(int64(s), 0)}
	}
	events := []trailEvent{at("d", 3), at("c", 2), at("b", 2), at("a", 1)}
	byTime(events)
	got := ""
	for _, e := range events {
		got += e.EventID
	}
	if got != "abcd" {
		t.Error(got)
	}
}
