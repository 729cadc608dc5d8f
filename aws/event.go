package aws

import "time"

// An Event is a call and what came of it, for those who keep account of what was done
// and by whom. It is read-only, and what it points to may change after the one who
// got it returns.
type Event struct {
	Request *Request
	Op      *Operation
	Within  bool // one service called another
	// In is the input, nil where the call did not come so far, and Out the output.
	In, Out any
	Err     *Error // nil for success
	Took    time.Duration
	// Decisions are what policies said to each access that the call needed, up to
	// the one that was refused. None: nobody needs a permission for it, or it did
	// not come so far.
	Decisions []Decision
}

// A Decision is what policies said to one access.
type Decision struct {
	Action, Resource string
	// Account owns the resource, where the ARN does not say whose it is.
	Account string
	// As is who asked, where that is not the request's caller (see Access.As).
	As      *Caller
	Allowed bool
	// By is the kind of policy that decided, or lacked the permission: "identity-based
	// policy"; empty for a root user. Source is the policy, and Statement the
	// statement in it, that allowed or explicitly denied.
	By, Source string
	Statement  interface{ Name() string }
	// Of a denial: AWS's sentence, the evaluation line by line, and the smallest
	// statement that would have allowed it, if one could.
	Message, Explanation, Remedy string
	// Passed says that a denial was let pass, since policies are only watched.
	Passed bool
}

// A Use is what a principal has done with one action on one resource: of calls that
// were allowed, or let pass.
type Use struct {
	Action   string // "dynamodb:GetItem"
	Resource string // an ARN, "*", or where Wide, a beginning of ARNs and a "*"
	Wide     bool
	Region   string // of the last use
	Last     time.Time
	Count    int64
}
