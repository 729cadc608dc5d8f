package maths

import (
	"fmt"
	"strings"
	"testing"
)

// fakes answers with series of a minute's period: "a" has three numbers, "b" lacks the
// second, "none" has none.
type fakes struct{}

func series(id string, values ...any) *Series {
	s := &Series{ID: id, Label: id, Period: 60}
	for i, v := range values {
		if v != nil {
			s.Times, s.Values = append(s.Times, int64(i)*60), append(s.Values, float64(v.(int)))
		}
	}
	return s
}

func (fakes) Query(id string) (Value, error) {
	switch id {
	case "a":
		return series("a", 1, 2, 4), nil
	case "b":
		return series("b", 10, nil, 0), nil
	case "none":
		return series("none"), nil
	case "all":
		return []*Series{series("a", 1, 2, 4), series("b", 10, nil, 0), series("none")}, nil
	}
	return nil, fmt.Errorf("no query %s", id)
}

func (f fakes) Metrics(part string) ([]*Series, error) {
	all, _ := f.Query("all")
	var out []*Series
	for _, s := range all.([]*Series) {
		if strings.Contains(s.ID, part) {
			out = append(out, s)
		}
	}
	return out, nil
}

func (fakes) Search(expression, statistic string, period int64) ([]*Series, error) {
	return []*Series{series(expression+" "+statistic, int(period))}, nil
}

func (fakes) Span() (from, to, period int64) { return 0, 180, 60 }

// show is a value as text: a series has a number a minute, or a dash.
func show(v Value) string {
	switch v := v.(type) {
	case float64:
		return fmt.Sprintf("%.6g", v)
	case *Series:
		var parts []string
		for t := int64(0); t < 180; t += 60 {
			if f, ok := v.at(t); ok {
				parts = append(parts, fmt.Sprintf("%.6g", f))
			} else {
				parts = append(parts, "-")
			}
		}
		return strings.Join(parts, " ")
	case []*Series:
		var parts []string
		for _, s := range v {
			parts = append(parts, show(s))
		}
		return "[" + strings.Join(parts, " | ") + "]"
	}
	return fmt.Sprintf("%T %v", v, v)
}

