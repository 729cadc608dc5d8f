package logs

import (
	"context"
	"errors"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/logs/pattern"
)

const (
	maxMetricFilters = 100 // of a group
	maxRegexFilters  = 5   // of a group, with regular expressions
)

// A metricFilter is the record of a metric filter, under its group's and its own name.
type metricFilter struct {
	Created int64 // milliseconds
	Pattern string
	Into    []api.MetricTransformation
	// The members of the input that nothing depends on.
	Transformed *bool    `json:",omitempty"`
	Criteria    *string  `json:",omitempty"`
	Dimensions  []string `json:",omitempty"`
}

// metricPattern reads the pattern of a metric filter.
func metricPattern(text string) (*pattern.Pattern, error) {
	p, err := pattern.Parse(text)
	if errors.Is(err, pattern.ErrInvalid) {
		return nil, api.InvalidParameterException("Invalid metric filter pattern")
	}
	if err != nil {
		return nil, api.InvalidParameterException("%s", err)
	}
	return p, nil
}

func (s *Service) testMetricFilter(_ context.Context, in *api.TestMetricFilterRequest) (*api.TestMetricFilterResponse, error) {
	p, err := metricPattern(*in.FilterPattern)
	if err != nil {
		return nil, err
	}
	out := &api.TestMetricFilterResponse{Matches: []api.MetricFilterMatchRecord{}}
	for i, message := range in.LogEventMessages {
		if values, ok := p.Extract(message); ok {
			out.Matches = append(out.Matches, api.MetricFilterMatchRecord{EventNumber: ptr(int64(i)), EventMessage: &message, ExtractedValues: values})
		}
	}
	return out, nil
}

func (s *Service) putMetricFilter(ctx context.Context, in *api.PutMetricFilterRequest) (*aws.Empty, error) {
	p, err := metricPattern(*in.FilterPattern)
	if err != nil {
		return nil, err
	}
	if err := checkTransformations(p, in.MetricTransformations); err != nil {
		return nil, err
	}
	sc, groupName, name := scopeOf(ctx), *in.LogGroupName, *in.FilterName
	f := metricFilter{Created: s.now(), Pattern: *in.FilterPattern, Into: in.MetricTransformations,
		Transformed: in.ApplyOnTransformedLogs, Criteria: in.FieldSelectionCriteria, Dimensions: in.EmitSystemFieldDimensions}
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		g, err := groupNamed(ctx, tx, sc, groupName)
		if err != nil {
			return err
		}
		others, regexes := 0, 0
		for e, err := range metrics.List(ctx, tx, sc, store.ListOptions{Prefix: []any{groupName}}) {
			if err != nil {
				return err
			}
			if e.Key.String(1) == name {
				continue
			}
			others++
			if q, err := pattern.Parse(e.Record.Pattern); err == nil && q.HasRegex() {
				regexes++
			}
		}
		if others >= maxMetricFilters || p.HasRegex() && regexes >= maxRegexFilters {
			return api.LimitExceededException("Resource limit exceeded.")
		}
		g.Gauges++
		return errors.Join(groups.Put(tx, sc, g, groupName), metrics.Put(tx, sc, f, groupName, name))
	})
}

// maxDimensions is how many dimensions a metric has at most.
const maxDimensions = 3

// checkTransformations says whether metrics can be made of what a pattern matches.
func checkTransformations(p *pattern.Pattern, list []api.MetricTransformation) error {
	for i := range list {
		t := &list[i]
		if _, err := strconv.ParseFloat(*t.MetricValue, 64); err != nil && !strings.HasPrefix(*t.MetricValue, "$") {
			return api.InvalidParameterException("Invalid metric transformation: metric value must be a number or start with '$'.")
		}
		if len(t.Dimensions) == 0 {
			continue
		}
		if t.DefaultValue != nil {
			return api.InvalidParameterException("Invalid metric transformation: dimensions and default value are mutually exclusive properties.")
		}
		if len(t.Dimensions) > maxDimensions {
			return api.InvalidParameterException("Invalid metric transformation: a metric may have at most %d dimensions.", maxDimensions)
		}
		for _, v := range t.Dimensions {
			if !strings.HasPrefix(v, "$") {
				return api.InvalidParameterException("Invalid metric transformation: dimension value must start with '$'.")
			}
		}
		if p.Terms() {
			return api.InvalidParameterException("Invalid metric transformation: dimensions can only be used with JSON or space-delimited filter patterns.")
		}
	}
	return nil
}

func (s *Service) deleteMetricFilter(ctx context.Context, in *api.DeleteMetricFilterRequest) (*aws.Empty, error) {
	sc := scopeOf(ctx)
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		g, err := groupNamed(ctx, tx, sc, *in.LogGroupName)
		if err != nil {
			return err
		}
		switch there, err := metrics.Has(ctx, tx, sc, *in.LogGroupName, *in.FilterName); {
		case err != nil:
			return err
		case !there:
			return api.ResourceNotFoundException("The specified metric filter does not exist.")
		}
		g.Gauges++
		return errors.Join(groups.Put(tx, sc, g, *in.LogGroupName), metrics.Delete(tx, sc, *in.LogGroupName, *in.FilterName))
	})
}

func (s *Service) describeMetricFilters(ctx context.Context, in *api.DescribeMetricFiltersRequest) (*api.DescribeMetricFiltersResponse, error) {
	if (in.MetricName == nil) != (in.MetricNamespace == nil) {
		return nil, api.InvalidParameterException("MetricName and MetricNamespace must both be specified, or neither.")
	}
	o, limit := store.ListOptions{}, pageSize
	if in.LogGroupName != nil {
		o.Prefix = []any{*in.LogGroupName}
	}
	if in.NextToken != nil {
		var after [2]string
		if !aws.ParseToken(*in.NextToken, &after) {
			return nil, errBadToken()
		}
		o.After = []any{after[0], after[1]}
	}
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &api.DescribeMetricFiltersResponse{MetricFilters: []api.MetricFilter{}}
	err := s.store.View(ctx, func(r store.Reader) error {
		if in.LogGroupName != nil {
			if _, err := groupNamed(ctx, r, scopeOf(ctx), *in.LogGroupName); err != nil {
				return err
			}
		}
		for e, err := range metrics.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			if !e.Record.wanted(in, e.Key.String(1)) {
				continue
			}
			if n := len(out.MetricFilters); n == limit {
				last := out.MetricFilters[n-1]
				out.NextToken = ptr(aws.Token([2]string{*last.LogGroupName, *last.FilterName}))
				return nil
			}
			out.MetricFilters = append(out.MetricFilters, e.Record.describe(e.Key.String(0), e.Key.String(1)))
		}
		return nil
	})
	return out, err
}

func (f *metricFilter) wanted(in *api.DescribeMetricFiltersRequest, name string) bool {
	if !strings.HasPrefix(name, aws.Value(in.FilterNamePrefix)) {
		return false
	}
	return in.MetricName == nil || len(f.Into) > 0 && *f.Into[0].MetricName == *in.MetricName && *f.Into[0].MetricNamespace == *in.MetricNamespace
}

func (f *metricFilter) describe(group, name string) api.MetricFilter {
	return api.MetricFilter{LogGroupName: &group, FilterName: &name, FilterPattern: &f.Pattern, CreationTime: &f.Created,
		MetricTransformations: f.Into, ApplyOnTransformedLogs: f.Transformed, FieldSelectionCriteria: f.Criteria, EmitSystemFieldDimensions: f.Dimensions}
}
