package runtimes

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// The error types that Tule itself reports, in AWS's words.
const (
	ExitErrorType        = "Runtime.ExitError"
	OutOfMemoryErrorType = "Runtime.OutOfMemory"
	TimeoutErrorType     = "Sandbox.Timedout"
	TooLargeErrorType    = "Function.ResponseSizeTooLarge"
	UnknownErrorType     = "Runtime.Unknown"
)

// errorPayload is an error as a function's caller gets it.
type errorPayload struct {
	Type    string `json:"errorType,omitempty"`
	Message string `json:"errorMessage"`
}

func (p errorPayload) json() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // two strings always encode
	}
	return b
}

// ExitFailure is the payload, and the log event, of a process that ended before it
// answered request. The runtimes of the first years have one text for all.
func ExitFailure(runtime, request string, exit Exit) (payload []byte, logText string) {
	g := generationOf(runtime)
	if g.legacyExit {
		text := "RequestId: " + request + " Process exited before completing request"
		return errorPayload{Message: text}.json(), text
	}
	how, kind := "Runtime exited without providing a reason", ExitErrorType
	switch {
	case exit.OutOfMemory:
		how, kind = "Runtime exited with error: signal: killed", OutOfMemoryErrorType
	case exit.Signal != "":
		how = "Runtime exited with error: signal: " + exit.Signal
	case exit.Code != 0:
		how = fmt.Sprintf("Runtime exited with error: exit status %d", exit.Code)
	}
	text := "RequestId: " + request + " Error: " + how
	return errorPayload{kind, text}.json(), text + "\n" + kind
}

// EntryFailure is the result, and the log event, of a function that brings its own
// program when that, at path, could not be started because of err.
func EntryFailure(runtime, request, path string, err error) (*Result, string) {
	how := "fork/exec " + path + ": " + err.Error()
	if runtime == "go1.x" {
		return &Result{Payload: errorPayload{"PathError", how}.json(), FunctionError: Unhandled, ErrorType: "PathError"}, how + ": PathError"
	}
	const kind = "Runtime.InvalidEntrypoint"
	if errors.Is(err, fs.ErrNotExist) {
		how = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
	}
	text := "RequestId: " + request + " Error: " + how
	return &Result{Payload: errorPayload{kind, text}.json(), FunctionError: Unhandled, ErrorType: kind}, text + "\n" + kind
}

// ImageFailure is what an invoke answers with whose container image cannot be started, and the log
// event: of a kind, for what was tried.
func ImageFailure(kind, request, tried string, err error) (*Result, string) {
	text := "RequestId: " + request + " Error: " + tried + ": " + err.Error()
	return &Result{Payload: errorPayload{kind, text}.json(), FunctionError: Unhandled, ErrorType: kind}, text + "\n" + kind
}

// UnknownFailure is the payload, and the log event, of a process that said what no runtime says.
func UnknownFailure(request string, err error) (payload []byte, logText string) {
	text := "RequestId: " + request + " Error: " + strings.TrimPrefix(err.Error(), "runtimes: ")
	return errorPayload{UnknownErrorType, text}.json(), text + "\n" + UnknownErrorType
}

// TimeoutFailure is the payload, and the log event, of an invoke that took longer
// than the function's time-out, limit.
func TimeoutFailure(request string, now time.Time, limit time.Duration) (payload []byte, logText string) {
	text := fmt.Sprintf("%s %s Task timed out after %.2f seconds", timestamp(now), request, limit.Seconds())
	return errorPayload{Message: text}.json(), text
}

// InitTimeoutFailure is the payload for request when the init that it caused took
// longer than limit.
func InitTimeoutFailure(request string, limit time.Duration) []byte {
	return errorPayload{TimeoutErrorType, fmt.Sprintf(
		"RequestId: %s Error: Task timed out after %.2f seconds", request, limit.Seconds())}.json()
}

// TooLargeFailure is the payload for a response of size bytes, over MaxResponse.
func TooLargeFailure(runtime string, size int) []byte {
	if generationOf(runtime).legacyExit {
		return errorPayload{Message: "body size is too long"}.json()
	}
	return errorPayload{TooLargeErrorType, fmt.Sprintf(
		"Response payload size (%d bytes) exceeded maximum allowed payload size (%d bytes).", size, MaxResponse)}.json()
}

// timestamp is now as log lines have it: "2016-09-07T21:39:39.145Z".
func timestamp(now time.Time) string { return now.UTC().Format("2006-01-02T15:04:05.000Z") }
