// Package cloudwatch is CloudWatch: metrics, alarms and dashboards.
//
// A value is a record of its own at first, under its metric, its minute (its second where
// it is of high resolution) and its unit: writers read nothing that others write. A minute
// later the records of a minute become one, and as they age they become those of five
// minutes and of an hour, on AWS's terms. A record holds the number of values, their sum,
// least and greatest, and how they are distributed: up to 128 different values as they
// are, more of them to 1 % (see sample). Whatever the period of a question, each value is
// in exactly one record.
//
// What services measure of themselves is summed up in memory and put there every few
// seconds.
//
// Alarms are evaluated by the clock, each minute or every ten seconds. A change of state,
// the alarm's history and what is to be done about it are one transaction; what is to be
// done is tried until it has an answer, so a topic may be told twice after a kill, and
// never not at all.
//
// What differs from AWS on purpose:
//
//   - What is put is seen at once, in lists of metrics as well.
//   - A percentile is the least value that this part of the values does not exceed; there
//     is nothing in between.
//   - There are no accounts to be monitored from others, no anomaly detection (detectors are
//     kept, ANOMALY_DETECTION_BAND is refused) and no PromQL. Rules of Contributor Insights
//     are kept, and their reports are empty.
//   - Metric streams pass a minute on when it is over for one more.
//   - Alarms act on topics and functions; other actions are kept, and fail in the history.
//
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/Welcome.html
package cloudwatch

import (
	"context"
	"hash/maphash"
	"io"
	"log/slog"
	"slices"
	"sync"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Options are what the service needs.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger
	// Peers are the other services, as the front door opens them.
	Peers aws.Peers
}

// Service answers the operations of CloudWatch.
type Service struct {
	Options
	serials  serials
	meters   meters
	touched  touched
	watch    signal // alarms are to be looked at
	outgoing signal // there are errands
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Random = aws.SharedReader(o.Random)
	s := &Service{Options: o, meters: meters{seed: maphash.MakeSeed()}, watch: newSignal(), outgoing: newSignal()}
	s.serials.begin(o.Random)
	return s
}

// What the service keeps.
var (
	listings        = store.NewTable[listing]("cloudwatch", "metric")        // namespace, name, dimensions
	samples         = store.NewTable[sample]("cloudwatch", "d")              // metric's id, step, time, unit, serial
	alarms          = store.NewTable[alarm]("cloudwatch", "alarm")           // name
	memories        = store.NewTable[memory]("cloudwatch", "history")        // alarm, time, serial
	errands         = store.NewTable[errand]("cloudwatch", "errand")         // time, serial
	muteRules       = store.NewTable[muteRule]("cloudwatch", "mute")         // name
	tagRecords      = store.NewTable[map[string]string]("cloudwatch", "tag") // resource
	dashboards      = store.NewTable[dashboard]("cloudwatch", "dashboard")   // name
	detectors       = store.NewTable[detector]("cloudwatch", "anomaly")      // what it is about
	insightRules    = store.NewTable[insightRule]("cloudwatch", "insight")   // name
	streams         = store.NewTable[stream]("cloudwatch", "stream")         // name
	accountSettings = store.NewTable[settings]("cloudwatch", "account")
)

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return slices.Concat(s.metricRoutes(), s.alarmRoutes(), s.ruleRoutes(), s.otherRoutes())
}

