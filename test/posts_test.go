package test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

// Functions of the shapes that AWS's own walkthroughs of 2016 have, in their runtimes.

// An API over a function that redirects by failing: the message says what kind of failure
// it is, and where the caller is to go is in the error's name.
func TestNodeRedirect(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for _, runtime := range []types.Runtime{"nodejs", types.RuntimeNodejs43} {
		name := "redirect-" + strings.ReplaceAll(string(runtime), ".", "-")
		c.function(name, runtime, `exports.handler = function (event, context) {
	if (event.found) return context.done(null, { found: true })
	var err = new Error("HandlerDemo." + event.kind);
	err.name = event.name;
	context.done(err, {});
};`)
		answer, failure := c.invoke(name, `{"kind":"ResponseFound Redirection: Resource found elsewhere","name":"http://a-different-uri"}`)
		equal(t, "the failure", failure, "Handled")
		if want := `{"errorMessage":"HandlerDemo.ResponseFound Redirection: Resource found elsewhere","errorType":"http://a-different-uri","stackTrace":["exports.handler (/var/task/index.js:3:12)"]}`; answer != want {
			t.Errorf("%s answers\n%s, want\n%s", runtime, answer, want)
		}
	}
	api, root := c.api("redirect")
	get, location := aws.String("GET"), "method.response.header.Location"
	must(c.gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api, ResourceId: root, HttpMethod: get, AuthorizationType: aws.String("NONE")}))(t)
	must(c.gateway.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api, ResourceId: root, HttpMethod: get, Type: gatewaytypes.IntegrationTypeAws,
		IntegrationHttpMethod: aws.String("POST"), Uri: lambdaURI(c.arn("lambda", "function:redirect-nodejs4-3")),
		RequestTemplates: map[string]string{"application/json": `{"kind":"$input.params('kind')","name":"$input.params('name')","found":$input.params('found')}`}}))(t)
	for status, of := range map[string]struct {
		pattern, template string
		headers           map[string]string
	}{
		"200": {},
		"302": {"^HandlerDemo.ResponseFound.*", "", map[string]string{location: "integration.response.body.errorType"}},
		"301": {"^HandlerDemo.MovedPermanently.*", "", map[string]string{location: "integration.response.body.errorType"}},
		"404": {"^HandlerDemo.ResponseNotFound.*", `<html><img src="fail-whale.gif"/>$input.path('$.errorType')</html>`, nil},
	} {
		response := &apigateway.PutMethodResponseInput{RestApiId: api, ResourceId: root, HttpMethod: get, StatusCode: &status}
		mapped := &apigateway.PutIntegrationResponseInput{RestApiId: api, ResourceId: root, HttpMethod: get, StatusCode: &status, ResponseParameters: of.headers}
		if of.pattern != "" {
			mapped.SelectionPattern = &of.pattern
		}
		if of.headers != nil {
			response.ResponseParameters = map[string]bool{location: true}
		}
		if of.template != "" {
			mapped.ResponseTemplates = map[string]string{"text/html": of.template}
		}
		must(c.gateway.PutMethodResponse(ctx, response))(t)
		must(c.gateway.PutIntegrationResponse(ctx, mapped))(t)
	}
	c.deploy(api, "prod")
	c.open(api, "redirect-nodejs4-3")
	once := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for query, want := range map[string]string{
		"found=true": "200 ", "found=false&kind=ResponseFound&name=http://a-different-uri": "302 http://a-different-uri",
		"found=false&kind=MovedPermanently&name=http://for-good": "301 http://for-good", "found=false&kind=ResponseNotFound:&name=Sorry": "404 ",
	} {
		res := must(once.Get(invokeURL(*api, "prod", "/?"+query)))(t)
		res.Body.Close()
		equal(t, query, fmt.Sprint(res.StatusCode, " ", res.Header.Get("Location")), want)
	}
	_, body := ask(t, "GET", invokeURL(*api, "prod", "/?found=false&kind=ResponseNotFound:&name=Sorry"), "")
	equal(t, "the page", body, `<html><img src="fail-whale.gif"/>Sorry</html>`)
}

