package test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestS3Refused deletes objects of which a user may delete one, and asks for what is not
// there as somebody who may not list.
func TestS3Refused(t *testing.T) {
	t.Parallel()
	x := newShop(t, "refused")
	x.put("mine", "m", "text/plain")
	x.put("theirs", "t", "text/plain")
	name := aws.String("clerk")
	must(x.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name}))(t)
	let := func(action, resource string) {
		t.Helper()
		must(x.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: aws.String(strings.ReplaceAll(action, ":", "-")),
			PolicyDocument: aws.String(statement("Allow", action, "arn:aws:s3:::"+*x.bucket+resource, ""))}))(t)
	}
	let("s3:DeleteObject", "/mine")
	let("s3:GetObject", "/*")
	k := must(x.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name}))(t).AccessKey
	clerk := cloudAs(t, x.account, *k.AccessKeyId, *k.SecretAccessKey, "").s3of()

	out := must(clerk.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: x.bucket, Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("mine")}, {Key: aws.String("theirs")}}}}))(t)
	if len(out.Deleted) != 1 || len(out.Errors) != 1 {
		t.Fatalf("deleted %d, with %d errors", len(out.Deleted), len(out.Errors))
	}
	equal(t, "what went", *out.Deleted[0].Key, "mine")
	equal(t, "what stayed", *out.Errors[0].Key+": "+*out.Errors[0].Code, "theirs: AccessDenied")

	get := func() error {
		return second(clerk.GetObject(ctx, &s3.GetObjectInput{Bucket: x.bucket, Key: aws.String("mine")}))
	}
	head := func() error {
		return second(clerk.HeadObject(ctx, &s3.HeadObjectInput{Bucket: x.bucket, Key: aws.String("mine")}))
	}
	refused(t, get(), "AccessDenied", "s3:ListBucket")
	refused(t, head(), "Forbidden", "")
	let("s3:ListBucket", "")
	fails[*types.NoSuchKey](t, get(), "does not exist")
	fails[*types.NotFound](t, head(), "")

	must(x.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: x.bucket,
		Policy: aws.String(statement("Allow", "s3:GetObject", "arn:aws:s3:::"+*x.bucket+"/*", `,"Principal":"*"`))}))(t)
	for key, want := range map[string]int{"theirs": http.StatusOK, "mine": http.StatusForbidden} {
		if res, body := visit(t, "GET", "localhost", "/"+*x.bucket+"/"+key, nil); res.StatusCode != want {
			t.Errorf("anybody gets of %s %d, want %d: %s", key, res.StatusCode, want, body)
		}
	}
}
