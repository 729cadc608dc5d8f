package cloudwatch

import (
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// message is what an alarm tells a topic.
func (a *alarm) message(scope store.Scope) map[string]any {
	ok, alarm, insufficient := a.actionLists()
	out := map[string]any{
		"AlarmName": a.Name, "AlarmDescription": a.description(), "AWSAccountId": scope.Account,
		"AlarmConfigurationUpdatedTimestamp": stamp(a.Updated),
		"NewStateValue":                      a.State, "NewStateReason": a.Reason, "StateChangeTime": stamp(a.Transitioned), "OldStateValue": a.Previous.Value,
		"Region": regionName(scope.Region), "AlarmArn": alarmARN(scope, a.Name),
		"OKActions": listed(ok), "AlarmActions": listed(alarm), "InsufficientDataActions": listed(insufficient),
	}
	if a.Composite != nil {
		out["AlarmRule"] = a.Composite.AlarmRule
		children := []any{}
		for _, t := range a.Triggers {
			children = append(children, map[string]any{"Arn": t.ARN, "State": map[string]string{"Value": t.Value, "Timestamp": stamp(t.At)}})
		}
		out["TriggeringChildren"] = children
		return out
	}
	out["Trigger"] = a.trigger()
	return out
}

// trigger is what the alarm watches, as topics are told it.
func (a *alarm) trigger() map[string]any {
	m := a.Metric
	out := map[string]any{
		"EvaluationPeriods": m.EvaluationPeriods, "ComparisonOperator": m.ComparisonOperator, "Threshold": m.Threshold,
		"TreatMissingData": aws.Value(m.TreatMissingData), "EvaluateLowSampleCountPercentile": aws.Value(m.EvaluateLowSampleCountPercentile),
		"Period": a.period(),
	}
	if m.DatapointsToAlarm != nil {
		out["DatapointsToAlarm"] = m.DatapointsToAlarm
	}
	if len(m.Metrics) > 0 {
		list := []any{}
		for _, q := range m.Metrics {
			e := map[string]any{"Id": q.Id, "ReturnData": value(q.ReturnData, true)}
			if q.Label != nil {
				e["Label"] = q.Label
			}
			if q.Expression != nil {
				e["Expression"] = q.Expression
			} else {
				st := q.MetricStat
				e["MetricStat"] = map[string]any{"Period": st.Period, "Stat": st.Stat, "Unit": st.Unit,
					"Metric": map[string]any{"Namespace": st.Metric.Namespace, "MetricName": st.Metric.MetricName, "Dimensions": nameValues(st.Metric.Dimensions)}}
			}
			list = append(list, e)
		}
		out["Metrics"] = list
		return out
	}
	out["MetricName"], out["Namespace"], out["Unit"], out["Dimensions"] = m.MetricName, m.Namespace, m.Unit, nameValues(m.Dimensions)
	if m.Statistic != nil {
		out["StatisticType"], out["Statistic"] = "Statistic", map[string]string{"SampleCount": "SAMPLE_COUNT"}[*m.Statistic]
		if out["Statistic"] == "" {
			out["Statistic"] = strings.ToUpper(*m.Statistic)
		}
	} else {
		out["StatisticType"], out["ExtendedStatistic"] = "ExtendedStatistic", m.ExtendedStatistic
	}
	return out
}

// regionName is how a region is called in messages: its own name where it has no other.
func regionName(region string) string {
	if name, ok := regionNames[region]; ok {
		return name
	}
	return region
}

var regionNames = map[string]string{
	"us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-1": "US West (N. California)", "us-west-2": "US West (Oregon)",
	"af-south-1": "Africa (Cape Town)", "ap-east-1": "Asia Pacific (Hong Kong)", "ap-south-1": "Asia Pacific (Mumbai)",
	"ap-northeast-1": "Asia Pacific (Tokyo)", "ap-northeast-2": "Asia Pacific (Seoul)", "ap-northeast-3": "Asia Pacific (Osaka)",
	"ap-southeast-1": "Asia Pacific (Singapore)", "ap-southeast-2": "Asia Pacific (Sydney)", "ap-southeast-3": "Asia Pacific (Jakarta)",
	"ca-central-1": "Canada (Central)", "eu-central-1": "EU (Frankfurt)", "eu-west-1": "EU (Ireland)", "eu-west-2": "EU (London)",
	"eu-west-3": "EU (Paris)", "eu-north-1": "EU (Stockholm)", "eu-south-1": "EU (Milan)", "me-south-1": "Middle East (Bahrain)",
	"sa-east-1": "South America (Sao Paulo)",
}