// thumbnails is a function that works on images by ImageMagick, and packages nothing.
const thumbnails = `
var im = require('imagemagick'), fs = require('fs');
var read = function (file) { return fs.readFileSync(file).toString('base64'); };
var operations = {
	ping: function (event, done) { done(null, 'pong'); },
	getSample: function (event, done) {
		im.convert(['rose:', '/tmp/rose.png'], function (err) { done(err, err || read('/tmp/rose.png')); });
	},
	getDimensions: function (event, done) {
		fs.writeFileSync('/tmp/in.png', new Buffer(event.base64Image, 'base64'));
		im.identify(['-format', '{"width":%w,"height":%h}', '/tmp/in.png'], function (err, out) { done(err, err || JSON.parse(out)); });
	},
	thumbnail: function (event, done) {
		im.resize({ srcData: new Buffer(event.base64Image, 'base64').toString('binary'), format: 'png', width: 100, dstPath: '/tmp/resized.png' },
			function (err) { done(err, err || read('/tmp/resized.png')); });
	}
};
exports.handler = function (event, context, callback) {
	var operation = operations[event.operation];
	if (!operation) return callback(new Error('Unrecognized operation "' + event.operation + '"'));
	operation(event, callback);
};`

// The thumbnail by AWS's command line: ImageMagick and its module are there unpackaged.
func TestThumbnail(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"convert", "identify"} {
		if _, err := os.Stat("/usr/bin/" + program); err != nil {
			t.Skip("this machine has no ImageMagick in /usr/bin: setup/fetch installs it")
		}
	}
	c := newCloud(t)
	c.function("thumbnail", types.RuntimeNodejs43, thumbnails, func(in *lambda.CreateFunctionInput) { in.MemorySize, in.Timeout = aws.Int32(512), aws.Int32(30) })
	picture := image.NewNRGBA(image.Rect(0, 0, 400, 300))
	for i := range picture.Pix {
		picture.Pix[i] = byte(i*i>>7) | 0x80
	}
	picture.Set(0, 0, color.White)
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		t.Fatal(err)
	}
	invoke := func(event map[string]string) (answer string) {
		t.Helper()
		dir := t.TempDir()
		payload := must(json.Marshal(event))(t)
		if err := os.WriteFile(dir+"/event.json", payload, 0o600); err != nil {
			t.Fatal(err)
		}
		cli := exec.Command(filepath.Join(tule.Root(), ".cache", "venv", "bin", "aws"), "lambda", "invoke", "--function-name", "thumbnail", "--payload", "file://event.json", "out.json")
		cli.Dir, cli.Env = dir, append(os.Environ(), append(c.asRoot(), "AWS_ENDPOINT_URL="+house.URL())...)
		if out, err := cli.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(must(os.ReadFile(dir + "/out.json"))(t))
	}
	decoded := func(answer string) image.Image {
		t.Helper()
		var text string
		if err := json.Unmarshal([]byte(answer), &text); err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
		return must(png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))))(t)
	}
	original := base64.StdEncoding.EncodeToString(file.Bytes())
	equal(t, "ping", invoke(map[string]string{"operation": "ping"}), `"pong"`)
	equal(t, "the dimensions", invoke(map[string]string{"operation": "getDimensions", "base64Image": original}), `{"width":400,"height":300}`)
	equal(t, "the thumbnail", decoded(invoke(map[string]string{"operation": "thumbnail", "base64Image": original})).Bounds(), image.Rect(0, 0, 100, 75))
	equal(t, "the sample", decoded(invoke(map[string]string{"operation": "getSample"})).Bounds(), image.Rect(0, 0, 70, 46))
	if err := has(invoke(map[string]string{"operation": "paint"}), `"errorMessage":"Unrecognized operation \"paint\""`); err != nil {
		t.Error(err)
	}
}

