package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// policy is a resource policy, under its function's name and the qualifier that it
// is attached to, "" for the function as a whole.
type policy struct {
	Revision   string
	Statements []statement
	Document   string // the same in the policy language
}

// statement is a statement as AddPermission makes it.
type statement struct {
	Sid       string
	Effect    string
	Principal any // "*", or a map of one kind to one principal
	Action    string
	Resource  string
	Condition *condition `json:",omitempty"`
}

type condition struct {
	StringEquals map[string]string `json:",omitempty"`
	ArnLike      map[string]string `json:",omitempty"`
	Bool         map[string]string `json:",omitempty"`
}

// maxPolicy is the most bytes that a function's policy may have.
const maxPolicy = 20480

// newPolicy is a policy of these statements.
func (s *Service) newPolicy(statements []statement) (*policy, error) {
	b, err := json.Marshal(struct {
		Version, Id string
		Statement   []statement
	}{"2012-10-17", "default", statements})
	if err == nil && len(b) > maxPolicy {
		err = api.PolicyLengthExceededException("The final policy size (%d) is bigger than the limit (%d).", len(b), maxPolicy)
	}
	return &policy{aws.RandomUUID(s.Random), statements, string(b)}, err
}

// policy reads the policy on a qualifier of a function, or store.ErrNotFound.
func (s *Service) policy(ctx context.Context, r store.Reader, at ref, qualifier string) (*policy, error) {
	return s.records.policies.get(ctx, r, policyRecords, at.scope, at.name, qualifier)
}

// resourcePolicy is the text of the policy on a qualifier, "" without one.
func (s *Service) resourcePolicy(ctx context.Context, r store.Reader, at ref, qualifier string) (string, error) {
	if qualifier == latest {
		qualifier = ""
	}
	p, err := s.policy(ctx, r, at, qualifier)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return p.Document, nil
}

func (s *Service) addPermission(ctx context.Context, in *api.AddPermissionRequest) (*api.AddPermissionResponse, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if qualifier == latest {
		return nil, invalid("We currently do not support adding policies for $LATEST.")
	}
	st, err := newStatement(in, at.arn(qualifier))
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if err := s.checkQualifier(ctx, tx, at, qualifier); err != nil {
			return err
		}
		p, err := s.policy(ctx, tx, at, qualifier)
		switch {
		case errors.Is(err, store.ErrNotFound):
			p = &policy{}
		case err != nil:
			return err
		}
		if in.RevisionId != nil && *in.RevisionId != p.Revision {
			return revisionConflict("GetPolicy")
		}
		if slices.ContainsFunc(p.Statements, func(have statement) bool { return have.Sid == st.Sid }) {
			return conflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", st.Sid)
		}
		if p, err = s.newPolicy(append(slices.Clone(p.Statements), st)); err != nil {
			return err
		}
		return put(tx, policyRecords, at.scope, p, at.name, qualifier)
	})
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(st)
	return &api.AddPermissionResponse{Statement: ptr(string(b))}, err
}

// checkQualifier refuses a qualifier that is not there, in the words of permissions.
func (s *Service) checkQualifier(ctx context.Context, r store.Reader, at ref, qualifier string) error {
	if qualifier != "" && strings.Trim(qualifier, "0123456789") != "" && !strings.Contains(qualifier, "$") {
		if _, err := s.function(ctx, r, at); err != nil {
			return err
		}
		_, err := s.alias(ctx, r, at, qualifier)
		return err
	}
	_, err := s.resolve(ctx, r, at, qualifier)
	return err
}

func newStatement(in *api.AddPermissionRequest, arn string) (statement, error) {
	st := statement{Sid: *in.StatementId, Effect: "Allow", Action: *in.Action, Resource: arn}
	who := *in.Principal
	switch {
	case who == "*":
		st.Principal = "*"
	case aws.ValidAccount(who):
		st.Principal = map[string]string{"AWS": aws.NewARN("iam", "", who, "root").String()}
	case strings.HasPrefix(who, "arn:"):
		if a, ok := aws.ParseARN(who); !ok || a.Service != "iam" && a.Service != "sts" || !aws.ValidAccount(a.Account) {
			return st, invalid("The provided principal was invalid. Please check the principal and try again.")
		}
		st.Principal = map[string]string{"AWS": who}
	case strings.Contains(who, "."):
		st.Principal = map[string]string{"Service": who}
	default:
		return st, invalid("The provided principal was invalid. Please check the principal and try again.")
	}
	c := condition{}
	set := func(m *map[string]string, key string, value *string) {
		if value != nil && *value != "" {
			if *m == nil {
				*m = map[string]string{}
			}
			(*m)[key] = *value
		}
	}
	set(&c.StringEquals, "AWS:SourceAccount", in.SourceAccount)
	set(&c.StringEquals, "lambda:FunctionUrlAuthType", in.FunctionUrlAuthType)
	set(&c.StringEquals, "aws:PrincipalOrgID", in.PrincipalOrgID)
	set(&c.StringEquals, "lambda:EventSourceToken", in.EventSourceToken)
	set(&c.ArnLike, "AWS:SourceArn", in.SourceArn)
	if aws.Value(in.InvokedViaFunctionUrl) {
		set(&c.Bool, "lambda:InvokedViaFunctionUrl", ptr("true"))
	}
	if len(c.StringEquals)+len(c.ArnLike)+len(c.Bool) > 0 {
		st.Condition = &c
	}
	return st, nil
}

func (s *Service) getPolicy(ctx context.Context, in *api.GetPolicyRequest) (*api.GetPolicyResponse, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	var p *policy
	err = s.Store.View(ctx, func(r store.Reader) error {
		p, err = s.policy(ctx, r, at, qualifier)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("The resource you requested does not exist.")
	}
	if err != nil {
		return nil, err
	}
	return &api.GetPolicyResponse{Policy: &p.Document, RevisionId: &p.Revision}, nil
}

func (s *Service) removePermission(ctx context.Context, in *api.RemovePermissionRequest) (*aws.Empty, error) {
	at, qualifier, err := parseName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if has, err := functionRecords.Has(ctx, tx, at.scope, at.name); err != nil || !has {
			return cmpError(err, notFound("No policy found for: %s", at.arn("")))
		}
		p, err := s.policy(ctx, tx, at, qualifier)
		if errors.Is(err, store.ErrNotFound) {
			return notFound("No policy is associated with the given resource.")
		}
		if err != nil {
			return err
		}
		if in.RevisionId != nil && *in.RevisionId != p.Revision {
			return revisionConflict("GetPolicy")
		}
		rest := slices.DeleteFunc(slices.Clone(p.Statements), func(st statement) bool { return st.Sid == *in.StatementId })
		if len(rest) == len(p.Statements) {
			return notFound("Statement %s is not found in resource policy.", *in.StatementId)
		}
		if len(rest) == 0 {
			return policyRecords.Delete(tx, at.scope, at.name, qualifier)
		}
		if p, err = s.newPolicy(rest); err != nil {
			return err
		}
		return put(tx, policyRecords, at.scope, p, at.name, qualifier)
	})
}

// cmpError is err, or otherwise if that is nil.
func cmpError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
