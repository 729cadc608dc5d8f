package lambda

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

func decoded(t testing.TB, b64 *string) string {
	t.Helper()
	if b64 == nil {
		t.Error("there is no log")
		return ""
	}
	b, err := base64.StdEncoding.DecodeString(*b64)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestHello(t *testing.T) {
	for _, c := range []struct{ runtime, code string }{
		{"nodejs20.x", `exports.handler = async (event) => { console.log("hello", event.name); return {hello: event.name}; };`},
		{"nodejs4.3", `exports.handler = (event, context, callback) => { console.log("hello", event.name); callback(null, {hello: event.name}); };`},
		{"python3.11", "def handler(event, context):\n    print('hello', event['name'])\n    return {'hello': event['name']}\n"},
	} {
		t.Run(c.runtime, func(t *testing.T) {
			st := newStand(t)
			st.create("hello", c.runtime, c.code)
			for i := range 3 {
				answer, log := st.call("hello", `{"name":"x"}`)
				if strings.ReplaceAll(answer, " ", "") != `{"hello":"x"}` {
					t.Errorf("answer: %s", answer)
				}
				lines := strings.Split(log, "\n")
				if i > 0 && (len(lines) != 5 || !strings.HasPrefix(lines[0], "START RequestId: ") || !strings.Contains(lines[1], "hello x") ||
					!strings.HasPrefix(lines[2], "END RequestId: ") || !strings.HasPrefix(lines[3], "REPORT RequestId: ")) {
					t.Errorf("log:\n%s", log)
				}
				t.Log(log)
			}
			st.stop()
			if got := st.near.written(); strings.Count(got, "START RequestId") != 3 || strings.Count(got, "REPORT ") != 3 {
				t.Errorf("written:\n%s", got)
			}
		})
	}
}

// What functions do wrong, each with what its caller is told.
func TestMisbehaviour(t *testing.T) {
	st := newStand(t)
	short := func(in *api.CreateFunctionRequest) { in.Timeout = ptr(int32(1)) }
	for _, c := range []struct {
		name, runtime, code string
		change              func(*api.CreateFunctionRequest)
		answer, log         []string
	}{
		{"throws", "nodejs20.x", `exports.handler = async () => { throw new TypeError("no"); };`, nil,
			[]string{`Unhandled {"errorType":"TypeError","errorMessage":"no"`}, []string{"ERROR\tInvoke Error", "END "}},
		{"raises", "python3.11", "def handler(e, c):\n    raise ValueError('no')\n", nil,
			[]string{`Unhandled {`, `"errorMessage": "no"`, `"errorType": "ValueError"`}, []string{"[ERROR] ValueError: no"}},
		{"fails43", "nodejs4.3", `exports.handler = (e, c, cb) => cb(new Error("no"));`, nil,
			[]string{`Handled {"errorMessage":"no","errorType":"Error"`}, nil},
		{"throws43", "nodejs4.3", `exports.handler = () => { notyet.is = 1; };`, nil,
			[]string{`Unhandled {"errorMessage":"RequestId: `, `Process exited before completing request"}`}, []string{"notyet is not defined"}},
		{"missing", "nodejs20.x", `require("nosuch");`, nil,
			[]string{`Unhandled {"errorType":"Runtime.ImportModuleError"`}, []string{"START ", "END ", "REPORT "}},
		{"exits", "nodejs20.x", `exports.handler = async () => process.exit(3);`, nil,
			[]string{`Unhandled {"errorType":"Runtime.ExitError","errorMessage":"RequestId: `, `exit status 3`}, []string{"Error Type: Runtime.ExitError"}},
		{"exits.py", "python3.11", "import os\ndef handler(e, c):\n    os._exit(4)\n", nil,
			[]string{`Unhandled {"errorType":"Runtime.ExitError"`, `exit status 4`}, nil},
		{"sleeps", "nodejs20.x", `exports.handler = () => new Promise(() => setInterval(() => {}, 1000));`, short,
			[]string{`Unhandled {"errorMessage":"`, `Task timed out after 1.00 seconds"}`}, []string{"Task timed out", "Status: timeout"}},
		{"spins", "python3.11", "def handler(e, c):\n    while True: pass\n", short,
			[]string{`Task timed out after 1.00 seconds"}`}, []string{"Status: timeout"}},
		{"eats", "python3.11", "def handler(e, c):\n    x = []\n    while True: x.append(b'x' * 1000000)\n", nil,
			[]string{`Unhandled {"errorType":"Runtime.OutOfMemory"`, `signal: killed`}, []string{"Max Memory Used: 128 MB", "Status: error"}},
		{"fills", "python3.11", "def handler(e, c):\n    with open('/tmp/x', 'wb') as f:\n        while True: f.write(b'x' * 1000000)\n", nil,
			[]string{`Unhandled {`}, []string{"REPORT "}},
		{"forks", "python3.11", "import os\ndef handler(e, c):\n    try:\n        while True: os.fork()\n    except OSError as x: pass\n    while True: pass\n", short,
			[]string{`Unhandled {`}, []string{"REPORT "}},
		{"hangsup", "nodejs20.x", `exports.handler = async () => { require("fs").closeSync(3); await new Promise(r => setTimeout(r, 60000)); };`, nil,
			[]string{`Unhandled {"errorType":"Runtime.`}, nil},
		{"large", "nodejs20.x", `exports.handler = async () => "x".repeat(7000000);`, nil,
			[]string{`Unhandled {"errorType":"Function.ResponseSizeTooLarge"`}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := &stand{Service: st.Service, t: t, house: st.house, near: st.near, clock: st.clock}
			name := strings.ReplaceAll(c.name, ".", "_")
			change := c.change
			if change == nil {
				change = func(*api.CreateFunctionRequest) {}
			}
			st.create(name, c.runtime, c.code, change)
			for range 2 { // the second in a new environment, mostly
				answer, log := st.call(name, "{}")
				for _, want := range c.answer {
					if !strings.Contains(answer, want) {
						t.Errorf("answer: %.400s\nwithout %s", answer, want)
					}
				}
				for _, want := range append(c.log, "START RequestId", "END RequestId", "REPORT RequestId") {
					if !strings.Contains(log, want) {
						t.Errorf("log:\n%s\nwithout %s", log, want)
					}
				}
			}
		})
	}
	// And nobody else has suffered.
	st.create("well", "nodejs20.x", `exports.handler = async () => "well";`)
	if answer, _ := st.call("well", "{}"); answer != `"well"` {
		t.Error(answer)
	}
}

