package scheduler

import (
	"context"
	"errors"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/scheduler"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An invocation is one call of a schedule's target, from when it is due until it was made
// or given up.
type invocation struct {
	ID          string // the execution's
	Account     string
	Region      string
	Group, Name string
	Target      api.Target
	Due         time.Time // what the schedule said
	Call        time.Time `json:",omitzero"` // when it was called for that, later within the flexible window
	Tries       int
	Dead        *failure `json:",omitempty"` // why no more tries are made; the dead-letter queue is still to be told
}

// A failure is why an invocation was given up.
type failure struct {
	Code, Message string
	Condition     string `json:",omitempty"` // the limit that the tries came to, if they did
}

// together is how many invocations run at once.
const together = 64

// poke wakes Run. It never waits.
func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run does what is due, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, together)
	for ctx.Err() == nil {
		next, err := s.fireDue(ctx)
		if err == nil {
			var again time.Time
			again, err = s.startDue(ctx, &wg, slots)
			if !again.IsZero() && (next.IsZero() || again.Before(next)) {
				next = again
			}
		}
		if err != nil && ctx.Err() == nil {
			s.Logger.Warn("scheduler: do what is due; trying again", "error", err)
			next = s.Clock.Now().Add(time.Second)
		}
		var come <-chan time.Time
		stop := func() {}
		if !next.IsZero() {
			come, stop = s.Clock.After(next.Sub(s.Clock.Now()))
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-come:
		}
		stop()
	}
	return nil
}

// fireDue makes invocations of all that is due, and says when the next is.
func (s *Service) fireDue(ctx context.Context) (time.Time, error) {
	for {
		var key store.Key
		found := false
		err := s.Store.View(ctx, func(r store.Reader) error {
			for e, err := range due.List(ctx, r, store.Scope{}, store.ListOptions{Limit: 1}) {
				if err != nil {
					return err
				}
				key, found = e.Key, true
			}
			return nil
		})
		if err != nil || !found {
			return time.Time{}, err
		}
		if key.Time(0).After(s.Clock.Now()) {
			return key.Time(0), nil
		}
		if err := s.fire(ctx, key); err != nil {
			return time.Time{}, err
		}
	}
}

// fire makes one invocation, and says when the schedule is due next, in one transaction.
// What is older than the target's invocations may be is passed over, and so is all but the
// latest of what a recurring schedule missed.
func (s *Service) fire(ctx context.Context, key store.Key) error {
	scope := store.Scope{Account: key.String(1), Region: key.String(2)}
	id := aws.RandomUUID(s.Random)
	now := s.Clock.Now().UTC().Round(0)
	var from, called time.Time
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		from, called = time.Time{}, time.Time{}
		if err := due.Delete(tx, store.Scope{}, key.Parts()...); err != nil {
			return err
		}
		x, err := schedules.Get(ctx, tx, scope, key.String(3), key.String(4))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		from = x.Due
		late, err := s.latest(&x, now)
		if err != nil {
			return err
		}
		if _, age := limits(&x.Target); now.Sub(late.call) <= age {
			called = late.due
			call := invocation{ID: id, Account: scope.Account, Region: scope.Region, Group: x.Group, Name: x.Name, Target: x.Target, Due: late.due, Call: late.call}
			if err := invocations.Put(tx, store.Scope{}, call, now, id); err != nil {
				return err
			}
		}
		if err := s.plan(tx, scope, &x, late.after); err != nil {
			return err
		}
		if x.Due.IsZero() && x.Completion == api.ActionAfterCompletionDelete {
			return schedules.Delete(tx, scope, x.Group, x.Name)
		}
		return schedules.Put(tx, scope, x, x.Group, x.Name)
	})
	if err != nil || called.Equal(from) {
		return err
	}
	arn := scheduleARN(scope, key.String(3), key.String(4))
	if called.IsZero() {
		s.Logger.Info("scheduler: a schedule was due while Tule was down, longer ago than its target lets it be", "schedule", arn, "due", from)
	} else {
		s.Logger.Info("scheduler: a schedule was due more than once while Tule was down, and is called for the last time only", "schedule", arn, "due", from, "called", called)
	}
	return nil
}

// An occurrence is a time at which a schedule is due.
type occurrence struct {
	due   time.Time
	call  time.Time // when it is called for that
	after time.Time // from then on it is due again
}

// latest is the occurrence that a schedule whose time has come at now is called for: the
// one that was planned, unless the windows of later ones are over too. Then nobody was
// there to call for some, and it is the last of these.
func (s *Service) latest(x *schedule, now time.Time) (occurrence, error) {
	next, err := s.times(x)
	if err != nil {
		return occurrence{}, err
	}
	window := time.Duration(x.Window) * time.Minute
	over := now.Add(-window) // what was due until then has its window behind it
	last := occurrence{due: x.Due, call: x.Call}
	// What is too old is not looked at one by one: a minute's rate has half a million a year.
	after := x.Due
	_, age := limits(&x.Target)
	if oldest := over.Add(-age - 1); after.Before(oldest) {
		after = oldest
	}
	for {
		t, ok := next(after)
		if !ok || t.After(over) {
			break
		}
		last.due, last.call, after = t, t.Add(window), t
	}
	if last.after = last.due; over.After(last.after) {
		last.after = over
	}
	return last, nil
}

