package hostile

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// A bad is a function that does what it should not.
type bad struct {
	name    string
	runtime types.Runtime
	file    string
	mode    fs.FileMode
	source  string
	timeout int32
	failure string   // the X-Amz-Function-Error expected
	want    []string // what each of several invokes answers with, as patterns
}

func py(name, failure, source string, want ...string) bad {
	return bad{name, types.RuntimePython312, "index.py", 0, source, 3, failure, want}
}

func js(name, failure, source string, want ...string) bad {
	return bad{name, types.RuntimeNodejs22x, "index.js", 0, source, 3, failure, want}
}

// own is a function that brings its runtime, a Python script: api(method, path, body) calls the
// Runtime API, and take() is the id of the next event.
func own(name, failure, source string, want ...string) bad {
	return bad{name, types.RuntimeProvidedal2023, "bootstrap", 0o755, `#!/usr/bin/python3
import http.client, os, time
conn = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
def api(method, path, body=None, **headers):
    conn.request(method, '/2018-06-01/runtime/' + path, body, headers)
    r = conn.getresponse()
    r.body = r.read().decode()
    return r
def take():
    return api('GET', 'invocation/next').headers['Lambda-Runtime-Aws-Request-Id']
def answer(id, text):
    return api('POST', 'invocation/' + id + '/response', text)
` + source, 3, failure, want}
}

const (
	timedOut = "Task timed out after 3.00 seconds"
	exited   = `Runtime\.ExitError`
	broken   = `"errorType":"Runtime\.Unknown"`
	tooLarge = `"errorType":"Function\.ResponseSizeTooLarge","errorMessage":"Response payload size \(\d+ bytes\) exceeded maximum allowed payload size \(6291556 bytes\)\."`
)

