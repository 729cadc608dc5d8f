package dynamodb

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// A ref names a table, which need not be there.
type ref struct {
	scope store.Scope
	name  string
}

// legalName reports whether a name is made of the characters that AWS takes,
// [a-zA-Z0-9_.-]+.
func legalName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return name != ""
}

// parseRef reads a TableName, which is a name or a table's ARN.
func parseRef(ctx context.Context, name *string) (ref, error) {
	req := aws.RequestOf(ctx)
	r := ref{store.Scope{Account: req.Account(), Region: req.Region}, aws.Value(name)}
	if a, ok := aws.ParseARN(r.name); ok {
		bare, ok := strings.CutPrefix(a.Resource, "table/")
		if !ok || a.Service != "dynamodb" {
			return r, value.Invalid("Invalid TableArn: Invalid ResourceArn provided as input %s", r.name)
		}
		r = ref{store.Scope{Account: a.Account, Region: a.Region}, bare}
	}
	if len(r.name) < 3 || len(r.name) > 255 {
		return r, value.Invalid("TableName must be at least 3 characters long and at most 255 characters long")
	}
	if !legalName(r.name) {
		return r, value.Invalid("1 validation error detected: Value '%s' at 'tableName' failed to satisfy constraint: "+
			"Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+", r.name)
	}
	return r, nil
}

// own is parseRef for a table that the caller's account must have, in the region
// of the call. Others may be let in to a table's items by its policy; see reach.
func own(ctx context.Context, name *string) (ref, error) {
	r, err := parseRef(ctx, name)
	if err != nil {
		return r, err
	}
	req := aws.RequestOf(ctx)
	if r.scope.Account != req.Account() {
		return r, aws.AccessDenied("User: %s is not authorized to access resource: %s because no resource-based policy allows the action", req.Caller.ARN, r.arn())
	}
	if r.scope.Region != req.Region {
		return r, notFound()
	}
	return r, nil
}

func (r ref) arn() string {
	return aws.NewARN("dynamodb", r.scope.Region, r.scope.Account, "table/"+r.name).String()
}

// notFound is the error of operations on items of a table that is not there.
func notFound() error { return api.ResourceNotFoundException("Requested resource not found") }

// tableNotFound is the error of operations on a table that is not there.
func (r ref) tableNotFound() error {
	return api.ResourceNotFoundException("Requested resource not found: Table: %s not found", r.name)
}
