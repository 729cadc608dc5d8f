package scheduler

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/scheduler"
)

// TestMoments holds schedules against when they call their target.
func TestMoments(t *testing.T) {
	for _, c := range []struct {
		name, expression string
		now, end         string // the house's time and an hour on, if empty
		change           []change
		want             []string
	}{
		{name: "a rate begins at once", expression: "rate(25 minutes)", want: []string{"2026-01-02T03:04:05Z", "2026-01-02T03:29:05Z", "2026-01-02T03:54:05Z"}},
		{name: "a rate begins at its start", expression: "rate(20 minutes)", change: []change{from("2026-01-02T03:30:00Z")}, want: []string{"2026-01-02T03:30:00Z", "2026-01-02T03:50:00Z"}},
		{name: "a rate whose start is over begins at once", expression: "rate(40 minutes)", change: []change{from("2026-01-02T03:01:00Z")}, want: []string{"2026-01-02T03:04:05Z", "2026-01-02T03:44:05Z"}},
		{name: "a rate ends before its end", expression: "rate(10 minutes)", change: []change{from("2026-01-02T03:10:00Z"), until("2026-01-02T03:30:00Z")}, want: []string{"2026-01-02T03:10:00Z", "2026-01-02T03:20:00Z"}},
		{name: "an end that is over", expression: "rate(10 minutes)", change: []change{until("2026-01-02T03:00:00Z")}},
		{name: "a plan", expression: "cron(0/20 * * * ? *)", want: []string{"2026-01-02T03:20:00Z", "2026-01-02T03:40:00Z", "2026-01-02T04:00:00Z"}},
		{name: "a plan counts its start and not its end", expression: "cron(0/10 * * * ? *)", change: []change{from("2026-01-02T03:30:00Z"), until("2026-01-02T03:50:00Z")}, want: []string{"2026-01-02T03:30:00Z", "2026-01-02T03:40:00Z"}},
		{name: "once", expression: "at(2026-01-02T03:30:00)", want: []string{"2026-01-02T03:30:00Z"}},
		{name: "once, now", expression: "at(2026-01-02T03:04:05)", want: []string{"2026-01-02T03:04:05Z"}},
		{name: "once, and over", expression: "at(2026-01-02T03:00:00)"},
		{name: "once, whatever the start", expression: "at(2026-01-02T03:30:00)", change: []change{from("2026-01-02T03:40:00Z")}, want: []string{"2026-01-02T03:30:00Z"}},
		{name: "once, whatever the end", expression: "at(2026-01-02T03:30:00)", change: []change{until("2026-01-02T03:20:00Z")}, want: []string{"2026-01-02T03:30:00Z"}},
		{name: "once, in a zone", expression: "at(2026-01-02T09:15:00)", change: []change{zone("Asia/Kathmandu")}, want: []string{"2026-01-02T03:30:00Z"}},
		{name: "disabled", expression: "rate(1 minute)", change: []change{disabled}},

		{name: "clocks go forward over it", expression: "cron(30 2 * * ? *)", now: "2026-03-07T00:00:00Z", end: "2026-03-10T00:00:00Z", change: []change{zone("America/New_York")}, want: []string{"2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z"}},
		{name: "clocks go back over it", expression: "cron(30 1 * * ? *)", now: "2026-10-31T12:00:00Z", end: "2026-11-03T00:00:00Z", change: []change{zone("America/New_York")}, want: []string{"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
		{name: "the morning in spring", expression: "cron(0 9 * * ? *)", now: "2026-03-28T00:00:00Z", end: "2026-03-30T00:00:00Z", change: []change{zone("Europe/Berlin")}, want: []string{"2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z"}},
		{name: "the morning in autumn", expression: "cron(0 9 * * ? *)", now: "2026-10-24T00:00:00Z", end: "2026-10-26T00:00:00Z", change: []change{zone("Europe/Berlin")}, want: []string{"2026-10-24T07:00:00Z", "2026-10-25T08:00:00Z"}},
		{name: "a day of a rate has 24 hours", expression: "rate(1 day)", now: "2026-03-28T09:00:00Z", end: "2026-03-30T10:00:00Z", change: []change{zone("Europe/Berlin")}, want: []string{"2026-03-28T09:00:00Z", "2026-03-29T09:00:00Z", "2026-03-30T09:00:00Z"}},
		{name: "once, at a time that is left out", expression: "at(2026-03-29T02:30:00)", now: "2026-03-28T09:00:00Z", end: "2026-03-30T00:00:00Z", change: []change{zone("Europe/Berlin")}},
		{name: "once, at a time that comes twice", expression: "at(2026-10-25T02:30:00)", now: "2026-10-24T09:00:00Z", end: "2026-10-26T00:00:00Z", change: []change{zone("Europe/Berlin")}, want: []string{"2026-10-25T00:30:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t)
			if c.now != "" {
				r.h.Clock.Advance(instant(c.now).Sub(r.h.Clock.Now()))
			}
			r.schedule("s", c.expression, c.change...)
			end := r.h.Clock.Now().Add(time.Hour)
			if c.end != "" {
				end = instant(c.end)
			}
			r.pass(end)
			var due, at []string
			for _, m := range r.taken("q") {
				due, at = append(due, m.body), append(at, m.at.Format(time.RFC3339))
			}
			if !slices.Equal(due, c.want) || !slices.Equal(at, c.want) {
				t.Errorf("called at %q for %q, want %q", at, due, c.want)
			}
		})
	}
}

// TestStartDate refuses what began long ago, where it would count.
func TestStartDate(t *testing.T) {
	r := newRoom(t)
	_, err := r.createSchedule(r.h.Context(context.Background()), newSchedule("s", "rate(1 minute)", from("2026-01-02T02:59:04Z")))
	if !api.ValidationException("").Is(err) || !strings.Contains(err.Error(), "cannot be earlier than 5 minutes ago") {
		t.Errorf("the answer is %v", err)
	}
	r.schedule("edge", "rate(1 minute)", from("2026-01-02T02:59:05Z"))
	r.schedule("once", "at(2026-01-02T05:00:00)", from("2020-01-01T00:00:00Z"))
}

// TestUpdate changes a schedule, stops it, and lets it go on: it begins anew each time.
func TestUpdate(t *testing.T) {
	r := newRoom(t)
	update := func(expression string, change ...change) {
		t.Helper()
		in := api.UpdateScheduleInput(*newSchedule("s", expression, change...))
		do(r, r.updateSchedule, &in)
	}
	r.schedule("s", "rate(10 minutes)")
	r.pass(instant("2026-01-02T03:16:00Z"))
	r.check("2026-01-02T03:04:05Z", "2026-01-02T03:14:05Z")
	update("rate(10 minutes)", disabled)
	r.pass(instant("2026-01-02T03:50:00Z"))
	r.check()
	r.quiet()
	update("rate(10 minutes)")
	r.pass(instant("2026-01-02T04:01:00Z"))
	r.check("2026-01-02T03:50:00Z", "2026-01-02T04:00:00Z")
	update("cron(30 * * * ? *)")
	r.pass(instant("2026-01-02T05:00:00Z"))
	r.check("2026-01-02T04:30:00Z")
	do(r, r.deleteSchedule, &api.DeleteScheduleInput{Name: new("s")})
	r.quiet()
}

// TestCompletion deletes schedules that have done what they were for, and no others.
func TestCompletion(t *testing.T) {
	r := newRoom(t)
	r.schedule("once", "at(2026-01-02T03:30:00)", thenDelete)
	r.schedule("kept", "at(2026-01-02T03:30:00)")
	r.schedule("thrice", "rate(10 minutes)", until("2026-01-02T03:30:00Z"), thenDelete)
	r.schedule("endless", "rate(1 day)", thenDelete)
	r.schedule("stopped", "at(2026-01-02T03:30:00)", thenDelete, disabled)
	r.pass(instant("2026-01-02T03:20:00Z"))
	for _, name := range []string{"once", "kept", "thrice", "endless", "stopped"} {
		if !r.there("default", name) {
			t.Errorf("%s is gone too early", name)
		}
	}
	r.pass(instant("2026-01-02T04:00:00Z"))
	for name, want := range map[string]bool{"once": false, "kept": true, "thrice": false, "endless": true, "stopped": true} {
		if got := r.there("default", name); got != want {
			t.Errorf("%s is there: %v", name, got)
		}
	}
	if got := r.bodies("q"); len(got) != 1+1+3+1 {
		t.Errorf("the queue got %q", got)
	}
}

// TestCompletionFailed deletes a schedule whose last call is still to succeed.
func TestCompletionFailed(t *testing.T) {
	r := newRoom(t)
	r.refuse = failing(2)
	r.schedule("once", "at(2026-01-02T03:30:00)", thenDelete)
	r.pass(instant("2026-01-02T03:30:00Z"))
	if r.check(); r.there("default", "once") {
		t.Error("the schedule is still there")
	}
	r.after(time.Hour)
	r.check("2026-01-02T03:30:00Z")
	r.quiet()
}

// constant is chance that always comes out the same.
type constant byte

func (c constant) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(c)
	}
	return len(b), nil
}

