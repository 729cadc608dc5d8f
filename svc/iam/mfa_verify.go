package iam

import (
	"context"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// The words are STS's, the spaces in them too.
func errMFA() error {
	return denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
}

func denied(message string) error { return aws.Errorf(403, "AccessDenied", "%s", message) }

// VerifyMFA holds the code that a caller shows to the MFA device with a serial number,
// which must be the caller's own, of a user or of root. A code is good for one use.
// Errors are *aws.Errors with the code AccessDenied, in STS's words.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
func (s *Service) VerifyMFA(ctx context.Context, caller *aws.Caller, serial, code string) error {
	if serial == "" || code == "" {
		return denied("MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code. ")
	}
	ok := false
	err := s.store.Update(ctx, func(tx store.Tx) (err error) {
		d, err := loadDevice(ctx, tx, caller.Account, serial)
		if aws.CodeOf(err) == "NoSuchEntity" || err == nil && !mayShow(caller, d) {
			return denied("MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.")
		}
		if err != nil {
			return err
		}
		if ok, err = s.take(caller.Account, d, code); err != nil {
			return err
		}
		return d.save(tx, caller.Account)
	})
	if err == nil && !ok {
		return errMFA()
	}
	return err
}

// mayShow reports whether a device is the caller's: of a user or root with long-term
// credentials.
func mayShow(c *aws.Caller, d *device) bool {
	return d.Owner != "" && d.Owner == c.UserID && (c.Kind == aws.User || c.Kind == aws.Root)
}

// take uses up a code, or counts it as a wrong one. The caller saves the device
// either way.
func (s *Service) take(account string, d *device, code string) (ok bool, err error) {
	seed, err := s.seed(account, d)
	if err != nil {
		return false, err
	}
	now := step(s.clock.Now())
	if d.WrongAt != now {
		d.Wrong, d.WrongAt = 0, now
	}
	if d.Wrong >= maxWrong {
		return false, nil
	}
	at, ok := match(seed, code, now+d.Drift, d.Used)
	if !ok {
		d.Wrong++
		return false, nil
	}
	d.Used, d.Wrong = at, 0
	return true, nil
}
