package iam

import (
	"context"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A login is a user's password.
type login struct {
	Created, Changed time.Time
	Password         hash
	Old              []hash `json:",omitempty"` // the latest first
	Reset            bool   `json:",omitempty"` // to be changed when it is used next
}

var logins = store.NewTable[login]("iam", "login") // the user's unique id

// maxOld is how many old passwords are remembered: as many as a policy can ask for.
const maxOld = 24

func (s *Service) loginRoutes() []aws.Route {
	return []aws.Route{
		api.CreateLoginProfile.To(s.createLoginProfile, on(s, user, func(in *api.CreateLoginProfileRequest) *string { return in.UserName })),
		api.GetLoginProfile.To(s.getLoginProfile, on(s, user, func(in *api.GetLoginProfileRequest) *string { return in.UserName })),
		api.UpdateLoginProfile.To(s.updateLoginProfile, on(s, user, func(in *api.UpdateLoginProfileRequest) *string { return in.UserName })),
		api.DeleteLoginProfile.To(s.deleteLoginProfile, on(s, user, func(in *api.DeleteLoginProfileRequest) *string { return in.UserName })),
		api.ChangePassword.To(s.changePassword, on(s, user, func(*api.ChangePasswordRequest) *string { return nil })),
	}
}

func noLogin(name string) error {
	return api.NoSuchEntityException("Login Profile for User %s cannot be found.", name)
}

func (l *login) profile(userName string) *api.LoginProfile {
	return &api.LoginProfile{CreateDate: &l.Created, PasswordResetRequired: &l.Reset, UserName: &userName}
}

// userNamed is the name of the user whom an operation is about, which root is not.
func userNamed(ctx context.Context, name *string) (string, error) {
	n, err := named(ctx, name)
	if err == nil && n == "" {
		return "", aws.Errorf(400, "ValidationError", "Must specify userName when calling with non-User credentials")
	}
	return n, err
}

// loadLogin reads a user and the password that he has.
func loadLogin(ctx context.Context, r store.Reader, account, name string) (*principal, *login, error) {
	u, err := load(ctx, r, account, user, name)
	if err != nil {
		return nil, nil, err
	}
	l, err := logins.Get(ctx, r, scope(account), u.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, noLogin(u.Name)
	}
	return u, &l, err
}

// admit holds a password to the account's policy, and hashes it.
func (s *Service) admit(ctx context.Context, password string) (h hash, err error) {
	a := account(ctx)
	err = s.store.View(ctx, func(r store.Reader) error {
		p, err := passwordPolicyOf(ctx, r, a)
		if err != nil {
			return err
		}
		return p.check(a, password)
	})
	if err != nil {
		return h, err
	}
	return s.hash(ctx, password)
}

func (s *Service) createLoginProfile(ctx context.Context, in *api.CreateLoginProfileRequest) (*api.CreateLoginProfileResponse, error) {
	name, err := userNamed(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	if in.Password == nil {
		return nil, aws.Errorf(400, "ValidationError", "Password must be specified when creating a login profile for a user.")
	}
	h, err := s.admit(ctx, *in.Password)
	if err != nil {
		return nil, err
	}
	a, out := account(ctx), &api.CreateLoginProfileResponse{}
	return out, s.change(ctx, a, func(tx store.Tx) error {
		u, err := load(ctx, tx, a, user, name)
		if err != nil {
			return err
		}
		taken, err := logins.Has(ctx, tx, scope(a), u.ID)
		if err != nil {
			return err
		}
		if taken {
			return api.EntityAlreadyExistsException("Login Profile for user %s already exists.", u.Name)
		}
		l := login{Created: s.now(), Changed: s.now(), Password: h, Reset: aws.Value(in.PasswordResetRequired)}
		out.LoginProfile = l.profile(u.Name)
		return logins.Put(tx, scope(a), l, u.ID)
	})
}

func (s *Service) getLoginProfile(ctx context.Context, in *api.GetLoginProfileRequest) (*api.GetLoginProfileResponse, error) {
	name, err := userNamed(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	out := &api.GetLoginProfileResponse{}
	return out, s.store.View(ctx, func(r store.Reader) error {
		u, l, err := loadLogin(ctx, r, account(ctx), name)
		if err == nil {
			out.LoginProfile = l.profile(u.Name)
		}
		return err
	})
}

func (s *Service) deleteLoginProfile(ctx context.Context, in *api.DeleteLoginProfileRequest) (*aws.Empty, error) {
	name, err := userNamed(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		u, _, err := loadLogin(ctx, tx, a, name)
		if err != nil {
			return err
		}
		return errors.Join(logins.Delete(tx, scope(a), u.ID), lastUses.Delete(tx, scope(a), u.ID))
	})
}

func (s *Service) updateLoginProfile(ctx context.Context, in *api.UpdateLoginProfileRequest) (*aws.Empty, error) {
	if in.Password != nil {
		return nil, s.setPassword(ctx, *in.UserName, *in.Password, func(context.Context, *passwordPolicy, *login) error { return nil }, in.PasswordResetRequired)
	}
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		u, l, err := loadLogin(ctx, tx, a, *in.UserName)
		if err != nil {
			return err
		}
		if in.PasswordResetRequired != nil {
			l.Reset = *in.PasswordResetRequired
		}
		return logins.Put(tx, scope(a), *l, u.ID)
	})
}

