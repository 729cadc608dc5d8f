package iam

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A passwordPolicy is what an account wants of its users' passwords.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html
type passwordPolicy struct {
	Length                         int32
	Upper, Lower, Numbers, Symbols bool
	MaxAge                         int32 // days; 0 for ever
	Reuse                          int32 // passwords that must not come again
	Change                         bool  // users may change their own
	HardExpiry                     *bool `json:",omitempty"` // only others can, once it has expired
}

var passwordPolicies = store.NewTable[passwordPolicy]("iam", "password-policy") // "policy"

const (
	minLength = 6 // where a policy says nothing
	symbols   = "!@#$%^&*()_+-=[]{}|'"
)

func (s *Service) passwordPolicyRoutes() []aws.Route {
	return []aws.Route{
		api.GetAccountPasswordPolicy.To(s.getAccountPasswordPolicy, aws.Anywhere),
		api.UpdateAccountPasswordPolicy.To(s.updateAccountPasswordPolicy, aws.Anywhere),
		api.DeleteAccountPasswordPolicy.To(s.deleteAccountPasswordPolicy, aws.Anywhere),
	}
}

func noPasswordPolicy(account string) error {
	return api.NoSuchEntityException("The Password Policy with domain name %s cannot be found.", account)
}

// passwordPolicyOf is an account's policy; nil if it has none of its own.
func passwordPolicyOf(ctx context.Context, r store.Reader, account string) (*passwordPolicy, error) {
	p, err := passwordPolicies.Get(ctx, r, scope(account), "policy")
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &p, err
}

func (s *Service) getAccountPasswordPolicy(ctx context.Context, _ *aws.Empty) (*api.GetAccountPasswordPolicyResponse, error) {
	var p *passwordPolicy
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		p, err = passwordPolicyOf(ctx, r, account(ctx))
		return err
	})
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, noPasswordPolicy(account(ctx))
	}
	expires := p.MaxAge > 0
	out := &api.PasswordPolicy{MinimumPasswordLength: &p.Length, RequireUppercaseCharacters: &p.Upper, RequireLowercaseCharacters: &p.Lower,
		RequireNumbers: &p.Numbers, RequireSymbols: &p.Symbols, AllowUsersToChangePassword: &p.Change, ExpirePasswords: &expires, HardExpiry: p.HardExpiry}
	if expires {
		out.MaxPasswordAge = &p.MaxAge
	}
	if p.Reuse > 0 {
		out.PasswordReusePrevention = &p.Reuse
	}
	return &api.GetAccountPasswordPolicyResponse{PasswordPolicy: out}, nil
}

// A policy is given as a whole: what is left out is as if there were none.
func (s *Service) updateAccountPasswordPolicy(ctx context.Context, in *api.UpdateAccountPasswordPolicyRequest) (*aws.Empty, error) {
	p := passwordPolicy{Length: minLength, Upper: aws.Value(in.RequireUppercaseCharacters), Lower: aws.Value(in.RequireLowercaseCharacters),
		Numbers: aws.Value(in.RequireNumbers), Symbols: aws.Value(in.RequireSymbols), MaxAge: aws.Value(in.MaxPasswordAge),
		Reuse: aws.Value(in.PasswordReusePrevention), Change: aws.Value(in.AllowUsersToChangePassword), HardExpiry: in.HardExpiry}
	if in.MinimumPasswordLength != nil {
		p.Length = *in.MinimumPasswordLength
	}
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error { return passwordPolicies.Put(tx, scope(a), p, "policy") })
}

func (s *Service) deleteAccountPasswordPolicy(ctx context.Context, _ *aws.Empty) (*aws.Empty, error) {
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		p, err := passwordPolicyOf(ctx, tx, a)
		if err != nil {
			return err
		}
		if p == nil {
			return noPasswordPolicy(a)
		}
		return passwordPolicies.Delete(tx, scope(a), "policy")
	})
}

// kinds of characters, as policies ask for them.
func kinds(password string) (upper, lower, number, symbol bool) {
	for _, c := range password {
		upper = upper || 'A' <= c && c <= 'Z'
		lower = lower || 'a' <= c && c <= 'z'
		number = number || '0' <= c && c <= '9'
		symbol = symbol || strings.ContainsRune(symbols, c)
	}
	return upper, lower, number, symbol
}

// check holds a password to the policy, or where there is none to AWS's own: eight
// characters of three kinds.
func (p *passwordPolicy) check(account, password string) error {
	upper, lower, number, symbol := kinds(password)
	if p == nil {
		n := 0
		for _, has := range []bool{upper, lower, number, symbol} {
			if has {
				n++
			}
		}
		if n < 3 || len([]rune(password)) < 8 || password == account {
			return api.PasswordPolicyViolationException("Password does not conform to the account password policy.")
		}
		return nil
	}
	switch {
	case len([]rune(password)) < int(p.Length):
		return api.PasswordPolicyViolationException("Password should have a minimum length of %d", p.Length)
	case p.Upper && !upper:
		return api.PasswordPolicyViolationException("Password should have at least one uppercase letter")
	case p.Lower && !lower:
		return api.PasswordPolicyViolationException("Password should have at least one lowercase letter")
	case p.Numbers && !number:
		return api.PasswordPolicyViolationException("Password should have at least one number")
	case p.Symbols && !symbol:
		return api.PasswordPolicyViolationException("Password should have at least one symbol")
	}
	return nil
}

// expires is when a password that was set at some time is over; zero for never.
func (p *passwordPolicy) expires(set time.Time) time.Time {
	if p == nil || p.MaxAge == 0 {
		return time.Time{}
	}
	return set.AddDate(0, 0, int(p.MaxAge))
}
