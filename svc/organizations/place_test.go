package organizations

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	iamapi "github.com/tule-cloud/tule/api/iam"
	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

const (
	manager = "000000000000"
	dev     = "111111111111"
	alone   = "999999999999"
	noDB    = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"dynamodb:*","Resource":"*"}}`
	noSTS   = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sts:*","Resource":"*"}}`
)

// tree is an organization with the member dev, and both policy types enabled.
type tree struct {
	testing.TB
	*Service
	h            *script.House
	ctx          context.Context
	org, root    string
	scp, rcp, ou string
}

func newTree(t testing.TB) *tree {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s, routes := furnish(h)
	h.Add(routes)
	x := &tree{TB: t, Service: s, h: h, ctx: h.Context(context.Background())}
	x.org = *call(x, &api.CreateOrganization, &api.CreateOrganizationRequest{}).Organization.Id
	x.root = *call(x, &api.ListRoots, &api.ListRootsRequest{}).Roots[0].Id
	x.account("dev", dev)
	x.ou = *call(x, &api.CreateOrganizationalUnit, &api.CreateOrganizationalUnitRequest{ParentId: &x.root, Name: ptr("work")}).OrganizationalUnit.Id
	x.scp = x.policy(api.PolicyTypeServiceControlPolicy, noDB)
	x.rcp = x.policy(api.PolicyTypeResourceControlPolicy, noSTS)
	return x
}

func call[In, Out any](x *tree, op *aws.Op[In, Out], in *In) *Out {
	x.Helper()
	out, err := op.Do(x.ctx, x.h, in)
	if err != nil {
		x.Fatalf("%s: %v", op.Name, err)
	}
	return out
}

func (x *tree) account(name, id string) {
	x.Helper()
	st := call(x, &api.CreateAccount, &api.CreateAccountRequest{AccountName: &name, Email: ptr(name + "@example.com"),
		Tags: []api.Tag{{Key: ptr(pinTag), Value: &id}}}).CreateAccountStatus
	if *st.State != api.CreateAccountStateSucceeded {
		x.Fatalf("%s: %s", name, *st.FailureReason)
	}
}

func (x *tree) policy(kind, content string) string {
	x.Helper()
	return *call(x, &api.CreatePolicy, &api.CreatePolicyRequest{Name: &kind, Description: ptr(""), Type: &kind, Content: &content}).Policy.PolicySummary.Id
}

func (x *tree) enable(kind string) {
	x.Helper()
	call(x, &api.EnablePolicyType, &api.EnablePolicyTypeRequest{RootId: &x.root, PolicyType: &kind})
}

func (x *tree) attach(id, target string) {
	x.Helper()
	call(x, &api.AttachPolicy, &api.AttachPolicyRequest{PolicyId: &id, TargetId: &target})
}

func (x *tree) detach(id, target string) {
	x.Helper()
	call(x, &api.DetachPolicy, &api.DetachPolicyRequest{PolicyId: &id, TargetId: &target})
}

func (x *tree) move(account, from, to string) {
	x.Helper()
	call(x, &api.MoveAccount, &api.MoveAccountRequest{AccountId: &account, SourceParentId: &from, DestinationParentId: &to})
}

// stands checks where an account stands: the path below the organization, and the ids
// of policies level by level.
func (x *tree) stands(account, path, scps, rcps string) {
	x.Helper()
	p, err := x.PlaceOf(context.Background(), account)
	if err != nil {
		x.Fatal(err)
	}
	if got := p.Path; got != path {
		x.Errorf("%s stands at %q, want %q", account, got, path)
	}
	if (p.ID == x.org) != (path != "") {
		x.Errorf("%s is in %q", account, p.ID)
	}
	if got := spell(p.SCPs); got != scps {
		x.Errorf("%s has SCPs %s, want %s", account, got, scps)
	}
	if got := spell(p.RCPs); got != rcps {
		x.Errorf("%s has RCPs %s, want %s", account, got, rcps)
	}
}

func spell(levels [][]policy.Source) string {
	if levels == nil {
		return "none"
	}
	out := [][]string{}
	for _, l := range levels {
		var ids []string
		for _, s := range l {
			if s.Policy == nil {
				ids = append(ids, "unreadable")
			}
			ids = append(ids, s.ID[len(s.ID)-len("p-12345678"):])
		}
		slices.Sort(ids)
		out = append(out, ids)
	}
	return fmt.Sprint(out)
}

