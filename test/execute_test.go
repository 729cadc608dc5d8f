package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// lambdaURI is how an integration names a function.
func lambdaURI(function string) *string {
	return aws.String("arn:aws:apigateway:" + region + ":lambda:path/2015-03-31/functions/" + function + "/invocations")
}

// open lets an API call a function.
func (c *cloud) open(api *string, function string) {
	c.Helper()
	must(c.lambda.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: &function, StatementId: aws.String("api"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("apigateway.amazonaws.com"), SourceArn: aws.String(c.arn("execute-api", *api+"/*"))}))(c)
}

func (c *cloud) deploy(api *string, stage string) {
	c.Helper()
	must(c.gateway.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api, StageName: &stage}))(c)
}

// ask sends a request to an API and gives the answer and its body.
func ask(t testing.TB, method, url, body string, change ...func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r := must(http.NewRequest(method, url, strings.NewReader(body)))(t)
	for _, f := range change {
		f(r)
	}
	res := must(http.DefaultClient.Do(r))(t)
	defer res.Body.Close()
	answer := must(io.ReadAll(res.Body))(t)
	var compact bytes.Buffer
	if json.Compact(&compact, answer) == nil { // spaces mean nothing
		answer = compact.Bytes()
	}
	return res, string(answer)
}

// An API over a function by AWS_PROXY answers under each form of the invoke URL.
func TestExecuteProxy(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	fn := c.function("proxy", lambdatypes.RuntimeNodejs22x, `
exports.handler = async e => e.path === "/broken/x" ? "not a response" : ({ statusCode: "201", headers: { "X-One": "1", connection: "keep-alive" }, multiValueHeaders: { "X-Two": ["a", "b"] },
  body: JSON.stringify({ method: e.httpMethod, path: e.path, resource: e.resource, proxy: e.pathParameters.proxy, q: e.multiValueQueryStringParameters, body: e.body, stage: e.requestContext.stage }) })`)
	api, root := c.api("proxy")
	every := aws.String("ANY")
	id := c.resource(api, root, "{proxy+}")
	must(c.gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api, ResourceId: id, HttpMethod: every, AuthorizationType: aws.String("NONE")}))(t)
	must(c.gateway.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api, ResourceId: id, HttpMethod: every, Type: types.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: lambdaURI(*fn.FunctionArn)}))(t)
	c.deploy(api, "prod")

	res, body := ask(t, "GET", invokeURL(*api, "prod", "/a"), "")
	if res.StatusCode != 500 || body != `{"message":"Internal server error"}` {
		t.Errorf("without permission to invoke: %d %s", res.StatusCode, body)
	}
	c.open(api, "proxy")
	for _, form := range []struct{ url, host string }{
		{invokeURL(*api, "prod", "/a/b?x=1&x=2"), ""},
		{house.URL() + "/restapis/" + *api + "/prod/_user_request_/a/b?x=1&x=2", ""},
		{house.URL() + "/prod/a/b?x=1&x=2", *api + ".execute-api." + region + ".amazonaws.com"},
		{house.URL() + "/prod/a/b?x=1&x=2", *api + ".execute-api.localhost.localstack.cloud:4566"},
	} {
		res, body := ask(t, "PUT", form.url, "hello", func(r *http.Request) { r.Host = form.host })
		var got map[string]any
		if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != 201 || res.Header.Get("X-One") != "1" || strings.Join(res.Header.Values("X-Two"), ",") != "a,b" {
			t.Errorf("%v: %d %v %s", form, res.StatusCode, res.Header, body)
		}
		equal(t, "the event", fmt.Sprint(got), "map[body:hello method:PUT path:/a/b proxy:a/b q:map[x:[1 2]] resource:/{proxy+} stage:prod]")
	}
	res, body = ask(t, "GET", invokeURL(*api, "prod", "/broken/x"), "")
	if res.StatusCode != 502 || body != `{"message":"Internal server error"}` {
		t.Errorf("a malformed answer: %d %s", res.StatusCode, body)
	}
	for path, want := range map[string]string{"prod/": `403 {"message":"Missing Authentication Token"}`, "none/a": `403 {"message":"Forbidden"}`} {
		res, body := ask(t, "GET", house.URL()+"/_aws/execute-api/"+*api+"/"+path, "")
		equal(t, path, fmt.Sprint(res.StatusCode, " ", body), want)
	}
}

