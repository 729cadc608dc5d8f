package sts_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"html"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	iamapi "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/api/logs"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/front"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/iam"
	"github.com/tule-cloud/tule/svc/sts"
	"github.com/tule-cloud/tule/wire/sigv4"
)

// identity is who the door asks, as main puts it together.
type identity struct {
	iam *iam.Service
	sts *sts.Service
}

func (i identity) Key(ctx context.Context, id, token string) (string, aws.Caller, error) {
	if strings.HasPrefix(id, "ASIA") {
		return i.sts.Key(ctx, id, token)
	}
	return i.iam.Key(ctx, id, token)
}

func (i identity) Policies(ctx context.Context, c *aws.Caller) (policy.Set, error) {
	return i.iam.Policies(ctx, c)
}

// world is a door with IAM and STS behind it, and log groups to be let at.
type world struct {
	t     testing.TB
	store *store.Pebble
	clock *aws.ManualClock
	iam   *iam.Service
	sts   *sts.Service
	front *front.Front

	providers *providers
}

// someone signs with credentials; the zero someone is a stranger, root of 111111111111.
type someone struct {
	*world
	id, secret, token string
}

func newWorld(t testing.TB) *world {
	clock := aws.NewManualClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	keys := seal.New([32]byte{1}, rand.Reader)
	w := &world{t: t, clock: clock, store: store.Memory(clock), providers: newProviders()}
	t.Cleanup(func() { w.store.Close() })
	w.iam = iam.New(iam.Options{Store: w.store, Clock: clock, Random: rand.Reader, Keys: keys})
	w.sts = sts.New(sts.Options{Clock: clock, Random: rand.Reader, Keys: keys, Roles: governing{w.iam}, Outbound: w.iam, Store: w.store,
		Place: func(_ context.Context, account string) (string, string, error) {
			if account == prod {
				return "o-example", "o-example/r-root/", nil
			}
			return "", "", nil
		},
		Providers: w.providers, IssuerKeys: w.providers.registered, Fetch: w.providers.fetch})
	w.front = front.New(front.Options{Clock: clock, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler),
		Identity: identity{w.iam, w.sts}, Audit: w.iam, Mode: front.Enforce, Keys: keys, TrustUnknown: true})
	guard := func(ctx context.Context, in *logs.CreateLogGroupRequest) ([]aws.Access, error) {
		return []aws.Access{{Resource: aws.RequestOf(ctx).ARN("logs", "log-group:"+*in.LogGroupName)}}, nil
	}
	create := func(context.Context, *logs.CreateLogGroupRequest) (*aws.Empty, error) { return nil, nil }
	w.front.Add(front.Service{Model: logs.Service, Operations: logs.Operations(), Routes: []aws.Route{logs.CreateLogGroup.To(create, guard)}})
	w.front.Add(front.Service{Model: iamapi.Service, Operations: iamapi.Operations(), Routes: w.iam.Routes()})
	w.front.Add(front.Service{Model: stsapi.Service, Operations: stsapi.Operations(), Routes: w.sts.Routes()}, w.sts.Planes()...)
	return w
}

// governing is an IAM in which account prod governs an organization that poc is in.
type governing struct{ *iam.Service }

func (governing) RootSessions(_ context.Context, account, member string) (bool, error) {
	return account == prod && member == poc, nil
}

// root is a stranger, whom the door takes for the root of an account.
func (w *world) root(account string) someone { return someone{w, account, "any", ""} }

// stranger signs nothing.
func (w *world) stranger() someone { return someone{world: w} }

// call signs and sends a query with the parameters name, value, name, value …
func (s someone) call(model *aws.Service, action string, params ...string) (int, string) {
	form := url.Values{"Action": {action}, "Version": {model.APIVersion}}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	return s.send(model.SigningName, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

func (s someone) send(service, body string, header ...string) (int, string) {
	r := httptest.NewRequest("POST", "http://localhost:4566/", strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	sum := sha256.Sum256([]byte(body))
	if s.id != "" {
		sigv4.Sign(r, sigv4.Credentials{AccessKeyID: s.id, Secret: s.secret, Token: s.token}, "us-east-1", service, hex.EncodeToString(sum[:]), s.clock.Now())
	}
	rec := httptest.NewRecorder()
	s.front.ServeHTTP(rec, r)
	return rec.Code, html.UnescapeString(rec.Body.String())
}

// must is call for what has to succeed.
func (s someone) must(model *aws.Service, action string, params ...string) string {
	s.t.Helper()
	code, body := s.call(model, action, params...)
	if code != 200 {
		s.t.Fatalf("%s: %d %s", action, code, body)
	}
	return body
}

// write tries to make a log group, which the tests' policies are about.
func (s someone) write(group string) string {
	_, body := s.send("logs", `{"logGroupName":"`+group+`"}`, "Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", "Logs_20140328.CreateLogGroup")
	return body
}

// writes checks that a log group can be made, or why not.
func (s someone) writes(group, want string) {
	s.t.Helper()
	got := s.write(group)
	if want == "" && got != "" || !strings.Contains(got, want) {
		s.t.Errorf("writing %s: %q; want %q", group, got, want)
	}
}

func element(body, name string) string {
	m := regexp.MustCompile("<" + name + ">([^<]*)</" + name + ">").FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return m[1]
}

// holder is who holds the credentials in an answer.
func (w *world) holder(body string) someone {
	return someone{w, element(body, "AccessKeyId"), element(body, "SecretAccessKey"), element(body, "SessionToken")}
}

// user makes a user with a policy, or none, and an access key.
func (s someone) user(name, document string) someone {
	s.t.Helper()
	s.must(iamapi.Service, "CreateUser", "UserName", name)
	if document != "" {
		s.must(iamapi.Service, "PutUserPolicy", "UserName", name, "PolicyName", "own", "PolicyDocument", document)
	}
	return s.holder(s.must(iamapi.Service, "CreateAccessKey", "UserName", name))
}

func (s someone) role(name, trust, document string) {
	s.t.Helper()
	s.must(iamapi.Service, "CreateRole", "RoleName", name, "AssumeRolePolicyDocument", trust)
	if document != "" {
		s.must(iamapi.Service, "PutRolePolicy", "RoleName", name, "PolicyName", "own", "PolicyDocument", document)
	}
}

func (s someone) assume(role string, params ...string) someone {
	s.t.Helper()
	return s.holder(s.must(stsapi.Service, "AssumeRole", append([]string{"RoleArn", role, "RoleSessionName", "test"}, params...)...))
}

// cannotAssume checks that a role is refused, with a code and part of a message.
func (s someone) cannotAssume(role, want string, params ...string) {
	s.t.Helper()
	code, body := s.call(stsapi.Service, "AssumeRole", append([]string{"RoleArn", role, "RoleSessionName", "test"}, params...)...)
	if code == 200 || !strings.Contains(body, want) {
		s.t.Errorf("assuming %s: %d %s; want %q", role, code, body, want)
	}
}

func allow(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}]}`
}

func trust(principal string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}]}`
}
