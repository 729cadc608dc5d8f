package runtimes

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// StartLine, EndLine and Report.Line are the platform's own log events. They carry
// no final line feed.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html

// StartLine opens the log of an invoke.
func StartLine(request, version string) string {
	return "START RequestId: " + request + " Version: " + version
}

// EndLine closes it.
func EndLine(request string) string { return "END RequestId: " + request }

// InitStartLine opens the log of an execution environment.
func InitStartLine(runtime string) string { return "INIT_START Runtime Version: " + runtime }

// InitReportLine reports an init that failed.
func InitReportLine(d time.Duration, status, errorType string) string {
	s := fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: init\tStatus: %s", milliseconds(d), status)
	if errorType != "" {
		s += "\tError Type: " + errorType
	}
	return s
}

// A Report is what the REPORT event of an invoke says.
type Report struct {
	Runtime   string
	RequestID string
	Duration  time.Duration
	Init      time.Duration // zero for a warm environment
	MemoryMB  int           // the function's
	UsedMB    int           // the most that was used
	TraceID   string        // X-Ray, may be empty
	TimedOut  bool
	ErrorType string // of an invoke that ended by a fault: "Runtime.ExitError"
}

// Billed is the time that AWS would bill. The runtimes that had 100 ms steps in
// their time have them here; the others have steps of 1 ms, and count the init.
func (r Report) Billed() time.Duration {
	if generationOf(r.Runtime).legacyExit {
		return roundUp(r.Duration, 100*time.Millisecond)
	}
	return roundUp(r.Duration+r.Init, time.Millisecond)
}

// Line is the text of the event.
func (r Report) Line() string {
	var b strings.Builder
	billed := int64(r.Billed() / time.Millisecond)
	fmt.Fprintf(&b, "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms",
		r.RequestID, milliseconds(r.Duration), billed)
	if generationOf(r.Runtime).legacyExit {
		fmt.Fprintf(&b, " \tMemory Size: %d MB\tMax Memory Used: %d MB\t", r.MemoryMB, r.UsedMB)
		return b.String()
	}
	fmt.Fprintf(&b, "\tMemory Size: %d MB\tMax Memory Used: %d MB\t", r.MemoryMB, r.UsedMB)
	if r.Init > 0 {
		fmt.Fprintf(&b, "Init Duration: %.2f ms\t", milliseconds(r.Init))
	}
	if r.TraceID != "" {
		fmt.Fprintf(&b, "XRAY TraceId: %s\t", r.TraceID)
	}
	switch {
	case r.TimedOut:
		b.WriteString("Status: timeout")
	case r.ErrorType != "":
		fmt.Fprintf(&b, "Status: error\tError Type: %s", r.ErrorType)
	}
	return b.String()
}

// LogStream is the name of an environment's log stream; id is 32 hex digits.
func LogStream(day time.Time, version, id string) string {
	return day.UTC().Format("2006/01/02") + "/[" + version + "]" + id
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func roundUp(d, step time.Duration) time.Duration {
	n := math.Ceil(float64(d) / float64(step))
	return time.Duration(max(n, 1)) * step
}
