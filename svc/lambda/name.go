package lambda

import (
	"context"
	"fmt"
	"strings"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// latest is the qualifier of the version that can be changed.
const latest = "$LATEST"

// A ref is a function, by its place and name.
type ref struct {
	scope store.Scope
	name  string
}

// arn is the function's ARN, with the qualifier if that is not empty.
func (r ref) arn(qualifier string) string {
	resource := "function:" + r.name
	if qualifier != "" {
		resource += ":" + qualifier
	}
	return aws.NewARN("lambda", r.scope.Region, r.scope.Account, resource).String()
}

// parseName reads a function's name in any of its forms: the name alone, a part of
// its ARN or all of it, each with or without a qualifier behind it. A qualifier that
// is given beside it must be the same.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestSyntax
func parseName(ctx context.Context, name, beside *string) (r ref, qualifier string, err error) {
	req := aws.RequestOf(ctx)
	r.scope = store.Scope{Account: req.Account(), Region: req.Region}
	qualifier = aws.Value(beside)
	text := aws.Value(name)
	if !strings.Contains(text, ":") {
		r.name = text
		return r, qualifier, checkLength(text)
	}
	parts := strings.Split(text, ":")
	if parts[0] == "arn" && len(parts) > 3 {
		parts = parts[3:]
	}
	take := func(is func(string) bool) (string, bool) {
		if len(parts) < 2 || !is(parts[0]) {
			return "", false
		}
		first := parts[0]
		parts = parts[1:]
		return first, true
	}
	if region, ok := take(aws.ValidRegion); ok && region != req.Region {
		return r, "", notFound("Functions from '%s' are not reachable in this region ('%s')", region, req.Region)
	}
	if account, ok := take(aws.ValidAccount); ok {
		r.scope.Account = account
	}
	take(func(s string) bool { return s == "function" })
	r.name = parts[0]
	if len(parts) > 1 {
		derived := strings.Join(parts[1:], ":")
		if qualifier != "" && qualifier != derived {
			return r, "", invalid("The derived qualifier from the function name does not match the specified qualifier.")
		}
		qualifier = derived
	}
	return r, qualifier, checkLength(r.name)
}

// checkLength holds a name to the length that the model does not tell, since it
// allows for ARNs.
func checkLength(name string) error {
	if len(name) <= 64 {
		return nil
	}
	return invalid("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: "+
		"Member must have length less than or equal to 64", name)
}

// unqualified is parseName for operations on the function as a whole.
func unqualified(ctx context.Context, name *string) (ref, error) {
	r, _, err := parseName(ctx, name, nil)
	return r, err
}

// The errors as AWS sends them, with who is at fault.

func notFound(format string, args ...any) *aws.Error {
	return api.ResourceNotFoundException(format, args...).With(&api.ResourceNotFoundExceptionDetail{Type: ptr("User")})
}

func invalid(format string, args ...any) *aws.Error {
	return api.InvalidParameterValueException(format, args...).With(&api.InvalidParameterValueExceptionDetail{Type: ptr("User")})
}

func conflict(format string, args ...any) *aws.Error {
	return api.ResourceConflictException(format, args...).With(&api.ResourceConflictExceptionDetail{Type: ptr("User")})
}

func revisionConflict(of string) *aws.Error {
	return api.PreconditionFailedException("The Revision Id provided does not match the latest Revision Id. Call the %s API to retrieve the latest Revision Id", of).
		With(&api.PreconditionFailedExceptionDetail{Type: ptr("User")})
}

// invalidValue is the front's own text for a constraint that the model lacks.
func invalidValue(value any, member, constraint string) *aws.Error {
	return aws.Errorf(400, "ValidationException",
		"1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", fmt.Sprint(value), member, constraint)
}

// unbuilt refuses what AWS has and this Tule does not, yet.
func unbuilt(what string) *aws.Error {
	return aws.Errorf(501, "NotImplemented", "%s not available in this version of Tule.", what)
}
