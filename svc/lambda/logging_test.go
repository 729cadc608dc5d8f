package lambda

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/lambda"
)

// jsonLog is a change of a function that logs in JSON, from levels on.
func jsonLog(app, system string) func(*api.CreateFunctionRequest) {
	return func(in *api.CreateFunctionRequest) {
		in.Timeout = ptr(int32(1))
		in.LoggingConfig = &api.LoggingConfig{LogFormat: ptr("JSON"), ApplicationLogLevel: optional(app), SystemLogLevel: optional(system)}
	}
}

// kinds is what a log says, line by line: the platform's types with their statuses, and
// others by level and message.
func kinds(t *testing.T, log string) string {
	t.Helper()
	var out []string
	for line := range strings.Lines(log) {
		var e struct {
			Time, Type, Level string
			Message           any
			Record            struct {
				RequestID, Status string
				Metrics           invokeMetrics
			}
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			out = append(out, "text")
			continue
		}
		switch m := e.Record.Metrics; e.Type {
		case "":
			out = append(out, fmt.Sprint(e.Level, " ", e.Message))
		case "platform.report":
			if m.Duration <= 0 || m.Billed < 1 || m.Memory != 128 || m.Used < 1 || m.Init <= 0 {
				t.Errorf("the figures are %s", line)
			}
			fallthrough
		default:
			out = append(out, strings.TrimSpace(strings.TrimPrefix(e.Type, "platform.")+" "+e.Record.Status))
		}
		if e.Type != "" && (len(e.Time) != 24 || e.Record.RequestID == "" && e.Type != "platform.initStart") {
			t.Error(line)
		}
	}
	return strings.Join(out, ", ")
}

func TestJSONLogs(t *testing.T) {
	st := newStand(t)
	node := `exports.handler = async (e) => { console.debug("d"); console.info("i"); console.warn({a: 1}); console.error("e"); if (e === "slow") await new Promise(r => setTimeout(r, 9000)); if (e) throw 1; };`
	python := "import logging\ndef handler(e, c):\n    for f in (logging.debug, logging.info, logging.warning, logging.error):\n        f('m')\n"
	for n, c := range []struct{ runtime, code, app, system, payload, want string }{
		{"nodejs20.x", node, "", "", "0", "initStart, start, INFO i, WARN map[a:1], ERROR e, report success"},
		{"nodejs20.x", node, "DEBUG", "DEBUG", "0", "initStart, start, DEBUG d, INFO i, WARN map[a:1], ERROR e, runtimeDone success, report success"},
		{"nodejs20.x", node, "FATAL", "WARN", "1", "runtimeDone error, report error"},
		{"nodejs20.x", node, "FATAL", "INFO", `"slow"`, "initStart, start, text, runtimeDone timeout, report timeout"},
		{"python3.12", python, "WARN", "INFO", "0", "initStart, start, WARNING m, ERROR m, report success"},
	} {
		name := fmt.Sprint("f", n)
		st.create(name, c.runtime, c.code, jsonLog(c.app, c.system))
		_, log := st.call(name, c.payload)
		if got := kinds(t, log); got != c.want {
			t.Errorf("%d: got  %s\nwant %s\n%s", n, got, c.want, log)
		}
	}
}
