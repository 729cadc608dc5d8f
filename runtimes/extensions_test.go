package runtimes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

const (
	registerPath = "/2020-01-01/extension/register"
	eventPath    = "/2020-01-01/extension/event/next"
)

// A counter is Random that never says the same twice.
type counter struct{ n byte }

func (c *counter) Read(b []byte) (int, error) {
	c.n++
	for i := range b {
		b[i] = c.n
	}
	return len(b), nil
}

// A beside is a provided runtime with extensions around it.
type beside struct {
	*httpRuntime
	x  *Extensions
	mu sync.Mutex
	// what the platform logged of extensions
	logged []string
}

func newBeside(t *testing.T, dial dialer, external ...string) *beside {
	b := &beside{httpRuntime: &httpRuntime{t: t, clock: aws.NewManualClock(noon)}}
	b.x = NewExtensions(ExtensionsConfig{FunctionName: "fn", Version: "7", Handler: "bootstrap", AccountID: "000000000000",
		MemoryMB: 128, Clock: b.clock, Random: &counter{}, Dial: dial, Log: func(s string) {
			b.mu.Lock()
			b.logged = append(b.logged, s)
			b.mu.Unlock()
		}})
	b.x.Expect(external...)
	env, handler := NewHTTP(Config{Runtime: "provided.al2023", Handler: "bootstrap", FunctionName: "fn", Version: "7",
		Clock: b.clock, Sink: func(l Line) { b.x.FunctionLog(l.Text) }, Extensions: b.x, InitID: "i", Cause: "i",
		Exited: func(context.Context) Exit { return b.exit }})
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		env.Close()
		b.x.telemetry.stop()
		server.CloseClientConnections()
		server.Close()
	})
	b.Environment, b.url = env, server.URL
	return b
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (b *beside) lines() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.logged, "\n")
}

// register registers an extension and gives its identifier.
func (b *beside) register(name, events string) string {
	b.t.Helper()
	status, body, h := b.call("POST", registerPath, `{"events":[`+events+`]}`, headerExtensionName, name)
	if status != 200 || body != `{"functionName":"fn","functionVersion":"7","handler":"bootstrap"}` {
		b.t.Fatalf("%s: %d %s", name, status, body)
	}
	return h.Get(headerExtensionID)
}

// attend asks for events until there are none, and passes them on.
func (b *beside) attend(id string) <-chan map[string]any {
	events := make(chan map[string]any)
	go func() {
		defer close(events)
		for {
			status, body, _ := b.call("GET", eventPath, "", headerExtensionID, id)
			if status != 200 {
				return
			}
			var e map[string]any
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				b.t.Error(err)
			}
			events <- e
		}
	}()
	return events
}

// refused makes a call that is refused, and checks how.
func (b *beside) refused(method, path, body, kind, text string, headers ...string) {
	b.t.Helper()
	status, got, _ := b.call(method, path, body, headers...)
	want := string(encode(apiError{text, kind}))
	if status != 403 || got != want {
		b.t.Errorf("%s %s %s: got %d %s\nwant %s", method, path, body, status, got, want)
	}
}

