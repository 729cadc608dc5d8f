package lambda

import (
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
)

// What mappings of streams may be, beside what the model says.
const (
	defaultBatch = 100
	minAge       = 60 // seconds
	maxFilters   = 5
)

// mappingSettings are what can be said of a mapping, at first and later; nil leaves it as it is.
type mappingSettings struct {
	batch, window, parallel, retries, age, tumbling *int32
	bisect                                          *bool
	responses, metrics                              []string
	destination                                     *api.DestinationConfig
	filters                                         *api.FilterCriteria
	scaling                                         *api.ScalingConfig
	pollers                                         *api.ProvisionedPollerConfig
}

func settingsOfCreate(in *api.CreateEventSourceMappingRequest) mappingSettings {
	s := mappingSettings{batch: in.BatchSize, window: in.MaximumBatchingWindowInSeconds, parallel: in.ParallelizationFactor, retries: in.MaximumRetryAttempts,
		age: in.MaximumRecordAgeInSeconds, tumbling: in.TumblingWindowInSeconds, bisect: in.BisectBatchOnFunctionError, responses: in.FunctionResponseTypes,
		destination: in.DestinationConfig, filters: in.FilterCriteria, scaling: in.ScalingConfig, pollers: in.ProvisionedPollerConfig}
	if in.MetricsConfig != nil {
		s.metrics = in.MetricsConfig.Metrics
	}
	return s
}

func settingsOfUpdate(in *api.UpdateEventSourceMappingRequest) mappingSettings {
	s := mappingSettings{batch: in.BatchSize, window: in.MaximumBatchingWindowInSeconds, parallel: in.ParallelizationFactor, retries: in.MaximumRetryAttempts,
		age: in.MaximumRecordAgeInSeconds, tumbling: in.TumblingWindowInSeconds, bisect: in.BisectBatchOnFunctionError, responses: in.FunctionResponseTypes,
		destination: in.DestinationConfig, filters: in.FilterCriteria, scaling: in.ScalingConfig, pollers: in.ProvisionedPollerConfig}
	if in.MetricsConfig != nil {
		s.metrics = in.MetricsConfig.Metrics
	}
	return s
}

// sourceNames are the sources that AWS has and Tule has not yet, by service.
var sourceNames = map[string]string{
	"kafka": "Managed Streaming for Apache Kafka", "mq": "Amazon MQ", "rds": "DocumentDB",
}

// checkEventSource refuses a source that Tule cannot read.
func checkEventSource(arn string) error {
	a, ok := aws.ParseARN(arn)
	if !ok {
		return invalid("Unrecognized event source.")
	}
	if name, known := sourceNames[a.Service]; known {
		return unbuilt("Event source mappings of " + name + " are")
	}
	if isQueue(arn) || isDataStream(arn) {
		return nil
	}
	if a.Service != "dynamodb" || !strings.HasPrefix(a.Resource, "table/") || !strings.Contains(a.Resource, "/stream/") {
		return invalid("Unrecognized event source.")
	}
	return nil
}

func checkMappingCreate(in *api.CreateEventSourceMappingRequest, now time.Time) error {
	switch {
	case in.SelfManagedEventSource != nil || in.SelfManagedKafkaEventSourceConfig != nil:
		return unbuilt("Event source mappings of Apache Kafka are")
	case in.EventSourceArn == nil:
		return invalid("Unrecognized event source.")
	}
	if err := checkEventSource(*in.EventSourceArn); err != nil {
		return err
	}
	if isQueue(*in.EventSourceArn) {
		if err := checkQueueCreate(in); err != nil {
			return err
		}
		return checkMappingRest(in)
	}
	if err := checkStart(in, now); err != nil {
		return err
	}
	if err := checkForeign(foreign{
		"ScalingConfig": in.ScalingConfig != nil, "ProvisionedPollerConfig": in.ProvisionedPollerConfig != nil, "Queues": in.Queues != nil,
		"Topics": in.Topics != nil, "SourceAccessConfigurations": in.SourceAccessConfigurations != nil, "LoggingConfig": in.LoggingConfig != nil,
		"AmazonManagedKafkaEventSourceConfig": in.AmazonManagedKafkaEventSourceConfig != nil, "DocumentDBEventSourceConfig": in.DocumentDBEventSourceConfig != nil,
	}); err != nil {
		return err
	}
	return checkMappingRest(in)
}

