package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// logPrinter prints lines of several logs, each log in a colour of its own, and
// keeps to one request's lines where asked.
type logPrinter struct {
	out     io.Writer
	colours map[string]string
	width   int
	// ids are the request's own id and those of the functions it ran; nil is all.
	ids map[string]bool
	// open says of a function's stream that it is within an invocation of ids.
	open map[string]bool
}

func newLogPrinter(out io.Writer, groups []string, requestID string) *logPrinter {
	p := &logPrinter{out: out, colours: map[string]string{}, open: map[string]bool{}}
	palette := []string{cyan, green, yellow, purple, blue}
	for i, g := range groups {
		p.colours[g] = palette[i%len(palette)]
		p.width = max(p.width, len(shortGroup(g)))
	}
	if requestID != "" {
		p.ids = map[string]bool{requestID: true}
	}
	return p
}

// shortGroup is what a person calls a log group.
func shortGroup(group string) string {
	if name, ok := strings.CutPrefix(group, "API-Gateway-Execution-Logs_"); ok {
		return "api " + name
	}
	return strings.TrimPrefix(group, "/aws/lambda/")
}

var (
	invoked = regexp.MustCompile(`(?i)(?:AWS Integration Endpoint RequestId ?: ?|x-amzn-RequestId=)([0-9a-f-]{36})`)
	began   = regexp.MustCompile(`^START RequestId: ([0-9a-f-]{36})`)
	ended   = regexp.MustCompile(`^END RequestId: ([0-9a-f-]{36})`)
)

func (p *logPrinter) print(events []logEvent) {
	if p.ids != nil {
		p.learn(events)
	}
	for _, e := range events {
		if p.ids != nil && !p.belongs(e) {
			continue
		}
		at := time.UnixMilli(e.Timestamp).UTC().Format("2006-01-02T15:04:05.000Z")
		source := fmt.Sprintf("%-*s", p.width, shortGroup(e.group))
		for line := range strings.SplitSeq(strings.TrimRight(e.Message, "\r\n"), "\n") {
			fmt.Fprintln(p.out, paint(p.out, grey, at), paint(p.out, p.colours[e.group], source), line)
		}
	}
}

// learn finds out under which ids the request's functions ran: the API's log says
// so, and a function may have logged the API's id beside its own.
func (p *logPrinter) learn(events []logEvent) {
	for _, e := range events {
		if p.mentions(e.Message) {
			if m := invoked.FindStringSubmatch(e.Message); m != nil {
				p.ids[m[1]] = true
			}
		}
	}
}

func (p *logPrinter) mentions(message string) bool {
	for id := range p.ids {
		if strings.Contains(message, id) {
			return true
		}
	}
	return false
}

// belongs reports whether a line is of the request: it names one of its ids, or it
// stands between the START and END of an invocation that does.
func (p *logPrinter) belongs(e logEvent) bool {
	stream := e.group + "\x00" + e.LogStreamName
	if m := began.FindStringSubmatch(e.Message); m != nil {
		p.open[stream] = p.ids[m[1]]
	}
	in := p.open[stream]
	if ended.MatchString(e.Message) {
		p.open[stream] = false
	}
	return in || p.mentions(e.Message)
}
