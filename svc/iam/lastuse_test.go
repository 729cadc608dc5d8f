package iam

import (
	"context"
	"runtime"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/seal"
)

// house is a service on an empty store, and a context of root's.
func house(t testing.TB) (*Service, *script.House, context.Context) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	return New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Keys: seal.New([32]byte{1}, h.Random)}), h, h.Context(t.Context())
}

func ptr[T any](v T) *T { return &v }

// newUser makes a user with an access key.
func newUser(t testing.TB, s *Service, ctx context.Context, name string) *api.AccessKey {
	t.Helper()
	if _, err := s.createUser(ctx, &api.CreateUserRequest{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	out, err := s.createAccessKey(ctx, &api.CreateAccessKeyRequest{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return out.AccessKey
}

// signed is a call of a service that was signed with a key.
func signed(t *testing.T, s *Service, ctx context.Context, id, service string) {
	t.Helper()
	_, c, err := s.Key(ctx, id, "")
	if err != nil {
		t.Fatal(err)
	}
	c.AccessKeyID = id
	s.Record(ctx, &aws.Event{Request: &aws.Request{Caller: c, Region: aws.RequestOf(ctx).Region, Service: service}})
}

// Last uses are written once a minute, outlive the service, and end with the key.
func TestRun(t *testing.T) {
	s, h, ctx := house(t)
	k, gone := newUser(t, s, ctx, "anna"), newUser(t, s, ctx, "bert")
	for _, id := range []string{*k.AccessKeyId, *gone.AccessKeyId} {
		signed(t, s, ctx, id, "")
	}
	if _, err := s.deleteAccessKey(ctx, &api.DeleteAccessKeyRequest{UserName: ptr("bert"), AccessKeyId: gone.AccessKeyId}); err != nil {
		t.Fatal(err)
	}

	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.Run(running) }()
	for h.Clock.Timers() == 0 {
		runtime.Gosched()
	}
	h.Clock.Advance(flushEvery)
	for h.Clock.Timers() == 0 {
		runtime.Gosched()
	}
	again := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Keys: seal.New([32]byte{1}, h.Random)})
	last, err := again.lastUse(ctx, "000000000000", *k.AccessKeyId)
	if want := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC); err != nil || !last.At.Equal(want) || last.Region != "" {
		t.Errorf("%+v, %v; want %v", last, err, want)
	}
	if last, err := again.lastUse(ctx, "000000000000", *gone.AccessKeyId); err != nil || !last.At.IsZero() {
		t.Errorf("%+v, %v of a key that is gone", last, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := s.flush(ctx); err != nil { // what did not come again is forgotten
		t.Fatal(err)
	}
	if n := len(s.uses.recent); n != 0 {
		t.Errorf("%d uses are kept", n)
	}
}

func TestKey(t *testing.T) {
	s, _, ctx := house(t)
	k := newUser(t, s, ctx, "anna")
	secret, c, err := s.Key(ctx, *k.AccessKeyId, "")
	if err != nil || secret != *k.SecretAccessKey || c.Kind != aws.User || c.ARN != "arn:aws:iam::000000000000:user/anna" || c.Account != "000000000000" {
		t.Errorf("%s %+v %v", secret, c, err)
	}
	other := aws.NewAccessKeyID(s.random, "AKIA", "999999999999")
	for _, id := range []string{"", "test", "000000000000", "AKIAIOSFODNN7EXAMPLE", other, (*k.AccessKeyId)[:19]} {
		if _, _, err := s.Key(ctx, id, ""); err != aws.ErrUnknownKey {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, _, err := s.Key(ctx, *k.AccessKeyId, "a token"); aws.CodeOf(err) != "UnrecognizedClientException" {
		t.Error(err)
	}
}

// Every change of what a user may do holds for the next question, with every service
// on the store.
func TestPoliciesFollow(t *testing.T) {
	s, h, ctx := house(t)
	other := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Keys: seal.New([32]byte{1}, h.Random)})
	k := newUser(t, s, ctx, "anna")
	_, c, err := s.Key(ctx, *k.AccessKeyId, "")
	if err != nil {
		t.Fatal(err)
	}
	holds := func(step string, want int) {
		t.Helper()
		for _, of := range []*Service{s, other} {
			set, err := of.Policies(ctx, &c)
			if err != nil || len(set.Identity) != want {
				t.Errorf("%s: %d policies, %v; want %d", step, len(set.Identity), err, want)
			}
		}
	}
	must := func(_ *aws.Empty, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const document = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	holds("new", 0)
	must(s.putUserPolicy(ctx, &api.PutUserPolicyRequest{UserName: ptr("anna"), PolicyName: ptr("p"), PolicyDocument: ptr(document)}))
	holds("inline", 1)
	must(other.attachUserPolicy(ctx, &api.AttachUserPolicyRequest{UserName: ptr("anna"), PolicyArn: ptr("arn:aws:iam::aws:policy/AdministratorAccess")}))
	holds("attached", 2)
	if _, err := s.createGroup(ctx, &api.CreateGroupRequest{GroupName: ptr("g")}); err != nil {
		t.Fatal(err)
	}
	must(s.putGroupPolicy(ctx, &api.PutGroupPolicyRequest{GroupName: ptr("g"), PolicyName: ptr("p"), PolicyDocument: ptr(document)}))
	must(s.addUserToGroup(ctx, &api.AddUserToGroupRequest{GroupName: ptr("g"), UserName: ptr("anna")}))
	holds("member", 3)
	must(s.updateUser(ctx, &api.UpdateUserRequest{UserName: ptr("anna"), NewUserName: ptr("hanna")}))
	must(other.deleteUserPolicy(ctx, &api.DeleteUserPolicyRequest{UserName: ptr("hanna"), PolicyName: ptr("p")}))
	holds("renamed", 2)

	// A policy that cannot be read denies.
	if src := s.compile("broken", "{"); src.Policy != nil || src.ID != "broken" {
		t.Errorf("%+v", src)
	}
	// Who has no principal behind him has nothing.
	for _, c := range []aws.Caller{
		{Kind: aws.User, Account: "000000000000", UserID: "AIDANOBODY"}, {Kind: aws.AssumedRole, Account: "000000000000", UserID: "AROANOBODY:x"},
		{Kind: aws.User}, {Kind: aws.Federated, Account: "000000000000", Role: "arn:aws:iam::000000000000:user/nobody"},
	} {
		if _, err := s.Policies(ctx, &c); aws.CodeOf(err) != "UnrecognizedClientException" {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A key's last use says of which service, where a permission was asked for, and keeps
// that when it is used for something that needs none, also from minute to minute.
func TestWhereUsed(t *testing.T) {
	s, h, ctx := house(t)
	k := newUser(t, s, ctx, "anna")
	made, err := s.createRole(ctx, &api.CreateRoleRequest{RoleName: ptr("r"), AssumeRolePolicyDocument: ptr(trusting("*"))})
	if err != nil {
		t.Fatal(err)
	}
	session := aws.RoleSession(*made.Role.Arn, *made.Role.RoleId, "s")
	req := *aws.RequestOf(ctx)
	req.Service, req.Region = "dynamodb", "eu-west-1"
	if _, err := s.Policies(aws.WithRequest(ctx, &req), &session); err != nil {
		t.Fatal(err)
	}
	signed(t, s, aws.WithRequest(ctx, &req), *k.AccessKeyId, "dynamodb")
	check := func(of *Service) {
		t.Helper()
		out, err := of.getAccessKeyLastUsed(ctx, &api.GetAccessKeyLastUsedRequest{AccessKeyId: k.AccessKeyId})
		if err != nil || *out.AccessKeyLastUsed.ServiceName != "dynamodb" || *out.AccessKeyLastUsed.Region != "eu-west-1" || !out.AccessKeyLastUsed.LastUsedDate.Equal(h.Clock.Now().Truncate(time.Minute)) {
			t.Errorf("%+v, %v", out, err)
		}
	}
	check(s)
	for range 2 {
		if err := s.flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	h.Clock.Advance(time.Minute)
	signed(t, s, ctx, *k.AccessKeyId, "")
	check(s)
	if err := s.flush(ctx); err != nil {
		t.Fatal(err)
	}
	check(New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Keys: seal.New([32]byte{1}, h.Random)}))
	details, err := s.getAccountAuthorizationDetails(ctx, &api.GetAccountAuthorizationDetailsRequest{})
	if err != nil || *details.RoleDetailList[0].RoleLastUsed.Region != "eu-west-1" {
		t.Errorf("%+v, %v", details, err)
	}
}
