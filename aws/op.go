package aws

import (
	"context"
	"fmt"
)

// An Op is an operation with the Go types of its input and output. Generated
// packages export one per operation; a service binds its handlers with To, and
// anybody calls an operation with Do.
type Op[In, Out any] struct{ Operation }

// A Handler does the work of an operation. When it runs, the caller is known and
// allowed (see RequestOf) and in satisfies the model. It returns an *Error for
// what the caller did wrong; any other error becomes an internal failure.
type Handler[In, Out any] func(ctx context.Context, in *In) (*Out, error)

// A Guard names what a call needs permission for. An Access without an action
// means the operation's own.
type Guard[In any] func(ctx context.Context, in *In) ([]Access, error)

// A Route is an operation with somebody who answers it. Routes are made by To.
type Route struct {
	Op    *Operation
	New   func() any // a new input, for decoding
	Guard func(ctx context.Context, in any) ([]Access, error)
	Call  func(ctx context.Context, in any) (any, error)
}

// To makes the route on which h answers the operation, to those that guard's
// accesses are allowed to.
func (op *Op[In, Out]) To(h Handler[In, Out], guard Guard[In]) Route {
	return Route{
		Op:  &op.Operation,
		New: func() any { return new(In) },
		Guard: func(ctx context.Context, in any) ([]Access, error) {
			needs, err := guard(ctx, in.(*In))
			for i := range needs {
				if needs[i].Action == "" {
					needs[i].Action = op.IAMAction()
				}
			}
			return needs, err
		},
		Call: func(ctx context.Context, in any) (any, error) {
			out, err := h(ctx, in.(*In))
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = new(Out)
			}
			return out, nil
		},
	}
}

// Peers is how services meet: it calls an operation in process, with the same
// validation, authorisation and records as a call from outside, as the caller of
// ctx (see Request.As).
type Peers interface {
	Call(ctx context.Context, op *Operation, in any) (any, error)
}

// Do calls the operation on whoever answers it among peers.
func (op *Op[In, Out]) Do(ctx context.Context, peers Peers, in *In) (*Out, error) {
	out, err := peers.Call(ctx, &op.Operation, in)
	if err != nil {
		return nil, err
	}
	typed, ok := out.(*Out)
	if !ok {
		return nil, fmt.Errorf("%s.%s answered with a %T", op.Service.Package, op.Name, out)
	}
	return typed, nil
}

// An Access is one permission that a call needs.
type Access struct {
	Action   string // "dynamodb:GetItem"; empty means the operation's own
	Resource string // an ARN, or "*" for an action that has no resource
	// Account owns the resource, for ARNs that name no account: API Gateway's and
	// S3's. Where neither says whose it is, it counts as somebody else's.
	Account string
	// Keys are the service's own condition keys and their values:
	// "dynamodb:LeadingKeys", "iam:PassedToService", "aws:ResourceTag/team".
	Keys map[string][]string
	// Tags, if not nil, reads the resource's tags. It is asked only when a policy wants
	// aws:ResourceTag or the service's own ResourceTag.
	Tags func(ctx context.Context) (map[string]string, error)
	// Late reads condition keys that cost something, by what they begin with: for
	// "s3:ExistingObjectTag/" it gets what follows. It is asked only when a policy wants
	// such a key; no values mean that the request has none.
	Late map[string]func(ctx context.Context, rest string) (values []string, err error)
	// As, if not nil, is who asks, where that is not the request's caller: whom the
	// token within the input speaks of.
	As *Caller
	// Policy, if not nil, reads the policy attached to the resource itself; an
	// empty document means that it has none.
	Policy func(ctx context.Context) (document string, err error)
	// Trust says that Policy is a role's trust policy, which alone decides.
	Trust bool
}

// Anywhere is the guard of operations whose actions have no resource.
func Anywhere[In any](context.Context, *In) ([]Access, error) {
	return []Access{{Resource: "*"}}, nil
}

// Nothing is the guard of the few operations that AWS lets every caller use,
// such as GetCallerIdentity.
func Nothing[In any](context.Context, *In) ([]Access, error) { return nil, nil }
