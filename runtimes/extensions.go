package runtimes

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// maxExtensions is how many extensions a function may have.
const maxExtensions = 10

// The error types of extensions that fail, in AWS's words.
const (
	extensionInitError   = "Extension.InitError"
	extensionExitError   = "Extension.ExitError"
	extensionCrash       = "Extension.Crash"
	extensionLaunchError = "Extension.LaunchError"
)

// Why an environment ends, as extensions are told.
const (
	Spindown = "spindown" // nobody needs it any more
	TimedOut = "timeout"  // an invoke took too long
	Failed   = "failure"  // the runtime or an extension failed
)

// The longest time that an environment is given to end, by what it has.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
const (
	shutdownInternal = 500 * time.Millisecond
	shutdownExternal = 2 * time.Second
)

// ExtensionsConfig is what extensions are told of their function, and what they
// may use. Clock and Random must be set.
type ExtensionsConfig struct {
	FunctionName string
	Version      string // "$LATEST" or a number
	Handler      string
	AccountID    string // for those that ask for it
	MemoryMB     int
	Clock        aws.Clock
	Random       io.Reader
	// Log takes the platform's own log events of extensions: "EXTENSION\tName: …".
	Log func(text string)
	// Event takes them instead where the log is JSON: their types and records, as the
	// Telemetry API has them, and whether all is well. Nil is for text.
	Event func(kind string, record any, ok bool)
	// Dial connects to a port of the environment's loopback, for telemetry. It returns
	// before anybody has accepted. Without it subscriptions are refused.
	Dial func(port int) (net.Conn, error)
}

// Extensions are the programs and threads beside one environment's runtime, and the
// APIs that they speak: the Extensions API, version 2020-01-01, and the Telemetry
// and Logs APIs. External ones are processes of their own, which the owner starts
// before the runtime and announces by Expect and ExternalEnded; internal ones
// register out of the runtime's process.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
type Extensions struct {
	cfg       ExtensionsConfig
	telemetry *telemetry

	mu      sync.Mutex
	list    []*extension
	closed  bool // to registrations
	ending  bool // SHUTDOWN was told
	failed  *extensionFault
	onFault func()        // called once, without mu
	changed chan struct{} // closed and made anew with every change of what others wait for
}

// An extensionState is where an extension stands, by the names of AWS's error texts.
type extensionState string

const (
	extensionStarted    extensionState = "Started"
	extensionRegistered extensionState = "Registered"
	extensionReady      extensionState = "Ready"   // asked for the next event
	extensionRunning    extensionState = "Running" // was told of one
	extensionInitFailed extensionState = "InitError"
	extensionExitFailed extensionState = "ExitError"
	extensionExited     extensionState = "Exited"
	extensionUnlaunched extensionState = "LaunchError"
)

// An extension is one of them; Extensions.mu guards it.
type extension struct {
	id, name  string
	external  bool
	events    []string
	state     extensionState
	errorType string
	queue     chan []byte // the event it has not asked for yet
}

func (e *extension) wants(event string) bool { return slices.Contains(e.events, event) }

// An extensionFault is how an extension broke the environment.
type extensionFault struct{ kind, text string }

func (f *extensionFault) message(request string) string {
	return "RequestId: " + request + " Error: " + f.text
}

// NewExtensions opens the desk at which the extensions of one environment register.
// With it the environment's init begins.
func NewExtensions(cfg ExtensionsConfig) *Extensions {
	if cfg.Log == nil {
		cfg.Log = func(string) {}
	}
	x := &Extensions{cfg: cfg, changed: make(chan struct{}), telemetry: newTelemetry(cfg.Clock, cfg.Dial)}
	x.telemetry.publish(typeInitStart, initStart{onDemand, "init", cfg.FunctionName, cfg.Version, cfg.MemoryMB})
	return x
}

// Handler answers the calls of extensions.
func (x *Extensions) Handler() http.Handler {
	mux := http.NewServeMux()
	x.routes(mux)
	return mux
}

// Expect announces the external extensions that are about to be started, by the
// names of their files.
func (x *Extensions) Expect(names ...string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, name := range names {
		x.list = append(x.list, &extension{name: name, external: true, state: extensionStarted, queue: make(chan []byte, 1)})
	}
}

// ExternalEnded tells of the end of an external extension's process. Before the
// environment ends, it is the environment's failure.
func (x *Extensions) ExternalEnded(name string, exit Exit) {
	x.mu.Lock()
	e := x.byName(name)
	if e == nil {
		x.mu.Unlock()
		return
	}
	if !x.ending && e.state != extensionInitFailed && e.state != extensionExitFailed {
		e.errorType = extensionCrash
	}
	e.state = extensionExited
	x.announce()
	x.mu.Unlock()
	x.fail(extensionCrash, exitText(exit))
}