func chance(r io.Reader) func(*Options) { return func(o *Options) { o.Random = r } }

// TestWindow calls within flexible windows, where chance says.
func TestWindow(t *testing.T) {
	for c, want := range map[constant]time.Duration{0: 0, 0x80: 7*time.Minute + 31*time.Second, 0xff: 15*time.Minute - time.Second} {
		r := newRoom(t, chance(c))
		r.schedule("s", "at(2026-01-02T03:30:00)", window(15))
		r.after(time.Hour)
		got := r.taken("q")
		if len(got) != 1 || got[0].body != "2026-01-02T03:30:00Z" || got[0].at.Sub(instant("2026-01-02T03:30:00Z")) != want {
			t.Errorf("by %#x the queue got %v, want %v", byte(c), got, want)
		}
	}
	var times [2][]time.Time
	for i := range times {
		r := newRoom(t)
		r.schedule("s", "cron(0 * * * ? *)", window(30))
		r.after(24 * time.Hour)
		for _, m := range r.taken("q") {
			late := m.at.Sub(instant(m.body))
			if late < 0 || late >= 30*time.Minute {
				t.Errorf("%s was called %v late", m.body, late)
			}
			times[i] = append(times[i], m.at)
		}
	}
	if len(times[0]) != 24 || !slices.Equal(times[0], times[1]) {
		t.Errorf("the same chance called at %v and at %v", times[0], times[1])
	}
	if slices.MinFunc(times[0], minute).Minute() == slices.MaxFunc(times[0], minute).Minute() {
		t.Errorf("all were called in the same minute: %v", times[0])
	}
}

