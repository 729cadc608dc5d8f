// Package frameworks deploys what others' tools have packaged: AWS SAM's own starters, built
// by `sam build`, and a service that the Serverless Framework packages. setup/clients fetches
// both tools, unmodified.
package frameworks

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

var (
	house *tule.Tule
	ctx   = context.Background()
	tools = filepath.Join(tule.Root(), ".cache", "frameworks")
)

func TestMain(m *testing.M) {
	var err error
	if house, err = tule.Start(tule.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := house.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL", err)
		code = 1
	}
	os.Exit(code)
}

func configOf(account string) aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(house.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
		Credentials: credentials.NewStaticCredentialsProvider(account, "any", "")}
}

func client(account string) *lambda.Client { return lambda.NewFromConfig(configOf(account)) }

// deploy makes a function and invokes it; an error of the function is one here.
func deploy(t *testing.T, account, runtime, handler string, code []byte, event string) string {
	t.Helper()
	role, err := iam.NewFromConfig(configOf(account)).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("role"),
		AssumeRolePolicyDocument: aws.String(`{"Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	client := client(account)
	_, err = client.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("hello"), Role: role.Role.Arn, Runtime: types.Runtime(runtime),
		Handler: &handler, MemorySize: aws.Int32(512), Timeout: aws.Int32(30), Code: &types.FunctionCode{ZipFile: code}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("hello"), Payload: []byte(event), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatal(err)
	}
	if out.FunctionError != nil {
		return *out.FunctionError + ": " + string(out.Payload)
	}
	return string(out.Payload)
}

// packed is a folder as a zip file.
func packed(t *testing.T, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		head := &zip.FileHeader{Name: name, Method: zip.Deflate}
		head.SetMode(info.Mode())
		w, err := z.CreateHeader(head)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	})
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tool runs a program of the frameworks in a folder.
func tool(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 8*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "SAM_CLI_TELEMETRY=0", "SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off", "SLS_TRACKING_DISABLED=1",
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION=us-east-1", "GOFLAGS=", "CI=1", "MAVEN_OPTS=-Dmaven.test.skip=true") // whose tests ask the Internet
	c.WaitDelay = 5 * time.Second
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
}

var (
	handlerLine = regexp.MustCompile(`(?m)^ +Handler: (\S+)$`)
	runtimeLine = regexp.MustCompile(`(?m)^( +Runtime: )\S+$`)
	codeLine    = regexp.MustCompile(`(?m)^ +CodeUri: (\S+)$`)
)

// SAM's own starters, as its package has them. Those in Go and Java ask for the machine's
// public address, which without egress they do not get: so they say.
func TestSAM(t *testing.T) {
	sam := filepath.Join(tools, "sam", "bin", "sam")
	if _, err := os.Stat(sam); err != nil {
		t.Skip("AWS SAM CLI was not fetched: setup/clients does")
	}
	for n, c := range []struct{ starter, runtime, needs, want string }{
		{"nodejs", "nodejs20.x", "npm", `{"statusCode":200,"body":"{\"message\":\"hello world\"}"}`},
		{"python", "python3.11", "python3.11", `{"statusCode": 200, "body": "{\"message\": \"hello world\"}"}`},
		{"ruby", "ruby3.4", "bundle", `{"statusCode":200,"body":"{\"message\":\"Hello World!\"}"}`},
		{"java-maven", "java11", "mvn", `{"body":"{}","headers":{`}, // it reaches nobody
		{"golang", "go1.x", "go", `Unhandled: {"errorMessage":"`},
	} {
		t.Run(c.starter, func(t *testing.T) {
			if _, err := exec.LookPath(c.needs); err != nil {
				t.Skip(err)
			}
			found, err := filepath.Glob(filepath.Join(tools, "sam", "lib", "python*", "site-packages", "samcli", "lib", "init", "templates", "cookiecutter-aws-sam-hello-"+c.starter))
			if err != nil || len(found) != 1 {
				t.Fatalf("the starter is not in SAM's package: %v %v", found, err)
			}
			dir := t.TempDir()
			tool(t, dir, sam, "init", "--no-input", "--location", found[0], "--name", "hello")
			dir = filepath.Join(dir, "hello")
			path := filepath.Join(dir, "template.yaml")
			template, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, runtimeLine.ReplaceAll(template, []byte("${1}"+c.runtime)), 0o644); err != nil {
				t.Fatal(err)
			}
			if c.starter == "ruby" { // it asks for a gem that it does not use, and for another Ruby than may be there
				if err := os.WriteFile(filepath.Join(dir, "hello_world", "Gemfile"), []byte("source 'https://rubygems.org'\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if c.starter == "golang" {
				tool(t, filepath.Join(dir, "hello-world"), "go", "mod", "tidy")
			}
			tool(t, dir, sam, "build")
			build := filepath.Join(dir, ".aws-sam", "build")
			built, err := os.ReadFile(filepath.Join(build, "template.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			handler, code := handlerLine.FindSubmatch(built), codeLine.FindSubmatch(built)
			if handler == nil || code == nil {
				t.Fatalf("what was built has no handler:\n%s", built)
			}
			got := deploy(t, fmt.Sprintf("2222222222%02d", n), c.runtime, string(handler[1]), packed(t, filepath.Join(build, string(code[1]))), `{"httpMethod":"GET","path":"/hello","requestContext":{}}`)
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("it answers\n%s, want\n%s", got, c.want)
			}
		})
	}
}

const serverlessYAML = `service: hello
frameworkVersion: '3'
provider:
  name: aws
  region: us-east-1
package:
  individually: true
functions:
  node:
    runtime: nodejs20.x
    handler: src/node.hello
    package: { patterns: ['!**', 'src/node.js', 'node_modules/**'] }
  python:
    runtime: python3.11
    handler: src/hello.hello
    package: { patterns: ['!**', 'src/hello.py'] }
  ruby:
    runtime: ruby3.2
    handler: src/hello.Hello::Sayer.hello
    package: { patterns: ['!**', 'src/hello.rb'] }
  own:
    runtime: provided.al2023
    handler: bootstrap
    package: { patterns: ['!**', 'bootstrap'] }
`

// What the Serverless Framework packages and would deploy: the template says what to make of
// which zip file.
func TestServerless(t *testing.T) {
	serverless := filepath.Join(tools, "serverless", "node_modules", ".bin", "serverless")
	if _, err := os.Stat(serverless); err != nil {
		t.Skip("the Serverless Framework was not fetched: setup/clients does")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"serverless.yml":             serverlessYAML,
		"src/node.js":                `module.exports.hello = async (event) => ({ statusCode: 200, body: require("said")(event.name) })`,
		"node_modules/said/index.js": `module.exports = (name) => "hello " + name`,
		"src/hello.py":               "def hello(event, context):\n    return {'statusCode': 200, 'body': 'hello ' + event['name']}\n",
		"src/hello.rb":               "module Hello\n  class Sayer\n    def self.hello(event:, context:)\n      { statusCode: 200, body: 'hello ' + event['name'] }\n    end\n  end\nend\n",
		"bootstrap": `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while event=$(curl -sS -D /tmp/head "$api/next"); do
	id=$(sed -n 's/\r$//; s/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: //p' /tmp/head)
	curl -sS "$api/$id/response" -d '{"statusCode":200,"body":"hello '"$(expr "$event" : '.*"name": *"\([^"]*\)"')"'"}'
done
`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tool(t, dir, serverless, "package")
	text, err := os.ReadFile(filepath.Join(dir, ".serverless", "cloudformation-template-update-stack.json"))
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range template.Resources {
		if r.Type != "AWS::Lambda::Function" {
			continue
		}
		n++
		var function struct {
			FunctionName, Handler, Runtime string
			Code                           struct{ S3Key string }
		}
		if err := json.Unmarshal(r.Properties, &function); err != nil {
			t.Fatal(err)
		}
		code, err := os.ReadFile(filepath.Join(dir, ".serverless", filepath.Base(function.Code.S3Key)))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(function.FunctionName, func(t *testing.T) {
			got := deploy(t, fmt.Sprintf("3333333333%02d", n), function.Runtime, function.Handler, code, `{"name":"you"}`)
			if compact := strings.ReplaceAll(got, ": ", ":"); strings.ReplaceAll(compact, ", ", ",") != `{"statusCode":200,"body":"hello you"}` {
				t.Errorf("it answers %s", got)
			}
		})
	}
	if n != 4 {
		t.Errorf("%d functions were packaged", n)
	}
}
