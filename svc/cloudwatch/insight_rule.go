package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An insightRule is a rule of Contributor Insights. Rules are kept and shown; nothing
// reads logs for them, so their reports have no contributors.
type insightRule struct {
	Definition  string
	Schema      string
	State       string
	Transformed bool
	// Of a managed rule: of which template, for what.
	Template, Resource string
}

func (s *Service) putInsightRule(ctx context.Context, in *api.PutInsightRuleInput) (*api.PutInsightRuleOutput, error) {
	r := insightRule{Definition: *in.RuleDefinition, State: value(in.RuleState, "ENABLED"), Transformed: aws.Value(in.ApplyOnTransformedLogs)}
	if r.State != "ENABLED" && r.State != "DISABLED" {
		return nil, invalidValue("The value %s for parameter RuleState is invalid. Valid values are ENABLED and DISABLED.", r.State)
	}
	var doc struct {
		Schema *struct {
			Name    string
			Version json.Number
		}
	}
	if err := json.Unmarshal([]byte(r.Definition), &doc); err != nil || doc.Schema == nil {
		return nil, invalidValue("The value for parameter RuleDefinition is not a valid rule definition.")
	}
	if doc.Schema.Name != "CloudWatchLogRule" {
		return nil, invalidValue("The schema %s of the parameter RuleDefinition is not supported.", doc.Schema.Name)
	}
	r.Schema = `{"Name":"` + doc.Schema.Name + `","Version":` + string(doc.Schema.Version) + `}`
	return nil, s.keepInsightRule(ctx, *in.RuleName, r, in.Tags)
}

func (s *Service) keepInsightRule(ctx context.Context, name string, r insightRule, tags []api.Tag) error {
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		had, err := insightRules.Has(ctx, tx, scope, name)
		if err == nil && !had {
			err = putTags(ctx, tx, scope, "insight-rule/"+name, tags)
		}
		return errors.Join(err, insightRules.Put(tx, scope, r, name))
	})
}

// eachInsightRule changes some rules, and tells which are not there.
func (s *Service) eachInsightRule(ctx context.Context, names []string, change func(tx store.Tx, name string, r insightRule) error) ([]api.PartialFailure, error) {
	failures := []api.PartialFailure{}
	scope := scopeOf(ctx)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		failures = failures[:0]
		for _, name := range names {
			r, err := insightRules.Get(ctx, tx, scope, name)
			if errors.Is(err, store.ErrNotFound) {
				failures = append(failures, api.PartialFailure{FailureResource: &name, FailureCode: new("404"),
					ExceptionType: new("ResourceNotFoundException"), FailureDescription: new("The rule " + name + " does not exist.")})
				continue
			}
			if err := errors.Join(err, change(tx, name, r)); err != nil {
				return err
			}
		}
		return nil
	})
	return failures, err
}

func (s *Service) deleteInsightRules(ctx context.Context, in *api.DeleteInsightRulesInput) (*api.DeleteInsightRulesOutput, error) {
	scope := scopeOf(ctx)
	f, err := s.eachInsightRule(ctx, in.RuleNames, func(tx store.Tx, name string, _ insightRule) error {
		return errors.Join(insightRules.Delete(tx, scope, name), dropTags(tx, scope, "insight-rule/"+name))
	})
	return &api.DeleteInsightRulesOutput{Failures: f}, err
}

func (s *Service) enableInsightRules(ctx context.Context, in *api.EnableInsightRulesInput) (*api.EnableInsightRulesOutput, error) {
	f, err := s.setInsightRules(ctx, in.RuleNames, "ENABLED")
	return &api.EnableInsightRulesOutput{Failures: f}, err
}

func (s *Service) disableInsightRules(ctx context.Context, in *api.DisableInsightRulesInput) (*api.DisableInsightRulesOutput, error) {
	f, err := s.setInsightRules(ctx, in.RuleNames, "DISABLED")
	return &api.DisableInsightRulesOutput{Failures: f}, err
}

