package cron

import (
	"testing"
	"time"
	_ "time/tzdata"
)

const layout = "2006-01-02T15:04:05"

func at(t *testing.T, text string) time.Time {
	t.Helper()
	got, err := time.Parse(layout, text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestNext holds expressions, most of them from AWS's guides, against when they are due.
func TestNext(t *testing.T) {
	for _, c := range []struct {
		expression, after string
		want              []string
	}{
		{"cron(0 10 * * ? *)", "2026-01-02T03:04:05", []string{"2026-01-02T10:00:00", "2026-01-03T10:00:00"}},
		{"cron(15 12 * * ? *)", "2026-01-02T12:15:00", []string{"2026-01-03T12:15:00"}},
		{"cron(0 18 ? * MON-FRI *)", "2026-01-02T18:00:00", []string{"2026-01-05T18:00:00", "2026-01-06T18:00:00"}},
		{"cron(0 8 1 * ? *)", "2026-01-02T00:00:00", []string{"2026-02-01T08:00:00", "2026-03-01T08:00:00"}},
		{"cron(0/15 * * * ? *)", "2026-01-02T03:04:05", []string{"2026-01-02T03:15:00", "2026-01-02T03:30:00", "2026-01-02T03:45:00", "2026-01-02T04:00:00"}},
		{"cron(*/10 * ? * MON-FRI *)", "2026-01-02T23:50:00", []string{"2026-01-05T00:00:00", "2026-01-05T00:10:00"}},
		{"cron(0/5 8-17 ? * MON-FRI *)", "2026-01-02T17:54:59", []string{"2026-01-02T17:55:00", "2026-01-05T08:00:00"}},
		{"cron(0/30 20-23 ? * MON-FRI *)", "2026-01-02T23:30:00", []string{"2026-01-05T20:00:00"}},
		{"cron(0 9 ? * 2#1 *)", "2026-01-02T00:00:00", []string{"2026-01-05T09:00:00", "2026-02-02T09:00:00"}},
		{"cron(15 10 ? * 6L 2022-2023)", "2022-01-01T00:00:00", []string{"2022-01-28T10:15:00", "2022-02-25T10:15:00"}},
		{"cron(15 10 ? * 6L 2002-2005)", "2026-01-01T00:00:00", []string{""}},
		{"cron(0 2 ? * SAT#3 *)", "2026-01-01T00:00:00", []string{"2026-01-17T02:00:00", "2026-02-21T02:00:00"}},
		{"cron(0 2 ? * SAT#5 *)", "2026-01-01T00:00:00", []string{"2026-01-31T02:00:00", "2026-05-30T02:00:00"}},
		{"cron(5,35 14 * * ? *)", "2026-01-02T14:05:00", []string{"2026-01-02T14:35:00", "2026-01-03T14:05:00"}},
		{"cron(0 0 L * ? *)", "2026-01-31T00:00:00", []string{"2026-02-28T00:00:00", "2026-03-31T00:00:00"}},
		{"cron(0 0 L * ? *)", "2028-02-01T00:00:00", []string{"2028-02-29T00:00:00"}},
		{"cron(0 0 L-2 * ? *)", "2026-02-01T00:00:00", []string{"2026-02-26T00:00:00"}},
		{"cron(0 0 LW * ? *)", "2026-02-01T00:00:00", []string{"2026-02-27T00:00:00", "2026-03-31T00:00:00"}},
		{"cron(0 0 3W * ? *)", "2026-01-01T00:00:00", []string{"2026-01-02T00:00:00", "2026-02-03T00:00:00"}},
		{"cron(0 0 1W 8 ? *)", "2026-01-01T00:00:00", []string{"2026-08-03T00:00:00"}}, // the 1st is a Saturday
		{"cron(0 0 31W 5 ? *)", "2026-01-01T00:00:00", []string{"2026-05-29T00:00:00"}},
		{"cron(0 0 ? * L *)", "2026-01-01T00:00:00", []string{"2026-01-03T00:00:00"}},
		{"cron(0 0 29 2 ? *)", "2026-01-01T00:00:00", []string{"2028-02-29T00:00:00", "2032-02-29T00:00:00"}},
		{"cron(0 0 30 2 ? *)", "2026-01-01T00:00:00", []string{""}},
		{"cron(0 0 ? * FRI-MON *)", "2026-01-01T00:00:00", []string{"2026-01-02T00:00:00", "2026-01-03T00:00:00", "2026-01-04T00:00:00", "2026-01-05T00:00:00", "2026-01-09T00:00:00"}},
		{"cron(0 22-1 * * ? *)", "2026-01-01T22:00:00", []string{"2026-01-01T23:00:00", "2026-01-02T00:00:00", "2026-01-02T01:00:00", "2026-01-02T22:00:00"}},
		{"cron(0/5 5 ? JAN 1-5 2027)", "2026-01-01T00:00:00", []string{"2027-01-03T05:00:00"}},
		{"cron(0 0 1 jan/6 ? *)", "2026-01-01T00:00:00", []string{"2026-07-01T00:00:00", "2027-01-01T00:00:00"}},
		{"cron(59 23 31 12 ? 2199)", "2026-01-01T00:00:00", []string{"2199-12-31T23:59:00", ""}},
		{"rate(5 minutes)", "2026-01-01T00:00:00", []string{"2026-01-01T00:05:00", "2026-01-01T00:10:00"}},
		{"rate(1 day)", "2026-01-01T00:00:01", []string{"2026-01-02T00:00:00"}},
		{"at(2026-03-01T10:00:00)", "2026-01-01T00:00:00", []string{"2026-03-01T10:00:00", ""}},
	} {
		e, ok := Parse(c.expression)
		if !ok {
			t.Errorf("%s is refused", c.expression)
			continue
		}
		now := at(t, c.after)
		for _, want := range c.want {
			got, ok := e.Next(now, at(t, "2026-01-01T00:00:00"), time.UTC)
			text := ""
			if ok {
				text = got.Format(layout)
			}
			if text != want {
				t.Errorf("%s after %s: %q, want %q", c.expression, now.Format(layout), text, want)
				break
			}
			now = got
		}
	}
}

func TestRefused(t *testing.T) {
	for _, text := range []string{
		"", "rate", "rate(", "rate()", "rate(10)", "rate(0 minutes)", "rate(-10 minutes)", "rate(+1 minute)", "rate(10 seconds)", "rate(10 years)", "rate(10 MINUTES)", "rate(10 minutess)",
		"rate(foo minutes)", "rate( 10 minutes )", " rate(10 minutes)", "rate(10 minutes) ", "rate(1.5 hours)", "rate(99999999999 days)", "rate(999999999 days)", "Rate(1 day)",
		"cron()", "cron(INVALID)", "cron(* * * * *)", "cron(* * * * * * *)", "cron(0 1 * * * *)", "cron(0 1 ? * ? *)", "cron(0 1 1 * MON *)", "cron(7 20 * * NOT *)", "cron(0 dummy ? * MON-FRI *)",
		"cron(71 8 1 * ? *)", "cron(60 8 1 * ? *)", "cron(0 24 1 * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 1 0 ? *)", "cron(0 0 1 13 ? *)", "cron(0 0 ? * 0 *)", "cron(0 0 ? * 8 *)",
		"cron(0 0 1 * ? 1969)", "cron(0 0 1 * ? 2200)", "cron(0 0 1 * ? 2030-2020)", "cron(0/0 * * * ? *)", "cron(0/61 * * * ? *)", "cron(/5 * * * ? *)", "cron(5/ * * * ? *)", "cron(1- * * * ? *)", "cron(-1 * * * ? *)",
		"cron(1,,2 * * * ? *)", "cron(, * * * ? *)", "cron(? * * * ? *)", "cron(0 ? * * ? *)", "cron(0 0 1 ? * *)", "cron(L * * * ? *)", "cron(0 0 W * ? *)", "cron(0 0 32W * ? *)", "cron(0 0 0W * ? *)", "cron(0 0 L-31 * ? *)", "cron(0 0 L-x * ? *)",
		"cron(0 0 ? * MON#0 *)", "cron(0 0 ? * MON#6 *)", "cron(0 0 ? * #1 *)", "cron(0 0 ? * 8L *)", "cron(0 0 ? * MONDAY *)", "cron(0 0 1 JANUARY ? *)", "cron(0 0 1 * ? *", "cron 0 0 1 * ? *", "crontab(0 0 1 * ? *)",
		"at()", "at(2021-12-31)", "at(2021-12-31T23:59:59Z)", "at(2021-13-31T23:59:59)", "at(2021-02-29T00:00:00)", "at(2021-12-31T24:00:00)", "at(2021-12-31T23:59:59.5)", "at(2021-12-31 23:59:59)", "at( 2021-12-31T23:59:59)",
	} {
		if e, ok := Parse(text); ok {
			t.Errorf("%q is taken for %+v", text, e)
		}
	}
}

func TestAgrees(t *testing.T) {
	for text, want := range map[string]bool{"rate(1 minute)": true, "rate(1 minutes)": false, "rate(2 minute)": false, "rate(2 minutes)": true, "rate(1 hours)": false, "rate(10 day)": false} {
		if e, ok := Parse(text); !ok || e.Agrees != want {
			t.Errorf("%s: %v, %v", text, e.Agrees, ok)
		}
	}
}

// TestZones walks over the days on which clocks are changed.
func TestZones(t *testing.T) {
	for _, c := range []struct {
		zone, expression, after string
		want                    []string
	}{
		// 02:30 is left out on March 8th.
		{"America/New_York", "cron(30 2 * * ? *)", "2026-03-07T00:00:00", []string{"2026-03-07T07:30:00", "2026-03-09T06:30:00"}},
		// 01:30 comes twice on November 1st, and is due once.
		{"America/New_York", "cron(30 1 * * ? *)", "2026-10-31T12:00:00", []string{"2026-11-01T05:30:00", "2026-11-02T06:30:00"}},
		{"America/New_York", "cron(0 9 * * ? *)", "2026-10-31T12:00:00", []string{"2026-10-31T13:00:00", "2026-11-01T14:00:00"}},
		{"Europe/Berlin", "at(2026-07-01T12:00:00)", "2026-01-01T00:00:00", []string{"2026-07-01T10:00:00"}},
		{"Europe/Berlin", "at(2026-03-29T02:30:00)", "2026-01-01T00:00:00", []string{""}},
		{"Europe/Berlin", "at(2026-10-25T02:30:00)", "2026-01-01T00:00:00", []string{"2026-10-25T00:30:00"}},
		{"Asia/Kathmandu", "cron(0 0 * * ? *)", "2026-01-01T00:00:00", []string{"2026-01-01T18:15:00"}},
		{"Australia/Lord_Howe", "cron(45 1 * * ? *)", "2026-04-04T00:00:00", []string{"2026-04-04T14:45:00", "2026-04-05T15:15:00"}},
		{"Pacific/Apia", "cron(0 12 * * ? *)", "2011-12-29T00:00:00", []string{"2011-12-29T22:00:00", "2011-12-30T22:00:00"}}, // December 30th was left out
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		e, ok := Parse(c.expression)
		if !ok {
			t.Fatal(c.expression)
		}
		now := at(t, c.after)
		for _, want := range c.want {
			got, ok := e.Next(now, now, zone)
			text := ""
			if ok {
				text = got.Format(layout)
			}
			if text != want {
				t.Errorf("%s in %s after %s: %q, want %q", c.expression, c.zone, now.Format(layout), text, want)
				break
			}
			now = got
		}
	}
}

// FuzzParse holds what is due against the fields, minute by minute.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"rate(5 minutes)", "cron(0/15 * * * ? *)", "cron(0 9 ? * 2#1 *)", "cron(15 10 ? * 6L 2022-2023)", "cron(0 0 LW,15W,L-3 2 ? *)", "at(2026-03-01T10:00:00)", "cron(0 22-1 ? * FRI-MON/2 *)"} {
		f.Add(s, int64(1767322800))
	}
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		e, ok := Parse(text)
		if !ok {
			return
		}
		after := time.Unix(unix%4e9, 0).UTC()
		got, ok := e.Next(after, after, time.UTC)
		if !ok {
			return
		}
		if !got.After(after) {
			t.Errorf("%s after %v is due at %v", text, after, got)
		}
		if e.Kind != Cron {
			return
		}
		for m := after.Truncate(time.Minute).Add(time.Minute); m.Before(got) && m.Sub(after) < 2*24*time.Hour; m = m.Add(time.Minute) {
			n := m.Year() - firstYear
			if p := e.plan; n >= 0 && m.Year() <= lastYear && has(p.years[n/64], n%64) && has(p.months, int(m.Month())) && p.dayFits(m.Year(), m.Month(), m.Day()) && has(p.hours, m.Hour()) && has(p.minutes, m.Minute()) {
				t.Fatalf("%s after %v is due at %v, and was at %v", text, after, got, m)
			}
		}
	})
}
