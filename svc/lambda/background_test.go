package lambda

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (st *stand) send(name, payload string) {
	st.t.Helper()
	out, err := st.Service.invoke(st.ctx(), &api.InvocationRequest{FunctionName: &name, InvocationType: ptr("Event"), Payload: []byte(payload)})
	if err != nil || *out.StatusCode != 202 || out.Payload != nil {
		st.t.Fatal(out, err)
	}
}

// queued are the events that are kept.
func (st *stand) queued() (list []event) {
	err := st.Store.View(context.Background(), func(r store.Reader) error {
		list = nil
		for e, err := range eventRecords.All(context.Background(), r) {
			if err != nil {
				return err
			}
			list = append(list, e.Record)
		}
		return nil
	})
	if err != nil {
		st.t.Fatal(err)
	}
	return list
}

// logged waits until the functions' log has n lines with the text.
func (st *stand) logged(text string, n int) {
	st.t.Helper()
	until(st.t, fmt.Sprintf("%d times %q", n, text), func() bool { return strings.Count(st.near.written(), text) >= n })
}

// An event that fails is tried again after a minute and after two more, with the
// same request id, and no more.
func TestEventRetries(t *testing.T) {
	st := newStand(t)
	st.create("fails", "nodejs20.x", `exports.handler = async (e) => { console.log("try of", e.n); throw new Error("no"); };`)
	st.create("works", "nodejs20.x", `exports.handler = async (e) => { console.log("done", e.n); };`)
	st.send("works", `{"n":1}`)
	st.logged("done 1", 1)
	st.send("fails", `{"n":2}`)
	for try := 1; try <= 3; try++ {
		st.logged("try of 2", try)
		until(t, "write it down", func() bool {
			q := st.queued()
			return try < 3 && len(q) == 1 && q[0].Failed == try || try == 3 && len(q) == 0
		})
		st.clock.advance(time.Duration(try)*time.Minute - 5*time.Second)
		if n := strings.Count(st.near.written(), "try of 2"); n != try {
			t.Errorf("before its time it was tried %d times", n)
		}
		st.clock.advance(5 * time.Second)
	}
	ids := map[string]bool{}
	for line := range strings.Lines(st.near.written()) {
		if _, id, ok := strings.Cut(line, "START RequestId: "); ok && strings.Contains(id, "00000004") {
			ids[id] = true
		}
	}
	if len(ids) != 1 {
		t.Errorf("request ids: %v", ids)
	}
}

// Events wait while their function has no concurrency, and outlive the process.
func TestEventsSurvive(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = async (e) => { console.log("done", e.n); };`)
	_, err := st.putFunctionConcurrency(st.ctx(), &api.PutFunctionConcurrencyRequest{FunctionName: ptr("f"), ReservedConcurrentExecutions: ptr(int32(0))})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		st.send("f", fmt.Sprintf(`{"n":%d}`, n))
	}
	until(t, "be throttled", func() bool {
		n := 0
		for _, e := range st.queued() {
			n += min(e.Throttled, 1)
		}
		return n == 20
	})
	st.stop()
	if n := len(st.queued()); n != 20 {
		t.Fatalf("%d events are left", n)
	}
	st.Service = New(st.Options) // on the same store
	if _, err := st.deleteFunctionConcurrency(st.ctx(), &api.DeleteFunctionConcurrencyRequest{FunctionName: ptr("f")}); err != nil {
		t.Fatal(err)
	}
	st.run()
	st.clock.advance(time.Minute)
	st.logged("done ", 20)
	until(t, "forget them", func() bool { return len(st.queued()) == 0 })
	// And the function is the same as before.
	if answer, _ := st.call("f", `{"n":"again"}`); answer != "null" {
		t.Error(answer)
	}
}

// An event in the middle of its run when Tule stops is run again by the next process.
func TestEventCutShort(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = async () => { console.log("begun"); await new Promise(r => setTimeout(r, 5000)); };`)
	st.send("f", `{}`)
	st.logged("begun", 1)
	st.stop()
	if n := len(st.queued()); n != 1 {
		t.Fatalf("%d events are left", n)
	}
	st.Service = New(st.Options)
	st.run()
	st.clock.advance(time.Minute)
	st.logged("begun", 2)
	st.stop()
}

