package lambda

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// mapping is an event source mapping's record, under its UUID: which function is
// called with what comes from which source, and how. The pollers follow it.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html
type mapping struct {
	UUID      string
	Function  string
	Qualifier string `json:",omitempty"`
	Source    string // ARN
	Enabled   bool
	Start     string            `json:",omitempty"` // StartingPosition
	Since     time.Time         `json:",omitzero"`  // StartingPositionTimestamp
	Batch     int32             // records at most
	Window    int32             `json:",omitempty"` // seconds to wait for a full batch
	Parallel  int32             // invokes at once, per shard
	Bisect    bool              `json:",omitempty"`
	Retries   int32             // -1 is for ever
	Age       int32             // seconds; -1 is for ever
	Partial   bool              `json:",omitempty"` // ReportBatchItemFailures
	Tumbling  int32             `json:",omitempty"` // seconds
	OnFailure string            `json:",omitempty"` // ARN
	Filters   []string          `json:",omitempty"`
	Metrics   []string          `json:",omitempty"`
	Tags      map[string]string `json:",omitempty"`
	// Concurrency is how many batches of a queue there may be at once, 0 as many as it takes.
	Concurrency int32       `json:",omitempty"`
	Pollers     *pollerRule `json:",omitempty"`
	Modified    time.Time
	// Revision is new with every change.
	Revision string
}

// pollerRule is a ProvisionedPollerConfig; what is not said is 0 or "".
type pollerRule struct {
	Least, Most int32
	Group       string `json:",omitempty"`
}

// What the service keeps of mappings.
var (
	mappingRecords    = store.NewTable[mapping]("lambda", "mapping")
	checkpointRecords = store.NewTable[checkpoint]("lambda", "checkpoint") // by UUID and shard
	resultRecords     = store.NewTable[string]("lambda", "mappingresult")  // LastProcessingResult, by UUID
	// Batches given up, by UUID and a number, were kept here until their destinations could
	// be told; see adopt.
	discardedRecords = store.NewTable[discarded]("lambda", "discarded")
)

func (m *mapping) function(scope store.Scope) ref { return ref{scope, m.Function} }

func mappingARN(scope store.Scope, uuid string) string {
	return aws.NewARN("lambda", scope.Region, scope.Account, "event-source-mapping:"+uuid).String()
}

// The states that are told in passing, as AWS does; what is told next is what is.
const (
	mappingCreating  = "Creating"
	mappingEnabled   = "Enabled"
	mappingDisabling = "Disabling"
	mappingDisabled  = "Disabled"
	mappingEnabling  = "Enabling"
	mappingUpdating  = "Updating"
	mappingDeleting  = "Deleting"
)

// nothingYet is the LastProcessingResult of a mapping that has called nobody.
const nothingYet = "No records processed"

// shown is the mapping as answers show it.
func (m *mapping) shown(scope store.Scope, state, result string) *api.EventSourceMappingConfiguration {
	out := &api.EventSourceMappingConfiguration{
		UUID: &m.UUID, EventSourceMappingArn: ptr(mappingARN(scope, m.UUID)), EventSourceArn: &m.Source, FunctionArn: ptr(m.function(scope).arn(m.Qualifier)),
		State: &state, StateTransitionReason: ptr("User action"), LastModified: &m.Modified, LastProcessingResult: &result,
		StartingPosition: optional(m.Start), BatchSize: &m.Batch, MaximumBatchingWindowInSeconds: &m.Window, ParallelizationFactor: &m.Parallel,
		BisectBatchOnFunctionError: &m.Bisect, MaximumRetryAttempts: &m.Retries, MaximumRecordAgeInSeconds: &m.Age, TumblingWindowInSeconds: &m.Tumbling,
		FunctionResponseTypes: []string{}, DestinationConfig: &api.DestinationConfig{OnFailure: &api.OnFailure{Destination: optional(m.OnFailure)}},
	}
	if !m.Since.IsZero() {
		out.StartingPositionTimestamp = &m.Since
	}
	if isQueue(m.Source) {
		m.showQueue(out, result)
	}
	if m.Partial {
		out.FunctionResponseTypes = []string{api.FunctionResponseTypeReportBatchItemFailures}
	}
	if len(m.Filters) > 0 {
		out.FilterCriteria = &api.FilterCriteria{}
		for _, f := range m.Filters {
			out.FilterCriteria.Filters = append(out.FilterCriteria.Filters, api.Filter{Pattern: &f})
		}
	}
	if len(m.Metrics) > 0 {
		out.MetricsConfig = &api.EventSourceMappingMetricsConfig{Metrics: m.Metrics}
	}
	return out
}

