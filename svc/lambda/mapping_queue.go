package lambda

import (
	"strings"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

// What mappings of queues may be, beside what the model says.
const (
	defaultQueueBatch = 10
	// mostUnwaited is the largest batch that is not waited for.
	mostUnwaited = 10
)

// showQueue leaves out of a mapping what is said of streams alone. How the last batch went
// is told as far as something is wrong: AWS says nothing of it.
func (m *mapping) showQueue(out *api.EventSourceMappingConfiguration, result string) {
	out.StateTransitionReason = ptr("USER_INITIATED")
	if !strings.HasPrefix(result, "PROBLEM") {
		out.LastProcessingResult = nil
	}
	out.StartingPosition, out.ParallelizationFactor, out.BisectBatchOnFunctionError, out.MaximumRetryAttempts = nil, nil, nil, nil
	out.MaximumRecordAgeInSeconds, out.TumblingWindowInSeconds, out.DestinationConfig = nil, nil, nil
	if m.Concurrency > 0 {
		out.ScalingConfig = &api.ScalingConfig{MaximumConcurrency: &m.Concurrency}
	}
	if p := m.Pollers; p != nil {
		out.ProvisionedPollerConfig = &api.ProvisionedPollerConfig{PollerGroupName: optional(p.Group)}
		if p.Least > 0 {
			out.ProvisionedPollerConfig.MinimumPollers = &p.Least
		}
		if p.Most > 0 {
			out.ProvisionedPollerConfig.MaximumPollers = &p.Most
		}
	}
}

// checkQueueCreate refuses what is said of streams alone.
func checkQueueCreate(in *api.CreateEventSourceMappingRequest) error {
	if in.StartingPosition != nil || in.StartingPositionTimestamp != nil {
		return invalid("StartingPosition is not valid for SQS event sources.")
	}
	return checkForeign(foreign{
		"BisectBatchOnFunctionError": in.BisectBatchOnFunctionError != nil, "MaximumRetryAttempts": in.MaximumRetryAttempts != nil,
		"MaximumRecordAgeInSeconds": in.MaximumRecordAgeInSeconds != nil, "TumblingWindowInSeconds": in.TumblingWindowInSeconds != nil,
		"ParallelizationFactor": in.ParallelizationFactor != nil, "DestinationConfig": in.DestinationConfig != nil,
		"Queues": in.Queues != nil, "Topics": in.Topics != nil, "SourceAccessConfigurations": in.SourceAccessConfigurations != nil, "LoggingConfig": in.LoggingConfig != nil,
		"AmazonManagedKafkaEventSourceConfig": in.AmazonManagedKafkaEventSourceConfig != nil, "DocumentDBEventSourceConfig": in.DocumentDBEventSourceConfig != nil,
	})
}

// checkQueueUpdate does so for a change.
func checkQueueUpdate(in *api.UpdateEventSourceMappingRequest) error {
	return checkForeign(foreign{
		"BisectBatchOnFunctionError": in.BisectBatchOnFunctionError != nil, "MaximumRetryAttempts": in.MaximumRetryAttempts != nil,
		"MaximumRecordAgeInSeconds": in.MaximumRecordAgeInSeconds != nil, "TumblingWindowInSeconds": in.TumblingWindowInSeconds != nil,
		"ParallelizationFactor": in.ParallelizationFactor != nil, "DestinationConfig": in.DestinationConfig != nil,
		"SourceAccessConfigurations": in.SourceAccessConfigurations != nil, "LoggingConfig": in.LoggingConfig != nil,
		"AmazonManagedKafkaEventSourceConfig": in.AmazonManagedKafkaEventSourceConfig != nil, "DocumentDBEventSourceConfig": in.DocumentDBEventSourceConfig != nil,
		"SelfManagedKafkaEventSourceConfig": in.SelfManagedKafkaEventSourceConfig != nil,
	})
}

// scale sets how much of a queue is dealt with at once. What is empty takes back what was said.
func (m *mapping) scale(scaling *api.ScalingConfig, pollers *api.ProvisionedPollerConfig) error {
	if scaling != nil {
		m.Concurrency = aws.Value(scaling.MaximumConcurrency)
	}
	if pollers != nil {
		m.Pollers = nil
		if p := (pollerRule{aws.Value(pollers.MinimumPollers), aws.Value(pollers.MaximumPollers), aws.Value(pollers.PollerGroupName)}); p != (pollerRule{}) {
			m.Pollers = &p
		}
	}
	switch p := m.Pollers; {
	case p == nil:
		return nil
	case m.Concurrency > 0:
		return invalid("ScalingConfig and ProvisionedPollerConfig cannot be specified together.")
	case p.Least > 0 && p.Most > 0 && p.Least > p.Most:
		return invalid("MinimumPollers must be less than or equal to MaximumPollers.")
	}
	return nil
}

// checkQueue holds a mapping of a queue together.
func (m *mapping) checkQueue() error {
	switch {
	case m.Batch > mostUnwaited && m.Window == 0:
		return invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
	case m.Window > 0 && strings.HasSuffix(m.Source, fifo):
		return invalid("Batching window is not supported for FIFO queues")
	}
	return nil
}