// LaunchFailed tells that an external extension could not be started.
func (x *Extensions) LaunchFailed(name string, err error) {
	x.mu.Lock()
	if e := x.byName(name); e != nil {
		e.state, e.errorType = extensionUnlaunched, launchErrorType(err)
	}
	x.mu.Unlock()
	x.fail(extensionLaunchError, "fork/exec /opt/extensions/"+name+": "+err.Error())
}

// exitText says how a process ended, in AWS's words.
func exitText(exit Exit) string {
	switch {
	case exit.OutOfMemory:
		return "signal: killed"
	case exit.Signal != "":
		return "signal: " + exit.Signal
	case exit.Code != 0:
		return "exit status " + itoa(exit.Code)
	}
	return "exit code 0"
}

// fail notes the first failure and interrupts what waits for the environment. One
// that is ending cannot fail any more.
func (x *Extensions) fail(kind, text string) {
	x.mu.Lock()
	if x.failed != nil || x.ending {
		x.mu.Unlock()
		return
	}
	x.failed = &extensionFault{kind, text}
	x.announce()
	tell := x.onFault
	x.mu.Unlock()
	if tell != nil {
		tell()
	}
}

// watch sets who is told of a failure; of one that there is already, at once.
func (x *Extensions) watch(tell func()) {
	x.mu.Lock()
	x.onFault = tell
	failed := x.failed != nil
	x.mu.Unlock()
	if failed {
		tell()
	}
}

// Failure is what the invoke request answers with, if an extension has failed.
func (x *Extensions) Failure(request string) *Result {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.failed == nil {
		return nil
	}
	payload := errorPayload{x.failed.kind, x.failed.message(request)}.json()
	return &Result{Payload: payload, FunctionError: Unhandled, ErrorType: x.failed.kind}
}

// InitFailure is Failure for an init that comes to nothing before the runtime is
// started; it is logged.
func (x *Extensions) InitFailure(request string) *Result {
	r := x.Failure(request)
	if r != nil {
		x.close()
		x.report()
		x.cfg.Log(x.failureLog(request))
	}
	return r
}

// failureLog is the log event of a failure.
func (x *Extensions) failureLog(request string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.failed == nil {
		return ""
	}
	return x.failed.message(request) + "\n" + x.failed.kind
}

// byName finds an external extension. The caller holds mu.
func (x *Extensions) byName(name string) *extension {
	for _, e := range x.list {
		if e.external && e.name == name {
			return e
		}
	}
	return nil
}

// announce wakes those who wait for a change. The caller holds mu.
func (x *Extensions) announce() {
	close(x.changed)
	x.changed = make(chan struct{})
}

var errExtension = errors.New("runtimes: an extension failed")