func TestExpressions(t *testing.T) {
	for expression, want := range map[string]string{
		"1 + 2 * 3 ^ 2":               "19",
		"-2 ^ 2":                      "-4",
		"2 ^ 3 ^ 2":                   "512",
		"(1 + 2) * 3 - 10 / 4":        "6.5",
		"1 - 2 - 3":                   "-4",
		"1.5e2 + .5":                  "150.5",
		"1 < 2 AND 2 >= 3 || 1 == 1":  "1",
		"1 != 1 && 1":                 "0",
		"a + 1":                       "2 3 5",
		"a + b":                       "11 - 4",
		"b / a":                       "10 - 0",
		"a / b":                       "0.1 - -",
		"-a":                          "-1 -2 -4",
		"a > 1":                       "0 1 1",
		"a > 1 AND a < 4":             "0 1 0",
		"100 * a / SUM(a)":            "14.2857 28.5714 57.1429",
		"[a, b]":                      "[1 2 4 | 10 - 0]",
		"all * 2":                     "[2 4 8 | 20 - 0 | - - -]",
		"[a, b] - [b, a]":             "[-9 - 4 | 9 - -4]",
		"SUM([a, b])":                 "11 2 4",
		"AVG(all)":                    "5.5 2 2",
		"MAX(all)":                    "10 2 4",
		"MIN(all)":                    "1 2 0",
		"SUM(a)":                      "7",
		"avg(b)":                      "5",
		"STDDEV(b)":                   "5",
		"DATAPOINT_COUNT(b)":          "2",
		"DATAPOINT_COUNT(all)":        "2 1 2",
		"SUM(none)":                   "NaN",
		"METRIC_COUNT(all)":           "3",
		"METRIC_COUNT(METRICS('b'))":  "1",
		"SUM(METRICS())":              "11 2 4",
		"REMOVE_EMPTY(all)":           "[1 2 4 | 10 - 0]",
		"ABS(0 - a)":                  "1 2 4",
		"CEIL(a / 3)":                 "1 1 2",
		"FLOOR(a / 3)":                "0 0 1",
		"LOG10(b)":                    "1 - -",
		"LOG(1)":                      "0",
		"DIFF(a)":                     "- 1 2",
		"DIFF_TIME(b)":                "- - 120",
		"RATE(a)":                     "- 0.0166667 0.0333333",
		"RUNNING_SUM(a)":              "1 3 7",
		"PERIOD(a)":                   "60",
		"FILL(b, 7)":                  "10 7 0",
		"FILL(b, REPEAT)":             "10 10 0",
		"FILL(b, LINEAR)":             "10 5 0",
		"FILL(b, a)":                  "10 2 0",
		"FILL(none, 0)":               "0 0 0",
		"FILL(all, 0)":                "[1 2 4 | 10 0 0 | 0 0 0]",
		"TIME_SERIES(3)":              "3 3 3",
		"IF(a > 1, a, 0)":             "0 2 4",
		"IF(a > 1, b)":                "- - 0",
		"IF(1, a, b)":                 "1 2 4",
		"IF(0, a)":                    "- - -",
		"FIRST(all)":                  "1 2 4",
		"LAST([a, b])":                "10 - 0",
		"SLICE(all, 1)":               "10 - 0",
		"SLICE(all, 0, 2)":            "[1 2 4 | 10 - 0]",
		"SLICE(all, 7, 9)":            "[]",
		"SORT(all, MAX, DESC, 1)":     "[10 - 0]",
		"SORT([a, b], MIN, ASC)":      "[10 - 0 | 1 2 4]",
		"MINUTE(a)":                   "0 1 2",
		"HOUR(a) + DATE(a)":           "1 1 1",
		"DAY(a)":                      "4 4 4", // 1 January 1970 was a Thursday
		"MONTH(a) * YEAR(a)":          "1970 1970 1970",
		"EPOCH(a)":                    "0 60 120",
		"SEARCH('{x} y', 'Sum', 300)": "[300 - -]",
		`SUM(SEARCH("y", "Sum"))`:     "0 - -",
	} {
		e, err := Parse(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		v, err := e.Eval(fakes{})
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		} else if got := show(v); got != want {
			t.Errorf("%s is %s, want %s", expression, got, want)
		}
	}
}

func TestWrongExpressions(t *testing.T) {
	for expression, want := range map[string]string{
		"":                              "the expression ends too early",
		"1 +":                           "the expression ends too early",
		"1 2":                           `unexpected "2"`,
		"(1":                            `")" is missing`,
		"[a":                            `"]" is missing`,
		"a $ b":                         `unexpected "$"`,
		"'x":                            "a text has no end",
		"NONE(a)":                       "NONE is not a function",
		"SUM()":                         "the function SUM takes 1 to 1 arguments, and has 0",
		"1.2.3":                         `"1.2.3" is not a number`,
		"[1]":                           "an array holds time series only",
		"[a] + [a, b]":                  "the arrays have 1 and 2 time series; an operator needs as many in both",
		"a + 'x'":                       "an operator needs numbers or time series",
		"FILL(a, MAYBE)":                "FILL: the second argument must be a number, a time series, REPEAT or LINEAR",
		"SORT(a, MAX)":                  "SORT: an array of time series and one of AVG, MIN, MAX and SUM are needed",
		"SLICE(all, -1)":                "SLICE: an array of time series and one or two numbers are needed",
		"SERVICE_QUOTA(a)":              "SERVICE_QUOTA: the function is not available here",
		"IF(all, 1, 2)":                 "IF: the first argument must be a number or a time series",
		strings.Repeat("(", 100):        "the expression is nested too deep",
		strings.Repeat("-", 100):        "the expression has too many signs",
		"1" + strings.Repeat("^1", 100): "the expression is nested too deep",
	} {
		e, err := Parse(expression)
		if err == nil {
			_, err = e.Eval(fakes{})
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", expression, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a + b * 2", "IF(a > 1 AND NOT, [a], 'x')", "SORT(SEARCH('{x} y', 'Sum', 300), SUM, DESC, 3)", "-(1 ^ -2)", "FILL(METRICS(\"m\"), LINEAR)", "1e5.", "SLICE(all, 1, 1e300)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Parse(s)
		if err != nil {
			return
		}
		e.IDs()
		v, err := e.Eval(fakes{})
		if err == nil {
			show(v)
		}
	})
}
