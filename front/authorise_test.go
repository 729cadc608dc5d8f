package front

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/seal"
)

// journal is an auditor that remembers.
type journal struct{ events []aws.Event }

func (j *journal) Record(_ context.Context, e *aws.Event) {
	c := *e
	c.Decisions = slices.Clone(e.Decisions)
	j.events = append(j.events, c)
}

// registry says where accounts stand.
type registry map[string]Place

func (r registry) PlaceOf(_ context.Context, account string) (Place, error) {
	if account == "666666666666" {
		return Place{}, errors.New("unreadable")
	}
	return r[account], nil
}

// everyone has one identity policy.
type everyone string

func (e everyone) Key(context.Context, string, string) (string, aws.Caller, error) {
	return "", aws.Caller{}, aws.ErrUnknownKey
}

func (e everyone) Policies(context.Context, *aws.Caller) (policy.Set, error) {
	return policy.Set{Identity: sources(string(e))}, nil
}

func sources(documents ...string) []policy.Source {
	var out []policy.Source
	for _, d := range documents {
		p, err := compiled.Get(d)
		if err != nil {
			panic(err)
		}
		out = append(out, policy.Source{ID: "p", Policy: p})
	}
	return out
}

const (
	allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	denyLogs = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"logs:*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	ofA      = "arn:aws:logs:eu-west-1:111111111111:log-group:a"
)

