package dynamodb

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// maxPolicy is how long the policy of a table may be, in bytes.
const maxPolicy = 20480

// noPolicy is the ExpectedRevisionId of those who expect that there is none.
const noPolicy = "NO_POLICY"

// resourcePolicy is the policy of a table, part of the table's record.
type resourcePolicy struct{ Document, Revision string }

func (p *resourcePolicy) revision() string {
	if p == nil {
		return noPolicy
	}
	return p.Revision
}

// newPolicy checks a policy's text; what it means is asked when it is evaluated.
func (s *Service) newPolicy(text string) (*resourcePolicy, error) {
	switch {
	case len(text) > maxPolicy:
		return nil, value.Invalidf("Maximum policy size of %d bytes exceeded", maxPolicy)
	case !json.Valid([]byte(text)):
		return nil, value.Invalidf("Invalid policy document: This policy contains invalid Json")
	}
	return &resourcePolicy{text, strconv.FormatInt(s.clock.Now().UnixMilli(), 10)}, nil
}

// withPolicy reads the ARN of a table whose policy is meant.
func withPolicy(ctx context.Context, arn *string) (ref, error) {
	a, ok := aws.ParseARN(aws.Value(arn))
	switch {
	case !ok:
		return ref{}, value.Invalidf("ARNs must start with 'arn:': %s", aws.Value(arn))
	case a.Service != "dynamodb":
		return ref{}, value.Invalidf("Provided Arn is not a DynamoDB resource arn: %s", *arn)
	case strings.Contains(a.Resource, "/stream/"):
		return ref{}, missing("Resource policies of streams")
	case strings.Count(a.Resource, "/") != 1:
		return ref{}, value.Invalidf("Invalid resource arn provided, only table or stream is accepted. Provided resource arn: %s", *arn)
	}
	return own(ctx, arn)
}

func noTable(arn *string) error {
	return api.ResourceNotFoundException("Requested resource not found: ResourceArn: %s not found", aws.Value(arn))
}

// changePolicy gives a table another policy, nil for none.
func (s *Service) changePolicy(ctx context.Context, arn, expected *string, change func(old *resourcePolicy) (*resourcePolicy, error)) error {
	at, err := withPolicy(ctx, arn)
	if err != nil {
		return err
	}
	return s.alter(ctx, func(tx store.Tx) error {
		old, err := s.lookup(ctx, tx, at)
		if errors.Is(err, store.ErrNotFound) {
			return noTable(arn)
		}
		if err != nil {
			return err
		}
		if expected != nil && *expected != old.Policy.revision() {
			return api.PolicyNotFoundException("Resource-based policy not found for the provided ResourceArn: %s and RevisionId: %s", *arn, *expected)
		}
		t := old.clone()
		if t.Policy, err = change(old.Policy); err != nil {
			return err
		}
		return t.save(tx, at)
	})
}

func (s *Service) putResourcePolicy(ctx context.Context, in *api.PutResourcePolicyInput) (*api.PutResourcePolicyOutput, error) {
	p, err := s.newPolicy(*in.Policy)
	if err != nil {
		return nil, err
	}
	err = s.changePolicy(ctx, in.ResourceArn, in.ExpectedRevisionId, func(old *resourcePolicy) (*resourcePolicy, error) {
		if old != nil && old.Document == p.Document {
			p = old // the same policy keeps its revision
		}
		return p, nil
	})
	if err != nil {
		return nil, err
	}
	return &api.PutResourcePolicyOutput{RevisionId: &p.Revision}, nil
}

func (s *Service) getResourcePolicy(ctx context.Context, in *api.GetResourcePolicyInput) (*api.GetResourcePolicyOutput, error) {
	at, err := withPolicy(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	var t *table
	err = s.store.View(ctx, func(r store.Reader) error {
		t, err = s.lookup(ctx, r, at)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, noTable(in.ResourceArn)
	}
	if err != nil {
		return nil, err
	}
	if t.Policy == nil {
		return nil, api.PolicyNotFoundException("Resource-based policy not found for the provided ResourceArn: %s", *in.ResourceArn)
	}
	return &api.GetResourcePolicyOutput{Policy: &t.Policy.Document, RevisionId: &t.Policy.Revision}, nil
}

// deleteResourcePolicy takes a table's policy away; that there is none is no error, unless the
// caller expects one.
func (s *Service) deleteResourcePolicy(ctx context.Context, in *api.DeleteResourcePolicyInput) (*api.DeleteResourcePolicyOutput, error) {
	out := &api.DeleteResourcePolicyOutput{}
	err := s.changePolicy(ctx, in.ResourceArn, in.ExpectedRevisionId, func(old *resourcePolicy) (*resourcePolicy, error) {
		if out.RevisionId = nil; old != nil {
			out.RevisionId = &old.Revision
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// reach reads a table's name for an operation on its items, which others may use, too, whom
// the table's policy lets in.
func (s *Service) reach(ctx context.Context, name *string) (ref, error) {
	at, err := parseRef(ctx, name)
	if err != nil {
		return at, err
	}
	if req := aws.RequestOf(ctx); at.scope.Account == req.Account() || at.scope.Region != req.Region {
		return own(ctx, name)
	}
	if t, err := s.schema(ctx, name); err != nil || t.Policy == nil {
		return own(ctx, name)
	}
	return at, nil
}

// policyOf reads the policy of a table, which its indexes share. One that is not there has
// none.
func (s *Service) policyOf(name *string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		t, err := s.schema(ctx, name)
		if aws.CodeOf(err) == "ResourceNotFoundException" || err == nil && t.Policy == nil {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		return t.Policy.Document, nil
	}
}
