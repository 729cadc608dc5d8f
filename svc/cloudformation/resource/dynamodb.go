package resource

import (
	"slices"

	dynamodbapi "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

var dynamodbTypes = []*Type{
	{
		Name:  "AWS::DynamoDB::Table",
		Named: "TableName", Length: 255,
		Replace:  []string{"KeySchema", "LocalSecondaryIndexes"},
		Defaults: map[string]any{"BillingMode": "PROVISIONED", "TableClass": "STANDARD", "DeletionProtectionEnabled": false},
		Hidden:   []string{"TableId"},
		Create: func(c *Call) error {
			if c.Has("ImportSourceSpecification") {
				return invalid("Property ImportSourceSpecification of %s is not available in this version of Tule.", c.Type.Name)
			}
			out, err := Do(c.but(tableExtras...), &dynamodbapi.CreateTable, func(in *dynamodbapi.CreateTableInput) {
				in.GlobalSecondaryIndexes, in.StreamSpecification, in.SSESpecification = nil, tableStream(c.Properties), tableEncryption(c.Properties)
			}, func(in *dynamodbapi.CreateTableInput) {
				for _, o := range objects(c.Properties.Get("GlobalSecondaryIndexes")) {
					var index dynamodbapi.GlobalSecondaryIndex
					if FillFrom(&index, omit(o, []string{"ContributorInsightsSpecification"}), "GlobalSecondaryIndexes") == nil {
						in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, index)
					}
				}
			})
			c.ID = c.Text("TableName")
			switch {
			case err == nil:
				c.Set("Arn", *out.TableDescription.TableArn)
			case !c.Again || !Exists(err):
				c.ID = ""
				return err
			}
			c.Take("GlobalSecondaryIndexes", "StreamSpecification", "SSESpecification")
			if err := c.await(); err != nil {
				return err
			}
			return c.tableParts()
		},
		Ready: func(c *Call) (bool, error) {
			t, err := c.table()
			if err != nil {
				return false, err
			}
			busy := slices.ContainsFunc(t.GlobalSecondaryIndexes, func(i dynamodbapi.GlobalSecondaryIndexDescription) bool {
				return aws.Value(i.IndexStatus) != dynamodbapi.IndexStatusActive
			})
			return aws.Value(t.TableStatus) == dynamodbapi.TableStatusActive && !busy, nil
		},
		Update: updateTable,
		Read: func(c *Call) (map[string]any, error) {
			t, err := c.table()
			if err != nil {
				return nil, err
			}
			got := Show(t, "AttributeDefinitions", "KeySchema", "TableName", "TableId", "DeletionProtectionEnabled")
			got["Arn"], got["BillingMode"] = *t.TableArn, dynamodbapi.BillingModeProvisioned
			if t.BillingModeSummary != nil && t.BillingModeSummary.BillingMode != nil {
				got["BillingMode"] = *t.BillingModeSummary.BillingMode
			}
			if p := t.ProvisionedThroughput; p != nil && got["BillingMode"] == dynamodbapi.BillingModeProvisioned {
				got["ProvisionedThroughput"] = ordered.New().Set("ReadCapacityUnits", int(aws.Value(p.ReadCapacityUnits))).Set("WriteCapacityUnits", int(aws.Value(p.WriteCapacityUnits)))
			}
			if s := t.StreamSpecification; s != nil && aws.Value(s.StreamEnabled) {
				got["StreamArn"], got["StreamSpecification"] = aws.Value(t.LatestStreamArn), ordered.New().Set("StreamViewType", aws.Value(s.StreamViewType))
			}
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := dynamodbapi.DeleteTable.Do(c, c.Peers, &dynamodbapi.DeleteTableInput{TableName: &c.ID})
			return err
		},
	},
}

// tableExtras are what CreateTable words otherwise, or what operations of their own set.
var tableExtras = []string{"GlobalSecondaryIndexes", "StreamSpecification", "SSESpecification", "ResourcePolicy", "TimeToLiveSpecification",
	"PointInTimeRecoverySpecification", "KinesisStreamSpecification", "ContributorInsightsSpecification"}

