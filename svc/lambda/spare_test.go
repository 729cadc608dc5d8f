package lambda

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
)

// furnishing builds a stand whose sandboxes can wait, or skips the test.
func furnishing(t testing.TB, change ...func(*Options)) *stand {
	t.Helper()
	st := newStand(t, change...)
	if !st.Host.Features().Furnish {
		t.Skip("sandboxes cannot be furnished here: Tule is not root, or the kernel is older than 5.12")
	}
	return st
}

// settled waits until what was to be kept ready is, and says what that is.
func (st *stand) settled() string {
	st.spares.wg.Wait()
	return strings.Join(st.spares.kinds(), " ")
}

// look is a function that tells all that could differ.
const (
	lookNode = `const fs = require("fs"), os = require("os"), path = require("path");
		exports.handler = async (e, c) => ({cwd: process.cwd(), argv: process.argv.length, env: process.env, files: fs.readdirSync("."), dir: __dirname,
			paths: module.paths.concat(require("module").globalPaths), heap: require("v8").getHeapStatistics().heap_size_limit >> 20,
			code: (() => { try { fs.writeFileSync("x", ""); } catch (e) { return e.code; } })(), limit: c.memoryLimitInMB, tz: new Date(0).toString()});`
	lookPython = `import os, sys, time
def handler(event, context):
    try:
        open("x", "w")
        code = "written"
    except OSError as e:
        code = e.errno
    return {"cwd": os.getcwd(), "argv": len(sys.argv), "env": dict(sorted(os.environ.items())), "files": os.listdir("."), "dir": __file__, "path": sys.path,
        "code": code, "limit": context.memory_limit_in_mb, "tz": time.strftime("%H", time.gmtime(0)), "child": os.popen("echo $A").read()}
`
)

// A change of what an interpreter is started with has another one wait.
func TestForeseeChange(t *testing.T) {
	st := furnishing(t)
	st.create("f", "nodejs20.x", `exports.handler = async () => 1;`)
	before := st.settled()
	if _, err := st.updateFunctionConfiguration(st.ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: ptr("f"), MemorySize: ptr(int32(1024))}); err != nil {
		t.Fatal(err)
	}
	if after := st.settled(); !strings.Contains(after, "nodejs20.x/1024/") || after == before {
		t.Errorf("ready are %s, before %s", after, before)
	}
}

// A new life of Tule has the same wait as the one before, of as many kinds as are kept.
func TestForeseeRestart(t *testing.T) {
	st := furnishing(t)
	st.create("f", "nodejs20.x", `exports.handler = async () => 1;`)
	st.create("large", "nodejs20.x", `exports.handler = async () => 2;`, func(in *api.CreateFunctionRequest) { in.MemorySize = ptr(int32(2048)) })
	st.create("p", "python3.11", "import boto3\ndef handler(event, context):\n    return 3\n")
	before := st.settled()
	st.stop()
	st.Service = New(st.Options)
	st.run()
	t.Cleanup(func() { st.stop() })
	after := ""
	for end := time.Now().Add(20 * time.Second); after != before && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		after = strings.Join(st.spares.kinds(), " ")
	}
	if after != before || strings.Count(after, "nodejs20.x") != 2 || !strings.Contains(after, "python3.11/0/true") {
		t.Errorf("ready are %s, before the restart %s", after, before)
	}
	if answer, _ := st.call("large", "{}"); answer != "2" {
		t.Error(answer)
	}
}

// Those languages wait again, too, whose interpreters take longest to start.
func TestForeseeRestartCompiled(t *testing.T) {
	for runtime, create := range map[string]func(*stand){
		"java17": func(st *stand) { st.createJava("f", "java17") }, "dotnet8": func(st *stand) { st.createCSharp("f", "dotnet8", "Fn::Function::Look") },
	} {
		t.Run(runtime, func(t *testing.T) {
			st := furnishing(t)
			create(st)
			before := st.settled()
			if !strings.HasPrefix(before, runtime+"/") {
				t.Fatalf("ready are %q", before)
			}
			st.stop()
			st.Service = New(st.Options)
			st.run()
			t.Cleanup(func() { st.stop() })
			until(t, "wait as before", func() bool { return strings.Join(st.spares.kinds(), " ") == before })
			if answer, _ := st.call("f", `{"do":"look"}`); strings.HasPrefix(answer, "Unhandled") {
				t.Error(answer)
			}
		})
	}
}

// A function cannot tell whether its environment waited for it.
func TestFurnishedAlike(t *testing.T) {
	for runtime, text := range map[string]string{"nodejs20.x": lookNode, "nodejs4.3": strings.Replace(lookNode, "async (e, c) => (", "(e, c, done) => done(null, ", 1), "python3.11": lookPython} {
		t.Run(runtime, func(t *testing.T) {
			st := furnishing(t)
			variables := func(in *api.CreateFunctionRequest) {
				in.Environment = &api.Environment{Variables: map[string]string{"A": "1", "TZ": "Asia/Tokyo"}}
				in.MemorySize = ptr(int32(256))
			}
			st.create("one", runtime, text, variables)
			if got := st.settled(); got == "" {
				t.Fatal("nothing waits for a function that was just deployed")
			}
			waited, _ := st.call("one", "{}")
			st.settled()
			file := "index.js"
			if strings.HasPrefix(runtime, "python") {
				file = "index.py"
			}
			if _, err := st.updateFunctionCode(st.ctx(), &api.UpdateFunctionCodeRequest{FunctionName: ptr("one"),
				ZipFile: zipped(t, map[string]string{file: text + " "})}); err != nil {
				t.Fatal(err)
			}
			st.spares.close() // from here on, none waits
			cold, _ := st.call("one", "{}")
			if mask(waited) != mask(cold) {
				t.Errorf("waited: %s\ncold:   %s", mask(waited), mask(cold))
			}
			if !strings.Contains(waited, `/var/task`) || strings.Contains(waited, "written") {
				t.Error(waited)
			}
		})
	}
}

