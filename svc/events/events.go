// Package events is EventBridge, which was once CloudWatch Events: buses, rules with
// patterns and schedules, their targets, archives and replays, connections and API
// destinations.
//
// PutEvents is one transaction: it holds each event against the rules of its bus, and
// stores it beside the targets that it goes to, and in the archives that want it. From
// then on every delivery happens, whatever becomes of the process; an event may come
// twice, as on AWS. A lane per target delivers, so that one that hangs keeps nobody else
// waiting. What is due by a schedule is in the store, and when it is due it goes the same
// way, in the transaction that says when it is due next.
//
// What differs from AWS on purpose:
//
//   - Changes of rules and targets count at once, for events that were accepted before
//     too: what waits for a target that is gone is dropped.
//   - A rule's schedule that was due while Tule was down is not made up for, as on AWS;
//     the log says how often it was missed.
//   - Targets of services that are not here are stored, and what is sent to them goes to
//     the dead-letter queue, with the reason.
//   - There are no partners: their event sources can be made, activated and put to within
//     the same installation, by whoever may.
//   - Global endpoints, KMS keys and the logging of buses are stored and shown; an event
//     that is put to an endpoint goes to its first bus.
//   - The secrets of connections are sealed within Tule; SecretArn names no secret.
//   - An archive's EventCount and SizeBytes are those of now, not of a day ago.
//
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/Welcome.html
package events

import (
	"context"
	"io"
	"log/slog"
	"sync"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// principal is EventBridge as it calls other services.
const principal = "events.amazonaws.com"

// Options are what the service needs. Store, Clock, Random and Peers are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger
	// Peers are the other services, as the front door opens them.
	Peers aws.Peers
	// Meter takes what the service measures of itself; nobody if nil.
	Meter aws.Meter
	// Allow asks whether the caller of ctx may do all of needs. Nil allows everything.
	Allow func(ctx context.Context, needs ...aws.Access) error
	// Secrets seal what connections authorise themselves with. Nil keeps no connections.
	Secrets Sealer
	// HTTP reaches API destinations. Nil reaches none.
	HTTP RoundTripper
}

// A Sealer seals what is only for who has the installation's key.
type Sealer interface {
	Seal(text []byte, context string) ([]byte, error)
	Open(sealed []byte, context string) ([]byte, error)
}

// Service answers the operations of EventBridge.
type Service struct {
	Options
	views      views
	sessions   sessions
	deliveries *dispatcher
	tokens     tokens
	limits     limits
	wake       chan struct{} // something may be due earlier than was thought
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	if o.Allow == nil {
		o.Allow = func(context.Context, ...aws.Access) error { return nil }
	}
	o.Random = aws.SharedReader(o.Random)
	s := &Service{Options: o, wake: make(chan struct{}, 1)}
	s.deliveries = newDispatcher(s)
	return s
}

