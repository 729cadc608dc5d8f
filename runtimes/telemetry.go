package runtimes

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// The Telemetry API, version 2022-07-01, and its predecessor, the Logs API, version
// 2020-08-15: an extension subscribes while the environment initialises and gets
// what the platform, the function and extensions have to say.
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html

// The categories that are subscribed to.
const (
	aboutPlatform  = "platform"
	aboutFunction  = "function"
	aboutExtension = "extension"
)

// An api is one of the ways to subscribe.
type api uint8

const (
	apiTelemetry api = 1 << iota
	apiLogs          // schema 2020-08-15
	apiLogsDone      // schema 2021-03-18, which adds platform.runtimeDone
	apiAny       = apiTelemetry | apiLogs | apiLogsDone
)

// An eventType is a kind of event: its name, its category, and who knows it.
type eventType struct {
	name, category string
	apis           api
}

// The kinds of events, and their names. None of these ever changes.
var (
	typeInitStart       = eventType{"platform.initStart", aboutPlatform, apiTelemetry}
	typeInitRuntimeDone = eventType{"platform.initRuntimeDone", aboutPlatform, apiTelemetry}
	typeInitReport      = eventType{"platform.initReport", aboutPlatform, apiTelemetry}
	typeStart           = eventType{"platform.start", aboutPlatform, apiAny}
	typeRuntimeDone     = eventType{"platform.runtimeDone", aboutPlatform, apiTelemetry | apiLogsDone}
	typeReport          = eventType{"platform.report", aboutPlatform, apiAny}
	typeEnd             = eventType{"platform.end", aboutPlatform, apiLogs | apiLogsDone}
	typeFault           = eventType{"platform.fault", aboutPlatform, apiLogs | apiLogsDone}
	typeExtension       = eventType{"platform.extension", aboutPlatform, apiAny}
	typeSubscription    = eventType{"platform.telemetrySubscription", aboutPlatform, apiTelemetry}
	typeLogSubscription = eventType{"platform.logsSubscription", aboutPlatform, apiLogs | apiLogsDone}
	typeLogsDropped     = eventType{"platform.logsDropped", aboutPlatform, apiAny}
	typeFunction        = eventType{"function", aboutFunction, apiAny}
	typeExtensionLog    = eventType{"extension", aboutExtension, apiAny}
)

const onDemand = "on-demand"

// The records of the platform's events.
type (
	initStart struct {
		Type     string `json:"initializationType"`
		Phase    string `json:"phase"`
		Function string `json:"functionName"`
		Version  string `json:"functionVersion"`
		MemoryMB int    `json:"instanceMaxMemory"`
	}
	durationMs struct {
		Duration float64 `json:"durationMs"`
	}
	initRuntimeDone struct {
		Type      string `json:"initializationType"`
		Phase     string `json:"phase"`
		Status    string `json:"status"`
		ErrorType string `json:"errorType,omitempty"`
	}
	initReport struct {
		Type    string     `json:"initializationType"`
		Phase   string     `json:"phase"`
		Metrics durationMs `json:"metrics"`
		Status  string     `json:"status"`
	}
	startRecord struct {
		RequestID string        `json:"requestId"`
		Version   string        `json:"version"`
		Tracing   *eventTracing `json:"tracing,omitempty"`
	}
	runtimeDone struct {
		RequestID string            `json:"requestId"`
		Status    string            `json:"status"`
		ErrorType string            `json:"errorType,omitempty"`
		Metrics   runtimeDoneMetric `json:"metrics"`
		Tracing   *eventTracing     `json:"tracing,omitempty"`
	}
	runtimeDoneMetric struct {
		Duration float64 `json:"durationMs"`
		Produced int     `json:"producedBytes"`
	}
	reportRecord struct {
		RequestID string        `json:"requestId"`
		Status    string        `json:"status"`
		ErrorType string        `json:"errorType,omitempty"`
		Metrics   reportMetrics `json:"metrics"`
		Tracing   *eventTracing `json:"tracing,omitempty"`
	}
	reportMetrics struct {
		Duration float64 `json:"durationMs"`
		Billed   int64   `json:"billedDurationMs"`
		MemoryMB int     `json:"memorySizeMB"`
		UsedMB   int     `json:"maxMemoryUsedMB"`
		Init     float64 `json:"initDurationMs,omitempty"`
	}
	endRecord struct {
		RequestID string `json:"requestId"`
	}
	extensionRecord struct {
		Name      string         `json:"name"`
		State     extensionState `json:"state"`
		Events    []string       `json:"events"`
		ErrorType string         `json:"errorType,omitempty"`
	}
	subscriptionRecord struct {
		Name  string   `json:"name"`
		State string   `json:"state"`
		Types []string `json:"types"`
	}
	logsDropped struct {
		Reason  string `json:"reason"`
		Records int    `json:"droppedRecords"`
		Bytes   int    `json:"droppedBytes"`
	}
)

// maxBacklog is how many events of the init are kept for those that subscribe later.
const maxBacklog = 1000

// telemetry gives each event to those that subscribed to it.
type telemetry struct {
	clock aws.Clock
	dial  func(port int) (net.Conn, error)

	mu       sync.Mutex
	list     []*subscriber
	backlog  []published
	closed   bool // to subscriptions
	stopped  bool
	wg       sync.WaitGroup
	context  context.Context
	cancel   context.CancelFunc
	flushing chan struct{} // closed by flush
}

