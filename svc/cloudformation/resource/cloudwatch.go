package resource

import (
	"slices"

	cloudwatchapi "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// Each of CloudWatch's Put operations sets all of its resource anew.
var cloudwatchTypes = []*Type{
	{
		Name:  "AWS::CloudWatch::Alarm",
		Named: "AlarmName", Length: 255,
		Create: func(c *Call) error { return created(c, &cloudwatchapi.PutMetricAlarm, "AlarmName") },
		Update: func(c *Call) error {
			return changedMetrics(c, &cloudwatchapi.PutMetricAlarm, func(in *cloudwatchapi.PutMetricAlarmInput) { in.Tags = nil }, "alarm:")
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := cloudwatchapi.DescribeAlarms.Do(c, c.Peers, &cloudwatchapi.DescribeAlarmsInput{AlarmNames: []string{c.ID}, AlarmTypes: []string{cloudwatchapi.AlarmTypeMetricAlarm}})
			if err != nil || len(out.MetricAlarms) == 0 {
				return nil, orNone(c, err)
			}
			got := Show(&out.MetricAlarms[0], "AlarmName", "AlarmDescription", "ActionsEnabled", "ComparisonOperator", "EvaluationPeriods", "DatapointsToAlarm", "MetricName",
				"Namespace", "Period", "Statistic", "Threshold", "TreatMissingData", "Unit")
			got["Arn"] = *out.MetricAlarms[0].AlarmArn
			return got, nil
		},
		Delete: deleteAlarm,
	},
	{
		Name:  "AWS::CloudWatch::CompositeAlarm",
		Named: "AlarmName", Length: 255,
		Create: func(c *Call) error { return created(c, &cloudwatchapi.PutCompositeAlarm, "AlarmName") },
		Update: func(c *Call) error {
			return changedMetrics(c, &cloudwatchapi.PutCompositeAlarm, func(in *cloudwatchapi.PutCompositeAlarmInput) { in.Tags = nil }, "alarm:")
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := cloudwatchapi.DescribeAlarms.Do(c, c.Peers, &cloudwatchapi.DescribeAlarmsInput{AlarmNames: []string{c.ID}, AlarmTypes: []string{cloudwatchapi.AlarmTypeCompositeAlarm}})
			if err != nil || len(out.CompositeAlarms) == 0 {
				return nil, orNone(c, err)
			}
			got := Show(&out.CompositeAlarms[0], "AlarmName", "AlarmDescription", "ActionsEnabled", "AlarmRule", "ActionsSuppressor")
			got["Arn"] = *out.CompositeAlarms[0].AlarmArn
			return got, nil
		},
		Delete: deleteAlarm,
	},
	{
		Name:  "AWS::CloudWatch::Dashboard",
		Named: "DashboardName", Length: 255,
		Create: func(c *Call) error { return created(c, &cloudwatchapi.PutDashboard, "DashboardName") },
		Update: func(c *Call) error {
			_, err := Do(c.but("Tags"), &cloudwatchapi.PutDashboard, func(in *cloudwatchapi.PutDashboardInput) { in.DashboardName, in.Tags = &c.ID, nil })
			if err != nil {
				return err
			}
			arn := "arn:aws:cloudwatch::" + c.Stack.Account + ":dashboard/" + c.ID
			return retagMetrics(c, arn)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := cloudwatchapi.GetDashboard.Do(c, c.Peers, &cloudwatchapi.GetDashboardInput{DashboardName: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "DashboardName", "DashboardBody"), nil
		},
		Delete: func(c *Call) error {
			_, err := cloudwatchapi.DeleteDashboards.Do(c, c.Peers, &cloudwatchapi.DeleteDashboardsInput{DashboardNames: []string{c.ID}})
			return err
		},
	},
	{
		Name:   "AWS::CloudWatch::AnomalyDetector",
		Create: newAnomalyDetector,
		Find:   newAnomalyDetector, // what is put again is what was put
		Update: func(c *Call) error { c.Take("Configuration"); return fillAndPut(c) },
		Delete: func(c *Call) error {
			in := new(cloudwatchapi.DeleteAnomalyDetectorInput)
			if err := Fill(c.but("Configuration"), in); err != nil {
				return err
			}
			_, err := cloudwatchapi.DeleteAnomalyDetector.Do(c, c.Peers, in)
			return err
		},
	},
	{
		Name:   "AWS::CloudWatch::InsightRule",
		Create: newInsightRule,
		Update: func(c *Call) error {
			if err := putInsightRule(c, func(in *cloudwatchapi.PutInsightRuleInput) { in.Tags = nil }); err != nil {
				return err
			}
			return retagMetrics(c, c.ID)
		},
		Read: func(c *Call) (map[string]any, error) {
			ok, err := hasInsightRule(c)
			if !ok {
				return nil, orNone(c, err)
			}
			return map[string]any{"Arn": c.ID, "RuleName": lastPart(c.ID, "/")}, nil
		},
		Delete: func(c *Call) error {
			_, err := cloudwatchapi.DeleteInsightRules.Do(c, c.Peers, &cloudwatchapi.DeleteInsightRulesInput{RuleNames: []string{lastPart(c.ID, "/")}})
			return err
		},
	},
	{
		Name:  "AWS::CloudWatch::MetricStream",
		Named: "Name", Length: 255,
		Create: func(c *Call) error { return created(c, &cloudwatchapi.PutMetricStream, "Name") },
		Update: func(c *Call) error {
			return changedMetrics(c, &cloudwatchapi.PutMetricStream, func(in *cloudwatchapi.PutMetricStreamInput) { in.Tags = nil }, "metric-stream/")
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := cloudwatchapi.GetMetricStream.Do(c, c.Peers, &cloudwatchapi.GetMetricStreamInput{Name: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out, "Arn", "Name", "FirehoseArn", "RoleArn", "OutputFormat", "State", "CreationDate", "LastUpdateDate"), nil
		},
		Delete: func(c *Call) error {
			_, err := cloudwatchapi.DeleteMetricStream.Do(c, c.Peers, &cloudwatchapi.DeleteMetricStreamInput{Name: &c.ID})
			return err
		},
	},
}

// created makes a resource by one operation that is filled by its properties, and whose
// name is its id.
func created[In, Out any](c *Call, op *aws.Op[In, Out], name string) error {
	if _, err := Do(c, op); err != nil && (!c.Again || !Exists(err)) {
		return err
	}
	c.ID = c.Text(name)
	return nil
}

// changedMetrics puts a resource anew, without the tags, which only its creation takes.
func changedMetrics[In, Out any](c *Call, op *aws.Op[In, Out], untagged func(*In), kind string) error {
	in := new(In)
	for _, name := range c.Old.Names() {
		if !c.Properties.Has(name) && name != "Tags" && Fill(&Call{Type: c.Type, Properties: ordered.New().Set(name, c.Old.Get(name))}, in) == nil {
			c.Take(name)
		}
	}
	if _, err := Do(c, op, untagged); err != nil {
		return err
	}
	return retagMetrics(c, c.Stack.arn("cloudwatch", kind+c.ID))
}

func retagMetrics(c *Call, arn string) error {
	return Retag(c, &cloudwatchapi.TagResource, &cloudwatchapi.UntagResource,
		func(in *cloudwatchapi.TagResourceInput) { in.ResourceARN = &arn }, func(in *cloudwatchapi.UntagResourceInput) { in.ResourceARN = &arn })
}

// orNone is an error, or that there is no such resource.
func orNone(c *Call, err error) error {
	if err == nil {
		err = c.none()
	}
	return err
}

func deleteAlarm(c *Call) error {
	_, err := cloudwatchapi.DeleteAlarms.Do(c, c.Peers, &cloudwatchapi.DeleteAlarmsInput{AlarmNames: []string{c.ID}})
	return err
}

func fillAndPut(c *Call) error {
	_, err := Do(c, &cloudwatchapi.PutAnomalyDetector, func(in *cloudwatchapi.PutAnomalyDetectorInput) {
		if in.Configuration == nil {
			in.Configuration = &cloudwatchapi.AnomalyDetectorConfiguration{}
		}
	})
	return err
}

func putInsightRule(c *Call, more func(*cloudwatchapi.PutInsightRuleInput)) error {
	_, err := Do(c, &cloudwatchapi.PutInsightRule, func(in *cloudwatchapi.PutInsightRuleInput) {
		in.RuleDefinition = new(template.Text(c.Get("RuleBody")))
		if more != nil {
			more(in)
		}
	})
	return err
}

func hasInsightRule(c *Call) (bool, error) {
	in := &cloudwatchapi.DescribeInsightRulesInput{}
	for {
		out, err := cloudwatchapi.DescribeInsightRules.Do(c, c.Peers, in)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(out.InsightRules, func(r cloudwatchapi.InsightRule) bool { return *r.Name == c.Text("RuleName") }) {
			return true, nil
		}
		if out.NextToken == nil {
			return false, nil
		}
		in.NextToken = out.NextToken
	}
}

// newAnomalyDetector makes a detector, which has no id of its own.
func newAnomalyDetector(c *Call) error {
	_, err := Do(c, &cloudwatchapi.PutAnomalyDetector)
	if err == nil {
		c.ID = c.Token
	}
	return err
}

func newInsightRule(c *Call) error {
	err := putInsightRule(c, nil)
	if err == nil {
		c.ID = c.Stack.arn("cloudwatch", "insight-rule/"+c.Text("RuleName"))
	}
	return err
}
