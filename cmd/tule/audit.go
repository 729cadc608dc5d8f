package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// noTime is a search from the beginning.
var noTime time.Time

// auditOptions say which events, and how.
type auditOptions struct {
	trail
	since  string
	denied bool
	watch  bool
	json   bool
}

func auditCommand() *cobra.Command {
	var o auditOptions
	c := &cobra.Command{
		Use:   "audit",
		Short: "Show the audit log: who did what, on what, from where, and whether policies let it",
		Long: "Audit shows one line for each event of the audit log, in order of time. With --iam=audit\n" +
			"on the server, --denied lists what would have been denied. `tule why` says more of one.",
		Example: "  tule audit --since 1h\n  tule audit --denied --watch\n  tule audit --since 2d --json | jq .eventName",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			since, err := parseSince(o.since)
			if err != nil {
				return err
			}
			return o.run(c.Context(), c.OutOrStdout(), since)
		},
	}
	o.flags(c)
	f := c.Flags()
	f.StringVar(&o.since, "since", "1h", "from when on: 1h, 90s, 2d, 2026-01-02T03:04:05Z")
	f.BoolVar(&o.denied, "denied", false, "only what was denied, or would have been")
	f.BoolVar(&o.watch, "watch", false, "go on as new events come")
	f.BoolVar(&o.json, "json", false, "the events as CloudTrail has them, one line of JSON each")
	return c
}

// watchEvery is how often --watch looks, and overlap how far back: events are put in the
// log when they end, by the time when they began.
const (
	watchEvery = 2 * time.Second
	overlap    = 30 * time.Second
)

func (o *auditOptions) run(ctx context.Context, out io.Writer, since time.Time) error {
	seen := map[string]time.Time{}
	for {
		events, err := o.read(ctx, since)
		if err != nil {
			return err
		}
		for i := range events {
			e := &events[i]
			if _, old := seen[e.EventID]; old {
				continue
			}
			seen[e.EventID] = e.EventTime
			if e.own() || o.denied && !e.denied() {
				continue
			}
			if o.json {
				fmt.Fprintln(out, e.text)
			} else {
				fmt.Fprintln(out, auditLine(out, e))
			}
		}
		if !o.watch {
			return nil
		}
		due, stop := systemClock{}.After(watchEvery)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case now := <-due:
			if late := now.Add(-overlap); late.After(since) {
				since = late
			}
		}
		for id, at := range seen {
			if at.Before(since.Add(-time.Second)) {
				delete(seen, id)
			}
		}
	}
}

// read is the log of the region, with that of global services, in order of time.
func (o *auditOptions) read(ctx context.Context, since time.Time) ([]trailEvent, error) {
	home, err := o.client(o.region)
	if err != nil {
		return nil, err
	}
	events, err := home.lookup(ctx, "", "", since)
	if err != nil {
		return nil, err
	}
	if home.region != "us-east-1" {
		global, err := o.client("us-east-1")
		if err != nil {
			return nil, err
		}
		more, err := global.lookup(ctx, "", "", since)
		if err != nil {
			return nil, err
		}
		events = append(events, more...)
	}
	byTime(events)
	return events, nil
}

// auditLine is an event on one line: when, what policies said, who, what, on what, from
// where, and the id that `tule why` takes.
func auditLine(out io.Writer, e *trailEvent) string {
	verdict, colour := "ok", green
	switch {
	case e.Additional.Passed:
		verdict, colour = "would deny", yellow
	case e.denied():
		verdict, colour = "DENIED", red
	case e.ErrorCode != "":
		verdict, colour = "failed", yellow
	}
	on := "-"
	if len(e.Resources) > 0 {
		on = e.Resources[0].ARN
	}
	if n := len(e.Resources); n > 1 {
		on += fmt.Sprintf(" (and %d more)", n-1)
	}
	parts := []string{
		paint(out, grey, e.EventTime.UTC().Format(time.RFC3339)),
		paint(out, colour, fmt.Sprintf("%-10s", verdict)),
		e.UserIdentity.who(),
		paint(out, bold, e.action()),
		"on " + on,
		"from " + e.SourceIPAddress,
		paint(out, grey, e.RequestID),
	}
	if e.ErrorCode != "" && !e.denied() {
		parts = append(parts, e.ErrorCode)
	}
	return strings.Join(parts, "  ")
}
