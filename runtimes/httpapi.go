package runtimes

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The HTTP Runtime API, version 2018-06-01.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

const (
	headerErrorType    = "Lambda-Runtime-Function-Error-Type"
	headerErrorBody    = "Lambda-Runtime-Function-Error-Body"
	headerResponseMode = "Lambda-Runtime-Function-Response-Mode"
)

// apiError is the body of an answer that refuses a call.
type apiError struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

func (l *httpLink) routes() http.Handler {
	mux := http.NewServeMux()
	const runtime = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+runtime+"invocation/next", l.serveNext)
	mux.HandleFunc("POST "+runtime+"invocation/{id}/response", l.serveResponse)
	mux.HandleFunc("POST "+runtime+"invocation/{id}/error", l.serveError)
	mux.HandleFunc("POST "+runtime+"init/error", l.serveInitError)
	l.cfg.Extensions.routes(mux)
	return mux
}

// serveNext waits for the next event.
func (l *httpLink) serveNext(w http.ResponseWriter, r *http.Request) {
	if err := l.move(runtimeReady); err != nil {
		refuse(w, http.StatusForbidden, &apiError{err.Error(), "InvalidStateTransition"})
		return
	}
	l.mu.Lock()
	first := !l.announced
	l.announced = true
	l.mu.Unlock()
	if first && !l.deliver(frame{frameReady, []byte{Protocol}}) {
		refuse(w, http.StatusGone, &apiError{"The environment has ended", "ServerError"})
		return
	}
	select {
	case in := <-l.events:
		l.give(w, in)
	case <-l.stopped:
		refuse(w, http.StatusGone, &apiError{"The environment has ended", "ServerError"})
	case <-r.Context().Done():
	}
}

// give writes an event.
func (l *httpLink) give(w http.ResponseWriter, in *Invocation) {
	l.mu.Lock()
	l.current = in
	l.state = runtimeRunning
	l.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(in.Payload)))
	h.Set("Lambda-Runtime-Aws-Request-Id", in.RequestID)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(in.Deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", in.FunctionARN)
	for name, value := range map[string]string{
		"Lambda-Runtime-Trace-Id":         in.TraceID,
		"Lambda-Runtime-Client-Context":   string(in.ClientContext),
		"Lambda-Runtime-Cognito-Identity": string(in.Identity),
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	w.Write(in.Payload)
}

// serveResponse takes a result, whole or piece by piece.
func (l *httpLink) serveResponse(w http.ResponseWriter, r *http.Request) {
	in, status, bad := l.answer(r.PathValue("id"), runtimeResponse)
	if bad != nil {
		refuse(w, status, bad)
		return
	}
	mode := r.Header.Get(headerResponseMode)
	switch {
	case mode != "" && !strings.EqualFold(mode, "streaming"):
		l.fail(errorPayload{"Runtime.InvalidResponseModeHeader", ""}.json())
		refuse(w, http.StatusBadRequest, &apiError{"Invalid function response mode", "InvalidFunctionResponseMode"})
		return
	case mode != "" || in.Stream != nil && r.ContentLength < 0 && r.Header.Get("Content-Type") != "application/json":
		// aws-lambda-go streams without saying so.
		l.stream(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxResponse+1))
	switch {
	case err != nil:
		l.fail(errorPayload{"Runtime.TruncatedResponse", err.Error()}.json())
		refuse(w, http.StatusBadRequest, &apiError{"HTTP request detected as truncated", "TruncatedHTTPRequest"})
	case len(body) > MaxResponse:
		size := int64(len(body))
		if r.ContentLength > size {
			size = r.ContentLength
		}
		l.fail(TooLargeFailure(l.cfg.Runtime, int(size)))
		refuse(w, http.StatusRequestEntityTooLarge, &apiError{
			"Exceeded maximum allowed payload size (" + strconv.Itoa(MaxResponse) + " bytes).", "RequestEntityTooLarge"})
	default:
		l.finish(outcome(r.Trailer, body))
		accept(w)
	}
}

// stream passes a response on as it comes. Its trailers may turn it into an error.
func (l *httpLink) stream(w http.ResponseWriter, r *http.Request) {
	kind := r.Header.Get("Content-Type")
	if kind == "" {
		kind = "application/octet-stream"
	}
	alive := l.deliver(frame{frameMeta, []byte(kind)})
	for alive {
		piece := make([]byte, 32<<10)
		n, err := r.Body.Read(piece)
		if n > 0 {
			alive = l.deliver(frame{frameChunk, piece[:n]})
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			l.fail(errorPayload{"Runtime.TruncatedResponse", err.Error()}.json())
			return
		}
	}
	l.finish(outcome(r.Trailer, nil))
	accept(w)
}

// outcome is how a response ended: with body, unless its trailers say that it failed
// on the way. Their error is JSON in base64.
func outcome(trailer http.Header, body []byte) frame {
	kind := trailer.Get(headerErrorType)
	if kind == "" {
		return frame{frameResult, body}
	}
	text := trailer.Get(headerErrorBody)
	report, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		report = []byte(text)
	}
	if !json.Valid(report) {
		report = errorPayload{Type: kind}.json()
	}
	return frame{frameError, append([]byte{errorUnhandled}, report...)}
}

