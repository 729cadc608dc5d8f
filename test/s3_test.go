package test

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// s3of is an account's client of S3, which asks by paths: no name leads to buckets here.
func (c *cloud) s3of() *s3.Client {
	return s3.NewFromConfig(c.config, func(o *s3.Options) { o.UsePathStyle = true })
}

// bucket makes a bucket, and gives its name.
func (c *cloud) bucket(kind string) *string {
	c.Helper()
	name := aws.String(kind + "-" + c.account)
	must(c.s3of().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name, ObjectLockEnabledForBucket: aws.Bool(kind == "locked"),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region}}))(c)
	return name
}

func TestS3Buckets(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	client, b := c.s3of(), c.bucket("plain")
	equal(t, "its region", *must(client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: b}))(t).BucketRegion, region)
	equal(t, "its location", must(client.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: b}))(t).LocationConstraint, types.BucketLocationConstraint(region))
	equal(t, "buckets", len(must(client.ListBuckets(ctx, &s3.ListBucketsInput{}))(t).Buckets), 1)
	must(client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}))(t)
	equal(t, "versions", must(client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: b}))(t).Status, types.BucketVersioningStatusEnabled)
	must(client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: b, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms}}}}}))(t)
	equal(t, "encryption", must(client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: b}))(t).ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm, types.ServerSideEncryptionAwsKms)
	must(client.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: b}))(t)
	_, err := newCloud(t).s3of().HeadBucket(ctx, &s3.HeadBucketInput{Bucket: b})
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Errorf("another account sees the bucket: %v", err)
	}
	must(client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b}))(t)
	fails[*types.NoSuchBucket](t, second(client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b})), "The specified bucket does not exist")
}

// second is the error of a call.
func second[T any](_ T, err error) error { return err }

func TestS3Objects(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	client, b := c.s3of(), c.bucket("objects")
	for _, key := range []string{"a//b", "a/b", ".", "..", "a/../b", "/a", "ü ñ+%25?#&=", "\U0001f600", strings.Repeat("k", 1024)} {
		must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: &key, Body: strings.NewReader(key), Metadata: map[string]string{"name": "x"}}))(t)
		out := must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: &key, ChecksumMode: types.ChecksumModeEnabled}))(t)
		got, err := io.ReadAll(out.Body)
		if err != nil || string(got) != key || out.Metadata["name"] != "x" {
			t.Errorf("%q holds %q, %v, %v", key, got, out.Metadata, err)
		}
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	sum := md5.Sum(big)
	must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("big"), Body: bytes.NewReader(big), ChecksumAlgorithm: types.ChecksumAlgorithmSha256}))(t)
	head := must(client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: aws.String("big")}))(t)
	equal(t, "its ETag", *head.ETag, `"`+hex.EncodeToString(sum[:])+`"`)
	equal(t, "its size", *head.ContentLength, int64(len(big)))
	part := must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String("big"), Range: aws.String("bytes=-5")}))(t)
	equal(t, "its end", string(must(io.ReadAll(part.Body))(t)), "bcdef")
	must(client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: aws.String("copy"), CopySource: aws.String(*b + "/big")}))(t)
	must(client.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: b, Key: aws.String("copy"), ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesEtag}}))(t)
	tags := &types.Tagging{TagSet: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}}}
	must(client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: b, Key: aws.String("copy"), Tagging: tags}))(t)
	equal(t, "its tags", len(must(client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: b, Key: aws.String("copy")}))(t).TagSet), 1)
	must(client.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: b, Key: aws.String("copy")}))(t)
	must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("cold"), StorageClass: types.StorageClassGlacier}))(t)
	must(client.RestoreObject(ctx, &s3.RestoreObjectInput{Bucket: b, Key: aws.String("cold"), RestoreRequest: &types.RestoreRequest{Days: aws.Int32(1)}}))(t)
	must(client.RenameObject(ctx, &s3.RenameObjectInput{Bucket: b, Key: aws.String("renamed"), RenameSource: aws.String(*b + "/copy")}))(t)
	fails[*types.NoSuchKey](t, second(client.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: aws.String("copy")})), "The specified key does not exist")
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("big"), IfNoneMatch: aws.String("*")})
	refused(t, err, "PreconditionFailed", "At least one of the pre-conditions")
	must(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: aws.String("renamed")}))(t)
}

