package events

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	firehosetypes "github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tule-cloud/tule/test/tule"
)

func (c *cloud) config(region string) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: aws.String(c.house.URL()), Credentials: credentials.NewStaticCredentialsProvider(c.account, "any", ""), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient}
}

// wait asks until ok is content.
func (c *cloud) wait(what string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("%s did not come about\n%s", what, c.house.Failures())
		}
	}
}

// TestAWSTargets sends an event to a queue in order, a topic, Firehose, a group of logs, an
// API of API Gateway and a bus in another region.
func TestAWSTargets(t *testing.T) {
	c := start(t, "")
	defer func() { try(t, c.house.Stop()) }()
	us, role := c.config("us-east-1"), c.role("r")
	subscribed, dead := c.queue("subscribed"), c.queue("dead")
	ordered := c.ordered("ordered.fifo")
	topic := c.topic(us, subscribed)
	c.delivery(us, *role)
	groups := cloudwatchlogs.NewFromConfig(us)
	_, err := groups.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/aws/events/shop")})
	try(t, err)
	api := c.api(us, *role)

	far := as(t, c.house, c.account)
	eu := c.config("eu-west-1")
	far.events, far.sqs = eventbridge.NewFromConfig(eu), sqs.NewFromConfig(eu)
	made, err := far.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("far"), Attributes: map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}`}})
	try(t, err)
	distant := queue{far, made.QueueUrl, aws.String("arn:aws:sqs:eu-west-1:000000000000:far")}
	far.rule("all", `{"source":["shop"],"region":["us-east-1"]}`, types.Target{Id: aws.String("q"), Arn: distant.arn})

	c.rule("one", `{"source":["shop"]}`,
		types.Target{Id: aws.String("fifo"), Arn: ordered.arn, SqsParameters: &types.SqsParameters{MessageGroupId: aws.String("g")}},
		types.Target{Id: aws.String("topic"), Arn: &topic},
		types.Target{Id: aws.String("firehose"), Arn: aws.String("arn:aws:firehose:us-east-1:000000000000:deliverystream/d"), RoleArn: role},
		types.Target{Id: aws.String("logs"), Arn: aws.String("arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/shop"), DeadLetterConfig: &types.DeadLetterConfig{Arn: dead.arn}},
		types.Target{Id: aws.String("bus"), Arn: aws.String("arn:aws:events:eu-west-1:000000000000:event-bus/default"), RoleArn: role})
	c.rule("two", `{"source":["shop"]}`, types.Target{Id: aws.String("api"), Arn: &api, RoleArn: role,
		HttpParameters: &types.HttpParameters{PathParameterValues: []string{"7"}, QueryStringParameters: map[string]string{"from": "bus"}}})
	id := c.put("shop", `{"n":1}`)

	// Without a word of the group's account nothing is written to it.
	if m := dead.next(); *m.MessageAttributes["ERROR_CODE"].StringValue != "NO_PERMISSIONS" || event(t, m.Body)["id"] != id {
		t.Errorf("the dead letter of the log is %s: %s", *m.MessageAttributes["ERROR_CODE"].StringValue, *m.Body)
	}
	if m := ordered.next(); event(t, m.Body)["id"] != id {
		t.Errorf("the queue in order got %s", *m.Body)
	}
	if m := subscribed.next(); event(t, m.Body)["id"] != id {
		t.Errorf("the topic's subscriber got %s", *m.Body)
	}
	if got := event(t, distant.next().Body); got["id"] != id || got["region"] != "us-east-1" {
		t.Errorf("the other region got %v", got)
	}
	c.wait("the API's call", func() bool {
		return slices.ContainsFunc(c.lines(us, "/aws/lambda/api"), func(l string) bool { return strings.Contains(l, "called POST /orders/7 bus "+id) })
	})
	_, err = groups.PutResourcePolicy(t.Context(), &cloudwatchlogs.PutResourcePolicyInput{PolicyName: aws.String("events"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":["events.amazonaws.com","delivery.logs.amazonaws.com"]},"Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"arn:aws:logs:us-east-1:000000000000:log-group:/aws/events/*:*"}}`)})
	try(t, err)
	second := c.put("shop", `{"n":2}`)
	c.wait("the log's event", func() bool {
		return slices.ContainsFunc(c.lines(us, "/aws/events/shop"), func(l string) bool { return event(t, &l)["id"] == second })
	})
	c.delivered(us, id, second)
}

func (c *cloud) ordered(name string) queue {
	arn := "arn:aws:sqs:us-east-1:" + c.account + ":" + name
	made, err := c.sqs.CreateQueue(c.t.(*testing.T).Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true",
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `"}}`}})
	try(c.t, err)
	return queue{c, made.QueueUrl, &arn}
}

