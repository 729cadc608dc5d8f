package test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// role makes a role that a service may assume, with AWS's managed policies.
func (c *cloud) role(name, service string, managed ...string) string {
	c.Helper()
	arn := *must(c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: trust(`{"Service":"` + service + `"}`)}))(c).Role.Arn
	for _, m := range managed {
		must(c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: aws.String("arn:aws:iam::aws:policy/" + m)}))(c)
	}
	return arn
}

const basicExecution = "service-role/AWSLambdaBasicExecutionRole"

// function makes a function of one file and waits until it is active.
func (c *cloud) function(name string, runtime types.Runtime, source string, change ...func(*lambda.CreateFunctionInput)) *lambda.CreateFunctionOutput {
	c.Helper()
	file := "index.js"
	if strings.HasPrefix(string(runtime), "python") {
		file = "index.py"
	}
	in := &lambda.CreateFunctionInput{FunctionName: &name, Runtime: runtime, Handler: aws.String("index.handler"), Timeout: aws.Int32(20),
		Code: &types.FunctionCode{ZipFile: zipped(file, source)}}
	for _, f := range change {
		f(in)
	}
	if in.Role == nil {
		in.Role = aws.String(c.role(name+"-role", "lambda.amazonaws.com", basicExecution))
	}
	out := must(c.lambda.CreateFunction(ctx, in))(c)
	if err := lambda.NewFunctionActiveV2Waiter(c.lambda).Wait(ctx, &lambda.GetFunctionInput{FunctionName: &name}, time.Minute); err != nil {
		c.Fatal(err)
	}
	return out
}

// invoke gives a function's answer, and the kind of its failure if it failed.
func (c *cloud) invoke(name, payload string) (answer, failure string) {
	c.Helper()
	out := must(c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload)}))(c)
	equal(c, "the status", out.StatusCode, 200)
	return string(out.Payload), aws.ToString(out.FunctionError)
}

const (
	echo   = `exports.handler = async (event, context) => { console.log("saw", JSON.stringify(event)); return event }`
	pyEcho = "def handler(event, context):\n    print('saw', event)\n    return event\n"
)

func TestLambdaFunctions(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	made := c.function("echo", types.RuntimeNodejs22x, echo, func(in *lambda.CreateFunctionInput) {
		in.Description, in.MemorySize = aws.String("says it again"), aws.Int32(256)
		in.Environment = &types.Environment{Variables: map[string]string{"COLOUR": "blue"}}
		in.Tags = map[string]string{"team": "a"}
	})
	equal(t, "the ARN", *made.FunctionArn, c.arn("lambda", "function:echo"))
	_, err := c.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("echo"), Role: made.Role, Runtime: made.Runtime, Handler: made.Handler, Code: &types.FunctionCode{ZipFile: zipped("index.js", echo)}})
	fails[*types.ResourceConflictException](t, err, "Function already exist: echo")
	_, err = c.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("other"), Role: aws.String(c.arn("iam", "role/none")), Runtime: made.Runtime, Handler: made.Handler, Code: &types.FunctionCode{ZipFile: zipped("index.js", echo)}})
	fails[*types.InvalidParameterValueException](t, err, "role")
	_, err = c.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("other"), Role: made.Role, Runtime: made.Runtime, Handler: made.Handler, Code: &types.FunctionCode{ZipFile: []byte("not a zip")}})
	fails[*types.InvalidParameterValueException](t, err, "Could not unzip uploaded file. Please check your file, then try to upload again.")

	got := must(c.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: made.FunctionArn}))(t)
	equal(t, "the variable", got.Configuration.Environment.Variables["COLOUR"], "blue")
	equal(t, "the tag", got.Tags["team"], "a")
	status, body := fetch(t, "GET", *got.Code.Location)
	equal(t, "the status of the code", status, 200)
	equal(t, "the code", body, string(zipped("index.js", echo)))
	status, _ = fetch(t, "GET", forged(*got.Code.Location))
	equal(t, "the status of the code for a signature of one's own", status, 403)
	_, err = c.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("none")})
	fails[*types.ResourceNotFoundException](t, err, "Function not found: "+c.arn("lambda", "function:none"))

	must(c.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("echo"), Timeout: aws.Int32(7)}))(t)
	config := must(c.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("echo")}))(t)
	equal(t, "the timeout", *config.Timeout, 7)
	must(c.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("echo"), ZipFile: zipped("index.js", `exports.handler = async () => "changed"`)}))(t)
	answer, _ := c.invoke("echo", "1")
	equal(t, "the answer of new code", answer, `"changed"`)

	c.function("second", types.RuntimePython312, pyEcho)
	var names []string
	for p := lambda.NewListFunctionsPaginator(c.lambda, &lambda.ListFunctionsInput{MaxItems: aws.Int32(1)}); p.HasMorePages(); {
		for _, f := range must(p.NextPage(ctx))(t).Functions {
			names = append(names, *f.FunctionName)
		}
	}
	equal(t, "the functions", strings.Join(names, " "), "echo second")
	if n := must(c.lambda.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{}))(t).AccountUsage.FunctionCount; n != 2 {
		t.Errorf("%d functions", n)
	}
	must(c.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("echo")}))(t)
	_, err = c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("echo")})
	fails[*types.ResourceNotFoundException](t, err, "Function not found")
}