// when is a policy that allows everything under one condition.
func when(condition string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{` + condition + `}}}`
}

func user() aws.Caller {
	return aws.Caller{Kind: aws.User, Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/ann", UserID: "AIDAANN"}
}

func allowed(t *testing.T, o Options, r aws.Request, need aws.Access) error {
	t.Helper()
	f, _ := door(t, func(d *Options) {
		if d.Identity = o.Identity; o.Identity == nil {
			d.Identity = everyone(allowAll)
		}
		d.Organizations, d.Audit, d.Keys, d.Mode = o.Organizations, o.Audit, o.Keys, Enforce
		if o.Mode != "" {
			d.Mode = o.Mode
		}
	})
	if need.Action == "" {
		need.Action = "logs:CreateLogGroup"
	}
	if need.Resource == "" {
		need.Resource = ofA
	}
	return f.Allow(aws.WithRequest(t.Context(), &r), need)
}

// TestConditionKeys asks for each global key that a request can have.
func TestConditionKeys(t *testing.T) {
	ann := user()
	session := aws.Caller{Kind: aws.AssumedRole, Account: "111111111111", ARN: "arn:aws:sts::111111111111:assumed-role/R/s", UserID: "AROAR:s",
		Role: "arn:aws:iam::111111111111:role/R", IssuedAt: now.Add(-time.Minute), MFAAt: now.Add(-90 * time.Second), SourceIdentity: "ann",
		Tags: map[string]string{"Team": "blue"}, Provider: "accounts.google.com", Keys: map[string][]string{"accounts.google.com:aud": {"app"}}}
	service := aws.ServiceCaller("sns.amazonaws.com", "222222222222", "arn:aws:sns:eu-west-1:222222222222:t")
	base := aws.Request{Caller: ann, Region: "eu-west-1", Time: now, SourceIP: "10.1.2.3", UserAgent: "test/1", Referer: "https://example.com/x", Secure: true,
		Via: []string{"a.amazonaws.com", "b.amazonaws.com"}}
	by := func(c aws.Caller) aws.Request { r := base; r.Caller = c; return r }
	org := registry{
		"111111111111": {ID: "o-1", Path: "o-1/r-1/ou-1/"},
		"222222222222": {ID: "o-2", Path: "o-2/r-2/"},
	}
	tagged := aws.Access{Tags: func(context.Context) (map[string]string, error) { return map[string]string{"Env": "prod"}, nil },
		Keys: map[string][]string{"aws:RequestTag/Cost": {"7"}, "aws:TagKeys": {"Cost", "Env"}, "logs:LogGeneratingResourceArns": {"x"}}}
	for _, c := range []struct {
		condition string
		request   aws.Request
		need      aws.Access
	}{
		{`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, base, aws.Access{}},
		{`"StringEquals":{"aws:UserAgent":"test/1"}`, base, aws.Access{}},
		{`"StringLike":{"aws:Referer":"https://example.com/*"}`, base, aws.Access{}},
		{`"Bool":{"aws:SecureTransport":"true"}`, base, aws.Access{}},
		{`"DateEquals":{"aws:CurrentTime":"2026-01-02T03:04:05Z"}`, base, aws.Access{}},
		{`"NumericEquals":{"aws:EpochTime":"1767323045"}`, base, aws.Access{}},
		{`"StringEquals":{"aws:RequestedRegion":"eu-west-1"}`, base, aws.Access{}},
		{`"StringEquals":{"aws:ResourceAccount":"111111111111"}`, base, aws.Access{}},
		{`"StringEquals":{"aws:ResourceAccount":"111111111111"}`, base, aws.Access{Resource: "*"}},
		{`"Bool":{"aws:ViaAWSService":"true"}`, base, aws.Access{}},
		{`"ForAllValues:StringLike":{"aws:CalledVia":"*.amazonaws.com"},"Null":{"aws:CalledVia":"false"}`, base, aws.Access{}},
		{`"StringEquals":{"aws:CalledViaFirst":"a.amazonaws.com","aws:CalledViaLast":"b.amazonaws.com"}`, base, aws.Access{}},
		{`"StringEquals":{"aws:PrincipalArn":"arn:aws:iam::111111111111:user/ann","aws:username":"ann","aws:userid":"AIDAANN","aws:PrincipalType":"User","aws:PrincipalAccount":"111111111111"}`, base, aws.Access{}},
		{`"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111111111111:role/R"}`, by(session), aws.Access{}},
		{`"StringEquals":{"aws:PrincipalTag/team":"blue"}`, by(session), aws.Access{}},
		{`"StringEquals":{"aws:SourceIdentity":"ann","aws:FederatedProvider":"accounts.google.com","accounts.google.com:aud":"app"}`, by(session), aws.Access{}},
		{`"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericEquals":{"aws:MultiFactorAuthAge":"90"}`, by(session), aws.Access{}},
		{`"Null":{"aws:MultiFactorAuthPresent":"true","aws:MultiFactorAuthAge":"true","aws:TokenIssueTime":"true"}`, base, aws.Access{}},
		{`"DateLessThan":{"aws:TokenIssueTime":"2026-01-02T03:04:05Z"}`, by(session), aws.Access{}},
		{`"StringEquals":{"aws:PrincipalOrgID":"o-1","aws:ResourceOrgID":"o-1"}`, base, aws.Access{}},
		{`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-1/*/ou-1/*","aws:ResourceOrgPaths":"o-1/*"}`, base, aws.Access{}},
		{`"StringEquals":{"aws:ResourceTag/env":"prod","logs:ResourceTag/Env":"prod"}`, base, tagged},
		{`"StringEquals":{"aws:RequestTag/cost":"7"},"ForAllValues:StringEquals":{"aws:TagKeys":["Cost","Env"]}`, base, tagged},
		{`"StringEquals":{"logs:loggeneratingresourcearns":"x"}`, base, tagged},
	} {
		if err := allowed(t, Options{Identity: everyone(when(c.condition)), Organizations: org}, c.request, c.need); err != nil {
			t.Errorf("%s: %v", c.condition, err)
		}
	}
	for _, condition := range []string{
		`"ArnEquals":{"aws:SourceArn":"arn:aws:sns:eu-west-1:222222222222:t"},"StringEquals":{"aws:SourceAccount":"222222222222","aws:SourceOrgID":"o-2","aws:PrincipalServiceName":"sns.amazonaws.com"}`,
		`"Bool":{"aws:PrincipalIsAWSService":"true"},"ForAnyValue:StringEquals":{"aws:SourceOrgPaths":"o-2/r-2/","aws:PrincipalServiceNamesList":"sns.amazonaws.com"}`,
		`"Null":{"aws:SourceIp":"true","aws:PrincipalOrgID":"true"}`,
	} {
		text := strings.Replace(when(condition), `"Action"`, `"Principal":{"Service":"sns.amazonaws.com"},"Action"`, 1)
		need := aws.Access{Policy: func(context.Context) (string, error) { return text, nil }}
		if err := allowed(t, Options{Organizations: org}, by(service), need); err != nil {
			t.Errorf("of a service, %s: %v", condition, err)
		}
	}
}

