package policy

// Decision is the answer to a Request, and who gave it.
type Decision struct {
	Allowed bool
	// Explicit is set when a Deny statement decided; a denial without it means that
	// nothing allowed the request.
	Explicit bool
	// By is the kind of policy that decided: the one that allowed, that denied, or
	// that failed to allow. It is zero for a root user, whom no policy needs to allow.
	By Kind
	// Source is the ID of the policy, and Statement the statement in it, that
	// allowed or explicitly denied; empty and nil for an implicit denial.
	Source    string
	Statement *Statement

	action string
}

// Reason says why the request was denied in AWS's words, to follow
// "… is not authorized to perform: … on resource: … "; empty when allowed.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func (d Decision) Reason() string {
	switch {
	case d.Allowed:
		return ""
	case d.Explicit:
		return "with an explicit deny in " + d.By.withArticle()
	}
	return "because no " + d.By.String() + " allows the " + d.action + " action"
}

// Message is the whole sentence that AWS answers a denied request with; empty
// when allowed.
func (d Decision) Message(r *Request) string {
	if d.Allowed {
		return ""
	}
	if r.Principal.Type == Federated { // AWS tells strangers no more
		return "Not authorized to perform " + r.Action
	}
	who := r.Principal.ARN
	if who == "" {
		who = "anonymous"
		if r.Principal.Type == Service && len(r.Principal.Service) > 0 {
			who = r.Principal.Service[0]
		}
	}
	m := "User: " + who + " is not authorized to perform: " + r.Action
	if r.Resource != "" && r.Resource != "*" {
		resource := r.Resource
		if r.Quoted {
			resource = `"` + resource + `"`
		}
		m += " on resource: " + resource
	}
	return m + " " + d.Reason()
}
