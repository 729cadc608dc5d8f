package test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tule-cloud/tule/test/tule"
)

// trailPolicy is AWS's own for the bucket of a trail.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
const trailPolicy = `{"Version":"2012-10-17","Statement":[
	{"Sid":"AWSCloudTrailAclCheck20150319","Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:GetBucketAcl","Resource":"arn:aws:s3:::BUCKET",
	 "Condition":{"StringEquals":{"aws:SourceArn":"TRAIL"}}},
	{"Sid":"AWSCloudTrailWrite20150319","Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::BUCKET/all/AWSLogs/ACCOUNT/*",
	 "Condition":{"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control","aws:SourceArn":"TRAIL"}}}]}`

// trailBucket makes a bucket that the trail "main" of the account may deliver to, if open.
func trailBucket(c *cloud, open bool) (*s3.Client, string) {
	c.Helper()
	client := s3.NewFromConfig(c.config, func(o *s3.Options) { o.UsePathStyle = true })
	name := "trail-" + c.account
	must(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))(c)
	if open {
		policy := strings.NewReplacer("BUCKET", name, "ACCOUNT", c.account, "TRAIL", c.arn("cloudtrail", "trail/main")).Replace(trailPolicy)
		must(client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &name, Policy: &policy}))(c)
	}
	return client, name
}

// A trail is made where the bucket's policy lets CloudTrail in, and every operation on it
// answers.
func TestTrailOperations(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	trail := trailOf(c, region)
	main := aws.String("main")
	_, err := trail.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: main, S3BucketName: aws.String("trail-" + c.account), S3KeyPrefix: aws.String("all")})
	fails[*types.S3BucketDoesNotExistException](t, err, "does not exist")
	client, bucket := trailBucket(c, false)
	_, err = trail.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: main, S3BucketName: &bucket, S3KeyPrefix: aws.String("all")})
	fails[*types.InsufficientS3BucketPolicyException](t, err, "Incorrect S3 bucket policy")
	policy := strings.NewReplacer("BUCKET", bucket, "ACCOUNT", c.account, "TRAIL", c.arn("cloudtrail", "trail/main")).Replace(trailPolicy)
	must(client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy}))(t)
	_, err = trail.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: aws.String("other"), S3BucketName: &bucket, S3KeyPrefix: aws.String("all")})
	fails[*types.InsufficientS3BucketPolicyException](t, err, "Incorrect S3 bucket policy")

	made := must(trail.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: main, S3BucketName: &bucket, S3KeyPrefix: aws.String("all")}))(t)
	must(trail.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: main, IsMultiRegionTrail: aws.Bool(true), EnableLogFileValidation: aws.Bool(true)}))(t)
	must(trail.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: main}))(t)
	must(trail.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: main, EventSelectors: []types.EventSelector{{ReadWriteType: types.ReadWriteTypeWriteOnly, IncludeManagementEvents: aws.Bool(true)}}}))(t)
	equal(t, "what it keeps", must(trail.GetEventSelectors(ctx, &cloudtrail.GetEventSelectorsInput{TrailName: main}))(t).EventSelectors[0].ReadWriteType, types.ReadWriteTypeWriteOnly)
	must(trail.PutInsightSelectors(ctx, &cloudtrail.PutInsightSelectorsInput{TrailName: main, InsightSelectors: []types.InsightSelector{{InsightType: types.InsightTypeApiCallRateInsight}}}))(t)
	must(trail.GetInsightSelectors(ctx, &cloudtrail.GetInsightSelectorsInput{TrailName: main}))(t)
	must(trail.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: made.TrailARN, TagsList: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}}}))(t)
	equal(t, "the tag", *must(trail.ListTags(ctx, &cloudtrail.ListTagsInput{ResourceIdList: []string{*made.TrailARN}}))(t).ResourceTagList[0].TagsList[0].Value, "a")
	must(trail.RemoveTags(ctx, &cloudtrail.RemoveTagsInput{ResourceId: made.TrailARN, TagsList: []types.Tag{{Key: aws.String("team")}}}))(t)

	abroad := trailOf(c, "us-east-1")
	equal(t, "from abroad", *must(abroad.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{}))(t).TrailList[0].HomeRegion, region)
	_, err = abroad.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: main})
	fails[*types.InvalidHomeRegionException](t, err, region)
	equal(t, "is it multi", *must(trail.GetTrail(ctx, &cloudtrail.GetTrailInput{Name: made.TrailARN}))(t).Trail.IsMultiRegionTrail, true)
	equal(t, "how many", len(must(trail.ListTrails(ctx, &cloudtrail.ListTrailsInput{}))(t).Trails), 1)
	equal(t, "is it logging", *must(trail.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: main}))(t).IsLogging, true)
	must(trail.ListPublicKeys(ctx, &cloudtrail.ListPublicKeysInput{}))(t)
	must(trail.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: main}))(t)

	nobody := c.person("nobody", allow(`"cloudtrail:GetTrail"`, c.arn("cloudtrail", "trail/other")))
	_, err = trailOf(nobody, region).GetTrail(ctx, &cloudtrail.GetTrailInput{Name: main})
	refused(t, err, "AccessDeniedException", "cloudtrail:GetTrail on resource: "+*made.TrailARN)
	must(trail.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: main}))(t)
}

