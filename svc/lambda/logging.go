package lambda

import (
	"encoding/json"
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

// logInitStart opens the log of an environment.
func (e *environment) logInitStart() {
	switch runtime := e.version.Runtime; {
	case e.version.JSONLog:
		e.system(api.SystemLogLevelInfo, "platform.initStart", struct {
			Type    string `json:"initializationType"`
			Phase   string `json:"phase"`
			Version string `json:"runtimeVersion"`
		}{"on-demand", "init", runtime})
	case runtime != "" && !bills100(runtime): // of an image nobody knows
		e.log(runtimes.InitStartLine(runtime))
	}
}

// logInitTimeout says that the function did not load in time.
func (e *environment) logInitTimeout() {
	if !e.version.JSONLog {
		e.log(runtimes.InitReportLine(e.init, "timeout", ""))
		return
	}
	e.system(api.SystemLogLevelWarn, "platform.initReport", struct {
		Type    string `json:"initializationType"`
		Phase   string `json:"phase"`
		Status  string `json:"status"`
		Metrics any    `json:"metrics"`
	}{"on-demand", "init", "timeout", map[string]float64{"durationMs": milliseconds(e.init)}})
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
