package cloudwatch

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/cloudwatch/rule"
)

func validJSON(text string) bool { return json.Valid([]byte(text)) }

func (s *Service) putMetricAlarm(ctx context.Context, in *api.PutMetricAlarmInput) (*aws.Empty, error) {
	if in.EvaluationCriteria != nil || in.EvaluationInterval != nil {
		return nil, validation("Alarms on PromQL queries are not available here.")
	}
	if err := checkThreshold(in); err != nil {
		return nil, err
	}
	if err := checkEvaluation(in); err != nil {
		return nil, err
	}
	period, err := checkWatched(ctx, in)
	if err != nil {
		return nil, err
	}
	most := int64(86400)
	if period >= 3600 {
		most = 7 * 86400
	}
	if int64(*in.EvaluationPeriods)*period > most {
		return nil, validation("Metrics cannot be checked across more than %s (EvaluationPeriods * Period must be <= %d).",
			map[bool]string{true: "a day", false: "7 days"}[most == 86400], most)
	}
	if err := checkActions(in.OKActions, in.AlarmActions, in.InsufficientDataActions); err != nil {
		return nil, err
	}
	kept := *in
	kept.Tags, kept.ActionsEnabled = nil, nil
	return nil, s.putAlarm(ctx, &alarm{Name: *in.AlarmName, Metric: &kept}, in.Tags, in.ActionsEnabled)
}

// checkThreshold holds what a metric is compared with against what there is.
func checkThreshold(in *api.PutMetricAlarmInput) error {
	switch {
	case in.ThresholdMetricId != nil || strings.Contains(aws.Value(in.ComparisonOperator), "LowerThreshold") || strings.Contains(aws.Value(in.ComparisonOperator), "UpperThreshold"):
		return validation("Alarms on anomaly detection are not available here.")
	case in.ComparisonOperator == nil:
		return api.MissingRequiredParameterException("The parameter ComparisonOperator is required.")
	case in.Threshold == nil:
		return api.MissingRequiredParameterException("The parameter Threshold is required.")
	}
	return nil
}