// What was done is in the bucket after five minutes of Tule's clock, across a kill, and
// the AWS CLI finds the signed digests of it in order; but not when a file was changed.
func TestTrailDelivery(t *testing.T) {
	t.Parallel()
	own := must(tule.Start(tule.Options{Data: t.TempDir()}))(t)
	t.Cleanup(func() { _ = own.Stop() })
	cloudAt := func() *cloud {
		return cloudOf(t, "123412341234", aws.Config{Region: region, BaseEndpoint: aws.String(own.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
			Credentials: credentials.NewStaticCredentialsProvider("123412341234", "any", "")})
	}
	advance := func(d time.Duration) {
		t.Helper()
		res := must(http.Post(own.URL()+"/_tule/clock?advance="+d.String(), "", nil))(t)
		if res.Body.Close(); res.StatusCode != http.StatusOK {
			t.Fatalf("the clock answered %s", res.Status)
		}
	}
	c := cloudAt()
	client, bucket := trailBucket(c, true)
	trail := trailOf(c, region)
	main := aws.String("main")
	start := time.Now().Add(-time.Hour)
	must(trail.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: main, S3BucketName: &bucket, S3KeyPrefix: aws.String("all"), IsMultiRegionTrail: aws.Bool(true), EnableLogFileValidation: aws.Bool(true)}))(t)
	must(trail.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: main}))(t)
	c.songs()
	must(trail.LookupEvents(ctx, by(types.LookupAttributeKeyEventName, "CreateTable")))(t) // what a lookup has shown is on disk
	own.Kill()
	own = must(tule.Start(tule.Options{Data: own.Data}))(t)
	t.Cleanup(func() { _ = own.Stop() })
	c = cloudAt()
	client = s3.NewFromConfig(c.config, func(o *s3.Options) { o.UsePathStyle = true })
	trail = trailOf(c, region)

	advance(6 * time.Minute)
	folder := "all/AWSLogs/123412341234/CloudTrail/" + region + "/"
	key := awaitObject(t, client, bucket, folder)
	names := map[string]int{}
	for _, r := range recordsIn(t, client, bucket, key) {
		names[at(r, "eventName").(string)]++
	}
	if names["CreateTable"] != 1 {
		t.Errorf("%s has %v", key, names)
	}
	advance(61 * time.Minute)
	awaitObject(t, client, bucket, "all/AWSLogs/123412341234/CloudTrail-Digest/"+region+"/")
	advance(61 * time.Minute)

	validate := func() string {
		cli := exec.Command(filepath.Join(tule.Root(), ".cache", "venv", "bin", "aws"), "cloudtrail", "validate-logs", "--trail-arn", c.arn("cloudtrail", "trail/main"),
			"--start-time", start.UTC().Format(time.RFC3339), "--end-time", start.Add(6*time.Hour).UTC().Format(time.RFC3339), "--verbose")
		cli.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=123412341234", "AWS_SECRET_ACCESS_KEY=any", "AWS_DEFAULT_REGION="+region, "AWS_ENDPOINT_URL="+own.URL())
		out, _ := cli.CombinedOutput() // it fails where something is invalid
		return string(out)
	}
	var out string
	for deadline := time.Now().Add(20 * time.Second); ; {
		if out = validate(); strings.Contains(out, "2/2 digest files valid") || time.Now().After(deadline) {
			break
		}
	}
	if !strings.Contains(out, "2/2 digest files valid") || strings.Contains(out, "INVALID") || !strings.Contains(out, "log files valid") {
		t.Errorf("validate-logs says:\n%s", out)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(`{"Records":[]}`))
	_ = z.Close()
	must(client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(b.Bytes())}))(t)
	if out = validate(); !strings.Contains(out, "INVALID: hash value doesn't match") {
		t.Errorf("of a file that was changed validate-logs says:\n%s", out)
	}
}

// awaitObject waits until there is an object below a folder, and gives its key.
func awaitObject(t *testing.T, client *s3.Client, bucket, folder string) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		for _, o := range must(client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &folder}))(t).Contents {
			if strings.HasSuffix(*o.Key, ".json.gz") {
				return *o.Key
			}
		}
	}
	t.Fatalf("nothing is below %s", folder)
	return ""
}

// recordsIn are the events of a file.
func recordsIn(t *testing.T, client *s3.Client, bucket, key string) []map[string]any {
	t.Helper()
	got := must(client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key}))(t)
	defer got.Body.Close()
	z := must(gzip.NewReader(got.Body))(t)
	var file struct{ Records []map[string]any }
	if err := json.Unmarshal(must(io.ReadAll(z))(t), &file); err != nil {
		t.Fatal(err)
	}
	return file.Records
}