// bads are the handlers that go at their runtime's conversation with Tule, which is descriptor 3 of
// the managed ones, and HTTP for those that functions bring.
func bads() []bad {
	const frame = "import os\ndef put(kind, body): os.write(3, len(body).to_bytes(4, 'big') + kind + body)\n"
	const gig = "    left = 1 << 30\n    while left > 0: left -= os.write(3, bytes(min(left, 1 << 20)))\n"
	return []bad{
		py("closes-its-sockets", "Unhandled", "import os\ndef handler(e, c):\n    os.closerange(0, 64)\n    return 1\n", exited, exited),
		js("closes-them-too", "Unhandled", "const fs = require('fs');\nexports.handler = async () => { for (let n = 0; n < 64; n++) try { fs.closeSync(n) } catch {}; return 1 }\n", exited),
		py("a-gigabyte", "Unhandled", frame+"def handler(e, c):\n    os.write(3, (1 << 30).to_bytes(4, 'big') + b's')\n"+gig+"    import time; time.sleep(60)\n", tooLarge),
		py("half-a-frame", "Unhandled", frame+"def handler(e, c):\n    os.write(3, b'\\xff' * 64)\n    import time; time.sleep(60)\n", timedOut),
		py("an-odd-frame", "Unhandled", frame+"def handler(e, c):\n    put(b'Z', b'?')\n    import time; time.sleep(60)\n", broken, broken),
		py("an-odd-error", "Unhandled", frame+"def handler(e, c):\n    put(b'e', b'')\n    import time; time.sleep(60)\n", broken),
		py("no-utf8", "", frame+"def handler(e, c):\n    os.write(1, b'\\xff\\xfe\\n'); put(b'l', b'\\xff\\xfe\\x00'); return 'fine'\n", "^\"fine\"$"),
		js("answers-twice", "", "exports.handler = (e, c, done) => { done(null, 'first'); done(null, 'second'); setTimeout(() => done(null, 'third'), 5) }\n", `^"third"$`, `^"third"$`),
		py("ignores-signals", "Unhandled", "import signal, time\nfor s in (15, 2, 1, 13): signal.signal(s, signal.SIG_IGN)\ndef handler(e, c):\n    while True: time.sleep(60)\n", timedOut, timedOut),
		py("leaves-a-child", "", "import os, time\ndef handler(e, c):\n    if os.fork() == 0:\n        os.setsid(); time.sleep(1000)\n    return 'done'\n", `^"done"$`, `^"done"$`),
		py("exits-in-init", "Unhandled", "import os\nos._exit(7)\n", `exit status 7`, `exit status 7`),
		py("dies-in-init", "Unhandled", "import os\nos.kill(os.getpid(), 9)\n", `signal: killed`),
		py("exits", "Unhandled", "import sys\ndef handler(e, c): sys.exit(5)\n", exited),
		py("a-huge-error", "Unhandled", "def handler(e, c): raise Exception('x' * (10 << 20))\n", tooLarge+`|"errorType": ?"Exception"`),
		js("a-huge-error-too", "Unhandled", "exports.handler = async () => { throw new Error('x'.repeat(10 << 20)) }\n", tooLarge+`|"errorType": ?"Error"`),
		py("a-deep-answer", "Unhandled", "def handler(e, c):\n    x = []\n    for n in range(100000): x = [x]\n    return x\n", `Runtime\.MarshalError|RecursionError|`+exited),
		js("a-round-answer", "Unhandled", "exports.handler = async () => { const x = {}; x.x = x; return x }\n", `Unable to stringify response body`),
		py("no-json", "Unhandled", "def handler(e, c): return {1, 2}\n", `Runtime\.MarshalError`),
		js("many-threads", "", "const { Worker } = require('worker_threads');\nexports.handler = async () => { try { for (let n = 0; n < 8; n++) new Worker('setInterval(() => {}, 1000)', { eval: true }).on('error', () => {}) } catch {}; return 'fine' }\n", `fine|signal: killed`),

		own("provided", "", "while True: answer(take(), 'fine')\n", "^fine$", "^fine$"),
		own("provided-twice", "", "while True:\n    id = take()\n    a = answer(id, 'first').status\n    r = answer(id, 'second')\n    print('SECOND', a, r.status, r.body, flush=True)\n", "^first$", "^first$"),
		own("provided-wrong-id", "", "while True:\n    id = take()\n    r = answer('8476a536-e9f4-11e8-9739-2dfe598c3fcd', 'wrong')\n    answer(id, str(r.status) + r.body)\n", `^400.*InvalidRequestID`, `^400.*InvalidRequestID`),
		own("provided-no-path", "", "while True:\n    id = take()\n    r = api('DELETE', 'invocation')\n    answer(id, str(r.status))\n", `^40[45]$`),
		own("provided-gigabyte", "Unhandled", "def zeros():\n    for n in range(1024): yield bytes(1 << 20)\nid = take()\ntry: conn.request('POST', '/2018-06-01/runtime/invocation/' + id + '/response', zeros())\nexcept OSError: pass\ntime.sleep(60)\n", tooLarge),
		own("provided-huge-error", "Unhandled", "while True:\n    id = take()\n    r = api('POST', 'invocation/' + id + '/error', b'x' * (20 << 20))\n", tooLarge),
		own("provided-gone", "Unhandled", "take()\nos._exit(3)\n", exited),
		own("provided-crowd", "", "import socket\nwhile True:\n    id = take()\n    host, port = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')\n    many = []\n    for n in range(800):\n        try:\n            s = socket.create_connection((host, int(port)), 0.2); s.send(b'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 6000000\\r\\n\\r\\n'); many.append(s)\n        except OSError: break\n    for s in many: s.close()\n    answer(id, 'fine')\n", "fine|"+timedOut),
	}
}

func (f bad) create(t testing.TB, c *lambda.Client, role string) error {
	t.Helper()
	_, err := c.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: &f.name, Role: &role, Runtime: f.runtime, Handler: aws.String("index.handler"),
		Timeout: &f.timeout, MemorySize: aws.Int32(256), Code: &types.FunctionCode{ZipFile: zipped(t, entry{f.file, f.source, f.mode})}})
	return err
}

// Each gets AWS's error, or what it answered first; another function is not disturbed; Tule's memory
// stays where it was; and when all are deleted, nothing of them is left on the machine.
func TestHandlersThatMisbehave(t *testing.T) {
	c, role := functions(t)
	all := bads()
	good := []bad{py("good", "", good, `^"good"$`), js("good-too", "", "exports.handler = async () => 'good'\n", `^"good"$`)}
	begin := func(f bad) {
		t.Helper()
		if err := f.create(t, c, role); err != nil {
			t.Fatal(f.name, ": ", err)
		}
		f.invoke(t, c)
	}
	end := func(f bad) {
		t.Helper()
		if _, err := c.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &f.name}); err != nil {
			t.Error(err)
		}
	}
	for _, f := range good { // what waits for the next function is there from now on
		begin(f)
		end(f)
	}
	before := settle(t, nil)
	for _, f := range good {
		begin(f)
	}
	for _, f := range all {
		t.Run(f.name, func(t *testing.T) {
			started, memory := time.Now(), resident(t)
			if err := f.create(t, c, role); err != nil {
				t.Fatal(err)
			}
			f.invoke(t, c)
			if grew := resident(t) - memory; grew > 200<<20 {
				t.Errorf("tule grew by %d MB", grew>>20)
			}
			for _, g := range good {
				g.invoke(t, c)
			}
			serves(t)
			t.Logf("%v", time.Since(started))
		})
	}
	for _, f := range append(all, good...) {
		end(f)
	}
	settle(t, &before)
}

