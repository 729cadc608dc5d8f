package test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

// asRoot is the environment of the account's root for a command.
func (c *cloud) asRoot() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + c.account, "AWS_SECRET_ACCESS_KEY=any", "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region}
}

func TestCommandInvoke(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.function("say", types.RuntimeNodejs22x, `exports.handler = async (e, context) => {
		console.log("asked", context.functionVersion)
		if (e.fail) throw new RangeError(e.fail)
		return { said: e }
	}`)
	must(c.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: aws.String("say")}))(t)
	invoke := func(status int, args ...string) (out, errs string) {
		t.Helper()
		return run(t, c.asRoot(), status, append([]string{"invoke", "--data", house.Data}, args...)...)
	}
	out, errs := invoke(0, "say")
	equal(t, "the answer", out, `{"said":{}}`+"\n")
	equal(t, "what else it says", errs, "")
	file := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(file, []byte(`[1, "é"]`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs = invoke(0, c.arn("lambda", "function:say"), "--payload", "@"+file, "--qualifier", "1", "--log")
	equal(t, "the answer to a file", out, `{"said":[1,"é"]}`+"\n")
	if err := has(errs, "START RequestId: ", "asked 1", "REPORT RequestId: "); err != nil {
		t.Error("the log", err)
	}
	out, errs = invoke(1, "say", "--payload", `{"fail":"too far"}`)
	equal(t, "the answer of a failure, on stdout", out, "")
	if err := has(errs, `Unhandled: {"errorType":"RangeError","errorMessage":"too far"`, "tule logs --function say"); err != nil {
		t.Error(err)
	}
	out, _ = invoke(0, "say", "--async", "--payload", `"later"`)
	id := strings.TrimSpace(out)
	eventually(t, func() error {
		out, _, _ := tule.Run(ctx, c.asRoot(), "logs", "--data", house.Data, "--function", "say", "--request-id", id)
		return has(out, "asked $LATEST", "END RequestId: "+id)
	})
	for _, bad := range []struct {
		want string
		args []string
	}{
		{"This account's functions in " + region + ": say.", []string{"sya"}},
		{"list-aliases --function-name say", []string{"say", "--qualifier", "live"}},
		{"the event is no JSON", []string{"say", "--payload", "word"}},
		{"no such file", []string{"say", "--payload", "@/none"}},
		{"tule logs --function say --watch", []string{"say", "--async", "--log"}},
		{"accepts 1 arg", nil},
	} {
		if out, errs := invoke(1, bad.args...); out != "" || !strings.Contains(errs, bad.want) {
			t.Errorf("tule invoke %q says\n%s%swant %q", bad.args, out, errs, bad.want)
		}
	}
}

// doctor names every runtime, with what runs it or what to install, and goes through the rest.
func TestCommandDoctor(t *testing.T) {
	t.Parallel()
	out, _ := run(t, nil, 0, "doctor", "--data", house.Data)
	for _, want := range []string{"Runtimes\n", "nodejs4.3 ", "python2.7 ", "python3.14 ", "java25 ", "dotnet8 ", "ruby3.4 ", "provided.al2023 ",
		"Unpackaged, as on AWS\n", "aws-sdk ", "boto3 ", "convert ", "Isolation\n", "memory ", "landlock ", "Disk\n", " GB free at ",
		"Ports\n", house.Addr + " ", "Tule ", "services\n", "127.0.0.1:443 "} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, out)
		}
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "lack ") && !strings.Contains(line, "→") && !strings.Contains(line, "tule exec") {
			t.Errorf("doctor does not say what to do about %s", line)
		}
	}
	if strings.Contains(out, "\x1b[") {
		t.Error("there are colours in a pipe")
	}
	empty := t.TempDir()
	taken := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer taken.Close()
	out, _ = run(t, nil, 1, "doctor", "--data", empty, "--tule", taken.Addr().String())
	if err := has(out, "tule runtimes fetch", "taken by another program"); err != nil {
		t.Error(err)
	}
}

func save(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// hot is a folder that everybody may read, with a function in it, and what names it.
func hot(t testing.TB, file, text string) (string, *types.FunctionCode) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	save(t, filepath.Join(dir, file), text)
	return dir, &types.FunctionCode{S3Bucket: aws.String("hot-reload"), S3Key: &dir}
}