// replicate is the first function of a cross-account replication: what came by a stream of
// one account is written to a table of another, under a role there.
const replicate = `import base64, json, boto3

def lambda_handler(event, context):
    sts = boto3.client('sts')
    assumed = sts.assume_role(RoleArn='arn:aws:iam::%s:role/AnalyticsWrite', RoleSessionName='AssumePocRole', DurationSeconds=900)
    keys = assumed['Credentials']
    table = boto3.resource('dynamodb', region_name='%s', aws_access_key_id=keys['AccessKeyId'],
        aws_secret_access_key=keys['SecretAccessKey'], aws_session_token=keys['SessionToken']).Table('analytics')
    for record in event['Records']:
        item = json.loads(base64.b64decode(record['kinesis']['data']))
        shard, number = record['eventID'].split(':')
        item.update({'sequenceNumber': number, 'shardId': shard, 'seqNumbershardIdHash': number[-3:-1] + '_' + shard})
        for key, value in item.iteritems():
            print key, '=', value
        table.put_item(Item=item)
    return 'Successfully processed {} records.'.format(len(event['Records']))
`

// onward is the second: what was written goes on as JSON. Its last call, Firehose's
// PutRecord, is left out.
const onward = `from __future__ import print_function
import json

def lambda_handler(event, context):
    for record in event['Records']:
        items = {}
        try:
            for key, value in record['dynamodb']['NewImage'].iteritems():
                items[key] = value.values()[0]
        except Exception as e:
            print(e)
            raise
        print('onward ' + json.dumps(items, sort_keys=True))
`

// A replication between accounts by two functions in Python 2.7. The stream of Kinesis that
// the first one has its records from is left out: the event is its shape.
func TestCrossAccount(t *testing.T) {
	t.Parallel()
	prod, poc := newCloud(t), newCloud(t)
	must(poc.dynamo.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String("analytics"), BillingMode: ddb.BillingModePayPerRequest,
		StreamSpecification: &ddb.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: ddb.StreamViewTypeNewImage},
		KeySchema:           []ddb.KeySchemaElement{{AttributeName: aws.String("seqNumbershardIdHash"), KeyType: ddb.KeyTypeHash}, {AttributeName: aws.String("sequenceNumber"), KeyType: ddb.KeyTypeRange}},
		AttributeDefinitions: []ddb.AttributeDefinition{{AttributeName: aws.String("seqNumbershardIdHash"), AttributeType: ddb.ScalarAttributeTypeS},
			{AttributeName: aws.String("sequenceNumber"), AttributeType: ddb.ScalarAttributeTypeS}}}))(t)
	writer := aws.String("AnalyticsWrite")
	must(poc.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: writer, AssumeRolePolicyDocument: trust(`{"AWS":"arn:aws:iam::` + prod.account + `:root"}`)}))(t)
	must(poc.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: writer, PolicyName: aws.String("write"),
		PolicyDocument: aws.String(statement("Allow", "dynamodb:PutItem", poc.arn("dynamodb", "table/analytics"), ""))}))(t)
	python27 := func(c *cloud, name, source string, managed ...string) {
		t.Helper()
		in := &lambda.CreateFunctionInput{FunctionName: &name, Runtime: types.RuntimePython27, Handler: aws.String("lambda_function.lambda_handler"), Timeout: aws.Int32(120),
			Role: aws.String(c.role(name, "lambda.amazonaws.com", append(managed, basicExecution)...)), Code: &types.FunctionCode{ZipFile: zipped("lambda_function.py", source)}}
		if _, err := c.lambda.CreateFunction(ctx, in); err != nil && strings.Contains(err.Error(), "this machine has not got Python 2.7") {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	python27(prod, "ProdKinesisToPocDynamo", fmt.Sprintf(replicate, poc.account, region))
	python27(poc, "PocLambdaFirehose", onward, "service-role/AWSLambdaDynamoDBExecutionRole")
	stream := must(poc.dynamo.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("analytics")}))(t).Table.LatestStreamArn
	must(poc.lambda.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("PocLambdaFirehose"), EventSourceArn: stream,
		BatchSize: aws.Int32(300), StartingPosition: types.EventSourcePositionTrimHorizon}))(t)

	const number = "49562538991895867345876543218976543217890123456785432178"
	event := fmt.Sprintf(`{"Records":[{"kinesis":{"partitionKey":"p","kinesisSchemaVersion":"1.0","data":%q,"sequenceNumber":%q,"approximateArrivalTimestamp":1468000000.5},
		"eventSource":"aws:kinesis","eventID":"shardId-000000000000:%s","invokeIdentityArn":%q,"eventVersion":"1.0","eventName":"aws:kinesis:record","eventSourceARN":%q,"awsRegion":%q}]}`,
		base64.StdEncoding.EncodeToString([]byte(`{"page": "/a", "user": "ann"}`)), number, number, prod.arn("iam", "role/x"), prod.arn("kinesis", "stream/web-analytics"), region)
	answer, failure := prod.invoke("ProdKinesisToPocDynamo", event)
	if err := has(answer, "AccessDenied", "sts:AssumeRole"); err != nil || failure != "Unhandled" {
		t.Error("without permission to assume the role:", err)
	}
	must(prod.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("ProdKinesisToPocDynamo"), PolicyName: aws.String("assume"),
		PolicyDocument: aws.String(statement("Allow", "sts:AssumeRole", poc.arn("iam", "role/AnalyticsWrite"), ""))}))(t)
	for range 2 { // a batch that comes again changes nothing
		answer, failure = prod.invoke("ProdKinesisToPocDynamo", event)
		equal(t, "the answer", answer+failure, `"Successfully processed 1 records."`)
	}
	items := must(poc.dynamo.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String("analytics")}))(t)
	equal(t, "the items", items.Count, 1)
	equal(t, "the key", items.Items[0]["seqNumbershardIdHash"].(*ddb.AttributeValueMemberS).Value, "17_shardId-000000000000")
	poc.seen("/aws/lambda/PocLambdaFirehose", "onward", `onward {"page": "/a", "seqNumbershardIdHash": "17_shardId-000000000000", "sequenceNumber": "`+number+`", "shardId": "shardId-000000000000", "user": "ann"}`)
}

