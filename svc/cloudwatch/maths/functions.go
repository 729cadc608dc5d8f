package maths

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A function makes a value of others.
type function struct {
	least, most int
	do          func(env Env, args []Value) (Value, error)
}

// functions by name. It is filled by makeFunctions, as some of them name others.
var functions = makeFunctions()

func (n *call) eval(env Env) (Value, error) {
	args := make([]Value, len(n.args))
	for i, a := range n.args {
		var err error
		if args[i], err = a.eval(env); err != nil {
			return nil, err
		}
	}
	v, err := functions[n.function].do(env, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.function, err)
	}
	return v, nil
}

func makeFunctions() map[string]function {
	out := map[string]function{
		"IF":           {2, 3, choose},
		"FILL":         {2, 2, fill},
		"METRICS":      {0, 1, metrics},
		"SEARCH":       {2, 3, search},
		"SLICE":        {2, 3, slice},
		"SORT":         {2, 4, sort},
		"FIRST":        {1, 1, func(_ Env, a []Value) (Value, error) { return end(a[0], 0) }},
		"LAST":         {1, 1, func(_ Env, a []Value) (Value, error) { return end(a[0], -1) }},
		"METRIC_COUNT": {1, 1, metricCount},
		"REMOVE_EMPTY": {1, 1, removeEmpty},
		"PERIOD":       {1, 1, period},
		"TIME_SERIES":  {1, 1, timeSeries},
		"DIFF":         {1, 1, steps(func(dv, _ float64) float64 { return dv })},
		"DIFF_TIME":    {1, 1, steps(func(_, dt float64) float64 { return dt })},
		"RATE":         {1, 1, steps(func(dv, dt float64) float64 { return dv / dt })},
		"RUNNING_SUM":  {1, 1, runningSum},
	}
	for name, f := range map[string]func(float64) float64{"ABS": math.Abs, "CEIL": math.Ceil, "FLOOR": math.Floor, "LOG": math.Log, "LOG10": math.Log10} {
		out[name] = function{1, 1, func(_ Env, a []Value) (Value, error) { return each(a[0], f) }}
	}
	for name, f := range reducers {
		out[name] = function{1, 1, func(_ Env, a []Value) (Value, error) { return reduce(a[0], f) }}
	}
	for name, f := range map[string]func(time.Time) float64{
		"MINUTE": func(t time.Time) float64 { return float64(t.Minute()) },
		"HOUR":   func(t time.Time) float64 { return float64(t.Hour()) },
		"DAY":    func(t time.Time) float64 { return float64((int(t.Weekday())+6)%7 + 1) }, // Monday is 1
		"DATE":   func(t time.Time) float64 { return float64(t.Day()) },
		"MONTH":  func(t time.Time) float64 { return float64(t.Month()) },
		"YEAR":   func(t time.Time) float64 { return float64(t.Year()) },
		"EPOCH":  func(t time.Time) float64 { return float64(t.Unix()) },
	} {
		out[name] = function{1, 1, func(_ Env, a []Value) (Value, error) { return calendar(a[0], f) }}
	}
	for _, name := range []string{"ANOMALY_DETECTION_BAND", "INSIGHT_RULE_METRIC", "SERVICE_QUOTA", "LAMBDA", "DB_PERF_INSIGHTS"} {
		out[name] = function{0, 16, func(Env, []Value) (Value, error) { return nil, fmt.Errorf("the function is not available here") }}
	}
	return out
}

// reducers make one number of some, of which there is at least one.
var reducers = map[string]func([]float64) float64{
	"AVG":             average,
	"SUM":             sum,
	"MIN":             slices.Min[[]float64],
	"MAX":             slices.Max[[]float64],
	"STDDEV":          deviation,
	"DATAPOINT_COUNT": func(v []float64) float64 { return float64(len(v)) },
}

func sum(v []float64) (s float64) {
	for _, x := range v {
		s += x
	}
	return s
}

func average(v []float64) float64 { return sum(v) / float64(len(v)) }

func deviation(v []float64) float64 {
	mean, s := average(v), 0.0
	for _, x := range v {
		s += (x - mean) * (x - mean)
	}
	return math.Sqrt(s / float64(len(v)))
}

// reduce makes a number of a series; of a list of series, a series of what all have at
// each time.
func reduce(v Value, f func([]float64) float64) (Value, error) {
	switch v := v.(type) {
	case float64:
		return f([]float64{v}), nil
	case *Series:
		if len(v.Values) == 0 {
			return math.NaN(), nil
		}
		return f(v.Values), nil
	case []*Series:
		at := map[int64][]float64{}
		out := &Series{}
		for _, s := range v {
			out.Period = max(out.Period, s.Period)
			for i, t := range s.Times {
				at[t] = append(at[t], s.Values[i])
			}
		}
		times := make([]int64, 0, len(at))
		for t := range at {
			times = append(times, t)
		}
		slices.Sort(times)
		for _, t := range times {
			out.put(t, f(at[t]))
		}
		return out, nil
	}
	return nil, fmt.Errorf("a time series or an array of them is needed")
}

