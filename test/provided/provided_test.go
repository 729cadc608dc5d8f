// Package provided runs functions that bring their own runtime: AWS's runtime interface
// clients as their registries have them, unmodified, on the real Tule; and extensions.
package provided

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
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
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

var (
	house *tule.Tule
	ctx   = context.Background()
)

func TestMain(m *testing.M) {
	var err error
	if house, err = tule.Start(tule.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	house.Stop()
	os.Exit(code)
}

// A cloud is an account with a role for functions.
type cloud struct {
	*testing.T
	lambda *lambda.Client
	logs   *cloudwatchlogs.Client
	role   string
}

func newCloud(t *testing.T, account string) *cloud {
	t.Helper()
	return newCloudIn(t, house, account)
}

func newCloudIn(t *testing.T, house *tule.Tule, account string) *cloud {
	t.Helper()
	config := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(house.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
		Credentials: credentials.NewStaticCredentialsProvider(account, "any", "")}
	c := &cloud{T: t, lambda: lambda.NewFromConfig(config), logs: cloudwatchlogs.NewFromConfig(config)}
	roles := iam.NewFromConfig(config)
	made, err := roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("role"),
		AssumeRolePolicyDocument: aws.String(`{"Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	c.check(err)
	_, err = roles.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("role"),
		PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")})
	c.check(err)
	c.role = *made.Role.Arn
	return c
}

func (c *cloud) check(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// files are what a zip has, by name; those that begin with "#!" or ELF's mark can be executed.
type files map[string][]byte

func (f files) zip(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range f {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(0o644)
		if bytes.HasPrefix(data, []byte("#!")) || bytes.HasPrefix(data, []byte("\x7fELF")) {
			h.SetMode(0o755)
		}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// add adds a folder's files below prefix; one that is not there skips the test.
func (f files) add(t *testing.T, folder, prefix string) {
	t.Helper()
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("%v: setup/clients fetches it", err)
	}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") || strings.Contains(path, "__pycache__") {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		if err == nil {
			f[filepath.Join(prefix, rel)], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// built is a program of one of the folders here, for Linux and without C.
func built(t *testing.T, folder string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./"+folder)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return read(t, out)
}

// ric is where a client of AWS's lies.
func ric(name string) string { return filepath.Join(tule.Root(), ".cache", "ric", name) }

func (c *cloud) function(name string, runtime types.Runtime, handler string, code files, change ...func(*lambda.CreateFunctionInput)) {
	c.Helper()
	in := &lambda.CreateFunctionInput{FunctionName: &name, Runtime: runtime, Handler: &handler, Role: &c.role, Timeout: aws.Int32(10), MemorySize: aws.Int32(512),
		Code: &types.FunctionCode{ZipFile: code.zip(c.T)}}
	for _, f := range change {
		f(in)
	}
	_, err := c.lambda.CreateFunction(ctx, in)
	c.check(err)
	c.check(lambda.NewFunctionActiveV2Waiter(c.lambda).Wait(ctx, &lambda.GetFunctionInput{FunctionName: &name}, time.Minute))
}

// invoke gives the answer, the kind of failure, and the end of the log.
func (c *cloud) invoke(name, payload string) (answer, failure, log string) {
	c.Helper()
	out, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload), LogType: types.LogTypeTail})
	c.check(err)
	text, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	c.check(err)
	return string(out.Payload), aws.ToString(out.FunctionError), string(text)
}

// expect invokes a function and holds answer, kind of failure and log to patterns.
func (c *cloud) expect(name, payload, answer, failure, log string) {
	c.Helper()
	got, kind, text := c.invoke(name, payload)
	if !regexp.MustCompile(answer).MatchString(got) || kind != failure {
		c.Errorf("%s %s: got %s %q, want %s %q\n%s", name, payload, got, kind, answer, failure, text)
	}
	// What a process prints by itself may be late for the tail, and is there the next time.
	for range 4 {
		if regexp.MustCompile(log).MatchString(text) {
			return
		}
		_, _, more := c.invoke(name, payload)
		text += more
	}
	c.Errorf("%s %s: no %s in the log\n%s", name, payload, log, text)
}

const id = `[0-9a-f]{8}-[0-9a-f-]{27}`

// behaves holds a function to what all of them do, whatever the client: thrown is how
// it reports an error.
func (c *cloud) behaves(name, thrown string) {
	c.Helper()
	for range 2 {
		c.expect(name, `{"do":"echo"}`, `"arn": ?"arn:aws:lambda:us-east-1:\d+:function:`+name+`"`, "", `saw .*`+id)
	}
	c.expect(name, `{"do":"echo"}`, `"left": ?true`, "", `REPORT RequestId: `+id+`\tDuration`)
	c.expect(name, `{"do":"throw"}`, thrown, "Unhandled", `REPORT`)
	c.expect(name, `{"do":"exit"}`, `^{"errorType":"Runtime.ExitError","errorMessage":"RequestId: `+id+` Error: Runtime exited with error: exit status 3"}$`, "Unhandled", `Runtime.ExitError`)
	c.expect(name, `{"do":"echo"}`, `"do": ?"echo"`, "", `Init Duration`)
	_, err := c.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: &name, Timeout: aws.Int32(2)})
	c.check(err)
	c.expect(name, `{"do":"sleep"}`, `Task timed out after 2.00 seconds"}$`, "Unhandled", `Status: timeout`)
}

func TestGo(t *testing.T) {
	t.Parallel()
	c := newCloud(t, "800000000001")
	program := built(t, "function")
	c.function("go", types.RuntimeProvidedal2023, "bootstrap", files{"bootstrap": program})
	c.behaves("go", `^{"errorMessage":"no such thing","errorType":"errorString"}$`)
	c.expect("go", `{"do":"panic"}`, `^{"errorMessage":"no way","errorType":"string","stackTrace":\[`, "Unhandled", `REPORT`)

	c.function("go1", types.RuntimeGo1x, "hello", files{"hello": program})
	c.expect("go1", `{"do":"echo"}`, `"do":"echo"`, "", `saw echo`)
	c.function("none", types.RuntimeProvidedal2, "bootstrap", files{"readme": []byte("x")})
	c.expect("none", `{}`, `^{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: `+id+` Error: Couldn't find valid bootstrap\(s\): \[/var/task/bootstrap /opt/bootstrap\]"}$`, "Unhandled", "InvalidEntrypoint")

	c.function("stream", types.RuntimeProvidedal2023, "bootstrap", files{"bootstrap": program}, func(in *lambda.CreateFunctionInput) {
		in.Environment = &types.Environment{Variables: map[string]string{"STREAM": "1"}}
	})
	c.expect("stream", `{}`, `^first last$`, "", `REPORT`)
	c.expect("stream", `{"do":"break"}`, `broke off`, "Unhandled", `REPORT`)
}

func TestPython(t *testing.T) {
	t.Parallel()
	code := files{"index.py": read(t, "python/index.py"), "bootstrap": []byte("#!/bin/sh\nexec /usr/bin/python3 -m awslambdaric \"$_HANDLER\"\n")}
	code.add(t, ric("python"), "")
	c := newCloud(t, "800000000002")
	c.function("python", types.RuntimeProvidedal2023, "index.handler", code)
	c.behaves("python", `"errorMessage": ?"no such thing", ?"errorType": ?"NoSuchThing"`)
}

func TestNode(t *testing.T) {
	t.Parallel()
	code := files{"index.js": read(t, "node/index.js"), "bootstrap": []byte("#!/bin/sh\ncd $LAMBDA_TASK_ROOT && exec node ric/bin/index.mjs \"$_HANDLER\"\n")}
	for _, part := range []string{"bin", "dist", "package.json"} {
		path := filepath.Join(ric("node"), "node_modules", "aws-lambda-ric", part)
		if part == "package.json" {
			code["ric/"+part] = read(t, path)
			continue
		}
		code.add(t, path, "ric/"+part)
	}
	c := newCloud(t, "800000000003")
	c.function("node", types.RuntimeProvidedal2023, "index.handler", code)
	c.behaves("node", `^{"errorType":"TypeError","errorMessage":"no such thing","trace":\[`)
	c.function("stream", types.RuntimeProvidedal2023, "index.stream", code)
	c.expect("stream", `{}`, `^first second last$`, "", `REPORT`)
}

func TestJava(t *testing.T) {
	t.Parallel()
	code := files{"bootstrap": []byte("#!/bin/sh\nexec java -cp \"$LAMBDA_TASK_ROOT:$LAMBDA_TASK_ROOT/lib/*\" com.amazonaws.services.lambda.runtime.api.client.AWSLambda \"$_HANDLER\"\n")}
	code.add(t, ric("java"), "lib")
	classes := t.TempDir()
	if out, err := exec.Command("javac", "-cp", ric("java")+"/*", "-d", classes, "java/Index.java").CombinedOutput(); err != nil {
		t.Skipf("%v\n%s", err, out)
	}
	code.add(t, classes, "")
	c := newCloud(t, "800000000004")
	c.function("java", types.RuntimeProvidedal2023, "Index::handleRequest", code)
	c.behaves("java", `"errorMessage":"no such thing","errorType":"java.lang.IllegalStateException"`)
}
