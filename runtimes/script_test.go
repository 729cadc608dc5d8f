package runtimes

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs functions on the interpreters of this machine:
//
//	start runtime=nodejs4.3 handler=index.handler [env=(K=V,…)]
//	-- index.js --
//	… (or "same", for the files of the start before)
//	----
//	what initialisation logged and said
//
//	invoke [id=…] [timeout=300ms] [client=…] [identity=…]
//	event
//	----
//	what the invoke logged and answered
//
// A script whose interpreter is not there is skipped.
func TestScripts(t *testing.T) { runScripts(t, CommandOptions{}) }

// TestScriptsWaiting runs the same functions in processes that were started before it
// was known for which: nobody can tell the difference.
func TestScriptsWaiting(t *testing.T) { runScripts(t, CommandOptions{Waiting: true}) }

// TestScriptsLibrary is TestScriptsWaiting with the library's modules got ready.
func TestScriptsLibrary(t *testing.T) {
	runScripts(t, CommandOptions{Waiting: true, Library: true})
}

// TestScriptsSDK is TestScriptsWaiting with the SDK got ready.
func TestScriptsSDK(t *testing.T) { runScripts(t, CommandOptions{Waiting: true, SDK: true}) }

func runScripts(t *testing.T, opt CommandOptions) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		if (opt.SDK || opt.Library) && !strings.Contains(path, "python") || opt.Waiting && strings.Contains(path, "dotnet_errors") {
			return // there it makes no difference
		}
		if opt.Waiting && strings.Contains(path, "java_") {
			return // what these try comes after the waiting
		}
		s := &script{opt: opt}
		t.Cleanup(func() { s.stop() })
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "start":
				return s.start(t, d)
			case "invoke":
				return s.invoke(t, d)
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

type script struct {
	p    *process
	task string
	boot string
	same string // the input of the last start, for the next if it says so
	opt  CommandOptions
}

func (s *script) stop() {
	if s.p != nil {
		s.p.kill()
		s.p = nil
	}
}

func (s *script) start(t *testing.T, d *datadriven.TestData) string {
	s.stop()
	var runtime, handler string
	d.ScanArgs(t, "runtime", &runtime)
	d.ScanArgs(t, "handler", &handler)
	handler = strings.ReplaceAll(handler, "%20", " ")
	user := map[string]string{}
	for _, arg := range d.CmdArgs {
		if arg.Key == "env" {
			for _, v := range arg.Vals {
				name, value, _ := strings.Cut(v, "=")
				user[name] = value
			}
		}
	}
	if d.Input == "same" {
		d.Input = s.same
	}
	s.same = d.Input
	files := archive(d.Input + "\n")
	set := interpreters(t)
	if strings.HasPrefix(runtime, "dotnet") {
		set = onMono(t)
	}
	if c, err := set.Command(runtime, CommandOptions{Unmounted: true}); err == nil {
		s.boot = c.RuntimeRoot
	} else if errors.Is(err, ErrUnsupportedRuntime) {
		t.Skip(err)
	}
	if strings.HasPrefix(runtime, "java") {
		files = compiled(t, files)
	}
	s.task = function(t, files)
	csharp(t, s.task)
	for name, value := range user {
		user[name] = strings.ReplaceAll(value, "$TASK", s.task)
	}
	opt := s.opt
	opt.Waiting = opt.Waiting && Waits(runtime, user)
	opt.Wrapper = user["AWS_LAMBDA_EXEC_WRAPPER"]
	s.p = launch(t, set, Config{Runtime: runtime, Handler: handler, TaskRoot: s.task}, user, opt)
	in, err := s.p.Init(context.Background())
	if err != nil {
		return s.lines() + "error: " + err.Error() + "\n"
	}
	if in.Failure != nil {
		return s.lines() + s.outcome(*in.Failure)
	}
	return s.lines() + "ready\n"
}

