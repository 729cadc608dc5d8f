// Package replication walks through a published walkthrough of 2016: what comes by a Kinesis
// stream of one account is written to a table of another by a function that takes on a role
// there; the table's stream, a second function and Firehose bring it to S3.
package replication

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	firehosetypes "github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tule-cloud/tule/test/tule"
)

const (
	here, there = "111111111111", "999999999999" // the accounts
	table       = "prod-raven-lambda-webanalytics-crossaccount"
	source      = "arn:aws:kinesis:us-east-1:" + here + ":stream/web-analytics"
	writer      = "arn:aws:iam::" + there + ":role/DynamoDB-ProdAnalyticsWrite-role"
	replicate   = "ProdKinesisToPocDynamo"
	forward     = "PocLambdaFirehose"
	delivery    = "prod-s3-firehose"
	bucket      = "poc-analytics"
)

var ctx = context.Background()

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A replication is the walkthrough, made on a Tule of its own.
type replication struct {
	*testing.T
	house     *tule.Tule
	prod, poc aws.Config                   // the roots of the two accounts
	put       map[string]map[string]string // the items that are to come of what was put, by sequence number
}

func newReplication(t *testing.T) *replication {
	house, err := tule.Start(tule.Options{Libraries: true})
	try(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(house.Failures())
		}
		if err := house.Stop(); err != nil {
			t.Error(err)
		}
	})
	root := func(account string) aws.Config {
		return aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(house.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
			Credentials: credentials.NewStaticCredentialsProvider(account, "test", "")}
	}
	r := &replication{T: t, house: house, prod: root(here), poc: root(there), put: map[string]map[string]string{}}
	r.target()
	r.delivery()
	r.source()
	return r
}

// source is the stream, and the function that is fed from it.
func (r *replication) source() {
	r.Helper()
	_, err := kinesis.NewFromConfig(r.prod).CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("web-analytics"), ShardCount: aws.Int32(1)})
	try(r.T, err)
	role := r.role(r.prod, "LambdaKinesisDynamo", `{"Service":"lambda.amazonaws.com"}`)
	r.permit(false)
	r.function(r.prod, replicate, "replicate", role, map[string]string{"ROLE": writer, "TABLE": table})
}

// permit gives the first function's role its permissions, with or without that to take on
// the role of the other account.
func (r *replication) permit(assume bool) {
	r.Helper()
	statements := []string{allow(`"logs:*"`, "*"), allow(`"kinesis:Get*","kinesis:Describe*","kinesis:ListShards"`, source), allow(`"kinesis:ListStreams"`, "*")}
	if assume {
		statements = append(statements, allow(`"sts:AssumeRole"`, writer))
	}
	r.policy(r.prod, "LambdaKinesisDynamo", statements...)
}

// target is the table of the other account, and the role that may write it.
func (r *replication) target() {
	r.Helper()
	key := func(name string, kind dynamotypes.KeyType) dynamotypes.KeySchemaElement {
		return dynamotypes.KeySchemaElement{AttributeName: &name, KeyType: kind}
	}
	text := func(name string) dynamotypes.AttributeDefinition {
		return dynamotypes.AttributeDefinition{AttributeName: &name, AttributeType: "S"}
	}
	_, err := dynamodb.NewFromConfig(r.poc).CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String(table),
		ProvisionedThroughput: &dynamotypes.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(20), WriteCapacityUnits: aws.Int64(20)},
		StreamSpecification:   &dynamotypes.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: "NEW_IMAGE"},
		KeySchema:             []dynamotypes.KeySchemaElement{key("seqNumbershardIdHash", "HASH"), key("sequenceNumber", "RANGE")},
		AttributeDefinitions:  []dynamotypes.AttributeDefinition{text("seqNumbershardIdHash"), text("sequenceNumber")}})
	try(r.T, err)
	r.role(r.poc, "DynamoDB-ProdAnalyticsWrite-role", accountRoot(here), allow(`"dynamodb:PutItem"`, "arn:aws:dynamodb:us-east-1:"+there+":table/"+table))
}

// delivery is what brings the table's items to S3.
func (r *replication) delivery() {
	r.Helper()
	files := s3.NewFromConfig(r.poc, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := files.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	try(r.T, err)
	role := r.role(r.poc, "firehosedeliveryrole", `{"Service":"firehose.amazonaws.com"}`, allow(`"s3:PutObject"`, "arn:aws:s3:::"+bucket+"/*"))
	_, err = firehose.NewFromConfig(r.poc).CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String(delivery),
		S3DestinationConfiguration: &firehosetypes.S3DestinationConfiguration{RoleARN: &role, BucketARN: aws.String("arn:aws:s3:::" + bucket),
			Prefix: aws.String("prod-kinesis-data"), CompressionFormat: firehosetypes.CompressionFormatUncompressed,
			BufferingHints: &firehosetypes.BufferingHints{SizeInMBs: aws.Int32(5), IntervalInSeconds: aws.Int32(300)}}})
	try(r.T, err)
	made, err := dynamodb.NewFromConfig(r.poc).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)})
	try(r.T, err)
	role = r.role(r.poc, "lambdadynamostreams_firehose", `{"Service":"lambda.amazonaws.com"}`, allow(`"logs:*"`, "*"),
		allow(`"dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:DescribeStream","dynamodb:ListStreams"`, "*"),
		allow(`"firehose:PutRecord"`, "arn:aws:firehose:us-east-1:"+there+":deliverystream/"+delivery))
	r.function(r.poc, forward, "forward", role, map[string]string{"STREAM": delivery})
	r.mapping(r.poc, forward, *made.Table.LatestStreamArn)
}

