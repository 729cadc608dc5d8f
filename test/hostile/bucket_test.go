package hostile

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/tule-cloud/tule/test/tule"
)

// bucketOf is a new bucket of a new account, and its owner's client.
func bucketOf(t *testing.T, house *tule.Tule) (*s3.Client, aws.Credentials, *string) {
	t.Helper()
	owner := account()
	c := s3.NewFromConfig(config(house, owner), func(o *s3.Options) { o.UsePathStyle = true })
	name := aws.String("bucket-" + owner)
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name}); err != nil {
		t.Fatal(err)
	}
	return c, aws.Credentials{AccessKeyID: owner, SecretAccessKey: "any"}, name
}

// keysIn are the keys in a bucket.
func keysIn(t *testing.T, c *s3.Client, name *string) (keys []string) {
	t.Helper()
	out, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: name})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// TestBadObjects sends S3 what it must refuse, and finds nothing stored of it, and
// nothing gone.
func TestBadObjects(t *testing.T) {
	c, key, name := bucketOf(t, house)
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: aws.String("there"), Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	request := func(method, path, body string, header ...string) message {
		m := message{service: "s3", method: method, path: "/" + *name + path, body: body, key: key, header: map[string]string{"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}}
		for i := 0; i < len(header); i += 2 {
			m.header[header[i]] = header[i+1]
		}
		return m
	}
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "<Object><Key>k%d</Key></Object>", i)
	}
	deletion := func(objects string) message {
		body := "<Delete>" + objects + "</Delete>"
		sum := md5.Sum([]byte(body))
		return request("POST", "?delete", body, "Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	bomb := `<!DOCTYPE x [<!ENTITY a "there"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><Delete><Object><Key>&b;</Key></Object></Delete>`
	const streaming = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	for _, x := range []struct {
		name   string
		m      message
		status int
		want   string
	}{
		{"a deletion of 10,000 keys", deletion("<Object><Key>there</Key></Object>" + many.String()), 400, "MalformedXML"},
		{"a deletion of nothing", deletion(""), 400, "MalformedXML"},
		{"a deletion whose XML ends early", request("POST", "?delete", "<Delete><Object><Key>there</Key></Object>"), 400, "MalformedXML"},
		{"a deletion by entities", request("POST", "?delete", bomb), 400, "MalformedXML"},
		{"a deletion with a wrong MD5", request("POST", "?delete", "<Delete><Object><Key>there</Key></Object></Delete>", "Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="), 400, "BadDigest"},
		{"XML that is nested too deep", request("POST", "?delete", strings.Repeat("<Delete>", 100_000)), 400, "MalformedXML"},
		{"XML that is bytes", request("PUT", "?versioning", "\x00\xff\xfe<"), 400, "MalformedXML"},
		{"lifecycles that are policies", request("PUT", "?lifecycle", `{"Version":"2012-10-17"}`), 400, "MalformedXML"},
		{"a wrong MD5", request("PUT", "/k", "hello", "Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="), 400, "BadDigest"},
		{"an MD5 that is none", request("PUT", "/k", "hello", "Content-MD5", "hello"), 400, "InvalidDigest"},
		{"a wrong SHA-256 of the body", request("PUT", "/k", "hello", "X-Amz-Content-Sha256", strings.Repeat("0", 64)), 400, "XAmzContentSHA256Mismatch"},
		{"a wrong checksum", request("PUT", "/k", "hello", "X-Amz-Checksum-Crc32", "AAAAAA=="), 400, "BadDigest"},
		{"a wrong checksum of 64 bits", request("PUT", "/k", "hello", "X-Amz-Checksum-Crc64nvme", "AAAAAAAAAAA="), 400, "BadDigest"},
		{"a checksum that is none", request("PUT", "/k", "hello", "X-Amz-Checksum-Sha256", "hello"), 400, "InvalidRequest"},
		{"two checksums", request("PUT", "/k", "hello", "X-Amz-Checksum-Crc32", "AAAAAA==", "X-Amz-Checksum-Crc32c", "AAAAAA=="), 400, "InvalidRequest"},
		{"a wrong checksum behind the body", request("PUT", "/k", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
			"X-Amz-Content-Sha256", streaming, "X-Amz-Decoded-Content-Length", "5", "X-Amz-Trailer", "x-amz-checksum-crc32"), 400, "BadDigest"},
		{"a chunk without a length", request("PUT", "/k", "hello", "X-Amz-Content-Sha256", streaming, "X-Amz-Decoded-Content-Length", "5"), 400, "<Error>"},
		{"chunks that end early", request("PUT", "/k", "5\r\nhel", "X-Amz-Content-Sha256", streaming, "X-Amz-Decoded-Content-Length", "5"), 400, "IncompleteBody"},
		{"fewer bytes than were promised", request("PUT", "/k", "5\r\nhello\r\n0\r\n\r\n", "X-Amz-Content-Sha256", streaming, "X-Amz-Decoded-Content-Length", "6"), 400, "<Error>"},
		{"more bytes than an object has", with(request("PUT", "/k", ""), func(r *http.Request) {
			r.Header.Set("Expect", "100-continue")
			r.ContentLength, r.Body = 5<<30+1, io.NopCloser(io.LimitReader(zeros{}, 5<<30+1))
		}), 400, "EntityTooLarge"},
		{"a key that is too long", request("PUT", "/"+strings.Repeat("k", 1025), "hello"), 400, "KeyTooLongError"},
		{"a key that is no UTF-8", request("PUT", "/%ff%fe", "hello"), 400, "InvalidURI"},
		{"metadata that is too long", request("PUT", "/k", "hello", "X-Amz-Meta-M", strings.Repeat("m", 2048)), 400, "MetadataTooLarge"},
		{"a source that is none", request("PUT", "/k", "", "X-Amz-Copy-Source", "nothing"), 400, "InvalidArgument"},
		{"a part with no upload", request("PUT", "/k?partNumber=1&uploadId=nothing", "hello"), 404, "NoSuchUpload"},
		{"part 10,001", request("PUT", "/k?partNumber=10001&uploadId=nothing", "hello"), 400, "InvalidArgument"},
		{"an upload completed by bad XML", request("POST", "/k?uploadId=nothing", "<CompleteMultipartUpload><Part>"), 400, "MalformedXML"},
		{"a policy that is none", request("PUT", "?policy", `{"Statement":`), 400, "MalformedPolicy"},
		{"a policy that is too long", request("PUT", "?policy", `{"Version":"2012-10-17","Id":"`+strings.Repeat("x", 30_000)+`"}`), 400, "PolicyTooLarge"},
		{"a list after a token of nobody's", request("GET", "?list-type=2&continuation-token=nothing", ""), 400, "InvalidArgument"},
		{"a list of a negative number", request("GET", "?max-keys=-1", ""), 400, "InvalidArgument"},
		{"a customer's key that is too short", request("PUT", "/k", "hello", "X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256",
			"X-Amz-Server-Side-Encryption-Customer-Key", "a2V5", "X-Amz-Server-Side-Encryption-Customer-Key-Md5", "AAAAAAAAAAAAAAAAAAAAAA=="), 400, "InvalidArgument"},
	} {
		t.Run(x.name, func(t *testing.T) {
			status, body := x.m.send(t)
			if status != x.status || !strings.Contains(body, x.want) {
				t.Errorf("got %d %.400s, want %d and %s", status, body, x.status, x.want)
			}
			if keys := keysIn(t, c, name); len(keys) != 1 || keys[0] != "there" {
				t.Errorf("the bucket has %.200q", keys)
			}
			serves(t)
		})
	}
}

// TestLockedOut has a policy deny everything to everybody. The root user of the account
// can undo that, and nobody else.
func TestLockedOut(t *testing.T) {
	c, _, name := bucketOf(t, house)
	clerk := user(t)
	other := config(house, "")
	other.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return clerk, nil })
	stranger := s3.NewFromConfig(other, func(o *s3.Options) { o.UsePathStyle = true })
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::%[1]s","arn:aws:s3:::%[1]s/*"]}}`, *name)
	put := func() error {
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: aws.String("k"), Body: strings.NewReader("x")})
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: name, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	_, get := c.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: aws.String("k")})
	_, gone := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: name})
	_, theirs := stranger.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: name})
	for what, err := range map[string]error{"a put": put(), "a get": get, "the bucket's end": gone, "a stranger": theirs} {
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != "AccessDenied" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := c.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: name}); err != nil {
		t.Error(err)
	}
	if err := put(); err != nil {
		t.Error(err)
	}
}