func (s *Service) metricRoutes() []aws.Route {
	return []aws.Route{
		api.PutMetricData.To(s.putMetricData, s.guardPutMetricData),
		api.ListMetrics.To(s.listMetrics, anywhere[api.ListMetricsInput]("ListMetrics")),
		api.GetMetricStatistics.To(s.getMetricStatistics, anywhere[api.GetMetricStatisticsInput]("GetMetricStatistics")),
		api.GetMetricData.To(s.getMetricData, anywhere[api.GetMetricDataInput]("GetMetricData")),
		api.GetMetricWidgetImage.To(s.getMetricWidgetImage, anywhere[api.GetMetricWidgetImageInput]("GetMetricWidgetImage")),
		api.PutMetricStream.To(s.putMetricStream, s.guardPutMetricStream),
		api.GetMetricStream.To(s.getMetricStream, on(s, "GetMetricStream", "metric-stream/", func(in *api.GetMetricStreamInput) []string { return single(in.Name) })),
		api.DeleteMetricStream.To(s.deleteMetricStream, on(s, "DeleteMetricStream", "metric-stream/", func(in *api.DeleteMetricStreamInput) []string { return single(in.Name) })),
		api.ListMetricStreams.To(s.listMetricStreams, anywhere[api.ListMetricStreamsInput]("ListMetricStreams")),
		api.StartMetricStreams.To(s.startMetricStreams, on(s, "StartMetricStreams", "metric-stream/", func(in *api.StartMetricStreamsInput) []string { return in.Names })),
		api.StopMetricStreams.To(s.stopMetricStreams, on(s, "StopMetricStreams", "metric-stream/", func(in *api.StopMetricStreamsInput) []string { return in.Names })),
	}
}

func (s *Service) alarmRoutes() []aws.Route {
	return []aws.Route{
		api.PutMetricAlarm.To(s.putMetricAlarm, s.guardPutMetricAlarm),
		api.PutCompositeAlarm.To(s.putCompositeAlarm, s.guardPutCompositeAlarm),
		api.DeleteAlarms.To(s.deleteAlarms, on(s, "DeleteAlarms", "alarm:", func(in *api.DeleteAlarmsInput) []string { return in.AlarmNames })),
		api.DescribeAlarms.To(s.describeAlarms, on(s, "DescribeAlarms", "alarm:", func(in *api.DescribeAlarmsInput) []string { return in.AlarmNames })),
		api.DescribeAlarmsForMetric.To(s.describeAlarmsForMetric, anywhere[api.DescribeAlarmsForMetricInput]("DescribeAlarmsForMetric")),
		api.DescribeAlarmHistory.To(s.describeAlarmHistory, on(s, "DescribeAlarmHistory", "alarm:", func(in *api.DescribeAlarmHistoryInput) []string { return single(in.AlarmName) })),
		api.DescribeAlarmContributors.To(s.describeAlarmContributors, on(s, "DescribeAlarmContributors", "alarm:", func(in *api.DescribeAlarmContributorsInput) []string { return single(in.AlarmName) })),
		api.SetAlarmState.To(s.setAlarmState, on(s, "SetAlarmState", "alarm:", func(in *api.SetAlarmStateInput) []string { return single(in.AlarmName) })),
		api.EnableAlarmActions.To(s.enableAlarmActions, on(s, "EnableAlarmActions", "alarm:", func(in *api.EnableAlarmActionsInput) []string { return in.AlarmNames })),
		api.DisableAlarmActions.To(s.disableAlarmActions, on(s, "DisableAlarmActions", "alarm:", func(in *api.DisableAlarmActionsInput) []string { return in.AlarmNames })),
		api.PutAlarmMuteRule.To(s.putAlarmMuteRule, s.guardPutAlarmMuteRule),
		api.GetAlarmMuteRule.To(s.getAlarmMuteRule, on(s, "GetAlarmMuteRule", "alarm-mute-rule:", func(in *api.GetAlarmMuteRuleInput) []string { return single(in.AlarmMuteRuleName) })),
		api.DeleteAlarmMuteRule.To(s.deleteAlarmMuteRule, on(s, "DeleteAlarmMuteRule", "alarm-mute-rule:", func(in *api.DeleteAlarmMuteRuleInput) []string { return single(in.AlarmMuteRuleName) })),
		api.ListAlarmMuteRules.To(s.listAlarmMuteRules, on(s, "ListAlarmMuteRules", "alarm-mute-rule:", func(*api.ListAlarmMuteRulesInput) []string { return nil })),
	}
}

