package resource

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

// lambdaEventTypes say what functions are called for, and where what comes of it goes.
var lambdaEventTypes = []*Type{
	{
		Name: "AWS::Lambda::EventSourceMapping",
		Defaults: map[string]any{"Enabled": "true", "BisectBatchOnFunctionError": "false", "MaximumBatchingWindowInSeconds": "0", "MaximumRecordAgeInSeconds": "-1",
			"MaximumRetryAttempts": "-1", "ParallelizationFactor": "1", "TumblingWindowInSeconds": "0"},
		Create: func(c *Call) error {
			start, err := startingTime(c)
			if err != nil {
				return err
			}
			shape := c.without("StartingPositionTimestamp")
			out, err := Do(shape, &lambdaapi.CreateEventSourceMapping, func(in *lambdaapi.CreateEventSourceMappingRequest) {
				in.Tags, in.StartingPositionTimestamp = c.marks(), start
			})
			if err != nil {
				return err
			}
			c.Take(slices.Collect(maps.Keys(shape.taken))...)
			c.ID = *out.UUID
			c.Set("Id", c.ID)
			c.Set("EventSourceMappingArn", aws.Value(out.EventSourceMappingArn))
			return nil
		},
		Find: findMapping,
		Ready: func(c *Call) (bool, error) {
			out, err := lambdaapi.GetEventSourceMapping.Do(c, c.Peers, &lambdaapi.GetEventSourceMappingRequest{UUID: &c.ID})
			if err != nil {
				return false, err
			}
			state := aws.Value(out.State)
			return state == "Enabled" || state == "Disabled", nil
		},
		Update: func(c *Call) error {
			batch := c.Old.Has("BatchSize") && !c.Has("BatchSize")
			out, err := Change(c, &lambdaapi.UpdateEventSourceMapping, func(in *lambdaapi.UpdateEventSourceMappingRequest) {
				in.UUID = &c.ID
				if batch {
					in.BatchSize = new(int32(100))
					if strings.Contains(c.Text("EventSourceArn"), ":sqs:") {
						in.BatchSize = new(int32(10))
					}
				}
			})
			if err != nil {
				return err
			}
			return c.retagFunctionPart(out.EventSourceMappingArn)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := lambdaapi.GetEventSourceMapping.Do(c, c.Peers, &lambdaapi.GetEventSourceMappingRequest{UUID: &c.ID})
			if err != nil {
				return nil, err
			}
			got := Show(out, "BatchSize", "BisectBatchOnFunctionError", "DestinationConfig", "EventSourceArn", "EventSourceMappingArn", "FilterCriteria", "FunctionResponseTypes",
				"MaximumBatchingWindowInSeconds", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "MetricsConfig", "ParallelizationFactor", "ScalingConfig", "StartingPosition",
				"TumblingWindowInSeconds", "KmsKeyArn")
			got["Id"], got["FunctionName"], got["Enabled"] = c.ID, aws.Value(out.FunctionArn), aws.Value(out.State) == "Enabled"
			if name := c.Text("FunctionName"); strings.HasSuffix(aws.Value(out.FunctionArn), ":"+name) {
				got["FunctionName"] = name
			}
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := lambdaapi.DeleteEventSourceMapping.Do(c, c.Peers, &lambdaapi.DeleteEventSourceMappingRequest{UUID: &c.ID})
			return err
		},
	},
	{
		Name: "AWS::Lambda::EventInvokeConfig",
		Create: func(c *Call) error {
			if _, err := Do(c, &lambdaapi.PutFunctionEventInvokeConfig); err != nil {
				return err
			}
			c.ID = c.Text("FunctionName") + "|" + c.Text("Qualifier")
			return nil
		},
		// A put sets all of it: what is not given is as for a function without.
		Update: func(c *Call) error {
			c.Take("DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts")
			_, err := Do(c, &lambdaapi.PutFunctionEventInvokeConfig)
			return err
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := lambdaapi.GetFunctionEventInvokeConfig.Do(c, c.Peers, &lambdaapi.GetFunctionEventInvokeConfigRequest{FunctionName: new(c.Text("FunctionName")), Qualifier: new(c.Text("Qualifier"))})
			if err != nil {
				return nil, err
			}
			got := Show(out, "DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts")
			got["FunctionName"], got["Qualifier"] = c.Text("FunctionName"), c.Text("Qualifier")
			return got, nil
		},
		Delete: func(c *Call) error {
			_, err := lambdaapi.DeleteFunctionEventInvokeConfig.Do(c, c.Peers, &lambdaapi.DeleteFunctionEventInvokeConfigRequest{FunctionName: new(c.Text("FunctionName")), Qualifier: new(c.Text("Qualifier"))})
			return err
		},
	},
}

// startingTime is where a mapping begins: seconds since 1970 in a template.
func startingTime(c *Call) (*time.Time, error) {
	text := c.Text("StartingPositionTimestamp")
	if text == "" {
		return nil, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, invalid("Value of property StartingPositionTimestamp must be of type Double")
	}
	return new(time.UnixMilli(int64(seconds * 1000)).UTC()), nil
}

// findMapping looks among the function's mappings for the one that this step made.
func findMapping(c *Call) error {
	in := &lambdaapi.ListEventSourceMappingsRequest{FunctionName: new(c.Text("FunctionName"))}
	for {
		out, err := lambdaapi.ListEventSourceMappings.Do(c, c.Peers, in)
		if Gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, m := range out.EventSourceMappings {
			ours, err := c.markedFunctionPart(m.EventSourceMappingArn)
			if err != nil {
				return err
			}
			if ours {
				c.found(*m.UUID)
				c.Set("Id", c.ID)
				c.Set("EventSourceMappingArn", *m.EventSourceMappingArn)
				return nil
			}
		}
		if in.Marker = out.NextMarker; aws.Value(in.Marker) == "" {
			return nil
		}
	}
}
