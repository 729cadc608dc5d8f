package test

import (
	"bytes"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

func metricsOf(c *cloud) *cloudwatch.Client { return cloudwatch.NewFromConfig(c.config) }

// TestMetrics puts values in every way, and asks for them in every way.
func TestMetrics(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := metricsOf(c)
	now := time.Now().Truncate(time.Minute)
	queue := []types.Dimension{{Name: aws.String("Queue"), Value: aws.String("a")}}
	must(w.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("shop"), MetricData: []types.MetricDatum{
		{MetricName: aws.String("Orders"), Dimensions: queue, Timestamp: &now, Unit: types.StandardUnitCount, Value: aws.Float64(1)},
		{MetricName: aws.String("Orders"), Dimensions: queue, Timestamp: &now, Unit: types.StandardUnitCount, Values: []float64{2, 3}, Counts: []float64{4, 1}},
		{MetricName: aws.String("Late"), Timestamp: &now, StatisticValues: &types.StatisticSet{SampleCount: aws.Float64(2), Sum: aws.Float64(5), Minimum: aws.Float64(1), Maximum: aws.Float64(4)}},
	}}))(t)
	from, to := aws.Time(now.Add(-time.Hour)), aws.Time(now.Add(time.Hour))
	got := must(w.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{Namespace: aws.String("shop"), MetricName: aws.String("Orders"), Dimensions: queue,
		StartTime: from, EndTime: to, Period: aws.Int32(60), Statistics: []types.Statistic{types.StatisticSum, types.StatisticAverage, types.StatisticMaximum}}))(t)
	if len(got.Datapoints) != 1 || *got.Datapoints[0].Sum != 12 || *got.Datapoints[0].Average != 2 || !got.Datapoints[0].Timestamp.Equal(now) || got.Datapoints[0].Unit != types.StandardUnitCount {
		t.Errorf("the values are %+v", got.Datapoints)
	}
	page := cloudwatch.NewGetMetricDataPaginator(w, &cloudwatch.GetMetricDataInput{StartTime: from, EndTime: to, MaxDatapoints: aws.Int32(1), MetricDataQueries: []types.MetricDataQuery{
		{Id: aws.String("m"), MetricStat: &types.MetricStat{Period: aws.Int32(60), Stat: aws.String("p90"), Metric: &types.Metric{Namespace: aws.String("shop"), MetricName: aws.String("Orders"), Dimensions: queue}}},
		{Id: aws.String("twice"), Expression: aws.String("m * 2")},
		{Id: aws.String("found"), Expression: aws.String(`SEARCH('{shop,Queue} orders', 'SampleCount', 60)`)},
		{Id: aws.String("sql"), Expression: aws.String(`SELECT MAX(Orders) FROM SCHEMA("shop", Queue) GROUP BY Queue`), Period: aws.Int32(60)},
	}})
	values := map[string]float64{}
	for page.HasMorePages() {
		for _, r := range must(page.NextPage(ctx))(t).MetricDataResults {
			for _, v := range r.Values {
				values[*r.Id] += v
			}
		}
	}
	if values["m"] != 3 || values["twice"] != 6 || values["found"] != 6 || values["sql"] != 3 {
		t.Errorf("the queries gave %v", values)
	}
	drawn := must(w.GetMetricWidgetImage(ctx, &cloudwatch.GetMetricWidgetImageInput{MetricWidget: aws.String(`{"metrics": [["shop", "Orders", "Queue", "a"]]}`)}))(t)
	if !bytes.HasPrefix(drawn.MetricWidgetImage, []byte("\x89PNG")) {
		t.Errorf("the image is %.20q", drawn.MetricWidgetImage)
	}
	listed := must(w.ListMetrics(ctx, &cloudwatch.ListMetricsInput{Namespace: aws.String("shop"), RecentlyActive: types.RecentlyActivePt3h}))(t)
	if len(listed.Metrics) != 2 {
		t.Errorf("%d metrics are listed", len(listed.Metrics))
	}
	_, err := w.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/Shop"), MetricData: []types.MetricDatum{{MetricName: aws.String("m"), Value: aws.Float64(1)}}})
	fails[*types.InvalidParameterValueException](t, err, "Namespace")
	_, err = w.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{Namespace: aws.String("shop"), MetricName: aws.String("Orders"), StartTime: from, EndTime: to,
		Period: aws.Int32(1), Statistics: []types.Statistic{types.StatisticSum}})
	fails[*types.InvalidParameterCombinationException](t, err, "1,440")
}

