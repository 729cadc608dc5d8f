package resource

import (
	cloudtrailapi "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/aws"
)

var cloudtrailTypes = []*Type{
	{
		Name:  "AWS::CloudTrail::Trail",
		Named: "TrailName", Length: 128,
		Defaults: map[string]any{"IncludeGlobalServiceEvents": true, "EnableLogFileValidation": false, "IsMultiRegionTrail": false},
		Create: func(c *Call) error {
			_, err := Do(c.but("Tags", "EventSelectors", "AdvancedEventSelectors", "InsightSelectors"), &cloudtrailapi.CreateTrail, func(in *cloudtrailapi.CreateTrailRequest) {
				in.Name = new(c.Text("TrailName"))
				SetTags(&in.TagsList, c.Tags())
			})
			if err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("TrailName")
			c.Take("Tags")
			return trailParts(c)
		},
		Update: func(c *Call) error {
			if _, err := Change(c.but("Tags", "EventSelectors", "AdvancedEventSelectors", "InsightSelectors"), &cloudtrailapi.UpdateTrail, func(in *cloudtrailapi.UpdateTrailRequest) { in.Name = &c.ID }); err != nil {
				return err
			}
			if err := trailParts(c); err != nil {
				return err
			}
			c.Take("Tags")
			return retagTrail(c)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := cloudtrailapi.GetTrail.Do(c, c.Peers, &cloudtrailapi.GetTrailRequest{Name: &c.ID})
			if err != nil {
				return nil, err
			}
			t := out.Trail
			got := Show(t, "S3BucketName", "S3KeyPrefix", "SnsTopicName", "IncludeGlobalServiceEvents", "IsMultiRegionTrail", "CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn")
			got["Arn"], got["TrailName"], got["EnableLogFileValidation"] = *t.TrailARN, *t.Name, aws.Value(t.LogFileValidationEnabled)
			if t.SnsTopicARN != nil {
				got["SnsTopicArn"] = *t.SnsTopicARN
			}
			status, err := cloudtrailapi.GetTrailStatus.Do(c, c.Peers, &cloudtrailapi.GetTrailStatusRequest{Name: &c.ID})
			if err != nil {
				return nil, err
			}
			got["IsLogging"] = aws.Value(status.IsLogging)
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := cloudtrailapi.DeleteTrail.Do(c, c.Peers, &cloudtrailapi.DeleteTrailRequest{Name: &c.ID})
			return err
		},
	},
}

// trailParts sets which events a trail records, and whether it does.
func trailParts(c *Call) error {
	if c.fresh("EventSelectors", "AdvancedEventSelectors") {
		in := &cloudtrailapi.PutEventSelectorsRequest{TrailName: &c.ID}
		err := Into(c, "EventSelectors", &in.EventSelectors)
		if err == nil {
			err = Into(c, "AdvancedEventSelectors", &in.AdvancedEventSelectors)
		}
		if err != nil {
			return err
		}
		if in.EventSelectors == nil && in.AdvancedEventSelectors == nil {
			in.EventSelectors = []cloudtrailapi.EventSelector{{ReadWriteType: new(cloudtrailapi.ReadWriteTypeAll), IncludeManagementEvents: new(true)}}
		}
		if _, err := cloudtrailapi.PutEventSelectors.Do(c, c.Peers, in); err != nil {
			return err
		}
	}
	if c.fresh("InsightSelectors") {
		in := &cloudtrailapi.PutInsightSelectorsRequest{TrailName: &c.ID, InsightSelectors: []cloudtrailapi.InsightSelector{}}
		if err := Into(c, "InsightSelectors", &in.InsightSelectors); err != nil {
			return err
		}
		if _, err := cloudtrailapi.PutInsightSelectors.Do(c, c.Peers, in); err != nil {
			return err
		}
	}
	if !c.fresh("IsLogging") {
		return nil
	}
	if isTrue(c.Properties, "IsLogging") {
		_, err := cloudtrailapi.StartLogging.Do(c, c.Peers, &cloudtrailapi.StartLoggingRequest{Name: &c.ID})
		return err
	}
	_, err := cloudtrailapi.StopLogging.Do(c, c.Peers, &cloudtrailapi.StopLoggingRequest{Name: &c.ID})
	return err
}

// retagTrail brings a trail's tags to what they are to be. CloudTrail takes tags away by
// tags, not by their keys.
func retagTrail(c *Call) error {
	out, err := cloudtrailapi.GetTrail.Do(c, c.Peers, &cloudtrailapi.GetTrailRequest{Name: &c.ID})
	if err != nil {
		return err
	}
	now, less, more := c.Tags(), map[string]string{}, map[string]string{}
	old := c.oldTags()
	for key, v := range old {
		if _, ok := now[key]; !ok {
			less[key] = v
		}
	}
	for key, v := range now {
		if have, ok := old[key]; !ok || have != v {
			more[key] = v
		}
	}
	if len(less) > 0 {
		in := &cloudtrailapi.RemoveTagsRequest{ResourceId: out.Trail.TrailARN}
		SetTags(&in.TagsList, less)
		if _, err := cloudtrailapi.RemoveTags.Do(c, c.Peers, in); err != nil {
			return err
		}
	}
	if len(more) == 0 {
		return nil
	}
	in := &cloudtrailapi.AddTagsRequest{ResourceId: out.Trail.TrailARN}
	SetTags(&in.TagsList, more)
	_, err = cloudtrailapi.AddTags.Do(c, c.Peers, in)
	return err
}
