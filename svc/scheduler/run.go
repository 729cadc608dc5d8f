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
	Tries       int
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
// What is older than the target's invocations may be is passed over.
func (s *Service) fire(ctx context.Context, key store.Key) error {
	scope := store.Scope{Account: key.String(1), Region: key.String(2)}
	id := aws.RandomUUID(s.Random)
	now := s.Clock.Now().UTC().Round(0)
	missed := time.Time{}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		missed = time.Time{}
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
		_, age := limits(&x.Target)
		after := x.Due
		if now.Sub(x.Call) <= age {
			call := invocation{ID: id, Account: scope.Account, Region: scope.Region, Group: x.Group, Name: x.Name, Target: x.Target, Due: x.Due}
			if err := invocations.Put(tx, store.Scope{}, call, now, id); err != nil {
				return err
			}
		} else {
			missed, after = x.Due, now.Add(-age)
		}
		if err := s.plan(tx, scope, &x, after); err != nil {
			return err
		}
		if x.Due.IsZero() && x.Completion == api.ActionAfterCompletionDelete {
			return schedules.Delete(tx, scope, x.Group, x.Name)
		}
		return schedules.Put(tx, scope, x, x.Group, x.Name)
	})
	if err == nil && !missed.IsZero() {
		s.Logger.Info("scheduler: a schedule was due while Tule was down, longer ago than its target lets it be", "schedule", scheduleARN(scope, key.String(3), key.String(4)), "due", missed)
	}
	return err
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
	x.Tries++
	out := s.send(ctx, &x)
	if ctx.Err() != nil {
		return // the process ends; the next one calls
	}
	s.measure(&x, "InvocationAttemptCount")
	condition := ""
	if out.err != nil {
		s.measure(&x, "TargetErrorCount")
		if out.code == "THROTTLING" {
			s.measure(&x, "TargetErrorThrottledCount")
		}
		if !out.permanent {
			var wait time.Duration
			if wait, condition = s.backOff(&x); condition == "" {
				s.again(ctx, key, x, wait)
				return
			}
		}
		s.Logger.Info("scheduler: an invocation failed for good", "schedule", x.arn(), "target", *x.Target.Arn, "tries", x.Tries, "error", out.err)
		if s.bury(ctx, &x, out, condition) {
			x.Tries--
			s.again(ctx, key, x, time.Minute)
			return
		}
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error { return invocations.Delete(tx, store.Scope{}, key.Parts()...) })
	if err != nil && ctx.Err() == nil {
		s.Logger.Warn("scheduler: forget an invocation", "error", err) // it is made again
	}
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
	if s.Clock.Now().Add(wait).Sub(x.Due) > age {
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
