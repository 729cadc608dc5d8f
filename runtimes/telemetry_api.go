package runtimes

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A subscription is what an extension asks for.
type subscription struct {
	name     string // the extension's
	api      api
	types    []string
	port     int
	path     string // of HTTP; "" is TCP
	method   string
	maxItems int
	maxBytes int
	maxWait  time.Duration
}

func (s *subscription) isLogs() bool { return s.api != apiTelemetry }

// family is the word before the dot in the API's errors.
func (s *subscription) family() string {
	if s.isLogs() {
		return "Logs"
	}
	return "Telemetry"
}

func (s *subscription) closedError() *apiError {
	return &apiError{s.family() + " API subscription is closed", s.family() + ".SubscriptionClosed"}
}

// subscribeBody is the body of a subscribe call.
type subscribeBody struct {
	SchemaVersion string   `json:"schemaVersion"`
	Types         []string `json:"types"`
	Buffering     struct {
		MaxItems  *int `json:"maxItems"`
		MaxBytes  *int `json:"maxBytes"`
		TimeoutMs *int `json:"timeoutMs"`
	} `json:"buffering"`
	Destination struct {
		Protocol string `json:"protocol"`
		URI      string `json:"URI"`
		Port     int    `json:"port"`
		Method   string `json:"method"`
		Encoding string `json:"encoding"`
	} `json:"destination"`
}

// serveSubscribe takes a subscription.
func (x *Extensions) serveSubscribe(w http.ResponseWriter, r *http.Request) {
	e := x.caller(w, r)
	if e == nil {
		return
	}
	logs := strings.HasPrefix(r.URL.Path, "/2020-08-15/")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err != nil {
		refuse(w, http.StatusBadRequest, &apiError{err.Error(), validationError(logs)})
		return
	}
	s, wrong := parseSubscription(body, logs)
	if len(wrong) > 0 {
		refuse(w, http.StatusBadRequest, &apiError{strings.Join(wrong, "; "), validationError(logs)})
		return
	}
	s.name = e.name
	if refused := x.telemetry.subscribe(s); refused != nil {
		refuse(w, http.StatusForbidden, refused)
		return
	}
	kind, word := typeSubscription, "TELEMETRY"
	if logs {
		kind, word = typeLogSubscription, "LOGS"
	}
	x.say(word+"\tName: "+s.name+"\tState: Subscribed\tTypes: ["+strings.Join(s.types, ",")+"]", kind, subscriptionRecord{s.name, "Subscribed", s.types}, true)
	respond(w, http.StatusOK, "OK")
}

func validationError(logs bool) string {
	if logs {
		return "Logs.ValidationError"
	}
	return "ValidationError"
}

// parseSubscription reads a subscribe call; wrong is all that is wrong with it.
func parseSubscription(body []byte, logs bool) (s *subscription, wrong []string) {
	var in subscribeBody
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, []string{"request body is not valid JSON: " + err.Error()}
	}
	s = &subscription{}
	bad := func(text string) { wrong = append(wrong, text) }
	if s.api = schema(in.SchemaVersion, logs); s.api == 0 {
		bad("schemaVersion is not supported")
	}
	for _, t := range in.Types {
		if !slices.Contains([]string{aboutPlatform, aboutFunction, aboutExtension}, t) {
			bad("types has an unknown value")
			break
		}
	}
	s.types = dedupe(in.Types)
	if len(in.Types) == 0 {
		bad("types should not be empty")
	}
	between := func(name string, v *int, otherwise, low, high int) int {
		if v == nil {
			return otherwise
		}
		if *v < low || *v > high {
			bad("buffering." + name + " should be between " + strconv.Itoa(low) + " and " + strconv.Itoa(high))
		}
		return *v
	}
	s.maxItems = between("maxItems", in.Buffering.MaxItems, 10000, 1000, 10000)
	s.maxBytes = between("maxBytes", in.Buffering.MaxBytes, 256<<10, 256<<10, 1<<20)
	s.maxWait = time.Duration(between("timeoutMs", in.Buffering.TimeoutMs, 1000, 25, 30000)) * time.Millisecond
	s.destination(&in, bad)
	return s, wrong
}

// schema is the API that a schema's version belongs to, or 0.
func schema(version string, logs bool) api {
	switch {
	case logs && (version == "" || version == "2020-08-15"):
		return apiLogs
	case logs && version == "2021-03-18":
		return apiLogsDone
	case !logs && slices.Contains([]string{"2022-07-01", "2022-12-13", "2025-01-29"}, version):
		return apiTelemetry
	}
	return 0
}

// destination reads where events go: a port of the environment's own loopback.
func (s *subscription) destination(in *subscribeBody, bad func(string)) {
	switch d := in.Destination; d.Protocol {
	case "TCP":
		s.port = d.Port
	case "HTTP":
		u, err := url.Parse(d.URI)
		switch {
		case d.URI == "" || err != nil || u.Scheme != "http":
			bad("URI is not valid")
			return
		case u.Hostname() != "sandbox.localdomain" && u.Hostname() != "sandbox":
			bad("URI host should be sandbox.localdomain")
			return
		case u.Port() == "":
			bad("URI port is not provided")
			return
		}
		s.port, _ = strconv.Atoi(u.Port())
		if s.path = u.RequestURI(); s.path == "" {
			s.path = "/"
		}
		switch s.method = http.MethodPost; d.Method {
		case "", http.MethodPost:
		case http.MethodPut:
			s.method = http.MethodPut
		default:
			bad("method should be POST or PUT")
		}
		if d.Encoding != "" && d.Encoding != "JSON" {
			bad("encoding should be JSON")
		}
	default:
		bad("protocol should be HTTP or TCP")
		return
	}
	if s.port < 1 || s.port > 65535 || s.port == reservedPort {
		bad("port is not valid")
	}
}

// reservedPort is the Runtime API's own.
const reservedPort = 9001