// Every change holds for the request after it.
func TestPlaces(t *testing.T) {
	x := newTree(t)
	const full, rfull = "lAWSAccess", "lAWSAccess"
	at, below := x.org+"/"+x.root+"/", x.org+"/"+x.root+"/"+x.ou+"/"
	x.stands(alone, "", "none", "none")
	x.stands(dev, at, "none", "none") // no type is enabled
	x.stands(manager, at, "none", "none")

	x.enable(api.PolicyTypeServiceControlPolicy)
	x.stands(dev, at, fmt.Sprintf("[[%s] [%s]]", full, full), "none")
	x.attach(x.scp, dev)
	x.stands(dev, at, fmt.Sprintf("[[%s] [%s %s]]", full, full, x.scp), "none")
	x.stands(manager, at, "none", "none")
	x.detach(x.scp, dev)
	x.attach(x.scp, x.ou)
	x.stands(dev, at, fmt.Sprintf("[[%s] [%s]]", full, full), "none")
	x.move(dev, x.root, x.ou)
	x.stands(dev, below, fmt.Sprintf("[[%s] [%s %s] [%s]]", full, full, x.scp, full), "none")

	x.enable(api.PolicyTypeResourceControlPolicy)
	x.attach(x.rcp, x.root)
	x.stands(dev, below, fmt.Sprintf("[[%s] [%s %s] [%s]]", full, full, x.scp, full), fmt.Sprintf("[[%s %s] [%s] [%s]]", rfull, x.rcp, rfull, rfull))
	call(x, &api.DisablePolicyType, &api.DisablePolicyTypeRequest{RootId: &x.root, PolicyType: ptr(api.PolicyTypeServiceControlPolicy)})
	x.stands(dev, below, "none", fmt.Sprintf("[[%s %s] [%s] [%s]]", rfull, x.rcp, rfull, rfull))
	x.stands(manager, at, "none", "none")

	call(x, &api.RemoveAccountFromOrganization, &api.RemoveAccountFromOrganizationRequest{AccountId: ptr(dev)})
	x.stands(dev, "", "none", "none")
}

// A change of a policy's text changes what is asked, and an account that was closed has
// levels that allow nothing.
func TestPlaceOfTextAndClosed(t *testing.T) {
	x := newTree(t)
	x.enable(api.PolicyTypeServiceControlPolicy)
	x.attach(x.scp, x.root)
	ask := func(action string) policy.Decision {
		p, err := x.PlaceOf(context.Background(), dev)
		if err != nil {
			t.Fatal(err)
		}
		arn := "arn:aws:iam::" + dev + ":root"
		return policy.Evaluate(&policy.Request{Principal: policy.Principal{Type: policy.Root, ARN: arn, AccountID: dev}, Action: action,
			Resource: "*", ResourceAccount: dev}, &policy.Set{SCPs: p.SCPs, RCPs: p.RCPs})
	}
	if ask("dynamodb:GetItem").Allowed || !ask("logs:PutLogEvents").Allowed {
		t.Error("the policy does not bind as it says")
	}
	call(x, &api.UpdatePolicy, &api.UpdatePolicyRequest{PolicyId: &x.scp, Content: ptr(`{"Statement":{"Effect":"Deny","Action":"logs:*","Resource":"*"}}`)})
	if !ask("dynamodb:GetItem").Allowed || ask("logs:PutLogEvents").Allowed {
		t.Error("the change of the policy was not seen")
	}
	call(x, &api.CloseAccount, &api.CloseAccountRequest{AccountId: ptr(dev)})
	if d := ask("dynamodb:GetItem"); d.Allowed || d.Explicit {
		t.Errorf("the root of a closed account: %+v", d)
	}
}

// What changes the store behind the service is seen once it is told.
func TestForget(t *testing.T) {
	x := newTree(t)
	x.stands(dev, x.org+"/"+x.root+"/", "none", "none")
	if err := store.Reset(t.Context(), x.h.Store, "", ""); err != nil {
		t.Fatal(err)
	}
	x.Forget()
	x.stands(dev, "", "none", "none")
}

