package events

import (
	"context"
	"errors"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// grace is how late a schedule may be due after a start of Tule and still count: AWS
// promises to the minute.
const grace = time.Minute

// plan says when a rule that is to be written is due. A schedule that stays what it was
// goes on; one that is new, or enabled again, begins now.
func (s *Service) plan(tx store.Tx, at busRef, old, r *rule) error {
	if err := undue(tx, at, old); err != nil {
		return err
	}
	r.Since, r.Due = time.Time{}, time.Time{}
	if r.Schedule == "" || !r.enabled() {
		return nil
	}
	if old.Schedule == r.Schedule && old.enabled() && !old.Since.IsZero() {
		r.Since, r.Due = old.Since, old.Due
	} else {
		now := s.Clock.Now().UTC().Round(0)
		e, err := parseSchedule(r.Schedule)
		if err != nil {
			return err
		}
		r.Since = now
		r.Due, _ = e.Next(now, now, time.UTC)
	}
	if r.Due.IsZero() {
		return nil // never again
	}
	return dueRules.Put(tx, store.Scope{}, nil, r.Due, at.scope.Account, at.scope.Region, r.Name)
}

// undue takes a rule's time out of what is due.
func undue(tx store.Tx, at busRef, r *rule) error {
	if r.Due.IsZero() {
		return nil
	}
	return dueRules.Delete(tx, store.Scope{}, r.Due, at.scope.Account, at.scope.Region, r.Name)
}

// poke wakes who waits for what is due. It never waits.
func (s *Service) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// runSchedules fires what is due until ctx ends.
func (s *Service) runSchedules(ctx context.Context) {
	start := s.Clock.Now()
	for ctx.Err() == nil {
		next, err := s.fireDue(ctx, start)
		if err != nil && ctx.Err() == nil {
			s.Logger.Warn("events: fire what is due; trying again", "error", err)
			next = s.Clock.Now().Add(time.Second)
		}
		var due <-chan time.Time
		stop := func() {}
		if !next.IsZero() {
			due, stop = s.Clock.After(next.Sub(s.Clock.Now()))
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-due:
		}
		stop()
	}
}

// fireDue fires all that is due, and says when the next is.
func (s *Service) fireDue(ctx context.Context, start time.Time) (next time.Time, err error) {
	for {
		var key store.Key
		found := false
		err := s.Store.View(ctx, func(r store.Reader) error {
			for e, err := range dueRules.List(ctx, r, store.Scope{}, store.ListOptions{Limit: 1}) {
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
		if err := s.fire(ctx, key, start); err != nil {
			return time.Time{}, err
		}
	}
}

// fire sends one rule's event, and says when it is due again, in one transaction. What
// was due before Tule started is not made up for; nor is more than one, where the clock
// was moved over several.
func (s *Service) fire(ctx context.Context, key store.Key, start time.Time) error {
	due := key.Time(0)
	at := busRef{store.Scope{Account: key.String(1), Region: key.String(2)}, defaultBus}
	name := key.String(3)
	now := s.Clock.Now().UTC().Round(0)
	var f *flight
	missed := 0
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		f, missed = nil, 0
		if err := dueRules.Delete(tx, store.Scope{}, key.Parts()...); err != nil {
			return err
		}
		r, err := rules.Get(ctx, tx, at.scope, at.name, name)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := parseSchedule(r.Schedule)
		if err != nil || !r.enabled() {
			return err
		}
		r.Due, _ = e.Next(now, r.Since, time.UTC)
		if !r.Due.IsZero() {
			if err := dueRules.Put(tx, store.Scope{}, nil, r.Due, at.scope.Account, at.scope.Region, name); err != nil {
				return err
			}
		}
		if err := rules.Put(tx, at.scope, r, at.name, name); err != nil {
			return err
		}
		if due.Before(start.Add(-grace)) {
			for t, ok := due, true; ok && !t.After(now) && missed < 1000; missed++ {
				t, ok = e.Next(t, r.Since, time.UTC)
			}
			return nil
		}
		f, err = s.scheduled(ctx, tx, at, name, due, now)
		return err
	})
	if err != nil {
		return err
	}
	if missed > 0 {
		s.Logger.Info("events: a schedule was due while Tule was down, and is not made up for", "rule", at.ruleARN(name), "times", missed)
	}
	if f != nil {
		s.launch([]*flight{f})
	}
	return nil
}

// scheduled stores the event of a schedule for the targets of its rule, and for no others.
func (s *Service) scheduled(ctx context.Context, tx store.Tx, at busRef, name string, due, now time.Time) (*flight, error) {
	ev := event{ID: aws.RandomUUID(s.Random), DetailType: "Scheduled Event", Source: "aws.events", Account: at.scope.Account, Time: due.UTC().Format(eventTime),
		Region: at.scope.Region, Resources: []string{at.ruleARN(name)}, Detail: []byte("{}")}
	f := &flight{key: flightKey{at.scope, now, ev.ID}, bus: at.name, event: ev.text()}
	v, err := s.view(ctx, tx, at)
	if err != nil {
		return nil, err
	}
	defer v.mu.RUnlock()
	if r := v.rules[name]; r != nil {
		f.add(r)
	}
	if len(f.targets) == 0 {
		return f, nil
	}
	return f, waiting.Put(tx, f.key.scope, f.record(), f.key.at, f.key.id)
}
