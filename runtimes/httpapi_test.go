package runtimes

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// An httpRuntime is a bootstrap for provided.al2023 that makes the calls which
// aws-lambda-go and its like make, and the Environment it talks to.
type httpRuntime struct {
	*Environment
	t     *testing.T
	url   string
	clock *aws.ManualClock
	exit  Exit
}

func newHTTPRuntime(t *testing.T) *httpRuntime {
	r := &httpRuntime{t: t, clock: aws.NewManualClock(noon)}
	env, handler := NewHTTP(Config{Runtime: "provided.al2023", Handler: "bootstrap", FunctionName: "fn", Version: "7",
		Clock: r.clock, Sink: func(Line) {}, Random: bytes.NewReader(make([]byte, 1024)),
		Exited: func(context.Context) Exit { return r.exit }})
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		env.Close()
		server.Close()
	})
	r.Environment, r.url = env, server.URL
	return r
}

// call makes one call and returns status, body and headers.
func (r *httpRuntime) call(method, path, body string, headers ...string) (int, string, http.Header) {
	r.t.Helper()
	req := httptest.NewRequest(method, r.url+path, strings.NewReader(body))
	req.RequestURI = "" // a client's
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return r.send(req)
}

func (r *httpRuntime) send(req *http.Request) (int, string, http.Header) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error(), nil
	}
	return resp.StatusCode, string(b), resp.Header
}

const (
	nextPath = "/2018-06-01/runtime/invocation/next"
	accepted = `{"status":"OK"}`
)

func answerPath(id, how string) string { return "/2018-06-01/runtime/invocation/" + id + "/" + how }

// serve is a bootstrap's loop: it answers each event by what do returns.
func (r *httpRuntime) serve(do func(id, event string)) {
	go func() {
		for {
			status, event, h := r.call("GET", nextPath, "")
			if status != http.StatusOK {
				return
			}
			do(h.Get("Lambda-Runtime-Aws-Request-Id"), event)
		}
	}()
}

func (r *httpRuntime) init() {
	r.t.Helper()
	if in, err := r.Init(context.Background()); err != nil || in.Failure != nil {
		r.t.Fatalf("init: %+v %v", in, err)
	}
}

func (r *httpRuntime) invoke(id, payload string) Result {
	r.t.Helper()
	in := event(id)
	in.Payload = []byte(payload)
	res, err := r.Invoke(context.Background(), in)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

func TestHTTPAnswersAndErrors(t *testing.T) {
	r := newHTTPRuntime(t)
	r.serve(func(id, event string) {
		path, body := answerPath(id, "response"), event
		if strings.Contains(event, "fail") {
			path, body = answerPath(id, "error"), `{"errorMessage":"no","errorType":"Mine"}`
		}
		if status, got, _ := r.call("POST", path, body); status != http.StatusAccepted || got != accepted {
			t.Errorf("%s: %d %s", path, status, got)
		}
	})
	r.init()
	for range 3 {
		if res := r.invoke("a", `{"n":1}`); string(res.Payload) != `{"n":1}` || res.FunctionError != "" {
			t.Errorf("got %s %q", res.Payload, res.FunctionError)
		}
	}
	if res := r.invoke("b", `"fail"`); string(res.Payload) != `{"errorMessage":"no","errorType":"Mine"}` || res.FunctionError != Unhandled {
		t.Errorf("got %s %q", res.Payload, res.FunctionError)
	}
	if r.State() != Ready {
		t.Errorf("the state is %v", r.State())
	}
}

func TestHTTPEventHeaders(t *testing.T) {
	r := newHTTPRuntime(t)
	got := make(chan http.Header, 1)
	go func() {
		_, _, h := r.call("GET", nextPath, "")
		got <- h
		r.call("POST", answerPath("a", "response"), "1")
	}()
	r.init()
	in := event("a")
	in.FunctionARN, in.TraceID, in.ClientContext, in.Identity = "arn:f", "Root=1", []byte(`{"c":1}`), []byte(`{"i":1}`)
	if _, err := r.Invoke(context.Background(), in); err != nil {
		t.Fatal(err)
	}
	h := <-got
	for name, want := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id": "a", "Lambda-Runtime-Deadline-Ms": "1772625603000", "Lambda-Runtime-Trace-Id": "Root=1",
		"Lambda-Runtime-Invoked-Function-Arn": "arn:f", "Lambda-Runtime-Client-Context": `{"c":1}`,
		"Lambda-Runtime-Cognito-Identity": `{"i":1}`, "Content-Type": "application/json",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, h.Get(name), want)
		}
	}
}

