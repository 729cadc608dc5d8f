package attack

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gatewaytypes "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// function makes a function of one file and waits until it is active.
func (p *party) function(name string, runtime lambdatypes.Runtime, role, file, source string) string {
	p.Helper()
	handler := strings.Split(file, ".")[0] + ".handler"
	out := must(p.lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: &name, Role: &role, Runtime: runtime, Handler: &handler,
		Timeout: aws.Int32(30), MemorySize: aws.Int32(256), Code: &lambdatypes.FunctionCode{ZipFile: zipped(file, source)}}))(p)
	works(p, name, lambda.NewFunctionActiveV2Waiter(p.lambda).Wait(ctx, &lambda.GetFunctionInput{FunctionName: &name}, time.Minute))
	return *out.FunctionArn
}

// needs skips a test where a machine has no such interpreter.
func needs(t testing.TB, interpreter string) {
	t.Helper()
	if _, err := exec.LookPath(interpreter); err != nil {
		t.Skip("this machine has no ", interpreter)
	}
}

// api makes an API whose root, GET, leads to a function, deploys it, and gives its id.
func (p *party) api(function, authorization string) string {
	p.Helper()
	api := must(p.gateway.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("api")}))(p)
	get := aws.String("GET")
	must(p.gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: get, AuthorizationType: &authorization}))(p)
	must(p.gateway.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: get, Type: gatewaytypes.IntegrationTypeAwsProxy,
		IntegrationHttpMethod: aws.String("POST"), Uri: aws.String("arn:aws:apigateway:" + region + ":lambda:path/2015-03-31/functions/" + function + "/invocations")}))(p)
	must(p.gateway.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: aws.String("prod")}))(p)
	return *api.Id
}

func invokeURL(api string) string { return fmt.Sprintf("/_aws/execute-api/%s/prod/", api) }

const proxied = "exports.handler = async e => ({statusCode: 200, body: 'reached'})"

// API Gateway invokes a function for whoever owns the API. A permission that names the
// source lets in that source's only; one that names none lets in everybody's, as on
// AWS.
func TestConfusedDeputyWithoutSourceArn(t *testing.T) {
	t.Parallel()
	victim, attacker := owner(t), owner(t)
	function := victim.function("fn", lambdatypes.RuntimeNodejs20x, victim.role("fn", trust(toLambda)), "index.js", proxied)
	own, foreign := victim.api(function, "NONE"), attacker.api(function, "NONE")
	call := func(api string) (int, string) {
		res := must(http.NewRequest("GET", house.URL()+invokeURL(api), nil))(t)
		return do(t, res)
	}
	arn := func(account, api string) *string {
		return aws.String("arn:aws:execute-api:" + region + ":" + account + ":" + api + "/*")
	}
	gateway := func(change func(*lambda.AddPermissionInput)) *lambda.AddPermissionInput {
		in := &lambda.AddPermissionInput{FunctionName: aws.String("fn"), StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com")}
		change(in)
		return in
	}
	for _, c := range []struct {
		name         string
		permission   *lambda.AddPermissionInput
		own, foreign int
	}{
		{"no permission", nil, 500, 500},
		{"the API's ARN", gateway(func(in *lambda.AddPermissionInput) { in.SourceArn = arn(victim.account, own) }), 200, 500},
		{"any API of the account", gateway(func(in *lambda.AddPermissionInput) { in.SourceArn = arn(victim.account, "*") }), 200, 500},
		{"the account", gateway(func(in *lambda.AddPermissionInput) { in.SourceAccount = &victim.account }), 200, 500},
		{"the attacker's API, by the victim's account", gateway(func(in *lambda.AddPermissionInput) {
			in.SourceArn, in.SourceAccount = arn(attacker.account, foreign), &victim.account
		}), 500, 500},
		{"another method of the API", gateway(func(in *lambda.AddPermissionInput) {
			in.SourceArn = aws.String(strings.Replace(*arn(victim.account, own), "/*", "/prod/POST/", 1))
		}), 500, 500},
		{"another service", gateway(func(in *lambda.AddPermissionInput) { in.Principal = aws.String("sns.amazonaws.com") }), 500, 500},
		{"another action", gateway(func(in *lambda.AddPermissionInput) { in.Action = aws.String("lambda:GetFunction") }), 500, 500},
		{"no source at all", gateway(func(*lambda.AddPermissionInput) {}), 200, 200},
	} {
		if c.permission != nil {
			must(victim.lambda.AddPermission(ctx, c.permission))(t)
		}
		for api, want := range map[string]int{own: c.own, foreign: c.foreign} {
			if status, body := call(api); status != want || strings.Contains(body, "reached") != (want == 200) {
				t.Errorf("%s: the API %s of %s and %s: %d %s, want %d", c.name, api, own, foreign, status, body, want)
			}
		}
		if c.permission != nil {
			must(victim.lambda.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: aws.String("fn"), StatementId: aws.String("s")}))(t)
		}
	}
}

