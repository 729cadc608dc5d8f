package resource

import (
	logsapi "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

// deliveryTypes are what services deliver their logs by.
var deliveryTypes = []*Type{
	{
		Name: "AWS::Logs::DeliverySource",
		Create: func(c *Call) error {
			_, err := Do(c, &logsapi.PutDeliverySource)
			c.ID = c.Text("Name")
			return err
		},
		Update: func(c *Call) error {
			if _, err := Do(c.but("Tags"), &logsapi.PutDeliverySource, func(in *logsapi.PutDeliverySourceRequest) { in.Tags = nil }); err != nil {
				return err
			}
			return retagLogs(c, "delivery-source:")
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := logsapi.GetDeliverySource.Do(c, c.Peers, &logsapi.GetDeliverySourceRequest{Name: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out.DeliverySource, "Arn", "Name", "LogType", "ResourceArns", "Service"), nil
		},
		Delete: func(c *Call) error {
			_, err := logsapi.DeleteDeliverySource.Do(c, c.Peers, &logsapi.DeleteDeliverySourceRequest{Name: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::Logs::DeliveryDestination",
		Create: func(c *Call) error { return putDeliveryDestination(c, c.Tags()) },
		Update: func(c *Call) error {
			if err := putDeliveryDestination(c, nil); err != nil {
				return err
			}
			return retagLogs(c, "delivery-destination:")
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := logsapi.GetDeliveryDestination.Do(c, c.Peers, &logsapi.GetDeliveryDestinationRequest{Name: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out.DeliveryDestination, "Arn", "Name", "DeliveryDestinationType", "OutputFormat"), nil
		},
		Delete: func(c *Call) error {
			_, err := logsapi.DeleteDeliveryDestination.Do(c, c.Peers, &logsapi.DeleteDeliveryDestinationRequest{Name: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::Logs::Delivery",
		Create: func(c *Call) error {
			out, err := Do(c, &logsapi.CreateDelivery, func(in *logsapi.CreateDeliveryRequest) { in.S3DeliveryConfiguration = deliveryFiles(c) })
			if err == nil {
				c.ID = *out.Delivery.Id
			}
			return err
		},
		Find: func(c *Call) error {
			in := &logsapi.DescribeDeliveriesRequest{}
			for {
				out, err := logsapi.DescribeDeliveries.Do(c, c.Peers, in)
				if err != nil {
					return err
				}
				for _, d := range out.Deliveries {
					// A source has one delivery to a destination.
					if aws.Value(d.DeliverySourceName) == c.Text("DeliverySourceName") && aws.Value(d.DeliveryDestinationArn) == c.Text("DeliveryDestinationArn") {
						c.ID = *d.Id
						c.Take(c.Properties.Names()...)
						return nil
					}
				}
				if out.NextToken == nil {
					return nil
				}
				in.NextToken = out.NextToken
			}
		},
		Update: func(c *Call) error {
			in := func(in *logsapi.UpdateDeliveryConfigurationRequest) {
				in.Id, in.S3DeliveryConfiguration = &c.ID, deliveryFiles(c)
			}
			if _, err := Do(c.but("Tags"), &logsapi.UpdateDeliveryConfiguration, in); err != nil {
				return err
			}
			gone(c, "RecordFields", "FieldDelimiter", "S3SuffixPath", "S3EnableHiveCompatiblePath")
			return Retag(c, &logsapi.TagResource, &logsapi.UntagResource,
				func(in *logsapi.TagResourceRequest) { in.ResourceArn = new(c.Stack.arn("logs", "delivery:"+c.ID)) },
				func(in *logsapi.UntagResourceRequest) { in.ResourceArn = new(c.Stack.arn("logs", "delivery:"+c.ID)) })
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := logsapi.GetDelivery.Do(c, c.Peers, &logsapi.GetDeliveryRequest{Id: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out.Delivery, "Arn", "DeliverySourceName", "DeliveryDestinationArn", "DeliveryDestinationType")
			got["DeliveryId"] = *out.Delivery.Id
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := logsapi.DeleteDelivery.Do(c, c.Peers, &logsapi.DeleteDeliveryRequest{Id: &c.ID})
			return err
		},
	},
}

func retagLogs(c *Call, kind string) error {
	arn := c.Stack.arn("logs", kind+c.ID)
	return Retag(c, &logsapi.TagResource, &logsapi.UntagResource,
		func(in *logsapi.TagResourceRequest) { in.ResourceArn = &arn }, func(in *logsapi.UntagResourceRequest) { in.ResourceArn = &arn })
}

// deliveryFiles is how a delivery names the files of a bucket; nil where nothing is said.
func deliveryFiles(c *Call) *logsapi.S3DeliveryConfiguration {
	c.Take("S3SuffixPath", "S3EnableHiveCompatiblePath")
	if !c.Has("S3SuffixPath") && !c.Has("S3EnableHiveCompatiblePath") {
		return nil
	}
	out := &logsapi.S3DeliveryConfiguration{EnableHiveCompatiblePath: new(isTrue(c.Properties, "S3EnableHiveCompatiblePath"))}
	if path := c.Text("S3SuffixPath"); path != "" {
		out.SuffixPath = &path
	}
	return out
}

// putDeliveryDestination makes a destination, and gives it its policy.
func putDeliveryDestination(c *Call, tags map[string]string) error {
	const policy = "DeliveryDestinationPolicy"
	_, err := Do(c.but("Tags", policy), &logsapi.PutDeliveryDestination, func(in *logsapi.PutDeliveryDestinationRequest) {
		if in.Tags = nil; len(tags) > 0 {
			in.Tags = tags
		}
		if arn := c.Text("DestinationResourceArn"); arn != "" {
			in.DeliveryDestinationConfiguration = &logsapi.DeliveryDestinationConfiguration{DestinationResourceArn: &arn}
		}
	})
	if err != nil {
		return err
	}
	c.ID = c.Text("Name")
	c.Take("Tags")
	switch {
	case !c.fresh(policy):
		return nil
	case c.Has(policy):
		document := child(c.Properties, policy).Get("DeliveryDestinationPolicy")
		_, err = logsapi.PutDeliveryDestinationPolicy.Do(c, c.Peers, &logsapi.PutDeliveryDestinationPolicyRequest{DeliveryDestinationName: &c.ID, DeliveryDestinationPolicy: new(Texted(document))})
	default:
		_, err = logsapi.DeleteDeliveryDestinationPolicy.Do(c, c.Peers, &logsapi.DeleteDeliveryDestinationPolicyRequest{DeliveryDestinationName: &c.ID})
	}
	return err
}