// await waits until done, which is called with mu held.
func (x *Extensions) await(ctx context.Context, done func() bool) error {
	for {
		x.mu.Lock()
		over, failed, changed := done(), x.failed != nil, x.changed
		x.mu.Unlock()
		switch {
		case failed:
			return errExtension
		case over:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (x *Extensions) each(is func(*extension) bool) bool {
	return !slices.ContainsFunc(x.list, func(e *extension) bool { return !is(e) })
}

// Registered waits until every external extension has registered. Then the runtime
// may start. An error means that one failed, which Failure tells, or is ctx's.
func (x *Extensions) Registered(ctx context.Context) error {
	return x.await(ctx, func() bool {
		return x.each(func(e *extension) bool { return e.state != extensionStarted })
	})
}

// Any reports whether there is an extension that hears of invokes, or of the end.
func (x *Extensions) Any() bool {
	if x == nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.list) > 0
}

// close ends the time for registrations: the runtime is ready.
func (x *Extensions) close() {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
}

// initialised waits until every extension has asked for its first event, and ends
// the init: its report is told, and nobody subscribes any more.
func (x *Extensions) initialised(ctx context.Context, begun time.Time) error {
	x.close()
	err := x.await(ctx, x.idle)
	x.report()
	x.telemetry.publish(typeInitReport, initReport{onDemand, "init", durationMs{milliseconds(x.cfg.Clock.Now().Sub(begun))}, initStatus(err)})
	x.telemetry.close()
	return err
}

func initStatus(err error) string {
	if err != nil {
		return "error"
	}
	return "success"
}

// idle reports whether no extension works. The caller holds mu.
func (x *Extensions) idle() bool {
	return x.each(func(e *extension) bool { return e.state != extensionRegistered && e.state != extensionRunning })
}

// Idle reports whether no extension works.
func (x *Extensions) Idle() bool {
	if x == nil {
		return true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.idle() && x.failed == nil
}

// report logs how each extension came through the init.
func (x *Extensions) report() {
	x.mu.Lock()
	list := make([]extension, len(x.list))
	for i, e := range x.list {
		list[i] = *e
	}
	x.mu.Unlock()
	for _, e := range list {
		text := "EXTENSION\tName: " + e.name + "\tState: " + string(e.state) + "\tEvents: [" + strings.Join(e.events, ",") + "]"
		if e.errorType != "" {
			text += "\tError Type: " + e.errorType
		}
		x.say(text, typeExtension, extensionRecord{e.name, e.state, append([]string{}, e.events...), e.errorType}, e.errorType == "")
	}
}

// say logs an event of the platform, and tells it to those who subscribed.
func (x *Extensions) say(text string, kind eventType, record any, ok bool) {
	if x.cfg.Event != nil {
		x.cfg.Event(kind.name, record, ok)
	} else {
		x.cfg.Log(text)
	}
	x.telemetry.publish(kind, record)
}

// An invokeEvent is what extensions get of an invoke: not the event itself.
type invokeEvent struct {
	EventType   string        `json:"eventType"`
	DeadlineMs  int64         `json:"deadlineMs"`
	RequestID   string        `json:"requestId"`
	FunctionARN string        `json:"invokedFunctionArn"`
	Tracing     *eventTracing `json:"tracing,omitempty"`
}

type eventTracing struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

func tracing(id string) *eventTracing {
	if id == "" {
		return nil
	}
	return &eventTracing{"X-Amzn-Trace-Id", id}
}

// A shutdownEvent is the last event.
type shutdownEvent struct {
	EventType  string `json:"eventType"`
	DeadlineMs int64  `json:"deadlineMs"`
	Reason     string `json:"shutdownReason"`
}

// invoke tells that an invoke begins.
func (x *Extensions) invoke(in *Invocation) {
	x.telemetry.publish(typeStart, startRecord{in.RequestID, x.cfg.Version, tracing(in.TraceID)})
	x.tell("INVOKE", func(*extension) bool { return true },
		invokeEvent{"INVOKE", in.Deadline.UnixMilli(), in.RequestID, in.FunctionARN, tracing(in.TraceID)})
}

// tell gives an event to the extensions that registered for it.
func (x *Extensions) tell(kind string, is func(*extension) bool, event any) {
	body := encode(event)
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.list {
		if !e.wants(kind) || !is(e) || e.state == extensionExited {
			continue
		}
		select {
		case <-e.queue: // never asked for: the newer one counts
		default:
		}
		e.queue <- body
		e.state = extensionRunning
	}
}

// settled waits until no extension works any more.
func (x *Extensions) settled(ctx context.Context) error { return x.await(ctx, x.idle) }

// Shutdown ends what is beside the runtime: it calls end, which is to make the
// runtime's process stop by itself, gives that a share of the time, then tells the
// external extensions SHUTDOWN with the reason, and waits until those that asked
// for it have ended. It takes no longer than AWS allows: 2 s with an external
// extension, 0.5 s with internal ones alone, and none without. stopped is closed
// when the runtime's process has ended.
// Telemetry that is still buffered goes out before SHUTDOWN does, or what of it is
// taken in a quarter of the time.
func (x *Extensions) Shutdown(reason string, end func(), stopped <-chan struct{}) {
	x.mu.Lock()
	first, any := !x.ending, len(x.list) > 0
	x.ending, x.closed = true, true
	external := slices.ContainsFunc(x.list, func(e *extension) bool { return e.external })
	x.mu.Unlock()
	if !first {
		return
	}
	defer x.telemetry.stop()
	if !any {
		return
	}
	limit, forRuntime := shutdownInternal, shutdownInternal
	if external {
		limit, forRuntime = shutdownExternal, shutdownExternal*3/10
	}
	deadline := x.cfg.Clock.Now().Add(limit)
	x.telemetry.flush()
	end()
	x.waitUntil(x.cfg.Clock.Now().Add(forRuntime), stopped)
	late, stop := x.cfg.Clock.After(limit / 4)
	x.telemetry.drain(late)
	stop()
	x.tell("SHUTDOWN", func(e *extension) bool { return e.external },
		shutdownEvent{"SHUTDOWN", deadline.UnixMilli(), reason})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		x.mu.Lock()
		x.failed = nil // await is to wait for the others all the same
		x.mu.Unlock()
		_ = x.await(ctx, func() bool {
			return x.each(func(e *extension) bool {
				return !e.external || !e.wants("SHUTDOWN") || e.state == extensionExited || e.state == extensionUnlaunched
			})
		})
	}()
	x.waitUntil(deadline, gone)
}

func (x *Extensions) waitUntil(at time.Time, done <-chan struct{}) {
	due, stop := x.cfg.Clock.After(at.Sub(x.cfg.Clock.Now()))
	defer stop()
	select {
	case <-done:
	case <-due:
	}
}
