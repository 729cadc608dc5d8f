package lambda

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/runtimes"
)

// How a function's log is written: as text, or as JSON from a level on.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html

// setLogging changes what is given. Levels are of the log format JSON alone.
func (v *version) setLogging(in *api.LoggingConfig) error {
	if in == nil {
		return nil
	}
	v.LogGroup = or(aws.Value(in.LogGroup), v.LogGroup)
	if f := aws.Value(in.LogFormat); f != "" {
		v.JSONLog = f == api.LogFormatJson
	}
	if !v.JSONLog {
		if in.ApplicationLogLevel != nil || in.SystemLogLevel != nil {
			return invalid("LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or change the LogFormat to \"JSON\" and try again.")
		}
		v.AppLevel, v.SystemLevel = "", ""
		return nil
	}
	v.AppLevel = or(aws.Value(in.ApplicationLogLevel), or(v.AppLevel, api.ApplicationLogLevelInfo))
	v.SystemLevel = or(aws.Value(in.SystemLogLevel), or(v.SystemLevel, api.SystemLogLevelInfo))
	return nil
}

func (v *version) shownLogging(at ref) *api.LoggingConfig {
	out := &api.LoggingConfig{LogFormat: ptr(api.LogFormatText), LogGroup: ptr(v.group(at))}
	if v.JSONLog {
		out.LogFormat, out.ApplicationLogLevel, out.SystemLogLevel = ptr(api.LogFormatJson), &v.AppLevel, &v.SystemLevel
	}
	return out
}

// logVariables tell the languages' runtimes how to write.
func (v *version) logVariables() map[string]string {
	if !v.JSONLog {
		return nil
	}
	return map[string]string{"AWS_LAMBDA_LOG_FORMAT": api.LogFormatJson, "AWS_LAMBDA_LOG_LEVEL": v.AppLevel}
}

// A systemEvent is a line of the platform in a JSON log.
type systemEvent struct {
	Time   string `json:"time"`
	Type   string `json:"type"`
	Record any    `json:"record"`
}

// system logs an event of the platform, if the function wants those of the level.
func (e *environment) system(level, kind string, record any) {
	wants := map[string]int{api.SystemLogLevelDebug: 0, api.SystemLogLevelInfo: 1, api.SystemLogLevelWarn: 2}
	if wants[level] < wants[e.version.SystemLevel] {
		return
	}
	b, err := json.Marshal(systemEvent{e.s.Clock.Now().UTC().Format("2006-01-02T15:04:05.000Z"), kind, record})
	if err == nil { // strings and numbers always encode
		e.log(string(b))
	}
}

// appLevels are the levels of what functions log, from the most detailed on, and the names that
// languages have for them.
var appLevels = [][]string{{"TRACE"}, {"DEBUG"}, {"INFO", "INFORMATION"}, {"WARN", "WARNING"}, {"ERROR"}, {"FATAL", "CRITICAL"}}

// appRank is a level's place among them; -1 for what is none.
func appRank(level string) int {
	level = strings.ToUpper(level)
	return slices.IndexFunc(appLevels, func(names []string) bool { return slices.Contains(names, level) })
}

// unlevelled is what Java's logger says of a line that it has got without a level, which it lets through.
const unlevelled = "UNDEFINED"

// keeps reports whether what a function has written goes into its log. A JSON object says by
// its member "level" how much it matters; one that does not is of the level INFO. Text is always kept.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
func (v *version) keeps(text string) bool {
	if !v.JSONLog || appRank(v.AppLevel) <= 0 || !strings.HasPrefix(strings.TrimLeft(text, " \t"), "{") {
		return true
	}
	var line map[string]json.RawMessage // exact names: a struct would take "Level", too
	if json.Unmarshal([]byte(text), &line) != nil {
		return true
	}
	var level string
	if json.Unmarshal(line["level"], &level) != nil || appRank(level) < 0 && level != unlevelled {
		level = api.ApplicationLogLevelInfo
	}
	return level == unlevelled || appRank(level) >= appRank(v.AppLevel)
}

// initialization says for whom an environment starts.
func (e *environment) initialization() string { return or(e.cause, "on-demand") }