// forged is an address with another character within its last part.
func forged(url string) string {
	i := len(url) - 40
	other := "A"
	if url[i] == 'A' {
		other = "B"
	}
	return url[:i] + other + url[i+1:]
}

func TestLambdaInvoke(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	const count = `
let n = 0
exports.handler = async (event, context) => {
  console.log("event", event.do, context.awsRequestId)
  switch (event.do) {
  case "count": return ++n
  case "throw": throw new TypeError("no such thing")
  case "env": return { region: process.env.AWS_REGION, root: process.env.LAMBDA_TASK_ROOT, cwd: process.cwd(), name: context.functionName, arn: context.invokedFunctionArn, memory: context.memoryLimitInMB }
  case "exit": process.exit(3)
  }
}`
	c.function("fn", types.RuntimeNodejs20x, count)
	for i := 1; i <= 3; i++ {
		answer, failure := c.invoke("fn", `{"do":"count"}`)
		if answer != fmt.Sprint(i) || failure != "" {
			t.Errorf("answer %d is %s %s: environments are kept", i, answer, failure)
		}
	}
	var env map[string]string
	answer, _ := c.invoke("fn", `{"do":"env"}`)
	if err := json.Unmarshal([]byte(answer), &env); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	for k, v := range map[string]string{"region": region, "root": "/var/task", "cwd": "/var/task", "name": "fn", "arn": c.arn("lambda", "function:fn"), "memory": "128"} {
		equal(t, k, env[k], v)
	}

	out := must(c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("fn"), Payload: []byte(`{"do":"throw"}`), LogType: types.LogTypeTail}))(t)
	equal(t, "the failure", aws.ToString(out.FunctionError), "Unhandled")
	var failed struct {
		ErrorType, ErrorMessage string
		Trace                   []string
	}
	if err := json.Unmarshal(out.Payload, &failed); err != nil || failed.ErrorType != "TypeError" || failed.ErrorMessage != "no such thing" || len(failed.Trace) == 0 {
		t.Errorf("payload %s", out.Payload)
	}
	tail := string(must(base64.StdEncoding.DecodeString(aws.ToString(out.LogResult)))(t))
	if !regexp.MustCompile(`(?s)^START RequestId: (\S+) Version: \$LATEST\n.*event throw .*END RequestId: .*REPORT RequestId: \S+\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB`).MatchString(tail) {
		t.Errorf("the log's tail:\n%s", tail)
	}
	answer, failure := c.invoke("fn", `{"do":"exit"}`)
	if failure != "Unhandled" || !strings.Contains(answer, "Runtime exited with error: exit status 3") {
		t.Errorf("exit: %s %s", answer, failure)
	}
	answer, _ = c.invoke("fn", `{"do":"count"}`)
	equal(t, "the count in a new environment", answer, "1")
	_, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("fn"), Payload: []byte(`{"do":`)})
	fails[*types.InvalidRequestContentException](t, err, "Could not parse request body into json")

	dry := must(c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("fn"), InvocationType: types.InvocationTypeDryRun}))(t)
	equal(t, "the status of a dry run", dry.StatusCode, 204)
	event := must(c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("fn"), InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"do":"asynchronous"}`)}))(t)
	equal(t, "the status of an event", event.StatusCode, 202)
	old := must(c.lambda.InvokeAsync(ctx, &lambda.InvokeAsyncInput{FunctionName: aws.String("fn"), InvokeArgs: strings.NewReader(`{"do":"oldasync"}`)}))(t)
	equal(t, "the status of an old event", old.Status, 202)
	for _, word := range []string{`"event asynchronous"`, `"event oldasync"`, `"event throw"`} {
		eventually(t, func() error {
			out, err := c.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/fn"), FilterPattern: &word})
			if err == nil && len(out.Events) != 1 {
				err = fmt.Errorf("%d events with %s", len(out.Events), word)
			}
			return err
		})
	}
}

func TestLambdaConcurrency(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.function("slow", types.RuntimePython312, "import time\nuser = []\ndef handler(event, context):\n    user.append(1)\n    time.sleep(event)\n    return len(user)\n")
	must(c.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("slow"), ReservedConcurrentExecutions: aws.Int32(1)}))(t)
	equal(t, "the reserve", *must(c.lambda.GetFunctionConcurrency(ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: aws.String("slow")}))(t).ReservedConcurrentExecutions, 1)
	answers := make(chan error, 4)
	for range cap(answers) {
		go func() {
			_, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("slow"), Payload: []byte("1")})
			answers <- err
		}()
	}
	var good, busy int
	for range cap(answers) {
		if err := <-answers; err == nil {
			good++
		} else {
			fails[*types.TooManyRequestsException](t, err, "Rate Exceeded.")
			busy++
		}
	}
	if good != 1 || busy != 3 {
		t.Errorf("%d answered and %d refused, want 1 and 3", good, busy)
	}
	must(c.lambda.DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: aws.String("slow")}))(t)
	for range cap(answers) {
		go func() {
			_, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("slow"), Payload: []byte("0.5")})
			answers <- err
		}()
	}
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

func TestLambdaVersionsAndAliases(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	fn := aws.String("fn")
	c.function("fn", types.RuntimeNodejs22x, `exports.handler = async (e, c) => "one " + c.functionVersion`)
	one := must(c.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: fn}))(t)
	equal(t, "the version", *one.Version, "1")
	must(c.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: fn, ZipFile: zipped("index.js", `exports.handler = async (e, c) => "two " + c.functionVersion`), Publish: true}))(t)
	equal(t, "the number of versions", len(must(c.lambda.ListVersionsByFunction(ctx, &lambda.ListVersionsByFunctionInput{FunctionName: fn}))(t).Versions), 3)
	alias := must(c.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: fn, Name: aws.String("live"), FunctionVersion: aws.String("1")}))(t)
	equal(t, "the alias' ARN", *alias.AliasArn, c.arn("lambda", "function:fn:live"))
	_, err := c.lambda.CreateAlias(ctx, &lambda.CreateAliasInput{FunctionName: fn, Name: aws.String("live"), FunctionVersion: aws.String("1")})
	fails[*types.ResourceConflictException](t, err, "Alias already exists")
	ask := func(name, want string) {
		t.Helper()
		answer, _ := c.invoke(name, "null")
		equal(t, name, answer, `"`+want+`"`)
	}
	ask("fn:live", "one 1")
	must(c.lambda.UpdateAlias(ctx, &lambda.UpdateAliasInput{FunctionName: fn, Name: aws.String("live"), FunctionVersion: aws.String("2")}))(t)
	ask("fn:live", "two 2")
	ask(*one.FunctionArn, "one 1")
	ask("fn", "two $LATEST")
	equal(t, "the alias", *must(c.lambda.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: fn, Name: aws.String("live")}))(t).FunctionVersion, "2")
	equal(t, "the number of aliases", len(must(c.lambda.ListAliases(ctx, &lambda.ListAliasesInput{FunctionName: fn}))(t).Aliases), 1)
	must(c.lambda.DeleteAlias(ctx, &lambda.DeleteAliasInput{FunctionName: fn, Name: aws.String("live")}))(t)
	_, err = c.lambda.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: fn, Name: aws.String("live")})
	fails[*types.ResourceNotFoundException](t, err, "Cannot find alias arn: "+*alias.AliasArn)
}

func TestLambdaPermissionsAndTags(t *testing.T) {
	t.Parallel()
	c, other := newCloud(t), newCloud(t)
	made := c.function("fn", types.RuntimePython312, pyEcho)
	_, err := other.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: made.FunctionArn})
	refused(t, err, "AccessDeniedException", "is not authorized to perform: lambda:InvokeFunction on resource: "+*made.FunctionArn)
	add := &lambda.AddPermissionInput{FunctionName: made.FunctionName, StatementId: aws.String("other"), Action: aws.String("lambda:InvokeFunction"), Principal: &other.account}
	must(c.lambda.AddPermission(ctx, add))(t)
	_, err = c.lambda.AddPermission(ctx, add)
	fails[*types.ResourceConflictException](t, err, "The statement id (other) provided already exists.")
	answer, _ := other.invoke(*made.FunctionArn, `"hello"`)
	equal(t, "the answer to another account", answer, `"hello"`)
	if p := *must(c.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: made.FunctionName}))(t).Policy; !strings.Contains(p, other.account) {
		t.Errorf("policy %s", p)
	}
	must(c.lambda.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: made.FunctionName, StatementId: aws.String("other")}))(t)
	_, err = c.lambda.GetPolicy(ctx, &lambda.GetPolicyInput{FunctionName: made.FunctionName})
	fails[*types.ResourceNotFoundException](t, err, "The resource you requested does not exist.")

	must(c.lambda.TagResource(ctx, &lambda.TagResourceInput{Resource: made.FunctionArn, Tags: map[string]string{"a": "1", "b": "2"}}))(t)
	must(c.lambda.UntagResource(ctx, &lambda.UntagResourceInput{Resource: made.FunctionArn, TagKeys: []string{"a"}}))(t)
	equal(t, "the tags", fmt.Sprint(must(c.lambda.ListTags(ctx, &lambda.ListTagsInput{Resource: made.FunctionArn}))(t).Tags), "map[b:2]")
}

// How often and for how long an asynchronous invoke that fails is tried.
func TestLambdaEventInvokeConfig(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	fn := aws.String("fails")
	c.function("fails", types.RuntimePython312, "def handler(event, context):\n    print('tried', context.aws_request_id)\n    raise ValueError('no')\n")
	_, err := c.lambda.GetFunctionEventInvokeConfig(ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: fn})
	fails[*types.ResourceNotFoundException](t, err, "doesn't have an EventInvokeConfig")
	must(c.lambda.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: fn, MaximumRetryAttempts: aws.Int32(1)}))(t)
	must(c.lambda.UpdateFunctionEventInvokeConfig(ctx, &lambda.UpdateFunctionEventInvokeConfigInput{FunctionName: fn, MaximumEventAgeInSeconds: aws.Int32(60), MaximumRetryAttempts: aws.Int32(0)}))(t)
	got := must(c.lambda.GetFunctionEventInvokeConfig(ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: fn}))(t)
	if *got.MaximumRetryAttempts != 0 || *got.MaximumEventAgeInSeconds != 60 {
		t.Errorf("config %+v", got)
	}
	equal(t, "the number of configurations", len(must(c.lambda.ListFunctionEventInvokeConfigs(ctx, &lambda.ListFunctionEventInvokeConfigsInput{FunctionName: fn}))(t).FunctionEventInvokeConfigs), 1)
	must(c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: fn, InvocationType: types.InvocationTypeEvent}))(t)
	c.seen("/aws/lambda/fails", "tried", "tried ")
	must(c.lambda.DeleteFunctionEventInvokeConfig(ctx, &lambda.DeleteFunctionEventInvokeConfigInput{FunctionName: fn}))(t)
}

// A function has its role's permissions, and no more; the SDK that it finds
// unpackaged leads to Tule with nothing configured.
func TestLambdaRole(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("songs", false)
	c.put("songs", item{"artist": text("Nina")})
	role := c.role("reader", "lambda.amazonaws.com", basicExecution, "AmazonDynamoDBReadOnlyAccess")
	as := func(in *lambda.CreateFunctionInput) { in.Role = &role }
	c.function("js2", types.Runtime("nodejs16.x"), `