// Calls out of order get AWS's errors and change nothing.
func TestHTTPOrder(t *testing.T) {
	r := newHTTPRuntime(t)
	refused := func(method, path string, status int, want string) {
		t.Helper()
		if got, body, _ := r.call(method, path, `{"errorMessage":"x"}`); got != status || body != want {
			t.Errorf("%s %s: got %d %s\nwant %d %s", method, path, got, body, status, want)
		}
	}
	const unknownID = `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`
	refused("POST", answerPath("a", "response"), 400, unknownID)
	refused("POST", answerPath("a", "error"), 400, unknownID)
	begun := make(chan string)
	go func() {
		_, _, h := r.call("GET", nextPath, "")
		begun <- h.Get("Lambda-Runtime-Aws-Request-Id")
	}()
	r.init()
	done := make(chan Result)
	go func() {
		res, err := r.Invoke(context.Background(), event("a"))
		if err != nil {
			t.Error(err)
		}
		done <- res
	}()
	if id := <-begun; id != "a" {
		t.Fatalf("got event %q", id)
	}
	refused("GET", nextPath, 403, `{"errorMessage":"State transition from Running to Ready failed for runtime. Error: State transition is not allowed","errorType":"InvalidStateTransition"}`)
	refused("POST", "/2018-06-01/runtime/init/error", 403, `{"errorMessage":"State transition from Running to InitError failed for runtime. Error: State transition is not allowed","errorType":"InvalidStateTransition"}`)
	refused("POST", answerPath("b", "response"), 400, unknownID)
	if status, body, _ := r.call("POST", answerPath("a", "response"), "1"); status != 202 || body != accepted {
		t.Errorf("%d %s", status, body)
	}
	if res := <-done; string(res.Payload) != "1" {
		t.Errorf("got %+v", res)
	}
	refused("POST", answerPath("a", "response"), 400, unknownID)
}

func TestHTTPInitError(t *testing.T) {
	for body, want := range map[string]string{
		`{"errorType":"Mine","errorMessage":"no"}`: `{"errorType":"Mine","errorMessage":"no"}`,
		`not JSON`: `{"errorType":"FromHeader","errorMessage":"not JSON"}`,
	} {
		r := newHTTPRuntime(t)
		go r.call("POST", "/2018-06-01/runtime/init/error", body, headerErrorType, "FromHeader")
		in, err := r.Init(context.Background())
		if err != nil || in.Failure == nil || string(in.Failure.Payload) != want || r.State() != Dead {
			t.Errorf("got %+v %v, %v", in.Failure, err, r.State())
		}
	}
}

func TestHTTPStreaming(t *testing.T) {
	for _, c := range []struct{ name, trailer, want, kind string }{
		{"to its end", "", "first last", ""},
		{"to an error", "eyJlcnJvck1lc3NhZ2UiOiJsYXRlIn0=", `{"errorMessage":"late"}`, Unhandled},
		{"to an error in the clear", `{"errorMessage":"late"}`, `{"errorMessage":"late"}`, Unhandled},
		{"to an error that is none", "late", `{"errorType":"Late","errorMessage":""}`, Unhandled},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHTTPRuntime(t)
			r.serve(func(id, _ string) {
				body, w := io.Pipe()
				req, _ := http.NewRequest("POST", r.url+answerPath(id, "response"), body)
				req.Header.Set(headerResponseMode, "streaming")
				req.Header.Set("Content-Type", "text/plain")
				req.Trailer = http.Header{headerErrorType: nil, headerErrorBody: nil}
				go func() {
					io.WriteString(w, "first ")
					io.WriteString(w, "last")
					if c.trailer != "" {
						req.Trailer.Set(headerErrorType, "Late")
						req.Trailer.Set(headerErrorBody, c.trailer)
					}
					w.Close()
				}()
				if status, got, _ := r.send(req); status != 202 {
					t.Errorf("%d %s", status, got)
				}
			})
			r.init()
			res := r.invoke("a", "{}")
			if string(res.Payload) != c.want || res.FunctionError != c.kind {
				t.Errorf("got %s %q", res.Payload, res.FunctionError)
			}
		})
	}
}

func TestHTTPResponseTooLarge(t *testing.T) {
	r := newHTTPRuntime(t)
	status := make(chan int, 1)
	r.serve(func(id, _ string) {
		s, _, _ := r.call("POST", answerPath(id, "response"), strings.Repeat("x", MaxResponse+1))
		status <- s
	})
	r.init()
	res := r.invoke("a", "{}")
	if !strings.Contains(string(res.Payload), TooLargeErrorType) || res.FunctionError != Unhandled {
		t.Errorf("got %s %q", res.Payload, res.FunctionError)
	}
	if s := <-status; s != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", s)
	}
}

// An error report that is too long is one itself, and is not read before it is known to be due.
func TestHTTPErrorTooLarge(t *testing.T) {
	r := newHTTPRuntime(t)
	status := make(chan int, 2)
	r.serve(func(id, _ string) {
		long := strings.Repeat("x", MaxResponse+1)
		s, _, _ := r.call("POST", "/2018-06-01/runtime/init/error", long)
		status <- s
		s, _, _ = r.call("POST", answerPath(id, "error"), long)
		status <- s
	})
	r.init()
	if res := r.invoke("a", "{}"); !strings.Contains(string(res.Payload), TooLargeErrorType) || res.FunctionError != Unhandled {
		t.Errorf("got %s %q", res.Payload, res.FunctionError)
	}
	if first, second := <-status, <-status; first != http.StatusForbidden || second != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d and %d", first, second)
	}
}

