package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/cloudwatch/maths"
)

// Alarms are evaluated by the clock's minutes; those with a period below a minute every
// ten seconds.
const evaluateEvery = 10 * time.Second

// margin is how many periods more than EvaluationPeriods are looked at, so that one that
// is missing does not decide.
const margin = 2

// A signal wakes one who waits, however often it is given.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) poke() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// keepWatch evaluates alarms until ctx ends.
func (s *Service) keepWatch(ctx context.Context) error {
	minute := int64(-1)
	for {
		now := s.Clock.Now()
		whole := now.Unix()/60 != minute
		minute = now.Unix() / 60
		if err := s.evaluate(ctx, whole); err != nil && ctx.Err() == nil {
			s.Logger.Warn("cloudwatch: evaluate alarms", "error", err)
		}
		c, stop := s.Clock.After(now.Truncate(evaluateEvery).Add(evaluateEvery).Sub(now))
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case <-c:
		case <-s.watch:
		}
		stop()
	}
}

// A watched is an alarm and whose it is.
type watched struct {
	scope store.Scope
	alarm alarm
}

// evaluate looks at all alarms: those on metrics first, and then, until none changes any
// more, those on alarms. Where whole is not set, alarms of a minute or more rest.
func (s *Service) evaluate(ctx context.Context, whole bool) error {
	all, err := s.everyAlarm(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	if whole {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	var errs []error
	for i := range all {
		if a := &all[i]; a.alarm.Metric != nil && (whole || a.alarm.period() < 60) {
			errs = append(errs, s.evaluateMetric(ctx, a.scope, &a.alarm))
		}
	}
	for changed, rounds := true, 0; changed && rounds < 20; rounds++ {
		changed = false
		for i := range all {
			if a := &all[i]; a.alarm.Composite != nil {
				did, err := s.evaluateComposite(ctx, a.scope, a.alarm.Name)
				changed = changed || did
				errs = append(errs, err)
			}
		}
	}
	s.outgoing.poke()
	return errors.Join(errs...)
}

func (s *Service) everyAlarm(ctx context.Context) (all []watched, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		all = nil
		for e, err := range alarms.All(ctx, r) {
			if err != nil {
				return err
			}
			all = append(all, watched{e.Scope, e.Record})
		}
		return nil
	})
	return all, err
}

// period is how long the periods of a metric's alarm are, in seconds.
func (a *alarm) period() int64 {
	if a.Metric.Period != nil {
		return int64(*a.Metric.Period)
	}
	p, err := planOf("Metrics", "", withoutAccounts(a.Metric.Metrics)) // whose they are was settled when they were put
	if err != nil {
		return 60
	}
	_, period, err := p.watched()
	if err != nil {
		return 60
	}
	return period
}

func withoutAccounts(in []api.MetricDataQuery) []api.MetricDataQuery {
	out := append([]api.MetricDataQuery(nil), in...)
	for i := range out {
		out[i].AccountId = nil
	}
	return out
}

// A view is one period as an alarm sees it.
type view struct {
	at     int64
	value  float64
	has    bool
	sample *sample // nil for what was computed
}

// evaluateMetric evaluates an alarm on a metric, and changes its state.
func (s *Service) evaluateMetric(ctx context.Context, scope store.Scope, a *alarm) error {
	views, err := s.look(ctx, scope, a)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	v := a.judge(views)
	if v.state == a.State && (a.Reason != unchecked || v.reason == "") || v.state == "" {
		return nil
	}
	data := a.reasonData(views, v, now)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := alarmNamed(ctx, tx, scope, a.Name)
		if err != nil || have == nil || !have.Updated.Equal(a.Updated) || have.Number != a.Number {
			return err // it is another by now, and is looked at again
		}
		if have.State == v.state {
			have.Reason, have.ReasonData, have.StateUpdated = v.reason, data, now
			return alarms.Put(tx, scope, *have, a.Name)
		}
		return s.transition(ctx, tx, scope, have, state{v.state, v.reason, data, now})
	})
}

// look reads the periods that an alarm is about, the newest first.
func (s *Service) look(ctx context.Context, scope store.Scope, a *alarm) ([]view, error) {
	period := a.period()
	step := min(period, 60)
	if step < 60 {
		step = 10
	}
	now := s.Clock.Now().Unix()
	n := int64(*a.Metric.EvaluationPeriods) + margin
	to := now - mod(now, step)
	views := make([]view, n)
	for i := range views {
		views[i].at = to - int64(i+1)*period
	}
	err := s.Store.View(ctx, func(r store.Reader) error {
		if len(a.Metric.Metrics) > 0 {
			return lookAtMaths(ctx, r, scope, a, span{to - n*period, to, period}, views)
		}
		m := metricOf(*a.Metric.Namespace, *a.Metric.MetricName, a.Metric.Dimensions)
		found, err := readings(ctx, r, scope, m, span{to - n*period, to, period}, a.Metric.Unit, false)
		if err != nil {
			return err
		}
		t, _ := parseStatistic(value(a.Metric.Statistic, aws.Value(a.Metric.ExtendedStatistic)))
		for i := range found {
			v := &views[(to-found[i].at)/period-1]
			v.sample = &found[i].sample
			v.value, v.has = t.of(v.sample)
		}
		return nil
	})
	return views, err
}