func (c *Call) table() (*dynamodbapi.TableDescription, error) {
	out, err := dynamodbapi.DescribeTable.Do(c, c.Peers, &dynamodbapi.DescribeTableInput{TableName: &c.ID})
	if err != nil {
		return nil, err
	}
	return out.Table, nil
}

func tableStream(p *ordered.Object) *dynamodbapi.StreamSpecification {
	if !p.Has("StreamSpecification") {
		return nil
	}
	return &dynamodbapi.StreamSpecification{StreamEnabled: new(true), StreamViewType: new(member(child(p, "StreamSpecification"), "StreamViewType"))}
}

func tableEncryption(p *ordered.Object) *dynamodbapi.SSESpecification {
	if !p.Has("SSESpecification") {
		return nil
	}
	o := child(p, "SSESpecification")
	s := &dynamodbapi.SSESpecification{Enabled: new(isTrue(o, "SSEEnabled"))}
	if v := member(o, "KMSMasterKeyId"); v != "" {
		s.KMSMasterKeyId = &v
	}
	if v := member(o, "SSEType"); v != "" {
		s.SSEType = &v
	}
	return s
}

// alter is one change of a table, after which it is at rest again.
func (c *Call) alter(in *dynamodbapi.UpdateTableInput) error {
	in.TableName = &c.ID
	if _, err := dynamodbapi.UpdateTable.Do(c, c.Peers, in); err != nil {
		return err
	}
	return c.await()
}

// updateTable changes a table, one thing after the other, as UpdateTable wants it.
func updateTable(c *Call) error {
	if err := c.dropIndexes(); err != nil {
		return err
	}
	if c.Changed("BillingMode", "ProvisionedThroughput", "OnDemandThroughput", "WarmThroughput", "GlobalSecondaryIndexes") {
		if err := c.tableThroughput(); err != nil {
			return err
		}
	}
	if err := c.addIndexes(); err != nil {
		return err
	}
	if c.Changed("StreamSpecification") {
		now, old := child(c.Properties, "StreamSpecification"), child(c.Old, "StreamSpecification")
		if view := member(old, "StreamViewType"); view != "" && view != member(now, "StreamViewType") {
			if err := c.alter(&dynamodbapi.UpdateTableInput{StreamSpecification: &dynamodbapi.StreamSpecification{StreamEnabled: new(false)}}); err != nil {
				return err
			}
		}
		if view := member(now, "StreamViewType"); view != "" && view != member(old, "StreamViewType") {
			if err := c.alter(&dynamodbapi.UpdateTableInput{StreamSpecification: tableStream(c.Properties)}); err != nil {
				return err
			}
		}
	}
	if c.Changed("SSESpecification") {
		s := tableEncryption(c.Properties)
		if s == nil {
			s = &dynamodbapi.SSESpecification{Enabled: new(false)}
		}
		if err := c.alter(&dynamodbapi.UpdateTableInput{SSESpecification: s}); err != nil {
			return err
		}
	}
	if c.Changed("TableClass") {
		if err := c.alter(&dynamodbapi.UpdateTableInput{TableClass: new(c.Text("TableClass"))}); err != nil {
			return err
		}
	}
	if c.Changed("DeletionProtectionEnabled") {
		if err := c.alter(&dynamodbapi.UpdateTableInput{DeletionProtectionEnabled: new(isTrue(c.Properties, "DeletionProtectionEnabled"))}); err != nil {
			return err
		}
	}
	if err := c.tableParts(); err != nil {
		return err
	}
	t, err := c.table()
	if err != nil {
		return err
	}
	return Retag(c, &dynamodbapi.TagResource, &dynamodbapi.UntagResource,
		func(in *dynamodbapi.TagResourceInput) { in.ResourceArn = t.TableArn }, func(in *dynamodbapi.UntagResourceInput) { in.ResourceArn = t.TableArn })
}

// indexOf is the index of a name in a table's properties; nil if they have none.
func indexOf(p *ordered.Object, name string) *ordered.Object {
	for _, o := range objects(p.Get("GlobalSecondaryIndexes")) {
		if member(o, "IndexName") == name {
			return o
		}
	}
	return nil
}

