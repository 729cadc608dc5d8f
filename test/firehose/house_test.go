// Package firehose puts records into delivery streams of the real binary, and looks at what
// arrives where they are delivered to.
package firehose

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tule-cloud/tule/test/tule"
)

const account = "000000000000"

// A cloud is a Tule with clients of its root.
type cloud struct {
	t        *testing.T
	house    *tule.Tule
	config   aws.Config
	firehose *firehose.Client
	s3       *s3.Client
	iam      *iam.Client
}

// start starts a Tule on a data folder, a new one for "".
func start(t *testing.T, data string, env ...string) *cloud {
	t.Helper()
	house, err := tule.Start(tule.Options{Data: data, Env: env})
	try(t, err)
	c := &cloud{t: t, house: house}
	c.as("test", "test")
	return c
}

// as makes the clients those of another access key.
func (c *cloud) as(key, secret string) {
	c.config = aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(c.house.URL()), Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		RetryMaxAttempts: 1}
	c.firehose, c.iam = firehose.NewFromConfig(c.config), iam.NewFromConfig(c.config)
	c.s3 = s3.NewFromConfig(c.config, func(o *s3.Options) { o.UsePathStyle = true })
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *cloud) stop() { try(c.t, c.house.Stop()) }

// role makes a role that services assume, with a policy, and gives its ARN. Firehose has to
// show the account's number.
func (c *cloud) role(name string, statements ...string) string {
	c.t.Helper()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"firehose.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"` + account + `"}}},
		{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","sns.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`
	out, err := c.iam.CreateRole(c.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	try(c.t, err)
	c.policy(name, statements...)
	return *out.Role.Arn
}

// policy gives a role its policy anew.
func (c *cloud) policy(role string, statements ...string) {
	c.t.Helper()
	_, err := c.iam.PutRolePolicy(c.t.Context(), &iam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)})
	try(c.t, err)
}

func allow(action, resource string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}`
}

func (c *cloud) bucket(name string) string {
	c.t.Helper()
	_, err := c.s3.CreateBucket(c.t.Context(), &s3.CreateBucketInput{Bucket: &name})
	try(c.t, err)
	return "arn:aws:s3:::" + name
}

// put puts records, 100 in a call.
func (c *cloud) put(stream string, texts ...string) {
	c.t.Helper()
	for len(texts) > 0 {
		n := min(len(texts), 100)
		in := &firehose.PutRecordBatchInput{DeliveryStreamName: &stream}
		for _, text := range texts[:n] {
			in.Records = append(in.Records, types.Record{Data: []byte(text)})
		}
		out, err := c.firehose.PutRecordBatch(c.t.Context(), in)
		try(c.t, err)
		if *out.FailedPutCount != 0 {
			c.t.Fatalf("%d records were not taken", *out.FailedPutCount)
		}
		texts = texts[n:]
	}
}

// pass moves Tule's clock.
func (c *cloud) pass(d time.Duration) {
	c.t.Helper()
	for d > 0 {
		step := min(d, time.Hour)
		r, err := http.Post(c.house.URL()+"/_tule/clock?advance="+step.String(), "", nil)
		try(c.t, err)
		r.Body.Close()
		if r.StatusCode != 200 {
			c.t.Fatal(r.Status)
		}
		d -= step
	}
}

// objects are the objects of a bucket whose keys begin with prefix, by key.
func (c *cloud) objects(bucket, prefix string) map[string]string {
	c.t.Helper()
	all := map[string]string{}
	for p := s3.NewListObjectsV2Paginator(c.s3, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix}); p.HasMorePages(); {
		page, err := p.NextPage(c.t.Context())
		try(c.t, err)
		for _, o := range page.Contents {
			got, err := c.s3.GetObject(c.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: o.Key})
			try(c.t, err)
			body, err := io.ReadAll(got.Body)
			try(c.t, err)
			all[*o.Key] = string(body)
		}
	}
	return all
}

// keys are those of a map, sorted.
func keys(m map[string]string) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	sort.Strings(list)
	return list
}

// eventually waits until f has nothing to say against how things are.
func (c *cloud) eventually(f func() error) {
	c.t.Helper()
	var err error
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	c.t.Fatalf("%v\n%s", err, c.house.Failures())
}

// delivered waits until a bucket has n objects under a prefix.
func (c *cloud) delivered(bucket, prefix string, n int) map[string]string {
	c.t.Helper()
	var all map[string]string
	c.eventually(func() error {
		if all = c.objects(bucket, prefix); len(all) != n {
			return fmt.Errorf("%d objects: %q", len(all), keys(all))
		}
		return nil
	})
	return all
}

// refused checks the code of an error.
func refused(t *testing.T, err error, code string) {
	t.Helper()
	var e interface{ ErrorCode() string }
	if err == nil {
		t.Errorf("not refused by %s", code)
	} else if !asError(err, &e) || e.ErrorCode() != code {
		t.Errorf("%v, not %s", err, code)
	}
}

func asError(err error, to *interface{ ErrorCode() string }) bool {
	for err != nil {
		if e, ok := err.(interface{ ErrorCode() string }); ok {
			*to = e
			return true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		err = u.Unwrap()
	}
	return false
}

// text is a value as JSON.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

var ctx = context.Background()