// apart is what differs between any two environments, and between any two invokes.
var apart = regexp.MustCompile(`"(AWS_LAMBDA_LOG_STREAM_NAME|AWS_ACCESS_KEY_ID|AWS_SESSION_TOKEN|_X_AMZN_TRACE_ID)": ?"[^"]*"`)

// mask takes that out.
func mask(answer string) string { return apart.ReplaceAllString(answer, `"$1"`) }

// Its limits are the function's, not those of one that waits.
func TestFurnishedLimits(t *testing.T) {
	st := furnishing(t)
	st.create("greedy", "python3.11", "def handler(event, context):\n    return len(bytearray(event['mb'] << 20))\n",
		func(in *api.CreateFunctionRequest) { in.MemorySize = ptr(int32(128)) })
	st.settled()
	if answer, log := st.call("greedy", `{"mb":400}`); !strings.Contains(answer, "Runtime.ExitError") && !strings.Contains(answer, "Runtime.OutOfMemory") {
		t.Errorf("%s\n%s", answer, log)
	}
	if answer, _ := st.call("greedy", `{"mb":1}`); answer != "1048576" {
		t.Errorf("after it: %s", answer)
	}
}

// What an interpreter reads only when it starts keeps a function from one that waits.
func TestNotFurnished(t *testing.T) {
	for name, want := range map[string]bool{"A": true, "NODE_OPTIONS": false, "LD_PRELOAD": false, "LC_ALL": false, "AWS_LAMBDA_EXEC_WRAPPER": false} {
		if runtimes.Waits("nodejs20.x", map[string]string{name: "x"}) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
	st := furnishing(t)
	st.create("f", "nodejs20.x", `exports.handler = async () => process.execArgv.concat(process.env.NODE_OPTIONS);`,
		func(in *api.CreateFunctionRequest) {
			in.Environment = &api.Environment{Variables: map[string]string{"NODE_OPTIONS": "--stack-trace-limit=3"}}
		})
	if got := st.settled(); got != "" {
		t.Errorf("%s waits in vain", got)
	}
	if answer, _ := st.call("f", "{}"); !strings.Contains(answer, "--stack-trace-limit=3") {
		t.Error(answer)
	}
}

// Python code that speaks of boto3 finds it loaded, and its own where it brings one.
func TestFurnishedSDK(t *testing.T) {
	st := furnishing(t)
	st.create("f", "python3.11", "import sys\ndef handler(event, context):\n    return 'boto3' in sys.modules\n")
	if got := st.settled(); got != "python3.11/0/true/none" {
		t.Errorf("kept ready: %s", got)
	}
	if _, err := st.createFunction(st.ctx(), &api.CreateFunctionRequest{FunctionName: ptr("own"), Runtime: ptr("python3.11"), Handler: ptr("index.handler"),
		Role: ptr("arn:aws:iam::000000000000:role/open"), Code: &api.FunctionCode{ZipFile: zipped(t, map[string]string{
			"index.py": "import boto3, six\ndef handler(event, context):\n    return [boto3.mine, six.mine]\n", "boto3/__init__.py": "mine = 1\n", "six.py": "mine = 2\n"})}}); err != nil {
		t.Fatal(err)
	}
	st.settled()
	if answer, _ := st.call("own", "{}"); answer != "[1, 2]" {
		t.Error(answer)
	}
}

// One that died while it waited is not used.
func TestSpareDied(t *testing.T) {
	st := furnishing(t)
	st.create("f", "python3.11", "def handler(event, context):\n    return 1\n")
	st.settled()
	st.spares.mu.Lock()
	for _, p := range st.spares.ready {
		p.box.Kill()
		<-p.box.Done()
	}
	st.spares.mu.Unlock()
	if answer, _ := st.call("f", "{}"); answer != "1" {
		t.Error(answer)
	}
}

// Few kinds are kept, the latest, and none for ever.
func TestSparesAreFew(t *testing.T) {
	st := furnishing(t)
	for i := range maxKinds + 2 {
		st.create(fmt.Sprintf("f%d", i), "nodejs20.x", `exports.handler = async () => 1;`,
			func(in *api.CreateFunctionRequest) { in.MemorySize = ptr(int32(128 + i)) })
		st.settled()
		st.clock.advance(time.Second)
	}
	got := st.settled()
	if n := len(strings.Fields(got)); n != maxKinds || strings.Contains(got, "/128/") {
		t.Errorf("kept ready: %s", got)
	}
	st.clock.advance(time.Hour)
	st.spares.reap()
	if got := st.settled(); got != "" {
		t.Errorf("after an hour: %s", got)
	}
}

// Nothing is left of those that waited, or were used, when the service ends.
func TestSparesEnd(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("open files cannot be counted here")
	}
	h, err := sandbox.Open(sandbox.Options{Dir: t.TempDir(), Self: self, Spare: -1})
	if errors.Is(err, sandbox.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	count := func() int {
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(open)
	}
	before := 0
	for i := range 3 {
		st := newStandOn(t, h)
		st.create("f", "python3.11", "def handler(event, context):\n    return 1\n")
		st.settled()
		st.call("f", "{}")
		st.settled()
		st.stop()
		st.house.Store.Close()
		if now := count(); i == 0 {
			before = now
		} else if now > before {
			t.Errorf("%d files open, %d before", now, before)
		}
	}
}
