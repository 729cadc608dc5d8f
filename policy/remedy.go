package policy

import (
	"encoding/json"
	"strings"
)

// Remedy is the smallest statement that, added to a policy of the kind that By
// names (on every level of an organization), takes away the reason of an implicit
// denial. Another reason may stand behind it. It is empty when the request was
// allowed, or explicitly denied: there a statement has to go, not to come.
func (d Decision) Remedy(r *Request) string {
	if d.Allowed || d.Explicit {
		return ""
	}
	s := struct {
		Effect    string
		Principal any `json:",omitempty"`
		Action    string
		Resource  string `json:",omitempty"`
	}{Effect: "Allow", Action: r.Action}
	switch d.By {
	case Resource, Trust:
		s.Principal = remedyPrincipal(&r.Principal)
	case ResourceControl:
		s.Principal = "*"
	}
	if d.By != Trust {
		s.Resource = literalResource(r.Resource)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "" // strings always marshal
	}
	return string(text)
}

// remedyPrincipal names the caller as narrowly as one writes it by hand: a role
// rather than one of its sessions.
func remedyPrincipal(p *Principal) any {
	switch p.Type {
	case Service:
		return map[string][]string{"Service": p.Service[:min(1, len(p.Service))]}
	case Federated:
		return map[string]string{"Federated": p.Provider}
	case AssumedRole:
		return map[string]string{"AWS": p.Issuer}
	case Root, User, FederatedUser:
		return map[string]string{"AWS": p.ARN}
	}
	return "*"
}

// literalResource keeps wildcards that belong to a resource's own name from
// matching more than that.
func literalResource(resource string) string {
	if resource == "*" {
		return resource
	}
	return strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}").Replace(resource)
}
