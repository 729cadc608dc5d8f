package aws

import (
	"errors"
	"fmt"
	"net/http"
)

// An Error is what a caller gets instead of an output. Generated packages export
// a constructor for each error of the model; one place in Tule puts errors on the
// wire, in the caller's protocol.
type Error struct {
	Code    string // "ResourceNotFoundException"
	Message string
	Status  int // HTTP status
	// Detail, if not nil, points to the generated structure with the members that
	// the error has beside its message.
	Detail any
	// QueryCode is the code by which query clients know the error, if another.
	QueryCode string
	// QueryMessage is what query clients are told in Message's stead, if not empty.
	QueryMessage string
	// MessageName is the message's name in bodies; "" stands for "message".
	MessageName string
	// Header holds further response headers, such as Retry-After.
	Header http.Header
	// Cause is why, for the log; callers never see it.
	Cause error
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an *Error of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Server reports whether the fault is Tule's and not the caller's.
func (e *Error) Server() bool { return e.Status >= 500 }

// With returns e with its further members set from the generated structure.
func (e *Error) With(detail any) *Error {
	c := *e
	c.Detail = detail
	return &c
}

// Because returns e with its cause set, for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// Errorf makes an error of a code that no model has.
func Errorf(status int, code, format string, args ...any) *Error {
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	return &Error{Code: code, Message: msg, Status: status}
}

// An ErrorModel is what a model says of one of its errors.
type ErrorModel struct {
	Status                       int
	Code, QueryCode, MessageName string
}

// Errorf makes the error with a message for its caller.
func (m ErrorModel) Errorf(format string, args ...any) *Error {
	e := Errorf(m.Status, m.Code, format, args...)
	e.QueryCode, e.MessageName = m.QueryCode, m.MessageName
	return e
}

// CodeOf is the code of the first *Error in err's chain, or "".
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// The errors that every service shares.
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html

// AccessDenied refuses a caller who is known.
func AccessDenied(format string, args ...any) *Error {
	return Errorf(http.StatusForbidden, "AccessDeniedException", format, args...)
}

// InternalFailure hides cause, which goes to the log, behind AWS's own text.
func InternalFailure(cause error) *Error {
	e := Errorf(http.StatusInternalServerError, "InternalFailure",
		"The request processing has failed because of an unknown error, exception or failure.")
	e.Cause = cause
	return e
}

// Unavailable is a failure that will pass: a full disk, a stop under way.
func Unavailable(format string, args ...any) *Error {
	return Errorf(http.StatusServiceUnavailable, "ServiceUnavailable", format, args...)
}

// ErrFull is in the chain of errors that say that there is no room for a change.
// Nothing was changed, and reading goes on.
var ErrFull = errors.New("the disk is full")

// Unanswered says that AWS has the operation and this Tule does not, yet.
func Unanswered(op *Operation) *Error {
	return Errorf(http.StatusNotImplemented, "NotImplemented",
		"The operation %s of %s is not available in this version of Tule.", op.Name, op.Service.ID)
}
