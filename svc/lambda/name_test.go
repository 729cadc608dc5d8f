package lambda

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func own() context.Context {
	return aws.WithRequest(context.Background(), &aws.Request{Region: "eu-west-1", Caller: aws.Caller{Kind: aws.Root, Account: "111111111111"}})
}

func TestParseName(t *testing.T) {
	for _, c := range []struct{ name, beside, want string }{
		{"f", "", "111111111111 eu-west-1 f "},
		{"f", "live", "111111111111 eu-west-1 f live"},
		{"f:3", "", "111111111111 eu-west-1 f 3"},
		{"f:3", "3", "111111111111 eu-west-1 f 3"},
		{"f:3", "4", "InvalidParameterValueException"},
		{"function:f", "", "111111111111 eu-west-1 f "},
		{"222222222222:f", "", "222222222222 eu-west-1 f "},
		{"222222222222:function:f:$LATEST", "", "222222222222 eu-west-1 f $LATEST"},
		{"eu-west-1:222222222222:function:f", "", "222222222222 eu-west-1 f "},
		{"arn:aws:lambda:eu-west-1:222222222222:function:f", "", "222222222222 eu-west-1 f "},
		{"arn:aws:lambda:eu-west-1:222222222222:function:f:live", "live", "222222222222 eu-west-1 f live"},
		{"arn:aws:lambda:us-east-1:222222222222:function:f", "", "ResourceNotFoundException"},
		{"function", "", "111111111111 eu-west-1 function "},
		{strings.Repeat("a", 65), "", "InvalidParameterValueException"},
	} {
		var beside *string
		if c.beside != "" {
			beside = &c.beside
		}
		at, q, err := parseName(own(), &c.name, beside)
		got := strings.Join([]string{at.scope.Account, at.scope.Region, at.name, q}, " ")
		if err != nil {
			got = aws.CodeOf(err)
		}
		if got != c.want {
			t.Errorf("%s with %q: %s, want %s", c.name, c.beside, got, c.want)
		}
	}
}

// FuzzParseName looks for a name whose ARN is not that of the same function again.
func FuzzParseName(f *testing.F) {
	f.Add("arn:aws:lambda:eu-west-1:222222222222:function:f:live")
	f.Add("222222222222:function:f")
	f.Add("f:$LATEST")
	f.Fuzz(func(t *testing.T, name string) {
		at, q, err := parseName(own(), &name, nil)
		if err != nil || at.name == "" || strings.Contains(at.name+q, ":") {
			return
		}
		arn := at.arn(q)
		again, q2, err := parseName(own(), &arn, nil)
		if err != nil || again != at || q2 != q {
			t.Errorf("%q is %v %q, its ARN %s is %v %q, %v", name, at, q, arn, again, q2, err)
		}
	})
}

// FuzzCodeToken looks for a token that was not given out and is taken.
func FuzzCodeToken(f *testing.F) {
	s := New(Options{Clock: aws.NewManualClock(time.Unix(1000, 0))})
	good := s.codeToken(store.Scope{Account: "111111111111", Region: "eu-west-1"}, code{SHA256: "ab"}, time.Unix(1001, 0))
	f.Add(good)
	f.Fuzz(func(t *testing.T, token string) {
		if scope, sum, ok := s.readToken(token); ok && (token != good || sum != "ab" || scope.Account != "111111111111") {
			t.Errorf("%q is taken", token)
		}
	})
}