func TestS3Lists(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	client, b := c.s3of(), c.bucket("lists")
	must(client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}))(t)
	var want []string
	for i := range 25 {
		key := fmt.Sprintf("many/%02d", i)
		want = append(want, key)
		must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: &key}))(t)
	}
	must(client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: &want[0]}))(t)
	var got []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: b, MaxKeys: aws.Int32(7)})
	for pages.HasMorePages() {
		for _, o := range must(pages.NextPage(ctx))(t).Contents {
			got = append(got, *o.Key)
		}
	}
	if !slices.Equal(got, want[1:]) {
		t.Errorf("keys are %q", got)
	}
	old := must(client.ListObjects(ctx, &s3.ListObjectsInput{Bucket: b, Delimiter: aws.String("/")}))(t)
	equal(t, "beginnings", *old.CommonPrefixes[0].Prefix, "many/")
	var all []types.ObjectIdentifier
	versions := s3.NewListObjectVersionsPaginator(client, &s3.ListObjectVersionsInput{Bucket: b, MaxKeys: aws.Int32(4)})
	for versions.HasMorePages() {
		page := must(versions.NextPage(ctx))(t)
		for _, v := range page.Versions {
			all = append(all, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, v := range page.DeleteMarkers {
			all = append(all, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
	}
	equal(t, "versions", len(all), 26)
	out := must(client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: all}}))(t)
	equal(t, "deleted", len(out.Deleted), 26)
	must(client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b}))(t)
}

func TestS3Multipart(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	client, b, key := c.s3of(), c.bucket("parts"), aws.String("whole")
	made := must(client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32, ChecksumType: types.ChecksumTypeFullObject}))(t)
	first := bytes.Repeat([]byte("x"), 5<<20)
	one := must(client.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: key, UploadId: made.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(first), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32}))(t)
	must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: aws.String("source"), Body: strings.NewReader("0123456789")}))(t)
	two := must(client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: b, Key: key, UploadId: made.UploadId, PartNumber: aws.Int32(2), CopySource: aws.String(*b + "/source"), CopySourceRange: aws.String("bytes=2-4")}))(t)
	equal(t, "parts", len(must(client.ListParts(ctx, &s3.ListPartsInput{Bucket: b, Key: key, UploadId: made.UploadId}))(t).Parts), 2)
	equal(t, "uploads", len(must(client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: b}))(t).Uploads), 1)
	must(client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: b, Key: key, UploadId: made.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{
		{PartNumber: aws.Int32(1), ETag: one.ETag}, {PartNumber: aws.Int32(2), ETag: two.CopyPartResult.ETag}}}}))(t)
	out := must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key, ChecksumMode: types.ChecksumModeEnabled}))(t)
	if got := must(io.ReadAll(out.Body))(t); !bytes.Equal(got, append(first, "234"...)) { // the client checks the sum, too
		t.Errorf("the whole has %d bytes", len(got))
	}
	again := must(client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: key}))(t)
	must(client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: b, Key: key, UploadId: again.UploadId}))(t)
}

func TestS3Locks(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	client, b, key := c.s3of(), c.bucket("locked"), aws.String("k")
	must(client.PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{Bucket: b, ObjectLockConfiguration: &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled,
		Rule: &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(1)}}}}))(t)
	must(client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: b}))(t)
	v := must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key, Body: strings.NewReader("x")}))(t).VersionId
	kept := must(client.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{Bucket: b, Key: key}))(t).Retention
	equal(t, "its mode", kept.Mode, types.ObjectLockRetentionModeGovernance)
	_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: key, VersionId: v})
	refused(t, err, "AccessDenied", "object lock")
	must(client.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{Bucket: b, Key: key, BypassGovernanceRetention: aws.Bool(true), Retention: &types.ObjectLockRetention{}}))(t)
	must(client.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{Bucket: b, Key: key, LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOn}}))(t)
	equal(t, "its hold", must(client.GetObjectLegalHold(ctx, &s3.GetObjectLegalHoldInput{Bucket: b, Key: key}))(t).LegalHold.Status, types.ObjectLockLegalHoldStatusOn)
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: key, VersionId: v, BypassGovernanceRetention: aws.Bool(true)})
	refused(t, err, "AccessDenied", "object lock")
}

// TestS3CutOff sends uploads that end at any byte: only the one that is whole leaves an
// object.
func TestS3CutOff(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	client, b := c.s3of(), c.bucket("cut")
	body := strings.Repeat("x", 200_000)
	address := strings.TrimPrefix(house.URL(), "http://")
	now := time.Now().UTC()
	for i := range 101 {
		conn := must(net.Dial("tcp", address))(t)
		head := fmt.Sprintf("PUT /%s/k%d HTTP/1.1\r\nHost: %s\r\nX-Amz-Date: %s\r\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\n"+
			"Authorization: AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%064d\r\nContent-Length: %d\r\n\r\n",
			*b, i, address, now.Format("20060102T150405Z"), c.account, now.Format("20060102"), region, 0, len(body))
		must(io.WriteString(conn, head+body[:i*i*len(body)/10_000]))(t)
		if i == 100 {
			answer := must(bufio.NewReader(conn).ReadString('\n'))(t)
			equal(t, "the answer to the whole one", answer, "HTTP/1.1 200 OK\r\n")
		}
		conn.Close()
	}
	equal(t, "objects", len(must(client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b}))(t).Contents), 1)
}
