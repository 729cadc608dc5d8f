package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
)

// manyUses are of all sorts: names with wildcards in them, patterns, no resource.
var manyUses = []aws.Use{
	{Action: "dynamodb:GetItem", Resource: "arn:aws:dynamodb:us-east-1:000000000000:table/songs"},
	{Action: "dynamodb:PutItem", Resource: "arn:aws:dynamodb:us-east-1:000000000000:table/songs"},
	{Action: "dynamodb:Query", Resource: "arn:aws:dynamodb:us-east-1:000000000000:table/songs/index/by"},
	{Action: "dynamodb:ListTables", Resource: "*"},
	{Action: "iam:PassRole", Resource: "arn:aws:iam::000000000000:role/service/web"},
	{Action: "lambda:CreateFunction", Resource: "arn:aws:lambda:us-east-1:000000000000:function:f"},
	{Action: "lambda:CreateFunction", Resource: "arn:aws:lambda:us-east-1:000000000000:function:g"},
	{Action: "logs:PutLogEvents", Resource: "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:log-stream:2026/01/02/*", Wide: true},
	{Action: "execute-api:Invoke", Resource: "arn:aws:execute-api:us-east-1:000000000000:a1/prod/GET/a*b?c$d"},
	{Action: "iam:ListUsers", Resource: "arn:aws:iam::000000000000:user/"},
}

func least(t testing.TB, uses []aws.Use) string {
	t.Helper()
	text, err := leastPolicy(uses)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// allows asks a policy about one access.
func allows(t testing.TB, text, action, resource string) bool {
	t.Helper()
	doc, err := policy.Parse(text)
	if err == nil {
		err = doc.Validate(policy.Rules{Kind: policy.Identity, MaxSize: 6144, IgnoreSpace: true, Require2012: true})
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	set := policy.Set{Identity: []policy.Source{{ID: "p", Policy: policy.Compile(doc)}}}
	q := policy.Request{Action: action, Resource: resource, ResourceAccount: "000000000000",
		Principal: policy.Principal{Type: policy.User, ARN: "arn:aws:iam::000000000000:user/ann", AccountID: "000000000000", UserID: "AIDA"}}
	return policy.Evaluate(&q, &set).Allowed
}

func TestLeastPolicyText(t *testing.T) {
	want := `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Dynamodb",
      "Effect": "Allow",
      "Action": [
        "dynamodb:GetItem",
        "dynamodb:PutItem"
      ],
      "Resource": [
        "arn:aws:dynamodb:us-east-1:000000000000:table/songs"
      ]
    },
    {
      "Sid": "Dynamodb2",
      "Effect": "Allow",
      "Action": [
        "dynamodb:ListTables"
      ],
      "Resource": [
        "*"
      ]
    }
  ]
}
`
	if got := least(t, []aws.Use{manyUses[3], manyUses[1], manyUses[0], manyUses[1]}); got != want {
		t.Errorf("%s", got)
	}
}

// The policy allows everything that was done and, without any one of its actions or
// resources, no longer does; what is next to it, it does not allow.
func TestLeastPolicy(t *testing.T) {
	text := least(t, manyUses)
	for _, u := range manyUses {
		resource := strings.ReplaceAll(u.Resource, "/02/*", "/02/[$LATEST]x")
		if !allows(t, text, u.Action, resource) {
			t.Errorf("%s on %s is not allowed", u.Action, resource)
		}
	}
	for _, not := range [][2]string{
		{"dynamodb:DeleteItem", manyUses[0].Resource}, {"dynamodb:GetItem", manyUses[0].Resource + "2"}, {"dynamodb:Query", manyUses[0].Resource},
		{"iam:PassRole", "arn:aws:iam::000000000000:role/service/other"}, {"lambda:CreateFunction", "arn:aws:lambda:us-east-1:000000000000:function:h"},
		{"logs:PutLogEvents", "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:log-stream:2026/01/03/x"},
		{"execute-api:Invoke", "arn:aws:execute-api:us-east-1:000000000000:a1/prod/GET/aXbYc$d"}, {"execute-api:Invoke", "arn:aws:execute-api:us-east-1:000000000000:a1/prod/GET/ab?c$d"},
		{"iam:ListUsers", "arn:aws:iam::000000000000:user/ann"},
	} {
		if allows(t, text, not[0], not[1]) {
			t.Errorf("%s on %s is allowed", not[0], not[1])
		}
	}
	for i, gone := range manyUses {
		rest := append(append([]aws.Use{}, manyUses[:i]...), manyUses[i+1:]...)
		if allows(t, least(t, rest), gone.Action, strings.ReplaceAll(gone.Resource, "/02/*", "/02/x")) {
			t.Errorf("without %s on %s it is allowed still", gone.Action, gone.Resource)
		}
	}
}

// Whatever was used, the policy is one, and allows it.
func FuzzLeastPolicy(f *testing.F) {
	f.Add("dynamodb:GetItem", "table/songs", false)
	f.Add("x-y:Do", "a*b?${c}", true)
	f.Fuzz(func(t *testing.T, action, name string, wide bool) {
		service, operation, _ := strings.Cut(action, ":")
		if service == "" || operation == "" || strings.Trim(action, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:") != "" || strings.Count(action, ":") != 1 {
			t.Skip() // not made by a guard
		}
		if !json.Valid([]byte(fmt.Sprintf("%q", name))) || name == "" || len(name) > 2000 {
			t.Skip()
		}
		u := aws.Use{Action: action, Resource: "arn:aws:" + strings.ToLower(service) + ":us-east-1:000000000000:" + name, Wide: wide}
		done := u.Resource
		if wide {
			u.Resource += "*"
		}
		if !allows(t, least(t, []aws.Use{u}), u.Action, done) {
			t.Fatalf("%+v is not allowed by %s", u, least(t, []aws.Use{u}))
		}
	})
}

func TestCheckPolicy(t *testing.T) {
	for text, want := range map[string]string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`:    "",
		"{\"Version\":\"2012-10-17\",\n  \"Statement\":[{\"Effect\":\"Alow\",\"Action\":\"s3:*\"}]}":  "f:2:26: Syntax errors in policy. Effect must be Allow or Deny",
		"{\"Version\":\"2012-10-17\",\n  \"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\"}]}": "f:2:16: Policy statement must contain resources.",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3","Resource":"*"}]}`:      "f:1:38: Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
		`{`: "f:1:2: Syntax errors in policy.",
	} {
		err := checkPolicy("f", text, checked["identity"])
		if got := fmt.Sprint(err); err != nil && !strings.HasPrefix(got, want) || (err == nil) != (want == "") {
			t.Errorf("%s\n%v", text, err)
		}
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	if err := checkPolicy("f", trust, checked["trust"]); err != nil {
		t.Error(err)
	}
	if err := checkPolicy("f", trust, checked["identity"]); err == nil {
		t.Error("a trust policy is an identity policy")
	}
	name := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(name, []byte(trust), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, in := range map[string]string{name: "", "-": trust} {
		if got, err := readPolicy(from, strings.NewReader(in)); err != nil || got != trust {
			t.Errorf("%s: %q, %v", from, got, err)
		}
	}
	if _, err := readPolicy(name+"x", nil); err == nil {
		t.Error("a file that is not there was read")
	}
}