func (c *cloud) topic(of aws.Config, to queue) string {
	ctx, client := c.t.(*testing.T).Context(), sns.NewFromConfig(of)
	made, err := client.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t"), Attributes: map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sns:Publish","Resource":"*"}}`}})
	try(c.t, err)
	_, err = c.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: to.url, Attributes: map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}}`}})
	try(c.t, err)
	_, err = client.Subscribe(ctx, &sns.SubscribeInput{TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: to.arn, Attributes: map[string]string{"RawMessageDelivery": "true"}})
	try(c.t, err)
	return *made.TopicArn
}

func (c *cloud) delivery(of aws.Config, role string) {
	ctx := c.t.(*testing.T).Context()
	_, err := s3.NewFromConfig(of, func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("delivered")})
	try(c.t, err)
	_, err = firehose.NewFromConfig(of).CreateDeliveryStream(ctx, &firehose.CreateDeliveryStreamInput{DeliveryStreamName: aws.String("d"),
		S3DestinationConfiguration: &firehosetypes.S3DestinationConfiguration{RoleARN: &role, BucketARN: aws.String("arn:aws:s3:::delivered")}})
	try(c.t, err)
}

// delivered moves the clock by what Firehose gathers for, and looks for the events in S3.
func (c *cloud) delivered(of aws.Config, ids ...string) {
	c.t.Helper()
	ctx, client := c.t.(*testing.T).Context(), s3.NewFromConfig(of, func(o *s3.Options) { o.UsePathStyle = true })
	c.pass(301 * time.Second)
	c.wait("the delivery", func() bool {
		list, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("delivered")})
		try(c.t, err)
		var all strings.Builder
		for _, o := range list.Contents {
			got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("delivered"), Key: o.Key})
			try(c.t, err)
			_, err = io.Copy(&all, got.Body)
			try(c.t, err)
		}
		return !slices.ContainsFunc(ids, func(id string) bool { return strings.Count(all.String(), `"id":"`+id+`"`) != 1 })
	})
}

// api makes an API that a function answers, and is the ARN of its one method.
func (c *cloud) api(of aws.Config, role string) string {
	c.t.Helper()
	ctx, functions, apis := c.t.(*testing.T).Context(), lambda.NewFromConfig(of), apigateway.NewFromConfig(of)
	code := `export const handler = async (e) => { console.log("called", e.httpMethod, e.path, e.queryStringParameters.from, JSON.parse(e.body).id); return { statusCode: 200 }; };`
	f, err := functions.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("api"), Runtime: lambdatypes.RuntimeNodejs20x, Handler: aws.String("index.handler"), Role: &role,
		Code: &lambdatypes.FunctionCode{ZipFile: zipped(c.t, code)}})
	try(c.t, err)
	_, err = functions.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: aws.String("api"), StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com")})
	try(c.t, err)
	made, err := apis.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("api")})
	try(c.t, err)
	at := made.RootResourceId
	for _, part := range []string{"orders", "{id}"} {
		got, err := apis.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: made.Id, ParentId: at, PathPart: &part})
		try(c.t, err)
		at = got.Id
	}
	_, err = apis.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: made.Id, ResourceId: at, HttpMethod: aws.String("POST"), AuthorizationType: aws.String("NONE")})
	try(c.t, err)
	_, err = apis.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: made.Id, ResourceId: at, HttpMethod: aws.String("POST"), Type: gatewaytypes.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"),
		Uri: aws.String("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" + *f.FunctionArn + "/invocations")})
	try(c.t, err)
	_, err = apis.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: made.Id, StageName: aws.String("prod")})
	try(c.t, err)
	return "arn:aws:execute-api:us-east-1:" + c.account + ":" + *made.Id + "/prod/POST/orders/*"
}

// lines are what a group of logs has.
func (c *cloud) lines(of aws.Config, group string) (list []string) {
	got, err := cloudwatchlogs.NewFromConfig(of).FilterLogEvents(c.t.(*testing.T).Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group})
	if err != nil {
		return nil // there is no log yet
	}
	for _, e := range got.Events {
		list = append(list, *e.Message)
	}
	return list
}

// An endpoint is an HTTP server of somebody else: it wants proof, and may hang.
type endpoint struct {
	mu   sync.Mutex
	seen map[string][]string // by path, the proof and the body
	free chan struct{}
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	e.mu.Lock()
	e.seen[r.URL.Path] = append(e.seen[r.URL.Path], r.Header.Get("Authorization")+r.Header.Get("X-Key")+" "+string(body))
	e.mu.Unlock()
	switch r.URL.Path {
	case "/token":
		json.NewEncoder(w).Encode(map[string]any{"access_token": "secret-token", "token_type": "Bearer", "expires_in": 3600})
	case "/hang":
		<-e.free
	}
}