// TestAlarmSettings makes, shows, changes and deletes alarms and what mutes them.
func TestAlarmSettings(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := metricsOf(c)
	must(w.PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{AlarmName: aws.String("a"), Namespace: aws.String("shop"), MetricName: aws.String("Orders"), Statistic: types.StatisticSum,
		Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, TreatMissingData: aws.String("ignore")}))(t)
	must(w.PutCompositeAlarm(ctx, &cloudwatch.PutCompositeAlarmInput{AlarmName: aws.String("c"), AlarmRule: aws.String("ALARM(a)")}))(t)
	must(w.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("a"), StateValue: types.StateValueAlarm, StateReason: aws.String("by hand")}))(t)
	must(w.DisableAlarmActions(ctx, &cloudwatch.DisableAlarmActionsInput{AlarmNames: []string{"a"}}))(t)
	must(w.EnableAlarmActions(ctx, &cloudwatch.EnableAlarmActionsInput{AlarmNames: []string{"a"}}))(t)
	deadline := time.Now().Add(20 * time.Second)
	for {
		got := must(w.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmTypes: []types.AlarmType{types.AlarmTypeCompositeAlarm}}))(t)
		if len(got.CompositeAlarms) == 1 && got.CompositeAlarms[0].StateValue == types.StateValueAlarm {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the alarm on an alarm is %+v", got.CompositeAlarms)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := must(w.DescribeAlarmsForMetric(ctx, &cloudwatch.DescribeAlarmsForMetricInput{Namespace: aws.String("shop"), MetricName: aws.String("Orders")}))(t); len(got.MetricAlarms) != 1 {
		t.Errorf("the metric has %d alarms", len(got.MetricAlarms))
	}
	if got := must(w.DescribeAlarmHistory(ctx, &cloudwatch.DescribeAlarmHistoryInput{AlarmName: aws.String("a"), HistoryItemType: types.HistoryItemTypeStateUpdate}))(t); len(got.AlarmHistoryItems) != 1 {
		t.Errorf("the history has %d changes of state", len(got.AlarmHistoryItems))
	}
	must(w.DescribeAlarmContributors(ctx, &cloudwatch.DescribeAlarmContributorsInput{AlarmName: aws.String("a")}))(t)
	arn := aws.String(c.arn("cloudwatch", "alarm:a"))
	must(w.TagResource(ctx, &cloudwatch.TagResourceInput{ResourceARN: arn, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("red")}}}))(t)
	if got := must(w.ListTagsForResource(ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: arn}))(t); len(got.Tags) != 1 || *got.Tags[0].Value != "red" {
		t.Errorf("the tags are %+v", got.Tags)
	}
	must(w.UntagResource(ctx, &cloudwatch.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"team"}}))(t)

	name := aws.String("nights")
	must(w.PutAlarmMuteRule(ctx, &cloudwatch.PutAlarmMuteRuleInput{Name: name, MuteTargets: &types.MuteTargets{AlarmNames: []string{"a"}},
		Rule: &types.Rule{Schedule: &types.Schedule{Expression: aws.String("cron(0 * * * *)"), Duration: aws.String("PT1H")}}}))(t)
	if got := must(w.GetAlarmMuteRule(ctx, &cloudwatch.GetAlarmMuteRuleInput{AlarmMuteRuleName: name}))(t); got.Status != types.AlarmMuteRuleStatusActive {
		t.Errorf("the rule is %s", got.Status)
	}
	must(w.ListAlarmMuteRules(ctx, &cloudwatch.ListAlarmMuteRulesInput{AlarmName: aws.String("a")}))(t)
	must(w.DeleteAlarmMuteRule(ctx, &cloudwatch.DeleteAlarmMuteRuleInput{AlarmMuteRuleName: name}))(t)
	must(w.DeleteAlarms(ctx, &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{"a", "c"}}))(t)
	_, err := w.DeleteAlarms(ctx, &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{"a"}})
	fails[*types.ResourceNotFound](t, err, "a")
}

