package resource

import (
	dynamodbapi "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
)

// tableParts sets what a table has beside itself, each by an operation of its own.
func (c *Call) tableParts() error {
	for _, f := range []func() error{c.tableExpiry, c.tableBackups, c.tableKinesis, c.tableInsights, c.tablePolicies} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// tableExpiry sets which attribute items expire by. One is given up before another is taken.
func (c *Call) tableExpiry() error {
	if !c.fresh("TimeToLiveSpecification") {
		return nil
	}
	out, err := dynamodbapi.DescribeTimeToLive.Do(c, c.Peers, &dynamodbapi.DescribeTimeToLiveInput{TableName: &c.ID})
	if err != nil {
		return err
	}
	have := ""
	if d := out.TimeToLiveDescription; d != nil && aws.Value(d.TimeToLiveStatus) == dynamodbapi.TimeToLiveStatusEnabled {
		have = aws.Value(d.AttributeName)
	}
	o, want := child(c.Properties, "TimeToLiveSpecification"), ""
	if isTrue(o, "Enabled") {
		want = member(o, "AttributeName")
	}
	set := func(name string, enabled bool) error {
		_, err := dynamodbapi.UpdateTimeToLive.Do(c, c.Peers, &dynamodbapi.UpdateTimeToLiveInput{TableName: &c.ID,
			TimeToLiveSpecification: &dynamodbapi.TimeToLiveSpecification{AttributeName: &name, Enabled: &enabled}})
		return err
	}
	if have != "" && have != want {
		if err := set(have, false); err != nil {
			return err
		}
	}
	if want != "" && have != want {
		return set(want, true)
	}
	return nil
}

func (c *Call) tableBackups() error {
	if !c.fresh("PointInTimeRecoverySpecification") {
		return nil
	}
	in := &dynamodbapi.UpdateContinuousBackupsInput{TableName: &c.ID, PointInTimeRecoverySpecification: &dynamodbapi.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: new(false)}}
	if err := Into(c, "PointInTimeRecoverySpecification", in.PointInTimeRecoverySpecification); err != nil {
		return err
	}
	_, err := dynamodbapi.UpdateContinuousBackups.Do(c, c.Peers, in)
	return err
}

// tableKinesis sets the stream that changes go to.
func (c *Call) tableKinesis() error {
	if !c.fresh("KinesisStreamSpecification") {
		return nil
	}
	out, err := dynamodbapi.DescribeKinesisStreamingDestination.Do(c, c.Peers, &dynamodbapi.DescribeKinesisStreamingDestinationInput{TableName: &c.ID})
	if err != nil {
		return err
	}
	o := child(c.Properties, "KinesisStreamSpecification")
	want, precision := member(o, "StreamArn"), member(o, "ApproximateCreationDateTimePrecision")
	for _, d := range out.KinesisDataStreamDestinations {
		switch {
		case aws.Value(d.DestinationStatus) != dynamodbapi.DestinationStatusActive:
		case *d.StreamArn != want:
			if _, err := dynamodbapi.DisableKinesisStreamingDestination.Do(c, c.Peers, &dynamodbapi.KinesisStreamingDestinationInput{TableName: &c.ID, StreamArn: d.StreamArn}); err != nil {
				return err
			}
		case precision == "" || precision == aws.Value(d.ApproximateCreationDateTimePrecision):
			return nil
		default:
			_, err := dynamodbapi.UpdateKinesisStreamingDestination.Do(c, c.Peers, &dynamodbapi.UpdateKinesisStreamingDestinationInput{TableName: &c.ID, StreamArn: &want,
				UpdateKinesisStreamingConfiguration: &dynamodbapi.UpdateKinesisStreamingConfiguration{ApproximateCreationDateTimePrecision: &precision}})
			return err
		}
	}
	if want == "" {
		return nil
	}
	in := &dynamodbapi.KinesisStreamingDestinationInput{TableName: &c.ID, StreamArn: &want}
	if precision != "" {
		in.EnableKinesisStreamingConfiguration = &dynamodbapi.EnableKinesisStreamingConfiguration{ApproximateCreationDateTimePrecision: &precision}
	}
	_, err = dynamodbapi.EnableKinesisStreamingDestination.Do(c, c.Peers, in)
	return err
}

// tableInsights turns Contributor Insights on and off, for the table and for its indexes.
func (c *Call) tableInsights() error {
	set := func(index string, now, old *ordered.Object) error {
		o, was := child(now, "ContributorInsightsSpecification"), child(old, "ContributorInsightsSpecification")
		if isTrue(o, "Enabled") == isTrue(was, "Enabled") && member(o, "Mode") == member(was, "Mode") {
			return nil
		}
		in := &dynamodbapi.UpdateContributorInsightsInput{TableName: &c.ID, ContributorInsightsAction: new(dynamodbapi.ContributorInsightsActionDisable)}
		if isTrue(o, "Enabled") {
			in.ContributorInsightsAction = new(dynamodbapi.ContributorInsightsActionEnable)
		}
		if index != "" {
			in.IndexName = &index
		}
		if mode := member(o, "Mode"); mode != "" {
			in.ContributorInsightsMode = &mode
		}
		_, err := dynamodbapi.UpdateContributorInsights.Do(c, c.Peers, in)
		return err
	}
	c.Take("ContributorInsightsSpecification")
	old := c.Old
	if old == nil {
		old = ordered.New()
	}
	if err := set("", c.Properties, old); err != nil {
		return err
	}
	for _, o := range objects(c.Get("GlobalSecondaryIndexes")) {
		was := indexOf(old, member(o, "IndexName"))
		if !sameIndex(o, was) {
			was = ordered.New()
		}
		if err := set(member(o, "IndexName"), o, was); err != nil {
			return err
		}
	}
	return nil
}

// tablePolicies sets the policies of the table and of its stream.
func (c *Call) tablePolicies() error {
	t, err := c.table()
	if err != nil {
		return err
	}
	set := func(arn *string, now, old *ordered.Object) error {
		document := child(now, "ResourcePolicy").Get("PolicyDocument")
		switch {
		case arn == nil:
			return nil
		case document != nil:
			_, err := dynamodbapi.PutResourcePolicy.Do(c, c.Peers, &dynamodbapi.PutResourcePolicyInput{ResourceArn: arn, Policy: new(Texted(document))})
			return err
		case old.Has("ResourcePolicy"):
			_, err := dynamodbapi.DeleteResourcePolicy.Do(c, c.Peers, &dynamodbapi.DeleteResourcePolicyInput{ResourceArn: arn})
			return err
		}
		return nil
	}
	old := c.Old
	if old == nil {
		old = ordered.New()
	}
	if c.fresh("ResourcePolicy") {
		if err := set(t.TableArn, c.Properties, old); err != nil {
			return err
		}
	}
	if !c.fresh("StreamSpecification") {
		return nil
	}
	return set(t.LatestStreamArn, child(c.Properties, "StreamSpecification"), child(old, "StreamSpecification"))
}
