package sts_test

import (
	"testing"

	iamapi "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
)

// The cost of identity on every request: whose the key is, what policies there are,
// and what they say.
func BenchmarkWarm(b *testing.B) {
	w := newWorld(b)
	root := w.root(prod)
	user := root.user("anna", allow("logs:*", groups("a")))
	root.must(iamapi.Service, "AttachUserPolicy", "UserName", "anna", "PolicyArn", "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess")
	root.must(iamapi.Service, "AttachUserPolicy", "UserName", "anna", "PolicyArn", "arn:aws:iam::aws:policy/AWSLambda_FullAccess")
	root.role("writer", trust("arn:aws:iam::"+prod+":root"), allow("logs:*", groups("a")))
	session := root.assume("arn:aws:iam::" + prod + ":role/writer")
	narrow := root.assume("arn:aws:iam::"+prod+":role/writer", "Policy", allow("logs:*", groups("a")))
	ids := identity{w.iam, w.sts}
	for name, who := range map[string]someone{"user": user, "session": session, "narrow": narrow} {
		b.Run(name+"/key", func(b *testing.B) {
			for b.Loop() {
				if _, _, err := ids.Key(b.Context(), who.id, who.token); err != nil {
					b.Fatal(err)
				}
			}
		})
		_, c, err := ids.Key(b.Context(), who.id, who.token)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/policies", func(b *testing.B) {
			for b.Loop() {
				if _, err := ids.Policies(b.Context(), &c); err != nil {
					b.Fatal(err)
				}
			}
		})
		ctx := aws.WithRequest(b.Context(), &aws.Request{Caller: c, Region: "us-east-1"})
		b.Run(name+"/authorise", func(b *testing.B) {
			need := aws.Access{Action: "logs:PutLogEvents", Resource: "arn:aws:logs:us-east-1:" + prod + ":log-group:a"}
			for b.Loop() {
				if err := w.front.Allow(ctx, need); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