// state is how a mapping is, now that nobody is changing it.
func (s *Service) mappingState(scope store.Scope, m *mapping) string {
	switch {
	case m.Enabled:
		return mappingEnabled
	case s.pollers.busy(mappingKey{scope, m.UUID}):
		return mappingDisabling
	}
	return mappingDisabled
}

// mappingScope is where the caller's mappings are.
func mappingScope(ctx context.Context) store.Scope {
	req := aws.RequestOf(ctx)
	return store.Scope{Account: req.Account(), Region: req.Region}
}

// mapping reads a mapping, and how its last batch went.
func (s *Service) mapping(ctx context.Context, r store.Reader, scope store.Scope, uuid string) (m mapping, result string, err error) {
	m, err = mappingRecords.Get(ctx, r, scope, uuid)
	if errors.Is(err, store.ErrNotFound) {
		return m, "", notFound("The resource you requested does not exist.")
	}
	if err != nil {
		return m, "", err
	}
	if result, err = resultRecords.Get(ctx, r, scope, uuid); errors.Is(err, store.ErrNotFound) {
		result, err = nothingYet, nil
	}
	return m, result, err
}

func (s *Service) createMapping(ctx context.Context, in *api.CreateEventSourceMappingRequest) (*api.EventSourceMappingConfiguration, error) {
	scope := mappingScope(ctx)
	m := mapping{UUID: aws.RandomUUID(s.Random), Enabled: in.Enabled == nil || *in.Enabled, Source: aws.Value(in.EventSourceArn),
		Start: aws.Value(in.StartingPosition), Since: aws.Value(in.StartingPositionTimestamp), Tags: in.Tags, Parallel: 1, Retries: -1, Age: -1}
	if err := checkMappingCreate(in, s.Clock.Now()); err != nil {
		return nil, err
	}
	m.Batch = defaultBatch
	if isQueue(m.Source) {
		m.Batch = defaultQueueBatch
	}
	if err := m.configure(settingsOfCreate(in)); err != nil {
		return nil, err
	}
	t, err := s.mappingTarget(ctx, &m, in.FunctionName)
	if err != nil {
		return nil, err
	}
	as, err := s.asRole(ctx, t)
	if err != nil {
		return nil, err
	}
	var src eventSource
	if isQueue(m.Source) {
		err = (&queueSource{s, m.Source}).probe(as, t.version.Timeout)
	} else if src, err = s.eventSource(scope, m.Source); err == nil {
		err = src.probe(as)
	}
	if err == nil {
		err = s.checkOutlet(ctx, t.at, t.version.Role, m.OnFailure, deniedOnService)
	}
	if err != nil {
		return nil, err
	}
	s.touchMapping(&m)
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		for e, err := range mappingRecords.List(ctx, tx, scope, store.ListOptions{}) {
			if err != nil {
				return err
			}
			if o := e.Record; o.Source == m.Source && o.Function == m.Function && o.Qualifier == m.Qualifier {
				return m.taken(o.UUID)
			}
		}
		return mappingRecords.Put(tx, scope, m, m.UUID)
	})
	if err != nil {
		return nil, err
	}
	if m.Enabled && src != nil {
		// From here on nothing is missed. If this fails, the poller does it.
		s.warn("find where an event source mapping begins", s.beginMapping(as, scope, &m, src))
	}
	return m.shown(scope, mappingCreating, nothingYet), nil
}

// taken says that another mapping is the same.
func (m *mapping) taken(uuid string) error {
	if isQueue(m.Source) {
		return conflict("An event source mapping with SQS arn (\" %s \") and function (\" %s \") already exists. Please update or delete the existing mapping with UUID %s",
			m.Source, m.Function, uuid)
	}
	return conflict("The event source arn (\" %s \") and function (\" %s \") provided mapping already exists. Please update or delete the existing mapping with UUID %s",
		m.Source, m.Function, uuid)
}

// mappingTarget finds the function that a mapping is to call, and writes it down.
func (s *Service) mappingTarget(ctx context.Context, m *mapping, name *string) (*target, error) {
	t, err := s.find(ctx, name, nil)
	if aws.CodeOf(err) == "ResourceNotFoundException" {
		return nil, invalid("Function does not exist")
	}
	if err != nil {
		return nil, err
	}
	if t.at.scope.Account != aws.RequestOf(ctx).Account() {
		return nil, invalid("Function does not exist")
	}
	m.Function, m.Qualifier = t.at.name, t.qualifier
	return t, nil
}

