package cloudwatch

import (
	"context"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/cloudwatch/maths"
)

// dataPosition is where the next page begins: so many data points were shown.
type dataPosition struct{ Skip int }

func (s *Service) getMetricData(ctx context.Context, in *api.GetMetricDataInput) (*api.GetMetricDataOutput, error) {
	if !in.StartTime.Before(*in.EndTime) {
		return nil, validation("The parameter StartTime must be less than the parameter EndTime.")
	}
	most := int(value(in.MaxDatapoints, maxDatapoints))
	if most < 1 || most > maxDatapoints {
		return nil, validation("The parameter MaxDatapoints must be between 1 and %d.", maxDatapoints)
	}
	zone, err := zoneOf(in.LabelOptions)
	if err != nil {
		return nil, err
	}
	var at dataPosition
	if in.NextToken != nil && (!aws.ParseToken(*in.NextToken, &at) || at.Skip < 0) {
		return nil, api.InvalidNextToken("Invalid nextToken")
	}
	p, err := planOf("MetricDataQueries", aws.RequestOf(ctx).Account(), in.MetricDataQueries)
	if err != nil {
		return nil, err
	}
	results, err := s.results(ctx, p, *in.StartTime, *in.EndTime, zone)
	if err != nil {
		return nil, err
	}
	out := &api.GetMetricDataOutput{MetricDataResults: []api.MetricDataResult{}, Messages: []api.MessageData{}}
	if value(in.ScanBy, api.ScanByTimestampDescending) == api.ScanByTimestampDescending {
		for i := range results {
			slices.Reverse(results[i].Timestamps)
			slices.Reverse(results[i].Values)
		}
	}
	out.MetricDataResults, out.NextToken = page(results, at.Skip, most)
	return out, nil
}

// results answers all queries that want to be seen, the oldest data points first.
func (s *Service) results(ctx context.Context, p *plan, start, end time.Time, zone *time.Location) ([]api.MetricDataResult, error) {
	now := s.Clock.Now()
	var out []api.MetricDataResult
	err := s.Store.View(ctx, func(r store.Reader) error {
		out = nil
		a := &answerer{ctx: ctx, r: r, scope: scopeOf(ctx), plan: p, now: now.Unix(), known: map[string]maths.Value{}, buckets: maxBuckets,
			spanFor: func(period int64) span { return spanOf(start, end, now, period) }}
		labels := p.labels()
		for _, q := range p.order {
			if !q.returned() {
				continue
			}
			v, err := a.Query(*q.Id)
			if err != nil {
				return err
			}
			switch v := v.(type) {
			case *maths.Series:
				l := labeller{q: q, zone: zone, now: now}
				out = append(out, result(q, v, l.label(labels[*q.Id], v, false)))
			case []*maths.Series:
				for _, one := range v {
					l := labeller{q: q, zone: zone, now: now}
					out = append(out, result(q, one, l.label("", one, true)))
				}
			default:
				return validation("Error in expression '%s': The expression must return a time series or an array of time series, and returns a number.", *q.Id)
			}
		}
		return nil
	})
	return out, err
}

func result(q *query, v *maths.Series, label string) api.MetricDataResult {
	out := api.MetricDataResult{Id: q.Id, Label: &label, StatusCode: new(api.StatusCodeComplete), Timestamps: []time.Time{}, Values: []float64{}}
	for i, t := range v.Times {
		out.Timestamps = append(out.Timestamps, time.Unix(t, 0).UTC())
		out.Values = append(out.Values, v.Values[i])
	}
	return out
}

// page is the part of results that one answer shows: at most so many data points, after
// some that were shown before.
func page(results []api.MetricDataResult, skip, most int) ([]api.MetricDataResult, *string) {
	out, seen := []api.MetricDataResult{}, 0
	for _, r := range results {
		n := len(r.Values)
		from, to := max(skip-seen, 0), min(skip+most-seen, n)
		seen += n
		switch {
		case n == 0:
			if skip == 0 {
				out = append(out, r)
			}
			continue
		case from >= n:
			continue // shown before
		case to < n:
			r.StatusCode = new(api.StatusCodePartialData)
		}
		to = max(to, from)
		r.Timestamps, r.Values = r.Timestamps[from:to], r.Values[from:to]
		out = append(out, r)
	}
	if skip+most < seen {
		return out, new(aws.Token(dataPosition{skip + most}))
	}
	return out, nil
}

// labels are those of metrics that have none of their own: what tells them apart.
func (p *plan) labels() map[string]string {
	var all []metric
	for _, q := range p.order {
		if q.MetricStat != nil && q.returned() {
			all = append(all, metricOf(*q.MetricStat.Metric.Namespace, *q.MetricStat.Metric.MetricName, q.MetricStat.Metric.Dimensions))
		}
	}
	out := map[string]string{}
	for _, q := range p.order {
		if q.MetricStat != nil {
			out[*q.Id] = distinct(all, metricOf(*q.MetricStat.Metric.Namespace, *q.MetricStat.Metric.MetricName, q.MetricStat.Metric.Dimensions))
		} else {
			out[*q.Id] = *q.Id
		}
	}
	return out
}