func calendar(v Value, f func(time.Time) float64) (Value, error) {
	switch v := v.(type) {
	case *Series:
		out := v.like()
		for _, t := range v.Times {
			out.put(t, f(time.Unix(t, 0).UTC()))
		}
		return out, nil
	case []*Series:
		return eachOf(v, func(s *Series) (Value, error) { return calendar(s, f) })
	}
	return nil, fmt.Errorf("a time series is needed")
}

// steps makes a function of how values and times grow.
func steps(f func(dv, dt float64) float64) func(Env, []Value) (Value, error) {
	var do func(v Value) (Value, error)
	do = func(v Value) (Value, error) {
		switch v := v.(type) {
		case *Series:
			out := v.like()
			for i := 1; i < len(v.Times); i++ {
				out.put(v.Times[i], f(v.Values[i]-v.Values[i-1], float64(v.Times[i]-v.Times[i-1])))
			}
			return out, nil
		case []*Series:
			return eachOf(v, func(s *Series) (Value, error) { return do(s) })
		}
		return nil, fmt.Errorf("a time series is needed")
	}
	return func(_ Env, a []Value) (Value, error) { return do(a[0]) }
}

func runningSum(env Env, a []Value) (Value, error) {
	switch v := a[0].(type) {
	case *Series:
		out, total := v.like(), 0.0
		for i, t := range v.Times {
			total += v.Values[i]
			out.put(t, total)
		}
		return out, nil
	case []*Series:
		return eachOf(v, func(s *Series) (Value, error) { return runningSum(env, []Value{s}) })
	}
	return nil, fmt.Errorf("a time series is needed")
}