func (s *script) invoke(t *testing.T, d *datadriven.TestData) string {
	in := Invocation{RequestID: "id-1", Payload: []byte(d.Input), Timeout: 20 * time.Second, FunctionARN: "arn:aws:lambda:eu-west-1:000000000000:function:fn"}
	if len(in.Payload) == 0 {
		in.Payload = []byte("{}")
	}
	for _, arg := range d.CmdArgs {
		value := strings.Join(arg.Vals, ",")
		switch arg.Key {
		case "id":
			in.RequestID = value
		case "timeout":
			limit, err := time.ParseDuration(value)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			in.Timeout = limit
		case "client":
			in.ClientContext = []byte(`{"client":{"app_title":"` + value + `"},"custom":{"a":1},"env":{"b":2}}`)
		case "identity":
			in.Identity = []byte(`{"cognitoIdentityId":"` + value + `","cognitoIdentityPoolId":"pool"}`)
		case "trace":
			in.TraceID = value
		default:
			d.Fatalf(t, "unknown argument %q", arg.Key)
		}
	}
	in.Deadline = time.Now().Add(in.Timeout)
	r, err := s.p.Invoke(context.Background(), in)
	if err != nil {
		return s.lines() + "error: " + err.Error() + "\n"
	}
	out := s.lines() + s.outcome(r)
	if s.p.State() == Dead {
		out += "dead\n"
	}
	return out
}

// lines is what was logged since the last time: the request, then the text, whose
// further lines are indented.
func (s *script) lines() string {
	var b strings.Builder
	for _, l := range s.p.drain() {
		fmt.Fprintf(&b, "[%s] %s\n", l.RequestID, strings.ReplaceAll(s.mask(l.Text), "\n", "\n  "))
	}
	return b.String()
}

func (s *script) outcome(r Result) string {
	kind := r.FunctionError
	if kind == "" {
		kind = "ok"
	}
	if r.ContentType != "" {
		kind += " " + r.ContentType
	}
	return kind + ": " + s.mask(string(r.Payload)) + "\n"
}

// archive reads "-- name --" and the text below it, again and again.
func archive(text string) map[string]string {
	files := map[string]string{}
	var name string
	for line := range strings.Lines(text) {
		if s, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(s, " --\n") {
			name = strings.TrimSuffix(s, " --\n")
			files[name] = ""
		} else {
			files[name] += line
		}
	}
	return files
}

// masks takes out what differs from run to run and from machine to machine.
var masks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`), "<time>"},
	{regexp.MustCompile(`\n {4}at [^\n"]*node:internal[^\n"]*`), ""},
	{regexp.MustCompile(`"(?: {4}at )?[^"]*(?:node:|<anonymous>)[^"]*"`), `"~~"`},
	{regexp.MustCompile(`"(?: {4}at )[^"]*/var/runtime/[^"]*"`), `"~~"`},
	{regexp.MustCompile(`,"~~"|"~~",|"~~"`), ``},
	{regexp.MustCompile(`\["[^"]*/json/[^\]]*\](, )?`), ""},
	{regexp.MustCompile(`\n  File "[^"]*/json/[^\n]*\n[^\n]*`), ""},
	{regexp.MustCompile(`\n +"<internal:[^\n]*`), ""},
	{regexp.MustCompile(`"<internal:[^"]*"`), `"~~"`},
	{regexp.MustCompile(`\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6} #\d+\]`), "[<time> #<process>]"},
	{regexp.MustCompile(`:0x[0-9a-f]{16}`), ":<address>"},
	{regexp.MustCompile(`"(?:java\.base/|java\.|sun\.)[^"]*\([^"]*\)"`), `"~~"`},
	{regexp.MustCompile(`,"~~"|"~~",|"~~"`), ``},
	{regexp.MustCompile(`\n\tat (?:java\.base/|java\.|sun\.)[^\n]*`), ""},
	{regexp.MustCompile(`\.\.\. \d+ (?:common frames omitted|more)`), "... more"},
	{regexp.MustCompile(`\x00+`), "<zeroes>"},
	{regexp.MustCompile(`\n {4}at [^\n]*/var/runtime/[^\n]*`), ""},
	{regexp.MustCompile(` \[0x[0-9a-f]+\] in <[0-9a-f]+>:0`), ""}, // Mono's places in code
	{regexp.MustCompile(`\t`), "|"},
	{regexp.MustCompile(`\x{a0}`), "~"},
}

func (s *script) mask(text string) string {
	text = strings.ReplaceAll(text, "file://"+s.task, "file:///var/task")
	text = strings.ReplaceAll(text, s.task, "/var/task")
	if s.boot != "" {
		text = strings.ReplaceAll(text, s.boot, "/var/runtime")
	}
	for _, m := range masks {
		text = m.what.ReplaceAllString(text, m.with)
	}
	return text
}
