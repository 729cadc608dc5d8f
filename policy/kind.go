package policy

// Kind is what a policy is attached to, and so what it may say and what its word
// is worth.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html
type Kind uint8

const (
	// Identity policies are on users, groups and roles, inline or managed.
	Identity Kind = iota + 1
	// Resource policies are on what is called: a bucket, a function, a queue.
	Resource
	// Trust policies are the resource policies of roles.
	Trust
	// Boundary is a permissions boundary.
	Boundary
	// Session policies came with AssumeRole or GetFederationToken.
	Session
	// ServiceControl policies limit the principals of an account.
	ServiceControl
	// ResourceControl policies limit access to the resources of an account.
	ResourceControl
)

// String is the kind's name in AWS's messages, e.g. "identity-based policy".
func (k Kind) String() string {
	switch k {
	case Identity:
		return "identity-based policy"
	case Resource:
		return "resource-based policy"
	case Trust:
		return "role trust policy"
	case Boundary:
		return "permissions boundary"
	case Session:
		return "session policy"
	case ServiceControl:
		return "service control policy"
	case ResourceControl:
		return "resource control policy"
	}
	return "policy"
}

// withArticle is the name with the article that AWS's messages put before it.
func (k Kind) withArticle() string {
	switch k {
	case Identity:
		return "an " + k.String()
	case Trust:
		return "the " + k.String()
	}
	return "a " + k.String()
}

// onResource reports whether the kind has a Principal element.
func (k Kind) onResource() bool {
	return k == Resource || k == Trust || k == ResourceControl
}
