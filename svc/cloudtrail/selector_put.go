package cloudtrail

import (
	"context"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// AWS's quotas.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html
const (
	maxSelectors     = 5   // basic ones of a trail
	maxDataResources = 250 // of all basic selectors of a trail
	maxConditions    = 500 // values of all advanced selectors of a trail
)

// putEventSelectors sets which events a trail keeps.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_PutEventSelectors.html
func (s *Service) putEventSelectors(ctx context.Context, in *api.PutEventSelectorsRequest) (*api.PutEventSelectorsResponse, error) {
	bad := api.InvalidEventSelectorsException
	switch {
	case len(in.EventSelectors) == 0 && len(in.AdvancedEventSelectors) == 0:
		return nil, bad("Either event selectors or advanced event selectors must be specified.")
	case len(in.EventSelectors) > 0 && len(in.AdvancedEventSelectors) > 0:
		return nil, bad("Event selectors and advanced event selectors cannot both be specified.")
	case len(in.EventSelectors) > maxSelectors:
		return nil, bad("A trail can have up to %d event selectors.", maxSelectors)
	}
	values := 0
	for i := range in.EventSelectors {
		if err := checkSelector(&in.EventSelectors[i], &values); err != nil {
			return nil, err
		}
	}
	if values > maxDataResources {
		return nil, bad("A trail can have up to %d data resources.", maxDataResources)
	}
	conditions := 0
	for i := range in.AdvancedEventSelectors {
		if err := checkAdvanced(&in.AdvancedEventSelectors[i], &conditions); err != nil {
			return nil, err
		}
	}
	if conditions > maxConditions {
		return nil, bad("A trail can have up to %d conditions in its advanced event selectors.", maxConditions)
	}
	t, err := s.change(ctx, in.TrailName, func(tx store.Tx, t *trail) error {
		t.Selectors, t.Advanced = nil, nil
		if len(in.AdvancedEventSelectors) > 0 {
			t.Advanced = in.AdvancedEventSelectors
		} else {
			t.Selectors = in.EventSelectors
		}
		return t.put(tx)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutEventSelectorsResponse{TrailARN: new(t.arn()), EventSelectors: t.Selectors, AdvancedEventSelectors: t.Advanced}, nil
}

func (s *Service) getEventSelectors(ctx context.Context, in *api.GetEventSelectorsRequest) (*api.GetEventSelectorsResponse, error) {
	t, err := s.look(ctx, in.TrailName)
	if err != nil {
		return nil, err
	}
	out := &api.GetEventSelectorsResponse{TrailARN: new(t.arn()), EventSelectors: t.Selectors, AdvancedEventSelectors: t.Advanced}
	if t.Selectors == nil && t.Advanced == nil {
		out.EventSelectors = []api.EventSelector{{ReadWriteType: new("All"), IncludeManagementEvents: new(true),
			DataResources: []api.DataResource{}, ExcludeManagementEventSources: []string{}}}
	}
	return out, nil
}

// dataTypes are the data resources that basic selectors know, with what values begin with.
var dataTypes = map[string]string{
	"AWS::S3::Object": "arn:aws:s3", "AWS::Lambda::Function": "arn:aws:lambda", "AWS::DynamoDB::Table": "arn:aws:dynamodb",
}

// checkSelector holds a basic selector against the rules, and sets its defaults.
func checkSelector(sel *api.EventSelector, values *int) error {
	bad := api.InvalidEventSelectorsException
	if sel.ReadWriteType == nil {
		sel.ReadWriteType = new("All")
	}
	if sel.IncludeManagementEvents == nil {
		sel.IncludeManagementEvents = new(true)
	}
	if !*sel.IncludeManagementEvents && len(sel.DataResources) == 0 {
		return bad("An event selector must include management events or data resources.")
	}
	for _, source := range sel.ExcludeManagementEventSources {
		if source != "kms.amazonaws.com" && source != "rdsdata.amazonaws.com" {
			return bad("The event source %s cannot be excluded.", source)
		}
	}
	for _, d := range sel.DataResources {
		begin, ok := dataTypes[aws.Value(d.Type)]
		if !ok {
			return bad("The type %s of data resources is not valid for event selectors; use advanced event selectors.", aws.Value(d.Type))
		}
		for _, v := range d.Values {
			*values++
			if v != begin && !strings.HasPrefix(v, begin+":") {
				return bad("Value %s for DataResources.Values is invalid.", v)
			}
		}
	}
	return nil
}

// fields are what advanced selectors of trails may look at, with those that each category
// of events has.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
var fields = map[string][]string{
	"eventCategory": {"Management", "Data", "NetworkActivity"}, "readOnly": {"Management", "Data"}, "eventSource": {"Management", "Data", "NetworkActivity"},
	"eventName": {"Data", "NetworkActivity"}, "eventType": {"Data"}, "resources.type": {"Data"}, "resources.ARN": {"Data"},
	"sessionCredentialFromConsole": {"Management", "Data"}, "userIdentity.arn": {"Data"}, "errorCode": {"NetworkActivity"}, "vpcEndpointId": {"NetworkActivity"},
}

// checkAdvanced holds an advanced selector against the rules.
func checkAdvanced(a *api.AdvancedEventSelector, conditions *int) error {
	bad := api.InvalidEventSelectorsException
	category := field(a, "eventCategory")
	if category == nil || len(category.Equals) != 1 || !slices.Contains(fields["eventCategory"], category.Equals[0]) {
		return bad("An advanced event selector must select one eventCategory by Equals: Management, Data or NetworkActivity.")
	}
	kind := field(a, "resources.type")
	if category.Equals[0] == "Data" && (kind == nil || len(kind.Equals) != 1) {
		return bad("An advanced event selector of data events must select one resources.type by Equals.")
	}
	if category.Equals[0] == "NetworkActivity" && field(a, "eventSource") == nil {
		return bad("An advanced event selector of network activity events must select an eventSource.")
	}
	seen := map[string]bool{}
	for _, f := range a.FieldSelectors {
		name := *f.Field
		switch {
		case !slices.Contains(fields[name], category.Equals[0]):
			return bad("The field %s is not valid for %s events.", name, category.Equals[0])
		case seen[name]:
			return bad("The field %s is selected by more than one selector.", name)
		case name == "readOnly" && (len(f.Equals) != 1 || f.Equals[0] != "true" && f.Equals[0] != "false"):
			return bad("The field readOnly can only be selected by Equals, true or false.")
		}
		seen[name] = true
		n := 0
		for _, list := range [][]string{f.Equals, f.NotEquals, f.StartsWith, f.NotStartsWith, f.EndsWith, f.NotEndsWith} {
			n += len(list)
		}
		if n == 0 {
			return bad("The field %s has no operator.", name)
		}
		*conditions += n
	}
	return nil
}

// putInsightSelectors notes which insights a trail is to have. Nothing comes of it here.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_PutInsightSelectors.html
func (s *Service) putInsightSelectors(ctx context.Context, in *api.PutInsightSelectorsRequest) (*api.PutInsightSelectorsResponse, error) {
	if err := ofTrail(in.TrailName, in.EventDataStore); err != nil {
		return nil, err
	}
	for i := range in.InsightSelectors {
		if in.InsightSelectors[i].InsightType == nil {
			return nil, api.InvalidInsightSelectorsException("An insight selector must have an insight type.")
		}
	}
	t, err := s.change(ctx, in.TrailName, func(tx store.Tx, t *trail) error {
		t.Insights = in.InsightSelectors
		return t.put(tx)
	})
	if err != nil {
		return nil, err
	}
	return &api.PutInsightSelectorsResponse{TrailARN: new(t.arn()), InsightSelectors: in.InsightSelectors}, nil
}

func (s *Service) getInsightSelectors(ctx context.Context, in *api.GetInsightSelectorsRequest) (*api.GetInsightSelectorsResponse, error) {
	if err := ofTrail(in.TrailName, in.EventDataStore); err != nil {
		return nil, err
	}
	t, err := s.look(ctx, in.TrailName)
	if err != nil {
		return nil, err
	}
	if len(t.Insights) == 0 {
		return nil, api.InsightNotEnabledException("Trail %s does not have Insights enabled.", t.arn())
	}
	return &api.GetInsightSelectorsResponse{TrailARN: new(t.arn()), InsightSelectors: t.Insights}, nil
}

// ofTrail refuses what is asked of an event data store: there are none.
func ofTrail(name, dataStore *string) error {
	switch {
	case name != nil && dataStore != nil:
		return api.InvalidParameterCombinationException("A trail or an event data store can be named, not both.")
	case dataStore != nil:
		return api.InvalidParameterException("There is no event data store %s.", *dataStore)
	case name == nil:
		return api.InvalidParameterCombinationException("A trail or an event data store must be named.")
	}
	return nil
}