func (s *Service) ruleRoutes() []aws.Route {
	return []aws.Route{
		api.PutAnomalyDetector.To(s.putAnomalyDetector, anywhere[api.PutAnomalyDetectorInput]("PutAnomalyDetector")),
		api.DeleteAnomalyDetector.To(s.deleteAnomalyDetector, anywhere[api.DeleteAnomalyDetectorInput]("DeleteAnomalyDetector")),
		api.DescribeAnomalyDetectors.To(s.describeAnomalyDetectors, anywhere[api.DescribeAnomalyDetectorsInput]("DescribeAnomalyDetectors")),
		api.PutInsightRule.To(s.putInsightRule, s.guardPutInsightRule),
		api.DeleteInsightRules.To(s.deleteInsightRules, on(s, "DeleteInsightRules", "insight-rule/", func(in *api.DeleteInsightRulesInput) []string { return in.RuleNames })),
		api.EnableInsightRules.To(s.enableInsightRules, on(s, "EnableInsightRules", "insight-rule/", func(in *api.EnableInsightRulesInput) []string { return in.RuleNames })),
		api.DisableInsightRules.To(s.disableInsightRules, on(s, "DisableInsightRules", "insight-rule/", func(in *api.DisableInsightRulesInput) []string { return in.RuleNames })),
		api.DescribeInsightRules.To(s.describeInsightRules, anywhere[api.DescribeInsightRulesInput]("DescribeInsightRules")),
		api.GetInsightRuleReport.To(s.getInsightRuleReport, on(s, "GetInsightRuleReport", "insight-rule/", func(in *api.GetInsightRuleReportInput) []string { return single(in.RuleName) })),
		api.PutManagedInsightRules.To(s.putManagedInsightRules, s.guardPutManagedInsightRules),
		api.ListManagedInsightRules.To(s.listManagedInsightRules, s.guardListManagedInsightRules),
	}
}

func (s *Service) otherRoutes() []aws.Route {
	return []aws.Route{
		api.PutDashboard.To(s.putDashboard, s.guardPutDashboard),
		api.GetDashboard.To(s.getDashboard, on(s, "GetDashboard", "dashboard/", func(in *api.GetDashboardInput) []string { return single(in.DashboardName) })),
		api.DeleteDashboards.To(s.deleteDashboards, on(s, "DeleteDashboards", "dashboard/", func(in *api.DeleteDashboardsInput) []string { return in.DashboardNames })),
		api.ListDashboards.To(s.listDashboards, anywhere[api.ListDashboardsInput]("ListDashboards")),
		api.TagResource.To(s.tagResource, onARN(s, "TagResource", func(in *api.TagResourceInput) (*string, map[string]string, []string) {
			return in.ResourceARN, tagMap(in.Tags), nil
		})),
		api.UntagResource.To(s.untagResource, onARN(s, "UntagResource", func(in *api.UntagResourceInput) (*string, map[string]string, []string) {
			return in.ResourceARN, nil, in.TagKeys
		})),
		api.ListTagsForResource.To(s.listTagsForResource, onARN(s, "ListTagsForResource", func(in *api.ListTagsForResourceInput) (*string, map[string]string, []string) {
			return in.ResourceARN, nil, nil
		})),
		api.StartOTelEnrichment.To(s.startOTelEnrichment, anywhere[api.StartOTelEnrichmentInput]("StartOTelEnrichment")),
		api.StopOTelEnrichment.To(s.stopOTelEnrichment, anywhere[api.StopOTelEnrichmentInput]("StopOTelEnrichment")),
		api.GetOTelEnrichment.To(s.getOTelEnrichment, anywhere[api.GetOTelEnrichmentInput]("GetOTelEnrichment")),
	}
}

// Run keeps metrics in order, evaluates alarms and does what follows from them, until ctx
// ends.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, keep := range []func(context.Context) error{s.keepMeters, s.keepHouse, s.keepWatch, s.keepErrands, s.keepStreams} {
		wg.Go(func() { _ = keep(ctx) }) // it ends with ctx
	}
	wg.Wait()
	return ctx.Err()
}