func (e *endpoint) got(path string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.seen[path])
}

// TestDestinations calls endpoints that want a password, a key and a token of OAuth; one that
// hangs costs the others nothing, and its events go to the dead-letter queue: by their tries,
// or by their age.
func TestDestinations(t *testing.T) {
	c := start(t, "")
	defer func() { try(t, c.house.Stop()) }()
	e := &endpoint{seen: map[string][]string{}, free: make(chan struct{})}
	server := httptest.NewServer(e)
	defer server.Close()
	defer close(e.free)
	role, tried, aged := c.role("r"), c.queue("tried"), c.queue("aged")
	destination := func(name, path string, kind types.ConnectionAuthorizationType, auth *types.CreateConnectionAuthRequestParameters) string {
		conn, err := c.events.CreateConnection(t.Context(), &eventbridge.CreateConnectionInput{Name: &name, AuthorizationType: kind, AuthParameters: auth})
		try(t, err)
		c.wait("the connection "+name, func() bool {
			got, err := c.events.DescribeConnection(t.Context(), &eventbridge.DescribeConnectionInput{Name: &name})
			try(t, err)
			return got.ConnectionState == types.ConnectionStateAuthorized
		})
		made, err := c.events.CreateApiDestination(t.Context(), &eventbridge.CreateApiDestinationInput{Name: &name, ConnectionArn: conn.ConnectionArn, HttpMethod: types.ApiDestinationHttpMethodPost, InvocationEndpoint: aws.String(server.URL + path)})
		try(t, err)
		return *made.ApiDestinationArn
	}
	key := &types.CreateConnectionAuthRequestParameters{ApiKeyAuthParameters: &types.CreateConnectionApiKeyAuthRequestParameters{ApiKeyName: aws.String("X-Key"), ApiKeyValue: aws.String("k")}}
	basic := destination("basic", "/basic", types.ConnectionAuthorizationTypeBasic, &types.CreateConnectionAuthRequestParameters{BasicAuthParameters: &types.CreateConnectionBasicAuthRequestParameters{Username: aws.String("ann"), Password: aws.String("p")}})
	keyed := destination("keyed", "/keyed", types.ConnectionAuthorizationTypeApiKey, key)
	oauth := destination("oauth", "/oauth", types.ConnectionAuthorizationTypeOauthClientCredentials, &types.CreateConnectionAuthRequestParameters{OAuthParameters: &types.CreateConnectionOAuthRequestParameters{
		AuthorizationEndpoint: aws.String(server.URL + "/token"), HttpMethod: types.ConnectionOAuthHttpMethodPost, ClientParameters: &types.CreateConnectionOAuthClientRequestParameters{ClientID: aws.String("id"), ClientSecret: aws.String("s")}}})
	hang := destination("hang", "/hang", types.ConnectionAuthorizationTypeApiKey, key)

	body := aws.String("$.detail")
	late := func(id, dead *string, most, age int32) types.Target {
		return types.Target{Id: id, Arn: &hang, RoleArn: role, InputPath: body, DeadLetterConfig: &types.DeadLetterConfig{Arn: dead},
			RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(most), MaximumEventAgeInSeconds: aws.Int32(age)}}
	}
	c.rule("hang", `{"source":["shop"]}`, late(aws.String("tried"), tried.arn, 1, 3600), late(aws.String("aged"), aged.arn, 185, 60))
	c.rule("http", `{"source":["shop"]}`,
		types.Target{Id: aws.String("basic"), Arn: &basic, RoleArn: role, InputPath: body}, types.Target{Id: aws.String("keyed"), Arn: &keyed, RoleArn: role, InputPath: body},
		types.Target{Id: aws.String("oauth"), Arn: &oauth, RoleArn: role, InputPath: body})
	c.put("shop", `{"n":1}`)
	for path, want := range map[string]string{"/basic": `Basic YW5uOnA= {"n":1}`, "/keyed": `k {"n":1}`, "/oauth": `Bearer secret-token {"n":1}`} {
		c.wait(path, func() bool { return len(e.got(path)) > 0 })
		if got := e.got(path); !slices.Equal(got, []string{want}) {
			t.Errorf("%s got %v", path, got)
		}
	}
	for range 2 { // the time that an endpoint has, and what is waited for the next try
		c.wait("a call that hangs", func() bool { return len(e.got("/hang")) >= 2 })
		c.pass(6 * time.Second)
		c.pass(10 * time.Second)
	}
	c.wait("the second tries", func() bool { c.pass(2 * time.Second); return len(e.got("/hang")) >= 4 })
	c.pass(time.Minute)
	for q, want := range map[queue]string{tried: "MaximumRetryAttempts", aged: "MaximumEventAgeInSeconds"} {
		m := q.next()
		got := map[string]string{}
		for name, v := range m.MessageAttributes {
			got[name] = *v.StringValue
		}
		if got["EXHAUSTED_RETRY_CONDITION"] != want || got["ERROR_CODE"] != "TIMEOUT" || got["TARGET_ARN"] != hang {
			t.Errorf("the dead letter of %s is %v", want, got)
		}
	}
}