const AWS = require("aws-sdk"), db = new AWS.DynamoDB.DocumentClient()
exports.handler = async () => {
  const { Items } = await db.scan({ TableName: "songs" }).promise()
  const error = await db.put({ TableName: "songs", Item: { artist: "x" } }).promise().catch(e => e.code)
  return { Items, error }
}`, as)
	c.function("js3", types.RuntimeNodejs22x, `
const { DynamoDBClient, ScanCommand, PutItemCommand } = require("@aws-sdk/client-dynamodb"), db = new DynamoDBClient()
exports.handler = async () => {
  const { Items } = await db.send(new ScanCommand({ TableName: "songs" }))
  const error = await db.send(new PutItemCommand({ TableName: "songs", Item: { artist: { S: "x" } } })).catch(e => e.name)
  return { Items: Items.map(i => ({ artist: i.artist.S })), error }
}`, as)
	c.function("py", types.RuntimePython312, `
import boto3, botocore
table = boto3.resource("dynamodb").Table("songs")
def handler(event, context):
    try:
        table.put_item(Item={"artist": "x"})
    except botocore.exceptions.ClientError as e:
        return {"Items": table.scan()["Items"], "error": e.response["Error"]["Code"]}
`, as)
	for _, name := range []string{"js2", "js3", "py"} {
		answer, failure := c.invoke(name, "{}")
		var got struct {
			Items []map[string]string
			Error string
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil || failure != "" || len(got.Items) != 1 || got.Items[0]["artist"] != "Nina" || got.Error != "AccessDeniedException" {
			t.Errorf("%s: %s %s", name, answer, failure)
		}
	}
}