// A published event is one as it is sent.
type published struct {
	kind eventType
	body []byte // JSON
}

func newTelemetry(clock aws.Clock, dial func(int) (net.Conn, error)) *telemetry {
	ctx, cancel := context.WithCancel(context.Background())
	return &telemetry{clock: clock, dial: dial, context: ctx, cancel: cancel, flushing: make(chan struct{})}
}

// publish gives an event to everybody who subscribed to its kind.
func (t *telemetry) publish(kind eventType, record any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped || t.closed && len(t.list) == 0 {
		return
	}
	e := published{kind, telemetryEvent(t.clock.Now(), kind, record)}
	for _, s := range t.list {
		s.take(e)
	}
	if !t.closed && len(t.backlog) < maxBacklog {
		t.backlog = append(t.backlog, e)
	}
}

// telemetryEvent is one as it is sent.
func telemetryEvent(at time.Time, kind eventType, record any) []byte {
	return encode(struct {
		Time   string          `json:"time"`
		Type   string          `json:"type"`
		Record json.RawMessage `json:"record"`
	}{timestamp(at), kind.name, encode(record)})
}

// subscribe adds a subscription, with what it has missed. One that is there already
// stays as it is; refused is why it cannot be.
func (t *telemetry) subscribe(s *subscription) (refused *apiError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed || t.stopped:
		return s.closedError()
	case t.dial == nil:
		return &apiError{"Telemetry is not supported here", s.family() + ".NotSupported"}
	}
	for _, other := range t.list {
		if other.name == s.name && other.isLogs() == s.isLogs() {
			return nil
		}
		if other.name == s.name {
			return &apiError{"The extension has subscribed by another API", s.family() + ".AlreadySubscribed"}
		}
	}
	sub := newSubscriber(t, s)
	for _, e := range t.backlog {
		sub.take(e)
	}
	t.list = append(t.list, sub)
	t.wg.Go(sub.run)
	return nil
}

// close ends the time for subscriptions.
func (t *telemetry) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed, t.backlog = true, nil
}

// flush has everything sent that is buffered, now and from now on.
func (t *telemetry) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.flushing:
	default:
		close(t.flushing)
	}
}

// drain waits until what is flushed is delivered, or until late is closed.
func (t *telemetry) drain(late <-chan time.Time) {
	t.mu.Lock()
	list := slices.Clone(t.list)
	t.mu.Unlock()
	for _, s := range list {
		select {
		case <-s.drained:
		case <-late:
			return
		}
	}
}

// stop ends all deliveries, also those under way.
func (t *telemetry) stop() {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	t.cancel()
	t.wg.Wait()
}

// FunctionLog and ExtensionLog tell what the function, and an external extension,
// wrote. The text is one log event, without a final line feed.
func (x *Extensions) FunctionLog(text string) {
	if x != nil {
		x.telemetry.publish(typeFunction, text)
	}
}

// ExtensionLog is FunctionLog for what an extension wrote.
func (x *Extensions) ExtensionLog(text string) {
	if x != nil {
		x.telemetry.publish(typeExtensionLog, text)
	}
}

// Report tells what an invoke's REPORT says. With it the invoke is over.
func (x *Extensions) Report(r Report) {
	if x == nil {
		return
	}
	status := "success"
	switch {
	case r.TimedOut:
		status = "timeout"
	case r.ErrorType != "":
		status = "error"
	}
	x.telemetry.publish(typeEnd, endRecord{r.RequestID})
	if r.ErrorType != "" && !r.TimedOut {
		x.telemetry.publish(typeFault, "RequestId: "+r.RequestID+" Error: "+r.ErrorType)
	}
	x.telemetry.publish(typeReport, reportRecord{r.RequestID, status, r.ErrorType, reportMetrics{
		milliseconds(r.Duration), int64(r.Billed() / time.Millisecond), r.MemoryMB, r.UsedMB, milliseconds(r.Init)}, tracing(r.TraceID)})
}

// done tells that the runtime has finished an event.
func (x *Extensions) done(in *Invocation, res *Result, produced int) {
	status, kind := "success", ""
	switch {
	case res.ErrorType == TimeoutErrorType:
		status = "timeout"
	case res.ErrorType == ExitErrorType || res.ErrorType == OutOfMemoryErrorType:
		status, kind = "failure", res.ErrorType
	case res.FunctionError != "":
		status, kind = "error", res.ErrorType
	}
	x.telemetry.publish(typeRuntimeDone, runtimeDone{in.RequestID, status, kind,
		runtimeDoneMetric{milliseconds(res.Duration), produced}, tracing(in.TraceID)})
}

// runtimeInit tells that the runtime has loaded the function, or has not.
func (x *Extensions) runtimeInit(ok bool) {
	status, kind := "success", ""
	if !ok {
		status, kind = "error", "Runtime.Unknown"
	}
	x.telemetry.publish(typeInitRuntimeDone, initRuntimeDone{onDemand, "init", status, kind})
}

func (s *subscription) wants(e eventType) bool {
	return e.apis&s.api != 0 && slices.Contains(s.types, e.category)
}
