package cloudwatch

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// CloudWatch's actions have a prefix of their own: cloudwatch, not the name that its
// requests are signed with.

// anywhere guards what has no resource.
func anywhere[In any](action string) aws.Guard[In] {
	return func(context.Context, *In) ([]aws.Access, error) {
		return []aws.Access{{Action: "cloudwatch:" + action, Resource: "*"}}, nil
	}
}

// access is an action on a resource of the caller's: "alarm:NAME".
func (s *Service) access(ctx context.Context, action, resource string) aws.Access {
	arn := aws.RequestOf(ctx).ARN("cloudwatch", resource)
	if kind, name := resourceParts(resource); kind == "dashboard" {
		arn = dashboardARN(aws.RequestOf(ctx).Account(), name)
	}
	return aws.Access{Action: "cloudwatch:" + action, Resource: arn, Tags: s.tagReader(resource)}
}

// tagReader reads a resource's tags, when a policy asks.
func (s *Service) tagReader(resource string) func(context.Context) (map[string]string, error) {
	return func(ctx context.Context) (tags map[string]string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			tags, err = tagsOf(ctx, r, scopeOf(ctx), resource)
			return err
		})
		return tags, err
	}
}

// on guards what is done to some resources of a kind, whose names find gives.
func on[In any](s *Service, action, kind string, find func(*In) []string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		var needs []aws.Access
		for _, name := range find(in) {
			needs = append(needs, s.access(ctx, action, kind+name))
		}
		if len(needs) == 0 {
			needs = append(needs, s.access(ctx, action, kind+"*"))
		}
		return needs, nil
	}
}

// single is a name as on wants it.
func single(name *string) []string {
	if name == nil {
		return nil
	}
	return []string{*name}
}

// putting guards what makes or changes a resource, with tags.
func (s *Service) putting(ctx context.Context, action, resource string, tags []api.Tag, keys map[string][]string) []aws.Access {
	a := s.access(ctx, action, resource)
	a.Keys = aws.RequestTags(keys, tagMap(tags))
	needs := []aws.Access{a}
	if len(tags) > 0 {
		a.Action, a.Keys = "cloudwatch:TagResource", aws.RequestTags(nil, tagMap(tags))
		needs = append(needs, a)
	}
	return needs
}

func (s *Service) guardPutMetricData(_ context.Context, in *api.PutMetricDataInput) ([]aws.Access, error) {
	return []aws.Access{{Action: "cloudwatch:PutMetricData", Resource: "*", Keys: map[string][]string{"cloudwatch:namespace": {*in.Namespace}}}}, nil
}

// alarmActions is the condition key of what an alarm does.
func alarmActions(lists ...[]string) map[string][]string {
	all := slices.Concat(lists...)
	if len(all) == 0 {
		return nil
	}
	return map[string][]string{"cloudwatch:AlarmActions": all}
}

func (s *Service) guardPutMetricAlarm(ctx context.Context, in *api.PutMetricAlarmInput) ([]aws.Access, error) {
	return s.putting(ctx, "PutMetricAlarm", "alarm:"+*in.AlarmName, in.Tags, alarmActions(in.OKActions, in.AlarmActions, in.InsufficientDataActions)), nil
}

func (s *Service) guardPutCompositeAlarm(ctx context.Context, in *api.PutCompositeAlarmInput) ([]aws.Access, error) {
	return s.putting(ctx, "PutCompositeAlarm", "alarm:"+*in.AlarmName, in.Tags, alarmActions(in.OKActions, in.AlarmActions, in.InsufficientDataActions)), nil
}

func (s *Service) guardPutAlarmMuteRule(ctx context.Context, in *api.PutAlarmMuteRuleInput) ([]aws.Access, error) {
	needs := s.putting(ctx, "PutAlarmMuteRule", "alarm-mute-rule:"+*in.Name, in.Tags, nil)
	if in.MuteTargets != nil {
		for _, name := range in.MuteTargets.AlarmNames {
			a := s.access(ctx, "PutAlarmMuteRule", "alarm:"+name)
			a.Keys = maps.Clone(needs[0].Keys)
			needs = append(needs, a)
		}
	}
	return needs, nil
}

func (s *Service) guardPutDashboard(ctx context.Context, in *api.PutDashboardInput) ([]aws.Access, error) {
	return s.putting(ctx, "PutDashboard", "dashboard/"+*in.DashboardName, in.Tags, nil), nil
}

func (s *Service) guardPutInsightRule(ctx context.Context, in *api.PutInsightRuleInput) ([]aws.Access, error) {
	var doc struct{ LogGroupNames []string }
	var keys map[string][]string
	if json.Unmarshal([]byte(*in.RuleDefinition), &doc) == nil && len(doc.LogGroupNames) > 0 {
		keys = map[string][]string{"cloudwatch:requestInsightRuleLogGroups": doc.LogGroupNames}
	}
	return s.putting(ctx, "PutInsightRule", "insight-rule/"+*in.RuleName, in.Tags, keys), nil
}

func (s *Service) guardPutManagedInsightRules(_ context.Context, in *api.PutManagedInsightRulesInput) ([]aws.Access, error) {
	a := aws.Access{Action: "cloudwatch:PutManagedInsightRules", Resource: "*", Keys: map[string][]string{}}
	tags := map[string]string{}
	for _, m := range in.ManagedRules {
		a.Keys["cloudwatch:requestManagedResourceARNs"] = append(a.Keys["cloudwatch:requestManagedResourceARNs"], *m.ResourceARN)
		maps.Copy(tags, tagMap(m.Tags))
	}
	aws.RequestTags(a.Keys, tags)
	return []aws.Access{a}, nil
}

func (s *Service) guardListManagedInsightRules(_ context.Context, in *api.ListManagedInsightRulesInput) ([]aws.Access, error) {
	return []aws.Access{{Action: "cloudwatch:ListManagedInsightRules", Resource: "*",
		Keys: map[string][]string{"cloudwatch:requestManagedResourceARNs": {*in.ResourceARN}}}}, nil
}

func (s *Service) guardPutMetricStream(ctx context.Context, in *api.PutMetricStreamInput) ([]aws.Access, error) {
	needs := s.putting(ctx, "PutMetricStream", "metric-stream/"+*in.Name, in.Tags, nil)
	return append(needs, aws.Access{Action: "iam:PassRole", Resource: *in.RoleArn, Keys: map[string][]string{
		"iam:PassedToService": {streamsPrincipal}, "iam:AssociatedResourceArn": {aws.RequestOf(ctx).ARN("cloudwatch", "metric-stream/"+*in.Name)}}}), nil
}

// onARN guards what is done to a resource by its ARN.
func onARN[In any](s *Service, action string, find func(*In) (arn *string, tags map[string]string, keys []string)) aws.Guard[In] {
	return func(_ context.Context, in *In) ([]aws.Access, error) {
		arn, tags, keys := find(in)
		a, ok := aws.ParseARN(*arn)
		if !ok {
			return nil, invalidValue("The value %s for parameter ResourceARN is invalid.", *arn)
		}
		need := aws.Access{Action: "cloudwatch:" + action, Resource: *arn, Tags: s.tagReader(a.Resource)}
		if tags != nil || keys != nil {
			need.Keys = aws.RequestTags(nil, tags)
		}
		if keys != nil {
			need.Keys["aws:TagKeys"] = keys
		}
		return []aws.Access{need}, nil
	}
}