// An event whose function is gone, and one that is too old, are dropped.
func TestEventsDropped(t *testing.T) {
	st := newStand(t)
	st.create("gone", "nodejs20.x", `exports.handler = async () => {};`)
	at := ref{st.scope(), "gone"}
	if settle, err := st.queue.attempt(context.Background(), waiting{at: ref{st.scope(), "never"}, id: "x"}, &event{Function: "never"}); settle != nil || err != nil {
		t.Error(err)
	}
	if _, err := st.putFunctionConcurrency(st.ctx(), &api.PutFunctionConcurrencyRequest{FunctionName: ptr("gone"), ReservedConcurrentExecutions: ptr(int32(0))}); err != nil {
		t.Fatal(err)
	}
	st.send("gone", `{}`)
	until(t, "be throttled", func() bool { q := st.queued(); return len(q) == 1 && q[0].Throttled > 0 })
	st.clock.advance(7 * time.Hour)
	until(t, "be too old", func() bool { return len(st.queued()) == 0 })
	if st.near.written() != "" {
		t.Errorf("%v ran", at)
	}
}

// An event that has grown too old before it was its turn does not run, whoever has kept it waiting.
func TestEventsTooLate(t *testing.T) {
	h := &heard{}
	dead := "arn:aws:sqs:" + testAccount + "dead"
	st, p := outletStand(t, func(in *api.CreateFunctionRequest) { in.DeadLetterConfig = &api.DeadLetterConfig{TargetArn: &dead} })
	_, err := st.putEventConfig(st.ctx(), &api.PutFunctionEventInvokeConfigRequest{FunctionName: ptr("f"), MaximumEventAgeInSeconds: ptr(int32(60))})
	if err != nil {
		t.Fatal(err)
	}
	st.stop()
	st.Service = New(st.Options) // which does not run yet
	st.send("f", `{"n":1}`)
	st.clock.advance(59 * time.Second)
	st.send("f", `{"n":2}`)
	st.clock.advance(2 * time.Second)
	st.Measures = h
	st.run()
	until(t, "be told", func() bool { return len(p.left("dead")) == 1 })
	until(t, "forget them", func() bool { return len(st.queued()) == 0 })
	if got := p.left("dead"); got[0] != `{"n":1}` || h.sum("Invocations f") != 1 || h.sum("AsyncEventsDropped f") != 1 {
		t.Error(got, h.sums)
	}
	if age := h.sum("AsyncEventAge f"); age < 2000 || age > 20000 {
		t.Errorf("the other was %v ms old", age)
	}
}

// An event is not forgotten before what its function has logged is written.
func TestEventsLogged(t *testing.T) {
	h := &heard{}
	st := newStand(t, func(o *Options) { o.Measures = h })
	st.create("f", "nodejs20.x", `exports.handler = async () => console.log("ran");`)
	held := make(chan struct{})
	st.near.mu.Lock()
	st.near.held = held
	st.near.mu.Unlock()
	st.send("f", `{}`)
	st.send("f", `{}`)
	until(t, "run", func() bool { return h.sum("Duration f") > 0 && st.fleetBusy("f") == 0 })
	st.clock.advance(time.Second)
	if n := len(st.queued()); n != 2 {
		t.Errorf("%d events are kept while their logs are not, want 2", n)
	}
	close(held)
	until(t, "forget them", func() bool { return len(st.queued()) == 0 })
	if n := strings.Count(st.near.written(), "ran\n"); n != 2 {
		t.Errorf("%d lines", n)
	}
}

// Functions whose role may not write logs run, without a log, and the operator hears
// of it once.
func TestLogsDenied(t *testing.T) {
	var heard strings.Builder
	st := newStand(t, func(o *Options) { o.Logger = textLogger(&heard) })
	st.near.deny = true
	st.create("f", "nodejs20.x", `exports.handler = async () => "ran";`)
	for range 3 {
		if answer, log := st.call("f", "{}"); answer != `"ran"` || !strings.Contains(log, "REPORT") {
			t.Error(answer, log)
		}
		if err := st.Service.logs.flush(context.Background()); err != nil {
			t.Error(err)
		}
	}
	st.stop()
	if n := strings.Count(heard.String(), "does not let it write its log"); n != 1 {
		t.Errorf("heard %d times:\n%s", n, heard.String())
	}
}

