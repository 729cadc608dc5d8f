package main

import (
	"crypto/rand"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	iamapi "github.com/tule-cloud/tule/api/iam"
	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/blob/blobtest"
	"github.com/tule-cloud/tule/blob/bucket"
)

// let gives the walk's user a policy with the statements, and no other.
func (w *walk) let(t *testing.T, statements ...string) {
	t.Helper()
	call(t, w, &iamapi.PutUserPolicy, &iamapi.PutUserPolicyRequest{UserName: ptr("example"), PolicyName: ptr("example"),
		PolicyDocument: ptr(`{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ", ") + `]}`)})
}

// TestObjectsByPolicy shows what policies make of requests to S3, from end to end: each
// key of a deletion is judged by itself, a key that is not there is a secret of who may
// list, and tags decide.
func TestObjectsByPolicy(t *testing.T) {
	w := newWalk(t)
	for _, key := range []string{"mine", "theirs"} {
		call(t, w, &s3api.PutObject, &s3api.PutObjectRequest{Bucket: ptr("example"), Key: &key, Body: strings.NewReader("x"), ContentLength: ptr(int64(1))})
	}
	const remove = `{"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::example/mine"}`
	w.let(t, remove)
	out, err := s3api.DeleteObjects.Do(w.user, w.house.front, &s3api.DeleteObjectsRequest{Bucket: ptr("example"),
		Delete: &s3api.Delete{Objects: []s3api.ObjectIdentifier{{Key: ptr("mine")}, {Key: ptr("theirs")}}}})
	if err != nil || len(out.Deleted) != 1 || *out.Deleted[0].Key != "mine" || len(out.Errors) != 1 {
		t.Fatalf("a deletion of two: %+v, %v", out, err)
	}
	const sentence = "User: arn:aws:iam::000000000000:user/example is not authorized to perform: s3:DeleteObject on resource: "
	if e := out.Errors[0]; *e.Key != "theirs" || *e.Code != "AccessDenied" || !strings.HasPrefix(*e.Message, sentence) {
		t.Errorf("what keeps the other: %s: %s: %s", *e.Key, *e.Code, *e.Message)
	}

	get := func(key string) string {
		_, err := s3api.GetObject.Do(w.user, w.house.front, &s3api.GetObjectRequest{Bucket: ptr("example"), Key: &key})
		return aws.CodeOf(err)
	}
	const read = `{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}`
	const list = `{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::example"}`
	given := func(key string) string {
		return strings.TrimSuffix(read, "}") + `, "Condition": {"StringEquals": {"` + key + `": "red"}}}`
	}
	for _, c := range []struct {
		statements            []string
		tagged, plain, absent string
	}{
		{[]string{list}, "AccessDeniedException", "AccessDeniedException", "AccessDeniedException"},
		{[]string{read}, "", "", "AccessDeniedException"},
		{[]string{read, list}, "", "", "NoSuchKey"},
		{[]string{given("s3:ExistingObjectTag/team"), list}, "", "AccessDeniedException", "AccessDeniedException"},
		{[]string{given("s3:BucketTag/team"), list}, "", "", "NoSuchKey"},
		{[]string{given("aws:ResourceTag/team"), list}, "", "", "NoSuchKey"},
		{[]string{given("s3:BucketTag/squad"), list}, "AccessDeniedException", "AccessDeniedException", "AccessDeniedException"},
	} {
		w.let(t, c.statements...)
		if got, want := []string{get("example"), get("theirs"), get("none")}, []string{c.tagged, c.plain, c.absent}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, not %q", c.statements, got, want)
		}
	}
}

// TestBlobsInABucket holds the driver for stores that speak S3 against the contract of all
// drivers: the store is another Tule.
func TestBlobsInABucket(t *testing.T) {
	w := newWalk(t)
	server := httptest.NewServer(w.house.front)
	defer server.Close()
	blobtest.Run(t, func(t *testing.T) blob.Store {
		s, err := bucket.Open(t.Context(), bucket.Options{Random: rand.Reader, URL: "s3://example/blobs?endpoint=" + server.URL, Key: "test", Secret: "test"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
	if _, err := bucket.Open(t.Context(), bucket.Options{Random: rand.Reader, URL: "s3://nobodys?endpoint=" + server.URL, Key: "test", Secret: "test"}); err == nil || !strings.Contains(err.Error(), "no such bucket") {
		t.Errorf("of a bucket that is not there: %v", err)
	}
}
