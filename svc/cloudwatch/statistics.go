package cloudwatch

import (
	"context"
	"fmt"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/store"
)

// maxStatistics is how many data points GetMetricStatistics gives at most.
const maxStatistics = 1440

func itoa(n int) string { return strconv.Itoa(n) }

// checkPeriod refuses periods that CloudWatch does not have.
func checkPeriod(name string, period int32) error {
	switch period {
	case 1, 5, 10, 20, 30:
		return nil
	}
	if period < 1 || period%60 != 0 {
		return invalidValue("The parameter %s must be 1, 5, 10, 20, 30 or a multiple of 60.", name)
	}
	return nil
}

// spanOf is the time between two moments in periods. The start is rounded down, as far
// as how long ago it is lets values be told apart.
func spanOf(start, end, now time.Time, period int64) span {
	unit := int64(60)
	switch age := now.Sub(start); {
	case age > 63*24*time.Hour:
		unit = 3600
	case age > 15*24*time.Hour:
		unit = 300
	case period < 60:
		unit = period
	}
	from := start.Unix()
	from -= mod(from, unit)
	to := end.Unix()
	if end.Nanosecond() > 0 {
		to++
	}
	return span{from, to, period}
}

func (s *Service) getMetricStatistics(ctx context.Context, in *api.GetMetricStatisticsInput) (*api.GetMetricStatisticsOutput, error) {
	if len(in.Statistics) == 0 && len(in.ExtendedStatistics) == 0 {
		return nil, api.InvalidParameterCombinationException("Must specify either Statistics or ExtendedStatistics")
	}
	if len(in.Statistics) > 0 && len(in.ExtendedStatistics) > 0 {
		return nil, api.InvalidParameterCombinationException("The parameters Statistics and ExtendedStatistics are mutually exclusive and you have specified both.")
	}
	if !in.StartTime.Before(*in.EndTime) {
		return nil, invalidValue("The parameter StartTime must be less than the parameter EndTime.")
	}
	if err := checkPeriod("Period", *in.Period); err != nil {
		return nil, err
	}
	var wanted []statistic
	for _, name := range append(in.Statistics[:len(in.Statistics):len(in.Statistics)], in.ExtendedStatistics...) {
		t, ok := parseStatistic(name)
		if !ok || simple[name] && len(in.ExtendedStatistics) > 0 {
			return nil, invalidValue("The value %s for parameter ExtendedStatistics is not supported.", name)
		}
		wanted = append(wanted, t)
	}
	p := spanOf(*in.StartTime, *in.EndTime, s.Clock.Now(), int64(*in.Period))
	if n := p.buckets(); n > maxStatistics {
		return nil, api.InvalidParameterCombinationException("You have requested up to %s datapoints, which exceeds the limit of %s. "+
			"You may reduce the datapoints requested by increasing Period, or decreasing the time range.", thousands(n), thousands(maxStatistics))
	}
	m := metricOf(*in.Namespace, *in.MetricName, in.Dimensions)
	var found []reading
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		found, err = readings(ctx, r, scopeOf(ctx), m, p, in.Unit, true)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &api.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []api.Datapoint{}}
	for i := range found {
		out.Datapoints = append(out.Datapoints, found[i].datapoint(wanted))
	}
	return out, nil
}

// datapoint is the reading as GetMetricStatistics shows it.
func (r *reading) datapoint(wanted []statistic) api.Datapoint {
	out := api.Datapoint{Timestamp: new(time.Unix(r.at, 0).UTC()), Unit: &r.unit}
	for _, t := range wanted {
		v, ok := t.of(&r.sample)
		if !ok {
			continue
		}
		switch t.kind {
		case "SampleCount":
			out.SampleCount = &v
		case "Average":
			out.Average = &v
		case "Sum":
			out.Sum = &v
		case "Minimum":
			out.Minimum = &v
		case "Maximum":
			out.Maximum = &v
		default:
			if out.ExtendedStatistics == nil {
				out.ExtendedStatistics = map[string]float64{}
			}
			out.ExtendedStatistics[t.name] = v
		}
	}
	return out
}

// thousands is a number with commas, as AWS writes it in this one error.
func thousands(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

// value is what p points to, or other.
func value[T any](p *T, other T) T {
	if p == nil {
		return other
	}
	return *p
}
