// Package cron is AWS's language of schedules: rate(…), cron(…) with six fields, and
// at(…), and when they are due in a time zone.
//
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
package cron

import (
	"strings"
	"time"
)

// A Kind is what sort of schedule an expression is.
type Kind int

// The kinds.
const (
	Rate Kind = iota + 1
	Cron
	At
)

// An Expression is a schedule.
type Expression struct {
	Kind Kind
	// Every is the period of a rate.
	Every time.Duration
	// Agrees says that the unit of a rate is singular for one and plural for more, as
	// EventBridge's rules demand and its scheduler does not.
	Agrees bool

	plan *plan
	wall time.Time // of at(…), written as UTC
}

// Parse reads an expression; false if it is none.
func Parse(text string) (Expression, bool) {
	name, rest, found := strings.Cut(text, "(")
	inner, closed := strings.CutSuffix(rest, ")")
	if !found || !closed {
		return Expression{}, false
	}
	switch name {
	case "rate":
		return parseRate(inner)
	case "cron":
		p, ok := parsePlan(inner)
		return Expression{Kind: Cron, plan: p}, ok
	case "at":
		t, err := time.Parse("2006-01-02T15:04:05", inner)
		if err != nil || len(inner) != len("2006-01-02T15:04:05") {
			return Expression{}, false
		}
		return Expression{Kind: At, wall: t}, true
	}
	return Expression{}, false
}

// maxRate keeps a period far from what a duration can hold.
const maxRate = 100 * 366 * 24 * time.Hour

func parseRate(text string) (Expression, bool) {
	count, unit, ok := strings.Cut(text, " ")
	n, isNumber := digits(count)
	if !ok || !isNumber || n < 1 {
		return Expression{}, false
	}
	single, plural := strings.CutSuffix(unit, "s")
	d := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[single]
	if d == 0 || time.Duration(n) > maxRate/d {
		return Expression{}, false
	}
	return Expression{Kind: Rate, Every: time.Duration(n) * d, Agrees: plural == (n > 1)}, true
}

// Next is the first time after a time at which the schedule is due; false if there is
// none. A rate counts from start, which is itself due. The others are times on a wall in
// zone: one that is left out when clocks go forward is never due, and one that comes twice
// when they go back is due the first time.
func (e Expression) Next(after, start time.Time, zone *time.Location) (time.Time, bool) {
	switch e.Kind {
	case Rate:
		if after.Before(start) {
			return start, true
		}
		return start.Add((after.Sub(start)/e.Every + 1) * e.Every), true
	case At:
		t, ok := instant(e.wall, zone)
		return t, ok && t.After(after)
	}
	in := after.In(zone)
	wall := time.Date(in.Year(), in.Month(), in.Day(), in.Hour(), in.Minute(), in.Second(), in.Nanosecond(), time.UTC)
	for {
		var ok bool
		if wall, ok = e.plan.next(wall); !ok {
			return time.Time{}, false
		}
		if t, exists := instant(wall, zone); exists && t.After(after) {
			return t, true
		}
	}
}

// instant is the first time at which a wall in zone shows what wall does; false if it
// never does.
func instant(wall time.Time, zone *time.Location) (time.Time, bool) {
	guess := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	var first time.Time
	for _, near := range []time.Time{guess.Add(-24 * time.Hour), guess, guess.Add(24 * time.Hour)} {
		_, offset := near.Zone()
		t := wall.Add(-time.Duration(offset) * time.Second)
		_, actual := t.In(zone).Zone()
		if actual == offset && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first.UTC(), !first.IsZero()
}