const hotFunction = `let n = 0; exports.handler = async () => "one " + ++n + " " + __dirname`

// A change in a function's folder is seen by its next invoke, and only a change.
func TestHotReload(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	dir, code := hot(t, "index.js", hotFunction)
	c.function("hot", types.RuntimeNodejs22x, "", func(in *lambda.CreateFunctionInput) { in.Code = code })
	says := func(want string) {
		t.Helper()
		answer, _ := c.invoke("hot", "{}")
		equal(t, "the answer", answer, `"`+want+` /var/task"`)
	}
	says("one 1")
	says("one 2")
	save(t, filepath.Join(dir, ".index.js.swp"), "an editor's")
	says("one 3")
	save(t, filepath.Join(dir, "index.js"), strings.Replace(hotFunction, "one", "two", 1))
	says("two 1")
	if err := os.Mkdir(filepath.Join(dir, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	save(t, filepath.Join(dir, "lib", "word.js"), `module.exports = "three"`)
	save(t, filepath.Join(dir, "index.js"), strings.Replace(hotFunction, `"one "`, `require("./lib/word") + " "`, 1))
	says("three 1")
	save(t, filepath.Join(dir, "lib", "word.js"), `module.exports = "four"`)
	says("four 1")
	says("four 2")

	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	save(t, filepath.Join(dir, "index.js"), `exports.handler = async () => require("fs").readFileSync("secret", "utf8")`)
	if answer, _ := c.invoke("hot", "{}"); os.Getuid() == 0 {
		if err := has(answer, "EACCES: permission denied, open 'secret'"); err != nil {
			t.Error("what only its owner may read", err)
		}
	}
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	save(t, filepath.Join(dir, "index.js"), strings.Replace(hotFunction, `"one "`, `require("./lib/word") + " "`, 1))
	says("four 1")
	got := must(c.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("hot")}))(t)
	equal(t, "the location", *got.Code.Location, "file://"+dir)
	must(c.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("hot"), ZipFile: zipped("index.js", hotFunction)}))(t)
	says("one 1")
	must(c.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("hot"), S3Bucket: code.S3Bucket, S3Key: code.S3Key}))(t)
	must(c.lambda.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: aws.String("hot")}))(t)
	says("four 1")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	_, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("hot")})
	fails[*types.InvalidZipFileException](t, err, "no such file or directory")
	if err := os.Symlink("/etc", dir); err != nil {
		t.Fatal(err)
	}
	_, err = c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("hot")})
	fails[*types.InvalidZipFileException](t, err, "is a link to /etc now")
	must(c.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("hot")}))(t)
}

// Who may name a folder, and which.
func TestHotReloadRefusals(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	dir, code := hot(t, "index.js", hotFunction)
	in := &lambda.CreateFunctionInput{FunctionName: aws.String("hot"), Runtime: types.RuntimeNodejs22x, Handler: aws.String("index.handler"), Code: code,
		Role: aws.String(c.role("hot", "lambda.amazonaws.com", basicExecution))}
	refuse := func(c *cloud, key, text string) {
		t.Helper()
		in := *in
		in.Code = &types.FunctionCode{S3Bucket: aws.String("hot-reload"), S3Key: &key}
		_, err := c.lambda.CreateFunction(ctx, &in)
		fails[*types.InvalidParameterValueException](t, err, text)
	}
	private := t.TempDir()
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	refuse(c, private, "not everybody on this machine may read")
	refuse(c, "code", "is not the absolute path of a folder")
	refuse(c, dir+"/none", "no such file or directory")
	refuse(c, dir+"/index.js", "not everybody") // to list a file is nothing
	refuse(c, "/proc/1", "/proc, which no function is to see")
	refuse(c, "/", "which no function is to see")
	refuse(c, house.Data, "which no function is to see")
	refuse(c, filepath.Join(house.Data, "zips"), "which no function is to see")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(house.Data, link); err != nil {
		t.Fatal(err)
	}
	refuse(c, link, "which no function is to see")

	name := aws.String("developer")
	must(c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name}))(t)
	must(c.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")}))(t)
	key := must(c.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name}))(t).AccessKey
	refuse(cloudAs(t, c.account, *key.AccessKeyId, *key.SecretAccessKey, ""), dir, "only the root of the account")

	c.function("escape", types.RuntimeNodejs22x, `const { LambdaClient, CreateFunctionCommand } = require("@aws-sdk/client-lambda")
exports.handler = async (e) => {
	const client = new LambdaClient({ credentials: { accessKeyId: e.account, secretAccessKey: "any" } })
	return client.send(new CreateFunctionCommand({ FunctionName: "seer", Runtime: "nodejs22.x", Handler: "index.handler", Role: e.role,
		Code: { S3Bucket: "hot-reload", S3Key: e.folder } })).then(() => "made", (error) => error.message)
}`)
	answer, _ := c.invoke("escape", fmt.Sprintf(`{"account":%q,"role":%q,"folder":%q}`, c.account, *in.Role, dir))
	if err := has(answer, "a function cannot name folders"); err != nil {
		t.Error(err)
	}
	must(c.lambda.CreateFunction(ctx, in))(t)
}

