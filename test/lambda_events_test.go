package test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// loggedLines are a function's log events with a word, once there are n of them.
func (c *cloud) loggedLines(function, word string, n int) []string {
	c.Helper()
	var list []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		out, err := c.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/" + function), FilterPattern: &word})
		if err != nil {
			continue // there is no log yet
		}
		list = nil
		for _, e := range out.Events {
			list = append(list, *e.Message)
		}
		if len(list) >= n {
			return list
		}
	}
	c.Fatalf("%s has logged %q %d times, want %d", function, word, len(list), n)
	return nil
}

// mayInvoke lets a function's role invoke another function.
func (c *cloud) mayInvoke(role, function string) {
	c.Helper()
	document := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"%s*"}}`, c.arn("lambda", "function:"+function))
	must(c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String("invoke"), PolicyDocument: &document}))(c)
}

// A destination is told under the function's role, or not at all.
func TestLambdaDestinations(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	sink := c.function("sink", types.RuntimeNodejs22x, `exports.handler = async (e) => console.log("told", JSON.stringify(e))`)
	const fails = `exports.handler = async (e) => { throw new Error("no " + e.n) }`
	for _, name := range []string{"may", "maynot"} {
		c.function(name, types.RuntimeNodejs22x, fails)
		must(c.lambda.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: &name, MaximumRetryAttempts: aws.Int32(0),
			DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: sink.FunctionArn}}}))(t)
	}
	c.mayInvoke("may-role", "sink")
	sent := map[string]string{}
	for _, name := range []string{"maynot", "may"} {
		out := must(c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"n":1}`)}))(t)
		equal(t, "the status", out.StatusCode, 202)
		sent[name] = c.loggedLines(name, "REPORT", 1)[0]
	}
	_, text, _ := strings.Cut(c.loggedLines("sink", "told", 1)[0], "told ")
	var r struct {
		RequestContext  struct{ RequestID, FunctionArn, Condition string }
		RequestPayload  struct{ N int }
		ResponsePayload struct{ ErrorMessage string }
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.RequestContext.Condition != "RetriesExhausted" || r.RequestContext.FunctionArn != c.arn("lambda", "function:may:$LATEST") ||
		r.RequestPayload.N != 1 || r.ResponsePayload.ErrorMessage != "no 1" || !strings.Contains(sent["may"], r.RequestContext.RequestID) {
		t.Error(err, text)
	}
	equal(t, "how often it was told", len(c.loggedLines("sink", "told", 1)), 1)
	_, err := c.lambda.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("may"),
		DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String(c.arn("sqs", "queue"))}}})
	refused(t, err, "InvalidParameterValueException", "does not have permissions to call SendMessage on "+c.arn("sqs", "queue"))
}

// A function that invokes itself by AWS's library is stopped after 16 rounds.
func TestLambdaRecursion(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.function("loops", types.RuntimePython312, "import boto3\nfns = boto3.client('lambda')\ndef handler(event, context):\n    print('round', event['n'])\n"+
		"    fns.invoke(FunctionName='loops', InvocationType='Event', Payload='{\"n\": %d}' % (event['n'] + 1))\n",
		func(in *lambda.CreateFunctionInput) { in.MemorySize = aws.Int32(512) })
	c.mayInvoke("loops-role", "loops")
	must(c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("loops"), Payload: []byte(`{"n":1}`)}))(t)
	c.loggedLines("loops", "round", 16)
	time.Sleep(time.Second) // a seventeenth would come by now
	equal(t, "how many rounds there were", len(c.loggedLines("loops", "round", 16)), 16)
	got := must(c.lambda.GetFunctionRecursionConfig(ctx, &lambda.GetFunctionRecursionConfigInput{FunctionName: aws.String("loops")}))(t)
	equal(t, "what becomes of loops", got.RecursiveLoop, types.RecursiveLoopTerminate)
	put := must(c.lambda.PutFunctionRecursionConfig(ctx, &lambda.PutFunctionRecursionConfigInput{FunctionName: aws.String("loops"), RecursiveLoop: types.RecursiveLoopAllow}))(t)
	equal(t, "what becomes of loops", put.RecursiveLoop, types.RecursiveLoopAllow)
}