// sameIndex reports whether two indexes differ in what can be changed only.
func sameIndex(a, b *ordered.Object) bool {
	return a != nil && b != nil && template.Equal(a.Get("KeySchema"), b.Get("KeySchema")) && template.Equal(a.Get("Projection"), b.Get("Projection"))
}

// dropIndexes takes away, one at a time, the indexes that are not to be, or to be others.
func (c *Call) dropIndexes() error {
	t, err := c.table()
	if err != nil {
		return err
	}
	for _, have := range t.GlobalSecondaryIndexes {
		name := *have.IndexName
		if now := indexOf(c.Properties, name); now != nil && (indexOf(c.Old, name) == nil || sameIndex(now, indexOf(c.Old, name))) {
			continue
		}
		drop := []dynamodbapi.GlobalSecondaryIndexUpdate{{Delete: &dynamodbapi.DeleteGlobalSecondaryIndexAction{IndexName: &name}}}
		if err := c.alter(&dynamodbapi.UpdateTableInput{GlobalSecondaryIndexUpdates: drop}); err != nil {
			return err
		}
	}
	return nil
}

// addIndexes makes, one at a time, the indexes that the table lacks.
func (c *Call) addIndexes() error {
	c.Take("AttributeDefinitions")
	t, err := c.table()
	if err != nil {
		return err
	}
	for _, o := range objects(c.Get("GlobalSecondaryIndexes")) {
		if slices.ContainsFunc(t.GlobalSecondaryIndexes, func(i dynamodbapi.GlobalSecondaryIndexDescription) bool {
			return *i.IndexName == member(o, "IndexName")
		}) {
			continue
		}
		in := &dynamodbapi.UpdateTableInput{GlobalSecondaryIndexUpdates: []dynamodbapi.GlobalSecondaryIndexUpdate{{Create: &dynamodbapi.CreateGlobalSecondaryIndexAction{}}}}
		if err := FillFrom(in.GlobalSecondaryIndexUpdates[0].Create, omit(o, []string{"ContributorInsightsSpecification"}), "GlobalSecondaryIndexes"); err != nil {
			return err
		}
		if err := Into(c, "AttributeDefinitions", &in.AttributeDefinitions); err != nil {
			return err
		}
		if err := c.alter(in); err != nil {
			return err
		}
	}
	return nil
}

// tableThroughput brings the capacity of a table, and of the indexes that stay, to what it
// is to be.
func (c *Call) tableThroughput() error {
	in := &dynamodbapi.UpdateTableInput{}
	for name, to := range map[string]any{"BillingMode": &in.BillingMode, "ProvisionedThroughput": &in.ProvisionedThroughput, "OnDemandThroughput": &in.OnDemandThroughput, "WarmThroughput": &in.WarmThroughput} {
		if !c.Changed(name) && !(name == "ProvisionedThroughput" && c.Changed("BillingMode")) {
			continue
		}
		if err := Into(c, name, to); err != nil {
			return err
		}
	}
	if c.Text("BillingMode") == dynamodbapi.BillingModePayPerRequest {
		in.ProvisionedThroughput = nil
	}
	for _, o := range objects(c.Get("GlobalSecondaryIndexes")) {
		was, change := indexOf(c.Old, member(o, "IndexName")), &dynamodbapi.UpdateGlobalSecondaryIndexAction{}
		if !sameIndex(was, o) {
			continue
		}
		less := omit(o, []string{"KeySchema", "Projection", "ContributorInsightsSpecification"})
		if template.Equal(less, omit(was, []string{"KeySchema", "Projection", "ContributorInsightsSpecification"})) || len(less.Names()) == 1 {
			continue
		}
		if err := FillFrom(change, less, "GlobalSecondaryIndexes"); err != nil {
			return err
		}
		in.GlobalSecondaryIndexUpdates = append(in.GlobalSecondaryIndexUpdates, dynamodbapi.GlobalSecondaryIndexUpdate{Update: change})
	}
	if in.BillingMode == nil && in.ProvisionedThroughput == nil && in.OnDemandThroughput == nil && in.WarmThroughput == nil && in.GlobalSecondaryIndexUpdates == nil {
		return nil
	}
	return c.alter(in)
}