func (s *Service) touchMapping(m *mapping) {
	m.Modified, m.Revision = s.now(), aws.RandomUUID(s.Random)
}

func (s *Service) getMapping(ctx context.Context, in *api.GetEventSourceMappingRequest) (*api.EventSourceMappingConfiguration, error) {
	scope := mappingScope(ctx)
	var m mapping
	var result string
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		m, result, err = s.mapping(ctx, r, scope, *in.UUID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m.shown(scope, s.mappingState(scope, &m), result), nil
}

func (s *Service) listMappings(ctx context.Context, in *api.ListEventSourceMappingsRequest) (*api.ListEventSourceMappingsResponse, error) {
	scope := mappingScope(ctx)
	o, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	o.Limit = 0 // not all that are read are listed
	var of *target
	if in.FunctionName != nil {
		if of, err = s.find(ctx, in.FunctionName, nil); err != nil {
			return nil, err
		}
	}
	var out *api.ListEventSourceMappingsResponse
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = &api.ListEventSourceMappingsResponse{EventSourceMappings: []api.EventSourceMappingConfiguration{}}
		last := ""
		for e, err := range mappingRecords.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			m := &e.Record
			if of != nil && (m.Function != of.at.name || m.Qualifier != of.qualifier) || in.EventSourceArn != nil && m.Source != *in.EventSourceArn {
				continue
			}
			if len(out.EventSourceMappings) == limit {
				out.NextMarker = ptr(aws.Token(last))
				break
			}
			_, result, err := s.mapping(ctx, r, scope, m.UUID)
			if err != nil {
				return err
			}
			last = m.UUID
			out.EventSourceMappings = append(out.EventSourceMappings, *m.shown(scope, s.mappingState(scope, m), result))
		}
		return nil
	})
	return out, err
}

func (s *Service) updateMapping(ctx context.Context, in *api.UpdateEventSourceMappingRequest) (*api.EventSourceMappingConfiguration, error) {
	scope := mappingScope(ctx)
	if err := s.checkOnFailure(ctx, scope, in); err != nil {
		return nil, err
	}
	var m mapping
	var result string
	state := mappingUpdating
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if m, result, err = s.mapping(ctx, tx, scope, *in.UUID); err != nil {
			return err
		}
		if err := m.checkUpdate(in); err != nil {
			return err
		}
		state = mappingUpdating
		if in.Enabled != nil && *in.Enabled != m.Enabled {
			if m.Enabled, state = *in.Enabled, mappingDisabling; m.Enabled {
				state = mappingEnabling
			}
		}
		if err := m.configure(settingsOfUpdate(in)); err != nil {
			return err
		}
		if in.FunctionName != nil {
			if err := s.redirect(ctx, tx, &m, in.FunctionName); err != nil {
				return err
			}
		}
		s.touchMapping(&m)
		return mappingRecords.Put(tx, scope, m, m.UUID)
	})
	if err != nil {
		return nil, err
	}
	return m.shown(scope, state, result), nil
}

// checkOnFailure refuses a change to a destination that the function's role cannot reach.
func (s *Service) checkOnFailure(ctx context.Context, scope store.Scope, in *api.UpdateEventSourceMappingRequest) error {
	if in.DestinationConfig == nil || in.DestinationConfig.OnFailure == nil {
		return nil
	}
	m, err := s.peekMapping(ctx, *in.UUID)
	if err != nil || m.UUID == "" || isQueue(m.Source) {
		return err
	}
	name := in.FunctionName
	if name == nil {
		name = ptr(m.function(scope).arn(m.Qualifier))
	}
	t, err := s.find(ctx, name, nil)
	if err != nil {
		return nil // the transaction says what is wrong with the function
	}
	return s.checkOutlet(ctx, t.at, t.version.Role, aws.Value(in.DestinationConfig.OnFailure.Destination), deniedOnService)
}

// redirect makes a mapping call another function.
func (s *Service) redirect(ctx context.Context, r store.Reader, m *mapping, name *string) error {
	at, q, err := parseName(ctx, name, nil)
	if err != nil {
		return err
	}
	if _, err := s.resolve(ctx, r, at, q); aws.CodeOf(err) == "ResourceNotFoundException" || at.scope.Account != aws.RequestOf(ctx).Account() {
		return invalid("Function does not exist")
	} else if err != nil {
		return err
	}
	m.Function, m.Qualifier = at.name, q
	return nil
}

