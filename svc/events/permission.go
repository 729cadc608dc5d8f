package events

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
)

// maxPolicy is how long a bus's policy may be, in characters.
const maxPolicy = 10240

// A statement is one of a bus's policy, with its id for RemovePermission.
type statement struct {
	Sid  string
	Body json.RawMessage
}

// policy is the document that the statements make, "" without any.
func (b *bus) policy() string {
	if len(b.Statements) == 0 {
		return ""
	}
	var list []json.RawMessage
	for _, st := range b.Statements {
		list = append(list, st.Body)
	}
	out, err := json.Marshal(struct {
		Version   string
		Statement []json.RawMessage
	}{"2012-10-17", list})
	if err != nil {
		return ""
	}
	return string(out)
}

func (s *Service) putPermission(ctx context.Context, in *api.PutPermissionRequest) (*aws.Empty, error) {
	at := refBus(ctx, in.EventBusName)
	var add []statement
	var err error
	if in.Policy != nil {
		if in.Action != nil || in.Principal != nil || in.StatementId != nil || in.Condition != nil {
			return nil, invalid("Parameter Policy cannot be used together with Action, Principal, StatementId or Condition.")
		}
		add, err = parseStatements(*in.Policy)
	} else {
		add, err = newStatement(at, in)
	}
	if err != nil {
		return nil, err
	}
	return nil, s.changeBus(ctx, at, func(b *bus) error {
		if in.Policy != nil {
			b.Statements = nil
		}
		for _, st := range add {
			b.Statements = slices.DeleteFunc(slices.Clone(b.Statements), func(old statement) bool { return st.Sid != "" && old.Sid == st.Sid })
			b.Statements = append(b.Statements, st)
		}
		if len(b.policy()) > maxPolicy {
			return api.PolicyLengthExceededException("The policy length exceeds the limit of %d characters.", maxPolicy)
		}
		return nil
	})
}

// newStatement is what the parameters of PutPermission say.
func newStatement(at busRef, in *api.PutPermissionRequest) ([]statement, error) {
	for _, p := range []struct {
		name  string
		value *string
	}{{"Action", in.Action}, {"Principal", in.Principal}, {"StatementId", in.StatementId}} {
		if p.value == nil {
			return nil, invalid("Parameter %s must not be null.", p.name)
		}
	}
	type body struct {
		Sid       string
		Effect    string
		Principal any
		Action    string
		Resource  string
		Condition map[string]map[string]string `json:",omitempty"`
	}
	st := body{Sid: *in.StatementId, Effect: "Allow", Principal: "*", Action: *in.Action, Resource: at.arn()}
	if *in.Principal != "*" {
		st.Principal = map[string]string{"AWS": "arn:aws:iam::" + *in.Principal + ":root"}
	}
	if c := in.Condition; c != nil {
		if *c.Type != "StringEquals" || *c.Key != "aws:PrincipalOrgID" {
			return nil, invalid("Parameter Condition is not valid. Reason: Only StringEquals of aws:PrincipalOrgID is supported.")
		}
		st.Condition = map[string]map[string]string{*c.Type: {*c.Key: *c.Value}}
	}
	text, err := json.Marshal(st)
	return []statement{{st.Sid, text}}, err
}

// parseStatements reads a policy document.
func parseStatements(document string) ([]statement, error) {
	var doc struct {
		Version   string
		Statement json.RawMessage
	}
	bad := invalid("Parameter Policy is not valid.")
	if json.Unmarshal([]byte(document), &doc) != nil || len(doc.Statement) == 0 {
		return nil, bad
	}
	var list []json.RawMessage
	if strings.HasPrefix(strings.TrimSpace(string(doc.Statement)), "{") {
		list = []json.RawMessage{doc.Statement}
	} else if json.Unmarshal(doc.Statement, &list) != nil {
		return nil, bad
	}
	var out []statement
	for _, raw := range list {
		var st struct {
			Sid, Effect             string
			Principal, NotPrincipal json.RawMessage
		}
		if json.Unmarshal(raw, &st) != nil || st.Effect != "Allow" && st.Effect != "Deny" || st.Principal == nil && st.NotPrincipal == nil {
			return nil, bad
		}
		if st.Sid != "" && slices.ContainsFunc(out, func(o statement) bool { return o.Sid == st.Sid }) {
			return nil, bad
		}
		out = append(out, statement{st.Sid, raw})
	}
	return out, nil
}

func (s *Service) removePermission(ctx context.Context, in *api.RemovePermissionRequest) (*aws.Empty, error) {
	all := aws.Value(in.RemoveAllPermissions)
	if !all && in.StatementId == nil {
		return nil, invalid("Parameter StatementId must not be null.")
	}
	return nil, s.changeBus(ctx, refBus(ctx, in.EventBusName), func(b *bus) error {
		if all {
			b.Statements = nil
			return nil
		}
		i := slices.IndexFunc(b.Statements, func(st statement) bool { return st.Sid == *in.StatementId })
		if i < 0 {
			return api.ResourceNotFoundException("Statement with the provided id does not exist.")
		}
		b.Statements = slices.Delete(slices.Clone(b.Statements), i, i+1)
		return nil
	})
}