func TestHTTPProcessEnds(t *testing.T) {
	r := newHTTPRuntime(t)
	r.exit = Exit{Code: 9}
	r.serve(func(string, string) { r.ProcessEnded() })
	r.init()
	res := r.invoke("a", "{}")
	if want := `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: a Error: Runtime exited with error: exit status 9"}`; string(res.Payload) != want {
		t.Errorf("got %s", res.Payload)
	}
	early := newHTTPRuntime(t)
	early.ProcessEnded()
	if in, err := early.Init(context.Background()); err != nil || in.Failure == nil {
		t.Errorf("%+v %v", in, err)
	}
}

func TestHTTPTimeout(t *testing.T) {
	r := newHTTPRuntime(t)
	r.serve(func(string, string) { r.clock.Advance(3 * time.Second) })
	r.init()
	if res := r.invoke("a", "{}"); res.ErrorType != TimeoutErrorType {
		t.Errorf("got %+v", res)
	}
}

// A response may fail on its way also where nobody said that it would be a stream.
func TestHTTPTrailers(t *testing.T) {
	for _, mode := range []string{"", "streaming", "sideways"} {
		r := newHTTPRuntime(t)
		r.serve(func(id, _ string) {
			req, _ := http.NewRequest("POST", r.url+answerPath(id, "response"), io.MultiReader(strings.NewReader("first")))
			if mode != "" {
				req.Header.Set(headerResponseMode, mode)
			}
			req.Trailer = http.Header{headerErrorType: {"Late"}, headerErrorBody: {"eyJlcnJvck1lc3NhZ2UiOiJsYXRlIn0="}}
			status, body, _ := r.send(req)
			if want := map[bool]int{true: 400, false: 202}[mode == "sideways"]; status != want {
				t.Errorf("%d %s", status, body)
			}
		})
		r.init()
		want := `{"errorMessage":"late"}`
		if mode == "sideways" {
			want = `{"errorType":"Runtime.InvalidResponseModeHeader","errorMessage":""}`
		}
		if res := r.invoke("a", "{}"); string(res.Payload) != want || res.FunctionError != Unhandled {
			t.Errorf("%q: got %s %q", mode, res.Payload, res.FunctionError)
		}
	}
}

func TestHTTPErrorCause(t *testing.T) {
	r := newHTTPRuntime(t)
	r.serve(func(id, _ string) {
		r.call("POST", answerPath(id, "error"), `{"errorMessage":"m","errorType":"T","stackTrace":["a"],"errorCause":{"x":1}}`, "Content-Type", errorCauseType)
	})
	r.init()
	if res := r.invoke("a", "{}"); string(res.Payload) != `{"errorMessage":"m","errorType":"T","stackTrace":["a"]}` {
		t.Errorf("got %s", res.Payload)
	}
}

// Of clients that answer at the same time, one is heard, and the others are refused.
func TestHTTPAnswersTwice(t *testing.T) {
	r := newHTTPRuntime(t)
	const clients = 8
	statuses := make(chan int, clients)
	r.serve(func(id, _ string) {
		for i := range clients {
			go func() {
				status, _, _ := r.call("POST", answerPath(id, []string{"response", "error"}[i%2]), `{"errorMessage":"m"}`)
				statuses <- status
			}()
		}
		for range clients / 2 {
			r.call("POST", answerPath("another", "response"), "1")
		}
	})
	r.init()
	if res := r.invoke("a", "{}"); !strings.Contains(string(res.Payload), "m") {
		t.Errorf("got %s", res.Payload)
	}
	heard := 0
	for range clients {
		switch status := <-statuses; status {
		case 202:
			heard++
		case 400, 403:
		default:
			t.Errorf("status %d", status)
		}
	}
	if heard != 1 {
		t.Errorf("%d were heard", heard)
	}
}

// A client that promises a body and goes away ends its invoke, not the conversation.
func TestHTTPBrokenOff(t *testing.T) {
	r := newHTTPRuntime(t)
	n := 0
	r.serve(func(id, _ string) {
		if n++; n > 1 {
			r.call("POST", answerPath(id, "response"), "2")
			return
		}
		c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(c, "POST "+answerPath(id, "response")+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Error(err)
		}
		io.Copy(io.Discard, c) // until it was noticed: only then is the next event asked for
		c.Close()
	})
	r.init()
	if res := r.invoke("a", "{}"); !strings.Contains(string(res.Payload), "Runtime.TruncatedResponse") {
		t.Errorf("got %s", res.Payload)
	}
	if res := r.invoke("b", "{}"); string(res.Payload) != "2" {
		t.Errorf("got %s", res.Payload)
	}
}