// lookAtMaths fills the views of an alarm on an expression.
func lookAtMaths(ctx context.Context, r store.Reader, scope store.Scope, a *alarm, p span, views []view) error {
	plan, err := planOf("Metrics", scope.Account, a.Metric.Metrics)
	if err != nil {
		return err
	}
	q, _, err := plan.watched()
	if err != nil {
		return err
	}
	answer := &answerer{ctx: ctx, r: r, scope: scope, plan: plan, now: p.to, known: map[string]maths.Value{}, buckets: maxBuckets,
		spanFor: func(period int64) span { return span{p.from, p.to, period} }}
	v, err := answer.Query(*q.Id)
	if err != nil {
		return err
	}
	s, ok := v.(*maths.Series)
	if list, many := v.([]*maths.Series); many && len(list) > 0 {
		s, ok = list[0], true
	}
	if !ok {
		return nil
	}
	for i, t := range s.Times {
		if k := (p.to-t+p.period-1)/p.period - 1; k >= 0 && k < int64(len(views)) {
			views[k].value, views[k].has = s.Values[i], true
		}
	}
	return nil
}

// A verdict is the state that an alarm should have, and why; no state means that it
// keeps the one it has.
type verdict struct {
	state, reason string
	used          []view // the data points that decided, the newest first
}

// judge decides what state the data points of an alarm call for.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
func (a *alarm) judge(views []view) verdict {
	n := int(*a.Metric.EvaluationPeriods)
	m := int(value(a.Metric.DatapointsToAlarm, *a.Metric.EvaluationPeriods))
	missing := value(a.Metric.TreatMissingData, "missing")
	var real []view
	oldestBreach := 0 // of the real ones, how many periods ago; the newest is 1
	breaching := 0
	for i, v := range views {
		if !v.has || len(real) == n {
			continue
		}
		if a.lowSample(v) {
			return verdict{}
		}
		real = append(real, v)
		if a.breaches(v.value) {
			breaching++
			oldestBreach = i + 1
		}
	}
	filled := n - len(real)
	switch {
	case filled > 0 && missing == "breaching" && breaching+filled >= m:
		return verdict{stateAlarm, a.reasonMissing(real, filled, "Breaching", stateAlarm), real}
	case filled == n && missing == "missing":
		return verdict{stateInsufficient, fmt.Sprintf("Insufficient Data: %s unknown.", plural(n, "datapoint was", "datapoints were")), nil}
	case filled == n && missing == "ignore":
		return verdict{}
	case breaching >= m:
		return verdict{stateAlarm, a.reasonCrossed(real, stateAlarm), real}
	case filled > 0 && breaching > 0 && breaching == len(real) && missing == "missing" && oldestBreach >= m:
		return verdict{stateAlarm, a.reasonCrossed(real, stateAlarm), real}
	case filled > 0 && breaching > 0 && breaching == len(real) && (missing == "missing" || missing == "ignore"):
		return verdict{} // it is too early to tell
	case filled > 0 && len(real) == 0:
		return verdict{stateOK, a.reasonMissing(real, filled, "NonBreaching", stateOK), real}
	}
	return verdict{stateOK, a.reasonCrossed(real, stateOK), real}
}

// lowSample reports whether a percentile has too few values to be looked at.
func (a *alarm) lowSample(v view) bool {
	if a.Metric.ExtendedStatistic == nil || aws.Value(a.Metric.EvaluateLowSampleCountPercentile) != "ignore" || v.sample == nil {
		return false
	}
	t, _ := parseStatistic(*a.Metric.ExtendedStatistic)
	return !t.enough(v.sample)
}

func (a *alarm) breaches(v float64) bool {
	t := *a.Metric.Threshold
	switch *a.Metric.ComparisonOperator {
	case api.ComparisonOperatorGreaterThanOrEqualToThreshold:
		return v >= t
	case api.ComparisonOperatorGreaterThanThreshold:
		return v > t
	case api.ComparisonOperatorLessThanThreshold:
		return v < t
	}
	return v <= t
}

// comparison is the operator in words.
func (a *alarm) comparison() string {
	switch *a.Metric.ComparisonOperator {
	case api.ComparisonOperatorGreaterThanOrEqualToThreshold:
		return "greater than or equal to"
	case api.ComparisonOperatorGreaterThanThreshold:
		return "greater than"
	case api.ComparisonOperatorLessThanThreshold:
		return "less than"
	}
	return "less than or equal to"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// decimal is a number as AWS writes it: with a point.
func decimal(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if f == float64(int64(f)) && f < 1e15 && f > -1e15 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strings.Replace(s, "e+", "E", 1)
}

// reasonCrossed says what data points were on which side of the threshold.
func (a *alarm) reasonCrossed(real []view, to string) string {
	n := int(*a.Metric.EvaluationPeriods)
	m := int(value(a.Metric.DatapointsToAlarm, *a.Metric.EvaluationPeriods))
	var shown []string
	for _, v := range real {
		if a.breaches(v.value) == (to == stateAlarm) {
			shown = append(shown, decimal(v.value)+" ("+time.Unix(v.at, 0).UTC().Format("02/01/06 15:04:05")+")")
		}
	}
	verb, from := "was", stateOK
	if len(shown) != 1 {
		verb = "were"
	}
	if to == stateOK {
		verb, from, m = verb+" not", stateAlarm, n-m+1
	}
	return fmt.Sprintf("Threshold Crossed: %d out of the last %s [%s] %s %s the threshold (%s) (minimum %s for %s -> %s transition).",
		len(shown), plural(len(real), "datapoints", "datapoints"), strings.Join(shown, ", "), verb, a.comparison(), decimal(*a.Metric.Threshold),
		plural(m, "datapoint", "datapoints"), from, to)
}

// reasonMissing says what missing data points count as.
func (a *alarm) reasonMissing(real []view, filled int, as, to string) string {
	treated := plural(filled, "missing datapoint was", "missing datapoints were") + " treated as [" + as + "]."
	if len(real) == 0 {
		return fmt.Sprintf("Threshold Crossed: no datapoints were received for %s and %s", plural(filled, "period", "periods"), treated)
	}
	return strings.TrimSuffix(a.reasonCrossed(real, to), ".") + " and " + treated
}