// deleteMapping deletes a mapping at once. What is being called with goes on to its
// end, which nobody notes any more.
func (s *Service) deleteMapping(ctx context.Context, in *api.DeleteEventSourceMappingRequest) (*api.EventSourceMappingConfiguration, error) {
	scope := mappingScope(ctx)
	var m mapping
	var result string
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if m, result, err = s.mapping(ctx, tx, scope, *in.UUID); err != nil {
			return err
		}
		return errors.Join(mappingRecords.Delete(tx, scope, m.UUID), resultRecords.Delete(tx, scope, m.UUID),
			checkpointRecords.DeleteAll(tx, scope, m.UUID))
	})
	if err != nil {
		return nil, err
	}
	return m.shown(scope, mappingDeleting, result), nil
}

// The guards. AWS's reference knows no resource for creating and listing mappings.

func guardMappings(context.Context, *api.ListEventSourceMappingsRequest) ([]aws.Access, error) {
	return []aws.Access{{Resource: "*"}}, nil
}

func (s *Service) guardCreateMapping(ctx context.Context, in *api.CreateEventSourceMappingRequest) ([]aws.Access, error) {
	at, q, err := parseName(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	keys := aws.RequestTags(map[string][]string{"lambda:FunctionArn": {at.arn(q)}}, in.Tags)
	needs := []aws.Access{{Resource: "*", Keys: keys}}
	if len(in.Tags) > 0 {
		needs = append(needs, aws.Access{Action: api.TagResource.IAMAction(), Resource: mappingARN(mappingScope(ctx), "*"), Keys: aws.RequestTags(nil, in.Tags)})
	}
	return needs, nil
}

// onMapping is the guard of an operation on one mapping. The function that it calls is
// a condition key, and so is that which it is to call.
func onMapping[In any](s *Service, names func(in *In) (uuid, function *string)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		uuid, function := names(in)
		var functions []string
		if function != nil {
			at, q, err := parseName(ctx, function, nil)
			if err != nil {
				return nil, err
			}
			functions = []string{at.arn(q)}
		}
		m, err := s.peekMapping(ctx, *uuid)
		if err != nil {
			return nil, err
		}
		if m.Function != "" {
			functions = append(functions, m.function(mappingScope(ctx)).arn(m.Qualifier))
		}
		slices.Sort(functions)
		keys := map[string][]string{}
		if len(functions) > 0 {
			keys["lambda:FunctionArn"] = slices.Compact(functions)
		}
		return s.mappingAccess(ctx, *uuid, &m, keys)
	}
}

// peekMapping is a mapping for a guard: one that is not there is empty, which the
// operation will say to those who may know.
func (s *Service) peekMapping(ctx context.Context, uuid string) (m mapping, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		m, err = mappingRecords.Get(ctx, r, mappingScope(ctx), uuid)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return m, err
}

// mappingAccess is an operation's action on a mapping, whose tags are read when a policy
// asks unless it is known.
func (s *Service) mappingAccess(ctx context.Context, uuid string, m *mapping, keys map[string][]string) ([]aws.Access, error) {
	return []aws.Access{{Resource: mappingARN(mappingScope(ctx), uuid), Keys: keys, Tags: func(ctx context.Context) (map[string]string, error) {
		if m != nil {
			return m.Tags, nil
		}
		found, err := s.peekMapping(ctx, uuid)
		return found.Tags, err
	}}}, nil
}

// parseMapping is the UUID in a mapping's ARN.
func parseMapping(arn *string) (uuid string, ok bool) {
	a, _ := aws.ParseARN(aws.Value(arn))
	return strings.CutPrefix(a.Resource, "event-source-mapping:")
}

func (s *Service) taggedMapping(scope store.Scope, uuid string) tagged {
	return tagged{
		read: func(ctx context.Context, r store.Reader) (map[string]string, error) {
			m, _, err := s.mapping(ctx, r, scope, uuid)
			return m.Tags, err
		},
		write: func(ctx context.Context, tx store.Tx, tags map[string]string) error {
			m, _, err := s.mapping(ctx, tx, scope, uuid)
			if err != nil {
				return err
			}
			m.Tags = tags // the poller need not hear of it: the revision stays
			return mappingRecords.Put(tx, scope, m, m.UUID)
		},
	}
}
