package events

import (
	"context"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What AWS publishes of EventBridge.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
const namespace = "AWS/Events"

// measure gives a value for each list of dimensions.
func (s *Service) measure(scope store.Scope, name, unit string, value float64, dimensions ...[]string) {
	for _, d := range dimensions {
		s.Meter.Measure(aws.Measurement{Account: scope.Account, Region: scope.Region, Namespace: namespace, Name: name, Unit: unit, Dimensions: d, Value: value})
	}
}

// count is measure of one event more, of a rule.
func (s *Service) count(bus busRef, rule, name string, value float64) {
	own := []string{"RuleName", rule}
	if bus.name != defaultBus {
		own = []string{"EventBusName", bus.name, "RuleName", rule}
	}
	s.measure(bus.scope, name, "Count", value, nil, own)
}

// measurePut is for one PutEvents.
func (s *Service) measurePut(ctx context.Context, began time.Time, size, entries, failed int) {
	scope := scopeOf(ctx)
	none := []string(nil)
	s.measure(scope, "PutEventsApproximateCallCount", "Count", 1, none)
	s.measure(scope, "PutEventsApproximateSuccessCount", "Count", 1, none)
	s.measure(scope, "PutEventsEntriesCount", "Count", float64(entries), none)
	s.measure(scope, "PutEventsFailedEntriesCount", "Count", float64(failed), none)
	s.measure(scope, "PutEventsRequestSize", "Bytes", float64(size), none)
	s.measure(scope, "PutEventsLatency", "Milliseconds", float64(s.Clock.Now().Sub(began).Microseconds())/1000, none)
}

// measureMatch is for an event that was held against the rules.
func (s *Service) measureMatch(f *flight) {
	if len(f.matched) == 0 {
		return
	}
	bus := busRef{f.key.scope, f.bus}
	s.measure(bus.scope, "MatchedEvents", "Count", 1, nil)
	perRule := map[string]int{}
	for _, t := range f.targets {
		perRule[t.Rule]++
	}
	for _, rule := range f.matched {
		s.count(bus, rule, "TriggeredRules", 1)
		s.count(bus, rule, "InvocationsCreated", float64(perRule[rule]))
	}
}

// measureAttempt is for one try of a delivery.
func (s *Service) measureAttempt(d *delivery, tries int, out outcome) {
	s.count(d.bus, d.rule.Name, "InvocationAttempts", 1)
	if tries > 1 {
		s.count(d.bus, d.rule.Name, "RetryInvocationAttempts", 1)
	}
	if out.err != nil {
		return
	}
	s.count(d.bus, d.rule.Name, "Invocations", 1)
	s.count(d.bus, d.rule.Name, "SuccessfulInvocationAttempts", 1)
	took := float64(s.Clock.Now().Sub(d.accepted).Microseconds()) / 1000
	own := []string{"RuleName", d.rule.Name}
	if d.bus.name != defaultBus {
		own = []string{"EventBusName", d.bus.name, "RuleName", d.rule.Name}
	}
	s.measure(d.bus.scope, "IngestionToInvocationCompleteLatency", "Milliseconds", took, nil, own)
}

// measureFailure is for a delivery that failed for good.
func (s *Service) measureFailure(d *delivery) {
	s.count(d.bus, d.rule.Name, "Invocations", 1)
	s.count(d.bus, d.rule.Name, "FailedInvocations", 1)
}

// measureBurial is for an event that went, or should have gone, to a dead-letter queue.
func (s *Service) measureBurial(d *delivery, taken bool) {
	if !taken {
		s.count(d.bus, d.rule.Name, "InvocationsFailedToBeSentToDlq", 1)
		return
	}
	s.count(d.bus, d.rule.Name, "InvocationsSentToDlq", 1)
	s.count(d.bus, d.rule.Name, "DeadLetterInvocations", 1)
}