func (f bad) invoke(t *testing.T, c *lambda.Client) {
	t.Helper()
	for n, want := range f.want {
		out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: &f.name, LogType: types.LogTypeTail})
		if err != nil {
			t.Errorf("%s, invoke %d: %v", f.name, n, err)
			continue
		}
		if got := aws.ToString(out.FunctionError); got != f.failure || !regexp.MustCompile(want).Match(out.Payload) {
			t.Errorf("%s, invoke %d: got %q %.300s, want %q %s", f.name, n, got, out.Payload, f.failure, want)
		}
	}
}

// resident is how much memory Tule has, in bytes.
func resident(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", house.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// left is what Tule has on the machine.
type left struct{ processes, mounts, groups, networks, files int }

func (l left) within(o left) bool {
	return l.processes <= o.processes && l.mounts <= o.mounts && l.groups <= o.groups && l.networks <= o.networks && l.files <= o.files
}

// settle waits until Tule has no more than before; without a before, until it has had the same for
// a while.
func settle(t *testing.T, before *left) left {
	t.Helper()
	last, same := left{}, 0
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		now := look(t)
		if before != nil && now.within(*before) {
			return now
		}
		if now == last {
			same++
		} else {
			last, same = now, 0
		}
		if before == nil && same > 20 {
			return now
		}
	}
	if before != nil {
		t.Errorf("before %+v, now %+v", *before, last)
	}
	return last
}

// look counts: Tule's descendants and the network namespaces they are in, its mounts, its cgroups,
// and of its descriptors those that sandboxes take: pipes, socket pairs, namespaces, devices.
func look(t *testing.T) left {
	t.Helper()
	parents, networks := map[int][]int{}, map[string]bool{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, s := range stats {
		b, err := os.ReadFile(s)
		if err != nil {
			continue // gone meanwhile
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(s)))
		parent, _ := strconv.Atoi(f[1])
		parents[parent] = append(parents[parent], pid)
	}
	var l left
	for all := parents[house.Pid()]; len(all) > 0; all = append(parents[all[0]], all[1:]...) {
		l.processes++
		if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", all[0])); err == nil {
			networks[ns] = true
		}
	}
	l.networks = len(networks)
	mounts, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", house.Pid()))
	l.mounts = bytes.Count(mounts, []byte("\n"))
	note, _ := os.ReadFile(filepath.Join(house.Data, "sandboxes", "cgroups"))
	for d := range strings.Lines(string(note)) {
		groups, _ := filepath.Glob(strings.TrimSpace(d) + "/*/cgroup.procs")
		l.groups += len(groups)
	}
	unix, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/unix", house.Pid()))
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", house.Pid()))
	for _, f := range files {
		to, _ := os.Readlink(f)
		kind, number, _ := strings.Cut(to, ":")
		switch {
		case kind == "socket" && bytes.Contains(unix, []byte(" "+strings.Trim(number, "[]")+"\n")),
			kind == "pipe", kind == "net", kind == "mnt", strings.HasPrefix(to, "/dev/net"):
			l.files++
		}
	}
	return l
}

// What floods its log delays nobody else, loses nothing of what others say, and takes no memory.
func TestLogFlood(t *testing.T) {
	c, role := functions(t)
	flood := py("flood", "", "import os\ndef handler(e, c):\n    for n in range(4096): os.write(1, (b'x' * 1023 + b'\\n') * 256)\n    return 'said'\n", `^"said"$`)
	flood.timeout = 90
	quiet := py("quiet", "", "def handler(e, c):\n    print('a word')\n    return 'good'\n", `^"good"$`)
	for _, f := range []bad{flood, quiet} {
		if err := f.create(t, c, role); err != nil {
			t.Fatal(err)
		}
	}
	memory, done := resident(t), make(chan struct{})
	go func() {
		defer close(done)
		flood.invoke(t, c)
	}()
	for n := 0; ; n++ {
		select {
		case <-done:
			if grew := resident(t) - memory; grew > 400<<20 {
				t.Errorf("tule grew by %d MB", grew>>20)
			}
			t.Logf("%d invokes of another while one printed a gigabyte; tule grew by %d MB", n, (resident(t)-memory)>>20)
			serves(t)
			return
		default:
			started := time.Now()
			quiet.invoke(t, c)
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("another function took %v", took)
			}
		}
	}
}
