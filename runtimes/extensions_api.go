package runtimes

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/tule-cloud/tule/aws"
)

const (
	headerExtensionName    = "Lambda-Extension-Name"
	headerExtensionID      = "Lambda-Extension-Identifier"
	headerExtensionEvent   = "Lambda-Extension-Event-Identifier"
	headerExtensionError   = "Lambda-Extension-Function-Error-Type"
	headerExtensionFeature = "Lambda-Extension-Accept-Feature"
)

// maxCall is how much of an extension's call is read.
const maxCall = 64 << 10

func (x *Extensions) routes(mux *http.ServeMux) {
	const base = "/2020-01-01/extension/"
	mux.HandleFunc("POST "+base+"register", x.serveRegister)
	mux.HandleFunc("GET "+base+"event/next", x.serveNext)
	mux.HandleFunc("POST "+base+"init/error", x.serveFault(extensionInitFailed, extensionInitError, extensionRegistered))
	mux.HandleFunc("POST "+base+"exit/error", x.serveFault(extensionExitFailed, extensionExitError,
		extensionRegistered, extensionReady, extensionRunning))
	for _, path := range []string{"/2022-07-01/telemetry", "/2020-08-15/logs"} {
		mux.HandleFunc("PUT "+path, x.serveSubscribe)
		mux.HandleFunc("PUT "+path+"/{$}", x.serveSubscribe)
	}
}

// registration is the body of a register call.
type registration struct {
	Events            []string          `json:"events"`
	ConfigurationKeys []json.RawMessage `json:"configurationKeys"`
}

func forbid(w http.ResponseWriter, kind, text string) {
	refuse(w, http.StatusForbidden, &apiError{text, kind})
}

// serveRegister takes an extension on: an external one by the name of its file, any
// other as an internal one.
func (x *Extensions) serveRegister(w http.ResponseWriter, r *http.Request) {
	name := r.Header.Get(headerExtensionName)
	if name == "" {
		forbid(w, "Extension.InvalidExtensionName", "Empty extension name")
		return
	}
	var in registration
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	switch {
	case err != nil:
		forbid(w, "InvalidRequestFormat", err.Error())
		return
	case len(in.ConfigurationKeys) > 0:
		forbid(w, "InvalidRequestFormat", "configurationKeys are deprecated; use environment variables instead")
		return
	}
	e, refused := x.register(name, in.Events)
	if refused != nil {
		refuse(w, http.StatusForbidden, refused)
		return
	}
	w.Header().Set(headerExtensionID, e.id)
	out := map[string]string{"functionName": x.cfg.FunctionName, "functionVersion": x.cfg.Version, "handler": x.cfg.Handler}
	for feature := range strings.SplitSeq(r.Header.Get(headerExtensionFeature), ",") {
		if strings.TrimSpace(feature) == "accountId" && x.cfg.AccountID != "" {
			out["accountId"] = x.cfg.AccountID
		}
	}
	respond(w, http.StatusOK, out)
}

func (x *Extensions) register(name string, events []string) (*extension, *apiError) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.byName(name)
	for _, event := range events {
		switch {
		case event != "INVOKE" && event != "SHUTDOWN":
			return nil, &apiError{event + ": ErrorInvalidEventType", "Extension.InvalidEventType"}
		case event == "SHUTDOWN" && e == nil:
			return nil, &apiError{event + ": ShutdownEventNotSupportedForInternalExtension", "Extension.InvalidEventType"}
		}
	}
	switch {
	case e != nil && e.state != extensionStarted:
		return nil, &apiError{transition(e.state, extensionRegistered, name), "Extension.InvalidExtensionState"}
	case e == nil && (x.closed || x.cfg.Random == nil):
		return nil, &apiError{"Extension registration closed already", "Extension.RegistrationClosed"}
	case e == nil && x.taken(name):
		return nil, &apiError{"Extension with this name already registered", "Extension.InvalidExtensionState"}
	case e == nil && len(x.list) >= maxExtensions:
		return nil, &apiError{"Extension limit (" + strconv.Itoa(maxExtensions) + ") reached", "Extension.TooManyExtensions"}
	case e == nil:
		e = &extension{name: name, queue: make(chan []byte, 1)}
		x.list = append(x.list, e)
	}
	e.id, e.events, e.state = aws.RandomUUID(x.cfg.Random), dedupe(events), extensionRegistered
	x.announce()
	return e, nil
}

