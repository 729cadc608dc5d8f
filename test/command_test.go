package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"

	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

// run runs a command of Tule, and shows what it said if its status is another.
func run(t testing.TB, env []string, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	stdout, stderr, got := tule.Run(ctx, env, args...)
	if got != status {
		t.Errorf("tule %s: status %d, want %d\n%s%s", strings.Join(args, " "), got, status, stdout, stderr)
	}
	return stdout, stderr
}

func TestCommandSaysWhatItIs(t *testing.T) {
	t.Parallel()
	out, _ := run(t, nil, 0, "version")
	if !strings.HasPrefix(out, "tule ") {
		t.Errorf("version: %q", out)
	}
	out, _ = run(t, nil, 0, "status", "--data", house.Data)
	for _, want := range []string{"serves at http://" + house.Addr, "dynamodb", "lambda", "apigateway", "iam", "sts", "logs", "running"} {
		if !strings.Contains(out, want) {
			t.Errorf("status does not say %q:\n%s", want, out)
		}
	}
	out, _ = run(t, nil, 0, "--help")
	for _, command := range []string{"start", "exec", "env", "status", "logs", "version"} {
		if !strings.Contains(out, "\n  "+command) {
			t.Errorf("help does not name %s:\n%s", command, out)
		}
	}
}

// A person who mistypes is helped, on stderr, with a status that is not 0.
func TestCommandHelps(t *testing.T) {
	t.Parallel()
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"strat"}, "start"},
		{[]string{"start", "--dta", "x"}, "unknown flag: --dta\nSee `tule start --help`"},
		{[]string{"start", "--iam", "maybe"}, "choose one of enforce, audit, off"},
		{[]string{"start", "--listen", "4566"}, "give host:port"},
		{[]string{"start", "extra"}, "extra"},
		{[]string{"exec"}, "requires at least 1 arg"},
		{[]string{"logs"}, "--function"},
		{[]string{"logs", "--data", house.Data, "--function", "x", "--start", "soon"}, "1h ago"},
		{[]string{"logs", "--data", house.Data, "--function", "never-made"}, "nothing has been logged"},
		{[]string{"status", "--data", nowhere, "--tule", "127.0.0.1:1"}, "Start one: tule start"},
		{[]string{"env", "--data", nowhere}, "Start one: tule start"},
		{[]string{"exec", "--data", nowhere, "--", "true"}, "Start one: tule start"},
		{[]string{"start", "--data", "/proc/nowhere", "--listen", free(t)}, "Choose another with --data"},
		{[]string{"start", "--data", nowhere, "--listen", house.Addr}, house.Addr + " is taken"},
	} {
		out, errs := run(t, nil, 1, c.args...)
		if out != "" || !strings.Contains(errs, c.want) || !strings.Contains("\n"+errs, "\ntule: ") || strings.Contains(errs, "goroutine ") {
			t.Errorf("tule %s says\n%s%swant %q", strings.Join(c.args, " "), out, errs, c.want)
		}
	}
	run(t, nil, 1, "start", "--data", house.Data, "--listen", free(t)) // in use by another Tule
}

func free(t testing.TB) string { return must(tule.FreeAddr())(t) }

func TestCommandEnv(t *testing.T) {
	t.Parallel()
	script := `eval "$(` + tule.Bin() + ` env --data ` + house.Data + `)" && echo "$AWS_ENDPOINT_URL" && test -n "$AWS_ACCESS_KEY_ID" && test -s "$AWS_CA_BUNDLE"`
	c := exec.Command("bash", "-c", script)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	out, err := c.CombinedOutput()
	equal(t, "the endpoint", string(out), "http://"+house.Addr+"\n")
	if err != nil {
		t.Error(err)
	}
}

