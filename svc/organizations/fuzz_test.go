package organizations

import (
	"context"
	"testing"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
)

// FuzzPolicy: whatever a policy's text, it is taken and compiles, or is refused in
// AWS's words.
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{noDB, noSTS, "", "{}", `{"Statement":[]}`, `{"Statement":{"Effect":"Allow","NotAction":"*","Resource":"*"}}`} {
		f.Add(true, seed)
		f.Add(false, seed)
	}
	x := newTree(f)
	f.Fuzz(func(t *testing.T, resources bool, text string) {
		kind := api.PolicyTypeServiceControlPolicy
		if resources {
			kind = api.PolicyTypeResourceControlPolicy
		}
		if err := check(kind, text); err != nil {
			if aws.CodeOf(err) == "" {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if _, err := x.compiled.Get(text); err != nil {
			t.Errorf("%q was taken and does not compile: %v", text, err)
		}
	})
}

// FuzzToken: a page token that was never given out is refused, and no other harm done.
func FuzzToken(f *testing.F) {
	x := newTree(f)
	f.Add(aws.Token(dev), int32(1))
	f.Add(aws.Token(""), int32(20))
	f.Add(aws.Token(7), int32(2))
	f.Add("x", int32(1))
	f.Fuzz(func(t *testing.T, token string, most int32) {
		for _, op := range []func(context.Context) error{
			func(ctx context.Context) error {
				_, err := x.listAccounts(ctx, &api.ListAccountsRequest{NextToken: &token, MaxResults: &most})
				return err
			},
			func(ctx context.Context) error {
				_, err := x.listPolicies(ctx, &api.ListPoliciesRequest{Filter: ptr(api.PolicyTypeServiceControlPolicy), NextToken: &token})
				return err
			},
		} {
			if most < 1 || most > 20 {
				return // which the model refuses
			}
			if err := op(x.ctx); err != nil && aws.CodeOf(err) != "InvalidInputException" {
				t.Errorf("%q: %v", token, err)
			}
		}
	})
}