// One operator's folders may be named by all who may create functions, and no others.
func TestHotReloadNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	save(t, filepath.Join(dir, "index.py"), pyEcho)
	port := free(t)[len("127.0.0.1:"):]
	own := must(tule.Start(tule.Options{Args: []string{"--hot-reload", filepath.Dir(dir), "--hot-reload-ignore", "*.log", "--debug-port", port}}))(t)
	defer func() {
		if err := own.Stop(); err != nil {
			t.Error(err)
		}
	}()
	c := newCloud(t)
	c = cloudOf(t, c.account, aws.Config{Region: region, BaseEndpoint: aws.String(own.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient, Credentials: credentials.NewStaticCredentialsProvider(c.account, "any", "")})
	if err := os.MkdirAll(filepath.Join(dir, "project"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	c.function("named", types.RuntimePython312, "", func(in *lambda.CreateFunctionInput) {
		in.Code = &types.FunctionCode{S3Bucket: aws.String("hot-reload"), S3Key: &dir}
	})
	answer, failed := c.invoke("named", `"x"`)
	equal(t, "the answer", answer+failed, `"x"`)
	_, err := c.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("named"), S3Bucket: aws.String("hot-reload"), S3Key: aws.String("/usr")})
	fails[*types.InvalidParameterValueException](t, err, "none of the folders that the operator has named")

	debugNode(t, c, port)
}

// debugNode stops a function in Node at a line, by Node's own debugger, and looks about.
func debugNode(t *testing.T, c *cloud, port string) {
	c.function("stopped", types.RuntimeNodejs22x, `exports.handler = async (event) => {
	const word = event.word + "!"
	return word
}`, func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(1) })
	equal(t, "the answer before", first(c.invoke("stopped", `{"word":"a"}`)), `"a!"`)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	debugger := exec.CommandContext(ctx, "node", "inspect", "127.0.0.1:"+port)
	stdin, stdout := must(debugger.StdinPipe())(t), must(debugger.StdoutPipe())(t)
	debugger.Stderr = debugger.Stdout
	if err := debugger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		_ = debugger.Process.Kill() // it may be gone already
		_ = debugger.Wait()
	}()
	in := bufio.NewReader(stdout)
	var heard strings.Builder
	expect := func(text string) {
		t.Helper()
		for !strings.Contains(heard.String(), text) {
			b, err := in.ReadByte()
			if err != nil {
				t.Fatalf("the debugger ended: %v, after\n%s", err, heard.String())
			}
			heard.WriteByte(b)
		}
		heard.Reset()
	}
	expect("debug> ")
	fmt.Fprintln(stdin, "sb('index.js', 3)")
	expect("debug> ")
	answered := make(chan string, 1)
	go func() {
		out, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("stopped"), Payload: []byte(`{"word":"b"}`)})
		if err != nil {
			answered <- err.Error()
			return
		}
		answered <- string(out.Payload)
	}()
	expect("break in")
	expect("debug> ")
	fmt.Fprintln(stdin, "exec word")
	expect("'b!'")
	select {
	case answer := <-answered:
		t.Errorf("it has answered %s, and so has not stopped", answer)
	case <-time.After(2 * time.Second): // longer than its time-out
	}
	fmt.Fprintln(stdin, "cont")
	equal(t, "the answer after", <-answered, `"b!"`)
}

func first[T any](v T, _ T) T { return v }
