package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/scheduler"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// schedule is what is kept of one.
type schedule struct {
	Name, Group string
	Token       string `json:",omitempty"` // of the call that made it
	Expression  string
	Zone        string
	Description string     `json:",omitempty"`
	KMSKey      string     `json:",omitempty"`
	Start       *time.Time `json:",omitempty"`
	End         *time.Time `json:",omitempty"`
	State       string
	Window      int32 // minutes of the flexible window, 0 for none
	Completion  string
	Target      api.Target
	Created     time.Time
	Modified    time.Time
	// Base is when a rate began; Due when the schedule is due next, and Call when it is
	// called for that, later within the flexible window. Zero: never.
	Base time.Time `json:",omitzero"`
	Due  time.Time `json:",omitzero"`
	Call time.Time `json:",omitzero"`
}

func scheduleARN(scope store.Scope, group, name string) string {
	return aws.NewARN("scheduler", scope.Region, scope.Account, "schedule/"+group+"/"+name).String()
}

func groupOf(name *string) string {
	if name == nil {
		return defaultGroup
	}
	return *name
}

func findSchedule(ctx context.Context, r store.Reader, scope store.Scope, group, name string) (schedule, error) {
	found, err := schedules.Get(ctx, r, scope, group, name)
	if errors.Is(err, store.ErrNotFound) {
		return found, api.ResourceNotFoundException("Schedule %s does not exist.", name)
	}
	return found, err
}

// make checks what a schedule is to be.
func (s *Service) make(in *api.UpdateScheduleInput) (schedule, error) {
	x := schedule{Name: *in.Name, Group: groupOf(in.GroupName), Expression: *in.ScheduleExpression, Zone: "UTC", Description: aws.Value(in.Description), KMSKey: aws.Value(in.KmsKeyArn),
		Start: in.StartDate, End: in.EndDate, State: api.ScheduleStateEnabled, Completion: api.ActionAfterCompletionNone, Target: *in.Target, Token: aws.Value(in.ClientToken)}
	for _, set := range []struct{ from, to *string }{{in.ScheduleExpressionTimezone, &x.Zone}, {in.State, &x.State}, {in.ActionAfterCompletion, &x.Completion}} {
		if set.from != nil {
			*set.to = *set.from
		}
	}
	if _, ok := s.Parse(x.Expression); !ok {
		return x, api.ValidationException("Invalid Schedule Expression %s.", x.Expression)
	}
	if _, err := time.LoadLocation(x.Zone); err != nil || x.Zone == "Local" {
		return x, api.ValidationException("Invalid Schedule Expression Timezone %s.", x.Zone)
	}
	switch w := in.FlexibleTimeWindow; {
	case *w.Mode == api.FlexibleTimeWindowModeFlexible && w.MaximumWindowInMinutes == nil:
		return x, api.ValidationException("MaximumWindowInMinutes must be provided when FlexibleTimeWindow Mode is FLEXIBLE.")
	case *w.Mode == api.FlexibleTimeWindowModeOff && w.MaximumWindowInMinutes != nil:
		return x, api.ValidationException("MaximumWindowInMinutes must not be provided when FlexibleTimeWindow Mode is OFF.")
	default:
		x.Window = aws.Value(w.MaximumWindowInMinutes)
	}
	if x.Start != nil && x.End != nil && !x.Start.Before(*x.End) {
		return x, api.ValidationException("The StartDate must come before the EndDate.")
	}
	if x.Start != nil && !x.once() && x.Start.Before(s.Clock.Now().Add(-5*time.Minute)) {
		return x, api.ValidationException("The StartDate you specify cannot be earlier than 5 minutes ago.")
	}
	return x, checkTarget(&x.Target)
}

// checkTarget refuses what no target can be.
func checkTarget(t *api.Target) error {
	a, ok := aws.ParseARN(*t.Arn)
	switch {
	case !ok:
		return api.ValidationException("Provided Arn is not in correct format.")
	case a.Service == "kinesis" && t.KinesisParameters == nil:
		return api.ValidationException("KinesisParameters must be provided for target %s.", *t.Arn)
	case a.Service == "events" && t.EventBridgeParameters == nil:
		return api.ValidationException("EventBridgeParameters must be provided for target %s.", *t.Arn)
	case a.Service == "ecs" && t.EcsParameters == nil:
		return api.ValidationException("EcsParameters must be provided for target %s.", *t.Arn)
	case strings.HasSuffix(a.Resource, ".fifo") && a.Service == "sqs" && t.SqsParameters == nil:
		return api.ValidationException("SqsParameters must be provided for target %s.", *t.Arn)
	case a.Service == "scheduler":
		if _, _, ok := universal(a); !ok {
			return api.ValidationException("%s is not a supported service for a target.", *t.Arn)
		}
		if t.Input != nil && !json.Valid([]byte(*t.Input)) {
			return api.ValidationException("The Input of a universal target must be JSON.")
		}
	case a.Service == "events" && t.Input != nil && !json.Valid([]byte(*t.Input)):
		return api.ValidationException("The Input of an event bus must be JSON.")
	}
	return nil
}