// The shape of a mirror of DNS zones in Python 2.7: its client is made when the module is
// loaded, its packages are old, and it leaves by sys.exit. Route 53's operations, the transfer
// of a zone and the schedule are left out.
func TestMirrorShape(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	in := &lambda.CreateFunctionInput{FunctionName: aws.String("mirror"), Runtime: types.RuntimePython27, Handler: aws.String("lambda_function.lambda_handler"), Timeout: aws.Int32(60),
		Role: aws.String(c.role("mirror", "lambda.amazonaws.com", basicExecution)), Code: &types.FunctionCode{ZipFile: zipped("lambda_function.py", `import sys, os
import boto3
from lookup import rdtypes

route53 = boto3.client('route53')

def lambda_handler(event, context):
    try:
        serial = int(event['SOASerial'])
    except ValueError, error:
        print 'ERROR:', error
        sys.exit('ERROR: %s has no serial' % event['Domain'])
    for name, rdtype in sorted(event['Records'].iteritems()):
        print '%s is of type %d' % (name, rdtypes[rdtype])
    return 'SUCCESS: %s mirrored to Route 53 %s serial %d' % (event['Domain'], event['VpcId'], serial)
`, "lookup.py", "rdtypes = {'A': 01, 'CNAME': 05}\n")}}
	if _, err := c.lambda.CreateFunction(ctx, in); err != nil && strings.Contains(err.Error(), "this machine has not got Python 2.7") {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	answer, _ := c.invoke("mirror", `{"Domain":"example.com","VpcId":"vpc-1","SOASerial":"7","Records":{"a.example.com.":"A","b.example.com.":"CNAME"}}`)
	equal(t, "the answer", answer, `"SUCCESS: example.com mirrored to Route 53 vpc-1 serial 7"`)
	answer, failure := c.invoke("mirror", `{"Domain":"example.com","SOASerial":"none"}`)
	if !strings.Contains(answer, "Process exited before completing request") || failure != "Unhandled" {
		t.Errorf("%s: %s", failure, answer)
	}
}

// folderZip packs a folder, and a file beside it.
func folderZip(t testing.TB, dir, file, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() { // npm's links to commands
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w := must(z.Create(file))(t)
	must(w.Write([]byte(text)))(t)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// An Express app in aws-serverless-express, the first and the last of its line, behind an
// API and by direct invoke.
func TestExpress(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.1.1", "1.3.0"} {
		t.Run(version, func(t *testing.T) {
			modules := filepath.Join(tule.Root(), ".cache", "express", version)
			if _, err := os.Stat(filepath.Join(modules, "node_modules", "express")); err != nil {
				t.Skip("Express was not fetched: setup/fetch does")
			}
			t.Parallel()
			app := must(os.ReadFile(filepath.Join(tule.Root(), "examples", "express", "lambda.js")))(t)
			express(t, folderZip(t, modules, "lambda.js", string(app)))
		})
	}
}

func express(t *testing.T, code []byte) {
	c := newCloud(t)
	fn := c.function("express", types.RuntimeNodejs43, "", func(in *lambda.CreateFunctionInput) {
		in.Handler, in.MemorySize, in.Timeout, in.Code = aws.String("lambda.handler"), aws.Int32(1024), aws.Int32(30), &types.FunctionCode{ZipFile: code}
	})
	api, root := c.api("express")
	any := aws.String("ANY")
	for _, id := range []*string{root, c.resource(api, root, "{proxy+}")} {
		must(c.gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api, ResourceId: id, HttpMethod: any, AuthorizationType: aws.String("NONE")}))(t)
		must(c.gateway.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api, ResourceId: id, HttpMethod: any, Type: gatewaytypes.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: lambdaURI(*fn.FunctionArn)}))(t)
	}
	c.deploy(api, "prod")
	c.open(api, "express")
	long := strings.Repeat("x", 20_000)
	for _, step := range []struct{ method, path, body, want string }{
		{"GET", "/", "", "200 <h1>users</h1>"},
		{"GET", "/users", "", `200 [{"id":1,"name":"Joe"},{"id":2,"name":"Jane"}]`},
		{"GET", "/users/9", "", "404 {}"},
		{"POST", "/users", `{"name":"Sam"}`, `201 {"id":3,"name":"Sam"}`},
		{"GET", "/users/3", "", `200 {"id":3,"name":"Sam"}`},
		{"GET", "/named/a%20b", "", `200 {"name":"a b","stage":"prod"}`},
		{"POST", "/users", `{"name":"` + long + `"}`, `201 {"id":4,"name":"` + long + `"}`},
	} {
		res, body := ask(t, step.method, invokeURL(*api, "prod", step.path), step.body, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept-Encoding", "identity") // it takes every body for text, those that it compressed itself, too
		})
		equal(t, step.method+" "+step.path, fmt.Sprint(res.StatusCode, " ", body), step.want)
		equal(t, "who may read the answer", res.Header.Get("Access-Control-Allow-Origin"), "*")
	}
	answer, failure := c.invoke("express", `{"resource":"/{proxy+}","path":"/users/2","httpMethod":"GET","headers":{"Accept":"*/*"},"queryStringParameters":null,
		"pathParameters":{"proxy":"users/2"},"requestContext":{"stage":"test"},"body":null,"isBase64Encoded":false}`)
	var got struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil || failure != "" || got.StatusCode != 200 || got.Body != `{"id":2,"name":"Jane"}` {
		t.Errorf("invoked directly: %v %s%s", err, failure, answer)
	}
}
