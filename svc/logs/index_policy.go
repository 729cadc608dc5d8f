package logs

import (
	"context"
	"encoding/json"
	"slices"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/store"
)

// An indexPolicy names fields for which AWS keeps an index of a group. Queries here read
// everything within their time, so it is kept and shown, and makes no difference.
type indexPolicy struct {
	Document string
	Updated  int64 // milliseconds
}

// maxIndexFields is how many fields a policy names at most.
const maxIndexFields = 20

// indexFields are the fields that a policy names.
func indexFields(document string) ([]string, error) {
	var doc struct{ Fields []string }
	if json.Unmarshal([]byte(document), &doc) != nil || len(doc.Fields) == 0 || len(doc.Fields) > maxIndexFields || slices.Contains(doc.Fields, "") {
		return nil, api.InvalidParameterException("The policy document must have Fields: one to %d names of fields.", maxIndexFields)
	}
	return doc.Fields, nil
}

func (s *Service) putIndexPolicy(ctx context.Context, in *api.PutIndexPolicyRequest) (*api.PutIndexPolicyResponse, error) {
	name, err := groupIdentified(ctx, *in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if _, err := indexFields(*in.PolicyDocument); err != nil {
		return nil, err
	}
	p := indexPolicy{Document: *in.PolicyDocument, Updated: s.now()}
	err = s.changeGroup(ctx, name, func(g *group) error {
		g.Index = &p
		return nil
	})
	return &api.PutIndexPolicyResponse{IndexPolicy: ptr(p.describe(name, api.IndexSourceLogGroup))}, err
}

func (p *indexPolicy) describe(group, source string) api.IndexPolicy {
	return api.IndexPolicy{LogGroupIdentifier: &group, PolicyDocument: &p.Document, LastUpdateTime: &p.Updated, Source: &source}
}

func (s *Service) deleteIndexPolicy(ctx context.Context, in *api.DeleteIndexPolicyRequest) (*api.DeleteIndexPolicyResponse, error) {
	name, err := groupIdentified(ctx, *in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	return &api.DeleteIndexPolicyResponse{}, s.changeGroup(ctx, name, func(g *group) error {
		if g.Index == nil {
			return api.ResourceNotFoundException("The log group has no index policy.")
		}
		g.Index = nil
		return nil
	})
}

// indexOf is the index policy that holds for a group: its own before the account's.
func indexOf(ctx context.Context, r store.Reader, sc store.Scope, name string) (*indexPolicy, string, error) {
	g, err := groupNamed(ctx, r, sc, name)
	if err != nil || g.Index != nil {
		return g.Index, api.IndexSourceLogGroup, err
	}
	for e, err := range accountPolicies.List(ctx, r, sc, store.ListOptions{Prefix: []any{accountIndex}}) {
		if err != nil {
			return nil, "", err
		}
		if except, prefix, err := parseCriteria(e.Record.Criteria); err == nil && (&accountPolicy{Except: except, Prefix: prefix}).selects(name) {
			return &indexPolicy{e.Record.Document, e.Record.Updated}, api.IndexSourceAccount, nil
		}
	}
	return nil, "", nil
}

const accountIndex = api.PolicyTypeFieldIndexPolicy

func (s *Service) describeIndexPolicies(ctx context.Context, in *api.DescribeIndexPoliciesRequest) (*api.DescribeIndexPoliciesResponse, error) {
	out := &api.DescribeIndexPoliciesResponse{IndexPolicies: []api.IndexPolicy{}}
	return out, s.eachIndex(ctx, in.LogGroupIdentifiers, func(group, source string, p *indexPolicy) {
		out.IndexPolicies = append(out.IndexPolicies, p.describe(group, source))
	})
}

func (s *Service) describeFieldIndexes(ctx context.Context, in *api.DescribeFieldIndexesRequest) (*api.DescribeFieldIndexesResponse, error) {
	out := &api.DescribeFieldIndexesResponse{FieldIndexes: []api.FieldIndex{}}
	return out, s.eachIndex(ctx, in.LogGroupIdentifiers, func(group, _ string, p *indexPolicy) {
		fields, err := indexFields(p.Document)
		if err != nil {
			return
		}
		for _, f := range fields {
			out.FieldIndexes = append(out.FieldIndexes, api.FieldIndex{LogGroupIdentifier: &group, FieldIndexName: &f, LastScanTime: &p.Updated})
		}
	})
}

// eachIndex shows the index policies that hold for groups.
func (s *Service) eachIndex(ctx context.Context, ids []string, show func(group, source string, p *indexPolicy)) error {
	return s.store.View(ctx, func(r store.Reader) error {
		for _, id := range ids {
			name, err := groupIdentified(ctx, id)
			if err != nil {
				return err
			}
			p, source, err := indexOf(ctx, r, scopeOf(ctx), name)
			if err != nil {
				return err
			}
			if p != nil {
				show(name, source, p)
			}
		}
		return nil
	})
}
