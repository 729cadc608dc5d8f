package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/policy"
)

func Example() {
	p, err := policy.ParseAndCompile(`{
		"Version": "2012-10-17",
		"Statement": {
			"Effect": "Allow",
			"Action": "dynamodb:GetItem",
			"Resource": "arn:aws:dynamodb:*:*:table/${aws:username}"
		}
	}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	set := policy.Set{Identity: []policy.Source{{ID: "tables", Policy: p}}}
	req := policy.Request{
		Principal: policy.Principal{
			Type:      policy.User,
			ARN:       "arn:aws:iam::111111111111:user/ana",
			AccountID: "111111111111",
			UserName:  "ana",
		},
		Action:   "dynamodb:GetItem",
		Resource: "arn:aws:dynamodb:us-east-1:111111111111:table/ana",
	}
	fmt.Println(policy.Evaluate(&req, &set).Allowed)

	req.Action = "dynamodb:PutItem"
	fmt.Println(policy.Evaluate(&req, &set).Message(&req))
	// Output:
	// true
	// User: arn:aws:iam::111111111111:user/ana is not authorized to perform: dynamodb:PutItem on resource: arn:aws:dynamodb:us-east-1:111111111111:table/ana because no identity-based policy allows the dynamodb:PutItem action
}

// The scripts that follow AWS's flow chart hold enough cases, one a line, that a box
// cannot go missing unseen.
func TestFlowChartCases(t *testing.T) {
	paths, err := filepath.Glob("testdata/flowchart*.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "\ndecide\n")[1:] {
			lines, _, _ := strings.Cut(block, "\n----")
			cases += 1 + strings.Count(lines, "\n")
		}
	}
	if cases < 500 {
		t.Errorf("%d cases follow the flow chart, want at least 500", cases)
	}
}
