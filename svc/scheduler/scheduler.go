// Package scheduler is EventBridge Scheduler: schedules and what they call.
//
// When a schedule is due is in the store. When it comes, one transaction stores the
// invocation, with the target as it is then, and says when the schedule is due next; from
// then on the invocation happens, whatever becomes of the process, at least once.
//
// What differs from AWS on purpose:
//
//   - What was due while Tule was down is called when it is up again, as long as the
//     target's retry policy lets an invocation be that old. A recurring schedule is then
//     called once, for the last time that it missed, and goes on from there; within a
//     flexible window that is still open it has missed nothing. The log says what was
//     passed over. AWS promises each call at least once, and says nothing of outages.
//   - A role that cannot be assumed is tried again, as a target that is not there for the
//     moment, until the retry policy ends.
//   - A schedule that deletes itself is gone with its last invocation under way, and a
//     group with its schedules at once.
//   - Templated targets of services that are not here are stored, and their invocations go
//     to the dead-letter queue, with the reason. Universal targets call any operation that
//     this Tule answers.
//   - KMS keys are stored and shown.
//
// https://docs.aws.amazon.com/scheduler/latest/APIReference/Welcome.html
package scheduler

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
	_ "time/tzdata" // schedules have time zones, whatever the machine knows of them

	api "github.com/tule-cloud/tule/api/scheduler"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// principal is the scheduler as it assumes roles.
const principal = "scheduler.amazonaws.com"

// Options are what the service needs. Store, Clock, Random, Peers and Parse are required.
type Options struct {
	Store  store.Store
	Clock  aws.Clock
	Random io.Reader
	Logger *slog.Logger
	// Peers are the other services, as the front door opens them.
	Peers aws.Peers
	// Meter takes what the service measures of itself; nobody if nil.
	Meter aws.Meter
	// Parse reads a schedule expression: rate(…), cron(…), at(…); false if it is none.
	Parse func(expression string) (Plan, bool)
	// Operation finds an operation by AWS's name of its service and its own, as universal
	// targets name them, with a new input for it. Nil finds none.
	Operation func(service, action string) (op *aws.Operation, input any, ok bool)
}

// A Plan says when a schedule is due.
type Plan interface {
	// Next is the first time after a time at which the schedule is due in zone; false if
	// there is none. A rate counts from start, which is itself due.
	Next(after, start time.Time, zone *time.Location) (time.Time, bool)
}

// Service answers the operations of EventBridge Scheduler.
type Service struct {
	Options
	wake chan struct{} // something may be due earlier than was thought

	mu      sync.Mutex
	running map[string]bool // the invocations under way, by their ids
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = aws.NoMeter{}
	}
	if o.Operation == nil {
		o.Operation = func(string, string) (*aws.Operation, any, bool) { return nil, nil, false }
	}
	o.Random = aws.SharedReader(o.Random)
	return &Service{Options: o, wake: make(chan struct{}, 1), running: map[string]bool{}}
}

// What the service keeps.
var (
	groups      = store.NewTable[group]("scheduler", "group")           // name
	schedules   = store.NewTable[schedule]("scheduler", "schedule")     // group, name
	due         = store.NewTable[[]byte]("scheduler", "due")            // installation's: time, account, region, group, name
	invocations = store.NewTable[invocation]("scheduler", "invocation") // installation's: time of the next try, id
)

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.CreateSchedule.To(s.createSchedule, s.guardCreateSchedule),
		api.UpdateSchedule.To(s.updateSchedule, s.guardUpdateSchedule),
		api.DeleteSchedule.To(s.deleteSchedule, s.guardDeleteSchedule),
		api.GetSchedule.To(s.getSchedule, s.guardGetSchedule),
		api.ListSchedules.To(s.listSchedules, aws.Anywhere),
		api.CreateScheduleGroup.To(s.createGroup, s.guardCreateGroup),
		api.DeleteScheduleGroup.To(s.deleteGroup, onGroup(s, func(in *api.DeleteScheduleGroupInput) *string { return in.Name })),
		api.GetScheduleGroup.To(s.getGroup, onGroup(s, func(in *api.GetScheduleGroupInput) *string { return in.Name })),
		api.ListScheduleGroups.To(s.listGroups, aws.Anywhere),
		api.TagResource.To(s.tagResource, s.guardTag),
		api.UntagResource.To(s.untagResource, s.guardUntag),
		api.ListTagsForResource.To(s.listTags, s.guardListTags),
	}
}

// scopeOf is where a call's resources are.
func scopeOf(ctx context.Context) store.Scope {
	req := aws.RequestOf(ctx)
	return store.Scope{Account: req.Account(), Region: req.Region}
}

// text is a pointer to s, nil for "".
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// moment is a time as answers show it; nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.Truncate(time.Millisecond))
}