// trusted asks whether the scheduler may assume the target's role.
func (s *Service) trusted(ctx context.Context, scope store.Scope, x *schedule) error {
	_, err := stsapi.AssumeRole.Do(s.acting(ctx, scope, x.Group), s.Peers, &stsapi.AssumeRoleRequest{RoleArn: x.Target.RoleArn, RoleSessionName: new(sessionName)})
	if strings.HasPrefix(aws.CodeOf(err), "AccessDenied") {
		return api.ValidationException("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.").Because(err)
	}
	return nil // what else there is will be met when the schedule is due
}

func (s *Service) createSchedule(ctx context.Context, in *api.CreateScheduleInput) (*api.CreateScheduleOutput, error) {
	same := api.UpdateScheduleInput(*in)
	x, err := s.make(&same)
	if err != nil {
		return nil, err
	}
	scope := scopeOf(ctx)
	if err := s.trusted(ctx, scope, &x); err != nil {
		return nil, err
	}
	x.Created = s.Clock.Now().UTC().Round(0)
	x.Modified = x.Created
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := findGroup(ctx, tx, scope, x.Group); err != nil {
			return err
		}
		have, err := schedules.Get(ctx, tx, scope, x.Group, x.Name)
		switch {
		case err == nil && have.Token != "" && have.Token == x.Token:
			return nil // the same call again
		case err == nil:
			return api.ConflictException("Schedule %s already exists.", x.Name)
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		return s.write(tx, scope, x)
	})
	if err != nil {
		return nil, err
	}
	s.poke()
	return &api.CreateScheduleOutput{ScheduleArn: new(scheduleARN(scope, x.Group, x.Name))}, nil
}

func (s *Service) updateSchedule(ctx context.Context, in *api.UpdateScheduleInput) (*api.UpdateScheduleOutput, error) {
	x, err := s.make(in)
	if err != nil {
		return nil, err
	}
	scope := scopeOf(ctx)
	if err := s.trusted(ctx, scope, &x); err != nil {
		return nil, err
	}
	x.Modified = s.Clock.Now().UTC().Round(0)
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := findSchedule(ctx, tx, scope, x.Group, x.Name)
		if err != nil {
			return err
		}
		x.Created, x.Token = have.Created, have.Token
		if err := undue(tx, scope, &have); err != nil {
			return err
		}
		return s.write(tx, scope, x)
	})
	if err != nil {
		return nil, err
	}
	s.poke()
	return &api.UpdateScheduleOutput{ScheduleArn: new(scheduleARN(scope, x.Group, x.Name))}, nil
}

// write keeps a schedule that begins now, or at its start.
func (s *Service) write(tx store.Tx, scope store.Scope, x schedule) error {
	x.Base = x.Modified
	if x.Start != nil && !x.once() && x.Start.After(x.Base) {
		x.Base = x.Start.UTC()
	}
	// What is due at the very beginning counts.
	if err := s.plan(tx, scope, &x, x.Base.Add(-1)); err != nil {
		return err
	}
	return schedules.Put(tx, scope, x, x.Group, x.Name)
}

// plan says when the schedule is due after a time.
func (s *Service) plan(tx store.Tx, scope store.Scope, x *schedule, after time.Time) error {
	x.Due, x.Call = time.Time{}, time.Time{}
	if x.State != api.ScheduleStateEnabled {
		return nil
	}
	times, err := s.times(x)
	if err != nil {
		return err
	}
	next, ok := times(after)
	if !ok {
		return nil
	}
	x.Due = next
	x.Call = x.Due.Add(s.within(time.Duration(x.Window) * time.Minute))
	return due.Put(tx, store.Scope{}, nil, x.Call, scope.Account, scope.Region, x.Group, x.Name)
}

// once says that the schedule is due but once. Such a one has no use for dates.
func (x *schedule) once() bool { return strings.HasPrefix(x.Expression, "at(") }

