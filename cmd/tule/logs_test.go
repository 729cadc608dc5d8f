package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseStart(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, ago := range map[string]time.Duration{
		"1h ago": time.Hour, "1h": time.Hour, "90s": 90 * time.Second, "5 minutes ago": 5 * time.Minute, "2 hours ago": 2 * time.Hour,
		"1 hour ago": time.Hour, "10min": 10 * time.Minute, "3 days ago": 72 * time.Hour, "1d": 24 * time.Hour, "30 seconds": 30 * time.Second,
		"2026-01-02T03:00:00Z": 4*time.Minute + 5*time.Second,
	} {
		if got, err := parseStart(text, now); err != nil || now.Sub(got) != ago {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yesterday", "-1h", "h", "1 fortnight ago"} {
		if got, err := parseStart(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestFunctionOf(t *testing.T) {
	const head = "arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/arn:aws:lambda:us-west-2:000000000000:function:"
	for uri, want := range map[string]string{
		head + "movies-db/invocations": "movies-db", head + "f:live/invocations": "f", head + "f": "f", "http://example.org": "", "": "",
	} {
		if got := functionOf(uri); got != want {
			t.Errorf("functionOf(%q) = %q", uri, got)
		}
	}
}

// TestOneRequest shows the lines that --request-id keeps: those that name the
// request, those that name the invocation that it led to, and what that invocation
// printed in between.
func TestOneRequest(t *testing.T) {
	const api, fn = "API-Gateway-Execution-Logs_a1/prod", "/aws/lambda/f"
	const r, l, other = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333"
	var events []logEvent
	for i, e := range [][2]string{
		{fn, "START RequestId: " + other + " Version: $LATEST\n"}, {fn, "of another request\n"}, {fn, "END RequestId: " + other + "\n"},
		{api, "(" + r + ") Starting execution for request: " + r}, {api, "(" + other + ") of another"},
		{fn, "START RequestId: " + l + " Version: $LATEST\n"}, {fn, "a bare print\n"}, {fn, "END RequestId: " + l + "\n"}, {fn, "REPORT RequestId: " + l + "\tDuration: 1 ms\n"},
		{fn, "after it"}, {api, "(" + r + ") AWS Integration Endpoint RequestId : " + l},
	} {
		events = append(events, logEvent{group: e[0], Message: e[1], LogStreamName: "s", Timestamp: int64(i), EventID: e[1]})
	}
	var out strings.Builder
	newLogPrinter(&out, []string{api, fn}, r).print(events)
	want := `1970-01-01T00:00:00.003Z api a1/prod (11111111-1111-4111-8111-111111111111) Starting execution for request: 11111111-1111-4111-8111-111111111111
1970-01-01T00:00:00.005Z f           START RequestId: 22222222-2222-4222-8222-222222222222 Version: $LATEST
1970-01-01T00:00:00.006Z f           a bare print
1970-01-01T00:00:00.007Z f           END RequestId: 22222222-2222-4222-8222-222222222222
1970-01-01T00:00:00.008Z f           REPORT RequestId: 22222222-2222-4222-8222-222222222222	Duration: 1 ms
1970-01-01T00:00:00.010Z api a1/prod (11111111-1111-4111-8111-111111111111) AWS Integration Endpoint RequestId : 22222222-2222-4222-8222-222222222222
`
	if out.String() != want {
		t.Errorf("printed\n%s", out.String())
	}
}
