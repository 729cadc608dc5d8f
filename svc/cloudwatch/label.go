package cloudwatch

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/svc/cloudwatch/maths"
)

// A labeller makes labels, which may have parts that say what the series holds.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/graph-dynamic-labels.html
type labeller struct {
	q    *query
	zone *time.Location
	now  time.Time
}

var dynamic = regexp.MustCompile(`\$\{(?:([A-Z_]+)|PROP\('([^']*)'\))\}`)

// zoneOf is where the times in labels are of: "+0130" is an hour and a half east.
func zoneOf(o *api.LabelOptions) (*time.Location, error) {
	if o == nil || o.Timezone == nil {
		return time.UTC, nil
	}
	t, err := time.Parse("-0700", *o.Timezone)
	if err != nil {
		return nil, validation("The value %s for parameter LabelOptions.Timezone is invalid. It must be a plus or minus sign and four digits.", *o.Timezone)
	}
	_, offset := t.Zone()
	return time.FixedZone("", offset), nil
}

// label is the label of a series; fallback is that of a query without one, and many
// says that the query has several series.
func (l labeller) label(fallback string, s *maths.Series, many bool) string {
	own := s.Label
	if !many || own == "" {
		own = fallback
	}
	if l.q.Label == nil {
		return own
	}
	text := dynamic.ReplaceAllStringFunc(*l.q.Label, func(part string) string {
		m := dynamic.FindStringSubmatch(part)
		if m[2] != "" {
			return s.Facts[m[2]]
		}
		if m[1] == "LABEL" {
			return own
		}
		if text, ok := l.part(m[1], s); ok {
			return text
		}
		return part
	})
	if many && text == *l.q.Label && s.Label != "" {
		return strings.TrimSpace(text + " " + s.Label)
	}
	return text
}

// part is what a name in a label stands for.
func (l labeller) part(name string, s *maths.Series) (string, bool) {
	if name == "DATAPOINT_COUNT" {
		return strconv.Itoa(len(s.Values)), true
	}
	which, clock := strings.CutSuffix(name, "_TIME")
	relative := false
	if !clock {
		which, relative = strings.CutSuffix(name, "_TIME_RELATIVE")
	}
	if len(s.Values) == 0 {
		return "--", true
	}
	i, sum := 0, 0.0
	for j, v := range s.Values {
		sum += v
		if which == "MIN" && v < s.Values[i] || which == "MAX" && v > s.Values[i] || which == "LAST" {
			i = j
		}
	}
	at := time.Unix(s.Times[i], 0)
	switch {
	case which == "AVG" && !clock && !relative:
		return show(sum / float64(len(s.Values))), true
	case which == "SUM" && !clock && !relative:
		return show(sum), true
	case which != "MIN" && which != "MAX" && which != "FIRST" && which != "LAST":
		return "", false
	case clock:
		return at.In(l.zone).Format("2006-01-02 15:04:05") + zoneSuffix(l.zone), true
	case relative:
		return ago(l.now.Sub(at)), true
	}
	return show(s.Values[i]), true
}

func zoneSuffix(z *time.Location) string {
	if z == time.UTC {
		return " UTC"
	}
	return ""
}

// show is a number with no more digits than one reads.
func show(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// ago is how long ago something was: "2h 5m".
func ago(d time.Duration) string {
	switch d = d.Truncate(time.Minute); {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h " + strconv.Itoa(int(d.Minutes())%60) + "m"
	}
	return strconv.Itoa(int(d.Hours())/24) + "d " + strconv.Itoa(int(d.Hours())%24) + "h"
}