// Under exec, AWS's own names lead to Tule, its certificates are trusted, and the
// command's status is exec's own.
func TestCommandExec(t *testing.T) {
	t.Parallel()
	home := []string{"HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=123123123123", "AWS_SECRET_ACCESS_KEY=any"}
	exec := func(status int, args ...string) string {
		t.Helper()
		out, errs := run(t, home, status, append([]string{"exec", "--data", house.Data, "--"}, args...)...)
		return out + errs
	}
	if out := exec(0, "curl", "-sS", "https://dynamodb.us-west-2.amazonaws.com/_localstack/health"); !strings.Contains(out, `"dynamodb":"running"`) {
		t.Errorf("curl: %s", out)
	}
	python := filepath.Join(tule.Root(), ".cache", "venv", "bin", "python")
	if out := exec(0, python, "-c", `import boto3; print(boto3.client("sts", region_name="us-east-1").get_caller_identity()["Account"])`); strings.TrimSpace(out) != "123123123123" {
		t.Errorf("boto3: %s", out)
	}
	exec(7, "sh", "-c", "exit 7")
	if out := exec(127, "no-such-command"); !strings.Contains(out, "no-such-command") {
		t.Errorf("a command that is not there: %s", out)
	}
	if out := exec(0, "sh", "-c", "cat; id -u"); strings.TrimSpace(out) != "0" {
		t.Errorf("who the command is: %s", out)
	}
}

// One stream of an API's log and its functions', and of one request alone.
func TestCommandLogs(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	env := []string{"AWS_ACCESS_KEY_ID=" + c.account, "AWS_SECRET_ACCESS_KEY=any", "AWS_REGION=" + region}
	fn := c.function("hello", lambdatypes.RuntimeNodejs22x, `exports.handler = async e => { console.log("said", e.queryStringParameters.word, e.requestContext.requestId); return { statusCode: 200, body: "ok" } }`)
	id, root := c.api("hello")
	get := aws.String("GET")
	must(c.gateway.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: id, ResourceId: root, HttpMethod: get, AuthorizationType: aws.String("NONE")}))(t)
	must(c.gateway.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: id, ResourceId: root, HttpMethod: get, Type: "AWS_PROXY", IntegrationHttpMethod: aws.String("POST"), Uri: lambdaURI(*fn.FunctionArn)}))(t)
	c.open(id, "hello")
	must(c.gateway.UpdateAccount(ctx, &apigateway.UpdateAccountInput{PatchOperations: replace("/cloudwatchRoleArn", c.role("api-logs", "apigateway.amazonaws.com", "service-role/AmazonAPIGatewayPushToCloudWatchLogs"))}))(t)
	c.deploy(id, "prod")
	must(c.gateway.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: id, StageName: aws.String("prod"), PatchOperations: replace("/*/*/logging/loglevel", "INFO")}))(t)
	first, _ := ask(t, "GET", invokeURL(*id, "prod", "?word=first"), "")
	ask(t, "GET", invokeURL(*id, "prod", "?word=second"), "")

	args := []string{"logs", "--data", house.Data, "--api-id", *id, "--stage", "prod", "--start", "1h ago"}
	var all string
	eventually(t, func() error {
		all, _, _ = tule.Run(ctx, env, args...) // until there is anything, its status is 1
		return has(all, "said first", "said second", "REPORT RequestId", "Method completed with status: 200")
	})
	one, _ := run(t, env, 0, append(args, "--request-id", first.Header.Get("x-amzn-RequestId"))...)
	if err := has(one, "said first", "REPORT RequestId", "Method completed with status: 200"); err != nil || strings.Contains(one, "said second") {
		t.Errorf("one request's lines: %v\n%s", err, one)
	}
	alone, _ := run(t, env, 0, "logs", "--data", house.Data, "--function", "hello")
	if err := has(alone, "said first", "said second"); err != nil || strings.Contains(alone, "Method completed") {
		t.Errorf("the function's lines: %v\n%s", err, alone)
	}

	// --watch goes on until it is interrupted, and shows a line once.
	watch := exec.Command(tule.Bin(), append(args, "--watch")...)
	watch.Env = append(os.Environ(), env...)
	log := must(os.Create(filepath.Join(t.TempDir(), "watched")))(t)
	defer log.Close()
	watch.Stdout = log
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	ask(t, "GET", invokeURL(*id, "prod", "?word=third"), "")
	eventually(t, func() error { return has(string(must(os.ReadFile(log.Name()))(t)), "said third", "said first") })
	if err := watch.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := watch.Wait(); err != nil {
		t.Errorf("an interrupted watch: %v", err)
	}
	equal(t, "how often a line was shown", strings.Count(string(must(os.ReadFile(log.Name()))(t)), "said first"), 1)
}
