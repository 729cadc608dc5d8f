package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/cloudwatch/insights"
	"github.com/tule-cloud/tule/svc/cloudwatch/maths"
	"github.com/tule-cloud/tule/svc/cloudwatch/search"
)

// Bounds of GetMetricData.
const (
	maxQueries    = 500
	maxDatapoints = 100_800
	maxSeries     = 500 // that a search, or a query of Metrics Insights, finds
	maxBuckets    = 1_000_000
)

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)

func validation(format string, args ...any) *aws.Error {
	return aws.Errorf(400, "ValidationError", format, args...)
}

// A plan is the queries of a request, ready to be answered.
type plan struct {
	queries map[string]*query
	order   []*query
}

// A query is one metric or expression.
type query struct {
	*api.MetricDataQuery
	statistic  statistic
	expression *maths.Expression // nil for a metric, and for Metrics Insights
	insights   *insights.Query
}

func (q *query) returned() bool { return value(q.ReturnData, true) }

// planOf reads queries; field is their name in the request, and account the caller's.
func planOf(field, account string, in []api.MetricDataQuery) (*plan, error) {
	if len(in) == 0 {
		return nil, api.MissingRequiredParameterException("The parameter %s is required.", field)
	}
	if len(in) > maxQueries {
		return nil, validation("The collection %s must not have a size greater than %d.", field, maxQueries)
	}
	p := &plan{queries: map[string]*query{}}
	for i := range in {
		q := &query{MetricDataQuery: &in[i]}
		if err := q.check(fmt.Sprintf("%s.member.%d", field, i+1), account); err != nil {
			return nil, err
		}
		if p.queries[*q.Id] != nil {
			return nil, validation("The values for parameter Id in %s must be unique.", field)
		}
		p.queries[*q.Id] = q
		p.order = append(p.order, q)
	}
	for _, q := range p.order {
		if q.expression == nil {
			continue
		}
		for _, id := range q.expression.IDs() {
			if p.queries[id] == nil {
				return nil, validation("Error in expression '%s': The expression refers to the id %s, which is not among the queries.", *q.Id, id)
			}
		}
	}
	return p, p.acyclic()
}

func (q *query) check(at, account string) error {
	if !queryID.MatchString(*q.Id) {
		return validation("The value %s for parameter %s.Id must begin with a lowercase letter and contain only letters, digits and underscores.", *q.Id, at)
	}
	if (q.MetricStat == nil) == (q.Expression == nil) {
		return api.InvalidParameterCombinationException("Exactly one of the parameters %s.MetricStat and %s.Expression must be specified.", at, at)
	}
	if q.AccountId != nil && *q.AccountId != account {
		return validation("The account %s is not linked to this monitoring account %s.", *q.AccountId, account)
	}
	if q.Period != nil {
		if err := checkPeriod(at+".Period", *q.Period); err != nil {
			return err
		}
	}
	if q.MetricStat != nil {
		st := q.MetricStat
		if st.Metric.Namespace == nil || st.Metric.MetricName == nil {
			return api.MissingRequiredParameterException("The parameters %s.MetricStat.Metric.Namespace and MetricName are required.", at)
		}
		var ok bool
		if q.statistic, ok = parseStatistic(*st.Stat); !ok {
			return validation("The value %s for parameter %s.MetricStat.Stat is not supported.", *st.Stat, at)
		}
		return checkPeriod(at+".MetricStat.Period", *st.Period)
	}
	var err error
	if insights.Is(*q.Expression) {
		if q.Period == nil {
			return api.MissingRequiredParameterException("The parameter %s.Period is required for a Metrics Insights query.", at)
		}
		q.insights, err = insights.Parse(*q.Expression)
	} else {
		q.expression, err = maths.Parse(*q.Expression)
	}
	if err != nil {
		return validation("Error in expression '%s': %s.", *q.Id, err)
	}
	return nil
}

// acyclic refuses expressions that lead to themselves.
func (p *plan) acyclic() error {
	state := map[*query]int{} // 1 on the way, 2 done
	var visit func(q *query) error
	visit = func(q *query) error {
		if state[q] == 1 {
			return validation("Error in expression '%s': Circular dependency in the expressions.", *q.Id)
		}
		if state[q] == 2 || q.expression == nil {
			return nil
		}
		state[q] = 1
		for _, id := range q.expression.IDs() {
			if err := visit(p.queries[id]); err != nil {
				return err
			}
		}
		state[q] = 2
		return nil
	}
	for _, q := range p.order {
		if err := visit(q); err != nil {
			return err
		}
	}
	return nil
}

// An answerer answers a plan's queries, each once. It implements maths.Env.
type answerer struct {
	ctx   context.Context
	r     store.Reader
	scope store.Scope
	plan  *plan
	// spanFor is the time that is asked for, in periods of a length.
	spanFor func(period int64) span
	now     int64
	known   map[string]maths.Value
	current *query
	// buckets is how many periods may still be read.
	buckets int64
	// samples, if not nil, takes the sample behind each number of metrics, by id.
	samples map[string]map[int64]sample
}

var _ maths.Env = (*answerer)(nil)

// Query implements maths.Env.
func (a *answerer) Query(id string) (maths.Value, error) {
	if v, ok := a.known[id]; ok {
		return v, nil
	}
	v, err := a.answer(a.plan.queries[id])
	if err == nil {
		a.known[id] = v
	}
	return v, err
}