// An API over a function by AWS: templates in, patterns over errors and headers out,
// and both services' logs of one request.
func TestExecuteTemplates(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	fn := c.function("work", lambdatypes.RuntimeNodejs22x, `
exports.handler = async e => { console.log("API Gateway Request ID:", e.id); if (e.q.fail) { const x = new Error("moved there"); x.name = "http://elsewhere"; throw x } return e }`)
	api, root := c.api("work")
	post := aws.String("POST")
	must(c.gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api, ResourceId: root, HttpMethod: post, AuthorizationType: aws.String("NONE")}))(t)
	must(c.gateway.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api, ResourceId: root, HttpMethod: post, Type: types.IntegrationTypeAws, IntegrationHttpMethod: post, Uri: lambdaURI(*fn.FunctionArn),
		PassthroughBehavior: aws.String("NEVER"), RequestTemplates: map[string]string{"application/json": `{"id": "$context.requestId", "body": $input.json('$.a'), "q": {#foreach($k in $input.params().querystring.keySet())"$k": "$util.escapeJavaScript($input.params($k))"#if($foreach.hasNext),#end#end}}`}}))(t)
	for status, pattern := range map[string]string{"200": "", "302": "moved.*"} {
		must(c.gateway.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: api, ResourceId: root, HttpMethod: post, StatusCode: &status, ResponseParameters: map[string]bool{"method.response.header.Location": false}}))(t)
		in := &apigateway.PutIntegrationResponseInput{RestApiId: api, ResourceId: root, HttpMethod: post, StatusCode: &status}
		if pattern != "" {
			in.SelectionPattern, in.ResponseParameters = &pattern, map[string]string{"method.response.header.Location": "integration.response.body.errorType"}
		}
		must(c.gateway.PutIntegrationResponse(ctx, in))(t)
	}
	c.open(api, "work")
	logger := c.role("api-logs", "apigateway.amazonaws.com", "service-role/AmazonAPIGatewayPushToCloudWatchLogs")
	must(c.gateway.UpdateAccount(ctx, &apigateway.UpdateAccountInput{PatchOperations: replace("/cloudwatchRoleArn", logger)}))(t)
	c.deploy(api, "prod")
	must(c.gateway.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: api, StageName: aws.String("prod"), PatchOperations: append(replace("/*/*/logging/loglevel", "INFO"), replace("/*/*/logging/dataTrace", "true")...)}))(t)

	asJSON := func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }
	res, body := ask(t, "POST", invokeURL(*api, "prod", `?n="1"`), `{"a": [1, {"b": "ü"}]}`, asJSON)
	id := res.Header.Get("x-amzn-RequestId")
	equal(t, "the answer", body, `{"id":"`+id+`","body":[1,{"b":"ü"}],"q":{"n":"\"1\""}}`)
	noFollow := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	moved := must(noFollow.Post(invokeURL(*api, "prod", "?fail=1"), "application/json", strings.NewReader("{}")))(t)
	moved.Body.Close()
	equal(t, "the status of a mapped error", moved.StatusCode, 302)
	equal(t, "where it leads", moved.Header.Get("Location"), "http://elsewhere")
	res, body = ask(t, "POST", invokeURL(*api, "prod", ""), "<a/>", func(r *http.Request) { r.Header.Set("Content-Type", "text/xml") })
	equal(t, "another content type", fmt.Sprint(res.StatusCode, " ", body), `415 {"message":"Unsupported Media Type"}`)

	c.seen("API-Gateway-Execution-Logs_"+*api+"/prod", `"`+id+`"`, `^\(`+id+`\) Extended Request Id: |^\(`+id+`\) (Verifying|Starting execution for request: )`, "Successfully completed execution", "Method completed with status: 200")
	c.seen("/aws/lambda/work", `"`+id+`"`, "API Gateway Request ID: "+id)
}

// seen checks that a log comes to hold lines that match each pattern.
func (c *cloud) seen(group, filter string, patterns ...string) {
	c.Helper()
	eventually(c, func() error {
		out, err := c.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, FilterPattern: &filter})
		if err != nil {
			return err
		}
		var text []string
		for _, e := range out.Events {
			text = append(text, *e.Message)
		}
		for _, p := range patterns {
			if !regexp.MustCompile("(?m)" + p).MatchString(strings.Join(text, "\n")) {
				return errors.New(group + " has no line that matches " + p + ":\n" + strings.Join(text, "\n"))
			}
		}
		return nil
	})
}

// A method under AWS_IAM wants a signature, and a policy that allows it.
func TestExecuteIAM(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	api, root := c.api("closed")
	c.mock(api, root, "GET", `"$context.identity.userArn"`)
	must(c.gateway.UpdateMethod(ctx, &apigateway.UpdateMethodInput{RestApiId: api, ResourceId: root, HttpMethod: aws.String("GET"), PatchOperations: replace("/authorizationType", "AWS_IAM")}))(t)
	c.deploy(api, "prod")
	url := invokeURL(*api, "prod", "/")
	res, body := ask(t, "GET", url, "")
	equal(t, "unsigned", fmt.Sprint(res.StatusCode, " ", body), `403 {"message":"Missing Authentication Token"}`)
	signedBy := func(u *cloud) func(*http.Request) {
		return func(r *http.Request) {
			if err := v4.NewSigner().SignHTTP(ctx, must(u.config.Credentials.Retrieve(ctx))(t), r, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "execute-api", region, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	res, body = ask(t, "GET", url, "", signedBy(c.user("ann", statement("Allow", "execute-api:Invoke", c.arn("execute-api", *api+"/prod/GET/*"), ""))))
	equal(t, "allowed", fmt.Sprint(res.StatusCode, " ", body), `200 "`+c.arn("iam", "user/ann")+`"`)
	res, body = ask(t, "GET", url, "", signedBy(c.user("bob", "")))
	if res.StatusCode != 403 || !strings.Contains(body, "is not authorized to perform: execute-api:Invoke") {
		t.Errorf("denied: %d %s", res.StatusCode, body)
	}
}
