package resource

import (
	"strings"

	logsapi "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/ordered"
)

var logsTypes = []*Type{
	{
		Name:  "AWS::Logs::LogGroup",
		Named: "LogGroupName", Length: 512,
		Create: func(c *Call) error {
			if _, err := Do(c, &logsapi.CreateLogGroup); err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("LogGroupName")
			return logGroupParts(c)
		},
		Update: func(c *Call) error {
			if c.Changed("KmsKeyId") {
				var err error
				if c.Has("KmsKeyId") {
					_, err = logsapi.AssociateKmsKey.Do(c, c.Peers, &logsapi.AssociateKmsKeyRequest{LogGroupName: &c.ID, KmsKeyId: new(c.Text("KmsKeyId"))})
				} else {
					_, err = logsapi.DisassociateKmsKey.Do(c, c.Peers, &logsapi.DisassociateKmsKeyRequest{LogGroupName: &c.ID})
				}
				if err != nil {
					return err
				}
			}
			if c.Changed("DeletionProtectionEnabled") {
				in := &logsapi.PutLogGroupDeletionProtectionRequest{LogGroupIdentifier: &c.ID, DeletionProtectionEnabled: new(isTrue(c.Properties, "DeletionProtectionEnabled"))}
				if _, err := logsapi.PutLogGroupDeletionProtection.Do(c, c.Peers, in); err != nil {
					return err
				}
			}
			if err := logGroupParts(c); err != nil {
				return err
			}
			arn := c.Stack.arn("logs", "log-group:"+c.ID)
			return Retag(c, &logsapi.TagResource, &logsapi.UntagResource,
				func(in *logsapi.TagResourceRequest) { in.ResourceArn = &arn }, func(in *logsapi.UntagResourceRequest) { in.ResourceArn = &arn })
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := logsapi.DescribeLogGroups.Do(c, c.Peers, &logsapi.DescribeLogGroupsRequest{LogGroupNamePrefix: &c.ID})
			if err != nil {
				return nil, err
			}
			for i, g := range out.LogGroups {
				if *g.LogGroupName == c.ID {
					return Show(&out.LogGroups[i], "Arn", "LogGroupName", "LogGroupClass", "RetentionInDays", "KmsKeyId", "DeletionProtectionEnabled"), nil
				}
			}
			return nil, c.none()
		},
		Delete: func(c *Call) error {
			_, err := logsapi.DeleteLogGroup.Do(c, c.Peers, &logsapi.DeleteLogGroupRequest{LogGroupName: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::Logs::LogStream",
		Named: "LogStreamName", Length: 512,
		Create: func(c *Call) error {
			if _, err := Do(c, &logsapi.CreateLogStream); err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = c.Text("LogStreamName")
			return nil
		},
		Delete: func(c *Call) error {
			_, err := logsapi.DeleteLogStream.Do(c, c.Peers, &logsapi.DeleteLogStreamRequest{LogGroupName: new(c.Text("LogGroupName")), LogStreamName: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::Logs::MetricFilter",
		Named: "FilterName", Length: 512,
		Create: putMetricFilter,
		Update: putMetricFilter,
		Delete: func(c *Call) error {
			_, err := logsapi.DeleteMetricFilter.Do(c, c.Peers, &logsapi.DeleteMetricFilterRequest{LogGroupName: new(c.Text("LogGroupName")), FilterName: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::Logs::SubscriptionFilter",
		Named: "FilterName", Length: 512,
		Create: putSubscriptionFilter,
		Update: putSubscriptionFilter,
		Delete: func(c *Call) error {
			_, err := logsapi.DeleteSubscriptionFilter.Do(c, c.Peers, &logsapi.DeleteSubscriptionFilterRequest{LogGroupName: new(c.Text("LogGroupName")), FilterName: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::Logs::ResourcePolicy",
		Create: putLogPolicy,
		Update: putLogPolicy,
		Delete: func(c *Call) error {
			_, err := logsapi.DeleteResourcePolicy.Do(c, c.Peers, &logsapi.DeleteResourcePolicyRequest{PolicyName: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::Logs::QueryDefinition",
		Create: putQueryDefinition,
		Find:   putQueryDefinition, // the token sees to it that there is one
		Update: putQueryDefinition,
		Read: func(c *Call) (map[string]any, error) {
			out, err := logsapi.DescribeQueryDefinitions.Do(c, c.Peers, &logsapi.DescribeQueryDefinitionsRequest{QueryDefinitionNamePrefix: new(c.Text("Name"))})
			if err != nil {
				return nil, err
			}
			for i, q := range out.QueryDefinitions {
				if *q.QueryDefinitionId == c.ID {
					return Show(&out.QueryDefinitions[i], "QueryDefinitionId", "Name", "QueryString", "LogGroupNames"), nil
				}
			}
			return nil, c.none()
		},
		Delete: func(c *Call) error {
			_, err := logsapi.DeleteQueryDefinition.Do(c, c.Peers, &logsapi.DeleteQueryDefinitionRequest{QueryDefinitionId: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::Logs::Destination",
		Create: putLogDestination,
		Update: func(c *Call) error {
			if err := putLogDestination(c); err != nil {
				return err
			}
			arn := c.Stack.arn("logs", "destination:"+c.ID)
			return Retag(c, &logsapi.TagResource, &logsapi.UntagResource,
				func(in *logsapi.TagResourceRequest) { in.ResourceArn = &arn }, func(in *logsapi.UntagResourceRequest) { in.ResourceArn = &arn })
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := logsapi.DescribeDestinations.Do(c, c.Peers, &logsapi.DescribeDestinationsRequest{DestinationNamePrefix: &c.ID})
			if err != nil {
				return nil, err
			}
			for i, d := range out.Destinations {
				if *d.DestinationName == c.ID {
					return Show(&out.Destinations[i], "Arn", "DestinationName", "TargetArn", "RoleArn"), nil
				}
			}
			return nil, c.none()
		},
		Delete: func(c *Call) error {
			_, err := logsapi.DeleteDestination.Do(c, c.Peers, &logsapi.DeleteDestinationRequest{DestinationName: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::Logs::AccountPolicy",
		Create: putAccountPolicy,
		Update: putAccountPolicy,
		Delete: func(c *Call) error {
			_, err := logsapi.DeleteAccountPolicy.Do(c, c.Peers, &logsapi.DeleteAccountPolicyRequest{PolicyName: new(c.Text("PolicyName")), PolicyType: new(c.Text("PolicyType"))})
			return err
		},
	},
}

// logGroupParts sets what CreateLogGroup does not.
func logGroupParts(c *Call) error {
	if c.fresh("RetentionInDays") {
		var err error
		if c.Has("RetentionInDays") {
			in := &logsapi.PutRetentionPolicyRequest{LogGroupName: &c.ID}
			if err = Into(c, "RetentionInDays", &in.RetentionInDays); err == nil {
				_, err = logsapi.PutRetentionPolicy.Do(c, c.Peers, in)
			}
		} else {
			_, err = logsapi.DeleteRetentionPolicy.Do(c, c.Peers, &logsapi.DeleteRetentionPolicyRequest{LogGroupName: &c.ID})
		}
		if err != nil {
			return err
		}
	}
	if c.fresh("FieldIndexPolicies") {
		var err error
		if list, _ := c.Get("FieldIndexPolicies").([]any); len(list) > 0 {
			_, err = logsapi.PutIndexPolicy.Do(c, c.Peers, &logsapi.PutIndexPolicyRequest{LogGroupIdentifier: &c.ID, PolicyDocument: new(Texted(list[0]))})
		} else {
			_, err = logsapi.DeleteIndexPolicy.Do(c, c.Peers, &logsapi.DeleteIndexPolicyRequest{LogGroupIdentifier: &c.ID})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// putMetricFilter puts a filter, whose transformations' dimensions a template lists.
func putMetricFilter(c *Call) error {
	var list []any
	for _, o := range objects(c.Get("MetricTransformations")) {
		t := omit(o, []string{"Dimensions"})
		if o.Has("Dimensions") {
			dimensions := ordered.New()
			for _, d := range objects(o.Get("Dimensions")) {
				dimensions.Set(member(d, "Key"), d.Get("Value"))
			}
			t.Set("Dimensions", dimensions)
		}
		list = append(list, t)
	}
	var transformations []logsapi.MetricTransformation
	if err := FillFrom(&transformations, list, "MetricTransformations"); err != nil {
		return err
	}
	gone(c, "ApplyOnTransformedLogs", "EmitSystemFieldDimensions", "FieldSelectionCriteria")
	_, err := Do(c.but("MetricTransformations"), &logsapi.PutMetricFilter, func(in *logsapi.PutMetricFilterRequest) { in.MetricTransformations = transformations })
	if err == nil {
		c.ID = c.Text("FilterName")
	}
	return err
}

// gone sees to properties that an update took away, where what is put anew is without them.
func gone(c *Call, names ...string) {
	for _, name := range names {
		if c.Old != nil && !c.Has(name) {
			c.Take(name)
		}
	}
}

func putSubscriptionFilter(c *Call) error {
	gone(c, "ApplyOnTransformedLogs", "Distribution", "EmitSystemFields", "FieldSelectionCriteria", "RoleArn")
	_, err := Do(c, &logsapi.PutSubscriptionFilter)
	if err == nil {
		c.ID = c.Text("FilterName")
	}
	return err
}

func putLogPolicy(c *Call) error {
	_, err := Do(c, &logsapi.PutResourcePolicy)
	if err == nil {
		c.ID = c.Text("PolicyName")
	}
	return err
}

func putQueryDefinition(c *Call) error {
	gone(c, "LogGroupNames", "Parameters", "QueryLanguage")
	out, err := Do(c, &logsapi.PutQueryDefinition, func(in *logsapi.PutQueryDefinitionRequest) {
		if c.ID != "" {
			in.QueryDefinitionId, in.ClientToken = &c.ID, nil
		}
	})
	if err == nil {
		c.ID = *out.QueryDefinitionId
	}
	return err
}

func putLogDestination(c *Call) error {
	_, err := Do(c.but("Tags"), &logsapi.PutDestination, func(in *logsapi.PutDestinationRequest) {
		if in.Tags = nil; c.Old == nil {
			SetTags(&in.Tags, c.Tags())
			c.Take("Tags")
		}
	})
	if err != nil {
		return err
	}
	c.ID = c.Text("DestinationName")
	if !c.fresh("DestinationPolicy") || !c.Has("DestinationPolicy") {
		return nil
	}
	_, err = logsapi.PutDestinationPolicy.Do(c, c.Peers, &logsapi.PutDestinationPolicyRequest{DestinationName: &c.ID, AccessPolicy: new(Texted(c.Get("DestinationPolicy")))})
	return err
}

func putAccountPolicy(c *Call) error {
	gone(c, "Scope", "SelectionCriteria")
	_, err := Do(c, &logsapi.PutAccountPolicy)
	if err == nil {
		c.ID = strings.Join([]string{c.Stack.Account, c.Text("PolicyName"), c.Text("PolicyType")}, "|")
		c.Set("AccountId", c.Stack.Account)
	}
	return err
}