func (a *answerer) answer(q *query) (maths.Value, error) {
	switch {
	case q.MetricStat != nil:
		m := metricOf(*q.MetricStat.Metric.Namespace, *q.MetricStat.Metric.MetricName, q.MetricStat.Metric.Dimensions)
		s, err := a.series(m, q.statistic, int64(*q.MetricStat.Period), q.MetricStat.Unit, *q.Id)
		if err == nil {
			s.ID = *q.Id
		}
		return s, err
	case q.insights != nil:
		return a.insights(q)
	}
	was := a.current
	a.current = q
	defer func() { a.current = was }()
	v, err := q.expression.Eval(a)
	if err != nil {
		var e *aws.Error
		if errors.As(err, &e) || a.ctx.Err() != nil {
			return nil, err
		}
		return nil, validation("Error in expression '%s': %s.", *q.Id, err)
	}
	return v, nil
}

// series reads one metric. Where its label tells it from others is settled later.
func (a *answerer) series(m metric, t statistic, period int64, unit *string, id string) (*maths.Series, error) {
	p := a.spanFor(period)
	if a.buckets -= p.buckets(); a.buckets < 0 {
		return nil, validation("The request is for more data points than one request may read.")
	}
	found, err := readings(a.ctx, a.r, a.scope, m, p, unit, false)
	if err != nil {
		return nil, err
	}
	out := &maths.Series{Period: period, Label: m.Name, Facts: facts(a.scope, m, t.name, period)}
	for i := range found {
		if v, ok := t.of(&found[i].sample); ok {
			out.Times, out.Values = append(out.Times, found[i].at), append(out.Values, v)
			if a.samples != nil {
				if a.samples[id] == nil {
					a.samples[id] = map[int64]sample{}
				}
				a.samples[id][found[i].at] = found[i].sample
			}
		}
	}
	return out, nil
}

// facts are what a label may name of a metric.
func facts(scope store.Scope, m metric, statistic string, period int64) map[string]string {
	f := map[string]string{"AccountId": scope.Account, "Region": scope.Region, "MetricName": m.Name, "Namespace": m.Namespace,
		"Stat": statistic, "Period": itoa(int(period))}
	for _, d := range m.Dimensions {
		f["Dim."+d.Name] = d.Value
	}
	return f
}

// Metrics implements maths.Env.
func (a *answerer) Metrics(part string) ([]*maths.Series, error) {
	var out []*maths.Series
	for _, q := range a.plan.order {
		if q.MetricStat == nil || !strings.Contains(*q.Id, part) {
			continue
		}
		v, err := a.Query(*q.Id)
		if err != nil {
			return nil, err
		}
		out = append(out, v.(*maths.Series))
	}
	return out, nil
}

// Span implements maths.Env: the period is the query's own, or else the longest of the
// request's metrics.
func (a *answerer) Span() (from, to, period int64) {
	period = 60
	for _, q := range a.plan.order {
		if q.MetricStat != nil {
			period = max(period, int64(*q.MetricStat.Period))
		}
	}
	if a.current != nil && a.current.Period != nil {
		period = int64(*a.current.Period)
	}
	p := a.spanFor(period)
	return p.from, p.to, period
}

// Search implements maths.Env.
func (a *answerer) Search(expression, name string, period int64) ([]*maths.Series, error) {
	e, err := search.Parse(expression)
	if err != nil {
		return nil, err
	}
	t, ok := parseStatistic(name)
	if !ok {
		return nil, fmt.Errorf("the statistic %s is not supported", name)
	}
	if period == 0 {
		_, _, period = a.Span()
	}
	if checkPeriod("", int32(period)) != nil {
		return nil, fmt.Errorf("the period must be 1, 5, 10, 20, 30 or a multiple of 60")
	}
	found, err := a.find(e.Namespace, "", func(m metric) bool {
		x := search.Metric{Namespace: m.Namespace, Name: m.Name}
		for _, d := range m.Dimensions {
			x.Dimensions = append(x.Dimensions, [2]string{d.Name, d.Value})
		}
		return e.Match(x)
	})
	if err != nil {
		return nil, err
	}
	out := []*maths.Series{}
	for _, m := range found {
		s, err := a.series(m, t, period, nil, "")
		if err != nil {
			return nil, err
		}
		s.Label = distinct(found, m)
		out = append(out, s)
	}
	return out, nil
}

// find lists the metrics that are found, as many as there may be.
func (a *answerer) find(namespace, name string, fits func(metric) bool) ([]metric, error) {
	o := store.ListOptions{}
	if namespace != "" {
		o.Prefix = []any{namespace}
		if name != "" {
			o.Prefix = append(o.Prefix, name)
		}
	}
	var out []metric
	for m, err := range metrics(a.ctx, a.r, a.scope, o, a.now-forgotten) {
		if err != nil {
			return nil, err
		}
		if fits(m) {
			out = append(out, m)
		}
		if len(out) == maxSeries {
			break
		}
	}
	return out, nil
}

// distinct is the label of a metric among others: its name, where they differ in it, and
// the values of the dimensions in which they differ.
func distinct(all []metric, m metric) string {
	names, values := false, map[string]bool{}
	for _, o := range all {
		names = names || o.Name != m.Name
		for _, d := range m.Dimensions {
			if v, _ := o.value(d.Name); v != d.Value {
				values[d.Name] = true
			}
		}
	}
	var parts []string
	for _, d := range m.Dimensions {
		if values[d.Name] {
			parts = append(parts, d.Value)
		}
	}
	if names || len(parts) == 0 {
		parts = append(parts, m.Name)
	}
	return strings.Join(parts, " ")
}