// times is the schedule's plan: the first time after a time, false if there is none.
func (s *Service) times(x *schedule) (func(after time.Time) (time.Time, bool), error) {
	p, ok := s.Parse(x.Expression)
	zone, err := time.LoadLocation(x.Zone)
	if err != nil {
		return nil, err
	}
	return func(after time.Time) (time.Time, bool) {
		if !ok {
			return time.Time{}, false
		}
		next, found := p.Next(after, x.Base, zone)
		if !found || x.End != nil && !x.once() && !next.Before(*x.End) {
			return time.Time{}, false
		}
		return next.UTC(), true
	}, nil
}

// within is a time within a window, as chance has it.
func (s *Service) within(window time.Duration) time.Duration {
	var b [4]byte
	if window == 0 {
		return 0
	}
	if _, err := s.Random.Read(b[:]); err != nil {
		return 0
	}
	n := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	return time.Duration(uint64(window/time.Second) * n >> 32 * uint64(time.Second))
}

// undue takes a schedule's time out of what is due.
func undue(tx store.Tx, scope store.Scope, x *schedule) error {
	if x.Call.IsZero() {
		return nil
	}
	return due.Delete(tx, store.Scope{}, x.Call, scope.Account, scope.Region, x.Group, x.Name)
}

func (s *Service) deleteSchedule(ctx context.Context, in *api.DeleteScheduleInput) (*api.DeleteScheduleOutput, error) {
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		x, err := findSchedule(ctx, tx, scope, groupOf(in.GroupName), *in.Name)
		if err != nil {
			return err
		}
		if err := undue(tx, scope, &x); err != nil {
			return err
		}
		return schedules.Delete(tx, scope, x.Group, x.Name)
	})
}

func (s *Service) getSchedule(ctx context.Context, in *api.GetScheduleInput) (*api.GetScheduleOutput, error) {
	scope := scopeOf(ctx)
	var x schedule
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		x, err = findSchedule(ctx, r, scope, groupOf(in.GroupName), *in.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	window := &api.FlexibleTimeWindow{Mode: new(api.FlexibleTimeWindowModeOff)}
	if x.Window > 0 {
		window = &api.FlexibleTimeWindow{Mode: new(api.FlexibleTimeWindowModeFlexible), MaximumWindowInMinutes: &x.Window}
	}
	target := x.Target
	if target.RetryPolicy == nil {
		target.RetryPolicy = &api.RetryPolicy{MaximumEventAgeInSeconds: new(int32(86400)), MaximumRetryAttempts: new(int32(185))}
	}
	return &api.GetScheduleOutput{ActionAfterCompletion: &x.Completion, Arn: new(scheduleARN(scope, x.Group, x.Name)), CreationDate: moment(x.Created), Description: text(x.Description), EndDate: x.End,
		FlexibleTimeWindow: window, GroupName: &x.Group, KmsKeyArn: text(x.KMSKey), LastModificationDate: moment(x.Modified), Name: &x.Name, ScheduleExpression: &x.Expression,
		ScheduleExpressionTimezone: &x.Zone, StartDate: x.Start, State: &x.State, Target: &target}, nil
}

func (s *Service) listSchedules(ctx context.Context, in *api.ListSchedulesInput) (*api.ListSchedulesOutput, error) {
	scope := scopeOf(ctx)
	o, limit, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	if in.GroupName != nil {
		o.Prefix = []any{*in.GroupName}
	}
	out := &api.ListSchedulesOutput{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.Schedules, out.NextToken = []api.ScheduleSummary{}, nil
		if in.GroupName != nil {
			if _, err := findGroup(ctx, r, scope, *in.GroupName); err != nil {
				return err
			}
		}
		var last []string
		for e, err := range schedules.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			x := &e.Record
			if !strings.HasPrefix(x.Name, aws.Value(in.NamePrefix)) || in.State != nil && *in.State != x.State {
				continue
			}
			if len(out.Schedules) == limit {
				out.NextToken = new(aws.Token(last))
				return nil
			}
			last = []string{x.Group, x.Name}
			out.Schedules = append(out.Schedules, api.ScheduleSummary{Arn: new(scheduleARN(scope, x.Group, x.Name)), CreationDate: moment(x.Created), GroupName: &x.Group, LastModificationDate: moment(x.Modified),
				Name: &x.Name, State: &x.State, Target: &api.TargetSummary{Arn: x.Target.Arn}})
		}
		return nil
	})
}