// TestDashboardsAndRules keeps what CloudWatch keeps beside metrics and alarms.
func TestDashboardsAndRules(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := metricsOf(c)
	name := aws.String("d")
	must(w.PutDashboard(ctx, &cloudwatch.PutDashboardInput{DashboardName: name, DashboardBody: aws.String(`{"widgets": []}`)}))(t)
	if got := must(w.GetDashboard(ctx, &cloudwatch.GetDashboardInput{DashboardName: name}))(t); *got.DashboardBody != `{"widgets": []}` {
		t.Errorf("the dashboard is %s", *got.DashboardBody)
	}
	must(w.ListDashboards(ctx, &cloudwatch.ListDashboardsInput{}))(t)
	must(w.DeleteDashboards(ctx, &cloudwatch.DeleteDashboardsInput{DashboardNames: []string{"d"}}))(t)
	_, err := w.PutDashboard(ctx, &cloudwatch.PutDashboardInput{DashboardName: name, DashboardBody: aws.String(`{`)})
	if e := fails[*types.DashboardInvalidInputError](t, err, "invalid"); len(e.DashboardValidationMessages) != 1 {
		t.Errorf("the error has %d messages", len(e.DashboardValidationMessages))
	}

	single := &types.SingleMetricAnomalyDetector{Namespace: aws.String("shop"), MetricName: aws.String("m"), Stat: aws.String("Sum")}
	must(w.PutAnomalyDetector(ctx, &cloudwatch.PutAnomalyDetectorInput{SingleMetricAnomalyDetector: single}))(t)
	if got := must(w.DescribeAnomalyDetectors(ctx, &cloudwatch.DescribeAnomalyDetectorsInput{}))(t); len(got.AnomalyDetectors) != 1 {
		t.Errorf("there are %d detectors", len(got.AnomalyDetectors))
	}
	must(w.DeleteAnomalyDetector(ctx, &cloudwatch.DeleteAnomalyDetectorInput{SingleMetricAnomalyDetector: single}))(t)

	must(w.PutInsightRule(ctx, &cloudwatch.PutInsightRuleInput{RuleName: name, RuleDefinition: aws.String(`{"Schema": {"Name": "CloudWatchLogRule", "Version": 1}, "AggregateOn": "Count"}`)}))(t)
	must(w.DisableInsightRules(ctx, &cloudwatch.DisableInsightRulesInput{RuleNames: []string{"d"}}))(t)
	must(w.EnableInsightRules(ctx, &cloudwatch.EnableInsightRulesInput{RuleNames: []string{"d"}}))(t)
	must(w.DescribeInsightRules(ctx, &cloudwatch.DescribeInsightRulesInput{}))(t)
	must(w.GetInsightRuleReport(ctx, &cloudwatch.GetInsightRuleReportInput{RuleName: name, Period: aws.Int32(60), StartTime: aws.Time(time.Now()), EndTime: aws.Time(time.Now())}))(t)
	must(w.DeleteInsightRules(ctx, &cloudwatch.DeleteInsightRulesInput{RuleNames: []string{"d"}}))(t)
	table := aws.String(c.arn("dynamodb", "table/t"))
	must(w.PutManagedInsightRules(ctx, &cloudwatch.PutManagedInsightRulesInput{ManagedRules: []types.ManagedRule{{TemplateName: aws.String("DynamoDBContributorInsights-PKC-v1"), ResourceARN: table}}}))(t)
	if got := must(w.ListManagedInsightRules(ctx, &cloudwatch.ListManagedInsightRulesInput{ResourceARN: table}))(t); len(got.ManagedRules) != 1 {
		t.Errorf("there are %d managed rules", len(got.ManagedRules))
	}

	must(w.PutMetricStream(ctx, &cloudwatch.PutMetricStreamInput{Name: name, FirehoseArn: aws.String(c.arn("firehose", "deliverystream/f")), RoleArn: aws.String(c.arn("iam", "role/r")),
		OutputFormat: types.MetricStreamOutputFormatJson}))(t)
	must(w.StopMetricStreams(ctx, &cloudwatch.StopMetricStreamsInput{Names: []string{"d"}}))(t)
	must(w.StartMetricStreams(ctx, &cloudwatch.StartMetricStreamsInput{Names: []string{"d"}}))(t)
	if got := must(w.GetMetricStream(ctx, &cloudwatch.GetMetricStreamInput{Name: name}))(t); *got.State != "running" {
		t.Errorf("the stream is %s", *got.State)
	}
	must(w.ListMetricStreams(ctx, &cloudwatch.ListMetricStreamsInput{}))(t)
	must(w.DeleteMetricStream(ctx, &cloudwatch.DeleteMetricStreamInput{Name: name}))(t)

	must(w.StartOTelEnrichment(ctx, &cloudwatch.StartOTelEnrichmentInput{}))(t)
	if got := must(w.GetOTelEnrichment(ctx, &cloudwatch.GetOTelEnrichmentInput{}))(t); got.Status != types.OTelEnrichmentStatusRunning {
		t.Errorf("the enrichment is %s", got.Status)
	}
	must(w.StopOTelEnrichment(ctx, &cloudwatch.StopOTelEnrichmentInput{}))(t)
}
