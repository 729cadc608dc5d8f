package runtimes

import (
	"testing"
	"time"
)

func TestPlatformLines(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{StartLine("L", "$LATEST"), "START RequestId: L Version: $LATEST"},
		{EndLine("L"), "END RequestId: L"},
		{InitStartLine("nodejs:20.v1"), "INIT_START Runtime Version: nodejs:20.v1"},
		{InitReportLine(1500*time.Microsecond, "error", ExitErrorType),
			"INIT_REPORT Init Duration: 1.50 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError"},
		{InitReportLine(10*time.Second, "timeout", ""), "INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout"},
		{LogStream(time.Date(2026, 3, 4, 23, 0, 0, 0, time.FixedZone("west", -3600*5)), "$LATEST", "0123"), "2026/03/05/[$LATEST]0123"},
	} {
		if c.got != c.want {
			t.Errorf("got  %q\nwant %q", c.got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	legacy := Report{Runtime: "nodejs4.3", RequestID: "L", Duration: 1230 * time.Microsecond, Init: time.Second, MemoryMB: 128, UsedMB: 9}
	today := legacy
	today.Runtime = "nodejs20.x"
	warm := today
	warm.Init = 0
	late, failed, traced := warm, warm, warm
	late.TimedOut = true
	failed.ErrorType = ExitErrorType
	traced.TraceID = "1-2-3"
	const head = "REPORT RequestId: L\tDuration: 1.23 ms\tBilled Duration: "
	for _, c := range []struct {
		report Report
		want   string
	}{
		{legacy, head + "100 ms \tMemory Size: 128 MB\tMax Memory Used: 9 MB\t"},
		{today, head + "1002 ms\tMemory Size: 128 MB\tMax Memory Used: 9 MB\tInit Duration: 1000.00 ms\t"},
		{warm, head + "2 ms\tMemory Size: 128 MB\tMax Memory Used: 9 MB\t"},
		{late, head + "2 ms\tMemory Size: 128 MB\tMax Memory Used: 9 MB\tStatus: timeout"},
		{failed, head + "2 ms\tMemory Size: 128 MB\tMax Memory Used: 9 MB\tStatus: error\tError Type: Runtime.ExitError"},
		{traced, head + "2 ms\tMemory Size: 128 MB\tMax Memory Used: 9 MB\tXRAY TraceId: 1-2-3\t"},
	} {
		if got := c.report.Line(); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

func TestBilled(t *testing.T) {
	for _, c := range []struct {
		runtime  string
		d, init  time.Duration
		expected time.Duration
	}{
		{"nodejs6.10", 0, 0, 100 * time.Millisecond},
		{"nodejs6.10", 100 * time.Millisecond, 0, 100 * time.Millisecond},
		{"nodejs6.10", 100*time.Millisecond + 1, 0, 200 * time.Millisecond},
		{"python3.12", 0, 0, time.Millisecond},
		{"python3.12", time.Millisecond, 0, time.Millisecond},
		{"python3.12", time.Millisecond + 1, 0, 2 * time.Millisecond},
		{"python3.12", time.Millisecond, 3 * time.Millisecond, 4 * time.Millisecond},
	} {
		if got := (Report{Runtime: c.runtime, Duration: c.d, Init: c.init}).Billed(); got != c.expected {
			t.Errorf("%s %v+%v: got %v, want %v", c.runtime, c.d, c.init, got, c.expected)
		}
	}
}

func TestTimeoutFailures(t *testing.T) {
	payload, log := TimeoutFailure("L", noon, 3*time.Second)
	if want := "2026-03-04T12:00:00.000Z L Task timed out after 3.00 seconds"; log != want || string(payload) != `{"errorMessage":"`+want+`"}` {
		t.Errorf("got %s %q", payload, log)
	}
	if got, want := string(InitTimeoutFailure("L", 10*time.Second)),
		`{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: L Error: Task timed out after 10.00 seconds"}`; got != want {
		t.Errorf("got %s", got)
	}
}

func TestExitFailure(t *testing.T) {
	for _, c := range []struct {
		runtime   string
		exit      Exit
		want, log string
	}{
		{"python3.9", Exit{Code: 2}, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: L Error: Runtime exited with error: exit status 2"}`,
			"RequestId: L Error: Runtime exited with error: exit status 2\nRuntime.ExitError"},
		{"nodejs20.x", Exit{}, `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: L Error: Runtime exited without providing a reason"}`,
			"RequestId: L Error: Runtime exited without providing a reason\nRuntime.ExitError"},
		{"provided.al2023", Exit{Signal: "segmentation fault"},
			`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: L Error: Runtime exited with error: signal: segmentation fault"}`,
			"RequestId: L Error: Runtime exited with error: signal: segmentation fault\nRuntime.ExitError"},
		{"nodejs20.x", Exit{Signal: "killed", OutOfMemory: true},
			`{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: L Error: Runtime exited with error: signal: killed"}`,
			"RequestId: L Error: Runtime exited with error: signal: killed\nRuntime.OutOfMemory"},
		{"nodejs4.3", Exit{Signal: "killed", OutOfMemory: true},
			`{"errorMessage":"RequestId: L Process exited before completing request"}`, "RequestId: L Process exited before completing request"},
	} {
		payload, log := ExitFailure(c.runtime, "L", c.exit)
		if string(payload) != c.want || log != c.log {
			t.Errorf("%s %+v:\ngot  %s %q\nwant %s %q", c.runtime, c.exit, payload, log, c.want, c.log)
		}
	}
}
