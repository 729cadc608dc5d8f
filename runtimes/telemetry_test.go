package runtimes

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

type dialer = func(int) (net.Conn, error)

const goodSubscription = `{"schemaVersion":"2022-12-13","types":["platform","function","extension"],
	"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25},"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080/in?x=1"}}`

// A telemetryRecord is an event as a subscriber reads it.
type telemetryRecord struct {
	Time, Type string
	Record     json.RawMessage
}

// receiver is a subscriber's server, and how to reach it: by port 8080.
func receiver(t *testing.T, handle http.HandlerFunc) dialer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handle}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return func(port int) (net.Conn, error) {
		if port != 8080 {
			t.Errorf("dials port %d", port)
		}
		return net.Dial("tcp", l.Addr().String())
	}
}

// until moves the clock until something comes.
func until[T any](t *testing.T, b *beside, c <-chan T) T {
	t.Helper()
	give := time.After(10 * time.Second)
	for {
		select {
		case v := <-c:
			return v
		case <-time.After(time.Millisecond):
			b.clock.Advance(30 * time.Millisecond)
		case <-give:
			t.Fatal("nothing came")
		}
	}
}

func TestTelemetryHTTP(t *testing.T) {
	events := make(chan telemetryRecord, 100)
	b := newBeside(t, receiver(t, func(w http.ResponseWriter, r *http.Request) {
		var list []telemetryRecord
		if err := json.NewDecoder(r.Body).Decode(&list); err != nil || r.Method != "POST" || r.RequestURI != "/in?x=1" || r.Host != "sandbox.localdomain:8080" {
			t.Error(err, r.Method, r.RequestURI, r.Host)
		}
		for _, e := range list {
			events <- e
		}
	}), "outer")
	id := b.register("outer", `"INVOKE"`)
	for range 2 { // once is enough
		if status, body, _ := b.call("PUT", "/2022-07-01/telemetry", goodSubscription, headerExtensionID, id); status != 200 || body != `"OK"` {
			t.Fatal(status, body)
		}
	}
	b.attend(id)
	b.serve(func(id, _ string) { b.call("POST", answerPath(id, "response"), "123") })
	b.init()
	b.invoke("a", "{}")
	b.x.FunctionLog("hello")
	b.x.ExtensionLog("aside")
	b.x.Report(Report{RequestID: "a", Duration: 1500 * time.Microsecond, Init: time.Millisecond, MemoryMB: 128, UsedMB: 40})
	for _, want := range []telemetryRecord{
		{Type: "platform.initStart", Record: json.RawMessage(`{"initializationType":"on-demand","phase":"init","functionName":"fn","functionVersion":"7","instanceMaxMemory":128}`)},
		{Type: "platform.telemetrySubscription", Record: json.RawMessage(`{"name":"outer","state":"Subscribed","types":["platform","function","extension"]}`)},
		{Type: "platform.telemetrySubscription", Record: json.RawMessage(`{"name":"outer","state":"Subscribed","types":["platform","function","extension"]}`)},
		{Type: "platform.initRuntimeDone", Record: json.RawMessage(`{"initializationType":"on-demand","phase":"init","status":"success"}`)},
		{Type: "platform.extension", Record: json.RawMessage(`{"name":"outer","state":"Ready","events":["INVOKE"]}`)},
		{Type: "platform.initReport", Record: json.RawMessage(`{"initializationType":"on-demand","phase":"init","metrics":{"durationMs":0},"status":"success"}`)},
		{Type: "platform.start", Record: json.RawMessage(`{"requestId":"a","version":"7"}`)},
		{Type: "platform.runtimeDone", Record: json.RawMessage(`{"requestId":"a","status":"success","metrics":{"durationMs":0,"producedBytes":3}}`)},
		{Type: "function", Record: json.RawMessage(`"hello"`)},
		{Type: "extension", Record: json.RawMessage(`"aside"`)},
		{Type: "platform.report", Record: json.RawMessage(`{"requestId":"a","status":"success","metrics":{"durationMs":1.5,"billedDurationMs":3,"memorySizeMB":128,"maxMemoryUsedMB":40,"initDurationMs":1}}`)},
	} {
		got := until(t, b, events)
		if got.Type != want.Type || string(got.Record) != string(want.Record) {
			t.Errorf("got %s %s\nwant %s %s", got.Type, got.Record, want.Type, want.Record)
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", got.Time); err != nil {
			t.Error(err)
		}
	}
	b.refused("PUT", "/2022-07-01/telemetry", goodSubscription, "Telemetry.SubscriptionClosed", "Telemetry API subscription is closed", headerExtensionID, id)
	if !strings.Contains(b.lines(), "TELEMETRY\tName: outer\tState: Subscribed\tTypes: [platform,function,extension]") {
		t.Errorf("logged %s", b.lines())
	}
}

func TestLogsTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lines := make(chan string, 100)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for s := bufio.NewScanner(c); s.Scan(); {
			lines <- s.Text()
		}
	}()
	b := newBeside(t, func(int) (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
	id := b.register("inner", ``)
	status, body, _ := b.call("PUT", "/2020-08-15/logs", `{"types":["platform"],"destination":{"protocol":"TCP","port":8080}}`, headerExtensionID, id)
	if status != 200 {
		t.Fatal(status, body)
	}
	b.refused("PUT", "/2022-07-01/telemetry", goodSubscription, "Telemetry.AlreadySubscribed", "The extension has subscribed by another API", headerExtensionID, id)
	b.attend(id)
	b.serve(func(id, _ string) { b.call("POST", answerPath(id, "response"), "1") })
	b.init()
	b.invoke("a", "{}")
	b.x.FunctionLog("not asked for")
	b.x.Report(Report{RequestID: "a", ErrorType: "Runtime.ExitError"})
	for _, want := range []string{"platform.logsSubscription", "platform.extension", "platform.start", "platform.end", "platform.fault", "platform.report"} {
		got := until(t, b, lines)
		if !strings.Contains(got, `"type":"`+want+`"`) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A subscriber that fails gets the batch again; one that never takes any costs no memory.
func TestTelemetrySlowSubscriber(t *testing.T) {
	calls := make(chan string, 100)
	n := 0
	b := newBeside(t, receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if n++; n < 3 {
			w.WriteHeader(500)
		}
		calls <- string(body)
	}), "outer")
	id := b.register("outer", ``)
	b.call("PUT", "/2022-07-01/telemetry", goodSubscription, headerExtensionID, id)
	first := until(t, b, calls)
	for range 3000 { // the buffer holds 1000
		b.x.FunctionLog("0123456789")
	}
	for range 2 {
		if again := until(t, b, calls); again != first {
			t.Errorf("got %q again as %q", first, again)
		}
	}
	next := until(t, b, calls)
	if c := strings.Count(next, `"function"`); c != 1000 || !strings.Contains(next, `"droppedRecords":2000,"droppedBytes":`) {
		t.Errorf("%d events, ends in %s", c, next[max(0, len(next)-200):])
	}
}

func TestSubscriptionsRefused(t *testing.T) {
	b := newBeside(t, func(int) (net.Conn, error) { return nil, io.EOF }, "outer")
	id := b.register("outer", ``)
	for body, want := range map[string]string{
		`{"schemaVersion":"2022-07-01","types":[],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain"}}`:                                  "types should not be empty; URI port is not provided",
		`{"types":["x"],"destination":{"protocol":"UDP"}}`:                                                                                                "schemaVersion is not supported; types has an unknown value; protocol should be HTTP or TCP",
		`{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://169.254.169.254:80/"}}`:                        "URI host should be sandbox.localdomain",
		`{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"https://sandbox.localdomain:1/"}}`:                    "URI is not valid",
		`{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"TCP","port":9001}}`:                                                "port is not valid",
		`{"schemaVersion":"2022-07-01","types":["platform"],"buffering":{"timeoutMs":1},"destination":{"protocol":"TCP","port":1}}`:                       "buffering.timeoutMs should be between 25 and 30000",
		`{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox:1/","method":"GET","encoding":"XML"}}`: "method should be POST or PUT; encoding should be JSON",
	} {
		status, got, _ := b.call("PUT", "/2022-07-01/telemetry", body, headerExtensionID, id)
		if w := string(encode(apiError{want, "ValidationError"})); status != 400 || got != w {
			t.Errorf("%s\ngot %d %s\nwant %s", body, status, got, w)
		}
	}
	if status, got, _ := b.call("PUT", "/2020-08-15/logs", `{`, headerExtensionID, id); status != 400 || !strings.Contains(got, "Logs.ValidationError") {
		t.Error(status, got)
	}
	b.refused("PUT", "/2022-07-01/telemetry", goodSubscription, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
}

// Whatever is asked for, what is granted is within bounds.
func FuzzSubscription(f *testing.F) {
	f.Add(goodSubscription, false)
	f.Add(`{"types":["platform"],"destination":{"protocol":"TCP","port":1}}`, true)
	f.Add(`{"schemaVersion":"2022-07-01","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox:1"}}`, false)
	f.Fuzz(func(t *testing.T, body string, logs bool) {
		s, wrong := parseSubscription([]byte(body), logs)
		if len(wrong) > 0 {
			return
		}
		if s.api == 0 || s.port < 1 || s.port > 65535 || s.port == reservedPort || len(s.types) == 0 || len(s.types) > 3 ||
			s.maxItems < 1000 || s.maxBytes < 256<<10 || s.maxBytes > 1<<20 || s.maxWait < 25*time.Millisecond || s.path != "" && s.method == "" {
			t.Errorf("%s: %+v", body, s)
		}
	})
}