// serveError takes the outcome of a handler that failed.
func (l *httpLink) serveError(w http.ResponseWriter, r *http.Request) {
	if _, status, bad := l.answer(r.PathValue("id"), runtimeError); bad != nil {
		refuse(w, status, bad)
		return
	}
	body, status, bad := l.readError(r)
	l.fail(body)
	if bad != nil {
		refuse(w, status, bad)
		return
	}
	accept(w)
}

// serveInitError takes the news that the bootstrap cannot start.
func (l *httpLink) serveInitError(w http.ResponseWriter, r *http.Request) {
	if err := l.move(runtimeInitError); err != nil {
		refuse(w, http.StatusForbidden, &apiError{err.Error(), "InvalidStateTransition"})
		return
	}
	body, status, bad := l.readError(r)
	l.deliver(frame{frameFault, body})
	if bad != nil {
		refuse(w, status, bad)
		return
	}
	accept(w)
}

// readError is the body of an error report: JSON, or made from its header. One that is too long or
// breaks off is an error itself, and refused as well. It is read when the step has been allowed, so
// that no two of them take memory at once.
func (l *httpLink) readError(r *http.Request) (body []byte, status int, bad *apiError) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxResponse+1))
	switch {
	case err != nil:
		return errorPayload{"Runtime.TruncatedResponse", err.Error()}.json(), http.StatusBadRequest, &apiError{"HTTP request detected as truncated", "TruncatedHTTPRequest"}
	case len(body) > MaxResponse:
		size := max(len(body), int(r.ContentLength))
		return TooLargeFailure(l.cfg.Runtime, size), http.StatusRequestEntityTooLarge, &apiError{"The error is too large", "RequestEntityTooLarge"}
	}
	if r.Header.Get("Content-Type") == errorCauseType {
		body = withoutCause(body)
	}
	if len(body) == 0 || !json.Valid(body) {
		body = errorPayload{Type: r.Header.Get(headerErrorType), Message: strings.ToValidUTF8(string(body), "\uFFFD")}.json()
	}
	return body, 0, nil
}

// errorCauseType is an error report with a cause for X-Ray beside it.
const errorCauseType = "application/vnd.aws.lambda.error.cause+json"

// withoutCause is what the invoke's caller gets of such a report.
func withoutCause(body []byte) []byte {
	var report struct {
		Message string          `json:"errorMessage"`
		Type    string          `json:"errorType"`
		Trace   json.RawMessage `json:"stackTrace,omitempty"`
	}
	if json.Unmarshal(body, &report) != nil {
		return body
	}
	return encode(report)
}

func (l *httpLink) finish(f frame) {
	l.answered()
	l.deliver(f)
}

// fail ends the invocation by an error report.
func (l *httpLink) fail(report []byte) {
	l.finish(frame{frameError, append([]byte{errorUnhandled}, report...)})
}

func accept(w http.ResponseWriter) {
	respond(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

func refuse(w http.ResponseWriter, status int, e *apiError) { respond(w, status, e) }

func respond(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings always encode
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}
