package policy_test

import (
	"fmt"

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