func allow(actions, resource string) string {
	return `{"Effect":"Allow","Action":[` + actions + `],"Resource":"` + resource + `"}`
}

func document(statements ...string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

func trust(principal string) *string {
	return document(`{"Effect":"Allow","Principal":` + principal + `,"Action":"sts:AssumeRole"}`)
}

func accountRoot(account string) string { return `{"AWS":"arn:aws:iam::` + account + `:root"}` }

func (r *replication) role(account aws.Config, name, principal string, statements ...string) string {
	r.Helper()
	out, err := iam.NewFromConfig(account).CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: trust(principal)})
	try(r.T, err)
	if len(statements) > 0 {
		r.policy(account, name, statements...)
	}
	return *out.Role.Arn
}

func (r *replication) policy(account aws.Config, role string, statements ...string) {
	r.Helper()
	_, err := iam.NewFromConfig(account).PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: &role, PolicyDocument: document(statements...)})
	try(r.T, err)
}

// function is one of the example's, in Python 2.7 where the machine has it.
func (r *replication) function(account aws.Config, name, module, role string, variables map[string]string) {
	r.Helper()
	text, err := os.ReadFile(filepath.Join(tule.Root(), "examples", "replication", module+".py"))
	try(r.T, err)
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	w, err := z.Create(module + ".py")
	try(r.T, err)
	_, err = w.Write(text)
	try(r.T, err)
	try(r.T, z.Close())
	for _, runtime := range []lambdatypes.Runtime{lambdatypes.RuntimePython27, lambdatypes.RuntimePython310} {
		_, err = lambda.NewFromConfig(account).CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: &name, Role: &role, Runtime: runtime,
			Handler: aws.String(module + ".lambda_handler"), Timeout: aws.Int32(120), Code: &lambdatypes.FunctionCode{ZipFile: code.Bytes()},
			Environment: &lambdatypes.Environment{Variables: variables}})
		if err == nil || !strings.Contains(err.Error(), "this machine has not got") {
			break
		}
	}
	try(r.T, err)
}

// mapping feeds a function from a stream, from its oldest record on.
func (r *replication) mapping(account aws.Config, function, stream string) string {
	r.Helper()
	out, err := lambda.NewFromConfig(account).CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: &function, EventSourceArn: &stream,
		BatchSize: aws.Int32(300), StartingPosition: lambdatypes.EventSourcePositionTrimHorizon})
	try(r.T, err)
	return *out.UUID
}

// advance moves Tule's clock.
func (r *replication) advance(d time.Duration) {
	r.Helper()
	res, err := http.Post(r.house.URL()+"/_tule/clock?advance="+d.String(), "", nil)
	try(r.T, err)
	res.Body.Close()
	if res.StatusCode != 200 {
		r.Fatal(res.Status)
	}
}

// wait asks until ok is content.
func (r *replication) wait(what string, ok func() bool) {
	r.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("%s did not come about\n%s%s", what, r.log(r.prod, replicate), r.log(r.poc, forward))
		}
	}
}

// log is a function's log.
func (r *replication) log(account aws.Config, function string) string {
	var text strings.Builder
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(cloudwatchlogs.NewFromConfig(account), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/" + function)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			break // there is no log yet
		}
		for _, e := range page.Events {
			fmt.Fprintln(&text, strings.TrimSpace(*e.Message))
		}
	}
	return text.String()
}

// done is how many records a function says it has done something with.
func (r *replication) done(account aws.Config, function, word string) (n int) {
	for line := range strings.Lines(r.log(account, function)) {
		var of int
		if _, err := fmt.Sscanf(line, word+" %d records", &of); err == nil {
			n += of
		}
	}
	return n
}

// items are what the table of the other account holds, by sequence number.
func (r *replication) items() map[string]map[string]string {
	r.Helper()
	all := map[string]map[string]string{}
	for pages := dynamodb.NewScanPaginator(dynamodb.NewFromConfig(r.poc), &dynamodb.ScanInput{TableName: aws.String(table), ConsistentRead: aws.Bool(true)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		try(r.T, err)
		for _, it := range page.Items {
			plain := map[string]string{}
			for k, v := range it {
				plain[k] = fmt.Sprintf("not a string: %T", v)
				if s, ok := v.(*dynamotypes.AttributeValueMemberS); ok {
					plain[k] = s.Value
				}
			}
			if all[plain["sequenceNumber"]] != nil {
				r.Fatalf("%s is there twice", plain["sequenceNumber"])
			}
			all[plain["sequenceNumber"]] = plain
		}
	}
	return all
}

// objects are the bucket's objects, by key.
func (r *replication) objects() map[string]string {
	r.Helper()
	all := map[string]string{}
	files := s3.NewFromConfig(r.poc, func(o *s3.Options) { o.UsePathStyle = true })
	for pages := s3.NewListObjectsV2Paginator(files, &s3.ListObjectsV2Input{Bucket: aws.String(bucket)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		try(r.T, err)
		for _, o := range page.Contents {
			got, err := files.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: o.Key})
			try(r.T, err)
			body, err := io.ReadAll(got.Body)
			try(r.T, err)
			all[*o.Key] = string(body)
		}
	}
	return all
}

// records are those that an object is the concatenation of: nothing is between them.
func (r *replication) records(body string) (list []map[string]string) {
	r.Helper()
	d := json.NewDecoder(strings.NewReader(body))
	for end := int64(0); end < int64(len(body)); {
		if body[end] != '{' {
			r.Fatalf("%q is between records", body[end])
		}
		var record map[string]string
		try(r.T, d.Decode(&record))
		list, end = append(list, record), d.InputOffset()
	}
	return list
}
