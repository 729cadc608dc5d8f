package iam

import (
	"context"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) contextKeyRoutes() []aws.Route {
	return []aws.Route{
		api.GetContextKeysForCustomPolicy.To(s.getContextKeysForCustomPolicy, aws.Anywhere),
		api.GetContextKeysForPrincipalPolicy.To(s.getContextKeysForPrincipalPolicy, s.guardContextKeys),
	}
}

func (s *Service) guardContextKeys(_ context.Context, in *api.GetContextKeysForPrincipalPolicyRequest) ([]aws.Access, error) {
	return []aws.Access{{Resource: *in.PolicySourceArn}}, nil
}

// contextKeys are the condition keys that policies ask for, each once and as it is
// written first.
func contextKeys(sources []policy.Source) []string {
	out := []string{}
	seen := map[string]bool{}
	for _, src := range sources {
		if src.Policy == nil {
			continue
		}
		for _, k := range src.Policy.ContextKeys() {
			if !seen[k] {
				seen[k] = true
				out = append(out, asWritten(src.Policy.Document(), k))
			}
		}
	}
	return out
}

// asWritten is a key in the case in which a document has it.
func asWritten(doc *policy.Document, key string) string {
	for i := range doc.Statements {
		for _, c := range doc.Statements[i].Conditions {
			if strings.EqualFold(c.Key, key) {
				return c.Key
			}
		}
	}
	for text := doc.Text(); ; { // a variable, then
		i := strings.Index(text, "${")
		if i < 0 {
			return key
		}
		text = text[i+2:]
		if len(text) >= len(key) && strings.EqualFold(text[:len(key)], key) {
			return text[:len(key)]
		}
	}
}

func (s *Service) getContextKeysForCustomPolicy(_ context.Context, in *api.GetContextKeysForCustomPolicyRequest) (*api.GetContextKeysForPolicyResponse, error) {
	sources, err := s.inputs("PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return &api.GetContextKeysForPolicyResponse{ContextKeyNames: contextKeys(sources)}, nil
}

func (s *Service) getContextKeysForPrincipalPolicy(ctx context.Context, in *api.GetContextKeysForPrincipalPolicyRequest) (*api.GetContextKeysForPolicyResponse, error) {
	var g grants
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		g, err = s.gatherARN(ctx, r, *in.PolicySourceArn)
		return err
	})
	if err != nil {
		return nil, err
	}
	more, err := s.inputs("PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return &api.GetContextKeysForPolicyResponse{ContextKeyNames: contextKeys(slices.Concat(g.set.Identity, g.set.Boundary, more))}, nil
}