// choose is IF(condition, then, else).
func choose(_ Env, a []Value) (Value, error) {
	var other Value
	if len(a) == 3 {
		other = a[2]
	}
	switch c := a[0].(type) {
	case float64:
		switch {
		case c != 0:
			return a[1], nil
		case other != nil:
			return other, nil
		}
		return &Series{}, nil
	case *Series:
		out := c.like()
		if s, ok := a[1].(*Series); ok {
			out.ID, out.Label, out.Facts = s.ID, s.Label, s.Facts
		}
		for i, t := range c.Times {
			from := a[1]
			if c.Values[i] == 0 {
				from = other
			}
			switch v := from.(type) {
			case nil:
			case float64:
				out.put(t, v)
			case *Series:
				if f, ok := v.at(t); ok {
					out.put(t, f)
				}
			default:
				return nil, fmt.Errorf("the second and third argument must be numbers or time series")
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("the first argument must be a number or a time series")
}

// fill puts numbers where a series has none.
func fill(env Env, a []Value) (Value, error) {
	if list, ok := a[0].([]*Series); ok {
		return eachOf(list, func(s *Series) (Value, error) { return fill(env, []Value{s, a[1]}) })
	}
	s, ok := a[0].(*Series)
	if !ok {
		return nil, fmt.Errorf("the first argument must be a time series")
	}
	if w, ok := a[1].(Word); ok && w != "REPEAT" && w != "LINEAR" {
		return nil, fmt.Errorf("the second argument must be a number, a time series, REPEAT or LINEAR")
	}
	out, grid := s.like(), times(env, s)
	for _, t := range grid {
		if v, ok := s.at(t); ok {
			out.put(t, v)
			continue
		}
		switch by := a[1].(type) {
		case float64:
			out.put(t, by)
		case *Series:
			if v, ok := by.at(t); ok {
				out.put(t, v)
			}
		case Word:
			if v, ok := s.guess(t, by == "LINEAR"); ok {
				out.put(t, v)
			}
		default:
			return nil, fmt.Errorf("the second argument must be a number, a time series, REPEAT or LINEAR")
		}
	}
	return out, nil
}

// guess is a number for a time at which there is none: the one before, or on the line
// from there to the one after.
func (s *Series) guess(t int64, linear bool) (float64, bool) {
	after, _ := slices.BinarySearch(s.Times, t)
	if after == 0 {
		return 0, false
	}
	before := after - 1
	if !linear {
		return s.Values[before], true
	}
	if after == len(s.Times) {
		return 0, false
	}
	part := float64(t-s.Times[before]) / float64(s.Times[after]-s.Times[before])
	return s.Values[before] + part*(s.Values[after]-s.Values[before]), true
}

// maxTimes bounds how many numbers a series is filled up to.
const maxTimes = 100_800

// times are those at which a series could have numbers.
func times(env Env, s *Series) []int64 {
	from, to, period := env.Span()
	if s.Period > 0 {
		period = s.Period
	}
	var out []int64
	for t := from; t < to && period > 0 && len(out) < maxTimes; t += period {
		out = append(out, t)
	}
	return out
}

func timeSeries(env Env, a []Value) (Value, error) {
	f, ok := a[0].(float64)
	if !ok {
		return nil, fmt.Errorf("the argument must be a number")
	}
	_, _, period := env.Span()
	out := &Series{Period: period}
	for _, t := range times(env, out) {
		out.put(t, f)
	}
	return out, nil
}

func metrics(env Env, a []Value) (Value, error) {
	part := ""
	if len(a) == 1 {
		s, ok := a[0].(string)
		if !ok {
			return nil, fmt.Errorf("the argument must be a text")
		}
		part = s
	}
	return env.Metrics(part)
}

func search(env Env, a []Value) (Value, error) {
	what, ok1 := a[0].(string)
	statistic, ok2 := a[1].(string)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("the first two arguments must be texts")
	}
	period := 0.0
	if len(a) == 3 {
		var ok bool
		if period, ok = a[2].(float64); !ok || period < 1 || period > 86400*366 || period != math.Trunc(period) {
			return nil, fmt.Errorf("the third argument must be a period in seconds")
		}
	}
	return env.Search(what, statistic, int64(period))
}

func slice(_ Env, a []Value) (Value, error) {
	list, ok := a[0].([]*Series)
	first, ok1 := a[1].(float64)
	if !ok || !ok1 || first < 0 || first != math.Trunc(first) {
		return nil, fmt.Errorf("an array of time series and one or two numbers are needed")
	}
	if len(a) == 2 {
		if int(first) >= len(list) {
			return &Series{}, nil
		}
		return list[int(first)], nil
	}
	last, ok := a[2].(float64)
	if !ok || last < first || last != math.Trunc(last) {
		return nil, fmt.Errorf("the third argument must be a number, not less than the second")
	}
	n := float64(len(list))
	return list[int(math.Min(first, n)):int(math.Min(last, n))], nil
}

func sort(_ Env, a []Value) (Value, error) {
	list, ok := a[0].([]*Series)
	by, ok1 := a[1].(Word)
	f, ok2 := reducers[strings.ToUpper(string(by))]
	if !ok || !ok1 || !ok2 && by != "LAST" {
		return nil, fmt.Errorf("an array of time series and one of AVG, MIN, MAX and SUM are needed")
	}
	down := false
	if len(a) > 2 {
		w, ok := a[2].(Word)
		if !ok || w != "ASC" && w != "DESC" {
			return nil, fmt.Errorf("the third argument must be ASC or DESC")
		}
		down = w == "DESC"
	}
	rank := func(s *Series) float64 {
		switch {
		case len(s.Values) == 0:
			return math.Inf(-1)
		case by == "LAST":
			return s.Values[len(s.Values)-1]
		}
		return f(s.Values)
	}
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(x, y *Series) int {
		rx, ry := rank(x), rank(y)
		if down {
			rx, ry = ry, rx
		}
		switch {
		case rx < ry:
			return -1
		case rx > ry:
			return 1
		}
		return 0
	})
	if len(a) == 4 {
		n, ok := a[3].(float64)
		if !ok || n < 0 {
			return nil, fmt.Errorf("the fourth argument must be a number")
		}
		out = out[:int(math.Min(n, float64(len(out))))]
	}
	return out, nil
}

// end is the first or last series of a list.
func end(v Value, which int) (Value, error) {
	list, ok := v.([]*Series)
	switch {
	case !ok:
		return nil, fmt.Errorf("an array of time series is needed")
	case len(list) == 0:
		return &Series{}, nil
	case which < 0:
		return list[len(list)-1], nil
	}
	return list[0], nil
}

func metricCount(_ Env, a []Value) (Value, error) {
	list, ok := a[0].([]*Series)
	if !ok {
		return nil, fmt.Errorf("an array of time series is needed")
	}
	return float64(len(list)), nil
}

func removeEmpty(_ Env, a []Value) (Value, error) {
	list, ok := a[0].([]*Series)
	if !ok {
		return nil, fmt.Errorf("an array of time series is needed")
	}
	out := []*Series{}
	for _, s := range list {
		if len(s.Times) > 0 {
			out = append(out, s)
		}
	}
	return out, nil
}

func period(env Env, a []Value) (Value, error) {
	s, ok := a[0].(*Series)
	if !ok {
		return nil, fmt.Errorf("a time series is needed")
	}
	if s.Period > 0 {
		return float64(s.Period), nil
	}
	_, _, p := env.Span()
	return float64(p), nil
}