// TestReplay replays what an archive has of a stretch of time, in its order, to one of the
// rules that match; what is replayed is not archived again.
func TestReplay(t *testing.T) {
	c := start(t, "")
	defer func() { try(t, c.house.Stop()) }()
	bus := aws.String("arn:aws:events:us-east-1:000000000000:event-bus/default")
	archive, err := c.events.CreateArchive(t.Context(), &eventbridge.CreateArchiveInput{ArchiveName: aws.String("orders"), EventSourceArn: bus, EventPattern: aws.String(`{"source":["shop"]}`), RetentionDays: aws.Int32(30)})
	try(t, err)
	rule, err := c.events.DescribeRule(t.Context(), &eventbridge.DescribeRuleInput{Name: aws.String("Events-Archive-orders")})
	try(t, err)
	if aws.ToString(rule.ManagedBy) != "prod.vhs.events.aws.internal" || !strings.Contains(*rule.EventPattern, `"replay-name":[{"exists":false}]`) {
		t.Errorf("the archive's rule is %v", rule)
	}
	start := time.Now().UTC().Truncate(time.Second)
	at := func(n int) time.Time { return start.Add(time.Duration(n-10) * time.Minute) }
	for n := range 8 {
		for _, source := range []string{"shop", "other"} {
			_, err := c.events.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Source: &source, DetailType: aws.String("t"), Detail: aws.String(fmt.Sprintf(`{"n":%d}`, n)), Time: aws.Time(at(n))}}})
			try(t, err)
		}
	}
	ordered, other := c.ordered("ordered.fifo"), c.queue("other")
	c.rule("replayed", `{"source":["shop"]}`, types.Target{Id: aws.String("q"), Arn: ordered.arn, SqsParameters: &types.SqsParameters{MessageGroupId: aws.String("g")}})
	c.rule("other", `{"source":["shop"]}`, types.Target{Id: aws.String("q"), Arn: other.arn})
	_, err = c.events.StartReplay(t.Context(), &eventbridge.StartReplayInput{ReplayName: aws.String("again"), EventSourceArn: archive.ArchiveArn, EventStartTime: aws.Time(at(2)), EventEndTime: aws.Time(at(6)),
		Destination: &types.ReplayDestination{Arn: bus, FilterArns: []string{"arn:aws:events:us-east-1:000000000000:rule/replayed"}}})
	try(t, err)
	seen := map[float64]bool{}
	for len(seen) < 4 {
		got := event(t, ordered.next().Body)
		n, _ := got["detail"].(map[string]any)["n"].(float64)
		if got["replay-name"] != "again" || got["time"] != at(int(n)).Format("2006-01-02T15:04:05Z") || n < 2 || n > 5 || seen[n] {
			t.Errorf("replayed: %v", got)
		}
		seen[n] = true
	}
	var replay *eventbridge.DescribeReplayOutput
	c.wait("the replay's end", func() bool {
		replay, err = c.events.DescribeReplay(t.Context(), &eventbridge.DescribeReplayInput{ReplayName: aws.String("again")})
		try(t, err)
		return replay.State == types.ReplayStateCompleted
	})
	if replay.ReplayStartTime.Before(start) || replay.ReplayEndTime.Before(*replay.ReplayStartTime) || !replay.EventLastReplayedTime.Equal(at(5)) || !replay.EventStartTime.Equal(at(2)) || !replay.EventEndTime.Equal(at(6)) {
		t.Errorf("the replay is %+v", replay)
	}
	if more := append(ordered.some(1), other.some(1)...); len(more) > 0 {
		t.Errorf("more was replayed: %v", more)
	}
	kept, err := c.events.DescribeArchive(t.Context(), &eventbridge.DescribeArchiveInput{ArchiveName: aws.String("orders")})
	try(t, err)
	if kept.EventCount != 8 {
		t.Errorf("the archive has %d events", kept.EventCount)
	}
}
