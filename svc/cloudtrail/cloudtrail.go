// Package cloudtrail is CloudTrail in the small: the audit log of who did what, kept for
// 90 days and read with LookupEvents; trails, which deliver it to S3, CloudWatch Logs and
// SNS; and an account of what each principal has used.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/Welcome.html
//
// The front door tells Record of every call. Management events, reads and writes, are
// kept one by one, and so is every denial, of data events too; an allowed data event
// (GetItem, Invoke) only counts towards the activity of who called, unless a trail wants
// it. See docs/audit.md.
//
// What differs from AWS on purpose:
//
//   - An event can be looked up at once, not after minutes: a lookup writes down first
//     what waits. Data events that were denied are among the events.
//   - A look-up by EventId finds, beside the event of that id, those of the request of
//     that id: with the id in an error's answer one finds why.
//   - additionalEventData holds what policies decided: for each access by which policy and
//     statement, and for a denial the evaluation and the smallest statement that would
//     have allowed it. With --iam=audit, "passed" marks what would have been denied.
//   - eventName is the operation's name, without the API's date that AWS puts behind
//     Lambda's (CreateFunction20150331).
//   - A page looks at 20,000 events at most, so it may be empty and have a successor.
//   - There are no Insights events: selectors for them are noted, and nothing comes of them.
//   - Files of a trail are delivered each five minutes by Tule's clock, digests about each
//     hour. A digest covers the time since the one before, however long Tule was stopped.
//   - There are no event data stores, channels and dashboards.
package cloudtrail

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A Box keeps secrets from those who read the disk: what Seal makes, Open alone reads,
// with the same context.
type Box interface {
	Seal(text []byte, context string) ([]byte, error)
	Open(sealed []byte, context string) ([]byte, error)
}

// Options furnish a Service. Store, Clock and Random are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader // of ids
	Logger *slog.Logger
	// Allow asks whether the caller of ctx may; without it the plane answers nobody.
	Allow func(ctx context.Context, needs ...aws.Access) error
	// Peers are where trails deliver to; without, there can be none.
	Peers aws.Peers
	// Box seals the keys that sign digests.
	Box Box
	// Organization says in which organization an account is, and which account manages
	// it; nothing for none. Without it nobody is in one.
	Organization func(ctx context.Context, account string) (id, manager string, err error)
}

// A Service answers CloudTrail's operations and is told of every call.
type Service struct {
	Options
	activity   activity
	parameters parameters
	queue      queue
	writing    sync.Mutex // one batch after the other
	flushing   sync.Mutex // likewise, of the activity
	learning   sync.Mutex
	known      atomic.Pointer[interests] // nil: to be read from the store
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{Options: o, activity: newActivity(), queue: newQueue()}
}

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.LookupEvents.To(s.lookupEvents, aws.Anywhere),
		api.CreateTrail.To(s.createTrail, s.guardCreateTrail),
		api.UpdateTrail.To(s.updateTrail, s.guardUpdateTrail),
		api.DeleteTrail.To(s.deleteTrail, onTrail(s, func(in *api.DeleteTrailRequest) *string { return in.Name })),
		api.GetTrail.To(s.getTrail, onTrail(s, func(in *api.GetTrailRequest) *string { return in.Name })),
		api.DescribeTrails.To(s.describeTrails, aws.Anywhere),
		api.ListTrails.To(s.listTrails, aws.Anywhere),
		api.StartLogging.To(s.startLogging, onTrail(s, func(in *api.StartLoggingRequest) *string { return in.Name })),
		api.StopLogging.To(s.stopLogging, onTrail(s, func(in *api.StopLoggingRequest) *string { return in.Name })),
		api.GetTrailStatus.To(s.getTrailStatus, onTrail(s, func(in *api.GetTrailStatusRequest) *string { return in.Name })),
		api.PutEventSelectors.To(s.putEventSelectors, onTrail(s, func(in *api.PutEventSelectorsRequest) *string { return in.TrailName })),
		api.GetEventSelectors.To(s.getEventSelectors, onTrail(s, func(in *api.GetEventSelectorsRequest) *string { return in.TrailName })),
		api.PutInsightSelectors.To(s.putInsightSelectors, onTrail(s, func(in *api.PutInsightSelectorsRequest) *string { return in.TrailName })),
		api.GetInsightSelectors.To(s.getInsightSelectors, onTrail(s, func(in *api.GetInsightSelectorsRequest) *string { return in.TrailName })),
		api.AddTags.To(s.addTags, s.guardAddTags),
		api.RemoveTags.To(s.removeTags, s.guardRemoveTags),
		api.ListTags.To(s.listTags, s.guardListTags),
		api.ListPublicKeys.To(s.listPublicKeys, aws.Anywhere),
	}
}