// TestUnreadable shows that what cannot be looked up is not allowed.
func TestUnreadable(t *testing.T) {
	broken := errors.New("the disk")
	need := aws.Access{Tags: func(context.Context) (map[string]string, error) { return nil, broken }}
	o := Options{Identity: everyone(when(`"StringNotEquals":{"aws:ResourceTag/env":"prod"}`))}
	if err := allowed(t, o, aws.Request{Caller: user()}, need); !errors.Is(err, broken) {
		t.Errorf("tags that cannot be read: %v", err)
	}
	if err := allowed(t, Options{}, aws.Request{Caller: user()}, need); err != nil {
		t.Errorf("tags that nobody asks for were read: %v", err)
	}
	if err := allowed(t, Options{Organizations: registry{}}, aws.Request{Caller: user()}, aws.Access{Account: "666666666666"}); err == nil {
		t.Error("allowed, though the organization of the resource cannot be read")
	}
}

func TestOrganizations(t *testing.T) {
	org := registry{"111111111111": {ID: "o-1", SCPs: [][]policy.Source{sources(denyLogs)}}, "222222222222": {RCPs: [][]policy.Source{sources(strings.ReplaceAll(denyLogs, `"Action"`, `"Principal":"*","Action"`))}}}
	linked := aws.Caller{Kind: aws.AssumedRole, Account: "111111111111", ARN: "arn:aws:sts::111111111111:assumed-role/L/s", Role: "arn:aws:iam::111111111111:role/aws-service-role/x.amazonaws.com/L"}
	root := aws.Caller{Kind: aws.Root, Account: "111111111111", ARN: "arn:aws:iam::111111111111:root"}
	free := aws.Caller{Kind: aws.User, Account: "222222222222", ARN: "arn:aws:iam::222222222222:user/bob"}
	for _, c := range []struct {
		name   string
		caller aws.Caller
		need   aws.Access
		want   string
	}{
		{"a user", user(), aws.Access{}, "with an explicit deny in a service control policy"},
		{"root", root, aws.Access{}, "with an explicit deny in a service control policy"},
		{"another action", user(), aws.Access{Action: "sqs:SendMessage"}, ""},
		{"a service-linked role", linked, aws.Access{}, ""},
		{"of a resource's account", free, aws.Access{Resource: "arn:aws:logs:eu-west-1:222222222222:log-group:a"}, "with an explicit deny in a resource control policy"},
	} {
		err := allowed(t, Options{Organizations: org}, aws.Request{Caller: c.caller}, c.need)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestAs shows that a trust policy is asked about whom a token speaks of.
func TestAs(t *testing.T) {
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"accounts.google.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"accounts.google.com:aud":"app"}}}}`
	need := aws.Access{Action: "sts:AssumeRoleWithWebIdentity", Resource: "arn:aws:iam::111111111111:role/R", Trust: true,
		Policy: func(context.Context) (string, error) { return trust, nil },
		As:     &aws.Caller{Kind: aws.WebIdentity, Provider: "accounts.google.com", Keys: map[string][]string{"accounts.google.com:aud": {"app"}}}}
	anonymous := aws.Request{Caller: aws.Caller{Kind: aws.Anonymous}}
	if err := allowed(t, Options{}, anonymous, need); err != nil {
		t.Error(err)
	}
	need.As = &aws.Caller{Kind: aws.WebIdentity, Provider: "accounts.google.com", Keys: map[string][]string{"accounts.google.com:aud": {"other"}}}
	if err := allowed(t, Options{}, anonymous, need); err == nil {
		t.Error("another audience was let in")
	}
	need.As = nil
	if err := allowed(t, Options{}, aws.Request{Caller: user()}, need); err == nil {
		t.Error("a user was let in in the provider's stead")
	}
}

func TestEvents(t *testing.T) {
	var j journal
	f, _ := door(t, func(o *Options) { o.Audit = &j })
	createGroup("a", "AKIAONLYA00000000000").send(f)
	createGroup("b", "AKIAONLYA00000000000").send(f)
	createGroup("taken", "111111111111").send(f)
	createGroup("a", "").send(f) // nobody, and so nothing to account for
	ctx := aws.WithRequest(t.Context(), &aws.Request{ID: "within", Caller: user()})
	if _, err := logs.CreateLogGroup.Do(ctx, f, &logs.CreateLogGroupRequest{LogGroupName: new("c")}); err == nil {
		t.Error("a caller without policies was allowed")
	}
	if len(j.events) != 4 {
		t.Fatalf("%d events", len(j.events))
	}
	first, denied, failed, within := j.events[0], j.events[1], j.events[2], j.events[3]
	if d := first.Decisions[0]; !d.Allowed || d.By != "identity-based policy" || d.Source != "inline" || d.Statement.Name() != "statement 1" || d.Explanation != "" ||
		first.Err != nil || first.Op.Name != "CreateLogGroup" || first.In.(*logs.CreateLogGroupRequest) == nil || first.Within {
		t.Errorf("allowed: %+v", first)
	}
	d := denied.Decisions[0]
	if d.Allowed || d.Passed || !strings.Contains(d.Message, "is not authorized to perform: logs:CreateLogGroup") || denied.Err.Code != "AccessDeniedException" ||
		!strings.Contains(d.Explanation, "no match: resource") || !strings.Contains(d.Remedy, `"Action":"logs:CreateLogGroup","Resource":"arn:aws:logs:eu-west-1:111111111111:log-group:b"`) {
		t.Errorf("denied: %+v", denied)
	}
	if failed.Err == nil || failed.Err.Code != "ResourceAlreadyExistsException" || !failed.Decisions[0].Allowed {
		t.Errorf("failed: %+v", failed)
	}
	if !within.Within || within.Err == nil || within.Request.ID != "within" {
		t.Errorf("within: %+v", within)
	}
}

func TestWatchedOnly(t *testing.T) {
	var j journal
	f, _ := door(t, func(o *Options) { o.Audit, o.Mode = &j, Audit })
	if w := createGroup("b", "AKIAONLYA00000000000").send(f); w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	if d := j.events[0].Decisions[0]; d.Allowed || !d.Passed || d.Remedy == "" {
		t.Errorf("%+v", d)
	}
}

// TestMessage opens what a denial carries.
func TestMessage(t *testing.T) {
	keys := seal.New([32]byte{1}, rand.Reader)
	f, _ := door(t, func(o *Options) { o.Keys = keys })
	w := createGroup("b", "AKIAONLYA00000000000").send(f)
	sealed, err := base64.StdEncoding.DecodeString(w.Header().Get(denialHeader))
	if err != nil || len(sealed) == 0 {
		t.Fatalf("%v, %q", err, w.Header())
	}
	box := keys.For(MessagePurpose)
	if _, err := box.Open(sealed, "222222222222"); err == nil {
		t.Error("another account opens it")
	}
	deflated, err := box.Open(sealed, "111111111111")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
	if err != nil {
		t.Fatal(err)
	}
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	if m.Allowed || m.ExplicitDeny || m.Context.Action != "logs:CreateLogGroup" || m.Context.Principal.ARN != "arn:aws:iam::111111111111:user/akiaonlya00000000000" ||
		len(m.Context.Conditions.Items) != 1 || m.Context.Conditions.Items[0].Values.Items[0].Value != "eu-west-1" {
		t.Errorf("%s", text)
	}
	if createGroup("a", "AKIAONLYA00000000000").send(f).Header().Get(denialHeader) != "" {
		t.Error("an answer that is no denial carries a message")
	}
}

func TestRegions(t *testing.T) {
	f, _ := door(t, nil)
	host := func(h, region string) ask {
		return with(createGroup("a", "111111111111"), func(a *ask) { a.header["Host"], a.region = h, region })
	}
	for _, c := range []struct {
		name   string
		ask    ask
		status int
		want   string
	}{
		{"localhost serves all", host("localhost:4566", "ap-southeast-1"), 200, ""},
		{"the host's own", host("logs.eu-west-1.amazonaws.com", "eu-west-1"), 200, ""},
		{"another than the host's", host("logs.eu-west-1.amazonaws.com", "us-east-1"), 400, "Credential should be scoped to a valid region, not 'us-east-1'."},
		{"the same, LocalStack's way", host("logs.eu-west-1.localhost.localstack.cloud:4566", "us-east-1"), 400, "not 'us-east-1'"},
		{"a host without region", host("logs.localhost.localstack.cloud:4566", "eu-west-1"), 200, ""},
		{"a global host", host("iam.amazonaws.com", "eu-west-1"), 400, "not 'eu-west-1'"},
		{"a region that is none", host("localhost:4566", "eu-west-9"), 400, "AWS has no such region"},
		{"no region at all", host("localhost:4566", "x"), 400, "valid region"},
	} {
		w := c.ask.send(f)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
	f, _ = door(t, func(o *Options) { o.AnyRegion = true })
	if w := host("localhost:4566", "eu-west-9").send(f); w.Code != 200 {
		t.Errorf("with any region: %d %s", w.Code, w.Body)
	}
}