// While Logs fails, events wait; none is lost, and they stay in order.
func TestLogsWait(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = async (e) => console.log("line", e.n);`)
	st.near.mu.Lock()
	st.near.broken = true
	st.near.mu.Unlock()
	for n := range 5 {
		st.call("f", fmt.Sprintf(`{"n":%d}`, n))
	}
	if err := st.Service.logs.flush(context.Background()); err == nil {
		t.Error("it says that it has written")
	}
	st.near.mu.Lock()
	st.near.broken = false
	st.near.mu.Unlock()
	st.stop()
	got, last := st.near.written(), -1
	for n := range 5 {
		at := strings.Index(got, fmt.Sprintf("line %d\n", n))
		if at <= last {
			t.Fatalf("line %d is not where it should be:\n%s", n, got)
		}
		last = at
	}
}

// Long texts become several events, and too many bytes are counted instead of kept.
func TestLogBounds(t *testing.T) {
	s := New(Options{Clock: newMachineClock()})
	st := s.logs.stream(ref{name: "f"}, "role", "group", "name")
	st.append(time.UnixMilli(5), "x"+strings.Repeat("ä", maxMessage))
	st.append(time.UnixMilli(3), "earlier")
	events, dropped := st.take()
	if len(events) != 4 || dropped != 0 || *events[3].Timestamp != 5 {
		t.Errorf("%d events, %d dropped", len(events), dropped)
	}
	for _, e := range events[:3] {
		if len(*e.Message) > maxMessage || strings.Contains(*e.Message, "\uFFFD") {
			t.Errorf("an event of %d bytes, cut in the middle of a letter", len(*e.Message))
		}
	}
	for range maxPending / maxMessage * 2 {
		st.append(time.UnixMilli(6), strings.Repeat("x", maxMessage))
	}
	if w := s.logs.size; w > maxPending/2 || w < maxPending/2-maxMessage-eventOverhead {
		t.Errorf("%d bytes wait", w)
	}
	for dropped == 0 {
		if events, dropped = st.take(); len(events) == 0 || batch(events) > maxBatch/maxMessage {
			t.Fatalf("%d events, %d dropped, %d bytes left", len(events), dropped, s.logs.size)
		}
	}
	if s.logs.size != 0 || len(s.logs.sizes) != 0 || st.queued {
		t.Errorf("%d bytes wait of %v", s.logs.size, s.logs.sizes)
	}
	var tl *tail
	tl.add("nobody")
	tl = &tail{}
	for n := range 3000 {
		tl.add(fmt.Sprintf("%04d\n", n))
	}
	if got := string(tl.bytes()); len(got) != tailSize || !strings.HasSuffix(got, "2998\n2999\n") {
		t.Errorf("tail of %d bytes: …%s", len(got), got[len(got)-20:])
	}
}

// The address from GetFunction yields the zip, on the caller's host, for ten minutes.
func TestCodeLocation(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = 1;`)
	out, err := st.getFunction(st.ctx(), &api.GetFunctionRequest{FunctionName: ptr("f")})
	if err != nil {
		t.Fatal(err)
	}
	plane := st.Planes()[0]
	get := func(method, url string) (int, string) {
		w, r := httptest.NewRecorder(), httptest.NewRequest(method, url, nil)
		if !plane.Match(r) {
			t.Errorf("%s is not for the plane", url)
		}
		plane.Handler.ServeHTTP(w, r)
		b, _ := io.ReadAll(w.Body)
		return w.Code, string(b)
	}
	url := *out.Code.Location
	if !strings.HasPrefix(url, "http://localhost:4566/") {
		t.Errorf("the address is %s", url)
	}
	if code, body := get(http.MethodGet, url); code != 200 || body != string(zipped(t, map[string]string{"index.js": `exports.handler = 1;`})) {
		t.Errorf("%d, %d bytes", code, len(body))
	}
	if code, _ := get(http.MethodPut, url); code != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", code)
	}
	if code, _ := get(http.MethodGet, url[:len(url)-2]+"xx"); code != http.StatusForbidden {
		t.Errorf("a forged address: %d", code)
	}
	st.clock.advance(11 * time.Minute)
	if code, _ := get(http.MethodGet, url); code != http.StatusForbidden {
		t.Errorf("after its time: %d", code)
	}
	fresh, _ := st.getFunction(st.ctx(), &api.GetFunctionRequest{FunctionName: ptr("f")})
	if _, err := st.deleteFunction(st.ctx(), &api.DeleteFunctionRequest{FunctionName: ptr("f")}); err != nil {
		t.Fatal(err)
	}
	if code, _ := get(http.MethodGet, *fresh.Code.Location); code != http.StatusNotFound {
		t.Errorf("of a deleted function: %d", code)
	}
}