// A role that trusts Lambda for one function is no other function's.
func TestConfusedDeputyOfRoles(t *testing.T) {
	t.Parallel()
	a := owner(t)
	only := func(arn string) string {
		return trust(toLambda, `,"Condition":{"ArnLike":{"aws:SourceArn":"`+arn+`"}}`)
	}
	role := a.role("one", only(a.arn("lambda", "function:one")))
	account := a.role("account", trust(toLambda, `,"Condition":{"StringEquals":{"aws:SourceAccount":"999999999999"}}`))
	for name, c := range map[string]struct {
		role string
		good bool
	}{"one": {role, true}, "two": {role, false}, "three": {account, false}} {
		err := a.create(name, c.role)
		if err == nil {
			works(t, name, lambda.NewFunctionActiveV2Waiter(a.lambda).Wait(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(name)}, time.Minute))
			_, err = a.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(name)})
		}
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A method with AWS_IAM lets in who may execute-api:Invoke, and who signed for it.
func TestInvokeByIAM(t *testing.T) {
	t.Parallel()
	a, b := owner(t), owner(t)
	function := a.function("fn", lambdatypes.RuntimeNodejs20x, a.role("fn", trust(toLambda)), "index.js", proxied)
	must(a.lambda.AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: aws.String("fn"), StatementId: aws.String("s"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("apigateway.amazonaws.com")}))(t)
	api := a.api(function, "AWS_IAM")
	may := a.user("may", allow("execute-api:Invoke", "arn:aws:execute-api:"+region+":"+a.account+":"+api+"/prod/GET/"))
	call := func(key aws.Credentials, service string, tamper func(*http.Request)) message {
		return message{service: service, method: "GET", path: invokeURL(api), key: key, tamper: tamper}
	}
	call(may.key, "execute-api", nil).answers(t, "who may", 200, "reached")
	for name, m := range map[string]message{
		"unsigned":                          call(aws.Credentials{}, "", nil),
		"without a policy":                  call(a.user("nothing").key, "execute-api", nil),
		"with one for another API":          call(a.user("other", allow("execute-api:Invoke", "arn:aws:execute-api:*:*:other/*")).key, "execute-api", nil),
		"with one for another method":       call(a.user("post", allow("execute-api:Invoke", "arn:aws:execute-api:*:*:"+api+"/prod/POST/*")).key, "execute-api", nil),
		"another account's administrator":   call(b.user("admin", everything).key, "execute-api", nil),
		"another account's root":            call(b.key, "execute-api", nil),
		"a signature for another service":   call(may.key, "lambda", nil),
		"a signature for API Gateway's API": call(may.key, "apigateway", nil),
		"a wrong secret":                    call(aws.Credentials{AccessKeyID: may.key.AccessKeyID, SecretAccessKey: "x"}, "execute-api", nil),
		"a changed query":                   call(may.key, "execute-api", func(r *http.Request) { r.URL.RawQuery = "x=1" }),
		"a path that leads elsewhere":       call(may.key, "execute-api", func(r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "/prod/", "/prod/x", 1) }),
	} {
		m.answers(t, name, 403, "")
	}
}

