package cloudwatch

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// A statistic makes a number of a sample.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
type statistic struct {
	name string // as it was asked for
	kind string // "Average", …; "p", "tm", "wm", "tc", "ts", "pr"
	// from and to are the ends of what counts: parts from 0 to 1 of the values where
	// parts is set, else values.
	from, to float64
	parts    bool
}

var (
	shortStatistic = regexp.MustCompile(`^(p|tm|wm|tc|ts)(\d{1,2}(?:\.\d{0,10})?|100(?:\.0{0,10})?)$`)
	longStatistic  = regexp.MustCompile(`^(TM|WM|TC|TS|PR)\(([^:()]*):([^:()]*)\)$`)
	wholeNumber    = regexp.MustCompile(`^\d+(\.\d{0,10})?([Ee][+-]?\d+)?$`)
	wholePart      = regexp.MustCompile(`^(\d{1,2}(\.\d{0,10})?|100(\.0{0,10})?)%$`)
)

// simple are the statistics that every sample has.
var simple = map[string]bool{"SampleCount": true, "Average": true, "Sum": true, "Minimum": true, "Maximum": true}

// parseStatistic reads the name of a statistic.
func parseStatistic(name string) (statistic, bool) {
	if simple[name] {
		return statistic{name: name, kind: name}, true
	}
	if name == "IQM" {
		return statistic{name: name, kind: "tm", from: 0.25, to: 0.75, parts: true}, true
	}
	if m := shortStatistic.FindStringSubmatch(name); m != nil {
		f, err := strconv.ParseFloat(m[2], 64)
		return statistic{name: name, kind: m[1], to: f / 100, parts: true}, err == nil
	}
	m := longStatistic.FindStringSubmatch(name)
	if m == nil || m[2] == "" && m[3] == "" {
		return statistic{}, false
	}
	s := statistic{name: name, kind: strings.ToLower(m[1])}
	s.parts = strings.HasSuffix(m[2]+m[3], "%") || strings.Contains(m[2], "%")
	if s.parts && s.kind == "pr" {
		return statistic{}, false
	}
	low, high := math.Inf(-1), math.Inf(1)
	if s.parts {
		low, high = 0, 1
	}
	var ok1, ok2 bool
	s.from, ok1 = bound(m[2], s.parts, low)
	s.to, ok2 = bound(m[3], s.parts, high)
	return s, ok1 && ok2 && s.from < s.to
}

// bound reads one end of a statistic's range; unset is where it is open.
func bound(text string, part bool, unset float64) (float64, bool) {
	switch {
	case text == "":
		return unset, true
	case part && wholePart.MatchString(text):
		f, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
		return f / 100, err == nil
	case !part && wholeNumber.MatchString(text):
		f, err := strconv.ParseFloat(text, 64)
		return f, err == nil
	}
	return 0, false
}

// of is the statistic of a sample; false where it has none.
func (t statistic) of(s *sample) (float64, bool) {
	switch t.kind {
	case "SampleCount":
		return s.Count, true
	case "Sum":
		return s.Sum, true
	case "Minimum":
		return s.Min, true
	case "Maximum":
		return s.Max, true
	case "Average":
		return s.Sum / s.Count, s.Count != 0
	}
	if !s.known() {
		return 0, false
	}
	if t.kind == "p" {
		return s.quantile(t.to), true
	}
	if t.kind == "wm" {
		return t.winsorized(s), true
	}
	inside := s.between(t.from, t.to)
	if t.parts {
		inside = s.trimmed(t.from, t.to)
	}
	count, sum := sums(inside)
	switch t.kind {
	case "tc":
		return count, true
	case "ts":
		return sum, true
	case "pr":
		return 100 * count / s.total(), true
	}
	return sum / count, count > 0
}

// winsorized is the mean of all values, where those outside count as the nearest end.
func (t statistic) winsorized(s *sample) float64 {
	low, high := t.from, t.to
	if t.parts {
		low, high = s.quantile(t.from), s.quantile(t.to)
	}
	count, sum := 0.0, 0.0
	for _, p := range s.Points {
		count += p.Times
		sum += p.Times * math.Min(math.Max(s.within(p.Value), low), high)
	}
	return sum / count
}

// enough reports whether a sample has values enough for a percentile to say something:
// ten beyond it, as AWS has it.
func (t statistic) enough(s *sample) bool {
	if t.kind != "p" {
		return true
	}
	tail := math.Min(t.to, 1-t.to)
	return tail <= 0 || s.Count*tail >= 10-1e-6
}