// Zip files are shared by those who have the same code, and go with the last.
func TestZipFiles(t *testing.T) {
	st := newStand(t)
	files := func() int {
		n := 0
		if err := st.Blobs.Names(func(string) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	st.create("a", "nodejs20.x", `exports.handler = 1;`)
	st.create("b", "nodejs20.x", `exports.handler = 1;`, func(in *api.CreateFunctionRequest) { in.Publish = ptr(true) })
	if n := files(); n != 1 {
		t.Errorf("%d files for two functions of the same code", n)
	}
	bad := "nodejs20.x"
	_, err := st.createFunction(st.ctx(), &api.CreateFunctionRequest{FunctionName: ptr("a"), Runtime: &bad, Handler: ptr("i.h"),
		Role: ptr("arn:aws:iam::000000000000:role/open"), Code: &api.FunctionCode{ZipFile: zipped(t, map[string]string{"x": "y"})}})
	if aws.CodeOf(err) != "ResourceConflictException" || files() != 1 {
		t.Errorf("%v, %d files", err, files())
	}
	if _, err := st.Blobs.Put(context.Background(), strings.NewReader("of an upload that was cut short"), 100); err != nil {
		t.Fatal(err)
	}
	if err := st.sweep(context.Background()); err != nil || files() != 1 {
		t.Errorf("%v, %d files", err, files())
	}
	for _, name := range []string{"a", "b"} {
		if _, err := st.deleteFunction(st.ctx(), &api.DeleteFunctionRequest{FunctionName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	if n := files(); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

// A function that brings its own bootstrap speaks the HTTP Runtime API.
func TestProvided(t *testing.T) {
	store := filepath.Join(t.TempDir(), "truststore.p12")
	if err := os.WriteFile(store, []byte("roots"), 0o644); err != nil {
		t.Fatal(err)
	}
	st := newStand(t, func(o *Options) {
		o.Trust = TrustFiles{Java: store, JavaOptions: func(path string) string { return path }}
	})
	python := "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Skip("the test's bootstrap needs " + python)
	}
	code := packed(t, entry{"bootstrap", 0o755, "#!" + python + ` -IS
import http.client, os
c = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    c.request("GET", "/2018-06-01/runtime/invocation/next")
    r = c.getresponse(); event = r.read(); id = r.headers["Lambda-Runtime-Aws-Request-Id"]
    print("event", event.decode(), flush=True)
    c.request("POST", "/2018-06-01/runtime/invocation/" + id + "/response", b'{"got":' + event + b',"java":"' + open(os.environ["JAVA_TOOL_OPTIONS"], "rb").read() + b'"}')
    c.getresponse().read()
`})
	st.create("own", "provided.al2023", "", func(in *api.CreateFunctionRequest) {
		in.Handler, in.Code = nil, &api.FunctionCode{ZipFile: code}
	})
	for n := range 2 {
		if answer, _ := st.call("own", fmt.Sprint(n)); answer != fmt.Sprintf(`{"got":%d,"java":"roots"}`, n) {
			t.Error(answer)
		}
	}
	st.logged("event 1\n", 1)
}

// What Attach is given, and that it is undone with the environment.
func TestAttach(t *testing.T) {
	var mu sync.Mutex
	attached, detached := 0, 0
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(bundle, []byte("certificates"), 0o644); err != nil {
		t.Fatal(err)
	}
	st := newStand(t, func(o *Options) {
		o.Endpoint, o.Trust.Bundle = "http://127.0.0.1:4566", bundle
		o.Attach = func(_ context.Context, name string, _ Egress, n Network) (func(), error) {
			l, err := n.Listen("tcp", "127.0.0.1:80")
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			attached++
			go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "tule") }))
			return func() { l.Close(); mu.Lock(); detached++; mu.Unlock() }, nil
		}
	})
	st.create("f", "nodejs20.x", `
		const fs = require("fs");
		exports.handler = async () => [await (await fetch("http://127.0.0.1/")).text(), fs.readFileSync(process.env.SSL_CERT_FILE, "utf8"),
			process.env.AWS_ENDPOINT_URL, fs.readFileSync("/etc/resolv.conf", "utf8")];`)
	if answer, _ := st.call("f", "{}"); answer != `["tule","certificates","http://127.0.0.1:4566","nameserver 127.0.0.1\n"]` {
		t.Error(answer)
	}
	st.stop()
	if attached == 0 || attached != detached {
		t.Errorf("attached %d times, detached %d", attached, detached)
	}
}

// A function's own rules for its events hold.
func TestEventConfig(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = async (e) => { console.log("try"); throw new Error("no"); };`)
	if _, err := st.putEventConfig(st.ctx(), &api.PutFunctionEventInvokeConfigRequest{FunctionName: ptr("f"), MaximumRetryAttempts: ptr(int32(0))}); err != nil {
		t.Fatal(err)
	}
	st.send("f", `{}`)
	until(t, "give up", func() bool { return len(st.queued()) == 0 })
	st.logged("try", 1)
	if _, err := st.putEventConfig(st.ctx(), &api.PutFunctionEventInvokeConfigRequest{FunctionName: ptr("f"), MaximumEventAgeInSeconds: ptr(int32(90))}); err != nil {
		t.Fatal(err)
	}
	st.send("f", `{}`)
	st.logged("try", 2)
	until(t, "wait", func() bool { q := st.queued(); return len(q) == 1 && q[0].Failed == 1 })
	st.clock.advance(time.Minute)
	st.logged("try", 3)
	until(t, "be too old", func() bool { return len(st.queued()) == 0 })
}

// A reset of the state takes environments, zip files and unpacked code along.
func TestReset(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = async () => 1;`)
	st.call("f", "{}")
	if err := store.Reset(context.Background(), st.Store, "", ""); err != nil {
		t.Fatal(err)
	}
	st.clock.advance(time.Minute)
	until(t, "end", func() bool { return len(st.fleet.manned()) == 0 })
	until(t, "sweep", func() bool {
		left, err := filepath.Glob(filepath.Join(st.Dir, "*", "*"))
		n := 0
		if err := st.Blobs.Names(func(string) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
		return err == nil && len(left) == 0 && n == 0
	})
	st.create("f", "nodejs20.x", `exports.handler = async () => 2;`)
	if answer, _ := st.call("f", "{}"); answer != "2" {
		t.Error(answer)
	}
}

// One function's flood takes no room from others' lines, and is written in turns with them.
func TestLogFlood(t *testing.T) {
	s := New(Options{Clock: newMachineClock()})
	flood, other, third := s.logs.stream(ref{name: "flood"}, "role", "group", "one"), s.logs.stream(ref{name: "other"}, "role", "group", "two"), s.logs.stream(ref{name: "third"}, "role", "group", "three")
	fill := func(st *stream) {
		for n := st.dropped; st.dropped == n; {
			st.append(time.UnixMilli(1), strings.Repeat("x", maxMessage))
		}
	}
	fill(flood)
	other.append(time.UnixMilli(2), "a line")
	fill(third)
	again := s.logs.stream(ref{name: "flood"}, "role", "group", "another environment")
	again.append(time.UnixMilli(2), strings.Repeat("x", maxMessage))
	other.append(time.UnixMilli(3), "another line")
	if flood.dropped != 1 || other.dropped != 0 || again.dropped != 1 {
		t.Errorf("%d, %d and %d events were dropped", flood.dropped, other.dropped, again.dropped)
	}
	if a, b := s.logs.sizes[flood.at], s.logs.sizes[third.at]; a > maxPending/2 || b > maxPending/4 || b < maxPending/4-maxMessage-1000 {
		t.Errorf("%d bytes wait of the first flood, %d of the second", a, b)
	}
	if events, dropped := flood.take(); len(events) > maxRound/maxMessage+1 || dropped != 0 || !s.logs.unfinished() {
		t.Errorf("%d events were taken at once, %d dropped", len(events), dropped)
	}
	if events, dropped := other.take(); len(events) != 2 || dropped != 0 {
		t.Errorf("%d events of the other, %d dropped", len(events), dropped)
	}
}
