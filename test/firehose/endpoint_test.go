package firehose

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/tule-cloud/tule/test/tule"
)

// An endpoint is an HTTPS server on this machine that keeps what it is told.
type endpoint struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	paths  []string
}

// listening starts an endpoint; env makes a Tule believe its certificate.
func listening(t *testing.T, answer func(r *http.Request, body []byte) (status int, text string)) (e *endpoint, env string) {
	t.Helper()
	e = &endpoint{}
	e.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		e.bodies, e.paths = append(e.bodies, string(body)), append(e.paths, r.URL.Path)
		e.mu.Unlock()
		status, text := answer(r, body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(e.Close)
	file := filepath.Join(t.TempDir(), "roots.pem")
	try(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.Certificate().Raw}), 0o600))
	return e, "SSL_CERT_FILE=" + file
}

// HTTP, OpenSearch and Splunk on this machine get what is put into their streams.
func TestEndpoints(t *testing.T) {
	e, env := listening(t, func(r *http.Request, _ []byte) (int, string) {
		switch r.URL.Path {
		case "/in":
			return 200, fmt.Sprintf(`{"requestId": %q, "timestamp": 1}`, r.Header.Get("X-Amz-Firehose-Request-Id"))
		case "/_bulk":
			return 200, `{"errors": false, "items": []}`
		case "/services/collector/raw":
			return 200, `{"ackId": 7}`
		case "/services/collector/ack":
			return 200, `{"acks": {"7": true}}`
		}
		return 404, ""
	})
	c := start(t, "", env)
	defer c.stop()
	bucket := c.bucket("failures")
	role := c.role("deliver", allow("s3:PutObject", bucket+"/*"))
	rest := &types.S3DestinationConfiguration{RoleARN: &role, BucketARN: &bucket}
	for name, in := range map[string]*firehose.CreateDeliveryStreamInput{
		"http": {HttpEndpointDestinationConfiguration: &types.HttpEndpointDestinationConfiguration{S3Configuration: rest, EndpointConfiguration: &types.HttpEndpointConfiguration{Url: aws.String(e.URL + "/in")}}},
		"search": {AmazonopensearchserviceDestinationConfiguration: &types.AmazonopensearchserviceDestinationConfiguration{S3Configuration: rest, RoleARN: &role,
			ClusterEndpoint: &e.URL, IndexName: aws.String("i"), IndexRotationPeriod: types.AmazonopensearchserviceIndexRotationPeriodNoRotation}},
		"splunk": {SplunkDestinationConfiguration: &types.SplunkDestinationConfiguration{S3Configuration: rest, HECEndpoint: &e.URL, HECEndpointType: types.HECEndpointTypeRaw, HECToken: aws.String("token")}},
	} {
		in.DeliveryStreamName = aws.String(name)
		_, err := c.firehose.CreateDeliveryStream(ctx, in)
		try(t, err)
		c.put(name, `{"to": "`+name+`"}`)
	}
	c.eventually(func() error {
		c.pass(301 * time.Second)
		e.mu.Lock()
		defer e.mu.Unlock()
		for path, want := range map[string]string{"/in": base64.StdEncoding.EncodeToString([]byte(`{"to": "http"}`)), "/_bulk": `{"to":"search"}`, "/services/collector/raw": `{"to": "splunk"}`, "/services/collector/ack": "7"} {
			found := false
			for i := range e.paths {
				found = found || e.paths[i] == path && strings.Contains(e.bodies[i], want)
			}
			if !found {
				return fmt.Errorf("%s has got nothing: %q", path, e.bodies)
			}
		}
		return nil
	})
	if got := c.objects("failures", ""); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// upper is a function that transforms records.
const upper = `exports.handler = async (event) => ({ records: event.records.map((r) => {
	const text = Buffer.from(r.data, "base64").toString();
	if (text === "drop") return { recordId: r.recordId, result: "Dropped", data: r.data };
	if (text === "fail") return { recordId: r.recordId, result: "ProcessingFailed", data: r.data };
	return { recordId: r.recordId, result: "Ok", data: Buffer.from(text.toUpperCase() + "\n").toString("base64") };
}) });`

// A function transforms records, which may be a topic's messages.
func TestTransformedAndFromTopics(t *testing.T) {
	house, err := tule.Start(tule.Options{Libraries: true})
	try(t, err)
	c := &cloud{t: t, house: house}
	c.as("test", "test")
	defer c.stop()
	bucket := c.bucket("arrivals")
	functions := lambda.NewFromConfig(c.config)
	function := "arn:aws:lambda:us-east-1:" + account + ":function:upper"
	role := c.role("deliver", allow("s3:PutObject", bucket+"/*"), allow("lambda:InvokeFunction", function), allow("firehose:PutRecord*", "*"))
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	f, err := z.Create("index.js")
	try(t, err)
	_, err = io.WriteString(f, upper)
	try(t, err)
	try(t, z.Close())
	_, err = functions.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("upper"), Runtime: lambdatypes.RuntimeNodejs20x, Handler: aws.String("index.handler"),
		Role: &role, Code: &lambdatypes.FunctionCode{ZipFile: code.Bytes()}})
	try(t, err)
	_, err = c.firehose.CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("s"), ExtendedS3DestinationConfiguration: &types.ExtendedS3DestinationConfiguration{
		RoleARN: &role, BucketARN: &bucket, Prefix: aws.String("data/"), ErrorOutputPrefix: aws.String("errors/!{firehose:error-output-type}/"),
		BufferingHints: &types.BufferingHints{IntervalInSeconds: aws.Int32(60), SizeInMBs: aws.Int32(1)},
		ProcessingConfiguration: &types.ProcessingConfiguration{Enabled: aws.Bool(true), Processors: []types.Processor{{Type: types.ProcessorTypeLambda,
			Parameters: []types.ProcessorParameter{{ParameterName: types.ProcessorParameterNameLambdaArn, ParameterValue: &function}}}}}}})
	try(t, err)
	c.put("s", "a", "drop", "fail", "b")
	c.pass(61 * time.Second)
	for _, body := range c.delivered("arrivals", "data/", 1) {
		if body != "A\nB\n" {
			t.Errorf("%q", body)
		}
	}
	for key, body := range c.delivered("arrivals", "errors/processing-failed/", 1) {
		var line map[string]any
		if err := json.Unmarshal([]byte(body), &line); err != nil || line["rawData"] != "ZmFpbA==" || line["errorCode"] != "Lambda.ProcessingFailedStatus" {
			t.Errorf("%s: %s", key, body)
		}
	}

	topics := sns.NewFromConfig(c.config)
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")})
	try(t, err)
	_, err = topics.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("firehose"), Endpoint: aws.String("arn:aws:firehose:us-east-1:" + account + ":deliverystream/s"),
		Attributes: map[string]string{"SubscriptionRoleArn": role, "RawMessageDelivery": "true"}})
	try(t, err)
	_, err = topics.Publish(ctx, &sns.PublishInput{TopicArn: topic.TopicArn, Message: aws.String("from a topic")})
	try(t, err)
	c.eventually(func() error {
		c.pass(61 * time.Second)
		for _, body := range c.objects("arrivals", "data/") {
			if strings.TrimSpace(body) == "FROM A TOPIC" {
				return nil
			}
		}
		return fmt.Errorf("the message has not come")
	})
}