func checkEvaluation(in *api.PutMetricAlarmInput) error {
	if in.EvaluationPeriods == nil {
		return api.MissingRequiredParameterException("The parameter EvaluationPeriods is required.")
	}
	if in.DatapointsToAlarm != nil && *in.DatapointsToAlarm > *in.EvaluationPeriods {
		return validation("DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
	}
	if t := in.TreatMissingData; t != nil && !slices.Contains([]string{"breaching", "notBreaching", "ignore", "missing"}, *t) {
		return validation("The value %s for parameter TreatMissingData is not supported. Valid values are: breaching, notBreaching, ignore, missing.", *t)
	}
	if e := in.EvaluateLowSampleCountPercentile; e != nil && *e != "evaluate" && *e != "ignore" {
		return validation("Option %s is not supported. Supported options for parameter EvaluateLowSampleCountPercentile are evaluate and ignore.", *e)
	}
	return checkNumber("Threshold", *in.Threshold)
}

// checkWatched holds what the alarm watches against what there is, and gives its period.
func checkWatched(ctx context.Context, in *api.PutMetricAlarmInput) (int64, error) {
	if len(in.Metrics) > 0 {
		if in.MetricName != nil || in.Namespace != nil || in.Statistic != nil || in.ExtendedStatistic != nil || in.Period != nil || in.Unit != nil || len(in.Dimensions) > 0 {
			return 0, api.InvalidParameterCombinationException("The parameters MetricName, Namespace, Dimensions, Period, Unit, Statistic and ExtendedStatistic can't be given together with Metrics.")
		}
		p, err := planOf("Metrics", aws.RequestOf(ctx).Account(), in.Metrics)
		if err != nil {
			return 0, err
		}
		_, period, err := p.watched()
		return period, err
	}
	switch {
	case in.MetricName == nil || in.Namespace == nil:
		return 0, api.MissingRequiredParameterException("The parameters MetricName and Namespace are required.")
	case in.Period == nil:
		return 0, api.MissingRequiredParameterException("The parameter Period is required.")
	case (in.Statistic == nil) == (in.ExtendedStatistic == nil):
		return 0, api.InvalidParameterCombinationException("Must specify either Statistic or ExtendedStatistic, and not both.")
	}
	if in.ExtendedStatistic != nil {
		if _, ok := parseStatistic(*in.ExtendedStatistic); !ok || simple[*in.ExtendedStatistic] {
			return 0, invalidValue("The value %s for parameter ExtendedStatistic is not supported.", *in.ExtendedStatistic)
		}
	} else if in.EvaluateLowSampleCountPercentile != nil {
		return 0, validation("EvaluateLowSampleCountPercentile is for alarms on percentiles alone.")
	}
	if *in.Period == 1 || *in.Period == 5 {
		return 0, validation("Period must be 10, 20, 30 or a multiple of 60.")
	}
	return int64(*in.Period), checkPeriod("Period", *in.Period)
}

// watched is the one query of an alarm that is compared with the threshold, and its
// period.
func (p *plan) watched() (*query, int64, error) {
	var out *query
	period := int64(0)
	for _, q := range p.order {
		if q.returned() {
			if out != nil {
				return nil, 0, validation("Exactly one element of the metrics list should return data.")
			}
			out = q
		}
		if q.MetricStat != nil {
			period = max(period, int64(*q.MetricStat.Period))
		}
		if q.expression != nil && q.expression.Uses("SEARCH") {
			return nil, 0, validation("SEARCH is not supported in the expressions of alarms.")
		}
	}
	if out == nil {
		return nil, 0, validation("Exactly one element of the metrics list should return data.")
	}
	if out.Period != nil {
		period = int64(*out.Period)
	}
	if period == 0 {
		period = 60
	}
	if period < 10 {
		return nil, 0, validation("Period must be 10, 20, 30 or a multiple of 60.")
	}
	return out, period, nil
}

// checkActions refuses actions that are no ARNs.
func checkActions(lists ...[]string) error {
	for _, list := range lists {
		for _, arn := range list {
			if a, ok := aws.ParseARN(arn); !ok || a.Service == "" {
				return validation("Invalid arn syntax: %s", arn)
			}
		}
	}
	return nil
}

func (s *Service) putCompositeAlarm(ctx context.Context, in *api.PutCompositeAlarmInput) (*aws.Empty, error) {
	parsed, err := rule.Parse(*in.AlarmRule)
	if err != nil {
		return nil, validation("AlarmRule is not valid: %s.", err)
	}
	if err := checkActions(in.OKActions, in.AlarmActions, in.InsufficientDataActions); err != nil {
		return nil, err
	}
	named := slices.Clone(parsed.Alarms)
	if in.ActionsSuppressor == nil {
		if in.ActionsSuppressorWaitPeriod != nil || in.ActionsSuppressorExtensionPeriod != nil {
			return nil, api.InvalidParameterCombinationException("ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod need an ActionsSuppressor.")
		}
	} else {
		if in.ActionsSuppressorWaitPeriod == nil || in.ActionsSuppressorExtensionPeriod == nil {
			return nil, api.MissingRequiredParameterException("An ActionsSuppressor needs ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod.")
		}
		named = append(named, *in.ActionsSuppressor)
	}
	scope := scopeOf(ctx)
	err = s.Store.View(ctx, func(r store.Reader) error {
		var missing []string
		for _, n := range named {
			if a, ok := aws.ParseARN(n); ok && (a.Account != scope.Account || a.Region != scope.Region) {
				return validation("The alarm %s belongs to another account or region.", n)
			}
			a, err := alarmNamed(ctx, r, scope, alarmName(n))
			if err != nil {
				return err
			}
			if a == nil {
				missing = append(missing, n)
			}
		}
		if len(missing) > 0 {
			return validation("Could not save the composite alarm as alarms %v in the alarm rule do not exist", missing)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	kept := *in
	kept.Tags, kept.ActionsEnabled = nil, nil
	return nil, s.putAlarm(ctx, &alarm{Name: *in.AlarmName, Composite: &kept}, in.Tags, in.ActionsEnabled)
}
