package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// shop is an account's S3, and a bucket in it.
type shop struct {
	*cloud
	s3     *s3.Client
	bucket *string
}

func newShop(t testing.TB, name string) *shop {
	c := newCloud(t)
	x := &shop{cloud: c, s3: s3.NewFromConfig(c.config, func(o *s3.Options) { o.UsePathStyle = true }), bucket: aws.String(name + "-" + c.account)}
	must(x.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: x.bucket,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region}}))(t)
	return x
}

func (x *shop) put(key, body, kind string) {
	x.Helper()
	must(x.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: x.bucket, Key: &key, Body: strings.NewReader(body), ContentType: &kind}))(x)
}

// visit asks without a signature, and does not follow redirects.
func visit(t testing.TB, method, host, path string, header map[string]string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, house.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for k, v := range header {
		r.Header.Set(k, v)
	}
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestS3Access(t *testing.T) {
	t.Parallel()
	x := newShop(t, "access")
	x.put("k", "secret", "text/plain")
	path := "/" + *x.bucket + "/k"
	get := func(want int) {
		t.Helper()
		if res, body := visit(t, "GET", "localhost", path, nil); res.StatusCode != want {
			t.Errorf("anybody gets %d, want %d: %s", res.StatusCode, want, body)
		}
	}
	get(403)
	must(x.s3.PutObjectAcl(ctx, &s3.PutObjectAclInput{Bucket: x.bucket, Key: aws.String("k"), ACL: types.ObjectCannedACLPublicRead}))(t)
	get(200)
	equal(t, "the grants", len(must(x.s3.GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: x.bucket, Key: aws.String("k")}))(t).Grants), 2)
	must(x.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: x.bucket,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{IgnorePublicAcls: aws.Bool(true)}}))(t)
	get(403)
	equal(t, "the switch", *must(x.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: x.bucket}))(t).PublicAccessBlockConfiguration.IgnorePublicAcls, true)
	must(x.s3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: x.bucket}))(t)
	get(200)
	must(x.s3.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{Bucket: x.bucket, OwnershipControls: &types.OwnershipControls{
		Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}}}}))(t)
	get(403)
	_, err := x.s3.PutObjectAcl(ctx, &s3.PutObjectAclInput{Bucket: x.bucket, Key: aws.String("k"), ACL: types.ObjectCannedACLPublicRead})
	refused(t, err, "AccessControlListNotSupported", "The bucket does not allow ACLs")
	equal(t, "the rules", len(must(x.s3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: x.bucket}))(t).OwnershipControls.Rules), 1)
	must(x.s3.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: x.bucket}))(t)
	must(x.s3.PutObjectAcl(ctx, &s3.PutObjectAclInput{Bucket: x.bucket, Key: aws.String("k"), ACL: types.ObjectCannedACLPrivate}))(t)
	get(403)

	policy := func(principal, effect string) *string {
		return aws.String(statement(effect, "s3:GetObject", "arn:aws:s3:::"+*x.bucket+"/*", `,"Principal":`+principal))
	}
	must(x.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: x.bucket, Policy: policy(`"*"`, "Allow")}))(t)
	get(200)
	equal(t, "the status", *must(x.s3.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: x.bucket}))(t).PolicyStatus.IsPublic, true)
	must(x.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: x.bucket,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{RestrictPublicBuckets: aws.Bool(true)}}))(t)
	get(403)
	must(x.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: x.bucket, Key: aws.String("k")}))(t)
	must(x.s3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: x.bucket}))(t)
	other := s3.NewFromConfig(newCloud(t).config, func(o *s3.Options) { o.UsePathStyle = true })
	must(x.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: x.bucket, Policy: policy(`{"AWS":"999999999999"}`, "Allow")}))(t)
	_, err = other.GetObject(ctx, &s3.GetObjectInput{Bucket: x.bucket, Key: aws.String("k")})
	refused(t, err, "AccessDenied", "")
	// A policy that locks everyone out: the root can still read and delete it.
	must(x.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: x.bucket, Policy: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::` + *x.bucket + `","arn:aws:s3:::` + *x.bucket + `/*"]}}`)}))(t)
	_, err = x.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: x.bucket, Key: aws.String("k")})
	refused(t, err, "AccessDenied", "")
	must(x.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: x.bucket}))(t)
	must(x.s3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: x.bucket}))(t)
	must(x.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: x.bucket, Key: aws.String("k")}))(t)

	must(x.s3.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: x.bucket, ACL: types.BucketCannedACLPublicRead}))(t)
	equal(t, "the bucket's grants", len(must(x.s3.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: x.bucket}))(t).Grants), 2)
	if res, body := visit(t, "GET", "localhost", "/"+*x.bucket, nil); res.StatusCode != 200 || !strings.Contains(body, "<Key>k</Key>") {
		t.Errorf("anybody lists: %d %s", res.StatusCode, body)
	}
	// An ACL may name another account.
	id := must(other.ListBuckets(ctx, &s3.ListBucketsInput{}))(t).Owner.ID
	must(x.s3.PutObjectAcl(ctx, &s3.PutObjectAclInput{Bucket: x.bucket, Key: aws.String("k"), GrantRead: aws.String(`id="` + *id + `"`)}))(t)
	must(other.GetObject(ctx, &s3.GetObjectInput{Bucket: x.bucket, Key: aws.String("k")}))(t)
}

func TestS3Website(t *testing.T) {
	t.Parallel()
	x := newShop(t, "site")
	must(x.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: x.bucket, Policy: aws.String(statement("Allow", "s3:GetObject", "arn:aws:s3:::"+*x.bucket+"/*", `,"Principal":"*"`))}))(t)
	x.put("index.html", "home", "text/html")
	x.put("docs/index.html", "docs", "text/html")
	x.put("error.html", "oh no", "text/html")
	must(x.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: x.bucket, Key: aws.String("moved"), WebsiteRedirectLocation: aws.String("https://example.com/there")}))(t)
	must(x.s3.PutBucketWebsite(ctx, &s3.PutBucketWebsiteInput{Bucket: x.bucket, WebsiteConfiguration: &types.WebsiteConfiguration{
		IndexDocument: &types.IndexDocument{Suffix: aws.String("index.html")}, ErrorDocument: &types.ErrorDocument{Key: aws.String("error.html")},
		RoutingRules: []types.RoutingRule{{Condition: &types.Condition{KeyPrefixEquals: aws.String("old/")}, Redirect: &types.Redirect{ReplaceKeyPrefixWith: aws.String("docs/"), HttpRedirectCode: aws.String("302")}},
			{Condition: &types.Condition{KeyPrefixEquals: aws.String("app/"), HttpErrorCodeReturnedEquals: aws.String("404")}, Redirect: &types.Redirect{HostName: aws.String("example.com"), Protocol: types.ProtocolHttps, ReplaceKeyWith: aws.String("app.html")}}}}}))(t)
	equal(t, "the suffix", *must(x.s3.GetBucketWebsite(ctx, &s3.GetBucketWebsiteInput{Bucket: x.bucket}))(t).IndexDocument.Suffix, "index.html")
	for _, end := range []string{".s3-website-eu-west-1.amazonaws.com", ".s3-website.eu-west-1.amazonaws.com", ".s3-website.localhost.localstack.cloud:4566"} {
		host := *x.bucket + end
		for _, c := range []struct {
			path, body, location string
			status               int
		}{
			{"/", "home", "", 200}, {"/docs/", "docs", "", 200}, {"/docs", "", "/docs/", 302}, {"/none", "oh no", "", 404},
			{"/moved", "", "https://example.com/there", 301}, {"/old/a%20b", "", "http://" + host + "/docs/a%20b", 302}, {"/app/x", "", "https://example.com/app.html", 301},
		} {
			res, body := visit(t, "GET", host, c.path, nil)
			if res.StatusCode != c.status || body != c.body || res.Header.Get("Location") != c.location {
				t.Errorf("%s%s: %d %q to %q", host, c.path, res.StatusCode, body, res.Header.Get("Location"))
			}
		}
	}
	host := *x.bucket + ".s3-website.localhost.localstack.cloud"
	res, _ := visit(t, "GET", host, "/", nil)
	if again, _ := visit(t, "GET", host, "/", map[string]string{"If-None-Match": res.Header.Get("ETag")}); again.StatusCode != 304 {
		t.Errorf("what is not modified: %d", again.StatusCode)
	}
	if res, body := visit(t, "POST", host, "/", nil); res.StatusCode != 405 || !strings.Contains(body, "<li>Code: MethodNotAllowed</li>") {
		t.Errorf("POST: %d %s", res.StatusCode, body)
	}
	if res, body := visit(t, "HEAD", host, "/none", nil); res.StatusCode != 404 || body != "" {
		t.Errorf("HEAD: %d %s", res.StatusCode, body)
	}
	must(x.s3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: x.bucket}))(t)
	if res, body := visit(t, "GET", host, "/", nil); res.StatusCode != 403 || !strings.Contains(body, "<li>Code: AccessDenied</li>") {
		t.Errorf("private: %d %s", res.StatusCode, body)
	}
	must(x.s3.DeleteBucketWebsite(ctx, &s3.DeleteBucketWebsiteInput{Bucket: x.bucket}))(t)
	if res, body := visit(t, "GET", host, "/", nil); res.StatusCode != 404 || !strings.Contains(body, "NoSuchWebsiteConfiguration") {
		t.Errorf("no website: %d %s", res.StatusCode, body)
	}
}

func TestS3CORS(t *testing.T) {
	t.Parallel()
	x := newShop(t, "pages")
	x.put("k", "v", "text/plain")
	must(x.s3.PutObjectAcl(ctx, &s3.PutObjectAclInput{Bucket: x.bucket, Key: aws.String("k"), ACL: types.ObjectCannedACLPublicRead}))(t)
	must(x.s3.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: x.bucket, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{
		{AllowedMethods: []string{"PUT"}, AllowedOrigins: []string{"https://*.example.com"}, AllowedHeaders: []string{"x-amz-*", "Content-Type"}, MaxAgeSeconds: aws.Int32(60)},
		{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}, ExposeHeaders: []string{"ETag"}}}}}))(t)
	equal(t, "the rules", len(must(x.s3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: x.bucket}))(t).CORSRules), 2)
	path := "/" + *x.bucket + "/k"
	res, _ := visit(t, "OPTIONS", "localhost", path, map[string]string{"Origin": "https://a.example.com", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "Content-Type, X-Amz-Date"})
	if h := res.Header; res.StatusCode != 200 || h.Get("Access-Control-Allow-Origin") != "https://a.example.com" || h.Get("Access-Control-Allow-Headers") != "content-type, x-amz-date" || h.Get("Access-Control-Max-Age") != "60" {
		t.Errorf("preflight: %d %v", res.StatusCode, h)
	}
	res, body := visit(t, "OPTIONS", "localhost", path, map[string]string{"Origin": "https://a.example.org", "Access-Control-Request-Method": "PUT"})
	if res.StatusCode != 403 || !strings.Contains(body, "<Code>AccessForbidden</Code>") {
		t.Errorf("a preflight from elsewhere: %d %s", res.StatusCode, body)
	}
	res, body = visit(t, "GET", *x.bucket+".s3.eu-west-1.amazonaws.com", "/k", map[string]string{"Origin": "https://anywhere.example"})
	if h := res.Header; res.StatusCode != 200 || body != "v" || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Expose-Headers") != "ETag" {
		t.Errorf("get: %d %s %v", res.StatusCode, body, h)
	}
	must(x.s3.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: x.bucket}))(t)
}

func TestS3Form(t *testing.T) {
	t.Parallel()
	x := newShop(t, "form")
	post, err := s3.NewPresignClient(x.s3).PresignPostObject(ctx, &s3.PutObjectInput{Bucket: x.bucket, Key: aws.String("up/${filename}")}, func(o *s3.PresignPostOptions) {
		o.Conditions = []any{[]any{"content-length-range", 3, 200_000}, map[string]string{"success_action_status": "201"}, []any{"starts-with", "$x-amz-meta-who", ""}}
		o.Expires = time.Hour
	})
	if err != nil {
		t.Fatal(err)
	}
	send := func(file []byte, more map[string]string) (int, string) {
		t.Helper()
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for k, v := range post.Values {
			must[any](nil, w.WriteField(k, v))(t)
		}
		for k, v := range more {
			must[any](nil, w.WriteField(k, v))(t)
		}
		must(must(w.CreateFormFile("file", "a b.txt"))(t).Write(file))(t)
		w.Close()
		r, err := http.NewRequestWithContext(ctx, "POST", house.URL()+"/"+*x.bucket, &b)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", w.FormDataContentType())
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	created := map[string]string{"success_action_status": "201", "x-amz-meta-who": "me"}
	large := bytes.Repeat([]byte("x"), 150_000)
	if status, body := send(large, created); status != 201 || !strings.Contains(body, "<Key>up/a b.txt</Key>") {
		t.Fatalf("%d %s", status, body)
	}
	got := must(x.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: x.bucket, Key: aws.String("up/a b.txt")}))(t)
	if b := must(io.ReadAll(got.Body))(t); !bytes.Equal(b, large) || got.Metadata["who"] != "me" {
		t.Errorf("%d bytes, %v", len(b), got.Metadata)
	}
	for _, c := range []struct {
		file   []byte
		more   map[string]string
		status int
		text   string
	}{
		{bytes.Repeat(large, 2), created, 400, "<Code>EntityTooLarge</Code>"},
		{[]byte("xy"), created, 400, "<Code>EntityTooSmall</Code>"},
		{large, map[string]string{"success_action_status": "200", "x-amz-meta-who": ""}, 403, "Policy Condition failed"},
		{large, map[string]string{"success_action_status": "201", "x-amz-meta-who": "", "acl": "public-read"}, 403, "Extra input fields: acl"},
	} {
		if status, body := send(c.file, c.more); status != c.status || !strings.Contains(body, c.text) {
			t.Errorf("want %d %s, got %d %s", c.status, c.text, status, body)
		}
	}
}

func TestS3Notification(t *testing.T) {
	t.Parallel()
	x := newShop(t, "events")
	queues := sqs.NewFromConfig(x.config)
	url := must(queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("events")}))(t).QueueUrl
	configure := func() error {
		_, err := x.s3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: x.bucket, NotificationConfiguration: &types.NotificationConfiguration{
			QueueConfigurations: []types.QueueConfiguration{{QueueArn: aws.String(x.arn("sqs", "events")), Events: []types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"},
				Filter: &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{{Name: types.FilterRuleNamePrefix, Value: aws.String("in/")}}}}}}}})
		return err
	}
	refused(t, configure(), "InvalidArgument", "Unable to validate the following destination configurations")
	must(queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"Policy": statement("Allow", "sqs:SendMessage", x.arn("sqs", "events"),
		`,"Principal":{"Service":"s3.amazonaws.com"},"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::`+*x.bucket+`"}}`)}}))(t)
	if err := configure(); err != nil {
		t.Fatal(err)
	}
	equal(t, "the queues", len(must(x.s3.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: x.bucket}))(t).QueueConfigurations), 1)
	x.put("out/a", "1", "text/plain")
	x.put("in/a b", "1", "text/plain")
	must(x.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: x.bucket, Key: aws.String("in/a b")}))(t)
	seen := map[string]bool{}
	for len(seen) < 3 {
		out := must(queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 10, MaxNumberOfMessages: 10}))(t)
		if len(out.Messages) == 0 {
			t.Fatalf("only %v came", seen)
		}
		for _, m := range out.Messages {
			var e struct {
				Event   string
				Records []struct {
					EventName string
					S3        struct{ Object struct{ Key string } }
				}
			}
			must[any](nil, json.Unmarshal([]byte(*m.Body), &e))(t)
			for _, r := range e.Records {
				e.Event = r.EventName + " " + r.S3.Object.Key
			}
			seen[e.Event] = true
		}
	}
	for _, want := range []string{"s3:TestEvent", "ObjectCreated:Put in/a+b", "ObjectRemoved:Delete in/a+b"} {
		if !seen[want] {
			t.Errorf("no %s among %v", want, seen)
		}
	}
}

func TestS3Select(t *testing.T) {
	t.Parallel()
	x := newShop(t, "select")
	var csv strings.Builder
	csv.WriteString("id,name\n")
	for i := range 50_000 {
		fmt.Fprintf(&csv, "%d,name %d\n", i, i)
	}
	x.put("d.csv", csv.String(), "text/csv")
	query := func(text string) (out string, stats *types.Stats, err error) {
		t.Helper()
		res, err := x.s3.SelectObjectContent(ctx, &s3.SelectObjectContentInput{Bucket: x.bucket, Key: aws.String("d.csv"), Expression: &text, ExpressionType: types.ExpressionTypeSql,
			InputSerialization: &types.InputSerialization{CSV: &types.CSVInput{FileHeaderInfo: types.FileHeaderInfoUse}}, OutputSerialization: &types.OutputSerialization{JSON: &types.JSONOutput{}}})
		if err != nil {
			return "", nil, err
		}
		stream := res.GetStream()
		defer stream.Close()
		for e := range stream.Events() {
			switch e := e.(type) {
			case *types.SelectObjectContentEventStreamMemberRecords:
				out += string(e.Value.Payload)
			case *types.SelectObjectContentEventStreamMemberStats:
				stats = e.Value.Details
			}
		}
		return out, stats, stream.Err()
	}
	out, stats, err := query("SELECT COUNT(*) AS n, MAX(CAST(s.id AS INT)) AS m FROM S3Object s WHERE s.name LIKE '%9'")
	if err != nil || out != "{\"n\":5000,\"m\":49999}\n" || *stats.BytesScanned != int64(csv.Len()) {
		t.Errorf("%q %v %v", out, stats, err)
	}
	if out, _, err = query("SELECT s.id FROM S3Object s"); err != nil || strings.Count(out, "\n") != 50_000 {
		t.Errorf("%d lines, %v", strings.Count(out, "\n"), err)
	}
	_, _, err = query("SELECT CAST(s.name AS INT) FROM S3Object s")
	refused(t, err, "CastFailed", "")
	_, _, err = query("SELECT")
	refused(t, err, "ParseSelectMissingFrom", "")
}

// TestS3Lifecycle only sets it: days do not pass here.
func TestS3Lifecycle(t *testing.T) {
	t.Parallel()
	x := newShop(t, "life")
	must(x.s3.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: x.bucket, LifecycleConfiguration: &types.BucketLifecycleConfiguration{
		Rules: []types.LifecycleRule{{ID: aws.String("r"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("tmp/")}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(3)}}}}}))(t)
	equal(t, "the days", *must(x.s3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: x.bucket}))(t).Rules[0].Expiration.Days, 3)
	must(x.s3.DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: x.bucket}))(t)
	_, err := x.s3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: x.bucket})
	refused(t, err, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
}

// kept sets something, looks at it and, where that is possible, takes it away.
func kept[P, G any](t testing.TB, put func() (P, error), get func() (G, error)) {
	t.Helper()
	must(put())(t)
	must(get())(t)
}

func TestS3KeptSettings(t *testing.T) {
	t.Parallel()
	x, target := newShop(t, "kept"), (*shop)(nil)
	target = &shop{cloud: x.cloud, s3: x.s3, bucket: aws.String("kept-target-" + x.account)}
	must(x.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: target.bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region}}))(t)
	c, b := x.s3, x.bucket
	kept(t, func() (*s3.PutBucketAccelerateConfigurationOutput, error) {
		return c.PutBucketAccelerateConfiguration(ctx, &s3.PutBucketAccelerateConfigurationInput{Bucket: b, AccelerateConfiguration: &types.AccelerateConfiguration{Status: "Suspended"}})
	}, func() (*s3.GetBucketAccelerateConfigurationOutput, error) {
		return c.GetBucketAccelerateConfiguration(ctx, &s3.GetBucketAccelerateConfigurationInput{Bucket: b})
	})
	kept(t, func() (*s3.PutBucketAbacOutput, error) {
		return c.PutBucketAbac(ctx, &s3.PutBucketAbacInput{Bucket: b, AbacStatus: &types.AbacStatus{Status: "Enabled"}})
	}, func() (*s3.GetBucketAbacOutput, error) {
		return c.GetBucketAbac(ctx, &s3.GetBucketAbacInput{Bucket: b})
	})
	kept(t, func() (*s3.PutBucketLoggingOutput, error) {
		return c.PutBucketLogging(ctx, &s3.PutBucketLoggingInput{Bucket: b, BucketLoggingStatus: &types.BucketLoggingStatus{LoggingEnabled: &types.LoggingEnabled{TargetBucket: target.bucket, TargetPrefix: aws.String("log/")}}})
	}, func() (*s3.GetBucketLoggingOutput, error) {
		return c.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: b})
	})
	kept(t, func() (*s3.PutBucketRequestPaymentOutput, error) {
		return c.PutBucketRequestPayment(ctx, &s3.PutBucketRequestPaymentInput{Bucket: b, RequestPaymentConfiguration: &types.RequestPaymentConfiguration{Payer: "Requester"}})
	}, func() (*s3.GetBucketRequestPaymentOutput, error) {
		return c.GetBucketRequestPayment(ctx, &s3.GetBucketRequestPaymentInput{Bucket: b})
	})
	kept(t, func() (*s3.PutBucketTaggingOutput, error) {
		return c.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: b, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}})
	}, func() (*s3.GetBucketTaggingOutput, error) {
		return c.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: b})
	})
	must(c.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: b}))(t)
	for _, name := range []*string{b, target.bucket} {
		must(c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: name, VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}}))(t)
	}
	kept(t, func() (*s3.PutBucketReplicationOutput, error) {
		return c.PutBucketReplication(ctx, &s3.PutBucketReplicationInput{Bucket: b, ReplicationConfiguration: &types.ReplicationConfiguration{Role: aws.String("arn:aws:iam::" + x.account + ":role/r"), Rules: []types.ReplicationRule{
			{Status: "Enabled", Priority: aws.Int32(1), Filter: &types.ReplicationRuleFilter{Prefix: aws.String("")}, DeleteMarkerReplication: &types.DeleteMarkerReplication{Status: "Disabled"},
				Destination: &types.Destination{Bucket: aws.String("arn:aws:s3:::" + *target.bucket)}}}}})
	}, func() (*s3.GetBucketReplicationOutput, error) {
		return c.GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: b})
	})
	must(c.DeleteBucketReplication(ctx, &s3.DeleteBucketReplicationInput{Bucket: b}))(t)
	_, err := c.GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: b})
	refused(t, err, "ReplicationConfigurationNotFoundError", "")
	_, err = c.GetObjectTorrent(ctx, &s3.GetObjectTorrentInput{Bucket: b, Key: aws.String("k")})
	refused(t, err, "NotImplemented", "GetObjectTorrent")
}

func TestS3Series(t *testing.T) {
	t.Parallel()
	x := newShop(t, "series")
	c, b, id := x.s3, x.bucket, aws.String("a")
	arn := aws.String("arn:aws:s3:::" + *b)
	must(c.PutBucketAnalyticsConfiguration(ctx, &s3.PutBucketAnalyticsConfigurationInput{Bucket: b, Id: id, AnalyticsConfiguration: &types.AnalyticsConfiguration{Id: id, StorageClassAnalysis: &types.StorageClassAnalysis{}}}))(t)
	must(c.GetBucketAnalyticsConfiguration(ctx, &s3.GetBucketAnalyticsConfigurationInput{Bucket: b, Id: id}))(t)
	equal(t, "analytics", len(must(c.ListBucketAnalyticsConfigurations(ctx, &s3.ListBucketAnalyticsConfigurationsInput{Bucket: b}))(t).AnalyticsConfigurationList), 1)
	must(c.DeleteBucketAnalyticsConfiguration(ctx, &s3.DeleteBucketAnalyticsConfigurationInput{Bucket: b, Id: id}))(t)
	must(c.PutBucketInventoryConfiguration(ctx, &s3.PutBucketInventoryConfigurationInput{Bucket: b, Id: id, InventoryConfiguration: &types.InventoryConfiguration{Id: id, IsEnabled: aws.Bool(true),
		IncludedObjectVersions: "All", Schedule: &types.InventorySchedule{Frequency: "Daily"}, Destination: &types.InventoryDestination{S3BucketDestination: &types.InventoryS3BucketDestination{Bucket: arn, Format: "CSV"}}}}))(t)
	must(c.GetBucketInventoryConfiguration(ctx, &s3.GetBucketInventoryConfigurationInput{Bucket: b, Id: id}))(t)
	equal(t, "inventories", len(must(c.ListBucketInventoryConfigurations(ctx, &s3.ListBucketInventoryConfigurationsInput{Bucket: b}))(t).InventoryConfigurationList), 1)
	must(c.DeleteBucketInventoryConfiguration(ctx, &s3.DeleteBucketInventoryConfigurationInput{Bucket: b, Id: id}))(t)
	must(c.PutBucketMetricsConfiguration(ctx, &s3.PutBucketMetricsConfigurationInput{Bucket: b, Id: id, MetricsConfiguration: &types.MetricsConfiguration{Id: id, Filter: &types.MetricsFilterMemberPrefix{Value: "p"}}}))(t)
	must(c.GetBucketMetricsConfiguration(ctx, &s3.GetBucketMetricsConfigurationInput{Bucket: b, Id: id}))(t)
	equal(t, "metrics", len(must(c.ListBucketMetricsConfigurations(ctx, &s3.ListBucketMetricsConfigurationsInput{Bucket: b}))(t).MetricsConfigurationList), 1)
	must(c.DeleteBucketMetricsConfiguration(ctx, &s3.DeleteBucketMetricsConfigurationInput{Bucket: b, Id: id}))(t)
	must(c.PutBucketIntelligentTieringConfiguration(ctx, &s3.PutBucketIntelligentTieringConfigurationInput{Bucket: b, Id: id, IntelligentTieringConfiguration: &types.IntelligentTieringConfiguration{Id: id,
		Status: "Enabled", Tierings: []types.Tiering{{AccessTier: "ARCHIVE_ACCESS", Days: aws.Int32(90)}}}}))(t)
	must(c.GetBucketIntelligentTieringConfiguration(ctx, &s3.GetBucketIntelligentTieringConfigurationInput{Bucket: b, Id: id}))(t)
	equal(t, "tierings", len(must(c.ListBucketIntelligentTieringConfigurations(ctx, &s3.ListBucketIntelligentTieringConfigurationsInput{Bucket: b}))(t).IntelligentTieringConfigurationList), 1)
	must(c.DeleteBucketIntelligentTieringConfiguration(ctx, &s3.DeleteBucketIntelligentTieringConfigurationInput{Bucket: b, Id: id}))(t)

	journal := &types.JournalTableConfiguration{RecordExpiration: &types.RecordExpiration{Expiration: "DISABLED"}}
	must(c.CreateBucketMetadataConfiguration(ctx, &s3.CreateBucketMetadataConfigurationInput{Bucket: b, MetadataConfiguration: &types.MetadataConfiguration{JournalTableConfiguration: journal}}))(t)
	must(c.UpdateBucketMetadataInventoryTableConfiguration(ctx, &s3.UpdateBucketMetadataInventoryTableConfigurationInput{Bucket: b, InventoryTableConfiguration: &types.InventoryTableConfigurationUpdates{ConfigurationState: "ENABLED"}}))(t)
	must(c.UpdateBucketMetadataJournalTableConfiguration(ctx, &s3.UpdateBucketMetadataJournalTableConfigurationInput{Bucket: b,
		JournalTableConfiguration: &types.JournalTableConfigurationUpdates{RecordExpiration: &types.RecordExpiration{Expiration: "ENABLED", Days: aws.Int32(30)}}}))(t)
	state := must(c.GetBucketMetadataConfiguration(ctx, &s3.GetBucketMetadataConfigurationInput{Bucket: b}))(t).GetBucketMetadataConfigurationResult.MetadataConfigurationResult
	equal(t, "the journal's state", *state.JournalTableConfigurationResult.TableStatus, "FAILED")
	must(c.DeleteBucketMetadataConfiguration(ctx, &s3.DeleteBucketMetadataConfigurationInput{Bucket: b}))(t)
	must(c.CreateBucketMetadataTableConfiguration(ctx, &s3.CreateBucketMetadataTableConfigurationInput{Bucket: b, MetadataTableConfiguration: &types.MetadataTableConfiguration{
		S3TablesDestination: &types.S3TablesDestination{TableBucketArn: aws.String(x.arn("s3tables", "bucket/t")), TableName: aws.String("n")}}}))(t)
	must(c.GetBucketMetadataTableConfiguration(ctx, &s3.GetBucketMetadataTableConfigurationInput{Bucket: b}))(t)
	must(c.DeleteBucketMetadataTableConfiguration(ctx, &s3.DeleteBucketMetadataTableConfigurationInput{Bucket: b}))(t)
}