// A function acts as its role, whatever it tries with what it finds inside.
func TestFunctionActsAsItsRole(t *testing.T) {
	t.Parallel()
	needs(t, "python3")
	a, b := owner(t), owner(t)
	a.table("things")
	a.table("secrets")
	theirs := b.role("theirs", trust(`{"AWS":"`+a.account+`"}`), everything)
	b.table("things")
	role := a.role("fn", trust(toLambda), allow("dynamodb:GetItem dynamodb:PutItem", a.arn("dynamodb", "table/things")))
	a.role("admin", trust(toLambda), everything)
	function := a.function("fn", lambdatypes.RuntimePython312, role, "index.py", `
import boto3, botocore, json, os

def handler(event, context):
    out = {}
    def tries(name, f):
        try:
            f()
            out[name] = 'done'
        except botocore.exceptions.ClientError as e:
            out[name] = e.response['Error']['Code']
        except Exception as e:
            out[name] = type(e).__name__
    d, iam, sts, fn = [boto3.client(s) for s in ('dynamodb', 'iam', 'sts', 'lambda')]
    first = {'id': {'S': 'first'}}
    tries('its own', lambda: d.put_item(TableName='things', Item={'id': {'S': 'fn'}}))
    tries('another table', lambda: d.get_item(TableName='secrets', Key=first))
    tries('another action', lambda: d.delete_item(TableName='things', Key=first))
    tries('another account', lambda: d.put_item(TableName='arn:aws:dynamodb:us-east-1:%s:table/things' % event['other'], Item=first))
    tries('another role', lambda: sts.assume_role(RoleArn=event['theirs'], RoleSessionName='evil'))
    tries('a role of its account', lambda: sts.assume_role(RoleArn=event['admin'], RoleSessionName='evil'))
    tries('its role again', lambda: sts.assume_role(RoleArn=event['role'], RoleSessionName='evil'))
    tries('another role for itself', lambda: fn.update_function_configuration(FunctionName='fn', Role=event['admin']))
    tries('other code for itself', lambda: fn.update_function_code(FunctionName='fn', ZipFile=b'x'))
    tries('a user', lambda: iam.create_user(UserName='eve'))
    tries('a session token', lambda: sts.get_session_token())
    tries('a federation', lambda: sts.get_federation_token(Name='evil'))
    session = os.environ['AWS_SESSION_TOKEN']
    tries('its key without the token', lambda: boto3.client('dynamodb', aws_access_key_id=os.environ['AWS_ACCESS_KEY_ID'],
        aws_secret_access_key=os.environ['AWS_SECRET_ACCESS_KEY'], aws_session_token='').list_tables())
    tries('a key that looks real', lambda: boto3.client('dynamodb', aws_access_key_id='AKIAIOSFODNN7EXAMPLE', aws_secret_access_key='x').list_tables())
    out['who'] = sts.get_caller_identity()['Arn']
    return out
`)
	_ = function
	payload := fmt.Sprintf(`{"other":%q,"theirs":%q,"admin":%q,"role":%q}`, b.account, theirs, a.arn("iam", "role/admin"), role)
	out := must(a.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("fn"), Payload: []byte(payload)}))(t)
	got := map[string]string{}
	works(t, string(out.Payload), unmarshal(out.Payload, &got))
	want := map[string]string{"its own": "done", "who": "arn:aws:sts::" + a.account + ":assumed-role/fn/fn", "another table": "AccessDeniedException", "another action": "AccessDeniedException",
		"another account": "AccessDeniedException", "another role": "AccessDenied", "a role of its account": "AccessDenied", "its role again": "AccessDenied",
		"another role for itself": "AccessDeniedException", "other code for itself": "AccessDeniedException", "a user": "AccessDenied", "a session token": "AccessDenied", "a federation": "AccessDenied",
		"a key that looks real": "UnrecognizedClientException"}
	for name, code := range want {
		if got[name] != code {
			t.Errorf("%s: %s, want %s", name, got[name], code)
		}
	}
	if got["its key without the token"] == "done" && t.Failed() {
		t.Log(got)
	}
	a.holds("things", 2)
	b.holds("things", 1)
}
