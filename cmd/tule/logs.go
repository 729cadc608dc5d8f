package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// logsOptions say which logs, and since when.
type logsOptions struct {
	steering
	api, stage string
	functions  []string
	start      string
	requestID  string
	pattern    string
	watch      bool
}

func logsCommand() *cobra.Command {
	var o logsOptions
	c := &cobra.Command{
		Use:   "logs",
		Short: "Show an API's log and its functions' as one stream, in order of time",
		Long: "Logs shows the execution log of an API's stage together with the logs of every\n" +
			"function behind it, or those of functions alone, in order of time.",
		Example: "  tule logs --api-id a1b2c3d4e5 --stage prod --watch\n" +
			"  tule logs --api-id a1b2c3d4e5 --stage prod --start='1h ago' --request-id 6605b081-6f04-11e6-97ac-c34deb0b3dd9\n" +
			"  tule logs --function movies-db",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if (o.api == "") != (o.stage == "") || o.api == "" && len(o.functions) == 0 {
				return errors.New("name an API and its stage with --api-id and --stage, or a function with --function")
			}
			since, err := parseStart(o.start, systemClock{}.Now())
			if err != nil {
				return err
			}
			return o.run(c.Context(), c.OutOrStdout(), since)
		},
	}
	o.flags(c)
	f := c.Flags()
	f.StringVar(&o.api, "api-id", "", "the API")
	f.StringVar(&o.stage, "stage", "", "its stage")
	f.StringSliceVar(&o.functions, "function", nil, "a function; may be given more than once")
	f.StringVar(&o.start, "start", "5m ago", "from when on: '1h ago', 90s, 2026-01-02T03:04:05Z")
	f.StringVar(&o.requestID, "request-id", "", "one request's lines only, those of the functions that it ran included")
	f.StringVar(&o.pattern, "filter-pattern", "", "a CloudWatch Logs filter pattern")
	f.BoolVar(&o.watch, "watch", false, "go on as new lines come")
	return c
}

// parseStart reads a point in time, or how long ago one was.
func parseStart(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(text), "ago"))
	short := strings.Join(words, "")
	for _, unit := range [][2]string{{"seconds", "s"}, {"second", "s"}, {"minutes", "m"}, {"minute", "m"}, {"min", "m"}, {"hours", "h"}, {"hour", "h"}} {
		short = strings.TrimSuffix(short, unit[0]) + map[bool]string{true: unit[1]}[strings.HasSuffix(short, unit[0])]
	}
	for _, unit := range []string{"days", "day", "d"} {
		if days, ok := strings.CutSuffix(short, unit); ok {
			if d, err := time.ParseDuration(days + "h"); err == nil {
				return now.Add(-24 * d), nil
			}
		}
	}
	if d, err := time.ParseDuration(short); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("--start %s: say '1h ago', 90s or 2026-01-02T03:04:05Z", text)
}

// logEvent is a line of a log.
type logEvent struct {
	EventID       string `json:"eventId"`
	LogStreamName string
	Message       string
	Timestamp     int64
	group         string
}

// pollEvery is how often --watch asks for more, and settle for how long a line may
// come late and still be seen.
const (
	pollEvery = 500 * time.Millisecond
	settle    = 10 * time.Second
)

func (o *logsOptions) run(ctx context.Context, out io.Writer, since time.Time) error {
	c := newClient(o.address(), o.region)
	groups, err := o.groups(ctx, c)
	if err != nil {
		return err
	}
	p := newLogPrinter(out, groups, o.requestID)
	seen := map[string]int64{}
	for first := true; ; first = false {
		events, err := o.collect(ctx, c, groups, since.UnixMilli(), first && !o.watch)
		if err != nil {
			return err
		}
		fresh := events[:0]
		for _, e := range events {
			if _, old := seen[e.group+e.EventID]; !old {
				seen[e.group+e.EventID] = e.Timestamp
				fresh = append(fresh, e)
			}
		}
		p.print(fresh)
		if !o.watch {
			return nil
		}
		due, stop := systemClock{}.After(pollEvery)
		select {
		case <-ctx.Done():
			stop()
			return nil
		case now := <-due:
			if late := now.Add(-settle); late.After(since) {
				since = late
			}
		}
		for id, at := range seen {
			if at < since.UnixMilli() {
				delete(seen, id)
			}
		}
	}
}

// groups are the log groups to show: the stage's own, and those of the functions.
func (o *logsOptions) groups(ctx context.Context, c *client) ([]string, error) {
	var out []string
	if o.api != "" {
		out = append(out, "API-Gateway-Execution-Logs_"+o.api+"/"+o.stage)
		names, err := functionsBehind(ctx, c, o.api)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if len(o.functions) == 0 || slices.Contains(o.functions, n) {
				out = append(out, "/aws/lambda/"+n)
			}
		}
		return out, nil
	}
	for _, f := range o.functions {
		out = append(out, "/aws/lambda/"+f)
	}
	return out, nil
}

// functionsBehind finds the functions that an API's methods call.
func functionsBehind(ctx context.Context, c *client, api string) ([]string, error) {
	var names []string
	for position := ""; ; {
		var page struct {
			Position string
			Item     []struct {
				ResourceMethods map[string]struct {
					MethodIntegration struct{ URI string }
				}
			}
		}
		path := "/restapis/" + api + "/resources?embed=methods&limit=500"
		if position != "" {
			path += "&position=" + position
		}
		if err := c.get(ctx, "apigateway", path, &page); err != nil {
			return nil, err
		}
		for _, r := range page.Item {
			for _, m := range r.ResourceMethods {
				if n := functionOf(m.MethodIntegration.URI); n != "" && !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
		if position = page.Position; position == "" {
			slices.Sort(names)
			return names, nil
		}
	}
}

// functionOf is the function's name in an integration's URI, without alias.
func functionOf(uri string) string {
	_, rest, ok := strings.Cut(uri, ":function:")
	if !ok {
		return ""
	}
	return rest[:strings.IndexAny(rest+"/", ":/")]
}

// collect reads every line since then, in order of time. A group that nobody has
// written to yet has none.
func (o *logsOptions) collect(ctx context.Context, c *client, groups []string, since int64, must bool) ([]logEvent, error) {
	var all []logEvent
	missing := 0
	for _, g := range groups {
		events, err := o.filter(ctx, c, g, since)
		var e *apiError
		if errors.As(err, &e) && e.code == "ResourceNotFoundException" {
			missing++
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	if must && missing == len(groups) {
		return nil, fmt.Errorf("nothing has been logged to %s yet (a stage logs when its logging level is INFO and the account has a CloudWatch role)", strings.Join(groups, " or "))
	}
	slices.SortStableFunc(all, func(a, b logEvent) int { return int(a.Timestamp - b.Timestamp) })
	return all, nil
}

func (o *logsOptions) filter(ctx context.Context, c *client, group string, since int64) ([]logEvent, error) {
	var all []logEvent
	for token := ""; ; {
		in := map[string]any{"logGroupName": group, "startTime": since, "interleaved": true}
		if o.pattern != "" {
			in["filterPattern"] = o.pattern
		}
		if token != "" {
			in["nextToken"] = token
		}
		var page struct {
			Events    []logEvent
			NextToken string
		}
		if err := c.json(ctx, "logs", "Logs_20140328.FilterLogEvents", in, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			e.group = group
			all = append(all, e)
		}
		if token = page.NextToken; token == "" {
			return all, nil
		}
	}
}
