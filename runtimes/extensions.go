package runtimes

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/tule-cloud/tule/aws"
)

// The Extensions API, version 2020-01-01: programs beside the runtime that are
// told of invokes. An invoke does not wait for them, unlike on AWS.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html

const (
	headerExtensionName = "Lambda-Extension-Name"
	headerExtensionID   = "Lambda-Extension-Identifier"
	maxExtensions       = 10
)

type extensions struct {
	mu   sync.Mutex
	byID map[string]*extension
	over bool
}

type extension struct {
	name   string
	events []string
	queue  chan map[string]any // what it has not asked for yet
}

func (x *extensions) routes(mux *http.ServeMux, l *httpLink) {
	const base = "/2020-01-01/extension/"
	mux.HandleFunc("POST "+base+"register", func(w http.ResponseWriter, r *http.Request) { x.register(w, r, l) })
	mux.HandleFunc("GET "+base+"event/next", func(w http.ResponseWriter, r *http.Request) { x.next(w, r, l) })
	for _, p := range []string{"init/error", "exit/error"} {
		mux.HandleFunc("POST "+base+p, func(w http.ResponseWriter, r *http.Request) {
			if x.known(w, r) != nil {
				accept(w)
			}
		})
	}
}

// register takes an extension on, before the runtime is ready.
func (x *extensions) register(w http.ResponseWriter, r *http.Request, l *httpLink) {
	var in struct {
		Events []string `json:"events"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	name := r.Header.Get(headerExtensionName)
	if err != nil || len(body) > 0 && json.Unmarshal(body, &in) != nil {
		refuse(w, http.StatusBadRequest, &apiError{"Invalid register request body", "InvalidRequestFormat"})
		return
	}
	for _, e := range in.Events {
		if e != "INVOKE" && e != "SHUTDOWN" {
			refuse(w, http.StatusBadRequest, &apiError{"invalid event: " + e, "Extension.InvalidEventType"})
			return
		}
	}
	if name == "" {
		refuse(w, http.StatusForbidden, &apiError{"Empty extension name", "Extension.InvalidExtensionName"})
		return
	}
	l.mu.Lock()
	late := l.announced
	l.mu.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	if late || l.cfg.Random == nil || len(x.byID) >= maxExtensions {
		refuse(w, http.StatusForbidden, &apiError{"Extension registration closed already", "Extension.RegistrationClosed"})
		return
	}
	if x.byID == nil {
		x.byID = map[string]*extension{}
	}
	id := aws.RandomUUID(l.cfg.Random)
	x.byID[id] = &extension{name, in.Events, make(chan map[string]any, 16)}
	w.Header().Set(headerExtensionID, id)
	respond(w, http.StatusOK, map[string]string{
		"functionName": l.cfg.FunctionName, "functionVersion": l.cfg.Version, "handler": l.cfg.Handler})
}

// known is the extension that calls; without one the call is refused.
func (x *extensions) known(w http.ResponseWriter, r *http.Request) *extension {
	id := r.Header.Get(headerExtensionID)
	x.mu.Lock()
	e := x.byID[id]
	x.mu.Unlock()
	switch {
	case id == "":
		refuse(w, http.StatusForbidden, &apiError{"Missing " + headerExtensionID + " header", "Extension.MissingExtensionIdentifier"})
	case e == nil:
		refuse(w, http.StatusForbidden, &apiError{"Unknown extension " + id, "Extension.UnknownExtensionIdentifier"})
	}
	return e
}

func (x *extensions) next(w http.ResponseWriter, r *http.Request, l *httpLink) {
	e := x.known(w, r)
	if e == nil {
		return
	}
	select {
	case event := <-e.queue:
		w.Header().Set(headerExtensionID, r.Header.Get(headerExtensionID))
		respond(w, http.StatusOK, event)
	case <-r.Context().Done():
	}
}

// invoke tells the extensions of an event. One that has stopped asking misses it.
func (x *extensions) invoke(in *Invocation) {
	x.tell("INVOKE", map[string]any{
		"eventType": "INVOKE", "deadlineMs": in.Deadline.UnixMilli(), "requestId": in.RequestID,
		"invokedFunctionArn": in.FunctionARN,
		"tracing":            map[string]string{"type": "X-Amzn-Trace-Id", "value": in.TraceID},
	})
}

func (x *extensions) shutdown() {
	x.mu.Lock()
	over := x.over
	x.over = true
	x.mu.Unlock()
	if !over {
		x.tell("SHUTDOWN", map[string]any{"eventType": "SHUTDOWN", "shutdownReason": "spindown"})
	}
}

func (x *extensions) tell(kind string, event map[string]any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.byID {
		if slices.Contains(e.events, kind) {
			select {
			case e.queue <- event:
			default:
			}
		}
	}
}