// What the service keeps.
var (
	buses        = store.NewTable[bus]("events", "bus")                // name
	rules        = store.NewTable[rule]("events", "rule")              // bus, name
	targets      = store.NewTable[api.Target]("events", "target")      // bus, rule, id
	byTarget     = store.NewTable[[]byte]("events", "bytarget")        // bus, target's ARN, rule, id
	versions     = store.NewCounter("events", "version")               // bus: counts changes of its rules and archives
	changes      = store.NewTable[change]("events", "change")          // bus, version
	dueRules     = store.NewTable[[]byte]("events", "due")             // installation's: time, account, region, rule
	waiting      = store.NewTable[flightRecord]("events", "f")         // time, event's id
	archives     = store.NewTable[archive]("events", "archive")        // name
	archived     = store.NewTable[[]byte]("events", "archived")        // archive, its number, time, event's id → the event
	replays      = store.NewTable[replay]("events", "replay")          // name
	connections  = store.NewTable[connection]("events", "connection")  // name
	destinations = store.NewTable[destination]("events", "apidest")    // name
	endpoints    = store.NewTable[api.Endpoint]("events", "endpoint")  // name
	sources      = store.NewTable[partnerSource]("events", "source")   // account that it is for: name
	offers       = store.NewTable[partnerSource]("events", "partners") // partner's account: name, account that it is for
)

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return append(s.settingRoutes(), []aws.Route{
		api.CreateEventBus.To(s.createEventBus, s.guardCreateBus),
		api.DeleteEventBus.To(s.deleteEventBus, onBus(s, func(in *api.DeleteEventBusRequest) *string { return in.Name })),
		api.DescribeEventBus.To(s.describeEventBus, onBus(s, func(in *api.DescribeEventBusRequest) *string { return in.Name })),
		api.ListEventBuses.To(s.listEventBuses, aws.Anywhere),
		api.UpdateEventBus.To(s.updateEventBus, onBus(s, func(in *api.UpdateEventBusRequest) *string { return in.Name })),
		api.PutPermission.To(s.putPermission, aws.Anywhere),
		api.RemovePermission.To(s.removePermission, aws.Anywhere),

		api.PutRule.To(s.putRule, s.guardPutRule),
		api.DeleteRule.To(s.deleteRule, onRule(s, true, func(in *api.DeleteRuleRequest) (*string, *string) { return in.EventBusName, in.Name })),
		api.DescribeRule.To(s.describeRule, onRule(s, false, func(in *api.DescribeRuleRequest) (*string, *string) { return in.EventBusName, in.Name })),
		api.EnableRule.To(s.enableRule, onRule(s, true, func(in *api.EnableRuleRequest) (*string, *string) { return in.EventBusName, in.Name })),
		api.DisableRule.To(s.disableRule, onRule(s, true, func(in *api.DisableRuleRequest) (*string, *string) { return in.EventBusName, in.Name })),
		api.ListRules.To(s.listRules, aws.Anywhere),
		api.ListRuleNamesByTarget.To(s.listRuleNamesByTarget, aws.Anywhere),
		api.TestEventPattern.To(s.testEventPattern, aws.Anywhere),
		api.PutTargets.To(s.putTargets, s.guardPutTargets),
		api.RemoveTargets.To(s.removeTargets, onRule(s, true, func(in *api.RemoveTargetsRequest) (*string, *string) { return in.EventBusName, in.Rule })),
		api.ListTargetsByRule.To(s.listTargetsByRule, onRule(s, false, func(in *api.ListTargetsByRuleRequest) (*string, *string) { return in.EventBusName, in.Rule })),

		api.TagResource.To(s.tagResource, s.guardTag),
		api.UntagResource.To(s.untagResource, s.guardUntag),
		api.ListTagsForResource.To(s.listTagsForResource, s.guardListTags),

		api.PutEvents.To(s.putEvents, s.guardPutEvents),
		api.PutPartnerEvents.To(s.putPartnerEvents, aws.Anywhere),

		api.CreateArchive.To(s.createArchive, s.guardCreateArchive),
		api.UpdateArchive.To(s.updateArchive, onNamed(s, "archive", func(in *api.UpdateArchiveRequest) *string { return in.ArchiveName })),
		api.DeleteArchive.To(s.deleteArchive, onNamed(s, "archive", func(in *api.DeleteArchiveRequest) *string { return in.ArchiveName })),
		api.DescribeArchive.To(s.describeArchive, onNamed(s, "archive", func(in *api.DescribeArchiveRequest) *string { return in.ArchiveName })),
		api.ListArchives.To(s.listArchives, aws.Anywhere),
		api.StartReplay.To(s.startReplay, s.guardStartReplay),
		api.CancelReplay.To(s.cancelReplay, onNamed(s, "replay", func(in *api.CancelReplayRequest) *string { return in.ReplayName })),
		api.DescribeReplay.To(s.describeReplay, onNamed(s, "replay", func(in *api.DescribeReplayRequest) *string { return in.ReplayName })),
		api.ListReplays.To(s.listReplays, aws.Anywhere),
	}...)
}