// changePassword is for users, about themselves.
func (s *Service) changePassword(ctx context.Context, in *api.ChangePasswordRequest) (*aws.Empty, error) {
	if aws.RequestOf(ctx).Caller.Kind != aws.User {
		return nil, api.InvalidUserTypeException("Only IAM Users can change their own password.")
	}
	name, err := self(ctx)
	if err != nil {
		return nil, err
	}
	return nil, s.setPassword(ctx, name, *in.NewPassword, func(ctx context.Context, p *passwordPolicy, l *login) error {
		if end := p.expires(l.Changed); !end.IsZero() && aws.Value(p.HardExpiry) && !s.clock.Now().Before(end) {
			return aws.AccessDenied("The password has expired. Only an administrator can set a new one.")
		}
		ok, err := s.isPassword(ctx, l.Password, *in.OldPassword)
		if err == nil && !ok {
			err = aws.AccessDenied("The old password was incorrect.")
		}
		return err
	}, new(bool))
}

// setPassword gives a user who has one another password, if may has nothing against
// it. Hashing takes its time, so it is done before the change, which holds only if
// nobody else came first.
func (s *Service) setPassword(ctx context.Context, name, password string, may func(context.Context, *passwordPolicy, *login) error, reset *bool) error {
	a := account(ctx)
	var before *login
	var p *passwordPolicy
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		if p, err = passwordPolicyOf(ctx, r, a); err == nil {
			_, before, err = loadLogin(ctx, r, a, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := may(ctx, p, before); err != nil {
		return err
	}
	h, err := s.admit(ctx, password)
	if err != nil {
		return err
	}
	if err := s.unused(ctx, p, before, password); err != nil {
		return err
	}
	return s.change(ctx, a, func(tx store.Tx) error {
		u, l, err := loadLogin(ctx, tx, a, name)
		if err != nil {
			return err
		}
		if string(l.Password.Sum) != string(before.Password.Sum) {
			return api.EntityTemporarilyUnmodifiableException("The login profile of %s is being changed. Please try again.", u.Name)
		}
		l.Old = append([]hash{l.Password}, l.Old...)
		l.Old = l.Old[:min(len(l.Old), maxOld)]
		l.Password, l.Changed = h, s.now()
		if reset != nil {
			l.Reset = *reset
		}
		return logins.Put(tx, scope(a), *l, u.ID)
	})
}

// unused refuses one of the last passwords, where the account's policy does.
func (s *Service) unused(ctx context.Context, p *passwordPolicy, l *login, password string) error {
	if p == nil || p.Reuse == 0 {
		return nil
	}
	last := append([]hash{l.Password}, l.Old...)
	for _, h := range last[:min(len(last), int(p.Reuse))] {
		used, err := s.isPassword(ctx, h, password)
		if err != nil {
			return err
		}
		if used {
			return api.PasswordPolicyViolationException("Policy constraint violation with password reuse prevention during password change.")
		}
	}
	return nil
}

// SignIn is the user of an account who shows his password, for a console. It marks the
// password as used. Whoever has it but must set another first, since it is expired or
// was set for him, gets api.PasswordPolicyViolationException; anybody else AccessDenied.
func (s *Service) SignIn(ctx context.Context, account, userName, password string) (c aws.Caller, err error) {
	refused := aws.AccessDenied("Your authentication information is incorrect. Please try again.")
	var u *principal
	var l *login
	var p *passwordPolicy
	err = s.store.View(ctx, func(r store.Reader) (err error) {
		if p, err = passwordPolicyOf(ctx, r, account); err == nil {
			u, l, err = loadLogin(ctx, r, account, userName)
		}
		return err
	})
	unknown := aws.CodeOf(err) == "NoSuchEntity"
	if unknown { // takes as long as for somebody
		l, err = &login{Password: hash{Passes: hashPasses, Memory: hashMemory, Threads: hashThreads}}, nil
	}
	if err != nil {
		return c, err
	}
	ok, err := s.isPassword(ctx, l.Password, password)
	if err != nil {
		return c, err
	}
	if !ok || unknown {
		return c, refused
	}
	s.uses.mark(account, u.ID, lastUse{At: s.clock.Now()})
	if end := p.expires(l.Changed); l.Reset || !end.IsZero() && !s.clock.Now().Before(end) {
		return c, api.PasswordPolicyViolationException("You must change your password to continue.")
	}
	return aws.Caller{Kind: aws.User, Account: account, ARN: u.arn(account), UserID: u.ID, Tags: u.Tags}, nil
}