func (s *Service) setInsightRules(ctx context.Context, names []string, state string) ([]api.PartialFailure, error) {
	return s.eachInsightRule(ctx, names, func(tx store.Tx, name string, r insightRule) error {
		r.State = state
		return insightRules.Put(tx, scopeOf(ctx), r, name)
	})
}

func (s *Service) describeInsightRules(ctx context.Context, in *api.DescribeInsightRulesInput) (*api.DescribeInsightRulesOutput, error) {
	out := &api.DescribeInsightRulesOutput{InsightRules: []api.InsightRule{}}
	next, err := listPage(ctx, s, insightRules, in.NextToken, pageOf(in.MaxResults, 500), func(name string, r insightRule) bool {
		out.InsightRules = append(out.InsightRules, api.InsightRule{Name: &name, State: &r.State, Schema: &r.Schema, Definition: &r.Definition,
			ManagedRule: new(r.Template != ""), ApplyOnTransformedLogs: &r.Transformed})
		return true
	})
	out.NextToken = next
	return out, err
}

func (s *Service) getInsightRuleReport(ctx context.Context, in *api.GetInsightRuleReportInput) (*api.GetInsightRuleReportOutput, error) {
	var r insightRule
	err := s.Store.View(ctx, func(tx store.Reader) (err error) {
		r, err = insightRules.Get(ctx, tx, scopeOf(ctx), *in.RuleName)
		if errors.Is(err, store.ErrNotFound) {
			return api.ResourceNotFoundException("The rule %s does not exist.", *in.RuleName)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var doc struct {
		AggregateOn  string
		Contribution struct{ Keys []string }
	}
	if json.Unmarshal([]byte(r.Definition), &doc) != nil || doc.AggregateOn == "" {
		doc.AggregateOn = "Count"
	}
	statistic := map[string]string{"Count": "SampleCount"}[doc.AggregateOn]
	if statistic == "" {
		statistic = doc.AggregateOn
	}
	return &api.GetInsightRuleReportOutput{KeyLabels: append([]string{}, doc.Contribution.Keys...), AggregationStatistic: &statistic,
		AggregateValue: new(0.0), ApproximateUniqueCount: new(int64(0)), Contributors: []api.InsightRuleContributor{}, MetricDatapoints: []api.InsightRuleMetricDatapoint{}}, nil
}

func (s *Service) putManagedInsightRules(ctx context.Context, in *api.PutManagedInsightRulesInput) (*api.PutManagedInsightRulesOutput, error) {
	for _, m := range in.ManagedRules {
		if _, ok := aws.ParseARN(*m.ResourceARN); !ok {
			return nil, invalidValue("The value %s for parameter ResourceARN is invalid.", *m.ResourceARN)
		}
		name := managedName(*m.TemplateName, *m.ResourceARN)
		r := insightRule{State: "ENABLED", Schema: `{"Name":"ManagedRule","Version":1}`, Definition: "{}", Template: *m.TemplateName, Resource: *m.ResourceARN}
		if err := s.keepInsightRule(ctx, name, r, m.Tags); err != nil {
			return nil, err
		}
	}
	return &api.PutManagedInsightRulesOutput{Failures: []api.PartialFailure{}}, nil
}

func managedName(template, arn string) string {
	return template + "-" + arn[strings.LastIndexAny(arn, ":/")+1:]
}

func (s *Service) listManagedInsightRules(ctx context.Context, in *api.ListManagedInsightRulesInput) (*api.ListManagedInsightRulesOutput, error) {
	out := &api.ListManagedInsightRulesOutput{ManagedRules: []api.ManagedRuleDescription{}}
	next, err := listPage(ctx, s, insightRules, in.NextToken, pageOf(in.MaxResults, 500), func(name string, r insightRule) bool {
		if r.Resource != *in.ResourceARN {
			return false
		}
		out.ManagedRules = append(out.ManagedRules, api.ManagedRuleDescription{ResourceARN: &r.Resource, TemplateName: &r.Template,
			RuleState: &api.ManagedRuleState{RuleName: &name, State: &r.State}})
		return true
	})
	out.NextToken = next
	return out, err
}
