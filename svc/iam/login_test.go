package iam

import (
	"context"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

const password = "correct Horse 1"

func newLogin(t testing.TB, s *Service, ctx context.Context, name string, reset bool) {
	t.Helper()
	if _, err := s.createUser(ctx, &api.CreateUserRequest{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.createLoginProfile(ctx, &api.CreateLoginProfileRequest{UserName: &name, Password: ptr(password), PasswordResetRequired: &reset}); err != nil {
		t.Fatal(err)
	}
}

// The store has no password, and not the same of the same password twice.
func TestPasswordsAreHashed(t *testing.T) {
	s, h, ctx := house(t)
	newLogin(t, s, ctx, "anna", false)
	newLogin(t, s, ctx, "bert", false)
	if holds(t, h, password) {
		t.Error("the store holds a password")
	}
	var sums []string
	err := s.store.View(ctx, func(r store.Reader) error {
		for e, err := range logins.All(ctx, r) {
			if err != nil {
				return err
			}
			if p := e.Record.Password; p.Memory < 19<<10 || p.Passes < 2 || len(p.Salt) < 16 || len(p.Sum) < 32 {
				t.Errorf("a weak hash: %+v", p)
			}
			sums = append(sums, string(e.Record.Password.Sum))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sums) != 2 || sums[0] == sums[1] {
		t.Errorf("%d hashes, of one password the same", len(sums))
	}
}

func TestSignIn(t *testing.T) {
	s, h, ctx := house(t)
	newLogin(t, s, ctx, "anna", false)
	newLogin(t, s, ctx, "fresh", true)
	newUser(t, s, ctx, "nopassword")
	for _, c := range []struct{ account, name, password, want string }{
		{"000000000000", "anna", password, ""},
		{"000000000000", "anna", password + " ", "AccessDeniedException"},
		{"111111111111", "anna", password, "AccessDeniedException"},
		{"000000000000", "nobody", password, "AccessDeniedException"},
		{"000000000000", "nobody", "", "AccessDeniedException"},
		{"000000000000", "nopassword", "", "AccessDeniedException"},
		{"000000000000", "fresh", password, "PasswordPolicyViolation"},
	} {
		who, err := s.SignIn(ctx, c.account, c.name, c.password)
		if aws.CodeOf(err) != c.want || (err == nil) != (who.ARN == "arn:aws:iam::000000000000:user/anna") {
			t.Errorf("%s: %+v, %v", c.name, who, err)
		}
	}
	if _, err := s.updateAccountPasswordPolicy(ctx, &api.UpdateAccountPasswordPolicyRequest{MaxPasswordAge: ptr[int32](7)}); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(7*24*time.Hour - time.Minute)
	if _, err := s.SignIn(ctx, "000000000000", "anna", password); err != nil {
		t.Error(err)
	}
	out, err := s.getUser(ctx, &api.GetUserRequest{UserName: ptr("anna")})
	if err != nil || out.User.PasswordLastUsed == nil || !out.User.PasswordLastUsed.Equal(h.Clock.Now().Truncate(time.Minute)) {
		t.Errorf("%+v, %v", out, err)
	}
	h.Clock.Advance(time.Minute)
	if _, err := s.SignIn(ctx, "000000000000", "anna", password); aws.CodeOf(err) != "PasswordPolicyViolation" {
		t.Errorf("a password that has expired: %v", err)
	}
}

// The account can let its users change their passwords; each only his own.
func TestAllowUsersToChangePassword(t *testing.T) {
	s, _, ctx := house(t)
	k := newUser(t, s, ctx, "anna")
	may := func() bool {
		t.Helper()
		c := caller(t, s, ctx, k)
		set, err := s.Policies(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		ask := func(action string) bool {
			return policy.Evaluate(&policy.Request{Principal: policy.Principal{Type: policy.User, ARN: c.ARN, AccountID: c.Account}, Action: action, Resource: c.ARN}, &set).Allowed
		}
		if ask("iam:UpdateLoginProfile") {
			t.Error("a user may do more than change his password")
		}
		return ask("iam:ChangePassword")
	}
	if may() {
		t.Error("without a policy")
	}
	for _, want := range []bool{true, false} {
		if _, err := s.updateAccountPasswordPolicy(ctx, &api.UpdateAccountPasswordPolicyRequest{AllowUsersToChangePassword: &want}); err != nil {
			t.Fatal(err)
		}
		if may() != want {
			t.Errorf("the policy says %v", want)
		}
	}
}

// Of two who change a password at once, the second hears of it.
func TestPasswordsDoNotCross(t *testing.T) {
	s, _, ctx := house(t)
	newLogin(t, s, ctx, "anna", false)
	err := s.setPassword(ctx, "anna", "another Horse 1", func(ctx context.Context, _ *passwordPolicy, _ *login) error {
		_, err := s.updateLoginProfile(ctx, &api.UpdateLoginProfileRequest{UserName: ptr("anna"), Password: ptr("third Horse 1")})
		return err
	}, nil)
	if aws.CodeOf(err) != "EntityTemporarilyUnmodifiable" {
		t.Error(err)
	}
	if _, err := s.SignIn(ctx, "000000000000", "anna", "third Horse 1"); err != nil {
		t.Error(err)
	}
}

func FuzzPasswordPolicy(f *testing.F) {
	f.Add("Aa1!Aa1!", int32(6), byte(15))
	f.Add("", int32(0), byte(0))
	f.Fuzz(func(t *testing.T, password string, length int32, wants byte) {
		p := &passwordPolicy{Length: length, Upper: wants&1 > 0, Lower: wants&2 > 0, Numbers: wants&4 > 0, Symbols: wants&8 > 0}
		if p.check("000000000000", password) != nil {
			return
		}
		upper, lower, number, symbol := kinds(password)
		if len(password) < int(length) || p.Upper && !upper || p.Lower && !lower || p.Numbers && !number || p.Symbols && !symbol {
			t.Errorf("%q passes %+v", password, p)
		}
	})
}
