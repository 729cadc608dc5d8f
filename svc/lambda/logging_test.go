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
			if m.Duration <= 0 && e.Record.Status != "error" || m.Billed < 1 || m.Memory != 128 || m.Used < 1 || m.Init <= 0 {
				t.Errorf("the figures are %s", line)
			}
			fallthrough
		default:
			out = append(out, strings.TrimSpace(strings.TrimPrefix(e.Type, "platform.")+" "+e.Record.Status))
		}
		if e.Type != "" && (len(e.Time) != 24 || e.Record.RequestID == "" && !strings.HasPrefix(e.Type, "platform.init")) {
			t.Error(line)
		}
	}
	return strings.Join(out, ", ")
}

func TestJSONLogs(t *testing.T) {
	st := newStand(t)
	node := `exports.handler = async (e) => { console.debug("d"); console.info("i"); console.warn({a: 1}); console.error("e"); if (e === "slow") await new Promise(r => setTimeout(r, 9000)); if (e) throw 1; };`
	printed := `exports.handler = async () => { for (const l of ["debug", "warn", "error"]) process.stdout.write(JSON.stringify({level: l, message: 1}) + "\n"); };`
	python := "import logging\ndef handler(e, c):\n    for f in (logging.debug, logging.info, logging.warning, logging.error):\n        f('m')\n"
	for n, c := range []struct{ runtime, code, app, system, payload, want string }{
		{"nodejs20.x", node, "", "", "0", "initStart, start, INFO i, WARN map[a:1], ERROR e, report success"},
		{"nodejs20.x", node, "DEBUG", "DEBUG", "0", "initStart, initRuntimeDone success, initReport success, start, DEBUG d, INFO i, WARN map[a:1], ERROR e, runtimeDone success, report success"},
		{"nodejs20.x", "throw new Error('no');", "FATAL", "WARN", "0", "initRuntimeDone error, initReport error, runtimeDone error, report error"},
		{"nodejs20.x", node, "FATAL", "WARN", "1", "runtimeDone error, report error"},
		{"nodejs20.x", node, "FATAL", "INFO", `"slow"`, "initStart, start, text, runtimeDone timeout, report timeout"},
		{"nodejs20.x", printed, "WARN", "WARN", "0", "warn 1, error 1"},
		{"python3.12", "def handler(e, c):\n    raise ValueError('no')\n", "ERROR", "WARN", "0", "ERROR <nil>, runtimeDone error, report error"},
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

// What functions print themselves is held to the level that they want, if it says its own.
func TestKeeps(t *testing.T) {
	for _, c := range []struct {
		level, text string
		want        bool
	}{
		{"TRACE", `{"level":"trace"}`, true},
		{"INFO", `{"level":"debug","msg":"x"}`, false},
		{"INFO", `{"level":"info"}`, true},
		{"INFO", `{"msg":"no level is INFO"}`, true},
		{"WARN", `{"msg":"no level is INFO"}`, false},
		{"WARN", `{"log_level":"ERROR"}`, false},
		{"WARN", `{"Level":"ERROR"}`, false},
		{"WARN", `{"level":"loud"}`, false},
		{"WARN", `{"level":7}`, false},
		{"WARN", ` {"level":"Warning"}`, true},
		{"ERROR", `{"level":"CRITICAL"}`, true},
		{"ERROR", `{"level":"WARNING"}`, false},
		{"FATAL", `{"level":"UNDEFINED"}`, true},
		{"FATAL", `text`, true},
		{"FATAL", `{"level":"debug"`, true},
		{"FATAL", `[{"level":"debug"}]`, true},
	} {
		v := version{JSONLog: true, AppLevel: c.level}
		if got := v.keeps(c.text); got != c.want {
			t.Errorf("%s from %s on: %t", c.text, c.level, got)
		}
		if v.JSONLog = false; !v.keeps(c.text) {
			t.Errorf("%s is not kept in a text", c.text)
		}
	}
}

// A provisioned environment says in the log's own format for what it has started, and what came of it.
func TestProvisionedLogs(t *testing.T) {
	st := newStand(t)
	st.create("f", "nodejs20.x", `exports.handler = async () => console.log('{"level":"debug"}');`, published, jsonLog("", ""))
	st.provision("f", "1", 1)
	st.stands("f", "1", api.ProvisionedConcurrencyStatusEnumReady)
	st.call("f:1", "{}")
	st.logged("platform.report", 1)
	for _, want := range []string{`"initializationType":"provisioned-concurrency","phase":"init","runtimeVersion":"nodejs20.x"`,
		`"platform.initReport","record":{"initializationType":"provisioned-concurrency","phase":"init","status":"success","metrics":{"durationMs":`} {
		if log := st.near.written(); !strings.Contains(log, want) || strings.Contains(log, "INIT_START") {
			t.Errorf("want %s in\n%s", want, log)
		}
	}
}