func (x *Extensions) taken(name string) bool {
	return !x.each(func(e *extension) bool { return e.name != name })
}

// dedupe keeps the first of equal ones.
func dedupe(list []string) []string {
	out := []string{}
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

func transition(from, to extensionState, who string) string {
	return "State transition from " + string(from) + " to " + string(to) + " failed for extension " + who +
		". Error: State transition is not allowed"
}

var uuidPattern = regexp.MustCompile(`^(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// caller is the extension that calls; without one the call is refused.
func (x *Extensions) caller(w http.ResponseWriter, r *http.Request) *extension {
	id := r.Header.Get(headerExtensionID)
	switch {
	case id == "":
		forbid(w, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
		return nil
	case !uuidPattern.MatchString(id):
		forbid(w, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.list {
		if e.id != "" && strings.EqualFold(e.id, id) {
			return e
		}
	}
	forbid(w, "Extension.UnknownExtensionIdentifier", "Unknown extension "+id)
	return nil
}

// serveNext says that the extension is done with the last event, and waits for the
// next. One whose connection broke may ask again.
func (x *Extensions) serveNext(w http.ResponseWriter, r *http.Request) {
	e := x.caller(w, r)
	if e == nil {
		return
	}
	x.mu.Lock()
	switch e.state {
	case extensionRegistered, extensionReady, extensionRunning:
		if len(e.queue) == 0 {
			e.state = extensionReady
			x.announce()
		}
	default:
		text := transition(e.state, extensionReady, e.id)
		x.mu.Unlock()
		forbid(w, "Extension.InvalidExtensionState", text)
		return
	}
	x.mu.Unlock()
	select {
	case body := <-e.queue:
		h := w.Header()
		h.Set(headerExtensionID, e.id)
		h.Set(headerExtensionEvent, x.eventID())
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	case <-r.Context().Done():
	}
}

// eventID names one delivery of an event.
func (x *Extensions) eventID() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return aws.RandomUUID(x.cfg.Random)
}

// serveFault takes the news that an extension has failed: the environment's end.
func (x *Extensions) serveFault(to extensionState, kind string, from ...extensionState) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e := x.caller(w, r)
		if e == nil {
			return
		}
		why := r.Header.Get(headerExtensionError)
		if why == "" {
			forbid(w, "Extension.MissingHeader", headerExtensionError+" not found")
			return
		}
		x.mu.Lock()
		allowed := e.state == to // again: the first counts
		for _, s := range from {
			allowed = allowed || e.state == s
		}
		if !allowed {
			text := transition(e.state, to, e.id)
			x.mu.Unlock()
			forbid(w, "Extension.InvalidExtensionState", text)
			return
		}
		if e.state != to {
			e.state, e.errorType = to, printable(why)
		}
		x.mu.Unlock()
		accept(w)
		x.fail(kind, "exit code 0")
	}
}

// printable is a header's value as one word of a log line.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return s[:min(len(s), 128)]
}

// launchErrorType is how AWS's log calls what keeps a program from starting.
func launchErrorType(err error) string {
	switch {
	case errors.Is(err, os.ErrPermission):
		return "PermissionDenied"
	case errors.Is(err, syscall.ENOEXEC), errors.Is(err, os.ErrNotExist):
		return "ExecError"
	}
	return "UnknownError"
}

func itoa(n int) string { return strconv.Itoa(n) }

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own structs always encode
	}
	return b
}
