package apigateway

import (
	"fmt"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	logs "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// A transcript is the execution log of one request. A nil one is off.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
type transcript struct {
	clock  aws.Clock
	prefix string // of each line
	errors bool   // only what goes wrong is logged
	bodies bool   // bodies are logged
	lines  []logLine
	text   []byte // of all lines, one behind the other
}

// A logLine is where a line ends in its transcript's text, and when it was written.
type logLine struct {
	at  time.Time
	end int
}

// newTranscript is the log of a request, at a stage's level for its method; nil where
// it is off.
func newTranscript(clock aws.Clock, id string, m *api.MethodSetting) *transcript {
	lines, bodies := level(m)
	if !lines {
		return nil
	}
	return &transcript{clock: clock, prefix: "(" + id + ") ", bodies: bodies, errors: errorsOnly(m),
		lines: make([]logLine, 0, 16), text: make([]byte, 0, 2048)}
}

// maxLine is what API Gateway cuts texts in its log to.
const maxLine = 1024

func cut(s string) string {
	if len(s) > maxLine {
		return strings.ToValidUTF8(s[:maxLine], "") + " [TRUNCATED]"
	}
	return s
}

// add logs a line of some parts.
func (t *transcript) add(parts ...string) {
	t.text = append(t.text, t.prefix...)
	for _, p := range parts {
		t.text = append(t.text, p...)
	}
	t.lines = append(t.lines, logLine{t.clock.Now(), len(t.text)})
}

// say logs a step, of some parts.
func (t *transcript) say(parts ...string) {
	if t != nil && !t.errors {
		t.add(parts...)
	}
}

// info logs a step.
func (t *transcript) info(format string, args ...any) {
	if t != nil && !t.errors {
		t.add(fmt.Sprintf(format, args...))
	}
}

// data logs a body.
func (t *transcript) data(title string, body []byte) {
	if t != nil && !t.errors && t.bodies {
		t.add(title, cut(strings.ToValidUTF8(string(body[:min(len(body), maxLine+1)]), "\uFFFD")))
	}
}

// values logs headers or parameters, as Java prints a map. What authorizes is masked.
func (t *transcript) values(title string, ps []gateway.Param) {
	if t == nil || t.errors {
		return
	}
	room := make([]byte, 0, 512)
	room = append(room, '{')
	for i, p := range ps {
		if i > 0 {
			room = append(room, ", "...)
		}
		v := p.Value
		if strings.EqualFold(p.Name, "Authorization") || strings.EqualFold(p.Name, "X-Amz-Security-Token") || strings.EqualFold(p.Name, "X-Api-Key") {
			v = mask(v)
		}
		room = append(append(append(room, p.Name...), '='), v...)
		if len(room) > maxLine {
			break // the rest is cut
		}
	}
	t.add(title, cut(string(append(room, '}'))))
}

// fail logs what went wrong.
func (t *transcript) fail(line string) {
	if t != nil && line != "" {
		t.add(line)
	}
}

// mask hides all of a secret but its last six characters.
func mask(s string) string {
	if n := len(s) - 6; n > 0 {
		return strings.Repeat("*", n) + s[n:]
	}
	return strings.Repeat("*", len(s))
}

// events are the lines as CloudWatch Logs takes them.
func (t *transcript) events() []logs.InputLogEvent {
	text, from := string(t.text), 0
	out := make([]logs.InputLogEvent, len(t.lines))
	messages, times := make([]string, len(t.lines)), make([]int64, len(t.lines))
	for i, l := range t.lines {
		messages[i], times[i], from = text[from:l.end], l.at.UnixMilli(), l.end
		out[i] = logs.InputLogEvent{Message: &messages[i], Timestamp: &times[i]}
	}
	return out
}

// report is what TestInvokeMethod answers.
func (t *transcript) report(id string) string {
	var b strings.Builder
	b.WriteString("Execution log for request " + id + "\n")
	from := 0
	for _, l := range t.lines {
		b.WriteString(l.at.UTC().Format("Mon Jan 02 15:04:05 UTC 2006") + " : " + string(t.text[from:l.end]) + "\n")
		from = l.end
	}
	return b.String()
}
