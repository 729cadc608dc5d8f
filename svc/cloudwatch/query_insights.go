package cloudwatch

import (
	"math"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/svc/cloudwatch/insights"
	"github.com/tule-cloud/tule/svc/cloudwatch/maths"
)

// insightStatistics are the statistics of Metrics Insights' functions.
var insightStatistics = map[string]string{"AVG": "Average", "COUNT": "SampleCount", "MAX": "Maximum", "MIN": "Minimum", "SUM": "Sum"}

// A group is the metrics that a query of Metrics Insights puts together.
type group struct {
	label   string
	metrics []metric
}

// insights answers a query of Metrics Insights: one series, or one a group.
func (a *answerer) insights(q *query) (maths.Value, error) {
	i := q.insights
	found, err := a.find(i.Namespace, i.Metric, func(m metric) bool {
		labels := make([]string, len(m.Dimensions))
		for j, d := range m.Dimensions {
			labels[j] = d.Name
		}
		return i.Match(m.Namespace, m.Name, labels, m.value)
	})
	if err != nil {
		return nil, err
	}
	out := []*maths.Series{}
	for _, g := range groups(i, found) {
		s, err := a.together(g, i.Function, int64(*q.Period))
		if err != nil {
			return nil, err
		}
		s.ID = *q.Id
		if len(s.Times) > 0 {
			out = append(out, s)
		}
	}
	order(i, out)
	if out = out[:min(i.Limit, len(out))]; len(i.GroupBy) > 0 {
		return out, nil
	}
	if len(out) == 0 {
		return &maths.Series{ID: *q.Id, Label: i.Metric, Period: int64(*q.Period)}, nil
	}
	return out[0], nil
}

// groups puts metrics together that have the labels of GROUP BY alike.
func groups(q *insights.Query, found []metric) []*group {
	by := map[string]*group{}
	var out []*group
	for _, m := range found {
		var parts []string
		for _, l := range q.GroupBy {
			v, _ := m.value(l)
			parts = append(parts, v)
		}
		label := strings.Join(parts, " ")
		g := by[label]
		if g == nil {
			g = &group{label: label}
			if label == "" {
				g.label = q.Metric
			}
			by[label] = g
			out = append(out, g)
		}
		g.metrics = append(g.metrics, m)
	}
	return out
}

// together reads the metrics of a group as if they were one.
func (a *answerer) together(g *group, function string, period int64) (*maths.Series, error) {
	t, _ := parseStatistic(insightStatistics[function])
	p := a.spanFor(period)
	all := map[int64]*sample{}
	for _, m := range g.metrics {
		if a.buckets -= p.buckets(); a.buckets < 0 {
			return nil, validation("The request is for more data points than one request may read.")
		}
		found, err := readings(a.ctx, a.r, a.scope, m, p, nil, false)
		if err != nil {
			return nil, err
		}
		for i := range found {
			if have := all[found[i].at]; have != nil {
				have.add(found[i].sample)
			} else {
				all[found[i].at] = &found[i].sample
			}
		}
	}
	s := &maths.Series{Label: g.label, Period: period, Facts: facts(a.scope, metric{Name: g.metrics[0].Name, Namespace: g.metrics[0].Namespace}, t.name, period)}
	for at := range all {
		s.Times = append(s.Times, at)
	}
	slices.Sort(s.Times)
	for _, at := range s.Times {
		v, _ := t.of(all[at])
		s.Values = append(s.Values, v)
	}
	return s, nil
}

// order sorts series as ORDER BY says.
func order(q *insights.Query, list []*maths.Series) {
	if q.OrderBy == "" {
		return
	}
	rank := func(s *maths.Series) float64 {
		total, least, most := 0.0, math.Inf(1), math.Inf(-1)
		for _, v := range s.Values {
			total, least, most = total+v, math.Min(least, v), math.Max(most, v)
		}
		switch q.OrderBy {
		case "MAX":
			return most
		case "MIN":
			return least
		case "AVG":
			return total / float64(len(s.Values))
		case "COUNT":
			return float64(len(s.Values))
		}
		return total
	}
	slices.SortStableFunc(list, func(a, b *maths.Series) int {
		x, y := rank(a), rank(b)
		if !q.Ascending {
			x, y = y, x
		}
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
}
