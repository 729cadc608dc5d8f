// Package cloudtrail is CloudTrail in the small: the audit log of who did what, kept for
// 90 days and read with LookupEvents, and an account of what each principal has used.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/Welcome.html
//
// The front door tells Record of every call. Management events, reads and writes, are
// kept one by one, and so is every denial, of data events too; an allowed data event
// (GetItem, Invoke) only counts towards the activity of who called. See docs/audit.md.
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
//   - There are no Insights events, and no trails: those would deliver to S3.
package cloudtrail

import (
	"context"
	"io"
	"log/slog"
	"sync"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Options furnish a Service. All are required but Logger and Allow.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader // of ids
	Logger *slog.Logger
	// Allow asks whether the caller of ctx may; without it the plane answers nobody.
	Allow func(ctx context.Context, needs ...aws.Access) error
}

// A Service answers CloudTrail's operations and is told of every call.
type Service struct {
	Options
	activity   activity
	parameters parameters
	queue      queue
	writing    sync.Mutex // one batch after the other
	flushing   sync.Mutex // likewise, of the activity
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
	}
}