// An answer that was read before a change does not outlive it, however many ask.
func TestPlacesWhileChanging(t *testing.T) {
	x := newTree(t)
	x.enable(api.PolicyTypeServiceControlPolicy)
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := x.PlaceOf(context.Background(), dev); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	at, below := x.org+"/"+x.root+"/", x.org+"/"+x.root+"/"+x.ou+"/"
	for range 200 {
		x.move(dev, x.root, x.ou)
		x.stands(dev, below, "[[lAWSAccess] [lAWSAccess] [lAWSAccess]]", "none")
		x.move(dev, x.ou, x.root)
		x.stands(dev, at, "[[lAWSAccess] [lAWSAccess]]", "none")
	}
	close(stop)
	asking.Wait()
}

// Anybody may name any account; what is kept of them has an end.
func TestPlacesAreBounded(t *testing.T) {
	x := newTree(t)
	for i := range mostPlaces + 10 {
		if _, err := x.PlaceOf(context.Background(), fmt.Sprintf("%012d", 300000000000+i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := x.Service.places.Load().n.Load(); n > 100 {
		t.Errorf("%d places are known", n)
	}
}

// interrupted is IAM as it is when the process dies on the way to it.
type interrupted struct{ error }

func (i interrupted) Call(context.Context, *aws.Operation, any) (any, error) { panic(i) }

// A request that a crash interrupted is finished at the next start.
func TestCreateAccountAfterCrash(t *testing.T) {
	x := newTree(t)
	crash := New(Options{Store: x.h.Store, Clock: x.h.Clock, Random: x.h.Random, Peers: interrupted{}, Pin: true})
	func() {
		defer func() { _ = recover() }()
		_, err := crash.createAccount(x.ctx, &api.CreateAccountRequest{AccountName: ptr("ops"), Email: ptr("ops@example.com"),
			Tags: []api.Tag{{Key: ptr(pinTag), Value: ptr("222222222222")}}})
		t.Errorf("the crash did not happen: %v", err)
	}()
	states := func() []api.CreateAccountStatus {
		return call(x, &api.ListCreateAccountStatus, &api.ListCreateAccountStatusRequest{States: []string{api.CreateAccountStateInProgress}}).CreateAccountStatuses
	}
	if len(states()) != 1 {
		t.Fatalf("in progress: %v", states())
	}
	if err := x.Run(t.Context()); err != nil || len(states()) != 1 {
		t.Errorf("who started before the request does not finish it: %v, %v", states(), err)
	}
	x.h.Clock.Advance(1)
	next, routes := furnish(x.h)
	x.h.Add(routes)
	if err := next.Run(t.Context()); err != nil || len(states()) != 0 {
		t.Fatalf("in progress: %v, %v", states(), err)
	}
	call(x, &api.DescribeAccount, &api.DescribeAccountRequest{AccountId: ptr("222222222222")})
}

// refusing is an IAM that makes no roles.
type refusing struct{}

func (refusing) Call(_ context.Context, op *aws.Operation, _ any) (any, error) {
	return nil, iamapi.LimitExceededException("no more of %s", op.Name)
}

// An account whose role cannot be made is not made, and its address is free again.
func TestCreateAccountFails(t *testing.T) {
	x := newTree(t)
	s := New(Options{Store: x.h.Store, Clock: x.h.Clock, Random: x.h.Random, Peers: refusing{}})
	out, err := s.createAccount(x.ctx, &api.CreateAccountRequest{AccountName: ptr("ops"), Email: ptr("ops@example.com")})
	if err != nil || *out.CreateAccountStatus.State != api.CreateAccountStateFailed || *out.CreateAccountStatus.FailureReason != "INTERNAL_FAILURE" {
		t.Fatalf("%+v, %v", out, err)
	}
	x.account("ops", "222222222222")
	_, err = s.createAccount(x.ctx, &api.CreateAccountRequest{AccountName: ptr("pin"), Email: ptr("pin@example.com"),
		Tags: []api.Tag{{Key: ptr(pinTag), Value: ptr("333333333333")}}})
	if aws.CodeOf(err) != "InvalidInputException" {
		t.Errorf("an id chosen where that is not allowed: %v", err)
	}
}

func BenchmarkPlaceOf(b *testing.B) {
	x := newTree(b)
	x.enable(api.PolicyTypeServiceControlPolicy)
	for _, c := range []struct{ name, account string }{{"alone", alone}, {"member", dev}, {"management", manager}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.PlaceOf(x.ctx, c.account); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			x.Forget()
			if _, err := x.PlaceOf(x.ctx, dev); err != nil {
				b.Fatal(err)
			}
		}
	})
}