// checkStart checks where the reading of a stream is to begin.
func checkStart(in *api.CreateEventSourceMappingRequest, now time.Time) error {
	start, since := aws.Value(in.StartingPosition), in.StartingPositionTimestamp
	switch {
	case start == "":
		return invalid("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
	case start != startSince && since == nil:
		return nil
	case start != startSince || !isDataStream(*in.EventSourceArn):
		return invalid("Unsupported starting position for arn type: %s", *in.EventSourceArn)
	case since == nil:
		return invalid("StartingPositionTimestamp is required when StartingPosition is AT_TIMESTAMP.")
	case since.After(now):
		return invalid("StartingPositionTimestamp must not be in the future.")
	}
	return nil
}

// checkMappingRest checks what mappings of all sources have.
func checkMappingRest(in *api.CreateEventSourceMappingRequest) error {
	if len(in.Tags) > maxTags {
		return invalid("Number of tags exceeds resource tag limit.")
	}
	return checkKey(in.KMSKeyArn)
}

// checkUpdate holds a change to what the mapping's source is.
func (m *mapping) checkUpdate(in *api.UpdateEventSourceMappingRequest) error {
	if isQueue(m.Source) {
		if err := checkQueueUpdate(in); err != nil {
			return err
		}
		return checkKey(in.KMSKeyArn)
	}
	if err := checkForeign(foreign{
		"ScalingConfig": in.ScalingConfig != nil, "ProvisionedPollerConfig": in.ProvisionedPollerConfig != nil,
		"SourceAccessConfigurations": in.SourceAccessConfigurations != nil, "LoggingConfig": in.LoggingConfig != nil,
		"AmazonManagedKafkaEventSourceConfig": in.AmazonManagedKafkaEventSourceConfig != nil, "DocumentDBEventSourceConfig": in.DocumentDBEventSourceConfig != nil,
		"SelfManagedKafkaEventSourceConfig": in.SelfManagedKafkaEventSourceConfig != nil,
	}); err != nil {
		return err
	}
	return checkKey(in.KMSKeyArn)
}

// foreign are parameters for sources of other kinds, and whether they were given.
type foreign map[string]bool

func checkForeign(f foreign) error {
	for _, name := range []string{"BisectBatchOnFunctionError", "MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "TumblingWindowInSeconds",
		"ParallelizationFactor", "DestinationConfig", "ScalingConfig", "ProvisionedPollerConfig", "Queues", "Topics", "SourceAccessConfigurations", "LoggingConfig",
		"AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig"} {
		if f[name] {
			return invalid("Unsupported %s parameter for given event source mapping type.", name)
		}
	}
	return nil
}

func checkKey(arn *string) error {
	if aws.Value(arn) != "" {
		return unbuilt("Encryption of filter criteria by keys of KMS is")
	}
	return nil
}

// configure writes what is given into a mapping, and checks it all together.
func (m *mapping) configure(s mappingSettings) error {
	for to, from := range map[*int32]*int32{&m.Batch: s.batch, &m.Window: s.window, &m.Parallel: s.parallel, &m.Retries: s.retries, &m.Age: s.age, &m.Tumbling: s.tumbling} {
		if from != nil {
			*to = *from
		}
	}
	if s.bisect != nil {
		m.Bisect = *s.bisect
	}
	if s.responses != nil {
		m.Partial = len(s.responses) > 0
	}
	if s.metrics != nil {
		m.Metrics = s.metrics
	}
	if err := m.direct(s.destination); err != nil {
		return err
	}
	if err := m.scale(s.scaling, s.pollers); err != nil {
		return err
	}
	if s.filters != nil {
		m.Filters = nil
		for _, f := range s.filters.Filters {
			m.Filters = append(m.Filters, aws.Value(f.Pattern))
		}
	}
	if len(m.Filters) > maxFilters {
		return invalid("Filter criteria has %d filters; the limit is %d.", len(m.Filters), maxFilters)
	}
	if _, err := parseFilters(m.Filters); err != nil {
		return invalid("Invalid filter pattern definition.")
	}
	if isQueue(m.Source) {
		return m.checkQueue()
	}
	switch {
	case m.Age != -1 && m.Age < minAge:
		return invalidValue(m.Age, "maximumRecordAgeInSeconds", "Member must have value -1, or greater than or equal to 60")
	case m.Tumbling > 0 && m.Parallel > 1:
		return invalid("ParallelizationFactor must be 1 when TumblingWindowInSeconds is set.")
	}
	return nil
}

// direct sets where what is given up is told.
func (m *mapping) direct(d *api.DestinationConfig) error {
	if d == nil {
		return nil
	}
	if d.OnSuccess != nil {
		return invalid("Unsupported DestinationConfig parameter for given event source mapping type.")
	}
	m.OnFailure = ""
	if d.OnFailure == nil || aws.Value(d.OnFailure.Destination) == "" {
		return nil
	}
	a, ok := aws.ParseARN(*d.OnFailure.Destination)
	if !ok || a.Service != "sqs" && a.Service != "sns" && a.Service != "s3" {
		return invalid("The destination ARN %s is invalid.", *d.OnFailure.Destination)
	}
	m.OnFailure = *d.OnFailure.Destination
	return nil
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