// The first answer is null and each one later is one call behind, since the handler
// calls back before its work is done: so did functions of 2016, and it showed.
func TestOneBehind(t *testing.T) {
	st := newStand(t)
	st.create("movies", "nodejs4.3", `
		let result;
		function store(item, done) { setTimeout(() => done({Items: [item]}), 20); }
		exports.handler = (event, context, callback) => {
			store(event, data => { result = data; });
			callback(null, result);
		};`)
	for i, want := range []string{`null`, `{"Items":[{"n":0}]}`, `{"Items":[{"n":1}]}`} {
		if answer, _ := st.call("movies", fmt.Sprintf(`{"n":%d}`, i)); answer != want {
			t.Errorf("call %d: %s, want %s", i, answer, want)
		}
	}
}

// An environment keeps its module's state and its /tmp; another has its own.
func TestReuse(t *testing.T) {
	st := newStand(t)
	st.create("counts", "nodejs20.x", `
		const fs = require("fs"); let n = 0;
		exports.handler = async (event) => {
			fs.appendFileSync("/tmp/calls", "x");
			if (event.wait) await new Promise(r => setTimeout(r, event.wait));
			return [++n, fs.readFileSync("/tmp/calls", "utf8").length, process.env.AWS_LAMBDA_LOG_STREAM_NAME];
		};`)
	for i := 1; i <= 3; i++ {
		if answer, _ := st.call("counts", "{}"); !strings.HasPrefix(answer, fmt.Sprintf("[%d,%d,", i, i)) {
			t.Errorf("call %d: %s", i, answer)
		}
	}
	streams := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			answer, _ := st.call("counts", `{"wait":300}`)
			mu.Lock()
			defer mu.Unlock()
			streams[answer[strings.LastIndex(answer, ","):]] = true
		})
	}
	wg.Wait()
	if len(streams) != 5 {
		t.Errorf("five invokes at once in %d environments", len(streams))
	}
	if _, err := st.putFunctionConcurrency(st.ctx(), &api.PutFunctionConcurrencyRequest{FunctionName: ptr("counts"), ReservedConcurrentExecutions: ptr(int32(2))}); err != nil {
		t.Fatal(err)
	}
	var refused atomic.Int32
	for range 5 {
		wg.Go(func() {
			if _, err := st.try("counts", `{"wait":300}`); aws.CodeOf(err) == "TooManyRequestsException" {
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if refused.Load() != 3 {
		t.Errorf("with two reserved, %d of five were refused", refused.Load())
	}
}

// New code and a new configuration are what the next invoke meets.
func TestUpdate(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = async () => "one " + process.env.WHO;`)
	expect := func(want string) {
		t.Helper()
		if answer, _ := st.call("f", "{}"); answer != want {
			t.Errorf("%s, want %s", answer, want)
		}
	}
	expect(`"one undefined"`)
	_, err := st.updateFunctionCode(st.ctx(), &api.UpdateFunctionCodeRequest{FunctionName: ptr("f"),
		ZipFile: zipped(t, map[string]string{"index.js": `exports.handler = async () => "two " + process.env.WHO;`})})
	if err != nil {
		t.Fatal(err)
	}
	expect(`"two undefined"`)
	_, err = st.updateFunctionConfiguration(st.ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: ptr("f"),
		Environment: &api.Environment{Variables: map[string]string{"WHO": "me"}}})
	if err != nil {
		t.Fatal(err)
	}
	expect(`"two me"`)
	if left, err := filepath.Glob(filepath.Join(st.Dir, "*", "*")); err != nil || len(left) != 1 {
		t.Errorf("code that nobody needs any more: %q, %v", left, err)
	}
	if _, err := st.deleteFunction(st.ctx(), &api.DeleteFunctionRequest{FunctionName: ptr("f")}); err != nil {
		t.Fatal(err)
	}
	st.fleet.wg.Wait()
	if left, err := filepath.Glob(filepath.Join(st.Dir, "*", "*")); err != nil || len(left) != 0 {
		t.Errorf("code of a deleted function: %q, %v", left, err)
	}
}

// A frozen environment stands still: a thread that counts on counts nothing.
func TestFreeze(t *testing.T) {
	st := newStand(t)
	st.create("ticks", "python3.11", `
import threading, time
n = 0
def tick():
    global n
    while True:
        time.sleep(0.005)
        n += 1
threading.Thread(target=tick, daemon=True).start()
def handler(event, context):
    return n
`)
	count := func() int {
		answer, _ := st.call("ticks", "{}")
		n, err := strconv.Atoi(answer)
		if err != nil {
			t.Error(answer)
		}
		return n
	}
	count()
	until(t, "freeze", func() bool {
		return st.idle(func(e *environment) bool { e.freezeMu.Lock(); defer e.freezeMu.Unlock(); return e.frozen }) == 1
	})
	before := count()
	until(t, "freeze again", func() bool {
		return st.idle(func(e *environment) bool { e.freezeMu.Lock(); defer e.freezeMu.Unlock(); return e.frozen }) == 1
	})
	time.Sleep(500 * time.Millisecond) // of the thread's time, not the test's
	if after := count(); after-before > 20 {
		t.Errorf("it ticked %d times while it was frozen", after-before)
	}
}

// idle counts a stand's idle environments of a kind.
func (st *stand) idle(is func(*environment) bool) (n int) {
	st.fleet.mu.Lock()
	defer st.fleet.mu.Unlock()
	for _, c := range st.fleet.functions {
		for _, e := range c.idle {
			if is(e) {
				n++
			}
		}
	}
	return n
}

// until waits for something that other goroutines do.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to: " + what)
		}
	}
}

// Environments that nobody needs end, by the clock.
func TestReap(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `let n = 0; exports.handler = async () => ++n;`)
	st.call("f", "{}")
	st.clock.advance(9 * time.Minute)
	if answer, _ := st.call("f", "{}"); answer != "2" {
		t.Errorf("after nine minutes: %s", answer)
	}
	st.clock.advance(11 * time.Minute)
	until(t, "reap", func() bool { return st.idle(func(*environment) bool { return true }) == 0 })
	if answer, _ := st.call("f", "{}"); answer != "1" {
		t.Errorf("after ten minutes: %s", answer)
	}
	// Credentials end after an hour; an environment that is busy all the time ends before them.
	for range 7 {
		st.clock.advance(9 * time.Minute)
		if answer, _ := st.call("f", "{}"); answer == "1" {
			return
		}
	}
	t.Error("an environment outlived its credentials")
}

// What the function sees of the machine.
func TestSurroundings(t *testing.T) {
	st := newStand(t, func(o *Options) { o.Endpoint = "http://127.0.0.1:4566" })
	st.create("looks", "nodejs20.x", `
		const { execSync } = require("child_process"), fs = require("fs");
		exports.handler = async (event, context) => {
			execSync("echo from a child; echo to stderr >&2", {stdio: "inherit"});
			let written = "no"; try { fs.writeFileSync("/var/task/x", "x"); written = "yes"; } catch (e) { }
			return {cwd: process.cwd(), key: process.env.AWS_ACCESS_KEY_ID, token: process.env.AWS_SESSION_TOKEN, tz: process.env.TZ,
				endpoint: process.env.AWS_ENDPOINT_URL, port: process.env.EDGE_PORT, written, arn: context.invokedFunctionArn,
				client: context.clientContext, group: context.logGroupName};
		};`)
	out, err := st.Service.invoke(st.ctx(), &api.InvocationRequest{FunctionName: ptr("looks"), Qualifier: ptr("$LATEST"), Payload: []byte("{}"),
		ClientContext: ptr(base64.StdEncoding.EncodeToString([]byte(`{"custom":{"a":"b"}}`)))})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"cwd":"/var/task","key":"ASIA0000000000000001","token":"token","tz":":UTC","endpoint":"http://127.0.0.1:4566","port":"4566","written":"no",` +
		`"arn":"arn:aws:lambda:us-east-1:000000000000:function:looks:$LATEST","client":{"custom":{"a":"b"}},"group":"/aws/lambda/looks"}`
	if string(out.Payload) != want || *out.ExecutedVersion != "$LATEST" || *out.StatusCode != 200 {
		t.Errorf("got  %s\nwant %s", out.Payload, want)
	}
	st.stop()
	if log := st.near.written(); !strings.Contains(log, "from a child\n") || !strings.Contains(log, "to stderr\n") {
		t.Errorf("log:\n%s", log)
	}
}
