package lambda

import (
	"testing"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/script"
)

// The guard of an invoke reads nothing, and so needs no store: the policy on the
// function waits for the door, and its tags for a policy that asks.
func TestInvokeGuardReadsNothing(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	needs, err := New(Options{}).guardInvoke(h.Context(t.Context()), &api.InvocationRequest{FunctionName: ptr("f"), Qualifier: ptr("live")})
	if err != nil || len(needs) != 1 || needs[0].Policy == nil || needs[0].Tags == nil {
		t.Errorf("%+v, %v", needs, err)
	}
}

func TestStatementGiven(t *testing.T) {
	for want, principal := range map[string]any{
		"*":                              "*",
		"s3.amazonaws.com":               map[string]any{"Service": "s3.amazonaws.com"},
		"111111111111":                   map[string]any{"AWS": "arn:aws:iam::111111111111:root"},
		"arn:aws:iam::111111111111:role": map[string]any{"AWS": "arn:aws:iam::111111111111:role"},
		"":                               nil,
	} {
		if got := (statement{Principal: principal}).given(); got != want {
			t.Errorf("%v was given as %q, want %q", principal, got, want)
		}
	}
}