// startDue starts the invocations that are due, and says when the next is.
func (s *Service) startDue(ctx context.Context, wg *sync.WaitGroup, slots chan struct{}) (time.Time, error) {
	var list []store.Entry[invocation]
	next := time.Time{}
	now := s.Clock.Now()
	err := s.Store.View(ctx, func(r store.Reader) error {
		list, next = nil, time.Time{}
		for e, err := range invocations.List(ctx, r, store.Scope{}, store.ListOptions{}) {
			if err != nil {
				return err
			}
			if at := e.Key.Time(0); at.After(now) {
				next = at
				return nil
			}
			if len(list) == together {
				return nil // who ends says so, and the others are next
			}
			if s.claim(e.Record.ID) {
				list = append(list, e)
			}
		}
		return nil
	})
	if err != nil {
		for _, e := range list {
			s.release(e.Record.ID)
		}
		return next, err
	}
	for _, e := range list {
		slots <- struct{}{} // those before it end, sooner or later
		wg.Go(func() {
			defer func() { <-slots }()
			s.invoke(ctx, e.Key, e.Record)
			s.release(e.Record.ID)
			s.poke()
		})
	}
	return next, nil
}

// claim takes an invocation that nobody runs.
func (s *Service) claim(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[id] {
		return false
	}
	s.running[id] = true
	return true
}

func (s *Service) release(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, id)
}

// How often and how long an invocation is tried where the target does not say.
const (
	maxTries = 185
	maxAge   = 24 * time.Hour
)

func limits(t *api.Target) (tries int, age time.Duration) {
	tries, age = maxTries, maxAge
	if p := t.RetryPolicy; p != nil {
		if p.MaximumRetryAttempts != nil {
			tries = int(*p.MaximumRetryAttempts)
		}
		if p.MaximumEventAgeInSeconds != nil {
			age = time.Duration(*p.MaximumEventAgeInSeconds) * time.Second
		}
	}
	return tries, age
}

// invoke makes one call, and notes what came of it.
func (s *Service) invoke(ctx context.Context, key store.Key, x invocation) {
	// It may have been made while it was looked for.
	waits := false
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		waits, err = invocations.Has(ctx, r, store.Scope{}, key.Parts()...)
		return err
	})
	if err != nil || !waits {
		return
	}
	wait := time.Duration(0)
	if x.Dead == nil {
		wait = s.try(ctx, &x)
	}
	if wait == 0 && x.Dead != nil && ctx.Err() == nil && s.bury(ctx, &x) {
		wait = time.Minute
	}
	if ctx.Err() != nil {
		return // the process ends; the next one calls
	}
	if wait > 0 {
		s.again(ctx, key, x, wait)
		return
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error { return invocations.Delete(tx, store.Scope{}, key.Parts()...) })
	if err != nil && ctx.Err() == nil {
		s.Logger.Warn("scheduler: forget an invocation", "error", err) // it is made again
	}
}

// try calls the target once. If that failed it says when the next try is; or, with zero,
// in x that there is none.
func (s *Service) try(ctx context.Context, x *invocation) (wait time.Duration) {
	x.Tries++
	out := s.send(ctx, x)
	if ctx.Err() != nil {
		return 0
	}
	s.measure(x, "InvocationAttemptCount")
	if out.err == nil {
		return 0
	}
	s.measure(x, "TargetErrorCount")
	if out.code == "THROTTLING" {
		s.measure(x, "TargetErrorThrottledCount")
	}
	condition := ""
	if !out.permanent {
		if wait, condition = s.backOff(x); condition == "" {
			return wait
		}
	}
	s.Logger.Info("scheduler: an invocation failed for good", "schedule", x.arn(), "target", *x.Target.Arn, "tries", x.Tries, "error", out.err)
	s.measure(x, "InvocationDroppedCount")
	x.Dead = out.failure(condition)
	return 0
}

// again puts an invocation back, to be made after wait.
func (s *Service) again(ctx context.Context, key store.Key, x invocation, wait time.Duration) {
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if has, err := invocations.Has(ctx, tx, store.Scope{}, key.Parts()...); err != nil || !has {
			return err
		}
		if err := invocations.Delete(tx, store.Scope{}, key.Parts()...); err != nil {
			return err
		}
		return invocations.Put(tx, store.Scope{}, x, s.Clock.Now().UTC().Round(0).Add(wait), x.ID)
	})
	if err != nil && ctx.Err() == nil {
		s.Logger.Warn("scheduler: note an invocation that is tried again", "error", err)
	}
}

// longestWait is the most time between two tries.
const longestWait = 9 * time.Minute

// backOff is when an invocation that failed is tried again; or why it is not any more.
func (s *Service) backOff(x *invocation) (wait time.Duration, condition string) {
	most, age := limits(&x.Target)
	if x.Tries > most {
		return 0, "MaximumRetryAttempts"
	}
	wait = longestWait
	if x.Tries < 10 {
		wait = min(wait, time.Second<<x.Tries)
	}
	wait -= s.within(wait / 2)
	began := x.Call
	if began.IsZero() {
		began = x.Due // it was stored when no call was
	}
	if s.Clock.Now().Add(wait).Sub(began) > age {
		return 0, "MaximumEventAgeInSeconds"
	}
	return wait, ""
}

func (x *invocation) scope() store.Scope { return store.Scope{Account: x.Account, Region: x.Region} }

func (x *invocation) arn() string { return scheduleARN(x.scope(), x.Group, x.Name) }

// measure counts for AWS/Scheduler.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html
func (s *Service) measure(x *invocation, name string) {
	for _, d := range [][]string{nil, {"ScheduleGroup", x.Group}} {
		s.Meter.Measure(aws.Measurement{Account: x.Account, Region: x.Region, Namespace: "AWS/Scheduler", Name: name, Unit: "Count", Dimensions: d, Value: 1})
	}
}