func TestExtensionRegister(t *testing.T) {
	b := newBeside(t, nil, "outer")
	b.refused("POST", registerPath, `{"events":["INVOKE"]}`, "Extension.InvalidExtensionName", "Empty extension name")
	b.refused("POST", registerPath, `{`, "InvalidRequestFormat", "unexpected end of JSON input", headerExtensionName, "x")
	b.refused("POST", registerPath, `{"configurationKeys":["a"]}`, "InvalidRequestFormat",
		"configurationKeys are deprecated; use environment variables instead", headerExtensionName, "x")
	b.refused("POST", registerPath, `{"events":["LUNCH"]}`, "Extension.InvalidEventType", "LUNCH: ErrorInvalidEventType", headerExtensionName, "x")
	b.refused("POST", registerPath, `{"events":["SHUTDOWN"]}`, "Extension.InvalidEventType",
		"SHUTDOWN: ShutdownEventNotSupportedForInternalExtension", headerExtensionName, "inner")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.x.Registered(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("all are registered before the first is: %v", err)
	}
	outer := b.register("outer", `"INVOKE","SHUTDOWN","INVOKE"`)
	if err := b.x.Registered(t.Context()); err != nil {
		t.Error(err)
	}
	b.refused("POST", registerPath, `{"events":[]}`, "Extension.InvalidExtensionState",
		"State transition from Registered to Registered failed for extension outer. Error: State transition is not allowed", headerExtensionName, "outer")
	inner := b.register("inner", `"INVOKE"`)
	b.refused("POST", registerPath, `{"events":[]}`, "Extension.InvalidExtensionState", "Extension with this name already registered", headerExtensionName, "inner")
	status, body, _ := b.call("POST", registerPath, `{"events":[]}`, headerExtensionName, "third", headerExtensionFeature, "other, accountId")
	if status != 200 || !strings.Contains(body, `"accountId":"000000000000"`) {
		t.Errorf("got %d %s", status, body)
	}
	for i := range maxExtensions - 3 {
		b.register("more"+itoa(i), "")
	}
	b.refused("POST", registerPath, `{}`, "Extension.TooManyExtensions", "Extension limit (10) reached", headerExtensionName, "toomany")
	b.refused("GET", eventPath, "", "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
	b.refused("GET", eventPath, "", "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier", headerExtensionID, "me")
	const nobody = "00000000-0000-4000-8000-000000000000"
	b.refused("GET", eventPath, "", "Extension.UnknownExtensionIdentifier", "Unknown extension "+nobody, headerExtensionID, nobody)
	b.refused("POST", "/2020-01-01/extension/init/error", "{}", "Extension.MissingHeader", headerExtensionError+" not found", headerExtensionID, outer)
	if outer == inner || !uuidPattern.MatchString(outer) {
		t.Errorf("identifiers %q and %q", outer, inner)
	}
}

// Neither the init nor an invoke is over before all extensions have asked for the next event.
func TestExtensionPhases(t *testing.T) {
	b := newBeside(t, nil, "outer")
	outer, inner := b.register("outer", `"INVOKE","SHUTDOWN"`), b.register("inner", `"INVOKE"`)
	idle := b.register("idle", ``)
	b.serve(func(id, _ string) { b.call("POST", answerPath(id, "response"), "1") })
	began := make(chan error, 1)
	go func() {
		_, err := b.Init(context.Background())
		began <- err
	}()
	toOuter, _ := b.attend(outer), b.attend(idle)
	select {
	case err := <-began:
		t.Fatal("the init is over without the inner one", err)
	case <-time.After(20 * time.Millisecond):
	}
	toInner := b.attend(inner)
	if err := <-began; err != nil {
		t.Fatal(err)
	}
	want := "EXTENSION\tName: outer\tState: Ready\tEvents: [INVOKE,SHUTDOWN]\nEXTENSION\tName: inner\tState: Ready\tEvents: [INVOKE]\nEXTENSION\tName: idle\tState: Ready\tEvents: []"
	if got := b.lines(); got != want {
		t.Errorf("logged %s", got)
	}
	b.refused("POST", registerPath, `{}`, "Extension.RegistrationClosed", "Extension registration closed already", headerExtensionName, "late")
	in := event("a")
	in.FunctionARN, in.TraceID = "arn:f", "Root=1"
	if res, err := b.Invoke(t.Context(), in); err != nil || string(res.Payload) != "1" {
		t.Fatalf("%+v %v", res, err)
	}
	if b.Settled() {
		t.Error("settled with two extensions at work")
	}
	settled := make(chan *Result, 1)
	go func() {
		wrong, _ := b.Settle(t.Context(), in)
		settled <- wrong
	}()
	got := <-toOuter
	if got["eventType"] != "INVOKE" || got["requestId"] != "a" || got["invokedFunctionArn"] != "arn:f" || got["deadlineMs"] != 1772625603000.0 ||
		got["tracing"].(map[string]any)["value"] != "Root=1" {
		t.Errorf("the event is %v", got)
	}
	select {
	case <-settled:
		t.Error("over without the inner one")
	case <-time.After(20 * time.Millisecond):
	}
	<-toInner
	if wrong := <-settled; wrong != nil || b.State() != Ready {
		t.Errorf("%+v, %v", wrong, b.State())
	}
	b.shutdown(toOuter)
}

// shutdown ends the environment; the external extension hears it and ends.
func (b *beside) shutdown(outer <-chan map[string]any) {
	b.t.Helper()
	asked, over := make(chan bool, 1), make(chan bool)
	go func() {
		b.x.Shutdown(Failed, func() { asked <- true }, closed())
		close(over)
	}()
	if e := <-outer; e["eventType"] != "SHUTDOWN" || e["shutdownReason"] != "failure" || e["deadlineMs"] != float64(b.clock.Now().UnixMilli()+2000) {
		b.t.Errorf("the last event is %v", e)
	}
	b.x.ExternalEnded("outer", Exit{})
	<-over
	if !<-asked {
		b.t.Error("the runtime was not asked to end")
	}
	if b.x.Failure("a") != nil {
		b.t.Error("an extension that ends in time has failed")
	}
}

// An extension that does not come back makes the invoke time out, after its answer.
func TestExtensionTooLong(t *testing.T) {
	b := newBeside(t, nil, "outer")
	id := b.register("outer", `"INVOKE"`)
	events := b.attend(id)
	b.serve(func(id, _ string) { b.call("POST", answerPath(id, "response"), "1") })
	b.init()
	in := event("a")
	if res, err := b.Invoke(t.Context(), in); err != nil || res.FunctionError != "" {
		t.Fatalf("%+v %v", res, err)
	}
	done := make(chan *Result, 1)
	go func() {
		wrong, _ := b.Settle(t.Context(), in)
		done <- wrong
	}()
	for {
		b.clock.Advance(time.Second)
		select {
		case wrong := <-done:
			if wrong == nil || wrong.ErrorType != TimeoutErrorType || b.State() != Dead {
				t.Errorf("%+v, %v", wrong, b.State())
			}
			<-events
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func TestExtensionFailures(t *testing.T) {
	fails := map[string]func(b *beside, id string){
		`{"errorType":"Extension.Crash","errorMessage":"RequestId: i Error: exit status 2"}`: func(b *beside, id string) {
			b.x.ExternalEnded("outer", Exit{Code: 2})
		},
		`{"errorType":"Extension.InitError","errorMessage":"RequestId: i Error: exit code 0"}`: func(b *beside, id string) {
			if status, _, _ := b.call("POST", "/2020-01-01/extension/init/error", `{}`, headerExtensionID, id, headerExtensionError, "Extension.NoConfig"); status != 202 {
				b.t.Error(status)
			}
			b.x.ExternalEnded("outer", Exit{Code: 1})
		},
		`{"errorType":"Extension.ExitError","errorMessage":"RequestId: i Error: exit code 0"}`: func(b *beside, id string) {
			b.call("POST", "/2020-01-01/extension/exit/error", `{}`, headerExtensionID, id, headerExtensionError, "Extension.Bored")
		},
		`{"errorType":"Extension.LaunchError","errorMessage":"RequestId: i Error: fork/exec /opt/extensions/outer: permission denied"}`: func(b *beside, id string) {
			b.x.LaunchFailed("outer", errors.New("permission denied"))
		},
	}
	for want, fail := range fails {
		b := newBeside(t, nil, "outer")
		id := b.register("outer", `"INVOKE"`)
		go func() {
			b.call("GET", nextPath, "")
		}()
		go fail(b, id)
		in, err := b.Init(t.Context())
		if err != nil || in.Failure == nil || string(in.Failure.Payload) != want || b.State() != Dead {
			t.Errorf("got %+v %v\nwant %s", in.Failure, err, want)
		}
	}
}

// An extension that ends in the middle of an invoke is the invoke's failure.
func TestExtensionCrashInInvoke(t *testing.T) {
	b := newBeside(t, nil, "outer")
	events := b.attend(b.register("outer", `"INVOKE"`))
	b.serve(func(string, string) {})
	b.init()
	go func() {
		<-events
		b.x.ExternalEnded("outer", Exit{Signal: "killed"})
	}()
	res, err := b.Invoke(t.Context(), event("a"))
	if want := `{"errorType":"Extension.Crash","errorMessage":"RequestId: a Error: signal: killed"}`; err != nil || string(res.Payload) != want || b.State() != Dead {
		t.Errorf("%s %v %v", res.Payload, err, b.State())
	}
	if !strings.Contains(b.lines(), "RequestId: a Error: signal: killed\nExtension.Crash") {
		t.Errorf("logged %s", b.lines())
	}
}

// The time to end is bounded, whatever extensions do.
func TestExtensionShutdownLimits(t *testing.T) {
	for _, c := range []struct {
		external, internal bool
		limit              time.Duration
	}{{true, true, 2 * time.Second}, {false, true, 500 * time.Millisecond}, {false, false, 0}} {
		var names []string
		if c.external {
			names = []string{"outer"}
		}
		b := newBeside(t, nil, names...)
		if c.external {
			b.attend(b.register("outer", `"SHUTDOWN"`))
		}
		if c.internal {
			b.register("inner", `"INVOKE"`)
		}
		begun, over := b.clock.Now(), make(chan struct{})
		go func() {
			b.x.Shutdown(Spindown, func() {}, nil)
			close(over)
		}()
		for done := false; !done; {
			select {
			case <-over:
				done = true
			case <-time.After(time.Millisecond):
				b.clock.Advance(50 * time.Millisecond)
			}
		}
		if took := b.clock.Now().Sub(begun); took < c.limit || took > c.limit+200*time.Millisecond {
			t.Errorf("%+v: took %v", c, took)
		}
	}
}

// What strangers say is read without harm, and answered in JSON.
func FuzzExtensionCalls(f *testing.F) {
	f.Add("POST", registerPath, "x", "", `{"events":["INVOKE"]}`)
	f.Add("GET", eventPath, "", "00000000-0000-4000-8000-000000000000", "")
	f.Add("PUT", "/2022-07-01/telemetry", "", "01010101-0101-4101-8101-010101010101", goodSubscription)
	f.Add("POST", "/2018-06-01/runtime/init/error", "", "", "\xff")
	f.Add("POST", "/2018-06-01/runtime/invocation/a/response", "", "", "1")
	f.Fuzz(func(t *testing.T, method, path, name, id, body string) {
		if !slices.Contains([]string{"GET", "POST", "PUT", "DELETE"}, method) || !strings.HasPrefix(path, "/") {
			t.Skip()
		}
		x := NewExtensions(ExtensionsConfig{Clock: aws.NewManualClock(noon), Random: &counter{}})
		defer x.Shutdown(Spindown, func() {}, closed())
		x.Expect("x")
		env, handler := NewHTTP(Config{Runtime: "provided", Handler: "h", Clock: aws.NewManualClock(noon), Sink: func(Line) {}, Extensions: x})
		env.Close()
		_, _ = x.register("known", nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req, err := http.NewRequestWithContext(ctx, method, "http://localhost/", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Skip()
		}
		req.URL.Path = path
		req.Header[headerExtensionName], req.Header[headerExtensionID] = []string{name}, []string{id}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		if w.Header().Get("Content-Type") == "application/json" && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// Extensions have the function's variables without the runtime's own.
func TestExtensionEnvironment(t *testing.T) {
	e := Environ{Runtime: "python3.12", Handler: "h", FunctionName: "fn", Version: "7", Region: "r", MemoryMB: 128, LogGroup: "g", LogStream: "s",
		AccessKeyID: "k", SecretKey: "s", SessionToken: "t", RuntimeAPI: "127.0.0.1:9001",
		User: map[string]string{"COLOUR": "blue", "_X": "1", "NODE_PATH": "/opt/mine"}}
	got := strings.Join(e.ExtensionList(), "\n") + "\n"
	for _, has := range []string{"AWS_LAMBDA_FUNCTION_NAME=fn\n", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001\n", "AWS_SESSION_TOKEN=t\n", "COLOUR=blue\n", "NODE_PATH=/opt/mine\n"} {
		if !strings.Contains(got, has) {
			t.Errorf("no %s in\n%s", has, got)
		}
	}
	for _, not := range []string{"_HANDLER=", "_X=", "LAMBDA_TASK_ROOT=", "AWS_LAMBDA_LOG_GROUP_NAME=", "AWS_EXECUTION_ENV=", "PYTHONPATH="} {
		if strings.Contains(got, not) {
			t.Errorf("%s in\n%s", not, got)
		}
	}
}
