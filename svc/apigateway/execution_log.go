package apigateway

import (
	"fmt"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// A transcript is the execution log of one request. A nil one is off.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
type transcript struct {
	clock  aws.Clock
	errors bool // only what goes wrong is logged
	bodies bool // bodies are logged
	lines  []logLine
}

type logLine struct {
	at   time.Time
	text string
}

// maxLine is what API Gateway cuts texts in its log to.
const maxLine = 1024

func cut(s string) string {
	if len(s) > maxLine {
		return strings.ToValidUTF8(s[:maxLine], "") + " [TRUNCATED]"
	}
	return s
}

func (t *transcript) add(text string) {
	t.lines = append(t.lines, logLine{t.clock.Now(), text})
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
		t.add(title + cut(strings.ToValidUTF8(string(body[:min(len(body), maxLine+1)]), "\uFFFD")))
	}
}

// values logs headers or parameters. What authorizes is masked.
func (t *transcript) values(title string, ps []gateway.Param) {
	if t == nil || t.errors {
		return
	}
	masked := make([]gateway.Param, len(ps))
	for i, p := range ps {
		if masked[i] = p; strings.EqualFold(p.Name, "Authorization") || strings.EqualFold(p.Name, "X-Amz-Security-Token") || strings.EqualFold(p.Name, "X-Api-Key") {
			masked[i].Value = mask(p.Value)
		}
	}
	t.add(title + cut(javaMap(masked)))
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

// text is what TestInvokeMethod answers.
func (t *transcript) text(id string) string {
	var b strings.Builder
	b.WriteString("Execution log for request " + id + "\n")
	for _, l := range t.lines {
		b.WriteString(l.at.UTC().Format("Mon Jan 02 15:04:05 UTC 2006") + " : " + l.text + "\n")
	}
	return b.String()
}
