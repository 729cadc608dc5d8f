package cron

import (
	"strconv"
	"strings"
	"time"
)

// A plan is what the six fields of cron(…) allow.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
type plan struct {
	minutes, hours, months uint64 // a bit for each value
	years                  [(lastYear - firstYear + 64) / 64]uint64
	days                   dayOfMonth
	weekdays               dayOfWeek
	byWeekday              bool // the days are those of weekdays
}

// The years that a plan may name.
const (
	firstYear = 1970
	lastYear  = 2199
)

// dayOfMonth is the third field.
type dayOfMonth struct {
	days    uint64
	nearest uint64 // days whose nearest weekday counts: 15W
	last    uint64 // a bit for each number of days before the last: L is bit 0, L-3 bit 3
	lastW   bool   // the last weekday: LW
}

// dayOfWeek is the fifth field. Sunday is bit 1, as AWS counts.
type dayOfWeek struct {
	days uint64
	last uint64    // the last of the month: 6L
	nth  [6]uint64 // the first to fifth of the month: 6#3
}

var (
	monthNames   = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	weekdayNames = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

// parsePlan reads the six fields.
func parsePlan(text string) (*plan, bool) {
	f := strings.Fields(strings.ToUpper(text))
	if len(f) != 6 || (f[2] == "?") == (f[4] == "?") {
		return nil, false
	}
	p := &plan{byWeekday: f[2] == "?"}
	ok := set(f[0], 0, 59, nil, &p.minutes) && set(f[1], 0, 23, nil, &p.hours) && set(f[3], 1, 12, monthNames, &p.months) && p.parseYears(f[5])
	if !ok {
		return nil, false
	}
	if p.byWeekday {
		return p, p.weekdays.parse(f[4])
	}
	return p, p.days.parse(f[2])
}

// set reads a field whose values fit into a word.
func set(text string, low, high int, names []string, into *uint64) bool {
	return walk(text, low, high, names, func(n int) { *into |= 1 << n })
}

func (p *plan) parseYears(text string) bool {
	return walk(text, firstYear, lastYear, nil, func(n int) {
		n -= firstYear
		p.years[n/64] |= 1 << (n % 64)
	})
}

// walk calls yield for each value of a list of values, ranges, and steps through them.
func walk(text string, low, high int, names []string, yield func(int)) bool {
	for part := range strings.SplitSeq(text, ",") {
		from, to, step := low, high, 1
		span, by, stepped := strings.Cut(part, "/")
		if stepped {
			var ok bool
			if step, ok = digits(by); !ok || step < 1 || step > high-low+1 {
				return false
			}
		}
		first, last, ranged := strings.Cut(span, "-")
		switch ok := true; {
		case span == "*":
		case ranged:
			if from, ok = valueOf(first, low, high, names); !ok {
				return false
			}
			if to, ok = valueOf(last, low, high, names); !ok {
				return false
			}
		default:
			if from, ok = valueOf(span, low, high, names); !ok {
				return false
			}
			if !stepped {
				to = from
			}
		}
		if to < from { // from Friday to Monday
			if low == firstYear {
				return false
			}
			to += high - low + 1
		}
		for n := from; n <= to; n += step {
			yield(low + (n-low)%(high-low+1))
		}
	}
	return true
}

func valueOf(text string, low, high int, names []string) (int, bool) {
	for i, name := range names {
		if text == name {
			return low + i, true
		}
	}
	n, ok := digits(text)
	return n, ok && n >= low && n <= high
}

// digits reads a number without a sign.
func digits(text string) (int, bool) {
	if text == "" || len(text) > 9 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

func (d *dayOfMonth) parse(text string) bool {
	for part := range strings.SplitSeq(text, ",") {
		switch before, isNearest := strings.CutSuffix(part, "W"); {
		case part == "L":
			d.last |= 1
		case part == "LW":
			d.lastW = true
		case strings.HasPrefix(part, "L-"):
			n, ok := digits(part[2:])
			if !ok || n > 30 {
				return false
			}
			d.last |= 1 << n
		case isNearest:
			n, ok := digits(before)
			if !ok || n < 1 || n > 31 {
				return false
			}
			d.nearest |= 1 << n
		default:
			if !set(part, 1, 31, nil, &d.days) {
				return false
			}
		}
	}
	return true
}

func (d *dayOfWeek) parse(text string) bool {
	for part := range strings.SplitSeq(text, ",") {
		day, nth, counted := strings.Cut(part, "#")
		before, isLast := strings.CutSuffix(part, "L")
		switch {
		case counted:
			w, ok := valueOf(day, 1, 7, weekdayNames)
			n, also := digits(nth)
			if !ok || !also || n < 1 || n > 5 {
				return false
			}
			d.nth[n] |= 1 << w
		case part == "L":
			d.days |= 1 << 7
		case isLast:
			w, ok := valueOf(before, 1, 7, weekdayNames)
			if !ok {
				return false
			}
			d.last |= 1 << w
		default:
			if !set(part, 1, 7, weekdayNames, &d.days) {
				return false
			}
		}
	}
	return true
}

// has reports whether bit n is set.
func has(set uint64, n int) bool { return set>>n&1 == 1 }

// dayFits reports whether the plan allows a day.
func (p *plan) dayFits(year int, month time.Month, day int) bool {
	end := daysIn(year, month)
	weekday := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Weekday()
	if p.byWeekday {
		w, d := int(weekday)+1, &p.weekdays
		return has(d.days, w) || has(d.last, w) && day+7 > end || has(d.nth[(day-1)/7+1], w)
	}
	d := &p.days
	if has(d.days, day) || has(d.last, end-day) {
		return true
	}
	if weekday == time.Saturday || weekday == time.Sunday {
		return false
	}
	if d.lastW && nearestWeekday(year, month, end) == day {
		return true
	}
	for n := max(1, day-2); n <= min(end, day+2); n++ {
		if has(d.nearest, n) && nearestWeekday(year, month, n) == day {
			return true
		}
	}
	return false
}

// nearestWeekday is the day from Monday to Friday that is nearest to a day, in its month.
func nearestWeekday(year int, month time.Month, day int) int {
	switch time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if day == 1 {
			return 3
		}
		return day - 1
	case time.Sunday:
		if day == daysIn(year, month) {
			return day - 2
		}
		return day + 1
	}
	return day
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// next is the first minute after wall that the plan allows; wall and the result are
// times on a wall, written as UTC.
func (p *plan) next(wall time.Time) (time.Time, bool) {
	t := wall.Truncate(time.Minute).Add(time.Minute)
	if t.Year() < firstYear {
		t = time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	for t.Year() <= lastYear {
		n := t.Year() - firstYear
		switch {
		case !has(p.years[n/64], n%64):
			t = time.Date(t.Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)
		case !has(p.months, int(t.Month())):
			t = time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		case !p.dayFits(t.Year(), t.Month(), t.Day()):
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
		case !has(p.hours, t.Hour()):
			t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour()+1, 0, 0, 0, time.UTC)
		case !has(p.minutes, t.Minute()):
			t = t.Add(time.Minute)
		default:
			return t, true
		}
	}
	return time.Time{}, false
}