// logInitStart opens the log of an environment.
func (e *environment) logInitStart() {
	switch runtime := e.version.Runtime; {
	case e.version.JSONLog:
		level := api.SystemLogLevelInfo
		if runtime == "" { // of an image nobody knows
			level = api.SystemLogLevelDebug
		}
		e.system(level, "platform.initStart", struct {
			Type    string `json:"initializationType"`
			Phase   string `json:"phase"`
			Version string `json:"runtimeVersion,omitempty"`
		}{e.initialization(), "init", runtime})
	case runtime != "" && !bills100(runtime):
		e.log(runtimes.InitStartLine(runtime))
	}
}

// logInitTimeout says that the function did not load in time.
func (e *environment) logInitTimeout() {
	if !e.version.JSONLog {
		e.log(runtimes.InitReportLine(e.init, "timeout", ""))
		return
	}
	e.logInitReport(api.SystemLogLevelWarn, "timeout")
}

// An initReport is how an init went, in a JSON log; platform.initRuntimeDone has no metrics.
type initReport struct {
	Type    string             `json:"initializationType"`
	Phase   string             `json:"phase"`
	Status  string             `json:"status"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
}

func (e *environment) logInitReport(level, status string) {
	e.system(level, "platform.initReport", initReport{e.initialization(), "init", status, map[string]float64{"durationMs": milliseconds(e.init)}})
}

// logInit says how the function has loaded, where the log is JSON. A text says it with the first invoke.
func (e *environment) logInit(ok bool) {
	if !e.version.JSONLog {
		return
	}
	status, done, report := "success", api.SystemLogLevelDebug, api.SystemLogLevelDebug
	switch {
	case !ok:
		status, done, report = "error", api.SystemLogLevelWarn, api.SystemLogLevelWarn
	case e.cause != "":
		report = api.SystemLogLevelInfo // no invoke will tell of it
	}
	e.system(done, "platform.initRuntimeDone", initReport{e.initialization(), "init", status, nil})
	e.logInitReport(report, status)
}

// extensionEvent logs an event of the platform about extensions.
func (e *environment) extensionEvent(kind string, record any, ok bool) {
	level := api.SystemLogLevelInfo
	if !ok {
		level = api.SystemLogLevelWarn
	}
	e.system(level, kind, record)
}

// logStart opens the log of an invoke.
func (e *environment) logStart(id string) {
	if !e.version.JSONLog {
		e.log(runtimes.StartLine(id, e.version.label()))
		return
	}
	e.system(api.SystemLogLevelInfo, "platform.start", struct {
		RequestID string `json:"requestId"`
		Version   string `json:"version"`
	}{id, e.version.label()})
}

// invokeMetrics are the figures of an invoke in a JSON log.
type invokeMetrics struct {
	Duration float64 `json:"durationMs"`
	Produced *int    `json:"producedBytes,omitempty"`
	Billed   int64   `json:"billedDurationMs,omitempty"`
	Memory   int     `json:"memorySizeMB,omitempty"`
	Used     int     `json:"maxMemoryUsedMB,omitempty"`
	Init     float64 `json:"initDurationMs,omitempty"`
}

// invokeReport is how an invoke ended, in a JSON log.
type invokeReport struct {
	RequestID string        `json:"requestId"`
	Status    string        `json:"status"`
	ErrorType string        `json:"errorType,omitempty"`
	Metrics   invokeMetrics `json:"metrics"`
}

// logReport closes the log of an invoke.
func (e *environment) logReport(r runtimes.Report, res *runtimes.Result) {
	if !e.version.JSONLog {
		e.log(runtimes.EndLine(r.RequestID))
		e.log(r.Line())
		return
	}
	status, level, done := "success", api.SystemLogLevelInfo, api.SystemLogLevelDebug
	switch {
	case r.TimedOut:
		status = "timeout"
	case r.ErrorType != "":
		status = "failure"
	case res.FunctionError != "":
		status = "error"
	}
	if status != "success" {
		level, done = api.SystemLogLevelWarn, api.SystemLogLevelWarn
	}
	n := len(res.Payload)
	e.system(done, "platform.runtimeDone", invokeReport{r.RequestID, status, r.ErrorType, invokeMetrics{Duration: milliseconds(r.Duration), Produced: &n}})
	e.system(level, "platform.report", invokeReport{r.RequestID, status, r.ErrorType, invokeMetrics{Duration: milliseconds(r.Duration),
		Billed: int64(r.Billed() / time.Millisecond), Memory: r.MemoryMB, Used: r.UsedMB, Init: milliseconds(r.Init)}})
}

// milliseconds is d in the unit of logs, to their two digits.
func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}