func minute(a, b time.Time) int { return a.Minute() - b.Minute() }

// TestWideWindow has windows that are longer than the time between them: each is called.
func TestWideWindow(t *testing.T) {
	r := newRoom(t)
	r.schedule("s", "rate(1 minute)", window(15), until("2026-01-02T04:04:05Z"))
	r.after(2 * time.Hour)
	seen := map[string]bool{}
	for _, m := range r.taken("q") {
		if late := m.at.Sub(instant(m.body)); late < 0 || late >= 15*time.Minute || seen[m.body] {
			t.Errorf("%s was called %v late, or twice", m.body, late)
		}
		seen[m.body] = true
	}
	if len(seen) != 60 {
		t.Errorf("%d were called", len(seen))
	}
}

// TestGroup deletes a group with its schedules, and those of no other.
func TestGroup(t *testing.T) {
	r := newRoom(t)
	in := func(group string) change { return func(in *api.CreateScheduleInput) { in.GroupName = &group } }
	for _, group := range []string{"a", "ab"} {
		do(r, r.createGroup, &api.CreateScheduleGroupInput{Name: &group})
		r.schedule("x", "rate(10 minutes)", in(group), input(group))
		r.schedule("y", "at(2026-01-02T03:30:00)", in(group), input(group))
	}
	r.schedule("x", "cron(30 3 * * ? *)", input("default"))
	r.settle()
	r.check("a", "ab")
	do(r, r.deleteGroup, &api.DeleteScheduleGroupInput{Name: new("a")})
	if r.there("a", "x") || r.there("a", "y") || !r.there("ab", "x") || !r.there("default", "x") {
		t.Error("other schedules went than the group's")
	}
	// Another of the same name has nothing of the old one, nor what was due.
	do(r, r.createGroup, &api.CreateScheduleGroupInput{Name: new("a")})
	if r.there("a", "x") {
		t.Error("a group of the same name has the old one's schedules")
	}
	r.schedule("x", "at(2026-01-02T03:30:30)", in("a"), input("a"))
	r.pass(instant("2026-01-02T03:31:00Z"))
	r.check("ab", "ab", "ab", "default", "a")
}