// settingRoutes are the operations on what events go to, and come from.
func (s *Service) settingRoutes() []aws.Route {
	return []aws.Route{
		api.CreateConnection.To(s.createConnection, onNamed(s, "connection", func(in *api.CreateConnectionRequest) *string { return in.Name })),
		api.UpdateConnection.To(s.updateConnection, onNamed(s, "connection", func(in *api.UpdateConnectionRequest) *string { return in.Name })),
		api.DeauthorizeConnection.To(s.deauthorizeConnection, onNamed(s, "connection", func(in *api.DeauthorizeConnectionRequest) *string { return in.Name })),
		api.DeleteConnection.To(s.deleteConnection, onNamed(s, "connection", func(in *api.DeleteConnectionRequest) *string { return in.Name })),
		api.DescribeConnection.To(s.describeConnection, onNamed(s, "connection", func(in *api.DescribeConnectionRequest) *string { return in.Name })),
		api.ListConnections.To(s.listConnections, aws.Anywhere),
		api.CreateApiDestination.To(s.createDestination, s.guardCreateDestination),
		api.UpdateApiDestination.To(s.updateDestination, onNamed(s, "api-destination", func(in *api.UpdateApiDestinationRequest) *string { return in.Name })),
		api.DeleteApiDestination.To(s.deleteDestination, onNamed(s, "api-destination", func(in *api.DeleteApiDestinationRequest) *string { return in.Name })),
		api.DescribeApiDestination.To(s.describeDestination, onNamed(s, "api-destination", func(in *api.DescribeApiDestinationRequest) *string { return in.Name })),
		api.ListApiDestinations.To(s.listDestinations, aws.Anywhere),

		api.CreateEndpoint.To(s.createEndpoint, s.guardCreateEndpoint),
		api.UpdateEndpoint.To(s.updateEndpoint, s.guardUpdateEndpoint),
		api.DeleteEndpoint.To(s.deleteEndpoint, onNamed(s, "endpoint", func(in *api.DeleteEndpointRequest) *string { return in.Name })),
		api.DescribeEndpoint.To(s.describeEndpoint, onNamed(s, "endpoint", func(in *api.DescribeEndpointRequest) *string { return in.Name })),
		api.ListEndpoints.To(s.listEndpoints, aws.Anywhere),

		api.ActivateEventSource.To(s.activateSource, onSource(func(in *api.ActivateEventSourceRequest) *string { return in.Name })),
		api.DeactivateEventSource.To(s.deactivateSource, onSource(func(in *api.DeactivateEventSourceRequest) *string { return in.Name })),
		api.DescribeEventSource.To(s.describeSource, onSource(func(in *api.DescribeEventSourceRequest) *string { return in.Name })),
		api.ListEventSources.To(s.listSources, aws.Anywhere),
		api.CreatePartnerEventSource.To(s.createPartnerSource, onSource(func(in *api.CreatePartnerEventSourceRequest) *string { return in.Name })),
		api.DeletePartnerEventSource.To(s.deletePartnerSource, onSource(func(in *api.DeletePartnerEventSourceRequest) *string { return in.Name })),
		api.DescribePartnerEventSource.To(s.describePartnerSource, onSource(func(in *api.DescribePartnerEventSourceRequest) *string { return in.Name })),
		api.ListPartnerEventSourceAccounts.To(s.listPartnerSourceAccounts, onSource(func(in *api.ListPartnerEventSourceAccountsRequest) *string { return in.EventSourceName })),
		api.ListPartnerEventSources.To(s.listPartnerSources, aws.Anywhere),
	}
}

// Run delivers, fires schedules and replays until ctx ends. Deliveries under way are given
// up then, and are the next process's.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.runSchedules(ctx) })
	wg.Go(func() { s.runReplays(ctx) })
	err := s.deliveries.run(ctx)
	wg.Wait()
	return err
}

// scopeOf is where a call's resources are.
func scopeOf(ctx context.Context) store.Scope {
	req := aws.RequestOf(ctx)
	return store.Scope{Account: req.Account(), Region: req.Region}
}

// invalid is AWS's error for what a parameter must not be.
func invalid(format string, args ...any) *aws.Error {
	return aws.Errorf(400, "ValidationException", format, args...)
}

// exceeded is AWS's error for one thing too many.
func exceeded() error {
	return api.LimitExceededException("The requested resource exceeds the maximum number allowed.")
}

// text is a pointer to s, nil for "".
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
