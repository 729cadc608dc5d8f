package organizations

import (
	api "github.com/tule-cloud/tule/api/organizations"
)

// constraint is the error for what a limit forbids; reason is one of AWS's.
func constraint(reason, format string, args ...any) error {
	return api.ConstraintViolationException(format, args...).With(&api.ConstraintViolationExceptionDetail{Reason: &reason})
}

// invalid is the error for an input that no caller could give; reason is one of AWS's.
func invalid(reason, format string, args ...any) error {
	return api.InvalidInputException(format, args...).With(&api.InvalidInputExceptionDetail{Reason: &reason})
}

// shake is the error for a handshake that cannot come about; reason is one of AWS's.
func shake(reason, format string, args ...any) error {
	return api.HandshakeConstraintViolationException(format, args...).With(&api.HandshakeConstraintViolationExceptionDetail{Reason: &reason})
}

func notInUse() error {
	return api.AWSOrganizationsNotInUseException("Your account is not a member of an organization.")
}

func forbidden() error {
	return api.AccessDeniedException("You don't have permissions to access this resource.")
}

func noAccount() error {
	return api.AccountNotFoundException("You specified an account that doesn't exist.")
}

func noTarget() error {
	return api.TargetNotFoundException("You specified a target that doesn't exist.")
}

func noUnit() error {
	return api.OrganizationalUnitNotFoundException("You specified an organizational unit that doesn't exist.")
}

func noParent() error {
	return api.ParentNotFoundException("You specified a parent that doesn't exist.")
}

func noPolicy() error {
	return api.PolicyNotFoundException("You specified a policy that doesn't exist.")
}

func noRoot() error { return api.RootNotFoundException("You specified a root that doesn't exist.") }

// or is what a caller gets in place of a record that is not there.
func or(err, instead error) error {
	if missing(err) {
		return instead
	}
	return err
}
